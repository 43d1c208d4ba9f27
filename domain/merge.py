"""One ticket with its thread and attachments as one document: the payload of ``merged_tickets``.

Belongs here: the order of the thread, what is left out of it, the ticket's language, and the text that is searched.
Does not belong here: cleaning one body (``mail_text``), or which tickets count as resolved (the asset's filter).
"""

import re
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, Literal

from domain.mail_text import MAIL_TEXT_VERSION, message_text
from domain.ticket import Message, Ticket

MERGE_VERSION = f"2.{MAIL_TEXT_VERSION}"
"""Changes whenever the same ticket would give another document; part of the row's ``made_by``."""

THREAD_TEXT_VERSION = "3"
"""Changes whenever the same document would give another text to search."""

_ABOUT_LIMIT = 120

DESCRIPTION = "description"
"""The id of the message that opens every thread: the ticket's description."""

Json = dict[str, Any]
Audience = Literal["customer", "agent"]
Language = Literal["ko", "en", "other"]

_HANGUL = re.compile("[가-힣ㄱ-ㅎㅏ-ㅣ]")
_LATIN = re.compile("[A-Za-z]")
_OTHER_LETTER = re.compile(r"[^\W\d_A-Za-z가-힣ㄱ-ㅎㅏ-ㅣ]")
_LANGUAGE_SAMPLE = 4000


def merge(ticket: Ticket) -> Json:
    """The ticket as one JSON document: its fields, the cleaned thread, and all its files with their text.

    The description comes first, then the messages by time and id; where a time is missing, the source's order stays.
    A message without text and without files is left out, and so is one that repeats the description (web chats do).
    ``updated_at`` is part of it: a touched but unchanged ticket never comes here (``Ticket.content_hash``), and what
    follows takes the parts that it needs.
    """
    messages = list(_thread(ticket))
    texts = [ticket.subject, *(message["text"] for message in messages)]
    return {
        "ticket_id": ticket.id,
        "subject": " ".join(ticket.subject.split()),
        "status": ticket.status,
        "priority": ticket.priority,
        "type": ticket.type,
        "channel": ticket.channel,
        "tags": list(ticket.tags),
        "product": ticket.product,
        "group": ticket.group,
        "agent": ticket.agent,
        "requester": asdict(ticket.requester),
        "created_at": ticket.created_at,
        "updated_at": ticket.updated_at,
        "resolved_at": ticket.resolved_at,
        "url": ticket.url,
        "language": language_of("\n".join(texts)),
        "messages": messages,
        "attachments": _attachments(ticket),
        "custom_fields": ticket.custom_fields,
        "satisfaction": [asdict(one) for one in ticket.satisfaction],
        "merged_into": ticket.merged_into,
    }


def thread_text(merged: Json, audience: Audience = "customer") -> str:
    """All text of a merged document that is searched: its subject, its messages and its files, one a paragraph.

    Private notes, and files attached to them, are left out for the audience "customer" (DESIGN §6.7).
    """
    hidden = {message["id"] for message in merged["messages"] if message["private"] and audience == "customer"}
    said = (message["text"] for message in merged["messages"] if message["id"] not in hidden)
    files = (file["text"] for file in merged["attachments"] if file["message_id"] not in hidden)
    return "\n\n".join(text for text in (merged["subject"], *said, *dict.fromkeys(files)) if text)


def about(merged: Json) -> str:
    """What the ticket is about in its helpdesk's own words: product and tags, but those that the subject says already.

    Who asks names them as often as the subject's words: nDCG@10 of words on Korean FAQ rows with their topic as product
    0.58 -> 0.71.
    """
    subject = merged["subject"].lower()
    named = (name for name in dict.fromkeys((merged["product"], *merged["tags"])) if name.lower() not in subject)
    return " ".join(" ".join(named).split())[:_ABOUT_LIMIT]


def searched_text(merged: Json, audience: Audience = "customer") -> str:
    """The thread's text with what the ticket is about before its subject, on the line that counts most."""
    named, text = about(merged), thread_text(merged, audience)
    return f"{named}{' ' if merged['subject'] else chr(10)}{text}" if named else text


def language_of(text: str) -> Language:
    """Guess from the letters: "ko" where a fifth are Hangul (Korean writes product names in Latin), "en" where most
    are Latin, or where there are none at all; else "other". Reads the first 4,000 characters."""
    sample = text[:_LANGUAGE_SAMPLE]
    hangul, latin, other = (len(pattern.findall(sample)) for pattern in (_HANGUL, _LATIN, _OTHER_LETTER))
    letters = hangul + latin + other
    if hangul and hangul * 5 >= letters:
        return "ko"
    return "en" if latin * 2 >= letters else "other"


def _thread(ticket: Ticket) -> Iterator[Json]:
    opening = ""
    if ticket.description is not None:
        description = _merged_message(ticket.description, DESCRIPTION)
        opening = description["text"]
        if opening or ticket.description.attachments:
            yield description
    for message in _in_order(ticket.messages):
        merged = _merged_message(message, message.id)
        repeats = opening and message.author == "customer" and merged["text"] == opening
        if (merged["text"] and not repeats) or message.attachments:
            yield merged


def _in_order(messages: tuple[Message, ...]) -> list[Message]:
    if not all(message.created_at for message in messages):
        return list(messages)
    # Ids are numbers most often: by length first, so that 10 comes after 9.
    return sorted(messages, key=lambda message: (message.created_at, len(message.id), message.id))


def _merged_message(message: Message, message_id: str) -> Json:
    return {
        "id": message_id,
        "author": message.author,
        "private": message.private,
        "created_at": message.created_at,
        "text": message_text(message.html, message.text),
    }


def _attachments(ticket: Ticket) -> list[Json]:
    files: list[Json] = [{**asdict(file), "message_id": None} for file in ticket.attachments]
    if ticket.description is not None:
        files += ({**asdict(file), "message_id": DESCRIPTION} for file in ticket.description.attachments)
    for message in _in_order(ticket.messages):
        files += ({**asdict(file), "message_id": message.id} for file in message.attachments)
    return files
