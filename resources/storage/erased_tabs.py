"""What leaves the stored copy of the workbook when something is forgotten.

Belongs here: which rows and cells of the tabs that Casebook writes tell of it. Does not belong here: the tables those tabs
show (``exchanges``), the tabs that people write in, which they edit themselves, or the workbook's own rows: those follow
their tables with the next sync.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from domain.conversation_rows import columns_of
from domain.workbook_cells import line, text, words
from domain.workbook_layout import ARCHIVE, CONVERSATIONS, DAILY, MONTHLY, OPERATIONS, PROPOSALS


@dataclass(frozen=True, slots=True)
class Gone:
    """What was erased from the tables: ``turns`` as (session, message), ``evidence`` as proposals and the operations log
    name it ("ticket 7"), ``periods`` as the dashboards do. ``says`` and ``is_user`` tell of a text and of a user's id."""

    turns: Collection[tuple[str, str]]
    evidence: Collection[str]
    proposals: Collection[str]
    periods: Collection[str]
    says: Callable[[str], bool]
    is_user: Callable[[str], bool]


class _Row:
    """A row of a tab, by its columns' names."""

    def __init__(self, places: Mapping[str, int], cells: list[str]) -> None:
        self._places, self.cells = places, cells

    def __getitem__(self, name: str) -> str:
        place = self._places.get(name, len(self.cells))
        return self.cells[place] if place < len(self.cells) else ""

    def changed(self, name: str, value: str) -> list[str]:
        place = self._places.get(name, -1)
        return [value if at == place else cell for at, cell in enumerate(self.cells)]


def chunks_without(chunks: Iterable[tuple[str, Any]], gone: Gone) -> dict[str, Any]:
    """Those of the chunks (id and payload, ``resources/workbook/stored``) that hold anything of it, without it."""
    places: dict[str, dict[str, int]] = {}
    fresh: dict[str, Any] = {}
    for doc_id, chunk in sorted(chunks, key=lambda item: item[0]):
        tab, rows = chunk["tab"], chunk["rows"]
        is_first = tab not in places
        if is_first:
            places[tab] = columns_of(rows[0]) if rows else {}
        if tab in _RULES:
            head = rows[:1] if is_first else []
            left = [_RULES[tab](_Row(places[tab], row), gone) for row in rows[len(head) :]]
            kept = [*head, *(row for row in left if row is not None)]
            if kept != rows:
                fresh[doc_id] = {**chunk, "rows": kept}
    return fresh


def _turn(row: _Row, gone: Gone) -> list[str] | None:
    said = text(row["message"])
    is_gone = (line(row["sessionId"]), said) in gone.turns or gone.is_user(line(row["userId"])) or gone.says(said)
    return None if is_gone else row.cells


def _operation(row: _Row, gone: Gone) -> list[str] | None:
    if gone.is_user(line(row["userId"])):
        return None
    return row.changed("sourceId", "") if line(row["sourceId"]) in gone.evidence else row.cells


def _proposal(row: _Row, gone: Gone) -> list[str] | None:
    if row["proposalId"] in gone.proposals or gone.says(text(row["question"])) or gone.says(text(row["answer"])):
        return None
    evidence = words(row["evidence"])
    kept = [one for one in evidence if one not in gone.evidence]
    return row.changed("evidence", ", ".join(kept)) if len(kept) < len(evidence) else row.cells


def _figures(row: _Row, gone: Gone) -> list[str] | None:
    return row.changed("topKeywords", "") if (row["date"] or row["month"]) in gone.periods else row.cells


_RULES: Mapping[str, Callable[[_Row, Gone], list[str] | None]] = {
    **dict.fromkeys((CONVERSATIONS, ARCHIVE), _turn),
    OPERATIONS: _operation,
    PROPOSALS: _proposal,
    **dict.fromkeys((DAILY, MONTHLY), _figures),
}
