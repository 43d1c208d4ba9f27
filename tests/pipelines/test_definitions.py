"""What Dagster loads and starts: the graph, the nightly schedule, the sensor, a real daemon, and the company's lock.

Belongs here: when and how things run. Does not belong here: what an asset does (``test_end_to_end``).
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteInstigatorOrigin, RemoteRepositoryOrigin
from dagster._core.scheduler.instigation import InstigatorState, InstigatorStatus, ScheduleInstigatorData

from domain.batch import Batch
from domain.company import Company, company_id
from domain.conversation import Exchange
from domain.stage import NEVER, TABLES, Put
from pipelines import sensors
from pipelines.definitions import build, defs
from pipelines.instance import opened, prepare
from pipelines.jobs import WITHOUT_WORKBOOK
from pipelines.schedules import night_of, nightly
from resources.company_run import silent
from resources.dagster_resources import PARTITION_TAG
from sandbox.serve import Sandbox
from tests.conftest import TICKETS, add
from tests.homes import ROOT, Home, casebook, done, start
from tests.pipelines.test_llm import add_provider

QUIET = {"console": {"config": {"log_level": "CRITICAL"}}}
KILLED_AFTER = 90.0
"""Seconds that a daemon, or a process, may take on a busy machine."""

ASSETS = {
    "raw_tickets": ("tickets", set[str]()),
    "ticket_ratings": ("tickets", set[str]()),
    "merged_tickets": ("tickets", {"raw_tickets", "ticket_ratings"}),
    "ticket_summaries": ("tickets", {"merged_tickets"}),
    "ticket_embeddings": ("tickets", {"ticket_summaries", "merged_tickets"}),
    "ticket_terms": ("tickets", {"merged_tickets"}),
    "ticket_collection": ("tickets", {"merged_tickets", "ticket_summaries", "ticket_embeddings", "ticket_terms"}),
    "raw_kb": ("knowledge_base", set[str]()),
    "kb_passages": ("knowledge_base", {"raw_kb"}),
    "kb_summaries": ("knowledge_base", {"raw_kb"}),
    "kb_embeddings": ("knowledge_base", {"kb_passages", "kb_summaries", "ticket_summaries"}),
    "kb_collection": ("knowledge_base", {"kb_passages", "kb_embeddings", "kb_summaries"}),
    "retrieval_report": ("learning", {"ticket_collection", "kb_collection"}),
    "workbook": ("workbook", set[str]()),
    "faq": ("workbook", {"workbook"}),
    "contacts": ("workbook", {"workbook"}),
    "faq_keyword_index": ("workbook", {"faq", "operations_log", "workbook"}),
    "faq_embeddings": ("workbook", {"faq"}),
    "faq_collection": ("workbook", {"faq", "faq_embeddings"}),
    "regulations": ("workbook", {"workbook"}),
    "regulation_passages": ("workbook", {"regulations"}),
    "regulation_embeddings": ("workbook", {"regulation_passages"}),
    "regulation_collection": ("workbook", {"regulation_embeddings", "regulation_passages"}),
    "conversation_log": ("conversations", {"workbook"}),
    "operations_log": ("conversations", {"workbook"}),
    "conversation_archive": ("conversations", {"conversation_log", "operations_log"}),
    "daily_dashboard": ("conversations", {"conversation_archive", "operations_log"}),
    "monthly_dashboard": ("conversations", {"conversation_archive", "operations_log"}),
    "faq_proposals": (
        "learning",
        {
            *("ticket_summaries", "ticket_embeddings", "ticket_terms", "workbook", "faq", "faq_embeddings"),
            *("faq_collection", "conversation_log", "conversation_archive", "operations_log"),
        },
    ),
    "workbook_tabs": (
        "workbook",
        {
            *("workbook", "faq_keyword_index", "faq_proposals", "conversation_log", "conversation_archive"),
            *("operations_log", "daily_dashboard", "monthly_dashboard"),
        },
    ),
    "published_tables": (
        "analysts",
        {"merged_tickets", "ticket_summaries", "ticket_embeddings", "kb_passages", "kb_summaries"},
    ),
}
"""Every asset, its group, and what it is made from: a change of the graph is a decision, and is made here too."""


def register(home: Home, id: str, zone: str = "UTC", hour: int = 2, paused: bool = False) -> None:
    """A line in the registry, without asking any helpdesk."""
    settings = {"time_zone": zone, "nightly_hour": hour}
    created = "2026-01-01T00:00:00Z"
    home.companies.add(Company(company_id(id), "export", "nowhere.csv", settings, paused, created), "")


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as made:
        yield made


# -- the graph -------------------------------------------------------------------------------------------------------


def test_the_definitions_load() -> None:
    dg.Definitions.validate_loadable(defs)


def test_the_graph_is_the_one_that_was_decided() -> None:
    specs = {spec.key.to_user_string(): spec for spec in defs.resolve_all_asset_specs()}
    found = {
        name: (spec.group_name, {dep.asset_key.to_user_string() for dep in spec.deps}) for name, spec in specs.items()
    }
    assert found == ASSETS
    assert set(ASSETS) == set(TABLES) | {"published_tables", "retrieval_report", "workbook_tabs"}
    assert {spec.partitions_def.name for spec in specs.values() if spec.partitions_def} == {"companies"}
    assert all(isinstance(spec.partitions_def, dg.DynamicPartitionsDefinition) for spec in specs.values())


def test_every_table_shows_its_columns_and_where_they_come_from() -> None:
    for spec in defs.resolve_all_asset_specs():
        if (name := spec.key.to_user_string()) not in TABLES:
            continue
        columns = [column.name for column in spec.metadata["dagster/column_schema"].columns]
        assert columns[:4] == ["company_id", "doc_id", "seq", "content_hash"]
        lineage = spec.metadata["dagster/column_lineage"].deps_by_column
        assert {dep.asset_key.to_user_string() for deps in lineage.values() for dep in deps} == ASSETS[name][1]


def test_checks_and_the_things_that_start_by_themselves() -> None:
    repository = defs.get_repository_def()
    checks = {key.name for key in repository.asset_graph.asset_check_keys}
    assert checks == {
        *("counts_agree", "drafts_stay_out", "ids_unique", "no_foreign_company", "canary_unseen"),
        *("kb_ids_unique", "kb_no_foreign_company", "kb_canary_unseen", "retrieval_not_worse"),
        *("faq_ids_unique", "faq_no_foreign_company", "faq_canary_unseen", "faq_keywords_lead_to_their_faqs"),
        *("regulation_ids_unique", "regulation_no_foreign_company", "regulation_canary_unseen"),
        *("paid_for_changes_only", "providers_answer", "summaries_grounded", "article_summaries_grounded"),
    }
    assert nightly.default_status is dg.DefaultScheduleStatus.RUNNING
    assert sensors.follow_registry.default_status is dg.DefaultSensorStatus.RUNNING
    assert sensors.continue_walks.default_status is dg.DefaultSensorStatus.RUNNING
    assert sensors.collect_batches.default_status is dg.DefaultSensorStatus.RUNNING
    assert {sensor.name for sensor in repository.sensor_defs} == {
        *("follow_registry", "continue_walks", "collect_batches")
    }
    assert repository.get_job("sync").executor_def is dg.in_process_executor
    assert {job.name for job in repository.get_all_jobs() if not job.name.startswith("__")} == {"sync"}


# -- the nightly schedule --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("zone", "hour"),
    [("UTC", 0), ("Asia/Seoul", 2), ("Asia/Kathmandu", 23), ("America/New_York", 1), ("Australia/Lord_Howe", 1)],
)
def test_every_date_begins_once_at_the_companys_own_hour(zone: str, hour: int) -> None:
    """Over the nights in which New York sets its clock back by an hour (1 November 2026), and Lord Howe by half of one
    forward (4 October); Kathmandu is 5:45 ahead."""
    company = Company(company_id("acme"), "export", "", {"time_zone": zone, "nightly_hour": hour})
    begun: dict[str, datetime] = {}
    for at in hours(datetime(2026, 10, 1, 0, 5, tzinfo=UTC), 35 * 24):
        if night := night_of(company, at):
            begun.setdefault(night, at.astimezone(ZoneInfo(zone)))
    assert len(begun) >= 34
    assert all(f"{at:%Y-%m-%d}" == night for night, at in begun.items())
    assert {at.hour for at in list(begun.values())[1:]} == {hour}  # the first day had begun before the first look


@pytest.fixture
def kept(home: Home) -> Iterator[dg.DagsterInstance]:
    """An instance on disk: a schedule opens its own."""
    with opened(home.settings) as made:
        yield made


def tick(instance: dg.DagsterInstance, at: datetime) -> list[str]:
    """What the schedule asks for at a time, and the daemon then starts."""
    with dg.build_schedule_context(instance=instance, scheduled_execution_time=at) as context:
        asked = list(nightly(context))
    if isinstance(asked[0], dg.SkipReason):
        return []
    for request in asked:
        assert isinstance(request, dg.RunRequest)
        assert request.partition_key
        assert request.run_key == f"{request.tags['casebook/night']}/{request.partition_key}"
        record(instance, request.partition_key, dict(request.tags))
    return [str(request.run_key) for request in asked if isinstance(request, dg.RunRequest)]


def record(
    instance: dg.DagsterInstance,
    company: str,
    tags: dict[str, str] | None = None,
    status: dg.DagsterRunStatus = dg.DagsterRunStatus.SUCCESS,
) -> str:
    """A run of a company as an instance remembers it; returns its id."""
    run = dg.DagsterRun("sync", run_id=str(uuid4()), status=status, tags={PARTITION_TAG: company, **(tags or {})})
    return instance.add_run(run).run_id


def hours(start: datetime, count: int) -> Iterator[datetime]:
    """The schedule's own times: five past each hour."""
    return (start + timedelta(hours=hour) for hour in range(count))


def test_the_schedule_starts_each_company_once_a_day(home: Home, kept: dg.DagsterInstance) -> None:
    register(home, "seoul", "Asia/Seoul", 2)
    register(home, "utc", "UTC", 2)
    register(home, "resting", paused=True)
    register(home, "not-yet-a-partition")
    kept.add_dynamic_partitions("companies", ["seoul", "utc", "resting", "no-longer-registered"])
    assert tick(kept, datetime(2026, 5, 1, 1, 5, tzinfo=UTC)) == ["2026-05-01/seoul"]
    assert tick(kept, datetime(2026, 5, 1, 2, 5, tzinfo=UTC)) == ["2026-05-01/utc"]
    assert tick(kept, datetime(2026, 5, 1, 16, 5, tzinfo=UTC)) == []
    assert tick(kept, datetime(2026, 5, 1, 17, 5, tzinfo=UTC)) == ["2026-05-02/seoul"]
    # The machine sleeps until the evening of the next day: each company's newest date is caught up, and no other.
    assert tick(kept, datetime(2026, 5, 2, 18, 5, tzinfo=UTC)) == ["2026-05-03/seoul", "2026-05-02/utc"]


def test_a_night_without_a_workbook_leaves_its_assets_out(home: Home, kept: dg.DagsterInstance) -> None:
    of_workbook = {name for name, (group, _) in ASSETS.items() if group in ("workbook", "conversations")}
    assert {key.to_user_string() for key in WITHOUT_WORKBOOK} == set(ASSETS) - of_workbook
    settings: dict[str, dict[str, Any]] = {
        "bare": {},
        "sheet": {"workbook": "book.xlsx"},
        "pages": {"regulations_from": "confluence"},
        "asked": {},
        "had": {},
        "waiting": {},
        "odd": {},
    }
    for name, more in settings.items():
        home.companies.add(Company(company_id(name), "export", "nowhere.csv", more, created_at="2026-01-01"), "")
    with home.companies.store(company_id("asked")) as store:
        at = "2026-01-01T09:00:00Z"
        store.keep_exchanges([Exchange("e1", "u_20260101T0900", "u", at, "?", at, "!", "3")])
    with home.companies.store(company_id("had")) as store, store.begin("run", "2026-01-01T00:00:00Z") as write:
        write.upsert("contacts", [Put("c1", {}, "h", "s", "m")])
        write.delete("contacts", ["c1"])
    with home.companies.store(company_id("waiting")) as store, store.begin("run", "2026-01-01T00:00:00Z") as write:
        write.fail("regulations", {"HR": "a space that may not be read"}, {"HR": NEVER})  # of a source given up since
    with home.companies.store(company_id("odd")):
        pass  # it has a file
    (home.settings.company_folder(company_id("odd")) / "casebook.sqlite").write_bytes(b"no database" * 1000)
    kept.add_dynamic_partitions("companies", list(settings))
    with dg.build_schedule_context(
        instance=kept, scheduled_execution_time=datetime(2026, 5, 1, 9, 5, tzinfo=UTC)
    ) as at:
        asked = {one.partition_key: one for one in nightly(at) if isinstance(one, dg.RunRequest)}
    assert set(asked) == set(settings), "a damaged company keeps no other from its night"
    assert [name for name, one in asked.items() if one.asset_selection is not None] == ["bare"]
    assert set(asked["bare"].asset_selection or ()) == set(WITHOUT_WORKBOOK)


@pytest.mark.parametrize("status", [dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.STARTED])
def test_a_night_that_was_started_is_not_started_again(
    home: Home, kept: dg.DagsterInstance, status: dg.DagsterRunStatus
) -> None:
    register(home, "acme")
    kept.add_dynamic_partitions("companies", ["acme"])
    record(kept, "acme", {"casebook/night": "2026-05-01"}, status)
    assert tick(kept, datetime(2026, 5, 1, 9, 5, tzinfo=UTC)) == []
    assert tick(kept, datetime(2026, 5, 2, 9, 5, tzinfo=UTC)) == ["2026-05-02/acme"]


# -- the sensor ------------------------------------------------------------------------------------------------------


def look(instance: dg.DagsterInstance) -> dg.SensorResult:
    """One look of the sensor at the registry."""
    result = sensors.follow_registry(dg.build_sensor_context(instance=instance))
    assert isinstance(result, dg.SensorResult)
    return result


def partitions(result: dg.SensorResult) -> dict[str, list[str]]:
    """The keys it adds and deletes."""
    kinds = {dg.AddDynamicPartitionsRequest: "add", dg.DeleteDynamicPartitionsRequest: "delete"}
    return {kinds[type(request)]: list(request.partition_keys) for request in result.dynamic_partitions_requests or ()}


def slices(instance: dg.DagsterInstance) -> list[dg.RunRequest]:
    """One look of the sensor that goes on with long walks."""
    found = sensors.continue_walks(dg.build_sensor_context(instance=instance))
    return [request for request in found if isinstance(request, dg.RunRequest)]  # type: ignore[union-attr]


def test_a_walk_with_more_to_come_is_gone_on_with_as_often_as_it_moves(
    home: Home, instance: dg.DagsterInstance
) -> None:
    registry = home.companies
    for name in ("acme", "beta", "resting"):
        register(home, name, paused=name == "resting")
        with registry.store(company_id(name)) as store, store.begin("run", "2026-01-01T00:00:00Z") as write:
            write.save_state("raw_tickets more", {"total": 9} if name != "beta" else None)
            write.save_state("raw_tickets cursor", {"made_by": "x", "cursor": {}} if name == "beta" else None)
    (first,) = slices(instance)
    assert first.partition_key == "acme"
    asked = {key.to_user_string() for key in first.asset_selection or ()}
    assert "raw_tickets" in asked and "published_tables" in asked and "raw_kb" not in asked
    assert [one.run_key for one in slices(instance)] == [first.run_key]  # nothing moved: Dagster runs a key once
    with registry.store(company_id("acme")) as store, store.begin("run", "2026-01-01T00:00:00Z") as write:
        write.save_state("raw_tickets cursor", {"made_by": "x", "cursor": {"live": "2026-01-01T00:00:00Z"}})
    (second,) = slices(instance)
    assert second.run_key != first.run_key
    with registry.lock(company_id("acme"), "a sync"):
        assert slices(instance) == []


def answered(instance: dg.DagsterInstance) -> list[dg.RunRequest]:
    """One look of the sensor that takes batches in."""
    found = sensors.collect_batches(dg.build_sensor_context(instance=instance))
    return [request for request in found if isinstance(request, dg.RunRequest)]  # type: ignore[union-attr]


def test_batches_that_are_answered_start_a_run_also_while_an_older_one_cannot_be_closed(
    synced: Home, helpdesk: Sandbox, instance: dg.DagsterInstance
) -> None:
    helpdesk.llm_admin("one", "reset")
    add_provider(helpdesk, "made", "one")
    assert answered(instance) == []
    helpdesk.llm_admin("one", "options", batch_polls=None)
    done("sync", "made", "--batch", "--only", "tickets")
    assert answered(instance) == []  # it is on its way
    helpdesk.llm_admin("one", "batch", do="complete")
    (first,) = answered(instance)
    asked = {key.to_user_string() for key in first.asset_selection or ()}
    assert first.partition_key == "made"
    assert {"ticket_summaries", "kb_summaries", "ticket_collection"} <= asked and "raw_tickets" not in asked
    assert [one.run_key for one in answered(instance)] == [first.run_key]
    other = Batch("cb-2", "kb_summaries", "gone", "gpt", "m", "batch_2", "submitted", created_at="2026-12-01T00:00:00Z")
    company = synced.company("made")
    with synced.companies.store(company.id) as store, store.begin("run", "2026-12-01T00:00:00Z") as write:
        write.save_batch(other)  # of a provider that is gone: nothing will come of it
    (second,) = answered(instance)
    assert second.run_key != first.run_key
    with synced.companies.lock(company.id, "a sync"):
        assert answered(instance) == []
    synced.companies.pause(company, paused=True)
    assert answered(instance) == []
    helpdesk.llm_admin("one", "reset")


def test_new_companies_become_partitions_with_a_first_run(home: Home, instance: dg.DagsterInstance) -> None:
    register(home, "acme")
    register(home, "beta", paused=True)
    result = look(instance)
    assert partitions(result) == {"add": ["acme", "beta"]}
    (first,) = result.run_requests or ()
    assert (first.run_key, first.partition_key) == ("first/acme/2026-01-01T00:00:00Z", "acme")
    instance.add_dynamic_partitions("companies", ["acme", "beta"])
    again = look(instance)
    assert (partitions(again), again.run_requests) == ({}, [])


def test_a_company_that_left_stays_a_partition_while_a_run_needs_it(home: Home, instance: dg.DagsterInstance) -> None:
    instance.add_dynamic_partitions("companies", ["gone"])
    running = record(instance, "gone", status=dg.DagsterRunStatus.NOT_STARTED)
    assert partitions(look(instance)) == {}
    instance.delete_run(running)
    assert partitions(look(instance)) == {"delete": ["gone"]}


def test_a_killed_run_is_freed_and_a_live_one_is_not(
    home: Home, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sensors, "_SECOND_LOOK_SECONDS", 0)
    for name in ("killed", "alive"):
        register(home, name)
    instance.add_dynamic_partitions("companies", ["killed", "alive"])
    runs = {name: record(instance, name, status=dg.DagsterRunStatus.STARTED) for name in ("killed", "alive")}
    with home.companies.lock(company_id("alive"), "a live run"):
        look(instance)
    assert statuses(instance, runs) == {"killed": "FAILURE", "alive": "STARTED"}


def test_a_run_that_is_just_beginning_is_not_taken_for_dead(
    home: Home, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """STARTED comes before the lock is taken; the second look finds it taken."""
    register(home, "acme")
    instance.add_dynamic_partitions("companies", ["acme"])
    runs = {"acme": record(instance, "acme", status=dg.DagsterRunStatus.STARTED)}
    lock = home.companies.lock(company_id("acme"), "the run itself")
    monkeypatch.setattr(sensors.time, "sleep", lambda seconds: lock.__enter__())
    look(instance)
    monkeypatch.undo()
    lock.__exit__(None, None, None)
    assert statuses(instance, runs) == {"acme": "STARTED"}


def statuses(instance: dg.DagsterInstance, runs: dict[str, str]) -> dict[str, str]:
    found = {name: instance.get_run_by_id(run_id) for name, run_id in runs.items()}
    return {name: run.status.value for name, run in found.items() if run}


@pytest.mark.parametrize("text", ["../x", "Acme", "аcme", "acme ", "acme; DROP TABLE clock", "unknown"])
def test_a_partition_that_is_no_company_starts_nothing(home: Home, text: str) -> None:
    """Typed into the partition box of the UI, or added by a script: the run refuses, the sensor takes it off again."""
    register(home, "acme")
    with opened(home.settings) as instance:
        instance.add_dynamic_partitions("companies", [text, "acme"])
        before = home.files()
        result = (
            build(silent)
            .resolve_job_def("sync")
            .execute_in_process(
                instance=instance, partition_key=text, raise_on_error=False, run_config={"loggers": QUIET}
            )
        )
        assert not result.success
        assert partitions(look(instance)) == {"delete": [text]}
    assert home.files() == before


# -- a real daemon ---------------------------------------------------------------------------------------------------


@contextmanager
def daemon(home: Home, log: Path) -> Iterator[None]:
    """Dagster's daemon on this home, as 'casebook ui' starts it, in a process group of its own."""
    command = [Path(sys.executable).with_name("dagster-daemon"), "run", "-w", ROOT / "workspace.yaml"]
    environment = {**os.environ, "PYTHONWARNINGS": "ignore", "PYTHONPATH": str(ROOT)}
    with (
        log.open("w") as output,
        subprocess.Popen(
            command, cwd=home.path, env=environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        ) as process,
    ):
        try:
            yield
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # its code server ends a little later by itself


def an_hour_ago(instance: dg.DagsterInstance) -> None:
    """Let the schedule have been on for an hour: a new one waits for its next full hour, which a test cannot."""
    repository = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("casebook"), "__repository__")
    since = ScheduleInstigatorData(nightly.cron_schedule, time.time() - 3600)
    origin = RemoteInstigatorOrigin(repository, "nightly")
    state = InstigatorState(origin, InstigatorType.SCHEDULE, InstigatorStatus.DECLARED_IN_CODE, since)
    instance.add_instigator_state(state)


@pytest.mark.parametrize("kind", ["home", "postgres_home"])
def test_a_real_daemon_starts_the_night_and_a_new_companys_first_run(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """Also with our rows and Dagster's history in Postgres, by ``deploy/postgres/dagster.yaml``."""
    home: Home = request.getfixturevalue(kind)
    path = tmp_path / "tickets.csv"
    path.write_text("ticket_id,subject,description\n1,Wifi drops,My wifi keeps dropping every hour.\n")
    for name in ("night", "brand-new", "resting"):
        done(
            *("company", "add", name, "--platform", "export", "--path", str(path)),
            *("--set", "embedding_model=use-multi", "--set", "nightly_hour=0"),
        )
    done("company", "pause", "resting")
    prepare(home.settings)
    with opened(home.settings) as instance:
        instance.add_dynamic_partitions("companies", ["night", "resting"])
        an_hour_ago(instance)
        with daemon(home, tmp_path / "daemon.log"):
            wait(lambda: sum(run.is_success for run in instance.get_runs()) >= 2, tmp_path / "daemon.log")
            assert done("status", "--json").json["daemon_runs"] is True
            assert "No Dagster daemon" not in done("status").out
        runs = {run.tags[PARTITION_TAG]: run.tags for run in instance.get_runs()}
        assert set(runs) == {"night", "brand-new"}
        assert runs["night"]["dagster/schedule_name"] == "nightly"
        assert runs["brand-new"]["dagster/sensor_name"] == "follow_registry"
        assert set(instance.get_dynamic_partitions("companies")) == {"night", "brand-new", "resting"}
    for name in ("night", "brand-new"):
        assert done("search", name, "wifi", "--json").json["hits"][0]["doc_id"] == "1"
    states = {state["company"]: state for state in done("status", "--json").json["companies"]}
    assert [states[name]["last_sync"] == "never" for name in ("night", "brand-new", "resting")] == [False, False, True]


def wait(until: Callable[[], bool], log: Path) -> None:
    """Wait for something that other processes do."""
    for _ in range(int(KILLED_AFTER * 5)):
        if until():
            return
        time.sleep(0.2)
    raise AssertionError(f"it did not come about:\n{log.read_text()[-3000:]}")


# -- one lock a company ----------------------------------------------------------------------------------------------


@pytest.fixture
def slow(home: Home, helpdesk: Sandbox) -> Iterator[Home]:
    """A home whose company ``made`` takes seconds to sync."""
    helpdesk.admin("made", "reset")
    add(helpdesk, "made")
    helpdesk.admin("made", "slow", ms=150)
    yield home
    helpdesk.admin("made", "slow", ms=0)


def holder(home: Home) -> str:
    """Who holds the lock of ``made``, "" while nobody does."""
    try:
        return (home.path / "locks" / "made.holder").read_text()
    except FileNotFoundError:
        return ""


def test_a_second_sync_says_which_run_holds_the_company(slow: Home, helpdesk: Sandbox, tmp_path: Path) -> None:
    first = start(slow.path, "sync", "made", "--json", output=tmp_path / "first")
    wait(lambda: holder(slow).startswith("Dagster run"), tmp_path / "first")
    held_by = holder(slow)
    second = casebook("sync", "made")
    assert (second.code, second.out) == (1, "")
    assert second.err.startswith(f"Error: company 'made' is busy. {held_by} is writing to it.")
    assert done("status", "made", "--json").json["companies"][0]["state"] == "syncing"
    removal = casebook("company", "remove", "made", "--yes")
    assert (removal.code, held_by in removal.err) == (1, True)
    helpdesk.admin("made", "slow", ms=0)
    first.join(KILLED_AFTER)
    assert first.exitcode == 0
    with opened(slow.settings) as instance:
        (run,) = instance.get_runs()  # the second one left no run behind that could only fail
    assert held_by == f"Dagster run {run.run_id}"


def test_after_a_kill_the_next_sync_marks_the_dead_run_and_completes(
    slow: Home, helpdesk: Sandbox, tmp_path: Path
) -> None:
    killed = start(slow.path, "sync", "made", output=tmp_path / "killed")
    wait(lambda: holder(slow).startswith("Dagster run"), tmp_path / "killed")
    time.sleep(0.5)
    killed.kill()
    killed.join()
    dead = {"dead": holder(slow).removeprefix("Dagster run ")}
    with opened(slow.settings) as instance:
        assert statuses(instance, dead) == {"dead": "STARTED"}
        helpdesk.admin("made", "slow", ms=0)
        assert done("sync", "made", "--json").json["assets"]["raw_tickets"]["failed"] == 0
        assert statuses(instance, dead) == {"dead": "FAILURE"}
    assert len(slow.rows("made")["raw_tickets"]) == TICKETS
