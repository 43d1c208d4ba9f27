"""A Freshdesk account's Solutions as they stand now: categories, folders in folders, articles and their translations.

Belongs here: making them of what the authors wrote (``companies/ID/solutions``) or of an account's products, and every
change. Does not belong here: addresses and paging (``freshdesk_solutions``), Zendesk's Help Center (``help_center``).

``tree.json`` is a list of categories ``{name, description, folders}``; a folder has ``{name, description, visibility,
articles, folders}``, an article ``{key, title, tags, days, type?, status?, attachments?, translation?}``: ``days`` ago it
was changed, ``KEY.html`` is its body, ``KEY.LANGUAGE.html`` that of its translation.
"""

import html
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from sandbox import attachments, corpus, shape
from sandbox.shape import Json

FIRST_CATEGORY = 153_400_000_001
FIRST_FOLDER = 153_400_100_001
FIRST_ARTICLE = 153_400_200_001
#: Visible to all, to who is logged in, to agents, to the contacts of some companies.
ALL, LOGGED_IN, AGENTS, COMPANIES = 1, 2, 3, 4
DRAFT, PUBLISHED = 1, 2
LANGUAGES = ("ko", "en")

_TAG = re.compile(r"<[^>]+>")
_SPACES = re.compile(r"\s+")


def read(folder: Path) -> list[Json]:
    """The authors' tree with the bodies in it; empty where a company has none. Raises ``OSError``, ``ValueError``."""
    if not folder.is_dir():
        return []
    tree = json.loads((folder / "tree.json").read_text(encoding="utf-8"))
    for article in _written(tree):
        article["body"] = (folder / f"{article['key']}.html").read_text(encoding="utf-8")
        for language in LANGUAGES:
            translated = folder / f"{article['key']}.{language}.html"
            if translated.exists():
                article["translation"] |= {"language": language, "body": translated.read_text(encoding="utf-8")}
    return tree


def _written(folders: list[Json]) -> Iterator[Json]:
    for folder in folders:
        yield from folder.get("articles", [])
        yield from _written(folder.get("folders", []))


_MADE = {
    "en": ("General", "Getting started with %s", "%s: problems and their solutions", "Draft: what is new in %s"),
    "ko": ("일반", "%s 시작하기", "%s 문제 해결", "초안: %s 새 기능"),
}
_INSIDE = {"en": ("Agents only", "%s: how agents handle refunds"), "ko": ("상담원 전용", "%s 환불 처리")}


def made_up(products: list[str], language: str) -> list[Json]:
    """A tree for an account that nobody wrote one for: a folder for each product, and one for agents only."""
    category, *titles = _MADE[language]
    name, inside = _INSIDE[language]

    def article(title: str, product: str, status: str) -> Json:
        named = title % product
        body = f"<h2>{named}</h2><ol><li>{product}</li><li>{named}.</li></ol>"
        return {"key": f"{product}/{title}", "title": named, "tags": [product], "status": status, "body": body}

    folders = [
        {
            "name": product,
            "visibility": ALL,
            "articles": [
                article(title, product, "draft" if number == 2 else "published") for number, title in enumerate(titles)
            ],
        }
        for product in products
    ]
    hidden = [article(inside, product, "published") for product in products]
    return [{"name": category, "folders": [*folders, {"name": name, "visibility": AGENTS, "articles": hidden}]}]


@dataclass(slots=True)
class Solutions:
    """What is there, by id. An article is a record for each language it has, the account's own first."""

    language: str
    agent_id: int
    company_ids: list[int]
    categories: dict[int, Json] = field(default_factory=dict[int, Json])
    folders: dict[int, Json] = field(default_factory=dict[int, Json])
    articles: dict[int, dict[str, Json]] = field(default_factory=dict[int, dict[str, Json]])
    gone: list[int] = field(default_factory=list[int])
    _changes: int = 0
    _next_article: int = FIRST_ARTICLE
    _next_file: int = shape.FIRST_ATTACHMENT + 40_000_000

    def fill(self, tree: list[Json]) -> None:
        """Take over the authors' tree."""
        since = corpus.stamp(corpus.PRESENT - corpus.HISTORY)
        for category in tree:
            number = FIRST_CATEGORY + len(self.categories)
            self.categories[number] = {
                "id": number,
                "name": category["name"],
                "description": category.get("description"),
                "visible_in_portals": [],
                "created_at": since,
                "updated_at": since,
            }
            self._fill_folders(category.get("folders", []), number, None, since)

    def _fill_folders(self, folders: list[Json], category: int, parent: int | None, since: str) -> None:
        for folder in folders:
            number = FIRST_FOLDER + len(self.folders)
            visibility = folder["visibility"]
            self.folders[number] = {
                "id": number,
                "name": folder["name"],
                "description": folder.get("description"),
                "category_id": category,
                "parent_folder_id": parent,
                "visibility": visibility,
                "company_ids": self.company_ids[:1] if visibility == COMPANIES else [],
                "contact_segment_ids": [],
                "company_segment_ids": [],
                "created_at": since,
                "updated_at": since,
            }
            for article in folder.get("articles", []):
                self._fill_article(article, number)
            self._fill_folders(folder.get("folders", []), category, number, since)

    def _fill_article(self, written: Json, folder: int) -> None:
        key, own = written["key"], dict[str, Json]()
        age = timedelta(days=written.get("days", 30), minutes=corpus.draw(key, "article", 600))
        changed = corpus.stamp(corpus.PRESENT - age)
        for language, given in ((self.language, written), *self._translation(written)):
            own[language] = self._article(self._next_article, folder, changed, given, key)
        files = [self._file(file, changed) for file in written.get("attachments", [])]
        attachments.mark(files)
        for record in own.values():
            record["attachments"] = files
        self.articles[self._next_article] = own
        self._next_article += 1

    def _translation(self, written: Json) -> list[tuple[str, Json]]:
        given = written.get("translation")
        return [(given["language"], {"tags": written.get("tags", [])} | given)] if given else []

    def _article(self, number: int, folder: int, changed: str, given: Json, key: str) -> Json:
        return {
            "id": number,
            "type": given.get("type", 1),
            "category_id": self.folders[folder]["category_id"],
            "folder_id": folder,
            "thumbs_up": corpus.draw(key, "up", 40),
            "thumbs_down": corpus.draw(key, "down", 6),
            "hits": corpus.draw(key, "hits", 900),
            "tags": given.get("tags", []),
            "seo_data": {"meta_title": given["title"], "meta_keywords": ",".join(given.get("tags", []))},
            "agent_id": self.agent_id,
            "title": given["title"],
            "description": given["body"],
            "description_text": text(given["body"]),
            "status": DRAFT if given.get("status") == "draft" else PUBLISHED,
            "attachments": [],
            "cloud_files": [],
            "created_at": min(changed, corpus.stamp(corpus.PRESENT - timedelta(days=30))),
            "updated_at": changed,
        }

    def _file(self, file: Json, created_at: str) -> Json:
        self._next_file += 1
        return shape.attachment(self._next_file, file["name"], file["content_type"], file["size"], created_at)

    # -- reading ---------------------------------------------------------------------------------------------------

    def subfolders(self, category: int, parent: int | None) -> list[Json]:
        return [
            one for one in self.folders.values() if (one["category_id"], one["parent_folder_id"]) == (category, parent)
        ]

    def folder(self, number: int, language: str) -> Json:
        """A folder as it is served, with where it is and what it holds."""
        stored = self.folders[number]
        inside = sum(number == one[self.language]["folder_id"] for one in self.articles.values())
        below = len(self.subfolders(stored["category_id"], number))
        path = [*self._path(stored["parent_folder_id"]), number]
        counts = {"articles_count": inside, "sub_folders_count": below}
        return stored | counts | {"hierarchy": self._hierarchy(stored["category_id"], path, language)}

    def inside(self, folder: int, language: str) -> list[Json]:
        """The articles of a folder that there are in a language."""
        found = [one[language] for one in self.articles.values() if language in one]
        return [self.article(one["id"], language) for one in found if one["folder_id"] == folder]

    def article(self, number: int, language: str) -> Json:
        stored = self.articles[number][language]
        folder = stored["folder_id"]
        hierarchy = self._hierarchy(stored["category_id"], self._path(folder), language)
        return stored | {"folder_visibility": self.folders[folder]["visibility"], "hierarchy": hierarchy}

    def is_public(self, number: int, language: str) -> bool:
        """Whether everybody may read it: published, in folders that all may see."""
        stored = self.articles[number][language]
        return stored["status"] == PUBLISHED and all(
            self.folders[folder]["visibility"] == ALL for folder in self._path(stored["folder_id"])
        )

    def truth(self) -> list[Json]:
        """Every article in every language, with ``language`` and ``public``."""
        return [
            self.article(number, language) | {"language": language, "public": self.is_public(number, language)}
            for number, own in self.articles.items()
            for language in own
        ]

    def _path(self, folder: int | None) -> list[int]:
        """A folder and those it lies in, the outermost first."""
        path: list[int] = []
        while folder is not None:
            path.insert(0, folder)
            folder = self.folders[folder]["parent_folder_id"]
        return path

    def _hierarchy(self, category: int, path: list[int], language: str) -> list[Json]:
        steps = [("category", self.categories[category]), *(("folder", self.folders[number]) for number in path)]
        return [
            {"level": level, "type": kind, "data": {"id": one["id"], "name": one["name"], "language": language}}
            for level, (kind, one) in enumerate(steps)
        ]

    # -- changing --------------------------------------------------------------------------------------------------

    def edit(self, ids: Iterable[int], now: str, language: str | None = None, **given: Any) -> None:
        """Set fields (``title``, ``description``, ``status``, ``tags``, ``folder_id``), or add a line where none is given."""
        for number in ids:
            self._changes += 1
            for record in self._of(number, language):
                record |= given or {"description": f"{record['description']}<p>{self._addition()}</p>"}
                record["description_text"] = text(record["description"])
                record["category_id"] = self.folders[record["folder_id"]]["category_id"]
                record["updated_at"] = now

    def _of(self, number: int, language: str | None) -> list[Json]:
        own = self.articles[number]
        return [own[language]] if language else [own[self.language]]

    def _addition(self) -> str:
        said = "이 글을 고쳤습니다" if self.language == "ko" else "This article was revised"
        return f"{said} ({self._changes})."

    def create(self, count: int, now: str, folder: int | None = None, **given: Any) -> list[int]:
        """New articles, published unless ``status`` says otherwise; in the first folder that all may see, or ``folder``."""
        place = folder or next(number for number, one in self.folders.items() if one["visibility"] == ALL)
        created: list[int] = []
        for _ in range(count):
            number = self._next_article
            title = f"{'새 글' if self.language == 'ko' else 'New article'} {number}"
            written = {"title": title, "body": f"<h2>{title}</h2><p>{title}.</p>"}
            record = self._article(number, place, now, written, str(number)) | {"created_at": now} | given
            record["description_text"] = text(record["description"])
            self.articles[number] = {self.language: record}
            self._next_article += 1
            created.append(number)
        return created

    def delete(self, ids: Iterable[int]) -> None:
        for number in ids:
            del self.articles[number]
            self.gone.append(number)

    def restrict(self, folder: int, visibility: int, now: str) -> None:
        """Change who may see a folder. Its articles' ``updated_at`` does not tell."""
        companies = self.company_ids[:1] if visibility == COMPANIES else []
        self.folders[folder] |= {"visibility": visibility, "company_ids": companies, "updated_at": now}


def text(body: str) -> str:
    """HTML as Freshdesk's ``description_text``: no tags, one space between words."""
    return _SPACES.sub(" ", html.unescape(_TAG.sub(" ", body))).strip()
