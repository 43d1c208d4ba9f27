"""Downloads over real sockets: where the key goes, which addresses are refused, when a download ends.

Belongs here: ``resources/download`` against servers on this machine, which is itself a private network.
Does not belong here: what a downloaded file says (``test_file_text``).
"""

import gzip
import logging
import random
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from tenacity import wait_fixed

from resources import download as module
from resources.download import download
from resources.file_text import UnreadableFile
from tests.authority import make_authority

KEY = "Basic SECRETKEY"
FILE = random.Random(1).randbytes(300_000)


class Server(ThreadingHTTPServer):
    """Answers each path with what ``answers`` has for it; an answer writes to the handler."""

    daemon_threads = True

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_side=True)
        self.answers: dict[str, list[Callable[[Any], None]]] = {}
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.server_port}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Quiet: clients that hang up are what is tested."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        self.server.requests.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
        answers = self.server.answers[urlsplit(self.path).path]
        (answers.pop(0) if len(answers) > 1 else answers[0])(self)

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""


def says(status: int, body: bytes = b"", **headers: str) -> Callable[[Any], None]:
    def answer(handler: Any) -> None:
        handler.send_response(status)
        for name, value in {"Content_Length": str(len(body)), **headers}.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def leads_to(address: str) -> Callable[[Any], None]:
    return says(302, Location=address)


def endless(pause: float, piece: bytes = b"x" * 1000, head: bytes = b"") -> Callable[[Any], None]:
    """A body without an end, or (with ``head``) headers without one."""

    def answer(handler: Any) -> None:
        handler.close_connection = True
        handler.wfile.write(head or b"HTTP/1.1 200 OK\r\n\r\n")
        end = time.monotonic() + 20
        while time.monotonic() < end:
            handler.wfile.write(piece)
            time.sleep(pause)

    return answer


@pytest.fixture
def start() -> Iterator[Callable[..., Server]]:
    running: list[tuple[Server, threading.Thread]] = []

    def start_one(tls: ssl.SSLContext | None = None) -> Server:
        server = Server(tls)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        running.append((server, thread))
        return server

    yield start_one
    for server, thread in running:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def server(start: Callable[..., Server]) -> Server:
    server = start()
    server.answers = {"/file": [says(200, FILE)]}
    return server


@pytest.fixture
def tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    make_authority(tmp_path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.pem", tmp_path / "server.key")
    return context


@pytest.fixture(autouse=True)
def no_back_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_BACK_OFF", wait_fixed(0.01))


def refused(url: str, most_bytes: int = 1_000_000, **options: Any) -> UnreadableFile:
    with pytest.raises(UnreadableFile) as caught:
        download(url, most_bytes, **options)
    failure: BaseException | None = caught.value
    while failure:  # whoever shows it, and whatever it came from
        assert "SECRET" not in f"{failure} {failure!r}"
        failure = failure.__context__
    return caught.value


# -- a file ------------------------------------------------------------------------------------------------------------


def test_a_file(server: Server) -> None:
    assert download(f"{server.url}/file?sig=a%2Fb", 300_000, origin=server.url) == FILE
    path, headers = server.requests[0]
    assert parse_qs(urlsplit(path).query) == {"sig": ["a/b"]}
    assert "authorization" not in headers


@pytest.mark.parametrize("declared", [True, False], ids=["declared", "found out"])
def test_a_file_that_is_too_large(server: Server, declared: bool) -> None:
    server.answers["/file"] = [says(200, FILE) if declared else endless(0)]
    unreadable = refused(f"{server.url}/file", 299_999, origin=server.url)
    assert (unreadable.title, unreadable.passing) == ("is larger than the 0.299999 MB that are read", False)
    assert len(server.requests) == 1
    assert "20 MB" in refused(f"{server.url}/file", 20_000_000, origin=server.url).title if not declared else True


def test_a_packed_answer_counts_unpacked(server: Server) -> None:
    server.answers["/file"] = [says(200, gzip.compress(bytes(50_000_000)), Content_Encoding="gzip")]
    assert "larger" in refused(f"{server.url}/file", 1_000_000, origin=server.url).title
    server.answers["/file"] = [says(200, gzip.compress(b"text"), Content_Encoding="gzip")]
    assert download(f"{server.url}/file", 1_000_000, origin=server.url) == b"text"


def test_chunks_and_empty_files(server: Server) -> None:
    def chunked(handler: Any) -> None:
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        handler.wfile.write(b"3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n")

    server.answers = {"/file": [chunked], "/none": [says(204)], "/empty": [says(200)]}
    assert download(f"{server.url}/file", 7, origin=server.url) == b"abcdefg"
    assert download(f"{server.url}/none", 7, origin=server.url) == b""
    assert download(f"{server.url}/empty", 7, origin=server.url) == b""


def test_threads_share_it(server: Server) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: download(f"{server.url}/file", 300_000, origin=server.url), range(40)))
    assert found == [FILE] * 40


# -- the key -----------------------------------------------------------------------------------------------------------


def test_the_key_goes_to_the_origin_only(start: Callable[..., Server], server: Server, tls: ssl.SSLContext) -> None:
    elsewhere = start(tls)
    elsewhere.answers = {"/file": [says(200, b"elsewhere")], "/back": [leads_to(f"{server.url}/file")]}
    server.answers |= {"/own": [leads_to("/file")], "/away": [leads_to(f"{elsewhere.url}/file?sig=SECRET")]}
    server.answers["/there-and-back"] = [leads_to(f"{elsewhere.url}/back")]
    options: dict[str, Any] = {"origin": f"{server.url}/api/v2", "authorization": KEY}

    assert download(f"{server.url}/own", 1_000_000, **options) == FILE
    assert [headers.get("authorization") for _, headers in server.requests] == [KEY, KEY]
    assert download(f"{server.url}/away", 1_000_000, **options) == b"elsewhere"
    assert download(f"{elsewhere.url}/file", 1_000_000, **options) == b"elsewhere"
    assert download(f"{server.url}/there-and-back", 1_000_000, **options) == FILE
    assert [headers.get("authorization") for _, headers in elsewhere.requests] == [None, None, None]
    assert [headers.get("authorization") for _, headers in server.requests[2:]] == [KEY, KEY, None]


def test_a_bad_certificate_is_not_accepted(
    start: Callable[..., Server], tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = start(tls)
    elsewhere.answers = {"/file": [says(200, b"never")]}
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    unreadable = refused(f"{elsewhere.url}/file", origin=elsewhere.url)
    assert (unreadable.title, unreadable.passing) == (
        "cannot be downloaded (its TLS certificate was not accepted)",
        True,
    )
    assert not elsewhere.requests


def test_no_netrc_and_no_cookies(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login SECRET password SECRET\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    server.answers["/cookie"] = [says(200, b"", Set_Cookie="SECRET=1")]
    download(f"{server.url}/cookie", 9, origin=server.url)
    download(f"{server.url}/cookie", 9, origin=server.url)
    assert not [headers for _, headers in server.requests if {"authorization", "cookie"} & headers.keys()]


def test_no_address_is_logged(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    download(f"{server.url}/file?sig=SECRET", 1_000_000, origin=server.url)
    server.answers["/file"] = [says(503)]
    refused(f"{server.url}/file?sig=SECRET", origin=server.url)
    assert "SECRET" not in caplog.text


# -- private networks --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "[::1]", "0.0.0.0", "10.0.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
     "[fd00::1]", "[fe80::1]", "[::ffff:127.0.0.1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "2130706433", "0x7f.1",
     "224.0.0.1", "127.0.0.1.", "user:SECRET@127.0.0.1"],
)  # fmt: skip
def test_a_private_network_is_not_asked(server: Server, host: str) -> None:
    unreadable = refused(f"https://{host}:{server.server_port}/file", origin="https://acme.example.com")
    assert not unreadable.passing
    assert unreadable.title == "cannot be downloaded (its address is in a private network)"
    assert not server.requests


def test_no_redirect_leads_into_a_private_network(start: Callable[..., Server], server: Server) -> None:
    inner = start()
    inner.answers = {"/file": [says(200, b"inner")]}
    server.answers |= {
        "/plain": [leads_to(f"{inner.url}/file")],
        "/name": [leads_to(f"https://localhost:{inner.server_port}/file")],
        "/metadata": [leads_to("https://169.254.169.254/latest")],
        "/file-of-disk": [leads_to("file:/" + "/localhost/dev/null")],
    }
    for path in server.answers.keys() - {"/file"}:
        assert not refused(f"{server.url}{path}", origin=server.url).passing
    assert not inner.requests


def test_a_name_that_changes_its_mind(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name whose owner answers with a public address first, and with one of ours when it is connected to."""
    real, asked = socket.getaddrinfo, list[str]()

    def resolve(host: Any, *words: Any, **options: Any) -> Any:
        if host != "rebinding.example.com":
            return real(host, *words, **options)
        asked.append(host)
        return real("93.184.216.34" if len(asked) == 1 else "127.0.0.1", *words, **options)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    accepted = socket.create_server(("127.0.0.1", 0))
    with accepted:
        unreadable = refused(f"https://rebinding.example.com:{accepted.getsockname()[1]}/file")
        assert unreadable.title == "cannot be downloaded (its address is in a private network)"
        assert len(asked) == 2
        accepted.settimeout(5)
        connection, _ = accepted.accept()
        with connection:
            assert connection.recv(100) == b""  # not even a greeting of TLS


def test_a_proxy_is_asked_and_is_not_a_way_in(monkeypatch: pytest.MonkeyPatch) -> None:
    heard = list[bytes]()

    def refuse(proxy: socket.socket) -> None:
        for _ in range(3):
            connection, _ = proxy.accept()
            with connection:
                heard.append(b" ".join(connection.recv(1000).split()[:2]))
                connection.sendall(b"HTTP/1.1 502 No\r\nContent-Length: 0\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.getsockname()[1]}")
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        answering = threading.Thread(target=refuse, args=(proxy,))
        answering.start()
        assert not refused("https://192.168.1.1/file?sig=SECRET").passing
        assert heard == []
        assert refused("https://93.184.216.34/file?sig=SECRET").passing
        answering.join()
    assert heard == [b"CONNECT 93.184.216.34:443"] * 3


@pytest.mark.parametrize(
    "url", ["", "file", "ftp://example.com/a", "file:" + "/dev/null", "https://", "http://[::1", "\0"]
)
def test_what_is_no_address(url: str) -> None:
    assert not refused(url).passing


def test_plain_http_elsewhere_is_refused(server: Server) -> None:
    for origin in ("", "https://127.0.0.1", f"http://127.0.0.1:{server.server_port + 1}", "http://127.0.0.1"):
        unreadable = refused(f"{server.url}/file", origin=origin, authorization=KEY)
        assert (unreadable.title, unreadable.passing) == ("cannot be downloaded (its address is not https)", False)
    assert not server.requests


# -- failures ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "passing", "sent"),
    [(404, False, 1), (410, False, 1), (400, False, 1), (403, True, 1), (401, True, 1), (304, False, 1),
     (500, True, 3), (503, True, 3), (429, True, 3)],
)  # fmt: skip
def test_refusals_and_failures(server: Server, status: int, passing: bool, sent: int) -> None:
    server.answers["/file"] = [says(status)]
    unreadable = refused(f"{server.url}/file", origin=server.url)
    assert (unreadable.title, unreadable.passing) == (f"cannot be downloaded ({status})", passing)
    assert len(server.requests) == sent


def test_what_passes_is_tried_again(server: Server) -> None:
    def cut_off(handler: Any) -> None:
        says(200, FILE[:1000], Content_Length=str(len(FILE)))(handler)
        handler.close_connection = True

    def hang_up(handler: Any) -> None:
        handler.close_connection = True

    server.answers["/file"] = [cut_off, hang_up, says(200, FILE)]
    assert download(f"{server.url}/file", 1_000_000, origin=server.url) == FILE
    server.answers["/file"] = [cut_off]
    unreadable = refused(f"{server.url}/file", origin=server.url)
    assert (unreadable.title, unreadable.passing) == ("cannot be downloaded (the connection broke)", True)


def test_a_wait_that_is_asked_for(server: Server) -> None:
    server.answers["/file"] = [says(429, Retry_After="0.3"), says(200, b"now")]
    started = time.monotonic()
    assert download(f"{server.url}/file", 9, origin=server.url) == b"now"
    assert time.monotonic() - started >= 0.3
    server.answers["/file"] = [says(429, Retry_After="3600")]
    started = time.monotonic()
    assert refused(f"{server.url}/file", origin=server.url).passing
    assert time.monotonic() - started < 1


def test_redirects_come_to_an_end(server: Server) -> None:
    for number in range(9):
        server.answers[f"/{number}"] = [leads_to(f"/{number + 1}")]
    server.answers["/9"] = [says(200, b"end")]
    assert download(f"{server.url}/6", 9, origin=server.url) == b"end"
    unreadable = refused(f"{server.url}/5", origin=server.url)
    assert (unreadable.title, unreadable.passing) == ("cannot be downloaded (it is redirected too often)", False)


@pytest.mark.parametrize(
    "answer",
    [
        endless(0.05),
        endless(0.05, b"x", b"HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\n"),
        endless(0.05, b"A: b\r\n", b"HTTP/1.1 200 OK\r\n"),
        endless(9, b""),
    ],
    ids=["a body that drips", "a body with a length", "headers that drip", "silence"],
)
def test_a_download_ends_in_time(server: Server, answer: Callable[[Any], None]) -> None:
    server.answers["/file"] = [answer]
    started = time.monotonic()
    unreadable = refused(f"{server.url}/file", origin=server.url, seconds=0.6)
    assert time.monotonic() - started < 2
    assert unreadable.passing
    assert unreadable.title == "cannot be downloaded (it takes more than 0.6 seconds)"


def test_nobody_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"http://127.0.0.1:{taken.getsockname()[1]}"
    unreadable = refused(f"{address}/file", origin=address)
    assert (unreadable.title, unreadable.passing) == ("cannot be downloaded (the connection broke)", True)
