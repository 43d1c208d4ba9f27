"""What a materialisation shows in the Dagster UI: numbers, ids, hashes and lengths; never the text of a ticket.

Belongs here: turning a ``Report`` into metadata, the columns of a stage table and where they come from.
Does not belong here: counting (``domain/derive``, ``resources/helpdesk/collect``).
"""

from collections.abc import Sequence
from typing import Any

import dagster as dg
import orjson

from assets.partitions import companies
from domain.stage import Report
from resources.company_run import CompanyRun

_COLUMNS = {
    "company_id": "the company, the wall around the row",
    "doc_id": "the source's own id",
    "seq": "moves when the content does; what readers follow",
    "content_hash": "hash of what the row says",
    "source_hash": "hash of what it was made from",
    "made_by": "version of what made it",
    "payload": "the document, JSON",
    "vector": "float32, little-endian",
    "deleted": "a tombstone: the document left",
    "run_id": "the run that wrote it",
    "updated_at": "when, UTC",
}
_TYPES = {"seq": "int", "payload": "json", "vector": "bytes", "deleted": "bool"}
_COUNTS = ("read", "changed", "skipped", "removed", "failed")


def table_metadata(sources: Sequence[str]) -> dict[str, Any]:
    """The columns of a stage table and the columns of its sources that each is made from."""
    from_sources = {
        "doc_id": [dg.TableColumnDep(dg.AssetKey(source), "doc_id") for source in sources],
        "source_hash": [dg.TableColumnDep(dg.AssetKey(source), "content_hash") for source in sources],
        "payload": [dg.TableColumnDep(dg.AssetKey(source), "payload") for source in sources],
    }
    columns = [
        dg.TableColumn(name, _TYPES.get(name, "string"), description=meaning) for name, meaning in _COLUMNS.items()
    ]
    return {
        "dagster/column_schema": dg.TableSchema(columns=columns),
        "dagster/column_lineage": dg.TableColumnLineage(from_sources if sources else {}),
    }


def stage_asset(group: str, *sources: str, kinds: set[str] | None = None) -> Any:
    """The decorator of an asset that holds a stage table made from others; partitioned by company."""
    return dg.asset(
        partitions_def=companies,
        group_name=group,
        deps=list(sources),
        kinds=kinds or {"table"},
        metadata=table_metadata(sources),
    )


def result(run: CompanyRun, table: str, report: Report, **more: Any) -> dg.MaterializeResult[Any]:
    """The outcome of one stage. The data version is the table's clock: an unchanged night leaves it as it was."""
    run.progress(table, report)
    paid = {"kept": report.made} if report.made else {}
    if report.calls:
        paid |= {"llm_calls": report.calls, "tokens": report.tokens, "cost": round(report.cost, 6)}
    waiting = {"waiting": report.waiting} if report.waiting else {}
    left_out = {"left_out": report.left_out} if report.left_out else {}
    paused = {"paused": report.paused} if report.paused else {}
    requests = {"requests": report.requests} if report.requests else {}
    more = {**more, "more_to_come": True} if report.more else more
    notes = {"notes": "\n".join(report.notes)} if report.notes else {}
    return dg.MaterializeResult(
        metadata={
            **{name: getattr(report, name) for name in _COUNTS},
            "seconds": round(report.seconds, 3),
            "dagster/row_count": run.store.count(table),
            **({"sample": _sample(run, table, report.sample)} if report.sample else {}),
            **paid,
            **waiting,
            **left_out,
            **paused,
            **requests,
            **notes,
            **more,
        },
        data_version=dg.DataVersion(str(run.store.top(table))),
    )


def _sample(run: CompanyRun, table: str, doc_ids: Sequence[str]) -> dg.TableMetadataValue:
    rows = run.store.get(table, doc_ids)
    records = [
        dg.TableRecord(
            {
                "doc_id": doc_id,
                "content_hash": rows[doc_id].content_hash or "",
                "characters": 0 if rows[doc_id].deleted else len(orjson.dumps(rows[doc_id].payload)),
                "deleted": rows[doc_id].deleted,
            }
        )
        for doc_id in doc_ids
        if doc_id in rows
    ]
    schema = dg.TableSchema(
        columns=[
            dg.TableColumn("doc_id"),
            dg.TableColumn("content_hash"),
            dg.TableColumn("characters", "int"),
            dg.TableColumn("deleted", "bool"),
        ]
    )
    return dg.MetadataValue.table(records, schema)
