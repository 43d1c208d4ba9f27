"""Blue and green with the embedded engine: another model's collection beside the one that is searched.

Belongs here: building, proving, switching, keeping and dropping whole collections in files. Does not belong here: one
collection's own generations (``test_edge``).
"""

import random
import shutil
import time
from array import array
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from domain.canary import canary
from domain.company import company_id
from domain.errors import InputError, StorageError
from domain.fingerprint import point_id
from domain.stage import Put
from resources.storage.sql import SqlCompanyStore
from resources.vector_index import edge_shard, edge_writer
from resources.vector_index.base import Collection, Filters, Published
from resources.vector_index.edge import EdgeIndex
from tests.processes import Child
from tests.resources.vector_index import kills
from tests.resources.vector_index.test_edge import cut

ACME = company_id("acme")
TABLE = "kb_collection"
NOW = "2026-01-01T00:00:00Z"
SIZES = {"m1": 4, "m2": 6, "m3": 8}
ALL = Filters()


def article(doc_id: str, parts: int = 1, version: int = 1, made_by: str = "m1") -> Put:
    """A row with so many points; each has a vector of its own, and says which model made it."""
    points: list[dict[str, Any]] = []
    vector = array("f")
    for part in range(parts):
        payload = {"doc_id": doc_id, "part": part, "parts": parts, "version": version, "model": made_by}
        points.append({"point": payload, "indices": [1, 100 + part], "values": [1.0, 2.0]})
        vector.extend(random.Random(f"{doc_id} {part} {version}").choices((-1.0, 1.0), k=SIZES[made_by]))
    return Put(doc_id, {"points": points}, f"{doc_id} {parts} {version}", "s", made_by, vector.tobytes())


def write(store: SqlCompanyStore, *rows: Put, gone: tuple[str, ...] = ()) -> None:
    with store.begin("run", NOW) as transaction:
        transaction.upsert(TABLE, rows)
        transaction.delete(TABLE, gone)


def index(folder: Path) -> EdgeIndex:
    return EdgeIndex(folder / "index", ACME)


def publish(store: SqlCompanyStore, folder: Path, made_by: str = "m1") -> Published:
    return index(folder).writer("kb", made_by, SIZES[made_by]).publish(store, TABLE)


def current(folder: Path) -> Collection:
    return index(folder).reader("kb").current()


def parts_in(collection: Collection) -> set[tuple[str, int, int]]:
    """Every point: document, part, version."""
    found = list(collection.payloads(["doc_id", "part", "version"], ALL))
    assert collection.count() == len(found)
    return {(one["doc_id"], one["part"], one["version"]) for one in found}


def parts_of(*documents: tuple[str, int, int]) -> set[tuple[str, int, int]]:
    return {(doc_id, part, version) for doc_id, parts, version in documents for part in range(parts)}


def names(folder: Path) -> list[str]:
    return [one.name for one in index(folder).built("kb")]


def test_a_document_that_gets_fewer_points_leaves_none_behind(store: SqlCompanyStore, folder: Path) -> None:
    write(store, article("a", 3), article("b", 1), article("c", 5))
    first = publish(store, folder)
    assert (first.count, first.applied, current(folder).count()) == (3, 9, 9)
    write(store, article("a", 1, 2), article("b", 4, 2), gone=("c",))
    assert publish(store, folder).count == 2
    assert parts_in(current(folder)) == parts_of(("a", 1, 2), ("b", 4, 2))
    built = index(folder).built("kb")[0]
    assert (built.count, built.points, built.size, built.made_by, built.is_live) == (2, 5, 4, "m1", True)
    assert built.bytes


def test_the_canary_is_there_and_shows_itself_to_others_only(store: SqlCompanyStore, folder: Path) -> None:
    write(store, article("a", 2))
    publish(store, folder)
    bird = canary(ACME)
    own = bird.point_id("kb")
    asked = (bird.vector(4), ([bird.index], [1.0]))

    def seen(collection: Collection) -> list[bool]:
        dense, sparse = collection.rank(*asked, ALL, 10)
        return [
            own in [found for found, _ in dense],
            own in [found for found, _ in sparse],
            bool(collection.points([own])),
            own in collection.vectors([own]),
            bird.word in [payload["doc_id"] for payload in collection.payloads(["doc_id"], ALL)],
        ]

    assert not any(seen(current(folder)))
    assert len(current(folder).rank(*asked, ALL, 2)[0]) == 2  # it takes nobody's place
    home = folder / "index" / names(folder)[0]
    generation = home / f"gen-{(home / 'live').read_text()}"
    stranger = edge_shard.open_collection(generation, home.name, "m1", "another company's canary")
    assert all(seen(stranger))


def test_a_collection_in_the_hand_stays_what_it_is(store: SqlCompanyStore, folder: Path) -> None:
    write(store, *(article(f"{i}") for i in range(30)))
    publish(store, folder)
    held = current(folder)
    for version in (2, 3, 4):
        write(store, *(article(f"{i}", version=version) for i in range(30)))
        publish(store, folder)
    write(store, *(article(f"{i}", version=5, made_by="m2") for i in range(20)))
    publish(store, folder, "m2")
    index(folder).drop("kb", held.name)
    assert {version for _, _, version in parts_in(held)} == {1}
    assert (held.made_by, len(held.rank([1.0] * 4, ([1], [1.0]), ALL, 50)[0])) == ("m1", 30)
    assert current(folder).made_by == "m2"


def test_switching_back_and_forth(store: SqlCompanyStore, folder: Path) -> None:
    reader = index(folder).reader("kb")
    write(store, *(article(f"{i}", 2) for i in range(5)))
    old = publish(store, folder).collection
    write(store, *(article(f"{i}", 2, 2, "m2") for i in range(5)))
    new = publish(store, folder, "m2").collection
    assert names(folder) == [new, old]
    assert index(folder).switch("kb", old).is_live
    assert (reader.current().name, reader.current().made_by, names(folder)) == (old, "m1", [old, new])
    write(store, *(article(f"{i}", 1, 3) for i in range(6)))  # the next sync makes its rows again
    done = publish(store, folder)
    assert (done.collection, done.switched, done.rebuilt) == (old, False, False)
    assert parts_in(reader.current()) == parts_of(*((f"{i}", 1, 3) for i in range(6)))
    index(folder).switch("kb", new)
    assert reader.current().made_by == "m2"


def test_what_the_table_deleted_leaves_the_collection_before_too(store: SqlCompanyStore, folder: Path) -> None:
    write(store, *(article(f"{i}", 2) for i in range(5)))
    old = publish(store, folder).collection
    write(store, *(article(f"{i}", 3, 2, "m2") for i in range(4)), gone=("4",))
    publish(store, folder, "m2")
    write(store, article("2", 1, 3, "m2"), gone=("0",))
    publish(store, folder, "m2")
    write(store, gone=("1",))
    publish(store, folder, "m2")
    by_name = {one.name: one for one in index(folder).built("kb")}
    assert (by_name[old].count, by_name[old].points) == (2, 4)
    index(folder).switch("kb", old)
    assert parts_in(current(folder)) == parts_of(("2", 2, 1), ("3", 2, 1))  # as they were: nothing else was touched
    publish(store, folder, "m2")
    before = {path: path.stat().st_mtime_ns for path in (folder / "index").rglob("*")}
    publish(store, folder, "m2")
    assert before == {path: path.stat().st_mtime_ns for path in (folder / "index").rglob("*")}


def test_one_collection_is_kept_beside_the_live_one(store: SqlCompanyStore, folder: Path) -> None:
    made = []
    for made_by in ("m1", "m2", "m3"):
        write(store, article("a", version=len(made) + 1, made_by=made_by))
        made.append(publish(store, folder, made_by).collection)
    assert names(folder) == [made[2], made[1]]
    assert not (folder / "index" / made[0]).exists()


def test_a_collection_that_is_not_there_or_not_whole_is_not_switched_to(store: SqlCompanyStore, folder: Path) -> None:
    write(store, article("a"))
    old = publish(store, folder).collection
    write(store, article("a", version=2, made_by="m2"))
    new = publish(store, folder, "m2").collection
    for name in ("acme_kb__00000000", "../beta/index/beta_kb__1f0c9a2e", ""):
        with pytest.raises(InputError, match="no collection"):
            index(folder).switch("kb", name)
        with pytest.raises(InputError, match="no collection"):
            index(folder).drop("kb", name)
    with pytest.raises(InputError, match="searched"):
        index(folder).drop("kb", new)
    (vectors,) = (folder / "index" / old / "gen-1").glob("segments/*/vector_storage-dense/vectors/chunk_0.mmap")
    cut(vectors)
    with pytest.raises(InputError, match="not whole"):
        index(folder).switch("kb", old)
    assert current(folder).name == new
    index(folder).drop("kb", old)
    assert names(folder) == [new]


@pytest.mark.parametrize("path", ["../../beta/index/acme_kb__1f0c9a2e", "beta_kb__1f0c9a2e", "acme_kb__", 7])
def test_an_alias_leads_nowhere_but_to_the_company(store: SqlCompanyStore, folder: Path, path: Any) -> None:
    write(store, article("a"))
    done = publish(store, folder)
    stolen = folder.parent / "beta/index/acme_kb__1f0c9a2e"
    for target in (stolen, folder / "index/beta_kb__1f0c9a2e", folder / "index/acme_kb__"):
        shutil.copytree(folder / "index" / done.collection, target)
    (folder / "index/acme_kb.json").write_text(f'{{"collection": "{path}", "made_by": "m1"}}')
    with pytest.raises(StorageError, match="nothing to search"):
        current(folder)
    index(folder).rewrite("kb", store, TABLE)
    assert stolen.exists()


def test_a_collection_whose_points_are_not_found_is_not_switched_to(
    store: SqlCompanyStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(store, *(article(f"{i}") for i in range(30)))
    old = publish(store, folder)
    write(store, *(article(f"{i}", version=2, made_by="m2") for i in range(30)))
    upsert = edge_shard.upsert

    def mixed_up(shard: Any, points: Any) -> None:
        """Each point gets another one's vector."""
        turned = [*points[1:], points[0]]
        upsert(shard, [replace(point, dense=other.dense) for point, other in zip(points, turned, strict=True)])

    with monkeypatch.context() as patched, pytest.raises(StorageError, match="does not agree"):
        patched.setattr(edge_shard, "upsert", mixed_up)
        publish(store, folder, "m2")
    assert (current(folder).name, current(folder).count()) == (old.collection, 30)
    assert publish(store, folder, "m2").switched


def test_a_graph_is_built_behind_what_is_searched_already(
    store: SqlCompanyStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edge_writer, "_GRAPH_FROM", 20)
    write(store, *(article(f"{i}") for i in range(20)))
    assert publish(store, folder).generation == 2
    write(store, article("1", version=2))
    assert publish(store, folder).generation == 3  # too few are loose
    write(store, *(article(f"{i}", version=3) for i in range(5)))
    assert publish(store, folder).generation == 5
    assert publish(store, folder).generation == 5
    assert current(folder).count() == 20


def test_rewriting_leaves_the_live_collection_alone_and_nothing_of_the_rest(
    store: SqlCompanyStore, folder: Path
) -> None:
    write(store, *(article(f"{i}", 2) for i in range(4)))
    publish(store, folder)
    write(store, *(article(f"{i}", 2, 2, "m2") for i in range(4)))
    new = publish(store, folder, "m2").collection
    write(store, gone=("0",))
    assert index(folder).leftovers("kb")
    index(folder).rewrite("kb", store, TABLE)
    assert (names(folder), index(folder).leftovers("kb")) == ([new], [])
    assert parts_in(current(folder)) == parts_of(*((f"{i}", 2, 2) for i in (1, 2, 3)))
    write(store, gone=("1", "2", "3"))
    index(folder).rewrite("kb", store, TABLE)
    assert names(folder) == []
    with pytest.raises(StorageError, match="nothing to search"):
        current(folder)


def test_the_mark_and_the_end(store: SqlCompanyStore, folder: Path) -> None:
    assert (index(folder).mark(), index(folder).remains()) == ("", [])
    write(store, article("a"))
    publish(store, folder)
    index(folder).keep_mark("7")
    assert (index(folder).mark(), bool(index(folder).remains())) == ("7", True)
    index(folder).erase()
    index(folder).erase()
    assert (index(folder).mark(), index(folder).remains(), index(folder).built("kb")) == ("", [], [])


def test_answers_are_of_one_model_while_models_change(store: SqlCompanyStore, folder: Path) -> None:
    """The two differ in the size of their vectors, so a question to the wrong one would be an error."""
    write(store, *(article(f"{i}", 2) for i in range(40)))
    publish(store, folder)
    with Child(ask_for_long, folder) as watching:
        assert watching.hear() == "asking"
        for turn in range(8):
            made_by = ("m2", "m1")[turn % 2]
            write(store, *(article(f"{i}", 2, turn + 2, made_by) for i in range(40)))
            publish(store, folder, made_by)
            if turn % 4 == 3:
                index(folder).switch("kb", names(folder)[1])
                time.sleep(0.05)
        (folder / "stop").touch()
        answers, changes, wrong = watching.hear()
    assert wrong == []
    assert answers > 20
    assert changes >= 6


def ask_for_long(say: Callable[[Any], None], folder: Path) -> None:
    reader, answers, changes, last = index(folder).reader("kb"), 0, 0, ""
    wrong: list[str] = []
    say("asking")
    while not (folder / "stop").exists():
        time.sleep(0.002)
        try:
            seen = reader.current()
            dense, sparse = seen.rank([1.0] * SIZES[seen.made_by], ([1], [1.0]), ALL, 100)
            payloads = [stored.payload for stored in seen.points([found for found, _ in dense])]
        except Exception as error:
            wrong.append(f"{type(error).__name__}: {error}")
            continue
        answers += 1
        if (len(dense), len(sparse), len(payloads)) != (80, 80, 80):
            wrong.append(f"{len(dense)} by meaning, {len(sparse)} by words, {len(payloads)} payloads")
        if {(one["model"], one["version"]) for one in payloads} != {(seen.made_by, payloads[0]["version"])}:
            wrong.append("a mix")
        changes += seen.made_by != last
        last = seen.made_by
    say((answers, changes, wrong))


def test_the_own_vector_of_a_point_is_found(store: SqlCompanyStore, folder: Path) -> None:
    write(store, article("a", 2), article("b", 1))
    publish(store, folder)
    ids = [point_id(ACME, "kb", "a", 0), point_id(ACME, "kb", "a", 1), point_id(ACME, "kb", "b")]
    vectors = current(folder).vectors([*ids, "0" * 32])
    assert vectors.keys() == set(ids)
    assert [current(folder).rank(vectors[one], None, ALL, 1)[0][0][0] for one in ids] == ids


def test_whoever_is_killed_readers_see_whole_answers_and_the_next_publish_mends_it(folder: Path) -> None:
    done = kills.run(folder, 5, seed=3)
    assert done.wrong == []
    assert done.kills == 5
    assert done.answers > 20
    assert done.states > 3
