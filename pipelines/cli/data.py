"""``casebook tickets``, ``queue``, ``audit`` and ``export``: looking at a company's rows, and at what was done to it."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from domain.errors import InputError
from domain.stage import ATTACHMENTS, NEVER, TABLES
from pipelines.cli.output import Json, err, out, print_json, table

if TYPE_CHECKING:
    from domain.company import Company
    from domain.stage import QueueEntry
    from resources.companies import Companies

STATUSES = ("pending", "processed", "failed", "skipped")
_SHOWN, _MOST = 100, 1_000_000
_WAITING = {
    "raw_tickets": "tickets that could not be fetched; what is here of them is older",
    "raw_kb": "articles that could not be fetched; what is here of them is older",
    "attachments": "tickets that are here and can be searched, without the text of a file that could not be read",
}
"""What it means to wait for a table, or for ``stage.ATTACHMENTS``; for the other tables: that a row could not be made."""
_IN_BATCH = "wait for a batch; the sync after it is answered takes them in"


def tickets(
    id: Annotated[str, typer.Argument(help="The company.")],
    status: Annotated[str, typer.Option(help=f"Only those whose processing is: {', '.join(STATUSES)}.")] = "",
    since: Annotated[str, typer.Option(help="Only those changed here since this day (2026-01-31).")] = "",
    until: Annotated[str, typer.Option(help="Only those changed here until this day, included.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=_MOST, help="How many, the newest change first.")] = _SHOWN,
    json: bool = Json,
) -> None:
    """What became of each ticket: pending (not looked at yet, or in its first batch), processed (can be searched), failed
    (waits in the queue to be tried again), skipped (no resolved case)."""
    from domain.company import read_setting
    from resources.companies import Companies
    from resources.settings import Settings

    if status and status not in STATUSES:
        raise InputError(f"unknown status {status!r}.", f"Known: {', '.join(STATUSES)}.")
    for day in (since, until):
        read_setting("since", day)  # refuses what is no day
    if since and until and until < since:
        raise InputError("that time ends before it begins.", f"--since {since}, --until {until}.", "Swap them.")
    registry = Companies(Settings())
    company = registry.get(id)
    with registry.store(company.id) as store:
        found = store.tickets(status, since, until, limit)
        counts = store.ticket_statuses()
    if json:
        print_json(
            {"company": company.id, "counts": {name: counts.get(name, 0) for name in STATUSES}, "tickets": found}
        )
        return
    if found:
        rows = [[t.ticket_id, t.status, t.platform, t.created_at, t.updated_at] for t in found]
        out.print(table("ticket", "status", "platform", "first here", "changed here", rows=rows))
    out.print(", ".join(f"{counts.get(name, 0)} {name}" for name in STATUSES) + f" in {company.id}.")


def audit(
    id: Annotated[str, typer.Argument(help="A company, also a removed one; none: all.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=_MOST, help="How many lines, the newest first.")] = _SHOWN,
    json: bool = Json,
) -> None:
    """Who added, changed, erased a company, its key or a setting, and when."""
    from domain.company import company_id
    from resources.audit import entries
    from resources.settings import Settings
    from resources.storage.base import open_storage

    lines = entries(open_storage(Settings()), company_id(id) if id else None, limit)
    if json:
        print_json({"audit": lines})
    elif lines:
        rows = [[line.at, line.company_id, line.who, line.action, line.detail] for line in lines]
        out.print(table("at", "company", "who", "did", "", rows=rows))
    else:
        out.print("Nothing was done yet.")


def queue(
    id: Annotated[str, typer.Argument(help="The company.")],
    retry: Annotated[
        bool, typer.Option("--retry", help="Let the next sync try everything again, also what was given up.")
    ] = False,
    doc: Annotated[list[str] | None, typer.Option(help="With --retry: only this document; may be repeated.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=_MOST, help="How many lines, the most often tried first.")] = _SHOWN,
    json: bool = Json,
) -> None:
    """What failed, why, how often, and when it is tried again; what waits for a batch; and what was given up ("dead")."""
    from resources.companies import Companies
    from resources.settings import Settings

    registry = Companies(Settings())
    company = registry.get(id)
    if doc and not retry:
        raise InputError("--doc goes with --retry.", remedy=f"casebook queue {company.id} --retry --doc {doc[0]}")
    if retry:
        _retry(registry, company, doc or [], json)
        return
    with registry.store(company.id) as store:
        waiting = store.queue()
    if json:
        print_json({"company": company.id, "queue": [{**asdict(one), "status": one.status} for one in waiting]})
    elif waiting:
        rows = [[e.target, e.doc_id, e.status, e.priority, e.retries, _due(e), e.reason] for e in waiting[:limit]]
        out.print(table("for", "document", "status", "priority", "retries", "due", "reason", rows=rows))
        if len(waiting) > limit:
            out.print(f"[dim]and {len(waiting) - limit:,} more: --limit {len(waiting)}[/]")
        for target, waits in dict.fromkeys((entry.target, entry.waits) for entry in waiting):
            failed = _WAITING.get(target) or f"could not be made ({TABLES[target]})"
            out.print(f"[dim]{target}: {_IN_BATCH if waits else failed}[/]")
        if any(entry.status == "dead" for entry in waiting):
            out.print(f"[dim]dead: not tried again until it changes, or: casebook queue {company.id} --retry[/]")
    else:
        out.print(f"Nothing waits in {company.id}.")


def _retry(registry: "Companies", company: "Company", doc_ids: list[str], json: bool) -> None:
    from resources.clock import utc_now

    with registry.lock(company.id, "queue --retry") as open_store, open_store() as store:
        if missing := set(doc_ids) - {entry.doc_id for entry in store.queue()}:
            raise InputError(f"document {min(missing)!r} is not in the queue of {company.id}.")
        with store.begin("queue --retry", utc_now()) as write:
            count = write.retry((*TABLES, ATTACHMENTS), doc_ids)
    if json:
        print_json({"company": company.id, "due": count})
    else:
        out.print(f"{count} documents are due now. Next: casebook sync {company.id}")


def _due(entry: "QueueEntry") -> str:
    return "-" if entry.due == NEVER else entry.due


def export(
    id: Annotated[str, typer.Argument(help="The company.")],
    name: Annotated[str, typer.Argument(metavar="TABLE", help="A stage table, such as merged_tickets.")],
    out_file: Annotated[Path, typer.Option("--out", help="FILE.parquet or FILE.jsonl")],
    json: bool = Json,
) -> None:
    """Write a stage table to a file, one row a document, payload as JSON text, tombstones left out."""
    from resources.companies import Companies
    from resources.export_file import write_batches
    from resources.settings import Settings

    registry = Companies(Settings())
    company = registry.get(id)
    if name not in TABLES:
        raise InputError(f"unknown table {name!r}.", f"Known: {', '.join(TABLES)}.")
    with registry.store(company.id) as store:
        rows = write_batches(store.scan(name), store.scan_schema, out_file)
    if json:
        print_json({"company": company.id, "table": name, "rows": rows, "file": str(out_file)})
    else:
        err.print(f"{rows} rows of {name}: {out_file}")
