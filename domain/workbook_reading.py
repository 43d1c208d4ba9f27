"""Walking over a tab: its rows that say anything, their cells as values, and what is told of those that cannot be read.

Belongs here: what is the same for every tab: blank rows, broken formulas, empty required cells, doubled ids. Does not belong
here: which columns make which record (``workbook_rows``), what a cell says (``workbook_cells``), where columns are
(``workbook_header``).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import Generic, TypeVar

from domain import workbook_cells as cells
from domain.workbook_finding import Finding, Severity, finding
from domain.workbook_header import Header, header
from domain.workbook_layout import LAYOUT, REGULATIONS, Column, Layout

T = TypeVar("T")
Cells = Sequence[Sequence[str]]
_DECIDES = frozenset({"isActive", "effectiveDate"})
"""A broken formula here makes a bad row: taken as empty, it would switch answers on or put rules in force."""
_SAID = "message"
"""What somebody asked a bot is no formula: people ask about #N/A, too."""


@dataclass(frozen=True, slots=True)
class Rows(Generic[T]):
    """A tab as it was understood. ``rows``: by document id; ``bad``: the reason, by document id or, without one,
    "FAQ row 14". ``numbers``: the sheet's row of every document of ``rows``. ``is_readable``: False where the tab is empty
    or lacks a required column, so that its rows are unknown, not gone."""

    rows: dict[str, T] = field(default_factory=dict[str, T])
    bad: dict[str, str] = field(default_factory=dict[str, str])
    problems: list[Finding] = field(default_factory=list[Finding])
    numbers: dict[str, int] = field(default_factory=dict[str, int])
    is_readable: bool = True


@dataclass(frozen=True, slots=True)
class Lines(Generic[T]):
    """A log as it was understood: records, and reasons why there is none, by the rows' numbers in the sheet. A header that
    cannot be read is a bad row. Rows that say the same are all there: which is a copy, only their table can tell."""

    records: dict[int, T]
    bad: dict[int, str]
    problems: list[Finding]

    def identified(self, number: Callable[[T], str]) -> dict[str, tuple[int, T]]:
        """Row number and record by document id."""
        return {number(record): (row, record) for row, record in self.records.items()}


class Tab:
    """A tab's rows below its header, and what was found in them."""

    def __init__(self, name: str, rows: Cells) -> None:
        self.name = name
        self.layout: Layout = LAYOUT.get(name) or LAYOUT[REGULATIONS["인사"]]
        self.rows = rows
        self.header: Header = header(self.layout, name, rows)
        self.findings = list(self.header.findings)
        # A sheet's checkboxes say FALSE in rows that nobody has written in.
        self._telling = [
            self.header.places[column.name]
            for column in self.layout.columns
            if column.name in self.header.places and column.kind != "boolean"
        ]

    def lines(self) -> list["Row"]:
        """The rows that say anything."""
        below = enumerate(self.rows[self.header.row :], self.header.row + 1)
        return [Row(self, number, row) for number, row in below if self._says(row)]

    def _says(self, row: Sequence[str]) -> bool:
        return any(at < len(row) and row[at] and cells.line(row[at]) for at in self._telling)


class Row:
    """One row: its cells as values; what is wrong with them is kept with the tab, and what makes it bad also here."""

    def __init__(self, tab: Tab, number: int, row: Sequence[str]) -> None:
        self.tab = tab
        self.number = number
        self.reasons: list[str] = []
        self._cells = row
        self._broken: set[str] = set()
        for column in tab.layout.columns:
            self._examine(column)

    def _examine(self, column: Column) -> None:
        if column.name not in self.tab.header.places:
            return
        raw = self.raw(column.name)
        if column.name != _SAID and (broken := cells.formula_error(raw)):
            self._broken.add(column.name)
            severity = "error" if column.required or column.name in _DECIDES else "warning"
            self.tell("formula-error", column.name, severity=severity, value=broken)
        elif column.required and not cells.line(raw):
            self.tell("missing-cell", column.name)

    def tell(self, rule: str, name: str, *, severity: Severity | None = None, **values: str | int) -> None:
        """Something about the cell of a column."""
        column = self.tab.header.places.get(name, -1) + 1
        told = finding(rule, self.tab.name, self.number, column, severity=severity, name=name, **values)
        self.tab.findings.append(told)
        if told.is_bad:
            self.reasons.append(told.what_en)

    def raw(self, name: str) -> str:
        at = self.tab.header.places.get(name, -1)
        return self._cells[at] if 0 <= at < len(self._cells) and name not in self._broken else ""

    def says(self, name: str) -> bool:
        """Whether there is such a column, and no broken formula in its cell."""
        return name in self.tab.header.places and name not in self._broken

    def text(self, name: str) -> str:
        return cells.text(self.raw(name))

    def line(self, name: str) -> str:
        return cells.line(self.raw(name))

    def ident(self, name: str) -> str:
        return cells.ident(self.raw(name))

    def words(self, name: str) -> tuple[str, ...]:
        return cells.words(self.raw(name))

    def idents(self, name: str) -> tuple[str, ...]:
        return cells.idents(self.raw(name))

    def day(self, name: str, *, decides: bool = False) -> str:
        """YYYY-MM-DD, "" where there is none; where it ``decides``, one that cannot be read makes the row bad."""
        said = self.line(name)
        if not said:
            return ""
        read = cells.day(said)
        if read is None:
            self.tell("unreadable-date", name, severity="error" if decides else "warning")
        elif cells.is_ambiguous(said):
            self.tell("ambiguous-date", name, read=read)
        return read or ""

    def moment(self, name: str, zone: tzinfo | None) -> str:
        said = self.line(name)
        read = cells.moment(said, zone)
        if said and read is None:
            self.tell("unreadable-date", name, severity="error")
        return read or ""

    def boolean(self, name: str) -> bool | None:
        """None where nothing is said."""
        said = self.line(name)
        read = cells.boolean(said)
        if said and read is None:
            self.tell("unreadable-boolean", name)
            return False
        return read

    def number_within(self, name: str, low: float, high: float, otherwise: float) -> float:
        """``otherwise`` where nothing is said, or no number; the nearest bound for one outside."""
        said = self.line(name)
        read = cells.number(said)
        if read is None:
            if said:
                self.tell("unreadable-number", name)
            return otherwise
        within = min(max(read, low), high)
        if within != read:
            self.tell("number-out-of-range", name, low=_short(low), high=_short(high), read=_short(within))
        return within

    def choice(self, name: str, meant: dict[str, str], *, severity: Severity | None = None) -> str:
        """One of a few words, however it is written; "" where nothing is said. Another one makes the row bad, unless it is
        only worth a warning."""
        said = cells.plain(self.raw(name)).casefold()
        if said and said not in meant:
            self.tell("unknown-choice", name, severity=severity, choices=", ".join(dict.fromkeys(meant.values())))
        return meant.get(said, "")


def _short(number: float) -> str:
    return f"{number:g}"


def each(tab: Tab, make: Callable[[Row], T]) -> Iterator[tuple[Row, T]]:
    """All rows of a tab that say anything, also bad ones (``Row.reasons``); none of a tab that cannot be read."""
    for row in tab.lines() if tab.header.is_readable else ():
        yield row, make(row)


def read_lines(tab: Tab, make: Callable[[Row], T]) -> Lines[T]:
    """All rows of a log."""
    found: Lines[T] = Lines({}, {}, tab.findings)
    if unreadable := [one.what_en for one in tab.findings if one.is_bad]:
        found.bad[tab.header.row] = " ".join(unreadable)
    for row, record in each(tab, make):
        if row.reasons:
            found.bad[row.number] = " ".join(row.reasons)
        else:
            found.records[row.number] = record
    return found


def read(
    tab: Tab,
    make: Callable[[Row], T],
    id_of: Callable[[T], str],
    named_by: str,
    shown: Callable[[T], str] | None = None,
) -> Rows[T]:
    """All rows of a tab as records. Of several with one id, the first row has it, even if it is a bad one: which of them is
    meant, only their editor knows. ``named_by``: the column of the id; ``shown``: what is told of one that is doubled, if
    not its id."""
    result: Rows[T] = Rows(problems=tab.findings, is_readable=tab.header.is_readable)
    first: dict[str, int] = {}
    for row, record in each(tab, make):
        doc_id = id_of(record) if row.ident(named_by) else ""
        if doc_id in first:
            row.tell("duplicate-id", named_by, id=shown(record) if shown else doc_id, first=first[doc_id])
            doc_id = ""
        elif doc_id:
            first[doc_id] = row.number
        elif not row.reasons:  # an id of nothing but marks
            row.tell("missing-cell", named_by)
        if row.reasons:
            why = "; ".join(f"row {row.number}: {reason}" for reason in row.reasons)
            result.bad[doc_id or f"{tab.name} row {row.number}"] = why
        else:
            result.rows[doc_id] = record
            result.numbers[doc_id] = row.number
    return result
