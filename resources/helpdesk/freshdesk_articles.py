"""Freshdesk Solutions: categories, folders in folders, articles and their translations.

Belongs here: walking them, and what their fields mean. Does not belong here: tickets, or cutting articles (``domain``).

The API tells nothing of what changed, so a walk reads all; an article that none of its lists shows is gone. Each payload
holds what only its folders know: ``path`` (their names) and ``seen_by`` (the strictest of their visibilities).
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from domain.article import Article, Visibility
from domain.errors import DocumentError
from domain.fingerprint import clean, fingerprint
from domain.ticket import Attachment
from resources.helpdesk.base import Document, Json, Nothing, Page, Span, Stored, known_shape
from resources.helpdesk.freshdesk_ticket import drop_signed, unsigned, utc
from resources.http import BadAnswer, Http, HttpRefused

VERSION = "freshdesk-articles-1"
_PER_PAGE = 100
#: A folder's ``visibility``, from the widest to the strictest.
_VISIBILITIES: dict[int, Visibility] = {1: "everyone", 2: "customers", 4: "some", 3: "agents"}
_STRICTNESS: tuple[Visibility, ...] = tuple(_VISIBILITIES.values())
_DRAFT = 1


class FreshdeskArticles:
    """The knowledge base of one account. A translation is a document of its own: ``ID:LANGUAGE``."""

    made_by = VERSION
    absent_is_gone = True

    def __init__(self, http: Http, url: str, sent: Callable[[], int]) -> None:
        """``sent`` tells how many requests the account's client has sent."""
        self._http, self._url, self._sent = http, url, sent
        self.notes: list[str] = []

    @property
    def requests(self) -> int:
        return self._sent()

    def pages(self, cursor: Json | None, stored: Stored, span: Span) -> Iterator[Page]:
        """All articles, a folder a page."""
        languages = self._languages()
        try:
            categories = self._list("/solutions/categories")
        except HttpRefused as refused:
            if refused.status not in (403, 404):
                raise
            why = "this key may not read" if refused.status == 403 else "this account has no"
            self.notes.append(f"{why} Solutions; the knowledge base is left as it is")
            return
        for category in categories:
            for folder in self._list(f"/solutions/categories/{category['id']}/folders"):
                if not folder.get("parent_folder_id"):
                    yield from self._folder(folder, [category], "everyone", languages, stored, cursor or {})
        yield Page((), (), cursor or {}, walked_all=True)

    def one(self, doc_id: str, kept: Json | None = None) -> Document | None:
        """Fetch an article again; its folders are as they were at the last walk. One that is not stored is looked for in
        all folders. Raises ``DocumentError``."""
        number, _, language = doc_id.partition(":")
        if not number.isdecimal():
            return None
        if kept is None:
            shown = (document for page in self.pages(None, Nothing(), Span()) for document in page.documents)
            return next((document for document in shown if document.doc_id == doc_id), None)
        try:
            record = self._get(f"/solutions/articles/{number}{f'/{language}' if language else ''}", dict)
        except HttpRefused as refused:
            if refused.status == 404:
                return None
            if refused.status == 401:
                raise
            raise DocumentError(refused.title, refused.detail) from refused
        except BadAnswer as bad:
            raise DocumentError(bad.title, bad.detail) from bad
        return self._document(record, kept["path"], kept["seen_by"], language, kept["language"])

    def neutral(self, payload: Json) -> Article:
        """Raises ``DocumentError`` for a payload that is no article."""
        with known_shape("article"):
            text = payload.get("description_text") or ""
            return Article(
                id=payload["doc_id"],
                title=payload.get("title") or "",
                html=unsigned(payload.get("description")),
                text=text,
                language=payload["language"],
                draft=payload.get("status") == _DRAFT,
                visibility=payload["seen_by"],
                path=tuple(payload["path"]),
                tags=tuple(sorted(map(str, payload.get("tags") or ()))),
                url=f"{self._url}/a/solutions/articles/{payload['id']}",
                created_at=utc(payload.get("created_at")),
                updated_at=utc(payload.get("updated_at")),
                attachments=tuple(
                    Attachment(
                        str(one["id"]), one.get("name") or "", one.get("content_type") or "", one.get("size") or 0
                    )
                    for one in payload.get("attachments") or ()
                ),
            )

    def _folder(
        self,
        folder: Json,
        above: Sequence[Json],
        seen_by: Visibility,
        languages: tuple[str, list[str]],
        stored: Stored,
        cursor: Json,
    ) -> Iterator[Page]:
        """The articles of a folder and of those inside it."""
        path = [*above, folder]
        own: Visibility = _VISIBILITIES.get(folder.get("visibility") or 1, "some")
        strictest = max(_STRICTNESS.index(seen_by), _STRICTNESS.index(own))
        seen_by = _STRICTNESS[strictest]
        names = [str(one.get("name") or "") for one in path]
        primary, others = languages
        records = self._list(f"/solutions/folders/{folder['id']}/articles")
        documents = [self._document(record, names, seen_by, "", primary) for record in records]
        for language in others if records else ():
            translated = self._optional(f"/solutions/folders/{folder['id']}/articles/{language}")
            documents += [self._document(record, names, seen_by, language, language) for record in translated]
        versions = stored.versions([document.doc_id for document in documents])
        fresh = [document for document in documents if versions.get(document.doc_id) != document.version]
        yield Page(fresh, [document.doc_id for document in documents], cursor)
        if folder.get("sub_folders_count", 1):
            for inner in self._optional(f"/solutions/folders/{folder['id']}/subfolders"):
                yield from self._folder(inner, path, seen_by, languages, stored, cursor)

    def _optional(self, path: str) -> list[Json]:
        """What an address lists that not every account has: older ones know no subfolders, others no translations."""
        try:
            return self._list(path)
        except HttpRefused as refused:
            if refused.status not in (400, 404):
                raise
            return []

    def _languages(self) -> tuple[str, list[str]]:
        """The account's own language, and the others it supports. An account that does not tell has one."""
        try:
            settings: Json = self._get("/settings/helpdesk", dict)
        except (HttpRefused, BadAnswer) as failure:
            if isinstance(failure, HttpRefused) and failure.status == 401:
                raise
            return "", []
        primary = str(settings.get("primary_language") or "")
        others = [str(one) for one in settings.get("supported_languages") or () if one and one != primary]
        return primary, others

    def _document(self, record: Json, path: list[str], seen_by: Visibility, suffix: str, language: str) -> Document:
        with known_shape("article"):
            doc_id = f"{record['id']}:{suffix}" if suffix else str(record["id"])
            payload, replaced = clean(record)
            drop_signed(payload)
            for counter in ("hits", "thumbs_up", "thumbs_down", "feedback_count"):
                payload.pop(counter, None)
            payload |= {"doc_id": doc_id, "path": path, "seen_by": seen_by, "language": language}
            # Moves with every touch, and with what the folders say.
            version = f"{record.get('updated_at') or ''} {fingerprint([path, seen_by, record.get('status')])[:12]}"
            return Document(doc_id, payload, self.neutral(payload).content_hash(), version, replaced)

    def _list(self, path: str) -> list[Json]:
        records: list[Json] = []
        page, more = 1, True
        while more:
            answer = self._http.get(path, {"per_page": _PER_PAGE, "page": page}, shape=list)
            records += (one for one in answer.value if isinstance(one, dict) and "id" in one)
            page, more = page + 1, answer.more
        return records

    def _get(self, path: str, shape: type[dict[str, Any]]) -> Json:
        return self._http.get(path, shape=shape).value
