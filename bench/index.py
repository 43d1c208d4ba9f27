"""From filled tables to a collection that is published, opened again and searched: what it costs, and what kills leave.

    python -m bench.index [--documents 10000] [--folder DIR] [--peers PYTHON]
    python -m bench.index kills [--kills 30]

The SQLite store of one company is filled with merged tickets of about 1 KB, summaries, vectors (384 numbers, made up) and
60 words each. What is timed is the real way: ``derive`` of ``ticket_collection``, ``publish``, a new reader's first
question. Beside it in the same run, *bare*: the engine alone with the same points, from memory, without tables, checksums
or change detection: the limit. *CPU* are the seconds of this process's threads, which a busy machine changes less.

load        first load; then the time of a question, by meaning and words, 200 candidates each
unchanged   the same again
changed     1 % of the documents have another summary and vector
deleted     1 % of the documents are gone

``--peers`` is the Python of an environment with LangChain's indexing API (langchain-classic, langchain-qdrant), LlamaIndex's
pipeline (llama-index-core, llama-index-vector-stores-qdrant) and CocoIndex (cocoindex[qdrant]), each with Qdrant's local
mode, given the same texts and vectors; what is not installed there is said and left out.

kills       that many kill -9 during upserts, publishes and switches between two models, under a reader that asks all
            the time. Ends with 1 when an answer was an error, empty or a mix, or an index was not its table after the
            next publish.

Belongs here: these measurements. Does not belong here: how good the answers are (``bench/search_sets``).
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import qdrant_edge as qe

from domain import ticket_stages
from domain.canary import canary
from domain.company import Company, company_id
from domain.derive import derive
from domain.stage import Put
from resources.storage.sql import SqlCompanyStore
from resources.storage.sqlite import open_store
from resources.vector_index import edge_shard
from resources.vector_index.base import Filters, Point, points_of
from resources.vector_index.edge import EdgeIndex

BENCH = company_id("bench")
COMPANY = Company(BENCH, "export", "tickets.csv")
SIZE, WORDS, VOCABULARY = 384, 60, 60_000
MODEL = "bench-1"
NOW = "2026-01-01T00:00:00Z"
FILL = 2_000
QUESTIONS = 100
CANDIDATES = 200
TEXT = "The printer on the second floor does not print; 2층 프린터가 인쇄되지 않습니다. "


class Timed:
    """Seconds of the clock and of the processor of what runs within."""

    def __enter__(self) -> "Timed":
        self._started = (time.perf_counter(), time.process_time())
        return self

    def __exit__(self, *_: object) -> None:
        self.wall = time.perf_counter() - self._started[0]
        self.cpu = time.process_time() - self._started[1]


def vectors(count: int, seed: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Unit vectors around 400 subjects, as real ones are."""
    chance = np.random.default_rng(seed)
    subjects = np.random.default_rng(1).normal(size=(400, SIZE))
    made = subjects[chance.integers(0, 400, count)] + 0.9 * chance.normal(size=(count, SIZE))
    return (made / np.linalg.norm(made, axis=1, keepdims=True)).astype("<f4")


def words(number: int, count: int = WORDS) -> dict[str, list[Any]]:
    """Terms, a few of them common and most of them rare."""
    chance = np.random.default_rng(number)
    indices = np.unique(chance.zipf(1.25, 2 * count) % VOCABULARY * 71_503)[:count].tolist()
    return {"indices": indices, "values": [1.0] * len(indices)}


def put(doc_id: str, payload: Any, version: int, made_by: str, vector: bytes | None = None) -> Put:
    return Put(doc_id, payload, f"{doc_id} {version}", f"{doc_id} {version}", made_by, vector)


def merged(number: int) -> dict[str, Any]:
    return {
        "ticket_id": f"{number}", "subject": f"Printer {number} on strike", "status": "closed", "priority": "high",
        "type": "problem", "channel": "email", "tags": ["printer", f"floor-{number % 9}"], "product": f"p{number % 5}",
        "group": "", "agent": "", "requester": {"name": "Kim", "email": "kim@example.com", "id": "9"},
        "created_at": NOW, "updated_at": NOW, "resolved_at": NOW, "url": f"https://example.com/{number}",
        "language": "ko", "messages": [{"id": "description", "author": "customer", "private": False, "created_at": NOW,
        "text": f"{number} {TEXT * 8}"}], "attachments": [], "custom_fields": {}, "satisfaction": [], "merged_into": None,
    }  # fmt: skip


def summary(number: int, version: int) -> dict[str, Any]:
    said = f"{number} {version} {TEXT}"
    return {"problem": said, "cause": said, "solution": said, "result": "solved", "tags": ["printer"]}


def fill(store: SqlCompanyStore, numbers: Sequence[int], version: int) -> None:
    """Rows of these documents in all tables before the collection's."""
    for start in range(0, len(numbers), FILL):
        part = numbers[start : start + FILL]
        made = vectors(len(part), 1_000_000 * version + start)
        with store.begin("fill", NOW) as write:
            if version == 1:
                write.upsert("merged_tickets", [put(f"{n}", merged(n), 1, "m") for n in part])
                write.upsert("ticket_terms", [put(f"{n}", words(n), 1, "t") for n in part])
            write.upsert("ticket_summaries", [put(f"{n}", summary(n, version), version, "s") for n in part])
            rows = [put(f"{n}", {"model": MODEL}, version, MODEL, made[at].tobytes()) for at, n in enumerate(part)]
            write.upsert("ticket_embeddings", rows)


def sync(store: SqlCompanyStore, folder: Path, count: int) -> dict[str, float]:
    """What a sync does from the filled tables on, until a question is answered."""
    stage = ticket_stages.ticket_collection(COMPANY, MODEL)
    index = EdgeIndex(folder / "index", BENCH)
    with Timed() as derived:
        derive(stage, store, run_id="run", now=NOW)
    with Timed() as published:
        done = index.writer("ticket", stage.made_by, SIZE).publish(store, "ticket_collection")
    question = asked(0)
    with Timed() as searched:
        live = index.reader("ticket").current()
        live.rank(*question, Filters(), CANDIDATES)
    assert done.count == live.count() == count, (done, count)
    steps = {"derive": derived, "publish": published, "search": searched}
    return {
        "seconds": sum(one.wall for one in steps.values()),
        "cpu": sum(one.cpu for one in steps.values()),
        **{name: one.wall for name, one in steps.items()},
    }


def asked(number: int) -> tuple[list[float], tuple[list[int], list[float]]]:
    """A question of ten words."""
    said = words(number, 10)
    return vectors(1, number)[0].tolist(), (said["indices"], said["values"])


def questions(live: edge_shard.EdgeCollection) -> dict[str, float]:
    took: list[Timed] = []
    for question in map(asked, range(QUESTIONS)):
        with Timed() as timed:
            live.rank(*question, Filters(), CANDIDATES)
        took.append(timed)
    walls = sorted(one.wall * 1000 for one in took)
    cpu = statistics.median(one.cpu * 1000 for one in took)
    return {"p50_ms": statistics.median(walls), "p95_ms": walls[int(QUESTIONS * 0.95)], "cpu_ms": cpu}


def bare(store: SqlCompanyStore, folder: Path) -> dict[str, float]:
    """The engine alone: the same points, which are in memory, and a question."""
    windows: list[list[Point]] = []
    seq = 0
    while rows := store.changes("ticket_collection", seq, 1000):
        seq = rows[-1].seq
        windows.append([point for row in rows if not row.deleted for point in points_of(BENCH, "ticket", row, SIZE)])
    path, question = folder / "bare", asked(0)
    with Timed() as timed:
        shard = edge_shard.create(path, SIZE, "ticket", canary(BENCH))
        for points in windows:
            edge_shard.upsert(shard, points)
        shard.flush()
        shard.close()
        live = edge_shard.open_collection(path, "bare", "", "")
        live.rank(*question, Filters(), CANDIDATES)
    live.close()
    with Timed() as changed:
        shard = qe.EdgeShard.load(str(path))
        edge_shard.upsert(shard, windows[0][: sum(map(len, windows)) // 100])
        shard.flush()
        shard.close()
    return {"seconds": timed.wall, "cpu": timed.cpu, "changed": changed.wall}


def load(folder: Path, documents: int, python: str) -> dict[str, Any]:
    numbers, few = list(range(documents)), max(1, documents // 100)
    figures: dict[str, Any] = {"documents": documents}
    with open_store(folder, BENCH) as store:
        with Timed() as filled:
            fill(store, numbers, 1)
        say(f"tables of {documents:,} documents filled in {filled.wall:.0f} s")

        def step(name: str, prepare: Callable[[], None], count: int) -> None:
            prepare()
            figures[name] = sync(store, folder, count)
            say(f"{name:10} {told(figures[name])}")

        step("load", lambda: None, documents)
        index = EdgeIndex(folder / "index", BENCH)
        figures["question"] = questions(index.reader("ticket").current())
        say(f"{'question':10} {', '.join(f'{name} {took:.1f}' for name, took in figures['question'].items())}")
        figures["disk_mb"] = (index.built("ticket")[0].bytes or 0) / 1e6
        figures["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
        say(f"{'':10} {figures['disk_mb']:.0f} MB on disk, {figures['peak_mb']:.0f} MB of memory at most")
        figures["bare"] = bare(store, folder)
        say(f"{'bare':10} {told(figures['bare'])}")
        step("unchanged", lambda: None, documents)
        step("changed", lambda: fill(store, numbers[:few], 2), documents)
        step("deleted", lambda: delete(store, numbers[-few:]), documents - few)
    load_seconds = figures["load"]["seconds"]
    say(f"load: {documents / load_seconds:,.0f} documents/s; bare {documents / figures['bare']['seconds']:,.0f}")
    if python:
        figures["peers"] = peers(python, documents, folder)
    return figures


def delete(store: SqlCompanyStore, numbers: Sequence[int]) -> None:
    with store.begin("fill", NOW) as write:
        for table in ("merged_tickets", "ticket_summaries", "ticket_embeddings", "ticket_terms"):
            write.delete(table, [f"{number}" for number in numbers])


def peers(python: str, documents: int, folder: Path) -> dict[str, Any]:
    """What each says of itself; it runs in an environment and a process of its own."""
    np.save(folder / "vectors.npy", vectors(documents, 1_000_000))
    figures: dict[str, Any] = {}
    for name in ("langchain", "llamaindex", "cocoindex"):
        script = Path(__file__).with_name("index_peers.py")
        command = [python, str(script), name, str(folder / "vectors.npy"), str(folder / name)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            say(f"{name:10} {(done.stderr.strip().splitlines() or ['failed'])[-1]}")
            continue
        figures[name] = json.loads(done.stdout.splitlines()[-1])
        say(f"{name:10} {'; '.join(f'{step} {told(took)}' for step, took in figures[name].items())}")
    return figures


def told(took: dict[str, float]) -> str:
    rest = ", ".join(f"{name} {value:.3f}" for name, value in took.items() if name not in ("seconds", "cpu"))
    return f"{took['seconds']:.3f} s (CPU {took['cpu']:.3f})" + (f": {rest}" if rest else "")


def say(line: str) -> None:
    print(line, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("what", nargs="?", choices=("load", "kills"), default="load")
    parser.add_argument("--documents", type=int, default=10_000)
    parser.add_argument("--folder", type=Path, help="where to work; else the system's folder for temporary files")
    parser.add_argument("--peers", default="", metavar="PYTHON", help="the Python of an environment with the peers")
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--json", type=Path, help="also write the figures here")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        if options.what == "kills":
            from tests.resources.vector_index import kills

            done = kills.run(folder, options.kills, seed=6)
            say(f"{done.kills} kills, {done.answers:,} answers of {done.states} states, {len(done.wrong)} wrong")
            say("\n".join(done.wrong[:20]))
            sys.exit(bool(done.wrong) or done.kills < options.kills)
        figures = load(folder, options.documents, options.peers)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
