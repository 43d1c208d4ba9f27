"""How much of an account's request limit may still be used, and when to go on.

Belongs here: counting credits in the minute that the server counts, from the headers of its answers.
Does not belong here: sending, or what a request costs (the adapter knows), or retries (``resources/http``).
"""

import threading
import time
from collections.abc import Callable, Mapping

Sleep = Callable[[float], object]


class RateBudget:
    """One account's limiter, shared by all threads that ask it.

    A server counts credits in windows: so many (``X-RateLimit-Total``) until the window ends, then anew. We use
    ``share`` of them and leave the rest to the customer's own tools. When our part is spent, all threads wait until
    the window must have ended, then one request goes first and learns what the new one holds. A window counts as
    begun when we first saw it, never earlier than it was, so waiting ``window`` seconds is always enough;
    accounts that count by the hour only make the one request find nothing new, once a window.
    Without the headers there is no limit. An unknown cost is corrected by the next answer.
    """

    def __init__(self, share: float = 1.0, window: float = 60.0) -> None:
        self.share = share
        self.window = window
        self.total: float | None = None
        """Credits a window holds; None until an answer said so."""
        self.credits = 0.0
        """Credits used so far, as the server counted them."""
        self._lock = threading.Lock()
        self._left: float | None = None
        self._in_flight = 0.0
        self._window_ends = 0.0
        self._paused_until = 0.0

    def take(self, cost: float, sleep: Sleep = time.sleep) -> None:
        """Wait until a request of so many credits may be sent; ``done`` must follow. What ``sleep`` raises passes."""
        while True:
            with self._lock:
                wait = self._wait(cost)
                if wait <= 0:
                    self._in_flight += cost
                    return
            sleep(min(wait, 1.0))

    def done(self, cost: float, headers: Mapping[str, str]) -> None:
        """A request has been answered, or (no headers) has failed."""
        total, left = _number(headers, "X-RateLimit-Total"), _number(headers, "X-RateLimit-Remaining")
        used = _number(headers, "X-RateLimit-Used-CurrentRequest")
        with self._lock:
            in_flight, self._in_flight = self._in_flight, self._in_flight - cost
            self.credits += used or 0.0
            if total is None or left is None:
                return
            self.total = total
            now = time.monotonic()
            # Answers overtake each other, so a number that is higher by what is in flight is no new window.
            if self._left is None or now >= self._window_ends or left > self._left + in_flight:
                self._left, self._window_ends = left, now + self.window
            else:
                self._left = min(self._left, left)

    def pause(self, seconds: float) -> None:
        """Nothing is sent for so long: the server said so (``Retry-After``)."""
        with self._lock:
            self._paused_until = max(self._paused_until, time.monotonic() + seconds)
            self._window_ends = min(self._window_ends, self._paused_until)

    def _wait(self, cost: float) -> float:
        """Seconds to wait; called again after each wait, because another thread's answer may change it."""
        now = time.monotonic()
        if now < self._paused_until:
            return self._paused_until - now
        if self._left is None or self.total is None:
            return 0.0
        if self._left - self._in_flight - cost >= self.total * (1 - self.share):
            return 0.0
        if now < self._window_ends:
            return self._window_ends - now
        return 0.05 if self._in_flight else 0.0


def _number(headers: Mapping[str, str], name: str) -> float | None:
    """Some accounts say "100.0"."""
    try:
        return float(headers[name])
    except (KeyError, ValueError):
        return None
