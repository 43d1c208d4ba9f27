"""Files of a ticket: what is fetched, what is kept, and what is tried again.

Belongs here: ``resources/helpdesk/files`` against a server on this machine. Does not belong here: downloads
(``test_download``), what files say (``test_file_text``), the queue (``test_collect_whole``).
"""

import threading
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from tenacity import wait_fixed

from resources import download
from resources.helpdesk import files as module
from resources.helpdesk.base import Json, Unread
from resources.helpdesk.files import MOST_TRIES, File, Files


class Server(ThreadingHTTPServer):
    """Gives every address the same answer."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.status, self.body = 200, b"E-4711"
        self.asked = 0
        self.url = f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Server  # pyright: ignore[reportIncompatibleVariableOverride]

    def do_GET(self) -> None:
        self.server.asked += 1
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(self.server.body)))
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""


class Ticket:
    """A ticket with one file, read again and again; ``kept`` is what is stored of it."""

    def __init__(self, server: Server, files: Files) -> None:
        self.server, self.files = server, files
        self.kept: Json | None = None

    def read(self, status: int = 200, body: bytes = b"E-4711") -> Unread | None:
        self.server.status, self.server.body = status, body
        file = File("4", "a.txt", "text/plain", len(body), f"{self.server.url}/a.txt")
        found, unread = self.files.read([file], self.kept)
        self.kept = {"files": found}
        return unread

    @property
    def found(self) -> Json:
        assert self.kept
        return self.kept["files"]


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def ticket(server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ticket]:
    monkeypatch.setattr(download, "_BACK_OFF", wait_fixed(0.01))
    with closing(Files(server.url)) as files:
        yield Ticket(server, files)


def test_a_file_is_read_once(ticket: Ticket) -> None:
    for _ in range(2):
        assert ticket.read() is None
    assert ticket.found == {"by": module.READER, "texts": {"4": "E-4711"}, "unread": {}}
    assert ticket.server.asked == 1


@pytest.mark.parametrize("status", [200, 404])
def test_another_reader_reads_again(ticket: Ticket, monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    ticket.read(status)
    monkeypatch.setattr(module, "READER", "another")
    assert ticket.read(body=b"E-4712") is None
    assert (ticket.found["texts"], ticket.found["by"]) == ({"4": "E-4712"}, "another")


def test_what_was_stored_before_there_were_versions_is_read_again(ticket: Ticket) -> None:
    ticket.kept = {"files": {"texts": {"4": "of old"}, "unread": {}}}
    ticket.read()
    assert ticket.found["texts"] == {"4": "E-4711"}


def test_what_was_unread_is_tried_again_only_for_who_asks(ticket: Ticket) -> None:
    ticket.read(404)
    unread = ticket.read()
    assert unread and not unread.passing
    assert (ticket.server.asked, ticket.found["unread"]) == (1, {"4": "cannot be downloaded (404)"})
    ticket.found.pop("unread")
    assert ticket.read() is None
    assert (ticket.found["texts"], ticket.found["unread"]) == ({"4": "E-4711"}, {})


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_address_is_tried_a_few_times(ticket: Ticket, status: int) -> None:
    passing: list[bool] = []
    for _ in range(MOST_TRIES + 1):
        unread = ticket.read(status)
        assert unread
        passing.append(unread.passing)
    assert passing == [True] * (MOST_TRIES - 1) + [False, False]
    assert ticket.server.asked == MOST_TRIES
    assert ticket.found == {"by": module.READER, "texts": {}, "unread": {"4": f"cannot be downloaded ({status})"}}
    ticket.found.pop("unread")
    assert ticket.read() is None


def test_a_refused_address_that_opens_is_forgotten(ticket: Ticket) -> None:
    ticket.read(403)
    assert ticket.found["tries"] == {"4": 1}
    assert ticket.read() is None
    assert "tries" not in ticket.found


def test_a_server_that_fails_is_asked_for_ever(ticket: Ticket) -> None:
    for _ in range(MOST_TRIES + 2):
        unread = ticket.read(500)
        assert unread and unread.passing
    assert ticket.found == {"by": module.READER, "texts": {}, "unread": {}}
