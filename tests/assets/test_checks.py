"""The checks fail when the data is wrong: each is shown data that somebody changed behind Casebook's back.

Belongs here: what each check finds. Does not belong here: how data comes to be right (``tests/pipelines``).
"""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import qdrant_edge as qe

from assets.checks import (
    article_summaries_grounded,
    counts_agree,
    paid_for_changes_only,
    providers_answer,
    summaries_grounded,
)
from assets.collection_checks import CHECKS as COLLECTION_CHECKS
from domain.fingerprint import point_id
from domain.stage import Put, Spent
from resources.company_run import company_run
from tests.homes import Home, casebook

CHECKS = {
    check.check_key.name: check
    for check in (counts_agree, paid_for_changes_only, providers_answer, summaries_grounded, article_summaries_grounded)
}


def check(home: Home) -> dict[str, dg.AssetCheckResult]:
    """Run every check on the company ``made``, by name."""
    with company_run(home.settings, "made", "a run", "a test") as run:
        found: dict[str, Any] = {name: definition(company_run=run) for name, definition in CHECKS.items()}
        for several in COLLECTION_CHECKS:
            results: Any = several(company_run=run)
            found |= {one.check_name: one for one in results}
        return found


def failing(home: Home) -> set[str]:
    return {name for name, result in check(home).items() if not result.passed}


def sql(home: Home, statement: str, *values: str) -> int:
    """Change the company's database; returns how many rows it hit."""
    path = home.path / "companies" / "made" / "casebook.sqlite"
    with closing(sqlite3.connect(path)) as database, database:
        return database.execute(statement, values).rowcount


def shard(home: Home) -> Path:
    """The live generation of the index."""
    (live,) = (home.path / "companies" / "made" / "index").glob("made_ticket__*/live")
    return live.parent / f"gen-{live.read_text()}"


def change_index(home: Home, *operations: qe.UpdateOperation) -> None:
    """Behind Casebook's back, and so that opening it shows nothing: its count is written down as if it were meant."""
    opened = qe.EdgeShard.load(str(shard(home)))
    for operation in operations:
        opened.update(operation)
    opened.flush()
    count = opened.count(qe.CountRequest(exact=True)) - 1  # the canary
    opened.close()
    path = shard(home) / "position.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "count": count, "points": count}))


def one_of(home: Home) -> str:
    """A document that is in the index."""
    return min(home.points("made"))


def test_what_a_sync_made_passes(read_only: Home) -> None:
    results = check(read_only)
    assert failing(read_only) == set()
    points = len(read_only.points("made"))
    assert (results["ids_unique"].metadata or {})["points"].value == points
    told = {name: value.value for name, value in (results["counts_agree"].metadata or {}).items()}
    assert (told["ticket_collection"], told["wrong"]) == (points, "nothing")


@pytest.mark.parametrize(
    ("table", "where"),
    [
        ("merged_tickets", "raw_tickets"),
        ("ticket_embeddings", "ticket_summaries"),
        ("ticket_collection", "ticket_embeddings"),
        ("ticket_summaries", "ticket_summaries"),
    ],
)
def test_a_lost_row_is_found(synced: Home, table: str, where: str) -> None:
    assert sql(synced, f"DELETE FROM {table} WHERE doc_id = ?", one_of(synced)) == 1
    results = check(synced)
    assert not results["counts_agree"].passed
    assert where in str((results["counts_agree"].metadata or {})["wrong"].value)


def test_a_row_that_waits_in_the_queue_is_not_lost(synced: Home) -> None:
    waiting = one_of(synced)
    sql(synced, "DELETE FROM merged_tickets WHERE doc_id = ?", waiting)
    with (
        synced.companies.store(synced.company("made").id) as store,
        store.begin("a run", "2026-01-01T00:00:00Z") as write,
    ):
        write.fail("merged_tickets", {waiting: "it cannot be read"}, {waiting: "2026-01-01T00:00:00Z"})
    result = check(synced)["counts_agree"]
    assert result.passed
    assert (result.metadata or {})["waiting_merged_tickets"].value == 1


def test_a_lost_point_is_found(synced: Home) -> None:
    lost = one_of(synced)
    change_index(synced, qe.UpdateOperation.delete_points([point_id("made", "ticket", lost)]))
    results = check(synced)
    assert failing(synced) == {"ids_unique"}
    assert (results["ids_unique"].metadata or {})["not_in_both"].value == lost


def a_copy(home: Home, doc_id: str, /, **other: str) -> qe.UpdateOperation:
    """A point like a stored one, under an id that no document has."""
    payload, vector = home.points("made")[doc_id]
    named = {"dense": vector or [], "sparse": qe.SparseVector([1], [1.0])}
    return qe.UpdateOperation.upsert_points(
        [qe.Point(point_id("made", "ticket", "a copy"), named, {**payload, **other})]
    )


CASES: dict[str, tuple[Callable[[Home, str], qe.UpdateOperation], set[str]]] = {
    "a document twice": (a_copy, {"ids_unique"}),
    "a stranger": (lambda home, doc_id: a_copy(home, doc_id, doc_id="nobody"), {"ids_unique"}),
    "another company's": (
        lambda home, doc_id: a_copy(home, doc_id, company_id="acme"),
        {"ids_unique", "no_foreign_company"},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_point_too_many_is_found(synced: Home, case: str) -> None:
    operation, wrong = CASES[case]
    change_index(synced, operation(synced, one_of(synced)))
    assert failing(synced) == wrong


def test_a_sync_whose_checks_fail_says_so_and_ends_with_1(synced: Home) -> None:
    sql(synced, "DELETE FROM ticket_embeddings WHERE doc_id = ?", one_of(synced))
    said = casebook("sync", "made")
    assert said.code == 1
    assert "Check failed: counts_agree" in said.out
    assert said.out.splitlines()[-1].startswith("Not right: made in ")
    outcome = casebook("sync", "made", "--json")
    assert (outcome.code, outcome.json["ok"], outcome.json["checks"]["counts_agree"]) == (1, False, False)


def test_documents_that_were_asked_for_without_a_change_are_noticed(synced: Home) -> None:
    spent = Spent("c1", "one", "m", "first", 3, 100, 20, 0.1)
    again = [replace(spent, call_id=purpose, purpose=purpose) for purpose in ("retry", "repair", "batch", "check")]
    with company_run(synced.settings, "made", "a run", "a test") as run:

        def passes() -> bool:
            said: Any = paid_for_changes_only(company_run=run)
            return bool(said.passed)

        run.store.keep_paid("ticket_summaries", "m", [], again, "a run", run.now)
        assert passes()
        run.store.keep_paid("ticket_summaries", "m", [], [spent], "a run", run.now)
        assert not passes()
        with run.store.begin("a run", run.now) as write:
            write.upsert("kb_summaries", [Put("1", {}, "h", "s", "m")])
            write.fail("ticket_summaries", {"1": "refused"}, {"1": run.now})
        assert not passes()  # two of three
        with run.store.begin("a run", run.now) as write:
            write.wait("kb_summaries", {"2": "in a batch"})
        assert passes()
        with run.store.begin("a run", run.now) as write:
            write.delete("kb_summaries", ["1"])
        assert not passes()
        with run.store.begin("a run", run.now) as write:
            write.save_state("kb_summaries paused run", "a run")
        assert passes()


def test_providers_that_do_not_answer_are_noticed(synced: Home) -> None:
    assert "providers_answer" not in failing(synced)
    with company_run(synced.settings, "made", "a run", "a test") as run, run.store.begin("a run", run.now) as write:
        write.save_state("kb_summaries pause", "one answered 401")
    assert failing(synced) == {"providers_answer"}


def test_summaries_that_say_more_than_their_tickets_are_noticed(synced: Home) -> None:
    added = sql(
        synced,
        "UPDATE ticket_summaries SET payload = json_set(payload, '$.ungrounded', json('[\"731.55\"]')) "
        "WHERE doc_id IN (SELECT doc_id FROM ticket_summaries WHERE NOT deleted LIMIT 10)",
    )
    assert added == 10
    results = check(synced)
    result = results["summaries_grounded"]
    assert (result.passed, result.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert results["article_summaries_grounded"].passed
    sql(
        synced,
        "INSERT INTO kb_summaries SELECT company_id, doc_id, seq, content_hash, source_hash, made_by, payload, vector, "
        "deleted, run_id, updated_at, id, created_at FROM ticket_summaries WHERE payload LIKE '%731.55%' "
        "AND doc_id NOT IN (SELECT doc_id FROM kb_summaries)",
    )
    assert not check(synced)["article_summaries_grounded"].passed
