"""What any workbook does, whatever keeps it (``resources/workbook/base``)."""

from collections.abc import Iterator
from itertools import cycle
from pathlib import Path

import pytest

from domain.workbook_layout import (
    CONTACTS,
    CONVERSATIONS,
    DAILY,
    FAQ,
    FAQ_INDEX,
    LAYOUT,
    LAYOUTS,
    MONTHLY,
    OPERATIONS,
    REGULATIONS,
    TITLE,
)
from resources.workbook.base import Append, Chart, DropRows, Formula, Note, Overwrite, Plan, SetCells, Workbook
from sandbox.serve import Sandbox
from tests.resources.workbook.places import CsvPlace, GooglePlace, Place, XlsxPlace, rows_of, without_end

PLAN = Plan(TITLE, LAYOUTS, (Chart(DAILY, "질문 수", ("questions", "tier1")),))
RISKY = ['=HYPERLINK("http://x.example")', "+82 2 123 4567", "-5% 할인", "@everyone", "=1+1", "'=1", "\t=1", "'quoted'"]
#: Each service account may ask 60 times a minute, in tests too.
_COMPANIES = cycle(f"contract{number}" for number in range(8))


@pytest.fixture(params=["csv", "xlsx", "google"])
def place(request: pytest.FixtureRequest, tmp_path: Path, google: Sandbox) -> Place:
    if request.param == "csv":
        return CsvPlace(tmp_path)
    if request.param == "xlsx":
        return XlsxPlace(tmp_path)
    made = GooglePlace(google, next(_COMPANIES))
    made.empty()
    return made


@pytest.fixture
def workbook(place: Place) -> Iterator[Workbook]:
    """A new one, with the tabs of the specification."""
    opened = place.open()
    assert opened.create(PLAN) == opened.place
    yield opened
    opened.close()


def test_a_new_workbook_has_every_tab_with_the_headers_of_the_specification(workbook: Workbook) -> None:
    tabs = workbook.read().tabs
    assert {layout.name for layout in LAYOUTS} <= set(tabs)
    for layout in LAYOUTS:
        assert list(tabs[layout.name].rows[0]) == layout.header
        assert without_end(tabs[layout.name].rows[1:]) == without_end(layout.examples)


def test_the_tabs_are_in_the_order_of_the_specification(place: Place, workbook: Workbook) -> None:
    if isinstance(place, CsvPlace):
        return  # a folder has no order
    names = [name for name in workbook.read().tabs if name in LAYOUT]
    assert names == [layout.name for layout in LAYOUTS]


def test_creating_again_changes_no_tab_that_is_there(place: Place, workbook: Workbook) -> None:
    place.type(FAQ, 2, 6, "사람이 고친 답변")
    before = workbook.read()
    revision = workbook.revision()
    workbook.create(PLAN)
    assert workbook.revision() == revision
    assert workbook.read().tabs == before.tabs


def test_the_revision_stays_while_nothing_changes_and_moves_with_every_edit(place: Place, workbook: Workbook) -> None:
    first = workbook.revision()
    workbook.read()
    assert first and workbook.revision() == first
    place.type(CONTACTS, 3, 4, "김영희")
    second = workbook.revision()
    assert second != first
    workbook.write([Append(CONTACTS, [["총무", "비품", "총무팀", "박민수", "내선 2"]])])
    assert workbook.revision() not in (first, second)


def test_every_row_is_as_wide_as_the_widest_and_nothing_empty_is_at_the_end(place: Place, workbook: Workbook) -> None:
    place.type(CONTACTS, 5, 2, "비품")
    rows = workbook.read().tabs[CONTACTS].rows
    assert len(rows) == 5
    assert {len(row) for row in rows} == {len(LAYOUT[CONTACTS].columns)}


def test_rows_are_appended_behind_the_last_one_though_checkboxes_reach_further(workbook: Workbook) -> None:
    workbook.read()
    new = ["FAQ-HR-002", "인사", "반차", "반차", "반차는요?", "네이버웍스 > 근태관리", "", True, "2026-02-19"]
    workbook.write([Append(FAQ, [new])])
    assert rows_of(workbook, FAQ)[1] == [*new[:7], "TRUE", new[8]]
    workbook.write([Append(FAQ, [["FAQ-HR-003"], ["FAQ-HR-004"]])])
    assert [row[0] for row in rows_of(workbook, FAQ)] == ["FAQ-HR-001", "FAQ-HR-002", "FAQ-HR-003", "FAQ-HR-004"]


def test_appending_works_for_who_has_not_read(place: Place, workbook: Workbook) -> None:
    other = place.open()
    other.write([Append(FAQ, [["FAQ-HR-002"]])])
    assert [row[0] for row in rows_of(workbook, FAQ)] == ["FAQ-HR-001", "FAQ-HR-002"]
    other.close()


def test_overwriting_leaves_the_header_and_nothing_else(workbook: Workbook) -> None:
    workbook.write([Overwrite(FAQ_INDEX, [[str(number), "FAQ-HR-001", number] for number in range(30)])])
    workbook.write([Overwrite(FAQ_INDEX, [["연차", "FAQ-HR-001", 4]])])
    rows = workbook.read().tabs[FAQ_INDEX].rows
    assert list(rows[0]) == LAYOUT[FAQ_INDEX].header
    assert without_end(rows[1:]) == [["연차", "FAQ-HR-001", "4"]]
    workbook.write([Overwrite(FAQ_INDEX, [])])
    assert rows_of(workbook, FAQ_INDEX) == []


def test_values_are_shown_as_a_person_sees_them(workbook: Workbook) -> None:
    workbook.write([Overwrite(DAILY, [["2026-02-19", 3, 0.5, 2.0, True, False, None, ""]])])
    assert without_end(rows_of(workbook, DAILY)) == [["2026-02-19", "3", "0.5", "2", "TRUE", "FALSE"]]


def test_single_cells_are_set_and_others_stay(workbook: Workbook) -> None:
    before = rows_of(workbook, CONTACTS)[0]
    workbook.write([SetCells(CONTACTS, {(2, 4): "김영희", (4, 1): "총무"})])
    rows = rows_of(workbook, CONTACTS)
    assert rows[0] == [*before[:3], "김영희", *before[4:]]
    assert [row[0] for row in rows] == ["인사", "", "총무"]


def test_dropped_rows_go_and_the_others_move_up(workbook: Workbook) -> None:
    workbook.write([Overwrite(CONVERSATIONS, [[f"s{number}"] for number in range(2, 12)])])
    workbook.write([DropRows(CONVERSATIONS, [2, 3, 4, 7, 11]), Append(CONVERSATIONS, [["new"]])])
    assert [row[0] for row in rows_of(workbook, CONVERSATIONS)] == ["s5", "s6", "s8", "s9", "s10", "new"]


def test_all_rows_can_be_dropped(workbook: Workbook) -> None:
    workbook.write([Overwrite(OPERATIONS, [["2026-02-19"]] * 3)])
    workbook.write([DropRows(OPERATIONS, [2, 3, 4])])
    assert rows_of(workbook, OPERATIONS) == []
    workbook.write([Append(OPERATIONS, [["2026-02-20"]])])
    assert [row[0] for row in rows_of(workbook, OPERATIONS)] == ["2026-02-20"]


def test_changes_of_several_tabs_are_one_write_with_the_rows_as_they_were(workbook: Workbook) -> None:
    workbook.write([Append(CONVERSATIONS, [[f"s{number}"] for number in range(2, 6)])])
    workbook.write(
        [
            DropRows(CONVERSATIONS, [2]),
            SetCells(CONVERSATIONS, {(3, 5): "row 3 of before"}),
            Append(CONVERSATIONS, [["s6"]]),
            Overwrite(MONTHLY, [["2026-02", 7]]),
        ]
    )
    assert without_end(rows_of(workbook, CONVERSATIONS)) == [
        ["s3", "", "", "", "row 3 of before"],
        ["s4"],
        ["s5"],
        ["s6"],
    ]
    assert without_end(rows_of(workbook, MONTHLY)) == [["2026-02", "7"]]


def test_text_never_becomes_a_formula(place: Place, workbook: Workbook) -> None:
    workbook.write([Append(CONVERSATIONS, [["s", "u", "t", "user", text] for text in RISKY])])
    workbook.write([SetCells(CONVERSATIONS, {(2, 2): "=SUM(A1:A9)"})])
    assert [row[4] for row in rows_of(workbook, CONVERSATIONS)] == RISKY
    assert rows_of(workbook, CONVERSATIONS)[0][1] == "=SUM(A1:A9)"
    assert place.formulas(CONVERSATIONS) == []


def test_a_formula_of_ours_is_one(place: Place, workbook: Workbook) -> None:
    workbook.write([Overwrite(DAILY, [["2026-02-19", Formula("=COUNTA(운영로그!A2:A)"), 1]])])
    assert place.formulas(DAILY) == ["=COUNTA(운영로그!A2:A)"]


def test_what_a_person_made_a_formula_or_a_number_stays_one(place: Place, workbook: Workbook) -> None:
    place.type(CONTACTS, 3, 4, "=D2")
    place.type(CONTACTS, 3, 5, -5)
    workbook.read()
    workbook.write([Append(CONTACTS, [["총무"]]), SetCells(CONTACTS, {(2, 7): "메모"})])
    assert "=D2" in place.formulas(CONTACTS)
    assert rows_of(workbook, CONTACTS)[1][4] == "-5"


def test_text_that_a_cell_cannot_hold_stops_no_write(workbook: Workbook) -> None:
    workbook.write([Append(CONVERSATIONS, [["s", "u", "t", "user", "벨\x07소리\x00" + "가" * 60_000 + "\ud800"]])])
    said = rows_of(workbook, CONVERSATIONS)[0][4]
    assert said.startswith("벨소리가") and len(said) > 30_000


def test_line_breaks_quotes_and_emoji_come_back(workbook: Workbook) -> None:
    said = '첫 줄\n둘째 줄, "따옴표" ; 📋 <b>x</b>'
    workbook.write([Append(CONVERSATIONS, [["s", "u", "t", "bot", said]])])
    assert rows_of(workbook, CONVERSATIONS)[0][4] == said


def test_a_note_is_put_on_a_cell_and_taken_away(place: Place, workbook: Workbook) -> None:
    workbook.write([Note(FAQ, 2, 4, "키워드는 3-6개"), Note(FAQ, 2, 6, "경로가 없습니다")])
    assert place.notes(FAQ) == {(2, 4): "키워드는 3-6개", (2, 6): "경로가 없습니다"}
    workbook.write([Note(FAQ, 2, 4, "")])
    assert place.notes(FAQ) == {(2, 6): "경로가 없습니다"}


def test_a_tab_that_is_missing_is_made_with_its_layout(place: Place) -> None:
    workbook = place.open()
    workbook.create(Plan(TITLE, (LAYOUT[FAQ],)))
    workbook.write([Append(CONVERSATIONS, [["s1"]]), Append("메모", [["x", "y"]])])
    tabs = workbook.read().tabs
    assert list(tabs[CONVERSATIONS].rows[0]) == LAYOUT[CONVERSATIONS].header
    assert tabs[CONVERSATIONS].rows[1][0] == "s1"
    assert without_end(tabs["메모"].rows[1:]) == [["x", "y"]]
    workbook.close()


def test_tabs_of_people_are_read_and_stay(place: Place, workbook: Workbook) -> None:
    workbook.write([Append("우리 '메모' 탭", [["a", "1"]])])
    workbook.write([Append(CONVERSATIONS, [["s1"]])])
    assert without_end(workbook.read().tabs["우리 '메모' 탭"].rows[1:]) == [["a", "1"]]


def test_more_rows_than_the_grid_has(workbook: Workbook) -> None:
    workbook.write([Overwrite(CONVERSATIONS, [[f"s{number}"] for number in range(1500)])])
    workbook.write([Append(CONVERSATIONS, [["end", *[""] * 40, "far right"]])])
    rows = rows_of(workbook, CONVERSATIONS)
    assert (len(rows), rows[1499][0], rows[1500][0], rows[1500][41]) == (1501, "s1499", "end", "far right")


def test_an_empty_write_is_none(place: Place, workbook: Workbook) -> None:
    revision, asked = workbook.revision(), workbook.requests
    workbook.write([])
    assert workbook.requests == asked and workbook.revision() == revision


def test_regulation_tabs_are_three(workbook: Workbook) -> None:
    assert set(REGULATIONS.values()) == {"규정_인사", "규정_총무", "규정_회계"} <= set(workbook.read().tabs)
