"""The whole system on Postgres: the same rows as with files, kills, a server that dies in mid-sync, the commands.

Belongs here: what a change of storage must not change. Does not belong here: the storage itself (``tests/resources``).
"""

import time
from functools import partial
from pathlib import Path

import pytest
import yaml

from domain.company import company_id
from resources.storage.upgrade import upgrade
from sandbox.serve import Sandbox
from tests.conftest import TICKETS, add
from tests.homes import ROOT, Home, casebook, done, kill_syncs, start
from tests.pipelines.test_llm import add_provider
from tests.postgres_server import PostgresServer

MOMENTS = ("raw_tickets", "merged_tickets", "ticket_summaries", "ticket_embeddings", "ticket_collection")


def has_rows(home: Home, table: str) -> bool:
    with home.companies.store(company_id("made")) as store:
        return store.top(table) > 0


def test_a_sync_gives_the_rows_and_points_that_it_gives_with_files(
    postgres_home: Home, first_sync: Path, helpdesk: Sandbox, tmp_path: Path
) -> None:
    """After kill -9 in every stage."""
    home = postgres_home
    helpdesk.admin("made", "reset")
    add(helpdesk, "made")
    helpdesk.admin("made", "slow", ms=10)
    kill_syncs(home.path, MOMENTS, partial(has_rows, home), tmp_path, 5)
    helpdesk.admin("made", "slow", ms=0)
    assert done("sync", "made", "--json").json["ok"]
    files = in_files(first_sync)
    assert done("queue", "made", "--json").json["queue"] == []
    assert home.differs("made", files.rows("made")) == {}
    assert home.points("made") == files.points("made")
    assert not list(home.path.rglob("*.sqlite"))
    idle = done("sync", "made", "--json").json
    assert {counts["changed"] for counts in idle["assets"].values()} == {0}
    assert idle["paid"]["calls"] == 0
    looks(home)


def test_what_is_paid_is_in_the_ledger_and_what_is_handed_in_waits(postgres_home: Home, helpdesk: Sandbox) -> None:
    helpdesk.admin("made", "reset")
    helpdesk.llm_admin("one", "reset")
    add(helpdesk, "made")
    add_provider(helpdesk, "made", "one")
    home = postgres_home
    first = done("sync", "made", "--json").json
    assert first["ok"] and all(first["checks"].values())
    log = helpdesk.llm_admin("one", "log")
    told = done("cost", "made", "--json").json
    lines = [line for line in told["lines"] if line["purpose"] != "check"]  # adding a provider asked it something
    assert sum(line["calls"] for line in lines) == log["calls"] == first["paid"]["llm_calls"] > 0
    assert {line["stage"] for line in lines} == {"ticket_summaries", "kb_summaries"}
    assert sum(line["tokens_in"] for line in lines) == log["tokens_in"]
    assert sum(line["cost"] for line in lines) == pytest.approx(first["paid"]["cost"])
    assert told["cost"] == pytest.approx(told["month"])
    idle = done("sync", "made", "--json").json
    assert (idle["paid"]["llm_calls"], idle["checks"]["paid_for_changes_only"]) == (0, True)

    helpdesk.llm_admin("one", "options", batch_polls=None)
    helpdesk.admin("made", "edit", count=40, seed=5)
    handed_in = done("sync", "made", "--batch", "--only", "tickets", "--json").json
    queue = done("queue", "made", "--json").json["queue"]
    assert {entry["status"] for entry in queue} == {"waiting"}
    assert handed_in["waiting"] == len(queue)
    (batch,) = done("cost", "made", "--json").json["batches"]
    assert 0 < batch["requests"] <= len(queue)
    counts = done("tickets", "made", "--json").json["counts"]
    assert (counts["failed"], counts["processed"]) == (0, len(home.points("made")))
    helpdesk.llm_admin("one", "batch", do="complete")
    taken_in = done("sync", "made", "--only", "tickets", "--json").json
    assert (taken_in["ok"], taken_in["waiting"]) == (True, 0)
    told = done("cost", "made", "--json").json
    assert told["batches"] == []
    batched = [line for line in told["lines"] if line["purpose"] == "batch"]
    assert sum(line["calls"] for line in batched) == batch["requests"]
    helpdesk.llm_admin("one", "reset")


def in_files(path: Path) -> Home:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("CASEBOOK_STORAGE")
        return Home(path)


def looks(home: Home) -> None:
    """What people see: tickets by status, the audit log, a search, its explanation, what waits, an export."""
    counts = done("tickets", "made", "--json", "--limit", "1000").json
    assert len(counts["tickets"]) == TICKETS
    assert counts["counts"]["processed"] + counts["counts"]["skipped"] == TICKETS
    assert counts["counts"]["processed"] == len(home.points("made"))
    processed = done("tickets", "made", "--status", "processed", "--json", "--limit", "1000").json["tickets"]
    assert {ticket["ticket_id"] for ticket in processed} == set(home.points("made"))
    assert "processed" in done("tickets", "made").out
    hit = done("search", "made", "printer", "--json").json["hits"][0]
    assert hit["doc_id"] in done("explain", "made", hit["doc_id"]).out
    assert done("queue", "made", "--json").json["queue"] == []
    done("export", "made", "ticket_summaries", "--out", str(home.path / "out.parquet"))
    actions = [line["action"] for line in done("audit", "made", "--json").json["audit"]]
    assert actions == ["company added"]
    assert done("storage", "check", "--json").json["companies"] == 1


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--status", "done"), "unknown status 'done'"),
        (("--since", "yesterday"), "yesterday"),
        (("--limit", "0"), "--limit"),
        (("--limit", "99999999999999999999"), "--limit"),
        (("--since", "2026-03-01", "--until", "2026-02-01"), "ends before it begins"),
    ],
)
def test_tickets_refuses_what_is_no_filter(read_only: Home, words: tuple[str, ...], why: str) -> None:
    said = casebook("tickets", "made", *words)
    assert (said.code, said.out) == (2, "")
    assert why in said.err


def test_a_server_that_dies_in_mid_sync_stops_it_cleanly_and_the_next_sync_completes_it(
    home: Home, first_sync: Path, helpdesk: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with PostgresServer() as server:
        settings = server.settings_for(server.database(), home.path)
        upgrade(settings)
        monkeypatch.setenv("CASEBOOK_STORAGE", settings.storage)
        home = Home(home.path)
        helpdesk.admin("made", "reset")
        add(helpdesk, "made")
        helpdesk.admin("made", "slow", ms=20)
        for moment in ("raw_tickets", "ticket_summaries"):
            running = start(home.path, "sync", "made", output=tmp_path / moment)
            while running.is_alive() and not has_rows(home, moment):
                time.sleep(0.01)
            server.stop(hard=True)
            running.join(60)
            said = (tmp_path / moment).read_text()
            assert running.exitcode == 1, said
            assert "goes on where it stopped" in " ".join(said.split())
            assert "Traceback" not in said
            server.start()
        helpdesk.admin("made", "slow", ms=0)
        assert done("sync", "made", "--json").json["ok"]
        assert home.differs("made", in_files(first_sync).rows("made")) == {}
        assert home.points("made") == in_files(first_sync).points("made")


def test_dagsters_settings_on_postgres_are_the_usual_ones_and_its_storage() -> None:
    usual, there = (
        yaml.safe_load((ROOT / name).read_text()) for name in ("dagster.yaml", "deploy/postgres/dagster.yaml")
    )
    assert there.pop("storage") == {"postgres": {"postgres_url": {"env": "CASEBOOK_DAGSTER_STORAGE"}}}
    for name in ("run_storage", "event_log_storage"):
        assert usual.pop(name)["module"] == "pipelines.dagster_history"  # for files only
    assert there == usual


def test_a_wrong_address_of_dagsters_database_is_told_in_one_line(
    home: Home, postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CASEBOOK_DAGSTER_STORAGE", postgres_server.address("postgres", "nobody", "wrong-secret"))
    said = casebook("status")
    assert (said.code, said.out) == (2, "")
    assert "CASEBOOK_DAGSTER_STORAGE" in said.err
    assert said.err.count("\n") <= 2
    assert "wrong-secret" not in said.err
