"""``casebook llm``: who writes a company's summaries, and who embeds its texts."""

from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from domain.errors import CompanyBusy, InputError
from domain.provider import OPENAI_URL, Provider, provider
from pipelines.cli.keys import GivenKey, KeyEnv, KeyRef, KeyStdin, given_key, needed_key, one_key, to_be_stored
from pipelines.cli.output import Json, err, out, print_json, table

if TYPE_CHECKING:
    from collections.abc import Sequence

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
    context: Annotated[
        int | None, typer.Option(help="Tokens that the model takes: 128000; of each text, for embeddings: 8191.")
    ] = None,
    use: Annotated[
        str,
        typer.Option(
            "--for", help="summaries, answers (to casebook ask), or embeddings: then embedding_model=NAME uses it."
        ),
    ] = "",
    dimensions: Annotated[int | None, typer.Option(help="embeddings: ask for shorter vectors.")] = None,
    passage_prefix: Annotated[
        str, typer.Option(help='embeddings: what the model wants before a text: "passage: ".')
    ] = "",
    query_prefix: Annotated[str, typer.Option(help='embeddings: and before a question: "query: ".')] = "",
    key_env: KeyEnv = None,
    key_stdin: KeyStdin = False,
    key_ref: KeyRef = None,
    give_up: GiveUp = False,
    json: bool = Json,
) -> None:
    """Let an LLM write the company's summaries, or embed its texts, after proving that it answers; or change the provider of
    that name.

    Several share the work. Without any, summaries are sentences of the ticket itself, and a bundled model embeds. 'casebook
    plan' says what it costs.
    """
    from resources.companies import Companies
    from resources.llm.budget import refuse_unkept
    from resources.settings import Settings

    settings = Settings()
    registry = Companies(settings)
    company = registry.get(id)
    now = next((one for one in company.all_providers if one.name == name), None)
    use = use or (now.use if now else "summaries")
    given: dict[str, Any] = {
        "name": name,
        "model": model,
        "url": url.rstrip("/"),
        "style": style,
        "deployment": deployment,
        "api_version": api_version,
        "auth": auth,
        "weight": weight,
        "parallel": parallel,
        "requests_per_minute": rpm,
        "tokens_per_minute": tpm,
        "price_in": price_in,
        "price_out": price_out,
        "use": use,
        "dimensions": dimensions,
        "passage_prefix": passage_prefix,
        "query_prefix": query_prefix,
    } | ({} if context is None else {"context": context})
    wanted = _provider(given)
    key = given_key(settings, company.id, key_env, key_stdin, key_ref)
    if wanted.auth == "none" and key:
        raise InputError(f"provider {name!r} needs no key.", "It has auth none.", "Leave the key or --auth none out.")
    if now and now.use != use:
        raise InputError(f"provider {name!r} is for {now.use}.", remedy=f"Give the one for {use} another name.")
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
    wanted, answered = _proved(registry, company, wanted, key.clear if key else registry.llm_key(company, wanted))
    if now and now.use == "embeddings" and now.model_id != wanted.model_id:
        refuse_in_use(registry, company, [now])
    if has_batches:
        _give_up(registry, company, wanted)
    with to_be_stored(settings, key) as stored:
        registry.set_provider(company, wanted, stored if key else None)
    if json:
        print_json({"company": company.id, **_shown(wanted), **answered})
    else:
        out.print(f"[green]{name}[/] answers: {escape(answered['says'])}")
        then = (
            f" --embedding-model {name}" if use == "embeddings" and company.setting("embedding_model") != name else ""
        )
        out.print(f"Next: casebook plan {company.id}{then}", soft_wrap=True)
        if then:
            out.print(f"Then: casebook company set {company.id} embedding_model={name}", soft_wrap=True)


@app.command("list")
def list_providers(id: Annotated[str, typer.Argument(help="The company.")], json: bool = Json) -> None:
    """The company's providers, their limits and prices; never their keys."""
    from resources.companies import Companies
    from resources.settings import Settings

    company = Companies(Settings()).get(id)
    shown = [_shown(one) for one in company.all_providers]
    if json:
        print_json({"company": company.id, "providers": shown})
    elif shown:
        names = ("name", "use", "model", "url", "weight", "US$ in", "US$ out")
        out.print(table(*names, rows=[[_said(one.get(name)) for name in names] for one in map(_row, shown)]))
    else:
        out.print(f"{company.id} has no LLM provider: summaries are sentences of the ticket. casebook llm add --help")


@app.command()
def check(id: Annotated[str, typer.Argument(help="The company.")], json: bool = Json) -> None:
    """Ask each provider for one short summary, or a vector: are its address, key and model still good?"""
    from resources.companies import Companies
    from resources.settings import Settings

    registry = Companies(Settings())
    company = registry.get(id)
    if not company.all_providers:
        raise InputError(f"company {company.id!r} has no LLM provider.", remedy="casebook llm add --help")
    outcome: dict[str, dict[str, Any]] = {}
    for one in company.all_providers:
        try:
            _, answered = _proved(registry, company, one, registry.llm_key(company, one))
            outcome[one.name] = {"ok": True, **answered}
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
    given = needed_key(settings, company.id, key_env, key_stdin, key_ref)
    _, answered = _proved(registry, company, wanted, given.clear)
    _store(registry, company, wanted, given)
    if json:
        print_json({"company": company.id, "provider": name, **answered})
    else:
        out.print(f"{name} has another key now: {escape(answered['says'])}")


@app.command()
def remove(
    id: Annotated[str, typer.Argument(help="The company.")], name: Name, give_up: GiveUp = False, json: bool = Json
) -> None:
    """Ask a provider no more, and forget its key. Summaries that it wrote, and vectors, stay."""
    from resources.companies import Companies
    from resources.settings import Settings

    registry = Companies(Settings())
    company = registry.get(id)
    wanted = _named(company, name)
    refuse_in_use(registry, company, [wanted])
    if batches_wait(registry, company, [wanted], give_up=give_up):
        _give_up(registry, company, wanted)
    left = registry.drop_provider(company, wanted).all_providers
    if json:
        print_json({"company": company.id, "removed": name, "providers": [one.name for one in left]})
    else:
        rest = ", ".join(one.name for one in left) or "none"
        out.print(f"Removed {name}. Left: {rest}.")


def _provider(given: dict[str, Any]) -> Provider:
    try:
        return provider(given)
    except ValueError as wrong:
        raise InputError("this is not a provider.", f"Needed: {wrong}.", "See casebook llm add --help.") from None


def _named(company: "Company", name: str) -> Provider:
    for one in company.all_providers:
        if one.name == name:
            return one
    known = ", ".join(one.name for one in company.all_providers) or "none"
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


def refuse_in_use(registry: "Companies", company: "Company", leaving: "Sequence[Provider]") -> None:
    """Raises ``InputError`` where one of these embeds, or made the index that is searched now, and no other provider serves
    its model."""
    from domain.ticket_stages import model_of
    from resources.company_run import EMBEDDED
    from resources.vector_index.base import open_index

    names = {one.name for one in leaving}
    others = {one.model_id for one in company.embedders if one.name not in names}
    ours = {one.model_id: one.name for one in leaving if one.use == "embeddings" and one.model_id not in others}
    if not ours:
        return
    chosen = company.setting("embedding_model")
    if chosen in names:
        raise InputError(
            f"{chosen!r} embeds the texts of company {company.id!r}.",
            remedy=f"First choose another: casebook company set {company.id} embedding_model=auto, then casebook sync.",
        )
    index = open_index(registry.settings, company)
    live = {model_of(one.made_by) for data_type in EMBEDDED for one in index.built(data_type) if one.is_live}
    for model_id in ours.keys() & live:
        raise InputError(
            f"the index of company {company.id!r} was made by {ours[model_id]!r}.",
            "Questions could not be embedded without it.",
            f"casebook sync {company.id} makes it anew with embedding_model={chosen}; then try again.",
        )


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


def _proved(registry: "Companies", company: "Company", wanted: Provider, clear: str) -> tuple[Provider, dict[str, Any]]:
    """The provider as it turned out to be, and what it said. Raises ``InputError`` that says what stands against it."""
    if wanted.use == "embeddings":
        return _embeds(registry, company, wanted, clear)
    return wanted, _check(registry, company, wanted, clear)


_PROOF = ("My new desk lamp does not light up.", "새로 산 책상 조명이 켜지지 않습니다.", "Refund of a double charge")
"""Texts whose vectors a provider has to give, to prove that it can, and how long they are."""


def _embeds(registry: "Companies", company: "Company", wanted: Provider, clear: str) -> tuple[Provider, dict[str, Any]]:
    """Vectors of some made-up texts: they say how long a vector of the model is."""
    from contextlib import closing
    from dataclasses import replace

    from resources.llm.base import Trouble
    from resources.llm.embeddings import EmbeddingClient, inputs
    from resources.llm.tokens import count_tokens

    tokens = sum(count_tokens(text, wanted.model) for text in _PROOF)
    asking = err.status(f"asking {wanted.name} for vectors")
    with asking, closing(EmbeddingClient(wanted, lambda: clear, timeout=_PATIENCE)) as client:
        try:
            reply = client.ask(inputs(_PROOF, tokens))
        except Trouble as trouble:
            raise InputError(
                f"provider {wanted.name!r} cannot be used.", f"{trouble.said}.", f"Its address is {wanted.url}"
            ) from None
    _into_ledger(registry, company, wanted, reply, tokens if reply.tokens_in is None else reply.tokens_in, 0)
    wrong = next((one for one in reply.vectors if isinstance(one, str)), "")
    if not wrong and (len(reply.sizes) != 1 or len(set(reply.vectors)) != len(_PROOF)):
        wrong = "different texts have the same vector, or vectors of different sizes"
    if wrong:
        said = f"{wanted.model} gave no vectors: {wrong}."
        raise InputError(f"provider {wanted.name!r} cannot be used.", said, "Is it a model for embeddings?")
    (size,) = reply.sizes
    if wanted.dimensions is not None and size != wanted.dimensions:
        said = f"{wanted.model} gives {size} numbers, and not the {wanted.dimensions} that were asked for."
        raise InputError(f"provider {wanted.name!r} cannot be used.", said, "Leave --dimensions out.")
    says = f"{reply.model or wanted.model}, vectors of {size} numbers"
    return replace(wanted, size=size), {"says": says, "size": size, "tokens": reply.tokens_in or tokens}


def _check(registry: "Companies", company: "Company", wanted: Provider, clear: str) -> dict[str, Any]:
    """One summary of a made-up ticket. Raises ``InputError`` that says what stands against it."""
    from contextlib import closing

    from domain.summary_answer import Unreadable, parse
    from domain.summary_prompt import Item, answer_schema, messages
    from resources.llm.base import Call, Trouble
    from resources.llm.client import Client, sized
    from resources.llm.tokens import count_messages, count_tokens

    asked = messages("ticket", "en", [Item("1", _TEST)])
    asking = err.status(f"asking {wanted.name} for a summary")
    with asking, closing(Client(wanted, lambda: clear, timeout=_PATIENCE)) as client:
        try:
            reply = client.ask(sized(wanted, Call(asked, answer_schema(), 600, 0)))
            _into_ledger(
                registry,
                company,
                wanted,
                reply,
                count_messages(asked, wanted.model) if reply.tokens_in is None else reply.tokens_in,
                count_tokens(reply.text, wanted.model) if reply.tokens_out is None else reply.tokens_out,
            )
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
    registry: "Companies", company: "Company", by: Provider, reply: "Reply", tokens_in: int, tokens_out: int
) -> None:
    """It was paid for, whatever it is worth. Left out where a run writes: nobody waits for so little."""
    from contextlib import suppress
    from uuid import uuid4

    from domain.stage import Spent
    from resources.clock import utc_now
    from resources.llm.base import call_id
    from resources.llm.prices import price

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
