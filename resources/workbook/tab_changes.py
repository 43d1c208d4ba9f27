"""What a tab is to say against what it says: the changes between, and no others.

Belongs here: rows to append, cells to set, rows to drop, for logs, lists and dashboards. Does not belong here: which rows
there should be (``bot_tabs``), or writing (the kinds of workbook).

A cell that says the same in other words (TRUE and true, "a, b" and "a,b") is not written.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from domain.conversation_rows import columns_of
from domain.workbook_cells import boolean, line, number, text, words
from domain.workbook_layout import LAYOUT
from resources.workbook.base import Append, Change, DropRows, Formula, Overwrite, SetCells, Value

MOST_AT_ONCE = 10_000
"""Rows that one write appends to a tab; the next sync appends the others."""
Cells = Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Shown:
    """A tab as it was read. ``places``: where each column stands, from 0."""

    name: str
    rows: Sequence[Sequence[str]]

    @property
    def header(self) -> Sequence[str]:
        return self.rows[0] if self.rows else LAYOUT[self.name].header

    @property
    def lacking(self) -> list[str]:
        """The columns of its layout that it does not have: nothing is written to it then."""
        return [name for name in LAYOUT[self.name].header if name not in columns_of(self.header)]

    def by_id(self, column: str, id_of: Callable[[str], str]) -> dict[str, int]:
        """Row numbers by what stands in a column; the first of several counts."""
        place = columns_of(self.header).get(column, 0)
        found: dict[str, int] = {}
        for at, row in enumerate(self.rows[1:], start=2):
            if place < len(row) and (id_ := id_of(row[place])):
                found.setdefault(id_, at)
        return found

    def cell(self, row: int, column: str) -> str:
        place = columns_of(self.header)[column]
        cells = self.rows[row - 1]
        return cells[place] if place < len(cells) else ""


def appended(tab: Shown, rows: Sequence[Cells], most: int = MOST_AT_ONCE) -> list[Change]:
    """The first of these rows behind the last one."""
    names = [line(name) for name in tab.header]
    made = [[row.get(name, "") for name in names] for row in rows[:most]]
    return [Append(tab.name, made)] if made else []


def dropped(tab: Shown, rows: Collection[int]) -> list[Change]:
    return [DropRows(tab.name, sorted(rows))] if rows else []


def cells_set(tab: Shown, wanted: Mapping[int, Cells]) -> list[Change]:
    """The cells of rows that say something else, by the rows' numbers."""
    places = columns_of(tab.header)
    cells: dict[tuple[int, int], Value] = {
        (row, places[name] + 1): value
        for row, values in wanted.items()
        for name, value in values.items()
        if name in places and not says(value, tab.cell(row, name), name)
    }
    return [SetCells(tab.name, cells)] if cells else []


def says(value: Value, cell: str, column: str = "") -> bool:
    """Whether a cell says a value. What a formula came to says nothing about the formula."""
    match value:
        case Formula():
            return False
        case bool():
            return (boolean(cell) or False) == value
        case int() | float():
            found = number(cell)
            return found is not None and abs(found - value) < 1e-6
        case None:
            return not cell.strip()
        case str() if column in ("faqIds", "synonyms", "keywords", "evidence"):
            return words(value) == words(cell)
        case str():
            return text(value) == text(cell)


def dashboard_changes(
    tab: Shown, wanted: Mapping[str, Cells], known: Mapping[str, str], marks: Mapping[str, str], first: str
) -> list[Change]:
    """The rows of a dashboard by their periods. ``marks`` say what a row's cells are, ``known`` what they were when they were
    last written: formulas cannot be compared with what they came to. Rows of periods that are not ours stay."""
    shown = tab.by_id(first, lambda cell: line(cell)[: len("2026-02-19")])
    fresh = [period for period in sorted(wanted) if period not in shown]
    if fresh and shown and fresh[0] < max(shown):
        return [Overwrite(tab.name, _in_order(tab, wanted, shown))]
    places = columns_of(tab.header)
    moved = {
        (shown[period], places[name] + 1): value
        for period, cells in wanted.items()
        if period in shown and known.get(period) != marks[period]
        for name, value in cells.items()
        if name in places and name != first
    }
    return [*([SetCells(tab.name, moved)] if moved else []), *appended(tab, [wanted[period] for period in fresh])]


def _in_order(tab: Shown, wanted: Mapping[str, Cells], shown: Mapping[str, int]) -> list[list[Value]]:
    names = [line(name) for name in tab.header]

    def row(period: str) -> list[Value]:
        if period in wanted:
            return [wanted[period].get(name, "") for name in names]
        return [_value(cell) for cell in tab.rows[shown[period] - 1]]

    return [row(period) for period in sorted({*wanted, *shown})]


def _value(cell: str) -> Value:
    found = number(cell)
    return cell if found is None or cell.strip() != f"{found:g}" else found
