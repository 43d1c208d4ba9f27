"""How far a run is: rates, what is left, how often it is written, several processes, damaged files.

Belongs here: ``resources/progress`` and the files it leaves. Does not belong here: real syncs, or how the status shows it
(``tests/pipelines/test_status``).
"""

import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from domain.stage import Report
from resources import progress
from resources.progress import Entry, ProgressBook, duration, read_progress, remove_progress
from tests.processes import Child


class Clock:
    """Seconds that a test turns on."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def book(tmp_path: Path, clock: Clock) -> ProgressBook:
    return ProgressBook(tmp_path, "acme", "run-1", clock)


def entry(home: Path, company: str = "acme", *, is_free: bool = False) -> Entry:
    found = read_progress(home, company, is_free=is_free)
    assert found
    return found


def lines(home: Path, name: str) -> list[str]:
    try:
        return (home / "progress" / f"{name}.log").read_text("utf-8").splitlines()
    except FileNotFoundError:
        return []


# -- progress.json -----------------------------------------------------------------------------------------------------


def test_a_run_shows_at_once(tmp_path: Path, book: ProgressBook) -> None:
    found = entry(tmp_path)
    assert (found.run_id, found.state, found.table, found.read) == ("run-1", "running", "", 0)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", found.started_at)
    assert found.words == "starting"
    document = json.loads((tmp_path / "progress" / "progress.json").read_text())
    assert set(document) == {"acme"}
    assert set(document["acme"]) == set(Entry.model_fields)


def test_counts_rate_and_what_is_left(tmp_path: Path, book: ProgressBook, clock: Clock) -> None:
    report = Report(total=1_000_000)
    for _ in range(121):
        book.note("raw_tickets", report)
        report.read += 2
        report.changed += 2
        clock.now += 1
    found = entry(tmp_path)
    assert (found.table, found.read, found.changed) == ("raw_tickets", 240, 240)
    assert (found.total, found.remaining, found.per_minute) == (1_000_000, 999_760, 120.0)
    assert found.seconds_left == 999_760 / 2
    assert found.words == "raw_tickets: 240 of about 1,000,000 read, 120 a minute, 6 days left"


def test_the_rate_is_that_of_the_last_minutes(tmp_path: Path, book: ProgressBook, clock: Clock) -> None:
    report = Report()
    for second in range(1200):
        book.note("raw_tickets", report, total=100_000)
        report.read += 10 if second < 900 else 1
        clock.now += 1
    assert entry(tmp_path).per_minute == pytest.approx(60, abs=1)
    assert entry(tmp_path).remaining == 100_000 - report.read + 1


def test_a_limit_by_the_minute_does_not_make_the_rate_jump(tmp_path: Path, book: ProgressBook, clock: Clock) -> None:
    report, rates = Report(), list[float]()
    for _ in range(20):
        for _ in range(10):  # ten seconds of work, fifty of waiting
            report.read += 20
            clock.now += 1
            book.note("raw_tickets", report)
        clock.now += 50
        book.note("raw_tickets", report)
        rates.append(entry(tmp_path).per_minute or 0)
    assert all(150 < rate < 250 for rate in rates[3:])


def test_what_the_source_does_not_tell(tmp_path: Path, book: ProgressBook, clock: Clock) -> None:
    book.note("raw_tickets", Report(read=10))
    clock.now += 60
    book.note("raw_tickets", Report(read=12_410))
    found = entry(tmp_path)
    assert (found.total, found.remaining, found.seconds_left) == (None, None, None)
    assert found.words == "raw_tickets: 12,410 read, 12,400 a minute"


def test_more_than_was_told(tmp_path: Path, book: ProgressBook, clock: Clock) -> None:
    for read in (0, 130):
        book.note("raw_tickets", Report(read=read, total=100))
        clock.now += 10
    assert (entry(tmp_path).remaining, entry(tmp_path).seconds_left) == (0, 0)


def test_a_stall_has_no_time_left(tmp_path: Path, book: ProgressBook, clock: Clock) -> None:
    for _ in range(5):
        book.note("raw_tickets", Report(read=7, total=100))
        clock.now += 100
    assert (entry(tmp_path).per_minute, entry(tmp_path).seconds_left) == (0.0, None)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 seconds"), (89, "89 seconds"), (90, "2 minutes"), (3600, "60 minutes"), (298_800, "83 hours"),
     (360_000, "4 days")],
)  # fmt: skip
def test_durations(seconds: int, words: str) -> None:
    found = Entry(run_id="r", state="running", table="t", seconds_left=seconds, started_at="", updated_at="")
    assert found.words == f"t: 0 read, {words} left"
    assert duration(float(seconds)) == words


def test_it_is_written_once_a_second_and_at_each_table(
    tmp_path: Path, book: ProgressBook, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = list[str]()
    real = progress._change
    monkeypatch.setattr(
        progress, "_change", lambda home, change: (written.append(book.entry.table), real(home, change))
    )
    report = Report()
    for _ in range(10_000):
        report.read += 1
        book.note("raw_tickets", report)
        clock.now += 0.001
    assert len(written) == 10
    for table in ("merged_tickets", "ticket_terms"):
        book.note(table, Report(read=3))
        assert entry(tmp_path).table == table
    book.note("ticket_terms", Report(read=4))
    assert entry(tmp_path).read == 3
    book.finished("done")
    assert entry(tmp_path).read == 4
    assert len(written) == 13


def test_being_told_costs_next_to_nothing(book: ProgressBook, clock: Clock) -> None:
    report = Report()
    book.note("raw_tickets", report)
    started = time.perf_counter()
    for _ in range(10_000):
        report.read += 1
        book.note("raw_tickets", report)
    assert time.perf_counter() - started < 1


@pytest.mark.parametrize("outcome", ["done", "failed", "stopped"])
def test_the_end_of_a_run(tmp_path: Path, book: ProgressBook, outcome: Any) -> None:
    book.note("raw_tickets", Report(read=5, total=10))
    book.finished(outcome)
    assert entry(tmp_path, is_free=True).state == outcome
    assert entry(tmp_path, is_free=True).seconds_left is None


def test_a_run_whose_process_is_gone_does_not_run(tmp_path: Path) -> None:
    with Child(_note_and_wait, tmp_path) as child:
        child.hear()
        assert entry(tmp_path).state == "running"
        child.kill()
    assert entry(tmp_path, is_free=True).state == "stopped"
    assert entry(tmp_path, is_free=True).table == "raw_tickets"


def _note_and_wait(say: Callable[[Any], None], home: Path) -> None:
    ProgressBook(home, "acme", "run").note("raw_tickets", Report(read=5))
    say("noted")
    time.sleep(60)


# -- notes -------------------------------------------------------------------------------------------------------------


def run(home: Path, outcome: Any, *notes: str) -> tuple[str, ...]:
    book = ProgressBook(home, "acme", "run")
    book.note("raw_tickets", Report(notes=list(notes)))
    book.note("merged_tickets", Report())
    book.finished(outcome)
    return entry(home).notes


def test_a_note_stays_until_a_run_is_done_without_it(tmp_path: Path) -> None:
    assert run(tmp_path, "done", "this key may not read ratings") == ("this key may not read ratings",)
    during = ProgressBook(tmp_path, "acme", "next")
    assert entry(tmp_path).notes == ("this key may not read ratings",)
    during.note("raw_tickets", Report(notes=["other"]))
    assert entry(tmp_path).notes == ("this key may not read ratings", "other")
    during.finished("failed")
    assert run(tmp_path, "stopped") == ("this key may not read ratings", "other")
    assert run(tmp_path, "done", "other") == ("other",)
    assert run(tmp_path, "done") == ()


def test_a_note_holds_no_address(tmp_path: Path) -> None:
    notes = run(tmp_path, "done", "wrote to Kim <kim.lee@example.co.kr>,\nand more " + "x" * 9999)
    assert notes[0].startswith("wrote to Kim <…@…>, and more xxx")
    assert 450 < len(notes[0]) <= 500
    assert len(run(tmp_path, "done", *(f"note {number}" for number in range(999)))) == 50
    assert "example.co.kr" not in "".join(path.read_text() for path in (tmp_path / "progress").glob("[!.]*"))


# -- logs --------------------------------------------------------------------------------------------------------------


def test_a_line_every_five_seconds_in_the_log_of_the_table(tmp_path: Path, book: ProgressBook, clock: Clock) -> None:
    report = Report()
    for _ in range(200):
        report.read += 5
        book.note("raw_tickets", report)
        clock.now += 0.1
    report.failed = 1
    book.note("raw_tickets", report)
    collected = lines(tmp_path, "collection")
    assert len(collected) == 4
    assert not lines(tmp_path, "processing")
    book.note("merged_tickets", Report(read=9, changed=8))
    book.note("raw_kb", Report(read=2))
    book.finished("done")
    assert len(lines(tmp_path, "collection")) == 7
    when = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ acme run-1"
    counts = r"read=1000 changed=0 skipped=0 removed=0 failed=1 requests=0 per_minute=[\d.]+"
    assert re.fullmatch(f"{when} raw_tickets {counts}", lines(tmp_path, "collection")[4])
    assert re.fullmatch(f"{when} raw_kb read=2 .*", lines(tmp_path, "collection")[5])
    assert re.fullmatch(f"{when} done", lines(tmp_path, "collection")[6])
    made, end = lines(tmp_path, "processing")
    assert re.fullmatch(f"{when} merged_tickets read=9 changed=8 .*", made)
    assert end.endswith(" done")


def test_each_note_is_logged_once(tmp_path: Path, book: ProgressBook, clock: Clock) -> None:
    report = Report(notes=["this key may not read ratings"])
    for _ in range(30):
        book.note("raw_tickets", report)
        clock.now += 5
    book.finished("done")
    told = [line for line in lines(tmp_path, "collection") if "note: " in line]
    assert len(told) == 1
    assert told[0].endswith("acme run-1 raw_tickets note: this key may not read ratings")


def test_logs_are_rotated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_LOG_BYTES", 2000)
    clock = Clock()
    book = ProgressBook(tmp_path, "acme", "run", clock)
    for _ in range(300):
        book.note("raw_tickets", Report())
        clock.now += 5
    book.finished("done")
    files = sorted((tmp_path / "progress").glob("collection.log*"))
    assert len(files) == 5
    assert all(path.stat().st_size <= 2200 for path in files)
    assert lines(tmp_path, "collection")[-1].endswith(" done")


# -- several processes, and damage -------------------------------------------------------------------------------------


def test_several_processes_write_at_once(tmp_path: Path) -> None:
    children = [Child(_write_much, tmp_path, company) for company in ("acme", "hanbit", "third")]
    for child in children:
        with child:
            assert child.hear() == "written"
    for company in ("acme", "hanbit", "third"):
        assert (entry(tmp_path, company).read, entry(tmp_path, company).state) == (99, "done")
    logged = lines(tmp_path, "collection")
    assert len(logged) == 3 * 101
    assert all(re.fullmatch(r"\S+Z (acme|hanbit|third) run (raw_tickets read=\d+ .*|done)", line) for line in logged)


def _write_much(say: Callable[[Any], None], home: Path, company: str) -> None:
    clock = Clock()
    book = ProgressBook(home, company, "run", clock)
    for read in range(100):
        book.note("raw_tickets", Report(read=read))
        clock.now += 5
    book.finished("done")
    say("written")


@pytest.mark.parametrize(
    "content",
    [b"", b'{"acme": {"run_', b"[1, 2]", b"null", b'{"acme": 5, "other": {"run_id": 1}}', b"\xff\xfe\x00",
     b'{"acme": {"run_id": "x", "state": "odd", "started_at": "", "updated_at": ""}}', b"[" * 100_000],
)  # fmt: skip
def test_a_damaged_file_is_begun_anew(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "progress").mkdir()
    (tmp_path / "progress" / "progress.json").write_bytes(content)
    assert read_progress(tmp_path, "acme", is_free=True) is None
    ProgressBook(tmp_path, "acme", "run").finished("done")
    assert entry(tmp_path).state == "done"


def test_an_entry_of_another_version_is_read(tmp_path: Path) -> None:
    (tmp_path / "progress").mkdir()
    older = {"run_id": "r", "state": "done", "started_at": "a", "updated_at": "b", "notes": ["n"], "new": 1}
    (tmp_path / "progress" / "progress.json").write_text(json.dumps({"acme": older}))
    assert entry(tmp_path).notes == ("n",)


def test_none_was_written_yet(tmp_path: Path) -> None:
    assert read_progress(tmp_path, "acme", is_free=True) is None
    remove_progress(tmp_path, "acme")
    assert not (tmp_path / "progress").exists()


def test_removing_one_leaves_the_others(tmp_path: Path) -> None:
    for company in ("acme", "hanbit"):
        ProgressBook(tmp_path, company, "run").finished("done")
    remove_progress(tmp_path, "acme")
    assert read_progress(tmp_path, "acme", is_free=True) is None
    assert entry(tmp_path, "hanbit").state == "done"


def test_a_file_in_the_place_of_the_folder_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "progress").write_text("in the way")
    _use(tmp_path)
    assert (tmp_path / "progress").read_text() == "in the way"


def test_a_lock_that_somebody_holds_stops_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_LOCK_SECONDS", 0.05)
    with Child(_hold_lock, tmp_path) as child:
        child.hear()
        _use(tmp_path)
        assert read_progress(tmp_path, "acme", is_free=True) is None
    _use(tmp_path)
    assert entry(tmp_path).state == "done"


def _hold_lock(say: Callable[[Any], None], home: Path) -> None:
    from filelock import FileLock

    (home / "progress").mkdir()
    with FileLock(home / "progress" / ".progress.json.lock"):
        say("held")
        time.sleep(60)


def _use(home: Path) -> None:
    book = ProgressBook(home, "acme", "run")
    book.note("raw_tickets", Report(read=1, notes=["a note"]))
    book.finished("done")
