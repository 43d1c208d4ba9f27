"""One LLM provider over HTTP, with the ``openai`` SDK: a call in, a reply or a named trouble out.

Belongs here: what a request looks like to this provider, which is learned from what it refuses, and what its failures
mean. Does not belong here: waiting, trying again, another provider (``pool``), or how much it takes (``limits``).

Servers that speak OpenAI's protocol differ in what they know of it. Each refusal of a parameter (400) teaches a
``Dialect``; a refused request costs nothing, and is sent again at once in the new dialect.
"""

import json
import re
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Literal, cast
from urllib.parse import urlsplit

import httpx2
import openai

from domain.errors import InputError
from domain.fingerprint import clean
from domain.provider import Provider
from resources.llm.base import (
    BadModel,
    Call,
    Filtered,
    Json,
    KeyRefused,
    Limited,
    MoneyGone,
    NotTaken,
    Overloaded,
    Reply,
    TooLong,
    Trouble,
    Unanswered,
    Unreachable,
)

Mode = Literal["json_schema", "json_object", "text"]
MODES: tuple[Mode, ...] = ("json_schema", "json_object", "text")
"""The ladder of structured outputs, the strictest first."""

#: Seconds for a connection, between two parts of an answer, and for a whole call.
CONNECT, SILENCE, DEADLINE = 10.0, 120.0, 300.0
#: Bytes of an answer; a summary is a few thousand.
LARGEST = 8_000_000
#: Tokens that one call could be of; more is no count.
_MOST_TOKENS = 100_000_000
_LONGEST_ID = 100
#: What a model that thinks first may take for it, beside the answer.
THOUGHT = 4_000
#: What it takes on average with little effort; measured by nobody here, so an estimate with it is never called exact.
THOUGHT_MEAN = 500

_OPENAI = re.compile(r"(^|\.)(openai\.com|azure\.com)$")
_THINKS = re.compile(r"(?:models/)?(?:ft:)?(?:o[1-9]|gpt-[5-9]|gemini-(?:2\.5|[3-9]))")
_MONEY = re.compile(
    r"insufficient_quota|credit_balance|billing|payment_required|hard_limit|exceeded your current quota"
)
_TOO_LONG = re.compile(
    r"context_length_exceeded|context (?:length|window|size)|maximum context|too many (?:input )?tokens|prompt is too long"
    r"|input is too long|input token count|string_above_max_length"
)
_FILTERED = re.compile(r"content_filter|content_policy|responsibleai|safety system")
_NO_MODEL = re.compile(r"model_not_found|deploymentnotfound|model .{0,80}(?:not exist|not found)|unknown model")
_NO_GRAMMAR = re.compile(r"grammar|json_schema|response_format")
_PARAMETER = re.compile(r"reasoning|effort|temperature|max_(?:completion_)?tokens|response_?format|schema|grammar|json")
_CODE = re.compile(r"[A-Za-z]{1,30}(?:_[A-Za-z]{1,30}){0,6}")  # plain words: a key, or an address, is none


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
    """The request as JSON: what ``chat`` sends, and a line of a batch holds."""
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


class Client:
    """``key`` gives the provider's key or token; it is asked once, and ``renew`` (or ``key`` again) after a 401. Threads
    may share a client. Where ``key`` raises ``InputError``, nothing is ever sent."""

    def __init__(
        self,
        provider: Provider,
        key: Callable[[], str],
        *,
        renew: Callable[[], str] | None = None,
        mode: Mode = "json_schema",
        timeout: float = SILENCE,
    ) -> None:
        self.provider = provider
        self._renew, self._timeout = renew or key, timeout
        self._lock = threading.Lock()
        self._dialect = first_dialect(provider, mode)
        self.missing = ""
        """Why there is no key; whatever is asked then is a ``KeyRefused`` that says so."""
        self._key = ""
        if provider.auth != "none":
            try:
                self._key = key()
            except InputError as missing:
                self.missing = str(missing)
        self._sdk = _sdk(provider, self._key, timeout)
        self._old: list[openai.OpenAI] = []

    @property
    def mode(self) -> Mode:
        """The rung of the ladder that this provider takes."""
        return self._dialect.mode

    @property
    def dialect(self) -> Dialect:
        """What is known of the provider by now."""
        return self._dialect

    def chat(self, call: Call, is_over: Callable[[], bool] = lambda: False) -> Reply:
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

    def close(self) -> None:
        """Let the connections go."""
        for sdk in (self._sdk, *self._old):
            sdk.close()

    @property
    def sdk(self) -> openai.OpenAI:
        """For files and batches. Raises ``KeyRefused`` where there is no key."""
        if self.missing:
            raise KeyRefused(self.missing)
        return self._sdk

    def _learned(self, spoken: Dialect) -> None:
        with self._lock:
            self._dialect = spoken

    def _renewing(self, made: Json, is_over: Callable[[], bool]) -> Reply:
        sdk, key = self._sdk, self._key
        try:
            return self._once(sdk, made, is_over)
        except KeyRefused as refused:
            if refused.status != 401 or self.provider.auth == "none":
                raise
            with self._lock:  # of many threads that are refused at once, the first one asks
                if self._key == key and (now := self._renewed()) != key:
                    self._old.append(self._sdk)  # other threads may be waiting for its answers
                    self._key, self._sdk = now, _sdk(self.provider, now, self._timeout)
                if self._key == key:
                    raise
                sdk = self._sdk
        return self._once(sdk, made, is_over)

    def _renewed(self) -> str:
        try:
            return self._renew()
        except InputError as missing:
            raise KeyRefused(str(missing)) from None

    def _once(self, sdk: openai.OpenAI, made: Json, is_over: Callable[[], bool]) -> Reply:
        name = self.provider.name
        try:
            with sdk.chat.completions.with_streaming_response.create(**made) as response:
                headers = {key.lower(): value for key, value in response.headers.items()}
                read = _whole(response.iter_bytes(), time.monotonic() + DEADLINE, is_over)
        except openai.APIStatusError as error:
            raise meaning(name, error.status_code, error.body, error.response.headers, made["model"]) from None
        except openai.APITimeoutError as error:
            connecting = isinstance(error.__cause__, httpx2.ConnectTimeout | httpx2.PoolTimeout)
            kind = Unreachable if connecting else Unanswered
            raise kind(f"{name} gave no answer in time") from None
        except openai.APIConnectionError as error:
            raise broken(name, error.__cause__) from None
        except httpx2.HTTPError as error:
            raise broken(name, error) from None
        except (ValueError, openai.OpenAIError) as error:
            raise Unanswered(f"{name} cannot be asked ({type(error).__name__})") from None
        if read is None:
            raise Unanswered(f"{name} did not come to an end with its answer", headers=headers)
        return _reply(name, read, headers)


class Unclear(Exception):
    """A refusal that may be about how it was asked. ``param`` and ``said`` are the provider's, looked at and never shown."""

    def __init__(self, trouble: Trouble, param: str, said: str) -> None:
        super().__init__()
        self.trouble, self.param, self.said = trouble, param, said


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


def _sdk(provider: Provider, key: str, timeout: float) -> openai.OpenAI:
    """The SDK's client, of nothing but what we give it: it would also read keys, organisations and headers from the
    environment, which belong to somebody else."""
    common: dict[str, Any] = {
        "max_retries": 0,
        "timeout": httpx2.Timeout(timeout, connect=CONNECT),
        # Texts go where the company said, and nowhere else.
        "http_client": openai.DefaultHttpxClient(follow_redirects=False),
        "admin_api_key": "",
        "organization": "",
        "project": "",
        "webhook_secret": "",
    }
    if provider.style == "azure":
        secret: dict[str, Any] = {"azure_ad_token": key} if provider.auth == "token" else {"api_key": key}
        sdk: openai.OpenAI = openai.AzureOpenAI(
            azure_endpoint=provider.url, api_version=provider.api_version, **secret, **common
        )
    else:
        sdk = openai.OpenAI(base_url=provider.url, api_key=key or "none", **common)
    sdk.organization = sdk.project = sdk.admin_api_key = None
    sdk._custom_headers = {}  # OPENAI_CUSTOM_HEADERS has no argument that overrides it
    return sdk


def _whole(parts: Any, deadline: float, is_over: Callable[[], bool]) -> bytes | None:
    """All of a body, None when it takes too long or is too long: a server that sends a byte a second never times out."""
    read = bytearray()
    for part in parts:
        read += part
        if len(read) > LARGEST or time.monotonic() > deadline or is_over():
            return None
    return bytes(read)


def broken(name: str, cause: BaseException | None) -> Trouble:
    if isinstance(cause, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.ProxyError | httpx2.UnsupportedProtocol):
        return Unreachable(f"{name} cannot be reached")
    return Unanswered(f"{name}'s answer was cut off")


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
            tokens_in=_count(usage.get("prompt_tokens")),
            tokens_out=_count(usage.get("completion_tokens")),
            model=str(said.get("model") or ""),
            request_id=clean(str(said.get("id") or ""))[0][:_LONGEST_ID],
            headers=headers or {},
        )
    except (LookupError, TypeError, AttributeError):
        raise Unanswered(f"{name}'s answer is broken", headers=headers) from None


def _text(content: Any) -> str:
    """A message's content; some servers give a list of parts."""
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return content if isinstance(content, str) else ""


def _count(value: Any) -> int | None:
    """A number of tokens; None for what can be none."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MOST_TOKENS else None


def meaning(name: str, status: int, error: object, headers: Mapping[str, str], model: str) -> Exception:
    """A refusal by its status and code. What the provider says is looked at, and not handed on."""
    told = cast("Json", error) if isinstance(error, dict) else {}
    code = str(told.get("code") or told.get("type") or "")
    about = " ".join(str(told.get(part) or "") for part in ("code", "type", "message")).lower()
    lower = {key.lower(): value for key, value in headers.items()}
    wait = retry_after(lower)
    where = f"{name} answered {status}" + (f" ({code})" if _CODE.fullmatch(code) else "")
    kinds: tuple[tuple[bool, type[Trouble], str], ...] = (
        (
            status == 402 or (status in (400, 403, 429) and bool(_MONEY.search(about))),
            MoneyGone,
            f"{where}: the account's credit or quota is used up",
        ),
        (status == 429, Limited, f"{where}: its rate limit is reached"),
        (status in (400, 413, 422) and bool(_TOO_LONG.search(about)), TooLong, f"{where}: longer than its context"),
        (status in (400, 403, 422) and bool(_FILTERED.search(about)), Filtered, f"{where}: held back by its filter"),
        (
            status == 404 or (status in (400, 403) and bool(_NO_MODEL.search(about))),
            BadModel,
            f"{where}: it has no model {model!r} at this address",
        ),
        (status in (401, 403), KeyRefused, f"{where}: it refused the key"),
        (status in (408, 409, 425) or status >= 500, Overloaded, f"{where}: a failure of its own"),
    )
    for is_it, kind, words in kinds:
        if is_it:
            trouble = kind(words, wait=wait, headers=lower)
            if isinstance(trouble, KeyRefused):
                trouble.status = status
            # llama.cpp and its like fail so over a schema that they make no grammar of.
            return Unclear(trouble, "", about) if status >= 500 and _NO_GRAMMAR.search(about) else trouble
    refused = NotTaken(f"{where}: it did not take the request", headers=lower)
    return Unclear(refused, str(told.get("param") or ""), about) if status in (400, 422) else refused


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that a provider wants to be left alone (``retry-after-ms``, or ``Retry-After`` in seconds or as a date)."""
    with suppress(KeyError, ValueError):
        return max(0.0, float(headers["retry-after-ms"]) / 1000)
    value = headers.get("retry-after", "")
    with suppress(ValueError):
        return max(0.0, float(value))
    with suppress(ValueError, TypeError):
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    return None
