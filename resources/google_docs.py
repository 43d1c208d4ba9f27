"""Google Docs (API v1) as a source of regulations: each document's sections by its headings.

Belongs here: which documents a place names, a document's JSON as sections. Does not belong here: the account, its token and
what is tried again (``workbook/google_client``), or which documents are read tonight (``regulation_sources``).

An unchanged document costs one request that answers with its revision only. Google tells that to editors alone: a document
that is shared for reading is read whole every time, and changes nothing where it did not.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, cast

from domain.errors import DocumentError, InputError
from domain.regulation_documents import Document, Outline, Section
from resources.regulation_sources import Listed
from resources.workbook.google_client import GoogleClient

Json = dict[str, Any]

GOOGLE_DOCS_VERSION: Final = "1"
"""Changes whenever the same document would give other sections."""
SCOPES = ("https://www.googleapis.com/auth/documents.readonly",)
_API = "https://docs.googleapis.com/v1/documents/"
_ID = re.compile(r"(?:https?://\S+/document/d/)?([A-Za-z0-9_-]{10,})(?:/\S*)?")
_LEVELS: Mapping[str, int] = {"TITLE": 1, **{f"HEADING_{level}": level + 1 for level in range(1, 7)}}


class GoogleDocs:
    """Documents that are shared with a service account; ``key`` is its JSON."""

    made_by = f"google-docs-{GOOGLE_DOCS_VERSION}"

    def __init__(self, key: str, google_url: str = "") -> None:
        self._client = GoogleClient(key, google_url, SCOPES)

    @property
    def requests(self) -> int:
        return self._client.requests

    def close(self) -> None:
        self._client.close()

    def listing(self, place: str) -> list[Listed]:
        """The documents of a place, addresses or ids with commas between them, with their revisions."""
        return [
            Listed(doc_id, str(self._get(doc_id, {"fields": "revisionId"}).get("revisionId") or ""))
            for doc_id in _ids(place)
        ]

    def read(self, category: str, place: str, doc_ids: Sequence[str]) -> Iterator[tuple[str, Document | DocumentError]]:
        """These documents, all their tabs."""
        for doc_id in doc_ids:
            said = self._get(doc_id, {"includeTabsContent": "true"})
            try:
                yield doc_id, _document(category, doc_id, said)
            except (KeyError, TypeError, ValueError, AttributeError) as broken:
                yield doc_id, DocumentError("the document cannot be read", f"{type(broken).__name__}.")

    def _get(self, doc_id: str, params: Mapping[str, str]) -> Json:
        def call() -> Json:
            return cast(Json, self._client.http.request("get", f"{_API}{doc_id}", params=dict(params)).json())

        answer = self._client.ask("docs", f"The document {doc_id}", call)
        assert answer is not None
        return answer


def _ids(place: str) -> list[str]:
    ids: list[str] = []
    for one in filter(None, (part.strip() for part in place.split(","))):
        found = _ID.fullmatch(one)
        if found is None:
            raise InputError(
                f"{one!r} is no Google document.",
                remedy="Give its address (https://docs.google.com/document/d/…) or its id in regulation_places.",
            )
        ids.append(found[1])
    return ids


def _document(category: str, doc_id: str, said: Json) -> Document:
    return Document(
        id=doc_id,
        category=category,
        title=" ".join(str(said["title"]).split()),
        url=f"https://docs.google.com/document/d/{doc_id}/edit",
        updated="",
        sections=sections_of(said),
    )


def sections_of(said: Json) -> list[Section]:
    """The sections of a document's JSON, all its tabs."""
    outline = Outline()
    tabs = list(_tabs(said.get("tabs") or [])) or [said]
    for tab in tabs:
        _Writer(outline, tab.get("lists") or {}).content((tab.get("body") or {}).get("content") or [])
    return outline.sections()


def _tabs(tabs: Sequence[Json]) -> Iterator[Json]:
    for tab in tabs:
        yield tab.get("documentTab") or {}
        yield from _tabs(tab.get("childTabs") or [])


class _Writer:
    """Writes one tab's content into an outline. Numbers of lists are not in the text, and are counted here."""

    def __init__(self, outline: Outline, lists: Json) -> None:
        self._outline, self._lists = outline, lists
        self._counts: dict[tuple[str, int], int] = {}

    def content(self, content: Sequence[Json]) -> None:
        for element in content:
            if "paragraph" in element:
                self._paragraph(element["paragraph"])
            elif "table" in element:
                for row in element["table"].get("tableRows") or []:
                    cells = [" ".join(_cell(cell).split()) for cell in row.get("tableCells") or []]
                    self._outline.line(" | ".join(cells))

    def _paragraph(self, paragraph: Json) -> None:
        text = _text(paragraph)
        level = _LEVELS.get((paragraph.get("paragraphStyle") or {}).get("namedStyleType", ""))
        if level and text.strip():
            self._outline.heading(level, text)
            return
        marker = self._marker(paragraph.get("bullet")) if text.strip() else ""
        for line in text.split("\v"):
            self._outline.line(f"{marker}{line}")
            marker = ""

    def _marker(self, bullet: Json | None) -> str:
        """The number that a reader sees; a dash for what is only listed."""
        if not bullet:
            return ""
        of, level = str(bullet.get("listId")), int(bullet.get("nestingLevel") or 0)
        levels = ((self._lists.get(of) or {}).get("listProperties") or {}).get("nestingLevels") or []
        kind = str((levels[level] if level < len(levels) else {}).get("glyphType") or "")
        for deeper in [key for key in self._counts if key[0] == of and key[1] > level]:
            del self._counts[deeper]
        number = self._counts[of, level] = self._counts.get((of, level), 0) + 1
        if "ALPHA" in kind and number <= len(_ALPHABET):
            letter = _ALPHABET[number - 1]
            return f"{letter.upper() if kind.startswith('UPPER') else letter}. "
        return f"{number}. " if kind in ("DECIMAL", "ZERO_DECIMAL") or "ROMAN" in kind else "- "


_ALPHABET = "abcdefghijklmnopqrstuvwxyz"


def _text(paragraph: Json) -> str:
    return "".join(
        str((part.get("textRun") or {}).get("content") or "") for part in paragraph.get("elements") or []
    ).rstrip("\n")


def _cell(cell: Json) -> str:
    return " ".join(_text(one["paragraph"]) for one in cell.get("content") or [] if "paragraph" in one)
