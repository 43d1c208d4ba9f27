"""One CSV file as rows of text, and rows as a file.

Belongs here: encodings, separators, quoting, text that a spreadsheet program would run. Does not belong here: folders, file
names and writing (``csv_folder``).
"""

import codecs
import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from domain.errors import SourceRefused
from resources.workbook.cells import harmless, shown

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_SEPARATORS = ",;\t"
_RISKY = re.compile(r"'*[=+\-@\t\r]")
_ESCAPED = re.compile(r"'+[=+\-@\t\r]")
_SAMPLE = 64 * 1024
_LONGEST_FIELD = 50_000_000

csv.field_size_limit(_LONGEST_FIELD)


class Kept(str):
    """A cell as the file has it, to be written as it was: what people made a number or a formula stays one."""


@dataclass(frozen=True, slots=True)
class CsvFile:
    """What a file holds: rows as people see them (or cells as they are ``Kept``), and the separator to write it with."""

    rows: list[list[Any]]
    separator: str = ","


def parse(data: bytes, name: str, *, kept: bool = False) -> CsvFile:
    """A file's rows; ``kept``: to be written again. ``name`` is for the message. Raises ``SourceRefused`` for what is no
    text."""
    text = _decoded(data, name)
    separator = ""
    if text[:4].lower() == "sep=":  # Excel's own first line
        first, _, text = text.partition("\n")
        separator = first[4:5]
    separator = separator or _separator(text)
    cell_of = Kept if kept else _unescaped
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
        rows = [[cell_of(cell) for cell in row] for row in reader]
    except csv.Error:
        raise SourceRefused(
            f"{name} is no CSV file.", "A quoted cell of it has no end.", "Save it as CSV again."
        ) from None
    return CsvFile(rows, separator)


def render(rows: Sequence[Sequence[Any]], separator: str) -> bytes:
    """UTF-8 with a mark, without which Excel takes Korean for something else; lines end as in RFC 4180."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=separator, lineterminator="\r\n")
    writer.writerows(list(_written(row)) for row in rows)
    return codecs.BOM_UTF8 + out.getvalue().encode("utf-8", "replace")


def _written(row: Sequence[Any]) -> Iterator[str]:
    for value in row:
        if isinstance(value, Kept) or not isinstance(value, str):
            yield shown(value)  # numbers and formulas of ours too
            continue
        text = harmless(value, _LONGEST_FIELD)
        # Excel runs text that begins so, whoever wrote it; an apostrophe makes it text. One of ours more, where it has
        # some, so that reading takes away exactly what was put before it.
        yield "'" + text if _RISKY.match(text) else text


def _unescaped(cell: str) -> str:
    return cell[1:] if _ESCAPED.match(cell) else cell


def _decoded(data: bytes, name: str) -> str:
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return data[len(mark) :].decode(encoding, "replace")
    for encoding in _guesses(data):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise SourceRefused(
        f"{name} is in an encoding that is not known.",
        "It is neither UTF-8, UTF-16 nor CP949.",
        "Save it again as 'CSV UTF-8'.",
    )


def _guesses(data: bytes) -> Sequence[str]:
    sample = data[:_SAMPLE]
    if b"\0" not in sample:
        return "utf-8", "cp949"
    # UTF-16 without a mark: separators and line ends have their zero on one side only.
    return ("utf-16-le",) if sample[1::2].count(0) >= sample[::2].count(0) else ("utf-16-be",)


def _separator(text: str) -> str:
    """The one that the header has most of, outside of quotes."""
    counts = dict.fromkeys(_SEPARATORS, 0)
    quoted = False
    for letter in text[:_SAMPLE].lstrip("\r\n"):
        if letter == '"':
            quoted = not quoted
        elif letter in "\r\n" and not quoted:
            break
        elif letter in counts and not quoted:
            counts[letter] += 1
    return max(counts, key=lambda one: counts[one])
