"""What was paid, by days of a company's own time zone.

Belongs here: adding the ledger up for people. Does not belong here: what is written into it (``storage/test_contract``,
``tests/pipelines/test_llm``).
"""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest

from assets.summaries import cost_by_day
from domain.company import Company, company_id
from domain.errors import InputError
from domain.stage import Spent
from resources.company_run import CompanyRun
from resources.costs import costs
from resources.settings import Settings
from resources.storage.base import open_storage
from resources.storage.sql import SqlCompanyStore

ACME = company_id("acme")
BORDERS = [
    ("Asia/Kolkata", "2026-03-09T18:29:59Z", "2026-03-09T18:30:00Z"),
    ("Asia/Kathmandu", "2026-03-09T18:14:59Z", "2026-03-09T18:15:00Z"),
    ("Asia/Seoul", "2026-03-09T14:59:59Z", "2026-03-09T15:00:00Z"),
    ("America/St_Johns", "2026-03-10T02:29:59Z", "2026-03-10T02:30:00Z"),
]
"""The last second of 9 March 2026, and the first of the 10th."""


@pytest.fixture
def store(backend: Settings) -> Iterator[SqlCompanyStore]:
    with open_storage(backend).store(ACME) as opened:
        yield opened


def company(zone: str) -> Company:
    return Company(ACME, "export", "", {"time_zone": zone})


def pay(store: SqlCompanyStore, at: str, cost: float | None) -> None:
    spent = Spent(f"call at {at}", "one", "m", "first", 10, 100, 20, cost)
    store.keep_paid("ticket_summaries", "m", [], [spent], "run", at)


@pytest.mark.parametrize(("zone", "last", "first"), BORDERS)
def test_a_day_begins_and_ends_at_midnight_of_the_company(
    store: SqlCompanyStore, zone: str, last: str, first: str
) -> None:
    pay(store, last, 1.0)
    pay(store, first, 2.0)
    acme, now = company(zone), "2026-03-20T12:00:00Z"
    assert [(line.day, line.cost) for line in costs(store, acme, now).lines] == [
        ("2026-03-09", 1.0),
        ("2026-03-10", 2.0),
    ]
    for day, cost in (("2026-03-09", 1.0), ("2026-03-10", 2.0)):
        found = costs(store, acme, now, day, day)
        assert ([(line.day, line.cost) for line in found.lines], found.cost) == ([(day, cost)], cost)


@pytest.mark.parametrize(("zone", "last", "first"), BORDERS)
def test_the_picture_of_the_last_days_begins_with_a_whole_day(
    store: SqlCompanyStore, zone: str, last: str, first: str
) -> None:
    """Its first day is the one of 30 days that ``first`` begins; what came a second before is of no day in it."""
    pay(store, last, 1.0)
    pay(store, first, 2.0)
    run: Any = SimpleNamespace(store=store, company=company(zone), now="2026-04-08T12:00:00Z")
    days = cost_by_day(cast("CompanyRun", run))
    assert (len(days), next(iter(days)), days["03-10"], sum(days.values())) == (30, "03-10", 2.0, 2.0)


def test_calls_of_one_kind_are_one_line_a_day_and_those_without_a_price_are_counted(store: SqlCompanyStore) -> None:
    for minute, cost in ((0, 0.5), (14, 0.25), (15, None), (59, 0.25)):
        pay(store, f"2026-03-09T10:{minute:02}:00Z", cost)
    (line,) = costs(store, company("UTC"), "2026-03-09T12:00:00Z").lines
    assert (line.calls, line.documents, line.tokens_in, line.tokens_out) == (4, 40, 400, 80)
    assert (line.cost, line.unpriced) == (1.0, 1)


@pytest.mark.parametrize(("since", "until"), [("yesterday", ""), ("", "2026-3-9"), ("2026-03-10", "2026-03-09")])
def test_what_is_no_stretch_of_days_is_refused(store: SqlCompanyStore, since: str, until: str) -> None:
    with pytest.raises(InputError):
        costs(store, company("UTC"), "2026-03-09T12:00:00Z", since, until)
