"""The sensors: one keeps Dagster's partitions equal to the registry of companies, one goes on with long first loads, one
takes in batches that were answered.

Belongs here: following the registry, and asking for the next slice. Does not belong here: the nightly runs (``schedules``).
"""

import time
from collections.abc import Iterator

import dagster as dg

from assets.partitions import companies
from domain.company import Company, CompanyId
from domain.fingerprint import fingerprint
from domain.stage import tables_of
from pipelines.jobs import sync
from resources.companies import Companies
from resources.dagster_resources import PARTITION_TAG, fail_dead_runs, started_runs
from resources.helpdesk.collect import is_more_to_come
from resources.llm.waiting import ended_batches
from resources.settings import Settings

_SECOND_LOOK_SECONDS = 5
_LONGEST_TICK = 30.0
"""Seconds; Dagster ends a tick after 60."""
_SLICE = [dg.AssetKey(name) for name in (*tables_of("ticket"), "published_tables")]
_FROM_SUMMARIES = [
    dg.AssetKey(name)
    for name in (
        *("ticket_summaries", "kb_summaries", "ticket_embeddings", "ticket_terms", "ticket_collection"),
        *("kb_collection", "published_tables"),
    )
]
_IN_FLIGHT = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


@dg.sensor(
    job=sync,
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Adds a new company with its first run, removes one that left, frees one whose run was killed.",
)
def follow_registry(context: dg.SensorEvaluationContext) -> dg.SensorResult:
    """One look at the registry."""
    registry = Companies(Settings())
    known = {company.id: company for company in registry.list()}
    present = set(context.instance.get_dynamic_partitions("companies"))
    new = [known[company] for company in sorted(known.keys() - present)]
    # A key that a run still uses must stay: the run would die when it stores its outcome.
    left = [key for key in sorted(present - known.keys()) if not _in_flight(context.instance, key)]
    _free_killed(context.instance, registry)
    added = [companies.build_add_request([company.id for company in new])] if new else []
    deleted = [companies.build_delete_request(left)] if left else []
    return dg.SensorResult(
        run_requests=[
            dg.RunRequest(run_key=f"first/{company.id}/{company.created_at}", partition_key=company.id)
            for company in new
            if not company.paused
        ],
        dynamic_partitions_requests=[*added, *deleted],
    )


@dg.sensor(
    job=sync,
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Asks for the next slice of a walk that has more to come, or that was killed in its first load.",
)
def continue_walks(context: dg.SensorEvaluationContext) -> Iterator[dg.RunRequest]:
    """A run a slice. A slice that brought nothing is not asked for again: what stopped it would stop it again, and the
    nightly run tries anyway."""
    registry = Companies(Settings())
    for company in _idle(context.instance, registry):
        with registry.store(company.id) as store:
            if is_more_to_come(store):
                # The walk's own place: a walk under new options moves on without changing a row.
                reached = f"{store.store_id}/{fingerprint(store.state('raw_tickets cursor'))[:16]}"
                yield dg.RunRequest(
                    run_key=f"slice/{company.id}/{reached}", partition_key=company.id, asset_selection=_SLICE
                )


@dg.sensor(
    job=sync,
    minimum_interval_seconds=300,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Takes batches in when their provider has answered them.",
)
def collect_batches(context: dg.SensorEvaluationContext) -> Iterator[dg.RunRequest]:
    """A run a company whose batches have something new; asks the providers, and nobody else. A tick ends in time: who was
    not looked at is the first of the next one."""
    registry = Companies(Settings())
    began = time.monotonic()
    for company in sorted(
        _idle(context.instance, registry), key=lambda one: (one.id <= (context.cursor or ""), one.id)
    ):
        if time.monotonic() - began > _LONGEST_TICK:
            break
        context.update_cursor(company.id)
        try:
            ended = ended_batches(registry, company)
        except Exception as error:  # whatever one company's provider answers, the others are looked at
            context.log.warning(f"the batches of {company.id} cannot be looked at: {type(error).__name__}: {error}")
            continue
        if ended:
            # All of them: one that cannot be closed must not keep the others from being taken in.
            key = f"batch/{company.id}/{fingerprint(sorted(ended))[:16]}"
            yield dg.RunRequest(run_key=key, partition_key=company.id, asset_selection=_FROM_SUMMARIES)


def _idle(instance: dg.DagsterInstance, registry: Companies) -> Iterator[Company]:
    """Companies that a run may begin for now."""
    for company in registry.list():
        if not company.paused and registry.is_free(company.id) and not _in_flight(instance, company.id):
            yield company


def _free_killed(instance: dg.DagsterInstance, registry: Companies) -> None:
    """Fail runs that say they are at work while nobody holds their company's lock.

    Looked at twice: a run that just begins has not taken the lock yet, one that just ends has given it back already.
    """

    def suspects() -> set[tuple[CompanyId, str]]:
        return {
            (company.id, run.run_id)
            for company in registry.list()
            for run in started_runs(instance, company.id)
            if registry.is_free(company.id)
        }

    if not (first := suspects()):
        return
    time.sleep(_SECOND_LOOK_SECONDS)
    for company, _ in first & suspects():
        fail_dead_runs(instance, company)


def _in_flight(instance: dg.DagsterInstance, company: str) -> bool:
    return instance.get_runs_count(dg.RunsFilter(statuses=_IN_FLIGHT, tags={PARTITION_TAG: company})) > 0
