"""JSON over HTTP, for every source that is asked: one connection pool, retries of what passes, errors in one clear line.

Belongs here: sending, which failures are tried again and for how long, what a refusal is called.
Does not belong here: any API's addresses or shapes, or how much may be sent (``rate_budget``).
"""

import base64
import json
import os
import re
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from urllib.parse import urlencode

import orjson
import requests
import requests.adapters
import requests.utils
import urllib3.exceptions
from tenacity import RetryCallState, Retrying, retry_if_exception_type, wait_random_exponential

from domain.errors import InputError, SourceRefused, SourceUnavailable, SourceUnreachable
from resources.rate_budget import RateBudget, Taken

#: Tries for a request that is answered, but wrongly; after them the document is at fault more likely than the moment.
#: Fewer while the source has never answered well.
TRIES, FIRST_TRIES = 8, 4
#: Times that a server must say 204 before it is believed.
NOTHING = 3
#: Requests in a row given up so, after which no document is at fault but the source.
ALL_BAD = 20
#: Seconds that a source may be out of reach before a walk ends; shorter while it has never answered at all.
OUTAGE, FIRST_OUTAGE = 120.0, 2.0
#: Seconds that a request may wait in all for a rate limit.
LONGEST_WAIT = 3900.0

_ADDRESS = re.compile(r"[^\s@<>]+@[^\s@<>]+")
_SHORTEST_SECRET = 3
_BACK_OFF = wait_random_exponential(multiplier=0.1, max=20)


class HttpRefused(SourceRefused):
    """A 4xx answer that asking again will not change. ``status`` tells 401, 403, 400 and 404 apart."""

    def __init__(self, status: int, title: str, detail: str = "", remedy: str = "") -> None:
        super().__init__(title, detail, remedy)
        self.status = status
        self.is_plan = False
        """Not the key but the account's plan lacks what was asked."""

    @property
    def lacking(self) -> str:
        """Who cannot read what was asked, to be followed by its name."""
        if self.is_plan or self.status == 404:
            return "this account has no"
        return "this key may not read"

    @property
    def foreign(self) -> bool:
        """Whether the address may be no API at all."""
        return self.status == 404


class BadAnswer(SourceUnavailable):
    """The source is there, and answered every try with a failure of its own, or not with the JSON that was asked for.
    ``foreign``: with a web page or the way to one, as what is no API does."""

    foreign = False


@dataclass(frozen=True, slots=True)
class Answer:
    """``value`` is a list or a dict, as asked for; ``more`` is True when a ``Link`` names a next page; ``is_nothing``: the
    server said 204, no content."""

    value: Any
    more: bool
    headers: Mapping[str, str]
    is_nothing: bool = False

    @property
    def date(self) -> float:
        """The server's clock, in seconds since 1970; ours where it does not tell."""
        try:
            return parsedate_to_datetime(self.headers["Date"]).timestamp()
        except (KeyError, ValueError, TypeError):
            return time.time()


class _Passing(Exception):
    """A failure that may not come again. ``wait`` is what the server asked for, in seconds."""

    def __init__(
        self,
        what: str,
        *,
        answered: bool = True,
        foreign: bool = False,
        limited: bool = False,
        wait: float | None = None,
    ) -> None:
        super().__init__(what)
        self.answered, self.foreign, self.limited, self.wait = answered, foreign, limited, wait


def basic(user: str, password: str) -> str:
    """The value of the Authorization header. Unlike requests' own it takes any character."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


class Http:
    """A client of one API under ``base``. Threads may share it.

    ``name`` is what messages call the source. ``on_send`` is called once for every request sent, tries included.
    ``wake`` is set by who wants all waiting to end: waits then raise ``SourceUnavailable``. ``renew`` is asked after a 401
    for the authorization as it is now; when it is another one, the request is sent once more. Raises ``InputError`` for
    a ``base`` that is no address.
    """

    def __init__(
        self,
        base: str,
        authorization: str,
        *,
        name: str,
        budget: RateBudget,
        on_send: Callable[[], None],
        renew: Callable[[], str] | None = None,
        connections: int = 8,
        timeout: tuple[float, float] = (5.0, 30.0),
    ) -> None:
        self.base, self.name, self.budget = base, name, budget
        self.wake = threading.Event()
        self._on_send, self._timeout = on_send, timeout
        self._authorization, self._renew, self._renewing = authorization, renew, threading.Lock()
        self._heard = False
        self._bad_in_a_row = 0
        self._session = _session(base, connections)
        # Preparing a request costs as much as sending it, and all of ours are alike but for the address.
        try:
            self._request = self._session.prepare_request(requests.Request("GET", base))
        except requests.RequestException:
            raise InputError(f"{base!r} is not an address.", remedy="Say https:// and the host's name.") from None
        self._adapter = self._session.get_adapter(base)

    @property
    def authorization(self) -> str:
        """As the last request sent it: a renewed one after a key was changed."""
        return self._authorization

    def get(
        self,
        path: str,
        params: Mapping[str, str | int] | None = None,
        *,
        shape: type[list[Any]] | type[dict[str, Any]] = dict,
        cost: float = 1,
        longest_wait: float = LONGEST_WAIT,
    ) -> Answer:
        """GET ``base + path`` as a ``shape``. ``cost`` is in credits of the rate limit.

        Raises ``HttpRefused``, ``BadAnswer``, ``SourceUnavailable`` when the source is out of reach, and
        ``SourceUnreachable`` when it never answered at all.
        """
        patience = _Patience(self._heard, longest_wait)
        tries = Retrying(
            retry=retry_if_exception_type(_Passing),
            stop=patience.is_over,
            wait=_next_wait,
            sleep=self.sleep,
            reraise=True,
        )
        nothing = _Nothing()
        first: list[_Passing] = []

        def attempt() -> Answer:
            if first:
                raise first.pop()
            return nothing.believed(self._once(path, params, shape, cost))

        try:
            answer = attempt()  # almost always: what counts the tries costs more than a good answer
        except _Passing as failure:
            first.append(failure)
            answer = self._again(tries, attempt, path)
        self._heard, self._bad_in_a_row = True, 0
        return answer

    def _again(self, tries: Retrying, attempt: Callable[[], Answer], path: str) -> Answer:
        try:
            return tries(attempt)
        except _Passing as last:
            raise self._given_up(path, last, tries.statistics["attempt_number"]) from last

    def _given_up(self, path: str, last: _Passing, tries: int) -> SourceUnavailable:
        detail = f"{self.base}{path}: {last} ({tries} {'try' if tries == 1 else 'tries'})."
        remedy = "Nothing is lost; a later run goes on from here."
        if not last.answered:
            kind = SourceUnavailable if self._heard else SourceUnreachable
            return kind(f"{self.name} cannot be reached.", detail, remedy)
        self._bad_in_a_row += 1
        if last.limited or self._bad_in_a_row >= ALL_BAD:
            return SourceUnavailable(f"{self.name} fails.", detail, remedy)
        bad = BadAnswer(f"{self.name} fails.", detail, remedy)
        bad.foreign = last.foreign
        return bad

    def _once(self, path: str, params: Mapping[str, str | int] | None, shape: type, cost: float) -> Answer:
        url = f"{self.base}{path}?{urlencode(params)}" if params else self.base + path
        authorization = self._authorization
        response, taken = self._send(url, authorization, cost)
        if response.status_code == 401 and (renewed := self._renewed(authorization)) != authorization:
            response, taken = self._send(url, renewed, cost)
        return self._read(response, path, shape, taken)

    def _renewed(self, refused: str) -> str:
        """The authorization after one was refused. Of many threads that are refused at once, the first one asks."""
        with self._renewing:
            if self._renew and self._authorization == refused:
                self._authorization = self._renew()
            return self._authorization

    def _send(self, url: str, authorization: str, cost: float) -> tuple[requests.Response, Taken]:
        taken = self.budget.take(cost, self.sleep)
        self._on_send()
        headers: Mapping[str, str] = {}
        request = self._request.copy()
        request.url = url
        request.headers["Authorization"] = authorization
        try:
            # The session's own work (cookies, hooks, redirects) is not wanted, and costs as much as the sending.
            response = self._adapter.send(
                request, timeout=self._timeout, verify=self._session.verify or False, proxies=self._session.proxies
            )
            headers = response.headers
            _ = response.content  # read here, where what breaks is told
        except requests.RequestException as error:
            raise _Passing(_said(error), answered=False) from error
        finally:
            self.budget.done(taken, headers)
        return response, taken

    def _read(self, response: requests.Response, path: str, shape: type, taken: Taken) -> Answer:
        status = response.status_code
        if status == 429:
            wait = retry_after(response)
            self.budget.refused(taken, response.headers, wait or 0.0)
            raise _Passing("the rate limit is used up", limited=True, wait=wait)
        if status in (408, 425) or status >= 500:
            raise _Passing(f"it answered {status}", wait=retry_after(response))
        if status >= 400:
            raise self._refused(response, path)
        if status >= 300:
            raise _Passing(f"it sends us elsewhere ({status})", foreign=True)
        value = shape() if status == 204 else _json(response.content)
        if not isinstance(value, shape):
            is_page = response.content.lstrip()[:1] == b"<"
            raise _Passing("it answered with a web page" if is_page else "its answer is broken", foreign=is_page)
        return Answer(value, "next" in response.links, response.headers, status == 204)

    def _refused(self, response: requests.Response, path: str) -> HttpRefused:
        status, where = response.status_code, f"{self.base}{path} answered {response.status_code}"
        if status == 401:
            remedy = "Check the key; 'casebook company set ID --key-…' takes a new one."
            return HttpRefused(status, f"{self.name} refused the key.", f"{where}.", remedy)
        titles = {
            403: f"{self.name} does not let this key read what was asked.",
            404: f"{self.name} does not have what was asked.",
        }
        reason = self._harmless(_reason(response))
        detail = f"{where}: {reason}" if reason else f"{where}."
        refused = HttpRefused(status, titles.get(status, f"{self.name} did not take the request."), detail)
        body = _json(response.content)
        refused.is_plan = isinstance(body, dict) and body.get("code") == "require_feature"
        return refused

    def _harmless(self, said: str) -> str:
        """What a server says in an error, without addresses of people, and without the key."""
        key = self._authorization.partition(" ")[2]
        with suppress(ValueError):
            key = base64.b64decode(key, validate=True).decode("utf-8", "replace")
        for secret in key.split(":"):
            said = said.replace(secret, "…") if len(secret) > _SHORTEST_SECRET else said
        return _ADDRESS.sub("…", said)

    def sleep(self, seconds: float) -> None:
        """Wait. Raises ``SourceUnavailable`` when ``wake`` is set meanwhile."""
        if self.wake.wait(seconds):
            raise SourceUnavailable("The walk was stopped.")


class _Nothing:
    """Whether a 204 is meant: some servers say it for what is empty, and some when they are in trouble."""

    def __init__(self) -> None:
        self._times = 0

    def believed(self, answer: Answer) -> Answer:
        """Raises ``_Passing`` until it was said often enough in a row."""
        self._times = self._times + 1 if answer.is_nothing else 0
        if 0 < self._times < NOTHING:
            raise _Passing("it answered with nothing")
        return answer


class _Patience:
    """When to give one request up: answered failures by their number, an outage by its length, a rate limit by its wait."""

    def __init__(self, heard: bool, longest_wait: float) -> None:
        self._outage, self._tries = (OUTAGE, TRIES) if heard else (FIRST_OUTAGE, FIRST_TRIES)
        self._longest_wait, self._answered = longest_wait, 0

    def is_over(self, state: RetryCallState) -> bool:
        failure, passed = _failure(state), state.seconds_since_start or 0.0
        if failure.limited:
            return passed + (failure.wait or 0.0) > self._longest_wait
        if failure.answered:
            self._answered += 1
            return self._answered >= self._tries or passed + (failure.wait or 0.0) > self._longest_wait
        return passed > self._outage


def _next_wait(state: RetryCallState) -> float:
    wait = _failure(state).wait
    return _BACK_OFF(state) if wait is None else wait


def _failure(state: RetryCallState) -> _Passing:
    failure = state.outcome and state.outcome.exception()
    assert isinstance(failure, _Passing)
    return failure


def _session(base: str, connections: int) -> requests.Session:
    session = requests.Session()
    adapter = requests.adapters.HTTPAdapter(pool_connections=1, pool_maxsize=connections + 1)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    session.headers["Accept"] = "application/json"
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=()))
    # Read the environment once instead of with every request; a .netrc must not replace the key.
    session.trust_env = False
    session.proxies = requests.utils.get_environ_proxies(base)
    session.verify = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or True
    return session


def _json(body: bytes) -> Any:
    """The value, or None when it is no JSON. Bytes that are no UTF-8 become lone surrogates, which ``clean`` counts."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        pass
    try:
        return json.loads(body.decode("utf-8", "surrogateescape"))
    except (ValueError, RecursionError):
        return None


def retry_after(response: requests.Response) -> float | None:
    """Seconds; the header may also be a date (RFC 9110, 10.2.3)."""
    value = response.headers.get("Retry-After", "")
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None


def _reason(response: requests.Response) -> str:
    """What the API says is wrong, in one line of at most 200 characters."""
    body = _json(response.content)
    if not isinstance(body, dict):
        return ""
    errors, error = body.get("errors"), body.get("error")
    parts = [body.get("message") or body.get("description") or (isinstance(error, dict) and error.get("message"))]
    parts += [f"{error.get('field')}: {error.get('message')}" for error in errors or () if isinstance(error, dict)]
    return " ".join(" ".join(str(part) for part in parts if part).split())[:200]


def _said(error: requests.RequestException) -> str:
    """A failure of the connection in words. Never the exception's own text, which is long and names internals."""
    cause = error.args[0] if error.args else None
    reason = getattr(cause, "reason", cause)
    if isinstance(reason, urllib3.exceptions.NameResolutionError):
        return "no such host"
    kinds: tuple[tuple[type[requests.RequestException], str], ...] = (
        (requests.exceptions.SSLError, "its TLS certificate was not accepted"),
        (requests.exceptions.ProxyError, "the proxy refused"),
        (requests.exceptions.ConnectTimeout, "no connection in time"),
        (requests.exceptions.Timeout, "no answer in time"),
        (requests.exceptions.ChunkedEncodingError, "the answer was cut off"),
        (requests.exceptions.ContentDecodingError, "the answer could not be unpacked"),
        (requests.exceptions.InvalidURL, "this is no address"),
    )
    for kind, words in kinds:
        if isinstance(error, kind):
            return words
    return "the connection was refused" if "refused" in str(reason) else "the connection broke"
