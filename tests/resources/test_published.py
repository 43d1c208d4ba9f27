"""The published Parquet files follow their tables: step by step, after every kind of loss, and through kill -9."""

import json
import random
import shutil
import time
from array import array
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pyarrow.parquet as pq
import pytest

from domain.company import company_id
from domain.stage import Put
from resources import published
from resources.published import PublishedTable, Publisher
from resources.storage.sql import SqlCompanyStore
from resources.storage.sqlite import open_store
from tests.processes import Child

ACME, BETA = company_id("acme"), company_id("beta")
SUMMARIES = PublishedTable("ticket_summaries", "processed")
NOW = "2026-01-01T00:00:00Z"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqlCompanyStore]:
    with open_store(tmp_path / "acme", ACME) as opened:
        yield opened


def write(store: SqlCompanyStore, rows: dict[str, str], gone: tuple[str, ...] = (), version: int = 1) -> None:
    """Tickets (id → time of creation) and their summaries, which say the version."""
    summaries = [
        Put(doc_id, {"problem": f"로그인 {version}"}, f"h{version}", "s", "m", array("f", [version, 0.5]).tobytes())
        for doc_id in rows
    ]
    with store.begin("run", NOW) as transaction:
        merged = [Put(doc_id, {"created_at": created}, created, "s", "m") for doc_id, created in rows.items()]
        transaction.upsert("merged_tickets", merged)
        transaction.upsert("ticket_summaries", summaries)
        transaction.delete("ticket_summaries", gone)
        transaction.delete("merged_tickets", gone)


def publish(store: SqlCompanyStore, root: Path) -> Any:
    return Publisher(root, store).publish(SUMMARIES)


def folder(root: Path) -> Path:
    return root / "published/processed/tickets/company_id=acme"


def files(root: Path) -> dict[str, list[str]]:
    """The ids of each month's file, read one by one."""
    return {
        path.parent.name.removeprefix("month="): pq.ParquetFile(path).read(["doc_id"])["doc_id"].to_pylist()
        for path in folder(root).glob("month=*/*.parquet")
    }


def rows(root: Path) -> dict[str, dict[str, Any]]:
    """All rows as an analyst reads them: the folder at once."""
    table = pq.read_table(root / "published/processed/tickets")
    assert table.num_rows == len(set(table["doc_id"].to_pylist()))
    return {row["doc_id"]: row for row in table.to_pylist()}


def assert_agree(store: SqlCompanyStore, root: Path) -> None:
    wanted = {
        row.doc_id: (orjson.dumps(row.payload).decode(), memoryview(row.vector or b"").cast("f").tolist())
        for row in store.get("ticket_summaries", sorted(store.ids("ticket_summaries")), vector=True).values()
    }
    assert {doc_id: (row["payload"], row["vector"]) for doc_id, row in rows(root).items()} == wanted


def test_a_row_is_published_with_everything_but_its_number(store: SqlCompanyStore, tmp_path: Path) -> None:
    write(store, {"1": "2026-01-31T23:59:59Z"})
    report = publish(store, tmp_path)
    assert (report.read, report.changed, report.removed) == (1, 1, 0)
    assert rows(tmp_path) == {
        "1": {
            "doc_id": "1",
            "content_hash": "h1",
            "source_hash": "s",
            "made_by": "m",
            "payload": '{"problem":"로그인 1"}',
            "vector": [1.0, 0.5],
            "run_id": "run",
            "updated_at": NOW,
            "company_id": "acme",
            "month": "2026-01",
        }
    }


def test_one_file_a_month_and_company(store: SqlCompanyStore, tmp_path: Path) -> None:
    write(store, {"2": "2026-01-05T00:00:00Z", "1": "2026-01-01T00:00:00Z", "3": "2025-12-31T00:00:00Z", "4": ""})
    publish(store, tmp_path)
    assert files(tmp_path) == {"2026-01": ["1", "2"], "2025-12": ["3"], "undated": ["4"]}
    with open_store(tmp_path / "beta", BETA) as other:
        write(other, {"1": "2026-01-05T00:00:00Z"}, version=9)
        publish(other, tmp_path)
    assert files(tmp_path) == {"2026-01": ["1", "2"], "2025-12": ["3"], "undated": ["4"]}
    assert pq.read_table(tmp_path / "published/processed/tickets").num_rows == 5


@pytest.mark.parametrize("created", ["../../x", "/etc/pw", "2026-1-", "..", "2026-13-01", "2026-01\x00", "٢٠٢٦-٠١"])
def test_what_is_no_month_names_no_folder(store: SqlCompanyStore, tmp_path: Path, created: str) -> None:
    write(store, {"1": created})
    publish(store, tmp_path)
    assert files(tmp_path) == {"undated" if created[:7] != "2026-01" else "2026-01": ["1"]}


def test_only_months_that_changed_are_written(store: SqlCompanyStore, tmp_path: Path) -> None:
    write(store, {f"{month}{day}": f"2026-0{month}-0{day}T00:00:00Z" for month in (1, 2, 3) for day in (1, 2, 3)})
    publish(store, tmp_path)
    before = {path: path.stat().st_mtime_ns for path in folder(tmp_path).rglob("*.parquet")}
    write(store, {"11": "2026-01-01T00:00:00Z"}, version=2, gone=("22",))
    report = publish(store, tmp_path)
    assert (report.read, report.changed, report.removed) == (2, 1, 1)
    changed = [path.parent.name for path, moment in before.items() if path.stat().st_mtime_ns != moment]
    assert sorted(changed) == ["month=2026-01", "month=2026-02"]
    assert_agree(store, tmp_path)


def test_when_nothing_changed_nothing_is_written(store: SqlCompanyStore, tmp_path: Path) -> None:
    write(store, {"1": NOW, "2": "2026-02-01T00:00:00Z"})
    publish(store, tmp_path)
    before = {path: (path.stat().st_mtime_ns, path.stat().st_ino) for path in folder(tmp_path).rglob("*")}
    report = publish(store, tmp_path)
    assert (report.read, report.changed, report.notes) == (0, 0, [])
    assert {path: (path.stat().st_mtime_ns, path.stat().st_ino) for path in folder(tmp_path).rglob("*")} == before


def test_an_empty_table_publishes_nothing(store: SqlCompanyStore, tmp_path: Path) -> None:
    assert publish(store, tmp_path).read == 0
    assert not folder(tmp_path).exists()


def test_the_last_row_of_a_month_takes_its_file_with_it(store: SqlCompanyStore, tmp_path: Path) -> None:
    write(store, {"1": NOW, "2": "2026-02-01T00:00:00Z"})
    publish(store, tmp_path)
    write(store, {}, gone=("2",))
    publish(store, tmp_path)
    assert files(tmp_path) == {"2026-01": ["1"]}
    write(store, {"2": "2026-02-01T00:00:00Z"})  # back, as it was
    publish(store, tmp_path)
    assert_agree(store, tmp_path)


def test_a_row_whose_ticket_moved_to_another_month_is_in_one_file(store: SqlCompanyStore, tmp_path: Path) -> None:
    write(store, {"1": NOW, "2": NOW})
    publish(store, tmp_path)
    write(store, {"1": "2025-06-01T00:00:00Z"}, version=2)
    publish(store, tmp_path)
    assert files(tmp_path) == {"2026-01": ["2"], "2025-06": ["1"]}


@pytest.mark.parametrize("seed", range(5))
def test_any_sequence_of_changes_ends_in_the_table(
    store: SqlCompanyStore, tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(published, "_WINDOW", 7)
    rng = random.Random(seed)
    for version in range(8):
        changed = {f"{i}": f"2026-{i % 4 + 1:02}-01" for i in rng.sample(range(40), rng.randrange(20))}
        gone = tuple(f"{i}" for i in rng.sample(range(40), rng.randrange(10)) if f"{i}" not in changed)
        write(store, changed, gone, version)
        publish(store, tmp_path)
        assert_agree(store, tmp_path)


# --- loss and damage --------------------------------------------------------------------------------------------------


def january(root: Path) -> Path:
    return folder(root) / "month=2026-01/tickets.parquet"


def lost(root: Path) -> None:
    january(root).unlink()


def cut(root: Path) -> None:
    january(root).write_bytes(january(root).read_bytes()[:-20])


def another(root: Path) -> None:
    shutil.copy(folder(root) / "month=2026-02/tickets.parquet", january(root))


def no_position(root: Path) -> None:
    (folder(root) / "_position.json").unlink()


def odd_position(root: Path) -> None:
    (folder(root) / "_position.json").write_text('["not", "ours"]')


def a_stranger(root: Path) -> None:
    (folder(root) / "month=2020-01").mkdir()
    shutil.copy(january(root), folder(root) / "month=2020-01/tickets.parquet")


@pytest.mark.parametrize("damage", [lost, cut, another, no_position, odd_position, a_stranger])
def test_damaged_files_are_written_anew_though_nothing_changed(
    store: SqlCompanyStore, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    write(store, {"1": NOW, "2": "2026-02-01T00:00:00Z", "3": "2026-02-01T00:00:00Z"})
    publish(store, tmp_path)
    damage(tmp_path)
    publish(store, tmp_path)
    assert files(tmp_path) == {"2026-01": ["1"], "2026-02": ["2", "3"]}
    assert_agree(store, tmp_path)
    assert publish(store, tmp_path).read == 0


def test_rows_of_an_earlier_store_do_not_stay(tmp_path: Path) -> None:
    """A damaged database was moved away, and the next sync filled a new one: what is gone since must leave the files."""
    with open_store(tmp_path / "acme", ACME) as store:
        write(store, {"1": NOW, "2": "2025-02-01T00:00:00Z"})
        publish(store, tmp_path)
    (tmp_path / "acme/casebook.sqlite").unlink()
    with open_store(tmp_path / "acme", ACME) as store:
        write(store, {"1": NOW, "3": NOW}, version=2)
        publish(store, tmp_path)
        assert files(tmp_path) == {"2026-01": ["1", "3"]}
        assert_agree(store, tmp_path)


def test_an_older_copy_of_the_store_takes_the_files_back_with_it(tmp_path: Path) -> None:
    with open_store(tmp_path / "acme", ACME) as store:
        write(store, {"1": NOW, "2": NOW})
    shutil.copy(tmp_path / "acme/casebook.sqlite", tmp_path / "backup")
    with open_store(tmp_path / "acme", ACME) as store:
        write(store, {"1": NOW}, version=2)
        publish(store, tmp_path)
    shutil.copy(tmp_path / "backup", tmp_path / "acme/casebook.sqlite")
    with open_store(tmp_path / "acme", ACME) as store:
        publish(store, tmp_path)
        assert_agree(store, tmp_path)


# --- kill -9 ----------------------------------------------------------------------------------------------------------


def test_kill_9_costs_a_repetition_and_no_reader_meets_a_half_file(tmp_path: Path) -> None:
    rng = random.Random(3)
    for kill in range(10):
        with Child(publish_for_ever, tmp_path) as child:
            for _ in range(kill % 3):
                child.hear()
            child.hear()
            time.sleep(rng.random() * 0.06)
            child.kill()
            assert child.was_killed
        for path in folder(tmp_path).glob("month=*/*.parquet"):
            pq.ParquetFile(path).read()
    with open_store(tmp_path / "acme", ACME) as store:
        publish(store, tmp_path)
        assert_agree(store, tmp_path)
        position = json.loads((folder(tmp_path) / "_position.json").read_text())
        assert position["seq"] == store.top("ticket_summaries")


def publish_for_ever(say: Callable[[int], None], root: Path) -> None:
    with open_store(root / "acme", ACME) as store:
        version = len(store.ids("merged_tickets"))
        while True:
            version += 1
            rng = random.Random(version)
            changed = {f"{i}": f"2026-{rng.randrange(1, 7):02}-01" for i in rng.sample(range(60), 25)}
            gone = tuple(f"{i}" for i in rng.sample(range(60), 5) if f"{i}" not in changed)
            write(store, changed, gone, version)
            say(version)
            publish(store, root)
