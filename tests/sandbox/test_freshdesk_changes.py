"""The world moves as it is told, and a reader who trusts page numbers loses rows while it does."""

from typing import Any

import pytest

from tests.sandbox.conftest import ALL, Client


def truth(client: Client) -> dict[int, dict[str, Any]]:
    return {ticket["id"]: ticket for ticket in client.admin("truth")["tickets"]}


def without_times(ticket: dict[str, Any]) -> dict[str, Any]:
    moving = {"updated_at", "due_by", "fr_due_by", "is_escalated", "stats"}
    return {name: value for name, value in ticket.items() if name not in moving}


@pytest.mark.parametrize("what", ["text", "reply", "status", "touch"])
def test_an_edit_changes_what_it_says_and_nothing_else(made: Client, what: str):
    before = truth(made)
    edited = made.admin("edit", count=20, seed=3, what=what)["ids"]
    after = truth(made)
    assert len(edited) == len(set(edited)) == 20
    assert {number for number in before if before[number] != after[number]} == set(edited)
    newest = max(ticket["updated_at"] for ticket in before.values())
    assert all(after[number]["updated_at"] > newest for number in edited)
    changed = {
        name
        for number in edited
        for name, value in without_times(after[number]).items()
        if value != without_times(before[number])[name]
    }
    expected = {
        "text": {"description", "description_text"},
        "reply": {"conversations"},
        "status": {"status"},
        "touch": set(),
    }
    assert changed == expected[what]


def test_a_touch_moves_only_clocks(made: Client):
    before = truth(made)[1]
    made.admin("edit", ids=[1], what="touch")
    after = truth(made)[1]
    assert {name for name in after if after[name] != before[name]} == {
        "updated_at",
        "due_by",
        "fr_due_by",
        "is_escalated",
        "stats",
    }
    assert after["stats"]["resolved_at"] == before["stats"]["resolved_at"]


def test_the_same_seed_chooses_the_same_tickets(made: Client):
    first = made.admin("edit", count=5, seed=9, what="touch")["ids"]
    assert made.admin("edit", count=5, seed=9, what="touch")["ids"] == first
    assert made.admin("edit", count=5, seed=10, what="touch")["ids"] != first


def test_a_status_resolves_and_reopens(made: Client):
    made.admin("status", status=2)
    assert {ticket["status"] for ticket in truth(made).values()} == {2}
    made.admin("status", status=4, ids=[5])
    resolved = truth(made)[5]
    assert (resolved["status"], resolved["stats"]["resolved_at"]) == (4, resolved["updated_at"])
    made.admin("edit", ids=[5], what="status")
    reopened = truth(made)[5]
    assert (reopened["status"], reopened["stats"]["resolved_at"]) == (2, None)
    assert reopened["stats"]["reopened_at"] == reopened["updated_at"]


def test_a_bulk_update_gives_all_one_time(made: Client):
    done = made.admin("same_time", count=200, seed=1)
    times = [ticket["updated_at"] for ticket in truth(made).values()]
    assert times.count(done["updated_at"]) == 200
    assert made.ids(updated_since=done["updated_at"], order_type="asc") == done["ids"][:100]


def test_new_tickets_come_in_with_the_next_ids(made: Client):
    created = made.admin("create", count=3)["ids"]
    assert created == [251, 252, 253]
    made.admin("hard_delete", ids=[253])
    assert made.admin("create", count=1, seed=2)["ids"] == [254]
    newest = made.get("tickets", include="description").json()[0]
    assert newest["id"] == 254
    assert newest["description_text"]
    assert newest["created_at"] == newest["updated_at"] == made.admin("clock")["now"]


def test_a_deletion_may_leave_updated_at_as_it_was(made: Client):
    before = truth(made)[9]["updated_at"]
    made.admin("delete", ids=[9], touch=False)
    assert made.get("tickets/9").json()["updated_at"] == before
    made.admin("restore", ids=[9])
    assert truth(made)[9]["updated_at"] > before


def test_the_clock_stands_until_it_is_moved(made: Client):
    now = made.admin("clock")["now"]
    made.get("tickets")
    assert made.admin("clock") == {"now": now, "rate": 0.0}
    assert made.admin("clock", advance=86400)["now"] > now
    made.admin("clock", now="2027-01-01T00:00:00Z", rate=3600)
    assert made.admin("clock")["now"] > "2027-01-01T00:00:00Z"


def page_walk(client: Client) -> set[int]:
    """The usual loop: page after page, the oldest change first."""
    seen: set[int] = set()
    for page in range(1, 100):
        ids = client.ids(order_by="updated_at", order_type="asc", page=page, per_page=20)
        seen.update(ids)
        if len(ids) < 20:
            return seen
    raise AssertionError("the walk did not end")


def keyset_walk(client: Client) -> set[int]:
    """Always page 1, since the last row's own time: no row can slip from under it."""
    seen: set[int] = set()
    since, last = ALL, None
    for _ in range(100):
        rows = client.get("tickets", updated_since=since, order_by="updated_at", order_type="asc", per_page=20).json()
        seen.update(row["id"] for row in rows)
        if len(rows) < 20 or rows[-1]["updated_at"] == last:
            return seen
        since = last = rows[-1]["updated_at"]
    raise AssertionError("the walk did not end")


@pytest.mark.parametrize("change", ["edit_every", "delete_every"])
def test_churn_robs_a_page_walker_and_not_a_keyset_walker(made: Client, change: str):
    made.admin("churn", **{change: 2}, count=3, limit=9)
    lost = set(truth(made)) - page_walk(made)
    assert len(lost) == 9

    made.admin("churn", **{change: 2}, count=3, limit=9)
    before = set(truth(made))
    seen = keyset_walk(made)
    assert before <= seen
    assert set(truth(made)) <= seen


def test_churn_takes_only_what_was_given_and_stops_at_its_limit(made: Client):
    before = truth(made)
    made.admin("churn", edit_every=1, count=50, limit=60)
    given = made.ids(order_by="updated_at", order_type="asc", per_page=40)
    made.ids(order_by="updated_at", order_type="asc", per_page=40)
    after = truth(made)
    changed = {number for number in before if before[number] != after[number]}
    assert set(given) < changed
    assert len(changed) == 60


def test_churn_between_conversations(made: Client):
    made.admin("churn", edit_every=2, count=1, on="conversations")
    before = truth(made)
    made.get("tickets/1/conversations")
    assert truth(made) == before
    made.get("tickets/2/conversations")
    after = truth(made)
    assert len({number for number in before if before[number] != after[number]} & {1, 2}) == 1
