"""From a tab's cells to typed rows: headers as people write them, bad rows, doubled ids.

Belongs here: reading. Does not belong here: single cells (``test_workbook_cells``), the rules of writing well
(``test_workbook_check``).
"""

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain import workbook_rows
from domain.faq import Faq
from domain.workbook_layout import CONTACTS, CONVERSATIONS, FAQ, FAQ_INDEX, LAYOUT, OPERATIONS, PROPOSALS, REGULATIONS
from domain.workbook_rows import Lines, Rows

HEADER = LAYOUT[FAQ].header
EXAMPLE = list(LAYOUT[FAQ].examples[0])
REGULATION = LAYOUT[REGULATIONS["인사"]]


def faq(**cells: str) -> list[str]:
    """The example's row with other cells."""
    return [cells.get(name, value) for name, value in zip(HEADER, EXAMPLE, strict=True)]


def regulation(**cells: str) -> list[str]:
    return [cells.get(name, value) for name, value in zip(REGULATION.header, REGULATION.examples[0], strict=True)]


def rules(rows: Rows[Faq]) -> list[str]:
    return [one.rule for one in rows.problems]


# --- records ------------------------------------------------------------------------------------------------------


def test_the_example_of_the_specification_is_read_as_it_stands() -> None:
    found = workbook_rows.faqs([HEADER, EXAMPLE])
    assert found.rows == {
        "FAQ-HR-001": Faq(
            faq_id="FAQ-HR-001",
            category="인사",
            sub_category="연차휴가",
            keywords=("연차", "남은연차", "잔여연차", "휴가일수"),
            question="연차 남은 일수를 어떻게 확인하나요?",
            answer="네이버웍스 > 근태관리 > 잔여휴가에서 확인 가능합니다.",
            source="연차휴가 규정 제3조",
            is_active=True,
            last_updated="2026-02-19",
        )
    }
    assert (found.bad, found.problems, found.numbers, found.is_readable) == ({}, [], {"FAQ-HR-001": 2}, True)


def test_an_article_of_a_regulation() -> None:
    found = workbook_rows.regulations("총무", [REGULATION.header, regulation(effectiveDate="2025. 1. 1.")])
    article = found.rows["REG-HR-001"]
    assert (article.category, article.effective_date, article.tags) == (
        "총무",
        "2025-01-01",
        ("연차", "휴가", "부여", "사용"),
    )
    assert not found.problems


def test_a_contact_is_one_of_category_sub_category_and_name_and_no_id_or_reason_names_them() -> None:
    layout = LAYOUT[CONTACTS]
    example = list(layout.examples[0])
    other = ["총무", *example[1:]]
    found = workbook_rows.contacts([layout.header, example, example, other])
    assert [one.contact for one in found.rows.values()] == ["내선 1234", "내선 1234"]
    assert found.bad == {"담당자 row 3": "row 3: name (인사/연차휴가) is also in row 2; the first one is used."}
    assert not any("홍길동" in said for said in (*found.rows, *(one.ko + one.en for one in found.problems)))


def test_a_row_of_the_keyword_index() -> None:
    layout = LAYOUT[FAQ_INDEX]
    found = workbook_rows.keyword_rows(
        [layout.header, *layout.examples, ["법인 카드", "FAQ-FI-001；FAQ-FI-002", "９", "카드", ""]]
    )
    assert (found.rows["연차"].weight, found.rows["연차"].synonyms) == (4, ("휴가", "연차휴가", "연차사용"))
    assert (found.rows["법인카드"].weight, found.rows["법인카드"].faq_ids) == (5, ("FAQ-FI-001", "FAQ-FI-002"))
    assert [(one.rule, one.cell) for one in found.problems] == [("number-out-of-range", "C3")]


def test_turns_and_operations_of_a_log() -> None:
    zone = ZoneInfo("Asia/Seoul")
    said = ["u1_20260219T1430", "u1", "2026-02-19T05:30:00Z", "사용자", "연차 며칠 남았어?", "인사", "1.0", "FALSE"]
    turns = workbook_rows.turns([LAYOUT[CONVERSATIONS].header, said, said], zone=zone)
    turn, again = turns.records.values()
    assert turn == again and list(turns.records) == [2, 3]  # which is a copy, its table can tell
    assert (turn.timestamp, turn.role, turn.tier, turn.is_escalated) == ("2026-02-19 14:30:00", "user", "1", False)
    assert not turns.bad
    line = ["2026-02-19 14:30:01", "u1_20260219T1430", "u1", "인사", "3", "", "0.41", "812", "TRUE", "👍"]
    [operation] = workbook_rows.operations([LAYOUT[OPERATIONS].header, line], zone).records.values()
    assert (operation.score, operation.latency_ms, operation.is_escalated, operation.feedback) == (
        0.41,
        812,
        True,
        "up",
    )
    unknown = workbook_rows.operations([LAYOUT[OPERATIONS].header, [*line[:4], "4", *line[5:]]], zone)
    assert list(unknown.bad) == [2]


def test_a_proposal_of_which_something_lacks_is_read_for_its_decision() -> None:
    header = LAYOUT[PROPOSALS].header
    row = dict.fromkeys(header, "") | {
        "proposalId": " P-1",
        "isAccepted": "예",
        "answer": "3월까지",
        "question": "#REF!",
    }
    korean = ["제안 ID", *header[1:]]
    found = workbook_rows.proposal_edits([korean, list(row.values()), [""] * len(header)])
    assert found
    said, names = found["P-1"]
    assert (said.is_accepted, said.answer, said.category) == (True, "3월까지", "")
    assert "question" not in names and "category" in names
    assert workbook_rows.proposal_edits([header[1:], ["TRUE"]]) is None
    assert workbook_rows.proposal_edits([]) is None


def test_a_proposal() -> None:
    row = [
        "P-1",
        "예",
        "인사",
        "연차",
        "연차, 이월",
        "이월되나요?",
        "3월까지 됩니다.",
        "4711, 4712",
        "7",
        "new",
        "2026-02-19",
    ]
    [found] = workbook_rows.proposals([LAYOUT[PROPOSALS].header, row]).rows.values()
    assert (found.is_accepted, found.evidence, found.count) == (True, ("4711", "4712"), 7)


def test_records_are_json() -> None:
    found = workbook_rows.faqs([HEADER, EXAMPLE])
    assert json.loads(json.dumps(asdict(found.rows["FAQ-HR-001"])))["keywords"][0] == "연차"


# --- headers ------------------------------------------------------------------------------------------------------


def test_columns_in_another_order_and_spelling() -> None:
    header = [
        "LAST UPDATED",
        "Is Active",
        "ａｎｓｗｅｒ",
        " question",
        "faq_id",
        "remark",
        "Category",
        "SubCategory",
        "Keywords",
        "source",
    ]
    row = ["2026.2.19", "예", "답", "질문", "F-1", "(사내 메모)", "인사", "연차", "가,나", "규정"]
    found = workbook_rows.faqs([header, row])
    assert found.rows["F-1"] == Faq("F-1", "인사", "연차", ("가", "나"), "질문", "답", "규정", True, "2026-02-19")
    assert not found.problems


def test_korean_labels_are_headers_too() -> None:
    header = ["고유 ID", "대분류", "소분류", "키워드", "질문", "검증된 답변", "근거 규정", "활성여부", "최종 수정일"]
    found = workbook_rows.faqs([header, EXAMPLE])
    assert list(found.rows) == ["FAQ-HR-001"]
    assert not found.problems


def test_a_missing_required_column_is_one_clear_problem_with_the_nearest_one() -> None:
    header = ["qeustion" if name == "question" else name for name in HEADER]
    found = workbook_rows.faqs([header, EXAMPLE])
    [problem] = found.problems
    assert (problem.rule, problem.is_bad, problem.tab, problem.row) == ("missing-column", True, "FAQ", 1)
    assert problem.en == "FAQ row 1: there is no column question. Is it 'qeustion'?"
    assert problem.ko == "FAQ 1행: 'question' 열이 없습니다. 'qeustion'이(가) 그것인가요?"
    assert (found.rows, found.bad, found.is_readable) == ({}, {}, False)  # unknown, not gone


def test_a_missing_optional_column_stops_nothing() -> None:
    found = workbook_rows.faqs([HEADER[:7], EXAMPLE[:7]])
    assert found.rows["FAQ-HR-001"].is_active
    assert rules(found) == ["missing-optional-column", "missing-optional-column"]


def test_a_title_above_the_header_is_passed_over_and_told() -> None:
    found = workbook_rows.faqs([["우리 회사 FAQ"], [""], HEADER, EXAMPLE])
    assert found.numbers == {"FAQ-HR-001": 4}
    assert rules(found) == ["header-elsewhere"]


def test_of_two_columns_with_one_name_the_first_is_read() -> None:
    found = workbook_rows.faqs([[*HEADER, "Answer"], [*EXAMPLE, "다른 답"]])
    assert found.rows["FAQ-HR-001"].answer == EXAMPLE[5]
    assert [(one.rule, one.cell) for one in found.problems] == [("duplicate-column", "J1")]


@pytest.mark.parametrize("rows", [[], [[]], [[""], ["", " "]]])
def test_an_emptied_tab_is_unknown_not_gone(rows: list[list[str]]) -> None:
    found = workbook_rows.faqs(rows)
    assert (found.rows, found.is_readable, rules(found)) == ({}, False, ["empty-tab"])


# --- rows ---------------------------------------------------------------------------------------------------------


def test_blank_rows_are_skipped_also_those_with_a_checkbox() -> None:
    blank = faq(**dict.fromkeys(HEADER, ""))
    checkbox = faq(**{**dict.fromkeys(HEADER, ""), "isActive": "FALSE"})
    invisible = faq(**{**dict.fromkeys(HEADER, ""), "faqId": "\u200b\u00a0"})
    found = workbook_rows.faqs([HEADER, blank, checkbox, invisible, [], EXAMPLE])
    assert found.numbers == {"FAQ-HR-001": 6}
    assert not found.problems


def test_of_two_rows_with_one_id_the_first_stays() -> None:
    rows = [HEADER, faq(), faq(faqId="FAQ-HR-002"), faq(faqId=" ＦＡＱ-HR-001 ", answer="다른 답")]
    found = workbook_rows.faqs(rows)
    assert found.rows["FAQ-HR-001"].answer == EXAMPLE[5]
    assert found.bad == {"FAQ row 4": "row 4: faqId FAQ-HR-001 is also in row 2; the first one is used."}
    [problem] = found.problems
    assert (problem.rule, problem.cell, problem.is_bad) == ("duplicate-id", "A4", True)


def test_a_later_row_does_not_take_the_id_of_a_bad_one() -> None:
    found = workbook_rows.faqs([HEADER, faq(answer=""), faq(answer="다른 답")])
    assert found.rows == {}
    assert found.bad["FAQ-HR-001"] == "row 2: answer is empty."


@pytest.mark.parametrize("name", ["category", "question", "answer"])
def test_a_missing_required_cell_makes_a_bad_row_and_stops_no_other(name: str) -> None:
    found = workbook_rows.faqs([HEADER, faq(**{"faqId": "F-1", name: " \u00a0"}), faq()])
    assert found.bad == {"F-1": f"row 2: {name} is empty."}
    assert list(found.rows) == ["FAQ-HR-001"]


def test_a_bad_row_without_an_id_is_named_by_its_row() -> None:
    assert workbook_rows.faqs([HEADER, faq(faqId="")]).bad == {"FAQ row 2": "row 2: faqId is empty."}
    index = workbook_rows.keyword_rows([LAYOUT[FAQ_INDEX].header, ["!!", "F-1", "1", "", ""]])
    assert index.bad == {"FAQ_키워드인덱스 row 2": "row 2: keyword is empty."}


def test_a_broken_formula_in_a_required_cell_makes_a_bad_row() -> None:
    found = workbook_rows.faqs([HEADER, faq(answer="#REF!")])
    assert found.bad == {"FAQ-HR-001": "row 2: the formula of answer is broken (#REF!)."}


def test_a_broken_formula_that_would_switch_answers_on_makes_a_bad_row() -> None:
    assert "FAQ-HR-001" in workbook_rows.faqs([HEADER, faq(isActive="#N/A")]).bad
    assert "REG-HR-001" in workbook_rows.regulations("인사", [REGULATION.header, regulation(effectiveDate="#N/A")]).bad


def test_a_broken_formula_elsewhere_is_told_and_taken_as_empty() -> None:
    found = workbook_rows.faqs([HEADER, faq(source="#N/A", lastUpdated="#REF!")])
    assert (found.rows["FAQ-HR-001"].source, found.rows["FAQ-HR-001"].last_updated) == ("", "")
    assert [(one.rule, one.severity) for one in found.problems] == [("formula-error", "warning")] * 2


def test_an_empty_is_active_is_active_and_told() -> None:
    found = workbook_rows.faqs([HEADER, faq(isActive="")])
    assert found.rows["FAQ-HR-001"].is_active
    assert rules(found) == ["empty-active"]


def test_an_is_active_that_is_neither_yes_nor_no_never_answers() -> None:
    found = workbook_rows.faqs([HEADER, faq(isActive="보류")])
    assert not found.rows["FAQ-HR-001"].is_active
    assert rules(found) == ["unreadable-boolean"]


def test_an_unreadable_day_is_told_and_left_out() -> None:
    found = workbook_rows.faqs([HEADER, faq(lastUpdated="지난주")])
    assert found.rows["FAQ-HR-001"].last_updated == ""
    assert [(one.rule, one.cell) for one in found.problems] == [("unreadable-date", "I2")]


def test_an_unreadable_effective_date_makes_a_bad_row() -> None:
    found = workbook_rows.regulations("인사", [REGULATION.header, regulation(effectiveDate="공포한 날")])
    assert found.bad == {"REG-HR-001": "row 2: effectiveDate is no date that can be read."}


def test_an_ambiguous_day_is_read_and_told() -> None:
    found = workbook_rows.faqs([HEADER, faq(lastUpdated="03/02/2026")])
    assert found.rows["FAQ-HR-001"].last_updated == "2026-03-02"
    assert found.problems[0].en == "FAQ row 2: lastUpdated could be two dates; it was read as 2026-03-02."


def test_html_in_an_answer_stays_text_and_is_told() -> None:
    found = workbook_rows.faqs([HEADER, faq(answer="<b>여기</b>를 누르세요")])
    assert found.rows["FAQ-HR-001"].answer == "<b>여기</b>를 누르세요"
    assert rules(found) == ["html-in-answer"]


def test_words_of_a_cell_are_never_a_template() -> None:
    found = workbook_rows.faqs([HEADER, faq(faqId="{tab}{0.__class__}"), faq(faqId="{tab}{0.__class__}")])
    assert found.problems[0].what_en.startswith("faqId {tab}{0.__class__} is also in row 2")


def test_short_and_long_rows_are_read() -> None:
    found = workbook_rows.faqs([HEADER, EXAMPLE[:6], [*faq(faqId="F-2"), "", "x", "y"]])
    assert list(found.rows) == ["FAQ-HR-001", "F-2"]


def as_rows(lines: Lines[Any]) -> Rows[Any]:
    bad = {str(row): reason for row, reason in lines.bad.items() if row > 1}
    return Rows({str(row): record for row, record in lines.records.items()}, bad, lines.problems)


READERS: list[Callable[[list[list[str]]], Rows[object]]] = [
    workbook_rows.faqs,
    lambda rows: workbook_rows.regulations("회계", rows),
    workbook_rows.contacts,
    workbook_rows.keyword_rows,
    lambda rows: as_rows(workbook_rows.turns(rows)),
    lambda rows: as_rows(workbook_rows.operations(rows)),
    workbook_rows.proposals,
]  # pyright: ignore[reportAssignmentType]
HEADERS = [layout.header for layout in LAYOUT.values()]


@pytest.mark.parametrize("read", READERS)
@settings(max_examples=25)
@given(data=st.data())
def test_nothing_raises_for_what_is_in_a_tab(
    read: Callable[[list[list[str]]], Rows[object]], data: st.DataObject
) -> None:
    header = data.draw(st.sampled_from(HEADERS))
    cell = st.one_of(
        st.sampled_from(["", "1", "예", "#REF!", "2026-02-19", "user", "\x00", "a,b"]), st.text(max_size=8)
    )
    rows = data.draw(st.lists(st.lists(cell, max_size=12), max_size=4))
    found = read([header, *rows])
    assert not found.rows.keys() & found.bad.keys()
    assert len(found.rows) + len(found.bad) <= len(rows)
    assert "" not in found.rows
    assert all(one.is_bad or one.severity == "warning" for one in found.problems)
