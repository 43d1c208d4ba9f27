"""What people type into a cell, and what it means.

Belongs here: one cell at a time. Does not belong here: rows (``test_workbook_rows``).
"""

from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain import workbook_cells as cells

SEOUL = ZoneInfo("Asia/Seoul")


@pytest.mark.parametrize(
    "typed",
    [
        "2026-02-19",
        " 2026-2-19 ",
        "2026.2.19",
        "2026. 2. 19.",
        "2026/02/19",
        "2026년 2월 19일",
        "2026년2월19일",
        "26/02/19",
        "26.2.19",
        "'26.2.19",
        "26년 2월 19일",
        "260219",
        "20260219",
        "46072",
        "02/19/2026",
        "19/02/2026",
        "19.02.2026",
        "02/19/26",
        "Feb 19, 2026",
        "February 19th 2026",
        "19-Feb-2026",
        "19 February 2026",
        "2026-02-19 (목)",
        "2026.02.19(목)",
        "2026년 2월 19일 목요일",
        "２０２６－０２－１９",
        "2026–02–19",
        "2026\u00a0-02-19\u200b",
        "2026-02-19부터",
        "2026-02-19 오후 2:30:00",
        "2026-02-19T14:30:00+09:00",
    ],
)
def test_a_day_in_every_form(typed: str) -> None:
    assert cells.day(typed) == "2026-02-19"


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "내일",
        "2026-02-30",
        "2026-13-01",
        "13/13/2026",
        "2026-02",
        "12345",
        "99999",
        "1234567",
        "0206-01-01",
        "1/2/3/4",
    ],
)
def test_what_is_no_day(typed: str) -> None:
    assert cells.day(typed) is None


def test_an_ambiguous_date_has_the_month_first_and_is_told() -> None:
    assert (cells.day("03/02/2026"), cells.is_ambiguous("03/02/2026")) == ("2026-03-02", True)
    assert (cells.day("13/02/2026"), cells.is_ambiguous("13/02/2026")) == ("2026-02-13", False)
    assert (cells.day("02/02/2026"), cells.is_ambiguous("02/02/2026")) == ("2026-02-02", False)


def test_a_short_year_comes_first_and_is_told_where_it_need_not() -> None:
    assert (cells.day("03/02/05"), cells.is_ambiguous("03/02/05")) == ("2003-02-05", True)
    assert (cells.day("26/02/19"), cells.is_ambiguous("26/02/19")) == ("2026-02-19", False)
    assert not cells.is_ambiguous("2026-02-03")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("2026-02-19 14:30:00", "2026-02-19 14:30:00"),
        ("2026-02-19 14:30", "2026-02-19 14:30:00"),
        ("2026-02-19 오후 2:30:00", "2026-02-19 14:30:00"),
        ("2026. 2. 19 오후 2:30:00", "2026-02-19 14:30:00"),
        ("2026년 2월 19일 오후 2시 30분", "2026-02-19 14:30:00"),
        ("2026-02-19 오전 12:10", "2026-02-19 00:10:00"),
        ("2026-02-19 오후 12:10", "2026-02-19 12:10:00"),
        ("2/19/2026 2:30 PM", "2026-02-19 14:30:00"),
        ("2026-02-19T14:30:00.123", "2026-02-19 14:30:00"),
        ("2026-02-19T05:30:00Z", "2026-02-19 14:30:00"),
        ("2026-02-19T14:30:00+0900", "2026-02-19 14:30:00"),
        ("2026-02-18T21:30:00-08:00", "2026-02-19 14:30:00"),
        ("46072.6041666667", "2026-02-19 14:30:00"),
        ("2026-02-19", "2026-02-19 00:00:00"),
    ],
)
def test_a_moment_in_every_form(typed: str, meant: str) -> None:
    assert cells.moment(typed, SEOUL) == meant


def test_what_is_no_moment() -> None:
    assert cells.moment("2026-02-19 25:00") is None
    assert cells.moment("14:30") is None


@pytest.mark.parametrize("typed", "TRUE true T Yes Y 1 1.0 O Ｏ on 예 네 사용 활성 체크 승인 ○ ✓ ✔️ ☑ １ 예!".split())  # noqa: SIM905
def test_yes(typed: str) -> None:
    assert cells.boolean(typed) is True


@pytest.mark.parametrize(
    "typed", ["FALSE", "f", "No", "N", "0", "X", "off", "아니오", "아니요", "미사용", "사용 안함", "비활성", "✗"]
)
def test_no(typed: str) -> None:
    assert cells.boolean(typed) is False


@pytest.mark.parametrize("typed", ["", "보류", "2", "truely", "예정"])
def test_neither_yes_nor_no(typed: str) -> None:
    assert cells.boolean(typed) is None


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("４", 4),
        ("1,200", 1200),
        ("1,234,567.5", 1_234_567.5),
        ("85%", 0.85),
        ("0,85", 0.85),
        ("-3", -3),
        (".5", 0.5),
        ("4점", 4),
    ],
)
def test_numbers(typed: str, meant: float) -> None:
    assert cells.number(typed) == pytest.approx(meant)


@pytest.mark.parametrize("typed", ["", "nan", "inf", "1e5", "1.2.3", "네 점", "1,200,5"])
def test_what_is_no_number(typed: str) -> None:
    assert cells.number(typed) is None


def test_a_list_with_every_separator() -> None:
    typed = ' 연차，남은연차、 잔여연차;휴가일수·반차ㆍ병가\n경조사\u00a0휴가,, 연차 ,\u200b, "휴직", #복직'
    assert cells.words(typed) == (
        "연차",
        "남은연차",
        "잔여연차",
        "휴가일수",
        "반차",
        "병가",
        "경조사 휴가",
        "휴직",
        "복직",
    )


def test_a_word_is_in_a_list_once_whatever_its_case_and_width() -> None:
    assert cells.words("VPN, vpn, ＶＰＮ, 와이파이") == ("VPN", "와이파이")


def test_a_word_keeps_its_brackets() -> None:
    assert cells.words("연차(유급), 연차[무급]") == ("연차(유급)", "연차[무급]")


def test_ids_of_a_list() -> None:
    assert cells.idents("FAQ-HR-001，FAQ–HR–002 ＦＡＱ-HR-003\nFAQ-HR-001") == (
        "FAQ-HR-001",
        "FAQ-HR-002",
        "FAQ-HR-003",
    )


def test_a_text_is_composed_and_has_nothing_invisible() -> None:
    decomposed = "\u1112\u1161\u11ab\u1100\u1173\u11af"  # 한글, as macOS takes it apart
    assert cells.text(f"\ufeff {decomposed}\u200b\x00\u202e\u00a0글\ud800 \r\n\r\n 둘 ") == "한글 글\n\n 둘"
    assert cells.line(" 하나\n둘\u3000셋 ") == "하나 둘 셋"
    assert cells.text("네이버웍스 > 근태관리") == "네이버웍스 > 근태관리"


def test_an_emoji_in_an_answer_stays_whole() -> None:
    assert cells.text("문의 👩‍💻 환영\n") == "문의 👩‍💻 환영"


@pytest.mark.parametrize(
    "cell", ["#REF!", "#N/A", "#VALUE!", "#NAME?", "#DIV/0!", "#ERROR!", "#SPILL!", " #REF! ", "Err:502", "Loading..."]
)
def test_a_broken_formula(cell: str) -> None:
    assert cells.formula_error(cell) == cell.strip()


@pytest.mark.parametrize("cell", ["", "#1 질문", "#연차", "Error", "FAQ #REF"])
def test_what_is_no_broken_formula(cell: str) -> None:
    assert cells.formula_error(cell) == ""


@pytest.mark.parametrize(
    "cell", ["<b>굵게</b>", "하나<br>둘", '<a href="x">여기</a>', "<script>alert(1)</script>", "A&nbsp;B", "<!-- -->"]
)
def test_html(cell: str) -> None:
    assert cells.has_html(cell)


@pytest.mark.parametrize(
    "cell", ["네이버웍스 > 근태관리 > 잔여휴가", "3 < 5 > 2", "<이름>을 적으세요", "R&D 예산", "<your id>"]
)
def test_what_is_no_html(cell: str) -> None:
    assert not cells.has_html(cell)


@given(st.text(max_size=80))
def test_nothing_raises_for_what_is_in_a_cell(cell: str) -> None:
    for read in (cells.day, cells.boolean, cells.number, cells.words, cells.idents, cells.is_ambiguous, cells.has_html):
        read(cell)
    assert cells.moment(cell, SEOUL) is None or cells.day(cell) is not None
    assert cells.text(cells.text(cell)) == cells.text(cell)
    cells.text(cell).encode()  # no lone surrogate is left
