"""Moving companies between storages: everything arrives, whatever cuts the move off, and nothing is moved that must not.

Belongs here: the move itself, both ways, on the real Postgres. Does not belong here: the command's words
(``tests/pipelines/test_migrate``).
"""

import json
import random
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from domain.batch import Batch
from domain.company import Company, CompanyId, company_id
from domain.conversation import Exchange
from domain.derive import Input, Stage, derive, each
from domain.errors import InputError, StorageError
from domain.feedback import Vote
from domain.judgement import JudgedQuery, RetrievalReport
from domain.recommendation import Recommendation
from domain.stage import TABLES as NAMES
from domain.stage import Cursor, Made, Put, Report, Spent
from resources.companies import Companies
from resources.settings import Settings
from resources.storage import schema
from resources.storage.base import Storage, open_storage
from resources.storage.migrate import Migration, migrate, storage_at
from resources.storage.postgres import PostgresStorage
from tests.homes import copied
from tests.postgres_server import PostgresServer, upgraded
from tests.processes import Child

ACME, OTHER, EMPTY = company_id("acme"), company_id("other"), company_id("empty")
TABLES = list(NAMES)
NOW, LATER = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"
ODD = ["환불 처리 🙂", "\ufffd", "a\tb\nc\\d", "'; DROP TABLE clock; --", "Ω" * 900, "\x1b[0m\x7f", "", "\\N", "\u2028"]
NUMBERS = [0, -1, 2**53, 2**63, 1e22, 1e23, 1e-7, 0.1, 1.0, -0.0, 1e16, 123456789.123456789]
PORTION, ROWS = 100, 110
"""More than one portion of the largest table; portions are smaller here than they are at work."""


def quiet(*_: Any) -> None: ...


def move(source: Settings, target: Settings) -> Migration:
    return migrate(open_storage(source), open_storage(target), quiet)


def fill(settings: Settings, company: CompanyId, rows: int, seed: int = 1) -> None:
    """A company with something odd in every column of every table."""
    chance = random.Random(seed)
    registry = Companies(settings)
    made = {"page_size": 7, "name": chance.choice(ODD), "share": 0.25}
    registry.add(Company(company, "export", f"/{company}.csv", made, False, NOW), f"sealed of {company}")
    with registry.store(company) as store:
        for table, size in zip(TABLES, (rows, min(rows, 50), min(rows, 20)), strict=False):
            with store.begin(f"run {table}", NOW) as write:
                write.upsert(table, [put(chance, name(n)) for n in range(size)])
        with store.begin("run last", LATER) as write:
            write.upsert(TABLES[0], [put(chance, name(n)) for n in range(1, min(60, rows), 5)])
            write.delete(TABLES[0], [name(n) for n in range(1, rows, 11)])
            write.save_cursor(Cursor("merged_tickets", "raw_tickets", "rule 🙂", 40, ((3, 9), (11, 12))))
            write.save_state("collected", {"until": NOW, "odd": ODD, "numbers": NUMBERS, "none": None})
            write.fail("ticket_summaries", {f"{n}": ODD[0] for n in range(30)}, {f"{n}": LATER for n in range(30)})
            write.wait("kb_summaries", {f"{n}": ODD[n % 3] for n in range(20)})
            for n, cost in enumerate((None, 0.1, 1e-9)):
                batch = Batch(f"b{n}", "kb_summaries", ODD[0], "gpt", f"m{n}", requests=n, cost=cost, created_at=NOW)
                write.save_batch(batch)
                write.add_to_batch(batch, [f"s{k}" for k in range(PORTION // 2)])
            write.forget([f"digest {n}" for n in range(5)], "document")
            write.vote(Vote("r1", "thumbs_up", NOW, "1", None, 5, "고마워요 🙂"))
            write.vote(Vote("r2", "thumbs_down", NOW, None, "u"))
            write.replace_judged([JudgedQuery(f"q{n}", ODD[0], {"1": 0.5, ODD[4]: 2.0}) for n in range(3)])
            write.keep_report(RetrievalReport(NOW, "run", {"ticket": ODD[0]}, {"means": {"nDCG@10": 0.1}}))
        asked = [Recommendation(f"r{n}", NOW, ODD[0], {"k": n}, [{"doc_id": ODD[4]}], {}) for n in range(PORTION + 3)]
        store.keep_recommendations(asked)
        said = [Exchange(f"e{n}", ODD[4], ODD[0], NOW, ODD[0], LATER, ODD[1], 2, more={"k": n}) for n in range(9)]
        store.keep_exchanges(said)
        paid = [
            (f"s{n}", f"{n}", Made({"text": chance.choice(ODD)}, chance.randbytes(n), n, 0.1 * n)) for n in range(50)
        ]
        spent = [
            Spent(f"one {chance.choice(ODD)} {n}", "one", ODD[4], "first", n, 2**40, n, chance.choice([None, 0.1 * n]))
            for n in range(PORTION + 10)
        ]
        store.keep_paid("ticket_summaries", "gpt", paid, spent, "run", NOW)
        store.keep_paid("ticket_summaries", "embed", [("s1", "1", Made(None, None, 3, 1e-9))], [], "run", NOW)


def name(number: int) -> str:
    return f"{number}" if number % 7 else f"{number} 표🙂"


def put(chance: random.Random, doc_id: str) -> Put:
    words = [chance.choice(ODD) for _ in range(4)]
    payload = {"z": words, "a": {"number": chance.choice(NUMBERS), "": None, chance.choice(ODD): True}, "n": []}
    vector = chance.choice([None, b"", chance.randbytes(64), b"\x00\xff\\"])
    return Put(doc_id, payload, f"{chance.getrandbits(64):x}", chance.choice(["", "s"]), "m", vector)


def everything(settings: Settings) -> dict[str, Any]:
    """All that a storage holds, row by row; JSON decoded, the mark of a move and each database's own numbers left out."""
    storage = open_storage(settings)
    with storage.registry() as db:
        names = [company_id(name) for (name,) in db.execute(sa.select(schema.companies.c.company_id))]
        lines = sa.select(schema.audit).order_by(schema.audit.c.id)
        found: dict[str, Any] = {"audit": [tuple(row)[1:] for row in db.execute(lines)]}
    for name in names:
        with storage.registry(name) as db:
            for table in (schema.companies, schema.company_secrets):
                found[f"{name} {table.name}"] = rows_of(db, table, name)
        with storage.store(name) as store, store.db.begin():
            store.enter()
            found |= {f"{name} {table.name}": rows_of(store.db, table, name) for table in schema.store.sorted_tables}
    return found


def rows_of(db: sa.Connection, table: sa.Table, company: CompanyId) -> list[dict[str, Any]]:
    query = sa.select(table).where(table.c.company_id == company).order_by(*table.primary_key)
    rows = [dict(row._mapping) for row in db.execute(query)]
    for row in rows:
        row.pop("schema_version", None)
        row |= {
            column.name: exact(row[column.name])
            for column in table.c
            if column.type is schema.Json and row[column.name]
        }
    return [row for row in rows if row.get("name") != "migration"]


def exact(text: str) -> Any:
    """JSON as the value it is: Postgres writes 1e23 as a whole number."""
    return json.loads(text, parse_float=Decimal, parse_int=Decimal)


@pytest.fixture(autouse=True)
def portions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resources.storage.migrate._PORTION_ROWS", PORTION)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files with three companies, one of them never synced."""
    settings = Settings(home=tmp_path_factory.mktemp("filled") / "files")
    fill(settings, ACME, ROWS)
    fill(settings, OTHER, 60, seed=2)
    Companies(settings).add(Company(EMPTY, "export", "/x.csv", {}, True, NOW), "")
    return settings.root


@pytest.fixture
def files(filled: Path, tmp_path: Path) -> Settings:
    """A copy of those files."""
    return Settings(home=copied(filled, tmp_path / "files"))


@pytest.fixture
def second(postgres_server: PostgresServer, tmp_path: Path) -> Iterator[Settings]:
    """Another empty database."""
    with upgraded(postgres_server, tmp_path / "second") as settings:
        yield settings


# --- everything arrives -------------------------------------------------------------------------------------------------


def test_there_across_and_back_everything_is_equal_and_the_sources_are_untouched(
    files: Settings, postgres: Settings, second: Settings, tmp_path: Path
) -> None:
    before = everything(files)
    assert len(before["acme raw_tickets"]) == ROWS
    assert all(before[f"acme {table.name}"] for table in schema.store.sorted_tables if table.name not in TABLES[3:])
    back = Settings(home=tmp_path / "back")
    for source, target in ((files, postgres), (postgres, second), (second, back)):
        result = move(source, target)
        assert result.ok
        assert list(result.companies) == ["acme", "empty", "other"]
        assert result.companies["acme"]["raw_tickets"] == ROWS
        assert result.companies["acme"]["paid"] == 51
        assert result.copied["acme"] == sum(result.companies["acme"].values())
        assert result.audit == 3
        assert everything(target) == before
        assert everything(source) == before


def test_a_derive_after_the_move_has_nothing_to_do(files: Settings, postgres: Settings) -> None:
    assert step(files).changed > 0
    assert step(files).read == 0
    move(files, postgres)
    assert step(postgres).read == 0


def step(settings: Settings) -> Report:
    """One step of a sync: its cursor must have moved too."""
    stage = Stage(
        "ticket_terms", ("raw_tickets",), lambda rows: Input(rows[0].payload) if rows[0] else None, each(Made), "m1"
    )
    with open_storage(settings).store(ACME) as store:
        return derive(stage, store, run_id="run", now=NOW)


def test_done_twice_is_done_once(files: Settings, postgres: Settings) -> None:
    move(files, postgres)
    again = move(files, postgres)
    assert again.ok
    assert again.copied == {}
    assert again.companies["other"]["raw_tickets"] == 60
    assert everything(postgres) == everything(files)


def test_rows_larger_than_a_portion(tmp_path: Path, postgres: Settings) -> None:
    files = Settings(home=tmp_path / "large")
    Companies(files).add(Company(ACME, "export", "/x.csv", {}, False, NOW), "")
    with Companies(files).store(ACME) as store, store.begin("run", NOW) as write:
        write.upsert("raw_tickets", [Put(f"{n}", {"text": f"{n}🙂" * 1_000_000}, f"{n}", "s", "m") for n in range(4)])
    move(files, postgres)
    assert everything(postgres) == everything(files)


# --- cut off, and written to in between ---------------------------------------------------------------------------------


@pytest.mark.parametrize("direction", ["to postgres", "to files"])
def test_killed_anywhere_it_goes_on_and_copies_nothing_twice(
    direction: str, files: Settings, postgres: Settings, tmp_path: Path
) -> None:
    expected = everything(files)
    source, target = files, postgres
    if direction == "to files":
        move(files, postgres)
        source, target = postgres, Settings(home=tmp_path / "target")
    kills = 0
    for steps in (1, 2, 3, 4, 6, 9, 14, 20):
        with Child(move_aloud, source, target) as child:
            for _ in range(steps):
                if child.hear() is None:
                    break
            child.kill()
            kills += child.was_killed
        for company in registered(target):  # whoever is in the registry is whole
            assert only(everything(target), company) == only(expected, company)
    result = move(source, target)
    assert kills >= 6
    assert result.ok
    assert everything(target) == expected
    assert sum(result.copied.values()) < sum(sum(counts.values()) for counts in result.companies.values())
    assert everything(source) == expected


def move_aloud(say: Callable[[Any], None], source: Settings, target: Settings) -> None:
    with pytest.MonkeyPatch.context() as patches:
        patches.setattr("resources.storage.migrate._PORTION_ROWS", PORTION)
        migrate(open_storage(source), open_storage(target), lambda *said: say(said))
        say(None)


def registered(settings: Settings) -> list[str]:
    return [company.id for company in Companies(settings).list()]


def only(found: dict[str, Any], company: str) -> dict[str, Any]:
    return {name: rows for name, rows in found.items() if name.startswith(f"{company} ")}


def test_a_portion_that_is_there_is_not_copied_again(files: Settings, postgres: Settings) -> None:
    stop_at(files, postgres, "copying raw_tickets")
    result = move(files, postgres)
    assert 0 < result.copied["acme"] <= sum(result.companies["acme"].values()) - PORTION
    assert everything(postgres) == everything(files)


def stop_at(source: Settings, target: Settings, what: str) -> None:
    """Interrupt a move as Ctrl-C does."""

    def watch(_company: str, doing: str, *_: int) -> None:
        if doing == what:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        migrate(open_storage(source), open_storage(target), watch)


@pytest.mark.parametrize("stopped_in", ["copying raw_tickets", "copying ticket_summaries", "comparing queue", ""])
def test_what_was_written_since_is_carried_over(files: Settings, postgres: Settings, stopped_in: str) -> None:
    if stopped_in:
        stop_at(files, postgres, stopped_in)
    else:
        move(files, postgres)
    change(files)
    result = move(files, postgres)
    assert result.ok
    assert everything(postgres) == everything(files)
    if not stopped_in:
        assert 20 < result.copied["acme"] < 60


def change(settings: Settings) -> None:
    """What a night brings: rows new, changed, gone; the queue settled; a paid result used up; a setting changed."""
    registry = Companies(settings)
    with registry.store(ACME) as store, store.begin("night", LATER) as write:
        write.upsert("raw_tickets", [put(random.Random(9), f"{n}") for n in (2, 3, 80, 9000, 9001)])
        write.delete("merged_tickets", ["5", "6"])
        write.settle("ticket_summaries", [f"{n}" for n in range(20)])
        write.forget_paid(["3"])
        write.save_state("collected", {"until": LATER})
        write.fail("ticket_summaries", {f"{n}": "again" for n in range(20, 40)}, {f"{n}": LATER for n in range(20, 40)})
    registry.set(registry.get(ACME), page_size=8)


def test_a_write_during_the_move_is_carried_over_in_the_same_run(files: Settings, postgres: Settings) -> None:
    written = False

    def watch(company: str, *_: Any) -> None:
        nonlocal written
        if company == "other" and not written:  # acme has had its turn
            written = True
            change(files)

    result = migrate(open_storage(files), open_storage(postgres), watch)
    assert written
    assert result.ok
    assert everything(postgres) == everything(files)


def test_a_company_that_is_added_during_the_move_is_moved_too(tmp_path: Path, postgres: Settings) -> None:
    files = Settings(home=tmp_path / "files")
    fill(files, ACME, 20)

    def watch(company: str, what: str, *_: int) -> None:
        if (company, what) == (ACME, "comparing votes"):
            fill(files, OTHER, 30)

    result = migrate(open_storage(files), open_storage(postgres), watch)
    assert (result.ok, list(result.companies)) == (True, ["acme", "other"])
    assert everything(postgres) == everything(files)


def test_writes_that_never_end_and_a_busy_company_are_said(files: Settings, postgres: Settings) -> None:
    number = 0

    def watch(company: str, what: str, *_: int) -> None:
        nonlocal number
        if (company, what) == ("other", "comparing votes"):
            number += 1
            with open_storage(files).store(OTHER) as store, store.begin("without the lock", LATER) as write:
                write.save_state("collected", number)

    with open_storage(files).lock(ACME, "run 12"):
        result = migrate(open_storage(files), open_storage(postgres), watch)
    assert not result.ok
    assert result.busy == {"acme": "run 12 is writing to it."}
    assert result.changed == ["other"]
    assert number == 3
    assert registered(postgres) == ["empty", "other"]
    result = move(files, postgres)
    assert result.ok
    assert everything(postgres) == everything(files)


def test_one_company_at_a_time_is_locked_at_both_ends(files: Settings, postgres: Settings) -> None:
    seen: set[tuple[str, bool, bool, bool]] = set()

    def watch(company: str, *_: Any) -> None:
        here, there = open_storage(files), open_storage(postgres)
        name, rest = company_id(company), ACME if company == "other" else OTHER
        seen.add((company, here.is_free(name), there.is_free(name), here.is_free(rest) and there.is_free(rest)))

    migrate(open_storage(files), open_storage(postgres), watch)
    assert seen == {(name, False, False, True) for name in (ACME, EMPTY, OTHER)}


def test_a_store_made_anew_at_the_source_replaces_the_old_copy(files: Settings, postgres: Settings) -> None:
    """The same numbers stand at other rows then."""
    stop_at(files, postgres, "comparing votes")
    registry = Companies(files)
    with registry.lock(ACME, "test"):
        registry.storage.erase(ACME)
    with registry.store(ACME) as store, store.begin("run", NOW) as write:
        write.upsert("raw_tickets", [put(random.Random(5), f"{n}") for n in range(ROWS, 0, -1)])
    move(files, postgres)
    assert everything(postgres) == everything(files)


def test_a_company_removed_during_its_move_leaves_nothing(files: Settings, postgres: Settings) -> None:
    stop_at(files, postgres, "comparing votes")
    assert held(postgres, ACME) > ROWS
    registry = Companies(files)
    registry.remove(registry.get(ACME))
    assert list(move(files, postgres).companies) == ["empty", "other"]
    assert held(postgres, ACME) == 0
    assert everything(postgres) == everything(files)


def held(settings: Settings, company: CompanyId) -> int:
    """All rows of a company, but for its clock, which looking sets going."""
    with open_storage(settings).store(company) as store, store.db.begin():
        store.enter()
        tables = [table for table in schema.store.sorted_tables if table is not schema.clock]
        return sum(len(store.db.execute(sa.select(table.c.company_id)).all()) for table in tables)


def test_a_company_removed_after_its_move_is_not_erased_where_it_may_live(files: Settings, postgres: Settings) -> None:
    move(files, postgres)
    registry = Companies(files)
    registry.remove(registry.get(ACME))
    assert "has company 'acme'." in refusal(files, postgres)
    assert held(postgres, ACME) > ROWS


def test_a_copy_that_is_not_equal_is_never_registered(files: Settings, postgres: Settings) -> None:
    def watch(company: str, what: str, *_: int) -> None:
        if (company, what) == (ACME, "comparing cursors"):
            with open_storage(postgres).store(ACME) as store, store.begin("x", NOW) as write:
                write.upsert("raw_tickets", [Put("2", {"text": "spoiled"}, "h", "s", "m")])

    with pytest.raises(StorageError, match="not equal"):
        migrate(open_storage(files), open_storage(postgres), watch)
    assert registered(postgres) == []
    assert move(files, postgres).ok
    assert everything(postgres) == everything(files)


# --- what is refused ----------------------------------------------------------------------------------------------------


def refusal(source: Storage | Settings, target: Storage | Settings) -> str:
    ends = [open_storage(end) if isinstance(end, Settings) else end for end in (source, target)]
    with pytest.raises(InputError) as refused:
        migrate(ends[0], ends[1], quiet)
    return str(refused.value)


def test_a_target_with_anything_of_its_own_is_refused(files: Settings, postgres: Settings, tmp_path: Path) -> None:
    target = Settings(home=tmp_path / "target")
    Companies(target).add(Company(company_id("theirs"), "export", "/x.csv", {}, False, NOW), "")
    before = everything(target)
    assert "company 'theirs'" in refusal(files, target)
    assert everything(target) == before
    with open_storage(postgres).store(ACME) as store, store.begin("run", NOW) as write:
        write.upsert("raw_tickets", [Put("1", {}, "h", "s", "m")])
    assert "has company 'acme'." in refusal(files, postgres)


def test_a_target_in_use_is_not_overwritten(files: Settings, postgres: Settings, tmp_path: Path) -> None:
    move(files, postgres)
    with Companies(postgres).store(ACME) as store, store.begin("night", LATER) as write:
        write.upsert("raw_tickets", [Put("new", {}, "h", "s", "m")])
    before = everything(postgres)
    assert "in use there since" in refusal(files, postgres)
    assert "'acme'" in refusal(postgres, files)  # nor the old place, when somebody goes back
    assert everything(postgres) == before
    back = Settings(home=tmp_path / "back")
    move(postgres, back)
    assert everything(back) == before
    assert "moved there from Postgres" in refusal(files, back)


def test_a_setting_changed_in_the_target_is_use(files: Settings, postgres: Settings) -> None:
    move(files, postgres)
    registry = Companies(postgres)
    with registry.storage.registry() as db:
        db.execute(sa.update(schema.companies).where(schema.companies.c.company_id == ACME).values(paused=True))
    assert "'acme', which was moved before" in refusal(files, postgres)


def test_a_storage_is_not_moved_onto_itself_by_whatever_name(
    files: Settings, postgres: Settings, postgres_server: PostgresServer
) -> None:
    assert "same storage" in refusal(files, files)
    assert "same storage" in refusal(postgres, postgres)
    other_name = postgres.model_copy(update={"storage": postgres.storage.replace("127.0.0.1", "localhost")})
    fill(postgres, ACME, 0)
    there = open_storage(other_name)
    assert isinstance(there, PostgresStorage)
    assert "same storage" in refusal(postgres, there)
    there.close()


def test_errors_of_the_other_storage_name_its_option(files: Settings, postgres: Settings) -> None:
    with pytest.raises(StorageError, match=r"password in --to\."):
        target = storage_at(files, postgres.storage.replace("app_user", "nobody", 1), "--to")
        migrate(open_storage(files), target, quiet)
    with pytest.raises(InputError, match="--from is no address"):
        storage_at(files, "mysql://x", "--from")


def test_nothing_to_move_and_a_target_without_tables(
    files: Settings, postgres: Settings, postgres_server: PostgresServer, tmp_path: Path
) -> None:
    assert "nothing to move" in refusal(Settings(home=tmp_path / "none"), postgres)
    bare = postgres_server.settings_for(postgres_server.database(), tmp_path)
    with pytest.raises(StorageError, match="casebook storage upgrade"):
        move(files, bare)
