"""Failures on purpose of the stand-in for LLM providers: which requests fail, and how.

Belongs here: the kinds there are, and drawing the next one, reproducibly. Does not belong here: doing it (``llm`` for
what comes instead of an answer, ``llm_model`` for what is wrong with one).
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

#: The connection: dropped unanswered, cut half way through the body, answered late, never answered.
Wire = Literal["reset", "cut", "slow", "timeout"]
#: Instead of an answer, and not billed. ``429`` is a limit without reason, ``slow_down`` an overload that is called 429,
#: ``html`` a proxy's page with status 200, ``filtered_prompt`` Azure's 400 for a prompt that its filter does not like.
Instead = Literal[
    "429", "slow_down", "insufficient_quota", "401", "403", "404", "400", "too_long", "filtered_prompt",
    "500", "502", "503", "html", "empty", "no_choices",
]  # fmt: skip
#: What is wrong with an answer that is billed. Form: ``refusal``, ``content_filter``, ``length`` (cut off), ``null`` (no
#: content), ``malformed`` JSON, JSON in ``prose`` or a code fence (``fenced``), a ``bare`` list. Which items: ``missing``
#: the last, ``swapped`` ids, a ``doubled`` one, an ``unknown`` one. What they say: the other ``language``, invented ``tags``,
#: an order number and an amount that nobody said (``ungrounded``), a ``link`` to elsewhere, the text of another item
#: (``leak``), nothing (``blank``).
Spoiled = Literal[
    "refusal", "content_filter", "length", "null", "malformed", "prose", "fenced", "bare",
    "missing", "swapped", "doubled", "unknown", "language", "tags", "ungrounded", "link", "leak", "blank",
]  # fmt: skip
#: What is wrong with vectors that are billed: ``nan`` in one, ``zero`` in one, ``resized`` all, ``misplaced`` (each says that
#: it is the first); ``shuffled`` ones say where they belong, and nothing is wrong.
Vectors = Literal["nan", "zero", "resized", "misplaced", "shuffled"]
LlmFault = Wire | Instead | Spoiled | Vectors
WIRE: tuple[LlmFault, ...] = get_args(Wire)
INSTEAD: tuple[LlmFault, ...] = get_args(Instead)
SPOILED: tuple[LlmFault, ...] = get_args(Spoiled)
VECTORS: tuple[LlmFault, ...] = get_args(Vectors)
KINDS: tuple[LlmFault, ...] = (*WIRE, *INSTEAD, *SPOILED, *VECTORS)


@dataclass(slots=True)
class LlmFaults:
    """A share of the requests fails; the same seed gives the same sequence.

    Either ``rate`` for all of ``kinds`` together, or ``rates`` for each by name. ``limit`` ends it after so many faults.
    ``on`` restricts it to families of addresses ("chat", "embeddings", "files", "batches", "models") or to the lines of
    batches ("line"), ``containing`` to requests with that text in them. ``retry_after`` is what a 429 or 503 says, in
    seconds, ``slow_ms`` how late ``slow`` is, ``hang_seconds`` when ``timeout`` gives up.
    """

    rate: float = 0.0
    kinds: Sequence[LlmFault] = ("429", "500", "503", "reset", "malformed", "missing")
    rates: Mapping[LlmFault, float] = field(default_factory=dict["LlmFault", float])
    seed: int = 1
    limit: int | None = None
    on: Sequence[str] | None = None
    containing: str = ""
    retry_after: float = 1.0
    slow_ms: float = 500
    hang_seconds: float = 600.0
    _random: random.Random = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.rate:
            if not self.kinds:
                raise ValueError("kinds must name some")
            self.rates = dict.fromkeys(self.kinds, self.rate / len(self.kinds))
        if unknown := sorted(set(self.rates) - set(KINDS)):
            raise ValueError(f"kinds must be some of {', '.join(KINDS)}, not {', '.join(unknown)}")
        if any(one < 0 for one in self.rates.values()) or sum(self.rates.values()) > 1 + 1e-9:
            raise ValueError("rates must be between 0 and 1, all together too")
        self._random = random.Random(self.seed)

    def draw(self, family: str, text: str) -> LlmFault | None:
        """The fault of the next request: of this family of addresses, with this text in it."""
        if not self.rates or self.limit == 0 or (self.on is not None and family not in self.on):
            return None
        if self.containing not in text:
            return None
        at = self._random.random()
        for kind, rate in self.rates.items():
            at -= rate
            if at < 0:
                if self.limit is not None:
                    self.limit -= 1
                return kind
        return None
