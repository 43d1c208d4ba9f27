"""The contract of a store, on every backend: rows, clock, queue and what is paid for; faults, kills, other connections,
large and odd values.

Belongs here: what files and Postgres must both do. Does not belong here: what only one of them can do (``test_sqlite``,
``test_postgres``), or the wall between companies (``test_wall``).
"""

import json
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, replace
from typing import Any

import pyarrow as pa
import pytest
import sqlalchemy as sa

from domain.batch import Batch
from domain.company import company_id
from domain.errors import InputError
from domain.feedback import Vote
from domain.stage import NEVER, TABLES, Cursor, Made, Put, QueueEntry, Spent
from resources.settings import Settings
from resources.storage import schema
from resources.storage.base import open_storage
from resources.storage.sql import SqlCompanyStore, SqlTransaction
from tests.processes import Child

ACME = company_id("acme")
RAW, MERGED = "raw_tickets", "merged_tickets"
NOW, LATER = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"
BATCH = Batch("b9", "ticket_summaries", "one", "gpt", "m", created_at=NOW)
ODD_IDS = [
    "1",
    "'; DROP TABLE raw_tickets; --",
    '"quoted" `id` [x]',
    "한글 표",
    "🙂",
    "%_*?",
    "a\tb\nc",
    " ",
    "a" * 500,
    ":key",
    "{}",
    "\\",
]


@contextmanager
def open_store(settings: Settings) -> Iterator[SqlCompanyStore]:
    with open_storage(settings).store(ACME) as opened:
        yield opened


@pytest.fixture
def store(backend: Settings) -> Iterator[SqlCompanyStore]:
    with open_store(backend) as opened:
        yield opened


def put(doc_id: str, text: Any = "a", **more: Any) -> Put:
    """A row that says ``text``; its content hash is the text."""
    return Put(**{"doc_id": doc_id, "payload": {"text": text}, "content_hash": f"hash of {text}"[:99]} | _MADE | more)


_MADE = {"source_hash": "s1", "made_by": "m1"}


def write(store: SqlCompanyStore, *rows: Put, table: str = RAW, gone: Sequence[str] = (), run: str = "run") -> int:
    with store.begin(run, NOW) as transaction:
        moved = transaction.upsert(table, rows)
        return moved + transaction.delete(table, gone)


def seqs(store: SqlCompanyStore, table: str = RAW) -> dict[str, int]:
    return dict(store.window(table, 0, store.top(table), 10_000))


# --- rows -----------------------------------------------------------------------------------------------------------


def test_a_new_store_is_empty(store: SqlCompanyStore) -> None:
    for table in TABLES:
        assert (store.top(table), store.count(table), store.ids(table)) == (0, 0, set())
        assert store.window(table, 0, 99, 99) == store.changes(table, 0, 99) == list(store.scan(table)) == []
        assert store.get(table, ["1"]) == store.heads(table, ["1"]) == {}
    assert (store.queue(), store.due(RAW, LATER), store.state("x"), store.cursor(MERGED, RAW)) == ([], [], None, None)


def test_a_row_comes_back_as_it_was_written(store: SqlCompanyStore) -> None:
    assert write(store, put("1", "a", vector=b"\x00\x01\xff"), put("2", "b")) == 2
    rows = store.get(RAW, ["1", "2", "3"], vector=True)
    assert astuple(rows["1"]) == (("1", 1, "hash of a", "s1", "m1", {"text": "a"}, b"\x00\x01\xff", False, "run", NOW))
    assert (rows["2"].seq, rows["2"].vector) == (2, None)
    assert store.get(RAW, ["1"])["1"].vector is None  # not asked for
    assert astuple(store.heads(RAW, ["2"])["2"]) == ("hash of b", "s1", "m1", False)
    assert store.get(MERGED, ["1"]) == {}


def test_equal_content_stays_where_it_is(store: SqlCompanyStore) -> None:
    """R2: nothing downstream may wake up for it."""
    write(store, put("1"), put("2"))
    assert write(store, put("1", source_hash="s2", made_by="m2"), run="second") == 0
    row = store.get(RAW, ["1"])["1"]
    assert (row.seq, row.source_hash, row.made_by, row.run_id) == (1, "s2", "m2", "second")
    assert store.changes(RAW, 2, 10) == []


def test_new_content_moves_to_the_top(store: SqlCompanyStore) -> None:
    write(store, put("1"), put("2"))
    assert write(store, put("2"), put("1", "b"), put("3")) == 2
    assert [(row.doc_id, row.payload["text"]) for row in store.changes(RAW, 0, 10)] == [
        ("2", "a"),
        ("1", "b"),
        ("3", "a"),
    ]
    assert store.top(RAW) == seqs(store)["3"]


def test_of_several_rows_of_one_document_the_last_counts(store: SqlCompanyStore) -> None:
    write(store, put("1", "a"))
    assert write(store, put("1", "a", source_hash="s2"), put("1", "b", source_hash="s3")) == 1
    row = store.get(RAW, ["1"])["1"]
    assert (row.payload, row.source_hash) == ({"text": "b"}, "s3")


def test_a_tombstone_is_empty_and_can_be_read(store: SqlCompanyStore) -> None:
    """R9."""
    write(store, put("1", vector=b"1234"), put("2"))
    assert write(store, gone=["1", "unknown"], run="second") == 1
    row = store.get(RAW, ["1"], vector=True)["1"]
    assert astuple(row) == ("1", 3, None, None, None, None, None, True, "second", NOW)
    assert [row.doc_id for row in store.changes(RAW, 2, 10)] == ["1"]
    assert (store.ids(RAW), store.count(RAW), store.top(RAW)) == ({"2"}, 1, 3)
    assert write(store, gone=["1"]) == 0
    assert store.top(RAW) == 3


def test_what_comes_back_has_moved_even_when_it_says_the_same(store: SqlCompanyStore) -> None:
    write(store, put("1"))
    write(store, gone=["1"])
    assert write(store, put("1")) == 1
    row = store.get(RAW, ["1"])["1"]
    assert (row.deleted, row.seq, row.payload) == (False, 3, {"text": "a"})


def test_a_window_gives_the_newest_first(store: SqlCompanyStore) -> None:
    write(store, *(put(f"{i}") for i in range(1, 11)))
    write(store, gone=["3"])
    assert store.window(RAW, 2, 8, 3) == [("8", 8), ("7", 7), ("6", 6)]
    assert store.window(RAW, 2, 4, 9) == [("4", 4), ("2", 2)]
    assert store.window(RAW, 11, 11, 9) == [("3", 11)]
    assert store.window(RAW, 3, 3, 9) == []


def test_changes_give_the_oldest_first_and_can_be_followed(store: SqlCompanyStore) -> None:
    write(store, *(put(f"{i}", vector=bytes([i])) for i in range(10)))
    seen, after = [], 0
    while rows := store.changes(RAW, after, 4):
        assert len(rows) <= 4
        seen += rows
        after = rows[-1].seq
    assert [(row.doc_id, row.vector) for row in seen] == [(f"{i}", bytes([i])) for i in range(10)]


def test_counts_are_of_live_rows_and_of_one_making(store: SqlCompanyStore) -> None:
    write(store, put("1"), put("2", made_by="m2"), put("3", made_by="m2"))
    write(store, gone=["3"])
    assert (store.count(RAW), store.count(RAW, "m2"), store.count(RAW, "m3"), store.count(MERGED)) == (2, 1, 0, 0)


def test_a_scan_is_the_live_rows_in_order_as_arrow(store: SqlCompanyStore) -> None:
    write(store, *(put(f"{i:02}", f"텍스트 {i}") for i in range(25)))
    write(store, gone=["07", "24"])
    batches = list(store.scan(RAW, batch=10))
    assert [batch.num_rows for batch in batches] == [10, 10, 3]
    table = pa.Table.from_batches(batches, store.scan_schema)
    assert table["doc_id"].to_pylist() == [f"{i:02}" for i in range(24) if i != 7]
    assert json.loads(table["payload"][3].as_py()) == {"text": "텍스트 3"}


@pytest.mark.parametrize("seed", range(6))
def test_any_sequence_of_writes_gives_what_a_model_gives(store: SqlCompanyStore, seed: int) -> None:
    """The model: a list of (document, text or None), where a moved document is taken out and put at the end."""
    rng = random.Random(seed)
    model: dict[str, str | None] = {}
    for _ in range(40):
        changed = {f"{rng.randrange(12)}": rng.choice("ab") for _ in range(rng.randrange(4))}
        gone = [doc_id for doc_id in {f"{rng.randrange(14)}" for _ in range(rng.randrange(3))} if doc_id not in changed]
        moves = [doc_id for doc_id, text in changed.items() if model.get(doc_id) != text]
        dies = [doc_id for doc_id in gone if model.get(doc_id) is not None]
        assert write(store, *(put(doc_id, text) for doc_id, text in changed.items()), gone=gone) == len(moves + dies)
        for doc_id in moves + sorted(dies, key=list(seqs(store)).index, reverse=True):
            model.pop(doc_id, None)
            model[doc_id] = changed.get(doc_id)
        rows = store.changes(RAW, 0, 100)
        assert [(row.doc_id, row.payload and row.payload["text"]) for row in rows] == list(model.items())
        assert store.ids(RAW) == {doc_id for doc_id, text in model.items() if text}
        assert store.top(RAW) == (rows[-1].seq if rows else 0)
        assert store.window(RAW, 0, 10_000, 5) == [(row.doc_id, row.seq) for row in reversed(rows)][:5]


# --- cursors, state, queue, paid results ------------------------------------------------------------------------------


def test_cursors_and_states_are_kept_and_replaced(store: SqlCompanyStore) -> None:
    cursor = Cursor(MERGED, RAW, "rule", 12, ((10, 12), (1, 4)))
    for kept, value in ((cursor, {"page": 1}), (cursor.shrunk(None), ["한글", None, "🙂"])):
        with store.begin("run", NOW) as transaction:
            transaction.save_cursor(kept)
            transaction.save_state("walk", value)
        assert (store.cursor(MERGED, RAW), store.state("walk")) == (kept, value)
    assert (store.cursor(RAW, MERGED), store.state("other")) == (None, None)


def test_the_queue_counts_retries_and_remembers_the_first_time(store: SqlCompanyStore) -> None:
    for run, now, reason in (("r1", NOW, "down"), ("r2", LATER, "still down")):
        with store.begin(run, now) as transaction:
            transaction.fail(MERGED, {"1": reason}, {"1": now})
    assert store.queue() == [QueueEntry(MERGED, "1", "still down", 1, LATER, NOW, "r2")]
    assert (store.due(MERGED, NOW), store.due(MERGED, LATER), store.due(RAW, LATER)) == ([], ["1"], [])
    assert (store.queued(MERGED, ["1", "2"]), store.queued(RAW, ["1"])) == ({"1": 1}, {})
    with store.begin("r3", LATER) as transaction:
        transaction.settle(RAW, ["1"])  # another table's queue
        transaction.settle(MERGED, ["2"])
    assert store.due(MERGED, LATER) == ["1"]
    with store.begin("r3", LATER) as transaction:
        transaction.settle(MERGED, ["1"])
    assert store.queue() == []


def test_a_paid_result_is_kept_once_and_forgotten_by_document(store: SqlCompanyStore) -> None:
    first, other = Made({"said": "a"}, b"\x01\x02", tokens=7, cost=0.5), Made({"said": "b"})
    store.keep_paid("ticket_summaries", "m1", [("h1", "1", first), ("h2", "2", other)], [], "run", NOW)
    store.keep_paid("ticket_summaries", "m1", [("h1", "3", other)], [], "run", NOW)
    found = store.paid("m1", ["h1", "h2", "h3"])
    assert {key: (made.payload, made.vector) for key, made in found.items()} == {
        "h1": ({"said": "a"}, b"\x01\x02"),
        "h2": ({"said": "b"}, None),
    }
    assert store.paid("m2", ["h1"]) == {}
    with store.begin("run", NOW) as transaction:
        transaction.forget_paid(["1", "3"])
    assert set(store.paid("m1", ["h1", "h2"])) == {"h2"}


def spent(call_id: str, cost: float | None = 0.25, **changes: Any) -> Spent:
    values = {"provider": "one", "model": "m", "purpose": "first", "documents": 10, "tokens_in": 100, "tokens_out": 20}
    return Spent(call_id, cost=cost, **(values | changes))


def test_a_call_is_in_the_ledger_once_with_its_results_or_without(store: SqlCompanyStore) -> None:
    made = Made({"said": "a"})
    store.keep_paid("ticket_summaries", "m", [("h1", "1", made)], [spent("c1"), spent("c2", None)], "run", NOW)
    store.keep_paid("ticket_summaries", "m", [], [spent("c1"), spent("c3", purpose="retry", documents=1)], "run", NOW)
    store.keep_paid("kb_summaries", "m kb", [("h1", "1", made)], [spent("c4")], "next", LATER)
    assert store.spent(NOW) == 0.75
    assert store.spent(LATER) == 0.25
    assert store.paid_calls("run", NOW) == (3, 20)
    assert store.paid_calls("run", LATER) == (0, 0)
    assert [astuple(line) for line in store.ledger()] == [
        ("2026-01-01T00:00", "ticket_summaries", "one", "m", "first", 2, 20, 200, 40, 0.25, 1),
        ("2026-01-01T00:00", "ticket_summaries", "one", "m", "retry", 1, 1, 100, 20, 0.25, 0),
        ("2026-01-02T00:00", "kb_summaries", "one", "m", "first", 1, 10, 100, 20, 0.25, 0),
    ]
    assert [line.quarter for line in store.ledger(since=LATER)] == ["2026-01-02T00:00"]
    assert [line.purpose for line in store.ledger(until=LATER)] == ["first", "retry"]


def test_kept_results_of_tickets_and_of_articles_are_forgotten_apart(store: SqlCompanyStore) -> None:
    for stage, made_by in (("ticket_summaries", "m"), ("kb_summaries", "m kb")):
        store.keep_paid(stage, made_by, [("h", "1", Made({}))], [], "run", NOW)
    with store.begin("run", NOW) as write:
        write.forget_paid(["1"], "kb")
    assert (set(store.paid("m", ["h"])), store.paid("m kb", ["h"])) == ({"h"}, {})


def test_a_batch_holds_its_inputs_until_it_ends(store: SqlCompanyStore) -> None:
    batch = Batch("b1", "ticket_summaries", "one", "gpt", "m", requests=2, tokens=500, cost=None, created_at=NOW)
    other = Batch("b2", "kb_summaries", "one", "gpt", "m", created_at=NOW)
    with store.begin("run", NOW) as write:
        write.save_batch(batch)
        write.save_batch(other)
        write.add_to_batch(batch, ["h1", "h2"])
        write.add_to_batch(other, [])
    sent = replace(batch, remote_id="batch_1", state="submitted")
    with store.begin("run", NOW) as write:
        write.save_batch(sent)
    assert store.batches("ticket_summaries") == [sent]
    assert store.in_batch(["b1"], ["h1", "h3"]) == {"h1"}
    assert store.in_batch(["b2"], ["h1"]) == store.in_batch([], ["h1"]) == set()
    assert store.batch_inputs("b1") == {"h1", "h2"}
    with store.begin("run", LATER) as write:
        write.save_batch(replace(sent, state="ended", note="completed", ended_at=LATER))
    assert (store.batches("ticket_summaries"), store.batch_inputs("b1")) == ([], set())
    assert store.batches("kb_summaries") == [other]


def test_what_waits_is_due_only_when_it_is_released_and_counts_no_retry(store: SqlCompanyStore) -> None:
    with store.begin("run", NOW) as write:
        write.wait(MERGED, {"1": "in a batch", "2": "in a batch"})
        write.fail(MERGED, {"3": "bad"}, {"3": NEVER}, {"3": 2})
    assert store.waits(MERGED) and not store.waits(RAW)
    assert store.due(MERGED, "9000-01-01T00:00:00Z") == []
    with store.begin("run", NOW) as write:
        write.wait(MERGED, {"1": "in another"})
        assert write.release(MERGED) == 2
    assert store.due(MERGED, NOW) == ["1", "2"]
    waiting = {entry.doc_id: (entry.reason, entry.retries, entry.priority, entry.status) for entry in store.queue()}
    assert waiting == {
        "1": ("in another", 0, 0, "waiting"),
        "2": ("in a batch", 0, 0, "waiting"),
        "3": ("bad", 0, 2, "dead"),
    }
    with store.begin("run", NOW) as write:
        assert write.retry([RAW]) == write.retry([MERGED], ["1"]) == 0
        assert write.retry([MERGED]) == 1
    assert store.due(MERGED, NOW) == ["3", "1", "2"]  # by priority, then as they came in


def test_what_waits_keeps_its_priority_and_its_retries(store: SqlCompanyStore) -> None:
    with store.begin("run", NOW) as write:
        write.fail(MERGED, {"1": "bad", "2": "bad"}, {"1": NOW, "2": NOW}, {"1": 1, "2": 5})
    with store.begin("run", NOW) as write:
        write.wait(MERGED, {"1": "in a batch", "2": "in a batch"})
        write.release(MERGED)
    assert store.due(MERGED, NOW) == ["2", "1"]
    with store.begin("run", NOW) as write:
        write.fail(MERGED, {"1": "bad", "2": "bad"}, {"1": NOW, "2": NOW}, {"1": 7})
    assert {one.doc_id: (one.priority, one.retries, one.status) for one in store.queue()} == {
        "1": (7, 1, "failed"),
        "2": (0, 1, "failed"),
    }


# --- all or nothing ---------------------------------------------------------------------------------------------------


def everything(store: SqlCompanyStore) -> list[Any]:
    """All that the database holds, the clock included."""
    with store.db.begin():
        store.enter()
        return [sorted(map(repr, store.db.execute(sa.select(table)))) for table in schema.store.sorted_tables]


def some_of_all(transaction: SqlTransaction) -> None:
    transaction.upsert(RAW, [put("1", "new"), put("4")])
    transaction.delete(RAW, ["2"])
    transaction.upsert(MERGED, [put("1")])
    transaction.save_cursor(Cursor(MERGED, RAW, "rule", 5))
    transaction.save_state("walk", 2)
    transaction.fail(RAW, {"9": "bad"}, {"9": NOW})
    transaction.wait(MERGED, {"9": "in a batch"})
    transaction.save_batch(BATCH)
    transaction.add_to_batch(BATCH, ["h9"])
    transaction.settle(RAW, ["8"])
    transaction.forget_paid(["1"])


def test_a_write_that_raises_leaves_nothing_behind(store: SqlCompanyStore) -> None:
    with store.begin("run", NOW) as transaction:
        transaction.upsert(RAW, [put("1"), put("2"), put("3")])
        transaction.fail(RAW, {"8": "bad"}, {"8": NOW})
        transaction.save_state("walk", 1)
    store.keep_paid("ticket_summaries", "m1", [("h1", "1", Made({}))], [], "run", NOW)
    before = everything(store)
    with pytest.raises(ZeroDivisionError), store.begin("run", NOW) as transaction:
        some_of_all(transaction)
        raise ZeroDivisionError
    assert everything(store) == before
    with store.begin("run", NOW) as transaction:
        some_of_all(transaction)
    assert everything(store) != before
    assert seqs(store)["4"] == 6  # no number was lost to the write that failed; one went to the queue


def test_a_row_that_cannot_be_written_undoes_the_write(store: SqlCompanyStore) -> None:
    before = everything(store)
    for bad in (put("2", object()), put("", "no id"), put("a\x00b"), put("\ud800"), put("long" * 300)):
        with pytest.raises((TypeError, InputError)), store.begin("run", NOW) as transaction:
            transaction.upsert(RAW, [put("1")])
            transaction.upsert(RAW, [bad])
    assert everything(store) == before


# --- other connections ------------------------------------------------------------------------------------------------


def test_a_reader_goes_on_during_a_write_and_sees_it_whole_at_its_end(
    store: SqlCompanyStore, backend: Settings
) -> None:
    write(store, put("1"))
    with open_store(backend) as reader:
        with store.begin("run", NOW) as transaction:
            transaction.upsert(RAW, [put("1", "b"), put("2")])
            transaction.save_state("walk", 2)
            started = time.perf_counter()
            assert (reader.ids(RAW), reader.get(RAW, ["1"])["1"].payload, reader.state("walk")) == (
                {"1"},
                {"text": "a"},
                None,
            )
            assert time.perf_counter() - started < 5  # SQLite would wait 30 s for a lock
        assert (reader.ids(RAW), reader.get(RAW, ["1"])["1"].payload, reader.state("walk")) == (
            {"1", "2"},
            {"text": "b"},
            2,
        )


def test_a_reader_loses_nothing_of_two_writers(backend: Settings) -> None:
    """R1: numbers become visible in their order, so the highest one seen is a safe mark."""
    writers, rounds = 2, 40
    with open_store(backend) as reader:
        threads = [threading.Thread(target=write_many, args=(backend, name, rounds)) for name in range(writers)]
        for thread in threads:
            thread.start()
        seen: list[tuple[int, str]] = []
        running = True
        while running:
            running = any(thread.is_alive() for thread in threads)  # asked before the last look
            seen += [(row.seq, row.doc_id) for row in reader.changes(RAW, seen[-1][0] if seen else 0, 7)]
        while rows := reader.changes(RAW, seen[-1][0], 100):
            seen += [(row.seq, row.doc_id) for row in rows]
    assert [seq for seq, _ in seen] == list(range(1, writers * rounds * 3 + 1))
    assert {doc_id for _, doc_id in seen} == {
        f"{name} {number} {part}" for name in range(writers) for number in range(rounds) for part in range(3)
    }


def write_many(backend: Settings, name: int, rounds: int) -> None:
    rng = random.Random(name)
    with open_store(backend) as store:
        for number in range(rounds):
            with store.begin("run", NOW) as transaction:
                for part in range(3):
                    transaction.upsert(RAW, [put(f"{name} {number} {part}")])
                    if rng.random() < 0.2:
                        time.sleep(0.003)


# --- kill -9 ----------------------------------------------------------------------------------------------------------


def test_kill_9_in_the_middle_of_commits_leaves_whole_ones_only(backend: Settings) -> None:
    rng = random.Random(1)
    numbers: list[int] = []
    for _ in range(12):
        with Child(commit_for_ever, backend) as child:
            child.hear()
            time.sleep(rng.random() * 0.03)
            child.kill()
            assert child.was_killed
        with open_store(backend) as store:
            numbers.append(whole_commits(store))
    assert numbers == sorted(set(numbers))


def commit_for_ever(say: Callable[[str], None], backend: Settings) -> None:
    with open_store(backend) as store:
        first = number = store.state("number") or 0
        while True:
            number += 1
            store.keep_paid("ticket_summaries", "m1", [(f"h{number}", "1", Made({"number": number}))], [], "run", NOW)
            with store.begin("run", NOW) as transaction:
                for table in (RAW, MERGED):
                    transaction.upsert(table, [put(f"{i}", number) for i in range(50)])
                transaction.delete(RAW, [f"{number % 50}"])
                transaction.save_cursor(Cursor(MERGED, RAW, "rule", number))
                transaction.save_state("number", number)
            if number == first + 1:
                say("at work")


def whole_commits(store: SqlCompanyStore) -> int:
    """The number of the last commit, after showing that nothing is there of the next."""
    number: int = store.state("number")
    assert store.cursor(MERGED, RAW) == Cursor(MERGED, RAW, "rule", number)
    for table, ids in ((RAW, {f"{i}" for i in range(50) if i != number % 50}), (MERGED, {f"{i}" for i in range(50)})):
        rows = store.get(table, sorted(ids))
        assert store.ids(table) == ids
        assert {row.payload["text"] for row in rows.values()} == {number}
    kept = store.paid("m1", [f"h{n}" for n in range(1, number + 3)])
    assert len(kept) - number in (0, 1)  # each was kept before its commit
    return number


# --- large and odd ----------------------------------------------------------------------------------------------------


def test_odd_ids_and_texts_are_only_values(store: SqlCompanyStore) -> None:
    rows = [put(doc_id, doc_id * 2) for doc_id in ODD_IDS]
    assert write(store, *rows) == len(ODD_IDS)
    assert {doc_id: row.payload["text"] for doc_id, row in store.get(RAW, ODD_IDS).items()} == {
        doc_id: doc_id * 2 for doc_id in ODD_IDS
    }
    assert store.ids(RAW) == set(ODD_IDS)
    with store.begin("run", NOW) as transaction:
        transaction.fail(RAW, dict.fromkeys(ODD_IDS, "🙂 '"), dict.fromkeys(ODD_IDS, NOW))
        transaction.save_state("'; DROP TABLE clock; --", ODD_IDS)
    assert sorted(store.due(RAW, NOW)) == sorted(ODD_IDS)
    assert store.state("'; DROP TABLE clock; --") == ODD_IDS
    assert [row for batch in store.scan(RAW, batch=3) for row in batch["doc_id"].to_pylist()] == sorted(ODD_IDS)
    assert write(store, gone=ODD_IDS) == len(ODD_IDS)
    assert store.count(RAW) == 0


def test_rows_of_a_megabyte(store: SqlCompanyStore) -> None:
    texts = {f"{i}": f"{i} 한글🙂" * 100_000 for i in range(8)}
    write(store, *(put(doc_id, text, vector=b"\x01" * 1_000_000) for doc_id, text in texts.items()))
    assert {doc_id: row.payload["text"] for doc_id, row in store.get(RAW, list(texts)).items()} == texts
    assert [len(row.vector or b"") for row in store.changes(RAW, 0, 10)] == [1_000_000] * 8


def test_ten_thousand_rows_at_once(store: SqlCompanyStore) -> None:
    ids = [f"{i:05}" for i in range(10_000)]
    started = time.process_time()
    assert write(store, *(put(doc_id) for doc_id in ids)) == 10_000
    assert (
        write(store, *(put(doc_id, "b") for doc_id in ids[:5_000]), *(put(doc_id) for doc_id in ids[5_000:])) == 5_000
    )
    assert time.process_time() - started < 5  # some 0.5 s; a row at a time would take 30
    many = [f"{i:05}" for i in range(33_000)]  # more than SQLite takes in one statement
    assert len(store.heads(RAW, many)) == 10_000
    store.keep_paid("ticket_summaries", "m1", [(doc_id, doc_id, Made({})) for doc_id in ids[:100]], [], "run", NOW)
    assert len(store.paid("m1", many)) == 100
    with store.begin("run", NOW) as transaction:
        assert transaction.delete(RAW, many) == 10_000
        transaction.settle(RAW, many)
        transaction.forget_paid(many)
    assert (store.count(RAW), store.paid("m1", ids)) == (0, {})
    assert len(set(seqs(store).values())) == 10_000


def test_what_no_database_takes_is_replaced_and_asking_for_it_finds_nothing(store: SqlCompanyStore) -> None:
    texts = {"1": "a\x00b", "2": "c\ud800d", "3": ["🙂", "a\\u0000 that is only text"]}
    write(store, *(put(doc_id, text, content_hash=doc_id) for doc_id, text in texts.items()))
    texts = {doc_id: row.payload["text"] for doc_id, row in store.get(RAW, ["1", "2", "3"]).items()}
    assert texts == {"1": "a\ufffdb", "2": "c\ufffdd", "3": ["🙂", "a\\u0000 that is only text"]}
    with store.begin("run", NOW) as transaction:
        transaction.fail(RAW, {"1": "bad \x00 \ud800"}, {"1": NOW})
        transaction.settle(RAW, ["\x00"])
        assert transaction.delete(RAW, ["\x00", "\ud800"]) == 0
    assert [entry.reason for entry in store.queue()] == ["bad \ufffd \ufffd"]
    assert store.get(RAW, ["\x00", "\ud800"]) == store.heads(RAW, ["\x00"]) == store.queued(RAW, ["\ud800"]) == {}


def test_json_comes_back_as_it_went(store: SqlCompanyStore) -> None:
    values = [1, -0.5, 1e300, 10**18, True, None, "", [], {}, [[]], {"": {"": [None]}}, "\\", "\u2028", "1", "null"]
    for value in values:
        with store.begin("run", NOW) as transaction:
            transaction.save_state("v", value)
            transaction.upsert(RAW, [put("1", value)])
        store.keep_paid("ticket_summaries", "json", [(repr(value), "1", Made(value))], [], "run", NOW)
        assert store.state("v") == value
        assert store.get(RAW, ["1"])["1"].payload == {"text": value}
        assert store.paid("json", [repr(value)])[repr(value)].payload == value


# --- what people see of it --------------------------------------------------------------------------------------------


def test_votes_are_kept_in_their_order(store: SqlCompanyStore) -> None:
    votes = [
        Vote("r1", "thumbs_up", NOW),
        Vote("r1", "thumbs_down", LATER, doc_id="7", user_id="김", feedback_score=-1, feedback_text="아니요 🙂"),
    ]
    for vote in votes:
        with store.begin("run", NOW) as transaction:
            transaction.vote(vote)
    assert store.votes() == votes


def test_what_is_forgotten_is_remembered_by_its_hash(store: SqlCompanyStore) -> None:
    with store.begin("run", NOW) as transaction:
        transaction.forget(["h1", "h2"], "document")
        transaction.forget(["h2"], "document")
    assert store.forgotten().keys() == {"h1", "h2"}


def test_tickets_are_shown_with_what_became_of_them(store: SqlCompanyStore) -> None:
    """The specification's view: pending, skipped, processed, failed."""
    raw = [put(doc_id, made_by="freshdesk-1 x") for doc_id in ("new", "open", "solved", "broken")]
    write(store, *raw)
    assert store.ticket_statuses() == {"pending": 4}
    write(store, *(put(doc_id) for doc_id in ("open", "solved", "broken")), table=MERGED)
    with store.begin("run", LATER) as transaction:
        transaction.upsert("ticket_summaries", [put("solved")])
        transaction.upsert("ticket_collection", [put("solved")])
        transaction.save_cursor(Cursor("ticket_summaries", MERGED, "rule", store.top(MERGED), ()))
        transaction.fail("ticket_summaries", {"broken": "too long"}, {"broken": LATER})
    assert store.ticket_statuses() == {"pending": 1, "skipped": 1, "processed": 1, "failed": 1}
    found = {ticket.ticket_id: ticket for ticket in store.tickets()}
    assert {doc_id: ticket.status for doc_id, ticket in found.items()} == {
        "new": "pending",
        "open": "skipped",
        "solved": "processed",
        "broken": "failed",
    }
    assert {ticket.platform for ticket in found.values()} == {"freshdesk"}
    assert [ticket.ticket_id for ticket in store.tickets(status="failed")] == ["broken"]
    assert store.tickets(since="2026-01-02") == store.tickets(until="2025-12-31") == []
    assert len(store.tickets(since="2026-01-01", until="2026-01-01", limit=3)) == 3
    with store.begin("run", LATER) as transaction:  # not read yet by the summaries
        transaction.save_cursor(
            Cursor("ticket_summaries", MERGED, "rule", store.top(MERGED), ((1, store.top(MERGED)),))
        )
    assert store.tickets(status="pending", limit=9)[0].ticket_id in ("new", "open")
    assert store.ticket_statuses() == {"pending": 2, "processed": 1, "failed": 1}


def test_a_ticket_that_waits_for_a_batch_has_not_failed(store: SqlCompanyStore) -> None:
    """It is pending without a summary, and as good as before with the one of an older prompt."""
    names = ("renewed", "first", "skipped", "broken")
    write(store, *(put(doc_id) for doc_id in names))
    write(store, *(put(doc_id) for doc_id in names), table=MERGED)
    with store.begin("run", LATER) as transaction:
        transaction.upsert("ticket_summaries", [put("renewed")])
        transaction.upsert("ticket_collection", [put("renewed")])
        transaction.save_cursor(Cursor("ticket_summaries", MERGED, "rule", store.top(MERGED), ()))
        transaction.wait("ticket_summaries", {"renewed": "in a batch", "first": "in a batch"})
        transaction.fail("ticket_summaries", {"broken": "too long"}, {"broken": LATER})
    assert {ticket.ticket_id: ticket.status for ticket in store.tickets()} == {
        "renewed": "processed",
        "first": "pending",
        "skipped": "skipped",
        "broken": "failed",
    }


def test_a_row_keeps_its_number_and_its_birth(store: SqlCompanyStore) -> None:
    write(store, put("1"), *(put(f"x{i}") for i in range(30)))
    born = {ticket.ticket_id: (ticket.id, ticket.created_at) for ticket in store.tickets()}
    assert len({number for number, _ in born.values()}) == 31
    with store.begin("later", LATER) as transaction:
        transaction.upsert(RAW, [put("1", "changed"), *(put(f"x{i}", i) for i in range(30))])
    write(store, gone=["x3"])
    write(store, put("x3", "back"))
    assert {ticket.ticket_id: (ticket.id, ticket.created_at) for ticket in store.tickets()} == born
