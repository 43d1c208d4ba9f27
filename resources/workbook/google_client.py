"""Asking Google as a service account: the key, the token, limits, what is tried again, what a refusal is called.

Belongs here: what any of Google's APIs needs (Sheets and Drive here, Docs in ``resources/google_docs``). Does not belong
here: what a workbook asks (``google``).

gspread makes the requests; the session under it is ours. google-auth's own session asks another host in the background where
requests may go, so only its credentials are used.
"""

import json
import os
import threading
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import urlsplit

import requests
import requests.utils
from google.auth.exceptions import GoogleAuthError, RefreshError, TransportError
from google.auth.transport.requests import Request
from google.oauth2.service_account import Credentials
from gspread.exceptions import APIError
from gspread.http_client import HTTPClient
from tenacity import RetryCallState, Retrying, retry_if_exception_type, wait_random_exponential

from domain.errors import InputError, SourceRefused, SourceUnavailable, SourceUnreachable
from resources.http import retry_after
from resources.workbook.google_limits import limiter

T = TypeVar("T")
SCOPES = (
    "https://www.googleapis.com/auth/spreadsheets",
    "https://www.googleapis.com/auth/drive.metadata.readonly",
)
_HOSTS = ("sheets.googleapis.com", "www.googleapis.com", "oauth2.googleapis.com", "docs.googleapis.com")
_TOKEN_URI = "https://oauth2.googleapis.com/token"  # noqa: S105 -- an address
_TIMEOUT = (5.0, 120.0)
_TRIES, _FIRST_TRIES = 6, 3
"""Tries for a request that fails; fewer while Google has never answered."""
_LONGEST_WAIT = 600.0
"""Seconds that one request may wait in all for quotas, which are a minute's."""
_BACK_OFF = wait_random_exponential(multiplier=0.25, max=20)
_QUOTA_BACK_OFF = wait_random_exponential(multiplier=2, max=64)
_WORDS = 200


class Passing(Exception):
    """A failure that may not come again. ``is_open``: whether the request was carried out is not known."""

    def __init__(self, what: str, *, limited: bool = False, wait: float | None = None, is_open: bool = False) -> None:
        super().__init__(what)
        self.limited, self.wait, self.is_open = limited, wait, is_open


class Refused(SourceRefused):
    """A 4xx answer; ``status`` tells them apart, ``disabled``: the project has not switched the API on."""

    def __init__(self, status: int, title: str, detail: str, remedy: str, *, disabled: bool = False) -> None:
        super().__init__(title, detail, remedy)
        self.status, self.disabled = status, disabled


def service_account(text: str) -> dict[str, Any]:
    """The key's fields. Raises ``InputError`` for what is no service account's JSON; its text is never told."""
    remedy = "Download a JSON key of the service account in Google Cloud, and give that file."
    try:
        key = json.loads(text or "null")
    except ValueError:
        key = None
    if not isinstance(key, dict):
        said = "There is none." if not text.strip() else "It is no JSON."
        raise InputError("Google needs a service account's key.", said, remedy)
    if key.get("type") != "service_account":
        said = "It is another kind of key (an OAuth client's, perhaps)."
        raise InputError("That is not a service account's key.", said, remedy)
    if lacking := [
        name for name in ("client_email", "private_key", "project_id") if not isinstance(key.get(name), str)
    ]:
        raise InputError("The service account's key is incomplete.", f"It lacks {', '.join(lacking)}.", remedy)
    return key


class _Session(requests.Session):
    """Sends with the service account's token, and where ``url`` says instead of to Google."""

    def __init__(self, key: dict[str, Any], url: str, scopes: tuple[str, ...]) -> None:
        super().__init__()
        self._url = url
        self._renewing = threading.Lock()
        self.trust_env = False  # a .netrc must not replace the token
        self.proxies = dict(requests.utils.get_environ_proxies(url or _TOKEN_URI))
        self.verify = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or True
        info = {"token_uri": _TOKEN_URI, **key}
        info["token_uri"] = self._address(_TOKEN_URI if url else str(info["token_uri"]))
        try:
            self._credentials: Any = Credentials.from_service_account_info(info, scopes=scopes)
        except (ValueError, GoogleAuthError):
            raise InputError(
                "The service account's key cannot be used.",
                "Its private key is damaged.",
                "Download a new JSON key in Google Cloud, and give that file.",
            ) from None
        self._tokens = requests.Session()
        self._tokens.trust_env, self._tokens.proxies, self._tokens.verify = False, self.proxies, self.verify

    def request(self, method: Any, url: Any, *args: Any, **kwargs: Any) -> requests.Response:
        response = self._sent(method, url, *args, **kwargs)
        if response.status_code == 401:  # taken back before its time
            self._renew(force=True)
            response = self._sent(method, url, *args, **kwargs)
        return response

    def _sent(self, method: Any, url: Any, *args: Any, **kwargs: Any) -> requests.Response:
        self._renew()
        headers = {**(kwargs.pop("headers", None) or {}), "Authorization": f"Bearer {self._credentials.token}"}
        return super().request(method, self._address(str(url)), *args, headers=headers, **kwargs)

    def close(self) -> None:
        self._tokens.close()
        super().close()

    def _renew(self, *, force: bool = False) -> None:
        with self._renewing:
            if force or not self._credentials.valid:
                self._credentials.refresh(Request(self._tokens))

    def _address(self, url: str) -> str:
        parts = urlsplit(url)
        if self._url and parts.hostname in _HOSTS:
            return f"{self._url}{parts.path}" + (f"?{parts.query}" if parts.query else "")
        return url


class GoogleClient:
    """One service account's way to Google. Threads may share it. ``requests`` counts what went to the APIs, tries included
    (not the token's, one an hour)."""

    def __init__(self, key_text: str, google_url: str = "", scopes: tuple[str, ...] = SCOPES) -> None:
        key = service_account(key_text)
        self.email: str = key["client_email"]
        self.project: str = key["project_id"]
        self.requests = 0
        self._where = google_url.rstrip("/")
        self._session = _Session(key, self._where, scopes)
        self.http = HTTPClient(None, self._session)  # pyright: ignore[reportArgumentType]
        self.http.set_timeout(_TIMEOUT)
        self._heard = False
        self._stop = threading.Event()

    def close(self) -> None:
        """End all waiting, and the connections."""
        self._stop.set()
        self._session.close()

    def ask(
        self, kind: str, what: str, call: Callable[[], T], *, is_done: Callable[[], bool] | None = None
    ) -> T | None:
        """What ``call`` (a request of gspread's client) gives. ``kind``: "read" and "write" have Sheets' quotas, others none.
        ``what`` is what was asked for, in messages.

        ``is_done`` is asked before a request is repeated of which it is not known whether it was carried out; where it was,
        the result is None. Raises ``Refused``, ``SourceUnavailable`` and ``SourceUnreachable``.
        """
        tries = Retrying(
            retry=retry_if_exception_type(Passing), stop=self._is_over, wait=_wait, sleep=self._sleep, reraise=True
        )
        is_open = False

        def attempt() -> T | None:
            nonlocal is_open
            if is_open and is_done and is_done():
                return None
            try:
                return self._once(kind, what, call)
            except Passing as failure:
                is_open = is_open or failure.is_open
                raise

        try:
            answer = tries(attempt)
        except Passing as last:
            raise self._given_up(what, last) from last
        self._heard = True
        return answer

    def _once(self, kind: str, what: str, call: Callable[[], T]) -> T:
        if kind in ("read", "write"):
            limiter(kind, self.email, self.project, self._where).take(self._sleep)
        self.requests += 1
        try:
            return call()
        except APIError as error:
            self._heard = True
            raise self._failure(error.response, what) from None
        except RefreshError as error:
            raise self._no_token(error) from None
        except (TransportError, requests.ConnectTimeout):
            raise Passing("there is no connection") from None
        except requests.exceptions.JSONDecodeError:
            raise Passing("its answer is broken", is_open=True) from None
        except requests.RequestException as error:
            refused = "refused" in str(error) or "resolve" in str(error)
            words = "no answer in time" if isinstance(error, requests.Timeout) else "the connection broke"
            raise Passing("the connection was refused" if refused else words, is_open=not refused) from None
        except (AttributeError, KeyError, TypeError, ValueError):
            raise Passing("its answer is none of Google's", is_open=True) from None

    def _failure(self, response: requests.Response, what: str) -> Passing | Refused:
        status = response.status_code
        if status == 429:
            return Passing("the quota of requests a minute is used up", limited=True, wait=retry_after(response))
        if status in (408, 409) or status >= 500:
            return Passing(f"it answered {status}", wait=retry_after(response), is_open=True)
        said = _said(response)
        if status == 403 and any(word in said for word in ("rateLimitExceeded", "quota")):
            return Passing("the quota of requests is used up", limited=True, wait=retry_after(response))
        return refusal(status, said, what, self.email, self.project)

    def _no_token(self, error: RefreshError) -> Passing | InputError:
        if error.retryable:
            return Passing("it gives no token")
        return InputError(
            "Google does not take the service account's key.",
            f"{self.email}: the key was deleted, or the account is switched off, or this machine's clock is wrong.",
            "Make a new JSON key in Google Cloud and give it: 'casebook company set ID --secret google'.",
        )

    def _given_up(self, what: str, last: Passing) -> SourceUnavailable:
        detail, remedy = f"{what}: {last}.", "Nothing is lost; a later run goes on from here."
        if self._heard or last.limited:
            return SourceUnavailable("Google fails.", detail, remedy)
        return SourceUnreachable("Google cannot be reached.", detail, remedy)

    def _is_over(self, state: RetryCallState) -> bool:
        failure = _failure_of(state)
        passed = (state.seconds_since_start or 0.0) + (failure.wait or 0.0)
        if failure.limited:
            return passed > _LONGEST_WAIT
        return state.attempt_number >= (_TRIES if self._heard else _FIRST_TRIES) or passed > _LONGEST_WAIT

    def _sleep(self, seconds: float) -> None:
        if self._stop.wait(seconds):
            raise SourceUnavailable("Asking Google was stopped.")


def refusal(status: int, said: str, what: str, email: str, project: str) -> Refused:
    """A refusal in words: whom to share with, which API to switch on, which id is wrong. ``said`` is only looked at: it may
    repeat what people wrote."""
    where = f"{what} answered {status}."
    if status in (401, 403) and ("SERVICE_DISABLED" in said or "accessNotConfigured" in said):
        return Refused(
            status,
            "An API of Google is not switched on.",
            f"{where} It is off in the project {project}.",
            "Switch on 'Google Sheets API' and 'Google Drive API' for that project in Google Cloud.",
            disabled=True,
        )
    if status in (401, 403):
        return Refused(
            status,
            "Google does not let Casebook have the workbook.",
            f"{where} It is not shared with {email}, or for reading only.",
            f"Share it with {email} as an editor ('Share' in the sheet).",
        )
    if status == 404:
        return Refused(
            status,
            "Google has no such workbook.",
            f"{where} The id in the address is wrong, or it is not shared with {email}.",
            f"Copy the address from the browser again, and share the sheet with {email} as an editor.",
        )
    if "not supported for this document" in said:
        return Refused(
            status,
            "That file is an Office file in Google Drive.",
            where,
            "Save it as Google Sheets (File > Save as Google Sheets), and give that one's address.",
        )
    if "protected" in said:
        return Refused(
            status,
            "A tab is protected against Casebook.",
            where,
            f"Let {email} edit it (Data > Protect sheets and ranges).",
        )
    return Refused(
        status, "Google did not take the request.", where, "Look whether the tabs are as Casebook made them."
    )


def _said(response: requests.Response) -> str:
    return response.text[:4000]


def _failure_of(state: RetryCallState) -> Passing:
    failure = state.outcome and state.outcome.exception()
    assert isinstance(failure, Passing)
    return failure


def _wait(state: RetryCallState) -> float:
    failure = _failure_of(state)
    if failure.wait is not None:
        return failure.wait
    return _QUOTA_BACK_OFF(state) if failure.limited else _BACK_OFF(state)
