"""The ticket assets: from the helpdesk to the collection that is searched.

Belongs here: one asset a stage table, in the order the data flows. Does not belong here: what a stage makes
(``domain/ticket_stages``), or how a helpdesk is walked (``resources/helpdesk``).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import dagster as dg

from assets.collections import published
from assets.report import result, stage_asset
from assets.summaries import SummaryConfig, embedded, summarised
from domain import ticket_stages
from domain.company import Company
from domain.errors import InputError
from resources.company_run import CompanyRun
from resources.helpdesk.collect import Collection, Walk
from resources.helpdesk.collect_ratings import collect_ratings

Run = dg.ResourceParam[CompanyRun]
Result = dg.MaterializeResult[Any]
GROUP = "tickets"


class SyncConfig(dg.Config):
    """What a person can ask of one sync; the nightly one asks nothing."""

    full: bool = False
    """Walk everything again, and audit the ids."""
    doc: str = ""
    """Fetch this one document only."""
    accept_deletions: int = 0
    """So many deletions at once are right."""
    since: str = ""
    """Take what changed from this day on (YYYY-MM-DD), and leave the company's own place alone."""
    until: str = ""
    """Take what changed up to this day, included."""


def walk_of(config: SyncConfig, run: CompanyRun) -> Walk:
    """What a run asks of a collection; a long walk goes on in the next run, one between two days is done in one."""
    since, until = run.company.moments(config.since, config.until)
    most = None if since or until else run.company.setting("slice_documents")
    return Walk(config.full, config.doc, config.accept_deletions, since, until, most)


@contextmanager
def cells_outside(company: Company) -> Iterator[None]:
    """Dagster keeps what stops a run, and a broken export is told by its cells: those stay outside. Raises ``InputError``
    without them."""
    try:
        yield
    except InputError:
        if company.platform != "export":
            raise
        told = f"'casebook company check {company.id}' says where and why."
        raise InputError("the export cannot be read.", f"{company.endpoint}.", told) from None


_asset = partial(stage_asset, GROUP)


@_asset(kinds={"table"})
def raw_tickets(config: SyncConfig, company_run: Run) -> Result:
    """Tickets with their threads, as the helpdesk gave them: new and changed ones, those that wait, and what is gone."""
    collection = Collection(
        company_run.helpdesk,
        company_run.store,
        company_run.run_id,
        company_run.now,
        lambda report: company_run.progress("raw_tickets", report),
    )
    with cells_outside(company_run.company):
        report = collection.run(walk_of(config, company_run))
    return result(company_run, "raw_tickets", report)


@_asset(kinds={"table"})
def ticket_ratings(company_run: Run) -> Result:
    """How content customers were, where the helpdesk keeps that apart from the ticket."""
    report = collect_ratings(company_run.helpdesk, company_run.store, company_run.run_id, company_run.now)
    return result(company_run, "ticket_ratings", report)


@_asset("raw_tickets", "ticket_ratings", kinds={"table"})
def merged_tickets(company_run: Run) -> Result:
    """Ticket, ordered thread, attachments with their text, and ratings as one document, in plain text."""
    helpdesk = company_run.helpdesk
    stage = ticket_stages.merged_tickets(helpdesk.neutral, helpdesk.version)
    return result(company_run, "merged_tickets", company_run.derive(stage))


@_asset("merged_tickets", kinds={"table"})
def ticket_summaries(config: SummaryConfig, company_run: Run) -> Result:
    """Problem, cause, solution, result and tags of each solved case: by the company's LLM providers, else in the ticket's
    own sentences."""
    stage = ticket_stages.ticket_summaries(company_run.company, company_run.writer("ticket"))
    return summarised(company_run, "ticket", stage, config)


@_asset("ticket_summaries", "merged_tickets", kinds={"table"})
def ticket_embeddings(company_run: Run) -> Result:
    """The summary of each resolved ticket as a vector."""
    model = company_run.embedder
    stage = ticket_stages.ticket_embeddings(model.model_id, model.summary_chars, model.make)
    return embedded(company_run, stage)


@_asset("merged_tickets", kinds={"table"})
def ticket_terms(company_run: Run) -> Result:
    """The words of each resolved ticket's whole thread, weighted for BM25."""
    return result(company_run, "ticket_terms", company_run.derive(ticket_stages.ticket_terms(company_run.company)))


@_asset("merged_tickets", "ticket_summaries", "ticket_embeddings", "ticket_terms", kinds={"qdrant"})
def ticket_collection(company_run: Run) -> Result:
    """The points of the vector collection, and the collection itself: published whole, or as it was."""
    model = company_run.embedder.model_id
    return published(company_run, "ticket", ticket_stages.ticket_collection(company_run.company, model))
