"""A store's file: how it is made, and what a person is told when it is damaged, foreign, or cannot be written."""

import os
import re
import resource
import shutil
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from domain.company import Company, company_id
from domain.errors import StorageError
from domain.stage import TABLES, Made, Put, Spent
from resources import secrets
from resources.companies import Companies
from resources.settings import Settings
from resources.storage.schema import SCHEMA_VERSION
from resources.storage.sqlite import open_store, opened
from resources.storage.sqlite_versions import upgrade
from tests.processes import Child, ask

ACME, BETA = company_id("acme"), company_id("beta")
NOW = "2026-01-01T00:00:00Z"
NOBODY = 65534
Damage = Callable[[Path], None]


def rows(count: int, text: str = "한글 text " * 20) -> list[Put]:
    return [Put(f"{i}", {"text": f"{text}{i}"}, f"h{i}", "s", "m") for i in range(count)]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The file of a store with some hundred pages."""
    folder = tmp_path / "acme"
    with open_store(folder, ACME) as store, store.begin("run", NOW) as write:
        write.upsert("raw_tickets", rows(1000))
    return folder / "casebook.sqlite"


def told(folder: Path) -> str:
    """The one line a person gets who opens the store and reads and writes all of it."""
    with pytest.raises(StorageError) as caught, open_store(folder, ACME) as store:
        list(store.scan("raw_tickets"))
        store.changes("raw_tickets", 0, 10_000)
        with store.begin("run", NOW) as write:
            write.upsert("raw_tickets", rows(1000, "other"))
    line = str(caught.value)
    assert "\n" not in line
    assert caught.value.remedy
    return line


# --- a new file -------------------------------------------------------------------------------------------------------


def test_a_closed_store_is_one_file_and_the_lock_it_was_made_under(file: Path) -> None:
    assert sorted(path.name for path in file.parent.iterdir()) == ["casebook.sqlite", "casebook.sqlite.lock"]
    with sqlite3.connect(file) as plain:
        assert plain.execute("PRAGMA journal_mode").fetchall() == [("wal",)]
    plain.close()


def test_processes_that_need_it_at_the_same_time_meet_one_store(tmp_path: Path) -> None:
    for attempt in range(3):
        start = time.time() + 0.1
        children = [Child(open_at, tmp_path / f"{attempt}", start) for _ in range(4)]
        heard = {child.hear() for child in children}
        for child in children:
            child.kill()
        assert len(heard) == 1
        assert re.fullmatch(r"[0-9a-f]{32}", heard.pop())


def open_at(say: Callable[[str], None], folder: Path, start: float) -> None:
    time.sleep(max(0.0, start - time.time()))
    try:
        with open_store(folder, ACME) as store:
            say(store.store_id)
    except StorageError as error:
        say(str(error))


def test_what_a_kill_left_of_a_half_made_file_is_no_hindrance(tmp_path: Path) -> None:
    folder = tmp_path / "acme"
    folder.mkdir()
    (folder / "casebook.sqlite.new").write_bytes(b"SQLite format 3\x00 and no more")
    (folder / "casebook.sqlite.new-wal").write_bytes(b"rest")
    with open_store(folder, ACME) as store:
        assert store.count("raw_tickets") == 0


def test_a_new_file_takes_nothing_from_the_log_of_one_that_was_moved_away(file: Path) -> None:
    with open_store(file.parent, ACME) as store:
        before = store.store_id
        with store.begin("run", NOW) as write:
            write.upsert("raw_tickets", rows(10, "late"))
        log = file.with_name(f"{file.name}-wal").read_bytes()
    file.rename(file.with_name("damaged.sqlite"))
    file.with_name(f"{file.name}-wal").write_bytes(log)
    with open_store(file.parent, ACME) as store:
        assert store.count("raw_tickets") == 0
        assert store.store_id != before  # so that indexes which follow it begin anew


# --- damage -----------------------------------------------------------------------------------------------------------


def not_a_database(file: Path) -> None:
    file.write_text("just some text, long enough to be one" * 100)


def cut_in_half(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def overwritten(file: Path) -> None:
    """Every page but the first holds rubbish."""
    with file.open("r+b") as opened:
        opened.seek(4096)
        opened.write(b"\xa5" * (file.stat().st_size - 4096))


def emptied(file: Path) -> None:
    os.truncate(file, 0)


def of_somebody_else(file: Path) -> None:
    file.unlink()
    with sqlite3.connect(file) as other:
        other.execute("CREATE TABLE songs (title)")
    other.close()


def a_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


@pytest.mark.parametrize("damage", [not_a_database, cut_in_half, overwritten, emptied, of_somebody_else, a_folder])
def test_a_damaged_file_is_told_in_one_line_and_left_alone(file: Path, damage: Damage) -> None:
    damage(file)
    before = file.read_bytes() if file.is_file() else b""
    line = told(file.parent)
    assert str(file) in line
    assert "move" in line.lower() or "rights" in line
    assert (file.read_bytes() if file.is_file() else b"") == before


def test_a_file_of_a_newer_casebook_is_not_touched(file: Path) -> None:
    with sqlite3.connect(file) as plain:
        plain.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    plain.close()
    assert "newer" in told(file.parent)


def test_a_file_in_another_companys_folder_is_refused(file: Path) -> None:
    """The wall: neither may the rows show up there, nor may anything be written beside them."""
    (file.parents[1] / "beta").mkdir()
    shutil.copy(file, file.parents[1] / "beta/casebook.sqlite")
    with (
        pytest.raises(StorageError, match=r"belongs to another company.*'acme'.*'beta'"),
        open_store(file.parents[1] / "beta", BETA),
    ):
        pass


# --- a disk that refuses ----------------------------------------------------------------------------------------------


def test_a_place_where_no_folder_can_be_made(tmp_path: Path) -> None:
    (tmp_path / "occupied").write_text("a file")
    assert "occupied" in told(tmp_path / "occupied")
    assert "occupied" in told(tmp_path / "occupied/acme")


def test_a_folder_that_cannot_be_written(file: Path) -> None:
    """As a user without rights; the tests themselves may run as root, whom nothing stops."""
    file.parent.chmod(0o555)
    file.chmod(0o444)
    for folder, said in ((file.parent, "casebook.sqlite"), (file.parent / "new", "new")):
        line = ask(open_without_rights, folder)
        assert line.startswith("StorageError: ")
        assert said in line
        assert "rights" in line or "CASEBOOK_HOME" in line
        assert "\n" not in line
    file.parent.chmod(0o755)


def open_without_rights(say: Callable[[str], None], folder: Path) -> None:
    if os.geteuid() == 0:
        for above in folder.parents[1:4]:  # pytest keeps its folders to itself
            above.chmod(0o755)
        os.setuid(NOBODY)
    try:
        with open_store(folder, ACME) as store, store.begin("run", NOW) as write:
            write.upsert("raw_tickets", rows(1))
        say("written")
    except Exception as error:
        say(f"{type(error).__name__}: {error}")


def test_a_full_disk_undoes_the_write_and_keeps_what_was_there(file: Path) -> None:
    line = ask(write_on_a_full_disk, file.parent, file.stat().st_size)
    assert line.startswith("StorageError: the database cannot be used.")
    assert "\n" not in line
    with open_store(file.parent, ACME) as store:
        assert store.count("raw_tickets") == 1000
        assert store.state("walk") is None
        with store.begin("run", NOW) as write:
            write.upsert("raw_tickets", rows(1, "room again"))


def write_on_a_full_disk(say: Callable[[str], None], folder: Path, size: int) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    try:
        with open_store(folder, ACME) as store, store.begin("run", NOW) as write:
            write.save_state("walk", 1)
            write.upsert("raw_tickets", rows(5000, "more than there is room for" * 50))
        say("written")
    except Exception as error:
        say(f"{type(error).__name__}: {error}")


def test_other_errors_of_the_work_are_not_called_the_databases(file: Path) -> None:
    for error in (ConnectionRefusedError(111, "refused"), FileNotFoundError(2, "no such export"), KeyError("x")):
        with pytest.raises(type(error)), open_store(file.parent, ACME):
            raise error


# --- a file of an older version ---------------------------------------------------------------------------------------


def _of_the_workbook() -> list[str]:
    """The stage tables of version 6: all behind those of the knowledge base."""
    names = list(TABLES)
    return names[names.index("workbook") :]


def of_version_3(file: Path) -> None:
    """Take away what the versions since brought."""
    with sqlite3.connect(file) as plain:
        for view in ("tickets", "processing_queue", "feedback"):
            plain.execute(f"DROP VIEW {view}")
        learned = (
            *(*_of_the_workbook(), "exchanges"),
            *("kb_embeddings", "kb_collection", "recommendations", "judged_queries", "reports"),
        )
        for table in (*learned, "ledger", "batches", "batched", "kb_summaries"):
            plain.execute(f"DROP TABLE {table}")
        for name in ("priority", "waits"):
            plain.execute(f"ALTER TABLE queue DROP COLUMN {name}")
        plain.execute("ALTER TABLE paid DROP COLUMN data_type")
        plain.execute("PRAGMA user_version = 3")
    plain.close()


def of_version_1(file: Path) -> None:
    of_version_3(file)
    new = ("ticket_ratings", "raw_kb", "kb_passages")
    with sqlite3.connect(file) as plain:
        for table in ("forgotten", "votes", *new):
            plain.execute(f"DROP TABLE {table}")
        plain.execute("DROP INDEX raw_tickets_version")
        for table in [name for name in TABLES if "kb" not in name and name not in (*new, *_of_the_workbook())]:
            plain.execute(f"ALTER TABLE {table} DROP COLUMN id")
            plain.execute(f"ALTER TABLE {table} DROP COLUMN created_at")
        plain.execute("DROP INDEX queue_doc")
        plain.execute("ALTER TABLE queue DROP COLUMN id")
        plain.execute("PRAGMA user_version = 1")
    plain.close()


def shape(file: Path) -> list[tuple[str, ...]]:
    """Every table, view and index with its columns."""
    with sqlite3.connect(file) as plain:
        names = plain.execute("SELECT type, name FROM sqlite_master ORDER BY 1, 2").fetchall()
        found = [(*name, *sorted(row[1] for row in plain.execute(f"PRAGMA table_info({name[1]})"))) for name in names]
    plain.close()
    return found


def test_a_store_of_version_1_is_upgraded_when_it_is_opened(file: Path) -> None:
    with open_store(file.parent, ACME) as store, store.begin("run", NOW) as write:
        write.fail("raw_tickets", {"bad": "why"}, {"bad": NOW})
    wanted = shape(file)
    with open_store(file.parent, ACME) as store:
        before = store.get("raw_tickets", sorted(store.ids("raw_tickets")))
    of_version_1(file)
    assert shape(file) != wanted
    children = [Child(open_at, file.parent, time.time() + 0.1) for _ in range(3)]
    assert len({child.hear() for child in children}) == 1  # the store's own id
    for child in children:
        child.kill()
    assert shape(file) == wanted
    with open_store(file.parent, ACME) as store:
        assert store.get("raw_tickets", sorted(store.ids("raw_tickets"))) == before
        assert {ticket.id for ticket in store.tickets(limit=2000)} == {row.seq for row in before.values()}
        assert store.ticket_statuses() == {"pending": 1000}
        assert [entry.doc_id for entry in store.queue()] == ["bad"]


def test_a_store_of_version_3_keeps_its_rows_and_can_pay(file: Path) -> None:
    with open_store(file.parent, ACME) as store:
        store.keep_paid("ticket_embeddings", "m", [("h", "1", Made({"said": "a"}))], [], "run", NOW)
        with store.begin("run", NOW) as write:
            write.fail("ticket_summaries", {"bad": "why", "worse": "why"}, dict.fromkeys(("bad", "worse"), NOW))
        queue, rows = store.queue(), store.get("raw_tickets", sorted(store.ids("raw_tickets")))
    wanted = shape(file)
    of_version_3(file)
    assert shape(file) != wanted
    with open_store(file.parent, ACME) as store:
        assert (store.queue(), store.due("ticket_summaries", NOW)) == (queue, ["bad", "worse"])
        assert store.get("raw_tickets", sorted(store.ids("raw_tickets"))) == rows
        assert store.ticket_statuses() == {"pending": 1000}
        assert store.paid("m", ["h"])["h"].payload == {"said": "a"}
        spent = Spent("c1", "one", "gpt", "first", 1, 10, 2, 0.5)
        store.keep_paid("kb_summaries", "m kb", [("h", "1", Made({}))], [spent], "run", NOW)
        with store.begin("run", NOW) as write:
            write.forget_paid(["1"])  # of tickets, as all that was kept before is
            write.wait("kb_summaries", {"1": "in a batch"})
        assert (store.paid("m", ["h"]), set(store.paid("m kb", ["h"]))) == ({}, {"h"})
        assert (store.spent(NOW), store.waiting(), store.batches("kb_summaries")) == (0.5, 1, [])
    assert shape(file) == wanted


def test_a_registry_of_version_1_keeps_its_keys(tmp_path: Path) -> None:
    home = tmp_path / "home"
    companies = Companies(Settings(home=home))
    company = Company(ACME, "freshdesk", "https://acme.example.com", {"language": "ko"}, created_at=NOW)
    companies.add(company, secrets.seal(companies.settings, "the key"))
    wanted = shape(home / "registry.sqlite")
    with sqlite3.connect(home / "registry.sqlite") as plain:
        plain.execute("ALTER TABLE companies ADD COLUMN secret TEXT NOT NULL DEFAULT ''")
        plain.execute("UPDATE companies SET secret = (SELECT sealed FROM company_secrets)")
        plain.execute("DROP TABLE company_secrets")
        plain.execute("DROP TABLE audit")
        plain.execute("PRAGMA user_version = 0")
    plain.close()
    assert companies.get("acme") == company
    assert companies.secret(company) == "the key"
    assert shape(home / "registry.sqlite") == wanted


@pytest.mark.parametrize("version", [SCHEMA_VERSION + 1, 99])
def test_a_registry_of_a_newer_casebook_is_not_touched(tmp_path: Path, version: int) -> None:
    companies = Companies(Settings(home=tmp_path / "home"))
    companies.add(Company(ACME, "export", "x.csv", created_at=NOW), "")
    with sqlite3.connect(tmp_path / "home/registry.sqlite") as plain:
        plain.execute(f"PRAGMA user_version = {version}")
    plain.close()
    with pytest.raises(StorageError, match="newer than this Casebook"):
        companies.list()


def test_versions_follow_one_another(tmp_path: Path) -> None:
    """A file that is three versions behind takes each step, in order; one that cannot be taken leaves it as it was."""
    taken: list[int] = []

    def step(number: int, fails: bool = False) -> Callable[[sa.Connection], None]:
        def take(connection: sa.Connection) -> None:
            taken.append(number)
            connection.exec_driver_sql(f"CREATE TABLE step_{number} (x)")
            if fails:
                raise ZeroDivisionError

        return take

    path = tmp_path / "x.sqlite"
    with sqlite3.connect(path) as plain:
        plain.execute("CREATE TABLE clock (x)")
        plain.execute("PRAGMA user_version = 1")
    plain.close()
    before = path.read_bytes()
    with opened(path, step(0)) as db, pytest.raises(ZeroDivisionError):
        upgrade(db, path, {1: step(1), 2: step(2, fails=True), 3: step(3)}, 4)
    with opened(path, step(0)) as db:
        assert db.exec_driver_sql("PRAGMA user_version").scalar_one() == 1
    assert path.read_bytes() == before
    taken.clear()
    with opened(path, step(0)) as db:
        upgrade(db, path, {1: step(1), 2: step(2), 3: step(3)}, 4)
    assert taken == [1, 2, 3]
    with opened(path, step(0)) as db:
        assert db.exec_driver_sql("PRAGMA user_version").scalar_one() == 4
