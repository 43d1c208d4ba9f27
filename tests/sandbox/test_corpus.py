"""The companies' threads become believable tickets, the same ones at every start."""

import re
from collections import Counter
from datetime import datetime

import orjson
import pytest
import requests

from sandbox import attachments, corpus, mail, shape
from sandbox.serve import Sandbox
from sandbox.shape import Json
from tests.sandbox.conftest import Client


def thread(**given: object) -> Json:
    """A thread in the authoring format."""
    written: Json = {
        "key": "a-1",
        "problem": "a",
        "subject": "Printer offline",
        "status": "resolved",
        "priority": 2,
        "type": "Question",
        "channel": "email",
        "product": "Desk",
        "tags": [],
        "requester": {"name": "Jo Reed", "email": "Jo@Example.com"},
        "form": "html",
        "body": "It is offline.\n\nSee <https://example.com/a?b=1&c=2>.",
        "messages": [
            {"author": "agent", "text": "Restart it.", "signature": "Owen Fairbanks\nCustomer Care"},
            {"author": "note", "text": "Known fault."},
            {"author": "customer", "text": "Works.", "quoted": True, "signature": "Jo"},
        ],
    }
    return written | given


def ticket(*threads: Json) -> Json:
    """The ticket that the last of these threads becomes."""
    desk = corpus.expand("test", list(threads))
    number = desk.stories[threads[-1]["key"]].ticket_id
    return next(one for one in desk.tickets if one["id"] == number)


@pytest.mark.parametrize("name", corpus.names())
def test_every_thread_is_a_ticket_in_order_and_in_the_past(name: str):
    desk = corpus.load(name)
    tickets = list(desk.tickets)
    assert [one["id"] for one in tickets] == list(range(1, len(corpus.threads(name)) + 1))
    assert [one["created_at"] for one in tickets] == sorted(one["created_at"] for one in tickets)
    for one in tickets:
        times = [one["created_at"], *(message["created_at"] for message in one["conversations"])]
        assert times == sorted(times)
        assert one["updated_at"] == times[-1] < corpus.stamp(corpus.PRESENT)
        at_work = [datetime.fromisoformat(moment).astimezone(mail.ZONES[desk.language]) for moment in times]
        assert all(moment.weekday() < 5 and 8 <= moment.hour <= 18 for moment in at_work)
    ids = [message["id"] for one in tickets for message in one["conversations"]]
    assert len(ids) == len(set(ids))
    unsolved = [one["created_at"] for one in tickets if one["status"] not in (4, 5)]
    assert min(unsolved) > tickets[len(tickets) // 3]["created_at"]


@pytest.mark.parametrize("name", corpus.names())
def test_every_start_gives_the_same_bytes(name: str):
    first, second = corpus.load(name), corpus.load(name)
    assert orjson.dumps(list(first.tickets)) == orjson.dumps(list(second.tickets))
    assert first.contacts == second.contacts


@pytest.mark.parametrize("name", corpus.names())
def test_the_words_of_every_thread_arrive(name: str):
    desk = corpus.load(name)
    tickets = {one["id"]: one for one in desk.tickets}
    for written in corpus.threads(name):
        served = tickets[desk.stories[written["key"]].ticket_id]
        assert mail.collapse(written["body"]) in mail.collapse(served["description_text"])
        chat = served["source"] == shape.WEB_CHAT
        for said, message in zip(written["messages"], served["conversations"][chat:], strict=True):
            assert mail.collapse(said["text"]) in mail.collapse(message["body_text"])
            assert message["private"] == (said["author"] == "note")
            assert message["incoming"] == (said["author"] == "customer")
            assert message["auto_response"] == (said["author"] == "system")


@pytest.mark.parametrize("name", corpus.names())
def test_a_company_shows_every_way_of_quoting(name: str):
    marks = {
        "gmail": 'class="gmail_quote"',
        "outlook": "border-top:solid #E1E1E1",
        "original": "-----Original Message-----",
        "plain": "<br>&gt; ",
    }
    found: Counter[str] = Counter()
    for one in corpus.load(name).tickets:
        for message in one["conversations"]:
            found.update(program for program, mark in marks.items() if mark in message["body"])
            assert message["has_quoted_text"] or not any(mark in message["body"] for mark in marks.values())
    assert set(found) == set(marks)


@pytest.mark.parametrize("name", corpus.names())
def test_stories_name_what_a_search_should_find(name: str):
    desk = corpus.load(name)
    for key, story in desk.stories.items():
        original = desk.stories.get(story.near_duplicate_of or "")
        assert original is None or original.ticket_id < story.ticket_id, key


def test_a_description_is_html_and_text():
    one = ticket(thread(channel="portal"))
    assert '<a href="https://example.com/a?b=1&amp;c=2" rel="noreferrer">' in one["description"]
    assert one["description"].startswith('<div style="font-family')
    assert one["description_text"] == "It is offline.  See <https://example.com/a?b=1&c=2>."
    assert ticket(thread())["description_text"] == "It is offline.\n\nSee <https://example.com/a?b=1&c=2>."


def test_who_wrote_a_message_shows_in_its_fields():
    one = ticket(thread())
    reply, note, answer = one["conversations"]
    assert (reply["source"], reply["incoming"], reply["private"], reply["category"]) == (0, False, False, 3)
    assert (note["source"], note["incoming"], note["private"], note["category"]) == (2, False, True, 2)
    assert (answer["source"], answer["incoming"], answer["private"], answer["category"]) == (0, True, False, 1)
    assert reply["from_email"] == "Owen Fairbanks <support@test.example.com>"
    assert (answer["from_email"], answer["user_id"]) == ("jo@example.com", one["requester_id"])
    assert reply["user_id"] == note["user_id"] == one["responder_id"]


def test_an_answer_quotes_the_last_public_message():
    answer = ticket(thread(form="plain"))["conversations"][2]
    assert re.fullmatch(
        r"Works\.\n\n-- \nJo\n\nOn \w{3}, \w{3} \d+, 2026 at \d+:\d\d [AP]M Owen Fairbanks <support@test\.example\.com> "
        r"wrote:\n\n> Restart it\.\n>\n> Owen Fairbanks\n> Customer Care",
        answer["body_text"],
    )


WHEN = "2026-03-02T05:10:00Z"


@pytest.mark.parametrize(
    ("program", "language", "line"),
    [
        ("gmail", "en", "On Mon, Mar 2, 2026 at 5:10 AM Kim <kim@example.com> wrote:"),
        ("gmail", "ko", "2026년 3월 2일 (월) 오후 2:10, Kim <kim@example.com>님이 작성:"),
        ("outlook", "en", "From: Kim <kim@example.com>\nSent: Monday, March 2, 2026 5:10 AM\nTo: a@example.com"),
        (
            "outlook",
            "ko",
            "보낸 사람: Kim <kim@example.com>\n보낸 날짜: 2026년 3월 2일 월요일 오후 2:10\n받는 사람: a@example.com",
        ),
        (
            "original",
            "ko",
            '-----Original Message-----\nFrom: "Kim" <kim@example.com>\nTo: a@example.com\nSent: 2026-03-02 14:10:00',
        ),
        ("plain", "en", "\n> before\n> that"),
    ],
)
def test_programs_quote_in_their_own_way(program: mail.Program, language: str, line: str):
    before, _ = mail.compose("plain", language, "Kim", "kim@example.com", WHEN, "before\nthat")
    own, whole = mail.compose(
        program, language, "Lee", "a@example.com", WHEN, "after", answers=before, to="a@example.com", subject="S"
    )
    assert line in whole.text
    assert whole.text.startswith("after\n\n")
    assert (own.text, own.html.count("before")) == ("after", 0)
    assert "before" in whole.html


@pytest.mark.parametrize(
    ("program", "mark"), [("gmail", "gmail_signature"), ("outlook", 'id="Signature"'), ("plain", "-- <br>")]
)
def test_programs_sign_in_their_own_way(program: mail.Program, mark: str):
    _, whole = mail.compose(program, "en", "Lee", "a@example.com", WHEN, "Hello", signature="Lee\nACME")
    assert mark in whole.html
    assert whole.text.endswith("\nLee\nACME")


def test_a_web_chat_repeats_its_description():
    one = ticket(thread(channel="chat"))
    assert one["source"] == 15
    assert len(one["conversations"]) == 4
    assert one["conversations"][0]["body"] == one["description"]


def test_threads_of_one_person_share_a_contact():
    threads = [thread(), thread(key="a-2"), thread(key="a-3", requester={"name": "Mo", "email": "mo@gmail.com"})]
    desk = corpus.expand("test", threads)
    assert [contact["email"] for contact in desk.contacts if contact["company_id"]] == ["jo@example.com"]
    assert len(desk.contacts) == 2
    assert len({one["requester_id"] for one in desk.tickets}) == 2


def test_a_doubled_key_is_refused():
    with pytest.raises(ValueError, match="1 threads share their key"):
        corpus.expand("test", [thread(), thread()])


def test_an_unknown_company_is_named_with_the_known_ones():
    with pytest.raises(FileNotFoundError, match=r"no sample company 'nobody'; there are acme, hanbit"):
        corpus.load("nobody")


def test_signed_addresses_work_for_five_minutes_and_change_with_every_answer(samples: Sandbox):
    client = Client(samples, "hanbit")
    number = next(one["id"] for one in client.admin("truth")["tickets"] if one["attachments"])
    first, second = (client.get(f"tickets/{number}").json()["attachments"][0] for _ in range(2))
    assert first["attachment_url"] != second["attachment_url"]
    assert {**first, "attachment_url": ""} == {**second, "attachment_url": ""}
    for file in (first, second):
        answer = requests.get(file["attachment_url"], timeout=10)
        assert (answer.status_code, len(answer.content)) == (200, file["size"])
    forged = re.sub("X-Amz-Signature=.", "X-Amz-Signature=_", first["attachment_url"])
    assert requests.get(forged, timeout=10).status_code == 403
    client.session.close()


def test_an_address_expires(monkeypatch: pytest.MonkeyPatch):
    query = attachments.sign(attachments.BASE + b"?" + attachments.SIGNED, "").decode().partition("?")[2]
    assert attachments.valid(query)
    later = attachments.time.time() + attachments.LIFETIME + 2
    monkeypatch.setattr(attachments.time, "time", lambda: later)
    assert not attachments.valid(query)


def test_inline_pictures_carry_a_token_that_changes():
    picture = {"name": "a.png", "content_type": "image/png", "size": 100}
    stored = orjson.dumps(ticket(thread(attachments=[picture])))
    bodies = {orjson.loads(attachments.sign(stored, "http://x/test"))["description"] for _ in range(2)}
    assert len(bodies) == 2
    assert all('<img src="http://x/test/inline/attachment?token=ey' in body for body in bodies)


@pytest.mark.parametrize(
    ("content_type", "start"), [("text/plain", b"000001 attachment 7"), ("image/png", b"\x89PNG"), ("x/y", b"\0")]
)
def test_files_have_their_size_and_look_like_their_type(content_type: str, start: bytes):
    content = attachments.content(7, content_type, 500)
    assert len(content) == 500
    assert content.startswith(start)
