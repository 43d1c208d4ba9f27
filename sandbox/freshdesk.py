"""The Freshdesk API v2 over the sandbox's worlds.

Belongs here: addresses, parameters, answers, headers and errors, as Freshdesk gives them.
Does not belong here: what a world holds or how it changes (``world``), what a request may cost (``limits``).

Plain ASGI below its mount point: a sandbox must not be what a benchmark measures.
"""

import asyncio
import base64
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode

import orjson

from sandbox import attachments, corpus, shape
from sandbox.answers import (
    FAULTY,
    Answer,
    Receive,
    Refused,
    Scope,
    Send,
    as_json,
    deliver,
    denied,
    invalid,
    no_helpdesk,
    too_many,
    validation,
)
from sandbox.faults import Fault, Faults
from sandbox.limits import Budget, Kind
from sandbox.shape import Json
from sandbox.world import Order, Place, Ticket, World

_TIME = re.compile(r"\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?)?")
_LIST_INCLUDES = ("requester", "stats", "company", "description")
_VIEW_INCLUDES = ("conversations", "requester", "company", "stats")
_ORDERS: tuple[Order, ...] = ("created_at", "due_by", "updated_at", "status")
_FILTERS: dict[str, Place] = {"deleted": "deleted", "spam": "spam", "new_and_my_open": "live", "watching": "live"}
_LIST_PARAMETERS = {"page", "per_page", "updated_since", "order_by", "order_type", "include", "filter"}
_LIST_PARAMETERS |= {"requester_id", "company_id", "email"}
_UPDATABLE = {"subject", "status", "priority", "type", "tags", "group_id", "responder_id", "product_id", "description"}


@dataclass(slots=True)
class Log:
    """What was asked, for tests that count."""

    routes: dict[str, Counter[str]] = field(default_factory=dict[str, Counter[str]])
    credits: int = 0
    faults: Counter[str] = field(default_factory=Counter[str])

    def add(self, route: str, status: int | str) -> None:
        self.routes.setdefault(route, Counter())[str(status)] += 1

    def report(self) -> Json:
        statuses: Counter[str] = sum(self.routes.values(), Counter())
        return {
            "requests": statuses.total(),
            "credits": self.credits,
            "429s": statuses["429"],
            "statuses": statuses,
            "routes": self.routes,
            "faults": self.faults,
        }


@dataclass(slots=True)
class Account:
    """A world, and how the API treats those who ask for it. ``make`` gives the world as it is in the beginning."""

    make: Callable[[], World]
    budget: Budget = field(default_factory=Budget)
    world: World = field(init=False)
    faults: Faults = field(init=False)
    log: Log = field(init=False)
    slow_ms: int = field(init=False)

    def __post_init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Begin again, with the plan as it is."""
        self.world, self.faults, self.log, self.slow_ms = self.make(), Faults(), Log(), 0
        self.budget = Budget(self.budget.plan, self.budget.minute_seconds, self.budget.decimal)


@dataclass(slots=True)
class Request:
    """What a route needs to know of a request. ``base`` is the account's address, ``path`` is below /api/v2."""

    account: Account
    method: str
    path: str
    query: dict[str, str]
    base: str
    headers: dict[bytes, bytes]
    receive: Receive

    @property
    def world(self) -> World:
        return self.account.world

    async def json(self) -> Json:
        """The request's body. Raises ``Refused`` (415, 400) when it is not a JSON object."""
        sent = self.headers.get(b"content-type", b"").decode("latin-1")
        if not sent.startswith("application/json"):
            message = f"Content-Type header is set to {sent or 'nothing'}. It should have been set to application/json"
            raise Refused(as_json(415, {"code": "invalid_content_type", "message": message}))
        body, more = b"", True
        while more:
            message = await self.receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        try:
            value = orjson.loads(body)
        except orjson.JSONDecodeError as broken:
            raise Refused(
                as_json(400, {"code": "invalid_json", "message": "Request body has invalid json format"})
            ) from broken
        if not isinstance(value, dict):
            raise Refused(as_json(400, {"code": "invalid_json", "message": "Request body has invalid json format"}))
        return value


class Freshdesk:
    """ASGI application, mounted at ``/{company}/api/v2``."""

    def __init__(self, accounts: dict[str, Account]) -> None:
        self.accounts = accounts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        company, path = scope["path_params"]["company"], scope["path"].partition("/api/v2")[2].strip("/")
        account = self.accounts.get(company)
        if account is None:
            await deliver(scope, send, no_helpdesk())
            return
        headers: dict[bytes, bytes] = dict(scope["headers"])
        base = f"{scope['scheme']}://{headers.get(b'host', b'localhost').decode('latin-1')}/{company}"
        query = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
        request = Request(account, scope["method"], path, query, base, headers, receive)
        route, kind = _classify(request.method, path)
        if account.slow_ms:
            await asyncio.sleep(account.slow_ms / 1000)
        answer, fault, cost = await self._answer(request, kind)
        account.log.credits += cost
        account.log.add(route, fault if fault in ("reset", "cut") else answer.status)
        answer.headers += _rate_headers(account.budget, cost)
        await deliver(scope, send, answer, fault)

    async def _answer(self, request: Request, kind: Kind) -> tuple[Answer, Fault | None, int]:
        """The answer, the fault to be done to its delivery, and the credits it cost."""
        account = request.account
        cost = _credits(request)
        wait = account.budget.take(cost, kind)
        if wait is not None:
            return too_many(wait), None, 0
        fault = account.faults.draw()
        if fault is not None:
            account.log.faults[fault] += 1
        if fault == "slow":
            await asyncio.sleep(account.faults.slow_ms / 1000)
        elif fault in FAULTY:
            return FAULTY[fault](), None, cost
        try:
            _authenticate(request)
            answer = await _route(request)
        except Refused as refused:
            answer = refused.answer
        answer.body = attachments.sign(answer.body, request.base)
        return answer, fault, cost


async def _route(request: Request) -> Answer:  # noqa: C901 - a table, not a tangle
    """The table of addresses."""
    match request.method, request.path.split("/"):
        case "GET", ["tickets"]:
            return _list_tickets(request)
        case "GET", ["tickets", number, "conversations"]:
            return _conversations(request, _ticket(request, number))
        case "GET", ["tickets", "archived", number]:
            return _view(request, _ticket(request, number, archived=True))
        case "GET", ["tickets", "archived", number, "conversations"]:
            return _conversations(request, _ticket(request, number, archived=True))
        case "DELETE", ["tickets", "archived", number]:
            request.world.purge([_ticket(request, number, archived=True).id])
            return Answer(204)
        case "GET", ["tickets", number]:
            return _view(request, _ticket(request, number))
        case "PUT", ["tickets", "merge"]:
            return await _merge(request)
        case "PUT", ["tickets", number]:
            return await _update(request, _ticket(request, number))
        case "DELETE", ["tickets", number]:
            request.world.put([_ticket(request, number).id], "deleted")
            return Answer(204)
        case "PUT", ["tickets", number, "restore"]:
            return _restore(request, _ticket(request, number))
        case "GET", ["agents", "me"]:
            return as_json(200, request.world.helpdesk.agents[0])
        case "GET", ["ticket_fields"]:
            return _ticket_fields(request)
        case "GET", [("agents" | "groups" | "products" | "contacts" | "companies") as kind]:
            return _records(request, getattr(request.world.helpdesk, kind))
        case "GET", [("agents" | "groups" | "products" | "contacts" | "companies") as kind, number]:
            return _record(getattr(request.world.helpdesk, kind), number)
        case _, [_] | ["tickets", _] | ["tickets", _, "conversations" | "restore"] if _known(request.path):
            return as_json(405, {"message": f"{request.method} method is not allowed."})
        case _:
            return Answer(404)


def _known(path: str) -> bool:
    return path.split("/")[0] in ("tickets", "ticket_fields", "agents", "groups", "products", "contacts", "companies")


# -- tickets -----------------------------------------------------------------------------------------------------------


def _list_tickets(request: Request) -> Answer:
    query, world = request.query, request.world
    _only(query, _LIST_PARAMETERS)
    page, per_page = _paging(query)
    if page > world.page_cap:
        message = f"You cannot access tickets beyond the {world.page_cap}th page. Please provide a smaller page number."
        raise Refused(invalid("page", message))
    includes = _includes(query, _LIST_INCLUDES)
    order_by = _one_of(query, "order_by", _ORDERS, "created_at")
    order_type = _one_of(query, "order_type", ("asc", "desc"), "desc")
    chosen = _one_of(query, "filter", tuple(_FILTERS), None)
    place = _FILTERS[chosen] if chosen else "live"
    keys = world.find(
        place,
        order_by,
        descending=order_type == "desc",
        updated_since=_time(query, "updated_since"),
        keep=_keep(request, chosen),
    )
    start = (page - 1) * per_page
    shown = [world.tickets[number] for _, number in keys[start : start + per_page]]
    body = b"[" + b",".join([_row(ticket, includes) for ticket in shown]) + b"]"
    if place == "live":
        world.given("list", [ticket.id for ticket in shown])
    return Answer(200, body, _next_link(request, page, more=len(keys) > start + per_page))


def _row(ticket: Ticket, includes: Sequence[str]) -> bytes:
    pieces = [ticket.row]
    pieces += [ticket.text if name == "description" else ticket.parts[name] for name in includes]
    return b"".join([*pieces, b"}"])


def _keep(request: Request, chosen: str | None) -> Callable[[Ticket], bool] | None:
    """The condition that ``filter`` and the contact's parameters put on a ticket."""
    query = request.query
    if chosen == "watching":
        return lambda _: False
    if chosen == "new_and_my_open":
        me = request.world.helpdesk.agents[0]["id"]
        return lambda ticket: ticket.status == 2 and ticket.responder_id in (None, me)
    if "requester_id" in query:
        wanted = _number(query, "requester_id")
        return lambda ticket: ticket.requester_id == wanted
    if "email" in query:
        contacts = request.world.helpdesk.contacts
        ids = {contact["id"] for contact in contacts if contact["email"] == query["email"].lower()}
        return lambda ticket: ticket.requester_id in ids
    if "company_id" in query:
        wanted = _number(query, "company_id")
        return lambda ticket: ticket.company_id == wanted
    return None


def _ticket(request: Request, number: str, *, archived: bool = False) -> Ticket:
    """The ticket of an address; 404 for what is purged, or on the other side of the archive."""
    ticket = request.world.tickets.get(int(number)) if number.isdecimal() else None
    if ticket is None or (ticket.place == "archived") != archived:
        raise Refused(Answer(404))
    return ticket


def _view(request: Request, ticket: Ticket) -> Answer:
    _only(request.query, {"include"})
    includes = _includes(request.query, _VIEW_INCLUDES)
    pieces = [ticket.row, ticket.text, ticket.parts["attachments"]]
    if ticket.place in ("deleted", "archived"):
        pieces.append(b',"%s":true' % ticket.place.encode())
    for name in includes:
        if name == "conversations":
            pieces += [b',"conversations":[', b",".join(ticket.conversations[:10]), b"]"]
        else:
            pieces.append(ticket.parts[name])
    return Answer(200, b"".join([*pieces, b"}"]))


def _conversations(request: Request, ticket: Ticket) -> Answer:
    _only(request.query, {"page", "per_page"})
    if ticket.place == "deleted":
        raise Refused(denied())
    page, per_page = _paging(request.query)
    start = (page - 1) * per_page
    body = b"[" + b",".join(ticket.conversations[start : start + per_page]) + b"]"
    if request.world.churn.on == "conversations":
        request.world.given("conversations", [ticket.id])
    return Answer(200, body, _next_link(request, page, more=len(ticket.conversations) > start + per_page))


async def _update(request: Request, ticket: Ticket) -> Answer:
    values = await request.json()
    _only(values, _UPDATABLE)
    if "status" in values and values["status"] not in shape.STATUSES.values():
        raise Refused(invalid("status", f"It should be one of these values: '{_listed(shape.STATUSES.values())}'"))
    request.world.clock.advance(1)

    def change(record: Json) -> None:
        if "status" in values and values["status"] != record["status"]:
            request.world.restate(record, values["status"])
        record.update(values)
        if "description" in values:
            record["description_text"] = re.sub(r"<[^>]+>", " ", values["description"]).strip()

    request.world.change(ticket.id, change)
    return Answer(200, _row(ticket, ("description", "attachments")))


async def _merge(request: Request) -> Answer:
    values = await request.json()
    _only(values, {"primary_id", "ticket_ids"})
    primary = _ticket(request, str(values.get("primary_id")))
    request.world.merge(primary.id, [_ticket(request, str(number)).id for number in values.get("ticket_ids", [])])
    return Answer(204)


def _restore(request: Request, ticket: Ticket) -> Answer:
    if ticket.place not in ("deleted", "spam"):
        raise Refused(Answer(404))
    request.world.put([ticket.id], "live")
    return Answer(204)


# -- everything else ---------------------------------------------------------------------------------------------------


def _ticket_fields(request: Request) -> Answer:
    desk = request.world.helpdesk
    fields = shape.ticket_fields(desk.agents, desk.groups, desk.products, desk.agents[0]["created_at"])
    if "type" in request.query:
        fields = [one for one in fields if one["type"] == request.query["type"]]
    return as_json(200, fields)


def _records(request: Request, records: list[Json]) -> Answer:
    since = _time(request.query, "_updated_since")
    if since:
        records = [record for record in records if record["updated_at"] >= since]
    if "email" in request.query:
        records = [record for record in records if record.get("email") == request.query["email"].lower()]
    page, per_page = _paging(request.query)
    start = (page - 1) * per_page
    shown = records[start : start + per_page]
    return Answer(200, orjson.dumps(shown), _next_link(request, page, more=len(records) > start + per_page))


def _record(records: list[Json], number: str) -> Answer:
    found = next((record for record in records if str(record["id"]) == number), None)
    return as_json(200, found) if found else Answer(404)


# -- parameters --------------------------------------------------------------------------------------------------------


def _only(given: dict[str, Any], known: set[str]) -> None:
    unknown = sorted(set(given) - known)
    if unknown:
        raise Refused(validation(*((name, "Unexpected/invalid field in request", "invalid_field") for name in unknown)))


def _paging(query: dict[str, str]) -> tuple[int, int]:
    page, per_page = _number(query, "page", 1), _number(query, "per_page", 30)
    if page < 1:
        raise Refused(invalid("page", "It should be a/an Positive Integer"))
    if not 1 <= per_page <= 100:
        raise Refused(invalid("per_page", "It should be a/an Positive Integer less than or equal to 100"))
    return page, per_page


def _number(query: dict[str, str], name: str, default: int = 0) -> int:
    value = query.get(name)
    if value is None:
        return default
    if not value.isdecimal():
        raise Refused(validation((name, "It should be a/an Positive Integer", "datatype_mismatch")))
    return int(value)


def _includes(query: dict[str, str], known: Sequence[str]) -> list[str]:
    wanted = [name for name in query.get("include", "").split(",") if name]
    if any(name not in known for name in wanted):
        raise Refused(invalid("include", f"It should be one of these values: '{_listed(known)}'"))
    return wanted


def _one_of(query: dict[str, str], name: str, known: Sequence[str], default: str | None) -> Any:
    value = query.get(name, default)
    if value is not default and value not in known:
        raise Refused(invalid(name, f"It should be one of these values: '{_listed(known)}'"))
    return value


def _listed(values: Any) -> str:
    return ",".join(str(value) for value in values)


def _time(query: dict[str, str], name: str) -> str | None:
    """A time parameter in the form of the stored times; offsets are converted, a bare date is its midnight."""
    value = query.get(name)
    if value is None:
        return None
    value = value.replace(" ", "+")  # a '+' that was not percent-encoded arrives as a space
    try:
        if not _TIME.fullmatch(value):
            raise ValueError(value)
        moment = datetime.fromisoformat(value)
    except ValueError as wrong:
        message = "It should be in the 'combined date and time ISO8601' format"
        raise Refused(validation((name, message, "invalid_value"))) from wrong
    return corpus.stamp(moment.replace(tzinfo=corpus.UTC) if moment.tzinfo is None else moment.astimezone(corpus.UTC))


def _next_link(request: Request, page: int, *, more: bool) -> list[tuple[bytes, bytes]]:
    if not more:
        return []
    query = urlencode(request.query | {"page": page + 1})
    return [(b"link", f'<{request.base}/api/v2/{request.path}?{query}>; rel="next"'.encode())]


# -- who may, and how much ---------------------------------------------------------------------------------------------


def _classify(method: str, path: str) -> tuple[str, Kind]:
    """The route's name in the log, and whose budget it is."""
    route = f"{method} /" + re.sub(r"\b\d+\b", "{id}", path)
    if route == "GET /tickets":
        return route, "ticket_list"
    if route == "GET /contacts":
        return route, "contact_list"
    return route, "ticket_update" if method == "PUT" and path.startswith("tickets") else "other"


def _credits(request: Request) -> int:
    """One, and for each include two more on a list and one more on a view."""
    include = request.query.get("include")
    if not include:
        return 1
    return 1 + len(include.split(",")) * (2 if request.path == "tickets" else 1)


def _authenticate(request: Request) -> None:
    scheme, _, encoded = request.headers.get(b"authorization", b"").partition(b" ")
    try:
        key = base64.b64decode(encoded, validate=True).partition(b":")[0] if scheme.lower() == b"basic" else b""
    except ValueError:
        key = b""
    if key.decode("utf-8", "replace") != request.world.key:
        message = "You have to be logged in to perform this action."
        raise Refused(as_json(401, {"code": "invalid_credentials", "message": message}))
    accept = request.headers.get(b"accept", b"*/*")
    if b"json" not in accept and b"*/*" not in accept:
        raise Refused(Answer(406))
    if request.world.denied:
        raise Refused(denied())


def _rate_headers(budget: Budget, cost: int) -> list[tuple[bytes, bytes]]:
    form = b"%d.0" if budget.decimal else b"%d"
    return [
        (b"x-freshdesk-api-version", b"latest=v2; requested=v2"),
        (b"x-ratelimit-total", form % budget.plan.total),
        (b"x-ratelimit-remaining", form % budget.remaining),
        (b"x-ratelimit-used-currentrequest", form % cost),
    ]
