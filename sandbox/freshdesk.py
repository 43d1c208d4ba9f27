"""The Freshdesk API v2 over the sandbox's worlds.

Belongs here: addresses, parameters, answers, headers and errors, as Freshdesk gives them.
Does not belong here: what a world holds or how it changes (``world``), what a request may cost (``limits``).

Plain ASGI below its mount point: a sandbox must not be what a benchmark measures.
"""

import asyncio
import base64
import re
from collections.abc import Callable, Sequence
from datetime import timedelta
from urllib.parse import parse_qsl

from sandbox import attachments, corpus, custom, freshdesk_solutions, parameters, shape
from sandbox.account import Account, Request, family
from sandbox.answers import (
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
    no_such_feature,
    too_many,
)
from sandbox.faults import Fault
from sandbox.limits import Budget, Kind
from sandbox.shape import Json
from sandbox.spoil import begin, instead, spoil
from sandbox.world import Order, Place, Ticket

_LIST_INCLUDES = ("requester", "stats", "company", "description")
_VIEW_INCLUDES = ("conversations", "requester", "company", "stats")
_ORDERS: tuple[Order, ...] = ("created_at", "due_by", "updated_at", "status")
_FILTERS: dict[str, Place] = {"deleted": "deleted", "spam": "spam", "new_and_my_open": "live", "watching": "live"}
_LIST_PARAMETERS = {"page", "per_page", "updated_since", "order_by", "order_type", "include", "filter"}
_LIST_PARAMETERS |= {"requester_id", "company_id", "email"}
_UPDATABLE = {"subject", "status", "priority", "type", "tags", "group_id", "responder_id", "product_id", "description"}


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
        account.log.add(route, fault if fault in ("reset", "cut", "timeout") else answer.status)
        answer.headers += _rate_headers(account.budget, cost)
        await deliver(scope, send, answer, fault, account.skew)

    async def _answer(self, request: Request, kind: Kind) -> tuple[Answer, Fault | None, int]:
        """The answer, the fault to be done to its delivery, and the credits it cost."""
        account = request.account
        cost = _credits(request)
        wait = account.budget.take(cost, kind)
        if wait is not None:
            return too_many(wait), None, 0
        fault = await begin(request)
        early = instead(fault, account.faults)
        if early is not None:
            return early, None, cost
        try:
            _authenticate(request)
            answer = await _route(request)
        except Refused as refused:
            answer = refused.answer
        spoil(answer, "old" if account.world.old else fault, account.faults)
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
        case "GET", ["tickets", number, "satisfaction_ratings"]:
            return parameters.one_page(request, request.world.ratings.of([_ticket(request, number).id]))
        case "GET", ["surveys", "satisfaction_ratings"]:
            return _ratings(request)
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
        case "GET", ["settings", "helpdesk"]:
            return as_json(200, shape.settings(request.world.helpdesk.language))
        case "GET", ["contacts"]:
            return _records(request, request.world.contacts)
        case "GET", ["contacts", number]:
            found = request.world.contact(int(number)) if number.isdecimal() else None
            return as_json(200, found) if found else Answer(404)
        case "GET", [("agents" | "groups" | "products" | "companies") as kind]:
            return _records(request, getattr(request.world.helpdesk, kind))
        case "GET", [("agents" | "groups" | "products" | "companies") as kind, number]:
            return _record(getattr(request.world.helpdesk, kind), number)
        case "GET", ["solutions", _, *_]:
            return freshdesk_solutions.answer(request)
        case "GET", ["search", "solutions"]:
            return freshdesk_solutions.search(request)
        case _, [_] | ["tickets", _] | ["tickets", _, "conversations" | "restore"] if _known(request.path):
            return as_json(405, {"message": f"{request.method} method is not allowed."})
        case _:
            return Answer(404)


def _known(path: str) -> bool:
    return path.split("/")[0] in ("tickets", "ticket_fields", "agents", "groups", "products", "contacts", "companies")


# -- tickets -----------------------------------------------------------------------------------------------------------


def _list_tickets(request: Request) -> Answer:
    query, world = request.query, request.world
    parameters.only(query, _LIST_PARAMETERS)
    page, per_page = parameters.paging(query)
    if page > world.page_cap:
        message = f"You cannot access tickets beyond the {world.page_cap}th page. Please provide a smaller page number."
        raise Refused(invalid("page", message))
    includes = parameters.includes(query, _LIST_INCLUDES)
    if world.old and "description" not in includes:
        includes.append("description")
    order_by = parameters.one_of(query, "order_by", _ORDERS, "created_at")
    order_type = parameters.one_of(query, "order_type", ("asc", "desc"), "desc")
    chosen = parameters.one_of(query, "filter", tuple(_FILTERS), None)
    place = _FILTERS[chosen] if chosen else "live"
    since, keep = parameters.time(query, "updated_since"), _keep(request, chosen)
    try:
        keys = world.find(place, order_by, descending=order_type == "desc", updated_since=since, keep=keep)
    except ValueError as wrong:
        raise Refused(invalid("filter", str(wrong))) from wrong
    start = (page - 1) * per_page
    shown = [world.tickets[number] for _, number in keys[start : start + per_page]]
    body = b"[" + b",".join([_row(ticket, includes) for ticket in shown]) + b"]"
    if place == "live":
        world.given("list", [ticket.id for ticket in shown])
    return Answer(200, body, parameters.next_link(request, page, more=len(keys) > start + per_page))


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
        wanted = parameters.number(query, "requester_id")
        return lambda ticket: ticket.requester_id == wanted
    if "email" in query:
        contacts = request.world.contacts
        ids = {contact["id"] for contact in contacts if contact["email"] == query["email"].lower()}
        return lambda ticket: ticket.requester_id in ids
    if "company_id" in query:
        wanted = parameters.number(query, "company_id")
        return lambda ticket: ticket.company_id == wanted
    return None


def _ticket(request: Request, number: str, *, archived: bool = False) -> Ticket:
    """The ticket of an address; 404 for what is purged, or on the other side of the archive."""
    ticket = request.world.tickets.get(int(number)) if number.isdecimal() else None
    if ticket is None or (ticket.place == "archived") != archived:
        raise Refused(Answer(404))
    return ticket


def _view(request: Request, ticket: Ticket) -> Answer:
    parameters.only(request.query, {"include"})
    includes = parameters.includes(request.query, _VIEW_INCLUDES)
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
    parameters.only(request.query, {"page", "per_page"})
    if ticket.place == "deleted":
        raise Refused(denied())
    page, per_page = parameters.paging(request.query)
    start = (page - 1) * per_page
    body = b"[" + b",".join(ticket.conversations[start : start + per_page]) + b"]"
    if request.world.churn.on == "conversations":
        request.world.given("conversations", [ticket.id])
    return Answer(200, body, parameters.next_link(request, page, more=len(ticket.conversations) > start + per_page))


async def _update(request: Request, ticket: Ticket) -> Answer:
    values = await request.json()
    parameters.only(values, _UPDATABLE)
    if "status" in values and values["status"] not in request.world.statuses:
        raise Refused(
            invalid("status", f"It should be one of these values: '{parameters.listed(request.world.statuses)}'")
        )
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
    parameters.only(values, {"primary_id", "ticket_ids"})
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
    since = desk.agents[0]["created_at"]
    fields = shape.ticket_fields(desk.agents, desk.groups, desk.products, since)
    if request.world.custom:
        (statuses,) = (one["choices"] for one in fields if one["name"] == "status")
        statuses |= {str(number): [*names] for number, names in custom.STATUSES[desk.language].items()}
        fields += custom.ticket_fields(desk.language, since)
    if "type" in request.query:
        fields = [one for one in fields if one["type"] == request.query["type"]]
    return as_json(200, fields)


def _records(request: Request, records: Sequence[Json]) -> Answer:
    since = parameters.time(request.query, "_updated_since")
    if since:
        records = [record for record in records if record["updated_at"] >= since]
    if "email" in request.query:
        records = [record for record in records if record.get("email") == request.query["email"].lower()]
    return parameters.one_page(request, records)


def _ratings(request: Request) -> Answer:
    """Ratings of the account, without ``created_since`` those of the last 30 days (not verified; the stricter of two)."""
    parameters.only(request.query, {"created_since", "user_id", "page", "per_page"})
    month = corpus.stamp(request.world.clock.now() - timedelta(days=30))
    since = parameters.time(request.query, "created_since") or month
    found = [one for one in request.world.rated() if one["created_at"] >= since]
    if "user_id" in request.query:
        wanted = parameters.number(request.query, "user_id")
        found = [one for one in found if one["user_id"] == wanted]
    return parameters.one_page(request, found)


def _record(records: Sequence[Json], number: str) -> Answer:
    found = next((record for record in records if str(record["id"]) == number), None)
    return as_json(200, found) if found else Answer(404)


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
    rights, asked = request.account.rights, family(request.path)
    if rights.denies(asked):
        raise Refused(denied())
    if asked in rights.missing:
        raise Refused(no_such_feature(asked) if rights.missing[asked] == 403 else Answer(404))


def _rate_headers(budget: Budget, cost: int) -> list[tuple[bytes, bytes]]:
    form = b"%d.0" if budget.decimal else b"%d"
    return [
        (b"x-freshdesk-api-version", b"latest=v2; requested=v2"),
        (b"x-ratelimit-total", form % budget.plan.total),
        (b"x-ratelimit-remaining", form % budget.remaining),
        (b"x-ratelimit-used-currentrequest", form % cost),
    ]
