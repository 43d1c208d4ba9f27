"""``casebook ask``: one question, answered by FAQ, regulations and past cases, or the person in charge."""

import getpass
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from pipelines.cli.output import Json, err, harmless, out, print_json

if TYPE_CHECKING:
    from query.ask import Asked

_TIERS = {1: "verified FAQ", 2: "regulations, articles and cases", 3: "the person in charge"}
_KINDS = {"faq": "FAQ", "regulation": "regulation", "kb": "article", "ticket": "case"}


def ask(
    id: Annotated[str, typer.Argument(help="The company.")],
    text: Annotated[str, typer.Argument(help="The question, in Korean or English.")],
    user: Annotated[str, typer.Option(help="Who asks; without it, you. A user's questions are one conversation.")] = "",
    session: Annotated[str, typer.Option(help="The session that it goes on, as an answer named it.")] = "",
    json: bool = Json,
) -> None:
    """Answer a question: a verified FAQ word for word, else what the rules and past cases say, else whom to ask."""
    from query.ask import Asker
    from resources.companies import Companies
    from resources.settings import Settings

    registry = Companies(Settings())
    asker = Asker(registry, registry.get(id))
    try:
        asked = asker.ask(text, user_id=user or ("" if session else _me()), session_id=session)
        if json:
            print_json(asked)
        else:
            show_asked(asked)
    finally:
        is_kept = asker.close()
    if not is_kept:
        err.print("[yellow]Not all of it could be kept[/]: the conversation, or what it cost, is not whole.")


def _me() -> str:
    try:
        return "".join(getpass.getuser().split()) or "me"
    except (KeyError, OSError):  # a container's user may have no name
        return "me"


def show_asked(asked: "Asked") -> None:
    """An answer for people, with what it rests on."""
    for note in asked.notes:
        err.print(f"[yellow]Note:[/] {escape(harmless(note))}", soft_wrap=True)
    out.print(escape(harmless(asked.answer)), soft_wrap=True)
    out.print()
    for source in asked.sources:
        named = f"{_KINDS.get(source.data_type, source.data_type)} {source.doc_id}"
        said = ", ".join(part for part in (named, source.title, source.source, source.state, source.url) if part)
        out.print(f"[dim]source: {escape(harmless(said))} (score {source.score:.2f})[/]", soft_wrap=True)
    category = " > ".join(part for part in (asked.category, asked.sub_category) if part)
    facts = [f"tier {asked.tier}: {_TIERS[asked.tier]}", category, f"score {asked.score:.2f}", f"{asked.latency_ms} ms"]
    out.print(f"[dim]{escape(harmless('; '.join(part for part in facts if part)))}[/]", soft_wrap=True)
    if asked.understood != asked.question:
        out.print(f"[dim]understood as: {escape(harmless(asked.understood))}[/]", soft_wrap=True)
    out.print(f"[dim]session {escape(asked.session_id)}, answer {asked.exchange_id}[/]", soft_wrap=True)
