"""The LLM stand-in's Batch API through the SDK: files, validation, working off, and every way to end."""

import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from sandbox.serve import Sandbox
from tests.sandbox.llm import LOGIN, MODEL, client, prompt, summaries

ENDPOINT = "/v1/chat/completions"


@pytest.fixture
def sdk(llm: Sandbox) -> Iterator[openai.OpenAI]:
    with client(llm) as made:
        yield made


def line(number: int, **changed: Any) -> dict[str, Any]:
    body = {"model": MODEL, "messages": prompt([*LOGIN, ("customer", f"Case {number}.")])}
    return {"custom_id": f"doc-{number}", "method": "POST", "url": ENDPOINT, "body": body} | changed


def jsonl(*lines: Any) -> bytes:
    return b"".join(json.dumps(one).encode() + b"\n" for one in lines)


def begin(sdk: openai.OpenAI, content: bytes, **given: Any) -> Any:
    file = sdk.files.create(file=("tickets.jsonl", content), purpose="batch")
    return sdk.batches.create(input_file_id=file.id, endpoint=ENDPOINT, completion_window="24h", **given)


def read(sdk: openai.OpenAI, file: str | None) -> dict[str, Any]:
    """The lines of an output or error file by their custom_id."""
    if file is None:
        return {}
    lines = [json.loads(one) for one in sdk.files.content(file).text.splitlines()]
    assert len({one["custom_id"] for one in lines}) == len(lines)
    return {one["custom_id"]: one for one in lines}


def test_a_file_is_kept_as_it_came(sdk: openai.OpenAI) -> None:
    content = b'{"a": "\r\n--x"}\n\xff\n'
    file = sdk.files.create(file=("in.jsonl", content), purpose="batch")
    assert (file.bytes, file.filename, file.purpose) == (len(content), "in.jsonl", "batch")
    assert sdk.files.content(file.id).read() == content
    assert [one.id for one in sdk.files.list()] == [file.id]
    assert sdk.files.delete(file.id).deleted
    with pytest.raises(openai.NotFoundError):
        sdk.files.retrieve(file.id)


def test_a_batch_is_worked_off_with_each_look_and_its_metadata_kept(llm: Sandbox, sdk: openai.OpenAI) -> None:
    llm.llm_admin("one", "options", batch_polls=4)
    batch = begin(sdk, jsonl(*map(line, range(10))), metadata={"casebook": "b-1"})
    seen = [batch.status]
    while batch.status != "completed":
        batch = sdk.batches.retrieve(batch.id)
        seen.append(batch.status)
    assert seen == ["validating", "in_progress", "in_progress", "in_progress", "completed"]
    assert batch.metadata == {"casebook": "b-1"}
    assert batch.request_counts is not None
    assert (batch.request_counts.total, batch.request_counts.completed) == (10, 10)
    assert batch.error_file_id is None
    said = read(sdk, batch.output_file_id)
    assert said.keys() == {f"doc-{number}" for number in range(10)}
    assert list(said) != sorted(said)
    body = said["doc-3"]["response"]["body"]
    assert summaries(body["choices"][0]["message"]["content"])[0]["result"] == "Case 3."
    told = llm.llm_admin("one", "log")
    assert (told["calls"], told["batch_lines"]) == (10, 10)
    assert batch.usage is not None
    assert (
        batch.usage.input_tokens
        == told["tokens_in"]
        == sum(one["response"]["body"]["usage"]["prompt_tokens"] for one in said.values())
    )


def test_an_answer_in_a_batch_is_the_one_outside_of_it(sdk: openai.OpenAI) -> None:
    batch = begin(sdk, jsonl(line(1)))
    for _ in range(2):
        batch = sdk.batches.retrieve(batch.id)
    in_batch = read(sdk, batch.output_file_id)["doc-1"]["response"]["body"]
    direct = sdk.chat.completions.create(**line(1)["body"])
    assert in_batch["choices"][0]["message"]["content"] == direct.choices[0].message.content
    assert in_batch["usage"]["total_tokens"] == direct.usage.total_tokens  # type: ignore[union-attr]


def test_an_expired_batch_keeps_what_was_done(llm: Sandbox, sdk: openai.OpenAI) -> None:
    batch = begin(sdk, jsonl(*map(line, range(10))))
    assert llm.llm_admin("one", "batch", do="expire", id=batch.id, done=7, failed=1)["ids"] == [batch.id]
    batch = sdk.batches.retrieve(batch.id)
    assert batch.status == "expired"
    assert batch.expired_at
    done, wrong = read(sdk, batch.output_file_id), read(sdk, batch.error_file_id)
    assert (len(done), len(wrong)) == (7, 3)
    assert not done.keys() & wrong.keys()
    codes = [(one["error"] or {}).get("code") for one in wrong.values()]
    assert sorted(map(str, codes)) == ["None", "batch_expired", "batch_expired"]
    assert [one["response"]["status_code"] for one in wrong.values() if one["response"]] == [500]


def test_a_batch_can_be_cancelled(sdk: openai.OpenAI) -> None:
    batch = begin(sdk, jsonl(*map(line, range(4))))
    sdk.batches.retrieve(batch.id)
    assert sdk.batches.cancel(batch.id).status == "cancelling"
    batch = sdk.batches.retrieve(batch.id)
    assert batch.status == "cancelled"
    assert len(read(sdk, batch.output_file_id)) == 2
    assert {one["error"]["code"] for one in read(sdk, batch.error_file_id).values()} == {"batch_cancelled"}
    with pytest.raises(openai.ConflictError):
        sdk.batches.cancel(batch.id)


@pytest.mark.parametrize(
    ("content", "code", "at"),
    [
        (b"", "empty_file", None),
        (jsonl(line(1)) + b"{no json\n", "invalid_json_line", 2),
        (jsonl(line(1), line(2, custom_id=7)), "missing_required_parameter", 2),
        (jsonl(line(1), line(1)), "duplicate_custom_id", 2),
        (jsonl(line(1), line(2, url="/v1/embeddings")), "mismatched_url", 2),
        (jsonl(line(1), line(2, body={"model": "gpt-4o", "messages": []})), "mismatched_model", 2),
        (jsonl(line(1, body={"model": "gpt-none", "messages": []})), "model_not_found", 1),
        (jsonl(*map(line, range(4))), "too_many_requests", None),
        (jsonl(line(1, custom_id="x" * 6000)), "file_too_large", None),
    ],
)
def test_a_file_that_is_not_valid_fails_the_batch(
    llm: Sandbox, sdk: openai.OpenAI, content: bytes, code: str, at: int | None
) -> None:
    llm.llm_admin("one", "options", batch_lines=3, batch_bytes=6000)
    batch = begin(sdk, content)
    assert batch.status == "validating"
    batch = sdk.batches.retrieve(batch.id)
    assert batch.status == "failed"
    assert batch.errors is not None
    assert [(one.code, one.line) for one in batch.errors.data or []] == [(code, at)]
    assert (batch.output_file_id, batch.error_file_id) == (None, None)
    assert llm.llm_admin("one", "log")["calls"] == 0


def test_a_batch_can_fail_for_a_reason_of_the_account(llm: Sandbox, sdk: openai.OpenAI) -> None:
    batch = begin(sdk, jsonl(line(1)))
    llm.llm_admin("one", "batch", do="fail")
    batch = sdk.batches.retrieve(batch.id)
    assert batch.status == "failed"
    assert batch.errors is not None
    assert [one.code for one in batch.errors.data or []] == ["token_limit_exceeded"]


def test_lines_fail_on_their_own(llm: Sandbox, sdk: openai.OpenAI) -> None:
    llm.llm_admin("one", "faults", rate=1, kinds=["500"], on=["line"], containing="Case 2.")
    too_long = line(3)["body"] | {"max_tokens": 200_000}
    batch = begin(sdk, jsonl(line(1), line(2), line(3, body=too_long)))
    llm.llm_admin("one", "batch", do="complete")
    batch = sdk.batches.retrieve(batch.id)
    assert batch.status == "completed"
    assert batch.request_counts is not None
    assert (batch.request_counts.completed, batch.request_counts.failed) == (1, 2)
    wrong = read(sdk, batch.error_file_id)
    assert wrong["doc-2"]["response"]["status_code"] == 500
    assert wrong["doc-3"]["response"]["body"]["error"]["code"] == "context_length_exceeded"


def test_batches_are_listed_the_newest_first(sdk: openai.OpenAI) -> None:
    made = [begin(sdk, jsonl(line(number))).id for number in range(5)]
    assert [batch.id for batch in sdk.batches.list(limit=2)] == made[::-1]
    assert {sdk.batches.retrieve(made[0]).status} == {"in_progress"}


def test_what_the_api_does_not_take(sdk: openai.OpenAI) -> None:
    file = sdk.files.create(file=("a.jsonl", jsonl(line(1))), purpose="batch")
    usual: dict[Any, Any] = {"input_file_id": file.id, "endpoint": ENDPOINT, "completion_window": "24h"}
    for wrong in ({"completion_window": "1h"}, {"endpoint": "/v1/none"}, {"metadata": {"a": "x" * 513}}):
        with pytest.raises(openai.BadRequestError):
            sdk.batches.create(**usual | wrong)
    with pytest.raises(openai.NotFoundError):
        sdk.batches.create(**usual | {"input_file_id": "file-none"})
    with pytest.raises(openai.BadRequestError):
        sdk.files.create(file=("a.jsonl", b"x"), purpose="assistants")


def test_an_uploaded_text_is_in_the_log(llm: Sandbox, sdk: openai.OpenAI) -> None:
    begin(sdk, jsonl(line(77)))
    assert any("Case 77." in json.dumps(one) for one in llm.llm_admin("one", "requests"))


def test_azure_has_them_at_its_own_address(llm: Sandbox) -> None:
    with openai.AzureOpenAI(azure_endpoint=llm.llm_url("one", "azure"), api_key="one-key", api_version="1") as sdk:
        batch = begin(sdk, jsonl(line(1)))
        assert sdk.batches.retrieve(batch.id).status == "in_progress"
