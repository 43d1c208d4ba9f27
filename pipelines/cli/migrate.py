"""``casebook migrate``: every company from files to Postgres, back, or from one Postgres to another."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from pipelines.cli.output import Json, err, out, print_json, table

if TYPE_CHECKING:
    from resources.storage.migrate import Migration, Watch


def migrate(
    to: Annotated[str, typer.Option("--to", metavar="URL|file", help="Where everything shall go.")],
    source: Annotated[
        str, typer.Option("--from", metavar="URL|file", help="Where it is; without it, CASEBOOK_STORAGE.")
    ] = "",
    json: bool = Json,
) -> None:
    """Move every company to another storage, and compare each by count and hash; the source stays as it is.

    Can be interrupted at any moment: the same command goes on from there.
    """
    from dataclasses import asdict

    from resources.settings import Settings
    from resources.storage.migrate import migrate as move
    from resources.storage.migrate import storage_at

    settings = Settings()
    start, goal = storage_at(settings, source or settings.storage, "--from"), storage_at(settings, to, "--to")
    with _watched(quiet=json) as watch:
        result = move(start, goal, watch)
    if json:
        print_json({"ok": result.ok, **asdict(result)})
    else:
        _show(result, to)
    if not result.ok:
        raise typer.Exit(1)


@contextmanager
def _watched(quiet: bool) -> Iterator["Watch"]:
    """A bar for a person at a terminal: which company, which table, how far."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err, transient=True, disable=quiet or not err.is_terminal) as bar:
        task = bar.add_task("looking", total=None)

        def watch(company: str, what: str, done: int, total: int) -> None:
            bar.update(task, description=f"{escape(company)}: {what}", completed=done, total=total)

        yield watch


def _show(result: "Migration", to: str) -> None:
    rows = [
        [name, sum(counts.values()), counts["raw_tickets"], result.copied.get(name, 0)]
        for name, counts in result.companies.items()
    ]
    out.print(table("company", "rows", "tickets", "copied now", rows=rows))
    out.print(f"{result.audit} lines of the audit log. {escape(result.source)} is unchanged.")
    for name, said in result.busy.items():
        out.print(f"[yellow]Not moved:[/] {name} is busy: {escape(said)}")
    for name in result.changed:
        out.print(f"[yellow]Not moved whole:[/] {name} was written to meanwhile.")
    if not result.ok:
        out.print("[red]Not done.[/] Run the same command again: it carries over the difference.")
        return
    setting = "CASEBOOK_STORAGE=file" if to == "file" else "CASEBOOK_STORAGE to the address given as --to"
    out.print(
        f"[green]Done:[/] {escape(result.target)} has everything, each company compared by count and hash. "
        f"Now set {setting}, for every process of Casebook; then the old rows can be deleted by hand.",
        soft_wrap=True,
    )
