"""Conversations: what a user asked and what the bot answered, in sessions (spec sheets.ko.md, §"시트 6").

Belongs here: the records, a session's id and its end, a turn's id. Does not belong here: answering (``query/ask``), keeping
(``resources/storage/exchanges``), or moving old turns away (``archive``).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from domain.fingerprint import fingerprint
from domain.workbook_cells import text

Tier = Literal[1, 2, 3]
Role = Literal["user", "bot"]


@dataclass(frozen=True, slots=True)
class Exchange:
    """A question and its answer, as ``ask`` keeps it the moment it was given; it becomes two turns of the log and one line of
    the operations log. ``exchange_id`` is also the id of its recommendation, for votes. Times are ISO 8601 UTC;
    ``source_id`` names what the answer was taken from ("faq FAQ-HR-001", "regulation REG-HR-001"), "" for none; ``path`` is
    how the FAQ was looked up (``query/faq``)."""

    exchange_id: str
    session_id: str
    user_id: str
    asked_at: str
    question: str
    answered_at: str
    answer: str
    tier: Tier
    category: str = ""
    sub_category: str = ""
    source_id: str = ""
    score: float = 0.0
    latency_ms: int = 0
    is_escalated: bool = False
    path: str = ""
    more: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """What only ``ask`` itself reads again: the question as it was understood, for example."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One row of 대화이력. ``timestamp`` is "YYYY-MM-DD HH:MM:SS" in the company's time zone."""

    session_id: str
    user_id: str
    timestamp: str
    role: Role
    message: str
    category: str = ""
    tier: str = ""
    is_escalated: bool = False


@dataclass(frozen=True, slots=True)
class Operation:
    """One row of 운영로그. ``timestamp`` as in ``Turn``; ``feedback`` is "", "up" or "down"."""

    timestamp: str
    session_id: str
    user_id: str
    category: str
    tier: str
    source_id: str
    score: float
    latency_ms: int
    is_escalated: bool
    feedback: str = ""


History = Sequence[Exchange]
"""Exchanges of one session, the oldest first."""


def turn_id(turn: Turn) -> str:
    """The document id of a turn: the same for a turn of ours and for its row, read back from the tab."""
    return fingerprint([turn.session_id, turn.timestamp, turn.role, text(turn.message)])


def operation_id(operation: Operation) -> str:
    """The document id of a line of the operations log, likewise; a vote that comes later does not change it."""
    return fingerprint([operation.session_id, operation.timestamp, operation.user_id, text(operation.source_id)])
