"""``zenpy``, a library for Zendesk: its incremental export, and the comments of each ticket.

The library has settings of its own for the address: ``ZENPY_FORCE_SCHEME`` and ``ZENPY_FORCE_NETLOC``.

Belongs here: the loop that its documentation shows. Does not belong here: what it leaves to its callers.
"""

import importlib
import json
import os

from bench.clients import Rows, Task, lines, main

REQUIRES = ("zenpy==2.0.57",)
PLATFORM = "zendesk"
THREADS = True


def pull(task: Task) -> None:
    os.environ["ZENPY_FORCE_SCHEME"], os.environ["ZENPY_FORCE_NETLOC"] = task.url.split("://")
    zenpy = importlib.import_module("zenpy")  # a plain import is this file to a type checker
    client = zenpy.Zenpy(subdomain="bench", email=task.user, token=task.key)
    newest = task.path("newest")
    since = int(newest.read_text()) if newest.exists() else 0
    with task.timed(), task.next_path("got").open("w") as file:
        for ticket in client.tickets.incremental(start_time=since):
            since = max(since, ticket.generated_timestamp)
            if ticket.status == "deleted":
                continue
            said = [one.id for one in client.tickets.comments(ticket=ticket.id)]
            file.write(json.dumps([ticket.id, ticket.updated_at, said]) + "\n")
        newest.write_text(str(since))


def read(task: Task) -> Rows:
    rows = Rows()
    for number, updated_at, messages in lines(task.paths("got")):
        rows.ticket(number, updated_at)
        for message in messages:
            rows.message(number, message, updated_at)
    return rows


if __name__ == "__main__":
    main(pull, read)
