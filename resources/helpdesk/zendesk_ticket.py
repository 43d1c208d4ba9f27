"""A Zendesk ticket's JSON, in words: its odd corners, and the neutral form of it. Pure.

Belongs here: what Zendesk's fields mean. Does not belong here: getting them (``zendesk``).

A stored payload is the ticket of the export with what it only refers to put beside it, so that it can be read without
asking: ``requester`` {id, name, email}, ``assignee`` {id, name, role}, ``group``, ``custom_status`` and ``brand`` (names),
a ``title`` in each of ``custom_fields``, the comments as ``conversations``, each with its ``author`` {id, name, role}, and
``files`` (``resources/helpdesk/files``).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from domain.ticket import Attachment, Author, Content, Message, Person, Satisfaction, Ticket
from resources.helpdesk.base import Json, known_shape

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
#: Rated with a comment or without; "offered" and "unoffered" are no ratings.
SCORES: dict[str, Content] = {"good": "good", "good_with_comment": "good", "bad": "bad", "bad_with_comment": "bad"}
#: Zendesk puts it on a ticket that was merged away. A follow-up inherits it, so the last word must say so, too.
MERGED = "closed_by_merge"
_INTO = re.compile(r"merged into request\s*#?(\d+)|#(\d+).{0,300}?병합", re.IGNORECASE | re.DOTALL)


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
        texts = (payload.get("files") or {}).get("texts") or {}
        first, rest = (comments[0], comments[1:]) if comments else (None, [])
        channel = (payload.get("via") or {}).get("channel")
        metrics = payload.get("metric_set") or {}
        messages = tuple(_message(one, payload, texts) for one in rest)
        return Ticket(
            id=str(payload["id"]),
            subject=payload.get("subject") or payload.get("raw_subject") or "",
            description=_message(first, payload, texts, "description") if first else _unread(payload),
            messages=messages,
            status=_status(payload),
            priority=_word(PRIORITIES, payload.get("priority")),
            type=payload.get("type") or "",
            channel=_word(CHANNELS, channel),
            tags=tuple(sorted(payload.get("tags") or ())),
            product=payload.get("brand") or "",
            group=payload.get("group") or "",
            agent=(payload.get("assignee") or {}).get("name") or "",
            requester=_person(payload),
            created_at=payload.get("created_at") or "",
            updated_at=payload.get("updated_at") or "",
            resolved_at=metrics.get("solved_at") or "",
            url=f"{self.url}/agent/tickets/{payload['id']}",
            custom_fields={
                field.get("title") or str(field["id"]): field["value"]
                for field in payload.get("custom_fields") or ()
                if field.get("value") not in (None, "", [], False)
            },
            satisfaction=_satisfaction(payload),
            merged_into=_merged_into(payload, messages),
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


def _satisfaction(payload: Json) -> tuple[Satisfaction, ...]:
    """The last rating: a ticket shows no others, nor when it was given."""
    rating = payload.get("satisfaction_rating") or {}
    score = SCORES.get(rating.get("score") or "")
    return (Satisfaction(score, rating.get("comment") or ""),) if score else ()


def _merged_into(payload: Json, messages: Sequence[Message]) -> str:
    """The request that this one was merged into. A merger is the last that is said in it, for it closes it."""
    if payload["status"] != "closed" or MERGED not in (payload.get("tags") or ()) or not messages:
        return ""
    found = _INTO.search(messages[-1].text)
    return (found[1] or found[2]) if found else ""


def _message(comment: Json, payload: Json, texts: Mapping[str, str], message_id: str = "") -> Message:
    return Message(
        id=message_id or str(comment["id"]),
        author=_author(comment, payload),
        html=comment.get("html_body") or "",
        text=comment.get("plain_body") or comment.get("body") or "",
        created_at=comment.get("created_at") or "",
        private=comment.get("public") is False,
        attachments=_files(comment, texts),
    )


def _author(comment: Json, payload: Json) -> Author:
    """By role; an agent who asks for help is a customer in that ticket. What is private counts as the agents', whoever
    wrote it: Zendesk also files mail of strangers so."""
    author = comment.get("author_id")
    if author == SYSTEM_USER or (comment.get("via") or {}).get("channel") in BY_ITSELF:
        return "system"
    if comment.get("public") is False:
        return "agent"
    # Of users who were deleted nothing is told; the one whom a ticket is assigned to is an agent.
    is_agent = (comment.get("author") or {}).get("role") in AGENTS or (author and author == payload.get("assignee_id"))
    return "agent" if is_agent and author != payload.get("requester_id") else "customer"


def _person(payload: Json) -> Person:
    requester = payload.get("requester") or {}
    number = requester.get("id") or payload.get("requester_id")
    return Person(str(number or ""), requester.get("name") or "", requester.get("email") or "")


def _files(comment: Json, texts: Mapping[str, str]) -> tuple[Attachment, ...]:
    return tuple(_file(file, texts) for file in comment.get("attachments") or ())


def _file(file: Json, texts: Mapping[str, str]) -> Attachment:
    number, name = str(file["id"]), file.get("file_name") or ""
    return Attachment(number, name, file.get("content_type") or "", file.get("size") or 0, texts.get(number, ""))


def _word(words: Mapping[str, str], given: Any) -> str:
    return words.get(given, str(given)).replace("_", " ") if given else ""
