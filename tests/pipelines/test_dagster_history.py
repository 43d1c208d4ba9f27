"""Dagster's history with connections that stay open: what is written is Dagster's own, and no file is held for ever.

Belongs here: the two classes that ``dagster.yaml`` names. Does not belong here: runs (``test_definitions``).
"""

from pathlib import Path
from queue import Queue
from uuid import uuid4

from dagster import EventLogEntry
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage

from pipelines.dagster_history import EventHistory, RunHistory
from pipelines.instance import opened
from tests.homes import Home

RUNS = 20


def held(home: Home) -> set[str]:
    """The database files below the home that this process has open."""
    links = [str(one.readlink()) for one in Path("/proc/self/fd").iterdir() if one.is_symlink()]
    return {link for link in links if link.startswith(str(home.path)) and link.endswith(".db")}


def test_events_of_many_runs_are_read_by_dagsters_own_class_and_few_files_stay_open(home: Home) -> None:
    runs = [str(uuid4()) for _ in range(RUNS)]
    with opened(home.settings) as instance:
        assert isinstance(instance.event_log_storage, EventHistory)
        assert isinstance(instance.run_storage, RunHistory)
        for run in runs:
            instance.report_engine_event(f"event of {run}", job_name="sync", run_id=run)
        assert [len(instance.all_logs(run)) for run in runs] == [1] * RUNS
        assert 1 < len(held(home)) <= 17
        plain = SqliteEventLogStorage(str(home.settings.dagster_home / "history" / "runs"))
        assert [plain.get_logs_for_run(run)[0].message for run in runs] == [f"event of {run}" for run in runs]
    assert held(home) == set()


def test_a_second_instance_reads_and_writes_beside_an_open_history(home: Home) -> None:
    run = str(uuid4())
    with opened(home.settings) as first, opened(home.settings) as second:
        for instance in (first, second, first):
            instance.report_engine_event("said", job_name="sync", run_id=run)
        assert len(first.all_logs(run)) == len(second.all_logs(run)) == 3
        first.add_dynamic_partitions("companies", ["acme"])
        assert second.get_dynamic_partitions("companies") == ["acme"]


def test_who_watches_a_run_sees_what_another_instance_writes(home: Home) -> None:
    """The live events of a run's page."""
    run, seen = str(uuid4()), Queue[str]()

    def hear(entry: EventLogEntry, _: str) -> None:
        seen.put(entry.message)

    with opened(home.settings) as reader, opened(home.settings) as writer:
        writer.report_engine_event("first", job_name="sync", run_id=run)
        reader.watch_event_logs(run, None, hear)
        assert seen.get(timeout=30) == "first"
        writer.report_engine_event("second", job_name="sync", run_id=run)
        assert seen.get(timeout=30) == "second"
        reader.end_watch_event_logs(run, hear)
