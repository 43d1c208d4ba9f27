"""The Qdrant server as an engine: what it is asked, what befalls the connection, and crashes between any two requests.

Belongs here: what the stand-in's log and faults show. Does not belong here: what every engine promises (``test_contract``).
"""

import socket
import warnings
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from qdrant_client import models

from domain.company import Company, CompanyId, company_id
from domain.errors import InputError, StorageError, StorageUnavailable
from resources.settings import Settings
from resources.storage.sql import SqlCompanyStore
from resources.storage.sqlite import open_store
from resources.vector_index import server_collections, server_connection, server_writer
from resources.vector_index.base import KEYWORDS, Filters, Published, open_index
from resources.vector_index.server import ServerIndex
from resources.vector_index.server_connection import Connection, Patience, connection
from resources.vector_index.server_points import Placement
from sandbox.qdrant import Fault, Kind, QdrantStandIn
from tests.resources.vector_index.engines import ALL, KEY, QUICK, SIZE, TABLE, held, row, wanted, write

ACME = company_id("acme")
DENSE = [1.0] * SIZE
WORDS = ([*range(1, 20)], [1.0] * 19)
ONCE = Patience(timeout=5, attempts=1, longest_wait=0.05)


@pytest.fixture(scope="module")
def running() -> Iterator[QdrantStandIn]:
    with QdrantStandIn(KEY) as server:
        yield server


@pytest.fixture
def stand_in(running: QdrantStandIn) -> QdrantStandIn:
    running.clear()
    running.version = "1.20.0"
    return running


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqlCompanyStore]:
    with open_store(tmp_path / "acme", ACME) as opened:
        yield opened


def opened(
    server: QdrantStandIn, placement: Placement = "dedicated", patience: Patience = QUICK, company: CompanyId = ACME
) -> ServerIndex:
    client = connection(server.url, KEY)._client
    return ServerIndex(Connection(client, server.url, KEY, reading=patience, writing=patience), company, placement)


def publish(index: ServerIndex, store: SqlCompanyStore, made_by: str = "m1", **options: Any) -> Published:
    return index.writer("ticket", made_by, SIZE).publish(store, TABLE, **options)


BOTH = pytest.mark.parametrize("placement", ["dedicated", "shared"])

# --- what the server is asked -----------------------------------------------------------------------------------------


@BOTH
def test_a_collection_is_ready_before_its_first_point(
    stand_in: QdrantStandIn, store: SqlCompanyStore, placement: Placement
) -> None:
    write(store, row("1"), row("2"))
    name = publish(opened(stand_in, placement), store).collection
    settings = stand_in.settings[name]
    assert set(settings.indexes) == {*KEYWORDS, "company_id", "updated_at", "part"}
    assert settings.indexes["company_id"]["is_tenant"] is (placement == "shared")
    assert (settings.indexes["updated_at"]["type"], settings.indexes["status"]["type"]) == ("datetime", "keyword")
    assert settings.indexes["status"]["enable_hnsw"] is (False if placement == "shared" else None)
    assert settings.created["sparse_vectors"]["sparse"]["modifier"] == "idf"
    assert settings.created["vectors"]["dense"] | {"on_disk": None} == {
        "size": SIZE, "distance": "Cosine", "on_disk": None
    }  # fmt: skip
    strict = settings.created["strict_mode_config"]
    assert (strict["enabled"], strict["unindexed_filtering_retrieve"]) == (True, False)
    paths = [f"{one.method} {one.path}" for one in stand_in.log]
    last_index = max(at for at, path in enumerate(paths) if path.endswith("/index"))
    first_point = min(at for at, path in enumerate(paths) if path == f"PUT /collections/{name}/points")
    assert last_index < first_point
    assert all("wait=true" in one.query for one in stand_in.asked("PUT /collections/") if one.path.endswith("/points"))
    assert name.startswith("shared__ticket__" if placement == "shared" else "acme_ticket__")


def test_a_first_load_builds_its_graph_once_and_before_it_is_searched(
    stand_in: QdrantStandIn, store: SqlCompanyStore
) -> None:
    write(store, row("1"))
    name = publish(opened(stand_in), store).collection
    assert stand_in.settings[name].created["optimizers_config"]["indexing_threshold"] == 0
    assert stand_in.settings[name].updated[-1]["optimizers_config"]["indexing_threshold"] > 0
    paths = [f"{one.method} {one.path}" for one in stand_in.log]
    assert paths.index(f"PATCH /collections/{name}") < paths.index("POST /collections/aliases")


@BOTH
def test_every_request_names_the_company(stand_in: QdrantStandIn, store: SqlCompanyStore, placement: Placement) -> None:
    index = opened(stand_in, placement)
    write(store, *(row(f"{i}", parts=2) for i in range(4)))
    publish(index, store)
    write(store, row("1", 2), gone=("2",))
    publish(index, store)
    publish(index, store, anew=True)
    now = index.reader("ticket").current()
    ids = [point for point, _ in now.rank(DENSE, WORDS, Filters(tags=["a"], without="3"), 5)[0]]
    assert (now.points(ids), now.vectors(ids), now.count()) is not None
    assert list(now.payloads(["title"], ALL))
    index.built("ticket")
    asked = 0
    for one in stand_in.log:
        for body in (one.body or {}).get("searches", [one.body]):
            if one.path.rsplit("/", 1)[-1] in ("count", "scroll", "delete", "batch") and "points" not in body:
                whose = body["filter"]["must"][0]
                assert whose["key"] == "company_id", one
                assert whose["match"] in ({"value": "acme"}, {"any": ["acme", "acme/index"]}), one
                asked += 1
    assert asked > 10


def test_in_a_shared_collection_words_are_counted_within_the_company(
    stand_in: QdrantStandIn, store: SqlCompanyStore
) -> None:
    write(store, row("1"))
    index = opened(stand_in, "shared")
    publish(index, store)
    index.reader("ticket").current().rank(None, WORDS, Filters(tags=["x"]), 5)
    corpus = stand_in.asked("query/batch")[-1].body["searches"][0]["params"]["idf"]["corpus"]
    assert corpus["must"] == [{"key": "company_id", "match": {"value": "acme"}}]
    stand_in.version = "1.18.4"  # it would not know what that means, and count everybody's
    stand_in.clear()
    with pytest.raises(StorageError, match="too old"):
        publish(index, store)
    assert publish(opened(stand_in), store).count == 1


def test_a_large_collection_is_quantised_whenever_it_becomes_large(
    stand_in: QdrantStandIn, store: SqlCompanyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(store, *(row(f"{i}") for i in range(3)))
    index = opened(stand_in)
    name = publish(index, store).collection
    assert not stand_in.settings[name].created.get("quantization_config")
    monkeypatch.setattr(server_collections, "LARGE_BYTES", 3 * SIZE * 4)
    write(store, row("4"))
    publish(index, store)
    grown = stand_in.settings[name].updated[-1]
    assert (grown["quantization_config"]["scalar"]["type"], grown["vectors"]["dense"]["on_disk"]) == ("int8", True)
    updates = len(stand_in.settings[name].updated)
    write(store, row("5"))
    publish(index, store)
    assert len(stand_in.settings[name].updated) == updates
    asked = len(stand_in.log)
    new = publish(index, store, anew=True).collection
    assert stand_in.settings[new].created["quantization_config"]["scalar"]["always_ram"] is True
    by_vector = [
        one
        for request in stand_in.log[asked:]
        for one in (request.body or {}).get("searches", [])
        if one["using"] == "dense"
    ]  # the proof: one byte a number does not score even a point itself by 1
    assert by_vector
    assert all(one["params"]["quantization"]["rescore"] for one in by_vector)
    assert held(index, ACME) == wanted(store)


def test_a_long_article_goes_in_several_requests(
    stand_in: QdrantStandIn, store: SqlCompanyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_writer, "_BATCH", 3)
    index = opened(stand_in)
    for parts in (8, 7, 2):
        write(store, row("1", parts=parts), row("2"))
        publish(index, store)
        assert held(index, ACME) == wanted(store)
    assert max(len(one.body["points"]) for one in stand_in.log if one.method == "PUT" and "points" in one.body) == 3


# --- crashes ----------------------------------------------------------------------------------------------------------


WRITES = r"^(PUT|PATCH|DELETE) (?!.*/index$)|points/delete$|collections/aliases$"


@pytest.mark.parametrize(("placement", "kind"), [("dedicated", "500"), ("shared", "lost")])
@pytest.mark.parametrize("made_by", ["m1", "m2"])
def test_a_run_that_ends_at_any_write_is_healed_by_the_next(
    stand_in: QdrantStandIn, tmp_path: Path, placement: Placement, kind: Kind, made_by: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """``lost``: the request was done, and nobody was told. ``m1`` follows, ``m2`` is built beside and switched to."""
    monkeypatch.setattr(server_writer, "_WINDOW", 3)
    fragile, index = opened(stand_in, placement, ONCE), opened(stand_in, placement)
    failures = 0
    for step in count():
        stand_in.clear()
        with open_store(tmp_path / f"{step}", ACME) as store:
            write(store, *(row(f"{i}", parts=2) for i in range(3)))
            publish(index, store)
            write(store, *(row(f"{i}", 2, made_by) for i in range(4)), gone=("2",))
            stand_in.faults[:] = [Fault(kind, on=WRITES, skip=step)]
            try:
                publish(fragile, store, made_by)
            except StorageUnavailable:
                failures += 1
                assert index.reader("ticket").current().count() > 0  # readers see something whole
            reached = not stand_in.faults[0].times
            stand_in.faults.clear()
            publish(index, store, made_by)
            assert held(index, ACME) == wanted(store, made_by), step
            if not reached:
                break
    assert failures >= (4 if made_by == "m1" else 6)


@BOTH
def test_a_run_that_ended_before_a_collection_had_its_indexes_is_healed(
    stand_in: QdrantStandIn, store: SqlCompanyStore, placement: Placement
) -> None:
    write(store, row("1"), row("2"))
    index = opened(stand_in, placement)
    publish(index, store)
    write(store, *(row(f"{i}", 2, "m2") for i in (1, 2)))
    stand_in.faults[:] = [Fault("500", on="/index$")]
    with pytest.raises(StorageUnavailable):
        publish(opened(stand_in, placement, ONCE), store, "m2")
    write(store, gone=("1",))
    assert publish(index, store).count == 0  # back to the first, with a deletion
    assert publish(index, store, "m2").count == 1
    assert held(index, ACME) == wanted(store, "m2")


def test_a_first_load_goes_on_where_it_was_interrupted(
    stand_in: QdrantStandIn, store: SqlCompanyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_writer, "_WINDOW", 10)
    write(store, *(row(f"{i:03}") for i in range(50)))
    index = opened(stand_in)
    stand_in.faults[:] = [Fault("500", on="PUT /collections/acme_ticket__", skip=1 + 9 + 1 + 5)]
    with pytest.raises(StorageUnavailable):
        publish(opened(stand_in, patience=ONCE), store)
    with pytest.raises(StorageError, match="casebook sync"):
        index.reader("ticket").current()
    again = publish(index, store)
    assert (again.count, again.rebuilt) == (50, True)
    assert 0 < again.applied < 50
    assert held(index, ACME) == wanted(store)


@BOTH
def test_points_that_vanish_are_noticed_by_their_count(
    stand_in: QdrantStandIn, store: SqlCompanyStore, placement: Placement
) -> None:
    write(store, *(row(f"{i}", parts=2) for i in range(6)))
    index = opened(stand_in, placement)
    before = publish(index, store).collection
    pinned = index.reader("ticket").current()
    lost = [models.FieldCondition(key="doc_id", match=models.MatchValue(value="3"))]
    stand_in.engine.delete(before, models.Filter(must=lost))
    done = publish(index, store)
    assert (done.rebuilt, done.switched, done.count) == (True, placement == "dedicated", 6)
    assert held(index, ACME) == wanted(store)
    assert index.leftovers("ticket") == []
    assert pinned.count() == 12  # its collection was replaced by another of the same making


@BOTH
def test_what_is_too_much_is_noticed_by_its_count(
    stand_in: QdrantStandIn, store: SqlCompanyStore, placement: Placement
) -> None:
    write(store, row("1"))
    index = opened(stand_in, placement)
    name = publish(index, store).collection
    payload = {"company_id": "acme", "doc_id": "stranger"}
    stand_in.engine.upsert(name, [models.PointStruct(id=1, vector={"dense": DENSE}, payload=payload)])
    assert index.reader("ticket").current().count() == 2
    assert publish(index, store).rebuilt
    assert held(index, ACME) == wanted(store)


def test_a_collection_that_does_not_find_its_own_is_not_switched_to(
    stand_in: QdrantStandIn, store: SqlCompanyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(store, *(row(f"{i}") for i in range(3)))
    index = opened(stand_in)
    before = publish(index, store).collection
    write(store, row("9"), row("8"), *(row(f"{i}", 2, "m2") for i in range(3)))  # those of the other making first

    def blind(place: Any, point: Any) -> models.PointStruct:
        return models.PointStruct(
            id=point.id, vector={"dense": DENSE}, payload={**point.payload, "company_id": place.company}
        )

    monkeypatch.setattr(server_writer, "point_struct", blind)
    monkeypatch.setattr(server_writer, "_WINDOW", 2)
    with pytest.raises(StorageError, match="does not agree"):
        publish(index, store, "m2")
    assert (index.reader("ticket").current().name, index.leftovers("ticket")) == (before, [])


# --- placements and names ---------------------------------------------------------------------------------------------


def test_moving_to_the_shared_placement_and_back(stand_in: QdrantStandIn, store: SqlCompanyStore) -> None:
    write(store, *(row(f"{i}") for i in range(4)))
    names: list[str] = []
    for placement in ("dedicated", "shared", "dedicated"):
        index = opened(stand_in, placement)
        write(store, row(f"new {len(names)}"))
        done = publish(index, store)
        assert (done.switched, held(index, ACME)) == (True, wanted(store))
        names.append(done.collection)
        assert [one.name for one in index.built("ticket")] == list(dict.fromkeys(reversed(names)))[:2]
    assert names[0] == names[2]  # kept for switching back, and brought up to date


def test_collections_of_others_are_never_touched(stand_in: QdrantStandIn, store: SqlCompanyStore) -> None:
    others = ["acme_docs", "acme_ticket__backup", "acme_tickets__12345678", "acme-2_ticket__12345678", "shared_ticket"]
    for name in others:
        stand_in.engine.create_collection(name, vectors_config={})
    index = opened(stand_in)
    write(store, row("1"))
    publish(index, store)
    publish(opened(stand_in, "shared"), store)
    index.erase()
    left = {one.name for one in stand_in.engine.get_collections().collections}
    assert {name for name in left if not name.startswith(("shared__", "casebook__"))} == set(others)
    shared = next(name for name in left if name.startswith("shared__"))
    assert stand_in.engine.count(shared).count == 0


def test_a_company_called_shared_is_a_company(stand_in: QdrantStandIn, store: SqlCompanyStore) -> None:
    write(store, row("1"))
    publish(opened(stand_in, "shared"), store)
    odd = opened(stand_in, company=company_id("shared"))
    assert (odd.built("ticket"), odd.leftovers("ticket"), odd.remains()) == ([], [], [])
    odd.erase()
    assert held(opened(stand_in, "shared"), ACME) == wanted(store)


def test_a_collection_in_the_place_of_the_alias_is_told(stand_in: QdrantStandIn, store: SqlCompanyStore) -> None:
    stand_in.engine.create_collection("acme_ticket", vectors_config={})
    write(store, row("1"))
    with pytest.raises(StorageError, match="already exists"):
        publish(opened(stand_in), store)


# --- the connection ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [
        Fault("429", on="/points", times=3, retry_after="0"),
        Fault("429", on="/points", times=3, retry_after="soon"),
        Fault("429", on="/points", times=3),
        Fault("503", times=3, retry_after="0"),
        Fault("503", on="/collections/aliases"),
        Fault("reset", on="/points", times=3),
        Fault("lost", on="/points", times=3),
        Fault("lost", on="PUT /collections/acme"),
        Fault("lost", on="/collections/aliases"),
        Fault("500", times=2),
    ],
    ids=lambda fault: f"{fault.kind} {fault.on or 'anywhere'} {fault.retry_after}",
)
def test_what_passes_is_asked_again(stand_in: QdrantStandIn, store: SqlCompanyStore, fault: Fault) -> None:
    write(store, *(row(f"{i}") for i in range(5)))
    index = opened(stand_in)
    stand_in.faults[:] = [Fault(**{name: getattr(fault, name) for name in fault.__slots__})]
    publish(index, store)
    assert not stand_in.faults[0].times
    assert held(index, ACME) == wanted(store)


def test_retry_after_is_waited_for_and_a_long_one_is_not(stand_in: QdrantStandIn, store: SqlCompanyStore) -> None:
    import time

    write(store, row("1"))
    index = opened(stand_in, patience=Patience(5, 3, 1.5))
    publish(index, store)
    stand_in.faults[:] = [Fault("503", retry_after="1")]
    start = time.monotonic()
    assert index.reader("ticket").current().count() == 1
    assert time.monotonic() - start >= 1
    stand_in.faults[:] = [Fault("429", retry_after="3600")]
    with pytest.raises(StorageUnavailable, match="busy"):
        index.reader("ticket").current()


def test_a_slow_server_is_given_up(stand_in: QdrantStandIn) -> None:
    stand_in.faults[:] = [Fault("slow", times=5, seconds=1.2)]
    with pytest.raises(StorageUnavailable, match="in time"):
        opened(stand_in, patience=Patience(1, 1, 0.1)).reader("ticket").current()


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Fault("507", on="/points", times=9), "full"),
        (Fault("400", on="/points"), "refuses a request"),
        (Fault("403", on="/points"), "gives no access"),
        (Fault("429", times=99, retry_after="0"), "busy"),
        (Fault("500", times=99), "failed"),
        (Fault("reset", times=99), "cannot be reached"),
    ],
    ids=lambda given: given if isinstance(given, str) else "",
)
def test_every_failure_is_told_with_a_remedy(
    stand_in: QdrantStandIn, store: SqlCompanyStore, fault: Fault, words: str
) -> None:
    write(store, row("1"))
    stand_in.faults[:] = [Fault(**{name: getattr(fault, name) for name in fault.__slots__})]
    with pytest.raises(StorageError, match=words) as failed:
        publish(opened(stand_in), store)
    told = failed.value
    assert told.remedy
    assert stand_in.url in told.detail
    assert KEY not in str(told)


@pytest.mark.parametrize(("key", "words"), [("wrong-key", "refuses the API key"), ("", "asks for an API key")])
def test_a_wrong_key_is_told_and_never_shown(stand_in: QdrantStandIn, key: str, words: str) -> None:
    index = ServerIndex(connection(stand_in.url, key), ACME)
    with pytest.raises(StorageError, match=words) as failed:
        index.reader("ticket").current()
    assert not key or key not in str(failed.value)


def test_nobody_at_the_address(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    index = ServerIndex(Connection(connection(url, KEY)._client, url, KEY, reading=QUICK, writing=QUICK), ACME)
    for call in (index.reader("ticket").current, index.erase, index.mark, lambda: index.built("ticket")):
        with pytest.raises(StorageUnavailable, match="cannot be reached") as failed:
            call()
        assert "docs/qdrant.md" in failed.value.remedy
        assert KEY not in str(failed.value)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("qdrant.example.com:6333", "no address"),
        ("ftp://qdrant.example.com", "no address"),
        ("http://", "no address"),
        ("http://host:port", "no address"),
        ("https://me:secret@qdrant.example.com", "user or a password"),
        ("http://qdrant.example.com:6333", "unencrypted"),
        ("http://10.0.0.7:6333", "unencrypted"),
    ],
)
def test_addresses_that_are_refused(url: str, words: str) -> None:
    with pytest.raises(InputError, match=words) as refused:
        connection(url, KEY)
    assert KEY not in str(refused.value)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "key"),
    [
        ("https://qdrant.example.com", KEY),
        ("http://qdrant.example.com:6333", ""),
        ("http://localhost:6333", KEY),
        ("http://127.0.0.1:6333", KEY),
        ("http://[::1]:6333", KEY),
    ],
)
def test_addresses_that_are_taken_without_a_warning(url: str, key: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert connection(url, key) is connection(url, key)
    server_connection._connection.cache_clear()


def test_the_settings_choose_engine_and_placement(stand_in: QdrantStandIn, tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, qdrant_url=stand_in.url, qdrant_api_key=KEY)
    company = Company(ACME, "export", "/tickets.jsonl", {"index_placement": "shared"})
    assert open_index(settings, company).writer("ticket", "m1", SIZE).collection.startswith("shared__ticket__")
    assert stand_in.log == []  # nothing is connected before the first use
