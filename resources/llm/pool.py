"""Several LLM providers side by side: who gets the next call, and who gets it when that one fails.

Belongs here: shares, failover, circuit breakers, how many calls run at once, and the end when no provider is left.
Does not belong here: one provider's protocol (``client``) or limits (``limits``), or what the calls are about
(``summariser``).

One thread (the caller's) decides and reads results; each call on its way has a thread of its own, which only sends. A call
is put together when a provider can take it, so nothing is made in advance.
"""

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from domain.provider import Provider
from domain.stage import Pause, Spent
from resources.llm.base import Call, Limited, NotTaken, Overloaded, Reply, TooLong, Trouble, Unreachable, call_id
from resources.llm.budget import Budget
from resources.llm.limits import Limits, Taken
from resources.llm.prices import Price, price

#: Tries of one call that a provider answered with a failure of its own, over all providers.
TRIES = 4
#: Calls failing in a row that open a provider's circuit, and the seconds until it is tried again: doubled each time.
FAILURES, FIRST_REST, LONGEST_REST = 3, 1.0, 60.0
#: Seconds in which no provider at all answers, after which a run pauses; shorter while none ever answered.
OUTAGE, FIRST_OUTAGE = 120.0, 8.0
#: Seconds that all providers may keep us waiting for their limits, after which a run pauses.
LONGEST_LIMIT = 900.0
#: Seconds between two looks at what may have changed.
_TICK = 1.0


@dataclass(slots=True)
class Job:
    """A call to be made, and what the caller wants to know it by."""

    call: Call
    about: Any
    tries: int = 0
    failed_at: set[str] = field(default_factory=set[str])
    """Providers that this call failed at since the last time all of them had."""


@dataclass(frozen=True, slots=True)
class Done:
    """What became of a job: a reply, or the trouble that it could not get over. ``cost`` is in US dollars, None where the
    price is not known."""

    job: Job
    provider: Provider
    reply: Reply | None = None
    trouble: Trouble | None = None
    tokens_in: int = 0
    tokens_out: int = 0
    cost: float | None = None

    def spent(self, purpose: str, documents: int) -> Spent:
        """The ledger's line of a call that was answered."""
        assert self.reply is not None
        by = self.provider
        tokens = self.tokens_in, self.tokens_out
        return Spent(call_id(by, self.reply), by.name, by.model, purpose, documents, *tokens, self.cost)


@dataclass(slots=True)
class Lane:
    """A provider in the pool: its client, its limits, its price, and how it does."""

    client: Any
    """A ``Client``, or ``EmbeddingClient``."""
    limits: Limits
    price: Price | None
    count: Callable[[str], int]
    """Tokens of a text, where the provider does not tell."""
    given: float = 0.0
    """Calls it was given, over its weight."""
    running: int = 0
    failing: set[int] = field(default_factory=set[int])
    """Calls that failed since one was answered: one alone may be at fault itself, several are not."""
    rests: int = 0
    rests_until: float = 0.0
    closed: str = ""
    """Why it takes nothing more in this run."""
    last: str = ""
    """Its last failure."""

    @property
    def provider(self) -> Provider:
        return self.client.provider

    @property
    def is_down(self) -> bool:
        """Whether its circuit is open."""
        return len(self.failing) >= FAILURES

    def cost_at_most(self, call: Call) -> float | None:
        return self.price and self.price.cost(call.tokens_in, self.sized(call).max_tokens)

    def sized(self, call: Call) -> Call:
        """The call as this model needs it."""
        return self.client.sized(call)

    def holds(self, call: Call) -> bool:
        """Whether the call can ever fit, into the model's context and into a minute's limit."""
        return self.client.holds(call) and self.limits.fits(self.sized(call))


def lane(client: Any, count: Callable[[str], int], *, minute: float = 60.0) -> Lane:
    """A provider for a pool."""
    return Lane(client, Limits(client.provider, minute=minute), price(client.provider), count)


@dataclass(slots=True)
class _Sent:
    job: Job
    call: Call
    lane: Lane
    taken: Taken
    held: float
    reply: Reply | None = None
    trouble: Trouble | None = None
    at: float = 0.0


class Pool:
    """``lanes`` in any order. One ``run`` at a time; what is learned of the providers stays."""

    def __init__(self, lanes: Sequence[Lane], budget: Budget) -> None:
        self.lanes = list(lanes)
        self.budget = budget
        self.counts: dict[str, int] = {"calls": 0, "limited": 0, "failed": 0}
        self._arrived: queue.SimpleQueue[_Sent] = queue.SimpleQueue()
        self._started = time.monotonic()
        self._heard_at: float | None = None
        self._failed_ones: deque[Job] = deque()
        """Tried again when there is nothing else: each provider is judged by other calls first."""

    def run(self, jobs: Iterator[Job], again: deque[Job]) -> Generator[Done, None, None]:
        """Results in the order of their arrival. ``again`` is looked at before ``jobs``: put into it what a result leads to.

        Raises ``Pause`` when no provider is left, or the budget is: after everything on its way has arrived. Closing the
        generator lets calls on their way go.
        """
        over = threading.Event()
        waiting: deque[Job] = deque()
        pause: Pause | None = None
        self._begin()
        try:
            while True:
                wait = _TICK
                if pause is None:
                    try:
                        wait = yield from self._send_all(waiting, again, jobs, over)
                    except Pause as reason:
                        pause = reason
                flying = sum(one.running for one in self.lanes)
                if not flying and (pause or not (waiting or again or self._failed_ones)):
                    break
                if (sent := self._wait_for(wait)) and (done := self._settle(sent, waiting)):
                    yield done
            if pause is not None:
                raise pause
        finally:
            over.set()

    def _begin(self) -> None:
        self._started = time.monotonic()
        self._failed_ones.clear()
        self._arrived = queue.SimpleQueue()  # of its own, for a run before may have left calls behind
        for one in self.lanes:
            one.running = 0
            one.failing.clear()  # by names that others may have now
            one.limits.nothing_flies()

    def _send_all(
        self, waiting: deque[Job], again: deque[Job], jobs: Iterator[Job], over: threading.Event
    ) -> Generator[Done, None, float]:
        """Send what can go now; gives the seconds after which more may."""
        while (job := self._next(waiting, again, jobs)) is not None:
            found = self._ready(job)
            if isinstance(found, Lane):
                try:
                    self._send(job, found, over)
                except Pause:
                    waiting.appendleft(job)
                    if not any(one.running for one in self.lanes):
                        raise
                    return _TICK  # what is on its way may cost less than is held back for it
                if not self._arrived.empty():
                    return 0.0  # an answer may tell that another provider is the better one for the next
            elif isinstance(found, Done):
                yield found
            else:
                waiting.appendleft(job)
                return min(found, _TICK)
        return _TICK

    def _next(self, waiting: deque[Job], again: deque[Job], jobs: Iterator[Job]) -> Job | None:
        for ahead in (waiting, again):
            if ahead:
                return ahead.popleft()
        # A prompt is made only when somebody could take it; when nobody ever will, to find that out.
        if not any(self._is_free(one) for one in self.lanes) and any(one.running for one in self.lanes):
            return None
        if (job := next(jobs, None)) is not None:
            return job
        return self._failed_ones.popleft() if self._failed_ones else None

    def _is_free(self, one: Lane) -> bool:
        return not one.closed and one.running < self._slots(one)

    def _slots(self, one: Lane) -> int:
        """Calls that a provider may have at once: fewer than it takes, where others that are there have more weight."""
        heaviest = max(
            other.provider.weight for other in self.lanes if (not other.closed and not other.is_down) or other is one
        )
        return max(1, round(one.provider.parallel * one.provider.weight / heaviest))

    def _ready(self, job: Job) -> Lane | Done | float:
        """The provider that takes the job now; or the seconds until to look again; or that none ever can. Raises ``Pause``
        when no provider is left."""
        now = time.monotonic()
        open_ = [one for one in self.lanes if not one.closed]
        if not open_:
            raise Pause("; ".join(one.closed for one in self.lanes), is_trouble=True)
        fitting = [one for one in open_ if one.holds(job.call)]
        if not fitting:
            largest = max(open_, key=lambda one: one.provider.context)
            too_long = TooLong(f"{largest.provider.name} takes no call of {job.call.tokens_in:,} tokens")
            return Done(job, largest.provider, trouble=too_long)
        # Elsewhere first; but nobody waits for one that is down, or wants to be left alone, while another is there.
        there = [one for one in fitting if not (one.is_down or one.rests_until > now or one.limits.paused)] or fitting
        fresh = [one for one in there if one.provider.name not in job.failed_at] or there
        waits = {one.provider.name: self._wait(one, job, now) for one in fresh}
        ready = [one for one in fresh if not waits[one.provider.name]]
        if ready:
            return min(ready, key=lambda one: (one.given, one.provider.name))
        self._give_up(fitting, now)
        return max(0.001, min(waits.values()))

    def _wait(self, one: Lane, job: Job, now: float) -> float:
        if one.rests_until > now:
            return one.rests_until - now
        if one.is_down and one.running:
            return _TICK  # half open: one call tells whether it is back
        if one.running >= self._slots(one):
            return _TICK
        return one.limits.wait(one.sized(job.call))

    def _give_up(self, fitting: Sequence[Lane], now: float) -> None:
        """Raises ``Pause`` when none of these has answered for long, or all want to be left alone for long."""
        if any(one.running for one in self.lanes):
            return
        is_down = all(one.is_down for one in fitting)
        most = LONGEST_LIMIT if not is_down else FIRST_OUTAGE if self._heard_at is None else OUTAGE
        silent = now - max(self._heard_at or 0.0, self._started)
        if silent > most or all(one.limits.paused > LONGEST_LIMIT for one in fitting):
            said = "; ".join(dict.fromkeys(one.closed or one.last for one in self.lanes if one.closed or one.last))
            raise Pause(
                f"{said or 'no provider takes a call'}; what is left is done by a later run", is_trouble=is_down
            )

    def _send(self, job: Job, to: Lane, over: threading.Event) -> None:
        held = self.budget.reserve(to.cost_at_most(job.call))
        call, arrived = to.sized(job.call), self._arrived
        sent = _Sent(job, call, to, to.limits.take(call), held)
        to.given += 1 / to.provider.weight
        # One that rested must not catch up with all the calls it did not get.
        behind = min((one.given for one in self.lanes if one is not to and self._is_free(one)), default=to.given)
        to.given = max(to.given, behind - 2.0)
        to.running += 1
        self.counts["calls"] += 1

        def work() -> None:
            try:
                sent.reply = to.client.ask(call, over.is_set)
            except Trouble as trouble:
                sent.trouble = trouble
            except BaseException as error:  # whatever it is, the caller must not wait for ever
                sent.trouble = NotTaken(f"{to.provider.name} cannot be asked ({type(error).__name__})")
            sent.at = time.monotonic()
            arrived.put(sent)

        # Not an executor: those join their threads when the process ends, however long an answer takes.
        threading.Thread(target=work, name=f"llm {to.provider.name}", daemon=True).start()

    def _wait_for(self, seconds: float) -> _Sent | None:
        try:
            return self._arrived.get(timeout=seconds)
        except queue.Empty:
            return None

    def _settle(self, sent: _Sent, waiting: deque[Job]) -> Done | None:
        """Books for what arrived; None when the job goes on elsewhere or later."""
        one, job, trouble = sent.lane, sent.job, sent.trouble
        one.running -= 1
        if sent.reply is not None:
            return self._answered(sent, sent.reply)
        assert trouble is not None
        self.budget.settle(sent.held, 0.0)
        if isinstance(trouble, Limited):
            one.limits.refused(sent.taken, trouble.headers, trouble.wait, at=sent.at)
            one.last = trouble.said
            self.counts["limited"] += 1
            waiting.appendleft(job)
            return None
        one.limits.done(sent.taken, sent.call, trouble.headers, at=sent.at)
        self.counts["failed"] += 1
        if trouble.of_document:
            self._heard(one, sent.at)
            return Done(job, one.provider, trouble=trouble)
        one.last = trouble.said
        if trouble.closes:
            one.closed = trouble.said
            waiting.append(job)
            return None
        job.failed_at.add(one.provider.name)
        if isinstance(trouble, NotTaken):
            self._heard(one, sent.at)
            job.tries += 1
        else:
            self._failed(one, job, trouble, sent.at)
            if not one.is_down and not isinstance(trouble, Unreachable):
                job.tries += 1  # else it is the provider's fault, and no document pays for it
        if job.tries >= TRIES or (isinstance(trouble, NotTaken) and self._failed_everywhere(job)):
            return Done(job, one.provider, trouble=trouble)
        if self._failed_everywhere(job):
            job.failed_at.clear()
        self._failed_ones.append(job)
        return None

    def _failed_everywhere(self, job: Job) -> bool:
        return all(one.provider.name in job.failed_at for one in self.lanes if not one.closed and one.holds(job.call))

    def _answered(self, sent: _Sent, reply: Reply) -> Done:
        one, call = sent.lane, sent.call
        self._heard(one, sent.at)
        tokens_in = call.tokens_in if reply.tokens_in is None else reply.tokens_in
        tokens_out = one.count(reply.text) if reply.tokens_out is None else reply.tokens_out
        one.limits.done(sent.taken, call, reply.headers, at=sent.at, tokens_out=tokens_out)
        cost = one.price and one.price.cost(tokens_in, tokens_out)
        self.budget.settle(sent.held, cost)
        return Done(sent.job, one.provider, reply, None, tokens_in, tokens_out, cost)

    def _heard(self, one: Lane, at: float) -> None:
        one.failing.clear()
        one.rests, one.rests_until = 0, 0.0
        self._heard_at = at

    def _failed(self, one: Lane, job: Job, trouble: Trouble, at: float) -> None:
        # Where nobody answers at all, it is no call's fault.
        one.failing.add(-len(one.failing) - 1 if isinstance(trouble, Unreachable) else id(job))
        rest = trouble.wait or 0.0 if isinstance(trouble, Overloaded) else 0.0
        if one.is_down and at >= one.rests_until:
            rest = max(rest, min(FIRST_REST * 2**one.rests, LONGEST_REST))
            one.rests += 1
        one.rests_until = max(one.rests_until, at + min(rest, LONGEST_REST))
