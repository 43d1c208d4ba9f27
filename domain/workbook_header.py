"""Where a tab's columns are: its header row, read as people write it.

Belongs here: matching what stands in a header with the columns of the layout, and what to say of those that are missing.
Does not belong here: the columns (``workbook_layout``), the rows below (``workbook_rows``).
"""

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from domain.workbook_cells import plain
from domain.workbook_finding import Finding, finding
from domain.workbook_layout import LAYOUT, Layout

_SEARCHED = 5
"""So many rows from the top may be the header: people put a title above it."""
_ALIKE = 0.6
"""From this share of equal letters on, another name is suggested."""
_UNTOLD = re.compile(r"[\W_]+")
_EXPLAINED = re.compile(r"\([^()]*\)")


@dataclass(frozen=True, slots=True)
class Header:
    """``row`` counts from 1, ``places`` are positions from 0 by the column's name. A header that lacks a required column
    cannot be read."""

    row: int
    places: Mapping[str, int]
    findings: Sequence[Finding]
    is_readable: bool


def header(layout: Layout, tab: str, rows: Sequence[Sequence[str]]) -> Header:
    """The header of a tab: the row among the first five with the most columns of the layout. Upper and lower case, spaces,
    full-width letters and the order of columns do not matter, Korean labels (the layout's meanings) do as well, and
    columns that are not the layout's are left alone."""
    if not any(plain(cell) for row in rows for cell in row):
        return Header(1, {}, [finding("empty-tab", tab)], is_readable=False)
    labels = _labels(layout)
    at = max(range(min(_SEARCHED, len(rows))), key=lambda row: (len(_places(labels, rows[row])), -row))
    places = _places(labels, rows[at])
    findings = [finding("header-elsewhere", tab, at + 1, found=at + 1)] if at else []
    taken = set(places.values())
    for position, cell in enumerate(rows[at]):
        name = labels.get(_folded(cell))
        if name and position not in taken:
            findings.append(finding("duplicate-column", tab, at + 1, position + 1, name=name))
    others = [plain(cell) for cell in rows[at] if _folded(cell) and _folded(cell) not in labels]
    for column in layout.columns:
        if column.name not in places:
            rule = "missing-column" if column.required else "missing-optional-column"
            near = nearest([column.name, column.meaning[0]], others)
            findings.append(finding(rule, tab, at + 1, name=column.name, near=near))
    return Header(at + 1, places, findings, not any(one.is_bad for one in findings))


def nearest(wanted: Sequence[str], found: Sequence[str]) -> str:
    """Which of the names that were found is most like one of the wanted; "" where none is."""
    by_fold = {_folded(name): name for name in reversed(found)}
    alike = (difflib.get_close_matches(_folded(name), list(by_fold), 1, _ALIKE) for name in wanted)
    best = next((names[0] for names in alike if names), "")
    return by_fold.get(best, "")[:40]


def nearest_tab(layout: Layout, tabs: Mapping[str, Sequence[Sequence[str]]]) -> str:
    """Which tab could be this one under another name: one that is spelled like it, else one that has its columns; "" where
    none is."""
    others = [name for name in tabs if name not in LAYOUT]
    return (
        nearest([layout.name], others) or next((name for name in others if _has_columns(layout, tabs[name])), "")[:40]
    )


def _has_columns(layout: Layout, rows: Sequence[Sequence[str]]) -> bool:
    """Whether a tab of any name has all required columns of the layout."""
    needed = {column.name for column in layout.columns if column.required}
    return any(needed <= _places(_labels(layout), row).keys() for row in rows[:_SEARCHED])


def _places(labels: Mapping[str, str], cells: Sequence[str]) -> dict[str, int]:
    own = frozenset(labels.values())
    # What is spelled as the layout has it comes first: there it is written to.
    places = {name: position for position, cell in reversed(list(enumerate(cells))) if (name := plain(cell)) in own}
    for position, cell in enumerate(cells):
        if name := labels.get(_folded(cell)):
            places.setdefault(name, position)
    return places


@cache
def _labels(layout: Layout) -> dict[str, str]:
    """Every name that a column goes by, folded: its own, its Korean meaning, and the last word of that where no other
    column ends with it ("대표 질문", "질문")."""
    labels = {_folded(column.name): column.name for column in layout.columns}
    meanings = {column.name: _EXPLAINED.sub("", column.meaning[0]).strip() for column in layout.columns}
    for column in layout.columns:
        for label in (column.meaning[0], meanings[column.name]):
            labels.setdefault(_folded(label), column.name)
    last = [meaning.split()[-1] for meaning in meanings.values()]
    for (name, _), word in zip(meanings.items(), last, strict=True):
        if last.count(word) == 1:
            labels.setdefault(_folded(word), name)
    return labels


def _folded(cell: str) -> str:
    return _UNTOLD.sub("", plain(cell).casefold())
