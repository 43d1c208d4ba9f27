"""Exported files: whole or not there, and one clear line for a place that cannot be."""

import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from domain.errors import InputError
from resources.export_file import write_batches

SCHEMA = pa.schema([("doc_id", pa.string()), ("vector", pa.list_(pa.float32())), ("deleted", pa.bool_())])
ROWS = [{"doc_id": f"한글 {i}\n🙂", "vector": [0.5, float(i)] if i % 2 else None, "deleted": False} for i in range(7)]


def batches(rows: list[dict[str, object]] = ROWS) -> Iterator[pa.RecordBatch]:
    for start in range(0, len(rows), 3):
        yield pa.RecordBatch.from_pylist(rows[start : start + 3], SCHEMA)


def read(path: Path) -> list[dict[str, object]]:
    if path.suffix == ".parquet":
        return pq.ParquetFile(path).read().to_pylist()
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize("name", ["rows.parquet", "rows.jsonl"])
def test_all_rows_are_written_and_an_old_file_is_replaced(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text("what was here before")
    assert write_batches(batches(), SCHEMA, path) == 7
    assert read(path) == ROWS
    assert list(tmp_path.iterdir()) == [path]
    assert write_batches(batches([]), SCHEMA, path) == 0
    assert read(path) == []


@pytest.mark.parametrize("name", ["rows.parquet", "rows.jsonl"])
def test_what_stops_in_the_middle_leaves_the_old_file(tmp_path: Path, name: str) -> None:
    def stopping() -> Iterator[pa.RecordBatch]:
        yield from batches()
        raise ZeroDivisionError

    path = tmp_path / name
    path.write_text("what was here before")
    with pytest.raises(ZeroDivisionError):
        write_batches(stopping(), SCHEMA, path)
    assert path.read_text() == "what was here before"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("ending", ["parquet", "jsonl"])
def test_a_place_that_cannot_be_is_told_in_one_line(tmp_path: Path, ending: str) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / f"folder.{ending}").mkdir()
    for name in (f"file/rows.{ending}", f"missing/rows.{ending}", f"folder.{ending}"):
        with pytest.raises(InputError, match="cannot be written") as caught:
            write_batches(batches(), SCHEMA, tmp_path / name)
        assert "\n" not in str(caught.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", f"folder.{ending}"]


def test_another_ending_is_refused(tmp_path: Path) -> None:
    for name in ("rows.csv", "rows", "rows.parquet.gz", "rows.JSONL "):
        with pytest.raises(InputError, match=r"neither \.parquet nor \.jsonl"):
            write_batches(batches(), SCHEMA, tmp_path / name)
    assert list(tmp_path.iterdir()) == []
