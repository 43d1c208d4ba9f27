"""``replace``: a table is exactly these rows now; only the difference is written.

Belongs here: for sources that are read whole (a workbook's tab) and tables that aggregate: what is new, changed, gone, and
what could not be read. Does not belong here: tables made document by document (``derive``), or how rows are stored.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

from domain.errors import CasebookError
from domain.stage import CompanyStore, Made, Put, Report

GONE_COUNT, GONE_SHARE = 50, 0.05
"""More documents than that, and more than that share, are not deleted at once without a person's word (DESIGN §6.3)."""
TYPED_COUNT, TYPED_SHARE = 5, 0.5
"""Of rows that people type, also so many that are more than that share: a tab that was emptied, or another in its place."""
_CHUNK = 500


@dataclass(frozen=True, slots=True)
class Content:
    """What a table is to hold: ``rows`` by document id, and ``bad`` ones by id with the reason. A bad row leaves what is
    stored of its document as it is."""

    rows: Mapping[str, Any]
    bad: Mapping[str, str] = field(default_factory=dict[str, str])


def replace(
    store: CompanyStore,
    table: str,
    content: Content,
    *,
    made_by: str,
    run_id: str,
    now: str,
    accept_deletions: int | None = None,
    is_typed: bool = False,
    command: str = "casebook sync",
) -> Report:
    """Make ``table`` hold these rows, in one transaction; a table that does so already is only read.

    ``accept_deletions``: None where anything may go (aggregates); else how many deletions at once a person has agreed to,
    with ``command`` and that option. ``is_typed``: rows that people type, of which fewer may go.
    Raises ``CasebookError`` before more of them than any night should bring.
    """
    started = perf_counter()
    report = Report(read=len(content.rows) + len(content.bad), failed=len(content.bad))
    live = store.ids(table)
    gone = live - content.rows.keys() - content.bad.keys()
    if accept_deletions is not None:
        weigh(len(gone), len(live), accept_deletions, is_typed=is_typed, command=command)
    puts = _changed(store, table, content, made_by)
    queued = {entry.doc_id: entry.reason for entry in store.queue() if entry.target == table}
    settled = [doc_id for doc_id in queued if doc_id not in content.bad]
    # A row that is as bad as yesterday is no second failure: it waits for its editor.
    failing = {doc_id: reason for doc_id, reason in content.bad.items() if queued.get(doc_id) != reason}
    if puts or gone or settled or failing:
        with store.begin(run_id, now) as write:
            report.changed = write.upsert(table, puts)
            report.removed = write.delete(table, sorted(gone))
            write.settle(table, settled)
            write.fail(table, failing, dict.fromkeys(failing, now))
    report.skipped = report.read - report.changed - report.failed
    report.sample = [put.doc_id for put in puts[:10]]
    report.seconds = perf_counter() - started
    return report


def weigh(gone: int, live: int, accepted: int, *, is_typed: bool = False, command: str = "casebook sync") -> None:
    """Raises ``CasebookError`` before more deletions than any night should bring, unless a person agreed to them."""
    limit = max(GONE_COUNT, int(live * GONE_SHARE))
    if is_typed:
        limit = min(limit, max(TYPED_COUNT - 1, int(live * TYPED_SHARE)))
    limit = max(limit, accepted)
    if gone > limit:
        raise CasebookError(
            f"{gone} documents are gone at the source, more than the {limit} that are deleted without asking.",
            "Nothing was deleted.",
            f"If that is right, run '{command} --accept-deletions {gone}'.",
        )


def _changed(store: CompanyStore, table: str, content: Content, made_by: str) -> list[Put]:
    """The rows that are not in the table as they should be."""
    puts: list[Put] = []
    ids = list(content.rows)
    for start in range(0, len(ids), _CHUNK):
        chunk = ids[start : start + _CHUNK]
        heads = store.heads(table, chunk)
        for doc_id in chunk:
            payload = content.rows[doc_id]
            said = Made(payload).content_hash()
            head = heads.get(doc_id)
            if head is None or head.deleted or (head.content_hash, head.made_by) != (said, made_by):
                puts.append(Put(doc_id, payload, said, said, made_by))
    return puts
