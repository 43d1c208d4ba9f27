"""Explain: a document's history, from the helpdesk's answer to the vector.

Belongs here: following one id through every table and the index. Does not belong here: printing it.
"""

from dataclasses import dataclass
from typing import Any

from domain.company import Company
from domain.errors import InputError, StorageError
from domain.fingerprint import point_id
from domain.stage import DataType, QueueEntry, Row, queues_of, tables_of
from resources.companies import Companies
from resources.storage.sql import SqlCompanyStore
from resources.vector_index.base import open_index

DATA_TYPES: dict[DataType, str] = {"ticket": "ticket", "kb": "article", "faq": "FAQ", "regulation": "regulation"}
"""What an id may be the id of, in words."""


@dataclass(frozen=True, slots=True)
class Step:
    """A document in one table: what it was made from and by, in which run; ``state`` is live, left or absent."""

    table: str
    state: str
    seq: int = 0
    content_hash: str = ""
    source_hash: str = ""
    made_by: str = ""
    run_id: str = ""
    updated_at: str = ""


@dataclass(frozen=True, slots=True)
class Explanation:
    """Everything known of one document: ``source`` are facts of the helpdesk's own answer, ``point_id`` its (first) vector,
    ``points`` how many of its ``parts`` (an article's passages) are in the live collection."""

    company: str
    doc_id: str
    data_type: DataType
    steps: list[Step]
    waiting: list[QueueEntry]
    source: dict[str, Any]
    point_id: str
    in_index: bool
    collection_made_by: str
    points: int = 0
    parts: int = 1


_Known = tuple[dict[str, Row | None], list[QueueEntry]]
_SOURCE_FACTS = ("id", "ticket_id", "doc_id", "language", "status", "source", "created_at", "updated_at")


def explain(companies: Companies, company: Company, doc_id: str, data_type: DataType | None = None) -> Explanation:
    """The lineage of one document; without a type, of the only one that has this id. Raises ``InputError`` when no table
    knows it, or documents of two types have it."""
    asked: list[DataType] = [data_type] if data_type else list(DATA_TYPES)
    with companies.store(company.id) as store:
        found: dict[DataType, _Known] = {one: known for one in asked if (known := _known(store, doc_id, one))}
    if not found:
        raise InputError(
            f"no {DATA_TYPES[data_type] if data_type else 'document'} {doc_id!r} in company {company.id!r}.",
            remedy="Its id is the helpdesk's own, as a search shows it.",
        )
    if len(found) > 1:
        raise InputError(
            f"{doc_id!r} is the id of several documents in company {company.id!r}.",
            f"There is {' and '.join(f'{DATA_TYPES[one]} {doc_id}' for one in found)}.",
            f"Say {' or '.join(f'--in {one}' for one in found)}.",
        )
    ((of_type, (rows, waiting)),) = found.items()
    collected = rows.get(f"{of_type}_collection")
    parts = len(collected.payload["points"]) if collected and not collected.deleted else 1
    ids = [point_id(company.id, of_type, doc_id, part) for part in range(parts)]
    made_by, there = _in_index(companies, company, of_type, ids)
    steps = [_step(table, row) for table, row in rows.items()]
    source = _facts(next(iter(rows.values())))
    return Explanation(
        company.id, doc_id, of_type, steps, waiting, source, ids[0], there == parts, made_by, there, parts
    )


def _known(store: SqlCompanyStore, doc_id: str, data_type: DataType) -> _Known | None:
    """The rows of a document by table, the source's first, and what waits of it; None when there is neither."""
    rows = {table: store.get(table, [doc_id]).get(doc_id) for table in tables_of(data_type)}
    waiting = [one for one in store.queue() if one.doc_id == doc_id and one.target in queues_of(data_type)]
    return (rows, waiting) if waiting or any(rows.values()) else None


def _step(table: str, row: Row | None) -> Step:
    if row is None:
        return Step(table, "absent")
    return Step(
        table,
        "left" if row.deleted else "live",
        row.seq,
        row.content_hash or "",
        row.source_hash or "",
        row.made_by or "",
        row.run_id,
        row.updated_at,
    )


def _facts(raw: Row | None) -> dict[str, Any]:
    """What the source itself says of a document; no text."""
    payload: dict[str, Any] = (raw.payload if raw else None) or {}
    source = {name: payload[name] for name in _SOURCE_FACTS if name in payload}
    if "conversations" in payload:
        source["conversations"] = len(payload["conversations"] or [])
    return source


def _in_index(companies: Companies, company: Company, data_type: DataType, ids: list[str]) -> tuple[str, int]:
    """What made the live collection, and how many of these points it has."""
    try:
        live = open_index(companies.settings, company).reader(data_type).current()
        return live.made_by, len(live.points(ids))
    except StorageError:
        return "", 0
