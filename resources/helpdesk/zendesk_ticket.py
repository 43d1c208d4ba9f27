"""A Zendesk ticket's JSON, in words: its odd corners, and the neutral form of it. Pure.

Belongs here: what Zendesk's fields mean. Does not belong here: getting them (``zendesk``).

A stored payload is the ticket of the export with what it only refers to put beside it, so that it can be read without
asking: ``requester`` {id, name, email}, ``custom_status`` and ``brand`` (names), a ``title`` in each of
``custom_fields``, and the comments as ``conversations``, each with its ``author`` {id, name, role}.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from domain.ticket import Attachment, Author, Message, Person, Ticket
from resources.helpdesk.base import Json
from resources.helpdesk.freshdesk_ticket import known_shape

#: Zendesk's words where Casebook has another for the same, so that a filter finds both.
CHANNELS = {"web": "portal", "voice": "phone", "web_widget": "feedback widget", "chat": "web chat"}
CHANNELS |= {"native_messaging": "web chat", "mobile_sdk": "mobile", "any_channel": "channel"}
PRIORITIES = {"normal": "medium"}
STATUSES = {"hold": "on-hold"}
#: States that Zendesk itself sets; a ticket keeps its custom status in them.
OWN_STATES = ("closed", "deleted")
#: Channels of comments that no person wrote.
BY_ITSELF = frozenset({"rule", "trigger", "automation", "system"})
SYSTEM_USER = -1
AGENTS = ("agent", "admin")


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads the tickets of one account. ``url`` is the account's address."""

    url: str

    def ticket(self, payload: Json) -> Ticket:
        """The neutral form. Raises ``DocumentError`` for a payload that is no ticket."""
        with known_shape():
            return self._ticket(payload)

    def _ticket(self, payload: Json) -> Ticket:
        comments: list[Json] = payload.get("conversations") or []
        first, rest = (comments[0], comments[1:]) if comments else (None, [])
        channel = (payload.get("via") or {}).get("channel")
        metrics = payload.get("metric_set") or {}
        return Ticket(
            id=str(payload["id"]),
            subject=payload.get("subject") or payload.get("raw_subject") or "",
            description=_message(first, payload, "description") if first else _unread(payload),
            messages=tuple(_message(one, payload) for one in rest),
            status=_status(payload),
            priority=_word(PRIORITIES, payload.get("priority")),
            type=payload.get("type") or "",
            channel=_word(CHANNELS, channel),
            tags=tuple(sorted(payload.get("tags") or ())),
            product=payload.get("brand") or "",
            requester=_person(payload),
            created_at=payload.get("created_at") or "",
            updated_at=payload.get("updated_at") or "",
            resolved_at=metrics.get("solved_at") or "",
            url=f"{self.url}/agent/tickets/{payload['id']}",
            attachments=_files(first) if first else (),
            custom_fields={
                field.get("title") or str(field["id"]): field["value"]
                for field in payload.get("custom_fields") or ()
                if field.get("value") not in (None, "", [], False)
            },
        )


def _status(payload: Json) -> str:
    """The name that agents see; of several names in one category, say "pending", each keeps its own."""
    status: str = payload["status"]
    if status in OWN_STATES:
        return status
    return (payload.get("custom_status") or STATUSES.get(status, status)).lower()


def _unread(payload: Json) -> Message | None:
    """What the ticket itself tells of its first comment, where its comments were not fetched."""
    text = payload.get("description")
    author: Author = "customer" if payload.get("submitter_id") == payload.get("requester_id") else "agent"
    return Message("description", author, "", text, payload.get("created_at") or "") if text else None


def _message(comment: Json, payload: Json, message_id: str = "") -> Message:
    return Message(
        id=message_id or str(comment["id"]),
        author=_author(comment, payload),
        html=comment.get("html_body") or "",
        text=comment.get("plain_body") or comment.get("body") or "",
        created_at=comment.get("created_at") or "",
        private=comment.get("public") is False,
        # The first comment's files are the ticket's.
        attachments=() if message_id else _files(comment),
    )


def _author(comment: Json, payload: Json) -> Author:
    """By role; an agent who asks for help is a customer in that ticket. What is private counts as the agents', whoever
    wrote it: Zendesk also files mail of strangers so."""
    author = comment.get("author_id")
    if author == SYSTEM_USER or (comment.get("via") or {}).get("channel") in BY_ITSELF:
        return "system"
    if comment.get("public") is False:
        return "agent"
    is_agent = (comment.get("author") or {}).get("role") in AGENTS
    return "agent" if is_agent and author != payload.get("requester_id") else "customer"


def _person(payload: Json) -> Person:
    requester = payload.get("requester") or {}
    number = requester.get("id") or payload.get("requester_id")
    return Person(str(number or ""), requester.get("name") or "", requester.get("email") or "")


def _files(comment: Json) -> tuple[Attachment, ...]:
    return tuple(
        Attachment(str(file["id"]), file.get("file_name") or "", file.get("content_type") or "", file.get("size") or 0)
        for file in comment.get("attachments") or ()
    )


def _word(words: Mapping[str, str], given: Any) -> str:
    return words.get(given, str(given)).replace("_", " ") if given else ""
