"""Embeddings by a provider through the whole system: proved, planned, paid once, searched, taken back."""

import json
import sqlite3
import struct
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from domain.company import company_id
from domain.ticket_stages import model_of
from query.search import Searcher
from sandbox.serve import Sandbox
from tests.conftest import point_at
from tests.homes import Home, casebook, copied, done

MODEL = "text-embedding-3-small"
STAGES = ("ticket_embeddings", "kb_embeddings")
QUESTION = "the customer was charged twice"


@pytest.fixture(scope="module")
def helpdesk_as_new(helpdesk: Sandbox) -> Sandbox:
    helpdesk.admin("made", "reset")
    for name in ("one", "two"):
        helpdesk.llm_admin(name, "reset")
    return helpdesk


@pytest.fixture(scope="module")
def embedded(helpdesk_as_new: Sandbox, first_sync: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A home that was synced with a bundled model, then with a provider's; and what was said on the way."""
    llm, path = helpdesk_as_new, tmp_path_factory.mktemp("embedded") / "home"
    copied(first_sync, path)
    with pytest.MonkeyPatch.context() as patches:
        point_at(path, patches)
        added = add(llm, "small").json
        unchanged = done("plan", "made", "--json").json["embeddings"]
        planned = done("plan", "made", "--embedding-model", "small", "--json").json["embeddings"]
        llm.llm_admin("one", "reset_log")
        done("company", "set", "made", "embedding_model=small")
        outcome = done("sync", "made", "--json").json
        log = llm.llm_admin("one", "log")
    return {"path": path, "added": added, "unchanged": unchanged, "planned": planned, "synced": outcome, "log": log}


@pytest.fixture
def llm(helpdesk: Sandbox) -> Iterator[Sandbox]:
    yield helpdesk
    for name in ("one", "two"):
        helpdesk.llm_admin(name, "reset")


@pytest.fixture
def home(embedded: dict[str, Any], llm: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A copy of that home."""
    llm.admin("made", "reset")
    llm.llm_admin("one", "reset_log")
    copied(embedded["path"], tmp_path / "home")
    return point_at(tmp_path / "home", monkeypatch)


def add(llm: Sandbox, name: str, *words: str, account: str = "one", model: str = MODEL) -> Any:
    return done(
        *("llm", "add", "made", name, "--for", "embeddings", "--model", model, "--url", llm.llm_url(account)),
        *("--key-stdin", "--json", *words),
        stdin=llm.key(account),
    )


def paid(*stages: str) -> list[dict[str, Any]]:
    return [line for line in done("cost", "made", "--json").json["lines"] if line["stage"] in (stages or STAGES)]


def total(lines: list[dict[str, Any]], name: str) -> Any:
    return sum(line[name] for line in lines)


def live(home: Home) -> str:
    """The model of the collection that is searched."""
    return model_of(home.collection("made").made_by)


def test_the_model_says_how_long_its_vectors_are_and_the_plan_what_they_cost(embedded: dict[str, Any]) -> None:
    assert embedded["added"]["size"] == 1536
    assert (embedded["unchanged"]["model"], embedded["unchanged"]["stages"]) == ("use-multi", {})
    stages, outcome, log = embedded["planned"]["stages"], embedded["synced"], embedded["log"]
    assert outcome["ok"]
    assert outcome["checks"]["paid_for_changes_only"]
    assert sum(stage["calls"] for stage in stages.values()) == log["calls"] == outcome["paid"]["llm_calls"]
    assert sum(stage["tokens"] for stage in stages.values()) == log["tokens_in"] == outcome["paid"]["tokens"]
    cost = sum(stage["cost"] for stage in stages.values())
    assert cost == pytest.approx(log["tokens_in"] * 0.02 / 1e6) == pytest.approx(outcome["paid"]["cost"], abs=1e-6)
    assert any("have one of another model" in line for line in embedded["planned"]["lines"])


def test_what_is_searched_was_made_by_it_and_the_ledger_says_so(home: Home, embedded: dict[str, Any]) -> None:
    lines = paid()
    assert {line["stage"] for line in lines} == set(STAGES)
    assert total(lines, "tokens_in") == embedded["log"]["tokens_in"]
    rows = home.rows("made")
    for table in STAGES:
        assert total([line for line in lines if line["stage"] == table], "documents") <= len(rows[table])
        assert {row[2] for row in rows[table].values()} == {f"{MODEL} 1536"}
    assert live(home) == f"{MODEL} 1536"
    assert {len(row[4]) for row in rows["ticket_embeddings"].values()} == {1536 * 4}


@pytest.mark.parametrize("words", [(), ("--dimensions", "512")], ids=["another size", "the same size"])
def test_a_change_that_is_cut_off_leaves_the_model_before_in_service(
    synced: Home, llm: Sandbox, words: tuple[str, ...]
) -> None:
    """What is searched is the old collection, whole, but for what is deleted, until every text has its vector or was
    refused."""
    home, tickets = synced, ("--only", "tickets", "--json")
    before = home.points("made")
    add(llm, "small", *words)
    done("company", "set", "made", "embedding_model=small")
    llm.llm_admin("one", "options", dies_after=1)
    gone, new = min(before), f"{MODEL} {words[1] if words else 1536}"
    llm.admin("made", "delete", ids=[int(gone)])
    outcome = casebook("sync", "made", *tickets).json
    assert {name for name, passed in outcome["checks"].items() if not passed} == {"providers_answer"}
    assert any("change of model is not finished" in note for note in outcome["notes"]), outcome["notes"]
    rows = home.rows("made")
    assert {row[2] for row in rows["ticket_embeddings"].values()} == {"use-multi-1", new}
    assert {model_of(row[2]) for row in rows["ticket_collection"].values()} == {"use-multi-1"}
    assert home.points("made") == {doc_id: point for doc_id, point in before.items() if doc_id != gone}
    assert done("search", "made", QUESTION, "--json").json["hits"]
    left = [doc_id for doc_id, row in rows["ticket_embeddings"].items() if row[2] != new]
    said = rows["ticket_summaries"][min(left)][3]["problem"][:20]
    llm.llm_admin("one", "reset")
    llm.llm_admin("one", "faults", rates={"filtered_prompt": 1.0}, containing=said)
    assert all(done("sync", "made", *tickets).json["checks"].values())
    rows = home.rows("made")["ticket_embeddings"]
    refused = {doc_id for doc_id, row in rows.items() if row[2] != new}
    assert min(left) in refused < set(left)
    assert live(home) == new
    points = home.points("made")
    assert set(points) == set(before) - {gone} - refused
    for doc_id, (_, vector) in points.items():
        assert vector == pytest.approx(struct.unpack(f"<{len(rows[doc_id][4]) // 4}f", rows[doc_id][4]), abs=1e-5)


def test_an_unchanged_night_and_the_way_back_and_forth_pay_nothing(home: Home, llm: Sandbox) -> None:
    before = home.points("made")
    assert done("sync", "made", "--json").json["paid"]["calls"] == 0
    done("company", "set", "made", "embedding_model=use-multi")
    assert done("sync", "made", "--json").json["ok"]
    assert live(home).startswith("use-multi")
    done("company", "set", "made", "embedding_model=small")
    assert done("sync", "made", "--json").json["ok"]
    assert home.points("made") == before
    assert llm.llm_admin("one", "log")["requests"] == 0


def test_another_endpoint_of_the_model_pays_nothing(home: Home, llm: Sandbox) -> None:
    url = llm.llm_url("two").removesuffix("/v1")
    add(llm, "azure", "--style", "azure", "--api-version", "2024-10-21", "--url", url, account="two")
    llm.llm_admin("two", "reset_log")
    done("company", "set", "made", "embedding_model=azure")
    done("llm", "remove", "made", "small")
    assert done("sync", "made", "--json").json["paid"]["llm_calls"] == 0
    assert done("search", "made", QUESTION, "--json").json["hits"]
    assert (llm.llm_admin("one", "log")["requests"], llm.llm_admin("two", "log")["requests"]) == (0, 1)


def test_a_question_costs_one_call_that_stands_in_the_ledger(home: Home, llm: Sandbox) -> None:
    asked = f"{QUESTION}, write to ana.kim@example.com"
    first = done("search", "made", asked, "--json").json["hits"]
    assert first and [hit["doc_id"] for hit in done("search", "made", asked, "--json").json["hits"]]
    (line,) = paid("search")
    log = llm.llm_admin("one", "log")
    assert (line["calls"], line["tokens_in"], line["documents"]) == (log["calls"], log["tokens_in"], 0)
    assert 1 <= log["calls"] <= 2  # the cache is the process's own
    sent = json.dumps(llm.llm_admin("one", "requests"))
    assert "charged twice" in sent
    assert "ana.kim" not in sent


def test_many_questions_are_one_request(home: Home, llm: Sandbox, tmp_path: Path) -> None:
    asked = [json.dumps({"query_id": str(at), "text": f"{QUESTION}, case {at}"}) for at in range(20)]
    (tmp_path / "Q.jsonl").write_text("\n".join(asked))
    done("search", "made", "--batch", str(tmp_path / "Q.jsonl"), "--out", str(tmp_path / "R.jsonl"))
    assert llm.llm_admin("one", "log")["requests"] == total(paid("search"), "calls") == 1


def test_the_ledger_makes_no_asker_wait_and_loses_no_line(home: Home, llm: Sandbox) -> None:
    file = home.settings.company_folder(company_id("made")) / "casebook.sqlite"
    searcher = Searcher(home.companies, home.company("made"))
    with closing(sqlite3.connect(file, isolation_level=None)) as sync:
        sync.execute("BEGIN IMMEDIATE")
        assert not searcher.search(f"{QUESTION} while a sync writes").by_words_alone
        assert paid("search") == []
        sync.execute("COMMIT")
    assert searcher.close()
    assert total(paid("search"), "calls") == 1


def test_without_money_or_an_answer_words_alone_find(home: Home, llm: Sandbox) -> None:
    llm.llm_admin("one", "options", dies_after=0, death="503")
    assert done("search", "made", QUESTION, "--json").json["hits"]
    llm.llm_admin("one", "reset")
    done("company", "set", "made", "budget_monthly=0.0000001")
    assert done("search", "made", f"{QUESTION} again", "--json").json["hits"]
    assert llm.llm_admin("one", "log")["requests"] == 0


def test_a_budget_stops_cleanly_and_what_is_searched_serves_on(home: Home, llm: Sandbox) -> None:
    points = home.points("made")
    done("company", "set", "made", "budget_monthly=0.0000001")
    llm.admin("made", "edit", count=9, seed=3)
    outcome = done("sync", "made", "--json").json
    assert outcome["ok"]
    assert any("budget" in note for note in outcome["notes"])
    assert set(home.points("made")) == set(points)
    done("company", "set", "made", "budget_monthly=5")
    llm.llm_admin("one", "reset_log")
    outcome = done("sync", "made", "--json").json
    assert outcome["checks"]["paid_for_changes_only"]
    assert 0 < sum(len(one["input"]) for one in llm.llm_admin("one", "requests")) <= 9


def test_who_embeds_is_not_removed_before_the_index_is_another(home: Home, llm: Sandbox) -> None:
    add(llm, "large", model="text-embedding-3-large")
    for words, said in (
        (("llm", "remove", "made", "small"), "embeds the texts"),
        (("company", "set", "made", "llm_providers=none"), "embeds the texts"),
        (("llm", "add", "made", "small", "--model", "text-embedding-3-large", "--url", llm.llm_url("one")), "embeds"),
    ):
        refused = casebook(*words)
        assert (refused.code, said in " ".join(refused.err.split())) == (2, True), refused
    done("company", "set", "made", "embedding_model=use-multi")
    refused = casebook("llm", "remove", "made", "small")
    assert (refused.code, "was made by 'small'" in " ".join(refused.err.split())) == (2, True), refused
    done("sync", "made")
    done("llm", "remove", "made", "small")
    assert done("search", "made", QUESTION, "--json").json["hits"]


def test_what_cannot_embed_is_refused_in_one_line(home: Home, llm: Sandbox) -> None:
    good = ("llm", "add", "made", "new", "--for", "embeddings", "--model", MODEL, "--url", llm.llm_url("one"))
    for words, title in (
        ((*good[:7], "gpt-4.1-mini", *good[8:]), "cannot be used"),
        ((*good, "--dimensions", "4000"), "cannot be used"),
        ((*good, "--price-out", "1"), "tokens have one price"),
        ((*good[:3], "use-multi", *good[4:]), "which is a bundled model's"),
        ((*good[:5], "songs", *good[6:]), "a use of summaries, embeddings"),
        ((*good[:3], "small", "--for", "summaries", *good[6:]), "is for embeddings"),
        (("company", "set", "made", "embedding_model=nobody"), "no embedding model 'nobody'"),
        (("plan", "made", "--embedding-model", "nobody"), "no embedding model 'nobody'"),
    ):
        said = casebook(*words, *(("--key-stdin",) if words[0] == "llm" else ()), stdin=llm.key("one"))
        assert (said.code, said.out) == (2, ""), (words, said)
        assert title in " ".join(said.err.split()), (words, said.err)
