"""The dashboards' tables: reckoned from the operations log by days of the company's time zone, kept when rows leave.

Belongs here: the assets of ``assets/dashboards``. Does not belong here: the figures (``tests/domain/test_dashboard``), or
cells (``tests/resources/workbook/test_dashboard_cells``).
"""

from pathlib import Path
from typing import Any

import pytest

from assets.conversations import conversation_archive, conversation_log, operations_log
from assets.dashboards import daily_dashboard, monthly_dashboard
from domain.company import company_id
from domain.feedback import Vote
from resources.settings import Settings
from tests.assets.conversations_given import NOW, Office, days_before, exchange

ALL = (conversation_log, operations_log, conversation_archive, daily_dashboard, monthly_dashboard)


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(Settings(home=tmp_path / "home"))


def test_a_day_is_one_of_the_companys_time_zone(office: Office) -> None:
    office.keep(exchange(1, "2026-02-18T14:00:00Z"), exchange(2, "2026-02-18T16:00:00Z"))  # 23:00 and 01:00 in Seoul
    office.run(*ALL)
    assert {day: row["questions"] for day, row in office.rows("daily_dashboard").items()} == {
        "2026-02-18": 1,
        "2026-02-19": 1,
    }
    assert {month: row["questions"] for month, row in office.rows("monthly_dashboard").items()} == {"2026-02": 2}


def test_figures_and_pictures_of_a_day(office: Office) -> None:
    office.keep(
        *(exchange(number, tier=1) for number in range(6)),
        *(exchange(number, tier=2, category="총무", question="노트북 신청은?") for number in range(6, 9)),
        exchange(9, tier=3, category="", is_escalated=True, latency_ms=5_000),
    )
    told = office.run(*ALL)
    (day,) = office.rows("daily_dashboard").values()
    assert (day["questions"], day["tiers"]) == (10, {"1": 6, "2": 3, "3": 1})
    assert day["categories"] == {"": 1, "인사": 6, "총무": 3}
    assert (day["escalated"], day["unanswered"], day["latency_p95"]) == (1, 0, 5_000)
    assert next(iter(day["keywords"].items())) == ("연차", 7)
    shown = told["daily_dashboard"]
    assert all("data:image/png" in shown[picture] for picture in ("questions", "tiers", "latency"))
    assert "연차" not in str(shown), "no words of users on the operator's page"


def test_a_second_run_writes_nothing_and_a_vote_only_its_day(office: Office) -> None:
    office.keep(exchange(1, days_before(NOW, 3)), exchange(2))
    office.run(*ALL)
    before = office.tops("daily_dashboard", "monthly_dashboard")
    assert office.run(*ALL)["daily_dashboard"]["changed"] == 0
    assert office.tops("daily_dashboard", "monthly_dashboard") == before
    with office.companies.store(company_id("acme")) as store, store.begin("vote", NOW) as write:
        write.vote(Vote("x00001", "thumbs_up", NOW))
    assert office.run(*ALL)["daily_dashboard"]["changed"] == 1
    thumbs: dict[str, Any] = {day: row["thumbs_up"] for day, row in office.rows("daily_dashboard").items()}
    assert thumbs == {"2026-02-16": 1, "2026-02-19": 0}


def test_keywords_count_turns_that_are_archived(office: Office) -> None:
    office.keep(exchange(1, days_before(NOW, 20)), exchange(2, days_before(NOW, 20)))
    office.run(conversation_log, operations_log, conversation_archive)
    assert len(office.rows("conversation_archive")) == 4
    office.run(daily_dashboard)
    (day,) = office.rows("daily_dashboard").values()
    assert "연차" in day["keywords"]


def test_figures_stay_when_the_rows_have_left(office: Office) -> None:
    office.set(conversation_retention=31)
    office.keep(exchange(1, "2026-02-10T03:00:00Z"), exchange(2, "2026-02-25T03:00:00Z"))
    office.now = "2026-02-26T00:00:00Z"
    office.run(*ALL)
    before = office.rows("daily_dashboard"), office.rows("monthly_dashboard")
    office.now = "2026-03-20T00:00:00Z"
    office.run(*ALL)
    assert len(office.rows("operations_log")) == 1
    with office.companies.store(company_id("acme")) as store, store.begin("vote", NOW) as write:
        write.vote(Vote("x00002", "thumbs_up", "2026-03-20T00:00:00Z"))
    office.run(*ALL)
    assert office.rows("monthly_dashboard") == before[1], "half a month is no month"
    assert office.rows("daily_dashboard")["2026-02-10"] == before[0]["2026-02-10"]
    assert office.rows("daily_dashboard")["2026-02-25"]["thumbs_up"] == 1
