"""What a store costs beside the bare database: 1,000-row upsert, ``changes`` after it, full scan, point read, as rows grow.

    python -m bench.storage [--rows 50000 200000 1000000] [--backend file postgres] [--rounds 7] [--reads 400] [--folder DIR]

One company's ``raw_tickets`` grows to each number of rows (a ticket of about 2 KB, half Korean), and beside it, in the
same database, a bare table of the same shape and indexes with the same rows. Each call of the store and its *limit* take
turns in one run, so that a slow minute of the machine is in both; the figures are medians, *ratio* the one by the other.

upsert    900 changed rows spread over all ids and 100 new ones, JSON encoding included.
          Limit: ``executemany`` of an upsert (SQLite), COPY into a temporary table and INSERT ON CONFLICT (Postgres).
changes   the 1,000 rows that the upsert moved, JSON decoding included. Limit: the bare SELECT.
scan      every live row in the order of ids, to Arrow. Limit: one bare SELECT (a server-side cursor), fetched in batches.
get       one random row by its id. Limit: the bare SELECT; on Postgres also *walled*: the same inside BEGIN,
          set_config, COMMIT, which is what row-level security asks of anybody.

Both sides have the same durability: SQLite's WAL with synchronous=NORMAL, and secure_delete; a Postgres that this
command starts, with fsync and synchronous_commit on. Needs about 12 GB on the disk of ``--folder`` (the system's folder for
temporary files) for a million rows on each backend, and removes it.

Belongs here: this measurement. Does not belong here: engines that Casebook does not use.
"""

import argparse
import gc
import os
import random
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import psycopg
import pyarrow as pa

from domain.company import company_id
from domain.stage import Put
from resources.settings import Settings
from resources.storage.base import open_storage
from resources.storage.sql import SqlCompanyStore
from tests.postgres_server import PostgresServer, upgraded

BENCH = company_id("bench")
TABLE = "raw_tickets"
CHANGED, NEW = 900, 100
BATCH = 1000
FILL = 10_000
SCANS = 3
NOW = "2026-01-01T00:00:00Z"
POSTGRES = {"fsync": "on", "shared_buffers": "512MB", "max_wal_size": "4GB"}
COLUMNS = (
    "company_id", "doc_id", "seq", "content_hash", "source_hash", "made_by", "payload", "vector", "deleted", "run_id",
    "updated_at", "id", "created_at",
)  # fmt: skip
READ = (
    "doc_id",
    "seq",
    "content_hash",
    "source_hash",
    "made_by",
    "payload",
    "vector",
    "deleted",
    "run_id",
    "updated_at",
)
KEPT = ("company_id", "doc_id", "id", "created_at")
UPSERT = "ON CONFLICT (company_id, doc_id) DO UPDATE SET " + ", ".join(
    f"{name} = excluded.{name}" for name in COLUMNS if name not in KEPT
)
Values = tuple[Any, ...]


class Tickets:
    """Made-up tickets of about 2 KB; another version of one differs in text and hash."""

    def __init__(self) -> None:
        rng = random.Random(0)
        latin = ["".join(rng.choices("etaoinshrdlu", k=rng.randint(2, 9))) for _ in range(4000)]
        korean = ["".join(chr(rng.randrange(0xAC00, 0xD7A3)) for _ in range(rng.randint(1, 4))) for _ in range(4000)]
        self._texts = [" ".join(rng.choices(words, k=200_000)) for words in (latin, korean)]
        self._rng = rng

    def put(self, number: int) -> Put:
        rng = self._rng
        text = self._texts[number % 2]
        room = 1500 if number % 2 == 0 else 700  # Korean takes two to three bytes a sign
        messages: list[dict[str, Any]] = []
        for position in range(rng.randint(1, 4)):
            start = rng.randrange(len(text) - room)
            body = text[start : start + room // 3]
            messages.append({"id": number * 10 + position, "private": position == 2, "body": body, "from": "customer"})
        payload = {
            "id": number, "subject": messages[0]["body"][:60], "status": rng.choice((2, 3, 4, 5)), "priority": 1,
            "tags": rng.sample(("login", "billing", "배송", "api", "sso", "환불"), 2), "messages": messages,
            "created_at": NOW, "updated_at": NOW, "requester_id": rng.randrange(10**9), "spam": False,
        }  # fmt: skip
        version = f"{rng.getrandbits(128):032x}"
        return Put(str(number), payload, version, version, "freshdesk-1")


def values(put: Put, seq: int, text: str) -> Values:
    """A row for the bare table."""
    return (BENCH, put.doc_id, seq, put.content_hash, put.source_hash, put.made_by, text, put.vector, False, "bench", NOW,
            seq, NOW)  # fmt: skip


def decoded(rows: Sequence[Values]) -> list[Values]:
    """Bare rows with their payload as an object, which the store's callers get too."""
    return [(*row[:5], orjson.loads(row[5]), *row[6:]) for row in rows]


def arrow(rows: Sequence[Values]) -> pa.RecordBatch:
    return pa.record_batch([pa.array(column) for column in zip(*rows, strict=True)], names=["company_id", *READ])


class BareSqlite:
    """What SQLite does for who speaks to it without anything between."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.execute("PRAGMA secure_delete=ON")
        [(made,)] = self._db.execute(f"SELECT sql FROM sqlite_master WHERE name = '{TABLE}'").fetchall()
        self._db.execute(made.replace(TABLE, "bare", 1))
        self._db.execute("CREATE UNIQUE INDEX bare_seq ON bare (company_id, seq)")
        marks = ", ".join("?" * len(COLUMNS))
        self._upsert = f"INSERT INTO bare ({', '.join(COLUMNS)}) VALUES ({marks}) {UPSERT}"
        read = ", ".join(READ)
        self._changes = f"SELECT {read} FROM bare WHERE company_id = ? AND seq > ? ORDER BY seq LIMIT ?"
        self._get = f"SELECT {read} FROM bare WHERE company_id = ? AND doc_id = ?"
        self._scan = f"SELECT company_id, {read} FROM bare WHERE company_id = ? AND NOT deleted ORDER BY doc_id"

    def copy(self, after: int) -> None:
        """Take over what the store wrote."""
        self._db.execute(f"INSERT INTO bare SELECT * FROM {TABLE} WHERE seq > ?", [after])
        self._db.execute("ANALYZE")
        self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def upsert(self, puts: Sequence[Put], seq: int) -> None:
        self._db.execute("BEGIN IMMEDIATE")
        rows = (values(put, seq + i, orjson.dumps(put.payload).decode()) for i, put in enumerate(puts, start=1))
        self._db.executemany(self._upsert, rows)
        self._db.execute("COMMIT")

    def changes(self, after: int) -> int:
        return len(decoded(self._db.execute(self._changes, (BENCH, after, 10_000)).fetchall()))

    def get(self, doc_id: str) -> int:
        return len(decoded(self._db.execute(self._get, (BENCH, doc_id)).fetchall()))

    def scan(self) -> int:
        found = 0
        cursor = self._db.execute(self._scan, (BENCH,))
        while rows := cursor.fetchmany(BATCH):
            found += arrow(rows).num_rows
        return found

    def bytes(self) -> int:
        [(pages,)], [(size,)] = self._db.execute("PRAGMA page_count"), self._db.execute("PRAGMA page_size")
        return pages * size // 2

    def close(self) -> None:
        self._db.close()


class BarePostgres:
    """The same for Postgres: a table without a wall, its owner, plain psycopg."""

    def __init__(self, address: str) -> None:
        self._db = psycopg.connect(address, autocommit=True)
        self._db.execute(f"CREATE TABLE bare (LIKE {TABLE} INCLUDING ALL)".encode())
        columns = ", ".join(COLUMNS)
        self._copy = f"COPY incoming ({columns}) FROM STDIN".encode()
        self._insert = f"INSERT INTO bare ({columns}) SELECT {columns} FROM incoming {UPSERT}".encode()
        read = ", ".join("payload::text" if name == "payload" else name for name in READ)
        self._changes = f"SELECT {read} FROM bare WHERE company_id = %s AND seq > %s ORDER BY seq LIMIT %s".encode()
        self._get = f"SELECT {read} FROM bare WHERE company_id = %s AND doc_id = %s".encode()
        self._scan = (
            f"SELECT company_id, {read} FROM bare WHERE company_id = %s AND NOT deleted ORDER BY doc_id".encode()
        )
        self._db.execute("CREATE TEMP TABLE incoming (LIKE bare) ON COMMIT DELETE ROWS")

    def copy(self, after: int) -> None:
        self._db.execute(f"INSERT INTO bare SELECT * FROM {TABLE} WHERE seq > %s".encode(), [after])
        self._db.execute("VACUUM ANALYZE")
        self._db.execute("CHECKPOINT")

    def upsert(self, puts: Sequence[Put], seq: int) -> None:
        with self._db.transaction(), self._db.cursor() as cursor:
            with cursor.copy(self._copy) as copy:
                for i, put in enumerate(puts, start=1):
                    copy.write_row(values(put, seq + i, orjson.dumps(put.payload).decode()))
            cursor.execute(self._insert)

    def changes(self, after: int) -> int:
        return len(decoded(self._db.execute(self._changes, (BENCH, after, 10_000)).fetchall()))

    def get(self, doc_id: str) -> int:
        return len(decoded(self._db.execute(self._get, (BENCH, doc_id)).fetchall()))

    def walled(self, doc_id: str) -> int:
        with self._db.transaction():
            self._db.execute("SELECT set_config('app.current_company_id', %s, true)", (BENCH,))
            return len(decoded(self._db.execute(self._get, (BENCH, doc_id)).fetchall()))

    def scan(self) -> int:
        found = 0
        with self._db.transaction(), self._db.cursor("scan") as cursor:
            cursor.execute(self._scan, (BENCH,))
            while rows := cursor.fetchmany(BATCH):
                found += arrow(rows).num_rows
        return found

    def bytes(self) -> int:
        row = self._db.execute("SELECT pg_total_relation_size('raw_tickets')").fetchone()
        assert row
        return row[0]

    def close(self) -> None:
        self._db.close()


@dataclass
class Times:
    """Seconds of one call on both sides."""

    ours: list[float] = field(default_factory=list[float])
    limit: list[float] = field(default_factory=list[float])

    def take(self, ours: Callable[[], Any], limit: Callable[[], Any]) -> None:
        """Each once, the first one in turn first."""
        pairs = [(self.ours, ours), (self.limit, limit)]
        for seconds, call in pairs if len(self.ours) % 2 else reversed(pairs):
            started = time.perf_counter()
            call()
            seconds.append(time.perf_counter() - started)

    def line(self, name: str) -> str:
        ours, limit = statistics.median(self.ours), statistics.median(self.limit)
        spread = f"{min(self.ours) * 1e3:.2f}-{max(self.ours) * 1e3:.2f}"
        return f"{name:14}{ours * 1e3:12.2f}{limit * 1e3:12.2f}{ours / limit:8.2f}   {spread}"


def measure(
    store: SqlCompanyStore, bare: BareSqlite | BarePostgres, tickets: Tickets, rows: int, rounds: int, reads: int
) -> None:
    """All calls at one number of rows."""
    gc.collect()
    gc.freeze()
    rng = random.Random(rows)
    upsert, changes, scan, get, walled = (Times() for _ in range(5))
    newest = rows
    for _ in range(rounds):
        changed = rng.sample(range(1, rows + 1), CHANGED)
        puts = [tickets.put(number) for number in (*changed, *range(newest + 1, newest + 1 + NEW))]
        newest += NEW
        before = store.top(TABLE)

        def write(puts: Sequence[Put] = puts) -> None:
            with store.begin("bench", NOW) as transaction:
                assert transaction.upsert(TABLE, puts) == CHANGED + NEW

        upsert.take(write, lambda puts=puts, before=before: bare.upsert(puts, before))
        assert len(store.changes(TABLE, before, 10_000)) == bare.changes(before) == CHANGED + NEW
        changes.take(
            lambda before=before: store.changes(TABLE, before, 10_000), lambda before=before: bare.changes(before)
        )
    for number in rng.sample(range(1, rows + 1), reads):
        doc_id = str(number)
        read_ours, read_bare = lambda doc_id=doc_id: store.get(TABLE, [doc_id]), lambda doc_id=doc_id: bare.get(doc_id)
        read_ours()  # from the disk
        read_bare()
        get.take(read_ours, read_bare)
        if isinstance(bare, BarePostgres):
            walled.take(read_ours, lambda bare=bare, doc_id=doc_id: bare.walled(doc_id))
    for _ in range(SCANS):
        scan.take(lambda: sum(batch.num_rows for batch in store.scan(TABLE)), bare.scan)
    print(f"{'':14}{'store ms':>12}{'limit ms':>12}{'ratio':>8}   store's range")
    for name, times in (("upsert 1000", upsert), ("changes 1000", changes), ("scan", scan), ("get", get)):
        print(times.line(name))
    if walled.ours:
        print(walled.line("get, walled"))


def grow(store: SqlCompanyStore, tickets: Tickets, have: int, rows: int) -> None:
    """Fill the store up, in the order in which tickets are numbered."""
    for start in range(have + 1, rows + 1, FILL):
        puts = [tickets.put(number) for number in range(start, min(start + FILL, rows + 1))]
        with store.begin("fill", NOW) as transaction:
            transaction.upsert(TABLE, puts)


@contextmanager
def file_backend(home: Path) -> Iterator[tuple[Settings, Callable[[], BareSqlite]]]:
    settings = Settings(home=home, storage="file")
    print(f"SQLite {sqlite3.sqlite_version}: WAL, synchronous=NORMAL, secure_delete=ON")
    yield settings, lambda: BareSqlite(settings.company_folder(BENCH) / "casebook.sqlite")


@contextmanager
def postgres_backend(home: Path) -> Iterator[tuple[Settings, Callable[[], BarePostgres]]]:
    with PostgresServer(0, **POSTGRES) as server, upgraded(server, home) as settings:
        database = settings.storage.rsplit("/", 1)[1]
        with psycopg.connect(server.address(database)) as db:
            row = db.execute("SHOW server_version").fetchone()
            assert row
            said = ", ".join(f"{name}={value}" for name, value in POSTGRES.items())
            print(f"Postgres {row[0]}: {said}; over loopback TCP")
        yield settings, lambda: BarePostgres(server.address(database))


BACKENDS = {"file": file_backend, "postgres": postgres_backend}


def run(backend: str, sizes: Sequence[int], rounds: int, reads: int, folder: Path) -> None:
    """One backend from the smallest number of rows to the largest."""
    tickets, have = Tickets(), 0
    with BACKENDS[backend](folder / backend) as (settings, open_bare), open_storage(settings).store(BENCH) as store:
        bare = open_bare()
        for rows in sizes:
            started, filled = time.perf_counter(), store.top(TABLE)
            grow(store, tickets, have, rows)
            bare.copy(filled)
            have = rows + rounds * NEW
            took = time.perf_counter() - started
            print(f"\n{backend}, {rows:,} rows, {bare.bytes() / 1e6:,.0f} MB, filled in {took:.0f} s", flush=True)
            measure(store, bare, tickets, rows, rounds, reads)
        bare.close()


def main() -> None:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[50_000, 200_000, 1_000_000])
    parser.add_argument("--backend", nargs="+", choices=list(BACKENDS), default=list(BACKENDS))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--reads", type=int, default=400)
    parser.add_argument("--folder", type=Path)
    said = parser.parse_args()
    if said.folder:
        tempfile.tempdir = str(said.folder)
    with tempfile.TemporaryDirectory(prefix="casebook-bench-") as name:
        print(f"load average {os.getloadavg()[0]:.1f}, {os.cpu_count()} processors")
        for backend in said.backend:
            run(backend, sorted(said.rows), said.rounds, said.reads, Path(name))
            print()


if __name__ == "__main__":
    main()
