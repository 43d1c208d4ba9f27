"""What Freshdesk's fields mean, in the shapes that old and new accounts give."""

import time
from typing import Any

import pytest

from domain.errors import DocumentError
from domain.ticket import Attachment, Person
from resources.helpdesk.base import Json
from resources.helpdesk.freshdesk_ticket import Reader

READER = Reader("https://acme.freshdesk.com")
LEAST: Json = {"id": 7, "status": 2, "updated_at": "2026-01-02T00:00:00Z"}


def message(**given: Any) -> Json:
    return {"id": 1, "body": "<div>b</div>", "body_text": "b", "incoming": False, "private": False} | given


def test_null_and_absent_fields_are_the_same() -> None:
    names = ("subject", "description", "description_text", "priority", "source", "type", "tags", "product_id", "stats")
    names += ("requester", "requester_id", "custom_fields", "attachments", "conversations", "created_at")
    assert READER.ticket(LEAST) == READER.ticket(LEAST | dict.fromkeys(names))
    assert READER.ticket(LEAST | {"custom_fields": {"cf_a": None}}) == READER.ticket(LEAST)


def test_numbers_become_words() -> None:
    given = LEAST | {"status": 6, "priority": 4, "source": 15, "product_id": 9}
    ticket = READER.ticket(given)
    assert (ticket.status, ticket.priority, ticket.channel, ticket.product) == (
        "waiting on customer",
        "urgent",
        "web chat",
        "9",
    )
    own = Reader("https://acme.freshdesk.com", {"statuses": {"6": "bei anna"}, "products": {"9": "Desk"}}).ticket(given)
    assert (own.status, own.product) == ("bei anna", "Desk")
    unknown = READER.ticket(LEAST | {"status": 61, "priority": 9, "source": 99})
    assert (unknown.status, unknown.priority, unknown.channel) == ("status 61", "priority 9", "source 99")
    assert ticket.url == "https://acme.freshdesk.com/a/tickets/7"


@pytest.mark.parametrize(
    ("given", "author"),
    [
        ({"incoming": True}, "customer"),
        ({}, "agent"),
        ({"private": True, "source": 2}, "agent"),
        ({"auto_response": True}, "system"),
        ({"automation_id": 5}, "system"),
        ({"automation_id": None, "auto_response": False}, "agent"),
    ],
)
def test_who_wrote_a_message(given: Json, author: str) -> None:
    (read,) = READER.ticket(LEAST | {"conversations": [message(**given)]}).messages
    assert (read.author, read.private) == (author, bool(given.get("private")))


@pytest.mark.parametrize(("source", "author"), [(1, "customer"), (10, "agent"), (14, "agent"), (15, "customer")])
def test_who_wrote_the_description(source: int, author: str) -> None:
    description = READER.ticket(LEAST | {"source": source, "description": "<p>x</p>"}).description
    assert description and description.author == author


def test_a_deleted_message_is_none() -> None:
    assert READER.ticket(LEAST | {"conversations": [message(deleted=True)]}).messages == ()


def test_times_and_the_one_who_asked() -> None:
    ticket = READER.ticket(
        LEAST
        | {"created_at": "2014-07-28T16:20:03+05:30", "requester_id": 5}
        | {"stats": {"resolved_at": None, "closed_at": "2026-01-01T00:00:00Z"}}
    )
    assert ticket.created_at == "2014-07-28T10:50:03Z"
    assert ticket.resolved_at == "2026-01-01T00:00:00Z"
    assert ticket.requester == Person("5")


def test_old_and_new_files() -> None:
    new = {"id": 1, "name": "a.txt", "content_type": "text/plain", "size": 5, "attachment_url": "https://x/?y"}
    old = {"id": 2, "name": "b.txt", "content_type": "text/plain", "file_size": 5}
    ticket = READER.ticket(LEAST | {"attachments": [new], "conversations": [message(attachments=[old])]})
    assert ticket.attachments == (Attachment("1", "a.txt", "text/plain", 5),)
    assert ticket.messages[0].attachments == (Attachment("2", "b.txt", "text/plain", 5),)


def test_nothing_that_is_signed_or_counted_changes_the_hash() -> None:
    def ticket(sign: str, clock: str) -> Json:
        inline = f'<img class="i" src="https://acme.freshdesk.com/inline/attachment?token={sign}" alt="?">'
        linked = f'<a href="https://s3.example.com/f.png?X-Amz-Date=1&X-Amz-Signature={sign}">f</a>'
        counted = {"due_by": clock, "is_escalated": clock > "2", "associated_tickets_count": len(clock)}
        stats = {"resolved_at": "2026-01-01T00:00:00Z", "status_updated_at": clock, "agent_responded_at": clock}
        body = message(body=inline + linked, attachments=[{"id": 1, "attachment_url": sign, "thumb_url": sign}])
        requester = {"id": 1, "name": "Kim", "avatar": {"avatar_url": sign}}
        return (
            LEAST | counted | {"stats": stats, "requester": requester, "description": linked, "conversations": [body]}
        )

    one, two = READER.ticket(ticket("eyJ1", "1")), READER.ticket(ticket("eyJ2", "2222"))
    assert one.content_hash() == two.content_hash()
    assert "?" not in one.messages[0].html.replace('alt="?"', "")
    kept = '<a href="https://example.com/faq?id=5">see</a>'
    assert READER.ticket(LEAST | {"description": kept}).description.html == kept  # type: ignore[union-attr]


def test_a_body_that_is_meant_to_hurt_is_read_in_no_time() -> None:
    started = time.process_time()
    for piece in ("<img ", "<img src='", "?X-Amz-Signature=", "?a=b", '<img src="?'):
        READER.ticket(LEAST | {"description": "?" + piece * (500_000 // len(piece))})
    assert time.process_time() - started < 5


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"id": 7},
        LEAST | {"tags": 5},
        LEAST | {"conversations": ["secret"]},
        LEAST | {"conversations": [{"body": "secret"}]},
    ],
)
def test_what_is_no_ticket_is_said_without_its_text(wrong: Json) -> None:
    with pytest.raises(DocumentError, match=r"unknown shape") as caught:
        READER.ticket(wrong)
    assert "secret" not in str(caught.value)
