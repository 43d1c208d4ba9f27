"""Questions that lean on the one before them, in both languages, and those that do not."""

import pytest

from domain.follow_up import says, understood

LEAVE = "연차휴가는 며칠 전에 신청해야 하나요?"
ANNUAL = "How many days in advance do I request annual leave?"


@pytest.mark.parametrize(
    ("question", "first"),
    [
        ("그럼 반차는?", "반차는 며칠 전에 신청해야 하나요?"),
        ("반차는요?", "반차는 며칠 전에 신청해야 하나요?"),
        ("그럼 경조사 휴가는요?", "경조사 휴가는 며칠 전에 신청해야 하나요?"),
        ("그럼 출산은?", "출산은 며칠 전에 신청해야 하나요?"),
        ("그건 언제까지?", "연차휴가 언제까지?"),
        ("언제까지요?", "연차휴가 언제까지요?"),
        ("왜?", "연차휴가 왜?"),
        ("그거 취소할 수 있어요?", "연차휴가 취소할 수 있어요?"),
        ("신청 방법은?", "연차휴가 신청 방법은?"),
        ("근데 계약직도 되나요?", f"{LEAVE} 계약직"),
    ],
)
def test_a_korean_follow_up_takes_over_the_topic(question: str, first: str) -> None:
    found = understood(question, LEAVE)
    assert found.is_follow_up and found.readings[0] == first


@pytest.mark.parametrize(
    ("question", "first"),
    [
        ("what about half days?", "How many days in advance do I request half days?"),
        ("And what about sick leave?", "How many days in advance do I request sick leave?"),
        ("and for part-timers?", "How many days in advance do I request annual leave for part-timers?"),
        ("what if I am sick?", "How many days in advance do I request annual leave if I am sick?"),
        ("until when?", "How many days in advance do I request annual leave: until when?"),
        ("Can I cancel that?", "How many days in advance do I request annual leave: Can I cancel that?"),
        ("Thanks, and who approves it?", "How many days in advance do I request annual leave: who approves it?"),
    ],
)
def test_an_english_follow_up_takes_over_the_topic(question: str, first: str) -> None:
    found = understood(question, ANNUAL)
    assert found.is_follow_up and found.readings[0] == first


@pytest.mark.parametrize(
    "question",
    [
        "법인카드 한도는 얼마인가요?",
        "그럼 출장비 정산은 어떻게 하나요?",
        "연차 신청 방법",
        "그룹웨어 비밀번호를 잊어버렸어요",
        "이사 갈 때 지원금이 있나요?",
        "또 하나 물어볼게요, 주차 등록은 어떻게 하나요?",
        "감사합니다",
        "How do I reset my password?",
        "and how do I book a meeting room?",
        "Is it possible to work from home on Fridays?",
        "Is there a parking space for visitors?",
        "Where is the office?",
    ],
)
def test_a_question_that_stands_alone_is_left_alone(question: str) -> None:
    for before in (LEAVE, ANNUAL):
        found = understood(question, before)
        assert (found.readings, found.is_follow_up, found.new_words) == ((question,), False, frozenset())


def test_without_a_question_before_every_question_stands_alone() -> None:
    assert understood("그럼 반차는?", "").readings == ("그럼 반차는?",)
    assert understood("what about half days?", "  ").readings == ("what about half days?",)


@pytest.mark.parametrize(
    ("question", "before", "good", "bad"),
    [
        ("그럼 반차는?", LEAVE, "반차는 전날까지 신청합니다.", "연차는 3일 전까지 신청합니다."),
        ("그럼 조부모상은?", "경조금은 얼마 나와요?", "부모상 50만 원, 조부모·형제자매상 20만 원", "결혼 50만 원"),
        ("what about sick leave?", ANNUAL, "Sick leave is reported by 9.", "Annual leave is requested 3 days ahead."),
    ],
)
def test_an_answer_to_a_follow_up_speaks_of_what_it_brought_up(question: str, before: str, good: str, bad: str) -> None:
    words = understood(question, before).new_words
    assert says(good, words) and not says(bad, words)


def test_a_chain_of_follow_ups_keeps_the_last_topic() -> None:
    second = understood("그럼 반차는?", LEAVE).readings[0]
    assert understood("그건 언제까지?", second).readings[0] == "반차 언제까지?"


@pytest.mark.parametrize(
    "question", ["?", "그럼?", "그럼", "...", "그건", "and?", "what about?", "그" * 500, "은는이가?" * 100]
)
def test_odd_questions_are_understood_somehow(question: str) -> None:
    for before in (LEAVE, ANNUAL, "?", "은"):
        assert all(understood(question, before).readings)
