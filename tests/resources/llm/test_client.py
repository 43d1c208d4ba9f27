"""One provider: what a request looks like to it, what is learned from refusals, what its failures are called."""

import time
from typing import Any

import pytest

from domain.errors import InputError
from domain.provider import Provider
from resources.llm import endpoint as endpoint_module
from resources.llm.base import (
    BadModel,
    Filtered,
    KeyRefused,
    Limited,
    MoneyGone,
    NotTaken,
    Overloaded,
    TooLong,
    Trouble,
    Unanswered,
    Unreachable,
)
from resources.llm.client import Client
from resources.llm.endpoint import retry_after
from sandbox.serve import Sandbox
from tests.resources.llm.given import CALL, MODEL, Script, client, opened, refusal, said, script

SECRET = "sk-very-secret-0123456789"


def of(server: Script, **given: Any) -> Client:
    return opened(Client(Provider(**{"name": "p", "model": MODEL, "url": server.url} | given), lambda: SECRET))


# -- troubles ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "trouble"),
    [
        ("reset", Unanswered),
        ("cut", Unanswered),
        ("429", Limited),
        ("slow_down", Limited),
        ("insufficient_quota", MoneyGone),
        ("401", KeyRefused),
        ("404", BadModel),
        ("400", NotTaken),
        ("too_long", TooLong),
        ("filtered_prompt", Filtered),
        ("500", Overloaded),
        ("502", Overloaded),
        ("503", Overloaded),
        ("html", Unanswered),
        ("empty", Unanswered),
        ("no_choices", Unanswered),
    ],
)
def test_each_failure_has_its_name_and_says_no_more_than_it_may(
    llm: Sandbox, fault: str, trouble: type[Trouble]
) -> None:
    llm.llm_admin("one", "faults", rates={fault: 1.0})
    asked = client(llm)
    with pytest.raises(Trouble) as caught:
        asked.ask(CALL)
    assert type(caught.value) is trouble
    assert caught.value.said.startswith("one")
    assert llm.key("one") not in caught.value.said


def test_a_failure_quotes_neither_key_nor_ticket() -> None:
    leaky = refusal(f"Incorrect API key {SECRET}. You sent: my secret ticket text", "invalid_api_key")
    with script((401, {}, leaky)) as server, pytest.raises(KeyRefused) as caught:
        of(server).ask(CALL)
    assert caught.value.said == "p answered 401 (invalid_api_key): it refused the key"
    assert caught.value.__cause__ is None


def test_a_key_without_the_right_is_refused_and_not_read_again() -> None:
    asked: list[str] = []
    with script((403, {}, refusal("no", "unsupported_country"))) as server:
        made = opened(Client(of(server).provider, lambda: asked.append("") or SECRET))
        with pytest.raises(KeyRefused):
            made.ask(CALL)
    assert len(asked) == 1


def test_a_code_that_is_no_code_is_not_shown() -> None:
    with script((500, {}, refusal("x", "the ticket says: call me"))) as server, pytest.raises(Overloaded) as caught:
        of(server).ask(CALL)
    assert caught.value.said == "p answered 500: a failure of its own"


@pytest.mark.parametrize("code", ["insufficient_quota", "credit_balance_exhausted", "billing_hard_limit_reached"])
def test_money_is_told_from_the_rate_limit(code: str) -> None:
    with script((429, {"Retry-After": "1"}, refusal("…", code))) as server, pytest.raises(MoneyGone):
        of(server).ask(CALL)
    assert len(server.bodies) == 1, "it was asked again, though there is no money"


def test_the_wait_is_the_server_s() -> None:
    with script((429, {"retry-after-ms": "1500", "Retry-After": "7"}, {})) as server, pytest.raises(Limited) as caught:
        of(server).ask(CALL)
    assert caught.value.wait == 1.5
    assert retry_after({"retry-after": "7"}) == 7.0
    assert retry_after({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}) == 0.0
    assert retry_after({"retry-after": "soon"}) is None


def test_nobody_at_the_address() -> None:
    asked = opened(Client(Provider("p", MODEL, "http://127.0.0.1:9/v1"), lambda: SECRET))
    with pytest.raises(Unreachable):
        asked.ask(CALL)


def test_an_answer_that_never_ends_is_given_up(llm: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    llm.llm_admin("one", "faults", rates={"timeout": 1.0}, hang_seconds=3)
    asked = opened(Client(client(llm).provider, lambda: llm.key("one"), timeout=0.3))
    began = time.monotonic()
    with pytest.raises(Unanswered):
        asked.ask(CALL)
    assert time.monotonic() - began < 2
    monkeypatch.setattr(endpoint_module, "DEADLINE", -1.0)
    with script((200, {}, said())) as server, pytest.raises(Unanswered):
        of(server).ask(CALL)


# -- the ladder --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "mode", "requests"),
    [
        ({}, "json_schema", 1),
        ({"json_schema": "400"}, "json_object", 2),
        ({"json_schema": "500"}, "json_object", 2),
        ({"json_schema": "400", "json_object": "400"}, "text", 3),
        ({"json_schema": "ignored"}, "json_schema", 1),
    ],
)
def test_the_ladder_is_climbed_down_once(llm: Sandbox, options: dict[str, Any], mode: str, requests: int) -> None:
    llm.llm_admin("one", "options", **options)
    asked = client(llm)
    asked.ask(CALL)
    assert (asked.mode, llm.llm_admin("one", "log")["requests"]) == (mode, requests)
    asked.ask(CALL)
    assert llm.llm_admin("one", "log")["requests"] == requests + 1
    again = opened(Client(asked.provider, lambda: llm.key("one"), mode=asked.mode))
    again.ask(CALL)
    assert llm.llm_admin("one", "log")["requests"] == requests + 2, "what was learned was not taken over"


def test_a_bad_request_teaches_nothing_that_is_not_true() -> None:
    with script((400, {}, refusal("Invalid request."))) as server, pytest.raises(NotTaken):
        asked = of(server)
        try:
            asked.ask(CALL)
        finally:
            assert asked.mode == "json_schema"


def test_one_bad_request_that_does_not_say_why_teaches_nothing(llm: Sandbox) -> None:
    llm.llm_admin("one", "faults", rates={"400": 1.0}, limit=1)
    asked = client(llm)
    assert asked.ask(CALL).finish == "stop"
    assert asked.mode == "json_schema"


def test_models_that_think_are_asked_in_their_own_way(llm: Sandbox) -> None:
    asked = client(llm, model="gpt-5-mini")
    asked.ask(CALL)
    assert llm.llm_admin("one", "log")["requests"] == 1


def test_what_is_refused_is_left_out(llm: Sandbox) -> None:
    unknown = (
        "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
    )
    hot = "Unsupported value: 'temperature' does not support 0 with this model."
    with script(
        (400, {}, refusal(unknown, "unsupported_parameter", "max_tokens")),
        (400, {}, refusal(hot, "unsupported_value", "temperature")),
        (200, {}, said()),
    ) as server:
        asked = of(server)
        assert asked.ask(CALL).text == "{}"
        asked.ask(CALL)
    first, second, third, fourth = server.bodies
    assert (first["max_tokens"], first["temperature"]) == (500, 0)
    assert second["max_completion_tokens"] == 500 and "max_tokens" not in second
    assert "temperature" not in third and third["response_format"]["json_schema"]["strict"] is True
    assert fourth == third


def test_a_server_that_knows_neither_bound_gets_none() -> None:
    unknown = refusal("Unrecognized request argument supplied: max_completion_tokens")
    other = refusal("extra fields not permitted: max_tokens")
    with script((400, {}, unknown), (400, {}, other), (200, {}, said())) as server:
        of(server, model="gpt-5-mini").ask(CALL)
    assert [sorted(name for name in one if name.startswith("max")) for one in server.bodies] == [
        ["max_completion_tokens"],
        ["max_tokens"],
        [],
    ]


# -- keys and surroundings ---------------------------------------------------------------------------------------------


def test_a_refused_key_is_read_again_once(llm: Sandbox) -> None:
    keys = iter(["old-key", llm.key("one"), "never"])
    asked = opened(Client(client(llm).provider, lambda: next(keys)))
    asked.ask(CALL)
    assert llm.llm_admin("one", "log")["statuses"] == {"401": 1, "200": 1}


def test_a_key_that_stays_wrong_is_refused(llm: Sandbox) -> None:
    asked = opened(Client(client(llm).provider, lambda: "old-key"))
    with pytest.raises(KeyRefused):
        asked.ask(CALL)
    assert llm.llm_admin("one", "log")["requests"] == 1, "the same key was sent twice"


def test_a_key_that_is_missing_or_goes_missing_is_a_refused_key(llm: Sandbox) -> None:
    def missing() -> str:
        raise InputError("there is no key.")

    without = opened(Client(client(llm).provider, missing))
    with pytest.raises(KeyRefused, match=r"there is no key\."):
        without.ask(CALL)
    with pytest.raises(KeyRefused):
        _ = without.sdk
    assert not llm.llm_admin("one", "log")["requests"]
    with pytest.raises(KeyRefused, match=r"there is no key\."):
        opened(Client(client(llm).provider, lambda: "old-key", renew=missing)).ask(CALL)


@pytest.mark.parametrize("style", ["openai", "azure", "azure token"])
def test_nothing_is_taken_from_the_environment(style: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_ADMIN_KEY", "AZURE_OPENAI_API_KEY", "AZURE_OPENAI_AD_TOKEN", "OPENAI_ORG_ID",
                 "OPENAI_PROJECT_ID", "OPENAI_WEBHOOK_SECRET", "OPENAI_API_VERSION"):  # fmt: skip
        monkeypatch.setenv(name, "foreign")
    for name in ("OPENAI_BASE_URL", "AZURE_OPENAI_ENDPOINT"):
        monkeypatch.setenv(name, "http://127.0.0.1:9/foreign")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "Authorization: foreign\nX-Foreign: foreign")
    given: dict[str, Any] = {}
    with script((200, {}, said())) as server:
        if style != "openai":
            given = {"style": "azure", "api_version": "2025-04-01", "deployment": "mini"}
            given |= {"url": server.url.removesuffix("/v1"), "auth": "token" if style == "azure token" else "key"}
        of(server, **given).ask(CALL)
    sent = server.headers[0]
    assert "foreign" not in str(sent) + server.paths[0]
    if style == "openai":
        assert (server.paths[0], sent["authorization"]) == ("/v1/chat/completions", f"Bearer {SECRET}")
        return
    assert server.paths[0] == "/openai/deployments/mini/chat/completions?api-version=2025-04-01"
    expected = ("authorization", f"Bearer {SECRET}") if style == "azure token" else ("api-key", SECRET)
    assert sent.get(expected[0]) == expected[1]
    assert ("api-key" in sent) != ("authorization" in sent)


@pytest.mark.parametrize("auth", ["key", "token"])
def test_azure_with_deployments(llm: Sandbox, auth: str) -> None:
    url = llm.llm_url("one", "azure")
    provider = Provider("one", "gpt-4.1", url, "azure", MODEL, "2025-04-01", auth)  # type: ignore[arg-type]
    key = llm.key("one") if auth == "key" else llm.key("one").replace("-key", "-token")
    assert opened(Client(provider, lambda: key)).ask(CALL).model == MODEL


def test_an_answer_without_counts_or_with_parts() -> None:
    parts = [{"type": "text", "text": "{"}, {"type": "text", "text": "}"}]
    choice = {"message": {"content": parts}, "finish_reason": None}
    with script((200, {}, {"choices": [choice]})) as server:
        reply = of(server, auth="none").ask(CALL)
    assert (reply.text, reply.finish, reply.tokens_in, reply.tokens_out) == ("{}", "stop", None, None)
