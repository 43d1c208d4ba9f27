"""Documents to summaries by real calls to the sandbox's LLM server: batches, answers at fault, money, masking, estimates."""

import json
from typing import Any

import pytest

from domain.company import Company
from domain.errors import InputError
from domain.fingerprint import fingerprint
from domain.provider import Provider
from domain.stage import Failed, Made
from domain.summary import Summary
from domain.summary_prompt import PROMPT_VERSION
from resources.llm.budget import Budget
from resources.llm.client import THOUGHT_MEAN
from resources.llm.summariser import open_summariser
from sandbox.serve import Sandbox
from tests.resources.llm.given import MODEL, Keys, company, opened, outcome, said, script, summariser, ticket


def requests(llm: Sandbox, account: str = "one") -> list[dict[str, Any]]:
    return llm.llm_admin(account, "requests")


# -- what is asked -----------------------------------------------------------------------------------------------------


def test_tickets_are_asked_for_in_batches_of_one_language(llm: Sandbox) -> None:
    documents = [ticket(at, "ko" if at % 3 == 0 else "en") for at in range(25)]
    got = outcome(summariser(llm), documents)
    assert sorted(got.made) == list(range(25)) and not got.failed
    assert sorted(one["items"] for one in requests(llm)) == [6, 9, 10]
    for position, made in got.made.items():
        summary = Summary.from_payload(made.payload)
        assert summary.method == f"{MODEL} {PROMPT_VERSION}"
        assert summary.language == documents[position]["language"]
        assert str(10_000 + position) in summary.problem + summary.solution, "the answer of another ticket"


def test_the_batch_is_a_setting(llm: Sandbox) -> None:
    outcome(summariser(llm, settings={"summary_batch": 4}), [ticket(at) for at in range(10)])
    assert sorted(one["items"] for one in requests(llm)) == [2, 4, 4]


def test_articles_go_the_same_way(llm: Sandbox) -> None:
    article = {"title": "Reset a password", "path": ["Help"], "language": "en-us",
               "text": "To reset your password, open Settings and click Reset. A mail is sent to you."}  # fmt: skip
    got = outcome(summariser(llm), [article], "kb")
    assert got.made[0].payload["problem"] and not got.failed


def test_long_tickets_are_cut(llm: Sandbox) -> None:
    long = ticket(1)
    long["messages"][1]["text"] = " ".join(f"Step {at} was done." for at in range(3000))
    outcome(summariser(llm, settings={"summary_tokens": 1000}), [long])
    (asked,) = requests(llm)
    assert 700 < asked["tokens_in"] < 1600, "the text alone has 15,000"


def test_no_personal_datum_leaves_and_all_come_back(llm: Sandbox) -> None:
    documents = [ticket(at) for at in range(10)]
    for document in documents:
        document["messages"][1]["text"] += " We have written to ana@example.com."
    got = outcome(summariser(llm), documents)
    assert "@" not in json.dumps([one["messages"] for one in requests(llm)])
    assert "ana@example.com" in got.made[0].payload["solution"]


def test_masking_off_is_off(llm: Sandbox) -> None:
    outcome(summariser(llm, settings={"masking": "off"}), [ticket(3)])
    assert "ana3@example.com" in json.dumps(requests(llm)[0]["messages"])


def test_a_document_of_an_odd_shape_stops_no_other(llm: Sandbox) -> None:
    got = outcome(summariser(llm), [ticket(0), {"subject": 5}, ticket(2)])
    assert sorted(got.made) == [0, 2] and "written down" in got.failed[1]


# -- answers at fault --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "purposes"),
    [
        ("missing", {"first": 1, "retry": 1}),
        ("doubled", {"first": 1, "retry": 1}),
        ("unknown", {"first": 1, "retry": 1}),
        ("malformed", {"first": 1, "retry": 2}),
        ("null", {"first": 1, "retry": 5}),
        ("refusal", {"first": 1, "retry": 5}),
        ("content_filter", {"first": 1, "retry": 5}),
        ("prose", {"first": 1}),
        ("fenced", {"first": 1}),
        ("bare", {"first": 1}),
        ("tags", {"first": 1}),
        ("language", {"first": 1, "retry": 1}),
        ("ungrounded", {"first": 1, "retry": 1}),
        ("link", {"first": 1, "retry": 1}),
        ("blank", {"first": 1, "retry": 1}),
        ("swapped", {"first": 1, "retry": 2}),
    ],
)
def test_a_fault_is_mended_by_asking_for_what_it_hit_alone(llm: Sandbox, fault: str, purposes: dict[str, int]) -> None:
    llm.llm_admin("one", "faults", rates={fault: 1.0}, limit=1)
    got = outcome(summariser(llm), [ticket(at) for at in range(5)])
    assert sorted(got.made) == list(range(5)), got.failed
    assert got.purposes == purposes
    told = json.dumps([one.payload for one in got.made.values()])
    assert "elsewhere.example" not in told and "731.55" not in told and "vip" not in told


def test_an_answer_cut_off_gives_what_is_whole(llm: Sandbox) -> None:
    llm.llm_admin("one", "faults", rates={"length": 1.0}, limit=1)
    got = outcome(summariser(llm), [ticket(at) for at in range(6)])
    assert len(got.made) == 6
    assert 1 <= got.purposes["retry"] <= 3, "summaries that had arrived were paid for again"


@pytest.mark.parametrize(
    "fault", ["malformed", "refusal", "content_filter", "link", "blank", "null", "filtered_prompt"]
)
def test_what_cannot_be_mended_fails_with_its_reason_and_is_paid_for(llm: Sandbox, fault: str) -> None:
    llm.llm_admin("one", "faults", rates={fault: 1.0})
    got = outcome(summariser(llm, settings={"summary_batch": 1}), [ticket(at) for at in range(3)])
    assert not got.made and sorted(got.failed) == [0, 1, 2]
    assert all(reason.startswith("one") and "example.com" not in reason for reason in got.failed.values())
    log = llm.llm_admin("one", "log")
    assert log["requests"] < 8, "it goes on for ever"
    assert (sum(one.tokens_in for one in got.spent), sum(one.tokens_out for one in got.spent)) == (
        log["tokens_in"],
        log["tokens_out"],
    )


def test_facts_that_stay_wrong_are_kept_and_flagged(llm: Sandbox) -> None:
    llm.llm_admin("one", "faults", rates={"ungrounded": 1.0})
    got = outcome(summariser(llm), [ticket(1)])
    assert got.made[0].payload["ungrounded"] and got.purposes == {"first": 1, "repair": 1}


def test_a_batch_too_long_for_the_model_is_halved(llm: Sandbox) -> None:
    llm.llm_admin("one", "options", context=4_000)
    got = outcome(summariser(llm), [ticket(at) for at in range(10)])
    assert len(got.made) == 10
    llm.llm_admin("one", "options", context=1_000)
    got = outcome(summariser(llm), [ticket(at) for at in range(2)])
    assert sorted(got.failed) == [0, 1] and "longer than its context" in got.failed[0]


def test_a_batch_too_long_for_the_provider_s_own_setting_is_never_sent(llm: Sandbox) -> None:
    got = outcome(summariser(llm, context=4_000), [ticket(at) for at in range(10)])
    assert len(got.made) == 10 and llm.llm_admin("one", "log")["statuses"] == {"200": len(got.spent)}


# -- money -------------------------------------------------------------------------------------------------------------


def test_the_ledger_has_what_the_provider_counted(llm: Sandbox) -> None:
    llm.llm_admin("one", "faults", rate=0.5, kinds=("missing", "malformed", "link", "500"), seed=3)
    got = outcome(summariser(llm), [ticket(at) for at in range(60)])
    log = llm.llm_admin("one", "log")
    assert len(got.made) + len(got.failed) == 60
    assert (len(got.spent), sum(one.tokens_in for one in got.spent), sum(one.tokens_out for one in got.spent)) == (
        log["calls"],
        log["tokens_in"],
        log["tokens_out"],
    )
    assert len({one.call_id for one in got.spent}) == log["calls"]
    assert sum(one.cost or 0 for one in got.spent) == pytest.approx(
        (log["tokens_in"] * 0.4 + log["tokens_out"] * 1.6) / 1e6
    )
    assert sum(one.tokens for one in got.made.values()) > 0


def test_a_budget_stops_cleanly_before_it_is_exceeded(llm: Sandbox) -> None:
    whole = outcome(summariser(llm), [ticket(at) for at in range(100)])
    cost = sum(one.cost or 0 for one in whole.spent)
    budget = Budget(cost, spent=cost / 2)
    got = outcome(summariser(llm, budget=budget), [ticket(at) for at in range(100)])
    assert got.paused is not None and not got.paused.is_trouble and "budget" in got.paused.reason
    assert 0 < len(got.made) < 100
    assert budget.spent == pytest.approx(cost / 2 + sum(one.cost or 0 for one in got.spent))
    assert budget.spent <= cost


@pytest.mark.parametrize("budget", [Budget(0.0), Budget(5.0, spent=5.0), Budget(5.0, spent=9.0)])
def test_no_budget_no_call(llm: Sandbox, budget: Budget) -> None:
    got = outcome(summariser(llm, budget=budget), [ticket(1)])
    assert got.paused is not None and not llm.llm_admin("one", "log")["requests"]


def test_under_a_budget_nobody_without_a_price_is_asked_and_no_cost_is_told(llm: Sandbox) -> None:
    mystery = summariser(llm, model="mystery-9", budget=Budget(10.0))
    with pytest.raises(InputError, match=r"mystery-9.*--price-in"):
        mystery.estimate("ticket", [ticket(1)])
    got = outcome(mystery, [ticket(1)])
    assert got.paused is not None and got.paused.is_trouble
    assert "no price is known for mystery-9 (one), and budget_monthly is set" in got.paused.reason
    assert not llm.llm_admin("one", "log")["requests"]
    assert outcome(mystery, []).paused is None, "a run without a new text has nothing to pause for"
    free = summariser(llm, model="mystery-9", price_in=0.0, price_out=0.0, budget=Budget(10.0))
    assert free.estimate("ticket", [ticket(1)]).cost == 0.0


def test_no_providers_no_summariser(llm: Sandbox) -> None:
    none = company(llm)
    none = type(none)(none.id, none.platform, none.endpoint, {})
    assert open_summariser(Keys(llm), none, Budget(None)) is None


# -- providers ---------------------------------------------------------------------------------------------------------


def test_a_failover_makes_nothing_again(llm: Sandbox) -> None:
    both, other = summariser(llm, "one", "two"), summariser(llm, "two")
    assert both.made_by == other.made_by == f"llm {PROMPT_VERSION} {MODEL}"


class Keyless(Keys):
    """No key for "one"."""

    def llm_key(self, company: Company, provider: Provider, *, fresh: bool = False) -> str:
        if provider.name == "one":
            raise InputError("provider 'one' has no key.")
        return super().llm_key(company, provider, fresh=fresh)


def test_a_missing_key_closes_its_provider_and_no_other(llm: Sandbox) -> None:
    both = opened(open_summariser(Keyless(llm), company(llm, "one", "two"), Budget(None)))
    got = outcome(both, [ticket(at) for at in range(25)])
    assert (len(got.made), got.paused, {one.provider for one in got.spent}) == (25, None, {"two"})
    alone = opened(open_summariser(Keyless(llm), company(llm, "one"), Budget(None)))
    got = outcome(alone, [ticket(1)])
    assert got.paused is not None and got.paused.is_trouble and got.paused.reason == "provider 'one' has no key."
    assert not llm.llm_admin("one", "log")["requests"]
    assert alone.estimate("ticket", [ticket(1)]).calls == 1, "a plan needs no key"


def test_many_faults_and_a_provider_that_dies_leave_nothing_out(llm: Sandbox) -> None:
    kinds = (
        "429",
        "500",
        "503",
        "reset",
        "cut",
        "malformed",
        "missing",
        "refusal",
        "length",
        "link",
        "leak",
        "swapped",
    )
    for name in ("one", "two"):
        llm.llm_admin(name, "faults", rate=0.2, kinds=kinds, retry_after=0.05)
    llm.llm_admin("two", "options", dies_after=15, death="insufficient_quota")
    documents = [ticket(at, "ko" if at % 2 else "en") for at in range(300)]
    got = outcome(summariser(llm, "one", "two"), documents)
    assert got.paused is None
    assert sorted([*got.made, *got.failed]) == list(range(300))
    assert len(got.made) > 290
    logs = [llm.llm_admin(name, "log") for name in ("one", "two")]
    cut = sum(log["faults"].get("cut", 0) for log in logs)
    assert len(got.spent) == sum(log["calls"] for log in logs) - cut
    assert logs[1]["requests"] < 15 + 12, "a provider without money was asked again and again"


@pytest.mark.parametrize(("death", "words"), [("insufficient_quota", "credit"), ("401", "key")])
def test_when_the_last_provider_is_gone_the_run_pauses_with_what_it_has(llm: Sandbox, death: str, words: str) -> None:
    llm.llm_admin("one", "options", dies_after=4, death=death)
    got = outcome(summariser(llm, parallel=2), [ticket(at) for at in range(100)])
    assert got.paused is not None and got.paused.is_trouble and words in got.paused.reason
    assert len(got.made) == 40 and not got.failed


def test_stopping_half_way_lets_go_at_once(llm: Sandbox) -> None:
    llm.llm_admin("one", "options", slow_ms=200)
    made = summariser(llm, parallel=4)
    arriving = iter(made.make("ticket")([ticket(at) for at in range(500)]))
    next(arriving)
    arriving.close()  # type: ignore[attr-defined]
    assert llm.llm_admin("one", "log")["requests"] <= 9, "prompts were sent far ahead"
    assert len(outcome(made, [ticket(at) for at in range(20)]).made) == 20


def test_what_a_model_thinks_is_in_the_estimate(llm: Sandbox) -> None:
    documents = [ticket(at) for at in range(25)]
    payloads = [outcome(summariser(llm), documents).made[at].payload for at in range(25)]
    quick, slow = (
        summariser(llm, model=model, price_in=0.0, price_out=1.0).estimate("ticket", documents, payloads)
        for model in ("gpt-4.1-mini", "gpt-5-mini")
    )
    assert quick.exact and not slow.exact
    assert (slow.calls, slow.tokens_out) == (quick.calls, quick.tokens_out + THOUGHT_MEAN * quick.calls)
    assert (quick.cost, slow.cost) == (
        pytest.approx(quick.tokens_out / 1e6),
        pytest.approx(slow.tokens_out / 1e6),
    )


# -- what it would cost ------------------------------------------------------------------------------------------------


def test_an_estimate_is_what_is_paid(llm: Sandbox) -> None:
    documents = [ticket(at, "ko" if at % 3 else "en") for at in range(47)]
    before = summariser(llm)
    first = outcome(before, documents)
    told = before.estimate("ticket", documents, [first.made[at].payload for at in range(47)])
    again = outcome(summariser(llm), documents)
    assert told.calls == len(again.spent)
    assert told.tokens_in == sum(one.tokens_in for one in again.spent)
    assert told.tokens_out == pytest.approx(sum(one.tokens_out for one in again.spent), rel=0.03)
    assert told.cost == pytest.approx(sum(one.cost or 0 for one in again.spent), rel=0.03)
    assert told.exact and not told.unpriced
    assert llm.llm_admin("one", "log")["calls"] == 2 * told.calls, "an estimate was paid for"


def test_an_estimate_says_what_it_does_not_know(llm: Sandbox) -> None:
    told = summariser(llm, model="llama-4").estimate("ticket", [ticket(1)])
    assert (told.cost, told.unpriced, told.exact, told.seconds) == (None, ["llama-4"], False, None)
    capped = summariser(llm, tokens_per_minute=600, requests_per_minute=600).estimate("ticket", [ticket(1)])
    assert capped.seconds == pytest.approx((capped.tokens_in + capped.tokens_out) / 10)


# -- the Batch API's lines ---------------------------------------------------------------------------------------------


def test_lines_are_requests_and_their_answers_are_read(llm: Sandbox) -> None:
    made = summariser(llm)
    (by,) = made.providers
    documents = [ticket(at) for at in range(3)]
    lines = list(made.lines("ticket", documents, by))
    assert [name for name, _ in lines] == [fingerprint(one) for one in documents]
    assert "@" not in json.dumps(lines)
    for document, (_, asked) in zip(documents, lines, strict=True):
        answered = made.client("one").sdk.chat.completions.create(**asked).model_dump()
        read = made.read_line("ticket", document, by, answered)
        assert isinstance(read, Made) and "refunded" in read.payload["solution"]
        assert isinstance(made.read_line("ticket", document, by, said("no JSON")), Failed)
        assert isinstance(made.read_line("ticket", document, by, said(answered["choices"][0]["message"]["content"],
                          choices=[{"message": {"refusal": "no"}, "finish_reason": "stop"}])), Failed)  # fmt: skip


def test_an_answer_without_an_id_or_a_count_is_paid_for_all_the_same(llm: Sandbox) -> None:
    text = json.dumps({"summaries": [{"id": "7", "problem": "Order 10001 was charged twice.", "cause": None,
                       "solution": "We have refunded it.", "result": "", "tags": []}]})  # fmt: skip
    with script((200, {}, said(text, id="chatcmpl-7", usage=None))) as server:
        given = {"url": server.url, "auth": "none"}
        got = [outcome(summariser(llm, **given), [ticket(1)]).spent[0] for _ in range(2)]
    assert got[0].call_id != got[1].call_id
    assert got[0].tokens_out > 20 and got[0].tokens_in > 300
