"""How much of an account's request limit may still be used, and when to go on.

Belongs here: counting credits in the minute that the server counts, from the headers of its answers.
Does not belong here: sending, or what a request costs (the adapter knows), or retries (``resources/http``).
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from math import isfinite

Sleep = Callable[[float], object]
#: What Freshdesk and Zendesk call the same numbers.
_TOTAL = ("X-RateLimit-Total", "X-Rate-Limit", "RateLimit-Limit")
_LEFT = ("X-RateLimit-Remaining", "X-Rate-Limit-Remaining", "RateLimit-Remaining")
_USED = ("X-RateLimit-Used-CurrentRequest",)
#: Seconds in which another thread's answer may tell more.
_SOON = 0.02
#: Our part of a window may be spent evenly over this share of it, after this share of our part at once. Over the whole
#: window would be smoother, and would make the last window of a walk last a whole one.
_SPREAD, _AT_ONCE = 0.5, 0.1


@dataclass(frozen=True, slots=True)
class Taken:
    """A request on its way: its cost, when it went, and what was known then: the window's number and what it had left."""

    cost: float
    sent: float
    window: int
    left: float | None


class RateBudget:
    """One account's limiter, shared by all threads that ask it.

    A server counts credits in windows: so many (``X-RateLimit-Total``, or Zendesk's ``X-Rate-Limit``) until the window
    ends, then anew. We use
    ``share`` of them and leave the rest to the customer's own tools, and spend them evenly over the first half of the
    window, so that nobody else meets a wall of ours. When our part is spent, all threads wait until
    the window must have ended, then one request goes first and learns what the new one holds. A window counts as
    begun when we first saw it, so waiting ``window`` seconds is always enough; accounts that count by the hour only
    make that one request find nothing new, once a minute. Without the headers there is no limit.
    """

    def __init__(self, share: float = 1.0, window: float = 60.0) -> None:
        self.share = share
        self.window = window
        self.total: float | None = None
        """Credits a window holds; None until an answer said so."""
        self.credits = 0.0
        """Credits used so far, as the server counted them."""
        self._lock = threading.Lock()
        self._number = 0
        self._left: float | None = None
        self._ends = 0.0
        self._in_flight = 0.0
        self._spent = 0.0
        """What we have taken in this window, others not counted."""
        self._paused_until = 0.0

    def take(self, cost: float, sleep: Sleep = time.sleep) -> Taken:
        """Wait until a request of so many credits may be sent; ``done`` must follow. What ``sleep`` raises passes."""
        while True:
            with self._lock:
                now = time.monotonic()
                wait = self._wait(cost, now)
                if wait <= 0:
                    self._in_flight += cost
                    self._spent += cost
                    return Taken(cost, now, self._number, self._left)
            sleep(min(wait, 1.0))

    def done(self, taken: Taken, headers: Mapping[str, str]) -> None:
        """A request has been answered, or (no headers) has failed."""
        total, left, used = _number(headers, *_TOTAL), _number(headers, *_LEFT), _number(headers, *_USED)
        with self._lock:
            self._in_flight -= taken.cost
            # Where the server does not tell what a request cost (Zendesk), each costs what was taken for it.
            self.credits += used if used is not None else taken.cost if total is not None else 0.0
            if total is None or left is None:
                return
            self.total = total
            # What is left only falls within a window, so more than was known when the request went is a new window.
            # Answers overtake each other: one that went in a window before this one tells nothing of this one.
            is_newer = taken.left is None or left > taken.left or taken.sent >= self._ends
            if is_newer and taken.window == self._number:
                self._number += 1
                self._spent = self._in_flight + taken.cost
                self._left, self._ends = left, time.monotonic() + self.window
            elif is_newer or taken.window == self._number:
                self._left = left if self._left is None else min(self._left, left)

    def refused(self, taken: Taken, headers: Mapping[str, str], seconds: float) -> None:
        """429: the server wants nothing for so long (``Retry-After``), and its window ends then. Where it says that there
        are credits left, only this kind of request is over its own limit, and the others go on."""
        left = _number(headers, *_LEFT)
        if left is not None and left >= taken.cost:
            return
        with self._lock:
            self._paused_until = max(self._paused_until, time.monotonic() + seconds)
            self._ends = min(self._ends, self._paused_until)

    def _wait(self, cost: float, now: float) -> float:
        """Seconds to wait before asking again, for another thread's answer may change it; 0 to go."""
        if now < self._paused_until:
            return self._paused_until - now
        if self._left is None or self.total is None:
            return 0.0
        if now >= self._ends:
            return _SOON if self._in_flight else 0.0
        ours = self.total * self.share
        room = self._left - cost - (self.total - ours)
        if room < 0:
            return self._ends - now
        passed = 1 - (self._ends - now) / self.window
        early = self._spent + cost - ours * (_AT_ONCE + passed / _SPREAD)
        if room >= self._in_flight and early > 0 and self._spent:
            return max(_SOON, early / ours * _SPREAD * self.window)
        return 0.0 if room >= self._in_flight else _SOON


class Pace:
    """So many requests in any ``window`` seconds, for addresses with a limit of their own that no header tells."""

    def __init__(self, most: int, window: float = 60.0) -> None:
        self.most, self.window = most, window
        self._sent: deque[float] = deque()
        self._lock = threading.Lock()

    def take(self, sleep: Sleep = time.sleep) -> None:
        """Wait until one more may be sent. What ``sleep`` raises passes."""
        while True:
            with self._lock:
                now = time.monotonic()
                while self._sent and self._sent[0] + self.window <= now:
                    self._sent.popleft()
                if len(self._sent) < self.most:
                    self._sent.append(now)
                    return
                wait = self._sent[0] + self.window - now
            sleep(min(wait, 1.0))


def _number(headers: Mapping[str, str], *names: str) -> float | None:
    """The first of these headers that holds a number. Some accounts say "100.0"."""
    for name in names:
        with suppress(KeyError, ValueError):
            if isfinite(number := float(headers[name])):
                return number
    return None
