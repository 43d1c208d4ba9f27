"""``casebook index``: the vector collections of a company: which are there, which is searched, switching back."""

from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer
from rich.markup import escape

from domain.errors import CasebookError, InputError
from domain.stage import DataType
from pipelines.cli.output import Json, out, print_json, table

if TYPE_CHECKING:
    from domain.company import Company
    from resources.companies import Companies
    from resources.vector_index.base import Built, VectorIndex

app = typer.Typer(no_args_is_help=True, help="See, switch and drop the collections that searches look into.")

Name = Annotated[str, typer.Argument(help="The collection, as 'casebook index list' shows it.")]


@app.command("list")
def list_(id: Annotated[str, typer.Argument(help="The company.")], json: bool = Json) -> None:
    """The collections of a company: what made them, how much is in them, and which ones are searched."""
    registry, company = _company(id)
    found = [_row(data_type, one) for data_type, one in _built(_index(registry, company))]
    if json:
        print_json({"company": company.id, "collections": found})
    elif not found:
        out.print(f"{company.id} has no collection yet: 'casebook sync {company.id}' builds them.")
    else:
        names = ("collection", "model", "documents", "points", "disk", "searched")
        rows = [
            [one["name"], one["model"], one["documents"], one["points"], _size(one["bytes"]), _live(one)]
            for one in found
        ]
        out.print(table(*names, rows=rows))


@app.command()
def switch(id: Annotated[str, typer.Argument(help="The company.")], name: Name, json: bool = Json) -> None:
    """Search in another collection that is there, from the next question on, and let syncs keep that one up to date."""
    registry, company = _company(id)
    index = _index(registry, company)
    with registry.lock(company.id, "index switch"):
        data_type, built = _find(index, company, name)
        model = _model_of(company, built.made_by)
        before = company.setting("embedding_model")
        if model:  # first: cut off after it, the next sync switches, too; the other way round it would switch back
            registry.set(company, embedding_model=model)
        try:
            index.switch(data_type, name)
        except CasebookError:
            if model:
                registry.set(company, embedding_model=before)
            raise
        _record(registry, company, "collection switched", name)
    stays = model is not None and built.made_by == _made_by_now(built.made_by)
    if json:
        print_json({"company": company.id, "switched": name, "embedding_model": model, "stays": stays})
        return
    out.print(f"{company.id} is searched in {escape(name)} now.")
    if model:
        out.print(f"Its setting embedding_model is {model} now; the next sync brings every collection to that model.")
    else:
        out.print(
            "[yellow]Note:[/] no model of this company makes such a collection: the next sync switches away again."
        )
    if model and not stays:
        out.print("[yellow]Note:[/] an older version made it: the next sync builds a new one, and switches to that.")


@app.command()
def drop(id: Annotated[str, typer.Argument(help="The company.")], name: Name, json: bool = Json) -> None:
    """Remove a collection that is not searched; there is no switching back to it."""
    registry, company = _company(id)
    index = _index(registry, company)
    with registry.lock(company.id, "index drop"):
        data_type, _ = _find(index, company, name)
        index.drop(data_type, name)
        _record(registry, company, "collection dropped", name)
    if json:
        print_json({"company": company.id, "dropped": name})
    else:
        out.print(f"Dropped {escape(name)}.")


def _company(id: str) -> "tuple[Companies, Company]":
    from resources.companies import Companies
    from resources.settings import Settings

    registry = Companies(Settings())
    return registry, registry.get(id)


def _index(registry: "Companies", company: "Company") -> "VectorIndex":
    from resources.vector_index.base import open_index

    return open_index(registry.settings, company)


def _built(index: "VectorIndex") -> "list[tuple[DataType, Built]]":
    types: tuple[DataType, ...] = get_args(DataType)
    return [(data_type, one) for data_type in types for one in index.built(data_type)]


def _find(index: "VectorIndex", company: "Company", name: str) -> "tuple[DataType, Built]":
    """The collection of that name, and of which type it is. Raises ``InputError`` for one that is not there."""
    built = _built(index)
    for data_type, one in built:
        if one.name == name:
            return data_type, one
    known = ", ".join(one.name for _, one in built) or "none"
    raise InputError(f"company {company.id!r} has no collection {name!r}.", f"There are: {known}.")


def _model_of(company: "Company", made_by: str) -> str | None:
    """What ``embedding_model`` must say for collections of this making; None when nothing here makes them."""
    from domain.ticket_stages import model_of
    from resources.embedder import BUNDLED

    wanted = model_of(made_by)
    names = [name for name, bundled in BUNDLED.items() if bundled.model_id == wanted]
    names += [one.name for one in company.embedders if one.model_id == wanted]
    return names[0] if names else None


def _made_by_now(made_by: str) -> str:
    """What this version writes for the model of that collection."""
    from domain.ticket_stages import collection_made_by, model_of

    return collection_made_by(model_of(made_by))


def _record(registry: "Companies", company: "Company", action: str, name: str) -> None:
    from resources import audit

    with registry.storage.registry(company.id) as db:
        audit.record(db, registry.settings, company.id, action, name)


def _row(data_type: DataType, built: "Built") -> dict[str, Any]:
    from domain.ticket_stages import model_of

    return {
        "name": built.name,
        "data_type": data_type,
        "model": model_of(built.made_by),
        "made_by": built.made_by,
        "dimensions": built.size,
        "documents": built.count,
        "points": built.points,
        "bytes": built.bytes,
        "live": built.is_live,
    }


def _live(row: dict[str, Any]) -> str:
    if row["live"]:
        return "yes"
    return "" if row["made_by"] else "damaged: a sync fills it anew"


def _size(count: int | None) -> str:
    return "elsewhere" if count is None else f"{count / 1e6:,.1f} MB"
