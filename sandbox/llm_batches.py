"""Files and batches of the stand-in for LLM providers, as the Batch API has them."""

from typing import Any

from sandbox.llm_account import LlmAccount


def respond(request: Any) -> Any: ...
def report(account: LlmAccount) -> Any:
    return []


def move(account: LlmAccount) -> Any: ...
