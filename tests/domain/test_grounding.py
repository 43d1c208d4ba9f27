"""Facts: two spellings are one fact, an invented one is found, and what is said by the way is none."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.grounding import links, ungrounded

Json = dict[str, object]


def ticket(*texts: str, language: str = "en") -> Json:
    """A ticket whose customer wrote these texts; the first is the subject."""
    subject, *said = texts
    messages = [{"author": "customer", "text": text, "id": "", "private": False, "created_at": ""} for text in said]
    return {"subject": subject, "language": language, "messages": messages}


SAME = [
    ("결제 1,200원이 두 번 되었습니다", "1200 원"),
    ("결제 1,200원이 두 번 되었습니다", "₩1,200"),
    ("3만원이 청구됐어요", "30,000원 청구"),
    ("1만 2천원 결제", "12,000원 결제"),
    ("I paid $5 twice", "5 dollars were paid"),
    ("It cost 5 dollars", "a charge of $5"),
    ("charged 1200.50 EUR", "€1,200.5 was charged"),
    ("five dollars are missing", "$5 missing"),
    ("Ordered on 2024-03-15", "주문일 3월 15일"),
    ("3월 15일에 주문", "Ordered on March 15"),
    ("the 15th of March 2024", "2024-03-15"),
    ("on 03/15/2024", "Mar 15, 2024"),
    ("am 15.3.2024", "2024.03.15"),
    ("2024. 3. 15. 결제", "2024년 3월 15일"),
    ("call me at 3:30 pm", "a call at 15:30"),
    ("오후 3시 반에 전화 주세요", "15:30에 전화"),
    ("my X 200 is broken", "the X200"),
    ("Router TR9 blinks", "Router TR-9 blinks"),
    ("error E-4711", "It shows E4711."),
    ("order 2024-000123", "order 2024000123"),
    ("아웃룩이 안 열려요", "Outlook이 열리지 않음"),
    ("my spotify does not play", "the app of Spotify"),
    ("see https://help.acme.example/a/b?x=1", "see www.help.acme.example/a/b"),
    ("wait ten to fifteen days", "It takes 10-15 days"),
    ("paid 1.200.000 in all", "1,200,000 paid"),
    ("since v4.8.1", "version 4.8.1"),
    ("between 9 and 11", "between 9:00 and 11 am"),
    ("delivered in 5 to 20 days", "5–20 days"),
]


@pytest.mark.parametrize(("said", "told"), SAME)
def test_another_spelling_is_the_same_fact(said: str, told: str) -> None:
    assert ungrounded("ticket", ticket("", said), [told]) == []


INVENTED = [
    ("결제 1,200원", "결제 1,300원", "1,300원"),
    ("I paid $5 twice", "they paid $6", "$6"),
    ("I paid $5, see the 12 invoices of 2023", "they paid $1,000", "$1,000"),
    ("Ordered on 2024-03-15", "ordered on March 16", "March 16"),
    ("Ordered on 2024-03-15", "ordered on 2023-03-15", "2023-03-15"),
    ("3월 15일에 주문", "4월 15일에 주문", "4월 15일"),
    ("call me at 3:30 pm", "a call at 16:45", "16:45"),
    ("my X200 is broken", "the X300 is broken", "X300"),
    ("error E-4711", "error E-4712", "E-4712"),
    ("order 88123", "order 88124", "88124"),
    ("version 4.8.1 of 8 September", "version 4.8.9", "4.8.9"),
    ("ping 10.0.0.1", "ping 10.0.7.1", "10.0.7.1"),
    ("call me at 3:30 pm", "a call at 15:20", "15:20"),
    ("the number 881234", "order 88123", "88123"),
    ("the app does not open", "the app of Spotify does not open", "Spotify"),
    ("앱이 안 열려요", "Slack 앱이 열리지 않음", "Slack"),
    ("see https://help.acme.example/a", "see https://help.acme.example/b", "https://help.acme.example/b"),
    ("see https://help.acme.example/a", "see acme.example.evil.com", "acme.example.evil.com"),
]


@pytest.mark.parametrize(("said", "told", "fact"), INVENTED)
def test_an_invented_fact_is_named_as_it_is_spelled(said: str, told: str, fact: str) -> None:
    assert ungrounded("ticket", ticket("", said), [told]) == [fact]


@pytest.mark.parametrize(
    "told",
    [
        "The customer tried 3 times. Support told him to wait 2 weeks.",
        "Agent asked to DM the account ID. Finally, it was solved on Monday.",
        "고객이 2번 시도했고 3일 안에 해결됨",
        "1. Restart the phone. 2. Update it.",
        "",
    ],
)
def test_a_manner_of_speaking_is_no_fact(told: str) -> None:
    assert ungrounded("ticket", ticket("help", "it does not work"), [told]) == []


def test_facts_are_looked_for_in_subject_and_articles_too() -> None:
    assert ungrounded("ticket", ticket("Order 88123", "where is it?"), ["Order 88123"]) == []
    article = {
        "title": "Reset the TR-9",
        "path": ["Routers", "Model X200"],
        "text": "Hold 15 seconds.",
        "language": "en",
    }
    assert ungrounded("kb", article, ["The TR-9 and the X200: hold for 15 seconds, not 20."]) == ["20"]


def test_each_fact_is_named_once() -> None:
    assert ungrounded("ticket", ticket("", "x"), ["order 88123", "order 88123, E-7"]) == ["E-7", "88123"]


@pytest.mark.parametrize(
    "spelled",
    [
        "https://Evil.example/x?a=1",
        "hxxps://evil[.]example/x?a=1",
        "www.evil.example/x?a=1.",
        "(evil.example/x?a=1)",
        "ｈｔｔｐｓ：//evil．example/x?a=1",
        "ht\u200btps://evil.exam\u00adple/x?a=1",
        "evil。example/x?a=1에서",
    ],
)
def test_disguised_links_are_links(spelled: str) -> None:
    assert links(f"Go to {spelled}") == ["evil.example/x?a=1"]


@pytest.mark.parametrize("text", ["It works.Thanks", "Node.js 1.2.3", "setup.exe, a.m.", "e.g. this", "10.5.2"])
def test_not_every_point_makes_a_link(text: str) -> None:
    assert links(text) == []


WRITTEN = st.text("0123456789.,:-/#$원만천월일시분 aExk년%€٣²", max_size=80) | st.text(max_size=80)


@given(WRITTEN, WRITTEN)
def test_any_text_is_read_and_holds_its_own_facts(said: str, told: str) -> None:
    document = ticket("", said)
    assert ungrounded("ticket", document, [said]) == []
    assert set(ungrounded("ticket", document, [told])) <= set(ungrounded("ticket", ticket("", ""), [told]))


def test_numbers_of_any_length_are_read() -> None:
    for long in (
        "9" * 5000,
        "1만 " + "9" * 5000 + "원",
        "1," + "999," * 2000,
        "9" * 5000 + "k",
        "1." + "9" * 5000 + "만원",
    ):
        assert ungrounded("ticket", ticket("", long), ["$77", long]) == ["$77"]


@pytest.mark.parametrize(
    "piece", ["1 2-", "a.", "1,", "-", "12:", "A", "#1", "a-", "a.com", "www.", "x1-", "가", "http://", "1월 ", "$"]
)
def test_time_grows_with_the_length_only(piece: str) -> None:
    started = time.process_time()
    ungrounded(
        "ticket", ticket("", piece * 40_000), [piece * 100, "order 88123, $7, X-9, 2024-03-15, https://a.example"]
    )
    assert time.process_time() - started < 2
