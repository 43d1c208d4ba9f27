"""Values to text and rows to tabs: what the three kinds of workbook have in common.

Belongs here: how a value is shown, the form of a tab that was read, merged cells, the order of changes. Does not belong here:
any file format or API, what a cell means (``domain/workbook_cells``).
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from domain.errors import SourceRefused
from domain.workbook_layout import LAYOUT, Layout
from resources.workbook.base import MOST_CELLS, Append, Change, DropRows, Formula, Note, Overwrite, SetCells, Tab

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_NOTHING = ("", "FALSE")
"""What a row has that nobody filled in: checkboxes reach further down than what was written."""


@dataclass(frozen=True, slots=True)
class Area:
    """A rectangle of cells, from 0; ``bottom`` and ``right`` are the first that are no part of it."""

    top: int
    left: int
    bottom: int
    right: int


def shown(value: Any) -> str:
    """A value as a person sees it (``base``). Dates, times, numbers and booleans as they come from a file, or ours."""
    match value:
        case None:
            return ""
        case bool():
            return "TRUE" if value else "FALSE"
        case int():
            return str(value)
        case float():
            return str(int(value)) if value.is_integer() and abs(value) < 1e15 else f"{value:.15g}"
        case datetime():
            return value.strftime("%Y-%m-%d" if value.time() == time() else "%Y-%m-%d %H:%M:%S")
        case date() | time():
            return value.isoformat()
        case timedelta():
            return _duration(value)
        case Formula():
            return value.text
        case _:
            return str(value)


def harmless(text: str, most: int) -> str:
    """Text as a cell can hold it: without control characters and halves of characters, at most ``most`` characters."""
    text = _CONTROL.sub("", text)
    return text if len(text) <= most else text[: most - 1] + "…"


def make_tab(name: str, rows: Iterable[Sequence[str]], merged: Iterable[Area] = ()) -> Tab:
    """A tab of what was read: merged cells filled, empty rows and cells at the end left out, all rows equally wide. Raises
    ``SourceRefused`` where one cell far away would make that more than are read."""
    kept, cells = list[list[str]](), 0
    for row in rows:
        kept.append(list(row[: _width(row)]))
        cells += len(kept[-1])
        if cells > MOST_CELLS:
            raise _reaches_far(name, kept)
    while kept and all(cell in _NOTHING for cell in kept[-1]):
        kept.pop()
    width = max(map(len, kept), default=0)
    if len(kept) * width > MOST_CELLS:
        raise _reaches_far(name, kept)
    for row in kept:
        row += [""] * (width - len(row))
    for area in merged:
        _fill(kept, area, width)
    return Tab(name, kept)


def _reaches_far(name: str, rows: Sequence[Sequence[str]]) -> SourceRefused:
    return SourceRefused(
        f"The tab {name} reaches to row {len(rows):,} and to column {max(map(len, rows)):,}.",
        f"That is more than {MOST_CELLS:,} cells, empty ones included.",
        "Delete the rows below its table and the columns right of it (Ctrl+End shows the last), and save it.",
    )


def ordered(changes: Sequence[Change]) -> list[Change]:
    """The changes in the order in which their row numbers are those before the write: rows go last, each tab's at once."""
    dropped: dict[str, set[int]] = {}
    for change in changes:
        if isinstance(change, DropRows):
            dropped.setdefault(change.tab, set()).update(row for row in change.rows if row > 1)
    others: list[Change] = [change for change in changes if not isinstance(change, DropRows)]
    return others + [DropRows(tab, sorted(rows)) for tab, rows in dropped.items() if rows]


def apply(rows: list[list[Any]], change: Change) -> None:
    """Do a change to a tab's rows, of which the first is the header. A ``Note`` is not in the rows."""
    if not rows:
        rows.append([])  # the header's place
    match change:
        case Overwrite():
            rows[1:] = [list(row) for row in change.rows]
        case Append():
            rows.extend(list(row) for row in change.rows)
        case SetCells():
            for (row, column), value in change.cells.items():
                rows.extend([] for _ in range(row - len(rows)))
                cells = rows[row - 1]
                cells.extend("" for _ in range(column - len(cells)))
                cells[column - 1] = value
        case DropRows():
            gone = set(change.rows)
            rows[:] = [row for number, row in enumerate(rows, 1) if number not in gone]
        case Note():
            pass


def runs(numbers: Sequence[int]) -> list[tuple[int, int]]:
    """Ascending numbers as (first, last) of each unbroken run, the last run first."""
    found: list[tuple[int, int]] = []
    for number in sorted(set(numbers)):
        if found and found[-1][1] == number - 1:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return found[::-1]


def layout_of(name: str) -> Layout:
    """The layout of a tab that is to be made: of its name, else one without columns."""
    return LAYOUT.get(name) or Layout(name, (), "both")


def header_note(layout: Layout, column: int) -> str:
    """What the header's note says: the column's meaning in both languages, since people of both read it."""
    korean, english = layout.columns[column].meaning
    return f"{korean}\n{english}" if korean != english else korean


def check_cells(place: str, cells: int, tabs: Mapping[str, int] | None = None) -> None:
    """Raises ``SourceRefused`` for more cells than are read."""
    if cells <= MOST_CELLS:
        return
    largest = max(tabs, key=lambda name: tabs[name]) if tabs else ""
    raise SourceRefused(
        f"The workbook has more than {MOST_CELLS:,} cells.",
        f"{place}: tab {largest!r} is its largest." if largest else place,
        "Take tabs out of it that Casebook does not need, or move old rows to another workbook.",
    )


def _width(row: Sequence[str]) -> int:
    return next((at for at in range(len(row), 0, -1) if row[at - 1]), 0)


def _fill(rows: list[list[str]], area: Area, width: int) -> None:
    if area.top >= len(rows) or area.left >= width:
        return
    first = rows[area.top][area.left]
    for row in rows[area.top : area.bottom]:
        for column in range(area.left, min(area.right, width)):
            row[column] = first


def _duration(value: timedelta) -> str:
    minutes, seconds = divmod(int(value.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}"
