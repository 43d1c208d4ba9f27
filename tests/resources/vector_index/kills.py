"""Killing whoever upserts, publishes and switches, again and again, while somebody searches all the time.

Belongs here: what the test and ``bench/index.py kills`` share. Does not belong here: how many kills are enough.

Each write gives all rows one version, so an answer with two of them is one that never was in the table; the two models differ
in the size of their vectors, so a question to the wrong one would be an error.
"""

import random
import time
from array import array
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from domain.company import company_id
from domain.stage import Put
from resources.storage.sql import SqlCompanyStore
from resources.storage.sqlite import open_store
from resources.vector_index.base import Filters
from resources.vector_index.edge import EdgeIndex
from tests.processes import Child

ACME = company_id("acme")
TABLE = "ticket_collection"
NOW = "2026-01-01T00:00:00Z"
SIZES = {"m1": 4, "m2": 6}
ROWS = 60
ALL = Filters()


@dataclass
class Killed:
    """What came of it: ``wrong`` tells every answer, and every index after the next publish, that was not right."""

    kills: int = 0
    answers: int = 0
    states: int = 0
    wrong: list[str] = field(default_factory=list[str])


def rows_of(version: int) -> set[str]:
    return {f"{i}" for i in range(version % 5, ROWS)}


def model_of(version: int) -> str:
    return ("m1", "m2")[version // 3 % 2]


def index_in(folder: Path) -> EdgeIndex:
    return EdgeIndex(folder / "index", ACME)


def write(store: SqlCompanyStore, version: int) -> None:
    made_by, size = model_of(version), SIZES[model_of(version)]
    puts: list[Put] = []
    for doc_id in sorted(rows_of(version)):
        payload = {"doc_id": doc_id, "version": version, "model": made_by}
        point = {"point": payload, "indices": [1], "values": [1.0]}
        vector = array("f", random.Random(f"{doc_id} {version}").choices((-1.0, 1.0), k=size)).tobytes()
        puts.append(Put(doc_id, {"points": [point]}, f"{doc_id} {version}", "s", made_by, vector))
    with store.begin("run", NOW) as transaction:
        transaction.upsert(TABLE, puts)
        transaction.delete(TABLE, [f"{i}" for i in range(version % 5)])
        transaction.save_state("version", version)


def publish(store: SqlCompanyStore, folder: Path) -> None:
    made_by = model_of(store.state("version"))
    index_in(folder).writer("ticket", made_by, SIZES[made_by]).publish(store, TABLE)


def run(folder: Path, kills: int, seed: int) -> Killed:
    """Kill so many writers, each at a random moment of an upsert, a publish or a switch."""
    chance, done = random.Random(seed), Killed()
    with open_store(folder, ACME) as store:
        write(store, 1)
        publish(store, folder)
    with Child(_ask_for_ever, folder) as watching:
        watching.hear()
        for kill in range(kills):
            with Child(_work_for_ever, folder) as writer:
                moment = [writer.hear() for _ in range(1 + kill % 4)][-1]
                time.sleep(chance.random() * (0.02 if moment == "switching" else 0.1))
                writer.kill()
                done.kills += writer.was_killed
            with open_store(folder, ACME) as store:
                publish(store, folder)
                done.wrong += _differences(store, folder)
        (folder / "stop").touch()
        done.answers, done.states, wrong = watching.hear()
    done.wrong += wrong
    return done


def _differences(store: SqlCompanyStore, folder: Path) -> list[str]:
    """What the index has otherwise than the table."""
    rows = store.get(TABLE, sorted(store.ids(TABLE)))
    wanted = {doc_id: row.payload["points"][0]["point"] for doc_id, row in rows.items()}
    live = index_in(folder).reader("ticket").current()
    held = {one["doc_id"]: one for one in live.payloads(["doc_id", "version", "model"], ALL)}
    return [] if held == wanted and live.count() == len(wanted) else [f"{len(held)} points for {len(wanted)} rows"]


def _work_for_ever(say: Callable[[str], None], folder: Path) -> None:
    with open_store(folder, ACME) as store:
        while True:
            version = store.state("version") + 1
            say("upserting")
            write(store, version)
            say("publishing")
            publish(store, folder)
            others = [one.name for one in index_in(folder).built("ticket") if not one.is_live]
            for name in others:
                say("switching")
                index_in(folder).switch("ticket", name)


def _ask_for_ever(say: Callable[[Any], None], folder: Path) -> None:
    reader, answers, states = index_in(folder).reader("ticket"), 0, set[tuple[str, int]]()
    wrong: list[str] = []
    always = {f"{i}" for i in range(4, ROWS)}
    say("asking")
    while not (folder / "stop").exists():
        time.sleep(0.005)  # the writer needs the processor too
        try:
            live = reader.current()
            dense, sparse = live.rank([1.0] * SIZES[live.made_by], ([1], [1.0]), ALL, 100)
            found = [stored.payload for stored in live.points([one for one, _ in dense])]
        except Exception as error:
            wrong.append(f"{type(error).__name__}: {error}")
            continue
        answers += 1
        ids, seen = {one["doc_id"] for one in found}, {(one["model"], one["version"]) for one in found}
        if len(seen) != 1 or {model for model, _ in seen} != {live.made_by}:
            wrong.append(f"a mix of {seen} from {live.made_by}")
        elif not always <= ids <= rows_of(max(seen)[1]) or len(sparse) != len(ids):
            wrong.append(f"{len(ids)} by meaning, {len(sparse)} by words")
        states |= seen
    say((answers, len(states), wrong))
