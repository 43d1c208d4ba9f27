"""Ratings into a store: what a restored ticket gets back, a list in an unknown order, and failures that stop nothing.

Belongs here: ``collect_ratings`` and Freshdesk's lists of ratings. Does not belong here: how ratings reach a document
(``test_collect_whole``).
"""

import json
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from tenacity import wait_fixed

from domain.company import company_id
from domain.errors import SourceRefused
from domain.stage import Report
from resources import http
from resources.helpdesk import collect_ratings as module
from resources.helpdesk import freshdesk_ratings
from resources.helpdesk.collect import Collection, Walk
from resources.helpdesk.collect_ratings import collect_ratings
from resources.helpdesk.freshdesk import Freshdesk
from resources.storage.sql import SqlCompanyStore
from resources.storage.sqlite import open_store
from sandbox.serve import Sandbox

NOW = "2026-11-03T02:00:00Z"
RATED, OTHER = 77, 78
"""Not rated in the beginning."""
Json = dict[str, Any]


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with Sandbox(generated={"made": 80}) as sandbox:
        yield sandbox


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqlCompanyStore]:
    with open_store(tmp_path / "made", company_id("made")) as opened:
        yield opened


@pytest.fixture(autouse=True)
def no_back_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "_BACK_OFF", wait_fixed(0.01))


class Account:
    """An account of the sandbox, and what a sync does with it."""

    def __init__(self, sandbox: Sandbox, store: SqlCompanyStore) -> None:
        self.sandbox, self.store = sandbox, store

    def admin(self, action: str, **given: Any) -> Any:
        return self.sandbox.admin("made", action, **given)

    def sync(self, key: str = "") -> Report:
        with closing(Freshdesk(self.sandbox.url("made"), self.sandbox.key("made"), rate_share=1.0)) as desk:
            Collection(desk, self.store, "run", NOW).run(Walk())
        return self.ratings(key)

    def ratings(self, key: str = "") -> Report:
        with closing(Freshdesk(self.sandbox.url("made"), key or self.sandbox.key("made"), rate_share=1.0)) as desk:
            return collect_ratings(desk, self.store, "run", NOW)

    def stored(self) -> dict[str, list[str]]:
        rows = self.store.get("ticket_ratings", sorted(self.store.ids("ticket_ratings")))
        return {doc_id: sorted(row.payload["ratings"]) for doc_id, row in rows.items()}

    def check_against_truth(self) -> None:
        """Every rating of every ticket, and no other."""
        url = f"{self.sandbox.url('made')}/api/v2/surveys/satisfaction_ratings"
        client = http.Http(
            url, http.basic(self.sandbox.key("made"), "X"), name="", budget=http.RateBudget(1.0), on_send=lambda: None
        )
        truth: dict[str, list[str]] = {}
        params: dict[str, str | int] = {"created_since": "1970-01-01T00:00:00Z", "per_page": 100}
        for one in client.get("", params, shape=list).value:
            truth.setdefault(str(one["ticket_id"]), []).append(str(one["id"]))
        assert self.stored() == {doc_id: sorted(ids) for doc_id, ids in truth.items()}


@pytest.fixture
def account(running: Sandbox, store: SqlCompanyStore) -> Account:
    account = Account(running, store)
    account.admin("faults", rate=0)
    account.admin("options", denied=False)
    account.admin("reset")
    return account


# -- tickets that are back ---------------------------------------------------------------------------------------------


def restored(account: Account, *ids: int) -> None:
    """Tickets that were rated twice, deleted, and are back at the source; the nights between have passed."""
    for value in (103, -103):
        account.admin("rate", ids=list(ids), value=value, feedback="")
    account.sync()
    account.admin("clock", advance=86400)
    account.admin("rate", ids=[OTHER], value=103, feedback="")  # the walk goes on behind this one
    account.admin("delete", ids=list(ids))
    account.sync()
    account.ratings()
    assert not set(map(str, ids)) & account.stored().keys()
    account.admin("restore", ids=list(ids))


def test_a_restored_ticket_has_its_ratings_again(account: Account) -> None:
    restored(account, RATED)
    account.sync()
    assert len(account.stored()[str(RATED)]) == 2
    account.check_against_truth()
    account.admin("reset_log")
    account.sync()
    assert not any("tickets/{id}" in route for route in account.admin("log")["routes"])


def test_a_restored_ticket_that_is_rated_at_once_has_the_old_ratings_too(account: Account) -> None:
    restored(account, RATED)
    account.admin("rate", ids=[RATED], value=103, feedback="Now it is.")
    account.sync()
    assert len(account.stored()[str(RATED)]) == 3
    account.check_against_truth()


def test_what_moves_and_was_never_deleted_costs_no_request(account: Account) -> None:
    account.sync()
    account.admin("edit", count=30, what="text", seed=5)
    with closing(Freshdesk(account.sandbox.url("made"), account.sandbox.key("made"), rate_share=1.0)) as desk:
        Collection(desk, account.store, "run", NOW).run(Walk())
    assert account.ratings().requests == 1


def test_ratings_of_restored_tickets_that_fail_are_asked_for_again(account: Account) -> None:
    ids = [RATED, *range(1, 5)]
    restored(account, *ids)
    account.admin("faults", rate=1.0, kinds=["500"], ids=[RATED], on=["satisfaction_ratings"])
    report = account.sync()
    assert report.notes == ["the ratings of 1 restored tickets were not read, the next sync asks again"]
    assert account.stored().keys() >= {"1", "2", "3", "4"}
    account.admin("rate", ids=[RATED], value=103, feedback="New.")
    account.sync()  # now its row lives again
    account.admin("faults", rate=0)
    assert account.sync().notes == []
    account.check_against_truth()


def test_a_run_gives_up_after_some_failures_and_loses_none(account: Account) -> None:
    ids = list(range(1, 9))
    restored(account, *ids)
    account.admin("faults", rate=1.0, kinds=["500"], ids=ids, on=["satisfaction_ratings"])
    assert account.sync().notes == ["the ratings of 8 restored tickets were not read, the next sync asks again"]
    account.admin("faults", rate=0)
    account.sync()
    account.check_against_truth()


def test_a_ticket_that_is_deleted_again_is_not_asked_for(account: Account) -> None:
    restored(account, RATED)
    account.admin("faults", rate=1.0, kinds=["500"], ids=[RATED], on=["satisfaction_ratings"])
    account.sync()
    account.admin("delete", ids=[RATED])
    assert account.sync().notes == []
    account.admin("faults", rate=0)
    account.admin("restore", ids=[RATED])
    account.sync()
    account.check_against_truth()


def test_tickets_are_looked_through_in_windows(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_WINDOW", 3)
    monkeypatch.setattr(module, "_CHUNK", 2)
    restored(account, *range(1, 8))
    account.sync()
    account.check_against_truth()


# -- failures ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["500", "html"])
def test_ratings_that_fail_stop_no_sync_and_come_with_the_next(account: Account, kind: str) -> None:
    account.admin("rate", ids=[RATED], value=103, feedback="")
    account.admin("faults", rate=1.0, kinds=[kind], on=["satisfaction_ratings"])
    report = account.sync()
    (note,) = report.notes
    assert note.startswith("new ratings were not read, the next sync asks again: Freshdesk fails.")
    assert account.stored() == {}
    account.admin("faults", rate=0)
    assert account.sync().notes == []
    account.check_against_truth()


def test_a_key_that_is_refused_still_stops_it(account: Account) -> None:
    with pytest.raises(SourceRefused, match="refused the key"):
        account.sync("another")


# -- a list in an unknown order ----------------------------------------------------------------------------------------

FIRST = datetime(2026, 1, 1, tzinfo=UTC)


class Surveys(ThreadingHTTPServer):
    """Freshdesk's list of ratings, in the order given, no further than page ``cap``."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.ratings: list[Json] = []
        self.cap = 3
        self.refusal = 400
        self.asked = 0
        self.url = f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Surveys  # pyright: ignore[reportIncompatibleVariableOverride]

    def do_GET(self) -> None:
        self.server.asked += 1
        given = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
        page, size = int(given["page"]), int(given["per_page"])
        # The stricter of two ways to read "since": what was rated in that very second is not shown.
        since = [one for one in self.server.ratings if one["created_at"] > given["created_since"]]
        refused = page > self.server.cap
        body = json.dumps({} if refused else since[(page - 1) * size : page * size]).encode()
        self.send_response(self.server.refusal if refused else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""


@pytest.fixture
def surveys(monkeypatch: pytest.MonkeyPatch) -> Iterator[Surveys]:
    monkeypatch.setattr(freshdesk_ratings, "_PER_PAGE", 10)
    with Surveys() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def rating(number: int, minutes: float) -> Json:
    time = (FIRST + timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"id": number + 1, "ticket_id": number + 1, "created_at": time, "ratings": {"default_question": 103}}


def collected(surveys: Surveys, store: SqlCompanyStore) -> Report:
    with closing(Freshdesk(surveys.url, "key", rate_share=1.0)) as desk:
        return collect_ratings(desk, store, "run", NOW)


def test_a_list_oldest_first_is_read_beyond_its_last_page(surveys: Surveys, store: SqlCompanyStore) -> None:
    surveys.ratings = [rating(number, number // 7) for number in range(100)]  # pages end between two of one time
    assert collected(surveys, store).notes == []
    assert len(store.ids("ticket_ratings")) == 100


def test_a_list_newest_first_that_is_too_long_is_told_and_the_cursor_stays(
    surveys: Surveys, store: SqlCompanyStore
) -> None:
    surveys.ratings = [rating(number, number) for number in reversed(range(100))]
    for _ in range(2):
        assert collected(surveys, store).notes == [
            "more ratings since 1970-01-01T00:00:00Z than Freshdesk lists; those beyond page 3 were not read"
        ]
        assert len(store.ids("ticket_ratings")) == 30  # what was seen is kept
    surveys.cap = 300
    assert collected(surveys, store).notes == []
    assert len(store.ids("ticket_ratings")) == 100


def test_a_list_of_one_time_that_is_too_long_is_told(surveys: Surveys, store: SqlCompanyStore) -> None:
    surveys.ratings = [rating(number, 1) for number in range(100)]
    (note,) = collected(surveys, store).notes
    assert note.endswith("those beyond page 3 were not read")
    surveys.cap = 300
    collected(surveys, store)
    assert len(store.ids("ticket_ratings")) == 100


def test_a_list_newest_first_that_is_short_is_read_as_any(surveys: Surveys, store: SqlCompanyStore) -> None:
    surveys.ratings = [rating(number, number) for number in reversed(range(25))]
    assert collected(surveys, store).notes == []
    surveys.ratings.insert(0, rating(25, 25))
    surveys.asked = 0
    assert collected(surveys, store).notes == []
    assert (len(store.ids("ticket_ratings")), surveys.asked) == (26, 1)


def test_a_refused_first_page_is_told(surveys: Surveys, store: SqlCompanyStore) -> None:
    surveys.cap = 0
    (note,) = collected(surveys, store).notes
    assert note.startswith("new ratings were not read, the next sync asks again:")
    surveys.refusal = 403
    assert collected(surveys, store).notes == ["this key may not read satisfaction ratings; tickets are read without"]


def test_ratings_of_an_unknown_shape_stop_no_other() -> None:
    odd = [
        {"id": 1, "ticket_id": 5, "created_at": "soon", "ratings": {"default_question": 103}},
        {"id": 2, "ticket_id": 6, "created_at": 7, "ratings": {"default_question": 103}},
        {"id": 3, "ticket_id": 7, "created_at": "2026-01-01T00:00:00Z", "ratings": [103]},
        {"id": [4], "ticket_id": 8, "created_at": "2026-01-01T00:00:00Z"},
        {"id": 5, "ticket_id": 9, "created_at": "2026-01-01T00:00:00Z", "ratings": {"default_question": -103}},
    ]
    said = freshdesk_ratings._said(freshdesk_ratings._rated(odd))
    assert [(one.ticket_id, one.said.score) for one in said] == [("9", "bad")]
