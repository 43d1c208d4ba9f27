"""The knowledge base's assets: from the help centre's articles to passages.

Belongs here: one asset a stage table, in the order the data flows. Does not belong here: what a stage makes
(``domain/kb_stages``), or how a help centre is walked (``resources/helpdesk``).
"""

from typing import Any

import dagster as dg

from assets.partitions import companies
from assets.report import result, table_metadata
from assets.tickets import SyncConfig, walk_of
from domain import kb_stages
from domain.stage import Report
from resources.company_run import CompanyRun
from resources.helpdesk.collect import Collection

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
def raw_kb(config: SyncConfig, company_run: Run) -> Result:
    """Articles of the help centre, drafts included; those that are gone leave."""
    articles = company_run.helpdesk.articles
    report = Report(notes=["this platform has no knowledge base"])
    if articles:
        collection = Collection(
            articles,
            company_run.store,
            company_run.run_id,
            company_run.now,
            lambda report: company_run.progress("raw_kb", report),
            "kb",
        )
        report = collection.run(walk_of(config, company_run))
    return result(company_run, "raw_kb", report)


@_asset("raw_kb")
def kb_passages(company_run: Run) -> Result:
    """Published articles, cut by their headings; drafts and what is not for the company's audience stay out."""
    articles = company_run.helpdesk.articles
    if articles is None:
        return result(company_run, "kb_passages", Report())
    stage = kb_stages.kb_passages(company_run.company, articles.neutral, articles.made_by)
    return result(company_run, "kb_passages", company_run.derive(stage))
