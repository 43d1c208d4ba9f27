"""The whole pipeline on a helpdesk that moves: what is derived again, what leaves, what a kill costs, what goes out.

Belongs here: syncs of a sandbox's account through the console command. Does not belong here: the rules of ``derive``
(``tests/domain``), or any adapter's walk (``tests/resources``).
"""

import json
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from domain.stage import tables_of
from sandbox.serve import Sandbox
from tests.conftest import TICKETS, add
from tests.homes import ROOT, Home, casebook, done, kill_syncs

RESOLVED = (4, 5)
DERIVED = ("merged_tickets", "ticket_summaries", "ticket_terms", "ticket_embeddings", "ticket_collection")


def sync(*words: str) -> dict[str, Any]:
    """Sync ``made``; what the command says of it."""
    outcome = done("sync", "made", "--json", *words).json
    assert outcome["ok"], outcome
    return outcome


def changed(outcome: dict[str, Any], what: str = "changed") -> dict[str, int]:
    return {name: counts[what] for name, counts in outcome["assets"].items()}


def asked(helpdesk: Sandbox) -> tuple[int, int]:
    """Requests since the log was begun anew: for tickets, and for articles, whose walk is always whole."""
    routes = helpdesk.admin("made", "log")["routes"]
    counts = {route: sum(statuses.values()) for route, statuses in routes.items()}
    articles = sum(count for route, count in counts.items() if "/solutions" in route or "/settings" in route)
    return sum(counts.values()) - articles, articles


def truth(helpdesk: Sandbox) -> dict[str, dict[str, Any]]:
    """The live tickets as the helpdesk has them."""
    return {str(ticket["id"]): ticket for ticket in helpdesk.admin("made", "truth")["tickets"]}


def is_whole(home: Home, helpdesk: Sandbox) -> None:
    """The tables hold exactly the helpdesk's live tickets, as they are now; the index exactly the resolved ones."""
    tickets = truth(helpdesk)
    rows = home.rows("made")
    assert set(rows["raw_tickets"]) == set(rows["merged_tickets"]) == set(tickets)
    for doc_id, ticket in tickets.items():
        payload = rows["raw_tickets"][doc_id][3]
        assert (payload["subject"], payload["status"]) == (ticket["subject"], ticket["status"])
        assert payload["description_text"] == ticket["description_text"]
        assert [one["body"] for one in payload["conversations"]] == [one["body"] for one in ticket["conversations"]]
    resolved = {doc_id for doc_id, ticket in tickets.items() if ticket["status"] in RESOLVED}
    assert all(set(rows[table]) == resolved for table in DERIVED[1:])
    assert set(home.points("made")) == resolved
    assert home.points("made").keys() == rows["ticket_collection"].keys()


# -- what is derived again -------------------------------------------------------------------------------------------


def test_exactly_the_edited_tickets_are_derived_again(synced: Home, helpdesk: Sandbox) -> None:
    is_whole(synced, helpdesk)
    before, points = synced.rows("made"), synced.points("made")
    edited = {str(number) for number in helpdesk.admin("made", "edit", count=20, seed=3)["ids"]}
    resolved = edited & set(points)
    assert 0 < len(resolved) < 20
    helpdesk.admin("made", "reset_log")
    outcome = sync()
    assert changed(outcome) == {
        **dict.fromkeys(("ticket_ratings", "raw_kb", *tables_of("kb"), "retrieval_report"), 0),
        "faq_proposals": outcome["assets"]["faq_proposals"]["changed"],  # groups of tickets are what they say
        "raw_tickets": 20,
        "merged_tickets": 20,
        # What was added to these descriptions is in the summary; the words of all are in the index.
        "ticket_summaries": outcome["assets"]["ticket_summaries"]["changed"],
        "ticket_embeddings": outcome["assets"]["ticket_embeddings"]["changed"],
        "ticket_terms": len(resolved),
        "ticket_collection": len(resolved),
        "published_tables": outcome["assets"]["published_tables"]["changed"],
    }
    assert (
        outcome["assets"]["ticket_embeddings"]["changed"]
        <= outcome["assets"]["ticket_summaries"]["changed"]
        <= len(resolved)
    )
    assert outcome["paid"]["calls"] == outcome["assets"]["ticket_embeddings"]["changed"]
    of_tickets, of_articles = asked(helpdesk)
    assert of_tickets <= 20 + 5
    assert outcome["requests"] == of_tickets + of_articles
    after = synced.rows("made")
    for table in ("raw_tickets", "merged_tickets"):
        assert {doc_id for doc_id in after[table] if after[table][doc_id] != before[table][doc_id]} == edited
    for table in DERIVED[1:]:
        assert {doc_id for doc_id in after[table] if after[table][doc_id] != before[table][doc_id]} <= resolved
    new_points = synced.points("made")
    assert {doc_id for doc_id in points if new_points[doc_id] != points[doc_id]} == resolved
    is_whole(synced, helpdesk)


def test_a_touch_derives_nothing_and_an_idle_sync_writes_nothing(synced: Home, helpdesk: Sandbox) -> None:
    tops, points = synced.tops("made"), synced.points("made")
    helpdesk.admin("made", "edit", count=20, seed=4, what="touch")
    outcome = sync()
    assert outcome["assets"]["raw_tickets"]["read"] >= 20
    assert set(changed(outcome).values()) == {0}
    assert outcome["paid"]["calls"] == 0
    assert synced.tops("made") == tops
    assert synced.points("made") == points
    before = synced.files()
    helpdesk.admin("made", "reset_log")
    outcome = sync()
    assert set(changed(outcome).values()) == {0}
    of_tickets, of_articles = asked(helpdesk)
    assert of_tickets <= 5
    assert of_articles <= 12  # the account's languages, a list of categories, four folders in two languages
    assert outcome["requests"] == of_tickets + of_articles
    assert outcome["paid"] == {"calls": 0, "llm_calls": 0, "tokens": 0, "cost": 0.0}
    assert synced.tops("made") == tops
    assert synced.files() == before


def test_what_leaves_the_helpdesk_leaves_the_index_and_comes_back(synced: Home, helpdesk: Sandbox) -> None:
    whole = synced.points("made")
    reopened, deleted, spam, purged, *_ = (int(doc_id) for doc_id in sorted(whole, key=int))
    published = parquet(synced, "processed")
    assert set(published) == set(whole)
    helpdesk.admin("made", "status", status=2, ids=[reopened])
    helpdesk.admin("made", "delete", ids=[deleted])
    helpdesk.admin("made", "spam", ids=[spam])
    helpdesk.admin("made", "hard_delete", ids=[purged])
    outcome = sync("--full")  # what is purged leaves no trace; only an audit of all ids finds it
    assert changed(outcome, "removed")["raw_tickets"] == 3
    assert changed(outcome, "removed")["ticket_summaries"] == 4
    gone = {str(number) for number in (reopened, deleted, spam, purged)}
    assert set(synced.points("made")) == set(whole) - gone == set(parquet(synced, "processed"))
    assert set(parquet(synced, "raw")) == set(truth(helpdesk))
    is_whole(synced, helpdesk)
    for doc_id in gone:
        told = done("explain", "made", doc_id, "--json").json
        assert told["in_index"] is False
        assert told["steps"][-1]["state"] == "left"
        hits = done("search", "made", whole[doc_id][0]["title"], "-k", "200", "--all", "--json").json["hits"]
        assert doc_id not in {hit["doc_id"] for hit in hits}
    helpdesk.admin("made", "status", status=4, ids=[reopened])
    helpdesk.admin("made", "restore", ids=[deleted])
    outcome = sync()
    assert outcome["paid"]["calls"] == 1  # the reopened one's vector was kept; what was deleted was forgotten
    assert set(synced.points("made")) == set(whole) - {str(spam), str(purged)}
    is_whole(synced, helpdesk)


def parquet(home: Home, kind: str) -> list[str]:
    """The ids in the published files of one kind."""
    files = (home.path / "published" / kind / "tickets").glob("company_id=made/month=*/tickets.parquet")
    return [doc_id for file in files for doc_id in pq.ParquetFile(file).read(["doc_id"])["doc_id"].to_pylist()]


def test_many_deletions_at_once_wait_for_a_person(synced: Home, helpdesk: Sandbox) -> None:
    before = synced.rows("made")
    helpdesk.admin("made", "delete", count=60, seed=1)
    said = casebook("sync", "made")
    assert (said.code, said.out) == (1, "")
    assert said.err.startswith("Error: 60 documents are gone at the source, more than the 50")
    assert "--accept-deletions 60" in said.err
    assert synced.rows("made") == before
    assert casebook("sync", "made", "--accept-deletions", "59").code == 1
    sync("--accept-deletions", "60")
    assert len(synced.rows("made")["raw_tickets"]) == TICKETS - 60
    is_whole(synced, helpdesk)


def test_another_rule_pays_for_nothing_that_was_paid(synced: Home, helpdesk: Sandbox) -> None:
    whole = synced.points("made")
    done("company", "set", "made", "resolved_statuses=closed")
    outcome = sync()
    closed = {doc_id for doc_id, ticket in truth(helpdesk).items() if ticket["status"] == 5}
    assert set(synced.points("made")) == closed < set(whole)
    assert outcome["paid"]["calls"] == 0
    done("company", "set", "made", "resolved_statuses=closed,resolved")
    assert sync()["paid"]["calls"] == 0
    assert synced.points("made") == whole


# -- a helpdesk that moves while it is read --------------------------------------------------------------------------


@pytest.mark.parametrize("on", ["list", "conversations"])
def test_nothing_is_lost_when_tickets_change_while_they_are_read(home: Home, helpdesk: Sandbox, on: str) -> None:
    helpdesk.admin("made", "reset")
    add(helpdesk, "made", "--set", "attachments=threads")
    every = {"edit_every": 1, "delete_every": 2} if on == "list" else {"edit_every": 5, "delete_every": 9}
    helpdesk.admin("made", "churn", count=5, on=on, limit=40, **every)
    sync()
    assert set(truth(helpdesk)) <= set(home.rows("made")["raw_tickets"])
    assert len(helpdesk.admin("made", "truth")["deleted"]) >= 5
    helpdesk.admin("made", "churn", limit=0)
    sync()  # what changed behind the walk's back, after it had come by for the last time
    is_whole(home, helpdesk)


def test_faults_lose_and_double_nothing(home: Home, helpdesk: Sandbox) -> None:
    helpdesk.admin("made", "reset")
    add(helpdesk, "made")
    helpdesk.admin("made", "faults", rate=0.05, kinds=["500", "reset", "cut", "html"], seed=5)
    sync()
    helpdesk.admin("made", "faults", rate=0)
    sync()  # what the faults left in the queue
    assert done("queue", "made", "--json").json["queue"] == []
    is_whole(home, helpdesk)


# -- kills -----------------------------------------------------------------------------------------------------------


MOMENTS = ("raw_tickets", "merged_tickets", "ticket_summaries", "paid", "ticket_embeddings", "ticket_collection")
"""A kill falls a little after the first row came into each of these tables; ``paid`` fills text by text."""


def has_rows(home: Home, table: str) -> bool:
    try:
        path = home.path / "companies/made/casebook.sqlite"
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            return bool(database.execute(f"SELECT count(*) FROM {table}").fetchone()[0])
    except sqlite3.OperationalError:  # it is just being made
        return False


def test_after_kills_one_sync_gives_what_an_undisturbed_run_gives(
    home: Home, first_sync: Path, helpdesk: Sandbox, tmp_path: Path
) -> None:
    helpdesk.admin("made", "reset")
    add(helpdesk, "made")
    helpdesk.admin("made", "slow", ms=10)
    kill_syncs(home.path, MOMENTS, partial(has_rows, home), tmp_path, 11)
    helpdesk.admin("made", "slow", ms=0)
    sync()
    undisturbed = Home(first_sync)
    assert home.differs("made", undisturbed.rows("made")) == {}
    assert home.points("made") == undisturbed.points("made")
    for kind in ("raw", "processed", "embeddings"):
        assert sorted(parquet(home, kind)) == sorted(parquet(undisturbed, kind))
    assert not list((home.path / "companies/made/index").rglob("tmp-*"))
    is_whole(home, helpdesk)
    before = home.files()
    assert set(changed(sync()).values()) == {0}
    assert home.files() == before


def test_a_lost_index_fills_itself_without_a_paid_call(synced: Home) -> None:
    before = synced.points("made")
    shutil.rmtree(synced.path / "companies/made/index")
    assert sync()["paid"]["calls"] == 0
    assert synced.points("made") == before


# -- the wall --------------------------------------------------------------------------------------------------------


def test_two_companies_never_see_each_other(home: Home, tmp_path: Path) -> None:
    """The same words and the same ids in both; each finds its own, and only its own."""
    for company in ("left", "right"):
        path = tmp_path / f"{company}.jsonl"
        rows = [
            {
                "ticket_id": str(number),
                "subject": f"{topic} of {company}",
                "description": f"The {topic} fails at {company}.",
            }
            for number, topic in enumerate(("printer", "invoice", "password", "calendar"))
        ]
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        words = ("--platform", "export", "--path", str(path), "--set", "embedding_model=use-multi")
        done("company", "add", company, *words)
        done("sync", company)
    for mine, theirs in (("left", "right"), ("right", "left")):
        for query in (f"printer of {theirs}", "invoice", "password", "calendar"):
            hits = done("search", mine, query, "-k", "100", "--json").json["hits"]
            assert len(hits) == 4
            assert all(mine in hit["title"] and theirs not in json.dumps(hit["summary"]) for hit in hits)
        similar = done("similar", mine, "0", "--json").json["hits"]
        assert {hit["doc_id"] for hit in similar} == {"1", "2", "3"}
        assert all(payload["company_id"] == mine for payload, _ in home.points(mine).values())
    left = home.points("left")
    done("company", "remove", "right", "--yes")
    assert home.points("left") == left
    assert not [
        path for path in home.path.rglob("*right*") if "dagster" not in path.parts and "locks" not in path.parts
    ]


# -- what goes out ---------------------------------------------------------------------------------------------------

WATCHED = """
import json, sys
from pathlib import Path
from tests.homes import casebook

seen = []

def watch(event, arguments):
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        seen.append((event, str(arguments[1])))
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        seen.append((event, str(arguments[0])))

sys.addaudithook(watch)
for words in (("sync", "made"), ("search", "made", "printer"), ("similar", "made", "1"), ("status",)):
    said = casebook(*words)
    assert (said.code, said.err) == (0, ""), said
Path(sys.argv[1]).write_text(json.dumps(seen))
"""


def test_nothing_leaves_this_machine(home: Home, helpdesk: Sandbox, tmp_path: Path) -> None:
    """Every connection and every look-up of a name, in a process that has done nothing else, is to 127.0.0.1."""
    helpdesk.admin("made", "reset")
    add(helpdesk, "made")
    log = tmp_path / "connections"
    environment = {"PYTHONPATH": str(ROOT), "CASEBOOK_HOME": str(home.path)}
    subprocess.run([sys.executable, "-c", WATCHED, str(log)], env=environment, check=True)
    seen = json.loads(log.read_text())
    assert any(event == "socket.connect" for event, _ in seen), "the watch did not work"
    assert [(event, where) for event, where in seen if not is_here(where)] == []


def is_here(address: str) -> bool:
    """Whether an address is this machine: the loopback, or a path of the file system (a Unix socket)."""
    return "127.0.0.1" in address or "::1" in address or address == "localhost" or address.startswith(("/", "b'"))
