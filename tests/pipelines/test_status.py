"""``casebook status`` while a sync runs, after it was cut off, and after it had to do without something.

Belongs here: real syncs, and what is said of them. Does not belong here: how progress is counted and kept
(``tests/resources/test_progress``), or the rest of the status (``test_cli``).
"""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from domain.stage import Report
from pipelines.instance import opened
from resources import dagster_resources
from resources.progress import ProgressBook
from sandbox.serve import Sandbox
from tests.conftest import TICKETS, add
from tests.homes import Home, casebook, done, start

PATIENCE = 60.0


@pytest.fixture
def slow(home: Home, helpdesk: Sandbox) -> Iterator[Home]:
    """A home whose company ``made`` takes seconds to sync."""
    helpdesk.admin("made", "reset")
    add(helpdesk, "made")
    helpdesk.admin("made", "slow", ms=150)
    yield home
    helpdesk.admin("made", "reset")


def state(company: str = "made") -> dict[str, Any]:
    (found,) = done("status", company, "--json").json["companies"]
    return found


def wait_until(seen: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not seen():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.1)


def test_a_sync_shows_how_far_it_is_and_how_it_ended(slow: Home, helpdesk: Sandbox, tmp_path: Path) -> None:
    assert state()["progress"] is None
    running = start(slow.path, "sync", "made", "--json", output=tmp_path / "out")
    wait_until(lambda: (state()["progress"] or {}).get("table") == "raw_tickets")
    found = state()
    assert found["state"] == "syncing"
    assert found["progress"]["state"] == "running"
    assert "made: raw_tickets: " in done("status").out
    helpdesk.admin("made", "slow", ms=0)
    running.join(PATIENCE)
    assert running.exitcode == 0, (tmp_path / "out").read_text()
    ended = state()["progress"]
    assert (ended["state"], ended["run_id"]) == ("done", json.loads((tmp_path / "out").read_text())["run_id"])
    assert "made: " not in done("status").out
    log = (slow.path / "progress" / "collection.log").read_text().splitlines()
    assert any(f" made {ended['run_id']} raw_tickets read={TICKETS} changed={TICKETS} " in line for line in log)
    assert log[-1].endswith(f"made {ended['run_id']} done")
    made = (slow.path / "progress" / "processing.log").read_text()
    assert f" made {ended['run_id']} merged_tickets read={TICKETS} changed={TICKETS} " in made


def test_a_sync_that_was_killed_does_not_show_as_running(slow: Home, tmp_path: Path) -> None:
    killed = start(slow.path, "sync", "made", output=tmp_path / "out")
    wait_until(lambda: (state()["progress"] or {}).get("table") == "raw_tickets")
    killed.kill()
    killed.join()
    found = state()
    assert (found["state"], found["progress"]["state"]) == ("idle", "stopped")
    assert "made: the last sync was stopped in raw_tickets: " in done("status").out


def add_export(home: Home, company: str) -> Path:
    path = home.path.parent / f"{company}.csv"
    path.write_text("ticket_id,subject,description\n1,Wifi drops,My wifi keeps dropping every hour.\n")
    done("company", "add", company, "--platform", "export", "--path", str(path))
    return path


def test_a_sync_that_failed(home: Home) -> None:
    add_export(home, "tiny").write_text("no,table\nof,tickets\n")
    assert casebook("sync", "tiny").code != 0
    assert state("tiny")["progress"]["state"] == "failed"
    assert "tiny: the last sync failed in " in done("status").out


def test_a_note_stays_in_the_status(read_only: Home) -> None:
    book = ProgressBook(read_only.path, "made", "run")
    book.note("raw_tickets", Report(notes=["this key may not read [ratings]"]))
    book.finished("done")
    assert state()["progress"]["notes"] == ["this key may not read [ratings]"]
    assert "Note: made: this key may not read [ratings]" in done("status").out
    ProgressBook(read_only.path, "made", "next").finished("done")
    assert "Note: " not in done("status").out


def test_the_page_of_the_run_says_how_far_it_is(home: Home, helpdesk: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dagster_resources, "_SAY_SECONDS", 0.0)
    helpdesk.admin("made", "reset")
    add(helpdesk, "made")
    run_id = done("sync", "made", "--json").json["run_id"]
    with opened(home.settings) as instance:
        said = [entry.user_message for entry in instance.all_logs(run_id) if not entry.is_dagster_event]
        run = instance.get_run_by_id(run_id)
    assert run and run.status is dg.DagsterRunStatus.SUCCESS
    assert any(words.startswith("raw_tickets: ") and " read" in words for words in said)


def test_a_removed_company_has_no_progress(home: Home) -> None:
    for company in ("tiny", "other"):
        add_export(home, company)
        book = ProgressBook(home.path, company, "run")
        book.note("raw_tickets", Report(read=1))
        book.finished("done")
    done("company", "remove", "tiny", "--yes")
    entries = json.loads((home.path / "progress" / "progress.json").read_text())
    assert set(entries) == {"other"}
    log = (home.path / "progress" / "collection.log").read_text()
    assert " tiny run raw_tickets read=1 " in log
