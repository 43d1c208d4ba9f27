"""One ticket as one document: the order of the thread, what is left out, its language, and what is searched."""

from dataclasses import replace

import pytest

from domain.fingerprint import fingerprint
from domain.merge import DESCRIPTION, about, language_of, merge, searched_text, thread_text
from domain.ticket import Attachment, Message, Person, Ticket

LOG = Attachment("7", "log.txt", "text/plain", 120)
TICKET = Ticket(
    "42",
    subject=" Cannot  log in ",
    description=Message("42", "customer", html="<p>Error E-4012 since Monday.</p>", created_at="2026-03-02T09:00:00Z"),
    messages=(
        Message("10", "agent", text="Please restart the app.", created_at="2026-03-02T10:00:00Z"),
        Message("9", "agent", text="Seen in the log.", created_at="2026-03-02T10:00:00Z", private=True),
        Message("8", "customer", text="", created_at="2026-03-02T09:30:00Z", attachments=(LOG,)),
        Message("11", "customer", text="> Please restart the app.\nWorks.", created_at="2026-03-02T11:00:00Z"),
        Message("12", "system", html="<br>", created_at="2026-03-02T12:00:00Z"),
    ),
    status="resolved",
    requester=Person("5", "Jane Roe", "jane@example.com"),
    tags=("login",),
    updated_at="2026-03-02T12:00:00Z",
    attachments=(Attachment("1", "screen.png"),),
    custom_fields={"cf_order": "A-1"},
)


def test_the_thread_is_in_order_and_says_only_what_was_written() -> None:
    merged = merge(TICKET)
    assert [(message["id"], message["text"]) for message in merged["messages"]] == [
        (DESCRIPTION, "Error E-4012 since Monday."),
        ("8", ""),
        ("9", "Seen in the log."),
        ("10", "Please restart the app."),
        ("11", "Works."),
    ]
    assert [message["private"] for message in merged["messages"]] == [False, False, True, False, False]
    assert merged["subject"] == "Cannot log in"
    assert merged["requester"] == {"id": "5", "name": "Jane Roe", "email": "jane@example.com"}
    assert (merged["status"], merged["tags"], merged["custom_fields"]) == ("resolved", ["login"], {"cf_order": "A-1"})


def test_files_know_their_message() -> None:
    files = [(file["name"], file["message_id"], file["size"]) for file in merge(TICKET)["attachments"]]
    assert files == [("screen.png", None, 0), ("log.txt", "8", 120)]


def test_the_order_in_which_the_source_lists_messages_does_not_matter() -> None:
    shuffled = replace(TICKET, messages=TICKET.messages[::-1])
    assert fingerprint(merge(shuffled)) == fingerprint(merge(TICKET))


def test_messages_without_times_keep_the_order_of_the_source() -> None:
    messages = (
        Message("b", "agent", text="first"),
        Message("a", "customer", text="second", created_at="2026-01-01T00:00:00Z"),
    )
    assert [message["text"] for message in merge(Ticket("1", messages=messages))["messages"]] == ["first", "second"]


def test_a_web_chat_repeats_its_description_and_we_do_not() -> None:
    opening = Message("1", "customer", html="<p>Where is my order?</p>")
    again = (Message("2", "customer", text="Where is my order?"), Message("3", "agent", text="Where is my order?"))
    assert [message["id"] for message in merge(Ticket("1", description=opening, messages=again))["messages"]] == [
        DESCRIPTION,
        "3",
    ]


def test_private_notes_are_searched_by_agents_only() -> None:
    merged = merge(TICKET)
    assert thread_text(merged) == "Cannot log in\n\nError E-4012 since Monday.\n\nPlease restart the app.\n\nWorks."
    assert "Seen in the log." in thread_text(merged, "agent")


def test_an_empty_ticket_is_a_document_too() -> None:
    merged = merge(Ticket("1"))
    assert merged["messages"] == []
    assert thread_text(merged) == ""


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("로그인이 안 됩니다", "ko"),
        ("Outlook 365 IMAP SMTP Exchange 설정이 안 돼요", "ko"),
        ("Please call 홍길동 about the order that arrived yesterday", "en"),
        ("Wo ist mein Paket?", "en"),
        ("ログインできません", "other"),
        ("Не могу войти в account", "other"),
        ("12345 !!!", "en"),
        ("", "en"),
    ],
)
def test_language_is_guessed_from_the_letters(text: str, language: str) -> None:
    assert language_of(text) == language


def test_what_a_ticket_is_about_stands_before_its_subject() -> None:
    said = Message("description", "customer", text="Error E-4012.")
    merged = merge(Ticket("7", "Cannot log in to Vault", said, product="vault", tags=("billing", "sso")))
    assert about(merged) == "billing sso"
    assert searched_text(merged) == "billing sso Cannot log in to Vault\n\nError E-4012."
    untitled = merge(Ticket("8", "", said, product="Vault"))
    assert searched_text(untitled) == "Vault\nError E-4012."
    assert searched_text(merge(Ticket("9", "Plain", said))) == thread_text(merge(Ticket("9", "Plain", said)))
