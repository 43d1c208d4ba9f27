"""What an account may ask for in a minute: Freshdesk's and Zendesk's plans, the credits, and when 429 is due.

Belongs here: numbers and counting. Does not belong here: headers and bodies of the answers (``freshdesk``, ``zendesk``).
"""

import math
import time
from dataclasses import dataclass, field
from typing import Literal

#: The kinds of request that have a budget of their own within the account's.
Kind = Literal["ticket_list", "contact_list", "ticket_update", "export", "other"]


@dataclass(frozen=True, slots=True)
class Plan:
    """Calls a minute for the whole account, and for the kinds with a smaller budget of their own."""

    total: int
    ticket_list: int | None = None
    contact_list: int | None = None
    ticket_update: int | None = None
    export: int | None = None

    def of(self, kind: Kind) -> int | None:
        return None if kind == "other" else getattr(self, kind)


PLANS = {
    "none": Plan(1_000_000_000),
    "free": Plan(50),
    "growth": Plan(200, 20, 20, 80),
    "pro": Plan(400, 100, 100, 160),
    "enterprise": Plan(700, 200, 200, 280),
    "zendesk-team": Plan(200, export=10),
    "zendesk-professional": Plan(400, export=10),
    "zendesk-enterprise": Plan(700, export=10),
    "zendesk-high-volume": Plan(2500, export=30),
}


@dataclass(slots=True)
class Budget:
    """Counts credits in windows of one minute, which starts with the first request after the last one ended.

    Calls of a kind count once each against that kind's budget, credits against the account's.
    ``minute_seconds`` is how long a minute lasts here, so that tests need not wait; ``decimal`` makes the headers
    say "100.0", as some accounts do.
    """

    plan: Plan = PLANS["none"]
    minute_seconds: float = 60.0
    decimal: bool = False
    used: int = 0
    calls: dict[Kind, int] = field(default_factory=dict[Kind, int])
    ends: float = 0.0

    def take(self, cost: int, kind: Kind) -> int | None:
        """Spend ``cost`` credits; if the budget does not allow it, spend nothing and return the seconds to wait."""
        now = time.monotonic()
        if now >= self.ends:
            self.ends = now + self.minute_seconds
            self.used = 0
            self.calls.clear()
        calls, allowed = self.calls.get(kind, 0), self.plan.of(kind)
        if self.used + cost > self.plan.total or (allowed is not None and calls >= allowed):
            return max(1, math.ceil(self.ends - now))
        self.used += cost
        self.calls[kind] = calls + 1
        return None

    @property
    def remaining(self) -> int:
        return self.plan.total - self.used

    @property
    def resets(self) -> int:
        """Whole seconds until the minute ends."""
        return max(0, math.ceil(self.ends - time.monotonic()))
