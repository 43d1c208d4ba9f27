"""``casebook forget`` on a helpdesk that moves: nothing of a ticket is left, and nothing brings it back.

Belongs here: the command with syncs before and after. Does not belong here: each store's own erasing (``tests/resources``).
"""

import json
from pathlib import Path
from typing import Any

import pyarrow.dataset as ds
import pytest

from domain.company import company_id
from domain.stage import tables_of
from query.search import Searcher
from resources.companies import Companies
from resources.settings import Settings
from resources.storage.base import open_storage
from resources.storage.migrate import migrate
from resources.storage.sqlite import FileStorage
from sandbox.serve import Sandbox
from tests.conftest import point_at
from tests.homes import Home, casebook, copied, done


@pytest.fixture(scope="module")
def used_once(first_sync: Path, helpdesk: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose company was synced, then again after a change of a third of all tickets: there is an older index."""
    path = tmp_path_factory.mktemp("used") / "home"
    copied(first_sync, path)
    with pytest.MonkeyPatch.context() as patches:
        point_at(path, patches)
        change(helpdesk)
        done("sync", "made")
    return path


def change(helpdesk: Sandbox) -> None:
    helpdesk.admin("made", "reset")
    helpdesk.admin("made", "edit", count=40, seed=7)


@pytest.fixture(params=["file", "postgres"])
def used(request: pytest.FixtureRequest, helpdesk: Sandbox, used_once: Path) -> Home:
    """A copy of that home, its rows in files or moved to Postgres."""
    empty: Home = request.getfixturevalue("home" if request.param == "file" else "postgres_home")
    copied(used_once, empty.path)
    if request.param == "postgres":
        assert migrate(FileStorage(empty.path), open_storage(empty.settings), lambda *_: None).ok
        for moved in (*empty.path.glob("registry.sqlite*"), *empty.path.glob("companies/*/casebook.sqlite*")):
            moved.unlink()
    change(helpdesk)
    return Home(empty.path)


def raw(home: Home) -> dict[str, Any]:
    return {doc_id: row[3] for doc_id, row in home.rows("made")["raw_tickets"].items()}


def solved(home: Home) -> str:
    """The id of a resolved ticket with a thread."""
    return max(home.points("made"), key=lambda doc_id: len(raw(home)[doc_id]["conversations"]))


def texts(payload: dict[str, Any], others: list[Any]) -> list[bytes]:
    """Every line of 12 bytes and more that a ticket says and no other ticket does."""
    said = [payload["subject"], payload["description_text"], *(one["body_text"] for one in payload["conversations"])]
    foreign = json.dumps(others, ensure_ascii=False)
    lines = {line.strip() for text in said for line in text.splitlines()}
    return [line.encode() for line in sorted(lines) if len(line.encode()) >= 12 and line not in foreign]


def everywhere(home: Home, wanted: list[bytes]) -> dict[str, int]:
    """The files below the home that hold any of these bytes."""
    found: dict[str, int] = {}
    for path in home.path.rglob("*"):
        if path.is_file():
            held = path.read_bytes()
            if count := sum(text in held for text in wanted):
                found[path.relative_to(home.path).as_posix()] = count
    return found


def published(home: Home) -> set[str]:
    folders = [home.path / "published" / kind / "tickets" for kind in ("raw", "processed", "embeddings")]
    tables = [ds.dataset(folder, partitioning="hive").to_table(columns=["doc_id"]) for folder in folders]
    return {doc_id for table in tables for doc_id in table["doc_id"].to_pylist()}


def question(text: str) -> set[str]:
    """Who answers, asked as ``--batch`` asks: a question that is kept would hold the forgotten words anew."""
    companies = Companies(Settings())
    return {hit.doc_id for hit in Searcher(companies, companies.get("made")).search(text, 200).hits}


def test_nothing_of_a_forgotten_ticket_is_left_and_nothing_brings_it_back(
    used: Home, helpdesk: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    doc_id = solved(used)
    tickets = raw(used)
    payload = tickets.pop(doc_id)
    lines = texts(payload, list(tickets.values()))
    assert len(lines) >= 2
    if used.settings.storage == "file":
        assert everywhere(used, lines)  # the search below can find something
    before = used.rows("made")
    other = Home(copied(used.path, tmp_path / "other"))
    assert doc_id in question(payload["subject"])

    said = done("forget", "made", "--doc", doc_id, "--yes", "--json").json
    assert said["documents"] == 1
    assert said["texts_looked_for"] >= 2
    assert set(said["left"].values()) == {0}
    assert {"raw_tickets", "paid", "votes", "queue", "states", "index", "bytes of files", "cache"} <= set(said["left"])
    assert everywhere(used, lines) == {}

    def is_gone() -> None:
        assert doc_id not in question(payload["subject"])
        assert all(doc_id not in rows for rows in used.rows("made").values())
        assert doc_id not in published(used)
        assert doc_id not in used.points("made")

    is_gone()
    after = used.rows("made")
    for proposal in [one for one, row in before["faq_proposals"].items() if f"ticket {doc_id}" in row[3]["evidence"]]:
        del before["faq_proposals"][proposal]  # it goes, or goes on without the ticket
        assert f"ticket {doc_id}" not in str(after["faq_proposals"].pop(proposal, ""))
    for table in before:
        before[table].pop(doc_id, None)
        assert after[table] == before[table]  # and nothing else was touched

    if used.settings.storage != "file":  # another machine on the same database
        assert doc_id in other.points("made")
        assert doc_id in published(other)
        with monkeypatch.context() as patches:
            patches.setenv("CASEBOOK_HOME", str(other.path))
            done("sync", "made")
            assert doc_id not in question(payload["subject"])
        assert doc_id not in other.points("made")
        assert doc_id not in published(other)
        generations = list(other.path.glob("companies/made/index/*/gen-*"))
        assert len(generations) == 2  # tickets and articles: no older one that keeps it

    helpdesk.admin("made", "edit", ids=[int(doc_id)], what="text")
    helpdesk.admin("made", "edit", ids=[int(doc_id)], what="status")
    for words in ((), ("--full",)):
        outcome = done("sync", "made", "--json", *words).json
        assert outcome["ok"], outcome
        assert any("stay forgotten" in note for note in outcome["notes"])
        is_gone()
    assert everywhere(used, lines) == {}
    refused = casebook("sync", "made", "--doc", doc_id)
    assert refused.code == 2
    assert "was forgotten" in refused.err
    assert "--allow-again" in refused.err

    assert done("forget", "made", "--doc", doc_id, "--allow-again", "--json").json["allowed_again"] == 1
    done("sync", "made", "--doc", doc_id)
    assert doc_id in raw(used)
    log = done("audit", "--json", "made").json if used else {}
    assert {"forgotten", "allowed again"} <= {line["action"] for line in next(iter(log.values()))}


def test_a_forgotten_article_stays_out_and_the_tickets_stay(synced: Home, helpdesk: Sandbox) -> None:
    before = synced.rows("made")
    doc_id = min(doc_id for doc_id in before["kb_passages"] if ":" not in doc_id)
    said = casebook("forget", "made", "--doc", doc_id, "--in", "kb")
    assert said.code == 2
    assert "this erases 1 document" in said.err
    said = done("forget", "made", "--doc", doc_id, "--in", "kb", "--yes", "--json").json
    assert said["documents"] == 1
    assert said["texts_looked_for"] >= 1
    assert set(said["left"].values()) == {0}
    after = synced.rows("made")
    for table in tables_of("kb"):
        before[table].pop(doc_id)
    assert after == before

    helpdesk.admin("made", "articles", do="edit", ids=[int(doc_id)])
    outcome = done("sync", "made", "--full", "--json").json
    assert outcome["ok"], outcome
    assert any("stay forgotten" in note for note in outcome["notes"])
    assert synced.rows("made")["raw_kb"].keys() == before["raw_kb"].keys()
    assert synced.rows("made")["raw_tickets"].keys() == before["raw_tickets"].keys()

    assert casebook("forget", "made", "--doc", doc_id, "--allow-again").code == 2  # no ticket was forgotten
    assert "--only kb" in done("forget", "made", "--doc", doc_id, "--in", "kb", "--allow-again").out
    done("sync", "made", "--only", "kb")
    assert doc_id in synced.rows("made")["raw_kb"]
    assert doc_id in synced.rows("made")["kb_passages"]


def test_a_requester_is_forgotten_with_all_that_they_wrote_so_far(used: Home, helpdesk: Sandbox) -> None:
    tickets = raw(used)
    requester = tickets[solved(used)]["requester"]
    theirs = {doc_id for doc_id, one in tickets.items() if one["requester"]["id"] == requester["id"]}
    said = done("forget", "made", "--requester", f" {requester['email'].upper()} ", "--yes", "--json").json
    assert said["documents"] == len(theirs)
    assert set(said["left"].values()) == {0}
    for mentioned in said["mentioned_in"]:
        assert requester["email"] in json.dumps(tickets[mentioned])
    done("sync", "made", "--full")
    assert set(raw(used)) == set(tickets) - theirs
    log = done("audit", "made", "--json").out
    assert requester["email"] not in log
    if used.settings.storage == "file" and not said["mentioned_in"]:
        assert everywhere(used, [requester["email"].encode()]) == {}


def test_what_is_asked_wrongly_erases_nothing(read_only: Home) -> None:
    before = read_only.files()
    doc_id = solved(read_only)

    def refused(*words: str) -> str:
        said = casebook("forget", "made", *words)
        assert said.code == 2, said
        return said.err

    assert "this erases 1 document of 'made' for good." in refused("--doc", doc_id)
    assert "in one way" in refused()
    assert "in one way" in refused("--doc", doc_id, "--requester", "a@example.com", "--yes")
    assert "no document 'nobody'" in refused("--doc", "nobody", "--yes")
    assert "no article" in refused("--doc", doc_id, "--in", "kb", "--yes")
    assert "only tickets have a requester" in refused("--requester", "a@example.com", "--in", "kb", "--yes")
    assert "not on the list" in refused("--doc", doc_id, "--allow-again")
    assert "unknown company" in casebook("forget", "nobody", "--doc", "1", "--yes").err
    with read_only.companies.lock(company_id("made"), "another run"):
        said = casebook("forget", "made", "--doc", doc_id, "--yes")
        assert said.code == 1
        assert "another run is writing" in said.err
    assert {name: one for name, one in read_only.files().items() if "sqlite" not in name} == {
        name: one for name, one in before.items() if "sqlite" not in name
    }


def test_what_is_left_is_named_and_the_command_fails(synced: Home, tmp_path: Path) -> None:
    doc_id = solved(synced)
    line = texts(raw(synced)[doc_id], [one for other, one in raw(synced).items() if other != doc_id])[0]
    text = raw(synced)[doc_id]
    (synced.path / "logs").mkdir()
    (synced.path / "logs" / "debug.log").write_text(json.dumps(text, ensure_ascii=False))
    said = casebook("forget", "made", "--doc", doc_id, "--yes")
    assert said.code == 1
    assert "something is left. bytes of files" in said.err
    assert "debug.log" in said.err
    assert line.decode() not in said.err
