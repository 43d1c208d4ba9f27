"""What can go wrong with the LLM stand-in: each kind of fault as the SDK meets it, and drawing them."""

import json
import re
from typing import Any, get_args

import openai
import pytest
import requests

from sandbox.llm_faults import KINDS, LlmFault, LlmFaults, Vectors
from sandbox.serve import Sandbox
from tests.sandbox.llm import LOGIN, MODEL, REFUND, STRICT, client, prompt, summaries


def ask(llm: Sandbox, *faults: LlmFault, items: Any = (LOGIN, REFUND), **given: Any) -> Any:
    """One answer with a fault in it, and the only one."""
    llm.llm_admin("one", "faults", rate=1 if faults else 0, kinds=faults or ["500"], limit=1, **given)
    with client(llm) as sdk:
        return sdk.chat.completions.create(model=MODEL, messages=prompt(*items), response_format=STRICT)


def rows(said: Any) -> list[dict[str, Any]]:
    return summaries(said.choices[0].message.content)


@pytest.mark.parametrize(
    ("fault", "kind", "code"),
    [
        ("429", openai.RateLimitError, "rate_limit_exceeded"),
        ("slow_down", openai.RateLimitError, "slow_down"),
        ("insufficient_quota", openai.RateLimitError, "insufficient_quota"),
        ("401", openai.AuthenticationError, "invalid_api_key"),
        ("403", openai.PermissionDeniedError, "unsupported_country_region_territory"),
        ("404", openai.NotFoundError, "model_not_found"),
        ("400", openai.BadRequestError, "invalid_value"),
        ("too_long", openai.BadRequestError, "context_length_exceeded"),
        ("filtered_prompt", openai.BadRequestError, "content_filter"),
        ("500", openai.InternalServerError, None),
        ("502", openai.InternalServerError, None),
        ("503", openai.InternalServerError, "server_is_overloaded"),
        ("reset", openai.APIConnectionError, None),
    ],
)
def test_an_error_instead_of_an_answer_costs_nothing(llm: Sandbox, fault: LlmFault, kind: type[Any], code: str) -> None:
    with pytest.raises(kind) as failed:
        ask(llm, fault)
    assert failed.value.code == code
    told = llm.llm_admin("one", "log")
    assert told["calls"] == 0
    assert told["faults"] == {fault: 1}


@pytest.mark.parametrize("fault", ["cut", "html", "empty", "no_choices"])
def test_a_body_that_is_none(llm: Sandbox, fault: LlmFault) -> None:
    llm.llm_admin("one", "faults", rate=1, kinds=[fault])
    url, headers = f"{llm.llm_url('one')}/chat/completions", {"authorization": "Bearer one-key"}
    body = {"model": MODEL, "messages": prompt(LOGIN)}
    if fault == "cut":
        with pytest.raises(requests.exceptions.ChunkedEncodingError):
            requests.post(url, json=body, headers=headers, timeout=5)
        assert llm.llm_admin("one", "log")["calls"] == 1
        return
    said = requests.post(url, json=body, headers=headers, timeout=5)
    assert said.status_code == 200
    assert said.text.startswith("<!") if fault == "html" else (said.text == "" or said.json()["choices"] == [])


def test_no_fault_is_without_effect(llm: Sandbox) -> None:
    """Each kind but being late gives something else than the usual answer; those of vectors are tried with the embedder."""
    usual = ask(llm).choices
    for fault in sorted(set(KINDS) - {"slow", "timeout", *get_args(Vectors)}):
        try:
            said = ask(llm, fault)
        except (openai.OpenAIError, ValueError):
            continue
        assert getattr(said, "choices", None) != usual, fault


def test_slow_and_silent(llm: Sandbox) -> None:
    llm.llm_admin("one", "faults", rate=1, kinds=["timeout"], hang_seconds=5)
    with client(llm) as sdk, pytest.raises(openai.APITimeoutError):
        sdk.with_options(timeout=0.2).chat.completions.create(model=MODEL, messages=prompt(LOGIN))
    llm.llm_admin("one", "faults", rate=1, kinds=["slow"], slow_ms=400)
    with client(llm) as sdk, pytest.raises(openai.APITimeoutError):
        sdk.with_options(timeout=0.2).chat.completions.create(model=MODEL, messages=prompt(LOGIN))
    assert ask(llm, "slow", slow_ms=5).choices


def test_answers_that_are_no_answer(llm: Sandbox) -> None:
    refusal = ask(llm, "refusal").choices[0].message
    assert (refusal.content, refusal.refusal) == (None, "I'm sorry, but I can't help with that.")
    assert ask(llm, "null").choices[0].message.content is None
    for fault in ("length", "content_filter"):
        choice = ask(llm, fault).choices[0]
        assert choice.finish_reason == fault
        with pytest.raises(ValueError, match=r"."):
            json.loads(choice.message.content)


def test_json_in_other_clothes(llm: Sandbox) -> None:
    whole = rows(ask(llm))
    with pytest.raises(ValueError, match=r"."):
        rows(ask(llm, "malformed"))
    prose = ask(llm, "prose").choices[0].message.content
    assert summaries(prose[prose.index("{") : prose.rindex("}") + 1]) == whole
    fenced = ask(llm, "fenced").choices[0].message.content
    assert summaries(fenced.removeprefix("```json").removesuffix("```")) == whole
    assert json.loads(ask(llm, "bare").choices[0].message.content) == whole


def test_items_that_are_not_the_right_ones(llm: Sandbox) -> None:
    whole = rows(ask(llm))
    assert rows(ask(llm, "missing")) == whole[:1]
    swapped = rows(ask(llm, "swapped"))
    assert [one["id"] for one in swapped] == ["2", "1"]
    assert [one["problem"] for one in swapped] == [one["problem"] for one in whole]
    assert [one["id"] for one in rows(ask(llm, "doubled"))] == ["1", "2", "2"]
    assert [one["id"] for one in rows(ask(llm, "unknown"))] == ["1", "20"]
    assert rows(ask(llm, "missing", items=[LOGIN])) == []
    assert [one["id"] for one in rows(ask(llm, "swapped", items=[LOGIN]))] == ["10"]


def test_summaries_that_are_not_true(llm: Sandbox) -> None:
    told = "".join(text for _, text in REFUND)
    assert not re.search("[가-힣]", rows(ask(llm, "language"))[1]["problem"])
    assert re.search("[가-힣]", rows(ask(llm, "language", items=[LOGIN]))[0]["problem"])
    assert any(tag not in told for tag in rows(ask(llm, "tags"))[1]["tags"])
    assert "4482-9917" in rows(ask(llm, "ungrounded"))[1]["solution"]
    assert "https://support.elsewhere.example" in rows(ask(llm, "link"))[1]["solution"]
    assert "cannot log in" in rows(ask(llm, "leak"))[1]["result"]
    assert "as JSON" in rows(ask(llm, "leak", items=[LOGIN]))[0]["result"]
    assert rows(ask(llm, "blank"))[1]["problem"] == ""


def test_the_same_seed_gives_the_same_faults() -> None:
    def drawn(seed: int) -> list[LlmFault | None]:
        faults = LlmFaults(rates={"500": 0.1, "missing": 0.2}, seed=seed)
        return [faults.draw("chat", "") for _ in range(1000)]

    assert drawn(1) == drawn(1) != drawn(2)
    assert 70 < drawn(1).count("500") < 130
    assert 160 < drawn(1).count("missing") < 240


def test_a_share_of_all_kinds_is_spread_evenly() -> None:
    faults = LlmFaults(rate=1, kinds=KINDS)
    assert {faults.draw("chat", "") for _ in range(2000)} == set(KINDS)


def test_faults_end_and_are_for_whom_they_are_meant() -> None:
    ending = LlmFaults(rate=1, kinds=["500"], limit=2)
    assert [ending.draw("chat", "") for _ in range(3)] == ["500", "500", None]
    meant = LlmFaults(rate=1, kinds=["500"], on=["batches"], containing="poison")
    assert meant.draw("chat", "poison") is None
    assert meant.draw("batches", "water") is None
    assert meant.draw("batches", "a poison") == "500"
