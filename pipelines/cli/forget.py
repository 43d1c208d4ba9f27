"""``casebook forget``: erase documents everywhere, and prove it. What it shows is also what ``company remove`` shows."""

from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from domain.errors import CasebookError, InputError
from domain.stage import DataType
from pipelines.cli.output import Json, out, print_json

if TYPE_CHECKING:
    from resources.erase import Erased

_SHOWN = 20


def forget(
    id: Annotated[str, typer.Argument(help="The company.")],
    doc: Annotated[list[str] | None, typer.Option(help="A document's id; may be said several times.")] = None,
    data_type: Annotated[DataType, typer.Option("--in", help="What the documents are.")] = "ticket",
    requester: Annotated[
        str, typer.Option(help="A requester's address, or the helpdesk's id of one: all of their tickets.")
    ] = "",
    user: Annotated[
        str,
        typer.Option(
            help="A chat user's id: all that they asked. An address is --requester, which has it with tickets."
        ),
    ] = "",
    allow_again: Annotated[
        bool, typer.Option("--allow-again", help="The other way: let a sync take it in again. Restores nothing.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Really: there is no way back.")] = False,
    json: bool = Json,
) -> None:
    """Erase documents from every store, search all stores for them, and keep a later sync from bringing them back."""
    from resources import erase
    from resources.companies import Companies
    from resources.settings import Settings

    if [bool(doc), bool(requester.strip()), bool(user.strip())].count(True) != 1:
        raise InputError(
            "say what to forget, in one way.", remedy="Say --doc DOCUMENT, --requester ADDRESS or --user USER."
        )
    if user and allow_again:
        raise InputError("a chat user is on no list.", remedy="What they ask from now on is kept as before.")
    if requester and data_type != "ticket":
        raise InputError("only tickets have a requester.", remedy="Leave --in out, or say --doc.")
    settings = Settings()
    registry = Companies(settings)
    company = registry.get(id)
    if data_type not in ("ticket", "kb"):
        raise InputError(
            "what stands in a workbook is forgotten there.",
            remedy=f"Delete its row, and run casebook sync {company.id} --only workbook.",
        )
    if allow_again:
        listed = erase.allow_again(settings, company, doc or (), requester, data_type)
        if not listed:
            raise InputError("that is not on the list of what stays forgotten.")
        if json:
            print_json({"company": company.id, "allowed_again": listed})
        else:
            again = ", ".join(f"casebook sync {company.id} --doc {escape(one)}" for one in doc or ())
            if data_type == "kb":
                again = f"casebook sync {company.id} --only kb"
            out.print(f"A sync may take it in again: {again or f'casebook sync {company.id} --full'}")
        return
    what = "all that a chat user asked"
    if not yes:
        documents = erase.choose(registry, company, doc or (), requester, data_type, user).documents
        more = f" and {len(documents) - _SHOWN} more" if len(documents) > _SHOWN else ""
        raise InputError(
            f"this erases {what if user else _counted(len(documents))} of {company.id!r} for good.",
            f"{', '.join(documents[:_SHOWN])}{more}."
            if documents
            else ""
            if user
            else "None of that requester is here.",
            "Say --yes if you mean it.",
        )
    from assets.published_tables import PUBLISHED

    erased = erase.forget(settings, company, PUBLISHED, doc or (), requester, data_type, user)
    report(erased, "forgotten", f"Forgotten: {what if user else _counted(erased.documents)} of {company.id}.", json)


def _counted(documents: int) -> str:
    return f"{documents} {'document' if documents == 1 else 'documents'}"


def report(erased: "Erased", done: str, title: str, as_json: bool) -> None:
    """What was erased, what the search afterwards found in each store, and what it cannot reach. Raises ``CasebookError``
    when anything is left."""
    if not erased.is_clean:
        places = [f"{store.store} ({place})" for store in erased.proof for place in store.places]
        raise CasebookError(
            "something is left.",
            f"{'; '.join(places)}.",
            "An older copy of the rows, left by 'casebook migrate', is yours to delete. Then run the command again; "
            "anything else that still stays: please report it.",
        )
    if as_json:
        print_json({"company": erased.company, done: True, **_document(erased)})
        return
    out.print(escape(title))
    if erased.counts:
        out.print("Rows: " + ", ".join(f"{name} {count}" for name, count in erased.counts.items()))
    out.print("Searched again: " + ", ".join(f"{store.store} 0 left" for store in erased.proof))
    out.print("[bold]Out of reach:[/]")
    for place in erased.out_of_reach:
        out.print(f"- {escape(place)}")
    for where, mentioned in (("tickets of others", erased.mentioned), ("articles", erased.mentioned_articles)):
        if mentioned:
            shown = ", ".join(mentioned[:_SHOWN]) + (" …" if len(mentioned) > _SHOWN else "")
            out.print(f"[yellow]The address also stands in {len(mentioned)} {where}:[/] {escape(shown)}")


def _document(erased: "Erased") -> dict[str, object]:
    return {
        "documents": erased.documents,
        "mentioned_in": erased.mentioned,
        "mentioned_in_articles": erased.mentioned_articles,
        "texts_looked_for": erased.texts,
        "left": {store.store: store.left for store in erased.proof},
        "out_of_reach": erased.out_of_reach,
        **({"rows": erased.counts} if erased.counts else {}),
    }
