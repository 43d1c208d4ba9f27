"""Downloading one file from an address that a source gave: signed, short-lived, and not to be trusted.

Belongs here: which addresses are asked at all, who is shown the key, when a download ends, what is tried again.
Does not belong here: a source's API (``resources/http``), or what a file says (``resources/file_text``).

An address comes from a ticket's data, and so may lead into the network that we stand in (OWASP, Server-Side Request
Forgery Prevention): every connection is looked at before the first byte is sent, so that neither a redirect nor a name
that changes its mind gets past. Addresses are signed, hence secrets: none stands in a message or a log.
"""

import logging
import os
import socket
import threading
import time
from contextvars import ContextVar
from functools import cache
from http.cookiejar import DefaultCookiePolicy
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Any, Self
from urllib.parse import urljoin

import requests
import requests.adapters
import requests.utils
import urllib3.connection
import urllib3.connectionpool
import urllib3.exceptions
from tenacity import RetryCallState, Retrying, retry_if_exception_type, wait_random_exponential
from urllib3.util import parse_url

from resources.file_text import UnreadableFile
from resources.http import retry_after

TRIES = 3
MOST_REDIRECTS = 3
#: Seconds that a server may be silent.
_SILENCE = 30.0
_PIECE = 1 << 16
_BACK_OFF = wait_random_exponential(multiplier=0.5, max=10)
_NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052, 2.1
_Origin = tuple[str | None, str | None, int | None]

logging.getLogger("urllib3.connectionpool").setLevel(logging.INFO)  # it logs addresses when told to debug


class RefusedFile(UnreadableFile):
    """A 401 or 403: a signature has expired, a key was changed, or there is no such file (S3 says 403 for that, too, to who
    may not list its bucket: Amazon S3 API reference, GetObject). So a later try may succeed, but not for ever."""

    def __init__(self, status: int) -> None:
        super().__init__(f"cannot be downloaded ({status})", passing=True)


class _Passing(UnreadableFile):
    """A failure that may not come again. ``wait`` is what the server asked for, in seconds."""

    def __init__(self, why: str, wait: float | None = None) -> None:
        super().__init__(f"cannot be downloaded ({why})", passing=True)
        self.wait = wait


def download(url: str, most_bytes: int, *, origin: str = "", authorization: str = "", seconds: float = 60.0) -> bytes:
    """The file at an address, of at most ``most_bytes``, in at most ``seconds`` with all tries and redirects.

    ``origin`` is the address of the source itself: only its scheme, host and port may be other than https and are shown
    ``authorization`` (the header's value, until a redirect leads elsewhere), and only its host may be in a private
    network. Raises ``UnreadableFile`` (for a 401 or 403, ``RefusedFile``); ``passing`` is True where a later try, or a newly
    signed address, may succeed.
    """
    with _Watch(seconds) as watch:
        tries = Retrying(
            retry=retry_if_exception_type(_Passing),
            stop=lambda state: state.attempt_number >= TRIES or watch.left <= (_failure(state).wait or 0.0),
            wait=lambda state: min(_next_wait(state), max(watch.left, 0.0)),
            reraise=True,
        )
        return tries(_followed, url, most_bytes, _origin(origin), authorization, watch)


def _next_wait(state: RetryCallState) -> float:
    wait = _failure(state).wait
    return _BACK_OFF(state) if wait is None else wait


def _failure(state: RetryCallState) -> _Passing:
    failure = state.outcome and state.outcome.exception()
    assert isinstance(failure, _Passing)
    return failure


def _followed(url: str, most_bytes: int, origin: _Origin, authorization: str, watch: "_Watch") -> bytes:
    """One try: the file at the end of the redirects."""
    for _ in range(MOST_REDIRECTS + 1):
        request = _prepared(url)
        place = _origin(request.url or "")
        if place[0] != "https" and place != origin:
            raise UnreadableFile("cannot be downloaded (its address is not https)")
        if place != origin:
            authorization = ""  # for good: who is elsewhere must not send us back with it
        if authorization:
            request.headers["Authorization"] = authorization
        found = _asked(request, most_bytes, place[1] == origin[1], watch)
        if isinstance(found, bytes):
            return found
        url = found
    raise UnreadableFile("cannot be downloaded (it is redirected too often)")


def _prepared(url: str) -> requests.PreparedRequest:
    try:
        return _session(True).prepare_request(requests.Request("GET", url))
    except (requests.RequestException, ValueError):
        pass
    raise UnreadableFile("cannot be downloaded (it has no address)")


def _origin(url: str) -> _Origin:
    """Scheme, host and port, by the parser that connections are made by."""
    parts = parse_url(url)
    return parts.scheme, parts.host, parts.port or {"https": 443, "http": 80}.get(parts.scheme or "")


def _asked(request: requests.PreparedRequest, most_bytes: int, is_own: bool, watch: "_Watch") -> bytes | str:
    """The file, or the address that a redirect leads to. Errors are raised outside of ``except``, for those of the
    libraries hold the address."""
    session = _session(not is_own)
    proxies = requests.utils.get_environ_proxies(request.url or "")
    if requests.utils.select_proxy(request.url or "", proxies) and not is_own:
        _refuse_private(_origin(request.url or "")[1] or "")  # the proxy connects; what can be known here is
    options = {
        "timeout": min(_SILENCE, max(watch.left, 0.01)),
        "proxies": proxies,
        "verify": os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or True,
    }
    try:
        with session.send(request, stream=True, allow_redirects=False, **options) as response:
            if target := session.get_redirect_target(response):
                return urljoin(request.url or "", target)
            if response.status_code in (200, 203, 204):
                return _body(response, most_bytes, watch)
            failure = _refused(response)
    except (requests.RequestException, urllib3.exceptions.HTTPError, ValueError) as error:
        failure = _Passing(_said(error))
    finally:
        watch.look_at(None)  # it may be another thread's by now
    raise watch.failure or failure


def _body(response: requests.Response, most_bytes: int, watch: "_Watch") -> bytes:
    body = bytearray()
    declared = response.headers.get("Content-Length", "")
    too_large = declared.isdecimal() and int(declared) > most_bytes
    while not too_large and (piece := response.raw.read1(_PIECE, decode_content=True)):
        body += piece
        too_large = len(body) > most_bytes
    if too_large:
        raise UnreadableFile(f"is larger than the {most_bytes / 1_000_000:g} MB that are read")
    if watch.failure:  # a body without a length ends where its connection does
        raise watch.failure
    return bytes(body)


def _refused(response: requests.Response) -> UnreadableFile:
    status = response.status_code
    if status in (408, 425, 429) or status >= 500:
        return _Passing(str(status), retry_after(response))
    return RefusedFile(status) if status in (401, 403) else UnreadableFile(f"cannot be downloaded ({status})")


def _said(error: Exception) -> str:
    cause = getattr(error.args[0], "reason", None) if error.args else None
    if isinstance(cause, urllib3.exceptions.NameResolutionError):
        return "no such host"
    if isinstance(error, requests.exceptions.SSLError):
        return "its TLS certificate was not accepted"
    if isinstance(error, requests.exceptions.Timeout | urllib3.exceptions.TimeoutError):
        return "no answer in time"
    return "the connection broke"


# --- time -------------------------------------------------------------------------------------------------------------


class _Watch:
    """Cuts the connection when time is up, however steadily a server drips: a socket's own time-out begins anew with
    every byte."""

    def __init__(self, seconds: float) -> None:
        self._seconds, self._ends = seconds, time.monotonic() + seconds
        self._timer = threading.Timer(seconds, self._cut)
        self._timer.daemon = True
        self._socket: socket.socket | None = None

    def __enter__(self) -> Self:
        self._before = _watch.set(self)
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        self._timer.join()  # else it could cut the connection of the next download
        _watch.reset(self._before)

    @property
    def left(self) -> float:
        return self._ends - time.monotonic()

    @property
    def failure(self) -> UnreadableFile | None:
        """What to raise when time is up."""
        if self.left > 0:
            return None
        return UnreadableFile(f"cannot be downloaded (it takes more than {self._seconds:g} seconds)", passing=True)

    def look_at(self, connection: socket.socket | None) -> None:
        self._socket = connection
        if self.left <= 0:
            self._cut()

    def _cut(self) -> None:
        if self._socket:
            try:
                self._socket.shutdown(socket.SHUT_RDWR)
            except OSError:  # it has ended by itself
                return


_watch: ContextVar[_Watch | None] = ContextVar("watch", default=None)


# --- connections ------------------------------------------------------------------------------------------------------


def _refuse_private(host: str) -> None:
    """Raises ``UnreadableFile`` when a name has any address that is not public."""
    try:
        found = socket.getaddrinfo(host.strip("[]"), None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):  # told by who connects
        return
    if not all(_is_public(str(address[0])) for *_, address in found):
        raise UnreadableFile("cannot be downloaded (its address is in a private network)")


def _is_public(address: str) -> bool:
    """Whether an address is one of the Internet's: not private, loopback, link-local, reserved or multicast (the
    registries of RFC 6890), nor one of these inside of an IPv6 address."""
    ip = ip_address(address.partition("%")[0])
    if isinstance(ip, IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (IPv4Address(int(ip) & 0xFFFFFFFF) if ip in _NAT64 else None)
        if inner:
            return _is_public(str(inner))
    return ip.is_global and not ip.is_multicast


def _proven(connection: socket.socket) -> socket.socket:
    if not _is_public(connection.getpeername()[0]):  # a name that has another address than a moment ago
        connection.close()
        raise UnreadableFile("cannot be downloaded (its address is in a private network)")
    return connection


class _Http(urllib3.connection.HTTPConnection):
    def getresponse(self) -> Any:
        if (watch := _watch.get()) and self.sock:
            watch.look_at(self.sock)
        return super().getresponse()


class _Https(urllib3.connection.HTTPSConnection):
    def getresponse(self) -> Any:
        if (watch := _watch.get()) and self.sock:
            watch.look_at(self.sock)
        return super().getresponse()


class _GuardedHttps(_Https):
    def _new_conn(self) -> socket.socket:
        _refuse_private(self.host)
        return _proven(super()._new_conn())


class _OwnPool(urllib3.connectionpool.HTTPConnectionPool):
    ConnectionCls = _Http  # pyright: ignore[reportAssignmentType]


class _OwnTlsPool(urllib3.connectionpool.HTTPSConnectionPool):
    ConnectionCls = _Https  # pyright: ignore[reportAssignmentType]


class _GuardedTlsPool(urllib3.connectionpool.HTTPSConnectionPool):
    ConnectionCls = _GuardedHttps  # pyright: ignore[reportAssignmentType]


class _Adapter(requests.adapters.HTTPAdapter):
    def __init__(self, guarded: bool) -> None:
        self._pools = {"https": _GuardedTlsPool} if guarded else {"http": _OwnPool, "https": _OwnTlsPool}
        super().__init__(pool_connections=16, pool_maxsize=16)

    def init_poolmanager(self, *words: Any, **options: Any) -> None:
        super().init_poolmanager(*words, **options)
        self.poolmanager.pool_classes_by_scheme = self._pools


@cache
def _session(guarded: bool) -> requests.Session:
    """One for all threads: nothing in it changes but the pool, which is made for that."""
    session = requests.Session()
    adapter = _Adapter(guarded)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    session.headers["Accept-Encoding"] = "identity"
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=()))
    session.trust_env = False  # a .netrc must not add keys
    return session
