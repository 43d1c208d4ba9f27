"""Batches of one stage on a real store against the sandbox: crashes, refusals, budgets, and providers that change."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from domain.company import CompanyId
from domain.derive import Input, Sources, Stage, derive
from domain.fingerprint import fingerprint
from domain.stage import Put, Report
from resources.llm.backfill import Backfill
from resources.llm.budget import Budget
from resources.llm.summariser import Summariser
from resources.storage.sql import SqlCompanyStore
from resources.storage.sqlite import open_store
from sandbox.serve import Sandbox
from tests.resources.llm.given import summariser, ticket

NOW = "2026-01-01T00:00:00Z"
TABLE = "ticket_summaries"


class Died(BaseException):
    """Stands for kill -9."""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqlCompanyStore]:
    with open_store(tmp_path / "acme", CompanyId("acme")) as opened:
        write(opened, range(20))
        yield opened


def write(store: SqlCompanyStore, numbers: range) -> None:
    puts = [Put(str(at), ticket(at), fingerprint(ticket(at)), "v", "test") for at in numbers]
    with store.begin("walk", NOW) as transaction:
        transaction.upsert("merged_tickets", puts)


def project(rows: Sources) -> Input | None:
    return Input(rows[0].payload) if rows[0] else None


def night(
    store: SqlCompanyStore, by: Summariser, *, wanted: bool = False, budget: Budget | None = None, **more: Any
) -> Report:
    """One run of the stage."""
    stage = Stage(TABLE, ("merged_tickets",), project, by.make("ticket"), by.made_by, keep=True)
    backfill = Backfill(store, by, budget or Budget(None), "ticket", TABLE, "run", NOW, wanted, **more)
    return backfill.run(stage, partial(derive, store=store, run_id="run", now=NOW))


def made(store: SqlCompanyStore) -> int:
    return store.count(TABLE)


def held(llm: Sandbox) -> None:
    """Batches are answered only when a test says so."""
    for name in ("one", "two"):
        llm.llm_admin(name, "options", batch_polls=None)


def dying(store: SqlCompanyStore, name: str, when: Callable[..., bool] = lambda *_: True) -> None:
    """The store's method kills the process, after its work, when ``when`` says so of its arguments."""
    work = getattr(store, name)

    def killed(*given: Any, **named: Any) -> Any:
        result = work(*given, **named)
        if when(*given):
            raise Died
        return result

    setattr(store, name, killed)


def test_half_the_price_is_still_wanted_after_a_kill_before_anything_was_handed_in(
    llm: Sandbox, store: SqlCompanyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    held(llm)

    def killed(*_: Any) -> None:
        raise Died

    with monkeypatch.context() as patch:
        patch.setattr(Backfill, "_flush", killed)
        with pytest.raises(Died):
            night(store, summariser(llm), wanted=True)
    assert llm.llm_admin("one", "batches") == []
    assert store.waits(TABLE)
    report = night(store, summariser(llm))  # nobody says so again
    assert (report.calls, [batch["requests"] for batch in store_batches(store)]) == (1, [18])
    llm.llm_admin("one", "batch", do="complete")
    assert night(store, summariser(llm)).calls == 18
    assert (made(store), store.queue(), store.state(f"{TABLE} batches")["wanted"]) == (20, [], False)


def store_batches(store: SqlCompanyStore) -> list[dict[str, Any]]:
    return [{"id": batch.id, "requests": batch.requests} for batch in store.batches(TABLE)]


def test_a_batch_that_is_refused_is_handed_in_again(llm: Sandbox, store: SqlCompanyStore) -> None:
    held(llm)
    llm.llm_admin("one", "faults", rates={"503": 1.0}, on=["files"])
    report = night(store, summariser(llm), wanted=True)
    assert any("was not taken" in note for note in report.notes)
    assert (made(store), store_batches(store)) == (1, [])
    llm.llm_admin("one", "faults")
    night(store, summariser(llm))
    assert [batch["requests"] for batch in store_batches(store)] == [18]


def test_slices_that_follow_go_into_batches_too(llm: Sandbox, store: SqlCompanyStore) -> None:
    held(llm)
    night(store, summariser(llm), wanted=True, more=True)
    write(store, range(20, 40))
    night(store, summariser(llm), more=False)
    assert sum(batch["requests"] for batch in store_batches(store)) == 38
    write(store, range(40, 45))
    assert night(store, summariser(llm)).changed == 5


def test_answers_are_stored_before_a_used_up_budget_stops(llm: Sandbox, store: SqlCompanyStore) -> None:
    held(llm)
    night(store, summariser(llm), wanted=True)
    llm.llm_admin("one", "batch", do="complete")
    write(store, range(20, 25))  # newer ones come first, and there is no money for them
    budget = Budget(0.001, 0.001)
    report = night(store, summariser(llm, budget=budget), budget=budget)
    assert (made(store), bool(report.paused), report.is_trouble) == (20, True, False)
    assert store_batches(store) == []


def test_a_batch_never_reserves_less_than_it_can_cost(llm: Sandbox, store: SqlCompanyStore) -> None:
    held(llm)
    budget = Budget(0.01)
    report = night(store, summariser(llm, budget=budget), wanted=True, budget=budget)
    (batch,) = store.batches(TABLE)
    assert report.paused and batch.cost is not None
    assert 0 < batch.cost <= 0.01
    llm.llm_admin("one", "batch", do="complete")
    night(store, summariser(llm, budget=(spent := Budget(0.01, 0.01))), budget=spent)
    assert store.spent(NOW) <= 0.01


def test_answers_are_counted_once_however_often_they_are_read(llm: Sandbox, store: SqlCompanyStore) -> None:
    held(llm)
    night(store, summariser(llm), wanted=True)
    llm.llm_admin("one", "batch", do="complete")
    work = store.keep_paid
    dying(store, "keep_paid", lambda *given: bool(given[2]))  # when the first summaries were stored
    with pytest.raises(Died):
        night(store, summariser(llm))
    store.keep_paid = work  # type: ignore[method-assign]
    report = night(store, summariser(llm))
    assert (made(store), report.calls) == (20, 0)
    assert sum(line.calls for line in store.ledger()) == llm.llm_admin("one", "log")["calls"] == 20


@pytest.mark.parametrize("model", ["gpt-4.1-mini", "gpt-4.1-nano"])
def test_another_provider_beside_does_not_make_a_batch_worthless(
    llm: Sandbox, store: SqlCompanyStore, model: str
) -> None:
    held(llm)
    night(store, summariser(llm), wanted=True)
    llm.llm_admin("one", "batch", do="complete")
    providers = [
        {"name": name, "model": of, "url": llm.llm_url(name)} for name, of in (("one", "gpt-4.1-mini"), ("two", model))
    ]
    both = summariser(llm, settings={"llm_providers": providers})
    report = night(store, both)
    # Of another set of models all is made anew; but what the batch brought for it is good enough.
    assert report.calls == 19 + (model != "gpt-4.1-mini")
    assert (made(store), len(store_batches(store))) == (20, 0)


def test_a_provider_that_is_gone_leaves_nothing_waiting(llm: Sandbox, store: SqlCompanyStore) -> None:
    held(llm)
    night(store, summariser(llm), wanted=True)
    report = night(store, summariser(llm, "two"))
    assert any("no provider one" in note for note in report.notes)
    assert (made(store), store.queue()) == (20, [])


def test_without_a_batch_api_nothing_is_paid_at_full_price(llm: Sandbox, store: SqlCompanyStore) -> None:
    llm.llm_admin("one", "faults", rates={"404": 1.0}, on=["batches"])
    report = night(store, summariser(llm), wanted=True)
    assert ("no provider takes batches" in report.paused, report.is_trouble, report.calls) == (True, True, 0)
    assert (made(store), llm.llm_admin("one", "log")["calls"]) == (0, 0)


def test_no_file_is_left_behind_whatever_was_killed_or_refused(llm: Sandbox, store: SqlCompanyStore) -> None:
    held(llm)
    night(store, summariser(llm), wanted=True)
    (batch,) = store.batches(TABLE)
    with store.begin("run", NOW) as transaction:  # killed before the provider's id was stored
        transaction.save_batch(replace(batch, remote_id="", state="open"))
    llm.llm_admin("one", "batch", do="complete")
    llm.llm_admin("one", "faults", rates={"503": 1.0}, on=["batches"])
    assert night(store, summariser(llm)).calls == 0  # it cannot be looked at now
    llm.llm_admin("one", "faults")
    night(store, summariser(llm))
    assert (made(store), store.state(f"{TABLE} batches")["files"]) == (20, [])
    deleted = llm.llm_admin("one", "log")["answers"]["DELETE files/ID 200"]
    assert deleted == 2  # what went up, and what came down
