"""What assets receive from Dagster: the one file of this folder that imports it.

Belongs here: turning a Dagster run into a ``CompanyRun``, telling how far it is, and freeing a company from runs that died.
Does not belong here: anything an asset or a client does.
"""

import time
from collections.abc import Iterator
from typing import Literal

import dagster as dg

from domain.stage import Report
from resources.company_run import CompanyRun, Progress, company_run, silent
from resources.progress import ProgressBook
from resources.settings import Settings

PARTITION_TAG = "dagster/partition"
_SAY_SECONDS = 30.0


def company_run_resource(settings: Settings, progress: Progress = silent) -> dg.ResourceDefinition:
    """The ``CompanyRun`` of a run's partition. It lives as long as the run, and so does the company's lock."""

    @dg.resource(description="One run over one company: its lock, its rows, its clients.")
    def run(context: dg.InitResourceContext) -> Iterator[CompanyRun]:
        dagster_run, instance = context.run, context.instance
        if dagster_run is None or instance is None:
            raise dg.DagsterInvariantViolationError("a company's assets are materialised in a run")
        company = dagster_run.tags.get(PARTITION_TAG, "")
        holder = f"Dagster run {dagster_run.run_id}"
        with company_run(settings, company, dagster_run.run_id, holder) as opened:
            fail_dead_runs(instance, company, but=dagster_run.run_id)
            book = ProgressBook(settings.root, company, dagster_run.run_id)
            opened.progress = _told(progress, book, context.log)
            try:
                yield opened
            finally:
                book.finished(_outcome(instance, dagster_run.run_id))

    return run


def _told(progress: Progress, book: ProgressBook, log: dg.DagsterLogManager | None) -> Progress:
    """Tells who watches, the progress files, and now and then Dagster's page of the run."""
    table, said = "", 0.0

    def tell(now_at: str, report: Report) -> None:
        nonlocal table, said
        progress(now_at, report)
        book.note(now_at, report)
        if now_at != table:
            table, said = now_at, time.monotonic()
        elif log and time.monotonic() - said >= _SAY_SECONDS:
            said = time.monotonic()
            log.info(book.entry.words)

    return tell


def _outcome(instance: dg.DagsterInstance, run_id: str) -> Literal["done", "failed", "stopped"]:
    """How a run ends whose steps have ended; Dagster says so itself only when its resources are closed."""
    failures = instance.all_logs(run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
    if not failures:
        return "done"
    errors = [event.dagster_event.step_failure_data.error for event in failures if event.dagster_event]
    interrupted = any(error and error.cls_name == dg.DagsterExecutionInterruptedError.__name__ for error in errors)
    return "stopped" if interrupted else "failed"


def started_runs(instance: dg.DagsterInstance, company: str) -> list[dg.DagsterRun]:
    """The runs of a company that say they are at work."""
    filters = dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED], tags={PARTITION_TAG: company})
    return list(instance.get_runs(filters))


def fail_dead_runs(instance: dg.DagsterInstance, company: str, but: str = "") -> list[str]:
    """Mark STARTED runs of a company as failed; only for whoever knows that its lock is free or holds it, so that none
    of them can be alive.

    A run that was killed stays STARTED for ever and would keep the company's queue waiting (Dagster's monitoring does
    nothing about a run that no launcher started).
    """
    dead = [run for run in started_runs(instance, company) if run.run_id != but]
    for run in dead:
        instance.report_run_failed(run, "The process of this run is gone: another run found the company's lock free.")
    return [run.run_id for run in dead]
