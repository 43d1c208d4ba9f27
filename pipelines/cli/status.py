"""``casebook status``: how fresh each company is, how far a sync is that runs, and what a person should know of it."""

from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from domain.errors import CasebookError
from pipelines.cli.output import Json, out, print_json, table

if TYPE_CHECKING:
    from domain.company import Company
    from resources.companies import Companies
    from resources.progress import Entry


def status(id: Annotated[str, typer.Argument(help="The company; without it, all.")] = "", json: bool = Json) -> None:
    """How fresh each company is, how far its sync is, what waits, and whether the nightly sync will start by itself."""
    from pipelines.instance import daemon_runs
    from resources.companies import Companies
    from resources.settings import Settings

    settings = Settings()
    registry = Companies(settings)
    companies = [registry.get(id)] if id else registry.list()
    daemon = daemon_runs(settings)
    states = [_state(registry, company) for company in companies]
    if json:
        print_json({"daemon_runs": daemon, "companies": [_plain(state) for state in states]})
        return
    if not companies:
        out.print("No company yet. Add one: casebook company add --help")
    else:
        columns = ("company", "state", "last sync", "tickets", "summaries", "searchable", "waiting")
        keys = ("company", "state", "last_sync", "raw_tickets", "ticket_summaries", "searchable", "waiting")
        out.print(table(*columns, rows=[[state[key] for key in keys] for state in states]))
        for state in states:
            _show_progress(state["company"], state["progress"])
            if state["more_to_come"] and state["state"] != "syncing":
                out.print(f"{state['company']}: there is more to fetch; 'casebook sync {state['company']}' goes on.")
    if not daemon:
        out.print("[yellow]No Dagster daemon runs here: nothing syncs by itself at night. Start it: casebook ui[/]")


def _state(registry: "Companies", company: "Company") -> dict[str, Any]:
    from domain.stage import TABLES
    from pipelines.instance import last_sync
    from resources.helpdesk.collect import is_more_to_come
    from resources.progress import read_progress
    from resources.vector_index.base import open_index

    is_free = registry.is_free(company.id)
    with registry.store(company.id) as store:
        counts = {name: store.count(name) for name in TABLES}
        waiting = len(store.queue())
        more = is_more_to_come(store)
    try:
        searchable = open_index(registry.settings, company).reader("ticket").current().count()
    except CasebookError:
        searchable = 0
    state = "paused" if company.paused else "idle"
    return {
        "company": company.id,
        "state": state if is_free else "syncing",
        "last_sync": last_sync(registry.settings, company.id) or "never",
        **counts,
        "searchable": searchable,
        "waiting": waiting,
        "more_to_come": more,
        "progress": read_progress(registry.settings.root, company.id, is_free=is_free),
    }


def _plain(state: dict[str, Any]) -> dict[str, Any]:
    progress: Entry | None = state["progress"]
    return {**state, "progress": progress and progress.model_dump()}


def _show_progress(company: str, progress: "Entry | None") -> None:
    """A line for a run that is at work or did not end well, and what the last runs had to do without."""
    if progress is None:
        return
    if progress.state != "done":
        how = {"failed": "the last sync failed in ", "stopped": "the last sync was stopped in "}
        where = escape(progress.words) if progress.table else "its first steps"
        out.print(f"{company}: {how.get(progress.state, '')}{where} ({progress.updated_at})")
    for note in progress.notes:
        out.print(f"[yellow]Note:[/] {company}: {escape(note)}")
