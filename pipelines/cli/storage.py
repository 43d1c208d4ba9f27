"""``casebook storage``: the database that holds the rows, for whoever runs it."""

import typer
from rich.markup import escape

from pipelines.cli.output import Json, out, print_json

app = typer.Typer(no_args_is_help=True, help="Prepare and check the database that holds the rows.")


@app.command()
def upgrade(json: bool = Json) -> None:
    """Bring a Postgres database up to this version: tables, walls between companies, views, the application's role.

    Connects as the owner, by the address in CASEBOOK_STORAGE_ADMIN; safe to repeat. Files need none: they are upgraded
    when they are opened.
    """
    from resources.settings import Settings
    from resources.storage.upgrade import upgrade

    done = upgrade(Settings())
    if json:
        print_json(done)
        return
    if done.before == done.now:
        out.print(f"{escape(done.place)} is up to date: version {done.now}.")
    else:
        out.print(f"{escape(done.place)}: version {done.now}" + (f", was {done.before}." if done.before else ", new."))
    for role in done.roles:
        out.print(f"made the role {escape(role)}")


@app.command()
def check(json: bool = Json) -> None:
    """Ask the storage whether it answers, has this version's tables, and keeps companies apart."""
    from resources.companies import Companies
    from resources.settings import Settings

    registry = Companies(Settings())
    companies = len(registry.list())
    if json:
        print_json({"storage": registry.storage.place, "ok": True, "companies": companies})
    else:
        out.print(
            f"[green]OK[/] {escape(registry.storage.place)}: {companies} {'company' if companies == 1 else 'companies'}"
        )
