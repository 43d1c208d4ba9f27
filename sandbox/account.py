"""One account as the servers see it: its world, what it may ask, how it fails, what was asked of it; and a request to it.

Belongs here: what Freshdesk's and Zendesk's servers share. Does not belong here: addresses and answers (``freshdesk``,
``zendesk``), what a world holds (``world``).
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import orjson

from sandbox.answers import Receive, Refused, as_json
from sandbox.faults import Faults
from sandbox.limits import Budget
from sandbox.shape import Json
from sandbox.world import World


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
class Rights:
    """What the key may not see.

    ``denied`` is everything, or the families of addresses that answer 403. ``missing`` are those that the plan does not
    have, with the status they answer: 403 with Freshdesk's code ``require_feature``, or 404.
    """

    denied: bool | frozenset[str] = False
    missing: Mapping[str, int] = field(default_factory=dict[str, int])

    def __post_init__(self) -> None:
        if wrong := {*self.missing.values()} - {403, 404}:
            raise ValueError(f"what is missing answers 403 or 404, not {', '.join(map(str, sorted(wrong)))}")

    def denies(self, family: str) -> bool:
        return self.denied if isinstance(self.denied, bool) else family in self.denied


@dataclass(slots=True)
class Account:
    """A world, and how the API treats those who ask for it. ``make`` gives the world as it is in the beginning."""

    make: Callable[[], World]
    budget: Budget = field(default_factory=Budget)
    world: World = field(init=False)
    faults: Faults = field(init=False)
    rights: Rights = field(init=False)
    log: Log = field(init=False)
    slow_ms: int = field(init=False)
    #: How far the clock of its headers is off, in seconds.
    skew: int = field(init=False)

    def __post_init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Begin again, with the plan as it is."""
        self.world, self.faults, self.log, self.slow_ms = self.make(), Faults(), Log(), 0
        self.skew = 0
        self.rights = Rights()
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


def family(path: str) -> str:
    """The kind of address that rights and faults are given for: ``tickets``, ``conversations``, ``ticket_fields`` ..."""
    match path.removeprefix("incremental/").split("/"):
        case ["tickets", "archived", *_]:
            return "archived"
        case ["tickets", _, ("conversations" | "comments" | "satisfaction_ratings") as kind]:
            return kind
        case ["agents" | "users", "me"]:
            return "me"
        case ["surveys" | "search", kind, *_]:
            return kind
        case [kind, *_]:
            return kind
        case _:
            return ""
