"""The limits are real, and failures happen when they are asked for."""

import time

import pytest
import requests

from sandbox.faults import Faults
from tests.sandbox.conftest import ALL, Client


def test_an_account_may_ask_so_often_a_minute(made: Client):
    made.admin("plan", name="free", minute_seconds=1)
    answers = [made.get("agents/me") for _ in range(50)]
    assert {answer.status_code for answer in answers} == {200}
    assert [answer.headers["X-RateLimit-Remaining"] for answer in (answers[0], answers[-1])] == ["49", "0"]
    assert answers[0].headers["X-RateLimit-Total"] == "50"
    refused = made.get("agents/me")
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "1")
    assert "message" in refused.json()
    time.sleep(float(refused.headers["Retry-After"]))
    assert made.get("agents/me").status_code == 200


def test_ticket_lists_have_a_smaller_budget_counted_in_calls(made: Client):
    made.admin("plan", name="growth", minute_seconds=60)
    for _ in range(20):
        assert made.get("tickets", include="stats").status_code == 200
    refused = made.get("tickets", include="stats")
    assert refused.status_code == 429
    assert 55 <= int(refused.headers["Retry-After"]) <= 60
    other = made.get("agents/me")
    assert (other.status_code, other.headers["X-RateLimit-Remaining"]) == (200, str(200 - 20 * 3 - 1))


def test_a_request_dearer_than_what_is_left_is_refused_and_costs_nothing(made: Client):
    made.admin("plan", name="free", minute_seconds=60)
    for _ in range(48):
        made.get("agents/me")
    assert made.get("tickets", include="stats").status_code == 429
    assert made.get("tickets").headers["X-RateLimit-Remaining"] == "1"


def test_wrong_calls_count_too_and_numbers_may_be_decimal(made: Client):
    made.admin("plan", name="free", minute_seconds=60, decimal=True)
    wrong = requests.get(f"{made.sandbox.url('made')}/api/v2/tickets", auth=("wrong", "X"), timeout=10)
    assert (wrong.status_code, wrong.headers["X-RateLimit-Remaining"]) == (401, "49.0")


def test_the_log_counts_what_was_asked(made: Client):
    made.admin("plan", name="free", minute_seconds=60)
    made.get("tickets", updated_since=ALL, include="stats")
    made.get("tickets/1/conversations")
    made.get("tickets/2/conversations")
    made.get("tickets/0")
    assert made.admin("log") == {
        "requests": 4,
        "credits": 6,
        "429s": 0,
        "statuses": {"200": 3, "404": 1},
        "routes": {
            "GET /tickets": {"200": 1},
            "GET /tickets/{id}/conversations": {"200": 2},
            "GET /tickets/{id}": {"404": 1},
        },
        "faults": {},
    }
    made.admin("reset_log")
    assert made.admin("log")["requests"] == 0


@pytest.mark.parametrize(("kind", "status"), [("500", 500), ("503", 503), ("429", 429)])
def test_faults_that_are_answers(made: Client, kind: str, status: int):
    made.admin("faults", rate=1, kinds=[kind])
    assert made.get("tickets").status_code == status
    made.admin("faults", rate=0)
    assert made.get("tickets").status_code == 200


def test_a_proxy_page_is_a_200_that_is_not_json(made: Client):
    made.admin("faults", rate=1, kinds=["html"])
    answer = made.get("tickets")
    assert answer.status_code == 200
    with pytest.raises(requests.JSONDecodeError):
        answer.json()


@pytest.mark.parametrize("kind", ["reset", "cut"])
def test_faults_that_break_the_connection(made: Client, kind: str):
    made.admin("faults", rate=1, kinds=[kind], limit=1)
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        made.get("tickets", updated_since=ALL)
    assert made.get("tickets").status_code == 200
    assert made.admin("log")["routes"]["GET /tickets"] == {kind: 1, "200": 1}


def test_slow_answers(made: Client):
    started = time.monotonic()
    made.get("tickets")
    quick = time.monotonic() - started
    made.admin("slow", ms=200)
    started = time.monotonic()
    made.get("tickets")
    assert time.monotonic() - started >= 0.2 > quick
    made.admin("slow", ms=0)
    made.admin("faults", rate=1, kinds=["slow"], slow_ms=250)
    started = time.monotonic()
    assert made.get("tickets").status_code == 200
    assert time.monotonic() - started >= 0.25


def test_the_same_seed_fails_the_same_requests():
    def drawn(seed: int) -> list[str | None]:
        faults = Faults(0.2, seed=seed)
        return [faults.draw() for _ in range(500)]

    assert drawn(1) == drawn(1) != drawn(2)
    assert 60 <= sum(fault is not None for fault in drawn(1)) <= 140


def test_a_wrong_admin_request_says_why(made: Client):
    with pytest.raises(ValueError, match="rate must be between 0 and 1"):
        made.admin("faults", rate=2)
    with pytest.raises(ValueError, match="kinds must be some of"):
        made.admin("faults", rate=1, kinds=["fire"])
    with pytest.raises(ValueError, match="no plan 'gold'"):
        made.admin("plan", name="gold")
    with pytest.raises(ValueError, match="no ticket 999999"):
        made.admin("edit", ids=[1, 999999])
    with pytest.raises(ValueError, match="ids, or count"):
        made.admin("delete", seed=1)
    with pytest.raises(ValueError, match="no such account or action"):
        made.admin("explode", now=True)
