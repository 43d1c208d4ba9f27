"""The connection to a Qdrant server: one client an address and process, patience, and its failures in words.

Belongs here: the address and its key, retries, what a failure means for a person. Does not belong here: which requests are
made (the other ``server_*`` files).

Every request of Casebook may be made twice: points are written under their own ids, deleted by a condition, and the rest
reads. So whatever may pass is asked again; what a reader asks, only for as long as a person waits.
"""

import atexit
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from ipaddress import ip_address
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx
from pydantic import ValidationError
from qdrant_client import QdrantClient
from qdrant_client.common.client_exceptions import QdrantException, ResourceExhaustedResponse
from qdrant_client.http.exceptions import ApiException, ResponseHandlingException, UnexpectedResponse
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from domain.errors import CasebookError, InputError, StorageError, StorageUnavailable

T = TypeVar("T")

_CONNECTIONS = 16
_REACH = "Is the server running, and CASEBOOK_QDRANT_URL its address (docs/qdrant.md)?"
_LATER = "Nothing is lost: run the same command again later."
_FULL = ("no space left", "disk is full", "out of disk", "not enough disk", "memory limit", "out of memory")


@dataclass(frozen=True, slots=True)
class Patience:
    """How long one request may take (whole seconds), how often it is made, and the longest wait before it is made again,
    in seconds: a server that asks for more is not waited for."""

    timeout: int
    attempts: int
    longest_wait: float


READING = Patience(timeout=10, attempts=3, longest_wait=1.0)
"""Somebody waits for an answer."""
WRITING = Patience(timeout=120, attempts=8, longest_wait=60.0)
"""A run in the night; a server that builds its graphs may be slow for a while."""


class CollectionMissing(StorageError):
    """The collection, or alias, is not there."""


class _Passing(Exception):
    """A failure that asking again may heal, as the error it is when it does not; ``after``: seconds the server asks for."""

    def __init__(self, error: CasebookError, after: float | None = None) -> None:
        super().__init__(str(error))
        self.error = error
        self.after = after


class Connection:
    """A client and where it leads. Safe to use from several threads."""

    def __init__(
        self, client: Any, where: str, key: str = "", *, reading: Patience = READING, writing: Patience = WRITING
    ) -> None:
        """``client``: a ``QdrantClient``. ``where`` is told to people, ``key`` never is."""
        self._client = client
        self.where = where
        self._key = key
        self._reading = reading
        self._writing = writing

    def read(self, work: Callable[[QdrantClient, int], T], name: str) -> T:
        """Ask something that a person waits for; ``work`` gets the client and the seconds it may take. ``name``: the
        collection, for messages. Raises ``StorageError``; ``CollectionMissing`` for a 404."""
        return self._ask(work, name, self._reading)

    def write(self, work: Callable[[QdrantClient, int], T], name: str) -> T:
        """The same with the patience of a run."""
        return self._ask(work, name, self._writing)

    def _ask(self, work: Callable[[QdrantClient, int], T], name: str, patience: Patience) -> T:
        retrying = Retrying(
            retry=retry_if_exception_type(_Passing),
            stop=lambda state: (
                stop_after_attempt(patience.attempts)(state) or _asked_wait(state) > patience.longest_wait
            ),
            wait=lambda state: _asked_wait(state) or wait_random_exponential(0.2, patience.longest_wait)(state),
            reraise=True,
        )
        try:
            return retrying(self._once, work, name, patience.timeout)
        except _Passing as passing:
            raise passing.error from passing.__cause__

    def _once(self, work: Callable[[QdrantClient, int], T], name: str, timeout: int) -> T:
        try:
            return work(self._client, timeout)
        except ResourceExhaustedResponse as error:
            raise _Passing(self._busy(), float(error.retry_after_s)) from error
        except UnexpectedResponse as error:
            raise self._answered(error, name) from error
        except ResponseHandlingException as error:
            raise self._lost(error.source, name) from error
        except (ApiException, QdrantException) as error:  # a 429 whose Retry-After is no number
            raise _Passing(self._busy()) from error

    def _busy(self) -> StorageUnavailable:
        return StorageUnavailable(
            "the Qdrant server is too busy.", f"{self.where} refuses requests for the moment.", _LATER
        )

    def _lost(self, cause: Exception, name: str) -> Exception:
        """No answer came, or none that can be read."""
        if isinstance(cause, ValidationError):
            return StorageError(
                "the answer is not that of a Qdrant server.",
                f"{self.where} answered about {name} what cannot be read.",
                "CASEBOOK_QDRANT_URL must lead to Qdrant's REST port, usually 6333; docs/qdrant.md says which versions.",
            )
        if isinstance(cause, httpx.TimeoutException) and not isinstance(cause, httpx.ConnectTimeout):
            return _Passing(
                StorageUnavailable(
                    "the Qdrant server did not answer in time.", f"{self.where} was asked about {name}.", _LATER
                )
            )
        if isinstance(cause, httpx.UnsupportedProtocol | httpx.InvalidURL):
            return StorageError("CASEBOOK_QDRANT_URL is no address.", self.where, _REACH)
        if isinstance(cause, httpx.HTTPError | OSError):
            why = self._safe(str(cause)) or type(cause).__name__
            return _Passing(StorageUnavailable("the Qdrant server cannot be reached.", f"{self.where}: {why}.", _REACH))
        return cause

    def _answered(self, error: UnexpectedResponse, name: str) -> Exception:
        """The server said no."""
        status, said = error.status_code or 0, self._safe(_words(error))
        if status in (401, 403):
            what = "asks for an API key" if not self._key else "refuses the API key"
            return StorageError(
                "the Qdrant server gives no access.",
                f"{self.where} {what} for {name} ({status}).",
                "Set CASEBOOK_QDRANT_API_KEY to a key that may manage collections (docs/qdrant.md).",
            )
        if status == 404:
            return CollectionMissing(
                "nothing to search yet.", f"{self.where} has no {name}.", "Run 'casebook sync' for this company first."
            )
        if status == 507 or any(word in said.lower() for word in _FULL):
            return StorageError(
                "the Qdrant server is full.", f"{self.where}: {said}", "Free disk or memory there, and sync again."
            )
        if status in (429, 503):
            return _Passing(self._busy(), _seconds(error))
        if status >= 500:
            return _Passing(
                StorageUnavailable("the Qdrant server failed.", f"{self.where} about {name} ({status}): {said}", _LATER)
            )
        return StorageError(
            "the Qdrant server refuses a request.",
            f"{self.where} about {name} ({status}): {said}",
            "Its limits (strict mode, quotas), or its version, do not fit: see docs/qdrant.md.",
        )

    def _safe(self, text: str) -> str:
        return text.replace(self._key, "***") if self._key else text


def _asked_wait(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    return (error.after or 0.0) if isinstance(error, _Passing) else 0.0


def _seconds(error: UnexpectedResponse) -> float | None:
    try:
        return max(0.0, float(error.headers.get("Retry-After", "")))
    except ValueError:
        return None


def _words(error: UnexpectedResponse) -> str:
    """What the server said: ``{"status": {"error": "..."}}``, or the start of what else it sent."""
    try:
        return str(error.structured()["status"]["error"])[:500]
    except (ValueError, KeyError, TypeError):
        return error.content[:200].decode(errors="replace")


_lock = threading.Lock()


def connection(url: str, key: str) -> Connection:
    """The connection of this process to a server; connects to nothing yet. Raises ``InputError`` for an address that can
    never work, or over which the key could be read."""
    where = checked(url, key)
    with _lock:
        return _connection(url, key, where, os.getpid())


@cache
def _connection(url: str, key: str, where: str, _process: int) -> Connection:
    # The key as a header: as ``api_key`` the client warns of http even where it never leaves this machine.
    client = QdrantClient(
        url=url,
        headers={"api-key": key} if key else None,
        timeout=WRITING.timeout,
        check_compatibility=False,  # it asks in a thread of its own, and warns
        limits=httpx.Limits(max_connections=_CONNECTIONS, max_keepalive_connections=_CONNECTIONS),
    )
    atexit.register(client.close)
    return Connection(client, where, key)


def checked(url: str, key: str) -> str:
    """The address as it may be told. Raises ``InputError``."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        parts, host, port = urlsplit(""), None, None
    if parts.scheme not in ("http", "https") or not host or parts.query or parts.fragment:
        raise InputError(
            "CASEBOOK_QDRANT_URL is no address of a Qdrant server.",
            remedy="It looks like https://qdrant.example.com:6333 (docs/qdrant.md).",
        )
    if parts.username or parts.password:
        raise InputError(
            "CASEBOOK_QDRANT_URL has a user or a password in it.",
            remedy="Qdrant takes a key: set it as CASEBOOK_QDRANT_API_KEY.",
        )
    where = f"{parts.scheme}://{host}" + (f":{port}" if port else "")
    if key and parts.scheme == "http" and not _is_here(host):
        raise InputError(
            "the Qdrant key would be sent unencrypted.",
            f"{where} is neither https nor this machine.",
            "Turn on TLS at the server and use https:// (docs/qdrant.md).",
        )
    return where


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
