"""Freshdesk, whole, into a real store: names, files, ratings, articles, archive, merger, audit, slices, ranges, faults."""

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from tenacity import wait_fixed

from domain import kb_stages, ticket_stages
from domain.company import Company as Registered
from domain.company import company_id
from domain.derive import derive
from domain.errors import CasebookError
from domain.forgotten import digest
from domain.merge import thread_text
from domain.stage import ATTACHMENTS, NEVER, Report
from domain.writer import extractive_writer
from resources import http
from resources.helpdesk.base import ARCHIVED
from resources.helpdesk.collect import Collection, Walk, is_more_to_come
from resources.helpdesk.collect_ratings import collect_ratings
from resources.helpdesk.freshdesk import Freshdesk
from resources.storage.sql import SqlCompanyStore
from resources.storage.sqlite import open_store
from sandbox.faults import KINDS
from sandbox.serve import Sandbox

ACME = company_id("acme")
FIRST_DAY = date(2026, 11, 3)
MADE = 130
Json = dict[str, Any]


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with Sandbox(["acme"], generated={"made": MADE}) as sandbox:
        yield sandbox


class Company:
    """An account of the sandbox with a store of its own. ``day`` moves with ``tomorrow``."""

    def __init__(self, sandbox: Sandbox, store: SqlCompanyStore, account: str) -> None:
        self.sandbox, self.store, self.account = sandbox, store, account
        self.day = FIRST_DAY
        self.settings: Json = {}
        self.registered = Registered(ACME, "freshdesk", sandbox.url(account))

    def admin(self, action: str, **given: Any) -> Any:
        return self.sandbox.admin(self.account, action, **given)

    @property
    def now(self) -> str:
        return f"{self.day}T02:00:00Z"

    def tomorrow(self, days: int = 1) -> None:
        self.day += timedelta(days=days)

    def desk(self) -> Freshdesk:
        desk = Freshdesk(
            self.sandbox.url(self.account), self.sandbox.key(self.account), rate_share=1.0, **self.settings
        )
        desk.names = self.store.state("raw_tickets names") or {}
        return desk

    def sync(self, **walk: Any) -> Report:
        desk = self.desk()
        try:
            report = Collection(desk, self.store, "run", self.now).run(Walk(**walk))
            collect_ratings(desk, self.store, "run", self.now)
            stage = ticket_stages.merged_tickets(desk.neutral, desk.version)
            derive(stage, self.store, run_id="run", now=self.now)
        finally:
            desk.close()
        return report

    def sync_articles(self, **walk: Any) -> Report:
        desk = self.desk()
        report = Collection(desk.articles, self.store, "run", self.now, data_type="kb").run(Walk(**walk))
        stage = kb_stages.kb_passages(self.registered, desk.articles.neutral, desk.articles.made_by)
        derive(stage, self.store, run_id="run", now=self.now)
        return report

    def merged(self) -> dict[str, Json]:
        return {doc_id: row.payload for doc_id, row in self.rows("merged_tickets").items()}

    def rows(self, table: str) -> Any:
        return self.store.get(table, sorted(self.store.ids(table)))

    def waiting(self) -> dict[tuple[str, str], str]:
        return {(entry.target, entry.doc_id): entry.reason for entry in self.store.queue()}

    def check_against_truth(self, *left_out: int) -> None:
        """Every ticket there is, live or archived, with all of its thread; nothing else."""
        truth = self.admin("truth")
        archived = self.admin("truth", ids=truth["archived"])["tickets"] if truth["archived"] else []
        there = {str(one["id"]): one for one in (*truth["tickets"], *archived)}
        rows = self.rows("raw_tickets")
        assert sorted(rows) == sorted(there.keys() - set(map(str, left_out)))
        for doc_id, row in rows.items():
            said, stored = there[doc_id], row.payload
            assert (stored["subject"], stored["status"]) == (said["subject"], said["status"]), doc_id
            bodies = [(one["id"], one["body"]) for one in stored["conversations"]]
            assert bodies == [(one["id"], one["body"]) for one in said["conversations"]], doc_id


@pytest.fixture
def company(running: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Company]:
    yield from _opened(running, tmp_path, monkeypatch, "made")


@pytest.fixture
def acme(running: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Company]:
    yield from _opened(running, tmp_path, monkeypatch, "acme")


def _opened(sandbox: Sandbox, folder: Path, monkeypatch: pytest.MonkeyPatch, account: str) -> Iterator[Company]:
    monkeypatch.setattr(http, "_BACK_OFF", wait_fixed(0.01))
    with open_store(folder / "acme", ACME) as store:
        company = Company(sandbox, store, account)
        company.admin("options", page_cap=300, denied=False, missing=[], skew=0, old=False)
        company.admin("reset")
        yield company


# --- names ------------------------------------------------------------------------------------------------------------


def test_an_accounts_own_statuses_and_fields_have_their_names(acme: Company) -> None:
    acme.admin("options", custom=True)
    acme.sync()
    merged = acme.merged().values()
    statuses = {one["status"] for one in merged}
    assert {"with engineering", "waiting for delivery", "solved by update"} <= statuses
    assert not any(status.startswith("status ") for status in statuses)
    assert {"Contract", "Error code", "Devices affected"} <= {name for one in merged for name in one["custom_fields"]}
    assert not any(name.startswith("cf_") for one in merged for name in one["custom_fields"])
    assert all(one["group"] == "Customer Support" for one in merged)
    assert {one["agent"] for one in merged} & {"Priya Raman", "Keiko Aramaki"}
    assert all(one["product"] and not one["product"].isdecimal() for one in merged)


def test_a_status_renamed_is_merged_anew_without_a_ticket_fetched(acme: Company) -> None:
    acme.sync()
    known = acme.store.state("raw_tickets names")
    renamed = {**known, "statuses": {**known["statuses"], "6": "bei anna"}, "at": known["at"] - 8 * 86400}
    with acme.store.begin("run", acme.now) as write:
        write.save_state("raw_tickets names", renamed)
    acme.admin("reset_log")
    acme.sync()
    assert not any("{id}" in route for route in acme.admin("log")["routes"])
    waiting = [one["status"] for one in acme.merged().values() if one["status"] in ("bei anna", "waiting on customer")]
    assert set(waiting) == {"bei anna"}


def test_what_the_key_may_not_read_is_said_once_and_done_without(company: Company) -> None:
    denied = ["ticket_fields", "agents", "products", "satisfaction_ratings", "solutions"]
    company.admin("options", denied=denied)
    report = company.sync()
    assert report.notes == [
        "this key may not read the names of statuses and fields; tickets are read without",
        "this key may not read the names of products; tickets are read without",
        "this key may not read the names of agents; tickets are read without",
    ]
    company.check_against_truth()
    assert company.sync().notes == report.notes  # in the next run's status, too
    desk = company.desk()
    rated = collect_ratings(desk, company.store, "run", company.now)
    assert rated.notes == ["this key may not read satisfaction ratings; tickets are read without"]
    assert company.sync_articles().notes == ["this key may not read Solutions; the knowledge base is left as it is"]


# --- files ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["pdf", "docx", "csv", "csv_cp949", "html", "log"])
def test_the_text_of_a_file_is_searched(company: Company, kind: str) -> None:
    company.admin("attach", kind=kind, ids=[7], where="reply", text=["The pump shows E-4711 오류", "and stops."])
    company.sync()
    merged = company.merged()["7"]
    assert "E-4711 오류" in thread_text(merged)
    assert company.waiting() == {}


def test_a_file_on_a_private_note_is_for_agents_only(company: Company) -> None:
    company.admin("attach", kind="log", ids=[7], where="note", text=["the secret of E-4711"])
    company.sync()
    merged = company.merged()["7"]
    assert "E-4711" not in thread_text(merged, "customer")
    assert "E-4711" in thread_text(merged, "agent")


def test_a_file_is_fetched_once(company: Company) -> None:
    company.admin("attach", kind="log", ids=[7], where="reply", text=["E-4711"])
    company.sync()
    # Were it fetched again, it would be missing now.
    company.admin("edit", ids=[7], what="touch")
    stored = company.store.get("raw_tickets", ["7"])["7"].payload["files"]
    company.admin("edit", ids=[7], what="text")
    company.sync()
    assert company.store.get("raw_tickets", ["7"])["7"].payload["files"] == stored
    assert "E-4711" in thread_text(company.merged()["7"])


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("encrypted_pdf", "is encrypted"),
        ("zip_bomb", "unpack"),
        ("huge", "is larger than the 20 MB that are read"),
        ("lying", "is larger than the 20 MB that are read"),
        ("404", "404"),
    ],
)
def test_a_bad_file_waits_in_the_queue_and_its_ticket_does_not(company: Company, kind: str, reason: str) -> None:
    company.admin("attach", kind=kind, ids=[7], where="reply")
    company.sync()
    (((target, doc_id), said),) = company.waiting().items()
    assert (target, doc_id) == (ATTACHMENTS, "7")
    assert reason in said
    (entry,) = company.store.queue()
    assert entry.due == NEVER
    company.check_against_truth()
    assert "7" in company.merged()
    assert company.store.tickets(status="failed") == []
    company.admin("delete", ids=[7])
    company.sync()
    assert company.waiting() == {}


@pytest.mark.parametrize("kind", ["500", "403"])
def test_a_file_that_cannot_be_had_just_now_is_asked_for_again(company: Company, kind: str) -> None:
    company.admin("attach", kind=kind, ids=[7], where="reply")
    company.sync()
    (entry,) = company.store.queue()
    assert (entry.target, entry.doc_id) == (ATTACHMENTS, "7")
    assert entry.due < NEVER


def test_without_the_setting_no_file_is_read(company: Company) -> None:
    company.settings = {"file_texts": False}
    company.admin("attach", kind="log", ids=[7], where="reply", text=["E-4711"])
    company.sync()
    assert "E-4711" not in thread_text(company.merged()["7"])
    assert company.waiting() == {}


# --- ratings ----------------------------------------------------------------------------------------------------------


def test_a_rating_reaches_its_ticket_which_did_not_move(company: Company) -> None:
    company.sync()
    company.admin("rate", ids=[7], value=103, feedback="Thank you, fast!")
    company.admin("rate", ids=[8], value=-103, feedback="")
    company.admin("reset_log")
    assert company.sync().changed == 0
    merged = company.merged()
    (said,) = merged["7"]["satisfaction"]
    assert (said["score"], said["comment"]) == ("good", "Thank you, fast!")
    assert [one["score"] for one in merged["8"]["satisfaction"]] == ["bad"]
    assert merged["9"]["satisfaction"] == []
    company.admin("delete", ids=[7])
    company.sync()
    assert "7" not in company.store.ids("ticket_ratings")


def test_a_rating_of_a_ticket_that_is_to_stay_forgotten_is_left_out(company: Company) -> None:
    person = company.admin("truth", ids=[7])["tickets"][0]["requester"]["email"]
    with company.store.begin("run", company.now) as write:
        write.forget([digest(ACME, "requester", person)], "requester")
    company.admin("rate", ids=[7], value=-103, feedback="My name is in here.")
    company.sync()
    assert "7" not in company.store.ids("raw_tickets") | company.store.ids("ticket_ratings")


# --- archived, merged, restored, purged -------------------------------------------------------------------------------


def test_an_archived_ticket_stays_and_is_asked_for_once(company: Company) -> None:
    company.sync()
    company.admin("archive", ids=[3, 4])
    company.sync(full=True)
    assert {"3", "4"} <= company.store.ids("raw_tickets")
    heads = company.store.heads("raw_tickets", ["3", "4"])
    assert {head.source_hash for head in heads.values()} == {ARCHIVED}
    company.admin("reset_log")
    company.sync(full=True)
    routes = company.admin("log")["routes"]
    assert not any("archived" in route for route in routes), routes
    company.check_against_truth()


def test_a_merged_ticket_is_told_where_its_thread_went(company: Company) -> None:
    company.sync()
    company.admin("merge", primary=5, secondaries=[6])
    company.sync()
    company.check_against_truth()
    merged = company.merged()
    assert (merged["6"]["merged_into"], merged["5"]["merged_into"]) == ("5", "")
    stage = ticket_stages.ticket_summaries(company.registered, extractive_writer("ticket"))
    derive(stage, company.store, run_id="run", now=company.now)
    assert "6" not in company.store.ids("ticket_summaries")


def test_a_restored_ticket_is_back(company: Company) -> None:
    company.sync()
    company.admin("delete", ids=[5, 6])
    company.sync()
    assert not {"5", "6"} & company.store.ids("raw_tickets")
    company.admin("restore", ids=[5])
    company.sync()
    assert {"5", "6"} & company.store.ids("raw_tickets") == {"5"}
    company.check_against_truth()


def test_what_was_purged_leaves_within_a_week_a_slice_a_day(company: Company) -> None:
    company.sync()
    purged = [2, 50, 100, MADE]
    company.admin("hard_delete", ids=purged)
    lists: list[int] = []
    for _ in range(7):
        company.tomorrow()
        company.admin("reset_log")
        company.sync()
        lists.append(company.admin("log")["routes"]["GET /tickets"]["200"])
    company.check_against_truth()
    assert len(company.store.ids("raw_tickets")) == MADE - len(purged)
    # The live, the deleted and the spam list, and the day's part of the audit: a page is more than a seventh here.
    assert max(lists) <= 3 + 2


def test_the_audit_takes_in_what_came_back_without_having_moved(company: Company) -> None:
    company.sync()
    company.admin("delete", ids=[5, 6], touch=False)
    company.sync()
    assert not {"5", "6"} & company.store.ids("raw_tickets")
    company.admin("restore", ids=[5, 6], touch=False)
    for _ in range(8):
        company.tomorrow()
        company.sync()
    company.check_against_truth()


def test_the_audit_fetches_what_moved_unseen(company: Company) -> None:
    company.sync()
    company.admin("edit", ids=[5], what="text")
    (row,) = company.store.get("raw_tickets", ["5"]).values()
    later = company.admin("clock", advance=3600)["now"]
    with company.store.begin("run", company.now) as write:  # the walk stands behind it, as if it had slipped past
        cursor = company.store.state("raw_tickets cursor")
        write.save_state("raw_tickets cursor", {**cursor, "cursor": {**cursor["cursor"], "live": later}})
    company.sync()
    assert company.store.get("raw_tickets", ["5"])["5"].content_hash == row.content_hash
    for _ in range(8):
        company.tomorrow()
        company.sync()
    company.check_against_truth()


def test_a_clock_that_was_ahead_does_not_stop_the_audit(company: Company) -> None:
    company.tomorrow(days=400)
    company.sync()
    company.tomorrow(days=-390)
    company.admin("hard_delete", ids=[2, 120])
    for _ in range(8):
        company.tomorrow()
        company.sync()
    company.check_against_truth()


@pytest.mark.parametrize(
    "note",
    [
        "This ticket is closed and merged into ticket 5",
        "티켓 5에 병합되었습니다",
    ],
)
def test_a_merger_is_known_by_its_note(company: Company, note: str) -> None:
    assert merged_into(company, note) == "5"


@pytest.mark.parametrize("note", ["Fix merged into release 42", "merged into main, see ticket 7", "12건 병합 처리"])
def test_other_mergers_are_none(company: Company, note: str) -> None:
    assert merged_into(company, note) == ""


def merged_into(company: Company, note: str) -> str:
    record = {"id": 1, "body": "", "body_text": note, "private": True, "created_at": "2026-01-01T00:00:00Z"}
    ticket = {"id": 9, "status": 5, "created_at": "2026-01-01T00:00:00Z", "conversations": [record]}
    return company.desk().neutral(ticket).merged_into


def test_a_second_sync_of_the_day_audits_nothing(company: Company) -> None:
    company.sync()
    company.tomorrow()
    company.sync()
    company.admin("reset_log")
    company.sync()
    assert company.admin("log")["requests"] == 3 + 1  # and the ratings


def test_days_without_a_sync_are_made_up_for(company: Company) -> None:
    company.sync()
    company.admin("hard_delete", ids=[2, 120])
    company.tomorrow(days=9)
    company.sync()
    company.check_against_truth()


def test_a_purge_of_too_many_stops_before_it_deletes(company: Company) -> None:
    company.sync()
    company.admin("hard_delete", count=60)
    with pytest.raises(CasebookError, match="60 documents are gone at the source, more than the 50"):
        company.sync(full=True)
    assert len(company.store.ids("raw_tickets")) == MADE
    company.sync(accept_deletions=60)
    company.check_against_truth()


def test_an_audit_that_is_killed_goes_on(company: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    company.sync()
    company.admin("hard_delete", ids=[2, 120])
    asked: list[str] = []

    def killed(desk: Freshdesk, doc_id: str) -> Any:
        asked.append(doc_id)
        if len(asked) == 2:
            raise KeyboardInterrupt
        return whereabouts(desk, doc_id)

    whereabouts = Freshdesk.whereabouts
    monkeypatch.setattr(Freshdesk, "whereabouts", killed)
    with pytest.raises(KeyboardInterrupt):
        company.sync(full=True)
    monkeypatch.undo()
    company.sync()
    company.check_against_truth()


# --- slices and ranges ------------------------------------------------------------------------------------------------


def test_a_long_walk_goes_through_in_slices(company: Company) -> None:
    """Each slice commits what it fetched, and nothing is fetched twice."""
    reports: list[Report] = []
    while not reports or reports[-1].more:
        reports.append(company.sync(most=40))
        assert is_more_to_come(company.store) == reports[-1].more
    assert len(reports) >= 2
    company.check_against_truth()
    routes = company.admin("log")["routes"]
    views = sum(sum(statuses.values()) for route, statuses in routes.items() if route == "GET /tickets/{id}")
    assert views == MADE
    assert [report.total for report in reports][:2] == [MADE, MADE - reports[0].read]


def test_a_range_takes_what_changed_in_it_and_moves_nothing_else(company: Company) -> None:
    truth = company.admin("truth")["tickets"]
    days = sorted(ticket["updated_at"][:10] for ticket in truth)
    since, until = days[MADE // 3], days[MADE // 2]
    expected = {str(one["id"]) for one in truth if since <= one["updated_at"][:10] <= until}
    company.sync(since=f"{since}T00:00:00Z", until=f"{until}T23:59:59Z")
    assert company.store.ids("raw_tickets") == expected
    assert company.store.state("raw_tickets cursor") is None
    company.admin("reset_log")
    company.sync()
    company.check_against_truth()
    assert company.admin("log")["routes"]["GET /tickets/{id}"]["200"] == MADE - len(expected)


def test_a_range_that_is_killed_goes_on(company: Company) -> None:
    truth = company.admin("truth")["tickets"]
    since = sorted(ticket["updated_at"][:10] for ticket in truth)[20]
    expected = {str(one["id"]) for one in truth if one["updated_at"][:10] >= since}
    since = f"{since}T00:00:00Z"
    assert company.sync(since=since, most=10).more
    company.admin("reset_log")
    company.sync(since=since)
    assert company.store.ids("raw_tickets") == expected
    assert company.store.state("raw_tickets range") is None


# --- articles ---------------------------------------------------------------------------------------------------------


def test_articles_with_their_folders_and_translations(acme: Company) -> None:
    report = acme.sync_articles()
    rows = {doc_id: row.payload for doc_id, row in acme.rows("raw_kb").items()}
    truth = acme.admin("truth")["articles"]
    assert report.changed == len(rows) >= len(truth)
    assert {doc_id.partition(":")[0] for doc_id in rows} == {str(one["id"]) for one in truth}
    assert any(len(one["path"]) == 4 for one in rows.values())  # a folder in a folder in a folder
    assert any(":" in doc_id for doc_id in rows)
    assert acme.sync_articles().changed == 0


def test_drafts_and_restricted_folders_are_in_no_passage(acme: Company) -> None:
    acme.sync_articles()
    rows = {doc_id: row.payload for doc_id, row in acme.rows("raw_kb").items()}
    drafts = {doc_id for doc_id, one in rows.items() if one["status"] == 1}
    restricted = {doc_id for doc_id, one in rows.items() if one["seen_by"] in ("agents", "some")}
    assert drafts and restricted
    assert acme.store.ids("kb_passages") == rows.keys() - drafts - restricted


def test_an_article_leaves_when_it_becomes_a_draft_is_hidden_or_deleted(acme: Company) -> None:
    acme.sync_articles()
    public = sorted(doc_id for doc_id in acme.store.ids("kb_passages") if ":" not in doc_id)
    draft, deleted = public[0], public[1]
    acme.admin("articles", do="draft", ids=[int(draft)])
    acme.admin("articles", do="delete", ids=[int(deleted)])
    acme.sync_articles()
    assert not {draft, deleted} & acme.store.ids("kb_passages")
    assert draft in acme.store.ids("raw_kb") and deleted not in acme.store.ids("raw_kb")
    folder = acme.rows("raw_kb")[public[2]].payload["folder_id"]
    acme.admin("articles", do="visibility", folder=folder, visibility=3)
    acme.sync_articles()
    assert public[2] not in acme.store.ids("kb_passages")
    acme.registered = Registered(ACME, "freshdesk", "", {"audience": "agent"})
    acme.sync_articles()
    assert public[2] in acme.store.ids("kb_passages")
    assert draft not in acme.store.ids("kb_passages")


def test_an_article_that_is_not_stored_is_found_by_its_id(acme: Company) -> None:
    acme.sync_articles()
    wanted = min(acme.store.ids("raw_kb"))
    with acme.store.begin("run", acme.now) as write:
        write.erase([wanted], data_type="kb")
    acme.sync_articles(only=wanted)
    assert wanted in acme.store.ids("raw_kb")


def test_a_plan_without_solutions_leaves_the_articles_alone(acme: Company) -> None:
    acme.sync_articles()
    before = acme.store.ids("raw_kb")
    acme.admin("options", missing=["solutions"])
    assert "Solutions" in acme.sync_articles().notes[0]
    assert acme.store.ids("raw_kb") == before


def test_an_article_and_a_ticket_of_one_id_are_two_documents(acme: Company) -> None:
    acme.sync_articles()
    acme.sync()
    both = sorted(acme.store.ids("raw_kb"))[0]
    with acme.store.begin("run", acme.now) as write:
        write.erase([both])
    assert both in acme.store.ids("raw_kb")
    with acme.store.begin("run", acme.now) as write:
        write.erase([both], data_type="kb")
    assert both not in acme.store.ids("raw_kb")


# --- faults -----------------------------------------------------------------------------------------------------------

# What a server can do to an answer without anybody being able to see it is another document: it is not a loss.
PASSING = [kind for kind in KINDS if kind not in ("timeout", "slow", "bytes", "big", "null", "absent", "old")]


@pytest.mark.parametrize("kind", PASSING)
def test_a_fault_loses_and_doubles_nothing(company: Company, kind: str) -> None:
    company.admin("faults", rate=0.1, kinds=[kind], seed=3, storm=2, retry_after=0)
    company.sync()
    company.admin("faults", rate=0)
    company.sync()
    company.check_against_truth()
    assert company.waiting() == {}


@pytest.mark.parametrize("kind", ["500", "html", "json", "redirect"])
def test_a_ticket_that_cannot_be_read_waits_and_the_rest_goes_on(company: Company, kind: str) -> None:
    company.admin("faults", rate=1.0, kinds=[kind], ids=[30])
    report = company.sync()
    assert company.store.ids("raw_tickets") == {str(number) for number in range(1, MADE + 1) if number != 30}
    assert set(company.waiting()) == {("raw_tickets", "30")}
    assert report.failed == 1
    company.admin("faults", rate=0)
    company.sync()
    company.check_against_truth()
    assert company.waiting() == {}


def test_an_old_accounts_tickets(company: Company) -> None:
    company.admin("options", old=True)
    company.sync()
    company.admin("options", old=False)
    assert len(company.store.ids("merged_tickets")) == MADE


@pytest.mark.parametrize("skew", [-7200, 7200])
def test_a_clock_that_is_wrong_loses_nothing(company: Company, skew: int) -> None:
    company.admin("options", skew=skew)
    company.sync()
    company.admin("edit", count=20, what="text", seed=5)
    company.admin("create", count=5)
    company.sync()
    company.check_against_truth()


def test_bytes_that_are_no_text_and_bodies_of_a_megabyte(company: Company) -> None:
    company.admin("faults", rate=1.0, kinds=["bytes", "big"], ids=[30, 31])
    company.sync()
    assert {"30", "31"} <= company.store.ids("merged_tickets")
    assert all("data:image" not in thread_text(one) for one in company.merged().values())
