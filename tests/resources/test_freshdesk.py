"""Freshdesk against the sandbox: whatever moves, fails or is killed, the store ends with what the account holds."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tenacity import wait_fixed

from domain.company import Company as Registered
from domain.company import company_id
from domain.errors import DocumentError, SourceRefused, SourceUnavailable
from resources import http, secrets
from resources.companies import Companies
from resources.helpdesk import freshdesk
from resources.helpdesk.base import Document, Json, Nothing, Span, Unreadable
from resources.helpdesk.freshdesk import Freshdesk
from resources.helpdesk.platforms import open_helpdesk
from resources.settings import Settings
from sandbox.serve import Sandbox

COUNT = 130


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with Sandbox(generated={"made": COUNT}) as sandbox:
        yield sandbox


class Company:
    """An account in the sandbox, and the least store that keeps to the contract: a page and its cursor in one step."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.cursor: Json | None = None
        self.stored: dict[str, Document] = {}
        self.unreadable: dict[str, Unreadable] = {}
        self.fetched: list[str] = []
        self.names: Json = {}

    def admin(self, action: str, **given: Any) -> Any:
        return self.sandbox.admin("made", action, **given)

    def open(self, **options: Any) -> Freshdesk:
        desk = Freshdesk(self.sandbox.url("made"), self.sandbox.key("made"), **{"rate_share": 1.0} | options)
        desk.names = self.names
        return desk

    def versions(self, doc_ids: Sequence[str]) -> dict[str, str]:
        return {doc_id: self.stored[doc_id].version for doc_id in doc_ids if doc_id in self.stored}

    def payloads(self, doc_ids: Sequence[str]) -> dict[str, Json]:
        return {doc_id: self.stored[doc_id].payload for doc_id in doc_ids if doc_id in self.stored}

    def walk(self, pages: int = 1_000_000, **options: Any) -> int:
        """Walk, or be killed after so many pages; returns the requests."""
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
        self.names = desk.names
        return desk.requests

    def check_against_truth(self) -> None:
        truth = self.admin("truth")
        live = {str(ticket["id"]): ticket for ticket in truth["tickets"]}
        assert sorted(self.stored) == sorted(live)
        for doc_id, ticket in live.items():
            stored = self.stored[doc_id].payload
            assert said(stored) == said(ticket), doc_id


def said(ticket: Json) -> Any:
    return (
        [ticket[name] for name in ("subject", "description", "status", "tags", "updated_at")],
        ticket["stats"]["resolved_at"],
        [(one["id"], one["body"], one["private"]) for one in ticket["conversations"]],
    )


@pytest.fixture
def company(running: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Company:
    monkeypatch.setattr(http, "_BACK_OFF", wait_fixed(0.01))
    made = Company(running)
    made.admin("plan", name="none")
    made.admin("options", page_cap=300, denied=False)
    made.admin("reset")
    return made


# -- the walk ----------------------------------------------------------------------------------------------------------


def test_a_first_walk_brings_everything_in_the_fewest_requests(company: Company) -> None:
    requests = company.walk(attachments="threads")
    company.check_against_truth()
    # A thread each; two lists of up to 100; deleted and spam; the names of fields, products, groups and agents.
    assert requests == COUNT + 2 + 2 + 4
    assert sorted(company.fetched) == sorted(company.stored)


def test_a_full_walk_says_so_and_one_from_a_cursor_does_not(company: Company) -> None:
    desk = company.open()
    first = list(desk.pages(None, company, Span()))
    assert [page.walked_all for page in first] == [False] * (len(first) - 1) + [True]
    assert {doc_id for page in first for doc_id in page.seen} == {str(number) for number in range(1, COUNT + 1)}
    assert not any(page.walked_all for page in desk.pages(first[-1].cursor, company, Span()))


def test_a_night_without_change_costs_three_lists(company: Company) -> None:
    company.walk()
    cursor, company.fetched = company.cursor, []
    assert company.walk() == 3
    assert (company.fetched, company.cursor) == ([], cursor)


def test_a_hundred_edits_cost_hardly_more_than_their_threads(company: Company) -> None:
    company.walk(attachments="threads")
    edited = company.admin("edit", count=100, what="reply")["ids"]
    company.fetched = []
    assert company.walk(attachments="threads") <= 105
    assert sorted(company.fetched) == sorted(map(str, edited))
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
    churn = {**churn, "on": on, "limit": 40}
    if on == "conversations":
        churn |= {name: 20 for name in churn if name.endswith("every")}
    company.admin("churn", **churn)
    company.walk(attachments="threads")
    assert bool(company.admin("truth")["deleted"]) == ("delete_every" in churn)
    company.admin("churn")
    company.walk(attachments="threads")
    company.check_against_truth()
    assert not company.unreadable


def test_a_view_that_is_newer_than_its_list_is_not_the_last_word(company: Company) -> None:
    company.admin("churn", edit_every=1, count=20, limit=40, what="status")
    company.walk(attachments="full")
    company.admin("churn")
    company.walk(attachments="full")
    company.check_against_truth()  # the times of solution are in the list alone


@pytest.mark.parametrize("touch", [True, False])
@pytest.mark.parametrize("place", ["delete", "spam"])
def test_deletions_are_seen_whether_they_move_the_time_or_not(company: Company, place: str, touch: bool) -> None:
    company.walk()
    company.admin(place, count=25, touch=touch)
    assert company.walk() <= 4
    company.check_against_truth()


def test_a_restored_ticket_comes_back(company: Company) -> None:
    company.walk()
    company.admin("delete", ids=[7])
    company.walk()
    assert "7" not in company.stored
    company.admin("restore", ids=[7])
    company.walk()
    company.check_against_truth()


def test_a_large_trash_is_read_again_in_turns(company: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(freshdesk, "PER_PAGE", 10)
    monkeypatch.setattr(freshdesk, "TRASH_PAGES", 2)
    company.admin("delete", ids=[number for number in range(20, 110) if number != 60], touch=False)
    company.walk()
    company.admin("delete", ids=[3, 60, 120], touch=False)  # their times are before, among and after the others'
    requests = [company.walk() for _ in range(7)]
    assert max(requests) <= 7  # one list of live tickets, two pages again and what is new, of the deleted and of spam
    company.check_against_truth()


# -- ties --------------------------------------------------------------------------------------------------------------


def test_more_than_a_page_changed_in_one_second(company: Company) -> None:
    company.admin("create", count=400 - COUNT)
    company.admin("same_time", count=350)
    company.admin("edit", count=20)
    company.walk(attachments="threads")
    company.check_against_truth()
    assert len(company.fetched) == len(set(company.fetched))


@pytest.mark.parametrize("churn", [{"edit_every": 1, "count": 9}, {"delete_every": 1, "count": 9}])
def test_a_tie_that_changes_while_it_is_paged(company: Company, churn: Json) -> None:
    company.admin("same_time", count=COUNT)
    company.admin("churn", **churn, limit=60)
    company.walk(attachments="threads")
    company.admin("churn")
    company.walk(attachments="threads")
    company.check_against_truth()


def test_a_tie_at_the_end_is_listed_but_not_fetched_again(company: Company) -> None:
    company.admin("same_time", count=COUNT)
    company.walk()
    cursor, company.fetched = company.cursor, []
    assert company.walk() <= 8
    assert (company.fetched, company.cursor) == ([], cursor)


def test_a_tie_beyond_the_last_page_that_a_list_gives(company: Company) -> None:
    company.admin("same_time", ids=list(range(1, COUNT - 20)))
    company.admin("options", page_cap=1)
    company.walk(attachments="threads")
    company.check_against_truth()


def test_a_ticket_that_changes_in_the_last_second_seen(company: Company) -> None:
    company.walk()
    company.admin("same_time", ids=[5])
    company.walk()
    company.admin("edit", ids=[6], tick=0)  # the same second
    company.walk()
    company.check_against_truth()


def test_a_walk_that_reached_the_present_looks_back_a_little(company: Company) -> None:
    company.walk()
    old = company.cursor and company.cursor["live"]
    company.admin("clock", now="2099-01-01T00:00:00+00:00")
    company.admin("edit", ids=[5])
    company.walk()
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert old and company.cursor and old < company.cursor["live"] < now  # never in the future, by whatever clock


# -- killed ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pages", [1, 2, 6, 9, 14])
def test_a_killed_walk_goes_on_from_the_last_page(company: Company, pages: int) -> None:
    whole = Company(company.sandbox).walk(attachments="threads")
    first = company.walk(pages, attachments="threads")
    second = company.walk(attachments="threads")
    company.check_against_truth()
    assert first + second <= whole + 30  # what was under way, and the list's page again
    assert len(company.fetched) == len(set(company.fetched)) == COUNT


# -- faults ------------------------------------------------------------------------------------------------------------


def test_faults_lose_nothing(company: Company) -> None:
    company.walk(attachments="none")
    company.admin("faults", rate=0.05, kinds=["500", "reset", "cut", "html"])
    company.cursor, company.stored = None, {}
    company.walk()
    assert sum(company.admin("log")["faults"].values()) > 5
    company.admin("faults")
    company.check_against_truth()
    assert not company.unreadable


def test_a_limited_plan_is_kept_without_a_refusal(company: Company) -> None:
    company.admin("plan", name="growth", minute_seconds=2, decimal=True)
    company.admin("reset_log")
    desk = company.open(attachments="threads")
    desk._http.budget.window = 2.0
    stored = {one.doc_id for page in desk.pages(None, company, Span()) for one in page.documents}
    assert len(stored) == COUNT
    assert company.admin("log")["429s"] <= 1


def test_a_wrong_key_stops_the_walk(company: Company) -> None:
    company.walk(3)
    company.admin("options", key="another")
    with pytest.raises(SourceRefused, match="refused the key"):
        company.walk()
    company.admin("options", key="made-key")


# -- single tickets ----------------------------------------------------------------------------------------------------


def test_one_ticket_is_the_same_document_as_in_the_walk(company: Company) -> None:
    for options in ({}, {"attachments": "threads"}, {"attachments": "none"}, {"conversations": "resolved"}):
        company.cursor, company.stored = None, {}
        company.walk(**options)
        for doc_id in ("1", "17", "100"):
            again = company.open(**options).one(doc_id)
            assert again
            assert again.content_hash == company.stored[doc_id].content_hash
            assert again.version == company.stored[doc_id].version


def test_one_ticket_wherever_it_is(company: Company) -> None:
    company.admin("delete", ids=[1])
    company.admin("spam", ids=[2])
    company.admin("hard_delete", ids=[3])
    before = company.open().one("4")
    company.admin("archive", ids=[4])
    desk = company.open()
    assert [desk.one(number) for number in ("1", "2", "3", "no number")] == [None] * 4
    archived = desk.one("4")
    assert before and archived and archived.content_hash == before.content_hash
    assert archived.payload["conversations"] == before.payload["conversations"]


def test_long_threads_are_read_to_the_end(company: Company) -> None:
    for _ in range(12):
        company.admin("edit", ids=[9], what="reply")
    company.walk()
    assert len(company.stored["9"].payload["conversations"]) >= 12
    company.admin("reset")
    for _ in range(105):
        company.admin("edit", ids=[9], what="reply")
    thread = company.open().one("9")
    assert thread and len(thread.payload["conversations"]) >= 105
    assert thread.payload["conversations"] == sorted(
        thread.payload["conversations"], key=lambda one: (one["created_at"], one["id"])
    )


def test_only_resolved_threads(company: Company) -> None:
    requests = company.walk(conversations="resolved", resolved_statuses=["resolved"])
    resolved = [one for one in company.stored.values() if one.payload["status"] == 4]
    assert requests == len(resolved) + 2 + 2 + 4
    truth = {str(ticket["id"]): ticket for ticket in company.admin("truth")["tickets"]}
    for document in company.stored.values():
        expected = truth[document.doc_id]["conversations"] if document in resolved else []
        assert len(document.payload["conversations"]) == len(expected)


def test_signed_addresses_are_not_kept_and_change_nothing() -> None:
    with Sandbox(["acme"]) as sandbox:
        desk = Freshdesk(sandbox.url("acme"), sandbox.key("acme"))
        first, second = (
            {one.doc_id: one for page in desk.pages(None, Nothing(), Span()) for one in page.documents} for _ in "ab"
        )
    assert [one.content_hash for one in first.values()] == [one.content_hash for one in second.values()]
    files = [file for one in first.values() for file in _files(one.payload)]
    assert files and not any("attachment_url" in file or "thumb_url" in file for file in files)


def _files(payload: Json) -> list[Json]:
    return [file for record in (payload, *payload["conversations"]) for file in record.get("attachments") or ()]


def test_a_document_that_cannot_be_read_waits_and_the_rest_goes_on(company: Company) -> None:
    # The server's own world cannot be odd, so the reader is told that one ticket is.
    class Odd(Freshdesk):
        def neutral(self, payload: Json) -> Any:
            if payload["id"] == 30:
                raise DocumentError("The ticket has an unknown shape.")
            return super().neutral(payload)

    desk = Odd(company.sandbox.url("made"), company.sandbox.key("made"))
    pages = list(desk.pages(None, company, Span()))
    assert [bad.doc_id for page in pages for bad in page.unreadable] == ["30"]
    assert sum(len(page.documents) for page in pages) == COUNT - 1


# -- check and plan ----------------------------------------------------------------------------------------------------


def test_check_and_plan(company: Company) -> None:
    company.admin("plan", name="pro")
    desk = company.open(rate_share=0.5)
    account = desk.check()
    assert account.per_minute == 400
    assert (account.tickets, account.notes) == (
        COUNT,
        (f"the newest ticket is number {COUNT}: there are so many at most",),
    )
    assert desk.requests == 2 + 6  # and what else the key may read
    full, threads = desk.plan(account), company.open(rate_share=0.5, attachments="threads").plan(account)
    requests, lists = COUNT + 2 + 8, 2 * 7
    assert (full.requests, full.credits, full.exact) == (requests, lists + 2 * COUNT + 8, False)
    assert full.minutes == pytest.approx(full.credits / 200)
    assert (threads.requests, threads.credits) == (requests, lists + COUNT + 8)


def test_the_plan_is_what_a_walk_costs(company: Company) -> None:
    for attachments in ("full", "threads"):
        company.cursor, company.stored = None, {}
        company.admin("reset_log")
        desk = company.open(attachments=attachments)
        plan = desk.plan(company.open().check())
        company.admin("reset_log")
        company.walk(attachments=attachments)
        log = company.admin("log")
        assert log["requests"] == pytest.approx(plan.requests, rel=0.05)
        assert log["credits"] == pytest.approx(plan.credits, rel=0.05)


def test_check_tells_what_is_wrong(company: Company) -> None:
    url = company.sandbox.url("made")
    with pytest.raises(SourceRefused, match="refused the key"):
        Freshdesk(url, "wrong").check()
    with pytest.raises(SourceRefused, match=r"no Freshdesk at this address.*/nobody"):
        Freshdesk(company.sandbox.url("nobody"), "key").check()
    with pytest.raises(SourceRefused, match="no Freshdesk at this address"):
        Freshdesk(f"{url}/admin/nothing", "key").check()
    company.admin("options", denied=True)
    with pytest.raises(SourceRefused, match="does not let this key"):
        company.open().check()
    with pytest.raises(SourceUnavailable, match="cannot be reached"):
        Freshdesk("http://127.0.0.1:9", "key").check()


@pytest.fixture
def registry(company: Company, tmp_path: Path) -> Companies:
    """Where the account's key is stored."""
    companies = Companies(Settings(home=tmp_path / "home"))
    made = Registered(company_id("made"), "freshdesk", company.sandbox.url("made"))
    companies.add(made, secrets.seal(companies.settings, company.sandbox.key("made")))
    return companies


def test_a_key_that_is_changed_in_mid_walk_loses_nothing(company: Company, registry: Companies) -> None:
    made = registry.get("made")
    desk = open_helpdesk(registry, made)
    walked: set[str] = set()
    for number, page in enumerate(desk.pages(None, company, Span()), 1):
        walked |= {document.doc_id for document in page.documents}
        if number in (1, 3):
            registry.set_secret(made, secrets.seal(registry.settings, f"key {number}"))
            company.admin("options", key=f"key {number}")
    assert walked == {str(ticket["id"]) for ticket in company.admin("truth")["tickets"]}


def test_a_key_that_is_taken_away_ends_the_walk(company: Company, registry: Companies) -> None:
    desk = open_helpdesk(registry, registry.get("made"))
    walk = desk.pages(None, company, Span())
    next(walk)
    company.admin("options", key="nobody knows")
    with pytest.raises(SourceRefused, match="refused the key"):
        list(walk)


def test_a_key_for_another_address_is_not_sent_to_the_old_one(company: Company, registry: Companies) -> None:
    made = registry.get("made")
    desk = open_helpdesk(registry, made)
    company.admin("options", key="for the new address")
    registry.move(made, "https://new.example.com", secrets.seal(registry.settings, "for the new address"))
    with pytest.raises(SourceRefused, match="refused the key"):
        desk.check()


def test_options_that_shape_a_document_are_in_its_maker() -> None:
    def made_by(**options: Any) -> str:
        return Freshdesk("http://x", "key", **options).made_by

    makers = [made_by(), made_by(attachments="none"), made_by(since="2026-01-01"), made_by(conversations="resolved")]
    makers.append(made_by(conversations="resolved", resolved_statuses=["closed"]))
    assert len(set(makers)) == len(makers)
    assert made_by(resolved_statuses=["x"]) == makers[0]


def test_only_what_changed_since_a_day(company: Company) -> None:
    company.walk(since="2026-09-01")
    expected = [ticket for ticket in company.admin("truth")["tickets"] if ticket["updated_at"] >= "2026-09-01"]
    assert 0 < len(company.stored) == len(expected) < COUNT
