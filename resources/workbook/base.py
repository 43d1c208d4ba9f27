"""What a workbook gives and takes, whatever keeps it: Google Sheets, an .xlsx file, or a folder of CSV files.

Belongs here: the contract between an adapter and the assets, and its records. Does not belong here: any API or file format
(``google``, ``xlsx``, ``csv_folder``), what tabs and columns mean (``domain/workbook_layout``, ``domain/workbook_rows``).

A cell is read as a person sees it: text. A date is "2026-02-19" where the file knows that it is one, and what is shown
where it is only shown; a checkbox is TRUE or FALSE; a number has no needless ".0"; a formula is its result (``#REF!`` where
it has none). Merged cells all have the value of their first. A cell is written as the value it is: text never becomes a
formula, however it begins.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from domain.workbook_layout import Layout


@dataclass(frozen=True, slots=True)
class Formula:
    """A formula of ours, as a cell holds it: begins with "=". Never made from what a person or a ticket said."""

    text: str


Value = str | int | float | bool | Formula | None


@dataclass(frozen=True, slots=True)
class Tab:
    """One tab as it was read: ``rows[0]`` is the sheet's row 1, the header. Empty rows and cells at the end are left out;
    every row has as many cells as the widest."""

    name: str
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A workbook as it was read, all tabs of it at one moment. ``revision``: see ``Workbook.revision``."""

    title: str
    tabs: Mapping[str, Tab]
    revision: str = ""


@dataclass(frozen=True, slots=True)
class Overwrite:
    """The tab is these rows below its header, and nothing else."""

    tab: str
    rows: Sequence[Sequence[Value]]


@dataclass(frozen=True, slots=True)
class Append:
    """These rows come behind the last one."""

    tab: str
    rows: Sequence[Sequence[Value]]


@dataclass(frozen=True, slots=True)
class SetCells:
    """Single cells: (row, column), both from 1, to their values."""

    tab: str
    cells: Mapping[tuple[int, int], Value]


@dataclass(frozen=True, slots=True)
class DropRows:
    """These rows go, by their numbers from 2 on; the others move up. Numbers are those before the write."""

    tab: str
    rows: Sequence[int]


@dataclass(frozen=True, slots=True)
class Note:
    """A note on a cell (row and column from 1); "" takes it away."""

    tab: str
    row: int
    column: int
    text: str


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart on a tab, beside its table: columns of numbers over the first column. Made when the tab is; ranges are open to
    the end, so that new rows appear in it."""

    tab: str
    title: str
    columns: Sequence[str]
    kind: Literal["line", "column"] = "line"


Change = Overwrite | Append | SetCells | DropRows | Note


@dataclass(frozen=True, slots=True)
class Plan:
    """What a new workbook has: tabs in this order with header, examples, drop-downs, checkboxes, protection and frozen
    first row; and its charts."""

    title: str
    layouts: Sequence[Layout]
    charts: Sequence[Chart] = field(default_factory=tuple)


class Workbook(Protocol):
    """One company's workbook. Every call raises ``SourceRefused`` (no permission: the detail says which e-mail to share it
    with; wrong id; a damaged file), ``SourceUnavailable`` (limits, no answer) or ``InputError`` in words for a person."""

    @property
    def place(self) -> str:
        """What it is called to a person: an address or a path."""
        ...

    @property
    def requests(self) -> int:
        """Requests that went out so far; 0 for files."""
        ...

    def revision(self) -> str:
        """A word that changes with every change of the content; one request at most. "" where it cannot be told."""
        ...

    def read(self) -> Snapshot:
        """All tabs, by one batch read (and one for the tabs' names). Raises ``SourceRefused`` for more than
        ``MOST_CELLS``."""
        ...

    def write(self, changes: Sequence[Change]) -> None:
        """All changes at once, by one request; of a file, all of them or none. A tab that is not there yet is made, with the
        layout of its name. Formulas, formats and tabs that are not named stay as they are."""
        ...

    def create(self, plan: Plan) -> str:
        """Make the workbook, or in one that is there the tabs that it lacks; returns its place. Never changes a tab that is
        there. Raises ``InputError`` where something else lies in its place."""
        ...

    def close(self) -> None: ...


MOST_CELLS = 2_000_000
"""Cells of all tabs together that are read: beyond that a workbook belongs in a database (Google stops at 10 million)."""
