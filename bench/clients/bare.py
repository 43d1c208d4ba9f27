"""The limit: a plain loop on ``requests``, one session and 8 threads, a list and a request for each thread; no store.

Belongs here: the least that fetches everything. Does not belong here: retries, limits, anything kept between pulls.
"""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from bench.clients import Rows, Task, lines, main

REQUIRES: tuple[str, ...] = ()
PLATFORM = "freshdesk"
THREADS = True
WORKERS = 8


def pull(task: Task) -> None:
    import requests
    import requests.adapters

    session = requests.Session()
    session.auth = (task.key, "X")
    session.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=WORKERS + 1))
    api = f"{task.url}/api/v2/tickets"

    def get(address: str, **params: Any) -> list[dict[str, Any]]:
        answer = session.get(address, params={"per_page": 100, **params}, timeout=30)
        answer.raise_for_status()
        return answer.json()

    def thread(ticket: dict[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        return ticket, get(f"{api}/{ticket['id']}/conversations") if task.threads else []

    got: list[tuple[int, str, list[int]]] = []
    with task.timed(), ThreadPoolExecutor(WORKERS) as pool:
        page, more = 1, True
        while more:
            rows = get(api, page=page, updated_since="1970-01-01T00:00:00Z", order_by="updated_at", order_type="asc",
                       include="description,requester,stats")  # fmt: skip
            for ticket, said in pool.map(thread, rows):
                got.append((ticket["id"], ticket["updated_at"], [one["id"] for one in said]))
            page, more = page + 1, len(rows) == 100
    task.next_path("got").write_text("".join(json.dumps(one) + "\n" for one in got))


def read(task: Task) -> Rows:
    rows = Rows()
    for number, updated_at, messages in lines(task.paths("got")):
        rows.ticket(number, updated_at)
        for message in messages:
            rows.message(number, message, updated_at)
    return rows


if __name__ == "__main__":
    main(pull, read)
