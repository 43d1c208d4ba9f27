"""A Freshdesk ticket's JSON, in words: its numbers, its odd corners, and the neutral form of it. Pure.

Belongs here: what Freshdesk's fields mean. Does not belong here: getting them (``freshdesk``).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from domain.fingerprint import fingerprint
from domain.ticket import Attachment, Author, Content, Message, Person, Satisfaction, Ticket
from resources.helpdesk.base import Json, known_shape

STATUSES = {2: "open", 3: "pending", 4: "resolved", 5: "closed", 6: "waiting on customer", 7: "waiting on third party"}
PRIORITIES = {1: "low", 2: "medium", 3: "high", 4: "urgent"}
CHANNELS = {1: "email", 2: "portal", 3: "phone", 4: "forum", 5: "twitter", 6: "facebook", 7: "chat", 8: "mobihelp"}
CHANNELS |= {9: "feedback widget", 10: "outbound email", 11: "e-commerce", 12: "bot", 13: "whatsapp"}
CHANNELS |= {14: "internal chat", 15: "web chat"}
_CLOSED = 5
#: Characters; the note about a merger is short, and a long one may quote it.
_NOTE = 500
#: Channels whose description an agent wrote.
BY_AGENTS = frozenset({10, 14})

# The signed parts of addresses inside a body differ with every answer and say nothing.
_SIGNED_IMAGE = re.compile(
    r"""(<img\b[^<>]*?\bsrc\s*=\s*["'][^"'<>?]*|/inline/attachment)\?[^"'<>\s]*""", re.IGNORECASE
)
_SIGNED_FILE = re.compile(r"""\?[^"'<>\s?]*\bX-Amz-Signature=[^"'<>\s]*""", re.IGNORECASE)


#: The first four mean the same in every account, whatever it calls them.
_FIXED = (2, 3, 4, 5)
_MERGED = re.compile(r"closed and merged into ticket\s*#?(\d+)|티켓\s*#?(\d+)\D{0,10}병합", re.IGNORECASE)
#: The answers to a survey's question, from extremely happy to extremely unhappy.
_CONTENT: tuple[tuple[range, Content], ...] = (
    (range(101, 104), "good"),
    (range(100, 101), "neutral"),
    (range(-103, -100), "bad"),
)


@dataclass(slots=True)
class Reader:
    """Reads the tickets of one account. ``url`` is the account's address; ``names`` are those of its own numbers, as
    ``freshdesk_names`` keeps them."""

    url: str
    names: Json = field(default_factory=dict[str, Any])

    def version(self) -> str:
        """Moves with the names that a neutral ticket is read by; who the agents are stands in the payload."""
        kinds = ("statuses", "products", "groups", "fields")
        named = {kind: {of: word for of, word in self.names.get(kind, {}).items() if word} for kind in kinds}
        named = {kind: words for kind, words in named.items() if words}
        return fingerprint(named)[:12] if named else ""

    def status(self, number: Any) -> str:
        """The word for a status, in lower case."""
        if number in _FIXED:
            return STATUSES[number]
        return self._named("statuses", number) or STATUSES.get(number, f"status {number}")

    def _named(self, kind: str, number: Any) -> str:
        return "" if number is None else self.names.get(kind, {}).get(str(number), "")

    def ticket(self, payload: Json) -> Ticket:
        """The neutral form. Raises ``DocumentError`` for a payload that is no ticket."""
        with known_shape():
            return self._ticket(payload)

    def _ticket(self, payload: Json) -> Ticket:
        stats, texts = payload.get("stats") or {}, (payload.get("files") or {}).get("texts") or {}
        created_at = utc(payload.get("created_at"))
        html, text = _description(payload)
        author: Author = "agent" if payload.get("source") in BY_AGENTS else "customer"
        product = payload.get("product_id")
        fields, labels = payload.get("custom_fields") or payload.get("custom_field") or {}, self.names.get("fields", {})
        messages = tuple(_message(one, texts) for one in payload.get("conversations") or () if not one.get("deleted"))
        return Ticket(
            id=str(payload["id"]),
            subject=payload.get("subject") or "",
            description=Message("description", author, html, text, created_at) if html or text else None,
            messages=messages,
            status=self.status(payload["status"]),
            priority=_word(PRIORITIES, payload.get("priority"), "priority"),
            type=payload.get("type") or "",
            channel=_word(CHANNELS, payload.get("source"), "source"),
            tags=tuple(sorted(payload.get("tags") or ())),
            product="" if product is None else self._named("products", product) or str(product),
            group=self._named("groups", payload.get("group_id")),
            agent=payload.get("responder_name") or self._named("agents", payload.get("responder_id")),
            requester=_person(payload),
            created_at=created_at,
            updated_at=utc(payload.get("updated_at")),
            resolved_at=utc(stats.get("resolved_at") or stats.get("closed_at")),
            url=f"{self.url}/a/tickets/{payload['id']}",
            attachments=_files(payload, texts),
            custom_fields={labels.get(name) or name: value for name, value in fields.items() if value is not None},
            merged_into=_merged_into(payload, messages),
        )


def _description(payload: Json) -> tuple[str, str]:
    """As HTML and as text; old records have other names for both."""
    if "description_html" in payload:
        return unsigned(payload["description_html"]), payload.get("description") or ""
    return unsigned(payload.get("description")), payload.get("description_text") or ""


def satisfaction(record: Json) -> Satisfaction | None:
    """A rating in words; None where its survey asked something that has no good and bad."""
    ratings = record.get("ratings") or {}
    value = ratings.get("default_question") if isinstance(ratings, dict) else None
    for numbers, score in _CONTENT:
        if value in numbers:
            return Satisfaction(score, record.get("feedback") or "", utc(record.get("created_at")))
    return None


def _merged_into(payload: Json, messages: Sequence[Message]) -> str:
    """The ticket that this one's thread went to. Freshdesk says it in a private note only, and closes the ticket."""
    if payload.get("status") != _CLOSED:
        return ""
    for message in reversed(messages):
        if message.private and len(message.text) < _NOTE and (found := _MERGED.search(message.text)):
            return found[1] or found[2]
    return ""


def _message(record: Json, texts: Mapping[str, str]) -> Message:
    return Message(
        id=str(record["id"]),
        author=_author(record),
        html=unsigned(record.get("body")),
        text=record.get("body_text") or "",
        created_at=utc(record.get("created_at")),
        private=bool(record.get("private")),
        attachments=_files(record, texts),
    )


def _author(record: Json) -> Author:
    if record.get("incoming"):
        return "customer"
    return "system" if record.get("auto_response") or record.get("automation_id") else "agent"


def _person(payload: Json) -> Person:
    requester = payload.get("requester") or {}
    number = requester.get("id") or payload.get("requester_id")
    return Person(str(number or ""), requester.get("name") or "", requester.get("email") or "")


def _files(record: Json, texts: Mapping[str, str]) -> tuple[Attachment, ...]:
    return tuple(_file(file, texts) for file in record.get("attachments") or ())


def _file(file: Json, texts: Mapping[str, str]) -> Attachment:
    number, name = str(file["id"]), file.get("name") or ""
    return Attachment(number, name, file.get("content_type") or "", file_size(file), texts.get(number, ""))


def file_size(file: Json) -> int:
    """In bytes; old accounts have another name for it."""
    return file.get("size") or file.get("file_size") or 0


def drop_signed(record: Json) -> None:
    """Addresses of files are signed for five minutes: of no use later, and new with every answer."""
    for file in record.get("attachments") or ():
        file.pop("attachment_url", None)
        file.pop("thumb_url", None)


def utc(moment: str | None) -> str:
    """ISO 8601 in UTC, as Freshdesk gives it; some old records have an offset."""
    if not moment or moment.endswith("Z"):
        return moment or ""
    return datetime.fromisoformat(moment).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def unsigned(html: str | None) -> str:
    """A body without the signed parts of the addresses in it, which differ with every answer."""
    if not html or "?" not in html:
        return html or ""
    return _SIGNED_FILE.sub("", _SIGNED_IMAGE.sub(r"\1", html))


def _word(words: Mapping[int, str], number: int | None, kind: str) -> str:
    return "" if number is None else words.get(number, f"{kind} {number}")
