"""One account of the stand-in for LLM providers: its key, its limits, how it fails, what it was asked.

Belongs here: what ``llm`` and ``llm_batches`` share, and the buckets of requests and tokens.
Does not belong here: addresses and answers (``llm``), what the model says (``llm_model``), files (``llm_batches``).
"""

import math
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, get_args

from sandbox.llm_faults import LlmFaults

MODELS = (
    "gpt-4.1", "gpt-4.1-mini", "gpt-4.1-nano", "gpt-4o", "gpt-4o-mini", "gpt-5", "gpt-5-mini", "gpt-5-nano",
    "text-embedding-3-small", "text-embedding-3-large",
)  # fmt: skip

#: What becomes of a ``response_format`` that a server does not know: obeyed, refused as by a server that validates,
#: refused as by llama.cpp when it cannot make a grammar of it, or read over.
Knows = Literal["yes", "400", "500", "ignored"]
#: How an account ends, when it does: no money, a key that is taken back, or a machine that is down.
Death = Literal["insufficient_quota", "401", "503", "reset"]


@dataclass(slots=True)
class Options:
    """How an account behaves when nothing fails. Limits are a minute's, None: none, and no headers about them.

    ``minute_seconds`` is how long a minute lasts here. ``burst`` is the share of a minute's allowance that can be used at
    once. A request costs the tokens of prompt and answer; with ``reserve`` those of the prompt and of ``max_tokens``.
    ``json_schema`` and ``json_object`` say whether the server knows these response formats, ``base64`` whether it gives
    vectors so. ``text_tokens`` is what an embedding model reads of a text. ``dies_after`` so many
    requests the account ends, by ``death``. ``slow_ms`` is the time of an answer, ``token_ms`` what each token of the
    answer adds. A batch is done after being asked for ``batch_polls`` times; None: when ``admin/batch`` says so.
    """

    requests: int | None = None
    tokens: int | None = None
    minute_seconds: float = 60.0
    burst: float = 1.0
    reserve: bool = False
    models: tuple[str, ...] = MODELS
    context: int = 128_000
    json_schema: Knows = "yes"
    json_object: Knows = "yes"
    base64: Knows = "yes"
    text_tokens: int = 8192
    dies_after: int | None = None
    death: Death = "insufficient_quota"
    slow_ms: float = 0
    token_ms: float = 0
    batch_polls: int | None = 2
    batch_lines: int = 50_000
    batch_bytes: int = 200_000_000

    def __post_init__(self) -> None:
        self.models = tuple(self.models)
        for name, known in (("json_schema", Knows), ("json_object", Knows), ("base64", Knows), ("death", Death)):
            if getattr(self, name) not in get_args(known):
                raise ValueError(f"{name} must be one of {', '.join(get_args(known))}")
        if self.minute_seconds <= 0 or not 0 < self.burst <= 1:
            raise ValueError("minute_seconds must be above 0, and burst above 0 and at most 1")

    def with_(self, given: Mapping[str, Any]) -> "Options":
        """The same with some changed. Raises ``TypeError`` for one that there is not."""
        return Options(**{one.name: getattr(self, one.name) for one in fields(self)} | dict(given))


@dataclass(slots=True)
class Bucket:
    """A token bucket: it fills evenly, ``limit`` in a minute, up to ``burst`` of that."""

    limit: int
    minute: float = 60.0
    burst: float = 1.0
    level: float = field(init=False)
    at: float = field(init=False)

    def __post_init__(self) -> None:
        self.level, self.at = self.most, time.monotonic()

    @property
    def most(self) -> float:
        return max(1.0, self.limit * self.burst)

    def wait(self, amount: float) -> float:
        """Seconds until so much is there; 0 when it is, infinity when it never can be."""
        if amount > self.most:
            return math.inf
        now = time.monotonic()
        self.level = min(self.most, self.level + (now - self.at) * self.limit / self.minute)
        self.at = now
        return max(0.0, (amount - self.level) * self.minute / self.limit)

    def take(self, amount: float) -> None:
        self.level -= amount

    @property
    def full_in(self) -> float:
        """Seconds until it is full, if nobody takes anything."""
        return max(0.0, (self.most - self.level) * self.minute / self.limit)


@dataclass(slots=True)
class Usage:
    """What was asked and answered: counters, and every request with its texts, for tests that prove what was not sent."""

    answers: Counter[str] = field(default_factory=Counter[str])
    faults: Counter[str] = field(default_factory=Counter[str])
    counts: Counter[str] = field(default_factory=Counter[str])
    requests: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    def add(self, path: str, status: int | str) -> None:
        self.answers[f"{path} {status}"] += 1

    def billed(self, record: dict[str, Any], tokens_in: int, tokens_out: int, items: int = 0) -> None:
        """An answer that has to be paid for."""
        self.counts.update(calls=1, tokens_in=tokens_in, tokens_out=tokens_out, items=items)
        record |= {"tokens_in": tokens_in, "tokens_out": tokens_out, "items": items}

    def report(self) -> dict[str, Any]:
        statuses: Counter[str] = Counter()
        for asked, count in self.answers.items():
            statuses[asked.rsplit(" ", 1)[1]] += count
        usual = dict.fromkeys(("calls", "tokens_in", "tokens_out", "items"), 0)
        return {
            "requests": statuses.total(),
            "429s": statuses["429"],
            "statuses": statuses,
            "answers": self.answers,
            "faults": self.faults,
            **usual,
            **self.counts,
        }


@dataclass(slots=True)
class LlmAccount:
    """A key, and how the server treats who comes with it."""

    name: str
    options: Options = field(default_factory=Options)
    faults: LlmFaults = field(default_factory=LlmFaults)
    usage: Usage = field(default_factory=Usage)
    #: The Batch API's files and batches (``llm_batches``).
    files: dict[str, Any] = field(default_factory=dict[str, Any])
    batches: dict[str, Any] = field(default_factory=dict[str, Any])
    buckets: dict[str, Bucket] = field(default_factory=dict[str, Bucket])
    #: Requests since its options were set, and files and batches that it ever had.
    served: int = 0
    made: int = 0

    def __post_init__(self) -> None:
        self.limit()

    @property
    def key(self) -> str:
        """The API key; an Entra token is the same word with "-token"."""
        return f"{self.name}-key"

    @property
    def token(self) -> str:
        return f"{self.name}-token"

    @property
    def is_dead(self) -> bool:
        return self.options.dies_after is not None and self.served > self.options.dies_after

    def limit(self) -> None:
        """Begin with full buckets, of the limits as they are now."""
        options = self.options
        limits = {"requests": options.requests, "tokens": options.tokens}
        self.buckets = {
            name: Bucket(most, options.minute_seconds, options.burst)
            for name, most in limits.items()
            if most is not None
        }

    def take(self, tokens: int) -> tuple[str, float] | None:
        """Let one request through; or the bucket that does not allow it, and the seconds to wait: nothing is taken then."""
        cost = {"requests": 1, "tokens": tokens}
        waits = {name: bucket.wait(cost[name]) for name, bucket in self.buckets.items()}
        if (name := max(waits, key=waits.__getitem__, default=None)) and waits[name] > 0:
            return name, waits[name]
        for name, bucket in self.buckets.items():
            bucket.take(cost[name])
        return None

    def reset(self) -> None:
        """Begin again: no faults, no files, full buckets, usual options."""
        self.__init__(self.name)
