"""A Freshdesk ticket's JSON, in words: its numbers, its odd corners, and the neutral form of it. Pure.

Belongs here: what Freshdesk's fields mean. Does not belong here: getting them (``freshdesk``).
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from domain.errors import DocumentError
from domain.ticket import Attachment, Author, Message, Person, Ticket
from resources.helpdesk.base import Json

STATUSES = {2: "open", 3: "pending", 4: "resolved", 5: "closed", 6: "waiting on customer", 7: "waiting on third party"}
PRIORITIES = {1: "low", 2: "medium", 3: "high", 4: "urgent"}
CHANNELS = {1: "email", 2: "portal", 3: "phone", 4: "forum", 5: "twitter", 6: "facebook", 7: "chat", 8: "mobihelp"}
CHANNELS |= {9: "feedback widget", 10: "outbound email", 11: "e-commerce", 12: "bot", 13: "whatsapp"}
CHANNELS |= {14: "internal chat", 15: "web chat"}
#: Channels whose description an agent wrote.
BY_AGENTS = frozenset({10, 14})

# The signed parts of addresses inside a body differ with every answer and say nothing.
_SIGNED_IMAGE = re.compile(
    r"""(<img\b[^<>]*?\bsrc\s*=\s*["'][^"'<>?]*|/inline/attachment)\?[^"'<>\s]*""", re.IGNORECASE
)
_SIGNED_FILE = re.compile(r"""\?[^"'<>\s?]*\bX-Amz-Signature=[^"'<>\s]*""", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads the tickets of one account. ``url`` is the account's address; ``statuses`` are its status names by number,
    ``products`` its product names."""

    url: str
    statuses: Mapping[int, str] = field(default_factory=lambda: dict(STATUSES))
    products: Mapping[int, str] = field(default_factory=dict[int, str])

    def ticket(self, payload: Json) -> Ticket:
        """The neutral form. Raises ``DocumentError`` for a payload that is no ticket."""
        with known_shape():
            return self._ticket(payload)

    def _ticket(self, payload: Json) -> Ticket:
        stats, status = payload.get("stats") or {}, payload["status"]
        created_at = _utc(payload.get("created_at"))
        html, text = _unsigned(payload.get("description")), payload.get("description_text") or ""
        author: Author = "agent" if payload.get("source") in BY_AGENTS else "customer"
        product = payload.get("product_id")
        fields = payload.get("custom_fields") or {}
        return Ticket(
            id=str(payload["id"]),
            subject=payload.get("subject") or "",
            description=Message("description", author, html, text, created_at) if html or text else None,
            messages=tuple(_message(one) for one in payload.get("conversations") or () if not one.get("deleted")),
            status=self.statuses.get(status, f"status {status}"),
            priority=_word(PRIORITIES, payload.get("priority"), "priority"),
            type=payload.get("type") or "",
            channel=_word(CHANNELS, payload.get("source"), "source"),
            tags=tuple(sorted(payload.get("tags") or ())),
            product="" if product is None else self.products.get(product, str(product)),
            requester=_person(payload),
            created_at=created_at,
            updated_at=_utc(payload.get("updated_at")),
            resolved_at=_utc(stats.get("resolved_at") or stats.get("closed_at")),
            url=f"{self.url}/a/tickets/{payload['id']}",
            attachments=_files(payload),
            custom_fields={name: value for name, value in fields.items() if value is not None},
        )


@contextmanager
def known_shape() -> Iterator[None]:
    """What goes wrong inside because a record is not as Freshdesk's are, told without the record's text."""
    try:
        yield
    except KeyError as missing:
        raise DocumentError("The ticket has an unknown shape.", f"It lacks {missing}.") from missing
    except (TypeError, ValueError, AttributeError) as odd:
        raise DocumentError("The ticket has an unknown shape.", f"({type(odd).__name__})") from odd


def _message(record: Json) -> Message:
    return Message(
        id=str(record["id"]),
        author=_author(record),
        html=_unsigned(record.get("body")),
        text=record.get("body_text") or "",
        created_at=_utc(record.get("created_at")),
        private=bool(record.get("private")),
        attachments=_files(record),
    )


def _author(record: Json) -> Author:
    if record.get("incoming"):
        return "customer"
    return "system" if record.get("auto_response") or record.get("automation_id") else "agent"


def _person(payload: Json) -> Person:
    requester = payload.get("requester") or {}
    number = requester.get("id") or payload.get("requester_id")
    return Person(str(number or ""), requester.get("name") or "", requester.get("email") or "")


def _files(record: Json) -> tuple[Attachment, ...]:
    return tuple(_file(file) for file in record.get("attachments") or ())


def _file(file: Json) -> Attachment:
    size = file.get("size") or file.get("file_size") or 0  # the second in old accounts
    return Attachment(str(file["id"]), file.get("name") or "", file.get("content_type") or "", size)


def _utc(moment: str | None) -> str:
    """ISO 8601 in UTC, as Freshdesk gives it; some old records have an offset."""
    if not moment or moment.endswith("Z"):
        return moment or ""
    return datetime.fromisoformat(moment).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _unsigned(html: str | None) -> str:
    if not html or "?" not in html:
        return html or ""
    return _SIGNED_FILE.sub("", _SIGNED_IMAGE.sub(r"\1", html))


def _word(words: Mapping[int, str], number: int | None, kind: str) -> str:
    return "" if number is None else words.get(number, f"{kind} {number}")
