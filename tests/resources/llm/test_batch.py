"""A provider's Batch API, over real HTTP: files within limits, sent once, collected whatever became of them."""

import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from domain.provider import Provider
from domain.summary_answer import parse
from domain.summary_prompt import Item, answer_schema, messages
from resources.llm.base import (
    BadModel,
    Call,
    KeyRefused,
    MoneyGone,
    Overloaded,
    TooLong,
    Trouble,
    Unanswered,
    Unreachable,
)
from resources.llm.batch import BatchClient, Part, Progress
from resources.llm.client import Client, body, read_reply
from sandbox.serve import Sandbox

Line = tuple[str, dict[str, Any]]
AZURE = {"style": "azure", "api_version": "2025-04-01"}


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with Sandbox(generated={"made": 1}) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running: Sandbox) -> Sandbox:
    running.llm_admin("one", "reset")
    return running


@pytest.fixture
def client(sandbox: Sandbox) -> Iterator[Client]:
    made = opened(sandbox)
    yield made
    made.close()


@pytest.fixture
def batches(client: Client) -> BatchClient:
    return BatchClient(client)


def opened(sandbox: Sandbox, key: str = "one-key", **given: Any) -> Client:
    url = sandbox.llm_url("one", given.get("style", "openai"))
    settings: Any = {"name": "one", "model": "gpt-4.1-mini", "url": url}
    return Client(Provider(**settings | given), lambda: key, timeout=5)


def line(client: Client, number: int, text: str = "The printer is jammed.") -> Line:
    said = [
        {"author": "customer", "text": f"{text} Case {number}."},
        {"author": "agent", "text": "We replaced the drum."},
    ]
    item = Item("1", {"subject": "Printer", "messages": said})
    call = Call(messages("ticket", "en", [item]), answer_schema(), 500, 0)
    return f"doc-{number}", body(client.provider, call, client.dialect)


def submitted(client: Client, batches: BatchClient, count: int, local_id: str = "b1") -> str:
    return sent(batches, (line(client, at) for at in range(count)), local_id)


def sent(batches: BatchClient, lines: Iterable[Line], local_id: str = "b1") -> str:
    (remote,) = [batches.submit(local_id, part) for part in batches.parts(lines)]
    return remote


def results(batches: BatchClient, remote: str) -> dict[str, Any]:
    found = list(batches.results(remote))
    assert len({name for name, _ in found}) == len(found)
    return dict(found)


def faulty(sandbox: Sandbox, kind: str, on: str, limit: int | None = 1) -> None:
    sandbox.llm_admin("one", "faults", rate=1, kinds=[kind], on=[on], limit=limit, retry_after=0)


# --- putting together -----------------------------------------------------------------------------------------------


def sizes(parts: Iterator[Part]) -> list[int]:
    return [len(part.custom_ids) for part in parts]


def test_a_file_has_no_more_lines_and_bytes_than_allowed(client: Client) -> None:
    lines = [line(client, at) for at in range(10)]
    assert sizes(BatchClient(client, most_lines=4).parts(lines)) == [4, 4, 2]
    one = max(part.size for part in BatchClient(client, most_lines=1).parts(lines))
    for part in BatchClient(client, most_bytes=3 * one + 1).parts(lines):
        read = part.file.read()
        assert len(read) == part.size <= 3 * one + 1
        told = [json.loads(each) for each in read.splitlines()]
        assert [each["custom_id"] for each in told] == list(part.custom_ids)
        assert {each["url"] for each in told} == {"/v1/chat/completions"}
    assert sizes(BatchClient(client, most_bytes=3 * one).parts(lines)) == [3, 3, 3, 1]
    with pytest.raises(ValueError, match="more than 10 bytes"):
        next(BatchClient(client, most_bytes=10).parts(lines))


def test_lines_are_read_as_they_are_needed(client: Client) -> None:
    asked = list[int]()

    def lines() -> Iterator[Line]:
        for at in range(100):
            asked.append(at)
            yield line(client, at)

    next(BatchClient(client, most_lines=5).parts(lines()))
    assert len(asked) == 6


def test_a_line_that_comes_again_is_sent_once_over_all_files(client: Client) -> None:
    twice = [line(client, at % 3) for at in range(9)]
    assert sizes(BatchClient(client, most_lines=2).parts(twice)) == [2, 1]


def test_nothing_to_send_is_no_file(batches: BatchClient) -> None:
    assert list(batches.parts([])) == []


# --- from sending to collecting -------------------------------------------------------------------------------------


@pytest.mark.parametrize("given", [{}, AZURE, AZURE | {"auth": "token"}], ids=["openai", "azure", "token"])
def test_a_batch_comes_back_whole(sandbox: Sandbox, given: dict[str, Any]) -> None:
    client = opened(sandbox, "one-token" if given.get("auth") else "one-key", **given)
    batches = BatchClient(client)
    remote = submitted(client, batches, 7)
    assert batches.poll(remote) == Progress("running", total=7, answered=3)
    assert batches.poll(remote) == Progress("completed", total=7, answered=7)
    found = results(batches, remote)
    assert found.keys() == {f"doc-{at}" for at in range(7)}
    reply = read_reply("one", found["doc-5"])
    assert parse(reply.text)["1"]["problem"] == "The printer is jammed. Case 5."
    assert reply.tokens_in
    assert len({read_reply("one", one).request_id for one in found.values()}) == 7
    client.close()


def test_its_files_are_deleted(sandbox: Sandbox, client: Client, batches: BatchClient) -> None:
    remote = submitted(client, batches, 2)
    sandbox.llm_admin("one", "batch", do="expire", done=1)
    assert len(list(client.sdk.files.list())) == 3
    batches.delete_files(remote)
    assert list(client.sdk.files.list()) == []
    batches.delete_files(remote)
    with pytest.raises(Trouble):
        results(batches, remote)


def test_an_answer_with_line_separators_in_it_is_one_line(
    sandbox: Sandbox, client: Client, batches: BatchClient
) -> None:
    name, asked = line(client, 1)
    asked["messages"][1]["content"] = asked["messages"][1]["content"].replace("is jammed", "is\x85\u2028jammed")
    remote = sent(batches, [(name, asked)])
    sandbox.llm_admin("one", "batch", do="complete")
    assert "is\x85\u2028jammed" in read_reply("one", results(batches, remote)[name]).text


def test_an_expired_batch_gives_what_was_done_and_why_the_rest_was_not(
    sandbox: Sandbox, client: Client, batches: BatchClient
) -> None:
    remote = submitted(client, batches, 10)
    sandbox.llm_admin("one", "batch", do="expire", done=6, failed=1)
    assert batches.poll(remote) == Progress("expired", total=10, answered=6, failed=4)
    found = results(batches, remote)
    assert found.keys() == {f"doc-{at}" for at in range(10)}
    troubles = [one for one in found.values() if isinstance(one, Trouble)]
    assert all(isinstance(one, Overloaded) for one in troubles)
    assert sorted(one.said for one in troubles)[0] == "one answered 500 (server_error): a failure of its own"
    assert {one.said for one in troubles if "answered 500" not in one.said} == {
        "one: the batch expired before this line was answered"
    }
    assert len(troubles) == 4


def test_lines_fail_each_for_its_own_reason(sandbox: Sandbox, client: Client, batches: BatchClient) -> None:
    long = line(client, 1)
    long[1]["max_tokens"] = 500_000
    remote = sent(batches, [long, line(client, 2)])
    sandbox.llm_admin("one", "batch", do="complete")
    found = results(batches, remote)
    assert isinstance(found["doc-1"], TooLong)
    assert isinstance(found["doc-2"], dict)


def test_a_batch_that_fails_says_why(sandbox: Sandbox, client: Client, batches: BatchClient) -> None:
    remote = submitted(client, batches, 2)
    sandbox.llm_admin("one", "batch", do="fail")
    failed = Progress("failed", note="one did not take the batch (token_limit_exceeded)", is_full=True)
    assert batches.poll(remote) == failed
    assert results(batches, remote) == {}
    unknown = sent(batches, [("x", {"model": "gpt-none", "messages": []})], "b2")
    assert batches.poll(unknown).note == "one did not take the batch (model_not_found)"
    assert batches.poll("batch_none") == Progress("failed", note="one does not have the batch any more")


def test_a_cancelled_batch_gives_what_was_done(client: Client, batches: BatchClient) -> None:
    remote = submitted(client, batches, 4)
    batches.poll(remote)
    batches.cancel(remote)
    assert batches.poll(remote) == Progress("cancelled", total=4, answered=2, failed=2)
    assert len(results(batches, remote)) == 4
    batches.cancel(remote)  # it has ended, and stays as it is
    assert batches.poll(remote).state == "cancelled"


# --- crashes and failures -------------------------------------------------------------------------------------------


def test_a_batch_is_found_by_our_id(client: Client, batches: BatchClient) -> None:
    remotes = {f"b{at}": submitted(client, batches, 1, f"b{at}") for at in range(3)}
    assert {local: batches.find(local) for local in remotes} == remotes
    assert batches.find("b9") is None
    now = datetime.now(UTC)
    assert batches.find("b1", now) == remotes["b1"]
    assert batches.find("b1", now + timedelta(hours=2)) is None


def test_a_batch_that_was_made_without_anyone_knowing_is_not_made_again(
    sandbox: Sandbox, client: Client, batches: BatchClient
) -> None:
    faulty(sandbox, "cut", "batches")
    remote = submitted(client, batches, 3)
    assert [one["id"] for one in sandbox.llm_admin("one", "batches")] == [remote]


def test_a_batch_that_may_be_there_is_told_from_one_that_is_not(
    sandbox: Sandbox, client: Client, batches: BatchClient
) -> None:
    faulty(sandbox, "cut", "batches", limit=None)
    with pytest.raises(Unanswered) as failed:
        submitted(client, batches, 3)
    assert failed.value.sent
    sandbox.llm_admin("one", "faults")
    remote = batches.find("b1")
    assert remote is not None
    assert batches.poll(remote) == Progress("failed", note="one did not take the batch (empty_file)")
    assert sandbox.llm_admin("one", "log")["calls"] == 0


@pytest.mark.parametrize("kind", ["500", "reset", "insufficient_quota"])
def test_what_was_uploaded_for_nothing_is_deleted(
    sandbox: Sandbox, client: Client, batches: BatchClient, kind: str
) -> None:
    faulty(sandbox, kind, "batches")
    with pytest.raises(MoneyGone if kind == "insufficient_quota" else Overloaded) as failed:
        submitted(client, batches, 3)
    assert not failed.value.sent
    assert sandbox.llm_admin("one", "batches") == []
    assert list(client.sdk.files.list()) == []


def test_an_upload_that_nobody_confirmed_can_be_cleared_away(
    sandbox: Sandbox, client: Client, batches: BatchClient
) -> None:
    other = submitted(client, batches, 1, "b0")
    faulty(sandbox, "cut", "files")
    with pytest.raises(Overloaded) as failed:
        submitted(client, batches, 3)
    assert not failed.value.sent
    assert batches.find("b1") is None
    assert len(list(client.sdk.files.list())) == 2
    batches.clear("b1")
    assert len(list(client.sdk.files.list())) == 1
    assert submitted(client, batches, 3) != other


def test_a_part_can_be_sent_again(sandbox: Sandbox, batches: BatchClient, client: Client) -> None:
    parts = batches.parts([line(client, 1)])
    part = next(parts)
    faulty(sandbox, "503", "files")
    with pytest.raises(Overloaded):
        batches.submit("b1", part)
    remote = batches.submit("b1", part)
    sandbox.llm_admin("one", "batch", do="complete")
    assert results(batches, remote).keys() == {"doc-1"}


def test_a_download_that_breaks_off_begins_again(sandbox: Sandbox, client: Client, batches: BatchClient) -> None:
    remote = submitted(client, batches, 20)
    sandbox.llm_admin("one", "batch", do="complete")
    faulty(sandbox, "cut", "files")
    first = list[str]()
    with pytest.raises(Unanswered):
        first.extend(name for name, _ in batches.results(remote))
    assert len(first) < 20
    assert len(results(batches, remote)) == 20


def test_lines_that_are_no_answers(batches: BatchClient) -> None:
    broken = {"custom_id": "doc-0", "response": {"status_code": 200, "body": {"choices": []}}, "error": None}
    text = f"{json.dumps(broken)}\nnot json\n[]\n\n" + json.dumps(
        {"custom_id": "doc-1", "response": None, "error": None}
    )
    found = [batches._result(each) for each in text.encode().split(b"\n")]
    assert [each and (each[0], type(each[1])) for each in found] == [
        ("doc-0", Unanswered), None, None, None, ("doc-1", Overloaded),
    ]  # fmt: skip


def test_troubles_have_their_names(sandbox: Sandbox, batches: BatchClient) -> None:
    batches.check()
    wrong = opened(sandbox, "two-key")
    with pytest.raises(KeyRefused):
        BatchClient(wrong).check()
    wrong.close()
    gone = Client(Provider("one", "m", "http://127.0.0.1:9/v1"), lambda: "k", timeout=5)
    with pytest.raises(Unreachable):
        BatchClient(gone).find("b1")
    gone.close()
    nowhere = Client(Provider("one", "m", f"{sandbox.llm_url('one')}/none"), lambda: "one-key", timeout=5)
    with pytest.raises(BadModel):
        BatchClient(nowhere).check()
    nowhere.close()
    faulty(sandbox, "html", "batches")
    with pytest.raises(Trouble):
        batches.poll("batch_none")
