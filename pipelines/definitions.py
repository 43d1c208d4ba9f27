"""Everything Dagster loads: assets, checks, jobs, schedule, sensor, resources, executor.

Belongs here: putting the parts together. Does not belong here: any of the parts.
"""

import dagster as dg

from assets import checks, knowledge_base, published_tables, tickets
from pipelines.jobs import sync
from pipelines.schedules import nightly
from pipelines.sensors import collect_batches, continue_walks, follow_registry
from resources.company_run import Progress, silent
from resources.dagster_resources import company_run_resource
from resources.settings import Settings


def build(progress: Progress = silent) -> dg.Definitions:
    """The definitions; ``progress`` watches the stages of a run in this process."""
    return dg.Definitions(
        assets=dg.load_assets_from_modules([tickets, knowledge_base, published_tables]),
        asset_checks=dg.load_asset_checks_from_modules([checks]),
        jobs=[sync],
        schedules=[nightly],
        sensors=[follow_registry, continue_walks, collect_batches],
        resources={"company_run": company_run_resource(Settings(), progress)},
        # A step costs 40 ms so, and 1.5 s in a process of its own; companies run side by side as runs.
        executor=dg.in_process_executor,
    )


defs = build()
