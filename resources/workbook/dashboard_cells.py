"""A dashboard's rows as cells: formulas over the tab 운영로그 where the sheet can reckon, values where it cannot.

Belongs here: which cells are formulas, and how they are written. Does not belong here: the figures (``domain/dashboard``), or
writing them (``tab_changes``).

Percentiles and keywords are always values: no spreadsheet reckons them over a part of a column without reading it all again
for each day. Nothing that a user typed gets into a formula: days, months and the specification's categories do.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

from domain.dashboard import Figures, columns
from domain.workbook_layout import CATEGORIES, LAYOUT, OPERATIONS
from resources.workbook.base import Formula, Value

First = Literal["date", "month"]


def dashboard_cells(
    rows: Sequence[Figures], first: First, *, as_formulas: bool, header: Sequence[str] = ()
) -> list[dict[str, Value]]:
    """Cells by the names of their columns. ``header``: that of the tab 운영로그 as it is; by default its layout's."""
    names = list(header) or LAYOUT[OPERATIONS].header
    return [{**columns(row, first), **(_formulas(row.period, names) if as_formulas else {})} for row in rows]


def _formulas(period: str, header: Sequence[str]) -> Mapping[str, Formula]:
    def count(**conditions: str) -> str:
        parts = [f'{_column(header, "timestamp")},"{period}*"']
        parts += [f"{_column(header, name)},{value}" for name, value in conditions.items()]
        return f"COUNTIFS({','.join(parts)})"

    tiers = {tier: count(tier=f'"{tier}"') for tier in "123"}
    categories = {category: count(category=f'"{category}"') for category in CATEGORIES}
    made = {
        "questions": count(),
        **{f"tier{tier}": text for tier, text in tiers.items()},
        **{f"tier{tier}Share": f"IFERROR(ROUND({text}/{count()},4),0)" for tier, text in tiers.items()},
        **categories,
        "other": "-".join([count(), *categories.values()]),
        "unanswered": count(tier='"3"', isEscalated="FALSE"),
        "escalated": count(isEscalated="TRUE"),
        "thumbsUp": count(feedback='"up"'),
        "thumbsDown": count(feedback='"down"'),
    }
    return {name: Formula(f"={text}") for name, text in made.items()}


def _column(header: Sequence[str], name: str) -> str:
    letter = chr(ord("A") + list(header).index(name))
    return f"'{OPERATIONS}'!${letter}:${letter}"
