"""Figures of a day and a month, and their columns (issue 7, "operations log and dashboards").

Belongs here: ``domain/dashboard``. Does not belong here: tables (``tests/assets/test_dashboards``), cells
(``tests/resources/workbook/test_dashboard_cells``).
"""

import pytest

from domain.conversation import Operation
from domain.dashboard import Figures, columns, figures, next_period, percentile, top_keywords
from domain.workbook_layout import DAILY, LAYOUT, MONTHLY


def operation(
    tier: str, category: str = "인사", escalated: bool = False, latency: int = 100, vote: str = ""
) -> Operation:
    return Operation("2026-02-19 10:00:00", "s", "u", category, tier, "", 0.5, latency, escalated, vote)


def test_shares_by_tier_and_counts_by_category() -> None:
    row = columns(
        figures("2026-02-19", [operation("1"), operation("1", "총무"), operation("2", "복지"), operation("3", "")], {}),
        "date",
    )
    assert [row[f"tier{tier}"] for tier in "123"] == [2, 1, 1]
    assert [row[f"tier{tier}Share"] for tier in "123"] == [0.5, 0.25, 0.25]
    assert [row[name] for name in ("인사", "총무", "회계", "other")] == [1, 1, 0, 2]


def test_unanswered_is_neither_answered_nor_escalated() -> None:
    row = figures("2026-02-19", [operation("3", escalated=True), operation("3"), operation("1")], {})
    assert (row.unanswered, row.escalated) == (1, 1)


def test_thumbs_are_counted() -> None:
    row = figures("2026-02-19", [operation("1", vote="up"), operation("1", vote="down"), operation("1", vote="up")], {})
    assert (row.thumbs_up, row.thumbs_down) == (2, 1)


@pytest.mark.parametrize(("share", "value"), [(0.5, 50), (0.95, 95), (1.0, 100), (0.001, 1)])
def test_percentiles_are_values_that_were_measured(share: float, value: int) -> None:
    assert percentile(list(range(100, 0, -1)), share) == value
    assert percentile([], share) == 0


def test_top_keywords_count_questions_in_both_languages() -> None:
    asked = [
        "연차 며칠 남았어? 연차!",
        "연차 신청 방법",
        "VPN keeps dropping",
        "The vpn drops",
        "연락처 kim@acme.example 010-1234-5678",
    ]
    words = top_keywords((f"user{number}", question) for number, question in enumerate(asked))
    assert (words["연차"], words["vpn"]) == (2, 2)
    assert not {"방법", "며칠", "kim", "acme", "the", "010"} & words.keys()


def test_a_word_is_shown_in_its_most_used_form() -> None:
    asked = [("kim", "invoice"), ("lee", "invoices late"), ("park", "an invoice"), ("park", "late")]
    assert top_keywords(asked) == {"invoice": 3, "late": 2}


def test_words_of_one_person_are_no_keywords() -> None:
    assert top_keywords([("kim", "연차 문의"), ("kim", "연차 이월")]) == {}
    assert top_keywords([("kim", "연차 문의"), ("lee", "연차 이월")]) == {"연차": 2}


def test_every_column_of_the_layout_has_a_figure() -> None:
    assert list(columns(Figures("2026-02-19"), "date")) == LAYOUT[DAILY].header
    assert list(columns(Figures("2026-02"), "month")) == LAYOUT[MONTHLY].header


def test_a_day_without_questions_divides_by_nothing() -> None:
    assert columns(Figures("2026-02-19"), "date")["tier1Share"] == 0.0


@pytest.mark.parametrize(
    ("period", "after"),
    [("2026-02-28", "2026-03-01"), ("2026-02", "2026-03"), ("2026-12", "2027-01"), ("2024-02-28", "2024-02-29")],
)
def test_the_next_period(period: str, after: str) -> None:
    assert next_period(period) == after
