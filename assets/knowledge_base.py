"""The knowledge base's assets: from the help centre's articles to the collection that is searched.

Belongs here: one asset a stage table, in the order the data flows. Does not belong here: what a stage makes
(``domain/kb_stages``), or how a help centre is walked (``resources/helpdesk``).
"""

from functools import partial
from typing import Any

import dagster as dg

from assets.collections import published
from assets.report import result, stage_asset
from assets.summaries import SummaryConfig, embedded, summarised
from assets.tickets import SyncConfig, cells_outside, walk_of
from domain import kb_stages
from domain.errors import CasebookError, InputError
from domain.stage import Report
from resources.company_run import CompanyRun
from resources.helpdesk.collect import Collection
from resources.http import HttpRefused

Run = dg.ResourceParam[CompanyRun]
Result = dg.MaterializeResult[Any]
GROUP = "knowledge_base"
_GONE = "There is no file kb.* any more; those that were there are searched on, as they were."
_GONE_REMEDY = "Put it back; or, to take them out, leave one with nothing but its heading, and sync."


_asset = partial(stage_asset, GROUP)


@_asset()
def raw_kb(context: dg.AssetExecutionContext, config: SyncConfig, company_run: Run) -> Result:
    """Articles of the help centre, drafts included; those that are gone leave."""
    articles = company_run.helpdesk.articles
    why_not = _why_not(config, context.run)
    if articles is None and not company_run.store.count("raw_kb"):
        report = Report(notes=["there is no knowledge base"])
    elif articles is None:
        # As with tickets, a file that is gone deletes nothing: it may be back tomorrow.
        gone = InputError("the articles of this export are gone.", _GONE, _GONE_REMEDY)
        if not _with_tickets(context.run):
            raise gone
        report = Report(notes=[f"the knowledge base is left as it is: {gone}"])  # the tickets go on
    elif why_not:
        report = Report(notes=[f"{why_not}; the knowledge base is left as it is"])
    else:
        collection = Collection(
            articles,
            company_run.store,
            company_run.run_id,
            company_run.now,
            lambda report: company_run.progress("raw_kb", report),
            "kb",
        )
        report = collection.report
        try:
            with cells_outside(company_run.company):
                collection.run(walk_of(config, company_run))
        except CasebookError as failure:
            if not _with_tickets(context.run) or (isinstance(failure, HttpRefused) and failure.status == 401):
                raise
            report.notes.append(f"the knowledge base is left as it is: {failure}")  # the tickets go on
    return result(company_run, "raw_kb", report)


def _is_without(run: CompanyRun) -> bool:
    """Whether there is no knowledge base, and never was: one whose file is gone is still searched, so it follows a change of
    model, and what is forgotten."""
    return run.helpdesk.articles is None and not run.store.top("raw_kb")


def _why_not(config: SyncConfig, run: dg.DagsterRun) -> str:
    """Why a run that was asked for something of tickets has nothing to do here; "" for all others. Dagster's pages take
    any configuration, and give every asset the same."""
    if config.since or config.until:
        return "articles are always walked whole, and days were asked for"
    if config.doc and _with_tickets(run):
        return "one document was asked for, and with tickets in the same run it is one of those"
    return ""


def _with_tickets(run: dg.DagsterRun) -> bool:
    """Whether tickets are collected in the same run."""
    chosen = run.asset_selection
    return not chosen or dg.AssetKey("raw_tickets") in chosen


@_asset("raw_kb")
def kb_summaries(config: SummaryConfig, company_run: Run) -> Result:
    """Problem, cause, solution and tags of each published article, written as those of tickets are."""
    articles = company_run.helpdesk.articles
    if articles is None:
        return result(company_run, "kb_summaries", Report())
    writer = company_run.writer("kb")
    stage = kb_stages.kb_summaries(company_run.company, articles.neutral, articles.made_by, writer)
    return summarised(company_run, "kb", stage, config)


@_asset("raw_kb")
def kb_passages(company_run: Run) -> Result:
    """Published articles, cut by their headings; drafts and what is not for the company's audience stay out."""
    articles = company_run.helpdesk.articles
    if articles is None:
        return result(company_run, "kb_passages", Report())
    stage = kb_stages.kb_passages(company_run.company, articles.neutral, articles.made_by)
    return result(company_run, "kb_passages", company_run.derive(stage))


@_asset("kb_passages", "kb_summaries", "ticket_summaries")  # whose language settles the model
def kb_embeddings(company_run: Run) -> Result:
    """Each passage as a vector: title and headings first."""
    if _is_without(company_run):
        return result(company_run, "kb_embeddings", Report())
    model = company_run.embedder
    stage = kb_stages.kb_embeddings(model.model_id, model.summary_chars, company_run.passage_vectors("kb_embeddings"))
    return embedded(company_run, stage)


@_asset("kb_passages", "kb_embeddings", "kb_summaries", kinds={"qdrant"})
def kb_collection(company_run: Run) -> Result:
    """The points of the articles' collection, one a passage, and the collection itself: published whole, or as it was."""
    if _is_without(company_run):
        return result(company_run, "kb_collection", Report())
    return published(company_run, "kb", kb_stages.kb_collection(company_run.company, company_run.embedder.model_id))
