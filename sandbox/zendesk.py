"""The Zendesk API v2 over the sandbox's worlds: the same tickets that ``freshdesk`` serves, in another house.

Belongs here: addresses, parameters, paging, answers, headers and errors, as Zendesk gives them.
Does not belong here: the records' fields (``zendesk_shape``), what a world holds (``world``), what a request may cost
(``limits``).

What a client must live with, and finds here: exports hold back the last minute, show what was deleted with the status
"deleted" and what was archived like any other; the list of tickets shows neither. A ticket that was deleted for good
leaves no trace, which is the worst that Zendesk does.
"""

import asyncio
import base64
import binascii
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any
from urllib.parse import parse_qsl, urlencode

import orjson

from sandbox import attachments, custom, help_center
from sandbox import zendesk_shape as shape
from sandbox.account import Account, Request, family
from sandbox.answers import Answer, Receive, Refused, Scope, Send, as_json, deliver, no_helpdesk
from sandbox.faults import Fault
from sandbox.limits import Budget, Kind
from sandbox.shape import Json
from sandbox.spoil import begin, instead, spoil
from sandbox.world import Ticket, World, seconds

#: Seconds that an export holds back; a start must lie as far in the past.
HELD_BACK = 60
#: Pages that can be reached by number.
NUMBERED = 100

#: What only admins may read: a world can deny it (``names_denied``).
_NAMES = ("custom_statuses", "ticket_fields", "brands")

Key = Callable[[Json], tuple[Any, ...]]


class Zendesk:
    """ASGI application, mounted at ``/zendesk/{company}/api/v2``."""

    def __init__(self, accounts: dict[str, Account]) -> None:
        self.accounts = accounts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        company, path = scope["path_params"]["company"], scope["path"].partition("/api/v2")[2].strip("/")
        account = self.accounts.get(company)
        if account is None or account.world.vast:
            await deliver(scope, send, no_helpdesk())
            return
        headers: dict[bytes, bytes] = dict(scope["headers"])
        root = f"{scope['scheme']}://{headers.get(b'host', b'localhost').decode('latin-1')}"
        query = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
        path = path.removesuffix(".json")
        request = Request(account, scope["method"], path, query, f"{root}/zendesk/{company}", headers, receive)
        if account.slow_ms:
            await asyncio.sleep(account.slow_ms / 1000)
        answer, fault, cost = await _answer(request)
        answer.body = attachments.sign(answer.body, f"{root}/{company}")
        account.log.credits += cost
        route = f"{request.method} /" + re.sub(r"\b\d+\b", "{id}", path)
        account.log.add(route, fault if fault in ("reset", "cut", "timeout") else answer.status)
        answer.headers += _rate_headers(account.budget)
        await deliver(scope, send, answer, fault, account.skew)


async def _answer(request: Request) -> tuple[Answer, Fault | None, int]:
    """The answer, the fault to be done to its delivery, and what it cost."""
    account = request.account
    kind: Kind = "export" if request.path.startswith("incremental/") else "other"
    wait = account.budget.take(1, kind)
    if wait is not None:
        return _too_many(wait), None, 0
    fault = await begin(request)
    if fault in ("429", "storm"):
        return _too_many(account.faults.retry_after), None, 1
    early = instead(fault, account.faults)
    if early is not None:
        return early, None, 1
    try:
        _authenticate(request)
        answer = _route(request)
        spoil(answer, fault, account.faults)
        return answer, fault, 1
    except Refused as refused:
        return refused.answer, fault, 1


def _route(request: Request) -> Answer:  # noqa: C901 - a table, not a tangle
    """The table of addresses."""
    if request.method != "GET":
        return _endpoint_unknown()
    if request.world.names_denied and request.path in _NAMES:
        return _forbidden()
    match request.path.split("/"):
        case ["incremental", "tickets", "cursor"]:
            return _export_tickets(request, by_cursor=True)
        case ["incremental", "tickets"]:
            return _export_tickets(request, by_cursor=False)
        case ["incremental", "users", "cursor"]:
            return _export_users(request)
        case ["incremental", ("users" | "organizations") as kind]:
            return _export_by_time(request, kind, _users(request.world) if kind == "users" else _organizations(request))
        case ["tickets"]:
            return _tickets(request)
        case ["tickets", "count"]:
            count = len(request.world.shelves["live"])
            return as_json(200, {"count": {"value": count, "refreshed_at": request.world.clock.stamp()}})
        case ["tickets", "show_many"]:
            return _show_many(request)
        case ["tickets", number]:
            return _show(request, _ticket(request, number))
        case ["tickets", number, "comments"]:
            return _comments(request, _ticket(request, number))
        case ["deleted_tickets"]:
            return _deleted_tickets(request)
        case ["users", "me"]:
            return as_json(200, {"user": _agent(request.world, request.world.helpdesk.agents[0])})
        case ["users", "show_many"]:
            wanted = _ids(request)
            return as_json(200, {"users": [user for user in _users(request.world) if user["id"] in wanted]})
        case ["users"]:
            role = request.query.get("role")
            return _paged(request, "users", [one for one in _users(request.world) if role in (None, one["role"])])
        case ["users", number]:
            return _one(_users(request.world), number, "user")
        case ["organizations"]:
            return _paged(request, "organizations", _organizations(request))
        case ["organizations", number]:
            return _one(_organizations(request), number, "organization")
        case ["groups"]:
            return _paged(request, "groups", [shape.group(one) for one in request.world.helpdesk.groups])
        case ["brands"]:
            return _paged(request, "brands", _brands(request.world))
        case ["ticket_fields"]:
            return _paged(request, "ticket_fields", shape.ticket_fields(_custom(request.world), _since(request.world)))
        case ["custom_statuses"]:
            return as_json(
                200, {"custom_statuses": shape.custom_statuses(_since(request.world), _own_statuses(request.world))}
            )
        case ["satisfaction_ratings"]:
            return _satisfaction_ratings(request)
        case ["account", "settings"]:
            return as_json(200, {"settings": {"tickets": {"custom_statuses_enabled": True}, "active_features": {}}})
        case ["help_center", *rest]:
            return _help_center(request, rest)
        case _:
            return _endpoint_unknown()


# -- exports -----------------------------------------------------------------------------------------------------------


def _export_tickets(request: Request, *, by_cursor: bool) -> Answer:
    """By cursor or by time: what moved, oldest move first, wherever it is now; nothing of the last minute."""
    query, world = request.query, request.world
    after = _cursor(query["cursor"]) if by_cursor and query.get("cursor") else (_start(request) - 1, 1 << 62)
    keys = world.feed.between(after, _now(world) - HELD_BACK)
    if query.get("exclude_deleted") == "true":
        keys = [key for key in keys if world.tickets[key[1]].place not in ("deleted", "spam")]
    size = _size(query, "per_page", 1000, 1000)
    page = keys[:size]
    if not by_cursor:  # what shares the last second comes with it: the next page begins there again
        page = [*page, *(key for key in keys[size:] if key[0] == page[-1][0])]
    shown = [(world.tickets[number], moment) for moment, number in page]
    answer: Json = {"tickets": _with_sideloads(request, shown)}
    answer |= _sideloads(request, [ticket for ticket, _ in shown])
    is_last = len(keys) <= len(page)
    if by_cursor:
        token = _token(page[-1]) if page else query.get("cursor")
        address = token and f"{request.base}/api/v2/incremental/tickets/cursor.json?{urlencode({'cursor': token})}"
        answer |= {"after_url": address, "after_cursor": token, "before_url": None, "before_cursor": None}
    else:
        end = page[-1][0] if page else _start(request)
        address = f"{request.base}/api/v2/incremental/tickets.json?start_time={end}"
        answer |= {"count": len(page), "end_time": end, "next_page": None if is_last else address}
    world.given("list", [ticket.id for ticket, _ in shown if ticket.place == "live"])
    return as_json(200, answer | {"end_of_stream": is_last})


def _export_users(request: Request) -> Answer:
    query, world = request.query, request.world
    after = _cursor(query["cursor"]) if query.get("cursor") else (_start(request) - 1, 1 << 62)
    end = _now(world) - HELD_BACK
    users = sorted(_users(world), key=_moved)
    left = [user for user in users if after < _moved(user) and _moved(user)[0] <= end]
    page = left[: _size(query, "per_page", 1000, 1000)]
    token = _token(_moved(page[-1])) if page else query.get("cursor")
    address = token and f"{request.base}/api/v2/incremental/users/cursor.json?{urlencode({'cursor': token})}"
    last = len(page) == len(left)
    return as_json(200, {"users": page, "after_url": address, "after_cursor": token, "end_of_stream": last})


def _export_by_time(request: Request, kind: str, records: list[Json]) -> Answer:
    start, end = _start(request), _now(request.world) - HELD_BACK
    left = [one for one in sorted(records, key=_moved) if start <= _moved(one)[0] <= end]
    size = _size(request.query, "per_page", 1000, 1000)
    page = left[:size] + [one for one in left[size:] if _moved(one)[0] == _moved(left[size - 1])[0]]
    last = len(page) == len(left)
    end_time = _moved(page[-1])[0] if page else start
    address = None if last else f"{request.base}/api/v2/incremental/{kind}.json?start_time={end_time}"
    said = {kind: page, "count": len(page), "end_time": end_time, "next_page": address, "end_of_stream": last}
    return as_json(200, said)


def _moved(record: Json) -> tuple[int, int]:
    return seconds(record["updated_at"]), record["id"]


def _start(request: Request) -> int:
    given = request.query.get("start_time", "")
    if not given.isdecimal():
        raise Refused(_wrong("start_time", "is required and is in seconds since 1970"))
    if int(given) > _now(request.world) - HELD_BACK:
        message = "Too recent start_time. Use a start_time older than 1 minute"
        raise Refused(as_json(400, {"error": "StartTimeTooRecent", "description": message}))
    return int(given)


def _token(key: tuple[int, int]) -> str:
    return base64.b64encode(b"%d.0||%d|" % key).decode()


def _cursor(token: str) -> tuple[int, int]:
    try:
        moment, _, number = base64.b64decode(token, validate=True).decode().removesuffix("|").partition("||")
        return int(float(moment)), int(number)
    except (ValueError, binascii.Error):
        raise Refused(_wrong("cursor", "is invalid")) from None


def _now(world: World) -> int:
    return int(world.clock.now().timestamp())


# -- tickets -----------------------------------------------------------------------------------------------------------


def _tickets(request: Request) -> Answer:
    """The list, without what is deleted or archived."""
    world = request.world
    found = [world.tickets[number] for number in world.ids("live")]
    page, paging = _page(request, [{"id": ticket.id} for ticket in found], lambda one: (one["id"],))
    shown = [world.tickets[one["id"]] for one in page]
    rows = _with_sideloads(request, [(ticket, world.feed.moved[ticket.id]) for ticket in shown])
    world.given("list", [ticket.id for ticket in shown])
    return as_json(200, {"tickets": rows} | _sideloads(request, shown) | paging)


def _show_many(request: Request) -> Answer:
    world = request.world
    found = [world.tickets[number] for number in sorted(_ids(request)) if number in world.tickets]
    shown = [ticket for ticket in found if ticket.place in ("live", "archived")]
    rows = _with_sideloads(request, [(ticket, world.feed.moved[ticket.id]) for ticket in shown])
    return as_json(200, {"tickets": rows} | _sideloads(request, shown))


def _show(request: Request, ticket: Ticket) -> Answer:
    (row,) = _with_sideloads(request, [(ticket, request.world.feed.moved[ticket.id])])
    return as_json(200, {"ticket": row} | _sideloads(request, [ticket]))


def _ticket(request: Request, number: str) -> Ticket:
    """The ticket of an address; 404 for what is deleted or purged. Archived ones are viewed like any other."""
    ticket = request.world.tickets.get(int(number)) if number.isdecimal() else None
    if ticket is None or ticket.place in ("deleted", "spam"):
        raise Refused(_not_found())
    return ticket


def _with_sideloads(request: Request, shown: Sequence[tuple[Ticket, int]]) -> list[Json]:
    """Tickets with those sideloads that are part of each."""
    wanted, brands, rated = _included(request), _brand_ids(request.world), request.world.ratings.last
    rows = [shape.ticket(ticket, moved, request.base, brands, rated(ticket.id)) for ticket, moved in shown]
    if "metric_sets" in wanted:
        rows = [row | {"metric_set": shape.metric_set(one)} for row, (one, _) in zip(rows, shown, strict=True)]
    if "comment_count" in wanted:
        rows = [row | {"comment_count": len(shape.comments(one))} for row, (one, _) in zip(rows, shown, strict=True)]
    return rows


def _sideloads(request: Request, shown: Sequence[Ticket]) -> Json:
    """The sideloads that stand beside the tickets."""
    wanted, world, beside = _included(request), request.world, dict[str, Any]()
    if "users" in wanted:
        responders = {ticket.responder_id for ticket in shown}
        people = {user["id"]: user for ticket in shown if (user := _requester(ticket))}
        staff = [_agent(world, one) for one in world.helpdesk.agents if one["id"] in responders]
        beside["users"] = [*people.values(), *staff]
    if "groups" in wanted:
        beside["groups"] = [shape.group(one) for one in world.helpdesk.groups]
    if "organizations" in wanted:
        ids = {ticket.company_id for ticket in shown}
        beside["organizations"] = [one for one in _organizations(request) if one["id"] in ids]
    return beside


def _comments(request: Request, ticket: Ticket) -> Answer:
    world, said = request.world, shape.comments(ticket)
    if request.query.get("sort") == "-created_at" or request.query.get("sort_order") == "desc":
        page, paging = _page(request, said, lambda one: (one["created_at"], one["id"]), descending=True)
    else:
        page, paging = _page(request, said, lambda one: (one["created_at"], one["id"]))
    beside: Json = {}
    if "users" in _included(request):
        authors = {one["author_id"] for one in page}
        staff = [_agent(world, one) for one in world.helpdesk.agents if one["id"] in authors]
        requester = _requester(ticket)
        beside = {"users": [*staff, *([requester] if requester and requester["id"] in authors else [])]}
    if world.churn.on == "conversations":
        world.given("conversations", [ticket.id])
    return as_json(200, {"comments": page} | beside | paging)


def _deleted_tickets(request: Request) -> Answer:
    world = request.world
    actor = world.helpdesk.agents[0]
    gone = sorted([*world.ids("deleted"), *world.ids("spam")])
    return _paged(request, "deleted_tickets", [shape.deleted_ticket(world.tickets[number], actor) for number in gone])


def _satisfaction_ratings(request: Request) -> Answer:
    world, start = request.world, int(request.query.get("start_time") or 0)
    given = [shape.rating(one) for one in world.rated() if seconds(one["updated_at"]) >= start]
    return _paged(request, "satisfaction_ratings", given)


# -- people and names --------------------------------------------------------------------------------------------------


def _users(world: World) -> list[Json]:
    """Agents and contacts, by id."""
    people = {agent["id"]: _agent(world, agent) for agent in world.helpdesk.agents}
    people |= {contact["id"]: shape.user(contact, "end-user") for contact in world.contacts}
    return [people[number] for number in sorted(people)]


def _requester(ticket: Ticket) -> Json | None:
    person = ticket.requester()
    return person and shape.user(person, "end-user")


def _agent(world: World, agent: Json) -> Json:
    return shape.user(agent, "admin" if agent is world.helpdesk.agents[0] else "agent")


def _organizations(request: Request) -> list[Json]:
    return [shape.organization(company) for company in request.world.helpdesk.companies]


def _brands(world: World) -> list[Json]:
    """The account's own, and one for each product."""
    names = [(shape.BRAND, world.name)]
    names += [
        (number, product["name"])
        for number, product in zip(_brand_numbers(world), world.helpdesk.products, strict=True)
    ]
    return [shape.brand(number, name, _since(world)) for number, name in names]


def _brand_ids(world: World) -> dict[int, int]:
    """Product → brand."""
    return {
        product["id"]: number for product, number in zip(world.helpdesk.products, _brand_numbers(world), strict=True)
    }


def _brand_numbers(world: World) -> list[int]:
    return [shape.BRAND + 1 + position for position in range(len(world.helpdesk.products))]


def _own_statuses(world: World) -> dict[int, tuple[str, str]]:
    """The account's own: number → category and name."""
    own = custom.STATUSES[world.helpdesk.language] if world.custom else {}
    return {number: (custom.CATEGORIES[number], names[0]) for number, names in own.items()}


def _custom(world: World) -> dict[str, str]:
    """The names of all custom fields that some ticket has, and their labels."""
    names: set[str] = set()
    for ticket in world.tickets.values():
        if b'"custom_fields":{}' not in ticket.row:
            names.update(ticket.record()["custom_fields"])
    labels = custom.labels(world.helpdesk.language) if world.custom else {}
    return {name: labels.get(name, name) for name in sorted(names)}


def _since(world: World) -> str:
    return world.helpdesk.agents[0]["created_at"]


# -- Help Center -------------------------------------------------------------------------------------------------------


def _help_center(request: Request, path: list[str]) -> Answer:  # noqa: C901 - a table, not a tangle
    """The table of its addresses; a locale may stand before each."""
    world = request.world
    if world.help_center != "open":
        return _forbidden() if world.help_center == "denied" else _not_found()
    solutions = world.solutions
    locale = path[0] if path and path[0] in help_center.locales(solutions) else None
    path = path[1:] if locale else path
    articles = help_center.articles(solutions, request.base, locale)
    match path:
        case ["incremental", "articles"]:
            return _export_articles(request, articles)
        case ["locales"]:
            found = help_center.locales(solutions)
            return as_json(200, {"locales": found, "default_locale": found[0]})
        case ["articles"]:
            return _paged(request, "articles", articles)
        case ["sections"]:
            return _paged(request, "sections", help_center.sections(solutions))
        case ["categories"]:
            return _paged(request, "categories", help_center.categories(solutions))
        case ["user_segments"]:
            if world.names_denied:
                return _forbidden()
            return _paged(request, "user_segments", help_center.segments(solutions))
        case ["articles", number]:
            return _one(articles, number, "article")
        case ["articles", number, "translations"] if number.isdecimal() and int(number) in solutions.articles:
            return _paged(request, "translations", help_center.translations(solutions, int(number)))
        case ["sections", number, "articles"]:
            return _paged(request, "articles", [one for one in articles if str(one["section_id"]) == number])
        case _:
            return _endpoint_unknown()


def _export_articles(request: Request, articles: list[Json]) -> Answer:
    """By time; the article changed in the last second of a page comes again on the next."""
    start = request.query.get("start_time", "")
    if not start.isdecimal():
        raise Refused(_wrong("start_time", "is required and is in seconds since 1970"))
    left = [one for one in articles if _moved(one)[0] >= int(start)]
    page = left[: _size(request.query, "per_page", 30, 1000)]
    end = _moved(page[-1])[0] if page else int(start)
    more = len(left) > len(page)
    address = f"{request.base}/api/v2/help_center/incremental/articles.json?start_time={end}" if more else None
    return as_json(200, {"articles": page, "count": len(page), "end_time": end, "next_page": address})


# -- parameters and paging ---------------------------------------------------------------------------------------------


def _paged(request: Request, name: str, records: list[Json]) -> Answer:
    page, paging = _page(request, records, lambda one: (one["id"],))
    return as_json(200, {name: page} | paging)


def _page(request: Request, records: list[Json], key: Key, *, descending: bool = False) -> tuple[list[Json], Json]:
    """One page by cursor where ``page[size]`` asks for it, else by number; and what says how to go on."""
    records = sorted(records, key=key, reverse=descending)
    if any(name.startswith("page[") for name in request.query):
        return _page_by_cursor(request, records, key, descending=descending)
    number, size = _size(request.query, "page", 1, 1 << 31), _size(request.query, "per_page", 100, 100)
    if number > NUMBERED:
        message = "Number of pages exceeds the limit; use cursor pagination"
        raise Refused(as_json(400, {"error": "InvalidPaginationDepth", "description": message}))
    start = (number - 1) * size
    beyond = len(records) > start + size
    links = {
        "next_page": _address(request, page=number + 1) if beyond else None,
        "previous_page": _address(request, page=number - 1) if number > 1 else None,
        "count": len(records),
    }
    return records[start : start + size], links


def _page_by_cursor(request: Request, records: list[Json], key: Key, *, descending: bool) -> tuple[list[Json], Json]:
    size = _size(request.query, "page[size]", 100, 100)
    after = request.query.get("page[after]")
    if after:
        try:
            last = tuple(orjson.loads(base64.b64decode(after, validate=True)))
        except (ValueError, binascii.Error):
            raise Refused(_wrong("page[after]", "is not valid")) from None
        records = [one for one in records if (key(one) < last if descending else key(one) > last)]
    page = records[:size]
    more = len(records) > size
    token = base64.b64encode(orjson.dumps(key(page[-1]))).decode() if page else None
    links = {"next": _address(request, **{"page[after]": token}) if more else None, "prev": None}
    return page, {"meta": {"has_more": more, "after_cursor": token, "before_cursor": None}, "links": links}


def _address(request: Request, **given: Any) -> str:
    return f"{request.base}/api/v2/{request.path}.json?{urlencode(request.query | given)}"


def _size(query: dict[str, str], name: str, default: int, most: int) -> int:
    """A number of a parameter. More than is allowed is cut to it, as Zendesk does."""
    value = query.get(name, str(default))
    if not value.isdecimal() or int(value) < 1:
        raise Refused(_wrong(name, "must be a number above 0"))
    return min(int(value), most)


def _ids(request: Request) -> set[int]:
    wanted = [number for number in request.query.get("ids", "").split(",") if number]
    if not wanted or len(wanted) > 100 or not all(number.isdecimal() for number in wanted):
        raise Refused(_wrong("ids", "takes up to 100 ids"))
    return {int(number) for number in wanted}


def _included(request: Request) -> set[str]:
    return set(request.query.get("include", "").split(","))


def _one(records: Iterable[Json], number: str, name: str) -> Answer:
    found = next((one for one in records if str(one["id"]) == number), None)
    return as_json(200, {name: found}) if found else _not_found()


# -- who may, and how much ---------------------------------------------------------------------------------------------


def _authenticate(request: Request) -> None:
    """``EMAIL/token:KEY`` with the address of an agent, or ``Bearer KEY``."""
    scheme, _, sent = request.headers.get(b"authorization", b"").decode("latin-1").partition(" ")
    world, allowed = request.world, False
    if scheme.lower() == "bearer":
        allowed = sent.strip() == world.key
    elif scheme.lower() == "basic":
        try:
            user, _, key = base64.b64decode(sent, validate=True).decode().partition(":")
        except ValueError:
            user, key = "", ""
        agents = {agent["contact"]["email"] for agent in world.helpdesk.agents}
        allowed = user.endswith("/token") and user.removesuffix("/token") in agents and key == world.key
    if not allowed:
        raise Refused(as_json(401, {"error": "Couldn't authenticate you"}))
    rights, asked = request.account.rights, family(request.path)
    if rights.denies(asked) or rights.missing.get(asked) == 403:
        raise Refused(_forbidden())
    if asked in rights.missing:
        raise Refused(_not_found())


def _rate_headers(budget: Budget) -> list[tuple[bytes, bytes]]:
    total, left = budget.plan.total, budget.remaining
    return [
        (b"x-rate-limit", b"%d" % total),
        (b"x-rate-limit-remaining", b"%d" % left),
        (b"ratelimit-limit", b"%d" % total),
        (b"ratelimit-remaining", b"%d" % left),
        (b"ratelimit-reset", b"%d" % budget.resets),
        (b"x-zendesk-api-version", b"v2"),
    ]


def _too_many(wait: int) -> Answer:
    answer = as_json(429, {"error": "APIRateLimitExceeded", "description": "Number of allowed API requests exceeded"})
    answer.headers.append((b"retry-after", b"%d" % wait))
    return answer


def _wrong(name: str, message: str) -> Answer:
    return as_json(400, {"error": "InvalidValue", "description": f"{name} {message}"})


def _not_found() -> Answer:
    return as_json(404, {"error": "RecordNotFound", "description": "Not found"})


def _endpoint_unknown() -> Answer:
    return as_json(404, {"error": {"title": "InvalidEndpoint", "message": "Not found"}})


def _forbidden() -> Answer:
    message = (
        "You do not have access to this page. Please contact the account owner of this help desk for further help."
    )
    return as_json(403, {"error": {"title": "Forbidden", "message": message}})
