"""The nightly sync: one schedule for all companies.

Belongs here: when a company's day begins. Does not belong here: which companies there are (``resources/companies``).
"""

from collections.abc import Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

import dagster as dg

from domain.company import Company
from pipelines.jobs import due_assets, sync
from resources.companies import Companies
from resources.settings import Settings

NIGHT_TAG = "casebook/night"


def night_of(company: Company, at: datetime) -> str | None:
    """The date whose sync is due at this moment, in the company's own time zone; None before its nightly hour.

    Every later hour of the day names the same date: a laptop that slept through the hour catches up when it wakes.
    """
    local = at.astimezone(ZoneInfo(company.setting("time_zone")))
    return local.strftime("%Y-%m-%d") if local.hour >= company.setting("nightly_hour") else None


@dg.schedule(
    job=sync,
    cron_schedule="5 * * * *",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Looks every hour which companies' nightly sync is due and not started yet.",
)
def nightly(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """One run a company and date."""
    registry = Companies(Settings())
    requests = [
        dg.RunRequest(
            run_key=f"{night}/{company.id}",
            partition_key=company.id,
            tags={NIGHT_TAG: night},
            asset_selection=due_assets(registry, company),
        )
        for company in registry.list()
        if not company.paused
        and (night := night_of(company, context.scheduled_execution_time))
        and context.instance.has_dynamic_partition("companies", company.id)
        and not _has_run(context.instance, company, night)
    ]
    yield from requests
    if not requests:
        yield dg.SkipReason("No company's nightly sync is due.")


def _has_run(instance: dg.DagsterInstance, company: Company, night: str) -> bool:
    tags = {NIGHT_TAG: night, "dagster/partition": company.id}
    return instance.get_runs_count(dg.RunsFilter(tags=tags)) > 0
