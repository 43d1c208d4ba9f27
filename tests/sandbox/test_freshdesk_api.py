"""The API answers as Freshdesk does: who may ask, what a list shows, how pages follow, what errors look like."""

import base64
from typing import Any

import pytest
import requests

from tests.sandbox.conftest import ALL, Client


def errors(answer: requests.Response) -> list[tuple[str, str]]:
    assert answer.status_code == 400
    assert answer.json()["description"] == "Validation failed"
    return [(error["field"], error["code"]) for error in answer.json()["errors"]]


def test_a_wrong_key_is_refused_and_any_password_goes(made: Client):
    address = f"{made.sandbox.url('made')}/api/v2/agents/me"
    assert requests.get(address, auth=("made-key", "anything"), timeout=10).status_code == 200
    for header in ({}, {"Authorization": "Bearer made-key"}, {"Authorization": "Basic %%%"}):
        refused = requests.get(address, headers=header, timeout=10)
        assert refused.status_code == 401
        assert refused.json()["code"] == "invalid_credentials"
    other = base64.b64encode(b"hanbit-key:X").decode()
    assert requests.get(address, headers={"Authorization": f"Basic {other}"}, timeout=10).status_code == 401


def test_an_unknown_account_has_no_api(made: Client):
    answer = requests.get(f"{made.sandbox.url('nobody')}/api/v2/tickets", auth=("x", "X"), timeout=10)
    assert (answer.status_code, answer.headers["content-type"][:9]) == (404, "text/html")


def test_pages_follow_the_link_until_there_is_none(made: Client):
    seen: list[int] = []
    answer = made.get("tickets", updated_since=ALL, per_page=100, order_by="updated_at", order_type="asc")
    while True:
        seen += [ticket["id"] for ticket in answer.json()]
        if "next" not in answer.links:
            break
        answer = made.session.get(answer.links["next"]["url"], timeout=10)
    assert len(seen) == len(set(seen)) == 250
    assert len(made.get("tickets", updated_since=ALL).json()) == 30


def test_without_updated_since_only_the_last_30_days_are_listed(made: Client):
    recent, everything = made.ids(updated_since=None), []
    for page in (1, 2, 3):
        everything += made.get("tickets", updated_since=ALL, per_page=100, page=page).json()
    now = made.admin("clock")["now"]
    made.admin("clock", advance=-30 * 86400)
    edge = made.admin("clock")["now"]
    assert now > edge
    assert sorted(recent) == sorted(ticket["id"] for ticket in everything if ticket["created_at"] >= edge)
    assert 0 < len(recent) < 250
    for order in ("updated_at", "due_by", "status"):
        made.admin("clock", now=now)
        assert sorted(made.ids(updated_since=None, order_by=order)) == sorted(recent)


def test_updated_since_is_inclusive_in_every_order(made: Client):
    tickets = made.get("tickets", updated_since=ALL, per_page=100, order_by="updated_at").json()
    since = tickets[49]["updated_at"]
    expected = sorted(ticket["id"] for ticket in tickets if ticket["updated_at"] >= since)
    assert tickets[49]["id"] in expected
    for order in ("created_at", "updated_at", "due_by", "status"):
        assert sorted(made.ids(updated_since=since, order_by=order)) == expected
    in_seoul = since.replace("Z", "+00:00")
    assert sorted(made.ids(updated_since=in_seoul)) == expected


@pytest.mark.parametrize("order", ["created_at", "updated_at", "due_by", "status"])
def test_orders_ascend_and_descend(made: Client, order: str):
    up = [
        (one[order], one["id"])
        for one in made.get("tickets", updated_since=ALL, order_by=order, order_type="asc").json()
    ]
    down = [(one[order], one["id"]) for one in made.get("tickets", updated_since=ALL, order_by=order).json()]
    assert up == sorted(up)
    assert down == sorted(down, reverse=True)
    assert up[0] < down[0]


def test_beyond_the_last_page_allowed_is_an_error(made: Client):
    made.admin("options", page_cap=2)
    assert made.get("tickets", updated_since=ALL, page=2).status_code == 200
    refused = made.get("tickets", updated_since=ALL, page=3)
    assert refused.status_code == 400
    made.admin("options", page_cap=300)
    assert made.get("tickets", updated_since=ALL, page=300).json() == []
    assert made.get("tickets", updated_since=ALL, page=301).json() == {
        "description": "Validation failed",
        "errors": [
            {
                "field": "page",
                "message": "You cannot access tickets beyond the 300th page. Please provide a smaller page number.",
                "code": "invalid_value",
            }
        ],
    }


def test_includes_add_their_part_and_cost_two_credits_each(made: Client):
    bare = made.get("tickets", updated_since=ALL)
    assert not {"description", "description_text", "requester", "stats", "company", "conversations"} & set(
        bare.json()[0]
    )
    assert bare.headers["X-RateLimit-Used-CurrentRequest"] == "1"
    rich = made.get("tickets", updated_since=ALL, include="description,stats,requester,company")
    assert {"description", "description_text", "requester", "stats", "company"} <= set(rich.json()[0])
    assert rich.headers["X-RateLimit-Used-CurrentRequest"] == "9"
    assert rich.json()[0]["requester"]["email"].endswith("@example.com")


def test_a_view_has_what_a_list_lacks(made: Client):
    ticket = next(one for one in made.admin("truth")["tickets"] if one["conversations"])
    view = made.get(f"tickets/{ticket['id']}")
    assert view.json()["description"] == ticket["description"]
    assert view.json()["attachments"] == []
    assert "conversations" not in view.json()
    rich = made.get(f"tickets/{ticket['id']}", include="conversations,stats")
    assert rich.json()["conversations"] == ticket["conversations"][:10]
    assert rich.headers["X-RateLimit-Used-CurrentRequest"] == "3"
    assert errors(made.get(f"tickets/{ticket['id']}", include="conversations,description")) == [
        ("include", "invalid_value")
    ]


def test_a_view_includes_ten_messages_and_the_thread_is_paged(made: Client):
    for _ in range(12):
        made.admin("edit", ids=[1], what="reply")
    assert len(made.get("tickets/1", include="conversations").json()["conversations"]) == 10
    first = made.get("tickets/1/conversations", per_page=10)
    second = made.session.get(first.links["next"]["url"], timeout=10)
    ids = [message["id"] for message in first.json() + second.json()]
    truth = next(ticket for ticket in made.admin("truth")["tickets"] if ticket["id"] == 1)
    assert ids == [message["id"] for message in truth["conversations"]]
    assert "next" not in second.links


@pytest.mark.parametrize(
    ("parameters", "field", "code"),
    [
        ({"per_page": 101}, "per_page", "invalid_value"),
        ({"per_page": 0}, "per_page", "invalid_value"),
        ({"page": 0}, "page", "invalid_value"),
        ({"page": "two"}, "page", "datatype_mismatch"),
        ({"include": "conversations"}, "include", "invalid_value"),
        ({"order_by": "priority"}, "order_by", "invalid_value"),
        ({"order_type": "up"}, "order_type", "invalid_value"),
        ({"filter": "archived"}, "filter", "invalid_value"),
        ({"updated_since": "yesterday"}, "updated_since", "invalid_value"),
        ({"updated_since": "2026-13-01T00:00:00Z"}, "updated_since", "invalid_value"),
        ({"updated_before": ALL}, "updated_before", "invalid_field"),
    ],
)
def test_a_wrong_parameter_is_named(made: Client, parameters: dict[str, Any], field: str, code: str):
    assert errors(made.get("tickets", **parameters)) == [(field, code)]


def test_absent_things_give_an_empty_404_and_wrong_methods_405(made: Client):
    for path in ("tickets/999999", "tickets/none", "tickets/1/nothing", "nothing", "tickets/archived/1"):
        answer = made.get(path)
        assert (answer.status_code, answer.content) == (404, b""), path
    assert made.session.post(f"{made.sandbox.url('made')}/api/v2/tickets/1", json={}, timeout=10).status_code == 405
    assert (
        made.session.get(
            f"{made.sandbox.url('made')}/api/v2/tickets", headers={"Accept": "text/csv"}, timeout=10
        ).status_code
        == 406
    )


def test_a_key_without_rights_is_denied(made: Client):
    made.admin("options", denied=True)
    answer = made.get("tickets")
    assert (answer.status_code, answer.json()["code"]) == (403, "access_denied")


def test_deleted_tickets_leave_the_lists_but_not_the_filter(made: Client):
    assert made.delete("tickets/7").status_code == 204
    assert 7 not in made.ids(order_by="created_at", order_type="asc")
    assert made.ids(filter="deleted") == [7]
    assert made.get("tickets/7").json()["deleted"] is True
    refused = made.get("tickets/7/conversations")
    assert (refused.status_code, refused.json()["code"]) == (403, "access_denied")
    assert made.put("tickets/7/restore").status_code == 204
    assert 7 in made.ids(order_by="created_at", order_type="asc")
    assert "deleted" not in made.get("tickets/7").json()
    assert made.put("tickets/7/restore").status_code == 404


def test_spam_archived_and_purged_tickets(made: Client):
    made.admin("spam", ids=[3])
    made.admin("archive", ids=[4])
    made.admin("hard_delete", ids=[5])
    listed = made.ids(order_by="created_at", order_type="asc")
    assert listed[:3] == [1, 2, 6]
    assert made.ids(filter="spam") == [3]
    assert made.get("tickets/3").json()["spam"] is True
    assert (made.get("tickets/4").status_code, made.get("tickets/4/conversations").status_code) == (404, 404)
    assert made.get("tickets/archived/4").json()["archived"] is True
    assert made.get("tickets/archived/4/conversations").status_code == 200
    assert made.get("tickets/5").status_code == 404
    truth = made.admin("truth")
    assert (truth["spam"], truth["archived"], truth["gone"]) == ([3], [4], [5])
    assert made.delete("tickets/archived/4").status_code == 204
    assert made.get("tickets/archived/4").status_code == 404


def test_filters_and_people(made: Client):
    ticket = made.get("tickets/1").json()
    assert 1 in made.ids(requester_id=ticket["requester_id"])
    mine = made.get("tickets", updated_since=ALL, filter="new_and_my_open", per_page=100).json()
    me = made.get("agents/me").json()["id"]
    assert mine
    assert {(one["status"], one["responder_id"]) for one in mine} == {(2, me)}
    assert made.ids(filter="watching") == []


def test_an_update_changes_the_ticket_and_its_time(made: Client):
    before = made.get("tickets/1", include="stats").json()
    answer = made.put("tickets/1", {"status": 6, "tags": ["moved"], "description": "<p>Now &amp; then</p>"})
    assert answer.status_code == 200
    after = made.get("tickets/1", include="stats").json()
    assert (after["status"], after["tags"], after["description"]) == (6, ["moved"], "<p>Now &amp; then</p>")
    assert after["updated_at"] > before["updated_at"]
    assert after["stats"]["status_updated_at"] == after["updated_at"]
    assert errors(made.put("tickets/1", {"status": 99})) == [("status", "invalid_value")]
    assert errors(made.put("tickets/1", {"colour": 1})) == [("colour", "invalid_field")]
    plain = made.session.put(f"{made.sandbox.url('made')}/api/v2/tickets/1", data="x", timeout=10)
    assert plain.status_code == 415


def test_a_merge_moves_the_thread_and_closes_the_rest(made: Client):
    threads = {one["id"]: len(one["conversations"]) for one in made.admin("truth")["tickets"]}
    assert made.put("tickets/merge", {"primary_id": 1, "ticket_ids": [2, 3]}).status_code == 204
    merged = made.get("tickets/1/conversations", per_page=100).json()
    assert len(merged) == threads[1] + threads[2] + threads[3]
    assert {message["ticket_id"] for message in merged} == {1}
    secondary = made.get("tickets/2", include="conversations").json()
    assert (secondary["status"], [one["private"] for one in secondary["conversations"]]) == (5, [True])


def test_custom_statuses_have_their_names_in_the_ticket_fields(made: Client):
    fields = {field["name"]: field for field in made.get("ticket_fields").json()}
    assert fields["status"]["choices"]["6"][0] == "Waiting on Customer"
    assert fields["status"]["choices"]["7"][0] == "Waiting on Third Party"
    assert [one["name"] for one in made.get("ticket_fields", type="default_status").json()] == ["status"]


def test_the_other_lists_are_shaped_and_paged(made: Client):
    agents = made.get("agents", per_page=2)
    assert len(agents.json()) == 2
    assert "next" in agents.links
    assert made.get(f"agents/{agents.json()[1]['id']}").json() == agents.json()[1]
    assert made.get("groups").json()[0]["agent_ids"]
    assert {product["name"] for product in made.get("products").json()} == {"Desk", "Cloud", "Mobile"}
    assert made.get("agents/1").status_code == 404
