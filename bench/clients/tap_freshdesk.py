"""``tap-freshdesk``, Singer's: streams ``tickets`` and ``conversations``, as its command line runs it, messages to a file.

The tap builds its address from a name and ``.freshdesk.com``; ``redirect`` sends that to the sandbox. Its state is the
last STATE message that it wrote, as a target would hand it back.

Belongs here: config, catalog and state. Does not belong here: a target; the messages are what is measured.
"""

import importlib
import json
import sys

from bench.clients import Rows, Task, lines, main, redirect, stdout_to

REQUIRES = ("tap-freshdesk==1.0.1",)
PLATFORM = "freshdesk"
THREADS = True


def pull(task: Task) -> None:
    from singer import metadata  # pyright: ignore[reportMissingImports]

    tap = importlib.import_module("tap_freshdesk")  # a plain import is this file to a type checker

    redirect(task)
    catalog = tap.discover().to_dict()
    for stream in catalog["streams"]:
        wanted = stream["stream"] == "tickets" or (stream["stream"] == "conversations" and task.threads)
        known = metadata.write(metadata.to_map(stream["metadata"]), (), "selected", wanted)
        stream["metadata"] = metadata.to_list(known)
    config = {"api_key": task.key, "domain": "bench", "start_date": "1970-01-01T00:00:00Z", "user_agent": "bench"}
    states = [message["value"] for message in lines(task.paths("messages")) if message["type"] == "STATE"]
    sys.argv = ["tap-freshdesk"]
    for name, value in (("config", config), ("catalog", catalog), ("state", states[-1] if states else {})):
        task.path(f"{name}.json").write_text(json.dumps(value))
        sys.argv += [f"--{name}", str(task.path(f"{name}.json"))]
    stdout_to(task.next_path("messages"))
    with task.timed():
        tap.main()


def read(task: Task) -> Rows:
    rows = Rows()
    for message in lines(task.paths("messages")):
        if message["type"] != "RECORD":
            continue
        record = message["record"]
        if message["stream"] == "tickets":
            rows.ticket(record["id"], record["updated_at"])
        else:
            rows.message(record["ticket_id"], record["id"], record["updated_at"])
    return rows


if __name__ == "__main__":
    main(pull, read)
