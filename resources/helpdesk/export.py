"""Tickets that another system exported: CSV, JSON lines or Parquet.

Belongs here: which columns there must be, and what they mean. Does not belong here: when a file need not be read again
(``export_rows``), reading rows (``resources/table_file``), which status words count as resolved (the company's setting),
or the file of articles beside this one (``export_articles``).

A file is read twice: once to prove that all of it can be read, then to give it out. Nothing is done by halves.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, cast

from domain.errors import InputError
from domain.fingerprint import clean, fingerprint
from domain.ticket import AUTHORS, Author, Message, Person, Ticket
from resources.helpdesk.base import (
    Account,
    Document,
    Estimate,
    Json,
    Page,
    Rating,
    Ratings,
    Slice,
    Span,
    Stored,
    Whereabouts,
)
from resources.helpdesk.export_articles import ExportArticles
from resources.helpdesk.export_rows import count, known_shape, moment, named, only, page_of, row_id, tags, walk
from resources.table_file import ENDINGS, Row, as_text, from_json, kind, reading, rows

VERSION = "export-1"
#: Rows in one page.
CHUNK = 1000
REQUIRED = ("ticket_id", "subject", "description")
COLUMNS = (*REQUIRED, "status", "conversations", "tags", "requester", "created_at", "updated_at")
COLUMNS += ("url", "product", "priority", "type")

_SENDER = re.compile(r"(?P<name>[^<>]*)<(?P<email>[^<>\s]+@[^<>\s]+)>")


class Export:
    """The tickets of one exported file. ``path`` is the file, or a folder with one ``tickets.*`` in it, and maybe one
    ``kb.*``.

    ``columns`` maps our names (``COLUMNS``) to the file's. Every call may raise ``InputError`` with what is wrong
    with the file, and where.
    """

    platform = "export"
    version = VERSION
    names: Json = {}  # noqa: RUF012 -- never changed: a file has words, not numbers
    absent_is_gone = True

    def __init__(self, path: str | Path, *, columns: Mapping[str, str] | None = None) -> None:
        self.path = Path(path)
        self.columns = dict(columns or {})
        self.requests = 0
        self.notes: list[str] = []
        if unknown := sorted(set(self.columns) - set(COLUMNS)):
            known = ", ".join(COLUMNS)
            raise InputError(f"The setting columns maps {unknown[0]!r}, which is no column of ours.", f"Ours: {known}.")
        self.made_by = f"{VERSION} columns={json.dumps(self.columns, sort_keys=True, ensure_ascii=False)}"

    def check(self) -> Account:
        """Read the whole file once, and that of the articles."""
        file = self._file()
        notes = (self.articles.check(),) if self.articles else ()
        return Account(file.name, tickets=self._validate(file), notes=notes)

    @property
    def articles(self) -> ExportArticles | None:
        """None where there is no file of them."""
        return self._articles

    @cached_property
    def _articles(self) -> ExportArticles | None:
        return ExportArticles(self.path) if self.path.is_dir() and named(self.path, "kb") else None

    def plan(self, account: Account) -> Estimate:
        return Estimate(0, 0, 0.0, basis=f"{account.tickets} tickets in a file: no requests")

    def start(self, since: str) -> Json:
        return {"since": since}

    def size(self) -> int | None:
        """Nobody knows before the file was read."""
        return None

    def audit(self, since: str) -> Iterator[Slice]:
        """Not needed: a walk shows all there are."""
        return iter(())

    def whereabouts(self, doc_id: str) -> Whereabouts:
        return "gone" if self.one(doc_id) is None else "here"

    def ratings(self, cursor: Json | None) -> Iterable[Ratings]:
        return ()

    def ratings_of(self, ticket_id: str) -> Sequence[Rating]:
        return ()

    def close(self) -> None:
        """Nothing runs beside it."""

    def pages(self, cursor: Json | None, stored: Stored, span: Span) -> Iterator[Page]:
        """All rows, or nothing where the file says what it said last time. A walk that was killed starts anew. Between two
        days, the rows that were updated then; those of no day are in none."""

        def pages(file: Path) -> Iterator[Page]:
            left = self._rows(file)
            while chunk := list(islice(left, CHUNK)):
                yield self._page([row for _, row in chunk if _is_within(row, cursor or {}, span)], cursor or {}, stored)

        yield from walk(self._file(), cursor, self._validate, pages)

    def one(self, doc_id: str, kept: Json | None = None) -> Document | None:
        """Raises ``DocumentError`` when the row cannot be understood."""
        for _, row in self._rows(self._file()):
            if row["ticket_id"] == doc_id:
                return self._document(row)
        return None

    def neutral(self, payload: Json) -> Ticket:
        """Raises ``DocumentError`` for a payload that is no row of ours."""
        with known_shape():
            return _ticket(payload)

    def _page(self, chunk: list[Json], cursor: Json, stored: Stored) -> Page:
        return page_of(chunk, "ticket_id", self._document, cursor, stored)

    def _document(self, row: Json) -> Document:
        with known_shape():
            payload, replaced = clean(row)
            content_hash = _ticket(payload).content_hash()
            # A file has no mark that moves with every touch of a row, but the row itself.
            return Document(payload["ticket_id"], payload, content_hash, fingerprint(payload), replaced)

    # -- the file --------------------------------------------------------------------------------------------------

    def _file(self) -> Path:
        with reading(self.path):
            if not self.path.exists():
                raise InputError(f"{self.path} does not exist.", remedy="Give the path of an exported file.")
            if not self.path.is_dir():
                if kind(self.path) is None:
                    raise InputError(f"{self.path} ends in none of {', '.join(ENDINGS)}.", "Text may be packed (.gz).")
                return self.path
        return only(self.path, "tickets")

    def _validate(self, file: Path) -> int:
        """Prove that every row can be read, and that no id is there twice; returns the number of rows."""
        remedy = "Each ticket is one row; its messages go into the column conversations."
        return count(file, self._rows(file), "ticket_id", remedy)

    def _rows(self, file: Path) -> Iterator[Row]:
        """Rows under our names, each checked."""
        ours = {self.columns.get(name, name): name for name in COLUMNS}
        found: dict[str, None] = {}
        for line, row in rows(file, lambda header: self._require(file, header, REQUIRED)):
            found |= dict.fromkeys(row)
            self._require(file, found, REQUIRED[:1])
            try:
                yield line, _payload(row, ours)
            except ValueError as wrong:
                raise InputError(f"{file}, line {line}: {wrong}.") from None
        if found:
            self._require(file, found, REQUIRED)

    def _require(self, file: Path, found: Iterable[str], required: Iterable[str]) -> None:
        """Raise ``InputError`` when a column is missing that must be there, or that the setting names."""
        columns = list(found)
        for ours in dict.fromkeys((*required, *(self.columns if required == REQUIRED else ()))):
            theirs = self.columns.get(ours, ours)
            if theirs not in columns:
                raise InputError(
                    f"{file} has no column {theirs!r}.",
                    f"Columns found: {', '.join(columns[:40]) or 'none'}.",
                    f'The setting columns can name another: {{"{ours}": "COLUMN"}}.',
                )


def _is_within(row: Json, cursor: Json, span: Span) -> bool:
    since = cursor.get("since", "")
    return not (since or span.until) or since <= moment(row.get("updated_at")) <= (span.until or "9")


# -- what the columns mean -----------------------------------------------------------------------------------------


def _payload(row: Json, ours: Mapping[str, str]) -> Json:
    """A row under our names; columns that mean nothing to us stay as they are. Raises ``ValueError`` for a wrong row."""
    payload = {name: value for name, value in row.items() if name not in ours}
    payload |= {ours[name]: value for name, value in row.items() if name in ours}
    payload["ticket_id"] = row_id(payload.get("ticket_id"), "ticket_id")
    payload["conversations"] = _conversations(payload.get("conversations"))
    return payload


def _conversations(value: Any) -> list[Json]:
    """A list of messages, or JSON text of one; each names who wrote it."""
    if isinstance(value, str):
        try:
            value = from_json(value) if value.strip() else None
        except ValueError:
            raise ValueError("its conversations are not JSON") from None
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise ValueError("its conversations are not a list of messages")
    for one in value:
        if _author(one) not in AUTHORS:
            raise ValueError(f"a message's author is {one.get('author')!r}, not one of {', '.join(AUTHORS)}")
    return value


def _ticket(payload: Json) -> Ticket:
    created_at, description = moment(payload.get("created_at")), as_text(payload.get("description"))
    return Ticket(
        id=payload["ticket_id"],
        subject=as_text(payload.get("subject")),
        description=Message("description", "customer", text=description, created_at=created_at)
        if description
        else None,
        messages=tuple(_message(number, one) for number, one in enumerate(payload["conversations"], 1)),
        status=as_text(payload.get("status")).strip().lower(),
        priority=as_text(payload.get("priority")),
        type=as_text(payload.get("type")),
        tags=tags(payload.get("tags")),
        product=as_text(payload.get("product")),
        requester=_person(payload.get("requester")),
        created_at=created_at,
        updated_at=moment(payload.get("updated_at")),
        url=as_text(payload.get("url")),
    )


def _author(record: Json) -> str:
    return as_text(record.get("author")).strip().lower()


def _message(number: int, record: Json) -> Message:
    return Message(
        id=as_text(record.get("id")) or str(number),
        author=cast("Author", _author(record)),
        text=as_text(record.get("body")),
        created_at=moment(record.get("created_at")),
        private=as_text(record.get("private")).strip().lower() in ("true", "1", "yes"),
    )


def _person(value: Any) -> Person:
    """An object, "Name <address>", an address, or a name."""
    if isinstance(value, dict):
        return Person(as_text(value.get("id")), as_text(value.get("name")), as_text(value.get("email")))
    text = as_text(value).strip()
    if sender := _SENDER.fullmatch(text):
        return Person(name=sender["name"].strip(' "'), email=sender["email"])
    return Person(email=text) if "@" in text else Person(name=text)
