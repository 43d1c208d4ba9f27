"""The hidden door of the stand-in for LLM providers: what makes an account fail, limits it, or tells what it was asked.

Belongs here: ``/llm/ACCOUNT/admin/...``, without a key. Does not belong here: what is moved (``llm_account``).

    GET  log       counters: requests, 429s, statuses, faults, calls, tokens_in, tokens_out, items
         requests  every request with its texts (messages or input, the answer), status, tokens, time
         batches   every batch, with its lines' states
    POST options {requests, tokens, minute_seconds, burst, reserve, models, context, json_schema, json_object, dies_after,
                  death, slow_ms, token_ms, batch_polls, batch_lines, batch_bytes}
         faults  {rate, kinds | rates, seed, limit, on, containing, retry_after, slow_ms, hang_seconds}   {} ends them
         batch   {do complete|expire|fail|cancel, id, done, failed}
         reset {}   reset_log {}
"""

from collections.abc import Callable
from typing import Any

import orjson

from sandbox import llm_batches
from sandbox.answers import Answer, as_json
from sandbox.llm_account import LlmAccount, Usage
from sandbox.llm_faults import LlmFaults
from sandbox.llm_model import Json


def administer(account: LlmAccount, method: str, action: str, body: bytes) -> Answer:
    """Answer one admin request: 404 for an unknown action, 400 with the reason for wrong input."""
    act = ACTIONS.get((method, action))
    if act is None:
        return as_json(404, {"error": f"no such action: {method} {action}"})
    try:
        return as_json(200, act(account, **(orjson.loads(body) if body else {})))
    except (TypeError, ValueError, KeyError) as wrong:
        return as_json(400, {"error": f"{type(wrong).__name__}: {wrong}"})


def _options(account: LlmAccount, **given: Any) -> Json:
    """Change some; the buckets are full again, and ``dies_after`` counts from now."""
    account.options = account.options.with_(given)
    account.served = 0
    account.limit()
    return {}


def _faults(account: LlmAccount, **given: Any) -> Json:
    account.faults = LlmFaults(**given)
    return {}


def _reset(account: LlmAccount) -> Json:
    account.reset()
    return {}


def _reset_log(account: LlmAccount) -> Json:
    account.usage = Usage()
    return {}


ACTIONS: dict[tuple[str, str], Callable[..., Any]] = {
    ("GET", "log"): lambda account: account.usage.report(),
    ("GET", "requests"): lambda account: account.usage.requests,
    ("GET", "batches"): llm_batches.report,
    ("POST", "options"): _options,
    ("POST", "faults"): _faults,
    ("POST", "batch"): llm_batches.move,
    ("POST", "reset"): _reset,
    ("POST", "reset_log"): _reset_log,
}
