"""A batch: requests that a provider answers within a day, at half the price.

Belongs here: the record of one, as a company keeps it. Does not belong here: sending and collecting it
(``resources/llm/batch``), or its documents, which wait in the queue.
"""

from dataclasses import dataclass
from typing import Literal

BatchState = Literal["open", "submitted", "ended"]


@dataclass(frozen=True, slots=True)
class Batch:
    """``id`` is ours, and the provider keeps it as metadata: a batch that was sent just before a crash is found by it.

    *open*: it is being put together, or sent; *submitted*: the provider has it as ``remote_id``; *ended*: its answers were
    taken in, or it came to nothing (``note`` says why). ``tokens`` and ``cost`` (US$; None without a known price) are
    what it can come to at most; what was paid stands in the ledger. Times are ISO 8601 UTC, "" for not yet.
    """

    id: str
    stage: str
    provider: str
    model: str
    made_by: str
    remote_id: str = ""
    state: BatchState = "open"
    requests: int = 0
    tokens: int = 0
    cost: float | None = None
    note: str = ""
    created_at: str = ""
    ended_at: str = ""
