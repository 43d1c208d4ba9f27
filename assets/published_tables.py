"""The Parquet files for analysts.

Belongs here: which stage tables are published, and where. Does not belong here: how files follow a table
(``resources/published``).
"""

from time import perf_counter
from typing import Any

import dagster as dg

from assets.partitions import companies
from domain.stage import Report
from resources.company_run import CompanyRun
from resources.published import PublishedTable, Publisher

PUBLISHED = (
    PublishedTable("merged_tickets", "raw"),
    PublishedTable("ticket_summaries", "processed"),
    PublishedTable("ticket_embeddings", "embeddings"),
    PublishedTable("kb_passages", "raw"),
    PublishedTable("kb_summaries", "processed"),
)
"""The specification's folders: merged tickets and articles under ``raw``, summaries under ``processed``, vectors under
``embeddings``."""


@dg.asset(
    partitions_def=companies,
    group_name="analysts",
    deps=[published.table for published in PUBLISHED],
    kinds={"parquet"},
)
def published_tables(company_run: dg.ResourceParam[CompanyRun]) -> dg.MaterializeResult[Any]:
    """Parquet files for pandas, DuckDB and Spark, one a company and month; only changed months are written."""
    started = perf_counter()
    publisher = Publisher(company_run.settings.root, company_run.store)
    total = Report()
    for published in PUBLISHED:
        report = publisher.publish(published)
        total.read += report.read
        total.changed += report.changed
        total.removed += report.removed
    total.seconds = perf_counter() - started
    company_run.progress("published_tables", total)
    counts = {name: getattr(total, name) for name in ("read", "changed", "skipped", "removed", "failed")}
    return dg.MaterializeResult(metadata={**counts, "seconds": round(total.seconds, 3)})
