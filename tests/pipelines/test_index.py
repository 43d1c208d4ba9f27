"""``casebook index``: what it shows, switches and drops, and what the settings and the audit log say afterwards.

Belongs here: the command. Does not belong here: what an engine does (``tests/resources/vector_index``).
"""

from array import array

import pytest

from domain.company import Company, company_id
from domain.errors import StorageError
from domain.stage import Put
from domain.ticket_stages import collection_made_by
from resources import audit
from resources.vector_index.base import open_index
from tests.homes import Home, casebook, done

ACME = company_id("acme")
MINILM, USE = collection_made_by("minilm-en-1"), collection_made_by("use-multi-1")


def publish(home: Home, made_by: str, size: int) -> str:
    """Three tickets of that making; the name of their collection."""
    company = home.company("acme")
    point = {"point": {"company_id": "acme", "data_type": "ticket"}, "indices": [1], "values": [1.0]}
    rows = [
        Put(doc_id, {"points": [{**point, "point": {**point["point"], "doc_id": doc_id}}]}, made_by, "s", made_by, one)
        for doc_id in "123"
        for one in [array("f", [1.0, *[0.5] * (size - 1)]).tobytes()]
    ]
    with home.companies.store(company.id) as store:
        with store.begin("run", "2026-01-01T00:00:00Z") as write:
            write.upsert("ticket_collection", rows)
        return (
            open_index(home.settings, company)
            .writer("ticket", made_by, size)
            .publish(store, "ticket_collection")
            .collection
        )


@pytest.fixture
def added(home: Home) -> Home:
    home.companies.add(Company(ACME, "export", "tickets.csv"), "")
    return home


@pytest.fixture
def two(added: Home) -> tuple[Home, str, str]:
    """Two collections: the one before, and the one that is searched."""
    return added, publish(added, MINILM, 384), publish(added, USE, 512)


def test_nothing_is_there_yet(added: Home) -> None:
    assert done("index", "list", "acme").out == "acme has no collection yet: 'casebook sync acme' builds them.\n"
    assert done("index", "list", "acme", "--json").json == {"company": "acme", "collections": []}
    said = casebook("index", "switch", "acme", "acme_ticket__0123abcd")
    assert (said.code, said.err.count("There are: none.")) == (2, 1)


def test_what_is_there_is_listed(two: tuple[Home, str, str]) -> None:
    _, old, new = two
    listed = done("index", "list", "acme", "--json").json["collections"]
    assert [(one["name"], one["model"], one["documents"], one["live"]) for one in listed] == [
        (new, "use-multi-1", 3, True),
        (old, "minilm-en-1", 3, False),
    ]
    assert listed[0]["bytes"] > 1000
    said = done("index", "list", "acme").out
    assert [line.split()[0] for line in said.splitlines()] == ["collection", new, old]
    assert "yes" in said.splitlines()[1]


def test_switching_back_sets_the_model_too(two: tuple[Home, str, str]) -> None:
    home, old, new = two
    said = done("index", "switch", "acme", old).out
    assert f"acme is searched in {old} now." in said
    assert "embedding_model is minilm-en now" in said
    assert home.collection("acme").name == old
    assert home.companies.get("acme").setting("embedding_model") == "minilm-en"
    assert done("index", "switch", "acme", new, "--json").json == {
        "company": "acme", "switched": new, "embedding_model": "use-multi", "stays": True,
    }  # fmt: skip
    actions = [(one.action, one.detail) for one in audit.entries(home.companies.storage, ACME)]
    assert ("collection switched", old) in actions


@pytest.mark.parametrize(("end", "model"), [(KeyboardInterrupt(), "minilm-en"), (StorageError("no"), "auto")])
def test_a_switch_that_is_cut_off_is_ended_by_the_next_sync_and_a_refused_one_changes_nothing(
    two: tuple[Home, str, str], monkeypatch: pytest.MonkeyPatch, end: BaseException, model: str
) -> None:
    home, old, new = two

    def fail(*_: object) -> None:
        raise end

    monkeypatch.setattr("resources.vector_index.edge.EdgeIndex.switch", fail)
    assert casebook("index", "switch", "acme", old).code != 0
    assert home.companies.get("acme").setting("embedding_model") == model
    assert home.collection("acme").name == new


def test_a_model_that_nobody_has_does_not_stay(added: Home) -> None:
    publish(added, MINILM, 384)
    unknown = publish(added, collection_made_by("gone-1"), 8)
    said = done("index", "switch", "acme", unknown).out
    assert "the next sync switches away again" in said
    assert added.companies.get("acme").setting("embedding_model") == "auto"
    older = publish(added, "minilm-en-1 | an older version", 384)
    assert "an older version made it" in done("index", "switch", "acme", older).out


def test_dropping(two: tuple[Home, str, str]) -> None:
    home, old, new = two
    refused = casebook("index", "drop", "acme", new)
    assert (refused.code, "is the one that is searched" in refused.err) == (2, True)
    assert done("index", "drop", "acme", old).out == f"Dropped {old}.\n"
    assert [one["name"] for one in done("index", "list", "acme", "--json").json["collections"]] == [new]
    assert audit.entries(home.companies.storage, ACME)[0].action == "collection dropped"


def test_a_sync_that_runs_keeps_it_from_changing(two: tuple[Home, str, str]) -> None:
    home, old, new = two
    with home.companies.lock(ACME, "a sync"):
        for words in (("switch", "acme", old), ("drop", "acme", old)):
            assert "a sync" in casebook("index", *words).err
    assert home.collection("acme").name == new
