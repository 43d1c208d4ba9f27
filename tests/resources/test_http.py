"""The HTTP client and the rate budget, against a server on this machine that answers from a script."""

import base64
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from requests.structures import CaseInsensitiveDict
from tenacity import wait_fixed

from domain.errors import InputError, SourceRefused, SourceUnavailable
from resources import http
from resources.http import BadAnswer, Http, HttpRefused, basic
from resources.rate_budget import Pace, RateBudget

KEY = "sesame-öffne-dich"


class Server(ThreadingHTTPServer):
    """Answers with the ``script``, in order; its last entry stays. An answer is raw bytes, after which the line is cut."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.script: list[bytes | Callable[[], bytes]] = []
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.url = f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        server = self.server
        server.requests.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
        answer = server.script.pop(0) if len(server.script) > 1 else server.script[0]
        self.wfile.write(answer() if callable(answer) else answer)
        self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""


def answer(status: int = 200, body: bytes = b"{}", *headers: str, kind: str = "application/json") -> bytes:
    lines = [f"HTTP/1.1 {status} Said", f"Content-Type: {kind}", f"Content-Length: {len(body)}"]
    lines += ["Connection: close", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def no_back_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "_BACK_OFF", wait_fixed(0.01))


def client(url: str, **options: Any) -> Http:
    options = {"budget": RateBudget(), "on_send": lambda: None} | options
    return Http(url, basic(KEY, "X"), name="Freshdesk", **options)


# -- what is tried again -----------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("no_back_off")
@pytest.mark.parametrize(
    "fault",
    [
        answer(500),
        answer(503, b"", "Retry-After: 0"),
        answer(408),
        answer(429, b"{}", "Retry-After: 0"),
        answer(200, b"<html>We will be back</html>", kind="text/html"),
        answer(200, b"[1, 2"),
        answer(200, b""),
        answer(302, b"", "Location: https://login.example.com/"),
        answer(200, b'[{"id": 1}]').replace(b"Content-Length: 11", b"Content-Length: 900"),
        b"",
    ],
    ids=["500", "503", "408", "429", "web page", "broken JSON", "empty", "redirect", "cut", "closed"],
)
def test_what_passes_is_tried_again(server: Server, fault: bytes) -> None:
    server.script = [answer(200, b"[]"), fault, fault, answer(200, b"[7]")]
    sent: list[None] = []
    asked = client(server.url, on_send=lambda: sent.append(None))
    asked.get("/a", shape=list)
    assert asked.get("/a", shape=list).value == [7]
    assert len(sent) == len(server.requests) == 4


def test_a_key_that_was_changed_works_in_the_next_request(server: Server) -> None:
    right = [basic("old", "X")]
    server.script = [lambda: answer(200 if server.requests[-1][1]["authorization"] == right[-1] else 401)]
    sent: list[None] = []
    asked = Http(
        *(server.url, right[0]),
        name="Freshdesk",
        budget=RateBudget(),
        on_send=lambda: sent.append(None),
        renew=lambda: basic("new", "X"),
    )
    asked.get("/a")
    right.append(basic("new", "X"))
    asked.get("/b")
    asked.get("/c")
    assert [path for path, _ in server.requests] == ["/a", "/b", "/b", "/c"]  # the refused one once more, no other
    assert len(sent) == 4


@pytest.mark.parametrize("now", ["old", "also wrong"])
def test_a_key_that_is_refused_is_asked_for_once(server: Server, now: str) -> None:
    server.script = [answer(401)]
    renewals: list[None] = []

    def renew() -> str:
        renewals.append(None)
        return basic(now, "X")

    asked = Http(
        *(server.url, basic("old", "X")), name="Freshdesk", budget=RateBudget(), on_send=lambda: None, renew=renew
    )
    with pytest.raises(HttpRefused, match=r"refused the key.*company set ID --key-"):
        asked.get("/a")
    assert len(renewals) == 1
    assert len(server.requests) == (1 if now == "old" else 2)


def test_many_threads_that_are_refused_ask_for_one_key(server: Server) -> None:
    renewals: list[None] = []
    all_refused = threading.Barrier(5)

    def said() -> bytes:
        if server.requests[-1][1]["authorization"] == basic("new", "X"):
            return answer()
        all_refused.wait(10)
        return answer(401)

    def renew() -> str:
        renewals.append(None)
        return basic("new", "X")

    server.script = [said]
    asked = Http(
        *(server.url, basic("old", "X")), name="Freshdesk", budget=RateBudget(), on_send=lambda: None, renew=renew
    )
    with ThreadPoolExecutor(5) as pool:
        assert [one.value for one in pool.map(asked.get, ["/a"] * 5)] == [{}] * 5
    assert len(renewals) == 1
    assert len(server.requests) == 10


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 409, 422])
def test_a_refusal_is_told_at_once_and_its_status_with_it(server: Server, status: int) -> None:
    server.script = [answer(status, b'{"description":"Validation failed","errors":[{"field":"page","message":"no"}]}')]
    with pytest.raises(HttpRefused) as caught:
        client(server.url).get("/tickets")
    assert isinstance(caught.value, SourceRefused)
    assert (caught.value.status, caught.value.exit_code) == (status, 2)
    assert len(server.requests) == 1
    if status == 400:
        assert "Validation failed page: no" in caught.value.detail
    if status == 401:
        assert caught.value.title == "Freshdesk refused the key."


@pytest.mark.usefixtures("no_back_off")
def test_a_source_that_fails_for_good_is_given_up(server: Server) -> None:
    server.script = [answer(200), answer(500)]
    asked = client(server.url)
    asked.get("/fine")
    with pytest.raises(BadAnswer, match=r"Freshdesk fails\. .*/tickets: it answered 500 \(8 tries\)"):
        asked.get("/tickets", {"page": 1})
    assert len(server.requests) == 1 + http.TRIES


@pytest.mark.usefixtures("no_back_off")
def test_many_bad_answers_in_a_row_are_the_fault_of_the_source(server: Server) -> None:
    server.script = [answer(500)]
    asked = client(server.url)
    kinds: list[type] = []
    for _ in range(http.ALL_BAD):
        with pytest.raises(SourceUnavailable) as caught:
            asked.get("/tickets/1")
        kinds.append(type(caught.value))
    assert kinds == [BadAnswer] * (http.ALL_BAD - 1) + [SourceUnavailable]


def test_a_host_that_nobody_has_is_given_up_soon() -> None:
    started = time.monotonic()
    with pytest.raises(SourceUnavailable, match=r"cannot be reached.*no such host") as caught:
        client("http://no-such-host.invalid").get("/agents/me")
    assert time.monotonic() - started < 15
    assert not isinstance(caught.value, BadAnswer)


def test_a_port_where_nobody_listens_is_given_up_soon() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    started = time.monotonic()
    with pytest.raises(SourceUnavailable, match="connection was refused"):
        client(f"http://127.0.0.1:{port}").get("/agents/me")
    assert time.monotonic() - started < 15


def test_silence_is_given_up(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "FIRST_OUTAGE", 0.0)
    released = threading.Event()
    server.script = [lambda: b"" * released.wait(5)]
    with pytest.raises(SourceUnavailable, match="no answer in time"):
        client(server.url, timeout=(1, 0.1)).get("/slow")
    released.set()


def test_retry_after_is_waited_for_in_seconds_and_as_a_date(server: Server) -> None:
    for wait in ("1", lambda: formatdate(time.time() + 3, usegmt=True)):
        after = wait if isinstance(wait, str) else wait()
        server.script = [answer(429, b"{}", f"Retry-After: {after}"), answer()]
        started = time.monotonic()
        client(server.url).get("/a")
        assert 0.9 <= time.monotonic() - started < 8


def test_a_limit_that_lasts_longer_than_one_may_wait(server: Server) -> None:
    server.script = [answer(429, b"{}", "Retry-After: 1800")]
    with pytest.raises(SourceUnavailable, match="the rate limit is used up"):
        client(server.url).get("/a", longest_wait=90)
    assert len(server.requests) == 1


def test_waiting_ends_when_it_is_told_to(server: Server) -> None:
    server.script = [answer(429, b"{}", "Retry-After: 600")]
    asked = client(server.url)
    threading.Timer(0.2, asked.wake.set).start()
    started = time.monotonic()
    with pytest.raises(SourceUnavailable, match="stopped"):
        asked.get("/a")
    assert time.monotonic() - started < 5


# -- what is sent and read ---------------------------------------------------------------------------------------------


def test_request_and_answer(server: Server) -> None:
    server.script = [answer(200, b'[{"a": "\xea\xb0\x80"}]', 'Link: <http://x/?page=2>; rel="next"', "Set-Cookie: s=1")]
    asked = client(f"{server.url}/acme")
    first = asked.get("/tickets", {"updated_since": "1970-01-01T00:00:00Z", "page": 1}, shape=list)
    asked.get("/tickets", shape=list)
    assert (first.value, first.more) == ([{"a": "가"}], True)
    (path, headers), (_, second) = server.requests
    assert path == "/acme/tickets?updated_since=1970-01-01T00%3A00%3A00Z&page=1"
    assert base64.b64decode(headers["authorization"].removeprefix("Basic ")).decode() == f"{KEY}:X"
    assert "cookie" not in second


@pytest.mark.usefixtures("no_back_off")
def test_204_is_believed_when_it_is_said_again(server: Server) -> None:
    nothing = b"HTTP/1.1 204 No Content\r\n\r\n"
    server.script = [nothing] * http.NOTHING
    assert client(server.url).get("/a", shape=list).value == []
    assert len(server.requests) == http.NOTHING
    server.script = [nothing, answer(200, b'[{"id": 1}]')]
    assert client(server.url).get("/a", shape=list).value == [{"id": 1}]


def test_bytes_that_are_no_text_become_what_clean_counts(server: Server) -> None:
    server.script = [answer(200, b'{"a": "\xff", "b": "\\ud800"}')]
    assert client(server.url).get("/a").value == {"a": "\udcff", "b": "\ud800"}


@pytest.mark.usefixtures("no_back_off")
def test_the_key_goes_nowhere_else_and_into_no_message(server: Server) -> None:
    with Server() as elsewhere:
        elsewhere.script = [answer()]
        server.script = [answer(302, b"", f"Location: {elsewhere.url}/login")]
        with pytest.raises(BadAnswer) as caught:
            client(server.url).get("/tickets")
        assert caught.value.foreign
        assert elsewhere.requests == []
    for script in ([answer(401)], [answer(500)]):
        server.script = list(script)
        with pytest.raises((SourceRefused, SourceUnavailable)) as caught:
            client(server.url).get("/tickets")
        said = f"{caught.value} {caught.value.__cause__}"
        assert KEY not in said and basic(KEY, "X").split()[1] not in said


def test_an_address_that_is_none() -> None:
    with pytest.raises(InputError, match="is not an address"):
        client("freshdesk")


# -- the rate budget ---------------------------------------------------------------------------------------------------


class Limited:
    """A server's side of a limit: ``total`` credits in each ``window`` seconds, told in every answer."""

    def __init__(self, total: int, window: float, form: str = "{}") -> None:
        self.total, self.window, self.form = total, window, form
        self.lock = threading.Lock()
        self.ends = 0.0
        self.used = self.refused = self.most = 0

    def __call__(self) -> bytes:
        with self.lock:
            now = time.monotonic()
            if now >= self.ends:
                self.ends, self.used = now + self.window, 0
            allowed = self.used < self.total
            self.used += allowed
            self.refused += not allowed
            self.most = max(self.most, self.used)
            left, wait = self.total - self.used, self.ends - now
        headers = [f"X-RateLimit-Total: {self.form.format(self.total)}"]
        headers += [f"X-RateLimit-Remaining: {self.form.format(left)}", "X-RateLimit-Used-CurrentRequest: 1"]
        return answer(200, b"{}", *headers) if allowed else answer(429, b"{}", f"Retry-After: {wait:.2f}", *headers)


def send_from_threads(asked: Http, requests: int, threads: int = 8) -> None:
    numbers = iter(range(requests))
    lock = threading.Lock()

    def work() -> None:
        while True:
            with lock:
                if next(numbers, None) is None:
                    return
            asked.get("/a")

    asked.get("/first")
    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


@pytest.mark.parametrize("form", ["{}", "{}.0"])
def test_a_budget_is_used_to_the_full_without_one_refusal(server: Server, form: str) -> None:
    limit = Limited(40, 1.0, form)
    server.script = [limit]
    budget = RateBudget(1.0, window=1.0)
    started = time.monotonic()
    send_from_threads(client(server.url, budget=budget), 100)
    assert limit.refused == 0
    assert budget.credits == 101
    assert 2.0 <= time.monotonic() - started < 8.0  # 101 credits are three windows


def test_a_share_is_left_to_others(server: Server) -> None:
    limit = Limited(40, 1.0)
    server.script = [limit]
    send_from_threads(client(server.url, budget=RateBudget(0.5, window=1.0)), 45)
    assert limit.most <= 20
    assert limit.refused == 0


def test_a_window_longer_than_thought_costs_one_refusal_at_most(server: Server) -> None:
    limit = Limited(20, 6.0)
    server.script = [limit]
    send_from_threads(client(server.url, budget=RateBudget(1.0, window=1.5)), 30)
    assert limit.refused == 1


def test_others_who_use_the_budget_up_cost_one_pause(server: Server) -> None:
    limit = Limited(20, 3.0)
    server.script = [limit]
    asked = client(server.url, budget=RateBudget(1.0, window=3.0))
    asked.get("/a")
    limit.used = 20
    send_from_threads(asked, 15)
    assert limit.refused == 1


def test_a_refusal_of_one_kind_of_request_holds_up_no_other(server: Server) -> None:
    headers = ["X-RateLimit-Total: 40", "X-RateLimit-Remaining: 30"]
    server.script = [answer(429, b"{}", "Retry-After: 2", *headers), answer(200, b"{}", *headers)]
    asked = client(server.url)
    slow = threading.Thread(target=asked.get, args=["/list"])
    slow.start()
    while not server.requests:
        time.sleep(0.01)
    asked.get("/other")
    assert slow.is_alive()
    slow.join()


def test_without_headers_there_is_no_limit(server: Server) -> None:
    server.script = [answer()]
    budget = RateBudget(0.1)
    send_from_threads(client(server.url, budget=budget), 50)
    assert (budget.total, len(server.requests)) == (None, 51)


def test_a_pace_lets_so_many_through_in_any_window() -> None:
    pace, sent = Pace(3, window=0.3), list[float]()
    started = time.monotonic()
    for _ in range(8):
        pace.take()
        sent.append(time.monotonic() - started)
    assert sent[2] < 0.25
    assert all(later - sooner >= 0.29 for sooner, later in zip(sent, sent[3:], strict=False))
    assert sent[7] < 2


def test_zendesks_words_for_the_same_numbers() -> None:
    for total, left in (("X-Rate-Limit", "X-Rate-Limit-Remaining"), ("ratelimit-limit", "ratelimit-remaining")):
        budget = RateBudget()
        budget.done(budget.take(1), CaseInsensitiveDict({total: "700", left: "699"}))
        assert (budget.total, budget.credits) == (700, 1)


def test_a_window_is_spent_evenly_over_its_first_half() -> None:
    budget = RateBudget(1.0, window=2.0)
    started, left = time.monotonic(), 100
    sent: list[float] = []
    for _ in range(80):
        taken = budget.take(1)
        left -= 1
        budget.done(taken, {"X-RateLimit-Total": "100", "X-RateLimit-Remaining": str(left)})
        sent.append(time.monotonic() - started)
    at_once = sum(moment < 0.05 for moment in sent)
    assert 5 <= at_once <= 20  # a tenth at once, and what a twentieth of a second allows
    assert 0.6 <= sent[-1] <= 1.5  # 80 of 100 by 0.7 of the first half
    assert 30 <= sum(moment < 0.5 for moment in sent) <= 65
