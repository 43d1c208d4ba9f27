"""``casebook sync`` and ``plan``: bringing a company up to date, and what that will take."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from domain.errors import InputError
from pipelines.cli.output import Json, err, out, print_json, table

if TYPE_CHECKING:
    from domain.stage import Report
    from pipelines.sync_run import SyncOutcome
    from resources.company_run import Progress


def sync(
    id: Annotated[str, typer.Argument(help="The company.")],
    full: Annotated[bool, typer.Option("--full", help="Walk everything again and audit the ids.")] = False,
    only: Annotated[
        str, typer.Option(metavar="TYPES", help="Of tickets, kb, workbook: bring only these up to date.")
    ] = "",
    since: Annotated[str, typer.Option(metavar="DATE", help="Fetch what changed from this day on.")] = "",
    until: Annotated[str, typer.Option(metavar="DATE", help="Fetch what changed up to this day, included.")] = "",
    doc: Annotated[str, typer.Option(help="Fetch this one document only.")] = "",
    accept_deletions: Annotated[int, typer.Option(min=0, help="Agree to so many deletions at once.")] = 0,
    batch: Annotated[
        bool, typer.Option("--batch", help="Summaries by the providers' Batch API: half the price, within a day.")
    ] = False,
    keep_old: Annotated[
        bool,
        typer.Option("--keep-old", help="Leave summaries of another prompt or model (sets old_summaries=keep)."),
    ] = False,
    json: bool = Json,
) -> None:
    """Fetch what changed and bring every asset of a company up to date, through Dagster.

    Can be interrupted at any moment: what was done is kept, and the same command goes on from there. A long first load
    goes through all assets in slices, so that what was fetched first can be searched first.
    """
    from pipelines.asked import Asked
    from resources.companies import Companies
    from resources.settings import Settings

    settings = Settings()
    registry = Companies(settings)
    company = registry.get(id)
    asked = Asked.of(
        time_zone=company.setting("time_zone"),
        full=full,
        doc=doc,
        accept_deletions=accept_deletions,
        since=since,
        until=until,
        only=only,
        batch=batch,
    )
    if batch and not company.providers:
        raise InputError(
            f"company {company.id!r} has no LLM provider for --batch.", remedy="Add one: casebook llm add --help"
        )
    if keep_old:
        company = registry.set(company, old_summaries="keep")
    with watched(quiet=json) as progress:
        from pipelines.sync_run import run_sync

        outcome = run_sync(settings, company, asked, progress)
    if json:
        print_json(outcome)
    else:
        show_outcome(outcome)
        if keep_old:
            out.print(
                f"old_summaries=keep from now on; to renew them: casebook company set {company.id} old_summaries=renew"
            )
    if not outcome.ok:
        raise typer.Exit(1)


@contextmanager
def watched(quiet: bool) -> Iterator["Progress"]:
    """A live line for a person at a terminal: which table is being worked on, and how far it is."""
    from rich.progress import Progress as Bar
    from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        TextColumn("{task.fields[done]}"),
        TimeElapsedColumn(),
    )
    with Bar(*columns, console=err, transient=True, disable=quiet or not err.is_terminal) as bar:
        task = bar.add_task("starting", done="", total=None)

        def progress(name: str, report: "Report") -> None:
            done = "summarised" if name.endswith("_summaries") else "embedded"
            paid = f", {report.made:,} {done}" if report.made else ""
            paid += f" in {report.calls:,} calls for {report.cost:.2f} US$" if report.calls else ""
            of = f" of about {report.total:,}" if report.total else ""
            bar.update(task, description=name, done=f"{report.read:,}{of} read, {report.changed:,} changed{paid}")

        yield progress


def show_outcome(outcome: "SyncOutcome") -> None:
    """One line an asset, then what it all came to."""
    names = ("read", "changed", "skipped", "removed", "failed", "seconds")
    rows = [[name, *(counts[column] for column in names)] for name, counts in outcome.assets.items()]
    out.print(table("asset", *names, rows=rows))
    for note in outcome.notes:
        out.print(f"[yellow]Note:[/] {escape(note)}")
    for check, passed in outcome.checks.items():
        if not passed:
            out.print(f"[red]Check failed:[/] {check}; its details are in the UI, run {outcome.run_id}")
    state = "[green]Done[/]" if outcome.ok else "[red]Not right[/]"
    paid = outcome.paid
    llm = f", {paid['llm_calls']:,} LLM calls for {paid['cost']:.2f} US$" if paid["llm_calls"] else ""
    out.print(
        f"{state}: {outcome.company} in {outcome.seconds} s, {outcome.requests} requests, "
        f"{paid['calls']} texts summarised by a model or embedded{llm}."
    )
    failed = sum(counts["failed"] for counts in outcome.assets.values())
    if failed:
        out.print(f"{failed} documents wait in the queue: casebook queue {outcome.company}")
    if outcome.waiting:
        out.print(f"{outcome.waiting:,} documents wait for a batch to be answered: casebook cost {outcome.company}")


def plan(
    id: Annotated[str, typer.Argument(help="The company.")],
    embedding_model: Annotated[str, typer.Option(help="As if this were chosen: what would embedding anew cost?")] = "",
    json: bool = Json,
) -> None:
    """Say what a sync would cost: requests and minutes at the helpdesk's limit, and the LLM's calls, tokens and US dollars.

    Requests for each way to take attachments, which is what a company can choose. Tokens are counted in the texts that are
    here and not summarised yet, also after the prompt or the model has changed.
    """
    from dataclasses import asdict, replace

    from domain.company import read_setting
    from resources.companies import Companies
    from resources.embedding_plan import embedding_plan
    from resources.helpdesk.platforms import connect
    from resources.settings import Settings
    from resources.summary_plan import coming_summaries, summary_plan

    registry = Companies(Settings())
    company = registry.get(id)
    if embedding_model:
        chosen = read_setting("embedding_model", embedding_model)
        company = replace(company, settings={**company.settings, "embedding_model": chosen})
        _ = company.embeds_with  # refuses what is not there
    key = registry.secret(company)
    account = connect(company, key).check()
    ways = ("full", "threads", "none") if company.platform == "freshdesk" else (company.setting("attachments"),)
    estimates: dict[str, dict[str, Any]] = {}
    for way in ways:
        variant = replace(company, settings={**company.settings, "attachments": way})
        estimates[way] = asdict(connect(variant, key).plan(account))
    with watched(quiet=json) as progress:
        planned = summary_plan(registry, company, account.tickets, progress)
        embedded = embedding_plan(registry, company, coming_summaries(planned), progress)
    if json:
        print_json(
            {
                "company": company.id,
                "account": account.name,
                "tickets": account.tickets,
                "per_minute": account.per_minute,
                "attachments": estimates,
                "summaries": planned,
                "embeddings": embedded,
            }
        )
        return
    out.print(f"[bold]{company.id}[/]: {escape(account.name)}")
    for way, estimate in estimates.items():
        chosen = " (the setting now)" if way == company.setting("attachments") else ""
        out.print(f"attachments={way}{chosen}: {estimate_line(estimate)}")
    for line in (*planned.lines, *embedded.lines):
        out.print(escape(line), soft_wrap=True)


def estimate_line(estimate: dict[str, Any]) -> str:
    """An estimate in words."""
    from resources.progress import duration

    if not estimate["requests"]:
        return "The first sync sends no request."
    about = "" if estimate["exact"] else "about "
    time = f", {duration(estimate['minutes'] * 60)} at the account's limit" if estimate["minutes"] else ""
    basis = f" ({escape(estimate['basis'])})" if estimate["basis"] else ""
    return f"The first sync costs {about}{estimate['requests']} requests ({estimate['credits']} credits){time}{basis}."
