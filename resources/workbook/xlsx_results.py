"""What formulas came to, put back into a file that openpyxl saved without it.

Belongs here: matching formulas before and after. Does not belong here: anything else about the file (``xlsx``).
"""

import re
import zipfile
from io import BytesIO
from typing import Any
from xml.sax.saxutils import escape

from openpyxl import Workbook as Book
from openpyxl import load_workbook
from openpyxl.cell.cell import ERROR_CODES
from openpyxl.utils.datetime import to_excel

_FORMULA = re.compile(
    rb"""<c r="(?P<at>[A-Z]+[0-9]+)"(?P<rest>[^>]*)>(?P<formula><f[^>]*>[^<]*</f>|<f[^>]*/>)<v(?: ?/>|></v>)</c>"""
)
_ANY = re.compile(rb"<(?:\w+:)?f[ >/]")
_TYPE = re.compile(rb""" t="[^"]*\"""")


def put_back(saved: bytes, before: bytes, book: Book) -> bytes:
    """``saved`` (what ``book`` was saved as) with the results that ``before`` has for formulas that are the same, each in its
    place; one that has moved stays without a result until a spreadsheet program opens the file."""
    known = _known(before) if _has_formulas(before) else {}
    by_path: dict[str, dict[str, Any]] = {}
    for number, sheet in enumerate(book.worksheets, 1):  # openpyxl numbers the parts in the order of the tabs
        by_path[f"xl/worksheets/sheet{number}.xml"] = {
            at: result
            for at, (formula, result) in known.get(sheet.title, {}).items()
            if _text(sheet[at].value) == formula
        }
    return _rewritten(saved, by_path) if known else saved


def _has_formulas(content: bytes) -> bool:
    with zipfile.ZipFile(BytesIO(content)) as package:
        parts = [name for name in package.namelist() if name.startswith("xl/worksheets/sheet")]
        return any(_ANY.search(package.read(part)) for part in parts)


def _known(before: bytes) -> dict[str, dict[str, tuple[str, Any]]]:
    """By tab and cell: the formula and what it came to."""
    formulas, results = load_workbook(BytesIO(before)), load_workbook(BytesIO(before), data_only=True)
    known: dict[str, dict[str, tuple[str, Any]]] = {}
    for sheet in formulas.worksheets:
        came_to = results[sheet.title]
        for row in sheet.iter_rows():
            for cell in row:
                if cell.data_type == "f" and (result := came_to[cell.coordinate].value) is not None:
                    known.setdefault(sheet.title, {})[cell.coordinate] = (_text(cell.value), result)
    return known


def _text(formula: Any) -> str:
    """An array formula is an object."""
    return str(getattr(formula, "text", formula))


def _rewritten(saved: bytes, by_path: dict[str, dict[str, Any]]) -> bytes:
    out = BytesIO()
    with zipfile.ZipFile(BytesIO(saved)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for entry in old.infolist():
            part = old.read(entry)
            if results := by_path.get(entry.filename):
                part = _FORMULA.sub(lambda found, results=results: _with_result(found, results), part)
            new.writestr(entry, part)
    return out.getvalue()


def _with_result(found: re.Match[bytes], results: dict[str, Any]) -> bytes:
    at = found["at"].decode()
    if at not in results:
        return found[0]
    kind, text = _cached(results[at])
    rest = _TYPE.sub(b"", found["rest"])
    return b'<c r="%s"%s%s>%s<v>%s</v></c>' % (at.encode(), rest, kind, found["formula"], text)


def _cached(result: Any) -> tuple[bytes, bytes]:
    """A result as the file holds it: the cell's type, and the text."""
    if isinstance(result, bool):
        return b' t="b"', b"1" if result else b"0"
    if isinstance(result, (int, float)):
        return b"", repr(result).encode()
    if isinstance(result, str):
        return b' t="e"' if result in ERROR_CODES else b' t="str"', escape(result).encode()
    return b"", repr(to_excel(result)).encode()
