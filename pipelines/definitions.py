"""Everything Dagster loads: assets, checks, jobs, schedule, sensor, resources, executor.

Belongs here: putting the parts together. Does not belong here: any of the parts.
"""

import dagster as dg

from assets import (
    checks,
    collection_checks,
    conversations,
    dashboards,
    faq,
    faq_proposals,
    knowledge_base,
    published_tables,
    regulations,
    retrieval,
    tickets,
    workbook,
    workbook_tabs,
)
from pipelines.jobs import sync
from pipelines.schedules import nightly
from pipelines.sensors import collect_batches, continue_walks, follow_registry
from resources.company_run import Progress, silent
from resources.dagster_resources import company_run_resource
from resources.settings import Settings

ASSETS = (
    *(tickets, knowledge_base, workbook, faq, regulations, conversations, dashboards, workbook_tabs),
    *(faq_proposals, published_tables, retrieval),
)
"""The modules of assets, in the order the data flows."""


def build(progress: Progress = silent) -> dg.Definitions:
    """The definitions; ``progress`` watches the stages of a run in this process."""
    return dg.Definitions(
        assets=dg.load_assets_from_modules(ASSETS),
        asset_checks=[
            *dg.load_asset_checks_from_modules([checks, retrieval, faq, regulations, conversations]),
            *collection_checks.CHECKS,
        ],
        jobs=[sync],
        schedules=[nightly],
        sensors=[follow_registry, continue_walks, collect_batches],
        resources={"company_run": company_run_resource(Settings(), progress)},
        # A step costs 40 ms so, and 1.5 s in a process of its own; companies run side by side as runs.
        executor=dg.in_process_executor,
    )


defs = build()
