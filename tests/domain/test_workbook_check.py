"""Every rule of the specification's writing guide, and what a whole workbook lacks: each rule a test of its name.

Belongs here: what is told, where, in which words, and what is not told. Does not belong here: reading cells
(``test_workbook_rows``), the command (``tests/pipelines/test_workbook_cli``).
"""

from collections.abc import Sequence

import pytest

from domain.workbook_check import check
from domain.workbook_finding import RULES, Finding
from domain.workbook_layout import (
    CONTACTS,
    CONVERSATIONS,
    DAILY,
    FAQ,
    FAQ_INDEX,
    LAYOUT,
    LAYOUTS,
    PROPOSALS,
    REGULATIONS,
)
from domain.workbook_notes import NoteOfOurs, changed, language_of, moved, wanted
from domain.workbook_writing import has_figures, is_concrete, summary_lines

Cells = list[list[str]]
HR, GA = REGULATIONS["인사"], REGULATIONS["총무"]


def row(tab: str, **cells: str) -> list[str]:
    return [cells.get(name, "") for name in LAYOUT[tab].header]


def faq(number: int, **cells: str) -> list[str]:
    given = {
        "faqId": f"F-{number:03}",
        "category": "인사",
        "subCategory": "연차",
        "keywords": "연차,휴가,잔여",
        "question": f"{number}번 질문은 무엇인가요?",
        "answer": "인사팀 > 휴가에서 3일 안에 신청하세요.",
        "isActive": "TRUE",
    }
    return row(FAQ, **{**given, **cells})


def article(number: int, **cells: str) -> list[str]:
    given = {
        "regulationId": f"R-{number:03}",
        "title": "휴가 규정",
        "section": f"제{number}조",
        "content": f"제{number}조 (휴가) 휴가는 15일이다.",
        "summary": "휴가 일수",
        "effectiveDate": "2025-01-01",
        "sourceUrl": "https://wiki.example.com/1",
    }
    return row(HR, **{**given, **cells})


def contact(name: str, **cells: str) -> list[str]:
    given = {"category": "인사", "subCategory": "연차", "team": "인사팀", "name": name, "contact": "내선 1"}
    return row(CONTACTS, **{**given, **cells})


def workbook(**tabs: Sequence[list[str]]) -> dict[str, Cells]:
    """A workbook with all tabs, and these rows below the headers."""
    return {layout.name: [layout.header, *tabs.get(layout.name, ())] for layout in LAYOUTS}


def found(rule: str, **tabs: Sequence[list[str]]) -> list[Finding]:
    return [one for one in check(workbook(**tabs)) if one.rule == rule]


def cells(rule: str, **tabs: Sequence[list[str]]) -> list[str]:
    return [f"{one.tab} {one.cell}".strip() for one in found(rule, **tabs)]


# --- FAQ: "FAQ 작성 가이드" -----------------------------------------------------------------------------------------


def test_each_category_begins_with_10_to_20_faqs() -> None:
    rows = [faq(number) for number in range(10)] + [faq(number + 10, category="총무") for number in range(9)]
    told = found("few-faqs", FAQ=rows)
    assert [one.what_en.split(" ")[:3] for one in told] == [["총무", "has", "9"], ["회계", "has", "0"]]
    assert told[0].remedy_ko == "'총무' FAQ를 1건 이상 추가하세요. FAQ_제안 탭에 후보가 나오면 검토해 승인하세요."


def test_inactive_faqs_do_not_count_for_their_category() -> None:
    rows = [faq(number, isActive="FALSE" if number == 9 else "TRUE") for number in range(10)]
    assert found("few-faqs", FAQ=rows)[0].what_en.startswith("인사 has 9")


def test_a_company_with_categories_of_its_own_is_not_asked_for_the_three() -> None:
    told = found("few-faqs", FAQ=[faq(1, category="Finance")])
    assert [one.what_en.split(" ")[0] for one in told] == ["Finance"]


@pytest.mark.parametrize(("keywords", "is_told"), [("가,나", True), ("가,나,다", False), ("가,나,다,라,마,바", False)])
def test_an_faq_has_3_to_6_keywords(keywords: str, is_told: bool) -> None:
    assert cells("keyword-count", FAQ=[faq(1, keywords=keywords)]) == (["FAQ D2"] if is_told else [])
    assert cells("keyword-count", FAQ=[faq(1, keywords="가,나,다,라,마,바,사")]) == ["FAQ D2"]


def test_an_answer_names_a_path_a_date_or_an_amount() -> None:
    rows = [faq(1, answer="담당 부서에 문의하시면 친절히 알려 드립니다."), faq(2)]
    assert cells("vague-answer", FAQ=rows) == ["FAQ F2"]


@pytest.mark.parametrize(
    "answer",
    [
        "네이버웍스 > 근태관리 > 잔여휴가에서 확인 가능합니다.",
        "전자결재 → 휴가신청에서 올리세요.",
        "매월 말일까지 내세요.",
        "삼십만 원까지 됩니다.",
        "5만원 한도입니다.",
        "https://portal.example.com 에서 보세요.",
        "help@example.com 으로 보내세요.",
        "'[전자결재]' 메뉴에서 올립니다.",
        "Submit it within two weeks.",
    ],
)
def test_an_answer_that_is_concrete(answer: str) -> None:
    assert is_concrete(answer)


@pytest.mark.parametrize("answer", ["문의하세요.", "규정에 따라 처리됩니다.", "Ask your manager."])
def test_an_answer_that_is_not(answer: str) -> None:
    assert not is_concrete(answer)


def test_html_in_an_answer() -> None:
    assert cells("html-in-answer", FAQ=[faq(1, answer="<b>3일</b>")], 규정_인사=[article(1, content="1일<br>2일")]) == [
        "FAQ F2",
        "규정_인사 D2",
    ]


def test_a_question_is_there_once() -> None:
    rows = [faq(1, question="연차는 며칠인가요?"), faq(2), faq(3, question="연차는  며칠 인가요")]
    [told] = found("duplicate-question", FAQ=rows)
    assert (told.cell, told.what_en) == ("E4", "the question is the same as in row 2.")


def test_inactive_faqs_are_named() -> None:
    [told] = found("inactive-faqs", FAQ=[faq(1), faq(2, isActive="FALSE"), faq(3, isActive="아니오")])
    assert told.what_ko == "비활성 FAQ가 2건 있어 답변에 쓰이지 않습니다: F-002, F-003"


def test_the_three_categories() -> None:
    rows = [faq(1), faq(2, category="인사팀"), faq(3, category="인사팀"), faq(4, category="IT")]
    told = found("unknown-category", FAQ=rows)
    assert [(one.cell, one.what_en) for one in told] == [
        ("B3", "the category 인사팀 is none of 인사, 총무, 회계 (2 rows). Is it '인사'?"),
        ("B5", "the category IT is none of 인사, 총무, 회계 (1 rows)."),
    ]


def test_a_keyword_with_20_faqs_is_to_be_split() -> None:
    rows = [faq(number, keywords=f"연차,가{number},나{number}") for number in range(20)]
    [told] = found("crowded-keyword", FAQ=rows)
    assert told.what_en == "the keyword 연차 leads to 20 FAQs; from 20 on it must be split."
    assert not found("crowded-keyword", FAQ=rows[:19])


def test_a_keyword_with_20_faqs_in_the_index_is_to_be_split() -> None:
    rows = [faq(number) for number in range(20)]
    ids = ",".join(f"F-{number:03}" for number in range(20))
    assert "FAQ_키워드인덱스 A2" in cells(
        "crowded-keyword", FAQ=rows, FAQ_키워드인덱스=[row(FAQ_INDEX, keyword="휴직", faqIds=ids)]
    )


def test_the_index_names_faqs_that_there_are() -> None:
    told = found("unknown-faq", FAQ=[faq(1)], FAQ_키워드인덱스=[row(FAQ_INDEX, keyword="연차", faqIds="F-001, F-999")])
    assert [(one.cell, one.what_en) for one in told] == [("B2", "the tab FAQ has no F-999.")]


# --- regulations: "content 작성 규칙" ---------------------------------------------------------------------------------


def test_one_row_is_one_article() -> None:
    rows = [
        article(1),
        article(2, content="제2조 (휴가) 15일이다. 제3조 (병가) 10일이다."),
        article(4, content="제4조 (반차) 제3조에 따라 0.5일로 하며, 규정 제2조(휴가)를 준용한다."),
        article(5, section="제5조~제7조"),
        article(
            8,
            section="Article 8",
            content="Article 8 (Leave) 15 days. Article 9 (Sick leave) 10 days, as in Article 3.",
        ),
    ]
    told = found("several-articles", 규정_인사=rows)
    assert [(one.cell, one.what_en) for one in told] == [
        ("D3", "the row has several articles: 제2조, 제3조"),
        ("D5", "the row has several articles: 제5조, 제7조"),
        ("D6", "the row has several articles: Article 8, Article 9"),
    ]


def test_content_has_500_characters_at_most() -> None:
    assert not found("long-content", 규정_인사=[article(1, content="제1조 15일" + "가" * 493)])
    [told] = found("long-content", 규정_인사=[article(1, content="제1조 15일" + "가" * 494)])
    assert (told.cell, told.what_en.split(";")[0]) == ("D2", "content has 501 characters")


def test_content_names_its_figures() -> None:
    rows = [article(1), article(2, content="제2조 (휴가) 1. 휴가는 회사가 정한 바에 따른다.")]
    assert cells("no-figures", 규정_인사=rows) == ["규정_인사 D3"]


@pytest.mark.parametrize("content", ["15일을 준다", "열흘 안에 낸다", "십만 원까지", "② 3개월", "1. 휴가는 1년에 5회"])
def test_figures_in_digits_and_words(content: str) -> None:
    assert has_figures(content)


@pytest.mark.parametrize("content", ["제3조 제2항에 따른다", "1. 가능하다\n2. 불가하다", "① 가능하다 ② 불가하다"])
def test_numbers_of_articles_and_items_are_no_figures(content: str) -> None:
    assert not has_figures(content)


def test_a_summary_has_two_lines_at_most() -> None:
    rows = [article(1, summary="하나\n둘"), article(2, summary="하나\n둘\n셋"), article(3, summary="가" * 161)]
    assert cells("long-summary", 규정_인사=rows) == ["규정_인사 E3", "규정_인사 E4"]
    assert summary_lines("가" * 160) == 2


def test_a_regulation_has_its_source_url() -> None:
    rows = [article(1), article(2, sourceUrl=""), article(3, sourceUrl="인사팀 공유폴더")]
    assert cells("missing-source-url", 규정_인사=rows) == ["규정_인사 G3"]
    assert cells("bad-source-url", 규정_인사=rows) == ["규정_인사 G4"]


def test_a_regulation_has_its_effective_date() -> None:
    assert cells("missing-effective-date", 규정_인사=[article(1, effectiveDate="")]) == ["규정_인사 F2"]


def test_an_id_is_used_once_in_all_regulation_tabs() -> None:
    [told] = found("id-in-two-tabs", 규정_인사=[article(1)], 규정_총무=[article(1)])
    assert (told.tab, told.row, told.what_en) == (GA, 2, "R-001 is also in the tab 규정_인사.")


# --- contacts: "소분류별 1명" ------------------------------------------------------------------------------------------


def test_each_sub_category_has_one_contact() -> None:
    rows = [contact("김"), contact("이"), contact("박", subCategory="급여")]
    [told] = found("several-contacts", FAQ=[faq(1)], 담당자=rows)
    assert (told.cell, told.what_en.split(";")[0]) == ("B3", "인사/연차 has somebody in row 2 already")


def test_each_sub_category_of_the_faqs_has_a_contact() -> None:
    rows = [faq(1), faq(2, subCategory="급여"), faq(3, subCategory="퇴직", isActive="FALSE")]
    [told] = found("no-contact", FAQ=rows, 담당자=[contact("김")])
    assert told.what_ko == "'인사/급여'의 담당자가 없습니다. FAQ에는 있는 소분류입니다."


def test_an_email_is_an_address() -> None:
    assert cells("bad-email", 담당자=[contact("김", email="kim@example.com"), contact("이", email="이메일 없음")]) == [
        "담당자 F3"
    ]


# --- volumes ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("count", "is_told"), [(99, True), (100, False), (500, False), (501, True)])
def test_100_to_500_faqs_are_expected(count: int, is_told: bool) -> None:
    assert bool(found("faq-volume", FAQ=[faq(number) for number in range(count)])) is is_told


def test_from_1000_regulations_on_confluence_is_suggested() -> None:
    rows = [article(number) for number in range(1_000)]
    [told] = found("regulation-volume", 규정_인사=rows)
    assert "regulations_from=confluence" in told.remedy_ko
    assert not found("regulation-volume", 규정_인사=rows[:999])


def test_from_10000_turns_on_the_log_is_archived() -> None:
    said = {"sessionId": "u_20260219T1430", "userId": "u", "role": "user"}
    rows = [row(CONVERSATIONS, timestamp="2026-02-19 14:30", message=str(at), **said) for at in range(10_000)]
    assert found("conversation-volume", 대화이력=rows)
    assert not found("conversation-volume", 대화이력=rows[1:])


# --- the whole workbook -------------------------------------------------------------------------------------------


def test_a_missing_tab_of_the_staff_is_an_error_with_the_nearest_one() -> None:
    tabs = workbook()
    tabs["규정-인사"] = tabs.pop(HR)
    tabs["직원 연락"] = tabs.pop(CONTACTS)
    told = [one for one in check(tabs) if one.rule == "missing-tab"]
    assert [(one.tab, one.is_bad, one.what_en) for one in told] == [
        ("규정_인사", True, "there is no tab 규정_인사. Is it '규정-인사'?"),
        ("담당자", True, "there is no tab 담당자. Is it '직원 연락'?"),  # by its columns
    ]


def test_a_missing_tab_of_the_bot_is_a_warning() -> None:
    tabs = workbook()
    del tabs[CONVERSATIONS]
    assert [one.is_bad for one in check(tabs) if one.rule == "missing-bot-tab"] == [False]


def test_a_missing_column_is_told_once_and_silences_the_rules_of_its_tab() -> None:
    tabs = workbook(FAQ=[faq(1, keywords="하나")])
    tabs[FAQ][0] = ["answr" if name == "answer" else name for name in tabs[FAQ][0]]
    assert [one.rule for one in check(tabs) if one.tab == FAQ] == ["missing-column"]


def test_broken_formulas_are_told_on_the_dashboards_too() -> None:
    tabs = workbook(대시보드_일간=[row(DAILY, date="2026-02-19", questions="#REF!")])
    assert [(one.tab, one.cell) for one in check(tabs) if one.rule == "formula-error"] == [(DAILY, "B2")]


def test_an_example_that_was_left_is_told() -> None:
    tabs = {layout.name: [layout.header, *map(list, layout.examples)] for layout in LAYOUTS}
    assert [one.tab for one in check(tabs) if one.rule == "example-row"] == [FAQ, FAQ_INDEX, HR, CONTACTS]


def test_an_accepted_proposal_needs_an_answer() -> None:
    rows = [
        row(PROPOSALS, proposalId="P-1", isAccepted="TRUE", category="인사", question="?"),
        row(PROPOSALS, proposalId="P-2", category="인사", question="?"),
    ]
    assert cells("accepted-without-answer", FAQ_제안=rows) == ["FAQ_제안 G2"]


def test_a_workbook_as_it_should_be_has_no_findings() -> None:
    rows = [
        faq(
            number + 40 * at, category=category, subCategory=f"소{at}", keywords=f"가{number},나{number}{at},다{number}"
        )
        for at, category in enumerate(REGULATIONS)
        for number in range(40)
    ]
    articles = {
        tab: [article(number + 10 * at) for number in range(1, 4)] for at, tab in enumerate(REGULATIONS.values())
    }
    people = [contact(f"이름{at}", category=category, subCategory=f"소{at}") for at, category in enumerate(REGULATIONS)]
    assert check(workbook(FAQ=rows, 담당자=people, **articles)) == []


def test_findings_come_in_the_order_of_tabs_rows_and_columns() -> None:
    tabs = workbook(FAQ=[faq(2, answer="음", keywords=""), faq(1, answer="음")], 담당자=[contact("김", email="x")])
    told = check(tabs)
    order = [layout.name for layout in LAYOUTS]
    assert told == check(dict(reversed(tabs.items())))
    assert [(order.index(one.tab), one.row, one.column) for one in told] == sorted(
        (order.index(one.tab), one.row, one.column) for one in told
    )


def test_every_rule_speaks_korean_and_english() -> None:
    for name, rule in RULES.items():
        for korean, english in ((rule.ko, rule.en), (rule.remedy_ko, rule.remedy_en)):
            assert any("가" <= char <= "힣" for char in korean), name
            assert english.endswith((".", "}", "ids}")), name


def test_nothing_is_found_in_a_workbook_of_something_else() -> None:
    assert {one.rule for one in check({"Budget": [["month", "sum"], ["1", "2"]]})} == {"missing-tab", "missing-bot-tab"}


# --- notes --------------------------------------------------------------------------------------------------------


def test_one_note_on_each_cell_in_the_editors_language() -> None:
    tabs = workbook(FAQ=[faq(1, answer="음", keywords="")])
    notes = wanted(check(tabs), tabs, "ko")
    assert [(note.tab, note.row, note.column) for note in notes] == [(FAQ, 2, 4), (FAQ, 2, 6)]
    assert notes[0].text.startswith("[Casebook] 키워드가 0개입니다.")
    assert wanted(check(tabs), tabs, "en")[0].text.startswith("[Casebook] There are 0 keywords;")


def test_a_note_that_is_done_with_is_taken_away_where_its_row_is_now() -> None:
    before = workbook(FAQ=[faq(1, keywords=""), faq(2, keywords="")])
    ours = wanted(check(before), before, "ko")
    after = workbook(FAQ=[faq(3), faq(2, keywords=""), faq(1)])  # a row more, another order, the first one mended
    new, done_with = changed(moved(ours, after), wanted(check(after), after, "ko"))
    assert new == []
    assert [(note.row, note.column, note.key) for note in done_with] == [(4, 4, "F-001")]


def test_a_note_of_a_row_that_is_gone_is_forgotten() -> None:
    note = NoteOfOurs(FAQ, 2, 4, "F-001", "[Casebook] …")
    assert list(moved([note], workbook(FAQ=[faq(2)]))) == []


def test_a_note_on_a_contact_moves_with_its_name() -> None:
    before = workbook(담당자=[contact("김", email="x"), contact("이", subCategory="급여")])
    ours = [note for note in wanted(check(before), before, "ko") if note.tab == CONTACTS]
    after = workbook(담당자=[contact("이", subCategory="급여"), contact("김", email="kim@example.com")])
    assert [(note.row, note.column, note.key) for note in ours] == [(2, 6, "김")]
    assert [(note.row, note.column) for note in moved(ours, after)] == [(3, 6)]


def test_tabs_of_the_bot_have_no_notes() -> None:
    tabs = workbook(대화이력=[row(CONVERSATIONS, sessionId="u_20260219T1430", userId="u", role="user", message="?")])
    assert [one.rule for one in check(tabs) if one.tab == CONVERSATIONS] == ["missing-cell"]
    assert not [note for note in wanted(check(tabs), tabs, "ko") if note.tab == CONVERSATIONS]


def test_the_language_of_a_workbook() -> None:
    assert language_of(workbook(FAQ=[faq(1)])) == "ko"
    english = {
        "category": "HR",
        "subCategory": "leave",
        "keywords": "leave,holiday",
        "question": "How?",
        "answer": "Portal > Leave.",
    }
    assert language_of(workbook(FAQ=[faq(1, **english)])) == "en"
    assert language_of(workbook()) == "ko"
