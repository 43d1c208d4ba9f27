"""Chats with one LLM provider: a call in, a reply or a named trouble out.

Belongs here: what a request looks like to this provider, which is learned from what it refuses, and what a reply says.
Does not belong here: the connection and what failures mean (``endpoint``), waiting, trying again, another provider
(``pool``), or how much it takes (``limits``).

Servers that speak OpenAI's protocol differ in what they know of it. Each refusal of a parameter (400) teaches a
``Dialect``; a refused request costs nothing, and is sent again at once in the new dialect.
"""

import json
import re
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any, Literal
from urllib.parse import urlsplit

import openai

from domain.provider import Provider
from resources.llm.base import Call, Json, KeyRefused, NotTaken, Reply, Unanswered
from resources.llm.endpoint import SILENCE, Endpoint, Unclear, count, request_id

Mode = Literal["json_schema", "json_object", "text"]
MODES: tuple[Mode, ...] = ("json_schema", "json_object", "text")
"""The ladder of structured outputs, the strictest first."""

#: Bytes of an answer; a summary is a few thousand.
LARGEST = 8_000_000
#: What a model that thinks first may take for it, beside the answer.
THOUGHT = 4_000
#: What it takes on average with little effort; measured by nobody here, so an estimate with it is never called exact.
THOUGHT_MEAN = 500

_OPENAI = re.compile(r"(^|\.)(openai\.com|azure\.com)$")
_THINKS = re.compile(r"(?:models/)?(?:ft:)?(?:o[1-9]|gpt-[5-9]|gemini-(?:2\.5|[3-9]))")
_PARAMETER = re.compile(r"reasoning|effort|temperature|max_(?:completion_)?tokens|response_?format|schema|grammar|json")


@dataclass(frozen=True, slots=True)
class Dialect:
    """What a provider takes. ``tokens`` is the name of the bound on the answer, "" for none."""

    mode: Mode
    tokens: Literal["max_completion_tokens", "max_tokens", ""]
    temperature: bool = True
    effort: bool = False


def first_dialect(provider: Provider, mode: Mode = "json_schema") -> Dialect:
    """What to try first. OpenAI's newer models refuse ``max_tokens``, other servers may not know its new name; models
    that think refuse a temperature, and think less when asked to."""
    is_openai = bool(_OPENAI.search((urlsplit(provider.url).hostname or "").lower()))
    is_own = thinks(provider) and not provider.model.lower().startswith(("gemini", "models/gemini"))
    return Dialect(mode, "max_completion_tokens" if is_openai or is_own else "max_tokens", not is_own, thinks(provider))


def thinks(provider: Provider) -> bool:
    """Whether the model thinks before it answers, which is paid for as answer."""
    return bool(_THINKS.match(provider.model.lower()))


def sized(provider: Provider, call: Call) -> Call:
    """The call with room for what a model thinks before it answers."""
    return replace(call, max_tokens=call.max_tokens + THOUGHT) if thinks(provider) else call


def body(provider: Provider, call: Call, dialect: Dialect) -> Json:
    """The request as JSON: what ``ask`` sends, and a line of a batch holds."""
    # Azure finds the deployment in the address that the SDK makes of the model's name.
    made: Json = {"model": provider.deployment or provider.model, "messages": list(call.messages)}
    if dialect.tokens:
        made[dialect.tokens] = call.max_tokens
    if dialect.temperature:
        made["temperature"] = 0
    if dialect.effort:
        made["reasoning_effort"] = "low"
    if call.schema is not None and dialect.mode == "json_schema":
        named = {"name": "answer", "strict": True, "schema": call.schema}
        made["response_format"] = {"type": "json_schema", "json_schema": named}
    elif call.schema is not None and dialect.mode == "json_object":
        made["response_format"] = {"type": "json_object"}
    return made


class Client(Endpoint):
    """A provider that answers chats."""

    def __init__(
        self,
        provider: Provider,
        key: Callable[[], str],
        *,
        renew: Callable[[], str] | None = None,
        mode: Mode = "json_schema",
        timeout: float = SILENCE,
    ) -> None:
        super().__init__(provider, key, renew=renew, timeout=timeout)
        self._dialect = first_dialect(provider, mode)

    def sized(self, call: Call) -> Call:
        """The call as this model needs it."""
        return sized(self.provider, call)

    def holds(self, call: Call) -> bool:
        """Whether the call fits into the model's context."""
        whole = self.sized(call)
        return whole.tokens_in + whole.max_tokens <= self.provider.context

    @property
    def mode(self) -> Mode:
        """The rung of the ladder that this provider takes."""
        return self._dialect.mode

    @property
    def dialect(self) -> Dialect:
        """What is known of the provider by now."""
        return self._dialect

    def ask(self, call: Call, is_over: Callable[[], bool] = lambda: False) -> Reply:
        """One answer. Raises a ``Trouble``. ``is_over`` is asked while an answer comes in: True breaks it off."""
        if self.missing:
            raise KeyRefused(self.missing)
        spoken, is_told = self._dialect, True
        for _ in range(8):  # each turn takes something away, and there is no more than that
            try:
                reply = self._renewing(body(self.provider, call, spoken), is_over)
            except Unclear as refused:
                simpler = _simpler(spoken, refused, has_schema=call.schema is not None)
                if simpler is None:
                    raise refused.trouble from None
                # A refusal that does not say why may have been of another kind: only this call is asked more simply.
                is_told = is_told and _says_why(refused)
                spoken = simpler
            else:
                if is_told:
                    self._learned(spoken)
                return reply
        raise NotTaken(f"{self.provider.name} takes no form of the request")

    def _learned(self, spoken: Dialect) -> None:
        with self._lock:
            self._dialect = spoken

    def _opened(self, sdk: openai.OpenAI, made: Json) -> AbstractContextManager[Any]:
        return sdk.chat.completions.with_streaming_response.create(**made)

    def _read(self, read: bytes, headers: Mapping[str, str], made: Json) -> Reply:
        return _reply(self.provider.name, read, headers)

    def _largest(self, made: Json) -> int:
        return LARGEST


def _says_why(refused: Unclear) -> bool:
    return bool(_PARAMETER.search(f"{refused.param} {refused.said}"))


def _simpler(dialect: Dialect, refused: Unclear, *, has_schema: bool) -> Dialect | None:
    """The dialect without what was refused; None when there is nothing left to take away."""
    about = f"{refused.param} {refused.said}"
    if dialect.effort and re.search(r"reasoning|effort", about):
        return replace(dialect, effort=False)
    if dialect.temperature and "temperature" in about:
        return replace(dialect, temperature=False)
    if dialect.tokens and re.search(r"max_(?:completion_)?tokens", about):
        return _other_bound(dialect, about)
    below = MODES[MODES.index(dialect.mode) + 1 :]
    if has_schema and below:
        # Also where nothing says what is wrong: a server that knows no schemas may just say "bad request".
        return replace(dialect, mode=below[0])
    return None


def _other_bound(dialect: Dialect, about: str) -> Dialect:
    """The bound on the answer under its other name, or, where both are refused, none."""
    if dialect.tokens == "max_tokens" and "max_completion_tokens" in about:
        return replace(dialect, tokens="max_completion_tokens")
    if dialect.tokens == "max_completion_tokens" and not re.search(r"\bmax_tokens", about):
        return replace(dialect, tokens="max_tokens")
    return replace(dialect, tokens="")


def _reply(name: str, read: bytes, headers: Mapping[str, str]) -> Reply:
    try:
        said = json.loads(read)
    except (ValueError, RecursionError):
        raise Unanswered(f"{name}'s answer is broken", headers=headers) from None
    return read_reply(name, said, headers)


def read_reply(name: str, said: Any, headers: Mapping[str, str] | None = None) -> Reply:
    """A chat completion's JSON. Raises ``Unanswered`` for what is none."""
    try:
        choice = said["choices"][0]
        message = choice["message"]
        usage = said.get("usage") or {}
        return Reply(
            text=_text(message.get("content")),
            refusal=_text(message.get("refusal")),
            finish=str(choice.get("finish_reason") or "stop"),
            tokens_in=count(usage.get("prompt_tokens")),
            tokens_out=count(usage.get("completion_tokens")),
            model=str(said.get("model") or ""),
            request_id=request_id(said),
            headers=headers or {},
        )
    except (LookupError, TypeError, AttributeError):
        raise Unanswered(f"{name}'s answer is broken", headers=headers) from None


def _text(content: Any) -> str:
    """A message's content; some servers give a list of parts."""
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return content if isinstance(content, str) else ""
