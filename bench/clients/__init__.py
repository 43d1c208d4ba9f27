"""Helpdesk clients that ``bench.collect`` compares: one small file each, run in an environment of its own.

    python -m bench.clients.NAME pull TASK      fetch what is new into the task's folder (TASK: ``Task`` as JSON)
    python -m bench.clients.NAME read TASK      say, as JSON, what the folder holds after all pulls (``Rows``)

A client's file has ``REQUIRES`` (what pip installs into its environment; nothing: it runs in ours), ``PLATFORM``,
``THREADS`` (False: it fetches no conversations at all), and the two functions. Its public package is imported in them
only, so that the constants can be read without it.

Belongs here: what the clients' files share; the standard library only, for it runs in all environments.
Does not belong here: scenarios and measures (``bench/collect``), or any code of a public client.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Task:
    """One pull. ``url`` is the sandbox's account; ``folder`` keeps what the client keeps between pulls; without
    ``threads`` no conversations are to be fetched, by a client that can leave them out. ``dlt_source`` is for ``dlt``,
    ``attachments`` for ``casebook``."""

    url: str
    key: str
    user: str
    folder: str
    platform: str
    threads: bool = True
    dlt_source: str = ""
    attachments: str = "full"

    def path(self, name: str) -> Path:
        return Path(self.folder) / name

    def next_path(self, name: str) -> Path:
        """A file of this pull alone: a killed one may have left half a line."""
        return self.path(f"{name}-{len(self.paths(name)) + 1:03}.jsonl")

    def paths(self, name: str) -> list[Path]:
        return sorted(Path(self.folder).glob(f"{name}-*.jsonl"))

    @contextmanager
    def timed(self) -> Iterator[None]:
        """The client's work without its start and its imports; the seconds, and the processor's, go into the folder."""
        started, before = time.perf_counter(), time.process_time()
        try:
            yield
        finally:
            took = [time.perf_counter() - started, time.process_time() - before]
            self.path("seconds").write_text(json.dumps(took))


@dataclass
class Rows:
    """What a client has. ``tickets``: id → the times of change (seconds since 1970) of the rows it wrote, the last one
    counts. ``messages``: conversation id → the same, and its ticket's id; None for who fetches none."""

    tickets: dict[int, list[int]] = field(default_factory=dict[int, list[int]])
    messages: dict[int, tuple[int, list[int]]] | None = field(default_factory=dict[int, tuple[int, list[int]]])

    def ticket(self, number: int, updated_at: str) -> None:
        self.tickets.setdefault(number, []).append(seconds(updated_at))

    def message(self, ticket: int, number: int, updated_at: str = "") -> None:
        assert self.messages is not None
        self.messages.setdefault(number, (ticket, []))[1].append(seconds(updated_at) if updated_at else 0)


def seconds(moment: str) -> int:
    return int(datetime.fromisoformat(moment).timestamp())


def lines(paths: list[Path]) -> Iterator[Any]:
    """The JSON of files line by line, without what a kill cut off."""
    for path in paths:
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                yield json.loads(line)
            except ValueError:
                continue


def redirect(task: Task) -> None:
    """Send to the sandbox what a client on ``requests`` sends to ``https://ANY.freshdesk.com`` or ``.zendesk.com``, which
    most have in their code. Only the address of a finished request changes; what is sent, when, and how often does not."""
    import requests

    send = requests.Session.send

    def send_there(self: requests.Session, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        there = urlsplit(request.url or "")
        if (there.hostname or "").endswith((".freshdesk.com", ".zendesk.com")):
            request.url = f"{task.url}{there.path}{'?' if there.query else ''}{there.query}"
        return send(self, request, **options)

    requests.Session.send = send_there


def stdout_to(path: Path) -> None:
    """Whatever the client prints, by whichever way, goes into a file."""
    with path.open("wb") as file:
        os.dup2(file.fileno(), 1)


def main(pull: Callable[[Task], None], read: Callable[[Task], Rows]) -> None:
    command, said = sys.argv[1:]
    task = Task(**json.loads(said))
    if command == "pull":
        pull(task)
        return
    rows = read(task)
    json.dump({"tickets": rows.tickets, "messages": rows.messages}, sys.stdout)
