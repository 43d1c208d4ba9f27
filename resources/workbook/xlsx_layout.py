"""What a tab of ours looks like in an .xlsx file: header, drop-downs, checkboxes, protection, notes, charts.

Belongs here: making a tab by its layout, charts and their ranges, taking rows out with what belongs to them. Does not belong
here: columns and their kinds (``domain/workbook_layout``), values (``xlsx``).
"""

import re
from collections.abc import Sequence
from math import ceil
from typing import Any

from openpyxl import Workbook as Book
from openpyxl.chart import BarChart, LineChart, Reference
from openpyxl.comments import Comment
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.datavalidation import DataValidation
from openpyxl.worksheet.properties import PageSetupProperties
from openpyxl.worksheet.worksheet import Worksheet

from domain.workbook_layout import Column, Layout
from resources.workbook.base import Chart
from resources.workbook.cells import header_note

_LAST = 1_048_576
"""The last row that a sheet can have: validations reach to it."""
_LINE, _MOST_LINES = 14.0, 12
"""Points of a line, and the lines of a row that are shown at most."""
_WIDTHS = {"long": 60, "list": 32, "url": 40, "email": 28, "number": 12, "boolean": 11, "date": 13, "datetime": 20}
_HEADER = PatternFill("solid", fgColor="E8EEF7")
_RANGE = re.compile(r"^(?P<tab>.+)!\$(?P<column>[A-Z]+)\$2(?::\$(?P=column)\$\d+)?$")


def empty(title: str) -> Book:
    """A workbook without tabs."""
    book = Book()
    for sheet in list(book.worksheets):
        book.remove(sheet)
    book.properties.title = title
    book.properties.creator = "Casebook"
    return book


def add_tab(book: Book, layout: Layout, *, examples: bool = True) -> Worksheet:
    sheet = book.create_sheet(layout.name)
    write_header(sheet, layout)
    for row, values in enumerate(layout.examples if examples else (), 2):
        for at, (column, value) in enumerate(zip(layout.columns, values, strict=True), 1):
            cell: Any = sheet.cell(row, at)
            cell.value = value == "TRUE" if column.kind == "boolean" else value or None
            if isinstance(cell.value, str):
                cell.data_type = "s"
            cell.alignment = Alignment(vertical="top", wrap_text=column.kind == "long")
    for at, column in enumerate(layout.columns, 1):
        _validate(sheet, at, column)
        sheet.column_dimensions[get_column_letter(at)].width = _WIDTHS.get(column.kind, 18)
    if layout.writer == "bot":
        _protect(sheet)
    return sheet


def write_header(sheet: Worksheet, layout: Layout) -> None:
    for at, column in enumerate(layout.columns, 1):
        cell: Any = sheet.cell(1, at)
        cell.value, cell.font, cell.fill = column.name, Font(bold=True), _HEADER
        cell.comment = Comment(header_note(layout, at - 1), "Casebook", height=90, width=300)
    sheet.freeze_panes = "A2"
    # On paper all columns of a row stand on one page, under their header.
    sheet.page_setup.orientation = "landscape"
    sheet.page_setup.fitToHeight = 0
    sheet.sheet_properties.pageSetUpPr = PageSetupProperties(fitToPage=True)
    sheet.print_title_rows = "1:1"


def fit_height(sheet: Worksheet, row: int) -> None:
    """Room for the wrapped texts of a row: programs that open a file do not all make it themselves."""
    lines = max((_lines(sheet, cell) for cell in sheet[row]), default=1)
    sheet.row_dimensions[row].height = _LINE * min(lines, _MOST_LINES) if lines > 1 else None


def _lines(sheet: Worksheet, cell: Any) -> int:
    if not isinstance(cell.value, str) or not cell.alignment.wrap_text:
        return 1
    room = max(sheet.column_dimensions[cell.column_letter].width - 2, 5)
    # A Hangul syllable is as wide as two letters.
    widths = [sum(2 if char >= "ᄀ" else 1 for char in line) for line in cell.value.split("\n")]
    return sum(max(1, ceil(width / room)) for width in widths)


def _validate(sheet: Worksheet, at: int, column: Column) -> None:
    """A drop-down offers; what else is typed is taken, and told by 'workbook check'. Excel has no checkboxes in cells but
    this: TRUE and FALSE."""
    choices = ("TRUE", "FALSE") if column.kind == "boolean" else column.choices
    if not choices:
        return
    letter = get_column_letter(at)
    rule = DataValidation("list", formula1=f'"{",".join(choices)}"', allow_blank=True, showErrorMessage=False)
    rule.add(f"{letter}2:{letter}{_LAST}")
    sheet.add_data_validation(rule)


def _protect(sheet: Worksheet) -> None:
    """Against slips, without a password: nobody edits what is written over. Widths, filters and sorting stay free."""
    rules = sheet.protection
    rules.sheet = True
    rules.formatColumns = rules.formatRows = rules.autoFilter = rules.sort = False
    sheet.sheet_properties.tabColor = "9AA5B1"


def add_charts(sheet: Worksheet, charts: Sequence[Chart]) -> None:
    """Beside the table, one below the other. Raises nothing for a column that is not there: it is left out."""
    header = [cell.value for cell in sheet[1]]
    for number, chart in enumerate(charts):
        drawn: Any = LineChart() if chart.kind == "line" else BarChart()
        drawn.title, drawn.height, drawn.width = chart.title, 8, 18
        drawn.x_axis.delete = drawn.y_axis.delete = False
        for name in chart.columns:
            if name in header:
                drawn.add_data(Reference(sheet, header.index(name) + 1, 1, max_row=2), titles_from_data=True)
        for series in drawn.series:
            series.smooth = False  # a curve between two shares runs above all of them
        drawn.set_categories(Reference(sheet, 1, 2, max_row=2))
        sheet.add_chart(drawn, f"{get_column_letter(len(header) + 2)}{2 + number * 18}")


def fit_charts(book: Book, tabs: set[str]) -> None:
    """Let the charts over these tabs reach to their last row: Excel knows no range that is open to the end."""
    names = {tab: _last(book[tab]) for tab in tabs if tab in book.sheetnames}
    for sheet in book.worksheets:
        for chart in getattr(sheet, "_charts", ()):
            for series in chart.series:
                for source in (series.val, series.cat):
                    _fit(source, names)


def _fit(source: Any, last: dict[str, int]) -> None:
    reference = source and (source.numRef or source.strRef)
    found = _RANGE.match(reference.f) if reference else None
    if found and (name := found["tab"].strip("'").replace("''", "'")) in last:
        reference.f = f"{found['tab']}!${found['column']}$2:${found['column']}${last[name]}"
        # What it was drawn from before; programs make it again.
        if source.numRef:
            reference.numCache = None
        else:
            reference.strCache = None


def _last(sheet: Worksheet) -> int:
    return max((row for (row, _), cell in sheet._cells.items() if cell.value is not None), default=2)


def drop_rows(sheet: Worksheet, first: int, count: int) -> None:
    """openpyxl moves the cells only: merged cells at and below the rows are moved here, and keep their value."""
    moved: list[tuple[Any, Any]] = []
    for merged in [one for one in sheet.merged_cells.ranges if one.max_row >= first]:
        moved.append((merged.bounds, sheet.cell(merged.min_row, merged.min_col).value))
        sheet.unmerge_cells(merged.coord)
    sheet.delete_rows(first, count)
    last = first + count - 1
    for (left, top, right, bottom), value in moved:
        gone = max(0, min(bottom, last) - max(top, first) + 1)
        rows = bottom - top + 1 - gone
        start = top if top < first else max(first, top - count)
        if rows:
            sheet.cell(start, left).value = value
        if rows and (rows > 1 or right > left):
            sheet.merge_cells(start_row=start, end_row=start + rows - 1, start_column=left, end_column=right)
