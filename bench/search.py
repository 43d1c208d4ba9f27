"""What a search costs: the query module, warm, beside the engine's own time for the same query.

    python -m bench.search [--points 1000 50000 200000] [--queries 300] [--profile] [--folder DIR]

Cases are made up (words by Zipf's law, unit vectors of the bundled model's size) and published by the real index writer into
a temporary home. Then, at each number of points, with the same questions in turn:

engine     the bare engine's own query: both halves of the hybrid in one batch, nothing of ours around it
rank       the same through the contract's ``Collection.rank``
asked      ``Searcher.search``, k 10, a question that was asked before: its vector comes from the cache
new        the same for a question that nobody asked: the model that comes with Casebook embeds it
threads    four clients in one process, questions asked before
processes  four clients in processes of their own
writing    one client, while another process publishes 100 changed cases again and again

p50, p95 and p99 in milliseconds, and questions a second of all clients; *ratio* is p50 by the engine's p50, *cpu* the
processor's time of one question, which a busy machine leaves as it is. ``--profile``
shows where the time of ``asked`` goes beyond the engine.

Belongs here: this measurement. Does not belong here: how good the answers are (``bench/search_sets``).
"""

import argparse
import cProfile
import multiprocessing
import os
import pstats
import random
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import numpy as np
import qdrant_edge as qe

from domain import points, tokens
from domain.company import Company, company_id
from domain.stage import Row
from domain.ticket_stages import collection_made_by
from query.search import CANDIDATES, EVERYTHING, Searcher
from resources import secrets
from resources.companies import Companies
from resources.embedder import open_embedder
from resources.settings import Settings
from resources.vector_index.base import open_index

BENCH = company_id("bench")
MODEL = "minilm-en"
TABLE = "ticket_collection"
WORDS, TERMS, ASKED = 30_000, 80, 8
"""Words there are, of a case, of a question."""
CLIENTS = 4
CHANGED = 100


class MadeUp:
    """A table of made-up cases that an index can follow; ``change`` moves some of them to its end."""

    store_id = "bench"

    def __init__(self, count: int, size: int) -> None:
        self.size = size
        self.made_by = collection_made_by(open_embedder(MODEL).model_id)
        self._versions = [(seq, str(seq)) for seq in range(1, count + 1)]
        self._count = count
        self._top = count

    def top(self, table: str) -> int:
        return self._top

    def count(self, table: str, made_by: str | None = None) -> int:
        return self._count

    def changes(self, table: str, after: int, limit: int) -> list[Row]:
        first = next((at for at, (seq, _) in enumerate(self._versions) if seq > after), len(self._versions))
        return [self._row(seq, doc_id) for seq, doc_id in self._versions[first : first + limit]]

    def change(self, dice: random.Random) -> None:
        moved = {str(dice.randint(1, self._count)) for _ in range(CHANGED)}
        kept = [one for one in self._versions if one[1] not in moved]
        self._versions = kept + [(self._top + at, doc_id) for at, doc_id in enumerate(sorted(moved), start=1)]
        self._top += len(moved)

    def _row(self, seq: int, doc_id: str) -> Row:
        dice = random.Random(seq)
        said = words(dice, TERMS)
        indices, values = points.sparse(tokens.terms(said))
        vector = np.random.default_rng(seq).standard_normal(self.size).astype("<f4")
        payload = {
            "company_id": BENCH,
            "data_type": "ticket",
            "doc_id": doc_id,
            "ticket_id": doc_id,
            "title": said[:60],
            "status": "closed",
            "tags": ["a"],
            "product": "p",
            "language": "en",
            "created_at": "2026-01-01T00:00:00Z",
            "updated_at": "2026-01-01T00:00:00Z",
            "url": "",
            "summary": {"problem": said[:200], "cause": "", "solution": said[200:400], "result": "", "tags": ["a"]},
            "original_data": {"priority": "high"},
        }
        row = {"points": [{"point": payload, "indices": indices, "values": values}]}
        unit = (vector / np.linalg.norm(vector)).astype("<f4").tobytes()
        return Row(doc_id, seq, "h", "s", self.made_by, row, unit, False, "run", "2026-01-01T00:00:00Z")


def words(dice: random.Random, count: int) -> str:
    return " ".join(f"w{min(int(dice.paretovariate(0.7)), WORDS)}x" for _ in range(count))


def questions(count: int, seed: int) -> list[str]:
    dice = random.Random(seed)
    return [words(dice, ASKED) for _ in range(count)]


def searcher(home: Path) -> Searcher:
    companies = Companies(Settings(home=home))
    return Searcher(companies, companies.get(BENCH))


def timed(ask: Callable[[str], Any], asked: Sequence[str]) -> list[float]:
    """Milliseconds of each question."""
    took: list[float] = []
    for text in asked:
        started = time.perf_counter()
        ask(text)
        took.append((time.perf_counter() - started) * 1000)
    return took


def show(name: str, took: Sequence[float], seconds: float, engine: float, cpu: float = 0.0) -> float:
    p50, p95, p99 = np.percentile(took, [50, 95, 99])
    ratio = f"{p50 / engine:5.2f}" if engine else "     "
    said = f"  cpu {cpu:6.2f} ms" if cpu else ""
    print(
        f"{name:10} p50 {p50:7.2f}  p95 {p95:7.2f}  p99 {p99:7.2f} ms  {len(took) / seconds:7.1f}/s  ratio {ratio}{said}",
        flush=True,
    )
    return float(p50)


def _client(home: Path, asked: Sequence[str], ready: Event, results: Any) -> None:
    one = searcher(home)
    timed(lambda text: one.search(text, 10), asked)
    results.put(None)
    ready.wait()
    results.put(timed(lambda text: one.search(text, 10), asked))


def _writer(home: Path, count: int, stop: Event, results: Any) -> None:
    made_up = MadeUp(count, open_embedder(MODEL).size)
    index = open_index(Settings(home=home), Company(BENCH, "export", ""))
    dice, published = random.Random(5), 0
    while not stop.is_set():
        made_up.change(dice)
        index.writer("ticket", made_up.made_by, made_up.size).publish(made_up, TABLE)
        published += 1
    results.put(published)


def measure(home: Path, count: int, asked: Sequence[str], profile: bool) -> None:
    one = searcher(home)
    live: Any = one.collection
    vectors = {text: one.questions.vector(text, MadeUp(0, 0).made_by.split(" | ")[0]) for text in asked}
    sparse = {text: points.sparse_query(tokens.terms(text)) for text in asked}

    def request(text: str) -> qe.QueryBatchRequest:
        queries = (
            qe.Query.Nearest(vectors[text], using="dense"),
            qe.Query.Nearest(qe.SparseVector(*sparse[text]), using="sparse"),
        )
        return qe.QueryBatchRequest(
            [qe.QueryRequest(limit=CANDIDATES, query=query, with_payload=False) for query in queries]
        )

    requests = {text: request(text) for text in asked}
    bare: Callable[[str], Any] = lambda text: live._shard.query_batch(requests[text])  # noqa: E731
    rank: Callable[[str], Any] = lambda text: live.rank(vectors[text], sparse[text], EVERYTHING, CANDIDATES)  # noqa: E731
    search: Callable[[str], Any] = lambda text: one.search(text, 10)  # noqa: E731
    for ask in (bare, rank, search):
        timed(ask, asked[:50])
    engine = 0.0
    for name, ask, texts in (
        ("engine", bare, asked),
        ("rank", rank, asked),
        ("asked", search, asked),
        ("new", search, questions(len(asked), time.time_ns())),
    ):
        before = time.process_time()
        took = timed(ask, texts)
        cpu = (time.process_time() - before) * 1000 / len(took)
        p50 = show(name, took, sum(took) / 1000, engine, cpu)
        engine = engine or p50
    if profile:
        _profile(search, asked)
    _threads(search, asked, engine)
    _processes(home, asked, engine)
    _while_writing(home, count, search, asked, engine)


def _threads(search: Callable[[str], Any], asked: Sequence[str], engine: float) -> None:
    took: list[float] = []
    clients = [threading.Thread(target=lambda: took.extend(timed(search, asked))) for _ in range(CLIENTS)]
    started = time.perf_counter()
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    show("threads", took, time.perf_counter() - started, engine)


def _processes(home: Path, asked: Sequence[str], engine: float) -> None:
    context = multiprocessing.get_context("spawn")
    ready, results = context.Event(), context.Queue()
    clients = [context.Process(target=_client, args=(home, asked, ready, results)) for _ in range(CLIENTS)]
    for client in clients:
        client.start()
    for _ in clients:
        results.get()
    started = time.perf_counter()
    ready.set()
    took = [value for _ in clients for value in results.get()]
    show("processes", took, time.perf_counter() - started, engine)
    for client in clients:
        client.join()


def _while_writing(home: Path, count: int, search: Callable[[str], Any], asked: Sequence[str], engine: float) -> None:
    context = multiprocessing.get_context("spawn")
    stop, results = context.Event(), context.Queue()
    writer = context.Process(target=_writer, args=(home, count, stop, results))
    writer.start()
    time.sleep(5)
    took = timed(search, asked)
    stop.set()
    show("writing", took, sum(took) / 1000, engine)
    print(f"{'':10} {results.get()} publishes of {CHANGED} changed cases meanwhile")
    writer.join()


def _profile(search: Callable[[str], Any], asked: Sequence[str]) -> None:
    with cProfile.Profile() as profile:
        timed(search, asked)
    pstats.Stats(profile).sort_stats("tottime").print_stats(18)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, nargs="+", default=[1000, 50_000])
    parser.add_argument("--queries", type=int, default=300)
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    for count in options.points:
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            home = Path(folder)
            companies = Companies(Settings(home=home))
            sealed = secrets.seal(companies.settings, "a key")  # with a master key settings are cached
            companies.add(Company(BENCH, "export", folder), sealed)
            made_up = MadeUp(count, open_embedder(MODEL).size)
            started = time.perf_counter()
            index = open_index(companies.settings, companies.get(BENCH))
            index.writer("ticket", made_up.made_by, made_up.size).publish(made_up, TABLE)
            print(f"\n{count} points, published in {time.perf_counter() - started:.0f} s (made up meanwhile)")
            measure(home, count, questions(options.queries, 1), options.profile)


if __name__ == "__main__":
    main()
