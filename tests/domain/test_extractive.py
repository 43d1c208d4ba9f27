"""Extractive summaries: the real fix, an outcome that was said, never a guess, never a private note."""

import re
from typing import Any

import pytest

from domain.errors import DocumentError
from domain.extractive import METHOD, summarise
from domain.merge import merge
from domain.summary import FIELD_LIMIT, Summary
from domain.ticket import Author, Message, Ticket
from sandbox.corpus import threads

AUTHORS: dict[str, Author] = {"C": "customer", "A": "agent", "N": "agent", "S": "system"}


def told(subject: str, *turns: str) -> Summary:
    """The summary of a thread written as "C: …", "A: …", "N: …" (a private note), "S: …"; the first is the description."""
    first, *others = (
        Message(str(at), AUTHORS[turn[0]], text=turn[3:], private=turn[0] == "N") for at, turn in enumerate(turns)
    )
    return summarise(merge(Ticket("1", subject, first, tuple(others))))


ENGLISH = (
    "Cannot log in since Monday",
    "C: Hello,\nafter the password change my account is locked every 30 minutes (AUTH-15). It is urgent.\nThanks, Jane",
    "S: We have received your request.",
    "A: Hi Jane, sorry for the trouble! Do you have another device with the old password?",
    "C: Yes, an old tablet at home.",
    "N: Known case, see KB-77.",
    "A: The lock is caused by the tablet, which keeps sending the old password. Open Settings > Mail on the tablet and"
    " remove the account. Let me know if you need anything else.",
    "C: Removed it, and the account has not been locked since. It works. Thank you!",
    "A: Glad to hear that. Have a nice day!",
)
KOREAN = (
    "[문의] 세금계산서 발행이 안 됩니다",
    "C: 안녕하세요. 세금계산서를 발행하면 E-6105 오류가 납니다. 어제까지는 되었습니다.",
    "A: 안녕하세요, 한빛오피스입니다. 불편을 드려 죄송합니다. 확인 결과 공동인증서가 어제 만료되었습니다."
    " 환경설정 > 인증서 관리에서 새 인증서를 등록해 주세요. 추가 문의는 언제든 남겨 주세요.",
    "N: 인증서 갱신 안내 문자 누락, 담당자 확인 필요.",
    "C: 등록하니 정상 발행됩니다. 감사합니다.",
)


def test_an_english_case() -> None:
    summary = told(*ENGLISH)
    assert summary.problem.startswith("Cannot log in since Monday. after the password change my account is locked")
    assert "Thanks" not in summary.problem
    assert summary.cause == "The lock is caused by the tablet, which keeps sending the old password."
    assert summary.solution == "Open Settings > Mail on the tablet and remove the account."
    assert summary.result.endswith("It works.")
    assert {"account", "auth-15"} <= set(summary.tags)
    assert (summary.method, summary.language) == (METHOD, "en")


def test_a_korean_case() -> None:
    summary = told(*KOREAN)
    assert summary.problem.startswith("세금계산서 발행이 안 됩니다. 세금계산서를 발행하면 E-6105 오류가 납니다.")
    assert summary.cause == "확인 결과 공동인증서가 어제 만료되었습니다."
    assert summary.solution == "환경설정 > 인증서 관리에서 새 인증서를 등록해 주세요."
    assert summary.result == "등록하니 정상 발행됩니다."
    assert {"세금계산서", "e-6105", "인증서"} <= set(summary.tags)
    assert summary.language == "ko"


def test_no_cause_is_guessed_and_no_answer_is_no_solution() -> None:
    summary = told("Printer burns", "C: It burns since the move. Please help.")
    assert summary.problem.startswith("Printer burns. It burns since the move.")
    assert (summary.cause, summary.solution, summary.result) == (None, "", "")


def test_what_an_agent_wrote_down_on_the_phone_is_the_problem() -> None:
    summary = told(
        "",
        "A: [Call] The router resets itself every night.",
        "A: Update it: System > Update > Now.",
        "C: Quiet nights since.",
    )
    assert summary.problem == "[Call] The router resets itself every night."
    assert summary.solution == "Update it: System > Update > Now."


def test_a_question_of_the_agent_is_no_solution() -> None:
    assert told("Router offline", "C: It is off.", "A: Hi! Which colour has the lamp?").solution == ""


def test_a_subject_cut_out_of_the_first_message_is_not_said_twice() -> None:
    opening = "@Help @Shop my parcel with the two lamps has not moved for nine days, what now? https://t.co/abc"
    summary = told(opening[:50], f"C: {opening}")
    assert summary.problem == "my parcel with the two lamps has not moved for nine days, what now?"


def test_what_failed_is_not_preferred_to_what_worked() -> None:
    summary = told(
        "Thermostat offline",
        "C: The thermostat goes offline every night.",
        "A: Please restart the router and the thermostat once.",
        "C: Restarted both, still offline.",
        "A: Then switch the router's night mode off: Menu > Radio > Schedule.",
        "C: That was it, works now.",
        "A: By the way, version 5 will show such schedules in the app.",
    )
    assert summary.solution.endswith("Then switch the router's night mode off: Menu > Radio > Schedule.")
    assert "By the way" not in summary.solution
    assert summary.result == "That was it, works now."


def test_handles_links_and_initials_of_social_media_are_left_out() -> None:
    summary = told(
        "",
        "C: @Care my playlist is empty",
        "A: @160485 Please reinstall the app, then log in again. /JI https://t.co/ld",
    )
    assert summary.problem == "my playlist is empty"
    assert summary.solution == "Please reinstall the app, then log in again."


@pytest.mark.parametrize("turns", [(), ("S: We have received your request.",), ("N: Only among us.",), ("C: ...",)])
def test_a_ticket_without_words_waits_in_the_queue(turns: tuple[str, ...]) -> None:
    with pytest.raises(DocumentError):
        told("", *turns) if turns else summarise(merge(Ticket("1")))


def test_a_subject_alone_is_a_problem() -> None:
    assert told("Only a subject", "N: Only among us.").problem == "Only a subject."


def _merged(thread: dict[str, Any]) -> dict[str, Any]:
    messages = [
        Message(
            str(at),
            "agent" if said["author"] == "note" else said["author"],
            text=said["text"],
            private=said["author"] == "note",
        )
        for at, said in enumerate(thread["messages"])
    ]
    description = Message("0", "customer", text=thread["body"])
    return merge(Ticket(thread["key"], thread["subject"], description, tuple(messages)))


def _letters(text: str) -> str:
    return "".join(filter(str.isalnum, text.lower()))


@pytest.mark.parametrize("company", ["acme", "hanbit"])
def test_every_word_of_a_summary_was_said_in_public(company: str) -> None:
    answered = solved = 0
    for thread in threads(company)[::3]:
        merged = _merged(thread)
        public = [message for message in merged["messages"] if not message["private"]]
        said = _letters(merged["subject"] + " ".join(message["text"] for message in public))
        summary = summarise(merged)
        for field in (summary.problem, summary.cause or "", summary.solution, summary.result):
            assert len(field) <= FIELD_LIMIT, thread["key"]
            for piece in re.split(r"[.!?…~;)(]+", field):
                assert _letters(piece) in said, thread["key"]
        assert summary == summarise(merged)
        answered += thread["status"] in ("resolved", "closed") and any(one["author"] == "agent" for one in public)
        solved += thread["status"] in ("resolved", "closed") and bool(summary.solution)
    assert solved >= 0.95 * answered > 20
