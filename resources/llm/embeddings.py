"""Embeddings by one provider: texts in, unit vectors out, each checked.

Belongs here: a request to ``/embeddings``, in which form this provider gives vectors, and what is wrong with one.
Does not belong here: which texts go together, or again (``embedder``), the connection and what failures mean (``endpoint``).
"""

import base64
import binascii
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import openai

from domain.provider import Provider
from resources.llm.base import Call, Json, KeyRefused, Overloaded, Reply, Unanswered
from resources.llm.endpoint import Endpoint, Unclear, count, request_id

#: What OpenAI takes in one request: inputs, and tokens of all of them.
MOST_INPUTS, MOST_TOKENS = 2_048, 300_000
_NUMBER_BYTES = 32
"""Bytes of a number in an answer at most: -1.2345678901234567e-05 and what stands around it."""
_LARGEST_SIZE = 65_536


@dataclass(frozen=True, slots=True)
class Inputs(Call):
    """A request for vectors: ``texts`` in the place of messages; no text may be empty."""

    texts: Sequence[str] = ()


def inputs(texts: Sequence[str], tokens: int) -> Inputs:
    """A request that counts so many tokens."""
    return Inputs((), None, 0, tokens, texts)


@dataclass(frozen=True, slots=True)
class Embedded(Reply):
    """The answer: for each text its vector (little-endian float32, of length 1), or what is wrong with it in words.
    ``sizes`` are the sizes of all vectors that came."""

    vectors: Sequence[bytes | str] = ()
    sizes: frozenset[int] = frozenset()


class EmbeddingClient(Endpoint):
    """A provider that embeds. It is asked for base64, which is a third of the bytes; one that refuses that, for whatever
    reason it gives, is asked for numbers (vLLM's 400, and gateways' 400 and 500, do not say why)."""

    _form: Literal["base64", "float"] = "base64"
    _is_proved = False

    def sized(self, call: Call) -> Call:
        """Nothing is thought before."""
        return call

    def holds(self, call: Call) -> bool:
        """Each text is within the model's context, and so the call always fits."""
        return True

    def ask(self, call: Inputs, is_over: Callable[[], bool] = lambda: False) -> Embedded:
        """One answer. Raises a ``Trouble``. ``is_over`` is asked while an answer comes in: True breaks it off."""
        if self.missing:
            raise KeyRefused(self.missing)
        form = self._form
        try:
            return self._asked(call, form, is_over)
        except (Unclear, Overloaded) as refused:
            trouble = refused.trouble if isinstance(refused, Unclear) else refused
            says_why = isinstance(refused, Unclear) and "base64" in f"{refused.param} {refused.said}"
            if form == "float" or (self._is_proved and not says_why):
                raise trouble from None
        try:
            return self._asked(call, "float", is_over)
        except Unclear as refused:
            raise refused.trouble from None

    def _asked(self, call: Inputs, form: Literal["base64", "float"], is_over: Callable[[], bool]) -> Embedded:
        made: Json = {"model": self.provider.deployment or self.provider.model, "input": list(call.texts)}
        if self.provider.dimensions is not None:
            made["dimensions"] = self.provider.dimensions
        reply = self._renewing(made | {"encoding_format": form}, is_over)
        assert isinstance(reply, Embedded)
        if not self._is_proved:
            self._form, self._is_proved = form, True
        return reply

    def _opened(self, sdk: openai.OpenAI, made: Json) -> AbstractContextManager[Any]:
        return sdk.embeddings.with_streaming_response.create(**made)

    def _read(self, read: bytes, headers: Mapping[str, str], made: Json) -> Reply:
        return read_embedded(self.provider, read, headers, len(made["input"]))

    def _largest(self, made: Json) -> int:
        size = self.provider.size or _LARGEST_SIZE
        return 1_000_000 + len(made["input"]) * (size * _NUMBER_BYTES + 1_000)


def read_embedded(by: Provider, read: bytes, headers: Mapping[str, str], asked: int) -> Embedded:
    """The answer to a request of so many texts. Raises ``Unanswered`` for what is none."""
    try:
        said = json.loads(read)
        usage = said.get("usage") or {}
        placed = _placed(said["data"], asked)
    except (ValueError, RecursionError, LookupError, TypeError, AttributeError):
        raise Unanswered(f"{by.name}'s answer is broken", headers=headers) from None
    found = [_vector(one, by.size) for one in placed]
    return Embedded(
        text="",
        refusal="",
        finish="stop",
        tokens_in=count(usage.get("prompt_tokens")),
        tokens_out=0,
        model=str(said.get("model") or ""),
        request_id=headers.get("x-request-id", "")[:100] or request_id(said),
        headers=headers,
        vectors=[vector for vector, _ in found] or ["its vector has no place of its own"] * asked,
        sizes=frozenset(size for _, size in found if size),
    )


def _placed(data: Sequence[Json], asked: int) -> list[Any]:
    """The vectors in the order of the texts; none where their numbers are not those of the texts: a vector in a wrong
    place would be another document's."""
    by_index = {one["index"]: one["embedding"] for one in data}
    if len(data) != asked or set(by_index) != set(range(asked)):
        return []
    return [by_index[at] for at in range(asked)]


def _vector(given: Any, size: int | None) -> tuple[bytes | str, int]:
    """A vector of length 1, or what is wrong with it; and how many numbers came."""
    try:
        plain = np.frombuffer(base64.b64decode(given, validate=True), "<f4") if isinstance(given, str) else given
        numbers = np.asarray(plain, np.float64)
    except (ValueError, TypeError, binascii.Error):
        return "its vector is broken", 0
    if numbers.ndim != 1 or not numbers.size:
        return "its vector is broken", 0
    if size is not None and numbers.size != size:
        return f"its vector has {numbers.size} numbers and not {size}", numbers.size
    length = float(np.linalg.norm(numbers))
    if not np.isfinite(length):
        return "its vector has numbers that are none", numbers.size
    if length == 0:
        return "its vector is zero", numbers.size
    return (numbers / length).astype("<f4").tobytes(), numbers.size
