"""The knowledge base's assets: from the help centre's articles to passages.

Belongs here: one asset a stage table, in the order the data flows. Does not belong here: what a stage makes
(``domain/kb_stages``), or how a help centre is walked (``resources/helpdesk``).
"""

from typing import Any

import dagster as dg

from assets.partitions import companies
from assets.report import result, table_metadata
from assets.summaries import SummaryConfig, summarised
from assets.tickets import SyncConfig, cells_outside, walk_of
from domain import kb_stages
from domain.errors import CasebookError
from domain.stage import Report
from resources.company_run import CompanyRun
from resources.helpdesk.collect import Collection
from resources.http import HttpRefused

Run = dg.ResourceParam[CompanyRun]
Result = dg.MaterializeResult[Any]
GROUP = "knowledge_base"


def _asset(*sources: str) -> Any:
    return dg.asset(
        partitions_def=companies,
        group_name=GROUP,
        deps=list(sources),
        kinds={"table"},
        metadata=table_metadata(sources),
    )


@_asset()
def raw_kb(context: dg.AssetExecutionContext, config: SyncConfig, company_run: Run) -> Result:
    """Articles of the help centre, drafts included; those that are gone leave."""
    articles = company_run.helpdesk.articles
    why_not = _why_not(config, context.run)
    if articles is None:
        report = Report(notes=["there is no knowledge base"])
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
