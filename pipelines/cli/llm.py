"""``casebook llm``: who writes a company's summaries."""

from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from domain.errors import CompanyBusy, InputError
from domain.provider import OPENAI_URL, Provider, provider
from pipelines.cli.keys import GivenKey, KeyEnv, KeyRef, KeyStdin, given_key, one_key, to_be_stored
from pipelines.cli.output import Json, err, out, print_json, table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from domain.company import Company
    from resources.companies import Companies
    from resources.llm.base import Reply

app = typer.Typer(no_args_is_help=True, help="Add, check, change and remove the LLM providers of a company.")

Name = Annotated[str, typer.Argument(help="What you call the provider: a-z, 0-9 and '-'.")]
GiveUp = Annotated[
    bool,
    typer.Option(
        "--give-up", help="Cancel its batches; their texts are asked for again, answered ones may be charged."
    ),
]


@app.command()
def add(
    id: Annotated[str, typer.Argument(help="The company.")],
    name: Name,
    model: Annotated[str, typer.Option(help="The model's name, e.g. gpt-4.1-mini.")],
    url: Annotated[
        str, typer.Option(help="Where /chat/completions is: OpenAI, Azure's /openai/v1, Gemini, vLLM, Ollama.")
    ] = OPENAI_URL,
    style: Annotated[str, typer.Option(help="openai, or azure: deployments with an api-version.")] = "openai",
    deployment: Annotated[str, typer.Option(help="azure: the deployment, if it is not called like the model.")] = "",
    api_version: Annotated[str, typer.Option(help="azure: e.g. 2024-10-21.")] = "",
    auth: Annotated[
        str, typer.Option(help="What the key is: key, or (azure) token for one of Entra; none: no key is needed.")
    ] = "key",
    weight: Annotated[float, typer.Option(help="Its share of the calls beside other providers.")] = 1.0,
    parallel: Annotated[int, typer.Option(help="Calls at once, 1 to 64.")] = 8,
    rpm: Annotated[int | None, typer.Option(help="Requests a minute at most; else what its headers say.")] = None,
    tpm: Annotated[int | None, typer.Option(help="Tokens a minute at most; else what its headers say.")] = None,
    price_in: Annotated[float | None, typer.Option(help="US$ a million tokens in; else the price table.")] = None,
    price_out: Annotated[float | None, typer.Option(help="US$ a million tokens out.")] = None,
    context: Annotated[int, typer.Option(help="Tokens that the model takes.")] = 128_000,
    key_env: KeyEnv = None,
    key_stdin: KeyStdin = False,
    key_ref: KeyRef = None,
    give_up: GiveUp = False,
    json: bool = Json,
) -> None:
    """Let an LLM write the company's summaries, after proving that it answers; or change the provider of that name.

    Several share the work. Without any, summaries are sentences of the ticket itself. 'casebook plan' says what it costs.
    """
    from resources.companies import Companies
    from resources.llm.budget import refuse_unkept
    from resources.settings import Settings

    settings = Settings()
    registry = Companies(settings)
    company = registry.get(id)
    given = {
        "name": name,
        "model": model,
        "url": url.rstrip("/"),
        "style": style,
        "deployment": deployment,
        "api_version": api_version,
        "auth": auth,
        "weight": weight,
        "parallel": parallel,
        "context": context,
        "requests_per_minute": rpm,
        "tokens_per_minute": tpm,
        "price_in": price_in,
        "price_out": price_out,
    }
    wanted = _provider(given)
    key = given_key(settings, company.id, key_env, key_stdin, key_ref)
    if wanted.auth == "none" and key:
        raise InputError(f"provider {name!r} needs no key.", "It has auth none.", "Leave the key or --auth none out.")
    now = next((one for one in company.providers if one.name == name), None)
    if wanted.auth != "none" and not key and not registry.stored_secret(company, wanted.secret_name):
        if now:
            raise InputError(
                f"the key of {name!r} does not go to another address.",
                f"It belongs to {now.url} (style {now.style}, auth {now.auth}).",
                "Give the key again.",
            )
        raise one_key()
    refuse_unkept([wanted], company.setting("budget_monthly"))
    is_another = bool(now) and (now.model, now.url, now.deployment) != (wanted.model, wanted.url, wanted.deployment)
    has_batches = is_another and batches_wait(registry, company, [wanted], give_up=give_up)
    answered = _check(registry, company, wanted, key.clear if key else registry.llm_key(company, wanted))
    if has_batches:
        _give_up(registry, company, wanted)
    with to_be_stored(settings, key) as stored:
        registry.set_provider(company, wanted, stored if key else None)
    if json:
        print_json({"company": company.id, **_shown(wanted), **answered})
    else:
        out.print(f"[green]{name}[/] answers: {escape(answered['says'])}")
        out.print(f"Next: casebook plan {company.id}", soft_wrap=True)


@app.command("list")
def list_providers(id: Annotated[str, typer.Argument(help="The company.")], json: bool = Json) -> None:
    """The company's providers, their limits and prices; never their keys."""
    from resources.companies import Companies
    from resources.settings import Settings

    company = Companies(Settings()).get(id)
    shown = [_shown(one) for one in company.providers]
    if json:
        print_json({"company": company.id, "providers": shown})
    elif shown:
        names = ("name", "model", "url", "weight", "US$ in", "US$ out")
        out.print(table(*names, rows=[[_said(one.get(name)) for name in names] for one in map(_row, shown)]))
    else:
        out.print(f"{company.id} has no LLM provider: summaries are sentences of the ticket. casebook llm add --help")


@app.command()
def check(id: Annotated[str, typer.Argument(help="The company.")], json: bool = Json) -> None:
    """Ask each provider for one short summary: are its address, key and model still good?"""
    from resources.companies import Companies
    from resources.settings import Settings

    registry = Companies(Settings())
    company = registry.get(id)
    if not company.providers:
        raise InputError(f"company {company.id!r} has no LLM provider.", remedy="casebook llm add --help")
    outcome: dict[str, dict[str, Any]] = {}
    for one in company.providers:
        try:
            outcome[one.name] = {"ok": True, **_check(registry, company, one, registry.llm_key(company, one))}
        except InputError as error:
            outcome[one.name] = {"ok": False, "says": str(error)}
    if json:
        print_json({"company": company.id, "providers": outcome})
    for name, found in {} if json else outcome.items():
        out.print(f"{'[green]OK[/]' if found['ok'] else '[red]Not right[/]'} {name}: {escape(found['says'])}")
    if not all(found["ok"] for found in outcome.values()):
        raise typer.Exit(1)


@app.command()
def key(
    id: Annotated[str, typer.Argument(help="The company.")],
    name: Name,
    key_env: KeyEnv = None,
    key_stdin: KeyStdin = False,
    key_ref: KeyRef = None,
    json: bool = Json,
) -> None:
    """Give a provider another key; asked before it is stored. A sync that runs takes it up by itself."""
    from resources.companies import Companies
    from resources.settings import Settings

    settings = Settings()
    registry = Companies(settings)
    company = registry.get(id)
    wanted = _named(company, name)
    given = given_key(settings, company.id, key_env, key_stdin, key_ref)
    if given is None:
        raise one_key()
    answered = _check(registry, company, wanted, given.clear)
    _store(registry, company, wanted, given)
    if json:
        print_json({"company": company.id, "provider": name, **answered})
    else:
        out.print(f"{name} has another key now: {escape(answered['says'])}")


@app.command()
def remove(
    id: Annotated[str, typer.Argument(help="The company.")], name: Name, give_up: GiveUp = False, json: bool = Json
) -> None:
    """Ask a provider no more, and forget its key. Summaries that it wrote stay."""
    from resources.companies import Companies
    from resources.settings import Settings

    registry = Companies(Settings())
    company = registry.get(id)
    wanted = _named(company, name)
    if batches_wait(registry, company, [wanted], give_up=give_up):
        _give_up(registry, company, wanted)
    left = registry.drop_provider(company, wanted).providers
    if json:
        print_json({"company": company.id, "removed": name, "providers": [one.name for one in left]})
    else:
        rest = ", ".join(one.name for one in left) or "none: new summaries are sentences of the ticket"
        out.print(f"Removed {name}. Left: {rest}.")


def _provider(given: dict[str, Any]) -> Provider:
    try:
        return provider(given)
    except ValueError as wrong:
        raise InputError("this is not a provider.", f"Needed: {wrong}.", "See casebook llm add --help.") from None


def _named(company: "Company", name: str) -> Provider:
    for one in company.providers:
        if one.name == name:
            return one
    known = ", ".join(one.name for one in company.providers) or "none"
    raise InputError(f"company {company.id!r} has no provider {name!r}.", f"Known: {known}.")


def batches_wait(
    registry: "Companies", company: "Company", providers: "Sequence[Provider]", *, give_up: bool = False
) -> bool:
    """Whether one of these has batches, which nobody else could take in. Raises ``InputError`` then, unless they are to be
    given up."""
    from resources.company_run import SUMMARISED

    names = {one.name for one in providers}
    with registry.store(company.id) as store:
        waiting = [one for stage in SUMMARISED.values() for one in store.batches(stage) if one.provider in names]
    if waiting and not give_up:
        raise InputError(
            f"provider {waiting[0].provider!r} has batches that are not taken in.",
            f"{len(waiting)} batches, {sum(one.requests for one in waiting):,} requests.",
            f"A later sync takes them in ('casebook cost {company.id}' lists them); or cancel them with --give-up, of "
            "'casebook llm add' and 'casebook llm remove'.",
        )
    return bool(waiting)


def _give_up(registry: "Companies", company: "Company", wanted: Provider) -> None:
    from resources.llm.waiting import give_up_batches

    count = give_up_batches(registry, company, wanted.name)
    err.print(f"Batches of {wanted.name} that were given up: {count}")


def _store(registry: "Companies", company: "Company", wanted: Provider, given: GivenKey) -> None:
    with to_be_stored(registry.settings, given) as stored:
        registry.set_llm_key(company, wanted, stored)


_PATIENCE = 60.0
"""Seconds for the answer to a short test: somebody waits for it."""
_TEST: dict[str, Any] = {
    "subject": "The lamp does not light up",
    "language": "en",
    "messages": [
        {"id": "description", "author": "customer", "text": "My new desk lamp does not light up."},
        {"id": "", "author": "agent", "text": "Please switch on the socket that it is plugged into."},
        {"id": "", "author": "customer", "text": "That was it, thank you!"},
    ],
}
"""What a provider is asked to summarise, to prove that it can; some 700 tokens."""


def _check(registry: "Companies", company: "Company", wanted: Provider, clear: str) -> dict[str, Any]:
    """One summary of a made-up ticket. Raises ``InputError`` that says what stands against it."""
    from contextlib import closing

    from domain.summary_answer import Unreadable, parse
    from domain.summary_prompt import Item, answer_schema, messages
    from resources.llm.base import Call, Trouble
    from resources.llm.client import Client, sized

    asked = messages("ticket", "en", [Item("1", _TEST)])
    asking = err.status(f"asking {wanted.name} for a summary")
    with asking, closing(Client(wanted, lambda: clear, timeout=_PATIENCE)) as client:
        try:
            reply = client.chat(sized(wanted, Call(asked, answer_schema(), 600, 0)))
            _into_ledger(registry, company, wanted, asked, reply)
            parse(reply.text)
        except Trouble as trouble:
            raise InputError(
                f"provider {wanted.name!r} cannot be used.", f"{trouble.said}.", f"Its address is {wanted.url}"
            ) from None
        except Unreadable as unreadable:
            raise InputError(
                f"provider {wanted.name!r} cannot be used.", f"{wanted.model} gave no summary: {unreadable}."
            ) from None
        says = f"{reply.model or wanted.model}, a summary as {client.mode}"
    return {"says": says, "mode": client.mode, "tokens": (reply.tokens_in or 0) + (reply.tokens_out or 0)}


def _into_ledger(
    registry: "Companies", company: "Company", by: Provider, asked: "Sequence[Mapping[str, str]]", reply: "Reply"
) -> None:
    """It was paid for, whatever it is worth. Left out where a run writes: nobody waits for so little."""
    from contextlib import suppress
    from uuid import uuid4

    from domain.stage import Spent
    from resources.clock import utc_now
    from resources.llm.prices import price
    from resources.llm.summariser import call_id
    from resources.llm.tokens import count_messages, count_tokens

    tokens_in = count_messages(asked, by.model) if reply.tokens_in is None else reply.tokens_in
    tokens_out = count_tokens(reply.text, by.model) if reply.tokens_out is None else reply.tokens_out
    known = price(by)
    cost = known.cost(tokens_in, tokens_out) if known else None
    spent = Spent(call_id(by, reply), by.name, by.model, "check", 0, tokens_in, tokens_out, cost)
    with suppress(CompanyBusy), registry.lock(company.id, "llm check") as open_store, open_store() as store:
        store.keep_paid("llm check", "", [], [spent], str(uuid4()), utc_now())


def _shown(one: Provider) -> dict[str, Any]:
    from dataclasses import asdict

    from resources.llm.prices import price

    known = price(one)
    priced = {"in": known.tokens_in, "out": known.tokens_out, "source": known.source} if known else None
    return {**asdict(one), "price": priced}


def _row(shown: dict[str, Any]) -> dict[str, Any]:
    priced = shown["price"] or {}
    return {**shown, "US$ in": priced.get("in"), "US$ out": priced.get("out")}


def _said(value: Any) -> str:
    return "unknown" if value is None else str(value)
