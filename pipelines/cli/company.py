"""``casebook company``: who is served, from where, with which settings."""

from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from domain.company import PLATFORMS, SETTINGS, Company, company_id, read_setting
from domain.errors import InputError
from pipelines.cli.forget import report
from pipelines.cli.keys import GivenKey, KeyEnv, KeyRef, KeyStdin, given_key, needed_key, one_key, to_be_stored
from pipelines.cli.llm import batches_wait, refuse_in_use
from pipelines.cli.output import Json, err, out, print_json, table

if TYPE_CHECKING:
    from resources.companies import Companies
    from resources.settings import Settings

app = typer.Typer(no_args_is_help=True, help="Add, check, change and remove companies.")


def _catalogue() -> str:
    """The settings as the help of ``company set``: name, type, default, meaning."""
    lines = [
        f"[bold]{name}[/] ({escape(setting.kind)}; default {escape(_default(setting.default))}): {escape(setting.meaning)}"
        for name, setting in SETTINGS.items()
    ]
    return "Change settings of a company.\n\nThe settings:\n\n" + "\n\n".join(lines)


def _default(value: object) -> str:
    if value in ("", None, {}, []):
        return "none"
    if isinstance(value, list):  # words, or LLM providers, of which only the names are shown
        return ", ".join(one["name"] if isinstance(one, dict) else one for one in value)
    return str(value)


@app.command()
def add(
    id: Annotated[str, typer.Argument(help="The company's id: a-z, 0-9 and '-'.")],
    platform: Annotated[str, typer.Option(help=f"One of {', '.join(PLATFORMS)}.")],
    url: Annotated[str, typer.Option(help="https://ACCOUNT.freshdesk.com, https://ACCOUNT.zendesk.com")] = "",
    user: Annotated[
        str, typer.Option(help="zendesk: the agent whose API token the key is; without it, the key is an OAuth token.")
    ] = "",
    key_env: KeyEnv = None,
    key_stdin: KeyStdin = False,
    key_ref: KeyRef = None,
    path: Annotated[str, typer.Option(help="export: a CSV, JSONL or Parquet file, or a folder with tickets.*")] = "",
    workbook: Annotated[str, typer.Option(help="Address or path of the workbook of FAQ and regulations.")] = "",
    since: Annotated[str, typer.Option(help="Take only tickets updated since this day (2026-01-31).")] = "",
    language: Annotated[str, typer.Option(help="ko, en or auto.")] = "auto",
    setting: Annotated[
        list[str] | None, typer.Option("--set", help="Any setting, KEY=VALUE; see 'company set --help'.")
    ] = None,
    json: bool = Json,
) -> None:
    """Register a company, after proving that its helpdesk answers; says what the first sync will cost."""
    from resources.clock import utc_now
    from resources.companies import Companies
    from resources.settings import Settings

    settings = Settings()
    registry = Companies(settings)
    wanted = company_id(id)
    if any(known.id == wanted for known in registry.list()):
        raise InputError(
            f"company {id!r} exists already.", remedy="Change it with 'casebook company set', or remove it first."
        )
    endpoint = _endpoint(platform, url, path)
    _only_zendesk_has_users(platform, user)
    options = (("since", since), ("language", language), ("workbook", workbook), ("helpdesk_user", user))
    chosen = {name: value for name, value in options if value not in ("", "auto")}
    pairs = [*(f"{name}={value}" for name, value in chosen.items()), *(setting or [])]
    company = Company(wanted, platform, endpoint, dict(_pair(pair) for pair in pairs), created_at=utc_now())  # pyright: ignore[reportArgumentType]
    _ = company.embeds_with  # refuses what is not there
    key = _helpdesk_key(settings, company, key_env, key_stdin, key_ref)
    if key is None and platform != "export":
        raise one_key()
    checked = _check(company, key.clear if key else "")
    with to_be_stored(settings, key) as stored:
        registry.add(company, stored)
    if json:
        print_json({"company": company.id, "platform": platform, "endpoint": endpoint, **checked})
    else:
        out.print(f"[green]Added[/] {company.id}: {escape(checked['account'])}")
        _print_estimate(checked)
        out.print(f"Next: casebook sync {company.id}")


@app.command()
def check(id: str, json: bool = Json) -> None:
    """Ask the helpdesk whether address, key and rights are still good."""
    from resources.companies import Companies
    from resources.settings import Settings

    registry = Companies(Settings())
    company = registry.get(id)
    checked = _check(company, registry.secret(company))
    if json:
        print_json({"company": company.id, "ok": True, **checked})
    else:
        out.print(f"[green]OK[/] {company.id}: {escape(checked['account'])}")
        for note in checked["notes"]:
            out.print(escape(note))


@app.command("list")
def list_companies(json: bool = Json) -> None:
    """All companies."""
    from resources.companies import Companies
    from resources.settings import Settings

    companies = Companies(Settings()).list()
    if json:
        print_json({"companies": [_shown(company) for company in companies]})
    elif companies:
        rows = [[c.id, c.platform, c.endpoint, "paused" if c.paused else "active", c.created_at] for c in companies]
        out.print(table("company", "platform", "endpoint", "state", "added", rows=rows))
    else:
        out.print("No company yet. Add one: casebook company add --help")


@app.command()
def show(id: str, json: bool = Json) -> None:
    """One company with every setting in force; never its key."""
    from resources.companies import Companies
    from resources.settings import Settings

    company = Companies(Settings()).get(id)
    if json:
        print_json(_shown(company))
        return
    out.print(
        f"[bold]{company.id}[/] {company.platform} {escape(company.endpoint)}{' (paused)' if company.paused else ''}"
    )
    rows = [
        [name, _default(company.setting(name)), "set" if name in company.settings else "default"] for name in SETTINGS
    ]
    out.print(table("setting", "value", "", rows=rows))


@app.command("set", help=_catalogue())
def set_settings(
    id: str,
    pairs: Annotated[list[str] | None, typer.Argument(metavar="[KEY=VALUE...]")] = None,
    url: Annotated[str, typer.Option(help="Another address of the helpdesk; asked before it is saved.")] = "",
    user: Annotated[str, typer.Option(help="zendesk: another agent; asked before it is saved.")] = "",
    path: Annotated[str, typer.Option(help="export: another file or folder; read before it is saved.")] = "",
    key_env: KeyEnv = None,
    key_stdin: KeyStdin = False,
    key_ref: KeyRef = None,
    json: bool = Json,
) -> None:
    from dataclasses import replace

    from resources.companies import Companies
    from resources.settings import Settings

    installation = Settings()
    registry = Companies(installation)
    company = registry.get(id)
    settings: dict[str, Any] = dict(_pair(pair) for pair in pairs or ())
    if user:
        _only_zendesk_has_users(company.platform, user)
        settings |= dict([_pair(f"helpdesk_user={user}")])
    key = _helpdesk_key(installation, company, key_env, key_stdin, key_ref)
    if not (pairs or url or path or user or key):
        raise InputError("nothing to set.", remedy="Say KEY=VALUE, --url, --path, --user or --key-….")
    _refuse_for_providers(registry, company, settings)
    account = ""
    if url or path or key or (company.platform == "zendesk" and "helpdesk_user" in settings):
        endpoint = _endpoint(company.platform, url, path) if url or path else company.endpoint
        moved = replace(company, endpoint=endpoint, settings={**company.settings, **settings})
        account = _check(moved, key.clear if key else registry.secret(company))["account"]
        with to_be_stored(installation, key) as stored:
            if url or path:
                registry.move(company, endpoint, stored)
            elif key:
                registry.set_secret(company, stored)
    changed = registry.set(company, **settings) if settings else registry.get(company.id)
    if json:
        print_json(_shown(changed))
    else:
        if url or path:
            out.print(escape(changed.endpoint))
        if key:
            out.print(f"{company.id} has another key now: {escape(account)}")
        for name in settings:
            out.print(f"{name} = {escape(_default(changed.setting(name)))}")


def _refuse_for_providers(registry: "Companies", company: Company, settings: dict[str, Any]) -> None:
    """Settings that the company's LLM providers stand against."""
    from dataclasses import replace

    from resources.llm.budget import refuse_unkept

    if "llm_providers" in settings:  # which can only be none
        batches_wait(registry, company, company.providers)
        refuse_in_use(registry, company, company.embedders)
    else:
        refuse_unkept(company.all_providers, settings.get("budget_monthly"))
    if "embedding_model" in settings:
        _ = replace(company, settings={**company.settings, **settings}).embeds_with  # refuses what is not there


@app.command("regulations-key")
def regulations_key(
    id: str,
    key_env: KeyEnv = None,
    key_stdin: KeyStdin = False,
    key_ref: KeyRef = None,
    json: bool = Json,
) -> None:
    """Store the key of the Confluence that regulations are kept in, as EMAIL:TOKEN, after proving that it reads them."""
    from contextlib import closing

    from resources.companies import Companies
    from resources.confluence import Confluence
    from resources.regulation_sources import CONFLUENCE_SECRET
    from resources.settings import Settings

    settings = Settings()
    registry = Companies(settings)
    company = registry.get(id)
    key = needed_key(settings, company.id, key_env, key_stdin, key_ref)
    with closing(Confluence(company.setting("regulation_site"), key.clear)) as source:
        places: dict[str, str] = company.setting("regulation_places")
        pages = {category: len(source.listing(place)) for category, place in places.items()}
    with to_be_stored(settings, key) as stored:
        registry.set_secret(company, stored, CONFLUENCE_SECRET)
    if json:
        print_json({"company": company.id, "pages": pages})
    else:
        out.print(f"{company.id} has another key for its regulations now.")
        for category, count in pages.items():
            out.print(f"{escape(category)}: {count} pages")


@app.command()
def pause(id: str, json: bool = Json) -> None:
    """Leave a company out of the nightly sync."""
    _set_paused(id, True, json)


@app.command()
def resume(id: str, json: bool = Json) -> None:
    """Take a paused company into the nightly sync again."""
    _set_paused(id, False, json)


@app.command("rotate-key")
def rotate_key(
    id: Annotated[str, typer.Argument(hidden=True)] = "",
    key_env: Annotated[str | None, typer.Option(hidden=True)] = None,
    key_stdin: Annotated[bool, typer.Option("--key-stdin", hidden=True)] = False,
    json: bool = Json,
) -> None:
    """Rotate the master key: seal every company's key with a new one. May be killed, and run again.

    With CASEBOOK_MASTER_KEY: set it to NEW,OLD everywhere, run this, set it to NEW.
    """
    from resources.companies import Companies
    from resources.key_rotation import rotate_master_key
    from resources.settings import Settings

    if id or key_stdin or key_env is not None:
        raise InputError(
            "'company rotate-key' rotates the master key, of all companies.",
            "Nothing was changed.",
            f"For another key of a helpdesk, say: casebook company set {id or 'ID'} --key-stdin",
        )
    rotation = rotate_master_key(Companies(Settings()))
    now = "Now set CASEBOOK_MASTER_KEY to NEW alone, for every process." if rotation.source == "environment" else ""
    if json:
        failed = {id: str(error) for id, error in rotation.failed.items()}
        print_json({"source": rotation.source, "resealed": rotation.resealed, "failed": failed, "next": now})
    elif rotation.source is None:
        out.print("No key is sealed with the master key: there is nothing to rotate.")
    else:
        out.print(f"Sealed with the new master key: {', '.join(rotation.resealed) or 'nothing that was not already'}.")
        for error in rotation.failed.values():
            err.print(f"[red]Not rotated:[/] {escape(str(error))}", soft_wrap=True)
        out.print(now)
    if rotation.failed:
        raise typer.Exit(1)


@app.command()
def remove(
    id: str,
    yes: Annotated[bool, typer.Option("--yes", help="Really: there is no way back.")] = False,
    json: bool = Json,
) -> None:
    """Erase a company from every store (tables, vectors, Parquet files, key, settings), and search all stores for it."""
    from resources import erase
    from resources.companies import Companies
    from resources.llm.waiting import cancel_batches
    from resources.settings import Settings

    settings = Settings()
    registry = Companies(settings)
    company = registry.get(id)
    if not yes:
        raise InputError(f"removing {company.id!r} erases all of its data.", remedy="Say --yes if you mean it.")
    with registry.lock(company.id, "company remove"):
        left = cancel_batches(registry, company)
    erased = erase.remove(settings, company)
    erased.out_of_reach[:0] = left
    report(
        erased,
        "removed",
        f"Removed {company.id}: tables, vectors, Parquet files, cached copies, key and settings.",
        json,
    )


def _set_paused(id: str, paused: bool, json: bool) -> None:
    from resources.companies import Companies
    from resources.settings import Settings

    registry = Companies(Settings())
    company = registry.pause(registry.get(id), paused)
    if json:
        print_json(_shown(company))
    else:
        out.print(f"{company.id} is {'paused' if paused else 'active'}.")


def _shown(company: Company) -> dict[str, object]:
    return {
        "company": company.id,
        "platform": company.platform,
        "endpoint": company.endpoint,
        "paused": company.paused,
        "created_at": company.created_at,
        "settings": {name: company.setting(name) for name in SETTINGS},
    }


def _pair(text: str) -> tuple[str, object]:
    from pathlib import Path

    name, equals, value = text.partition("=")
    if not equals:
        raise InputError(f"{text!r} is not KEY=VALUE.", remedy="For example: time_zone=Asia/Seoul")
    name, value = name.strip(), value.strip()
    if name == "workbook" and value and "://" not in value:
        value = str(Path(value).expanduser().absolute())
    return name, read_setting(name, value)


def _only_zendesk_has_users(platform: str, user: str) -> None:
    if user and platform != "zendesk":
        raise InputError("--user is for Zendesk.", f"The platform is {platform}.", "Leave it out.")


def _endpoint(platform: str, url: str, path: str) -> str:
    from pathlib import Path
    from urllib.parse import urlsplit

    if platform not in PLATFORMS:
        raise InputError(f"unknown platform {platform!r}.", f"Known: {', '.join(PLATFORMS)}.")
    if platform == "export":
        if not path:
            raise InputError("--path is missing.", remedy="Name the export: --path tickets.csv")
        return str(Path(path).expanduser().resolve())
    account = f"https://ACCOUNT.{platform}.com"
    try:
        parts = urlsplit(url)
    except ValueError:
        raise InputError("--url is not an address.", remedy=f"Say --url {account}") from None
    if parts.username or parts.password or parts.query or parts.fragment:
        raise InputError(
            "--url holds more than an address.", remedy="Give the key with --key-env, --key-ref or --key-stdin."
        )
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InputError("--url is missing or not an address.", f"{url!r} given.", f"Say --url {account}")
    if parts.scheme == "http" and parts.hostname not in ("127.0.0.1", "localhost", "::1"):
        raise InputError("--url is not encrypted.", f"{url!r} would send the key in clear.", "Say https://.")
    return url.rstrip("/")


def _helpdesk_key(
    settings: "Settings", company: Company, env: str | None, stdin: bool, ref: str | None
) -> GivenKey | None:
    if company.platform == "export" and (env is not None or stdin or ref is not None):
        raise InputError(f"company {company.id!r} needs no key.", f"Its platform is {company.platform}.")
    return given_key(settings, company.id, env, stdin, ref)


def _check(company: Company, key: str) -> dict[str, Any]:
    """Ask the helpdesk, and reckon what a first sync costs."""
    from resources.helpdesk.platforms import connect

    helpdesk = connect(company, key)
    account = helpdesk.check()
    estimate = helpdesk.plan(account)
    return {
        "account": account.name,
        "tickets": account.tickets,
        "per_minute": account.per_minute,
        "notes": list(account.notes),
        "first_sync": {
            "requests": estimate.requests,
            "credits": estimate.credits,
            "minutes": round(estimate.minutes, 1),
            "exact": estimate.exact,
            "basis": estimate.basis,
        },
    }


def _print_estimate(checked: dict[str, Any]) -> None:
    from pipelines.cli.sync import estimate_line

    out.print(estimate_line(checked["first_sync"]))
