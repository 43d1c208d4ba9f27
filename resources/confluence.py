"""Confluence Cloud (REST API v2) as a source of regulations: the pages of a space, or those below a page.

Belongs here: addresses, paging, which pages belong to a place, a page's JSON as a document. Does not belong here: its markup
(``domain/storage_format``), or which pages are read tonight (``regulation_sources``).

A listing names all current pages, by their ids: 250 a request. What was trashed, archived, deleted for good or moved away is
not among them, and so leaves; and paging by id misses no page that is edited meanwhile, as paging by date would.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from domain.errors import DocumentError, InputError, SourceRefused
from domain.regulation_documents import Document
from domain.storage_format import STORAGE_FORMAT_VERSION, sections
from resources.http import Answer, Http, HttpRefused, basic
from resources.rate_budget import RateBudget
from resources.regulation_sources import Listed

Json = dict[str, Any]

PAGE_SIZE: Final = 250
"""Pages of a listing; the API's maximum."""
BODIES: Final = 50
"""Pages whose text is asked for at once."""
BELOW: Final = "page:"
"""Begins a place that is a page with all below it, and not a space."""
_DEEPEST = 200
_KEY_REMEDY = "casebook company regulations-key ID --key-env VARIABLE takes a new one, as email:token."


class Confluence:
    """One site. ``key`` is "email:token" of someone who may read the places. Raises ``InputError`` for what is neither."""

    made_by = f"confluence-{STORAGE_FORMAT_VERSION}"

    def __init__(self, site: str, key: str, *, timeout: tuple[float, float] = (5.0, 60.0)) -> None:
        email, colon, token = key.partition(":")
        if not site:
            raise InputError(
                "regulation_site is not set.",
                remedy="For example: casebook company set ID regulation_site=https://NAME.atlassian.net/wiki",
            )
        if not (email and colon and token):
            said = "It is not of the form email:token." if key else "There is none."
            raise InputError("Confluence needs a key.", said, _KEY_REMEDY)
        self.site = site.rstrip("/")
        self.requests = 0
        self._http = Http(
            f"{self.site}/api/v2",
            basic(email, token),
            name="Confluence",
            budget=RateBudget(),
            on_send=self._count,
            connections=1,
            timeout=timeout,
        )
        self._spaces: dict[str, str] = {}
        self._folders: dict[str, str] = {}

    def _count(self) -> None:
        self.requests += 1

    def close(self) -> None:
        """End all waiting."""
        self._http.wake.set()

    def listing(self, place: str) -> list[Listed]:
        """The current pages of a space (its key), or a page and all below it ("page:ID")."""
        if not place.startswith(BELOW):
            return [_listed(page) for page in self._pages(self._space(place))]
        root = self._get(f"/pages/{_number(place)}").value
        if root.get("status") != "current":
            raise SourceRefused(
                f"The page {place.removeprefix(BELOW)} is {root.get('status')}.", "Nothing was deleted."
            )
        pages = {str(page["id"]): page for page in self._pages(str(root["spaceId"]))}
        return [_listed(page) for page in pages.values() if self._is_below(page, str(root["id"]), pages)]

    def read(self, category: str, place: str, doc_ids: Sequence[str]) -> Iterator[tuple[str, Document | DocumentError]]:
        """These pages with their text, and the names of what is attached to them."""
        for start in range(0, len(doc_ids), BODIES):
            wanted = doc_ids[start : start + BODIES]
            asked: dict[str, str | int] = {"id": ",".join(wanted), "body-format": "storage", "limit": PAGE_SIZE}
            for page in self._all("/pages", asked):
                doc_id = str(page.get("id", ""))
                if doc_id in wanted and page.get("status", "current") == "current":
                    yield doc_id, self._document(category, doc_id, page)

    def _document(self, category: str, doc_id: str, page: Json) -> Document | DocumentError:
        try:
            said = sections(page["body"]["storage"]["value"])
            links: Json = page.get("_links") or {}
            return Document(
                id=doc_id,
                category=category,
                title=" ".join(str(page["title"]).split()),
                url=f"{self.site}{links.get('webui') or f'/pages/viewpage.action?pageId={doc_id}'}",
                updated=str(page["version"].get("createdAt") or "")[:10],
                sections=said,
                files=[str(one["title"]) for one in self._all(f"/pages/{doc_id}/attachments", {"limit": PAGE_SIZE})],
            )
        except (KeyError, TypeError, ValueError) as broken:
            return DocumentError("the page cannot be read", f"{type(broken).__name__}.")

    def _space(self, key: str) -> str:
        if key not in self._spaces:
            found = self._get("/spaces", {"keys": key, "limit": PAGE_SIZE}).value.get("results") or []
            named = {str(one.get("key")): str(one["id"]) for one in found}
            if key not in named:  # it says the same of a space that is not there, and of one that may not be read
                raise SourceRefused(
                    f"There is no space {key!r}, or this key may not read it.",
                    f"{self.site}. Nothing was deleted.",
                    "Check regulation_places, and the rights of the account that the key is of.",
                )
            self._spaces[key] = named[key]
        return self._spaces[key]

    def _pages(self, space_id: str) -> Iterator[Json]:
        params: dict[str, str | int] = {"depth": "all", "status": "current", "sort": "id", "limit": PAGE_SIZE}
        yield from self._all(f"/spaces/{space_id}/pages", params)

    def _is_below(self, page: Json, root: str, pages: Mapping[str, Json]) -> bool:
        """Whether a page is the root or below it; what lies between may be folders, which no listing names."""
        at, kind = str(page["id"]), "page"
        for _ in range(_DEEPEST):
            if at == root:
                return True
            if not at or at == "None":
                return False
            if kind == "folder":
                at, kind = self._above_folder(at)
            elif at in pages:
                at, kind = str(pages[at].get("parentId")), str(pages[at].get("parentType") or "page")
            else:
                return False
        return False

    def _above_folder(self, folder: str) -> tuple[str, str]:
        if folder not in self._folders:
            said = self._get(f"/folders/{folder}").value
            self._folders[folder] = f"{said.get('parentType') or 'page'} {said.get('parentId') or ''}"
        kind, _, above = self._folders[folder].partition(" ")
        return above, kind

    def _all(self, path: str, params: Mapping[str, str | int]) -> Iterator[Json]:
        """All results of a listing, page by page. Of the address of the next page only its cursor is taken: no answer decides
        where our key goes."""
        cursor = ""
        seen: set[str] = set()
        while True:
            answer = self._get(path, {**params, **({"cursor": cursor} if cursor else {})})
            yield from answer.value.get("results") or []
            cursor = _cursor(answer)
            if not cursor or cursor in seen:
                return
            seen.add(cursor)

    def _get(self, path: str, params: Mapping[str, str | int] | None = None) -> Answer:
        try:
            return self._http.get(path, params)
        except HttpRefused as refused:
            if refused.status == 401:
                raise SourceRefused(refused.title, refused.detail, _KEY_REMEDY) from None
            raise


def _listed(page: Json) -> Listed:
    return Listed(str(page["id"]), str((page.get("version") or {}).get("number") or ""))


def _number(place: str) -> str:
    number = place.removeprefix(BELOW).strip()
    if not number.isdecimal():
        raise InputError(
            f"{place!r} names no page.",
            "A page is named by its number.",
            "It stands in the page's address: page:123456.",
        )
    return number


def _cursor(answer: Answer) -> str:
    """The cursor of the next page: in the body, or in the header ``Link``."""
    following = (answer.value.get("_links") or {}).get("next") or ""
    if not following and answer.more:
        following = next((part for part in answer.headers.get("Link", "").split(",") if "next" in part), "")
        following = following.partition("<")[2].partition(">")[0]
    return parse_qs(urlsplit(following).query).get("cursor", [""])[0]
