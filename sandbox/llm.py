"""An OpenAI-compatible server: chat completions, embeddings, models, files and batches, as OpenAI and Azure answer.

Belongs here: addresses, headers, refusals. Does not belong here: what the model says (``llm_model``), files and batches
(``llm_batches``), how an account is limited (``llm_account``).

Below ``/llm/ACCOUNT``: ``/v1/...`` with the key as bearer; Azure's ``/openai/v1/...`` with it as bearer or ``api-key``, and
``/openai/deployments/MODEL/...?api-version=...`` with ``api-key`` or an Entra token. ``/admin/...`` moves the account.
"""

import asyncio
import base64
import hashlib
import json
import math
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

import numpy as np
import orjson
from jsonschema import Draft202012Validator

from sandbox import llm_model
from sandbox.answers import HTML, Answer, Receive, Refused, Scope, Send, as_json, deliver, read_body
from sandbox.llm_account import LlmAccount
from sandbox.llm_faults import SPOILED, VECTORS, LlmFault
from sandbox.llm_model import Json
from sandbox.spoil import hang

_REASONING = ("gpt-5", "o1", "o3", "o4")
_DIMENSIONS = {"text-embedding-3-small": 1536, "text-embedding-3-large": 3072, "text-embedding-ada-002": 1536}
_MOST_INPUTS, _MOST_TOKENS = 2048, 300_000


@dataclass(slots=True)
class LlmRequest:
    """A request as the routes see it. ``path`` is below the API's root, ``deployment`` what Azure's address names."""

    account: LlmAccount
    method: str
    path: str
    deployment: str
    azure: bool
    query: dict[str, str]
    headers: dict[bytes, bytes]
    body: bytes
    request_id: str
    record: dict[str, Any]

    def json(self) -> Json:
        try:
            value = orjson.loads(self.body)
        except orjson.JSONDecodeError:
            value = None
        if not isinstance(value, dict):
            raise refused(400, "We could not parse the JSON body of your request.")
        return value


class Llm:
    """ASGI application, mounted at ``/llm/{account}``."""

    def __init__(self, accounts: dict[str, LlmAccount]) -> None:
        self.accounts = accounts
        self.asked = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        from sandbox.llm_admin import administer

        name = scope["path_params"]["account"]
        account = self.accounts.get(name)
        if account is None:
            await deliver(scope, send, as_json(404, {"error": {"message": f"no LLM account {name!r}"}}))
            return
        path = scope["path"].split(f"/llm/{name}", 1)[1]
        body = await read_body(receive)
        if path.startswith("/admin/"):
            await deliver(scope, send, administer(account, scope["method"], path.removeprefix("/admin/"), body))
            return
        self.asked += 1
        request = _request(account, scope, path, body, self.asked)
        answer, fault = await self._answer(request, receive)
        ended: LlmFault | int = fault if fault in ("reset", "cut", "timeout") else answer.status
        request.record["status"] = ended
        account.usage.add(f"{request.method} {_route(request.path)}", ended)
        answer.headers += [(b"x-request-id", request.request_id.encode()), *_rate_headers(account)]
        await deliver(scope, send, answer, fault if fault in ("reset", "cut", "timeout") else None)

    async def _answer(self, request: LlmRequest, receive: Receive) -> tuple[Answer, LlmFault | None]:
        account = request.account
        account.served += 1
        if account.is_dead:
            fault: LlmFault | None = account.options.death
        else:
            fault = account.faults.draw(request.path.split("/")[0], request.body.decode("utf-8", "replace"))
        if fault:
            account.usage.faults[fault] += 1
            request.record["fault"] = fault
        if fault == "timeout":
            await hang(receive, account.faults.hang_seconds)
        if fault in ("timeout", "reset"):
            return Answer(500), fault
        if early := _instead(request, fault):
            return early, fault
        try:
            _authenticate(request)
            answer = _respond(request, fault if fault in (*SPOILED, *VECTORS) else None)
        except Refused as refusal:
            answer = refusal.answer
        wait = account.options.slow_ms + account.options.token_ms * request.record.get("tokens_out", 0)
        wait += account.faults.slow_ms if fault == "slow" else 0
        if wait:
            await asyncio.sleep(wait / 1000)
        return answer, fault


def error(
    status: int, message: str, kind: str = "invalid_request_error", code: str | None = None, param: str | None = None
) -> Answer:
    """OpenAI's refusal."""
    return as_json(status, {"error": {"message": message, "type": kind, "param": param, "code": code}})


def refused(
    status: int, message: str, kind: str = "invalid_request_error", code: str | None = None, param: str | None = None
) -> Refused:
    return Refused(error(status, message, kind, code, param))


def _respond(request: LlmRequest, fault: LlmFault | None) -> Answer:
    from sandbox import llm_batches

    match request.method, request.path.split("/"):
        case "POST", ["chat", "completions"]:
            body = request.json()
            model = known_model(request.account, request.deployment or body.get("model"))
            tokens = chat_cost(request.account, body, model)
            reserved = request.account.options.reserve
            spoiled = fault if fault in SPOILED else None
            _limit(request, tokens + (_most(body) or 0 if reserved else 0), model)
            said = chat(request.account, body, model, request.request_id, request.record, spoiled, azure=request.azure)
            if not reserved and "tokens" in request.account.buckets:
                request.account.buckets["tokens"].take(said["usage"]["completion_tokens"])
            return as_json(200, said)
        case "POST", ["embeddings"]:
            return _embeddings(request, fault)
        case "GET", ["models"]:
            listed = [_model(name) for name in request.account.options.models]
            return as_json(200, {"object": "list", "data": listed})
        case "GET", ["models", name]:
            return as_json(200, _model(known_model(request.account, name)))
        case _, [("files" | "batches"), *_]:
            return llm_batches.respond(request)
        case _:
            raise refused(404, f"Invalid URL ({request.method} /v1/{request.path})")


def _model(name: str) -> Json:
    return {"id": name, "object": "model", "created": 1_700_000_000, "owned_by": "sandbox"}


# --- chat -----------------------------------------------------------------------------------------------------------


def chat_cost(account: LlmAccount, body: Json, model: str) -> int:
    """The prompt's tokens. Raises ``Refused`` for a request that the API would not take."""
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise refused(400, "Invalid 'messages': empty array.", param="messages", code="empty_array")
    for message in messages:
        if not isinstance(message, dict) or message.get("role") not in (
            "system",
            "developer",
            "user",
            "assistant",
            "tool",
        ):
            raise refused(400, "Invalid value in 'messages'.", param="messages", code="invalid_value")
    if body.get("stream") or body.get("n", 1) != 1:
        raise refused(400, "Unsupported: streaming, and n above 1.", param="stream", code="unsupported_value")
    if model.startswith(_REASONING):
        if "max_tokens" in body:
            said = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens'."
            raise refused(400, said, param="max_tokens", code="unsupported_parameter")
        if body.get("temperature", 1) != 1:
            said = (
                "Unsupported value: 'temperature' does not support this value with this model. Only the default (1) is."
            )
            raise refused(400, said, param="temperature", code="unsupported_value")
    elif "reasoning_effort" in body:
        said = "Unrecognized request argument supplied: reasoning_effort"
        raise refused(400, said, param="reasoning_effort")
    _check_format(account, body)
    tokens = llm_model.prompt_tokens(messages)
    asked = _most(body) or 0
    if tokens + asked > account.options.context:
        said = (
            f"This model's maximum context length is {account.options.context} tokens. However, you requested "
            f"{tokens + asked} tokens ({tokens} in the messages, {asked} in the completion)."
        )
        raise refused(400, said, param="messages", code="context_length_exceeded")
    return tokens


def chat(
    account: LlmAccount,
    body: Json,
    model: str,
    request_id: str,
    record: dict[str, Any],
    fault: LlmFault | None = None,
    *,
    azure: bool = False,
) -> Json:
    """The completion, and what it costs, in the account's counters."""
    messages = body["messages"]
    wanted = (body.get("response_format") or {}).get("type", "text")
    ignored = wanted != "text" and getattr(account.options, wanted) == "ignored"
    schema = None if ignored else _schema(body)
    fits = Draft202012Validator(schema).is_valid if schema else lambda _: True
    said = llm_model.answer(messages, most=_most(body), fits=fits, fault=fault, fenced=ignored)
    if said.finish == "stop" and not fault and said.text and schema and not fits(orjson.loads(said.text)):
        raise refused(500, "The sandbox's model has no answer of that schema.", "server_error")
    tokens = llm_model.prompt_tokens(messages)
    record |= {"model": model, "messages": messages, "text": said.text}
    account.usage.billed(record, tokens, said.tokens, said.items)
    choice: Json = {
        "index": 0,
        "message": {"role": "assistant", "content": said.text, "refusal": said.refusal, "annotations": []},
        "logprobs": None,
        "finish_reason": said.finish,
    }
    if azure:
        choice["content_filter_results"] = {
            "violence": {"filtered": said.finish == "content_filter", "severity": "safe"}
        }
    return {
        "id": f"chatcmpl-{request_id.removeprefix('req_')}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": model,
        "choices": [choice],
        "usage": {
            "prompt_tokens": tokens,
            "completion_tokens": said.tokens,
            "total_tokens": tokens + said.tokens,
            "prompt_tokens_details": {"cached_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0},
        },
        "service_tier": "default",
        "system_fingerprint": "fp_sandbox",
    }


def _most(body: Json) -> int | None:
    return body.get("max_completion_tokens") or body.get("max_tokens")


def _schema(body: Json) -> Json | None:
    given = body.get("response_format") or {}
    return given["json_schema"]["schema"] if given.get("type") == "json_schema" else None


def _check_format(account: LlmAccount, body: Json) -> None:
    given = body.get("response_format") or {"type": "text"}
    wanted = given.get("type")
    if wanted not in ("text", "json_object", "json_schema"):
        raise refused(400, f"Invalid value: '{wanted}'.", param="response_format.type", code="invalid_value")
    if wanted == "text":
        return
    match getattr(account.options, wanted):
        case "400":
            said = f"Invalid parameter: 'response_format' of type '{wanted}' is not supported with this model."
            raise refused(400, said, param="response_format")
        case "500":
            raise refused(500, "Failed to parse grammar", "server_error")
        case _:
            pass
    if wanted == "json_object" and "json" not in "".join(map(llm_model.content, body["messages"])).lower():
        said = "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'."
        raise refused(400, said, param="messages")
    if wanted == "json_schema":
        form = given.get("json_schema")
        if not isinstance(form, dict) or not form.get("name") or not isinstance(form.get("schema"), dict):
            raise refused(400, "Missing required parameter.", param="response_format.json_schema")
        if form.get("strict") and (wrong := unstrict(form["schema"])):
            said = f"Invalid schema for response_format '{form['name']}': {wrong}"
            raise refused(400, said, param="response_format")


def unstrict(schema: Json, where: str = "()") -> str | None:
    """What keeps a schema from being one for strict mode: every object is closed, and all its properties are required."""
    kinds = schema.get("type")
    if "object" in (kinds if isinstance(kinds, list) else [kinds]):
        if schema.get("additionalProperties") is not False:
            return f"In context={where}, 'additionalProperties' is required to be supplied and to be false."
        if set(schema.get("required", ())) != set(schema.get("properties", {})):
            return f"In context={where}, 'required' is required to be supplied and to be an array including every key."
    inner = {**schema.get("properties", {}), **schema.get("$defs", {})}
    inner |= {"items": schema["items"]} if isinstance(schema.get("items"), dict) else {}
    inner |= {f"anyOf {at}": one for at, one in enumerate(schema.get("anyOf", ()))}
    return next((wrong for name, one in inner.items() if (wrong := unstrict(one, f"('{name}',)"))), None)


# --- embeddings -----------------------------------------------------------------------------------------------------


def _embeddings(request: LlmRequest, fault: LlmFault | None) -> Answer:
    body = request.json()
    model = known_model(request.account, request.deployment or body.get("model"))
    if model not in _DIMENSIONS:
        raise refused(403, f"You are not allowed to generate embeddings from this model: {model}")
    most = _DIMENSIONS[model]
    size = body.get("dimensions") or most
    if not isinstance(size, int) or not 0 < size <= most:
        raise refused(400, f"Invalid value for 'dimensions' = {size}. Must be at most {most}.", param="dimensions")
    as_text = _as_text(request.account, body.get("encoding_format", "float"))
    inputs = _inputs(body.get("input"), request.account.options.text_tokens)
    tokens = sum(map(len, inputs))
    _limit(request, tokens, model)
    vectors = [embed(one, size // 2 if fault == "resized" else size) for one in inputs]
    if fault in ("nan", "zero"):
        vectors[-1] = vectors[-1] * np.float32("nan" if fault == "nan" else 0)
    data = [
        {"object": "embedding", "index": 0 if fault == "misplaced" else at, "embedding": _encoded(one, as_text=as_text)}
        for at, one in enumerate(vectors)
    ]
    request.record |= {"model": model, "input": body["input"]}
    request.account.usage.billed(request.record, tokens, 0)
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    if fault == "shuffled":
        data.reverse()
    # As servers in Python write it: a number that is none is "NaN", which is no JSON.
    whole = json.dumps({"object": "list", "data": data, "model": model, "usage": usage})
    return Answer(200, whole.encode(), content_type=b"application/json")


def _as_text(account: LlmAccount, form: Any) -> bool:
    if form not in ("float", "base64"):
        said = f"Invalid value for 'encoding_format' = {form}. Supported values: ['float', 'base64']."
        raise refused(400, said, param="encoding_format")
    match form, account.options.base64:
        case "base64", "400":
            raise refused(400, "Bad request.")
        case "base64", "500":
            raise refused(500, "An error occurred while reading the response body", "server_error")
        case _, knows:
            return form == "base64" and knows != "ignored"


def _inputs(given: Any, most_tokens: int) -> list[list[int]]:
    """The inputs as tokens. Raises ``Refused`` for more than the API takes."""
    if isinstance(given, str) or (isinstance(given, list) and given and all(isinstance(one, int) for one in given)):
        given = [given]
    if not isinstance(given, list) or not given or any(not one for one in given):
        raise refused(400, "'$.input' is invalid. Please check the API reference.", param="input")
    if len(given) > _MOST_INPUTS:
        raise refused(400, f"'$.input' is invalid: at most {_MOST_INPUTS} items.", param="input")
    inputs = [llm_model.encode_to_embed(one) if isinstance(one, str) else one for one in given]
    for at, one in enumerate(inputs):
        if len(one) > most_tokens:
            said = f"Invalid 'input[{at}]': maximum context length is {most_tokens} tokens."
            raise refused(400, said, param="input", code="context_length_exceeded")
    if sum(map(len, inputs)) > _MOST_TOKENS:
        said = f"Requested {sum(map(len, inputs))} tokens, max {_MOST_TOKENS} tokens per request"
        raise refused(400, said, "max_tokens_per_request", "max_tokens_per_request")
    return inputs


def embed(tokens: Sequence[int], size: int) -> "np.ndarray[Any, np.dtype[np.float32]]":
    """A unit vector of float32: each token adds to eight places that its hash names, so that like texts are near."""
    vector = np.zeros(size, np.float32)
    for token in tokens:
        places = np.frombuffer(hashlib.blake2b(b"%d" % token, digest_size=32).digest(), np.uint32)
        np.add.at(vector, places % size, np.where(places >> 31, 1.0, -1.0).astype(np.float32))
    length = float(np.linalg.norm(vector))
    if length == 0:
        vector[0] = length = 1.0
    return vector / np.float32(length)


def _encoded(vector: "np.ndarray[Any, np.dtype[np.float32]]", *, as_text: bool) -> Any:
    return base64.b64encode(vector.astype("<f4").tobytes()).decode() if as_text else vector.tolist()


# --- keys and limits ------------------------------------------------------------------------------------------------


def _authenticate(request: LlmRequest) -> None:
    account, headers = request.account, request.headers
    bearer = headers.get(b"authorization", b"").decode("latin-1").removeprefix("Bearer ").strip()
    key = headers.get(b"api-key", b"").decode("latin-1")
    if request.deployment and not request.query.get("api-version"):
        raise Refused(as_json(404, {"error": {"code": "404", "message": "Resource not found"}}))
    if request.azure and (key == account.key or bearer == account.token):
        return
    if request.deployment or bearer != account.key:
        raise Refused(_unauthorized(request))


def _unauthorized(request: LlmRequest) -> Answer:
    if request.azure:
        said = "Access denied due to invalid subscription key or wrong API endpoint."
        return as_json(401, {"error": {"code": "401", "message": said}})
    return error(401, "Incorrect API key provided: ****.", code="invalid_api_key")


def known_model(account: LlmAccount, name: Any) -> str:
    if not isinstance(name, str) or not name:
        raise refused(400, "you must provide a model parameter")
    if name not in account.options.models:
        said = f"The model `{name}` does not exist or you do not have access to it."
        raise refused(404, said, code="model_not_found")
    return name


def _limit(request: LlmRequest, tokens: int, model: str) -> None:
    """Take what the request costs. Raises ``Refused`` (429) where the limit does not allow it."""
    account = request.account
    short = account.take(tokens)
    if short is None:
        return
    name, wait = short
    limit = account.buckets[name].limit
    unit = "RPM" if name == "requests" else "TPM"
    if math.isinf(wait):
        said = f"Request too large for {model} on {name} per min ({unit}): Limit {limit}, Requested {tokens}."
        raise refused(429, said, name, "rate_limit_exceeded")
    said = f"Rate limit reached for {model} on {name} per min ({unit}): Limit {limit}. Please try again in {_duration(wait)}."
    raise Refused(_too_many(said, wait, name, azure=request.azure))


def _too_many(said: str, wait: float, kind: str, *, azure: bool) -> Answer:
    code = "429" if azure else "rate_limit_exceeded"
    answer = error(429, said, kind, code)
    answer.headers += [
        (b"retry-after", b"%d" % max(1, math.ceil(wait))),
        (b"retry-after-ms", b"%d" % math.ceil(wait * 1000)),
    ]
    return answer


def _rate_headers(account: LlmAccount) -> list[tuple[bytes, bytes]]:
    headers: list[tuple[bytes, bytes]] = []
    for name, bucket in account.buckets.items():
        bucket.wait(0)
        left, full = str(max(0, int(bucket.level))), _duration(bucket.full_in)
        said = (("limit", str(bucket.limit)), ("remaining", left), ("reset", full))
        headers += [(f"x-ratelimit-{what}-{name}".encode(), value.encode()) for what, value in said]
    return headers


def _duration(seconds: float) -> str:
    """As OpenAI writes it: 120ms, 8.64s, 6m0s."""
    if seconds < 1:
        return f"{math.ceil(seconds * 1000)}ms"
    if seconds < 60:
        return f"{seconds:.3f}".rstrip("0").rstrip(".") + "s"
    return f"{int(seconds // 60)}m{math.ceil(seconds % 60)}s"


# --- requests and failures ------------------------------------------------------------------------------------------


def _instead(request: LlmRequest, fault: LlmFault | None) -> Answer | None:  # noqa: C901 - a table
    """The answer that comes in place of the right one."""
    wait = request.account.faults.retry_after
    match fault:
        case "429":
            return _too_many("Rate limit reached. Please try again later.", wait, "requests", azure=request.azure)
        case "slow_down":
            return error(429, "The engine is currently overloaded, please try again later", "server_error", "slow_down")
        case "insufficient_quota":
            said = "You exceeded your current quota, please check your plan and billing details."
            return error(429, said, "insufficient_quota", "insufficient_quota")
        case "401":
            return _unauthorized(request)
        case "403":
            said = "Country, region, or territory not supported"
            return error(403, said, "request_forbidden", "unsupported_country_region_territory")
        case "404":
            return error(404, "The model does not exist or you do not have access to it.", code="model_not_found")
        case "400":
            return error(400, "Invalid request.", code="invalid_value")
        case "too_long":
            said = "This model's maximum context length is exceeded. Please reduce the length of the messages."
            return error(400, said, code="context_length_exceeded", param="messages")
        case "filtered_prompt":
            said = "The response was filtered due to the prompt triggering Azure OpenAI's content management policy."
            return error(400, said, code="content_filter", param="prompt")
        case "500":
            return error(500, "The server had an error while processing your request.", "server_error")
        case "502":
            return Answer(502, b"<html><h1>502 Bad Gateway</h1></html>", content_type=HTML)
        case "503":
            answer = error(503, "The server is currently overloaded.", "server_error", "server_is_overloaded")
            answer.headers.append((b"retry-after", b"%d" % max(1, math.ceil(wait))))
            return answer
        case "html":
            return Answer(
                200, b"<!DOCTYPE html><html><body>We will be back in a moment.</body></html>", content_type=HTML
            )
        case "empty":
            return Answer(200)
        case "no_choices":
            return as_json(
                200, {"id": "chatcmpl-0", "object": "chat.completion", "created": 0, "model": "", "choices": []}
            )
        case _:
            return None


def _request(account: LlmAccount, scope: Scope, path: str, body: bytes, number: int) -> LlmRequest:
    request_id = f"req_{hashlib.blake2b(f'{account.name} {number}'.encode(), digest_size=12).hexdigest()}"
    azure = path.startswith("/openai/")
    path = path.removeprefix("/openai").removeprefix("/v1").strip("/")
    deployment = ""
    if azure and path.startswith("deployments/"):
        _, deployment, path = [*path.split("/", 2), "", ""][:3]
    record: dict[str, Any] = {"request_id": request_id, "at": time.time(), "path": path}
    account.usage.requests.append(record)
    query = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
    return LlmRequest(
        account, scope["method"], path, deployment, azure, query, dict(scope["headers"]), body, request_id, record
    )


def _route(path: str) -> str:
    """The address without ids, for the counters."""
    return re.sub(r"^(files|batches|models)/[^/]+", r"\1/ID", path)
