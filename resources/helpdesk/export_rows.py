"""What the files of an export share: finding them, reading them whole or not at all, and what a cell means.

Belongs here: which file of a folder it is, when it need not be read again, identity of rows, dates, tags. Does not belong
here: which columns there are (``export`` for tickets, ``export_articles``), or reading rows (``resources/table_file``).
"""

import re
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from hashlib import blake2b, file_digest
from pathlib import Path
from typing import Any

from domain.errors import DocumentError, InputError
from domain.fingerprint import clean
from resources.helpdesk.base import Document, Json, Page, Stored, Unreadable
from resources.table_file import ENDINGS, Row, as_text, from_json, kind, reading

#: A file touched so recently may be written again within one tick of the clock that times it.
UNSETTLED_SECONDS = 2.0

_YEAR_FIRST = re.compile(r"(\d{4})\s?[./-]\s?(\d{1,2})\s?[./-]\s?(\d{1,2})\.?(?:[\sT]+(\d{1,2}):(\d{2})(?::(\d{2}))?)?")


def named(folder: Path, stem: str) -> list[Path]:
    """The files of a folder that hold rows and have this name, whatever their ending."""
    with reading(folder):
        return sorted(file for file in folder.glob(f"{stem}.*") if kind(file))


def only(folder: Path, stem: str) -> Path:
    """The one file of that name. Raises ``InputError``."""
    there = named(folder, stem)
    if len(there) != 1:
        found = ", ".join(file.name for file in there) or "none"
        raise InputError(f"{folder} must hold one file {stem}.*", f"({', '.join(ENDINGS)}); found: {found}.")
    return there[0]


def walk(
    file: Path, cursor: Json | None, validate: Callable[[Path], object], pages: Callable[[Path], Iterator[Page]]
) -> Iterator[Page]:
    """All pages of a file, or nothing where it says what it said last time. A walk that was killed starts anew. Raises
    ``InputError`` for a file that ``validate`` refuses, or that changes while it is read."""
    stamp = _stamp(file)
    if cursor and cursor.get("stamp") == stamp:
        return
    content = _digest(file)
    if cursor and cursor.get("content") == content:
        return
    validate(file)
    yield from pages(file)
    if _stamp(file) != stamp:
        raise InputError(f"{file} was changed while it was read.", remedy="Run again when it is complete.")
    settled = time.time() - stamp[1] / 1e9 > UNSETTLED_SECONDS
    yield Page((), (), {"content": content, "stamp": stamp if settled else None}, walked_all=True)


def count(file: Path, rows: Iterable[Row], id_column: str, remedy: str) -> int:
    """The number of rows. Raises ``InputError`` when an id is there twice."""
    lines: dict[str, int] = {}
    for line, row in rows:
        first = lines.setdefault(row[id_column], line)
        if first != line:
            title = f"{file} has {id_column} {row[id_column]!r} twice, in lines {first} and {line}."
            raise InputError(title, remedy=remedy)
    return len(lines)


def page_of(
    found: Iterable[Json], id_column: str, document: Callable[[Json], Document], cursor: Json, stored: Stored
) -> Page:
    """Rows as a page: those that are not stored just as they are, and those that cannot be understood."""
    documents: list[Document] = []
    seen: list[str] = []
    unreadable: list[Unreadable] = []
    for row in found:
        seen.append(row[id_column])
        try:
            documents.append(document(row))
        except DocumentError as odd:
            unreadable.append(Unreadable(row[id_column], str(odd)))
    versions = stored.versions([one.doc_id for one in documents])
    fresh = [one for one in documents if versions.get(one.doc_id) != one.version]
    return Page(fresh, seen, cursor, unreadable=unreadable)


def _stamp(file: Path) -> list[int]:
    """Size, time and place of a file: enough to see that nothing touched it."""
    with reading(file):
        state = file.stat()
    return [state.st_size, state.st_mtime_ns, state.st_ino]


def _digest(file: Path) -> str:
    with reading(file), file.open("rb") as opened:
        return file_digest(opened, lambda: blake2b(digest_size=16)).hexdigest()


@contextmanager
def known_shape() -> Iterator[None]:
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError) as odd:
        raise DocumentError("The row has an unknown shape.", f"({type(odd).__name__})") from odd


# -- what cells mean -----------------------------------------------------------------------------------------------


def row_id(value: Any, column: str) -> str:
    """Raises ``ValueError`` for a row without one."""
    text = as_text(value).strip() if isinstance(value, str | int | float) and not isinstance(value, bool) else ""
    text, _ = clean(text)  # here already: the id is compared, listed and looked up in this form
    if not text:
        raise ValueError(f"it has no {column}")
    return text


def words(value: Any, separator: str = ",") -> list[str]:
    """A list, JSON text of one, or words with ``separator`` between them."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        with suppress(ValueError):
            value = from_json(value)
    given = value.split(separator) if isinstance(value, str) else value or ()
    return [text for word in given if (text := as_text(word).strip())]


def tags(value: Any) -> tuple[str, ...]:
    return tuple(sorted(set(words(value))))


def moment(value: Any) -> str:
    """ISO 8601 in UTC (a time without a zone counts as UTC), or "" for what is no date; the payload keeps that."""
    text = as_text(value).strip()
    found = _iso(text) or _year_first(text) or _jira(text)
    if found is None:
        return ""
    aware = found if found.tzinfo else found.replace(tzinfo=UTC)
    return aware.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _iso(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _year_first(text: str) -> datetime | None:
    """As in 2026/1/31 9:00 and 2026. 1. 31."""
    parts = _YEAR_FIRST.fullmatch(text)
    try:
        return parts and datetime(*(int(part or 0) for part in parts.groups()), tzinfo=UTC)
    except ValueError:
        return None


def _jira(text: str) -> datetime | None:
    """As in 03/Jan/20 10:37, whose month no other order of numbers can be taken for."""
    try:
        return datetime.strptime(text, "%d/%b/%y %H:%M").replace(tzinfo=UTC)
    except ValueError:
        return None
