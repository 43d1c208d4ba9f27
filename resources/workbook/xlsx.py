"""A workbook that is an .xlsx file.

Belongs here: opening, bounding, changing and replacing the file. Does not belong here: reading its cells
(``xlsx_read``), what a new tab looks like (``xlsx_layout``).

A write loads the file, changes it, saves a new one beside it and puts that in its place: killed anywhere, the old one or the
new one is there. openpyxl keeps formats, validations, comments and charts, and forgets what formulas came to: that is put
back (``xlsx_results``), or the next reading would find them empty until somebody opened the file.
"""

import hashlib
import stat
import warnings
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

from openpyxl import Workbook as Book
from openpyxl import load_workbook
from openpyxl.cell.cell import MergedCell
from openpyxl.comments import Comment
from openpyxl.styles import Alignment
from openpyxl.worksheet.worksheet import Worksheet

from domain.errors import InputError, SourceRefused, SourceUnavailable
from resources.workbook import xlsx_layout, xlsx_results
from resources.workbook.base import Append, Change, DropRows, Formula, Note, Overwrite, Plan, SetCells, Snapshot, Value
from resources.workbook.cells import harmless, layout_of, ordered, runs
from resources.workbook.charts import CHARTS
from resources.workbook.files import sync_folder, write_synced
from resources.workbook.xlsx_read import counted, read_tabs

_MOST_TEXT = 32_767
"""Characters that Excel allows in a cell."""
_MOST_BYTES = 1 << 30
"""Bytes of the file, and of what is packed in it: a zip bomb is not unpacked."""
_TIMES = 3
"""Writes that are begun anew because the file was saved meanwhile."""


class XlsxWorkbook:
    """``Workbook`` (see ``base``) in a file."""

    requests = 0

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def place(self) -> str:
        return str(self._path)

    def revision(self) -> str:
        """The hash of the file."""
        return _hash(self._bytes())

    def read(self) -> Snapshot:
        content = self._bytes()
        counted(self._package(content), self.place)
        with _told_plainly(self.place), _no_warnings():
            title, tabs = read_tabs(content)
        return Snapshot(title or self._path.stem, tabs, _hash(content))

    def write(self, changes: Sequence[Change]) -> None:
        if not changes:
            return
        for _ in range(_TIMES):
            content = self._bytes()
            counted(self._package(content), self.place)
            with _told_plainly(self.place), _no_warnings():
                book = load_workbook(BytesIO(content))
                for change in ordered(changes):
                    _change(_sheet(book, change.tab), change)
                xlsx_layout.fit_charts(book, {change.tab for change in changes})
                changed = _saved(book, content)
            self._check_closed()
            if _hash(self._bytes()) == _hash(content):
                self._replace(changed)
                return
        raise SourceUnavailable(
            f"{self.place} is being saved by another program all the time.",
            "Nothing was changed.",
            "Close it there; the next run writes what is due.",
        )

    def create(self, plan: Plan) -> str:
        if self._path.is_dir():
            raise InputError(f"{self.place} is a folder.", "An .xlsx file was asked for.", "Name another place.")
        is_there = self._path.exists()
        content = self._bytes() if is_there else b""
        try:
            with _told_plainly(self.place), _no_warnings():
                book = load_workbook(BytesIO(content)) if is_there else xlsx_layout.empty(plan.title)
        except SourceRefused as refused:
            raise InputError(f"{self.place} is something else.", refused.detail, "Name another place.") from None
        missing = [layout for layout in plan.layouts if layout.name not in book.sheetnames]
        if not missing:
            return self.place
        for layout in missing:
            sheet = xlsx_layout.add_tab(book, layout)
            xlsx_layout.add_charts(sheet, [chart for chart in plan.charts if chart.tab == layout.name])
        self._check_closed()
        with _no_warnings():
            saved = _saved(book, content)
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"{self.place} cannot be made.", f"{error.strerror}.", "Name another place.") from None
        self._replace(saved)
        return self.place

    def close(self) -> None:
        pass

    def _bytes(self) -> bytes:
        try:
            told = self._path.stat()
            if not stat.S_ISREG(told.st_mode):
                raise SourceRefused(
                    f"{self.place} is no file.", "A folder, a pipe or a device is no .xlsx workbook.", "Name a file."
                )
            if told.st_size > _MOST_BYTES:
                raise SourceRefused(f"{self.place} is too large.", f"A file may have {_MOST_BYTES >> 20} MB.")
            return self._path.read_bytes()
        except FileNotFoundError:
            raise SourceRefused(
                f"There is no file {self.place}.",
                "The workbook should be an .xlsx file there.",
                "'casebook workbook new' makes one; 'casebook company set ID workbook=PATH' names another.",
            ) from None
        except OSError as error:
            raise SourceRefused(
                f"{self.place} cannot be read.",
                f"{error.strerror}.",
                "Close it in other programs; see who may read it.",
            ) from None

    def _package(self, content: bytes) -> zipfile.ZipFile:
        try:
            package = zipfile.ZipFile(BytesIO(content))
        except (zipfile.BadZipFile, ValueError):
            raise _damaged(self.place) from None
        if sum(entry.file_size for entry in package.infolist()) > _MOST_BYTES:
            raise SourceRefused(
                f"{self.place} is too large.",
                f"Unpacked it would have more than {_MOST_BYTES >> 20} MB.",
                "Take pictures and old tabs out of it.",
            )
        return package

    def _check_closed(self) -> None:
        """Who has it open would later save over what we wrote. Raises ``SourceUnavailable``."""
        for lock in (f".~lock.{self._path.name}#", f"~${self._path.name}"):
            if (path := self._path.with_name(lock)).exists():
                raise SourceUnavailable(
                    f"{self.place} is open in another program.",
                    f"{path.name} says so. Nothing was changed.",
                    "Close it there (or delete that file, if nobody has it open); the next run writes what is due.",
                )

    def _replace(self, content: bytes) -> None:
        path = self._path.resolve()  # a link stays a link
        draft = path.with_name(f".{path.name}.casebook-new")
        try:
            write_synced(draft, content, like=path)
            draft.replace(path)
            sync_folder(path.parent)
        except OSError as error:
            draft.unlink(missing_ok=True)
            raise SourceUnavailable(
                f"{self.place} cannot be written.",
                f"{error.strerror}. Nothing was changed.",
                "Close it in other programs; see that Casebook may write there, and that the disk has room.",
            ) from None


@contextmanager
def _told_plainly(place: str) -> Iterator[None]:
    """What openpyxl raises for a damaged file, which is nearly anything, as one error for a person."""
    try:
        yield
    except (ArithmeticError, AttributeError, AssertionError, EOFError, LookupError, OSError, SyntaxError) as error:
        raise _damaged(place) from error
    except (NotImplementedError, TypeError, ValueError, zipfile.BadZipFile, zipfile.LargeZipFile) as error:
        raise _damaged(place) from error


def _damaged(place: str) -> SourceRefused:
    return SourceRefused(
        f"{place} is no Excel workbook, or a damaged one.",
        "It cannot be read as .xlsx (a password makes it unreadable, too).",
        "Open it in a spreadsheet program and save it as .xlsx again.",
    )


def _no_warnings() -> "warnings.catch_warnings[None]":
    """openpyxl warns of parts that it does not keep, which nobody who runs a sync can act on."""
    return warnings.catch_warnings(action="ignore")


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _saved(book: Book, before: bytes) -> bytes:
    out = BytesIO()
    book.save(out)
    return xlsx_results.put_back(out.getvalue(), before, book) if before else out.getvalue()


def _sheet(book: Book, name: str) -> Worksheet:
    if name not in book.sheetnames:
        sheet = xlsx_layout.add_tab(book, layout_of(name), examples=False)
        xlsx_layout.add_charts(sheet, [chart for chart in CHARTS if chart.tab == name])
        return sheet
    sheet = book[name]
    if not isinstance(sheet, Worksheet):
        raise SourceRefused(f"Tab {name} is a chart.", "Rows were to be written to it.", "Rename that sheet.")
    if last_row(sheet) == 0:
        xlsx_layout.write_header(sheet, layout_of(name))
    return sheet


def last_row(sheet: Worksheet) -> int:
    """The last row that has a value; formats and checkboxes alone reach further."""
    filled = (row for (row, _), cell in sheet._cells.items() if _is_filled(cell.value))
    return max(filled, default=0)


def _is_filled(value: Any) -> bool:
    return value is not None and value is not False and value not in ("", "FALSE")


def _change(sheet: Worksheet, change: Change) -> None:
    match change:
        case Overwrite():
            _empty(sheet)
            _put(sheet, 2, change.rows)
        case Append():
            _put(sheet, max(last_row(sheet), 1) + 1, change.rows)
        case SetCells():
            for (row, column), value in change.cells.items():
                _set(sheet, row, column, value)
        case DropRows():
            for first, last in runs(change.rows):
                xlsx_layout.drop_rows(sheet, first, last - first + 1)
        case Note():
            cell = sheet.cell(change.row, change.column)
            cell.comment = Comment(harmless(change.text, _MOST_TEXT), "Casebook") if change.text else None


def _empty(sheet: Worksheet) -> None:
    """Take all values below the header; formats and notes stay."""
    for merged in [one for one in sheet.merged_cells.ranges if one.min_row > 1]:
        sheet.unmerge_cells(merged.coord)
    for (row, _), cell in sheet._cells.items():
        if row > 1:
            cell.value = None


_BOOLEAN = '"TRUE";"TRUE";"FALSE"'
"""LibreOffice shows 1 and 0 without it."""
_SHORT = 30
"""Longer texts are wrapped: else the next cell covers their end."""


def _put(sheet: Worksheet, top: int, rows: Sequence[Sequence[Value]]) -> None:
    for row, values in enumerate(rows, top):
        for column, value in enumerate(values, 1):
            _set(sheet, row, column, value)
        xlsx_layout.fit_height(sheet, row)


def _set(sheet: Worksheet, row: int, column: int, value: Value) -> None:
    cell: Any = sheet.cell(row, column)
    if isinstance(cell, MergedCell):
        return  # its value is the first one's
    if isinstance(value, Formula):
        cell.value = value.text
        return
    if not isinstance(value, str):
        cell.value = value
        if isinstance(value, bool):
            cell.number_format = _BOOLEAN
        return
    cell.value = text = harmless(value, _MOST_TEXT) or None
    if text is not None:
        cell.data_type = "s"  # whatever it begins with
        cell.quotePrefix = text[0] in "=+-@'\t\r"
        if cell.alignment.vertical is None:  # nobody has chosen one
            cell.alignment = Alignment(wrap_text=len(text) > _SHORT, vertical="top")
