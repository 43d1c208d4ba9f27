"""One provider's address over HTTP, with the ``openai`` SDK: connection, key, reading an answer, and what failures mean.

Belongs here: what chats and embeddings have in common. Does not belong here: what a request or an answer says (``client``,
``embeddings``), or waiting and trying again (``pool``).
"""

import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, cast

import httpx2
import openai

from domain.errors import InputError
from domain.fingerprint import clean
from domain.provider import Provider
from resources.llm.base import (
    BadModel,
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

#: Seconds for a connection, between two parts of an answer, and for a whole call.
CONNECT, SILENCE, DEADLINE = 10.0, 120.0, 300.0
#: Tokens that one call could be of; more is no count.
_MOST_TOKENS = 100_000_000
_LONGEST_ID = 100

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
_CODE = re.compile(r"[A-Za-z]{1,30}(?:_[A-Za-z]{1,30}){0,6}")  # plain words: a key, or an address, is none


class Endpoint:
    """``key`` gives the provider's key or token; it is asked once, and ``renew`` (or ``key`` again) after a 401. Threads
    may share one. Where ``key`` raises ``InputError``, nothing is ever sent."""

    def __init__(
        self,
        provider: Provider,
        key: Callable[[], str],
        *,
        renew: Callable[[], str] | None = None,
        timeout: float = SILENCE,
    ) -> None:
        self.provider = provider
        self._renew, self._timeout = renew or key, timeout
        self._lock = threading.Lock()
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

    def _opened(self, sdk: openai.OpenAI, made: Json) -> AbstractContextManager[Any]:
        """The answer to a request, to be read."""
        raise NotImplementedError

    def _read(self, read: bytes, headers: Mapping[str, str], made: Json) -> Reply:
        """A whole answer. Raises ``Unanswered`` for what is none."""
        raise NotImplementedError

    def _largest(self, made: Json) -> int:
        """Bytes that the answer can have."""
        raise NotImplementedError

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
            with self._opened(sdk, made) as response:
                headers = {key.lower(): value for key, value in response.headers.items()}
                read = _whole(response.iter_bytes(), time.monotonic() + DEADLINE, self._largest(made), is_over)
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
        return self._read(read, headers, made)


class Unclear(Exception):
    """A refusal that may be about how it was asked. ``param`` and ``said`` are the provider's, looked at and never shown."""

    def __init__(self, trouble: Trouble, param: str, said: str) -> None:
        super().__init__()
        self.trouble, self.param, self.said = trouble, param, said


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


def _whole(parts: Iterable[bytes], deadline: float, largest: int, is_over: Callable[[], bool]) -> bytes | None:
    """All of a body, None when it takes too long or is too long: a server that sends a byte a second never times out."""
    read = bytearray()
    for part in parts:
        read += part
        if len(read) > largest or time.monotonic() > deadline or is_over():
            return None
    return bytes(read)


def broken(name: str, cause: BaseException | None) -> Trouble:
    if isinstance(cause, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.ProxyError | httpx2.UnsupportedProtocol):
        return Unreachable(f"{name} cannot be reached")
    return Unanswered(f"{name}'s answer was cut off")


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


def request_id(said: Mapping[str, Any]) -> str:
    """What the provider calls an answer."""
    return clean(str(said.get("id") or ""))[0][:_LONGEST_ID]


def count(value: Any) -> int | None:
    """A number of tokens; None for what can be none."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MOST_TOKENS else None
