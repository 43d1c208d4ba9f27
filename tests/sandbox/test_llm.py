"""The LLM stand-in through the ``openai`` SDK, unpatched: chat, embeddings, models, keys and limits."""

import array
import base64
import time
from typing import Any

import openai
import pytest
import requests
from openai import AzureOpenAI

from sandbox import llm_model
from sandbox.llm import unstrict
from sandbox.serve import Sandbox
from tests.sandbox.llm import LOGIN, MODEL, REFUND, SCHEMA, STRICT, client, closed, prompt, summaries


def ask(llm: Sandbox, account: str = "one", messages: Any = None, **given: Any) -> Any:
    with client(llm, account) as sdk:
        return sdk.chat.completions.create(model=MODEL, messages=messages or prompt(LOGIN, REFUND), **given)


def test_an_answer_has_a_summary_for_each_item_in_its_own_words(llm: Sandbox) -> None:
    said = ask(llm, response_format=STRICT)
    english, korean = summaries(said.choices[0].message.content)
    assert english["problem"] == "I cannot log in since Monday. It says error 4021."
    assert english["cause"] == "This is due to an expired password."
    assert english["solution"] == "We have reset it for you."
    assert english["result"] == "It works now!"
    assert korean["id"] == "2"
    assert korean["problem"] == "주문 10233번 환불이 아직 안 됐어요."
    assert korean["solution"] == "오늘 환불 처리해 드렸습니다."
    assert all(tag in "".join(text for _, text in REFUND) for tag in korean["tags"])
    assert said.choices[0].finish_reason == "stop"
    assert said.system_fingerprint
    assert said._request_id.startswith("req_")


def test_the_same_prompt_gives_the_same_answer_and_count(llm: Sandbox) -> None:
    first, second = ask(llm), ask(llm, "two")
    assert first.choices[0].message.content == second.choices[0].message.content
    assert first.usage == second.usage
    assert first.id != second.id


def test_tokens_are_counted_as_openai_does(llm: Sandbox) -> None:
    """The cookbook's example of counting, worked out by hand: "hello world" are two tokens, "user" is one."""
    said = ask(llm, messages=[{"role": "user", "content": "hello world"}])
    assert said.usage.prompt_tokens == 3 + 3 + 1 + 2
    assert said.usage.completion_tokens == len(llm_model.encode(said.choices[0].message.content))
    assert said.usage.total_tokens == said.usage.prompt_tokens + said.usage.completion_tokens


def test_an_answer_longer_than_allowed_is_cut(llm: Sandbox) -> None:
    said = ask(llm, max_tokens=20)
    assert said.choices[0].finish_reason == "length"
    assert said.usage.completion_tokens == 20


@pytest.mark.parametrize("secret", [{"api_key": "one-key"}, {"azure_ad_token": "one-token"}])
def test_azure_by_deployment(llm: Sandbox, secret: dict[str, Any]) -> None:
    with AzureOpenAI(
        azure_endpoint=llm.llm_url("one", "azure"), api_version="2025-04-01", max_retries=0, **secret
    ) as sdk:
        said = sdk.chat.completions.create(model=MODEL, messages=prompt(LOGIN))
        assert summaries(said.choices[0].message.content)[0]["id"] == "1"
        with pytest.raises(openai.NotFoundError):
            sdk.chat.completions.create(model="no-deployment", messages=prompt(LOGIN))


def test_azure_s_other_form_is_the_usual_client(llm: Sandbox) -> None:
    url = f"{llm.llm_url('one', 'azure')}/openai/v1/"
    with openai.OpenAI(base_url=url, api_key="one-key", max_retries=0) as sdk:
        assert sdk.chat.completions.create(model=MODEL, messages=prompt(LOGIN)).choices


def test_azure_wants_its_header_and_its_version(llm: Sandbox) -> None:
    url = f"{llm.llm_url('one', 'azure')}/openai/deployments/{MODEL}/chat/completions"
    body = {"messages": prompt(LOGIN)}
    by_header, by_bearer = {"api-key": "one-key"}, {"authorization": "Bearer one-key"}
    assert requests.post(url, json=body, headers=by_header, timeout=5).status_code == 404
    assert requests.post(f"{url}?api-version=1", json=body, headers=by_bearer, timeout=5).status_code == 401
    assert requests.post(f"{url}?api-version=1", json=body, headers=by_header, timeout=5).status_code == 200


@pytest.mark.parametrize(
    ("given", "kind", "code"),
    [
        ({"model": "gpt-none"}, openai.NotFoundError, "model_not_found"),
        ({"messages": []}, openai.BadRequestError, "empty_array"),
        (
            {"messages": [{"role": "user", "content": "word " * 129_000}]},
            openai.BadRequestError,
            "context_length_exceeded",
        ),
        ({"model": "gpt-5-mini", "max_tokens": 5}, openai.BadRequestError, "unsupported_parameter"),
        ({"model": "gpt-5-mini", "temperature": 0}, openai.BadRequestError, "unsupported_value"),
    ],
)
def test_what_the_api_does_not_take(llm: Sandbox, given: dict[str, Any], kind: type[Any], code: str) -> None:
    with client(llm) as sdk, pytest.raises(kind) as refused:
        sdk.chat.completions.create(**({"model": MODEL, "messages": prompt(LOGIN)} | given))
    assert refused.value.code == code
    assert llm.llm_admin("one", "log")["calls"] == 0


def test_a_wrong_key_is_refused(llm: Sandbox) -> None:
    with client(llm, key="two-key") as sdk, pytest.raises(openai.AuthenticationError) as refused:
        sdk.models.list()
    assert refused.value.code == "invalid_api_key"


def test_a_schema_must_be_strict(llm: Sandbox) -> None:
    assert unstrict(SCHEMA) is None
    optional = closed({"a": {"type": "string"}}) | {"required": []}
    for loose in ({"type": "object", "properties": {}}, optional, closed({"a": {"type": "array", "items": optional}})):
        form = {"type": "json_schema", "json_schema": {"name": "x", "strict": True, "schema": loose}}
        with pytest.raises(openai.BadRequestError, match="Invalid schema"):
            ask(llm, response_format=form)


def test_an_answer_that_does_not_fit_the_schema_is_an_error_of_the_test(llm: Sandbox) -> None:
    form = {
        "type": "json_schema",
        "json_schema": {"name": "x", "strict": True, "schema": closed({"a": {"type": "string"}})},
    }
    with pytest.raises(openai.InternalServerError, match="no answer of that schema"):
        ask(llm, response_format=form)


@pytest.mark.parametrize(("knows", "status"), [("400", 400), ("500", 500)])
def test_a_server_that_knows_no_schemas(llm: Sandbox, knows: str, status: int) -> None:
    llm.llm_admin("one", "options", json_schema=knows)
    with pytest.raises(openai.APIStatusError) as refused:
        ask(llm, response_format=STRICT)
    assert refused.value.status_code == status
    assert ask(llm, response_format={"type": "json_object"}).choices


def test_json_object_wants_the_word(llm: Sandbox) -> None:
    with pytest.raises(openai.BadRequestError, match="word 'json'"):
        ask(llm, messages=[{"role": "user", "content": "hello"}], response_format={"type": "json_object"})


def test_a_server_that_reads_over_the_format_answers_in_a_fence(llm: Sandbox) -> None:
    llm.llm_admin("one", "options", json_schema="ignored")
    assert ask(llm, response_format=STRICT).choices[0].message.content.startswith("```json")


# --- limits ---------------------------------------------------------------------------------------------------------


def test_requests_are_limited_and_the_headers_tell(llm: Sandbox) -> None:
    llm.llm_admin("one", "options", requests=2, tokens=100_000, minute_seconds=2)
    with client(llm) as sdk:
        first = sdk.chat.completions.with_raw_response.create(model=MODEL, messages=prompt(LOGIN))
        used = first.parse().usage
        assert used is not None
        assert first.headers["x-ratelimit-limit-requests"] == "2"
        assert first.headers["x-ratelimit-remaining-requests"] == "1"
        assert first.headers["x-ratelimit-limit-tokens"] == "100000"
        left = int(first.headers["x-ratelimit-remaining-tokens"])
        assert 100_000 - used.total_tokens <= left < 100_000 - used.prompt_tokens + 5_000 * 0.1
        assert first.headers["x-ratelimit-reset-requests"].endswith(("ms", "s"))
        sdk.chat.completions.create(model=MODEL, messages=prompt(LOGIN))
        with pytest.raises(openai.RateLimitError) as limited:
            sdk.chat.completions.create(model=MODEL, messages=prompt(LOGIN))
        assert limited.value.code == "rate_limit_exceeded"
        wait = int(limited.value.response.headers["retry-after-ms"]) / 1000
        assert 0.5 < wait <= 1
        time.sleep(wait)
        sdk.chat.completions.create(model=MODEL, messages=prompt(LOGIN))
    told = llm.llm_admin("one", "log")
    assert (told["requests"], told["calls"], told["429s"]) == (4, 3, 1)
    assert llm.llm_admin("two", "log")["requests"] == 0


def test_tokens_are_limited(llm: Sandbox) -> None:
    llm.llm_admin("one", "options", tokens=400)
    ask(llm)
    with pytest.raises(openai.RateLimitError, match="TPM"):
        ask(llm)
    llm.llm_admin("one", "options", tokens=100)
    with pytest.raises(openai.RateLimitError, match="too large"):
        ask(llm)


def test_a_server_may_count_what_was_reserved(llm: Sandbox) -> None:
    llm.llm_admin("one", "options", tokens=1000, reserve=True)
    with pytest.raises(openai.RateLimitError, match="too large"):
        ask(llm, max_tokens=1000)
    ask(llm, max_tokens=300)


def test_without_limits_there_are_no_headers(llm: Sandbox) -> None:
    with client(llm) as sdk:
        said = sdk.chat.completions.with_raw_response.create(model=MODEL, messages=prompt(LOGIN))
    assert not [name for name in said.headers if "ratelimit" in name]


def test_an_account_dies(llm: Sandbox) -> None:
    llm.llm_admin("one", "options", dies_after=2)
    ask(llm)
    ask(llm)
    for _ in range(2):
        with pytest.raises(openai.RateLimitError) as gone:
            ask(llm)
        assert gone.value.code == "insufficient_quota"
    ask(llm, "two")


def test_the_log_has_every_prompt_and_what_it_cost(llm: Sandbox) -> None:
    said = ask(llm)
    (asked,) = llm.llm_admin("one", "requests")
    assert asked["messages"] == prompt(LOGIN, REFUND)
    assert asked["text"] == said.choices[0].message.content
    told = llm.llm_admin("one", "log")
    assert told["items"] == 2
    assert (told["tokens_in"], told["tokens_out"]) == (said.usage.prompt_tokens, said.usage.completion_tokens)


# --- embeddings and models ------------------------------------------------------------------------------------------


def test_embeddings_are_unit_vectors_and_like_texts_are_near(llm: Sandbox) -> None:
    with client(llm) as sdk:
        texts = ["I cannot log in", "I cannot log in today", "환불 처리가 늦습니다"]
        said = sdk.embeddings.create(model="text-embedding-3-small", input=texts)
        plain = sdk.embeddings.create(model="text-embedding-3-small", input=texts, encoding_format="float")
        small = sdk.embeddings.create(model="text-embedding-3-small", input=texts, dimensions=256)
    first, near, far = (one.embedding for one in said.data)
    assert len(first) == 1536
    assert abs(sum(x * x for x in first) - 1) < 1e-4
    assert sum(map(float.__mul__, first, near)) > sum(map(float.__mul__, first, far)) + 0.3
    assert max(abs(a - b) for a, b in zip(first, plain.data[0].embedding, strict=True)) < 1e-6
    assert len(small.data[2].embedding) == 256
    assert said.usage.prompt_tokens == sum(len(llm_model.encode_to_embed(text)) for text in texts)


def test_embeddings_come_as_base64_of_float32(llm: Sandbox) -> None:
    body = {"model": "text-embedding-3-small", "input": "x", "dimensions": 4, "encoding_format": "base64"}
    headers = {"authorization": "Bearer one-key"}
    said = requests.post(f"{llm.llm_url('one')}/embeddings", json=body, headers=headers, timeout=5).json()
    assert len(array.array("f", base64.b64decode(said["data"][0]["embedding"]))) == 4


@pytest.mark.parametrize(
    "given",
    [
        {"input": ""},
        {"input": []},
        {"input": ["a", ""]},
        {"input": ["a"] * 2049},
        {"input": "word " * 8200},
        {"input": ["word " * 8000] * 38},
        {"input": "a", "dimensions": 1537},
    ],
)
def test_embeddings_have_limits(llm: Sandbox, given: dict[str, Any]) -> None:
    with client(llm) as sdk, pytest.raises(openai.BadRequestError):
        sdk.embeddings.create(model="text-embedding-3-small", **given)


def test_models_are_listed(llm: Sandbox) -> None:
    llm.llm_admin("one", "options", models=["qwen3"])
    with client(llm) as sdk:
        assert [model.id for model in sdk.models.list()] == ["qwen3"]
        with pytest.raises(openai.NotFoundError):
            sdk.models.retrieve(MODEL)


def test_an_admin_action_that_is_wrong_says_so(llm: Sandbox) -> None:
    for action, given in (
        ("options", {"json_schema": "perhaps"}),
        ("options", {"colour": "red"}),
        ("faults", {"rates": {"500": 0.7, "429": 0.7}}),
        ("faults", {"rate": 0.5, "kinds": ["earthquake"]}),
        ("batch", {"do": "complete", "id": "batch_none"}),
        ("nothing", {"x": 1}),
    ):
        with pytest.raises(ValueError, match=r"."):
            llm.llm_admin("one", action, **given)


def test_accounts_are_named_and_may_live_in_a_process_of_their_own() -> None:
    with Sandbox(generated={"made": 1}, llm=["three"], process=True) as sandbox:
        assert ask(sandbox, "three").choices
        with client(sandbox, "one") as sdk, pytest.raises(openai.NotFoundError):
            sdk.models.list()
        sandbox.llm_admin("three", "options", dies_after=0, death="reset")
        with pytest.raises(openai.APIConnectionError):
            ask(sandbox, "three")
    with pytest.raises(ValueError, match="LLM account"):
        Sandbox(generated={"made": 1}, llm=["a/b"])
