"""What a company paid, by days of its own time zone.

Belongs here: adding the ledger up for people. Does not belong here: writing it (``resources/storage``), or prices.
"""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from domain.batch import Batch
from domain.company import Company, day
from domain.errors import InputError
from domain.stage import LedgerLine
from resources.company_run import SUMMARISED
from resources.storage.sql import SqlCompanyStore

Amounts = tuple[int, int, int, int, float, int]
"""Calls, documents, tokens in, tokens out, US dollars, calls without a price."""


@dataclass(frozen=True, slots=True)
class DayLine:
    """What calls of one kind came to in one day. ``unpriced`` of the calls have no known price, and count as 0 US$."""

    day: str
    stage: str
    provider: str
    model: str
    purpose: str
    calls: int
    documents: int
    tokens_in: int
    tokens_out: int
    cost: float
    unpriced: int


@dataclass(frozen=True, slots=True)
class Costs:
    """``cost`` of the time asked for and ``month`` so far, in US dollars; ``batches`` are not answered yet."""

    company: str
    since: str
    until: str
    lines: list[DayLine]
    cost: float
    month: float
    budget: float | None
    batches: list[Batch]


def costs(store: SqlCompanyStore, company: Company, now: str, since: str = "", until: str = "") -> Costs:
    """From one day to another (YYYY-MM-DD), both included; without ``since`` from the month's first day on. Raises
    ``InputError`` for what is no day, or ends before it begins."""
    since, until = day("since", since), day("until", until)
    if since and until and until < since:
        raise InputError("that time ends before it begins.", f"--since {since}, --until {until}.", "Swap them.")
    month = company.month_of(now)
    first, last = company.moments(since, until)
    begin = first or ("" if until else month)
    lines = by_day(company, store.ledger(begin, f"{last}~" if last else "9"))
    waiting = [batch for stage in SUMMARISED.values() for batch in store.batches(stage)]
    total = sum(line.cost for line in lines)
    limit = company.setting("budget_monthly")
    return Costs(company.id, begin, last, lines, total, store.spent(month), limit, waiting)


def by_day(company: Company, lines: list[LedgerLine]) -> list[DayLine]:
    """Quarters of an hour as days of the company's time zone, the oldest first."""
    zone = ZoneInfo(company.setting("time_zone"))
    sums: defaultdict[tuple[str, str, str, str, str], list[Amounts]] = defaultdict(list)
    for line in lines:
        local = datetime.fromisoformat(f"{line.quarter}:00+00:00").astimezone(zone).date().isoformat()
        sums[local, line.stage, line.provider, line.model, line.purpose].append(
            (line.calls, line.documents, line.tokens_in, line.tokens_out, line.cost, line.unpriced)
        )
    return [DayLine(*key, *_summed(amounts)) for key, amounts in sorted(sums.items())]


def _summed(amounts: list[Amounts]) -> Amounts:
    calls, documents, tokens_in, tokens_out, cost, unpriced = map(sum, zip(*amounts, strict=True))
    return int(calls), int(documents), int(tokens_in), int(tokens_out), cost, int(unpriced)
