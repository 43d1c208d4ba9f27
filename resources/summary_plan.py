"""What the summaries of a company would cost, before anything is paid.

Belongs here: walking what is not summarised yet, and saying what it comes to in words. Does not belong here: counting
tokens or money (``resources/llm``), or which documents those are (``domain/derive``).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from domain import kb_stages, ticket_stages
from domain.company import Company
from domain.derive import Stage, pending
from domain.fingerprint import fingerprint
from domain.stage import Report
from domain.summary_prompt import Kind
from domain.writer import Writer, is_as_good
from resources.clock import utc_now
from resources.companies import Companies
from resources.company_run import EMBEDDED, SUMMARISED, Progress
from resources.helpdesk.platforms import open_helpdesk
from resources.llm.budget import Budget
from resources.llm.summariser import Estimate, Summariser, open_summariser
from resources.progress import duration
from resources.storage.sql import SqlCompanyStore

_TYPICAL_TOKENS = 700
"""Tokens in and out of one ticket where none is here yet: about what a thread of four messages takes."""


@dataclass(slots=True)
class StagePlan:
    """One stage: ``documents`` without a summary of this prompt and model, of which ``renewed`` have an older one; not
    among them are those that are ``in_batches``, which come to ``batch_cost`` at the most. Costs are in US dollars, None
    without a known price; ``left_out`` counts, by rule, what is not summarised."""

    documents: int = 0
    renewed: int = 0
    calls: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    cost: float | None = 0.0
    seconds: float | None = 0.0
    exact: bool = True
    in_batches: int = 0
    batch_cost: float | None = 0.0
    left_out: dict[str, int] = field(default_factory=dict[str, int])

    def add(self, estimate: Estimate) -> None:
        """One window more."""
        self.calls += estimate.calls
        self.tokens_in += estimate.tokens_in
        self.tokens_out += estimate.tokens_out
        self.cost = None if self.cost is None or estimate.cost is None else self.cost + estimate.cost
        self.seconds = None if self.seconds is None or estimate.seconds is None else self.seconds + estimate.seconds
        self.exact = self.exact and estimate.exact


@dataclass(slots=True)
class SummaryPlan:
    """``writer`` is "extractive", or the models; ``lines`` is all of it for people."""

    writer: str
    stages: dict[str, StagePlan] = field(default_factory=dict[str, StagePlan])
    unpriced: list[str] = field(default_factory=list[str])
    month: float = 0.0
    budget: float | None = None
    lines: list[str] = field(default_factory=list[str])


def summary_plan(companies: Companies, company: Company, tickets: int | None, progress: Progress) -> SummaryPlan:
    """Of what is in the tables now; ``tickets`` (at the helpdesk) gives a rough figure where they are still empty. Sends
    nothing. Raises ``InputError`` where a budget is set that cannot be kept."""
    now = utc_now()
    with companies.store(company.id) as store:
        month, limit = store.spent(company.month_of(now)), company.setting("budget_monthly")
        summariser = open_summariser(companies, company, Budget(limit, month))
        if summariser is None:
            line = "Summaries are sentences of the ticket itself, and cost nothing; for an LLM: casebook llm add --help"
            return SummaryPlan("extractive", lines=[line])
        plan = SummaryPlan(summariser.made_by, month=month, budget=limit)
        try:
            for kind, stage in _stages(companies, company, store, summariser):
                plan.stages[stage.target] = _planned(kind, stage, store, summariser, plan, now, progress)
        finally:
            summariser.close()
        plan.lines = list(_lines(plan, store, tickets))
        return plan


def coming_summaries(plan: SummaryPlan) -> dict[str, tuple[int, int]]:
    """By the stage that embeds them: documents that get their first summary, and that get another one."""
    stage = plan.stages.get(SUMMARISED["ticket"])
    return {EMBEDDED["ticket"]: (stage.documents - stage.renewed, stage.renewed)} if stage else {}


def _stages(
    companies: Companies, company: Company, store: SqlCompanyStore, summariser: Summariser
) -> list[tuple[Kind, Stage]]:
    def writer(kind: Kind) -> Writer:
        return Writer(summariser.made_by, summariser.make(kind), is_paid=True)

    stages: list[tuple[Kind, Stage]] = [("ticket", ticket_stages.ticket_summaries(company, writer("ticket")))]
    if store.count("raw_kb") and (articles := open_helpdesk(companies, company).articles):
        stages.append(("kb", kb_stages.kb_summaries(company, articles.neutral, articles.made_by, writer("kb"))))
    return stages


def _planned(
    kind: Kind,
    stage: Stage,
    store: SqlCompanyStore,
    summariser: Summariser,
    plan: SummaryPlan,
    now: str,
    progress: Progress,
) -> StagePlan:
    batches = store.batches(stage.target)
    requests, cost = sum(batch.requests for batch in batches), _sum([batch.cost for batch in batches])
    planned = StagePlan(in_batches=requests, batch_cost=cost)
    models = {one.model for one in summariser.providers}
    coming = [batch.id for batch in batches if is_as_good(batch, models)]
    for window in pending(stage, store, now=now, left_out=planned.left_out):
        given = list(zip(window.doc_ids, window.values, strict=True))
        if coming:
            hashes = [fingerprint(value) for value in window.values]
            there = store.in_batch(coming, hashes)
            given = [one for one, source_hash in zip(given, hashes, strict=True) if source_hash not in there]
        rows = store.get(stage.target, [doc_id for doc_id, _ in given])
        before = [None if (row := rows.get(doc_id)) is None else row.payload for doc_id, _ in given]
        planned.documents += len(given)
        planned.renewed += sum(one is not None for one in before)
        estimate = summariser.estimate(kind, [value for _, value in given], before)
        planned.add(estimate)
        plan.unpriced = sorted({*plan.unpriced, *estimate.unpriced})
        progress(f"counting tokens of {stage.target}", Report(read=planned.documents))
    return planned


def _lines(plan: SummaryPlan, store: SqlCompanyStore, tickets: int | None) -> Iterator[str]:
    yield f"Summaries by {plan.writer}:"
    for name, stage in plan.stages.items():
        if not stage.documents:
            yield f"  {name}: nothing to pay."
        else:
            again = f" ({stage.renewed:,} of them have one of another prompt or model)" if stage.renewed else ""
            about = "" if stage.exact else "about "
            money = "at an unknown price" if stage.cost is None else f"{stage.cost:.4f} US$"
            time = f", at least {duration(stage.seconds)} at the providers' limits" if stage.seconds else ""
            yield (
                f"  {name}: {stage.documents:,} texts{again}: {stage.calls:,} calls, {about}{stage.tokens_in:,} tokens in, "
                f"about {stage.tokens_out:,} out, {about}{money}{time}."
            )
        if stage.in_batches:
            yield f"    on their way: {stage.in_batches:,} texts in batches, which come {_at_most(stage.batch_cost)}"
        for reason, count in sorted(stage.left_out.items()):
            yield f"    left out: {count:,} {reason}"
    if plan.unpriced:
        yield f"  No price is known for {', '.join(plan.unpriced)}: say --price-in and --price-out with casebook llm add."
    missing = (tickets or 0) - store.count("raw_tickets")
    if missing > 0:
        tokens = missing * _TYPICAL_TOKENS
        yield f"  {missing:,} tickets are not fetched yet: roughly {tokens:,} tokens more, if all are solved."
    limit = "no budget is set" if plan.budget is None else f"of {plan.budget:.2f} US$ that budget_monthly allows"
    ahead = [stage.batch_cost for stage in plan.stages.values() if stage.in_batches]
    coming = f", and batches on their way come {_at_most(_sum(ahead))}" if ahead else ""
    yield f"  This month {plan.month:.4f} US$ were paid{coming}; {limit}."


def _sum(costs: Sequence[float | None]) -> float | None:
    """None where one is not known."""
    return None if None in costs else sum(cost or 0.0 for cost in costs)


def _at_most(cost: float | None) -> str:
    return "at an unknown price" if cost is None else f"to {cost:.4f} US$ at the most"
