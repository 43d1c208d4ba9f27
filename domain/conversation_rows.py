"""Exchanges as rows of 대화이력 and 운영로그, and such rows as records again (spec sheets.ko.md, §"시트 6").

Belongs here: turning an exchange into two turns and one operation, telling doubles from copies, records to cells by the names
of the columns. Does not belong here: the records and their ids (``conversation``), how a tab is read (``workbook_rows``),
which rows go where and when (``archive``, ``assets/conversations``).

Another bot may write into these tabs: a row that is not ours becomes a record as ours do.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Generic, TypeVar
from zoneinfo import ZoneInfo

from domain import workbook_rows
from domain.conversation import Exchange, Operation, Role, Turn, operation_id, turn_id
from domain.workbook_cells import day, line, text
from domain.workbook_header import header
from domain.workbook_layout import ARCHIVE, LAYOUT
from domain.workbook_reading import Cells, Lines

MOST_MESSAGE: Final = 30_000
"""Characters of a message that are logged: a cell holds no more in every kind of workbook (Excel: 32,767)."""

Cell = str | int | float | bool
Record = TypeVar("Record")


def local(at: str, zone: str) -> str:
    """A moment (ISO 8601 UTC) as the tabs have it: "YYYY-MM-DD HH:MM:SS" in a time zone."""
    return f"{datetime.fromisoformat(at).astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M:%S}"


def turns_of(exchange: Exchange, zone: str) -> tuple[Turn, Turn]:
    """The question and the answer, each at its own time."""

    def turn(at: str, role: Role, message: str) -> Turn:
        said = text(message)
        shown = said if len(said) <= MOST_MESSAGE else said[: MOST_MESSAGE - 1] + "…"
        what = (exchange.category, str(exchange.tier), exchange.is_escalated)
        return Turn(exchange.session_id, exchange.user_id, local(at, zone), role, shown, *what)

    return turn(exchange.asked_at, "user", exchange.question), turn(exchange.answered_at, "bot", exchange.answer)


def operation_of(exchange: Exchange, zone: str) -> Operation:
    """The line of the operations log, at the moment of the answer; no vote yet."""
    return Operation(
        local(exchange.answered_at, zone),
        exchange.session_id,
        exchange.user_id,
        exchange.category,
        str(exchange.tier),
        exchange.source_id,
        round(exchange.score, 4),
        exchange.latency_ms,
        exchange.is_escalated,
    )


@dataclass
class Numbering(Generic[Record]):
    """Ids of records that come in an order: the second of two that say the same at the same second is "ID-2". Whoever walks
    the same records again, or others that say the same, comes to the same ids."""

    id_of: Callable[[Record], str]
    seen: Counter[str] = field(default_factory=Counter[str])

    def __call__(self, record: Record) -> str:
        known = self.id_of(record)
        self.seen[known] += 1
        return known if self.seen[known] == 1 else f"{known}-{self.seen[known]}"


def turn_numbering() -> Numbering[Turn]:
    return Numbering(turn_id)


def operation_numbering() -> Numbering[Operation]:
    return Numbering(operation_id)


def first_of(doc_id: str) -> str:
    """The id of the first of those that say the same."""
    return doc_id.partition("-")[0]


# --- rows of a tab ------------------------------------------------------------------------------------------------


def turn_rows(rows: Cells, zone: str) -> Lines[Turn]:
    """The turns of 대화이력, or of 대화이력_보관; the header comes first."""
    return workbook_rows.turns(rows, zone=ZoneInfo(zone))


def operation_rows(rows: Cells, zone: str) -> Lines[Operation]:
    """The lines of 운영로그; the header comes first."""
    return workbook_rows.operations(rows, ZoneInfo(zone))


def archived_days(rows: Cells) -> dict[int, str]:
    """The day on which each row of 대화이력_보관 was moved there, by the row's number."""
    top = header(LAYOUT[ARCHIVE], ARCHIVE, rows)
    place = top.places.get("archivedAt")
    if place is None:
        return {}
    below = enumerate(rows[top.row :], start=top.row + 1)
    return {at: found for at, row in below if place < len(row) and (found := day(row[place]))}


def columns_of(names: Sequence[str]) -> dict[str, int]:
    """Where each column is written to, from 0, by its name as the layout spells it."""
    return {line(name): at for at, name in reversed(list(enumerate(names))) if line(name)}


# --- records to cells ---------------------------------------------------------------------------------------------


def turn_cells(turn: Turn, archived_at: str = "") -> dict[str, Cell]:
    """The cells of a turn by the columns' names; ``archived_at`` is a day."""
    return {
        "sessionId": turn.session_id,
        "userId": turn.user_id,
        "timestamp": turn.timestamp,
        "role": turn.role,
        "message": turn.message,
        "category": turn.category,
        "tier": turn.tier,
        "isEscalated": turn.is_escalated,
        **({"archivedAt": archived_at} if archived_at else {}),
    }


def operation_cells(operation: Operation) -> dict[str, Cell]:
    """The cells of a line of the operations log by the columns' names."""
    return {
        "timestamp": operation.timestamp,
        "sessionId": operation.session_id,
        "userId": operation.user_id,
        "category": operation.category,
        "tier": operation.tier,
        "sourceId": operation.source_id,
        "score": operation.score,
        "latencyMs": operation.latency_ms,
        "isEscalated": operation.is_escalated,
        "feedback": operation.feedback,
    }


def arranged(cells: Iterable[Mapping[str, Cell]], header: Sequence[str]) -> list[list[Cell]]:
    """Rows of cells in the order of a header; a column that is not ours stays empty."""
    names = [line(name) for name in header]
    return [[row.get(name, "") for name in names] for row in cells]
