"""The hidden door: what makes a world move, fail or tell the truth. No key; never part of what a client may use.

Belongs here: ``/{company}/admin/...`` for tests and benchmarks. Does not belong here: the moves themselves (``world``).

    GET  truth  log  stories  clock
    POST truth {ids, checksum}
         edit {ids | count, seed, what text|status|touch|reply, status, tick}     status {status, ids}
         delete  restore  spam  archive  {ids | count, seed, touch}               hard_delete {ids | count, seed}
         same_time {ids | count, seed, what}     create {count, seed}             merge {primary, secondaries}
         rate {ids | count, seed, value 103 ... -103, feedback}
         attach {kind, ids | count, seed, where description|reply|note, text [lines], name, touch}
         articles {do edit|delete|create|draft|publish|move|visibility, ids | count, seed, folder, visibility, language,
                   title, description, tags, status}
         churn {edit_every, delete_every, count, on list|conversations, what, seed, limit}
         faults {rate, kinds, seed, limit, ids, on, slow_ms, storm, retry_after, hang_seconds}
           plan {name, minute_seconds, decimal}     slow {ms}
         options {page_cap, key, denied, missing, custom, old, skew, help_center, names_denied}
         clock {now, advance, rate}    reset {}  reset_log {}
"""

import random
from collections.abc import Callable
from datetime import datetime
from typing import Any, get_args

import orjson
from starlette.requests import Request
from starlette.responses import Response

from sandbox import attachments, files, generate
from sandbox.account import Account, Log, Rights
from sandbox.faults import Faults
from sandbox.limits import PLANS, Budget
from sandbox.shape import Json
from sandbox.solutions import DRAFT, PUBLISHED
from sandbox.vast import checksum as summed
from sandbox.world import Attach, Churn, HelpCenter, Place


async def admin(request: Request, accounts: dict[str, Account]) -> Response:
    """Answer one admin request: 404 for an unknown account or action, 400 with the reason for wrong input."""
    account = accounts.get(request.path_params["company"])
    action = ACTIONS.get((request.method, request.path_params["action"]))
    if account is None or action is None:
        return _answer(404, {"error": f"no such account or action: {request.url.path}"})
    body = await request.body()
    try:
        given = orjson.loads(body) if body else {}
        result = action(account, **given)
    except (TypeError, ValueError, KeyError) as wrong:
        return _answer(400, {"error": f"{type(wrong).__name__}: {wrong}"})
    base = f"{request.url.scheme}://{request.url.netloc}/{account.world.name}"
    return Response(attachments.sign(orjson.dumps(result), base), media_type="application/json")


def _answer(status: int, value: Any) -> Response:
    return Response(orjson.dumps(value), status, media_type="application/json")


def _truth(account: Account, ids: list[int] | None = None, checksum: bool = False) -> Json:
    """All there is; with ``ids`` only these tickets, with ``checksum`` what they sum up to. A vast account is not listed."""
    world = account.world
    if ids is not None:
        found = [world.tickets[number] for number in ids if number in world.tickets]
        return {"tickets": [ticket.record() | {"place": ticket.place} for ticket in found]}
    if checksum:
        tickets = summed(world.each())
    elif world.vast:
        tickets = world.counted()
    else:
        tickets = {"tickets": [world.tickets[number].record() for number in world.ids("live")]}
    return {
        "now": world.clock.stamp(),
        **tickets,
        "deleted": world.ids("deleted"),
        "spam": world.ids("spam"),
        "archived": world.ids("archived"),
        "gone": sorted(world.gone),
        "articles": world.solutions.truth(),
        "ratings": world.rated(),
    }


def _stories(account: Account) -> Json:
    return {
        key: {"id": story.ticket_id, "problem": story.problem, "near_duplicate_of": story.near_duplicate_of}
        for key, story in account.world.helpdesk.stories.items()
    }


def _edit(
    account: Account,
    ids: list[int] | None = None,
    count: int | None = None,
    seed: int | None = None,
    what: Any = "text",
    status: int | None = None,
    tick: float = 1,
) -> Json:
    world = account.world
    return {"ids": world.edit(world.choose(ids, count, seed), what, status, tick)}


def _status(account: Account, status: int, ids: list[int] | None = None) -> Json:
    return {"ids": account.world.edit(account.world.ids("live") if ids is None else ids, "status", status)}


def _same_time(
    account: Account,
    ids: list[int] | None = None,
    count: int | None = None,
    seed: int | None = None,
    what: Any = "touch",
) -> Json:
    world = account.world
    world.clock.advance(1)
    return {"ids": world.edit(world.choose(ids, count, seed), what, tick=0), "updated_at": world.clock.stamp()}


def _put(start: Place, end: Place) -> Callable[..., Json]:
    def move(
        account: Account,
        ids: list[int] | None = None,
        count: int | None = None,
        seed: int | None = None,
        touch: bool = True,
    ) -> Json:
        world = account.world
        return {"ids": world.put(world.choose(ids, count, seed, start), end, touch=touch)}

    return move


def _hard_delete(
    account: Account, ids: list[int] | None = None, count: int | None = None, seed: int | None = None
) -> Json:
    return {"ids": account.world.purge(account.world.choose(ids, count, seed))}


def _merge(account: Account, primary: int, secondaries: list[int]) -> Json:
    account.world.merge(primary, secondaries)
    return {"ids": [primary, *secondaries]}


def _create(account: Account, count: int = 1, seed: int = 1) -> Json:
    made = generate.helpdesk(account.world.name, count, seed=f"new {seed}", language=account.world.helpdesk.language)
    return {"ids": account.world.create(made.tickets)}


def _rate(
    account: Account,
    value: int,
    feedback: str | None = None,
    ids: list[int] | None = None,
    count: int | None = None,
    seed: int | None = None,
) -> Json:
    world = account.world
    return {"ids": world.rate(world.choose(ids, count, seed), value, feedback)}


def _attach(
    account: Account,
    kind: Any = "pdf",
    ids: list[int] | None = None,
    count: int | None = None,
    seed: int | None = None,
    where: Any = "reply",
    text: list[str] | None = None,
    name: str | None = None,
    touch: bool = True,
) -> Json:
    """``text`` are the file's lines; without, it has a code of its own, "FILE-" and the file's id."""
    if where not in get_args(Attach):
        raise ValueError(f"where is one of {', '.join(get_args(Attach))}, not {where!r}")
    world = account.world
    said = "오류 코드" if world.helpdesk.language == "ko" else "The code of the fault is"

    def file(number: int) -> files.File:
        return files.make(kind, text or [f"{said} FILE-{number}.", "2026-11-02 09:00:00 ok"], name)

    chosen = world.choose(ids, count, seed)
    return {"ids": chosen, "attachments": world.attach(chosen, file, where, touch=touch)}


def _articles(
    account: Account,
    do: str,
    ids: list[int] | None = None,
    count: int | None = None,
    seed: int = 1,
    folder: int | None = None,
    visibility: int | None = None,
    language: str | None = None,
    **given: Any,
) -> Json:
    """``edit``, ``draft``, ``publish``, ``move`` and ``delete`` take ``ids`` or a ``count``, ``create`` a ``count``."""
    if unknown := set(given) - {"title", "description", "tags", "status", "type"}:
        raise ValueError(f"an article has no {min(unknown)}")
    world = account.world
    solutions = world.solutions
    world.clock.advance(1)
    now = world.clock.stamp()
    if do == "create":
        return {"ids": solutions.create(count or 1, now, folder, **given)}
    if do == "visibility":
        if folder not in solutions.folders or visibility not in (1, 2, 3, 4):
            raise ValueError("visibility takes the id of a folder, and 1 all, 2 logged in, 3 agents or 4 companies")
        solutions.restrict(folder, visibility, now)
        return {"ids": [number for number, one in solutions.articles.items() if _lies_in(one, folder)]}
    changes: dict[str, Json] = {
        "edit": given,
        "draft": {"status": DRAFT},
        "publish": {"status": PUBLISHED},
        "move": {"folder_id": folder},
        "delete": {},
    }
    if do not in changes:
        raise ValueError(f"do is one of create, visibility, {', '.join(changes)}, not {do!r}")
    if do == "move" and folder not in solutions.folders:
        raise ValueError("move takes the id of a folder")
    chosen = _chosen_articles(account, ids, count, seed)
    if do == "delete":
        solutions.delete(chosen)
    else:
        solutions.edit(chosen, now, language, **changes[do])
    return {"ids": chosen}


def _chosen_articles(account: Account, ids: list[int] | None, count: int | None, seed: int) -> list[int]:
    there = [*account.world.solutions.articles]
    if ids is None:
        return sorted(random.Random(seed).sample(there, count if count is not None else 1))
    if missing := set(ids) - set(there):
        raise ValueError(f"no article {min(missing)}")
    return ids


def _lies_in(article: dict[str, Json], folder: int) -> bool:
    return any(record["folder_id"] == folder for record in article.values())


def _churn(account: Account, **given: Any) -> Json:
    account.world.churn = Churn(**given)
    return given


def _faults(account: Account, kinds: list[Any] | None = None, **given: Any) -> Json:
    given = {
        name: frozenset(value) if name in ("ids", "on") and value is not None else value
        for name, value in given.items()
    }
    account.faults = Faults(**given) if kinds is None else Faults(kinds=tuple(kinds), **given)
    return {"kinds": account.faults.kinds, "rate": account.faults.rate}


def _plan(account: Account, name: str, minute_seconds: float = 60.0, decimal: bool = False) -> Json:
    if name not in PLANS:
        raise ValueError(f"no plan {name!r}; there are {', '.join(PLANS)}")
    account.budget = Budget(PLANS[name], minute_seconds, decimal)
    return {"name": name, "minute_seconds": minute_seconds}


def _slow(account: Account, ms: int) -> Json:
    account.slow_ms = ms
    return {"ms": ms}


def _options(
    account: Account,
    page_cap: int | None = None,
    key: str | None = None,
    denied: bool | list[str] | None = None,
    missing: list[str] | dict[str, int] | None = None,
    custom: bool | None = None,
    old: bool | None = None,
    skew: int | None = None,
    help_center: HelpCenter | None = None,
    names_denied: bool | None = None,
) -> Json:
    world = account.world
    world.page_cap = world.page_cap if page_cap is None else page_cap
    world.key = world.key if key is None else key
    if denied is not None or missing is not None:
        had = account.rights
        plan = had.missing if missing is None else dict.fromkeys(missing, 403) if isinstance(missing, list) else missing
        denials = had.denied if denied is None else frozenset(denied) if isinstance(denied, list) else denied
        account.rights = Rights(denials, plan)
    world.old = world.old if old is None else old
    account.skew = account.skew if skew is None else skew
    if custom:
        world.customise()
    if help_center not in (None, *get_args(HelpCenter)):
        raise ValueError(f"help_center is one of {', '.join(get_args(HelpCenter))}, not {help_center!r}")
    world.help_center = world.help_center if help_center is None else help_center
    world.names_denied = world.names_denied if names_denied is None else names_denied
    rights = account.rights
    return {
        "page_cap": world.page_cap,
        "denied": rights.denied if isinstance(rights.denied, bool) else sorted(rights.denied),
        "missing": rights.missing,
        "custom": world.custom,
        "old": world.old,
        "skew": account.skew,
        "help_center": world.help_center,
    }


def _clock(account: Account, now: str | None = None, advance: float = 0, rate: float | None = None) -> Json:
    clock = account.world.clock
    if now is not None or rate is not None:
        clock.set(clock.now() if now is None else datetime.fromisoformat(now), rate)
    clock.advance(advance)
    return {"now": clock.stamp(), "rate": clock.rate}


def _reset(account: Account) -> Json:
    account.reset()
    return {"tickets": len(account.world.tickets)}


def _reset_log(account: Account) -> Json:
    account.log = Log()
    return {}


ACTIONS: dict[tuple[str, str], Callable[..., Json]] = {
    ("GET", "truth"): _truth,
    ("POST", "truth"): _truth,
    ("GET", "log"): lambda account: account.log.report(),
    ("GET", "stories"): _stories,
    ("GET", "clock"): _clock,
    ("POST", "edit"): _edit,
    ("POST", "status"): _status,
    ("POST", "same_time"): _same_time,
    ("POST", "delete"): _put("live", "deleted"),
    ("POST", "restore"): _put("deleted", "live"),
    ("POST", "spam"): _put("live", "spam"),
    ("POST", "archive"): _put("live", "archived"),
    ("POST", "hard_delete"): _hard_delete,
    ("POST", "merge"): _merge,
    ("POST", "create"): _create,
    ("POST", "rate"): _rate,
    ("POST", "attach"): _attach,
    ("POST", "articles"): _articles,
    ("POST", "churn"): _churn,
    ("POST", "faults"): _faults,
    ("POST", "plan"): _plan,
    ("POST", "slow"): _slow,
    ("POST", "options"): _options,
    ("POST", "clock"): _clock,
    ("POST", "reset"): _reset,
    ("POST", "reset_log"): _reset_log,
}
