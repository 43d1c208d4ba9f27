"""Rows of a table in a file that somebody else wrote: CSV, JSON lines or Parquet.

Belongs here: endings, packing, encodings, and saying which line cannot be read. Rows come one by one, never all at once.
Does not belong here: what a column means (``helpdesk/export``), or writing such files (``export_file``).
"""

import codecs
import csv
import gzip
import io
import json
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import IO, Any, cast

import orjson

from domain.errors import InputError

ENDINGS = (".csv", ".jsonl", ".ndjson", ".parquet")
#: Rows of a Parquet file in memory at a time.
BATCH = 1000

Row = tuple[int, dict[str, Any]]
"""A row and the number of the line (in Parquet, of the row) where it begins."""
Header = Callable[[Iterable[str]], None]
"""Called with the columns' names before the first row, where the file names them at its top; may raise."""


def kind(file: Path) -> str | None:
    """The one of ``ENDINGS`` that says how a file is read, None for another. Text may be packed (.gz)."""
    suffixes = [suffix.lower() for suffix in file.suffixes]
    packed = suffixes[-1:] == [".gz"]
    ending = "".join(suffixes[:-1][-1:] if packed else suffixes[-1:])
    return ending if ending in ENDINGS and not (packed and ending == ".parquet") else None


def rows(file: Path, header: Header) -> Iterator[Row]:
    """All rows as JSON values; in CSV every cell is text. Raises ``InputError`` that names the file and the line."""
    with reading(file):
        yield from _READERS[kind(file) or ""](file, header)


@contextmanager
def reading(file: Path) -> Iterator[None]:
    """Failures to read, as one clear line."""
    try:
        yield
    except (OSError, EOFError, zlib.error) as broken:
        raise InputError(f"{file} cannot be read.", f"{getattr(broken, 'strerror', None) or broken}.") from None


def from_json(text: str | bytes) -> Any:
    """The value; also of JSON with lone surrogates, which orjson refuses. Raises ``ValueError``."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        try:
            return json.loads(text)
        except RecursionError:
            raise ValueError("too deep") from None


def as_text(value: Any) -> str:
    """A cell as text: numbers without a needless fraction, times in ISO 8601, nothing as ""."""
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return format(value.normalize(), "f")
    return str(value)


def _open(file: Path) -> IO[bytes]:
    return cast("IO[bytes]", gzip.open(file, "rb")) if file.suffix.lower() == ".gz" else file.open("rb")


def _csv(file: Path, header: Header) -> Iterator[Row]:
    csv.field_size_limit(1 << 30)
    with _open(file) as opened, io.TextIOWrapper(opened, _encoding(file), newline="") as text:
        top = text.readline()
        text.seek(0)
        reader = csv.reader(text, delimiter=max(",;\t", key=top.count), strict=True)
        line = 1
        try:
            names = _distinct(next(reader, []))
            header(names)
            line = reader.line_num + 1
            for cells in reader:
                if cells and len(cells) != len(names):
                    raise InputError(f"{file}, line {line}: {len(cells)} cells where the header has {len(names)}.")
                if cells:
                    yield line, dict(zip(names, cells, strict=True))
                line = reader.line_num + 1
        except csv.Error as wrong:
            raise InputError(f"{file}, line {line} cannot be read.", f"{wrong}.") from None


def _jsonl(file: Path, header: Header) -> Iterator[Row]:
    empty = True
    with _open(file) as lines:
        for number, raw in enumerate(lines, 1):
            line = raw.removeprefix(codecs.BOM_UTF8).strip()
            if not line:
                continue
            empty = False
            try:
                row = from_json(line)
            except ValueError:
                raise InputError(f"{file}, line {number} is not JSON.") from None
            if not isinstance(row, dict):
                raise InputError(f"{file}, line {number} is not a JSON object.")
            yield number, row
    if empty:
        header(())


def _parquet(file: Path, header: Header) -> Iterator[Row]:
    import pyarrow.parquet as pq

    number = 0
    try:
        with pq.ParquetFile(file) as table:
            header(table.schema_arrow.names)
            for batch in table.iter_batches(BATCH):
                for row in batch.to_pylist():
                    number += 1
                    yield number, _plain(row)
    except ValueError as broken:  # what Arrow raises for a file that is none is one, too
        raise InputError(f"{file} cannot be read.", f"{broken}") from None


_READERS = {".csv": _csv, ".jsonl": _jsonl, ".ndjson": _jsonl, ".parquet": _parquet}


def _encoding(file: Path) -> str:
    """UTF-8, or what Korean Excel writes (CP949), or UTF-16 by its mark: the first that the whole file is."""
    with _open(file) as opened:
        if opened.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
            return "utf-16"
    for encoding in ("utf-8-sig", "cp949"):
        decoder = codecs.getincrementaldecoder(encoding)()
        try:
            with _open(file) as opened:
                while piece := opened.read(1 << 20):
                    decoder.decode(piece)
                decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            continue
        return encoding
    raise InputError(f"{file} is neither UTF-8 nor CP949.", remedy="Save it as UTF-8.")


def _distinct(names: list[str]) -> list[str]:
    """Column names; some systems write one over several columns."""
    counted: dict[str, int] = {}
    distinct: list[str] = []
    for raw in names:
        name = raw.strip()
        counted[name] = counted.get(name, 0) + 1
        distinct.append(name if counted[name] == 1 else f"{name} ({counted[name]})")
    return distinct


def _plain(value: Any) -> Any:
    """A Parquet value as JSON."""
    if isinstance(value, dict):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and value != value:
        return None
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    return value if isinstance(value, str | int | float | None) else as_text(value)
