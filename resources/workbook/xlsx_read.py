"""The cells of an .xlsx file as text.

Belongs here: counting before reading, values by their number formats, merged cells. Does not belong here: writing
(``xlsx``, ``xlsx_layout``).
"""

import re
import zipfile
from collections.abc import Iterator
from io import BytesIO
from typing import Any, Final

from openpyxl import load_workbook
from openpyxl.utils import range_boundaries

from resources.workbook.base import Tab
from resources.workbook.cells import Area, check_cells, make_tab, shown

_CELL: Final = re.compile(rb"<(?:\w+:)?c[ >]")
_MERGED: Final = re.compile(rb"""<(?:\w+:)?mergeCell [^>]*ref=["']([A-Z]+[0-9]+:[A-Z]+[0-9]+)["']""")
_CHUNK = 1 << 20
_ZEROS = re.compile(r"0{2,}")
_PERCENT = re.compile(r"0(\.0+)?%")


def counted(package: zipfile.ZipFile, place: str) -> None:
    """Count the cells of all sheets before any is made. Raises ``SourceRefused`` for more than are read."""
    counts: dict[str, int] = {}
    for entry in package.infolist():
        if entry.filename.startswith("xl/worksheets/") and entry.filename.endswith(".xml"):
            name = entry.filename.rsplit("/", 1)[1]
            counts[name] = 0
            for chunk in _chunks(package, entry.filename):
                counts[name] += sum(1 for _ in _CELL.finditer(chunk))
                check_cells(place, sum(counts.values()), counts)


def read_tabs(content: bytes) -> tuple[str, dict[str, Tab]]:
    """The workbook's title ("" where it has none) and all its tabs; hidden ones too. Raises what openpyxl raises."""
    book = load_workbook(BytesIO(content), read_only=True, data_only=True)
    try:
        with zipfile.ZipFile(BytesIO(content)) as package:
            tabs: dict[str, Tab] = {}
            for sheet in book.worksheets:
                sheet.reset_dimensions()  # some programs write wrong ones
                merged = list(_merged(package, getattr(sheet, "_worksheet_path", "")))
                tabs[sheet.title] = make_tab(sheet.title, _rows(sheet), merged)
    finally:
        book.close()
    return book.properties.title or "", tabs


def _rows(sheet: Any) -> Iterator[list[str]]:
    for row in sheet.iter_rows():
        yield [_shown(cell) for cell in row]


def _shown(cell: Any) -> str:
    value = cell.value
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return _number(value, cell.number_format)
    return shown(value).replace("_x000D_", "")


def _number(value: float, form: str) -> str:
    """A number as its format shows it, for the two formats that change what it says: 007 and 35%."""
    if _PERCENT.fullmatch(form):
        return f"{shown(round(value * 100, 10))}%"
    if _ZEROS.fullmatch(form) and value == int(value):
        return str(int(value)).zfill(len(form))
    return shown(value)


def _merged(package: zipfile.ZipFile, path: str) -> Iterator[Area]:
    """Merged cells, which openpyxl does not tell of where it reads row by row."""
    found: dict[bytes, None] = {}
    for chunk in _chunks(package, path.lstrip("/")):
        found.update(dict.fromkeys(_MERGED.findall(chunk)))
    for reference in found:
        left, top, right, bottom = range_boundaries(reference.decode())
        if left and top and right and bottom:
            yield Area(top - 1, left - 1, bottom, right)


def _chunks(package: zipfile.ZipFile, name: str) -> Iterator[bytes]:
    """A part in pieces that end behind a tag."""
    with package.open(name) as part:
        kept = b""
        while piece := part.read(_CHUNK):
            piece = kept + piece
            cut = piece.rfind(b">") + 1
            kept = piece[cut:]
            yield piece[:cut]
        if kept:
            yield kept
