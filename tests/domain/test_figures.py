"""Figures of an answer must be in the passages that it is made from."""

import pytest

from domain.figures import figures, unsupported

PASSAGE = (
    "연차휴가 규정 제5조 (연차휴가 부여)\n① 1년간 80% 이상 출근한 직원에게 15일의 유급휴가를 준다. "
    "② 입사 1년 미만인 직원은 1개월 개근 시 1일을 받는다. ③ 경조금은 500,000원으로 하고, 휴일근로는 통상임금의 1.5배로 한다. "
    "이 규정은 2026. 2. 19.부터 시행한다. 신청은 18:00까지, 한 달 전에."
)
ENGLISH = (
    "Travel policy Section 4 Meals\nUp to $1,200 a year, 3 business days before the trip, at most 12 months, "
    "from March 5, 2026. Hotels: 2 weeks, 15-day notice."
)


@pytest.mark.parametrize(
    "answer",
    [
        "제5조에 따라 15일의 연차가 부여됩니다.",
        "연차는 15 일입니다.",
        "출근율이 80퍼센트 이상이어야 합니다.",
        "12개월 동안 80% 이상 출근하면 됩니다.",
        "경조금은 50만원입니다.",
        "경조금은 50만 원(₩500,000)입니다.",
        "휴일근로는 150%를 지급합니다.",
        "2026-02-19부터 시행합니다.",
        "2026년 2월 19일부터 시행하며 2026년 2월에 시작합니다.",
        "오후 6시까지 신청하세요.",
        "1개월 전에 신청하세요.",
        "1. 15일을 받습니다.\n2. 신청은 한 달 전에 합니다. [3]",
        "제2항에 따라 1일을 받습니다.",
        "자세한 내용은 REG-HR-777, hr2@company.example, https://example.com/9913 를 보세요.",
    ],
)
def test_a_figure_of_the_passage_is_supported_however_it_is_spelled(answer: str) -> None:
    assert unsupported(answer, [PASSAGE]) == []


@pytest.mark.parametrize(
    ("answer", "named"),
    [
        ("연차는 16일입니다.", ["16일"]),
        ("경조금은 30만원입니다.", ["30만원"]),
        ("경조금은 500,000달러입니다.", ["500,000달러"]),
        ("제6조에 따릅니다.", ["제6조"]),
        ("15개월입니다.", ["15개월"]),
        ("출근율 90% 이상, 15일.", ["90%"]),
        ("2025-02-19부터 시행합니다.", ["2025-02-19"]),
        ("2027년부터 시행합니다.", ["2027년"]),
        ("3월부터 시행합니다.", ["3월"]),
        ("19:00까지 신청하세요.", ["19:00"]),
        ("80명 이상입니다.", ["80명"]),
        ("8일, 8일, 9일입니다.", ["8일", "9일"]),
        ("제4항에 따릅니다.", ["제4항"]),
    ],
)
def test_a_figure_that_no_passage_says_is_named(answer: str, named: list[str]) -> None:
    assert unsupported(answer, [PASSAGE]) == named


@pytest.mark.parametrize(
    ("answer", "named"),
    [
        ("You may spend USD 1,200 in 1 year.", []),
        ("See Section 4: $1.2k, 14 days, 15 days.", []),
        ("It starts on 2026-03-05, three business days ahead.", []),
        ("You may spend $1,300.", ["$1,300"]),
        ("See Article 5: 3 months.", ["Article 5", "3 months"]),
        ("It starts on March 6, 2026.", ["March 6, 2026"]),
        ("Up to 2 million dollars.", ["2 million dollars"]),
    ],
)
def test_english_figures(answer: str, named: list[str]) -> None:
    assert unsupported(answer, [ENGLISH]) == named


@pytest.mark.parametrize(
    ("spelled", "same"),
    [
        ("50만원", "500,000원"),
        ("1억 2천만원", "120,000,000원"),
        ("2만5천원", "25,000원"),
        ("3백만원", "3,000,000원"),
        ("1만 5,000원", "15,000원"),
        ("1.5억원", "150,000,000원"),
        ("1년", "12개월"),
        ("2주", "14일"),
        ("1.5시간", "90분"),
        ("$1.2 million", "1,200,000 dollars"),
        ("제 5 조", "Article 5"),
        ("5%", "5 percent"),
        ("10명", "10인"),
        ("3회", "3번"),
    ],
)
def test_units_are_normalised(spelled: str, same: str) -> None:
    (one,), (other,) = figures(spelled), figures(same)
    assert one.readings == other.readings


def test_a_cell_without_a_unit_supports_the_figure_with_one() -> None:
    table = "직급 | 일수 | 한도(원)\n대리 | 16 | 300,000"
    assert unsupported("대리는 16일, 한도는 30만원입니다.", [table]) == []
    assert unsupported("대리는 17일입니다.", [table]) == ["17일"]


def test_the_marker_of_an_item_supports_no_amount() -> None:
    assert unsupported("7일입니다.", ["제5조\n6. 병가\n7. 경조휴가"]) == ["7일"]
    assert unsupported("제7호에 해당합니다.", ["제5조\n6. 병가\n7. 경조휴가"]) == []


def test_an_answer_without_figures_needs_no_passage() -> None:
    assert unsupported("인사팀에 문의해 주세요.", []) == []


def test_time_grows_with_the_length_only() -> None:
    text = "1,234,567만 5천원 " * 2_000 + "9" * 50_000 + " " * 50_000 + "a-" * 25_000
    assert len(figures(text)) > 2_000
