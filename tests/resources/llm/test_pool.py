"""Several providers side by side: shares, failover, circuits, and the end. Calls are real, to the sandbox's LLM server."""

import threading
import time
from collections import Counter, deque
from collections.abc import Iterator
from typing import Any

import pytest

from domain.provider import Provider
from domain.stage import Pause
from resources.llm import pool as pool_module
from resources.llm.base import Call
from resources.llm.budget import Budget
from resources.llm.client import Client
from resources.llm.pool import TRIES, Done, Job, Pool, lane
from sandbox.serve import Sandbox
from tests.resources.llm.given import CALL, client, opened, said, script


def pool(llm: Sandbox, *accounts: str, budget: Budget | None = None, **given: dict[str, Any]) -> Pool:
    lanes = [lane(client(llm, one, **given.get(one, {})), lambda text: len(text) // 4) for one in accounts]
    return Pool(lanes, budget or Budget(None))


def run(of: Pool, count: int, call: Call = CALL) -> list[Done]:
    return list(of.run((Job(call, at) for at in range(count)), deque()))


def asked(llm: Sandbox, account: str) -> int:
    return llm.llm_admin(account, "log")["requests"]


def shares(done: list[Done]) -> Counter[str]:
    return Counter(one.provider.name for one in done if one.reply)


def test_weights_are_shares_of_the_calls(llm: Sandbox) -> None:
    for name in ("one", "two"):
        llm.llm_admin(name, "options", slow_ms=60)
    got = shares(run(pool(llm, "one", "two", one={"weight": 3.0, "parallel": 6}, two={"parallel": 6}), 80))
    assert got["one"] + got["two"] == 80
    assert 52 <= got["one"] <= 68


def test_who_is_slow_does_not_hold_up_the_others(llm: Sandbox) -> None:
    llm.llm_admin("one", "options", slow_ms=3000)
    got = shares(run(pool(llm, "one", "two", one={"parallel": 1}, two={"parallel": 4}), 60))
    assert got["two"] >= 50


def test_no_more_calls_at_once_than_allowed_and_none_made_ahead(llm: Sandbox) -> None:
    llm.llm_admin("one", "options", slow_ms=60)
    made = 0

    def jobs() -> Iterator[Job]:
        nonlocal made
        for at in range(40):
            made += 1
            yield Job(CALL, at)

    of = pool(llm, "one", one={"parallel": 3})
    arrived = 0
    for _ in of.run(jobs(), deque()):
        arrived += 1
        assert made <= arrived + 3 + 1
    assert arrived == 40


def test_what_fails_here_goes_there(llm: Sandbox) -> None:
    llm.llm_admin("one", "faults", rates={"500": 1.0})
    got = run(pool(llm, "one", "two"), 30)
    assert shares(got) == {"two": 30}
    assert asked(llm, "one") < 20, "its circuit stayed closed"


@pytest.mark.parametrize("fault", ["insufficient_quota", "401", "404"])
def test_a_provider_without_money_key_or_model_gets_nothing_more(llm: Sandbox, fault: str) -> None:
    llm.llm_admin("one", "faults", rates={fault: 1.0})
    of = pool(llm, "one", "two", one={"parallel": 4})
    assert shares(run(of, 30)) == {"two": 30}
    assert asked(llm, "one") <= 4
    assert shares(run(of, 5)) == {"two": 5}, "a later window of the same run asked it again"


def test_nobody_waits_for_a_provider_that_is_down_while_another_is_there(llm: Sandbox) -> None:
    """A call that failed at the one that is up must not stand in the way until the other is back."""
    llm.llm_admin("one", "faults", rates={"500": 1.0}, containing="odd", limit=3)
    llm.llm_admin("two", "faults", rates={"503": 1.0}, retry_after=30)
    odd = Call([{"role": "user", "content": "odd, as JSON"}], None, 50, 10)
    jobs = [Job(odd if at % 5 == 0 else CALL, at) for at in range(40)]
    began = time.monotonic()
    got = list(pool(llm, "one", "two").run(iter(jobs), deque()))
    assert shares(got) == {"one": 40} and time.monotonic() - began < 10


def test_a_circuit_closes_again(llm: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_module, "FIRST_REST", 0.05)
    llm.llm_admin("one", "faults", rates={"500": 1.0}, limit=5)
    of = pool(llm, "one", one={"parallel": 2})
    got = run(of, 20)
    assert shares(got) == {"one": 20}
    assert of.counts["failed"] == 5


def test_a_call_is_tried_so_often_and_no_more(llm: Sandbox) -> None:
    """The provider answers others well in between: it is this call that it cannot take."""
    llm.llm_admin("one", "faults", rates={"500": 1.0}, containing="poison")
    poison = Call([{"role": "user", "content": "poison, as JSON"}], None, 50, 10)
    of = pool(llm, "one", one={"parallel": 1})
    again: deque[Job] = deque()
    jobs = iter([Job(CALL, 0), Job(poison, "bad"), *(Job(CALL, at) for at in range(1, 30))])
    got = list(of.run(jobs, again))
    assert len([one for one in got if one.reply]) == 30
    (bad,) = [one for one in got if one.trouble]
    assert bad.job.about == "bad" and bad.job.tries == TRIES
    assert asked(llm, "one") == 30 + TRIES


def test_a_rate_limit_is_waited_for_and_counts_as_no_try(llm: Sandbox) -> None:
    llm.llm_admin("one", "faults", rates={"429": 1.0}, limit=7, retry_after=0.05)
    of = pool(llm, "one", one={"parallel": 2})
    assert shares(run(of, 10)) == {"one": 10}
    assert of.counts["limited"] == 7


def test_a_provider_that_wants_nothing_for_an_hour_is_not_waited_for(llm: Sandbox) -> None:
    llm.llm_admin("one", "faults", rates={"429": 1.0}, retry_after=3600)
    with pytest.raises(Pause) as caught:
        run(pool(llm, "one"), 3)
    assert not caught.value.is_trouble and "rate limit" in caught.value.reason
    assert asked(llm, "one") == 1


def test_the_limit_of_one_is_made_up_for_by_the_other(llm: Sandbox) -> None:
    llm.llm_admin("one", "options", requests=5, minute_seconds=60)
    began = time.monotonic()
    got = shares(run(pool(llm, "one", "two"), 40))
    assert got["one"] <= 6 and got["two"] >= 34 and time.monotonic() - began < 5


def test_when_nobody_answers_the_run_pauses(monkeypatch: pytest.MonkeyPatch, llm: Sandbox) -> None:
    monkeypatch.setattr(pool_module, "FIRST_OUTAGE", 0.3)
    monkeypatch.setattr(pool_module, "FIRST_REST", 0.05)
    of = pool(llm, "one", one={"url": "http://127.0.0.1:9/v1"})
    with pytest.raises(Pause) as caught:
        run(of, 5)
    assert caught.value.is_trouble and "one cannot be reached" in caught.value.reason


def test_a_document_pays_nothing_for_an_outage(monkeypatch: pytest.MonkeyPatch, llm: Sandbox) -> None:
    monkeypatch.setattr(pool_module, "FIRST_REST", 0.02)
    llm.llm_admin("one", "faults", rates={"503": 1.0}, limit=14, retry_after=0.0)
    monkeypatch.setattr(pool_module, "LONGEST_REST", 0.05)
    got = run(pool(llm, "one", one={"parallel": 1}), 3)
    assert all(one.reply for one in got) and len(got) == 3


def test_everything_on_its_way_arrives_before_the_pause(llm: Sandbox) -> None:
    llm.llm_admin("one", "options", slow_ms=150)
    of = pool(llm, "one", one={"parallel": 4, "price_in": 1000.0, "price_out": 0.0}, budget=Budget(0.1))
    got: list[Done] = []
    with pytest.raises(Pause) as caught:
        for done in of.run((Job(CALL, at) for at in range(50)), deque()):
            got.append(done)  # noqa: PERF402 - what comes before the exception is kept
    assert not caught.value.is_trouble
    assert len(got) == asked(llm, "one") == llm.llm_admin("one", "log")["calls"]


def test_threads_end_with_the_run(llm: Sandbox) -> None:
    run(pool(llm, "one"), 20)
    deadline = time.monotonic() + 2
    while time.monotonic() < deadline and any(one.name.startswith("llm ") for one in threading.enumerate()):
        time.sleep(0.01)
    assert not [one.name for one in threading.enumerate() if one.name.startswith("llm ")]


def test_a_client_that_breaks_in_a_new_way_stops_nobody(llm: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    of = pool(llm, "one", "two")

    def broken(*_: Any) -> None:
        raise RuntimeError("in a way that nobody thought of")

    monkeypatch.setattr(of.lanes[0].client, "ask", broken)
    assert shares(run(of, 10)) == {"two": 10}


def test_tokens_are_counted_where_the_provider_does_not() -> None:
    with script((200, {}, said("x" * 40, usage=None))) as server:
        asked = opened(Client(Provider("p", "m", server.url, auth="none"), lambda: ""))
        (done,) = Pool([lane(asked, lambda text: len(text) // 4)], Budget(None)).run(iter([Job(CALL, 0)]), deque())
    assert (done.tokens_in, done.tokens_out, done.cost) == (CALL.tokens_in, 10, None)
