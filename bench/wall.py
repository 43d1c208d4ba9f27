"""Does the wall between companies hold under load? Many companies sync on one Postgres while readers look for foreign rows.

    python -m bench.wall [--companies 50] [--minutes 10] [--writers 4] [--readers 4]

Writer processes run a thread a company: it takes the company's lock, changes some tickets, derives all stages, votes,
keeps states, reads the registry and the key, changes settings and keys; sometimes it tries a company that another one
works at. All of them go through pooled connections of the one role ``app_user``. Every row that is written names its
company (in its text, its run, its own column), and documents have the same ids everywhere.

Reader processes open stores of random companies and look at each row they get, from every call of a store, by plain
``SELECT *`` from every table and view in a transaction of the same connection, and in one that names no company: each row
is one *check*, each that names another company is *foreign*. In the end the same look by a superuser, whom no wall holds,
must find foreign rows: it can find them.

Prints counts, and the server's own (deadlocks, sessions that waited for a lock). Exits 1 for a foreign row, an error, or
a look that finds nothing. Belongs here: this one measurement. Does not belong here: single attacks (``test_wall``).
"""

import argparse
import multiprocessing
import random
import re
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy as sa
from cryptography.fernet import Fernet

from domain.company import Company, CompanyId, company_id
from domain.derive import derive
from domain.errors import CompanyBusy
from domain.feedback import Vote
from domain.fingerprint import fingerprint
from domain.stage import TABLES, Put
from resources import secrets
from resources.companies import Companies
from resources.settings import Settings
from resources.storage import schema
from resources.storage.base import OpenStore
from tests.domain.nights import NOW, Paid, Rules, stages
from tests.postgres_server import PostgresServer, upgraded

VIEWS = ("tickets", "processing_queue", "feedback")
WALLED = tuple(table.name for table in schema.WALLED)
DOCUMENTS, CHANGES, TEXTS, VOTES = 100, 20, 200, 30
PAUSE = 3.0
"""Seconds, at most, between two syncs of a company: leaves the readers a share of the processors."""
_NAME = re.compile(r"firm\d{3}")
_CONTEXT = multiprocessing.get_context("spawn")


@dataclass
class Result:
    """What was counted; ``control`` are the foreign rows that the superuser found."""

    counts: Counter[str] = field(default_factory=Counter[str])
    control: int = 0
    deadlocks: int = 0
    errors: list[str] = field(default_factory=list[str])

    @property
    def holds(self) -> bool:
        return not self.counts["foreign rows"] and not self.errors and self.control > 0 and self.counts["checks"] > 0


def name(number: int) -> CompanyId:
    return company_id(f"firm{number:03}")


def check(company: str, rows: Iterable[Any], counts: Counter[str]) -> None:
    """Look at rows: each must name its company, and none else."""
    for row in rows:
        counts["checks"] += 1
        if set(_NAME.findall(repr(row))) != {company}:
            counts["foreign rows"] += 1


# --- writing ----------------------------------------------------------------------------------------------------------


def register(companies: Companies, number: int) -> None:
    """A company with a key."""
    firm = name(number)
    secret = secrets.seal(companies.settings, f"key of {firm}")
    companies.add(Company(firm, "export", f"{firm}.jsonl", {}, False, NOW), secret)


def sync(open_store: OpenStore, company: CompanyId, rng: random.Random, counts: Counter[str]) -> None:
    """One sync: some tickets change, and everything that follows from it."""
    with open_store() as store:
        puts: list[Put] = []
        count = rng.randint(1, CHANGES) if store.top("raw_tickets") else DOCUMENTS
        for number in rng.sample(range(DOCUMENTS), count):
            payload = {"text": f"{company} text {rng.randrange(TEXTS)}", "status": rng.choice(("open", "closed"))}
            puts.append(Put(f"{number}", payload, fingerprint(payload), "v", f"{company}-1"))
        with store.begin(company, NOW) as write:
            counts["rows written"] += write.upsert("raw_tickets", puts)
            write.delete("raw_tickets", [f"{rng.randrange(DOCUMENTS)}"])
            write.save_state("walk", {"of": company})
            write.forget([f"{company} {rng.randrange(9)}"], "document")
            if rng.randrange(10) == 0 and len(store.votes()) < VOTES:
                write.vote(Vote("r", "thumbs_up", NOW, "1", company, 1, f"said at {company}"))
        paid = Paid(refused={f"{company} text {number}" for number in range(10)})
        for stage in stages(Rules(), paid):
            counts["rows written"] += derive(stage, store, run_id=company, now=NOW).changed
    counts["syncs"] += 1


def registry(companies: Companies, firm: CompanyId, rng: random.Random, counts: Counter[str]) -> None:
    """What a sync asks of the registry, and what somebody changes there meanwhile."""
    company = companies.get(firm)
    check(firm, [company, companies.current(firm), companies.secret(company)], counts)
    if rng.randrange(5) == 0:
        companies.set(company, language=rng.choice(("auto", "ko", "en")))
        companies.set_secret(company, secrets.seal(companies.settings, f"key of {firm}"))
        counts["settings and keys changed"] += 1


def write(companies: Companies, mine: CompanyId, count: int, rng: random.Random, counts: Counter[str]) -> None:
    """One turn of a writer."""
    company = mine if rng.randrange(20) else name(rng.randrange(count))
    registry(companies, company, rng, counts)
    started = time.perf_counter()
    try:
        with companies.lock(company, "bench wall") as open_store:
            counts["locks waited for"] += time.perf_counter() - started > 0.5
            sync(open_store, company, rng, counts)
    except CompanyBusy:
        counts["company busy"] += 1
    time.sleep(rng.uniform(0, PAUSE))


# --- reading ----------------------------------------------------------------------------------------------------------


def read(companies: Companies, count: int, rng: random.Random, counts: Counter[str]) -> None:
    """One turn of a reader: everything that one company has, by every way there is."""
    company = name(rng.randrange(count))
    with companies.store(company) as store:
        ids = [f"{number}" for number in range(DOCUMENTS)]
        for table in TABLES:
            check(company, store.changes(table, 0, 1000), counts)
            check(company, store.get(table, ids, vector=True).values(), counts)
            check(company, store.get(table, rng.sample(ids, 1)).values(), counts)
            for batch in store.scan(table):
                check(company, batch.drop_columns(["vector"]).to_pylist(), counts)
        check(company, [*store.queue(), *store.votes(), *store.tickets(), *store.forgotten()], counts)
        check(company, filter(None, [store.state("walk")]), counts)
        with store.db.begin():
            store.enter()
            for source in (*WALLED, *VIEWS):
                look(store.db, company, source, counts)
        with store.db.begin():  # the same connection, without a name
            for source in (*WALLED, *VIEWS):
                counts["checks"] += 1
                counts["foreign rows"] += len(store.db.exec_driver_sql(f"SELECT * FROM {source} LIMIT 9").all())
    with companies.storage.registry(company) as db:
        look(db, company, "company_secrets", counts)
    check(company, [companies.secret(companies.get(company))], counts)
    counts["stores read"] += 1


def look(db: sa.Connection, company: str, source: str, counts: Counter[str]) -> None:
    """Every row that a plain question sees."""
    check(company, db.exec_driver_sql(f"SELECT * FROM {source}").all(), counts)


# --- running ----------------------------------------------------------------------------------------------------------


def _repeat(turn: Callable[[Counter[str]], None], until: float, found: "list[tuple[Counter[str], list[str]]]") -> None:
    counts, errors = Counter[str](), list[str]()
    while time.monotonic() < until:
        try:
            turn(counts)
        except Exception as error:
            counts["errors"] += 1
            errors.append(f"{type(error).__name__}: {error}"[:300])
    found.append((counts, errors[:3]))


def _work(settings: dict[str, Any], count: int, seconds: float, mine: list[int], seed: int, results: Any) -> None:
    """A process: a writer with a thread for each of its companies, or, without any, a reader."""
    companies = Companies(Settings(**settings))
    until = time.monotonic() + seconds
    found: list[tuple[Counter[str], list[str]]] = []
    turns: list[Callable[[Counter[str]], None]] = []
    for number in mine:
        rng = random.Random(f"{seed} {number}")
        turns.append(lambda counts, rng=rng, number=number: write(companies, name(number), count, rng, counts))
    if not mine:
        rng = random.Random(seed)
        turns.append(lambda counts: read(companies, count, rng, counts))
    threads = [threading.Thread(target=_repeat, args=(turn, until, found)) for turn in turns]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    results.put((sum((counts for counts, _ in found), Counter[str]()), [text for _, texts in found for text in texts]))


def run(
    server: PostgresServer,
    settings: Settings,
    *,
    companies: int,
    seconds: float,
    writers: int,
    readers: int,
) -> Result:
    """Load for some seconds. ``settings`` are of an empty database of ``server``, with a master key."""
    registered = Companies(settings)
    for number in range(companies):
        register(registered, number)
    results, result = _CONTEXT.Queue(), Result()
    shares = [list(range(companies))[part::writers] for part in range(writers)] + [[]] * readers
    given = {"home": settings.home, "storage": settings.storage, "master_key": settings.master_key}
    processes = [
        _CONTEXT.Process(target=_work, args=(given, companies, seconds, share, seed, results), daemon=True)
        for seed, share in enumerate(shares)
    ]
    for process in processes:
        process.start()
    database = settings.storage.rsplit("/", 1)[1]
    with psycopg.connect(server.address(database), autocommit=True) as superuser:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            time.sleep(min(1.0, left))
            _watch(superuser, result.counts)
        for _ in processes:
            counts, errors = results.get(timeout=120)
            result.counts += counts
            result.errors += errors
        for process in processes:
            process.join()
        _after(superuser, result)
    return result


def _watch(superuser: psycopg.Connection[Any], counts: Counter[str]) -> None:
    row = superuser.execute(
        "SELECT count(*), count(*) FILTER (WHERE wait_event_type = 'Lock') FROM pg_stat_activity "
        "WHERE datname = current_database() AND usename <> current_user"
    ).fetchone()
    assert row
    counts["looks at sessions"] += 1
    counts["sessions, most at once"] = max(counts["sessions, most at once"], row[0])
    counts["sessions seen waiting for a lock"] += row[1]


def _after(superuser: psycopg.Connection[Any], result: Result) -> None:
    control = Counter[str]()
    for source in (*WALLED, *VIEWS):
        check(name(0), superuser.execute(f"SELECT * FROM {source}".encode()).fetchall(), control)
    result.control = control["foreign rows"]
    time.sleep(1.5)  # the server tells its statistics once a second
    row = superuser.execute(
        "SELECT deadlocks, xact_commit, xact_rollback FROM pg_stat_database WHERE datname = current_database()"
    ).fetchone()
    assert row
    result.deadlocks, result.counts["transactions"], result.counts["rolled back"] = row


def show(result: Result) -> None:
    """A table of everything that was counted."""
    wanted = ["checks", "foreign rows", "errors"]
    for title in [*wanted, *sorted(set(result.counts) - set(wanted))]:
        print(f"{title:34}{result.counts[title]:14,}")
    print(f"{'deadlocks':34}{result.deadlocks:14,}")
    print(f"{'foreign rows without the wall':34}{result.control:14,}")
    for text, times in Counter(result.errors).most_common(9):
        print(f"{times} x {text}")


def main() -> int:
    """Read the command line, run, print; 1 when the wall does not hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--companies", type=int, default=50)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--writers", type=int, default=4)
    parser.add_argument("--readers", type=int, default=4)
    said = parser.parse_args()
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="casebook-wall-")))
        server = stack.enter_context(PostgresServer(max_connections="300"))
        settings = stack.enter_context(upgraded(server, home))
        settings = settings.model_copy(update={"master_key": Fernet.generate_key().decode()})
        print(f"{said.companies} companies, {said.minutes:g} minutes, {said.writers} writers, {said.readers} readers")
        result = run(
            server,
            settings,
            companies=said.companies,
            seconds=said.minutes * 60,
            writers=said.writers,
            readers=said.readers,
        )
    show(result)
    return 0 if result.holds else 1


if __name__ == "__main__":
    sys.exit(main())
