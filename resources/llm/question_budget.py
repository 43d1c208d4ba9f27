"""What providers cost while a person waits: who is not asked now, what the month still allows, and the ledger behind it all.

Belongs here: one company's rests, its month, and the lines of the ledger that are written after the answer is given. Does not
belong here: what is asked (``answerer``, ``question_embedder``), or the budget of a sync (``budget``).
"""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import uuid4

from domain.company import Company, CompanyId
from domain.provider import Provider
from domain.stage import Spent
from resources.background import BackgroundWriter
from resources.clock import utc_now
from resources.companies import Companies
from resources.llm.base import Limited, Trouble
from resources.llm.budget import unkept
from resources.llm.prices import price
from resources.storage.sql import SqlCompanyStore

_SPENT_SECONDS = 60.0
"""For so long what was spent is not added up again; what is spent here meanwhile is added."""
_LEDGER_TRIES = 30
"""A paid call is dropped from the ledger only after minutes: a sync may write all that time."""


@dataclass(frozen=True, slots=True)
class _Paid:
    """A line of the ledger, and when it was paid."""

    spent: Spent
    call: str
    at: str


def _write(store: SqlCompanyStore, lines: Sequence[_Paid]) -> None:
    for line in lines:
        store.keep_paid(line.spent.purpose, "", [], [line.spent], line.call, line.at)


_ledger = BackgroundWriter[_Paid]("the ledger of questions", _write, tries=_LEDGER_TRIES)


class QuestionBudget:
    """That of one company. Threads may share it. ``rest``: seconds for which a provider that failed is not asked, so that not
    every question waits for it."""

    def __init__(self, companies: Companies, company: CompanyId, rest: float) -> None:
        self._companies, self._id, self._rest = companies, company, rest
        self._rests: dict[str, float] = {}
        self._counting = threading.Lock()
        self._spent: tuple[float, float] | None = None

    def close(self, seconds: float) -> bool:
        """Write what the ledger waits for; whether it has all of it."""
        return _ledger.close(seconds)

    def why_not(self, company: Company, by: Provider, tokens_in: int = 0, tokens_out: int = 0) -> str:
        """Why a provider is not asked now for a call that is no larger; "" when it is."""
        if self._rests.get(by.name, 0.0) > time.monotonic():
            return f"{by.name} failed a moment ago"
        limit = company.setting("budget_monthly")
        if limit is None:
            return ""
        if no := unkept(by, limit):
            return no
        known = price(by)
        most = known.cost(tokens_in, tokens_out) if known else 0.0
        spent = self._month(company)
        return f"the month's budget of {limit:g} US$ is used up" if spent >= limit or spent + most > limit else ""

    def failed(self, by: Provider, trouble: Trouble) -> None:
        """It is not asked for a while; where only this question was at fault, it is."""
        rest = trouble.wait or 1.0 if isinstance(trouble, Limited) else max(trouble.wait or 0.0, self._rest)
        self._rests[by.name] = time.monotonic() + (0.0 if trouble.of_document else rest)

    def record(self, stage: str, call: str, by: Provider, documents: int, tokens_in: int, tokens_out: int) -> None:
        """A call (its id) into the ledger, behind the answer: a line of it changes no table that a run reads, and may wait
        for one that writes."""
        known = price(by)
        cost = known.cost(tokens_in, tokens_out) if known else None
        spent = Spent(call, by.name, by.model, stage, documents, tokens_in, tokens_out, cost)
        with self._counting:
            _ledger.keep(self._companies, self._id, _Paid(spent, str(uuid4()), utc_now()))
            if self._spent:
                self._spent = (self._spent[0] + (cost or 0.0), self._spent[1])

    def _month(self, company: Company) -> float:
        """US$ spent this month, as of some seconds ago, what was spent here since, and what the ledger does not have yet."""
        with self._counting:
            if self._spent is None or self._spent[1] < time.monotonic():
                # Read before the ledger: what is written in between counts twice for a minute, and never not at all.
                waiting = sum(line.spent.cost or 0.0 for line in _ledger.waiting(self._companies, self._id))
                with self._companies.store(company.id) as store:
                    spent = store.spent(company.month_of(utc_now()))
                self._spent = (spent + waiting, time.monotonic() + _SPENT_SECONDS)
            return self._spent[0]
