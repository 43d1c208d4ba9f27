"""What every vector index promises, shown by each: the embedded one, a Qdrant server in both placements.

The server is qdrant-client's in-memory engine, directly and behind real HTTP (``sandbox/qdrant``); and a real one, if
QDRANT_TEST_URL (and QDRANT_TEST_API_KEY) lead to it.
"""

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import pytest

from domain.company import CompanyId
from domain.errors import InputError, StorageError
from domain.fingerprint import point_id
from resources.storage.sql import SqlCompanyStore
from resources.storage.sqlite import open_store
from resources.vector_index.base import Filters, Published, VectorIndex
from resources.vector_index.canaries import leaks
from sandbox.qdrant import QdrantStandIn
from tests.resources.vector_index.engines import (
    ALL,
    KEY,
    KINDS,
    REAL_URL,
    SIZE,
    TABLE,
    Engine,
    best,
    canary_words,
    engine,
    held,
    row,
    some_company,
    wanted,
    write,
)

pytestmark = [  # the in-memory engine says what it has no use for
    pytest.mark.filterwarnings("ignore:Payload indexes have no effect"),
    pytest.mark.filterwarnings("ignore:Local mode performs exact"),
]
NO_SERVER = "NOT RUN ON A REAL QDRANT SERVER: set QDRANT_TEST_URL to the address of one (docs/qdrant.md)"
DENSE = [0.4, -0.2, 0.7, 0.1, -0.5, 0.3]
WORDS = ([2, 5, 9, 1001], [1.0, 2.0, 0.5, 0.7])


@pytest.fixture(scope="module")
def stand_in() -> Iterator[QdrantStandIn]:
    with QdrantStandIn(KEY) as server:
        yield server


@pytest.fixture(
    params=[
        pytest.param(kind, marks=pytest.mark.skipif(kind.startswith("real") and not REAL_URL, reason=NO_SERVER))
        for kind in KINDS
    ]
)
def run(request: pytest.FixtureRequest, tmp_path: Path, stand_in: QdrantStandIn) -> Iterator[Engine]:
    with engine(request.param, tmp_path, stand_in) as opened:
        yield opened


@pytest.fixture
def ours(run: Engine) -> Iterator[CompanyId]:
    company = some_company()
    yield company
    run.index(company).erase()


@pytest.fixture
def index(run: Engine, ours: CompanyId) -> VectorIndex:
    return run.index(ours)


@pytest.fixture
def store(ours: CompanyId, tmp_path: Path) -> Iterator[SqlCompanyStore]:
    with open_store(tmp_path / ours, ours) as opened:
        yield opened


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[Callable[[CompanyId], SqlCompanyStore]]:
    """More companies' stores."""
    with ExitStack() as opened:
        numbers = count()

        def open_one(company: CompanyId) -> SqlCompanyStore:
            return opened.enter_context(open_store(tmp_path / f"{company} {next(numbers)}", company))

        yield open_one


def publish(index: VectorIndex, store: SqlCompanyStore, made_by: str = "m1", size: int = SIZE) -> Published:
    return index.writer("ticket", made_by, size).publish(store, TABLE)


# --- following --------------------------------------------------------------------------------------------------------


def test_nothing_is_found_before_the_first_publish(index: VectorIndex) -> None:
    with pytest.raises(StorageError, match="casebook sync"):
        index.reader("ticket").current()
    assert not index.reader("ticket").is_built()
    assert (index.built("ticket"), index.leftovers("ticket"), index.remains(), index.mark()) == ([], [], [], "")


def test_an_empty_table_gives_an_empty_collection(index: VectorIndex, store: SqlCompanyStore) -> None:
    assert publish(index, store).count == 0
    assert index.reader("ticket").is_built()
    now = index.reader("ticket").current()
    assert (now.count(), now.rank(DENSE, WORDS, ALL, 5), now.made_by) == (0, ([], []), "m1")
    assert (list(now.payloads(["title"], ALL)), now.points(["0" * 32]), now.vectors(["0" * 32])) == ([], [], {})


def test_each_publish_takes_what_changed(index: VectorIndex, store: SqlCompanyStore, ours: CompanyId) -> None:
    write(store, *(row(f"{i}") for i in range(30)))
    first = publish(index, store)
    assert (first.applied, first.count, first.switched, first.rebuilt) == (30, 30, True, True)
    assert held(index, ours) == wanted(store)
    write(store, row("1", 2), row("2", 2), row("30"), gone=("3", "4"))
    second = publish(index, store)
    assert (second.applied, second.dropped, second.count, second.switched, second.rebuilt) == (3, 2, 29, False, False)
    assert held(index, ours) == wanted(store)
    third = publish(index, store)
    assert (third.applied, third.dropped, third.generation) == (0, 0, second.generation)
    write(store, row("3"))  # back from the dead, as it was
    assert publish(index, store).count == 30
    assert held(index, ours) == wanted(store)


def test_an_article_that_shrinks_leaves_no_part_behind(
    index: VectorIndex, store: SqlCompanyStore, ours: CompanyId
) -> None:
    write(store, row("long", parts=5), row("other", parts=2))
    assert publish(index, store).count == 2
    assert index.reader("ticket").current().count() == 7
    write(store, row("long", 2, parts=2))
    assert publish(index, store).count == 2
    assert held(index, ours) == wanted(store)
    write(store, row("long", 3, parts=4), gone=("other",))
    publish(index, store)
    assert sorted(held(index, ours)) == [("long", part) for part in range(4)]
    built = index.built("ticket")[0]
    assert (built.count, built.points, built.is_live, built.made_by, built.size) == (1, 4, True, "m1", SIZE)


def test_any_sequence_of_changes_ends_in_the_table(index: VectorIndex, store: SqlCompanyStore, ours: CompanyId) -> None:
    dice = random.Random(5)
    for version in range(1, 6):
        names = [str(i) for i in range(12)]
        rows = [row(name, version, parts=dice.randint(1, 3)) for name in dice.sample(names, 5)]
        write(store, *rows, gone=dice.sample(names, 2))
        publish(index, store)
        assert held(index, ours) == wanted(store), version


def test_rows_of_another_making_are_not_in_the_collection(
    index: VectorIndex, store: SqlCompanyStore, ours: CompanyId
) -> None:
    write(store, row("1"), row("2"), row("3", made_by="m2"))
    assert publish(index, store).count == 2
    write(store, row("2", 2, made_by="m2"))
    assert publish(index, store).count == 1
    assert held(index, ours) == wanted(store, "m1")


# --- searching --------------------------------------------------------------------------------------------------------

DAYS = {"a": "2026-01-01T00:00:00Z", "b": "2026-02-01T00:00:00Z", "c": "2026-03-01T00:00:00Z"}
FILTERED = [
    (Filters(status=["open"]), "b"),
    (Filters(status=["open", "closed"]), "abc"),
    (Filters(tags=["vip"]), "ab"),
    (Filters(tags=["vip", "환불"]), "b"),
    (Filters(product=["shop"]), "c"),
    (Filters(language=["ko"]), "bc"),
    (Filters(since="2026-02-01T00:00:00Z"), "bc"),
    (Filters(until="2026-02-01T00:00:00Z"), "a"),
    (Filters(since="2026-01-15T00:00:00Z", until="2026-02-15T00:00:00Z"), "b"),
    (Filters(without="a"), "bc"),
    (Filters(language=["ko"], tags=["vip"], without="c"), "b"),
    (Filters(status=["none"]), ""),
]


def test_filters(index: VectorIndex, store: SqlCompanyStore, ours: CompanyId) -> None:
    write(
        store,
        row("a", tags=["vip"], updated_at=DAYS["a"]),
        row("b", tags=["vip", "환불"], status="open", language="ko", updated_at=DAYS["b"], parts=2),
        row("c", product="shop", language="ko", updated_at=DAYS["c"]),
    )
    publish(index, store)
    now = index.reader("ticket").current()
    for filters, found in FILTERED:
        assert {one["doc_id"] for one in now.payloads(["doc_id"], filters)} == set(found), filters
        everywhere = ([*range(1, 20), 1001], [1.0] * 20)
        for half in now.rank(DENSE, everywhere, filters, 20):
            hits = now.points([point for point, _ in half])
            assert {hit.payload["doc_id"] for hit in hits} == set(found), filters


def test_both_halves_are_ranked_as_numpy_ranks_them(
    run: Engine, index: VectorIndex, store: SqlCompanyStore, ours: CompanyId,
    stores: Callable[[CompanyId], SqlCompanyStore],
) -> None:  # fmt: skip
    """Another company's words do not change how rare one is here: in either placement the scores are the same."""
    loud = some_company("loud")
    theirs = stores(loud)
    write(theirs, *(row(f"x{i}", language="ko") for i in range(60)))
    publish(run.index(loud), theirs)
    write(store, *(row(f"{i}", language="ko" if i % 3 else "en", parts=1 + i % 2) for i in range(40)))
    publish(index, store)
    now = index.reader("ticket").current()
    korean = {f"{i}" for i in range(40) if i % 3}
    for filters, doc_ids in ((ALL, {f"{i}" for i in range(40)}), (Filters(language=["ko"]), korean)):
        for asked, told in zip(
            now.rank(DENSE, WORDS, filters, 15), best(store, ours, DENSE, WORDS, doc_ids, 15), strict=True
        ):
            assert [point for point, _ in asked] == [point for point, _ in told]
            assert [score for _, score in asked] == pytest.approx([score for _, score in told], rel=1e-3)
    dense_only, words_only = now.rank(DENSE, None, ALL, 3), now.rank(None, WORDS, ALL, 3)
    assert (len(dense_only[0]), dense_only[1], words_only[0], len(words_only[1])) == (3, [], [], 3)
    assert now.rank(DENSE, ([], []), ALL, 3)[1] == []
    run.index(loud).erase()


def test_points_come_in_the_order_they_were_asked_for(
    index: VectorIndex, store: SqlCompanyStore, ours: CompanyId
) -> None:
    write(store, *(row(f"{i}") for i in range(10)))
    publish(index, store)
    ids = [point_id(ours, "ticket", doc_id) for doc_id in ("7", "2", "9", "0")]
    now = index.reader("ticket").current()
    found = now.points([ids[0], "0" * 32, *ids[1:]])
    assert {one.point_id for one in found} == set(ids)
    assert {one.payload["title"] for one in found} == {"제목 7", "제목 2", "제목 9", "제목 0"}
    assert set(now.vectors(ids)) == set(ids)


# --- the wall ---------------------------------------------------------------------------------------------------------


def test_other_companies_are_invisible_and_stay_when_one_is_erased(
    run: Engine, stores: Callable[[CompanyId], SqlCompanyStore]
) -> None:
    """Names that begin alike, and the same document ids."""
    name = some_company()
    three = [name, CompanyId(f"{name}-2"), CompanyId(f"{name}2")]
    held_by = {company: stores(company) for company in three}
    for number, company in enumerate(three):
        write(held_by[company], *(row(f"{i}", number + 1) for i in range(number, 6)))
        publish(run.index(company), held_by[company])
        run.index(company).keep_mark(f"mark of {company}")
    for company in three:
        now = run.index(company).reader("ticket").current()
        assert held(run.index(company), company) == wanted(held_by[company])
        theirs = [point_id(other, "ticket", f"{i}") for other in three if other != company for i in range(6)]
        assert (now.points(theirs), now.vectors(theirs)) == ([], {})
        assert leaks(now, "ticket", [other for other in three if other != company], "2026-01-01") == []
    run.index(name).erase()
    assert (run.index(name).remains(), run.index(name).built("ticket"), run.index(name).mark()) == ([], [], "")
    with pytest.raises(StorageError):
        run.index(name).reader("ticket").current()
    for company in three[1:]:
        assert held(run.index(company), company) == wanted(held_by[company])
        assert run.index(company).mark() == f"mark of {company}"
        run.index(company).erase()


def test_the_canary_is_never_shown(index: VectorIndex, store: SqlCompanyStore, ours: CompanyId) -> None:
    from domain.canary import canary

    write(store, *(row(f"{i}") for i in range(3)))
    publish(index, store)
    bird, now = canary(ours), index.reader("ticket").current()
    dense, words = now.rank(bird.vector(SIZE), canary_words(ours), ALL, 10)
    assert (len(dense), words, now.count()) == (3, [], 3)
    assert bird.point_id("ticket") not in {point for point, _ in dense}
    assert bird.word not in {one["doc_id"] for one in now.payloads(["doc_id"], ALL)}


# --- blue and green ---------------------------------------------------------------------------------------------------


def test_another_model_is_switched_to_under_running_searches(
    index: VectorIndex, store: SqlCompanyStore, ours: CompanyId
) -> None:
    """No search fails, finds nothing, or finds a mixture."""
    write(store, *(row(f"{i}", 1, "m1") for i in range(25)))
    publish(index, store, "m1")
    seen: set[str] = set()
    wrong: list[object] = []
    stop = threading.Event()

    def search() -> None:
        reader = index.reader("ticket")
        while not stop.is_set():
            try:
                now = reader.current()
                size = SIZE if now.made_by == "m1" else 4
                hits = now.points([point for point, _ in now.rank(DENSE[:size], None, ALL, 5)[0]])
                versions = {hit.payload["version"] for hit in hits}
                if len(hits) != 5 or versions != {1 if now.made_by == "m1" else 2}:
                    wrong.append((now.name, versions, len(hits)))
                seen.add(now.made_by)
            except Exception as error:
                wrong.append(error)

    before = index.reader("ticket").current()
    searching = threading.Thread(target=search)
    searching.start()
    write(store, *(row(f"{i}", 2, "m2", 4) for i in range(25)))
    switched = publish(index, store, "m2", 4)
    while "m2" not in seen and not wrong:
        stop.wait(0.01)
    stop.set()
    searching.join()
    assert (wrong, switched.switched, switched.count) == ([], True, 25)
    assert (before.made_by, before.count()) == ("m1", 25)  # it was held meanwhile
    assert [(one.made_by, one.is_live) for one in index.built("ticket")] == [("m2", True), ("m1", False)]
    assert index.leftovers("ticket") != []


def test_switching_back_and_dropping(index: VectorIndex, store: SqlCompanyStore, ours: CompanyId) -> None:
    write(store, *(row(f"{i}") for i in range(5)))
    old = publish(index, store).collection
    write(store, *(row(f"{i}", 2, "m2") for i in range(5)))
    new = publish(index, store, "m2").collection
    assert index.switch("ticket", old).made_by == "m1"
    assert index.reader("ticket").current().made_by == "m1"
    assert index.reader("ticket").current().count() == 5
    for name in (old, f"{ours}_ticket__00000000", "nothing"):
        with pytest.raises(InputError):
            index.drop("ticket", name)
    with pytest.raises(InputError):
        index.switch("ticket", f"{ours}_ticket__00000000")
    index.drop("ticket", new)
    assert [one.name for one in index.built("ticket")] == [old]
    index.drop_leftovers("ticket")
    assert index.leftovers("ticket") == []


def test_what_is_deleted_leaves_the_collection_that_is_kept_too(index: VectorIndex, store: SqlCompanyStore) -> None:
    write(store, *(row(f"{i}", parts=2) for i in range(5)))
    old = publish(index, store).collection
    write(store, *(row(f"{i}", 2, "m2") for i in range(5)))
    publish(index, store, "m2")
    write(store, gone=("1", "2"))
    publish(index, store, "m2")
    index.switch("ticket", old)
    left = {one["doc_id"] for one in index.reader("ticket").current().payloads(["doc_id"], ALL)}
    assert left == {"0", "3", "4"}


def test_one_collection_is_kept_for_switching_back(index: VectorIndex, store: SqlCompanyStore) -> None:
    for number in (1, 2, 3):
        write(store, *(row(f"{i}", number, f"m{number}") for i in range(3)))
        publish(index, store, f"m{number}")
    assert [one.made_by for one in index.built("ticket")][:2] == ["m3", "m2"]
    write(store, *(row(f"{i}", 4, "m2") for i in range(3)))
    again = publish(index, store, "m2")  # back in the settings: it is brought up to date, and switched to
    assert (again.switched, again.count) == (True, 3)
    assert index.reader("ticket").current().made_by == "m2"


def test_rewrite_keeps_what_the_table_has_and_nothing_beside_it(
    index: VectorIndex, store: SqlCompanyStore, ours: CompanyId
) -> None:
    write(store, *(row(f"{i}") for i in range(5)))
    publish(index, store)
    write(store, *(row(f"{i}", 2, "m2") for i in range(5)))
    publish(index, store, "m2")
    write(store, gone=("1",))
    index.rewrite("ticket", store, TABLE)
    assert held(index, ours) == wanted(store, "m2")
    assert (index.leftovers("ticket"), [one.made_by for one in index.built("ticket")]) == ([], ["m2"])
    write(store, gone=("0", "2", "3", "4"))
    index.rewrite("ticket", store, TABLE)
    assert (index.built("ticket"), index.leftovers("ticket")) == ([], [])
    with pytest.raises(StorageError, match="casebook sync"):
        index.reader("ticket").current()
    write(store, row("9", 3, "m2"))
    publish(index, store, "m2")
    assert held(index, ours) == wanted(store, "m2")


def test_rewrite_before_another_model_was_published_leaves_something_to_search(
    index: VectorIndex, store: SqlCompanyStore, ours: CompanyId
) -> None:
    write(store, *(row(f"{i}") for i in range(5)))
    publish(index, store)
    write(store, *(row(f"{i}", 2, "m2", size=8) for i in range(4)), gone=("4",))
    index.rewrite("ticket", store, TABLE)
    assert held(index, ours) == wanted(store, "m2")
    assert (index.reader("ticket").current().size, index.leftovers("ticket")) == (8, [])


def test_the_mark_is_kept_until_all_is_erased(index: VectorIndex, store: SqlCompanyStore) -> None:
    write(store, row("1"))
    publish(index, store)
    index.keep_mark("forget-1")
    index.keep_mark("forget-2")
    assert index.mark() == "forget-2"
    index.erase()
    assert (index.mark(), index.remains()) == ("", [])


# --- losses -----------------------------------------------------------------------------------------------------------


def test_a_lost_collection_fills_itself(
    run: Engine, index: VectorIndex, store: SqlCompanyStore, ours: CompanyId
) -> None:
    write(store, *(row(f"{i}") for i in range(8)))
    publish(index, store)
    run.lose(ours)
    with pytest.raises(StorageError, match="casebook sync"):
        index.reader("ticket").current()
    again = publish(index, store)
    assert (again.count, again.rebuilt, again.switched) == (8, True, True)
    assert held(index, ours) == wanted(store)


def test_a_vector_of_another_size_is_told_as_what_it_is(
    index: VectorIndex, store: SqlCompanyStore, ours: CompanyId
) -> None:
    write(store, row("1"))
    publish(index, store)
    before = wanted(store)
    write(store, row("2", size=8))
    with pytest.raises(StorageError, match="another model's") as told:
        publish(index, store)
    assert "space" not in str(told.value)
    assert held(index, ours) == before


def test_another_store_in_the_place_of_the_first_is_noticed(
    index: VectorIndex, store: SqlCompanyStore, ours: CompanyId, stores: Callable[[CompanyId], SqlCompanyStore]
) -> None:
    write(store, *(row(f"{i}") for i in range(8)))
    publish(index, store)
    other = stores(ours)
    write(other, *(row(f"{i}", 7) for i in range(6, 10)))
    assert publish(index, other).rebuilt
    assert held(index, ours) == wanted(other)


def test_anew_fills_from_nothing(index: VectorIndex, store: SqlCompanyStore, ours: CompanyId) -> None:
    write(store, *(row(f"{i}") for i in range(6)), row("6", parts=3))
    publish(index, store)
    write(store, row("6", 2), gone=("1",))
    done = index.writer("ticket", "m1", SIZE).publish(store, TABLE, anew=True)
    assert (done.rebuilt, done.count) == (True, 6)
    assert held(index, ours) == wanted(store)
    index.drop_leftovers("ticket")
    assert index.leftovers("ticket") == []


def test_progress_is_told_and_many_rows_go_through(index: VectorIndex, store: SqlCompanyStore, ours: CompanyId) -> None:
    write(store, *(row(f"{i}") for i in range(1010)))
    told: list[int] = []
    done = index.writer("ticket", "m1", SIZE).publish(store, TABLE, told.append)
    assert (done.applied, done.count, told[-1], told == sorted(told)) == (1010, 1010, 1010, True)
    now = index.reader("ticket").current()
    assert sum(1 for _ in now.payloads(["doc_id"], ALL)) == now.count() == 1010
