"""Where an article of a regulation is cut, and how its pieces are numbered."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.passages import LONGEST
from domain.regulation import Regulation
from domain.regulation_passages import MOST, number_of, passages, too_long

SENTENCE = "회사는 입사일 기준으로 1년간 80% 이상 출근한 직원에게 15일의 유급휴가를 준다. "
ENGLISH = "Staff who worked 80% of the year get 15.5 days of paid leave until 31 Dec. 2026 (see no. 4). "


def rule(content: str, section: str = "제5조", title: str = "연차휴가 규정", category: str = "인사") -> Regulation:
    return Regulation("REG-HR-001", category, title, section, content, "", "2025-01-01", "", (), "2026-02-01")


def numbering(regulation: Regulation) -> list[str]:
    return [one["numbering"] for one in passages(regulation)]


def squeezed(text: str) -> str:
    return re.sub(r"\s", "", text)


def test_one_row_is_one_article() -> None:
    """Spec, 시트 2-4: 한 행에 한 조항."""
    (one,) = passages(
        rule("제5조 (연차휴가 부여) 1. 입사 1년 미만 직원은 월 1일을 받는다. 2. 1년 이상은 15일을 받는다.")
    )
    assert one["path"] == ["제5조 (연차휴가 부여)"]
    assert one["numbering"] == "제5조"
    assert one["text"].startswith("1. 입사 1년 미만")


def test_an_article_over_500_characters_is_split_by_its_items() -> None:
    """Spec, 시트 2-4: 조항 하나가 500자를 넘으면 항목별로 행을 분리."""
    within = rule("제5조 (연차휴가 부여) " + "가" * MOST)
    assert len(passages(within)) == 1
    long = rule(f"제5조 (연차휴가 부여) ① {SENTENCE * 4}② {SENTENCE * 4}③ {SENTENCE * 3}")
    assert numbering(long) == ["제5조 ①", "제5조 ②", "제5조 ③"]
    assert all(one["path"] == ["제5조 (연차휴가 부여)"] for one in passages(long))
    assert [one["text"][0] for one in passages(long)] == ["①", "②", "③"]


def test_an_item_that_is_too_long_itself_is_split_by_its_own_items() -> None:
    content = f"제5조 (휴가) ① {SENTENCE}② 다음 각 호의 경우에 준다.\n" + "".join(
        f"{number}. {SENTENCE * 4}\n" for number in (1, 2, 3)
    )
    found = passages(rule(content))
    assert [one["numbering"] for one in found] == ["제5조 ①", "제5조 ② 1.", "제5조 ② 2.", "제5조 ② 3."]
    assert found[1]["text"].startswith("② 다음 각 호의 경우에 준다.\n1. ")
    assert found[2]["path"] == ["제5조 (휴가)", "② 다음 각 호의 경우에 준다."]


@pytest.mark.parametrize(
    "markers",
    [
        ("①", "②", "③"),
        ("1.", "2.", "3."),
        ("1)", "2)", "3)"),
        ("(1)", "(2)", "(3)"),
        ("가.", "나.", "다."),
        ("가)", "나)", "다)"),
        ("(a)", "(b)", "(c)"),
        ("(i)", "(ii)", "(iii)"),
        ("a.", "b.", "c."),
        ("5.1", "5.2", "5.3"),
        ("제1항", "제2항", "제3항"),
    ],
)
@pytest.mark.parametrize("break_", ["\n", " "])
def test_every_kind_of_item_is_known(markers: tuple[str, ...], break_: str) -> None:
    text = break_.join(f"{marker} {SENTENCE * 4}" for marker in markers)
    assert numbering(rule(f"제5조 (휴가) {text}")) == [f"제5조 {marker}" for marker in markers]


def test_english_articles_keep_their_numbering() -> None:
    content = (
        f"Section 5. Annual leave\n(1) {ENGLISH * 4}\n(2) The following count:\n(a) {ENGLISH * 4}\n(b) {ENGLISH * 4}"
    )
    found = passages(rule(content, section="", title="Leave"))
    assert [one["numbering"] for one in found] == ["Section 5 (1)", "Section 5 (2) (a)", "Section 5 (2) (b)"]
    assert found[0]["path"] == ["Section 5. Annual leave"]


def test_dates_decimals_and_references_are_no_items() -> None:
    dates = "이 규정은 2025. 1. 1.부터 시행한다. 제1항 및 제2항의 수당은 1.5배로 하되 2026. 2. 3.에 정한다. "
    content = f"제5조 (시행) {dates}{SENTENCE * 10}"
    assert set(numbering(rule(content))) == {"제5조"}
    assert all(squeezed(one["text"]).endswith("다.") for one in passages(rule(content)))


def test_text_without_items_is_split_by_sentences() -> None:
    found = passages(rule(SENTENCE * 14))
    assert len(found) == 2
    assert all(one["text"].endswith("준다.") and len(one["text"]) <= MOST for one in found)


def test_a_sentence_of_any_length_stays_whole() -> None:
    sentence = "연차 " * 200 + "끝난다."
    assert len(sentence) > MOST
    assert [one["text"] for one in passages(rule(f"{SENTENCE * 6}{sentence}"))][-1] == sentence


def test_the_row_of_one_item_has_its_numbering() -> None:
    """An editor who followed the rule has given each item its row."""
    assert number_of(rule("제5조 (휴가) ② 병가는 30일로 한다.")) == "제5조 ②"
    assert number_of(rule("② 병가는 30일로 한다.")) == "제5조 ②"
    assert number_of(rule("병가는 30일로 한다.", section="제5조 ②")) == "제5조 ②"
    assert number_of(rule("제5조의2(휴가) 병가는 30일로 한다.", section="")) == "제5조의2"
    assert number_of(rule("병가는 30일로 한다.", section="")) == ""


def test_a_sentence_that_begins_with_a_number_is_no_heading() -> None:
    (one,) = passages(rule("제5조 및 제6조에 따라 지급한다.", section=""))
    assert (one["path"], one["text"]) == ([], "제5조 및 제6조에 따라 지급한다.")


def test_editors_are_told_of_rows_over_500_characters() -> None:
    """Spec, 시트 2-4: 너무 길지 않게."""
    told = too_long([rule("짧다."), rule("가" * MOST), rule(f"제5조 ① {SENTENCE * 6}② {SENTENCE * 6}")])
    assert [(one.tab, one.regulation_id, one.passages) for one in told] == [("규정_인사", "REG-HR-001", 2)]
    assert "500자" in told[0].ko
    assert "500" in told[0].en


_BITS = st.sampled_from(
    [
        SENTENCE,
        ENGLISH,
        "① ",
        "② ",
        "\n1. ",
        "2. ",
        "3. ",
        "\n가. ",
        "나. ",
        "(1) ",
        "(a) ",
        "2025. 1. 1. ",
        "1,200,000원 ",
        "\n",
    ]
)


@settings(max_examples=150)
@given(st.lists(_BITS, max_size=60))
def test_nothing_is_lost_or_said_twice_and_no_number_is_cut(bits: list[str]) -> None:
    content = "".join(bits)
    found = passages(rule(content))
    assert squeezed("".join(one["text"] for one in found)) == (squeezed(content) or "제5조")
    whole = "|".join(one["text"] for one in found)
    for number in ("1,200,000원", "15.5 days", "31 Dec. 2026", "15일"):
        assert whole.count(number) == content.count(number)
    assert all(len(one["text"]) <= LONGEST for one in found)
