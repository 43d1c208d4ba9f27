"""What embedding a company's texts would cost, before anything is paid: also all of them anew, by another model.

Belongs here: walking what has no vector of this model yet, and saying in words what it comes to. Does not belong here:
counting tokens or money (``llm/embedder``), or what summaries cost (``summary_plan``).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from domain import kb_stages, ticket_stages
from domain.company import Company
from domain.derive import Stage, pending
from domain.stage import Arrived, Report
from resources.clock import utc_now
from resources.companies import Companies
from resources.company_run import EMBEDDED, Progress
from resources.llm.budget import Budget
from resources.llm.embedder import ProviderEmbedder, open_provider_embedder
from resources.passage_vectors import missing_passages
from resources.progress import duration
from resources.storage.sql import SqlCompanyStore

_TYPICAL_TOKENS = 120
"""Tokens of a summary where none is here yet."""


@dataclass(slots=True)
class EmbeddingStage:
    """``texts`` without a vector of this model. ``to_come`` more will have one when their summaries are written: they are in
    ``tokens`` with the average of the others. ``cost`` is in US dollars, None without a known price."""

    texts: int = 0
    to_come: int = 0
    calls: int = 0
    tokens: int = 0
    cost: float | None = 0.0
    seconds: float | None = 0.0
    exact: bool = True


@dataclass(slots=True)
class EmbeddingPlan:
    """``model`` is the bundled model's name, or the id of a provider's; ``lines`` is all of it for people."""

    model: str
    stages: dict[str, EmbeddingStage] = field(default_factory=dict[str, EmbeddingStage])
    lines: list[str] = field(default_factory=list[str])


def embedding_plan(
    companies: Companies, company: Company, coming: dict[str, tuple[int, int]], progress: Progress
) -> EmbeddingPlan:
    """Of what is in the tables now, with the ``embedding_model`` of ``company``; ``coming`` are documents that get their
    first summary before, and another one, by stage of vectors. Sends nothing. Raises ``InputError`` where a budget is set
    that cannot be kept, or the setting names nobody."""
    by = company.embeds_with
    if by is None:
        name = company.setting("embedding_model")
        line = f"Embeddings by {'a bundled model' if name == 'auto' else name}, on this machine: nothing to pay."
        return EmbeddingPlan(name, lines=[line])
    with companies.store(company.id) as store:
        spent = store.spent(company.month_of(utc_now()))
        embedder = open_provider_embedder(
            companies, company, by.model_id, Budget(company.setting("budget_monthly"), spent)
        )
        assert embedder is not None
        plan = EmbeddingPlan(embedder.model_id)
        try:
            for name, stage in _stages(embedder):
                plan.stages[name] = _planned(stage, store, embedder, coming.get(name, (0, 0)), progress)
        finally:
            embedder.close()
        plan.lines = list(_lines(plan, store))
        return plan


def _stages(embedder: ProviderEmbedder) -> list[tuple[str, Stage]]:
    def make(_: object) -> Iterator[Arrived]:
        raise AssertionError("a plan makes nothing")

    model = embedder.model_id
    return [
        (EMBEDDED["ticket"], ticket_stages.ticket_embeddings(model, embedder.summary_chars, make)),
        (EMBEDDED["kb"], kb_stages.kb_embeddings(model, embedder.summary_chars, make)),
    ]


def _planned(
    stage: Stage, store: SqlCompanyStore, embedder: ProviderEmbedder, coming: tuple[int, int], progress: Progress
) -> EmbeddingStage:
    planned = EmbeddingStage()
    for window in pending(stage, store, now=utc_now()):
        has_passages = stage.target == EMBEDDED["kb"]
        texts = missing_passages(store, embedder.model_id, window.values) if has_passages else window.values
        estimate = embedder.estimate(texts)
        planned.texts += len(texts)
        planned.calls += estimate.calls
        planned.tokens += estimate.tokens_in
        planned.cost = None if estimate.cost is None else (planned.cost or 0.0) + estimate.cost
        planned.exact = planned.exact and estimate.exact
        seconds = estimate.seconds
        planned.seconds = None if seconds is None or planned.seconds is None else planned.seconds + seconds
        progress(f"counting tokens of {stage.target}", Report(read=planned.texts))
    first, renewed = coming
    planned.to_come = first + max(0, renewed - planned.texts)  # whose text is counted already, costs once
    if planned.to_come:
        tokens = planned.to_come * (planned.tokens // planned.texts if planned.texts else _TYPICAL_TOKENS)
        cost = embedder.cost(tokens)
        planned.tokens += tokens
        planned.cost = None if cost is None or planned.cost is None else planned.cost + cost
        planned.exact = False
    return planned


def _lines(plan: EmbeddingPlan, store: SqlCompanyStore) -> Iterator[str]:
    yield f"Embeddings by {plan.model}:"
    for name, stage in plan.stages.items():
        if not (stage.texts or stage.to_come):
            yield f"  {name}: nothing to pay."
            continue
        others = store.count(name) - store.count(name, plan.model)
        anew = f" ({others:,} documents have one of another model, which serves until then)" if others else ""
        more = f" and {stage.to_come:,} summaries to come" if stage.to_come else ""
        about = "" if stage.exact else "about "
        money = "at an unknown price" if stage.cost is None else f"{stage.cost:.4f} US$"
        time = f", at least {duration(stage.seconds)} at the providers' limits" if stage.seconds else ""
        yield f"  {name}: {stage.texts:,} texts{more}{anew}: {about}{stage.tokens:,} tokens, {about}{money}{time}."
