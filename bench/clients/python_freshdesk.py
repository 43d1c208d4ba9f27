"""``python-freshdesk``, a library: what people write around it is a loop over lists and their comments.

The library takes a domain, and always ``https://``; ``redirect`` sends that to the sandbox.

Belongs here: that loop, with the time of the newest ticket kept for the next pull. Does not belong here: what the library
leaves to its callers and few of them write (retries, limits, what moved meanwhile).
"""

import json

from bench.clients import Rows, Task, lines, main, redirect

REQUIRES = ("python-freshdesk==1.3.9",)
PLATFORM = "freshdesk"
THREADS = True


def pull(task: Task) -> None:
    from freshdesk.api import API  # pyright: ignore[reportMissingImports]

    redirect(task)
    kept = task.path("newest")
    since = newest = kept.read_text() if kept.exists() else "1970-01-01T00:00:00Z"
    tickets = API("bench.freshdesk.com", task.key).tickets
    comments = API("bench.freshdesk.com", task.key).comments
    with task.timed(), task.next_path("got").open("w") as file:
        page, more = 1, True
        while more:
            found = tickets.list_tickets(
                filter_name=None, updated_since=since, order_by="updated_at", order_type="asc", page=page, per_page=100
            )
            for ticket in found:
                newest = ticket.updated_at.strftime("%Y-%m-%dT%H:%M:%SZ")
                said = [one.id for one in comments.list_comments(ticket.id)] if task.threads else []
                file.write(json.dumps([ticket.id, newest, said]) + "\n")
            page, more = page + 1, len(found) == 100
        kept.write_text(newest)


def read(task: Task) -> Rows:
    rows = Rows()
    for number, updated_at, messages in lines(task.paths("got")):
        rows.ticket(number, updated_at)
        for message in messages:
            rows.message(number, message, updated_at)
    return rows


if __name__ == "__main__":
    main(pull, read)
