"""Satisfaction ratings, on both platforms: who gave one, since when, and what giving one moves."""

from typing import Any

import pytest

from tests.sandbox.conftest import ALL, Client
from tests.sandbox.test_solutions import pages

Json = dict[str, Any]


def zendesk(client: Client, path: str) -> Json:
    auth = (f"{client.sandbox.user(client.company)}/token", client.sandbox.key(client.company))
    answer = client.session.get(f"{client.sandbox.url(client.company, 'zendesk')}/api/v2/{path}", auth=auth, timeout=10)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_ratings_are_listed_since_a_time_and_by_ticket(made: Client):
    truth = made.admin("truth")["ratings"]
    assert pages(made, f"surveys/satisfaction_ratings?created_since={ALL}", per_page=7) == truth
    assert len(truth) > 10
    assert set(truth[0]) == {
        "id", "survey_id", "user_id", "agent_id", "feedback", "group_id", "ticket_id", "created_at", "updated_at", "ratings",
    }  # fmt: skip
    values = {one["ratings"]["default_question"] for one in truth}
    assert values & {101, 102, 103} and values & {-101, -102, -103}
    assert {type(one["feedback"]) for one in truth} == {str, type(None)}
    since = truth[5]["created_at"]
    recent = made.get("surveys/satisfaction_ratings", created_since=since, per_page=100).json()
    assert recent == [one for one in truth if one["created_at"] >= since]
    month = made.get("surveys/satisfaction_ratings", per_page=100).json()
    assert 0 < len(month) < len(truth)
    one = truth[0]
    assert made.get(f"tickets/{one['ticket_id']}/satisfaction_ratings").json() == [one]
    assert made.get("tickets/1/satisfaction_ratings").json() == []
    assert made.get("tickets/999999/satisfaction_ratings").status_code == 404


def test_rating_a_ticket_moves_nothing_but_zendesks_export(made: Client):
    zendesk(made, "incremental/tickets/cursor.json?start_time=0")
    before = made.get("tickets/1").json()
    now = made.admin("clock")["now"]
    made.admin("rate", ids=[1], value=-103, feedback="Nobody called back.")
    assert made.get("tickets/1").json() == before
    (given,) = made.get("tickets/1/satisfaction_ratings").json()
    assert (given["ratings"], given["feedback"]) == ({"default_question": -103}, "Nobody called back.")
    assert given["created_at"] > now
    made.admin("clock", advance=61)
    exported = zendesk(made, "incremental/tickets/cursor.json?start_time=0")["tickets"]
    assert exported[-1]["id"] == 1
    assert exported[-1]["updated_at"] == before["updated_at"]
    assert exported[-1]["satisfaction_rating"] == {
        "id": given["id"],
        "score": "bad",
        "comment": "Nobody called back.",
    }
    assert zendesk(made, "tickets/2.json")["ticket"]["satisfaction_rating"] == {"score": "unoffered"}
    listed = zendesk(made, "satisfaction_ratings.json")["satisfaction_ratings"]
    assert {one["id"] for one in listed} == {one["id"] for one in made.admin("truth")["ratings"]}


def test_the_rating_of_a_deleted_ticket_is_not_seen(made: Client):
    first = made.admin("truth")["ratings"][0]
    made.admin("delete", ids=[first["ticket_id"]])
    assert first not in pages(made, f"surveys/satisfaction_ratings?created_since={ALL}", per_page=100)
    made.admin("restore", ids=[first["ticket_id"]])
    assert first in pages(made, f"surveys/satisfaction_ratings?created_since={ALL}", per_page=100)


def test_a_value_that_there_is_not(made: Client):
    with pytest.raises(ValueError, match="value is one of 103, 102"):
        made.admin("rate", ids=[1], value=5)
