"""The embedded engine's collections follow their table: after every kind of loss, under readers, and through kill -9.

Belongs here: its files, their damage, its generations. Does not belong here: what every engine promises
(``test_contract``).
"""

import json
import os
import random
import resource
import shutil
import time
from array import array
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from domain.company import company_id
from domain.errors import StorageError
from domain.fingerprint import fingerprint, point_id
from domain.stage import Put
from resources.storage.sql import SqlCompanyStore
from resources.storage.sqlite import open_store
from resources.vector_index import edge_writer
from resources.vector_index.base import Collection, Filters, Published
from resources.vector_index.edge import EdgeIndex, EdgeReader
from tests.processes import Child, ask

ACME = company_id("acme")
TABLE = "ticket_collection"
NOW = "2026-01-01T00:00:00Z"
SIZE = 4
ALL = Filters()


def row(doc_id: str, version: int = 1, made_by: str = "m1", size: int = SIZE, **fields: Any) -> Put:
    """A row of the collection table. Its vectors are its version's."""
    payload = {
        "doc_id": doc_id, "version": version, "status": "closed", "tags": [], "product": "", "language": "en",
        "updated_at": NOW,
    }  # fmt: skip
    point = {"point": payload | fields, "indices": [1, 100 + version], "values": [1.0, 2.0]}
    vector = array("f", random.Random(f"{doc_id} {version}").choices((-1.0, 1.0), k=size)).tobytes()
    return Put(doc_id, {"points": [point]}, f"{doc_id} {version} {fields}", "s", made_by, vector)


def write(store: SqlCompanyStore, *rows: Put, gone: tuple[str, ...] = ()) -> None:
    with store.begin("run", NOW) as transaction:
        transaction.upsert(TABLE, rows)
        transaction.delete(TABLE, gone)


def publish(store: SqlCompanyStore, folder: Path, made_by: str = "m1", size: int = SIZE) -> Published:
    return index_in(folder).writer("ticket", made_by, size).publish(store, TABLE)


def index_in(folder: Path) -> EdgeIndex:
    return EdgeIndex(folder / "index", ACME)


def reader(folder: Path) -> EdgeReader:
    return index_in(folder).reader("ticket")


def current(folder: Path) -> Collection:
    return reader(folder).current()


def held(index: Collection) -> dict[str, tuple[int, list[float]]]:
    """Everything that is found: version and vector by id."""
    found = {point["doc_id"]: point["version"] for point in index.payloads(["doc_id", "version"], ALL)}
    assert index.count() == len(found)
    return {doc_id: (version, vector_of(index, doc_id)) for doc_id, version in found.items()}


def vector_of(index: Collection, doc_id: str) -> list[float]:
    point = point_id(ACME, "ticket", doc_id)
    return [round(x, 5) for x in index.vectors([point]).get(point, ())]


def wanted(store: SqlCompanyStore, made_by: str = "m1") -> dict[str, tuple[int, list[float]]]:
    """The same from the table."""
    rows = store.get(TABLE, sorted(store.ids(TABLE)), vector=True).values()
    return {
        row.doc_id: (row.payload["points"][0]["point"]["version"], normal(row.vector or b""))
        for row in rows
        if row.made_by == made_by
    }


def normal(vector: bytes) -> list[float]:
    """A vector as the engine keeps it under cosine distance: of length 1."""
    values = memoryview(vector).cast("f").tolist()
    length = sum(x * x for x in values) ** 0.5
    return [round(x / length, 5) for x in values]


def assert_agree(store: SqlCompanyStore, folder: Path) -> None:
    assert held(current(folder)) == wanted(store)


def generation(folder: Path) -> Path:
    """The folder of the live generation."""
    home = folder / "index" / json.loads((folder / "index/acme_ticket.json").read_text())["collection"]
    return home / f"gen-{(home / 'live').read_text()}"


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# --- following --------------------------------------------------------------------------------------------------------


def test_nothing_is_found_before_the_first_publish(folder: Path) -> None:
    with pytest.raises(StorageError, match="casebook sync"):
        current(folder)
    assert index_in(folder).built("ticket") == []


def test_an_empty_table_gives_an_empty_collection(store: SqlCompanyStore, folder: Path) -> None:
    assert publish(store, folder).count == 0
    index = current(folder)
    assert (index.count(), index.rank([1.0] * SIZE, ([1], [1.0]), ALL, 5)) == (0, ([], []))
    assert (list(index.payloads(["version"], ALL)), index.points(["0" * 32]), index.vectors(["0" * 32])) == ([], [], {})
    write(store, row("1"))
    assert publish(store, folder).applied == 1
    assert_agree(store, folder)


def test_each_publish_takes_what_changed_and_no_more(store: SqlCompanyStore, folder: Path) -> None:
    write(store, *(row(f"{i}") for i in range(50)))
    first = publish(store, folder)
    assert (first.generation, first.applied, first.count, first.switched, first.rebuilt) == (1, 50, 50, True, True)
    index = reader(folder)
    assert index.current().count() == 50
    write(store, row("1", 2), row("2", 2), row("50"), gone=("3", "4"))
    second = publish(store, folder)
    assert (second.applied, second.dropped, second.count, second.switched, second.rebuilt) == (3, 2, 49, False, False)
    assert index.current().count() == 49  # a reader turns to the new generation by itself
    write(store, row("3"))  # back from the dead, as it was
    assert publish(store, folder).count == 50
    assert_agree(store, folder)


def test_when_nothing_changed_nothing_is_written(store: SqlCompanyStore, folder: Path) -> None:
    write(store, *(row(f"{i}") for i in range(10)))
    publish(store, folder)
    current(folder).rank([1.0] * SIZE, ([1], [1.0]), ALL, 5)  # nor does a reader leave a trace
    before = contents(folder / "index")
    assert publish(store, folder) == Published("acme_ticket__" + fingerprint(["m1", SIZE])[:8], 1, count=10)
    assert contents(folder / "index") == before


def test_a_row_that_came_and_went_between_publishes_leaves_no_point(store: SqlCompanyStore, folder: Path) -> None:
    write(store, row("1"))
    publish(store, folder)
    write(store, row("2"))
    write(store, gone=("2",))
    assert publish(store, folder).count == 1
    assert_agree(store, folder)


@pytest.mark.parametrize("seed", range(2))
def test_any_sequence_of_changes_ends_in_the_table(
    store: SqlCompanyStore, folder: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With windows of 7 rows, and the engine's own rebuilding from 20 points on."""
    monkeypatch.setattr(edge_writer, "_WINDOW", 7)
    monkeypatch.setattr(edge_writer, "_GRAPH_FROM", 20)
    rng = random.Random(seed)
    for _ in range(5):
        for _ in range(rng.randrange(4)):
            changed = rng.sample(range(60), rng.randrange(30))
            gone = tuple(f"{i}" for i in rng.sample(range(60), rng.randrange(12)) if i not in changed)
            write(store, *(row(f"{i}", rng.randrange(5)) for i in changed), gone=gone)
        done = publish(store, folder)
        assert not done.rebuilt or done.generation <= 2  # one with a graph, after the first
        assert_agree(store, folder)
    assert len(list(generation(folder).parent.glob("gen-*"))) <= 2


# --- loss and damage --------------------------------------------------------------------------------------------------


def test_a_lost_index_fills_itself(store: SqlCompanyStore, folder: Path) -> None:
    write(store, *(row(f"{i}") for i in range(20)))
    publish(store, folder)
    for lost in (folder / "index", generation(folder).parent, generation(folder), generation(folder).parent / "live"):
        shutil.rmtree(lost) if lost.is_dir() else lost.unlink()
        done = publish(store, folder)
        assert (done.rebuilt, done.count) == (True, 20)
        assert_agree(store, folder)


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def flip(path: Path) -> None:
    """One byte is another."""
    with path.open("r+b") as file:
        byte = file.read(1)
        file.seek(0)
        file.write(bytes([byte[0] ^ 0xFF]))


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("position.json", flip),
        ("edge_config.json", cut),
        ("segments/*/version.info", Path.unlink),
        ("segments/*/segment.json", flip),
        ("segments/*/mutable_id_tracker.mappings", Path.unlink),
        ("segments/*/mutable_id_tracker.versions", cut),
        ("segments/*/payload_storage/page_0.dat", flip),
        ("segments/*/payload_index/*status-map/tracker.dat", flip),
        ("segments/*/vector_storage-dense/vectors/chunk_0.mmap", flip),
        ("segments/*/vector_storage-dense/vectors/status.dat", Path.unlink),
        ("segments/*/vector_storage-sparse/deleted/status.dat", cut),
    ],
)
def test_a_damaged_file_is_found_and_the_index_filled_anew(
    store: SqlCompanyStore, folder: Path, name: str, damage: Callable[[Path], None]
) -> None:
    """Though nothing changed in the table, and whether or not the engine itself would have noticed."""
    write(store, *(row(f"{i}") for i in range(20)))
    publish(store, folder)
    (file,) = generation(folder).glob(name)
    damage(file)
    try:
        current(folder).rank([1.0] * SIZE, ([1], [1.0]), Filters(status=("closed",)), 5)
    except StorageError as error:  # a reader cannot notice all of them
        assert "casebook sync" in error.remedy
    done = publish(store, folder)
    assert (done.rebuilt, done.count) == (True, 20)
    assert_agree(store, folder)


def test_a_panic_of_the_engine_is_told_in_one_line(store: SqlCompanyStore, folder: Path) -> None:
    write(store, row("1"))
    publish(store, folder)
    (status,) = generation(folder).glob("segments/*/vector_storage-dense/vectors/status.dat")
    cut(status)
    with pytest.raises(StorageError, match="cannot be read") as caught:
        current(folder).count()
    assert "\n" not in str(caught.value)


def test_another_store_in_the_place_of_the_first_fills_a_new_index(folder: Path) -> None:
    with open_store(folder, ACME) as store:
        write(store, *(row(f"{i}") for i in range(20)))
        publish(store, folder)
    (folder / "casebook.sqlite").unlink()
    with open_store(folder, ACME) as store:
        write(store, *(row(f"{i}", 2) for i in range(10, 30)))
        assert publish(store, folder).rebuilt
        assert_agree(store, folder)


def test_an_older_copy_of_the_store_takes_the_index_back_with_it(folder: Path) -> None:
    with open_store(folder, ACME) as store:
        write(store, *(row(f"{i}") for i in range(5)))
    shutil.copy(folder / "casebook.sqlite", folder / "backup")
    with open_store(folder, ACME) as store:
        write(store, row("1", 2))
        publish(store, folder)
    shutil.copy(folder / "backup", folder / "casebook.sqlite")
    with open_store(folder, ACME) as store:
        assert publish(store, folder).rebuilt
        assert_agree(store, folder)


def test_a_reader_notices_that_an_index_was_erased_and_filled_again(folder: Path) -> None:
    """Its generations count from 1 again: the number alone does not tell."""
    index = reader(folder)
    for version in (1, 2):
        with open_store(folder, ACME) as store:
            write(store, row("1", version))
            assert publish(store, folder).generation == 1
            assert {doc_id: seen for doc_id, (seen, _) in held(index.current()).items()} == {"1": version}
        shutil.rmtree(folder)
    with pytest.raises(StorageError, match="nothing to search"):
        index.current()


def test_a_full_disk_leaves_the_old_generation_in_use(store: SqlCompanyStore, folder: Path) -> None:
    write(store, *(row(f"{i}") for i in range(20)))
    publish(store, folder)
    before = held(current(folder))
    write(store, row("1", 2))
    line = ask(publish_on_a_full_disk, folder)
    assert line.startswith("StorageError: ")
    assert "cannot be written" in line
    assert "\n" not in line
    assert held(current(folder)) == before
    assert not publish(store, folder).rebuilt
    assert_agree(store, folder)
    assert sorted(path.name for path in generation(folder).parent.glob("tmp-*")) == []


def publish_on_a_full_disk(say: Callable[[str], None], folder: Path) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
    try:
        with open_store(folder, ACME) as store:
            publish(store, folder)
        say("published")
    except Exception as error:
        say(f"{type(error).__name__}: {error}")


# --- another model ----------------------------------------------------------------------------------------------------


def test_another_model_is_built_beside_and_switched_to_when_it_is_whole(store: SqlCompanyStore, folder: Path) -> None:
    write(store, *(row(f"{i}") for i in range(20)))
    first = publish(store, folder)
    index = reader(folder)
    assert (index.current().made_by, index.current().count()) == ("m1", 20)
    write(store, *(row(f"{i}", 2, "m2", size=8) for i in range(20)))
    assert (index.current().count(), index.current().made_by) == (20, "m1")  # until the other is there
    second = publish(store, folder, "m2", size=8)
    assert (second.switched, second.rebuilt, second.count) == (True, True, 20)
    assert second.collection != first.collection
    assert {version for version, _ in held(index.current()).values()} == {2}
    assert (index.current().made_by, len(vector_of(index.current(), "1"))) == ("m2", 8)
    assert (folder / "index" / first.collection / "live").exists()  # to switch back to


def test_rows_of_another_making_are_not_in_the_collection(store: SqlCompanyStore, folder: Path) -> None:
    write(store, *(row(f"{i}") for i in range(4)))
    publish(store, folder)
    write(store, row("1", 2, "m2", size=8))
    done = publish(store, folder)
    assert (done.dropped, done.count, set(held(current(folder)))) == (1, 3, {"0", "2", "3"})


# --- searching --------------------------------------------------------------------------------------------------------


def test_filters(store: SqlCompanyStore, folder: Path) -> None:
    write(
        store,
        row("1", status="closed", tags=["login", "sso"], product="app", language="ko", updated_at="2026-01-01T00:00:00Z"),
        row("2", status="solved", tags=["login"], product="app", language="en", updated_at="2026-02-01T00:00:00Z"),
        row("3", status="closed", tags=["결제"], product="웹", language="ko", updated_at="2026-03-01T00:00:00Z"),
    )  # fmt: skip
    publish(store, folder)
    index = current(folder)
    for filters, expected in (
        (ALL, "123"),
        (Filters(status=("closed",)), "13"),
        (Filters(status=("closed", "solved")), "123"),
        (Filters(status=("open",)), ""),
        (Filters(tags=("login",)), "12"),
        (Filters(tags=("login", "sso")), "1"),
        (Filters(tags=("결제",), product=("웹",)), "3"),
        (Filters(language=("ko",), status=("closed",), without="3"), "1"),
        (Filters(without="2"), "13"),
        (Filters(since="2026-02-01T00:00:00Z"), "23"),  # from that moment on
        (Filters(until="2026-02-01T00:00:00Z"), "1"),  # before it
        (Filters(since="2026-01-15T00:00:00Z", until="2026-02-15T00:00:00Z"), "2"),
    ):
        dense, sparse = index.rank([1.0] * SIZE, ([1], [1.0]), filters, 10)
        points = {point_id(ACME, "ticket", doc_id) for doc_id in expected}
        assert {found for found, _ in dense} == {found for found, _ in sparse} == points, filters
        assert {point["doc_id"] for point in index.payloads(["doc_id"], filters)} == set(expected)


def test_either_half_of_a_query_may_be_missing(store: SqlCompanyStore, folder: Path) -> None:
    write(store, row("1"), row("2", 2))
    publish(store, folder)
    index = current(folder)
    one, two = (point_id(ACME, "ticket", doc_id) for doc_id in "12")
    dense, none = index.rank(vector_of(index, "2"), None, ALL, 10)
    assert (dense[0][0], dense[0][1], none) == (two, pytest.approx(1.0, abs=1e-4), [])
    assert index.rank(vector_of(index, "2"), ([], []), ALL, 1) == (dense[:1], [])
    none, sparse = index.rank(None, ([101], [1.0]), ALL, 10)
    assert (none, [found for found, _ in sparse]) == ([], [one])
    assert index.rank(None, None, ALL, 10) == ([], [])
    assert [(stored.point_id, stored.payload["version"]) for stored in index.points([two, "0" * 32])] == [(two, 2)]


# --- readers and kills ------------------------------------------------------------------------------------------------


def test_a_reader_meets_whole_generations_only_while_publishing_is_killed(folder: Path) -> None:
    """Each write gives all rows one version. So an index with two of them, or with another number of rows than that
    version has, is one that never was in the table."""
    rng = random.Random(5)
    with open_store(folder, ACME) as store:
        write(store, *rows_of(1))
        publish(store, folder)
        write(store, *rows_of(2), gone=("0", "1"))
        started = time.perf_counter()
        publish(store, folder)
        step = time.perf_counter() - started
    with Child(read_for_long, folder) as watching:
        assert watching.hear() == "watching"
        for kill in range(10):
            with Child(publish_for_ever, folder) as writer:
                assert writer.hear() == "publishing"
                if kill % 2:
                    assert writer.hear() == "published"  # killed in its second step, which is a fast one
                time.sleep(rng.random() * 1.5 * step)
                writer.kill()
                assert writer.was_killed
        (folder / "stop").touch()
        queries, versions, wrong = watching.hear()
        assert wrong == []
        assert queries > 20
        assert len(versions) > 3
        assert versions == sorted(versions)
    with open_store(folder, ACME) as store:
        done = publish(store, folder)
        assert not done.rebuilt  # no kill cost more than its own step
        assert_agree(store, folder)
    assert [path.name for path in generation(folder).parent.glob("tmp-*")] == []


def rows_of(version: int) -> list[Put]:
    return [row(f"{i}", version) for i in range(version % 5, 60)]


def publish_for_ever(say: Callable[[str], None], folder: Path) -> None:
    with open_store(folder, ACME) as store:
        version = store.state("version") or 2
        while True:
            version += 1
            with store.begin("run", NOW) as transaction:
                transaction.upsert(TABLE, rows_of(version))
                transaction.delete(TABLE, [f"{i}" for i in range(version % 5)])
                transaction.save_state("version", version)
            say("publishing")
            publish(store, folder)
            say("published")


def read_for_long(say: Callable[[Any], None], folder: Path) -> None:
    index, queries = reader(folder), 0
    versions: list[int] = []
    wrong: list[str] = []
    say("watching")
    while not (folder / "stop").exists():
        time.sleep(0.005)  # the writer needs the processor too
        try:
            seen_now = index.current()
            found = list(seen_now.payloads(["version", "doc_id"], ALL))
            dense, sparse = seen_now.rank([1.0] * SIZE, ([1], [1.0]), ALL, 100)
        except Exception as error:
            wrong.append(f"{type(error).__name__}: {error}")
            continue
        queries += 1
        (version,) = seen if len(seen := {point["version"] for point in found}) == 1 else (0,)
        if {point["doc_id"] for point in found} != {f"{i}" for i in range(version % 5, 60)}:
            wrong.append(f"{len(found)} points of versions {seen}")
        if min(len(dense), len(sparse)) < 56:
            wrong.append(f"{len(dense)} by meaning, {len(sparse)} by words")
        if version not in versions[-1:]:
            versions.append(version)
    say((queries, versions, wrong))
