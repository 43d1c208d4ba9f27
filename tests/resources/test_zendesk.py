"""Zendesk against the sandbox: whatever moves, fails or is killed, the store ends with what the account holds."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import asdict
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from tenacity import wait_fixed

from domain.company import company_id
from domain.errors import DocumentError, SourceRefused
from domain.merge import merge, thread_text
from domain.stage import Report
from resources import http
from resources.helpdesk import zendesk
from resources.helpdesk.base import Document, Json, Nothing, Span, Unreadable
from resources.helpdesk.collect import Collection, Walk
from resources.helpdesk.freshdesk import Freshdesk
from resources.helpdesk.zendesk import Zendesk
from resources.rate_budget import Pace
from resources.storage.sql import SqlCompanyStore
from resources.storage.sqlite import open_store
from sandbox.serve import Sandbox

COUNT = 130
NAMES = 3
"""Requests for the names of statuses, fields and brands, once a walk that fetches something."""


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with Sandbox(["acme", "hanbit"], generated={"made": COUNT}) as sandbox:
        yield sandbox


class Company:
    """An account in the sandbox, and the least store that keeps to the contract: a page and its cursor in one step."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.cursor: Json | None = None
        self.stored: dict[str, Document] = {}
        self.unreadable: dict[str, Unreadable] = {}
        self.fetched: list[str] = []

    def admin(self, action: str, **given: Any) -> Any:
        return self.sandbox.admin("made", action, **given)

    def open(self, name: str = "made", **options: Any) -> Zendesk:
        desk = Zendesk(
            *(self.sandbox.url(name, "zendesk"), self.sandbox.user(name), self.sandbox.key(name)),
            **{"rate_share": 1.0} | options,
        )
        desk._pace = Pace(1_000_000)
        return desk

    def versions(self, doc_ids: Sequence[str]) -> dict[str, str]:
        return {doc_id: self.stored[doc_id].version for doc_id in doc_ids if doc_id in self.stored}

    def payloads(self, doc_ids: Sequence[str]) -> dict[str, Json]:
        return {doc_id: self.stored[doc_id].payload for doc_id in doc_ids if doc_id in self.stored}

    def walk(self, pages: int = 1_000_000, later: float = 60, **options: Any) -> int:
        """Let a minute pass and walk, or be killed after so many pages; returns the requests."""
        self.admin("clock", advance=later)
        desk = self.open(**options)
        walk = desk.pages(self.cursor, self, Span())
        for number, page in enumerate(walk, 1):
            assert set(page.seen) >= {one.doc_id for one in (*page.documents, *page.unreadable)}
            self.stored |= {document.doc_id: document for document in page.documents}
            self.unreadable |= {bad.doc_id: bad for bad in page.unreadable}
            self.fetched += [document.doc_id for document in page.documents]
            for doc_id in page.gone:
                self.stored.pop(doc_id, None)
            self.cursor = page.cursor
            if number == pages:
                walk.close()
                break
        return desk.requests

    def check_against_truth(self) -> None:
        truth = self.admin("truth")
        live = {str(ticket["id"]): ticket for ticket in truth["tickets"]}
        assert sorted(self.stored) == sorted(live)
        for doc_id, ticket in live.items():
            payload = self.stored[doc_id].payload
            thread = payload["conversations"]
            assert [payload[name] for name in ("subject", "tags", "updated_at")] == [
                ticket[name] for name in ("subject", "tags", "updated_at")
            ]
            assert ticket["description"] in thread[0]["html_body"], doc_id
            assert [(one["id"], one["plain_body"], not one["public"]) for one in thread[1:]] == [
                (one["id"], one["body_text"], one["private"]) for one in ticket["conversations"]
            ], doc_id


@pytest.fixture
def company(running: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Company:
    monkeypatch.setattr(http, "_BACK_OFF", wait_fixed(0.01))
    monkeypatch.setattr(zendesk, "PER_PAGE", 50)
    made = Company(running)
    made.admin("plan", name="none")
    made.admin("reset")
    return made


# -- the walk ----------------------------------------------------------------------------------------------------------


def test_a_first_walk_brings_everything_in_the_fewest_requests(company: Company) -> None:
    assert company.walk() == COUNT + 3 + NAMES
    company.check_against_truth()
    assert sorted(company.fetched) == sorted(company.stored)


def test_a_full_walk_says_so_and_one_from_a_cursor_does_not(company: Company) -> None:
    desk = company.open()
    first = list(desk.pages(None, company, Span()))
    assert [page.walked_all for page in first] == [False] * (len(first) - 1) + [True]
    assert {doc_id for page in first for doc_id in page.seen} == {str(number) for number in range(1, COUNT + 1)}
    assert not any(page.walked_all for page in desk.pages(first[-1].cursor, company, Span()))


def test_a_night_without_change_costs_one_export(company: Company) -> None:
    company.walk()
    cursor, company.fetched = company.cursor, []
    assert company.walk() == 1
    assert (company.fetched, company.cursor) == ([], cursor)


def test_edits_cost_hardly_more_than_their_comments(company: Company) -> None:
    company.walk()
    edited = company.admin("edit", count=40, what="reply")["ids"]
    company.fetched = []
    assert company.walk() == 40 + 1 + NAMES
    assert sorted(company.fetched) == sorted(map(str, edited))
    company.check_against_truth()


def test_what_is_held_back_comes_with_the_next_walk(company: Company) -> None:
    company.walk()
    company.admin("edit", ids=[5], what="reply")
    company.walk(later=0)
    company.admin("edit", ids=[6], what="reply", tick=0)
    company.walk()
    company.check_against_truth()


def test_a_touch_changes_the_version_and_nothing_that_is_said(company: Company) -> None:
    company.walk()
    before = dict(company.stored)
    touched = [str(number) for number in company.admin("edit", count=30, what="touch")["ids"]]
    company.walk()
    assert all(company.stored[one].version != before[one].version for one in touched)
    assert {one.doc_id: one.content_hash for one in company.stored.values()} == {
        one.doc_id: one.content_hash for one in before.values()
    }


@pytest.mark.parametrize("churn", [{"edit_every": 1, "count": 9}, {"delete_every": 1, "count": 9}])
@pytest.mark.parametrize("on", ["list", "conversations"])
def test_nothing_is_lost_while_tickets_change_behind_the_reader(company: Company, churn: Json, on: str) -> None:
    churn = {**churn, "on": on, "limit": 27}
    if on == "conversations":
        churn |= {name: 20 for name in churn if name.endswith("every")}
    company.admin("clock", rate=200)  # an export held back would else never show what changes while it is read
    company.admin("churn", **churn)
    company.walk()
    company.admin("churn")
    company.admin("clock", rate=0)
    company.walk()
    company.check_against_truth()
    assert not company.unreadable
    assert bool(company.admin("truth")["deleted"]) == ("delete_every" in churn)


@pytest.mark.parametrize("touch", [True, False])
@pytest.mark.parametrize("place", ["delete", "spam"])
def test_deletions_are_seen_and_restored_tickets_come_back(company: Company, place: str, touch: bool) -> None:
    company.walk()
    gone = company.admin(place, count=25, touch=touch)["ids"]
    assert company.walk() == 1
    company.check_against_truth()
    if place == "delete":
        company.admin("restore", ids=gone, touch=touch)
        company.walk()
        company.check_against_truth()


def test_archived_tickets_stay(company: Company) -> None:
    company.walk()
    company.admin("archive", ids=[4, 5])
    company.walk()
    assert {"4", "5"} <= set(company.stored)
    company.cursor, company.stored = None, {}
    company.walk()
    assert {"4", "5"} <= set(company.stored)


def test_many_tickets_moved_in_one_second(company: Company) -> None:
    company.admin("same_time", count=COUNT)
    company.walk()
    company.check_against_truth()
    assert len(company.fetched) == len(set(company.fetched)) == COUNT


def test_a_cursor_that_zendesk_refuses_is_replaced_by_its_time(company: Company) -> None:
    company.walk()
    assert company.cursor
    company.cursor = {**company.cursor, "after": "what nobody can read"}
    company.admin("edit", ids=[5], what="reply")
    company.fetched = []
    assert company.walk() <= 10
    assert company.fetched == ["5"]
    company.check_against_truth()


def test_since_leaves_out_what_did_not_move(company: Company) -> None:
    times = {str(one["id"]): one["updated_at"] for one in company.admin("truth")["tickets"]}
    company.walk(since="2026-09-01")
    assert set(company.stored) == {doc_id for doc_id, moved in times.items() if moved >= "2026-09-01"}
    assert 0 < len(company.stored) < COUNT


@pytest.mark.parametrize("pages", [1, 2, 6])
def test_a_killed_walk_goes_on_from_the_last_page(company: Company, pages: int) -> None:
    first = company.walk(pages)
    second = company.walk()
    company.check_against_truth()
    assert first + second <= COUNT + 45  # what was under way, and exports again
    assert len(company.fetched) == len(set(company.fetched)) == COUNT


# -- faults and limits -------------------------------------------------------------------------------------------------


def test_faults_lose_nothing(company: Company) -> None:
    company.admin("faults", rate=0.05, kinds=["500", "reset", "cut", "html"])
    company.walk()
    assert sum(company.admin("log")["faults"].values()) > 3
    company.admin("faults")
    company.check_against_truth()
    assert not company.unreadable


def test_a_limited_plan_is_kept_without_a_refusal(company: Company) -> None:
    company.admin("plan", name="zendesk-team", minute_seconds=1)
    company.admin("reset_log")
    desk = company.open()
    desk._http.budget.window = 1.0
    stored = {one.doc_id for page in desk.pages(None, company, Span()) for one in page.documents}
    assert len(stored) == COUNT
    assert company.admin("log")["429s"] <= 1
    assert desk._http.budget.total == 200
    assert desk._http.budget.credits == COUNT + 3 + NAMES


def test_exports_over_their_own_limit_wait_and_hold_up_nothing(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zendesk, "PER_PAGE", 9)
    company.admin("plan", name="zendesk-enterprise", minute_seconds=1)
    company.admin("reset_log")
    company.walk()
    company.check_against_truth()
    log = company.admin("log")
    exports = log["routes"]["GET /incremental/tickets/cursor"]
    assert exports["200"] == 15  # more than the ten that a minute allows
    assert log["429s"] == exports.get("429", 0) <= 3  # none, where the machine is so slow that the minute passes


def test_our_own_pace_keeps_exports_below_their_limit(company: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zendesk, "PER_PAGE", 9)
    company.admin("plan", name="zendesk-enterprise", minute_seconds=1)
    company.admin("reset_log")
    desk = company.open()
    desk._pace = Pace(zendesk.EXPORTS, window=1.1)
    assert sum(len(page.documents) for page in desk.pages(None, Nothing(), Span())) == COUNT
    assert company.admin("log")["429s"] == 0


def test_a_429_storm_ends(company: Company) -> None:
    company.admin("faults", rate=1, kinds=["429"], limit=12)
    company.walk()
    company.admin("faults")
    company.check_against_truth()


def test_a_wrong_key_stops_the_walk(company: Company) -> None:
    company.walk(2)
    company.admin("options", key="another")
    with pytest.raises(SourceRefused, match="refused the key"):
        company.walk()
    company.admin("options", key="made-key")


# -- single tickets ----------------------------------------------------------------------------------------------------


def test_one_ticket_is_the_same_document_as_in_the_walk(company: Company) -> None:
    ways: list[Json] = [{}, {"attachments": "none"}, {"conversations": "resolved", "resolved_statuses": ["resolved"]}]
    for options in ways:
        company.cursor, company.stored = None, {}
        company.walk(**options)
        for doc_id in ("1", "17", "100"):
            assert company.open(**options).one(doc_id) == company.stored[doc_id]


def test_one_ticket_wherever_it_is(company: Company) -> None:
    company.admin("delete", ids=[1])
    company.admin("hard_delete", ids=[3])
    company.admin("archive", ids=[4])
    desk = company.open()
    assert [desk.one(number) for number in ("1", "3", "no number")] == [None] * 3
    archived = desk.one("4")
    assert archived and archived.payload["conversations"]
    company.admin("options", denied=True)
    with pytest.raises(DocumentError):
        desk.one("5")
    company.admin("options", denied=False)


def test_long_threads_are_read_to_the_end(company: Company) -> None:
    for _ in range(105):
        company.admin("edit", ids=[9], what="reply")
    company.walk()
    assert len(company.stored["9"].payload["conversations"]) > 105
    company.check_against_truth()


def test_only_the_threads_of_resolved_tickets(company: Company) -> None:
    company.walk(conversations="resolved", resolved_statuses=["resolved", "closed"])
    desk = company.open()
    for document in company.stored.values():
        ticket = desk.neutral(document.payload)
        assert bool(document.payload["conversations"]) == (ticket.status in ("resolved", "closed"))
        assert ticket.description and ticket.description.text


def test_files_are_kept_without_their_addresses(company: Company) -> None:
    desk = company.open("acme")
    documents = [one for page in desk.pages(None, Nothing(), Span()) for one in page.documents]
    comments = [comment for one in documents for comment in one.payload["conversations"]]
    files = [file for comment in comments for file in comment["attachments"]]
    assert len(files) > 5
    assert all(file["file_name"] and not any("url" in name for name in file) for file in files)


def test_the_text_of_files_is_read_once(company: Company) -> None:
    """Those of acme, beside the files that cannot be read (``attach``), whose reasons stand with the ticket."""
    with closing(company.open("acme")) as desk:
        first = {one.doc_id: one for page in desk.pages(None, Nothing(), Span()) for one in page.documents}
        read = {doc_id: one for doc_id, one in first.items() if one.payload.get("files", {}).get("texts")}
        assert read
        doc_id, document = next(iter(read.items()))
        texts = dict.fromkeys(document.payload["files"]["texts"], "kept")
        kept = document.payload | {"files": document.payload["files"] | {"texts": texts}}
        again = desk.one(doc_id, kept)
        assert again and again.payload["files"] == kept["files"]
        assert again.content_hash != document.content_hash
        merged_files = merge(desk.neutral(again.payload))["attachments"]
        assert "kept" in {file["text"] for file in merged_files}
    assert "files=1" in company.open().made_by
    assert "files=1" not in company.open(file_texts=False).made_by + company.open(attachments="none").made_by


def test_a_file_that_cannot_be_read_keeps_no_ticket_back(company: Company) -> None:
    made = company.admin("attach", ids=[7], kind="encrypted_pdf")
    with closing(company.open()) as desk:
        document = desk.one("7")
    assert made and document and document.unread
    assert (document.unread.passing, "without the text" in document.unread.reason) == (False, True)
    assert document.payload["conversations"]


@pytest.mark.parametrize("public", [True, False])
def test_a_file_of_the_first_comment_is_as_private_as_the_comment(company: Company, public: bool) -> None:
    file = {"id": 4, "file_name": "a.txt", "content_type": "text/plain", "size": 9}
    first = {"id": 1, "author_id": 7, "public": public, "plain_body": "As said by phone", "attachments": [file]}
    payload = {"id": 1, "status": "open", "requester_id": 5, "conversations": [first]}
    ticket = company.open().neutral(payload | {"files": {"texts": {"4": "E-4711"}, "unread": {}}})
    merged = merge(ticket)
    assert [one["name"] for one in merged["attachments"]] == ["a.txt"]
    assert "E-4711" in thread_text(merged, "agent")
    assert ("E-4711" in thread_text(merged, "customer")) == public


def test_groups_agents_and_ratings_stand_in_the_ticket(company: Company) -> None:
    company.admin("rate", ids=[9], value=-103, feedback="It took a week.")
    company.walk()
    desk = company.open()
    rated = desk.neutral(company.stored["9"].payload)
    assert [(one.score, one.comment) for one in rated.satisfaction] == [("bad", "It took a week.")]
    assert not list(desk.ratings(None))
    tickets = {doc_id: desk.neutral(one.payload) for doc_id, one in company.stored.items()}
    truth = {str(one["id"]): one for one in company.admin("truth")["tickets"]}
    for doc_id, ticket in tickets.items():
        assert bool(ticket.group) == bool(truth[doc_id]["group_id"])
        assert bool(ticket.agent) == bool(truth[doc_id]["responder_id"])
    company.admin("rate", ids=[9], value=103, feedback=None)
    company.walk()
    assert [one.score for one in desk.neutral(company.stored["9"].payload).satisfaction] == ["good"]


def test_a_merged_ticket_says_where_its_thread_is(company: Company) -> None:
    company.admin("merge", primary=3, secondaries=[4, 5])
    company.walk()
    desk = company.open()
    into = {doc_id: desk.neutral(one.payload).merged_into for doc_id, one in company.stored.items()}
    assert {doc_id: target for doc_id, target in into.items() if target} == {"4": "3", "5": "3"}


@pytest.mark.parametrize(
    ("said", "tags", "status", "target"),
    [
        ('This request was closed and merged into request #12 "No. 7 is broken".', ["closed_by_merge"], "closed", "12"),
        ('이 요청은 종료되었으며 요청 #12 "7번 고장"에 병합되었습니다.', ["closed_by_merge"], "closed", "12"),
        ("This request was closed and merged into request #12", [], "closed", ""),
        ("This request was closed and merged into request #12", ["closed_by_merge"], "open", ""),
        ("As in #12. A follow-up has its predecessor's tags.", ["closed_by_merge"], "closed", ""),
        ('Request #12 "Help" was closed and merged into this request.', ["closed_by_merge"], "closed", ""),
    ],
)
def test_what_says_that_a_ticket_was_merged(
    company: Company, said: str, tags: list[str], status: str, target: str
) -> None:
    first = {"id": 1, "author_id": 5, "public": True, "plain_body": "Help"}
    last = {"id": 2, "author_id": 7, "public": False, "plain_body": said}
    payload = {"id": 1, "status": status, "tags": tags, "requester_id": 5, "conversations": [first, last]}
    assert company.open().neutral(payload).merged_into == target


def test_what_stands_beside_an_export_and_is_odd_fails_no_ticket(company: Company) -> None:
    rows = zendesk._rows(
        {
            "tickets": [{"id": 1, "requester_id": 5, "assignee_id": 6, "group_id": 8}],
            "users": [None, {"name": "No number"}, {"id": 6, "name": "Ada", "role": "agent", "email": "a@example.com"}],
            "groups": None,
        }
    )
    assert rows[0]["requester"] is None
    assert rows[0]["assignee"] == {"id": 6, "name": "Ada", "role": "agent"}
    assert rows[0]["group"] is None
    ticket = company.open().neutral(rows[0] | {"status": "open", "satisfaction_rating": None})
    assert (ticket.requester.id, ticket.agent, ticket.group, ticket.satisfaction) == ("5", "Ada", "", ())


def test_who_wrote_a_comment(company: Company) -> None:
    desk = company.open()

    def author(role: str | None, number: int = 7, public: bool = True, channel: str = "web") -> str:
        about = role and {"id": number, "role": role}
        said = {"id": 1, "author_id": number, "author": about, "public": public, "via": {"channel": channel}}
        first = {"id": 0, "author_id": 5, "public": True, "plain_body": "Help", "via": {"channel": "email"}}
        ticket = desk.neutral(
            {"id": 1, "status": "open", "requester_id": 5, "assignee_id": 9, "conversations": [first, said]}
        )
        assert ticket.description and ticket.description.author == "customer"
        return ticket.messages[0].author

    assert [author("end-user"), author("agent"), author("admin"), author(None)] == [
        "customer",
        "agent",
        "agent",
        "customer",
    ]
    assert author(None, number=9) == "agent"  # who left, and has the ticket still
    assert author("agent", number=5) == "customer"
    assert author("end-user", public=False) == "agent"
    assert author(None, number=-1) == author("agent", channel="rule") == "system"


def test_exports_keep_to_the_share_of_their_own_limit(company: Company) -> None:
    sandbox = company.sandbox
    for share, most in ((1.0, 10), (0.8, 8), (0.05, 1)):
        desk = Zendesk(sandbox.url("made", "zendesk"), sandbox.user("made"), sandbox.key("made"), rate_share=share)
        assert desk._pace.most == most


# -- the audit of ids --------------------------------------------------------------------------------------------------


class Nights:
    """A company that is collected night after night, as a sync does it; the first night brings everything."""

    def __init__(self, company: Company, store: SqlCompanyStore) -> None:
        self.company, self.store = company, store
        self.today = date(2026, 1, 1)
        assert self.sync().changed == COUNT

    def pass_by(self, days: int = 1, **walk: Any) -> Report:
        self.today += timedelta(days=days)
        return self.sync(**walk)

    def sync(self, **walk: Any) -> Report:
        self.company.admin("clock", advance=60)
        with closing(self.company.open()) as desk:
            now = f"{self.today}T00:00:00Z"
            return Collection(desk, self.store, "run", now).run(Walk(**walk))

    def stored(self) -> set[str]:
        return self.store.ids("raw_tickets")

    def live(self) -> set[str]:
        return {str(ticket["id"]) for ticket in self.company.admin("truth")["tickets"]}


@pytest.fixture
def nights(company: Company, tmp_path: Path) -> Iterator[Nights]:
    with open_store(tmp_path / "made", company_id("made")) as store:
        yield Nights(company, store)


def test_what_was_deleted_for_good_leaves_within_a_week_and_nothing_else_does(
    nights: Nights, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zendesk, "PER_PAGE", 10)
    admin = nights.company.admin
    admin("archive", ids=[4, 5, 90])
    erased = {str(number) for number in admin("hard_delete", count=20, seed=3)["ids"]} - {"4", "5", "90"}
    removed: list[int] = []
    for night in range(7):
        admin("edit", count=3, seed=night, what="reply")  # those that the walk has just brought are not missed
        report = nights.pass_by()
        removed.append(report.removed)
        assert report.requests <= 1 + NAMES + 3 + 3 + len(erased)
    assert sum(removed) == len(erased)
    assert sum(map(bool, removed)) > 2  # in slices
    assert nights.stored() == nights.live() | {"4", "5", "90"}


def test_a_week_without_a_sync_is_made_up_for_in_one_night(nights: Nights) -> None:
    nights.company.admin("hard_delete", ids=[3, 60, 128])
    assert nights.pass_by(days=9).removed == 3
    assert nights.stored() == nights.live()
    quiet = nights.pass_by(days=0)
    assert (quiet.requests, quiet.removed) == (1, 0)


def test_a_full_sync_audits_all_of_it(nights: Nights) -> None:
    nights.company.admin("hard_delete", ids=[3, 60, 128])
    assert nights.pass_by(days=0, full=True).removed == 3
    assert nights.stored() == nights.live()


def test_the_audit_begins_at_the_version_it_is_given(company: Company) -> None:
    """The lowest that is stored: what was stored before the setting ``since`` was made is listed, and missed, like the
    rest."""
    desk = company.open(since="2026-09-01")
    assert next(desk.audit("0000000012 2026-01-01T00:00:00Z")).low == "0000000012"
    within = f"{zendesk._seconds('2026-09-02'):010d}"
    assert next(desk.audit(within)).low == within


def test_a_ticket_that_is_edited_while_the_audit_reads_stays(nights: Nights) -> None:
    """It leaves the stretch in which it is stored, and is asked for."""
    admin = nights.company.admin
    admin("clock", rate=200)
    admin("churn", edit_every=1, count=9, on="list", limit=27)
    assert nights.pass_by(full=True).removed == 0
    admin("churn")
    admin("clock", rate=0)
    nights.pass_by()
    assert nights.stored() == nights.live()


def test_a_key_that_may_no_longer_view_tickets_deletes_nothing(nights: Nights) -> None:
    nights.company.admin("hard_delete", ids=[3])
    desk = nights.company.open()
    assert (desk.whereabouts("3"), desk.whereabouts("5")) == ("gone", "here")
    nights.company.admin("options", denied=True)
    assert desk.whereabouts("3") == "here"
    nights.company.admin("options", denied=False, key="another")
    with pytest.raises(SourceRefused, match="refused the key"):
        desk.whereabouts("3")
    nights.company.admin("options", key="made-key")
    nights.company.admin("delete", ids=[5])
    assert desk.whereabouts("5") == "gone"


# -- what an account is ------------------------------------------------------------------------------------------------


def test_check_says_what_there_is(company: Company) -> None:
    account = company.open(resolved_statuses=["resolved", "closed"]).check()
    assert account.name.endswith("/zendesk/made")
    assert account.notes == (
        f"{COUNT} tickets; archived ones are not counted",
        "12 articles in the Help Center",
    )
    (told,) = (note for note in company.open().check().notes if "resolved_statuses" in note)
    assert told.endswith(": resolved")
    company.admin("plan", name="zendesk-enterprise")
    desk = company.open(rate_share=0.8)
    account = desk.check()
    assert account.per_minute == 700
    assert account.tickets == COUNT
    plan = desk.plan(account)
    assert COUNT < plan.requests <= COUNT + 10
    assert plan.minutes == pytest.approx(plan.requests / 560)


@pytest.mark.parametrize(("seen", "words"), [("denied", "may not read"), ("none", "does not have")])
def test_an_account_without_a_help_center_is_read_without(company: Company, seen: str, words: str) -> None:
    company.admin("options", help_center=seen)
    assert any(words in note and "Help Center" in note for note in company.open().check().notes)
    company.walk()
    company.check_against_truth()


def test_a_key_that_may_not_read_names_reads_tickets_without_and_says_so_once(company: Company) -> None:
    company.admin("options", names_denied=True)
    desk = company.open()
    documents = [one for page in desk.pages(None, company, Span()) for one in page.documents]
    assert len(documents) == COUNT
    assert [note.split(";")[0] for note in desk.notes] == [
        f"this key may not read the names of {what}" for what in ("statuses", "fields", "brands")
    ]
    assert {desk.neutral(one.payload).status for one in documents} <= {"open", "pending", "on-hold", "solved", "closed"}


def test_check_refuses_what_cannot_work(company: Company) -> None:
    sandbox = company.sandbox
    url, user, key = sandbox.url("made", "zendesk"), sandbox.user("made"), sandbox.key("made")
    Zendesk(url, "", key).check()  # as an OAuth token
    for wrong in (Zendesk(url, user, "wrong"), Zendesk(url, "nobody@example.com", key), Zendesk(url, "", "wrong")):
        with pytest.raises(SourceRefused, match="refused the key"):
            wrong.check()
    with pytest.raises(SourceRefused, match="no Zendesk at this address"):
        Zendesk(sandbox.url("nobody", "zendesk"), user, key).check()


# -- beside Freshdesk --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["acme", "hanbit"])
def test_the_same_company_is_the_same_documents_over_freshdesk(company: Company, name: str) -> None:
    sandbox = company.sandbox
    beside = Freshdesk(sandbox.url(name), sandbox.key(name), rate_share=1.0)
    with closing(beside), closing(company.open(name)) as desk:
        over_freshdesk, over_zendesk = merged(beside), merged(desk)
    assert sorted(over_freshdesk) == sorted(over_zendesk)
    for doc_id, document in over_zendesk.items():
        assert document == over_freshdesk[doc_id]
    documents = over_zendesk.values()
    assert all(document["group"] and document["agent"] for document in documents)
    assert any(document["satisfaction"] for document in documents)
    assert any(file["text"] for document in documents for file in document["attachments"])


def merged(desk: Freshdesk | Zendesk) -> dict[str, Json]:
    """All merged documents without what is the platform's own: addresses, brands, two words, and when a ticket was rated,
    which Zendesk does not tell."""
    documents = {
        one.doc_id: merge(desk.neutral(one.payload))
        for page in desk.pages(None, Nothing(), Span())
        for one in page.documents
    }
    for rating in (one for page in desk.ratings(None) for one in page.ratings):
        documents[rating.ticket_id]["satisfaction"] = [asdict(rating.said)]  # Zendesk keeps the last one
    for document in documents.values():
        for name in ("url", "product"):
            assert document.pop(name) or name == "product"
        document["type"] = document["type"].lower().replace("feature request", "task")
        document["satisfaction"] = [(one["score"], one["comment"]) for one in document["satisfaction"]]
        for file in document["attachments"]:  # Freshdesk's first ones are the ticket's, Zendesk's a comment's
            file["message_id"] = file["message_id"] or "description"
    return documents
