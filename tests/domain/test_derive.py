"""The rules of ``derive``, proved on a real store: random nights, faults at every statement, real kills."""

import json
import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from domain.company import company_id
from domain.derive import MOST_RETRIES, Input, LeftOut, Sources, Stage, derive, due_again, each, pending
from domain.stage import Arrived, Cursor, Failed, Made, Report
from resources.settings import Settings
from resources.storage.base import open_storage
from resources.storage.sql import SqlCompanyStore
from resources.storage.sqlite import open_store
from tests.domain.nights import LATER, NOW, TABLES, Paid, Rules, change, dump, stages, sync, write_source

ACME = company_id("acme")
ROOT = Path(__file__).parents[2]


class Killed(BaseException):
    """Stands for kill -9: nothing may catch it."""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqlCompanyStore]:
    with open_store(tmp_path / "acme", ACME) as opened:
        yield opened


def from_scratch(tmp_path: Path, source: dict[str, dict[str, str]], rules: Rules) -> dict[str, dict[str, object]]:
    with open_store(tmp_path / "scratch", ACME) as fresh:
        write_source(fresh, source)
        sync(fresh, rules, Paid())
        return dump(fresh)


def seqs(store: SqlCompanyStore) -> dict[str, int]:
    return {table: store.top(table) for table in TABLES}


OpenStore = Callable[[], AbstractContextManager[SqlCompanyStore]]

NIGHTS = int(os.environ.get("CASEBOOK_TEST_NIGHTS", "28"))
"""How many companies live through random nights; 600 were tried before (more: ``CASEBOOK_TEST_NIGHTS=600``)."""


@pytest.mark.parametrize("seed", range(NIGHTS))
def test_random_nights_end_in_the_state_of_a_run_from_scratch(tmp_path: Path, seed: int) -> None:
    random_nights(partial(open_store, tmp_path / "nights", ACME), tmp_path, seed)


@pytest.mark.parametrize("seed", range(100, 100 + NIGHTS // 4))
def test_random_nights_on_postgres_end_in_the_same_state(postgres: Settings, tmp_path: Path, seed: int) -> None:
    random_nights(partial(open_storage(postgres).store, ACME), tmp_path, seed)


def random_nights(opened: OpenStore, tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    source: dict[str, dict[str, str]] = {}
    rules, paid, bomb = Rules(), Paid(), Bomb()
    deletions: Counter[str] = Counter()
    for _ in range(rng.randrange(4, 13)):
        for _ in range(rng.randrange(12)):
            change(rng, source)
        if rng.random() < 0.2:
            rules.prompt = rng.randrange(1, 3)
        if rng.random() < 0.2:
            rules.resolved = rng.choice((("closed",), ("closed", "solved"), ("solved",)))
        if rng.random() < 0.1:
            rules.model = rng.randrange(1, 3)
        paid.refused = {f"text {rng.randrange(40)}" for _ in range(rng.randrange(4))}
        paid.late = {f"text {rng.randrange(40)}" for _ in range(rng.randrange(6))}
        paid.pauses = rng if rng.random() < 0.3 else None
        with opened() as store:
            deletions.update(write_source(store, source))
            if rng.random() < 0.5:
                release(store, NOW)
        night(opened, rng, rules, paid, bomb)
    paid.refused, paid.late, paid.pauses = set(), set(), None
    with opened() as store:
        release(store, LATER)
        sync(store, rules, paid, window=rng.randrange(1, 9), now=LATER)
        assert dump(store) == from_scratch(tmp_path, source, rules)
        assert store.queue() == []
        # A call may be repeated only for what a deletion at the source emptied, or for what a kill caught in the air.
        repeated = sum(count - 1 for count in Counter(paid.calls).values())
        assert repeated <= sum(deletions.values()) * 2 + bomb.deaths
        if not deletions and not bomb.deaths:
            assert repeated == 0
        calls, before = len(paid.calls), seqs(store)
        bomb.watch(store)
        writes = bomb.count_writes(lambda: sync(store, rules, paid))
        assert (len(paid.calls), seqs(store), writes) == (calls, before, 0)


def release(store: SqlCompanyStore, now: str) -> None:
    """The batches are answered."""
    with store.begin("batch", now) as write:
        for table in TABLES:
            write.release(table)


def night(opened: OpenStore, rng: random.Random, rules: Rules, paid: Paid, bomb: "Bomb") -> None:
    """A sync that may be stopped early, or be killed at any statement, any number of times; a kill takes the connection
    with it."""
    while True:
        stop_after = rng.choice((1, 2, 5, 1000))
        asked = iter(range(10_000))
        try:
            with opened() as store:
                bomb.watch(store)
                if rng.random() < 0.5:
                    bomb.arm(rng.randrange(1, 120))
                sync(store, rules, paid, rng.choice((1, 3, 8, 256)), stop=partial(_is_enough, asked, stop_after))
        except Killed:
            continue
        finally:
            bomb.disarm()
        return


def _is_enough(asked: Iterator[int], stop_after: int) -> bool:
    return next(asked) >= stop_after


class Bomb:
    """Kills at the n-th statement that is sent to the database from now on."""

    def __init__(self) -> None:
        self.left = 0
        self.deaths = 0
        self.writes = 0

    def watch(self, store: SqlCompanyStore) -> None:
        sa.event.listen(store.db, "before_cursor_execute", self._hit)
        write_rows = store.write_rows

        def watched(stage: sa.Table, rows: Sequence[dict[str, Any]]) -> None:  # it goes past SQLAlchemy
            self._hit(None, None, "INSERT")
            write_rows(stage, rows)

        store.write_rows = watched

    def arm(self, statements: int) -> None:
        self.left = statements

    def disarm(self) -> None:
        self.left = 0

    def count_writes(self, work: object) -> int:
        self.writes = 0
        work()  # type: ignore[operator]
        return self.writes

    def _hit(self, _conn: object, _cursor: object, statement: str, *_: object) -> None:
        self.writes += statement.split(maxsplit=1)[0] in ("INSERT", "UPDATE", "DELETE")
        if self.left:
            self.left -= 1
            if not self.left:
                self.deaths += 1
                raise Killed


def test_without_deletions_and_kills_no_call_is_ever_repeated(tmp_path: Path) -> None:
    rng = random.Random(7)
    source: dict[str, dict[str, str]] = {}
    paid = Paid()
    with open_store(tmp_path / "acme", ACME) as store:
        for prompt in (1, 2, 1, 2, 1):
            for _ in range(30):
                change(rng, source)
            kept = {doc_id: {"text": "kept", "status": "open"} for doc_id in store.ids("raw_tickets")} | source
            write_source(store, kept)
            sync(store, Rules(prompt=prompt), paid, window=4)
    assert len(paid.calls) > 50
    assert max(Counter(paid.calls).values()) == 1


def test_real_kills_lose_nothing_and_pay_nothing_twice(tmp_path: Path) -> None:
    rng = random.Random(3)
    source = {f"t{i}": {"text": f"text {i}", "status": "closed"} for i in range(60)}
    path, ledger = tmp_path / "source.json", tmp_path / "ledger"
    path.write_text(json.dumps(source))
    command = [
        sys.executable,
        str(ROOT / "tests/domain/killed_worker.py"),
        str(tmp_path / "acme"),
        str(ledger),
        str(path),
    ]
    kills = 0
    for _ in range(20):
        with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT, env={"PYTHONPATH": str(ROOT)}) as worker:
            assert worker.stdout is not None
            worker.stdout.readline()
            try:
                worker.wait(timeout=rng.random() * 0.08)
            except subprocess.TimeoutExpired:
                worker.kill()
                kills += 1
        if kills == 8:
            break
    assert kills, "the worker always ended before it could be killed"
    subprocess.run(command, check=True, cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, stdout=subprocess.DEVNULL)
    with open_store(tmp_path / "acme", ACME) as store:
        assert dump(store) == from_scratch(tmp_path, source, Rules())
    calls = Counter(ledger.read_text().split())
    assert len(calls) == 120
    assert sum(calls.values()) - len(calls) <= kills  # at most the one that was in the air


def test_a_reopened_ticket_leaves_and_returns_without_a_new_call(store: SqlCompanyStore) -> None:
    paid = Paid()
    closed, opened = {"text": "a", "status": "closed"}, {"text": "a", "status": "open"}
    for state, searchable in ((closed, 1), (opened, 0), (closed, 1)):
        write_source(store, {"1": state})
        sync(store, Rules(), paid)
        assert store.count("ticket_collection") == searchable
    assert len(paid.calls) == 2


def test_the_newest_are_made_first(store: SqlCompanyStore) -> None:
    paid = Paid()
    write_source(store, {f"{i:02}": {"text": f"{i}", "status": "closed"} for i in range(20)})
    stage = stages(Rules(), paid)
    sync(store, Rules(), paid, window=5, stop=lambda: True)
    assert store.ids("merged_tickets") == {"15", "16", "17", "18", "19"}
    assert stage[0].target == "merged_tickets"


def test_equal_content_is_paid_for_once(store: SqlCompanyStore) -> None:
    paid = Paid()
    write_source(store, {f"{i}": {"text": "the same", "status": "closed"} for i in range(50)})
    reports = sync(store, Rules(), paid, window=8)
    assert len(paid.calls) == 2
    assert [report.changed for report in reports] == [50, 50, 50, 50]


def test_a_failure_waits_and_the_others_go_on(store: SqlCompanyStore) -> None:
    paid = Paid(refused={"bad"})
    write_source(store, {"1": {"text": "good", "status": "closed"}, "2": {"text": "bad", "status": "closed"}})
    sync(store, Rules(), paid)
    (entry,) = store.queue()
    assert (entry.target, entry.doc_id, entry.reason, entry.retries) == ("ticket_summaries", "2", "refused", 0)
    assert store.ids("ticket_collection") == {"1"}
    sync(store, Rules(), paid)
    assert store.queue()[0].retries == 1
    paid.refused = set()
    sync(store, Rules(), paid)
    assert store.queue() == []
    assert store.ids("ticket_collection") == {"1", "2"}


def test_a_failed_document_that_left_is_no_longer_waited_for(store: SqlCompanyStore) -> None:
    paid = Paid(refused={"bad"})
    write_source(store, {"2": {"text": "bad", "status": "closed"}})
    sync(store, Rules(), paid)
    write_source(store, {})
    sync(store, Rules(), paid)
    assert store.queue() == []


def test_a_changed_status_does_not_pay_again(store: SqlCompanyStore) -> None:
    paid = Paid()
    rules = Rules(resolved=("closed", "solved"))
    write_source(store, {"1": {"text": "a", "status": "closed"}})
    sync(store, rules, paid)
    write_source(store, {"1": {"text": "a", "status": "solved"}})
    reports = sync(store, rules, paid)
    assert len(paid.calls) == 2
    assert [report.changed for report in reports] == [1, 0, 0, 1]


def test_retries_wait_longer_and_longer() -> None:
    assert [due_again(NOW, retries) for retries in (0, 2, 3, 4, 30)] == [
        NOW,
        NOW,
        "2026-01-01T01:00:00Z",
        "2026-01-01T02:00:00Z",
        "2026-01-02T00:00:00Z",
    ]


def test_a_cursor_reads_the_newest_gap_from_the_top_down() -> None:
    cursor = Cursor("target", "source", "rule").opened(10)
    assert cursor.gaps == ((1, 10),)
    cursor = cursor.shrunk(7).opened(12)
    assert cursor.gaps == ((11, 12), (1, 6))
    assert cursor.shrunk(None).gaps == ((1, 6),)
    assert cursor.shrunk(None).shrunk(1).gaps == ()
    assert cursor.opened(12) is cursor


# -- what arrives late, or not at all --------------------------------------------------------------------------------


def made(store: SqlCompanyStore) -> set[str]:
    return store.ids("ticket_summaries")


def closed(**texts: str) -> dict[str, dict[str, str]]:
    return {doc_id: {"text": text, "status": "closed"} for doc_id, text in texts.items()}


def test_a_pause_keeps_what_was_made_and_the_next_run_does_the_rest(store: SqlCompanyStore) -> None:
    write_source(store, closed(**{f"t{number}": f"text {number}" for number in range(30)}))
    paid = Paid(pauses=random.Random(3))
    reports = sync(store, Rules(), paid, window=8)
    paused = next(report for report in reports if report.paused)
    assert (paused.paused, paused.is_trouble) == ("no money is left", False)
    first = made(store)
    assert 0 < len(first) < 30
    assert store.queue() == []
    paid.pauses = None
    sync(store, Rules(), paid)
    assert len(made(store)) == 30
    assert sorted(Counter(paid.calls).values()) == [1] * 60  # a summary and a vector each, none twice


def test_what_comes_later_waits_holds_up_nothing_and_is_no_failure(store: SqlCompanyStore) -> None:
    write_source(store, closed(a="text 1", b="text 2", c="text 2"))
    paid = Paid(late={"text 2"})
    report = sync(store, Rules(), paid)[1]
    assert (report.changed, report.waiting, report.failed) == (1, 2, 0)
    assert {(entry.doc_id, entry.status, entry.retries) for entry in store.queue()} == {
        ("b", "waiting", 0),
        ("c", "waiting", 0),
    }
    sync(store, Rules(), paid, now=LATER)
    assert made(store) == {"a"}  # nobody asks while it waits
    paid.late = set()
    release(store, LATER)
    sync(store, Rules(), paid, now=LATER)
    assert (made(store), store.queue()) == ({"a", "b", "c"}, [])
    assert sum(call.startswith("prompt") for call in paid.calls) == 2  # b and c say the same


def test_the_most_urgent_is_made_first_and_waits_first(store: SqlCompanyStore) -> None:
    write_source(store, closed(low="1", urgent="3", high="2", newest="1 too"))
    order: list[str] = []

    def project(rows: Sources) -> Input | None:
        return Input(rows[0].payload["text"], priority=int(rows[0].payload["text"][0])) if rows[0] else None

    def make(texts: Sequence[str]) -> Iterator[Arrived]:
        order.extend(texts)
        yield Arrived([(at, Failed("not today")) for at in range(len(texts))])

    stage = Stage("merged_tickets", ("raw_tickets",), project, make, "test")
    derive(stage, store, run_id="run", now=NOW)
    assert order == ["3", "2", "1 too", "1"]
    assert store.due("merged_tickets", NOW) == ["urgent", "high", "newest", "low"]
    order.clear()
    derive(stage, store, run_id="run", now=NOW)
    assert order == ["3", "2", "1 too", "1"]


def test_what_a_rule_leaves_out_is_counted_by_its_reason_and_leaves(store: SqlCompanyStore) -> None:
    write_source(store, closed(a="spam", b="text"))
    reasons: dict[str, str] = {}

    def project(rows: Sources) -> Input | LeftOut | None:
        if rows[0] is None:
            return None
        text = rows[0].payload["text"]
        return LeftOut(reasons[text]) if text in reasons else Input(text)

    def run(rule: str) -> Report:
        stage = Stage("merged_tickets", ("raw_tickets",), project, each(Made), "test", rule=rule)
        return derive(stage, store, run_id="run", now=NOW)

    assert (run("1").left_out, store.ids("merged_tickets")) == ({}, {"a", "b"})
    reasons["spam"] = "it is spam"
    report = run("2")
    assert (report.left_out, report.removed, store.ids("merged_tickets")) == ({"it is spam": 1}, 1, {"b"})


def test_what_was_accepted_stays_until_it_changes(store: SqlCompanyStore) -> None:
    source = closed(a="text 1", b="text 2")
    write_source(store, source)

    def run(made_by: str, accepts: bool) -> Report:
        def project(rows: Sources) -> Input | None:
            return Input(rows[0].payload["text"]) if rows[0] else None

        stage = Stage(
            *("merged_tickets", ("raw_tickets",), project, each(lambda text: Made([made_by, text])), made_by),
            rule=str(accepts),
            accepts=lambda other: accepts,
        )
        return derive(stage, store, run_id="run", now=NOW)

    run("old", False)
    assert run("new", True).changed == 0
    source["a"]["text"] = "text 3"
    write_source(store, source)
    assert run("new", True).changed == 1
    found = {doc_id: row.made_by for doc_id, row in store.get("merged_tickets", ["a", "b"]).items()}
    assert found == {"a": "new", "b": "old"}
    assert run("new", False).changed == 1
    assert store.count("merged_tickets", "new") == 2


def test_pending_tells_what_derive_would_make_and_changes_nothing(store: SqlCompanyStore) -> None:
    write_source(store, closed(**{f"t{number}": f"text {number % 7}" for number in range(20)}))
    paid = Paid(refused={"text 3"})
    merged, summaries, *_ = stages(Rules(), paid)
    derive(merged, store, run_id="run", now=NOW)
    before = dump(store), seqs(store), store.queue()
    told = [value for window in pending(summaries, store, now=NOW, window=3) for value in window.values]
    assert sorted(told) == [f"text {number}" for number in range(7)]
    assert (dump(store), seqs(store), store.queue()) == before
    derive(summaries, store, run_id="run", now=NOW, window=3)
    told = [value for window in pending(summaries, store, now=NOW) for value in window.values]
    assert told == ["text 3"]


def test_a_document_is_given_up_after_many_tries_until_it_changes(store: SqlCompanyStore) -> None:
    source = closed(a="bad")
    write_source(store, source)
    paid = Paid(refused={"bad"})
    for day in range(MOST_RETRIES):
        sync(store, Rules(), paid, now=f"2099-01-{day + 1:02}T00:00:00Z")
    (entry,) = store.queue()
    assert (entry.status, entry.retries) == ("failed", MOST_RETRIES - 1)
    sync(store, Rules(), paid, now="2099-02-01T00:00:00Z")
    (entry,) = store.queue()
    assert (entry.status, entry.retries) == ("dead", MOST_RETRIES)
    source["a"]["text"] = "good"
    write_source(store, source)
    sync(store, Rules(), paid)
    assert (store.queue(), made(store)) == ([], {"a"})
