"""From a helpdesk into ``raw_tickets``: pages, the queue, and deletions, on real files and a real server."""

import json
import random
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tenacity import wait_fixed

from domain.company import company_id
from domain.errors import CasebookError, DocumentError, InputError, SourceRefused
from domain.forgotten import Kind, digest
from domain.stage import Made, Report
from resources import http
from resources.helpdesk import export
from resources.helpdesk.base import Helpdesk
from resources.helpdesk.collect import Collection, Walk
from resources.helpdesk.export import Export
from resources.helpdesk.freshdesk import Freshdesk
from resources.helpdesk.zendesk import Zendesk
from resources.storage.sql import SqlCompanyStore
from resources.storage.sqlite import open_store
from sandbox.serve import Sandbox
from tests.processes import Child

ACME = company_id("acme")
NOW, TOMORROW = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"
RAW = "raw_tickets"
MADE = 130
Json = dict[str, Any]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqlCompanyStore]:
    with open_store(tmp_path / "acme", ACME) as opened:
        yield opened


class File:
    """An export that is written anew from time to time. ``sync`` collects it."""

    def __init__(self, folder: Path, store: SqlCompanyStore) -> None:
        self.path = folder / "tickets.jsonl"
        self.store = store

    def write(self, rows: Iterable[Json]) -> None:
        self.path.write_text("".join(json.dumps(row) + "\n" for row in rows))

    def say(self, texts: dict[str, str]) -> None:
        """Tickets: id → what they say."""
        self.write({"ticket_id": doc_id, "subject": "s", "description": text} for doc_id, text in texts.items())

    def number(self, count: int, start: int = 0) -> None:
        """So many tickets."""
        self.say({f"{i}": f"text {i}" for i in range(start, count)})

    def sync(self, now: str = NOW, columns: dict[str, str] | None = None, **walk: Any) -> Report:
        return Collection(Export(self.path, columns=columns), self.store, "run", now).run(Walk(**walk))

    def stored(self) -> dict[str, str]:
        return {doc_id: payload["description"] for doc_id, payload in payloads(self.store).items()}


@pytest.fixture
def file(tmp_path: Path, store: SqlCompanyStore) -> File:
    return File(tmp_path, store)


def payloads(store: SqlCompanyStore) -> dict[str, Json]:
    return {doc_id: row.payload for doc_id, row in store.get(RAW, sorted(store.ids(RAW))).items()}


def counts(report: Report) -> tuple[int, int, int, int, int]:
    return report.read, report.changed, report.skipped, report.removed, report.failed


def refused(sync: Callable[[], Report]) -> str:
    with pytest.raises(CasebookError, match="are gone at the source") as caught:
        sync()
    assert "Nothing was deleted" in str(caught.value)
    return str(caught.value)


# --- what a walk brings -----------------------------------------------------------------------------------------------


def test_a_first_walk_stores_everything(file: File) -> None:
    file.say({"1": "a", "2": "b", "3": "한글"})
    report = file.sync()
    assert counts(report) == (3, 3, 0, 0, 0)
    assert (report.sample, report.notes, report.requests) == (["1", "2", "3"], [], 0)
    assert file.stored() == {"1": "a", "2": "b", "3": "한글"}


def test_a_file_that_says_the_same_costs_no_write(file: File) -> None:
    file.number(5)
    file.sync()
    before = file.store.changes(RAW, 0, 100), file.store.state("raw_tickets cursor")
    file.path.touch()
    file.sync()
    assert (file.store.changes(RAW, 0, 100), file.store.state("raw_tickets cursor")) == before
    assert counts(file.sync(full=True)) == (5, 0, 5, 0, 0)  # all of it is read again
    assert file.store.changes(RAW, 0, 100) == before[0]


def test_only_what_changed_moves(file: File) -> None:
    file.number(5)
    file.sync()
    file.say({"0": "text 0", "1": "other", "2": "text 2", "3": "text 3", "5": "new"})
    assert counts(file.sync()) == (6, 2, 3, 1, 0)
    assert [(row.doc_id, row.deleted) for row in file.store.changes(RAW, 5, 10)] == [
        ("1", False),
        ("5", False),
        ("4", True),
    ]


def test_a_row_that_only_looks_different_does_not_move(file: File) -> None:
    """A new ``updated_at`` is another version of the same content."""
    row = {"ticket_id": "1", "subject": "s", "description": "d", "updated_at": "2026-01-01"}
    file.write([row])
    file.sync()
    file.write([row | {"updated_at": "2026-01-05"}])
    assert counts(file.sync()) == (1, 0, 1, 0, 0)
    (stored,) = file.store.get(RAW, ["1"]).values()
    assert (stored.seq, stored.payload["updated_at"]) == (1, "2026-01-05")


def test_another_reading_of_the_same_file_walks_it_again(file: File) -> None:
    """R5: what the adapter makes of a file depends on its options."""
    file.write([{"ticket_id": "1", "subject": "s", "description": "d", "text": "t"}])
    file.sync()
    assert file.stored() == {"1": "d"}
    file.sync(columns={"description": "text"})
    assert file.stored() == {"1": "t"}


def test_what_no_store_takes_is_replaced_and_counted(file: File) -> None:
    file.path.write_text('{"ticket_id": "1", "subject": "a\\u0000b", "description": "\\ud800 and \\udfff"}\n')
    assert file.sync().notes == ["3 characters that no store takes became U+FFFD"]
    assert payloads(file.store)["1"]["subject"] == "a\ufffdb"


def test_a_file_that_cannot_be_read_changes_nothing(file: File) -> None:
    file.number(3)
    file.sync()
    before = file.store.state("raw_tickets cursor")
    for text in ('{"ticket_id": "9", "subject": "s", "description": "d"}\nnot json\n', "{}\n", ""):
        file.path.write_text(text)
        with pytest.raises(InputError):
            file.sync()
    file.path.unlink()
    with pytest.raises(InputError, match="does not exist"):
        file.sync()
    assert set(file.stored()) == {"0", "1", "2"}
    assert file.store.state("raw_tickets cursor") == before


def test_a_walk_that_is_killed_ends_as_if_it_had_not_been(tmp_path: Path, file: File) -> None:
    rng = random.Random(2)
    for round_ in range(4):
        texts = {f"{i:04}": f"{rng.randrange(3)}" for i in range(800) if rng.random() > 0.02}
        file.say(texts)
        with Child(sync_in_small_pages, tmp_path) as child:
            child.hear()
            time.sleep(rng.random() * 0.1)
            child.kill()
            assert child.was_killed, f"round {round_}: it had ended"
        file.sync(accept_deletions=100)
        assert file.stored() == texts


def sync_in_small_pages(say: Callable[[str], None], folder: Path) -> None:
    export.CHUNK = 20
    with open_store(folder / "acme", ACME) as store:

        def slowly(_report: Report) -> None:
            say("a page is there")
            time.sleep(0.01)

        Collection(Export(folder / "tickets.jsonl"), store, "run", NOW, slowly).run(Walk(accept_deletions=100))
        time.sleep(60)


# --- what cannot be read ----------------------------------------------------------------------------------------------

ODD: Json = {"ticket_id": "2", "subject": "s", "description": "d", "tags": 5}
"""A row that is no ticket: its tags are a number."""


def row(doc_id: str, text: str = "d") -> Json:
    return {"ticket_id": doc_id, "subject": "s", "description": text}


def test_an_unreadable_document_waits_and_the_others_go_on(file: File) -> None:
    file.write([row("1"), ODD, row("3")])
    report = file.sync()
    assert counts(report) == (3, 2, 0, 0, 1)
    (entry,) = file.store.queue()
    assert (entry.target, entry.doc_id, entry.retries, entry.due) == (RAW, "2", 0, NOW)
    assert "unknown shape" in entry.reason
    assert set(file.stored()) == {"1", "3"}


def test_it_is_tried_again_every_night_though_the_file_did_not_change(file: File) -> None:
    file.write([row("1"), ODD])
    file.sync()
    for retries in (1, 2):
        assert counts(file.sync()) == (1, 0, 0, 0, 1)
        assert file.store.queue()[0].retries == retries
    waits_until = file.store.queue()[0].due
    assert waits_until >= NOW
    file.write([row("1"), row("2", "now it can be read")])
    file.sync(TOMORROW)
    assert file.store.queue() == []
    assert file.stored()["2"] == "now it can be read"


def test_the_readable_version_of_before_stays_meanwhile(file: File) -> None:
    file.write([row("1"), row("2", "before")])
    file.sync()
    file.write([row("1"), ODD])
    assert counts(file.sync()) == (2, 0, 1, 0, 1)
    assert file.stored()["2"] == "before"


def test_what_waited_and_left_the_source_is_no_longer_waited_for(file: File) -> None:
    file.write([row("1"), row("3"), ODD])
    file.sync()
    file.write([row("1"), row("3", "other")])
    report = file.sync()
    assert (file.store.queue(), report.failed, report.removed) == ([], 0, 0)
    assert set(file.stored()) == {"1", "3"}


# --- what is gone -----------------------------------------------------------------------------------------------------


def test_what_left_the_source_is_emptied_with_all_that_was_kept_of_it(file: File) -> None:
    file.number(3)
    file.sync()
    file.store.keep_paid("ticket_summaries", "m", [("h0", "0", Made({})), ("h1", "1", Made({}))], [], "run", NOW)
    file.say({"1": "text 1", "2": "text 2"})
    assert counts(file.sync()) == (3, 0, 2, 1, 0)
    assert file.store.get(RAW, ["0"])["0"].payload is None
    assert set(file.store.paid("m", ["h0", "h1"])) == {"h1"}
    file.number(3)
    assert counts(file.sync()) == (3, 1, 2, 0, 0)  # and back


def test_many_deletions_at_once_wait_for_a_person(file: File) -> None:
    file.number(100)
    file.sync()
    file.number(101, start=60)  # 60 gone, one new
    assert "--accept-deletions 60" in refused(file.sync)
    assert len(file.stored()) == 101  # the new one is stored, none is gone
    for accepted in (0, 59):  # the file is as it was: what is gone waits in the store
        assert "60 documents" in refused(lambda accepted=accepted: file.sync(accept_deletions=accepted))
    assert file.sync(accept_deletions=60).removed == 60
    assert set(file.stored()) == {f"{i}" for i in range(60, 101)}
    assert file.sync().removed == 0


def test_few_deletions_and_a_small_share_of_many_need_no_person(file: File) -> None:
    file.number(1200)
    file.sync()
    file.number(1200, start=60)
    assert file.sync().removed == 60  # a twentieth
    file.number(1200, start=118)
    assert "58 documents" in refused(file.sync)
    file.number(1200, start=117)
    assert file.sync().removed == 57


def test_what_came_back_while_it_waited_stays(file: File) -> None:
    file.number(100)
    file.sync()
    file.number(100, start=70)
    refused(file.sync)
    file.number(100)
    assert counts(file.sync()) == (100, 0, 100, 0, 0)
    assert len(file.stored()) == 100
    file.number(100, start=70)
    refused(file.sync)
    file.number(100, start=30)  # forty of the seventy are back
    assert file.sync().removed == 30
    assert len(file.stored()) == 70


def test_an_empty_export_never_empties_a_company_by_itself(file: File) -> None:
    file.number(40)
    file.sync()
    file.path.write_text("")
    with pytest.raises(InputError):
        file.sync()
    file.number(60, start=40)
    assert file.sync().removed == 40  # under fifty: a small company may change wholly
    assert len(file.stored()) == 20


# --- one document -----------------------------------------------------------------------------------------------------


def test_one_document_is_fetched_alone(file: File) -> None:
    file.number(3)
    file.sync()
    file.say({"0": "new 0", "1": "new 1", "3": "new"})
    assert counts(file.sync(only="1")) == (1, 1, 0, 0, 0)
    assert file.stored() == {"0": "text 0", "1": "new 1", "2": "text 2"}
    assert counts(file.sync(only="2")) == (1, 0, 0, 1, 0)  # it is gone
    assert counts(file.sync()) == (3, 2, 1, 0, 0)
    assert file.stored() == {"0": "new 0", "1": "new 1", "3": "new"}


def test_one_document_that_nobody_knows(file: File) -> None:
    file.number(3)
    file.sync()
    for doc_id in ("99", "'; --", "../0"):
        with pytest.raises(InputError, match="no document"):
            file.sync(only=doc_id)
    assert len(file.stored()) == 3


def test_one_document_that_cannot_be_read_waits(file: File) -> None:
    file.write([row("1"), row("2", "before")])
    file.sync()
    file.write([row("1"), ODD])
    assert counts(file.sync(only="2")) == (1, 0, 0, 0, 1)
    assert [entry.doc_id for entry in file.store.queue()] == ["2"]
    file.write([row("1"), row("2", "after")])
    assert counts(file.sync(only="2")) == (1, 1, 0, 0, 0)
    assert file.store.queue() == []


def test_a_night_without_many_deletions_counts_no_rows(file: File, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counting reads every row of the table."""
    file.number(60)
    file.sync()
    monkeypatch.setattr(SqlCompanyStore, "count", lambda *_: pytest.fail("counted"))
    file.number(60, start=50)
    assert file.sync().removed == 50
    file.sync(full=True)


def test_deletions_that_wait_are_not_forgotten_for_one_document(file: File) -> None:
    file.number(100)
    file.sync()
    file.number(100, start=60)
    refused(file.sync)
    assert file.sync(only="7").removed == 1
    assert "59 documents" in refused(file.sync)
    assert file.sync(accept_deletions=59).removed == 59


# --- what was forgotten -----------------------------------------------------------------------------------------------


def forget(store: SqlCompanyStore, kind: Kind, *values: str) -> None:
    with store.begin("run", NOW) as write:
        write.forget([digest(ACME, kind, value) for value in values], kind)


def test_a_forgotten_document_is_left_out_whatever_is_asked(file: File) -> None:
    forget(file.store, "document", "2")
    file.say({"1": "a", "2": "b", "3": "c"})
    report = file.sync()
    assert counts(report) == (3, 2, 1, 0, 0)
    assert report.notes == ["1 documents were left out: they are to stay forgotten"]
    file.say({"1": "a", "2": "edited", "3": "c"})
    assert counts(file.sync(full=True)) == (3, 0, 3, 0, 0)
    assert file.stored() == {"1": "a", "3": "c"}
    with pytest.raises(InputError, match=r"'2' was forgotten.*--allow-again"):
        file.sync(only="2")
    assert "2" not in file.store.heads(RAW, ["2"])


def test_a_forgotten_document_that_cannot_be_read_does_not_wait(file: File) -> None:
    forget(file.store, "document", "2")
    file.write([row("1"), ODD])
    assert counts(file.sync()) == (2, 1, 1, 0, 0)
    assert file.store.queue() == []


def test_what_a_requester_wrote_before_is_left_out_and_what_comes_later_is_welcome(file: File) -> None:
    file.write(
        [
            row("old") | {"requester": "Kim <KIM@example.com>", "created_at": "2025-12-31"},
            row("later") | {"requester": "Kim <kim@example.com>", "created_at": "2026-01-01T00:00:01Z"},
            row("undated") | {"requester": "kim@example.com"},
            row("other") | {"requester": "lee@example.com", "created_at": "2025-12-31"},
        ]
    )
    forget(file.store, "requester", "kim@example.com")
    assert counts(file.sync()) == (4, 2, 2, 0, 0)
    assert set(file.stored()) == {"later", "other"}
    with pytest.raises(InputError, match="'old' was forgotten"):
        file.sync(only="old")
    assert set(file.stored()) == {"later", "other"}


def test_a_waiting_document_of_a_forgotten_requester_stops_waiting(file: File) -> None:
    file.write([ODD])
    file.sync()
    assert [entry.doc_id for entry in file.store.queue()] == ["2"]
    forget(file.store, "requester", "id 77")
    file.write([row("2") | {"requester": {"id": 77}, "created_at": "2025-12-31"}])
    assert file.sync().failed == 0
    assert file.store.queue() == []
    assert file.stored() == {}


def test_a_ticket_that_is_given_to_a_forgotten_requester_leaves(file: File) -> None:
    file.write([row("1") | {"requester": "lee@example.com", "created_at": "2025-12-31"}])
    file.sync()
    forget(file.store, "requester", "kim@example.com")
    file.write([row("1") | {"requester": "kim@example.com", "created_at": "2025-12-31"}])
    assert counts(file.sync()) == (1, 0, 0, 1, 0)
    assert file.stored() == {}


class Newer(Export):
    """An adapter whose reading of one document fails only when somebody asks what it says."""

    def neutral(self, payload: Json) -> Any:
        if payload["ticket_id"] == "odd":
            raise DocumentError("The row has an unknown shape.", "(TypeError)")
        return super().neutral(payload)


def test_one_odd_document_does_not_end_the_walk_once_anything_was_forgotten(file: File) -> None:
    forget(file.store, "requester", "kim@example.com")
    file.say({"1": "a", "odd": "b", "2": "c"})
    report = Collection(Newer(file.path, columns=None), file.store, "run", NOW).run(Walk())
    assert counts(report) == (3, 3, 0, 0, 0)
    assert set(file.stored()) == {"1", "odd", "2"}  # merging meets it next, and queues it
    forget(file.store, "document", "odd")
    file.say({"1": "a", "odd": "edited", "2": "c"})
    Collection(Newer(file.path, columns=None), file.store, "run", NOW).run(Walk(full=True))
    assert set(file.stored()) == {"1", "2"}


# --- Freshdesk and Zendesk --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(generated={"made": MADE}) as running:
        yield running


class Desk:
    """An account, over Freshdesk or Zendesk, that is collected."""

    def __init__(self, sandbox: Sandbox, store: SqlCompanyStore, platform: str) -> None:
        self.sandbox, self.store, self.platform = sandbox, store, platform
        self.quiet_night = 3 if platform == "freshdesk" else 1
        """Requests of a sync that finds nothing new: lists of tickets, the deleted, spam; or one export of all."""
        self.admin("reset")

    def admin(self, action: str, **given: Any) -> Any:
        return self.sandbox.admin("made", action, **given)

    def sync(self, progress: Callable[[Report], None] = lambda report: None, **walk: Any) -> Report:
        return Collection(self._open(), self.store, "run", NOW, progress).run(Walk(**walk))

    def _open(self) -> Helpdesk:
        url, key = self.sandbox.url("made", self.platform), self.sandbox.key("made")
        if self.platform == "freshdesk":
            return Freshdesk(url, key, attachments="threads")
        self.admin("clock", advance=60)  # so long Zendesk holds back what moved
        return Zendesk(url, self.sandbox.user("made"), key)

    def live(self) -> set[str]:
        return {str(ticket["id"]) for ticket in self.admin("truth")["tickets"]}


@pytest.fixture(params=["freshdesk", "zendesk"])
def platform(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def desk(sandbox: Sandbox, store: SqlCompanyStore, platform: str, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """One whose tickets were collected once."""
    monkeypatch.setattr(http, "_BACK_OFF", wait_fixed(0.01))
    made = Desk(sandbox, store, platform)
    assert made.sync().changed == MADE
    return made


def test_a_walk_that_was_stopped_goes_on_where_it_was(sandbox: Sandbox, store: SqlCompanyStore, platform: str) -> None:
    desk = Desk(sandbox, store, platform)

    def stop(report: Report) -> None:
        if report.changed >= 100:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        desk.sync(stop)
    kept = store.count(RAW)
    assert 100 <= kept < MADE
    rest = desk.sync()
    assert rest.changed == MADE - kept
    assert rest.requests < MADE - kept + 15
    assert store.ids(RAW) == desk.live()


@pytest.mark.parametrize("what", ["delete", "spam", "hard_delete", "archive"])
def test_what_leaves_the_lists(desk: Desk, what: str) -> None:
    """Deleted tickets and spam are listed; what was erased for good only an audit finds; archived ones are still there."""
    left = {str(number) for number in desk.admin(what, count=7, seed=1)["ids"]}
    assert desk.sync().removed == (7 if what in ("delete", "spam") else 0)
    audit = desk.sync(full=True)
    assert audit.removed == (7 if what == "hard_delete" else 0)
    assert desk.store.ids(RAW) == (desk.live() | left if what == "archive" else desk.live())


def test_a_restored_ticket_comes_back(desk: Desk) -> None:
    numbers = desk.admin("delete", count=5, seed=1)["ids"]
    desk.sync()
    desk.admin("restore", ids=numbers)
    assert desk.sync().changed == 5
    assert desk.store.ids(RAW) == desk.live()


def test_what_was_restored_while_it_waited_is_not_deleted_though_it_did_not_move(desk: Desk) -> None:
    """Sixty deletions wait for a person. Forty are restored in a way that no list of changes shows, and then the person
    agrees: each of those that the trash no longer shows is asked for."""
    numbers = desk.admin("delete", count=60, seed=1, touch=False)["ids"]
    refused(desk.sync)
    desk.admin("restore", ids=numbers[:40], touch=False)
    assert desk.sync(accept_deletions=60).removed == 20
    assert desk.store.ids(RAW) == desk.live()
    night = desk.sync()
    assert (night.removed, night.requests) == (0, desk.quiet_night)  # nothing waits any more


def test_deletions_that_wait_cost_no_requests(desk: Desk) -> None:
    desk.admin("hard_delete", count=60, seed=1)
    refused(lambda: desk.sync(full=True))
    desk.admin("reset_log")
    refused(desk.sync)
    assert desk.admin("log")["requests"] == desk.quiet_night
    assert desk.sync(accept_deletions=60).removed == 60
    assert desk.store.ids(RAW) == desk.live()


def test_a_key_that_is_refused_deletes_nothing(desk: Desk) -> None:
    before = desk.store.changes(RAW, 0, 1000)
    desk.admin("options", key="another")
    try:
        with pytest.raises(SourceRefused):
            desk.sync(full=True)
    finally:
        desk.admin("options", key=desk.sandbox.key("made"))
    assert desk.store.changes(RAW, 0, 1000) == before
