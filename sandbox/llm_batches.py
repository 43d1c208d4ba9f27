"""Files and batches of the stand-in for LLM providers, as the Batch API has them.

Belongs here: uploading, validating, working off, expiring, cancelling. Does not belong here: what a line of a batch is
answered (``llm.chat``), keys and connections (``llm``).

Time is simulated: a batch gets on with every look at it (``Options.batch_polls``), or when ``admin/batch`` moves it.
"""

import hashlib
import math
import random
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import orjson

from sandbox import llm_model
from sandbox.answers import Answer, Refused, as_json
from sandbox.llm_account import LlmAccount
from sandbox.llm_faults import SPOILED, LlmFault
from sandbox.llm_model import Json

if TYPE_CHECKING:
    from sandbox.llm import LlmRequest

Status = Literal["validating", "failed", "in_progress", "finalizing", "completed", "expired", "cancelling", "cancelled"]
ENDED = ("failed", "completed", "expired", "cancelled")
_ENDPOINT = "/v1/chat/completions"
_AT_ONCE = 1.0  # seconds of work for one look at a batch; nobody else is answered meanwhile
_ERRORS = 20  # of a file that is not valid, at most so many are told
_NOT_RUN = {
    "expired": ("batch_expired", "This request could not be executed before the completion window expired."),
    "cancelled": ("batch_cancelled", "This request was not executed because the batch was cancelled."),
}
_ENDS: dict[str, Status] = {"complete": "completed", "expire": "expired", "cancel": "cancelled"}
_DISPOSITION = re.compile(rb'name="([^"]*)"(?:; filename="([^"]*)")?')


@dataclass(slots=True)
class File:
    """An uploaded file, or one that a batch wrote."""

    id: str
    name: str
    purpose: str
    content: bytes
    created_at: int = field(default_factory=lambda: int(time.time()))

    def to_json(self) -> Json:
        return {
            "id": self.id,
            "object": "file",
            "bytes": len(self.content),
            "created_at": self.created_at,
            "filename": self.name,
            "purpose": self.purpose,
            "status": "processed",
        }


@dataclass(slots=True)
class Batch:
    """A batch, and how far it is. ``todo`` are the lines that were not run, in the order in which they will be."""

    id: str
    input_file: str
    metadata: Json | None
    status: Status = "validating"
    polls: int = 0
    total: int = 0
    todo: list[Json] = field(default_factory=list[Json])
    done: list[Json] = field(default_factory=list[Json])
    wrong: list[Json] = field(default_factory=list[Json])
    errors: list[Json] = field(default_factory=list[Json])
    output_file: str | None = None
    error_file: str | None = None
    times: dict[str, int] = field(default_factory=dict[str, int])

    def __post_init__(self) -> None:
        self.times["created_at"] = int(time.time())
        self.times["expires_at"] = self.times["created_at"] + 24 * 3600

    def become(self, status: Status) -> None:
        self.status = status
        self.times[f"{status}_at"] = int(time.time())

    def to_json(self) -> Json:
        names = ("in_progress", "finalizing", "completed", "failed", "expired", "cancelling", "cancelled")
        used = [one["response"]["body"]["usage"] for one in self.done]
        tokens = (sum(one["prompt_tokens"] for one in used), sum(one["completion_tokens"] for one in used))
        return {
            "id": self.id,
            "object": "batch",
            "endpoint": _ENDPOINT,
            "input_file_id": self.input_file,
            "completion_window": "24h",
            "status": self.status,
            "output_file_id": self.output_file,
            "error_file_id": self.error_file,
            "errors": {"object": "list", "data": self.errors} if self.errors else None,
            "metadata": self.metadata,
            "request_counts": {"total": self.total, "completed": len(self.done), "failed": len(self.wrong)},
            "usage": {
                "input_tokens": tokens[0],
                "input_tokens_details": {"cached_tokens": 0},
                "output_tokens": tokens[1],
                "output_tokens_details": {"reasoning_tokens": 0},
                "total_tokens": sum(tokens),
            },
            **{f"{name}_at": None for name in names},
            **self.times,
        }


def respond(request: "LlmRequest") -> Answer:
    """Answer one request for files or batches. Raises ``Refused``."""
    account = request.account
    match request.method, request.path.split("/"):
        case "POST", ["files"]:
            return as_json(200, _upload(request).to_json())
        case "GET", ["files"]:
            return _page(request, [file.to_json() for file in reversed(account.files.values())])
        case "GET", ["files", name]:
            return as_json(200, _file(account, name).to_json())
        case "GET", ["files", name, "content"]:
            return Answer(200, _file(account, name).content, content_type=b"application/octet-stream")
        case "DELETE", ["files", name]:
            del account.files[_file(account, name).id]
            return as_json(200, {"id": name, "object": "file", "deleted": True})
        case "POST", ["batches"]:
            return as_json(200, _create(request).to_json())
        case "GET", ["batches"]:
            return _page(request, [batch.to_json() for batch in reversed(account.batches.values())])
        case "GET", ["batches", name]:
            return as_json(200, _looked_at(account, _batch(account, name)).to_json())
        case "POST", ["batches", name, "cancel"]:
            return as_json(200, _cancel(_batch(account, name)).to_json())
        case _:
            raise _refused(404, f"Invalid URL ({request.method} /v1/{request.path})")


def report(account: LlmAccount) -> list[Json]:
    """Every batch, the oldest first, for ``admin/batches``."""
    return [batch.to_json() for batch in account.batches.values()]


def move(
    account: LlmAccount,
    do: Literal["complete", "expire", "fail", "cancel"],
    id: str | None = None,  # noqa: A002 - the name in the API
    done: int | None = None,
    failed: int = 0,
    code: str = "token_limit_exceeded",
) -> Json:
    """Bring a batch, or all that have not ended, to an end at once. ``done``: so many lines are answered before it expires
    or is cancelled (all, none); ``failed``: so many of the lines get an error (500) in place of an answer. ``code`` is
    why it fails. Raises ``ValueError`` for a batch that there is not."""
    if id is not None and id not in account.batches:
        raise ValueError(f"no batch {id}")
    moved: list[str] = []
    for batch in [account.batches[id]] if id else list(account.batches.values()):
        if batch.status in ENDED:
            continue
        moved.append(batch.id)
        if do == "fail":
            batch.errors = [{"code": code, "message": "Enqueued token limit reached.", "param": None, "line": None}]
            batch.become("failed")
            continue
        _validate(account, batch)
        if batch.status == "failed":
            continue
        for _ in range(min(failed, len(batch.todo))):
            batch.wrong.append(_line(batch, batch.todo.pop()["custom_id"], 500, _SERVER_ERROR))
        most = len(batch.todo) if do == "complete" else done or 0
        _run(account, batch, most)
        _end(account, batch, _ENDS[do])
    return {"ids": moved}


_SERVER_ERROR: Json = {
    "error": {"message": "The server had an error.", "type": "server_error", "param": None, "code": None}
}


# --- files ----------------------------------------------------------------------------------------------------------


def _upload(request: "LlmRequest") -> File:
    parts = dict(_parts(request))
    if b"file" not in parts or parts.get(b"purpose", (b"", b""))[1] != b"batch":
        raise _refused(400, "A 'file' with the purpose 'batch' is required.", param="purpose")
    name, content = parts[b"file"]
    file = _store(request.account, name.decode("utf-8", "replace"), "batch", content)
    request.record["input"] = content.decode("utf-8", "replace")
    return file


def _parts(request: "LlmRequest") -> Iterator[tuple[bytes, tuple[bytes, bytes]]]:
    """The parts of a form: name, file name and content of each."""
    boundary = request.headers.get(b"content-type", b"").partition(b"boundary=")[2].strip(b'"')
    for part in request.body.split(b"--" + boundary)[1:-1] if boundary else ():
        head, _, content = part.partition(b"\r\n\r\n")
        if named := _DISPOSITION.search(head):
            yield named[1], (named[2] or b"", content.removesuffix(b"\r\n"))


def _store(account: LlmAccount, name: str, purpose: str, content: bytes) -> File:
    file = File(_new(account, "file-"), name, purpose, content)
    account.files[file.id] = file
    return file


def _file(account: LlmAccount, name: str) -> File:
    file = account.files.get(name)
    if file is None:
        raise _refused(404, f"No such File object: {name}", param="id")
    return file


# --- batches --------------------------------------------------------------------------------------------------------


def _create(request: "LlmRequest") -> Batch:
    given, account = request.json(), request.account
    if given.get("endpoint") not in (_ENDPOINT, "/chat/completions"):
        raise _refused(400, f"Invalid value: '{given.get('endpoint')}'.", param="endpoint")
    if given.get("completion_window") != "24h":
        raise _refused(
            400, "Invalid value for 'completion_window': only '24h' is supported.", param="completion_window"
        )
    metadata = given.get("metadata")
    if metadata is not None and not _is_metadata(metadata):
        raise _refused(
            400, "Invalid 'metadata': at most 16 pairs of strings, of 64 and 512 characters.", param="metadata"
        )
    if _file(account, str(given.get("input_file_id"))).purpose != "batch":
        raise _refused(400, "The file's purpose is not 'batch'.", param="input_file_id")
    batch = Batch(_new(account, "batch_"), given["input_file_id"], metadata)
    account.batches[batch.id] = batch
    return batch


def _is_metadata(given: Any) -> bool:
    return (
        isinstance(given, dict)
        and len(given) <= 16
        and all(isinstance(value, str) and len(name) <= 64 and len(value) <= 512 for name, value in given.items())
    )


def _batch(account: LlmAccount, name: str) -> Batch:
    batch = account.batches.get(name)
    if batch is None:
        raise _refused(404, f"No batch found with id '{name}'.", param="batch_id")
    return batch


def _looked_at(account: LlmAccount, batch: Batch) -> Batch:
    """A look at a batch brings it on: it is validated at the first, worked off evenly, done at ``batch_polls``."""
    if batch.status in ENDED:
        return batch
    if batch.status == "cancelling":
        _end(account, batch, "cancelled")
        return batch
    _validate(account, batch)
    most = account.options.batch_polls
    if batch.status == "failed" or most is None:
        return batch
    share = batch.total * (batch.polls + 1) // max(1, most)
    if _run(account, batch, share - len(batch.done) - len(batch.wrong), _AT_ONCE):
        batch.polls += 1
    if batch.polls >= most:
        _end(account, batch, "completed")
    elif not batch.todo:
        batch.become("finalizing")
    return batch


def _cancel(batch: Batch) -> Batch:
    if batch.status in ENDED:
        raise _refused(409, f"Cannot cancel a batch with status '{batch.status}'.")
    batch.become("cancelling")
    return batch


def _validate(account: LlmAccount, batch: Batch) -> None:
    """Read the lines, once. One that is not right fails the batch: nothing is run then."""
    if batch.status != "validating":
        return
    options = account.options
    file = account.files.get(batch.input_file)
    content = file.content if file else b""
    lines = content.splitlines()
    if not lines:
        batch.errors = [_wrong("empty_file", "The input file is empty, or is not there.")]
    elif len(content) > options.batch_bytes:
        batch.errors = [_wrong("file_too_large", f"The input file has more than {options.batch_bytes} bytes.")]
    elif len(lines) > options.batch_lines:
        batch.errors = [_wrong("too_many_requests", f"The input file has more than {options.batch_lines} requests.")]
    else:
        batch.todo = list(_requests(account, batch, lines))
    if batch.errors:
        batch.todo = []
        batch.become("failed")
        return
    batch.total = len(batch.todo)
    random.Random(batch.id).shuffle(batch.todo)
    batch.become("in_progress")


def _requests(account: LlmAccount, batch: Batch, lines: list[bytes]) -> Iterator[Json]:
    """The requests of a file; what is wrong with it goes to the batch's errors."""
    seen, model = set[str](), None
    for at, line in enumerate(lines, 1):
        if len(batch.errors) >= _ERRORS:
            return
        try:
            request = orjson.loads(line)
        except orjson.JSONDecodeError:
            batch.errors.append(_wrong("invalid_json_line", "This line is not parseable as valid JSON.", at))
            continue
        is_right = isinstance(request, dict) and isinstance(request.get("custom_id"), str)
        if not is_right or request.get("method") != "POST" or not isinstance(request.get("body"), dict):
            batch.errors.append(_wrong("missing_required_parameter", "custom_id, method and body are required.", at))
            continue
        model = model or request["body"].get("model")
        if request.get("url") not in (_ENDPOINT, "/chat/completions"):
            batch.errors.append(_wrong("mismatched_url", "The URL is not the batch's endpoint.", at, "url"))
        elif request["custom_id"] in seen:
            batch.errors.append(_wrong("duplicate_custom_id", "The custom_id is not unique.", at, "custom_id"))
        elif request["body"].get("model") != model:
            batch.errors.append(_wrong("mismatched_model", "All requests must be of one model.", at, "body.model"))
        elif model not in account.options.models:
            batch.errors.append(_wrong("model_not_found", f"The model {model} is not there.", at, "body.model"))
        seen.add(request["custom_id"])
        yield request


def _wrong(code: str, message: str, line: int | None = None, param: str | None = None) -> Json:
    return {"code": code, "message": message, "line": line, "param": param}


def _run(account: LlmAccount, batch: Batch, most: int, seconds: float = math.inf) -> bool:
    """Answer the next ``most`` lines; no more of them when so much time has passed, and then False."""
    llm_model.encode("")  # the vocabulary takes its time, once
    ends = time.monotonic() + seconds
    for _ in range(min(most, len(batch.todo))):
        if time.monotonic() > ends:
            return False
        request = batch.todo.pop()
        line = _answered(account, batch, request)
        (batch.done if line["response"]["status_code"] == 200 else batch.wrong).append(line)
    return True


def _answered(account: LlmAccount, batch: Batch, request: Json) -> Json:
    from sandbox import llm

    body, custom_id = request["body"], request["custom_id"]
    fault: LlmFault | None = account.faults.draw("line", orjson.dumps(request).decode())
    record: Json = {"path": "batch line", "custom_id": custom_id, "at": time.time(), "status": 200}
    account.usage.requests.append(record)
    if fault:
        account.usage.faults[fault] += 1
        record["fault"] = fault
        if fault not in SPOILED:
            record["status"] = 500
            return _line(batch, custom_id, 500, _SERVER_ERROR)
    try:
        llm.chat_cost(account, body, body["model"])
        said = llm.chat(account, body, body["model"], f"req_{_hashed(batch.id, custom_id)}", record, fault)
    except Refused as refusal:
        record["status"] = refusal.answer.status
        return _line(batch, custom_id, refusal.answer.status, orjson.loads(refusal.answer.body))
    account.usage.counts["batch_lines"] += 1
    return _line(batch, custom_id, 200, said)


def _line(batch: Batch, custom_id: str, status: int, body: Json) -> Json:
    number = _hashed(batch.id, custom_id)
    response = {"status_code": status, "request_id": f"req_{number}", "body": body}
    return {"id": f"batch_req_{number}", "custom_id": custom_id, "response": response, "error": None}


def _end(account: LlmAccount, batch: Batch, status: Status) -> None:
    """Write the output and the error file. Lines that were not run get an error of their own."""
    if status in _NOT_RUN:
        code, message = _NOT_RUN[status]
        unrun = {"response": None, "error": {"code": code, "message": message}}
        batch.wrong += [
            {"id": f"batch_req_{_hashed(batch.id, one['custom_id'])}", "custom_id": one["custom_id"], **unrun}
            for one in batch.todo
        ]
    batch.todo = []
    batch.output_file = _written(account, batch, "output", batch.done)
    batch.error_file = _written(account, batch, "error", batch.wrong)
    batch.become(status)


def _written(account: LlmAccount, batch: Batch, kind: str, lines: list[Json]) -> str | None:
    if not lines:
        return None
    content = b"".join(orjson.dumps(line) + b"\n" for line in lines)
    return _store(account, f"{batch.id}_{kind}.jsonl", "batch_output", content).id


def _page(request: "LlmRequest", rows: list[Json]) -> Answer:
    """One page of a list, the newest first."""
    after, limit = request.query.get("after"), int(request.query.get("limit") or 20)
    ids = [row["id"] for row in rows]
    start = ids.index(after) + 1 if after in ids else 0
    page = rows[start : start + limit]
    ends = {"first_id": page[0]["id"], "last_id": page[-1]["id"]} if page else {"first_id": None, "last_id": None}
    return as_json(200, {"object": "list", "data": page, "has_more": start + limit < len(rows), **ends})


def _new(account: LlmAccount, prefix: str) -> str:
    account.made += 1
    return prefix + _hashed(account.name, str(account.made))


def _hashed(*parts: str) -> str:
    return hashlib.blake2b(" ".join(parts).encode(), digest_size=12).hexdigest()


def _refused(status: int, message: str, param: str | None = None) -> Refused:
    from sandbox import llm

    return llm.refused(status, message, param=param)
