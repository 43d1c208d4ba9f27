"""Satisfaction ratings: what customers thought of an answer, by ticket.

Belongs here: the ratings' records in Freshdesk's shape, who gave one before anything happened, adding one.
Does not belong here: addresses (``freshdesk``), Zendesk's words for it (``zendesk_shape``).
"""

from collections.abc import Iterable

from sandbox.corpus import draw
from sandbox.shape import Json

FIRST_RATING = 153_500_000_001
SURVEY = 153_500_900_001
#: From extremely happy to extremely unhappy; 100 is neutral.
VALUES = (103, 102, 101, 100, -101, -102, -103)

_SAID = {
    "ko": {
        True: ("빠른 답변 감사합니다.", "설명이 쉬워서 바로 해결했어요.", None),
        False: ("같은 안내만 반복되었습니다.", "답변이 너무 늦었습니다.", None),
    },
    "en": {
        True: ("Quick and friendly, thank you.", "Solved at the first try.", None),
        False: ("I had to explain it three times.", "It took a week to get an answer.", None),
    },
}


class Ratings:
    """The ratings of one account. Every fifth ticket that was solved in the beginning has one, every third of them bad."""

    def __init__(self, language: str) -> None:
        self.language = language
        self.by_ticket: dict[int, list[Json]] = {}
        self._next = FIRST_RATING

    def begin(self, record: Json) -> None:
        """Rate a ticket as it is in the beginning, if it is one of those that are rated."""
        number = record["id"]
        if record["status"] not in (4, 5) or number % 5:
            return
        good = bool(number % 15)
        key = str(number)
        value = (103, 102, 101)[draw(key, "rating", 3)] * (1 if good else -1)
        feedback = _SAID[self.language][good][draw(key, "feedback", 3)]
        self.add(record, value, feedback, (record.get("stats") or {}).get("resolved_at") or record["updated_at"])

    def add(self, record: Json, value: int, feedback: str | None, now: str) -> None:
        """A customer rates a ticket. Raises ``ValueError`` for a value that there is not."""
        if value not in VALUES:
            raise ValueError(f"value is one of {', '.join(map(str, VALUES))}, not {value!r}")
        rating = {
            "id": self._next,
            "survey_id": SURVEY,
            "user_id": record.get("requester_id"),
            "agent_id": record.get("responder_id"),
            "feedback": feedback,
            "group_id": record.get("group_id"),
            "ticket_id": record["id"],
            "created_at": now,
            "updated_at": now,
            "ratings": {"default_question": value},
        }
        self._next += 1
        self.by_ticket.setdefault(record["id"], []).append(rating)

    def last(self, ticket_id: int) -> Json | None:
        return (self.by_ticket.get(ticket_id) or [None])[-1]

    def of(self, tickets: Iterable[int]) -> list[Json]:
        """All ratings of some tickets, the oldest first."""
        found = [rating for number in tickets for rating in self.by_ticket.get(number, ())]
        return sorted(found, key=lambda one: (one["created_at"], one["id"]))
