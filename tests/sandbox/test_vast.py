"""A vast account answers as a stored one would, and keeps nothing but what was changed."""

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from sandbox import corpus
from sandbox.serve import Sandbox
from sandbox.vast import VastWorld, checksum
from tests.sandbox.conftest import ALL, Client

COUNT = 20_000 + 13  # the last block is not whole
Json = dict[str, Any]


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with Sandbox(vast={"big": COUNT, "huge": 5_000_000}) as sandbox:
        yield sandbox


@pytest.fixture
def big(running: Sandbox) -> Iterator[Client]:
    client = Client(running, "big")
    client.admin("reset")
    yield client
    client.session.close()


def listed(world: VastWorld, order: Any, since: str | None, *, descending: bool = False) -> list[int]:
    return [number for _, number in world.find("live", order, descending=descending, updated_since=since)[:]]


def expected(tickets: list[tuple[int, str, str]], order: str, since: str | None, oldest: str) -> list[int]:
    """The same list the slow way: every ticket looked at, sorted."""
    found = [
        (updated if order == "updated_at" else created, number)
        for number, created, updated in tickets
        if (updated >= since if since else created >= oldest)
    ]
    return [number for _, number in sorted(found)]


@pytest.mark.parametrize("order", ["updated_at", "created_at", "due_by"])
@pytest.mark.parametrize("changed", [False, True])
def test_every_order_is_that_of_the_tickets(order: str, changed: bool):
    world = VastWorld("big", COUNT)
    if changed:
        world.edit(world.choose(None, 40, 1), "reply")
        world.put(world.choose(None, 20, 2), "deleted")
        world.purge(world.choose(None, 20, 3))
        deleted = world.put(world.choose(None, 10, 4), "spam", touch=False)
        world.put(deleted, "live", touch=False)  # back, in the middle of the order
    oldest = corpus.stamp(world.clock.now() - timedelta(days=30))
    middle = world.tickets[COUNT // 2].updated
    every = [world.tickets[number] for number in world.tickets]
    live = [(ticket.id, ticket.created, ticket.updated) for ticket in every if ticket.place == "live"]
    for since in (ALL, middle, world.tickets[COUNT - 500].updated, "2030-01-01T00:00:00Z", None):
        right = expected(live, order, since, oldest)
        assert listed(world, order, since) == right, since
        assert listed(world, order, since, descending=True) == right[::-1], since
    shown = [updated for _, _, updated in live]
    assert len(set(shown)) == len(shown)  # no ties, before or after


def test_tickets_are_whole_and_in_their_own_time():
    world = VastWorld("big", COUNT)
    now = corpus.stamp(world.clock.now())
    for number in [*range(1, 300), 997, COUNT]:
        record = world.tickets[number].record()
        assert record["id"] == number
        times = [record["created_at"], *(one["created_at"] for one in record["conversations"])]
        assert times == sorted(times)
        assert times[-1] <= record["updated_at"] < now
        assert {one["ticket_id"] for one in record["conversations"]} <= {number}
        assert record["requester"]["id"] == record["requester_id"] == world.tickets[number].requester_id
        assert record["status"] == world.tickets[number].status
        assert record["created_at"] == world.tickets[number].created
        assert (record["stats"]["resolved_at"] is not None) == (record["status"] in (4, 5))
        assert record == world.tickets[number].record()
    assert len(world.tickets[997].record()["conversations"]) == 35
    bodies = {world.tickets[number].record()["description_text"] for number in range(1, 1000)}
    assert len(bodies) == 999


def test_a_client_lists_views_and_reads_threads(big: Client):
    parts = "description,stats,requester"
    rows = big.get("tickets", updated_since=ALL, order_by="updated_at", order_type="asc", per_page=100, include=parts)
    assert [row["updated_at"] for row in rows.json()] == sorted(row["updated_at"] for row in rows.json())
    assert [row["id"] for row in rows.json()] != sorted(row["id"] for row in rows.json())
    assert "next" in rows.links
    row = rows.json()[5]
    view = big.get(f"tickets/{row['id']}", include="conversations,stats,requester").json()
    assert {name: view[name] for name in row} == row
    whole = big.get("tickets/997/conversations", per_page=30)
    assert len(whole.json()) == 30
    assert len(big.session.get(whole.links["next"]["url"], timeout=10).json()) == 5
    assert big.get(f"contacts/{row['requester_id']}").json()["name"] == row["requester"]["name"]
    assert len(big.get("contacts", per_page=100, page=2).json()) == 100
    assert (big.ids(filter="deleted"), big.ids(filter="spam")) == ([], [])
    assert big.get(f"tickets/{COUNT + 1}").status_code == 404
    refused = big.get("tickets", updated_since=ALL, order_by="status")
    assert (refused.status_code, "by status" in refused.text) == (400, True)
    assert requests.get(f"{big.sandbox.url('big', 'zendesk')}/api/v2/users/me.json", timeout=10).status_code == 404


def test_what_is_changed_shows_and_what_is_deleted_does_not(big: Client):
    before = big.admin("truth", checksum=True)
    assert before["count"] == COUNT
    assert "changed" not in before
    (edited,) = big.admin("edit", ids=[77], what="text")["ids"]
    newest = big.get("tickets", updated_since=ALL, order_by="updated_at").json()[0]
    assert newest["id"] == edited
    big.admin("delete", ids=[5])
    big.admin("hard_delete", ids=[6])
    big.admin("archive", ids=[7])
    (new,) = big.admin("create", count=1)["ids"]
    assert new == COUNT + 1
    assert big.ids(filter="deleted") == [5]
    assert [big.get(f"tickets/{number}").status_code for number in (5, 6, 7, new)] == [200, 404, 404, 200]
    assert big.get("tickets/archived/7").status_code == 200
    first = big.ids(order_by="created_at", order_type="asc", per_page=10)
    assert first == [1, 2, 3, 4, 8, 9, 10, 11, 12, 13]
    truth = big.admin("truth")
    assert (truth["count"], truth["deleted"], truth["archived"], truth["gone"]) == (COUNT - 3 + 1, [5], [7], [6])
    assert truth["changed"] == [5, 7, 77, new]
    after = big.admin("truth", checksum=True)
    assert (after["count"], after["checksum"] != before["checksum"]) == (COUNT - 2, True)
    told = {one["id"]: one for one in big.admin("truth", ids=[5, 6, 8])["tickets"]}
    assert {number: one["place"] for number, one in told.items()} == {5: "deleted", 8: "live"}
    with pytest.raises(ValueError, match="no statuses"):
        big.admin("options", custom=True)


def test_a_checksum_is_what_a_client_can_compute(big: Client):
    with Sandbox(generated={"made": 40}) as sandbox:
        client = Client(sandbox, "made")
        rows = client.get("tickets", updated_since=ALL, per_page=100).json()
        each = [
            (row["id"], row["updated_at"], len(client.get(f"tickets/{row['id']}/conversations", per_page=100).json()))
            for row in rows
        ]
        truth = client.admin("truth", checksum=True)
        assert {name: truth[name] for name in ("count", "messages", "checksum")} == checksum(each)
        assert checksum(each[1:])["checksum"] != truth["checksum"]
        client.session.close()


def test_five_millions_answer_at_once(running: Sandbox):
    client = Client(running, "huge")
    present = datetime.fromisoformat(client.admin("clock")["now"]).astimezone(UTC)
    since = corpus.stamp(present - timedelta(days=10))
    rows = client.get("tickets", updated_since=since, order_by="updated_at", order_type="asc", per_page=100).json()
    assert rows[0]["updated_at"] >= since
    assert len({row["id"] for row in rows}) == 100
    last = client.get("tickets", updated_since=since, order_by="updated_at", page=300, per_page=100)
    assert len(last.json()) == 100
    assert client.get("tickets/5000000").json()["id"] == 5_000_000
    client.session.close()


@pytest.mark.skipif(sys.platform != "linux", reason="the peak is read where Linux tells it")
def test_the_command_line_and_its_memory():
    """In a process of its own: a million tickets read here and there take no memory that grows."""
    code = (
        "from pathlib import Path\n"
        "from sandbox.vast import VastWorld\n"
        "world = VastWorld('big', 1_000_000)\n"
        "keys = world.find('live', 'updated_at', descending=False, updated_since='2000-01-01T00:00:00Z')\n"
        "assert len(keys) == 1_000_000\n"
        "for start in range(0, 1_000_000, 10_000):\n"
        "    assert all(world.tickets[number].conversations is not None for _, number in keys[start : start + 100])\n"
        "status = dict(line.split(':', 1) for line in Path('/proc/self/status').read_text().splitlines())\n"
        "print(int(status['VmHWM'].split()[0]) // 1024)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert int(done.stdout) < 150
    with Sandbox(vast={"big": 1000}, process=True) as sandbox:
        client = Client(sandbox, "big")
        assert len(client.ids()) == 100
        client.session.close()
    with pytest.raises(ValueError, match="up to 10,000,000 tickets"):
        VastWorld("big", 10_000_001)
