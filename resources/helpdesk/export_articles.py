"""Articles that another system exported: the file ``kb.*`` beside ``tickets.*``.

Belongs here: which columns there must be, and what they mean. Does not belong here: when a file need not be read again
(``export_rows``), reading rows (``resources/table_file``), or cutting articles (``domain``).
"""

import re
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import cast, get_args

from domain.article import Article, Visibility
from domain.errors import InputError
from domain.fingerprint import clean, fingerprint
from resources.helpdesk.base import Document, Json, Page, Span, Stored
from resources.helpdesk.export_rows import count, known_shape, moment, only, page_of, row_id, tags, walk, words
from resources.table_file import Row, as_text, rows

VERSION = "export-articles-1"
#: Rows in one page.
CHUNK = 200
REQUIRED = ("article_id", "title", "body")
_STATUSES = ("published", "draft")
_VISIBILITIES: tuple[str, ...] = get_args(Visibility)
#: A tag that pages are made of; what is written in angle brackets may be a key to press.
_HTML = re.compile(
    r"</?(?:a|b|blockquote|body|br|code|div|em|h[1-6]|html|i|img|li|ol|p|pre|section|span|strong|table|td|tr|u|ul)\b[^<>]*>",
    re.IGNORECASE,
)


class ExportArticles:
    """The articles of one file ``kb.*`` in ``folder``. Every call may raise ``InputError`` with what is wrong with the
    file, and where."""

    made_by = VERSION
    absent_is_gone = True
    absence_is_certain = True
    requests = 0

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.notes: list[str] = []

    def check(self) -> str:
        """Read the whole file once; what is in it, for a person."""
        file = only(self.folder, "kb")
        return f"articles in {file.name}: {self._validate(file)}"

    def pages(self, cursor: Json | None, stored: Stored, span: Span) -> Iterator[Page]:
        """All rows, or nothing where the file says what it said last time."""

        def pages(file: Path) -> Iterator[Page]:
            left = self._rows(file)
            while chunk := list(islice(left, CHUNK)):
                yield self._page([row for _, row in chunk], cursor or {}, stored)

        yield from walk(only(self.folder, "kb"), cursor, self._validate, pages)

    def one(self, doc_id: str, kept: Json | None = None) -> Document | None:
        """Raises ``DocumentError`` when the row cannot be understood."""
        for _, row in self._rows(only(self.folder, "kb")):
            if row["article_id"] == doc_id:
                return self._document(row)
        return None

    def neutral(self, payload: Json) -> Article:
        """Raises ``DocumentError`` for a payload that is no row of ours."""
        with known_shape():
            body = as_text(payload.get("body"))
            is_html = bool(_HTML.search(body))
            return Article(
                id=payload["article_id"],
                title=as_text(payload.get("title")),
                html=body if is_html else "",
                text="" if is_html else body,
                language=as_text(payload.get("language")).strip().lower(),
                draft=_word(payload, "status") == "draft",
                visibility=cast("Visibility", _word(payload, "visibility") or "everyone"),
                path=tuple(words(payload.get("path"), ">")),
                tags=tags(payload.get("tags")),
                url=as_text(payload.get("url")),
                created_at=moment(payload.get("created_at")),
                updated_at=moment(payload.get("updated_at")),
            )

    def _page(self, found: list[Json], cursor: Json, stored: Stored) -> Page:
        return page_of(found, "article_id", self._document, cursor, stored)

    def _document(self, row: Json) -> Document:
        with known_shape():
            payload, replaced = clean(row)
            content_hash = self.neutral(payload).content_hash()
            return Document(payload["article_id"], payload, content_hash, fingerprint(payload), replaced)

    def _validate(self, file: Path) -> int:
        """Prove that every row can be read, and that no id is there twice; returns the number of rows."""
        return count(file, self._rows(file), "article_id", "A translation is a row of its own, with an id of its own.")

    def _rows(self, file: Path) -> Iterator[Row]:
        found: dict[str, None] = {}
        for line, row in rows(file, lambda header: _require(file, header)):
            found |= dict.fromkeys(row)
            _require(file, found, REQUIRED[:1])
            try:
                yield line, _payload(row)
            except ValueError as wrong:
                raise InputError(f"{file}, line {line}: {wrong}.") from None
        if found:
            _require(file, found)


def _require(file: Path, found: Iterable[str], required: Iterable[str] = REQUIRED) -> None:
    """Raise ``InputError`` when a column is missing that must be there."""
    columns = list(found)
    for name in required:
        if name not in columns:
            there = ", ".join(columns[:40]) or "none"
            raise InputError(
                f"{file} has no column {name!r}.",
                f"Columns found: {there}.",
                f"Articles need the columns {', '.join(REQUIRED)}.",
            )


def _payload(row: Json) -> Json:
    """A row with its id as text. Raises ``ValueError`` for a wrong one: who may see an article is not to be guessed."""
    for name, known in (("status", _STATUSES), ("visibility", _VISIBILITIES)):
        if (word := _word(row, name)) and word not in known:
            raise ValueError(f"its {name} is {word[:40]!r}, not one of {', '.join(known)}")
    return row | {"article_id": row_id(row.get("article_id"), "article_id")}


def _word(row: Json, name: str) -> str:
    return as_text(row.get(name)).strip().lower()
