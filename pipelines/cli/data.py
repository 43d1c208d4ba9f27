"""``casebook queue`` and ``export``: looking at a company's rows."""

from pathlib import Path
from typing import Annotated

import typer

from domain.errors import InputError
from pipelines.cli.output import Json, err, out, print_json, table


def queue(id: Annotated[str, typer.Argument(help="The company.")], json: bool = Json) -> None:
    """What failed, why, how often, and when it is tried again."""
    from resources.companies import Companies
    from resources.settings import Settings

    registry = Companies(Settings())
    company = registry.get(id)
    with registry.store(company.id) as store:
        waiting = store.queue()
    if json:
        print_json({"company": company.id, "queue": waiting})
    elif waiting:
        rows = [[e.target, e.doc_id, e.retries, e.due, e.reason] for e in waiting]
        out.print(table("for", "document", "retries", "due", "reason", rows=rows))
    else:
        out.print(f"Nothing waits in {company.id}.")


def export(
    id: Annotated[str, typer.Argument(help="The company.")],
    name: Annotated[str, typer.Argument(metavar="TABLE", help="A stage table, such as merged_tickets.")],
    out_file: Annotated[Path, typer.Option("--out", help="FILE.parquet or FILE.jsonl")],
    json: bool = Json,
) -> None:
    """Write a stage table to a file, one row a document, payload as JSON text, tombstones left out."""
    from domain.stage import TABLES
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
