"""How many requests and tokens a minute a provider takes, and when the next call may go.

Belongs here: what the headers of its answers tell (``x-ratelimit-{limit,remaining,reset}-{requests,tokens}``), what the
settings allow, and what calls on their way will take. Does not belong here: sending, or choosing a provider (``pool``).

Two kinds of server are told apart by their headers. One lets its allowance flow back evenly, and says when it would be
full again (OpenAI): then what remains and the time to full add up to the same each time. The other counts in windows, and
says when the next one begins. Without headers only the settings limit.
"""

import re
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from math import isfinite

from domain.provider import Provider
from resources.llm.base import Call

#: Seconds in which an answer may tell more.
SOON = 0.05
#: Share of a limit by which two readings of the same thing may differ.
_CLOSE = 0.02
#: A refusal that names no time.
_FIRST_WAIT, _LONGEST_WAIT = 1.0, 60.0

_PART = re.compile(r"([0-9.]+)(ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


@dataclass(slots=True)
class Taken:
    """A call on its way, and what it is expected to take of each allowance."""

    number: int
    sent: float
    charges: dict[str, float]


class Limits:
    """One provider's, used by one thread. ``minute`` is how long its minute lasts, in seconds."""

    def __init__(
        self, provider: Provider, *, minute: float = 60.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock = clock
        self._allowances = {
            "requests": _Allowance("requests", provider.requests_per_minute, minute),
            "tokens": _Allowance("tokens", provider.tokens_per_minute, minute),
        }
        self._numbers = 0
        self._in_flight = 0
        self._is_known = False
        self._paused_until = 0.0
        self._refusals = 0
        self._charges_most = False
        """Whether it charges the room for an answer, and not its length: so it seems once it refused what should fit."""

    def per_minute(self, name: str) -> float | None:
        """The limit on "requests" or "tokens" as far as it is known."""
        return self._allowances[name].limit

    def fits(self, call: Call) -> bool:
        """Whether the call can ever go: one that is larger than what a minute holds cannot."""
        most = self._allowances["tokens"].most
        return most is None or self._charge(call)["tokens"] <= most

    def wait(self, call: Call) -> float:
        """Seconds until to ask again, 0 to go."""
        now = self._clock()
        if now < self._paused_until:
            return self._paused_until - now
        if not self._is_known and self._in_flight:
            return SOON  # the first answer tells the limits; many calls at once could be over them already
        charges = self._charge(call)
        return max(one.wait(charges[name], now) for name, one in self._allowances.items())

    def take(self, call: Call) -> Taken:
        """The call goes now; ``done`` or ``refused`` must follow."""
        self._numbers += 1
        self._in_flight += 1
        taken = Taken(self._numbers, self._clock(), self._charge(call))
        for name, one in self._allowances.items():
            one.take(taken, taken.charges[name])
        return taken

    def done(
        self, taken: Taken, call: Call, headers: Mapping[str, str], *, at: float, tokens_out: int | None = None
    ) -> None:
        """It was answered ``at`` that time with these headers (none: it failed on the way); ``tokens_out`` as counted by the
        provider."""
        self._in_flight -= 1
        if headers:
            self._refusals = 0
        for one in self._allowances.values():
            one.answered(taken.number, headers, at)
        if tokens_out is not None:
            self._is_known = True
            if not self._charges_most:
                self._allowances["tokens"].corrected(taken.number, call.tokens_in + tokens_out)

    def refused(self, taken: Taken, headers: Mapping[str, str], wait: float | None, *, at: float) -> None:
        """429: nothing more for so long, then one call alone."""
        self._in_flight -= 1
        self._refusals += 1
        for one in self._allowances.values():
            one.answered(taken.number, headers, at)
            one.corrected(taken.number, 0.0)
        pause = min(_FIRST_WAIT * 2 ** min(self._refusals - 1, 6), _LONGEST_WAIT) if wait is None else wait
        self._paused_until = max(self._paused_until, at + max(pause, SOON))
        self._is_known = False
        self._charges_most = True

    def nothing_flies(self) -> None:
        """Calls that were not heard of will not be."""
        self._in_flight = 0

    @property
    def paused(self) -> float:
        """Seconds for which the provider wants nothing, 0 for none."""
        return max(0.0, self._paused_until - self._clock())

    def _charge(self, call: Call) -> dict[str, float]:
        # The whole room, until it is answered: some servers charge that. Where it is less, the allowance is used by some
        # calls later, and no worse.
        return {"requests": 1.0, "tokens": call.tokens_in + call.max_tokens}


@dataclass(slots=True)
class _Header:
    """What an answer said: ``left`` of ``limit``, ``reset`` seconds until it is full, or until the next window."""

    number: int
    at: float
    left: float
    reset: float | None


@dataclass(slots=True)
class _Allowance:
    """Requests, or tokens, a minute. ``cap`` is the setting's."""

    name: str
    cap: int | None
    minute: float
    told: float | None = None
    """The limit as the headers say it."""
    _header: _Header | None = None
    _full: float | None = None
    """What remains and what is missing, added up, where that is the same each time: what it holds when it is full."""
    _flows: bool = False
    _window_ends: float = 0.0
    _sent: deque[list[float]] = field(default_factory=deque[list[float]])
    """[number, when, charge] of the calls of the last minute, and of those that no header counts yet."""

    @property
    def limit(self) -> float | None:
        known = [one for one in (self.cap, self.told) if one is not None]
        return min(known) if known else None

    @property
    def most(self) -> float | None:
        """What can be taken at once."""
        known = [one for one in (self.limit, self._full if self._flows else None) if one is not None]
        return min(known) if known else None

    def take(self, taken: Taken, charge: float) -> None:
        self._sent.append([taken.number, taken.sent, charge])
        while self._sent[0][1] < taken.sent - self.minute and (
            not self._header or self._sent[0][0] <= self._header.number
        ):
            self._sent.popleft()

    def corrected(self, number: int, charge: float) -> None:
        for one in self._sent:
            if one[0] == number:
                one[2] = charge

    def answered(self, number: int, headers: Mapping[str, str], at: float) -> None:
        limit = _number(headers, f"x-ratelimit-limit-{self.name}")
        left = _number(headers, f"x-ratelimit-remaining-{self.name}")
        reset = seconds(headers.get(f"x-ratelimit-reset-{self.name}", ""))
        if limit is not None and limit > 0 and limit != self.told:
            self.told, self._full, self._header = limit, None, None
        if left is None or self.told is None:
            return
        self._look_at(left, reset)
        if reset is not None and not self._flows:
            if at >= self._window_ends:
                self._window_ends = at + reset
            else:
                self._window_ends = min(self._window_ends, at + reset)
        # Of two answers the one to the later call knows more: calls sent after it are all that it does not count.
        if self._header is None or number > self._header.number:
            self._header = _Header(number, at, left, reset)

    def _look_at(self, left: float, reset: float | None) -> None:
        assert self.told is not None
        if reset is None or left <= 0:  # below nothing a header says nothing, and the sum is wrong
            return
        full = left + reset * self.told / self.minute
        if self._full is None:
            self._full = full
            # More than a minute's worth can only be a window that began lately.
            self._flows = full <= self.told * (1 + _CLOSE)
        elif abs(full - self._full) > _CLOSE * self.told + self.told / self.minute * 0.01:
            self._flows = False

    def wait(self, charge: float, now: float) -> float:
        return max(self._wait_for_cap(charge, now), self._wait_for_server(charge, now))

    def _wait_for_cap(self, charge: float, now: float) -> float:
        """So much in any minute: right for every server, whichever way it counts."""
        if self.cap is None:
            return 0.0
        recent = [one for one in self._sent if one[1] > now - self.minute]
        over = sum(one[2] for one in recent) + charge - self.cap
        for one in recent:
            if over <= 0:
                break
            over -= one[2]
            if over <= 0:
                return max(SOON, one[1] + self.minute - now)
        return 0.0

    def _wait_for_server(self, charge: float, now: float) -> float:
        header = self._header
        if header is None or self.told is None:
            return 0.0
        if self._flows:
            level = self.told / self.minute * (now - header.at)
            level += header.left if header.left > 0 else self._below(header)
            level = min(level, self._full or self.told)
            missing = charge + self._uncounted(header.number) - level
            return max(SOON, missing * self.minute / self.told) if missing > 0 else 0.0
        if now >= self._window_ends:
            taken = sum(one[2] for one in self._sent if one[1] >= self._window_ends)
            return SOON if taken and taken + charge > self.told else 0.0
        missing = charge + self._uncounted(header.number) - header.left
        return max(SOON, self._window_ends - now) if missing > 0 else 0.0

    def _below(self, header: _Header) -> float:
        """What is left when the header says nothing is: less than nothing, as the time until it is full tells."""
        if self.told is None or self._full is None or header.reset is None:
            return 0.0
        return min(0.0, self._full - header.reset * self.told / self.minute)

    def _uncounted(self, number: int) -> float:
        return sum(one[2] for one in self._sent if one[0] > number)


def seconds(text: str) -> float | None:
    """A duration as these headers write it: "120ms", "6m0s", "1.5", None for anything else."""
    with suppress(ValueError):
        return max(0.0, float(text)) if isfinite(float(text)) else None
    if not text or _PART.sub("", text):
        return None
    try:
        return sum(float(number) * _SECONDS[unit] for number, unit in _PART.findall(text))
    except ValueError:
        return None


def _number(headers: Mapping[str, str], name: str) -> float | None:
    with suppress(KeyError, ValueError):
        if isfinite(number := float(headers[name])):
            return number
    return None
