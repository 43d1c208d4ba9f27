"""The Parquet files for analysts: one folder a kind of table, one file a company and month.

Belongs here: following a stage table into files (R10). Does not belong here: which tables there are (``assets``).

    published/processed/tickets/company_id=acme/month=2026-01/tickets.parquet
    published/processed/tickets/company_id=acme/_position.json         what the files hold: store and seq

Only months that changed are written. A file is replaced whole and the position last, so a crash costs a repetition.
Lost or damaged files are written anew. Readers of a folder of Parquet pass over names that begin with ``_`` or ``.``.
"""

import json
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from domain.errors import StorageError
from domain.stage import DataType, Report, type_of
from resources.storage.sql import SqlCompanyStore

_NAMES: Mapping[DataType | None, str] = {"ticket": "tickets", "kb": "kb"}
_MONTHS_FROM: Mapping[DataType | None, str] = {"ticket": "merged_tickets", "kb": "kb_passages"}
"""The tables that tell when a document was created."""
_WINDOW = 1000
_UNDATED = "undated"
_MONTH = re.compile(r"\d{4}-(0[1-9]|1[0-2])", re.ASCII)
_POSITION = "_position.json"
SCHEMA = pa.schema(
    [
        ("doc_id", pa.string()),
        ("content_hash", pa.string()),
        ("source_hash", pa.string()),
        ("made_by", pa.string()),
        ("payload", pa.string()),
        ("vector", pa.list_(pa.float32())),
        ("run_id", pa.string()),
        ("updated_at", pa.string()),
    ]
)


@dataclass(frozen=True, slots=True)
class PublishedTable:
    """A stage table and the folder it is published in; ``name`` is the file's."""

    table: str
    kind: str

    @property
    def name(self) -> str:
        return _NAMES[type_of(self.table)]


class Publisher:
    """Brings the files of one company up to date with its tables."""

    def __init__(self, root: Path, store: SqlCompanyStore) -> None:
        self.root = root / "published"
        self.store = store

    def publish(self, published: PublishedTable) -> Report:
        """Write the months that changed since the files' own position; all of them when the files are lost, damaged, or of
        another store. Raises ``StorageError`` when even new ones do not agree with the table."""
        folder = self.root / published.kind / published.name / f"company_id={self.store.company}"
        report = self._follow(folder, published, self._position(folder, published.table))
        if report is None:
            report = self._follow(folder, published, 0)
        if report is None:
            raise StorageError(
                "the published files do not agree with their table.",
                f"{folder} was written anew and still has another count than {published.table}.",
                "This is a fault of Casebook: please report it.",
            )
        return report

    def _follow(self, folder: Path, published: PublishedTable, seq: int) -> Report | None:
        """One step from ``seq`` (0: from nothing, whatever files there are); None when files are damaged, or there are
        other rows in them than in the table after it."""
        report = Report()
        added, gone = defaultdict[str, set[str]](set), set[str]()
        start = seq
        while rows := self.store.changes(published.table, seq, _WINDOW):
            gone.update(row.doc_id for row in rows)
            live = [row.doc_id for row in rows if not row.deleted]
            for doc_id, month in self._months(type_of(published.table), live).items():
                added[month].add(doc_id)
            report.read += len(rows)
            report.changed += len(live)
            report.removed += len(rows) - len(live)
            seq = rows[-1].seq
        try:
            if report.read or not start:
                self._write(folder, published, added, gone if start else None)
            if _rows(folder) != self.store.count(published.table):
                return None
        except pa.ArrowException:
            return None
        if report.read:
            _replace(folder / _POSITION, json.dumps({"store_id": self.store.store_id, "seq": seq}).encode())
            report.notes.append(f"{len(added)} months written")
        return report

    def _position(self, folder: Path, table: str) -> int:
        try:
            position = json.loads((folder / _POSITION).read_text())
            follows = position["store_id"] == self.store.store_id and position["seq"] <= self.store.top(table)
            return position["seq"] if follows else 0
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return 0

    def _write(
        self, folder: Path, published: PublishedTable, added: dict[str, set[str]], gone: set[str] | None
    ) -> None:
        """Write the months to which rows came or from which rows went; ``gone`` is None where no old file counts."""
        for path in _files(folder):
            month = path.parent.name.removeprefix("month=")
            if month in added:
                continue
            if gone is None:
                path.unlink()
            elif not gone.isdisjoint(pq.ParquetFile(path).read(["doc_id"])["doc_id"].to_pylist()):
                added[month] = set()
        for month, doc_ids in added.items():
            path = folder / f"month={month}" / f"{published.name}.parquet"
            self._write_month(path, published.table, doc_ids, gone)

    def _months(self, data_type: DataType | None, doc_ids: list[str]) -> dict[str, str]:
        """The month in which each document was created."""
        rows = self.store.get(_MONTHS_FROM[data_type], doc_ids)
        created = {doc_id: (row.payload or {}).get("created_at", "") for doc_id, row in rows.items()}
        months = {doc_id: created.get(doc_id, "")[:7] for doc_id in doc_ids}
        return {doc_id: month if _MONTH.fullmatch(month) else _UNDATED for doc_id, month in months.items()}

    def _write_month(self, path: Path, table: str, added: set[str], gone: set[str] | None) -> None:
        """The month's file without the rows that went or changed, and with those that came."""
        tables = []
        if gone is not None and path.exists():
            old = pq.ParquetFile(path).read()
            stays = [doc_id not in gone for doc_id in old["doc_id"].to_pylist()]
            tables.append(old.filter(pa.array(stays, pa.bool_())))
        ordered = sorted(added)
        for start in range(0, len(ordered), _WINDOW):
            rows = self.store.get(table, ordered[start : start + _WINDOW], vector=True)
            tables.append(pa.Table.from_pylist([_record(row) for row in rows.values()], SCHEMA))
        merged = pa.concat_tables(tables).sort_by("doc_id")
        if not merged.num_rows:
            path.unlink(missing_ok=True)
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.new")
        pq.write_table(merged, draft, compression="zstd")
        draft.replace(path)


def _files(folder: Path) -> list[Path]:
    return sorted(folder.glob("month=*/*.parquet"))


def type_of_file(path: Path) -> DataType:
    """What the documents in a published file are."""
    return "kb" if path.name == f"{_NAMES['kb']}.parquet" else "ticket"


def _rows(folder: Path) -> int:
    """How many rows the files hold, by their footers."""
    return sum(pq.read_metadata(path).num_rows for path in _files(folder))


def _record(row: Any) -> dict[str, Any]:
    vector = memoryview(row.vector).cast("f").tolist() if row.vector else None
    payload = orjson.dumps(row.payload).decode()
    return {"payload": payload, "vector": vector} | {
        name: getattr(row, name) for name in SCHEMA.names if name not in ("payload", "vector")
    }


def _replace(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.new")
    draft.write_bytes(content)
    draft.replace(path)
