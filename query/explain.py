"""Explain: a document's history, from the helpdesk's answer to the vector.

Belongs here: following one id through every table and the index. Does not belong here: printing it.
"""

from dataclasses import dataclass
from typing import Any

from domain.company import Company
from domain.errors import InputError, StorageError
from domain.fingerprint import point_id
from domain.stage import TABLES, QueueEntry
from resources.companies import Companies
from resources.vector_index.edge import EdgeReader


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
    """Everything known of one document: ``source`` are facts of the helpdesk's own answer, ``point_id`` its vector."""

    company: str
    doc_id: str
    data_type: str
    steps: list[Step]
    waiting: list[QueueEntry]
    source: dict[str, Any]
    point_id: str
    in_index: bool
    collection_made_by: str


_SOURCE_FACTS = ("id", "ticket_id", "status", "source", "created_at", "updated_at")


def explain(companies: Companies, company: Company, doc_id: str) -> Explanation:
    """The lineage of one document. Raises ``InputError`` when no table knows it."""
    with companies.store(company.id) as store:
        rows = {table: store.get(table, [doc_id]).get(doc_id) for table in TABLES}
        waiting = [entry for entry in store.queue() if entry.doc_id == doc_id]
    if not waiting and all(row is None for row in rows.values()):
        raise InputError(
            f"no document {doc_id!r} in company {company.id!r}.",
            remedy="Its id is the helpdesk's own, as a search shows it.",
        )
    steps = [
        Step(table, "absent")
        if row is None
        else Step(
            table,
            "left" if row.deleted else "live",
            row.seq,
            row.content_hash or "",
            row.source_hash or "",
            row.made_by or "",
            row.run_id,
            row.updated_at,
        )
        for table, row in rows.items()
    ]
    raw = rows["raw_tickets"]
    payload: dict[str, Any] = (raw.payload if raw else None) or {}
    source = {name: payload[name] for name in _SOURCE_FACTS if name in payload}
    if payload:
        source["conversations"] = len(payload.get("conversations") or [])
    point = point_id(company.id, "ticket", doc_id)
    made_by, in_index = _in_index(companies, company, point)
    return Explanation(company.id, doc_id, "ticket", steps, waiting, source, point, in_index, made_by)


def _in_index(companies: Companies, company: Company, point: str) -> tuple[str, bool]:
    reader = EdgeReader(companies.settings.index_folder(company.id), company.id, "ticket")
    try:
        return reader.made_by, bool(reader.points([point]))
    except StorageError:
        return "", False
