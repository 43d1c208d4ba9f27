"""One sync of one company, run through Dagster in this process: what ``casebook sync`` and the demo do.

Belongs here: starting the job and gathering what it did. Does not belong here: showing it (``pipelines/cli``).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any
from uuid import uuid4

import dagster as dg
from sqlalchemy.exc import DatabaseError

from domain.company import Company
from domain.errors import CasebookError, CompanyBusy
from pipelines.asked import Asked
from pipelines.definitions import build
from pipelines.instance import connected, opened
from pipelines.jobs import due_assets
from resources.companies import Companies
from resources.company_run import Progress, silent
from resources.settings import Settings
from resources.storage.base import Storage

_COUNTS = ("read", "changed", "skipped", "removed", "failed", "seconds")


@dataclass(slots=True)
class SyncOutcome:
    """What a sync did: ``assets`` maps an asset to its counts; ``checks`` a check to whether it passed."""

    company: str
    run_id: str
    ok: bool
    seconds: float
    requests: int = 0
    assets: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    paid: dict[str, Any] = field(default_factory=lambda: {"calls": 0, "llm_calls": 0, "tokens": 0, "cost": 0.0})
    """``calls``: results that were paid for, with money or with seconds of a bundled model, and kept; ``llm_calls``: calls of
    LLM providers."""
    checks: dict[str, bool] = field(default_factory=dict[str, bool])
    notes: list[str] = field(default_factory=list[str])
    more: bool = False
    """This was a slice, and more is to come."""
    waiting: int = 0
    """Documents that wait for the answer of a batch."""

    def add(self, other: "SyncOutcome") -> None:
        """Count what the next slice did."""
        self.run_id, self.checks, self.more = other.run_id, other.checks, other.more
        self.ok = self.ok and other.ok
        self.seconds = round(self.seconds + other.seconds, 2)
        self.requests += other.requests
        for name, counts in other.assets.items():
            mine = self.assets.setdefault(name, dict.fromkeys(_COUNTS, 0))
            self.assets[name] = {count: round(mine[count] + counts[count], 3) for count in _COUNTS}
        for name in self.paid:
            self.paid[name] += other.paid[name]
        self.notes = list(dict.fromkeys([*self.notes, *other.notes]))


def run_sync(settings: Settings, company: Company, asked: Asked, progress: Progress = silent) -> SyncOutcome:
    """Run the job ``sync`` for one company: as often as a long walk has more to come.

    Raises the ``CasebookError`` that stopped it, ``CompanyBusy`` when another run writes to the company, and
    ``KeyboardInterrupt`` when a person stopped it.
    """
    registry = Companies(settings)
    with registry.lock(company.id, "a sync that is about to start"):
        pass  # fail before a run is recorded that could only fail
    with opened(settings) as instance, connected(instance):
        instance.add_dynamic_partitions("companies", [company.id])
        whole = _run(registry, instance, company, asked, progress)
        while whole.more:
            asked = asked.next_slice()
            try:
                whole.add(_run(registry, instance, company, asked, progress))
            except CompanyBusy:  # the sensor came between two slices
                whole.more = False
                whole.notes.append(f"another run goes on with the rest: casebook status {company.id}")
    with registry.store(company.id) as store:
        whole.waiting = store.waiting()
    return whole


def _run(
    registry: Companies, instance: dg.DagsterInstance, company: Company, asked: Asked, progress: Progress
) -> SyncOutcome:
    started, run_id = perf_counter(), str(uuid4())
    definitions = build(progress)
    job = definitions.resolve_job_def("sync")
    chosen = asked.selection
    keys = list(chosen.resolve(definitions.resolve_asset_graph())) if chosen else due_assets(registry, company)
    configs = {name: of for name, of in asked.configs.items() if keys is None or dg.AssetKey(name) in keys}
    with _in_our_words(run_id, registry.storage):
        result = job.execute_in_process(
            instance=instance,
            partition_key=company.id,
            run_id=run_id,
            asset_selection=keys,
            run_config={"ops": configs, "loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        )
    return _outcome(company, result, perf_counter() - started)


@contextmanager
def _in_our_words(run_id: str, storage: Storage) -> Iterator[None]:
    """What stopped a run, as it was raised: Dagster wraps what a resource raises, and names an interrupt its own way."""
    try:
        yield
    except CasebookError:
        raise
    except dg.DagsterExecutionInterruptedError as stopped:
        raise KeyboardInterrupt from stopped
    except Exception as error:
        cause = error.user_exception if isinstance(error, dg.DagsterUserCodeExecutionError) else error
        if isinstance(cause, CasebookError):
            raise cause from error
        with storage.explained():  # a disk that filled up, or a file that was damaged, in the midst of it
            if isinstance(cause, DatabaseError | OSError):
                raise cause from error
        raise CasebookError(
            "the sync stopped.", f"{type(cause).__name__}: {cause}", f"Run {run_id} in the UI has the details."
        ) from error


def _outcome(company: Company, result: dg.ExecuteInProcessResult, seconds: float) -> SyncOutcome:
    outcome = SyncOutcome(company.id, result.run_id, result.success, round(seconds, 2))
    for event in result.get_asset_materialization_events():
        materialization = event.step_materialization_data.materialization
        values: dict[str, Any] = {name: value.value for name, value in materialization.metadata.items()}
        outcome.assets[materialization.asset_key.to_user_string()] = {name: values.get(name, 0) for name in _COUNTS}
        outcome.requests += values.get("requests", 0)
        outcome.more = outcome.more or bool(values.get("more_to_come"))
        outcome.notes += values["notes"].split("\n") if "notes" in values else []
        for name in outcome.paid:
            outcome.paid[name] += values.get("kept" if name == "calls" else name, 0)
    wrong = False
    for check in result.get_asset_check_evaluations():
        outcome.checks[check.check_name] = check.passed
        wrong = wrong or not (check.passed or check.severity == dg.AssetCheckSeverity.WARN)
    outcome.ok = result.success and not wrong
    return outcome
