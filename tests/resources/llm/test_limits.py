"""When the next call may go: by the settings, and by headers of both kinds of server. Time is a number here."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from domain.provider import Provider
from resources.llm.base import Call
from resources.llm.limits import Limits, seconds

CALL = Call([], None, 1_000, 3_000)
USED = 500
"""Tokens of an answer, of the 1,000 that it may have."""


@dataclass
class Server:
    """Takes ``limit`` tokens a minute: evenly (a bucket), or in windows that begin at full minutes."""

    limit: int
    flows: bool = True
    burst: float = 1.0
    reserve: bool = False
    level: float = 0.0
    at: float = 0.0
    refused: int = 0
    taken: list[tuple[float, float]] = field(default_factory=list[tuple[float, float]])

    def __post_init__(self) -> None:
        self.level = self.limit * self.burst

    def move(self, now: float) -> None:
        if self.flows:
            self.level = min(self.limit * self.burst, self.level + (now - self.at) * self.limit / 60)
        elif now // 60 > self.at // 60:
            self.level = self.limit
        self.at = now

    def ask(self, now: float) -> bool:
        self.move(now)
        charge = CALL.tokens_in + (CALL.max_tokens if self.reserve else USED)
        if charge > self.level:
            self.refused += 1
            return False
        self.level -= charge
        self.taken.append((now, charge))
        return True

    def headers(self, now: float) -> dict[str, str]:
        self.move(now)
        reset = (self.limit * self.burst - self.level) * 60 / self.limit if self.flows else 60 - now % 60
        return {
            "x-ratelimit-limit-tokens": str(self.limit),
            "x-ratelimit-remaining-tokens": str(int(self.level)),
            "x-ratelimit-reset-tokens": f"{reset:.3f}s",
        }


def drive(
    limits: Callable[[Callable[[], float]], Limits], server: Server, until: float, latency: float, most: int
) -> None:
    """As the pool does: calls go when they may, at most so many at once, and are answered after ``latency``."""
    now = 0.0
    of = limits(lambda: now)
    flying: deque[tuple[float, object, bool]] = deque()
    while now < until:
        while len(flying) < most and not (wait := of.wait(CALL)):
            taken = of.take(CALL)
            flying.append((now + latency, taken, server.ask(now + 0.01)))
        at_limit = len(flying) >= most
        now = min([one[0] for one in flying] + ([] if at_limit else [now + wait]))
        while flying and flying[0][0] <= now:
            _, taken, is_taken = flying.popleft()
            if is_taken:
                of.done(taken, CALL, server.headers(now), at=now, tokens_out=USED)  # type: ignore[arg-type]
            else:
                of.refused(taken, server.headers(now), 1.0, at=now)  # type: ignore[arg-type]


def unlimited(clock: Callable[[], float]) -> Limits:
    return Limits(Provider("p", "m"), clock=clock)


def used(server: Server, until: float) -> float:
    """Share of what was allowed."""
    if server.flows:
        return sum(charge for _, charge in server.taken) / (server.limit * (server.burst + until / 60))
    return sum(charge for _, charge in server.taken) / (server.limit * until / 60)


@pytest.mark.parametrize("latency", [0.2, 3.0, 12.0])
@pytest.mark.parametrize(
    "server",
    [
        Server(400_000),
        Server(400_000, flows=False),
        Server(400_000, burst=0.3),
        Server(400_000, reserve=True),
        Server(400_000, flows=False, reserve=True),
    ],
    ids=["flows", "windows", "flows, holds little", "flows, charges the room", "windows, charges the room"],
)
def test_what_is_allowed_is_used_and_hardly_ever_refused(server: Server, latency: float) -> None:
    server.__init__(server.limit, server.flows, server.burst, server.reserve)
    until = 300.0
    drive(unlimited, server, until, latency, most=64)
    assert server.refused <= 1
    assert used(server, until - latency) >= 0.95, used(server, until - latency)


def test_without_headers_only_the_setting_limits() -> None:
    now = 0.0
    limits = Limits(Provider("p", "m", tokens_per_minute=20_000), clock=lambda: now)
    sent: list[float] = []
    while now < 300:
        if wait := limits.wait(CALL):
            now += wait
            continue
        limits.done(limits.take(CALL), CALL, {}, at=now, tokens_out=USED)
        sent.append(now)
    in_any_minute = max(sum(1 for at in sent if start <= at < start + 60) for start in sent)
    assert in_any_minute * (CALL.tokens_in + USED) <= 20_000
    assert len(sent) * (CALL.tokens_in + USED) >= 0.8 * 20_000 * 5
    free = Limits(Provider("p", "m"), clock=lambda: now)
    free.done(free.take(CALL), CALL, {}, at=now, tokens_out=USED)
    assert all(not free.wait(CALL) and free.take(CALL) for _ in range(1000))


def test_requests_a_minute_are_kept() -> None:
    now = 0.0
    limits = Limits(Provider("p", "m", requests_per_minute=30), clock=lambda: now)
    sent = 0
    while now < 59:
        if wait := limits.wait(CALL):
            now += wait
            continue
        limits.done(limits.take(CALL), CALL, {}, at=now, tokens_out=USED)
        sent += 1
    assert sent == 30


def test_the_first_call_goes_alone() -> None:
    limits = Limits(Provider("p", "m"), clock=lambda: 0.0)
    taken = limits.take(CALL)
    assert limits.wait(CALL) > 0
    limits.done(taken, CALL, {}, at=0.0, tokens_out=USED)
    assert limits.wait(CALL) == 0


def test_a_refusal_stops_all_for_its_time_and_then_one_goes_alone() -> None:
    now = 0.0
    limits = Limits(Provider("p", "m"), clock=lambda: now)
    limits.done(limits.take(CALL), CALL, {}, at=0.0, tokens_out=USED)
    limits.refused(limits.take(CALL), {}, 7.5, at=0.0)
    assert limits.wait(CALL) == 7.5 == limits.paused
    now = 7.5
    assert limits.wait(CALL) == 0
    limits.take(CALL)
    assert limits.wait(CALL) > 0


def test_a_call_larger_than_a_minute_never_fits() -> None:
    limits = Limits(Provider("p", "m", tokens_per_minute=3_500), clock=lambda: 0.0)
    assert not limits.fits(CALL)
    assert limits.fits(Call([], None, 100, 3_000))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("120ms", 0.12),
        ("8.64s", 8.64),
        ("6m0s", 360),
        ("1h0m1s", 3601),
        ("2", 2),
        ("", None),
        ("soon", None),
        ("nan", None),
    ],
)
def test_durations(text: str, value: float | None) -> None:
    assert seconds(text) == value
