"""Summaries by LLM providers through the whole system: what is paid, what is not, and what never leaves."""

import json
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from domain.company import company_id
from domain.stage import NEVER
from sandbox.serve import Sandbox
from tests.conftest import point_at
from tests.homes import Home, casebook, copied, done
from tests.resources.llm.given import said as said_by_a_model
from tests.resources.llm.given import script

MODEL = "gpt-4.1-mini"
STAGES = ("ticket_summaries", "kb_summaries")
TICKETS = ("--only", "tickets")


@pytest.fixture
def llm(helpdesk: Sandbox) -> Iterator[Sandbox]:
    """The sandbox with its LLM accounts as new, before and after."""
    for name in ("one", "two"):
        helpdesk.llm_admin(name, "reset")
    yield helpdesk
    for name in ("one", "two"):
        helpdesk.llm_admin(name, "reset")


def add_provider(llm: Sandbox, id: str, name: str, model: str = MODEL, *words: str) -> Any:
    url = llm.llm_url(name)
    said = done(
        *("llm", "add", id, name, "--model", model, "--url", url, "--key-stdin", "--json", *words), stdin=llm.key(name)
    )
    llm.llm_admin(name, "reset_log")
    return said.json


@pytest.fixture(scope="module")
def first_summaries(helpdesk: Sandbox, first_sync: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A home whose company ``made`` got a provider and was synced: its path, and what was said on the way."""
    path = tmp_path_factory.mktemp("summarised") / "home"
    for name in ("one", "two"):
        helpdesk.llm_admin(name, "reset")
    helpdesk.admin("made", "reset")
    copied(first_sync, path)
    with pytest.MonkeyPatch.context() as patches:
        point_at(path, patches)
        add_provider(helpdesk, "made", "one")
        planned, before = plan(), paid()
        outcome, log = sync(), helpdesk.llm_admin("one", "log")
    return {"path": path, "planned": planned, "paid_before": before, "synced": outcome, "log": log}


@pytest.fixture
def summarised(first_summaries: dict[str, Any], llm: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A copy of that home, and the helpdesk as it was then."""
    llm.admin("made", "reset")
    copied(first_summaries["path"], tmp_path / "home")
    return point_at(tmp_path / "home", monkeypatch)


@pytest.fixture
def home(synced: Home, llm: Sandbox) -> Home:
    """The company ``made``, synced with extractive summaries, that has just got a provider."""
    add_provider(llm, "made", "one")
    return synced


def sync(*words: str, id: str = "made") -> Any:
    return done("sync", id, "--json", *words).json


def plan(id: str = "made") -> Any:
    return done("plan", id, "--json").json["summaries"]


def paid(id: str = "made") -> list[dict[str, Any]]:
    """What summaries cost; what it cost to try providers out is left out."""
    return [line for line in done("cost", id, "--json").json["lines"] if line["stage"] in STAGES]


def total(lines: list[dict[str, Any]], name: str) -> Any:
    return sum(line[name] for line in lines)


def items(llm: Sandbox) -> int:
    """Summaries that the providers wrote."""
    return sum(llm.llm_admin(name, "log")["items"] for name in ("one", "two"))


def methods(home: Home, table: str = "ticket_summaries") -> set[str]:
    return {row[3]["method"].split()[0] for row in home.rows("made")[table].values()}


# -- what is paid --------------------------------------------------------------------------------------------------------


def test_what_the_plan_says_is_what_the_ledger_says(summarised: Home, first_summaries: dict[str, Any]) -> None:
    home = summarised
    planned, outcome, log = (first_summaries[name] for name in ("planned", "synced", "log"))
    cases = set(home.points("made"))
    stages = planned["stages"]
    assert stages["ticket_summaries"]["documents"] == stages["ticket_summaries"]["renewed"] == len(cases)
    assert stages["ticket_summaries"]["left_out"] == {"not resolved": 120 - len(cases)}
    assert first_summaries["paid_before"] == []
    assert outcome["ok"]
    assert outcome["assets"]["ticket_summaries"]["changed"] == len(cases)
    assert set(home.rows("made")["ticket_summaries"]) == cases
    assert methods(home) == methods(home, "kb_summaries") == {MODEL}
    lines = paid()
    for stage in STAGES:
        mine = [line for line in lines if line["stage"] == stage]
        first = [line for line in mine if line["purpose"] == "first"]
        assert total(first, "calls") == stages[stage]["calls"]
        assert total(first, "tokens_in") == stages[stage]["tokens_in"]
        assert total(first, "documents") == stages[stage]["documents"]
    assert total(lines, "calls") == log["calls"] == outcome["paid"]["llm_calls"]
    assert total(lines, "tokens_in") + total(lines, "tokens_out") == outcome["paid"]["tokens"]
    assert (total(lines, "tokens_in"), total(lines, "tokens_out")) == (log["tokens_in"], log["tokens_out"])
    cost = (log["tokens_in"] * 0.4 + log["tokens_out"] * 1.6) / 1e6
    assert total(lines, "cost") == pytest.approx(cost) == pytest.approx(outcome["paid"]["cost"])
    assert {name: plan()["stages"][name]["documents"] for name in STAGES} == dict.fromkeys(STAGES, 0)


def test_an_unchanged_night_pays_nothing_and_a_changed_text_only_for_itself(summarised: Home, llm: Sandbox) -> None:
    before = summarised.tops("made")
    outcome = sync()
    assert outcome["checks"]["paid_for_changes_only"]
    assert (outcome["paid"]["llm_calls"], llm.llm_admin("one", "log")["requests"]) == (0, 0)
    assert summarised.tops("made") == before

    llm.admin("made", "edit", count=9, seed=3)
    outcome = sync()
    assert outcome["checks"]["paid_for_changes_only"]
    assert outcome["assets"]["ticket_summaries"]["changed"] <= items(llm)
    assert 0 < items(llm) <= 9


def test_another_model_costs_what_the_plan_says_and_old_summaries_serve_or_stay(summarised: Home, llm: Sandbox) -> None:
    home = summarised
    points = home.points("made")
    add_provider(llm, "made", "one", "gpt-4.1-nano")
    planned = plan()["stages"]
    assert planned["ticket_summaries"]["renewed"] == planned["ticket_summaries"]["documents"] == len(points)

    kept = sync("--keep-old")
    assert (kept["paid"]["llm_calls"], items(llm)) == (0, 0)
    assert home.points("made") == points
    assert plan()["stages"]["ticket_summaries"]["documents"] == 0
    llm.admin("made", "edit", count=9, seed=5)
    assert sync()["assets"]["ticket_summaries"]["changed"] <= 9
    assert 0 < items(llm) <= 9
    assert methods(home) == {MODEL, "gpt-4.1-nano"}

    done("company", "set", "made", "old_summaries=renew")
    planned = plan()["stages"]["ticket_summaries"]
    before = paid()
    assert sync()["ok"]
    assert methods(home) == {"gpt-4.1-nano"}
    new = [line for line in paid() if line["model"] == "gpt-4.1-nano" and line["stage"] == "ticket_summaries"]
    old = [line for line in before if line["model"] == "gpt-4.1-nano" and line["stage"] == "ticket_summaries"]
    for name in ("calls", "documents", "tokens_in", "tokens_out"):
        assert total(new, name) - total(old, name) == planned[name], name
    assert total(new, "cost") - total(old, "cost") == pytest.approx(planned["cost"])


def test_a_budget_stops_cleanly_and_the_rest_comes_when_it_is_raised(home: Home, llm: Sandbox) -> None:
    points = home.points("made")
    done("company", "set", "made", "budget_monthly=0.014")  # all of it costs 0.0155
    outcome = sync()
    assert outcome["ok"]
    assert any("budget" in note for note in outcome["notes"])
    spent = total(paid(), "cost")
    assert 0.004 < spent <= 0.014
    assert methods(home) == {MODEL, "extractive-v1"}
    assert set(home.points("made")) == set(points)  # the old summaries serve
    assert done("queue", "made", "--json").json["queue"] == []
    assert sync()["ok"]  # a call's answer was shorter than it could have been: there may be room for another
    assert spent <= total(paid(), "cost") <= 0.014

    done("company", "set", "made", "budget_monthly=5")
    before = items(llm)
    assert sync()["ok"]
    assert methods(home) == {MODEL}
    assert before < items(llm)
    assert total([line for line in paid() if line["purpose"] == "first"], "documents") == len(points) + len(
        home.rows("made")["kb_summaries"]
    )


def test_what_a_model_wrote_stays_when_its_provider_leaves(summarised: Home) -> None:
    home = summarised
    before = home.rows("made")["ticket_summaries"]
    done("llm", "remove", "made", "one")
    outcome = sync("--only", "tickets")
    assert outcome["assets"]["ticket_summaries"]["changed"] == 0
    assert home.rows("made")["ticket_summaries"] == before


# -- what goes wrong -----------------------------------------------------------------------------------------------------


def test_one_of_two_providers_dies_and_every_ticket_is_summarised(home: Home, llm: Sandbox) -> None:
    add_provider(llm, "made", "two")
    llm.llm_admin("one", "options", dies_after=4, death="insufficient_quota")
    outcome = sync(*TICKETS)
    assert outcome["ok"], outcome
    assert methods(home) == {MODEL}
    assert {line["provider"] for line in paid()} == {"one", "two"}
    assert done("queue", "made", "--json").json["queue"] == []


def test_without_any_provider_that_answers_it_says_so_and_goes_on_later(home: Home, llm: Sandbox) -> None:
    points = home.points("made")
    llm.llm_admin("one", "options", dies_after=0, death="insufficient_quota")
    said = casebook("sync", "made", "--json", *TICKETS)
    assert said.code == 1
    assert said.json["checks"]["providers_answer"] is False
    assert any("insufficient_quota" in note for note in said.json["notes"])
    assert (home.points("made"), paid()) == (points, [])
    llm.llm_admin("one", "options", dies_after=None)
    assert sync(*TICKETS)["ok"]
    assert methods(home) == {MODEL}


def test_a_key_that_is_gone_stops_no_edit_and_no_deletion(home: Home, llm: Sandbox) -> None:
    company = home.company("made")
    home.companies.set_llm_key(company, company.providers[0], "env:NOT_SET_ANYWHERE")
    points = home.points("made")
    gone = llm.admin("made", "delete", ids=[int(min(points))])
    said = casebook("sync", "made", "--json", *TICKETS)
    assert (said.code, said.json["checks"]["providers_answer"]) == (1, False), gone
    assert any("NOT_SET_ANYWHERE" in note for note in said.json["notes"])
    assert set(home.points("made")) == set(points) - {min(points)}
    assert llm.llm_admin("one", "log")["requests"] == 0
    done("plan", "made")


def test_a_ticket_that_is_refused_waits_with_its_reason_and_is_given_up_at_last(home: Home, llm: Sandbox) -> None:
    rows = home.rows("made")
    doc_id = min(rows["ticket_summaries"])
    word = rows["merged_tickets"][doc_id][3]["subject"]
    llm.llm_admin("one", "faults", rates={"refusal": 1.0}, containing=word)
    outcome = sync(*TICKETS)
    failed = outcome["assets"]["ticket_summaries"]["failed"]
    assert 0 < failed < 20
    queue = done("queue", "made", "--json").json["queue"]
    mine = next(entry for entry in queue if entry["doc_id"] == doc_id)
    assert (mine["target"], mine["status"], "refused" in mine["reason"]) == ("ticket_summaries", "failed", True)
    assert word not in mine["reason"]
    with sqlite3.connect(home.path / "companies" / "made" / "casebook.sqlite") as db:
        db.execute("UPDATE queue SET retries = 11, due = '2000-01-01T00:00:00Z'")
        assert db.execute("SELECT DISTINCT status FROM processing_queue").fetchall() == [("failed",)]
    db.close()
    sync(*TICKETS)
    queue = done("queue", "made", "--json").json["queue"]
    assert {(entry["status"], entry["due"]) for entry in queue} == {("dead", NEVER)}
    llm.llm_admin("one", "faults")
    assert sync(*TICKETS)["assets"]["ticket_summaries"]["changed"] == 0
    assert done("queue", "made", "--retry", "--json").json["due"] == len(queue)
    assert sync(*TICKETS)["assets"]["ticket_summaries"]["changed"] == len(queue)
    assert done("queue", "made", "--json").json["queue"] == []


# -- batches -------------------------------------------------------------------------------------------------------------


def test_a_batch_is_handed_in_once_and_its_answers_come_with_a_later_sync(home: Home, llm: Sandbox) -> None:
    llm.llm_admin("one", "options", batch_polls=None)
    points = home.points("made")
    first = sync("--batch", "--only", "tickets")
    assert first["ok"]
    waiting = done("queue", "made", "--json").json["queue"]
    assert {entry["status"] for entry in waiting} == {"waiting"}
    assert len(waiting) == len(points) - 1  # one was asked for at once: it finds out how lines are written
    again = sync("--batch", "--only", "tickets")
    assert again["paid"]["llm_calls"] == 0
    assert len(llm.llm_admin("one", "batches")) == 1
    assert set(home.points("made")) == set(points)
    expected = done("cost", "made", "--json").json["batches"][0]
    assert expected["requests"] == len(waiting)

    llm.llm_admin("one", "batch", do="expire", done=len(waiting) - 10, failed=3)
    second = sync("--only", "tickets")
    assert second["ok"]
    left = done("queue", "made", "--json").json["queue"]
    assert 0 < len(left) < 13
    assert {entry["status"] for entry in left} == {"waiting"}
    llm.llm_admin("one", "batch", do="complete")
    assert sync("--only", "tickets")["ok"]
    assert done("queue", "made", "--json").json["queue"] == []
    assert methods(home) == {MODEL}
    assert done("cost", "made", "--json").json["batches"] == []
    lines = paid()
    log = llm.llm_admin("one", "log")
    assert (total(lines, "tokens_in"), total(lines, "tokens_out")) == (log["tokens_in"], log["tokens_out"])
    assert total(lines, "documents") == len(points)
    assert llm.llm_admin("one", "log")["answers"]["DELETE files/ID 200"] >= 4


def test_a_batch_that_was_sent_just_before_a_crash_is_found_again(home: Home, llm: Sandbox) -> None:
    llm.llm_admin("one", "options", batch_polls=None)
    sync("--batch", "--only", "tickets")
    with sqlite3.connect(home.path / "companies" / "made" / "casebook.sqlite") as db:
        db.execute("UPDATE batches SET remote_id = '', state = 'open'")
    db.close()
    assert sync("--only", "tickets")["paid"]["llm_calls"] == 0
    llm.llm_admin("one", "batch", do="complete")
    assert sync("--only", "tickets")["ok"]
    assert (methods(home), len(llm.llm_admin("one", "batches"))) == ({MODEL}, 1)


def test_what_waits_for_a_batch_that_was_never_sent_is_asked_for(home: Home, llm: Sandbox) -> None:
    llm.llm_admin("one", "options", batch_polls=None)
    sync("--batch", "--only", "tickets")
    with sqlite3.connect(home.path / "companies" / "made" / "casebook.sqlite") as db:
        db.execute("DELETE FROM batches")
        db.execute("DELETE FROM batched")
    db.close()
    assert sync("--only", "tickets")["ok"]
    assert methods(home) == {MODEL}


def waiting_batch(home: Home, llm: Sandbox) -> list[str]:
    """A batch of the company ``made`` that is on its way; the documents that wait for it."""
    llm.llm_admin("one", "options", batch_polls=None)
    sync("--batch", "--only", "tickets")
    return [entry["doc_id"] for entry in done("queue", "made", "--json").json["queue"]]


def test_a_provider_with_batches_changes_only_when_they_are_given_up(home: Home, llm: Sandbox) -> None:
    waiting = waiting_batch(home, llm)
    same = ("llm", "add", "made", "one", "--url", llm.llm_url("one"), "--model")
    for words in (
        (*same, "gpt-4.1-nano"),
        ("llm", "remove", "made", "one"),
        ("company", "set", "made", "llm_providers=none"),
    ):
        said = casebook(*words)
        assert said.code == 2, said
        assert f"1 batches, {len(waiting)} requests" in " ".join(said.err.split())
        assert "--give-up" in said.err
    done(*same, MODEL, "--weight", "2")
    assert home.company("made").providers[0].weight == 2
    done(*same, "gpt-4.1-nano", "--give-up")
    assert {one["status"] for one in llm.llm_admin("one", "batches")} == {"cancelled"}
    assert done("cost", "made", "--json").json["batches"] == []
    assert sync("--only", "tickets")["ok"]
    assert done("queue", "made", "--json").json["queue"] == []
    assert "gpt-4.1-nano" in methods(home)


def test_a_company_that_leaves_takes_its_batches_with_it(home: Home, llm: Sandbox) -> None:
    assert waiting_batch(home, llm)
    done("company", "remove", "made", "--yes")
    assert {one["status"] for one in llm.llm_admin("one", "batches")} == {"cancelled"}


def test_what_is_asked_to_try_a_provider_out_is_in_the_ledger(home: Home, llm: Sandbox) -> None:
    def tried() -> Any:
        return [line for line in done("cost", "made", "--json").json["lines"] if line["stage"] == "llm check"]

    assert total(tried(), "calls") == 1  # when it was added
    tokens = total(tried(), "tokens_in")
    with home.companies.lock(company_id("made"), "a run"):
        done("llm", "check", "made")  # nobody waits for so little
    assert total(tried(), "calls") == 1
    llm.llm_admin("one", "reset_log")
    done("llm", "check", "made")
    log = llm.llm_admin("one", "log")
    assert (total(tried(), "calls"), total(tried(), "tokens_in")) == (2, tokens + log["tokens_in"])
    assert {line["purpose"] for line in tried()} == {"check"}


# -- what never leaves ---------------------------------------------------------------------------------------------------

PLANTED = (
    "minji.park@example.co.kr",
    "010-2345-6789",
    "850101-1234563",
    "4111 1111 1111 1111",
    "sk-ab12cd34ef56gh78ij90kl",
)


def export(folder: Path) -> Path:
    path = folder / "tickets.jsonl"
    texts = [f"문의드립니다. 연락처는 {datum} 입니다. 결제가 두 번 되었습니다. 확인 부탁드립니다." for datum in PLANTED]
    texts += [f"I was charged twice for order 77{at}. Reach me: {datum}" for at, datum in enumerate(PLANTED)]
    rows = [
        {
            "ticket_id": str(number),
            "subject": f"결제 문의 {number}" if number < len(PLANTED) else f"Charged twice {number}",
            "description": text,
            "conversations": [{"author": "agent", "private": False, "body": f"{text[-20:]} 환불 처리했습니다."}],
        }
        for number, text in enumerate(texts)
    ]
    path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), encoding="utf-8")
    return path


def test_no_personal_datum_leaves_and_the_summaries_have_them_again(home: Home, llm: Sandbox, tmp_path: Path) -> None:
    done("company", "add", "papers", "--platform", "export", "--path", str(export(tmp_path)))
    add_provider(llm, "papers", "one")
    assert sync(id="papers")["ok"]
    sent = json.dumps(llm.llm_admin("one", "requests"), ensure_ascii=False)
    assert "결제" in sent
    assert "charged twice" in sent
    for datum in PLANTED:
        assert datum not in sent
        assert datum.split()[0].split("@")[0] not in sent
    stored = json.dumps([row[3] for row in home.rows("papers")["ticket_summaries"].values()], ensure_ascii=False)
    assert "minji.park@example.co.kr" in stored
    assert "[EMAIL" not in stored


# -- bad input -----------------------------------------------------------------------------------------------------------


def test_providers_that_cannot_be_used_are_refused_in_one_line(home: Home, llm: Sandbox) -> None:
    url = llm.llm_url("two")
    good = ("llm", "add", "made", "two", "--model", MODEL, "--url", url)
    for words, key, title in (
        (good, "", "an API key is needed"),
        ((*good, "--key-stdin"), "wrong-key", "provider 'two' cannot be used"),
        ((*good[:5], "gpt-nope", *good[6:], "--key-stdin"), "two-key", "has no model 'gpt-nope'"),
        ((*good[:7], "http://127.0.0.1:9/v1", "--key-stdin"), "two-key", "provider 'two' cannot be used"),
        ((*good, "--auth", "token", "--key-stdin"), "two-key", "auth 'token' only with style azure"),
        ((*good, "--style", "azure", "--key-stdin"), "two-key", "style azure with its 'api_version'"),
        ((*good, "--api-version", "2024-10-21", "--key-stdin"), "two-key", "only with style azure"),
        ((*good, "--price-in", "1", "--key-stdin"), "two-key", "both prices, or neither"),
        ((*good, "--weight", "0", "--key-stdin"), "two-key", "a weight above 0"),
        (("llm", "key", "made", "nobody", "--key-stdin"), "two-key", "no provider 'nobody'"),
        (("llm", "remove", "made", "nobody"), "", "no provider 'nobody'"),
        (("company", "set", "made", "budget_monthly=0"), "", "an amount above 0"),
        (("company", "set", "made", "budget_monthly=-5"), "", "an amount above 0"),
        (("company", "set", "made", 'llm_providers=[{"name":"x","model":"m"}]'), "", "casebook llm add"),
        (
            ("company", "add", "b2", "--platform", "export", "--path", "x", "--set", "llm_providers=[{}]"),
            "",
            "casebook llm add",
        ),
        (("queue", "made", "--doc", "1"), "", "--doc goes with --retry"),
        (("queue", "made", "--retry", "--doc", "nobody"), "", "is not in the queue"),
        (("cost", "made", "--since", "yesterday"), "", "is no day"),
    ):
        said = casebook(*words, stdin=key)
        assert (said.code, said.out) == (2, ""), (words, said)
        assert title in " ".join(said.err.split()), (words, said.err)
        assert "Traceback" not in said.err
        assert not key or key not in said.err
    assert [one["name"] for one in done("llm", "list", "made", "--json").json["providers"]] == ["one"]


def test_a_key_never_goes_to_another_address(home: Home, llm: Sandbox) -> None:
    with script((200, {}, said_by_a_model())) as elsewhere:
        words = ("llm", "add", "made", "one", "--model", MODEL, "--url", elsewhere.url)
        attack = json.dumps([{"name": "one", "model": MODEL, "url": elsewhere.url}])
        assert casebook("company", "set", "made", f"llm_providers={attack}").code == 2
        refused = casebook(*words)
        assert (refused.code, llm.llm_url("one") in refused.err) == (2, True)
        assert (
            casebook(*words, "--auth", "none", "--price-in", "0", "--price-out", "0").code == 2
        )  # it has given no summary
        done("company", "set", "made", "llm_providers=none")
        assert casebook(*words).code == 2
        assert casebook("llm", "add", "made", "one", "--model", MODEL, "--url", llm.llm_url("one")).code == 2
        home.companies.set(home.company("made"), llm_providers=json.loads(attack))
        assert casebook("llm", "check", "made").code == 1
        assert [sent["authorization"] for sent in elsewhere.headers] == ["Bearer none"]


def test_providers_are_shown_by_their_names(home: Home, llm: Sandbox) -> None:
    add_provider(llm, "made", "two")
    assert "one, two" in " ".join(done("company", "show", "made").out.split())
    assert llm.llm_url("one") not in done("company", "show", "made").out
    assert "nightly_hour = 3" in done("company", "set", "made", "nightly_hour=3").out
    assert "llm_providers = none" in done("company", "set", "made", "llm_providers=none").out


def test_a_budget_that_cannot_be_kept_is_refused_both_ways(home: Home, llm: Sandbox) -> None:
    llm.llm_admin("two", "options", models=["our-own"])
    words = ("llm", "add", "made", "two", "--model", "our-own", "--url", llm.llm_url("two"), "--key-stdin")
    done(*words, stdin=llm.key("two"))
    said = casebook("company", "set", "made", "budget_monthly=5")
    assert (said.code, "no price is known for our-own (two)" in " ".join(said.err.split())) == (2, True)
    assert "unknown price" in " ".join(plan()["lines"])
    done(*words, "--price-in", "0", "--price-out", "0", stdin=llm.key("two"))
    done("company", "set", "made", "budget_monthly=5")
    assert casebook(*words, stdin=llm.key("two")).code == 2
    assert done("company", "show", "made", "--json").json["settings"]["budget_monthly"] == 5.0


def test_the_cost_is_told_by_days_of_the_companys_time_zone(home: Home, llm: Sandbox) -> None:
    done("company", "set", "made", "time_zone=Pacific/Kiritimati")  # UTC+14
    sync("--only", "kb")
    (line,) = paid()
    utc = datetime.now(UTC)
    assert line["day"] in {f"{day:%Y-%m-%d}" for day in (utc.astimezone(_zone("Pacific/Kiritimati")),)}
    assert done("cost", "made", "--until", "2026-01-31", "--json").json["lines"] == []
    assert "Nothing was paid" in done("cost", "made", "--until", "2026-01-31").out


def _zone(name: str) -> Any:
    from zoneinfo import ZoneInfo

    return ZoneInfo(name)
