"""``derive``: make one stage table from others, one document at a time.

Belongs here: the rules that keep a target equal to its sources, at the price of what changed, whatever was killed
in between. They are R1-R11 of the core; each line that looks odd has one of them behind it.
Does not belong here: what any stage makes, how rows are stored, or anything about Dagster.

``project`` is free and pure: it joins and filters the CURRENT rows of the sources (R3) and gives the input of ``make``,
or None: then the document does not belong into the target (R4). ``make`` may cost money. A document is skipped when the
target already has what this input and this ``made_by`` gave.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from time import perf_counter
from typing import Any

from domain.errors import DocumentError
from domain.fingerprint import fingerprint
from domain.stage import CompanyStore, Cursor, Failed, Head, Made, Put, Report, Row

Sources = tuple[Row | None, ...]
"""The live rows of one document, in the order of ``Stage.sources``; None where there is none."""

Make = Callable[[Sequence[Any]], Iterable[tuple[int, Made | Failed]]]
"""Inputs in, (position, result) out, in any order, each as soon as it is there."""

WINDOW = 1000
_REMEMBERED = 200_000
"""Documents that a run remembers to have looked at, so that millions of them take no memory."""
_EAGER_RETRIES = 3
_LONGEST_WAIT = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Input:
    """What ``make`` needs. ``key`` is what is hashed; None: the value itself. Give a key where the value is
    large and its hash is known already."""

    value: Any
    key: Any = None


@dataclass(frozen=True, slots=True)
class Stage:
    """How a target is made. ``rule`` is the version of what ``project`` depends on (which statuses are resolved …),
    ``made_by`` of what ``make`` depends on (prompt, model, code): R5. ``keep`` stores each result the moment it
    arrives and looks it up before every call (R8): for whatever costs money, or seconds."""

    target: str
    sources: tuple[str, ...]
    project: Callable[[Sources], Input | None]
    make: Make
    made_by: str
    rule: str = "1"
    keep: bool = False
    vectors: bool = False
    """Whether ``project`` needs the sources' vectors."""


def each(make_one: Callable[[Any], Made]) -> Make:
    """A ``Make`` from a function of one input. Whatever one document breaks stays with that document."""

    def make(inputs: Sequence[Any]) -> Iterator[tuple[int, Made | Failed]]:
        for position, value in enumerate(inputs):
            try:
                yield position, make_one(value)
            except Exception as error:  # a document can break a parser in any way; the others must go on
                yield position, Failed(_reason(error))

    return make


def derive(
    stage: Stage,
    store: CompanyStore,
    *,
    run_id: str,
    now: str,
    stop: Callable[[], bool] = lambda: False,
    progress: Callable[[Report], None] = lambda report: None,
    window: int = WINDOW,
) -> Report:
    """Bring ``stage.target`` up to date and say what was done.

    ``now`` is ISO 8601 UTC. ``stop`` is asked between windows: what is left then is done by the next call.
    A store that is up to date is only read. Raises what ``make`` raises as a whole (a provider that is down);
    everything committed or kept before stays.
    """
    started = perf_counter()
    run = _Run(stage, store, run_id, now, progress)
    for doc_ids in run.due(window):
        run.visit(doc_ids, None)
        if stop():
            break
    for cursor, doc_ids in run.unread(window):
        run.visit(doc_ids, cursor)
        if stop():
            break
    run.report.seconds = perf_counter() - started
    return run.report


@dataclass(slots=True)
class _Outcome:
    """What a window leads to, before it is committed."""

    puts: list[Put] = field(default_factory=list[Put])
    drops: list[str] = field(default_factory=list[str])
    failures: dict[str, str] = field(default_factory=dict[str, str])


class _Run:
    """One call of ``derive``."""

    def __init__(
        self, stage: Stage, store: CompanyStore, run_id: str, now: str, progress: Callable[[Report], None]
    ) -> None:
        self.stage = stage
        self.store = store
        self.run_id = run_id
        self.now = now
        self.progress = progress
        self.rule = fingerprint([stage.rule, stage.made_by])
        self.report = Report()
        self.visited: set[str] = set()

    def due(self, window: int) -> Iterator[list[str]]:
        """The queue is an input like the sources: what failed is visited again by id, in its current state (R7)."""
        doc_ids = self.store.due(self.stage.target, self.now)
        for start in range(0, len(doc_ids), window):
            yield doc_ids[start : start + window]

    def unread(self, window: int) -> Iterator[tuple[Cursor, list[str]]]:
        """What the sources have that was not read under this rule, the newest first, with the cursor that says so."""
        for source in self.stage.sources:
            cursor = self.store.cursor(self.stage.target, source)
            if cursor is None or cursor.rule != self.rule:
                cursor = Cursor(self.stage.target, source, self.rule)
            cursor = cursor.opened(self.store.top(source))
            while cursor.gaps:
                low, high = cursor.gaps[0]
                found = self.store.window(source, low, high, window)
                cursor = cursor.shrunk(found[-1][1] if len(found) == window else None)
                yield cursor, [doc_id for doc_id, _ in found]

    def visit(self, doc_ids: Sequence[str], cursor: Cursor | None) -> None:
        """Evaluate documents in their current state and commit everything that follows from it at once."""
        # One writer (R11): a document seen by this run cannot have changed since, whichever source names it again.
        fresh = [doc_id for doc_id in doc_ids if doc_id not in self.visited]
        if len(self.visited) > _REMEMBERED:
            self.visited.clear()  # to look again costs time, and changes nothing
        self.visited.update(fresh)
        outcome = self._evaluate(fresh)
        self._commit(outcome, fresh, cursor)
        self._count(outcome, len(fresh))
        self.progress(self.report)

    def _evaluate(self, doc_ids: Sequence[str]) -> _Outcome:
        outcome = _Outcome()
        if not doc_ids:
            return outcome
        sources = [self.store.get(source, doc_ids, vector=self.stage.vectors) for source in self.stage.sources]
        heads = self.store.heads(self.stage.target, doc_ids)
        wanted: dict[str, list[str]] = defaultdict(list)
        values: dict[str, Any] = {}
        for doc_id in doc_ids:
            rows = tuple(table.get(doc_id) for table in sources)
            try:
                given = self.stage.project(tuple(None if row is None or row.deleted else row for row in rows))
            except Exception as error:  # a row of an older shape can break a projection; the others must go on
                outcome.failures[doc_id] = _reason(error)
                continue
            head = heads.get(doc_id)
            if given is None:
                if head is not None and not head.deleted:
                    outcome.drops.append(doc_id)
                continue
            source_hash = fingerprint(given.value if given.key is None else given.key)
            if not self._is_current(head, source_hash):
                wanted[source_hash].append(doc_id)
                values[source_hash] = given.value
        for source_hash, made in self._make(wanted, values):
            for doc_id in wanted[source_hash]:
                if isinstance(made, Failed):
                    outcome.failures[doc_id] = made.reason
                else:
                    outcome.puts.append(self._put(doc_id, source_hash, made))
        return outcome

    def _is_current(self, head: Head | None, source_hash: str) -> bool:
        return (
            head is not None
            and not head.deleted
            and head.source_hash == source_hash
            and head.made_by == self.stage.made_by
        )

    def _put(self, doc_id: str, source_hash: str, made: Made) -> Put:
        return Put(doc_id, made.payload, made.content_hash(), source_hash, self.stage.made_by, made.vector)

    def _make(self, wanted: dict[str, list[str]], values: dict[str, Any]) -> Iterator[tuple[str, Made | Failed]]:
        """Equal inputs are made once (R8): within the window by grouping, across nights by what was kept."""
        kept = self.store.paid(self.stage.made_by, list(wanted)) if self.stage.keep and wanted else {}
        yield from kept.items()
        missing = [source_hash for source_hash in wanted if source_hash not in kept]
        if not missing:
            return
        answered: set[int] = set()
        for position, made in self.stage.make([values[source_hash] for source_hash in missing]):
            source_hash = missing[position]
            answered.add(position)
            if isinstance(made, Made):
                self._paid(source_hash, wanted[source_hash][0], made)
            yield source_hash, made
        for position, source_hash in enumerate(missing):
            if position not in answered:
                yield source_hash, Failed("no result came back for this document")

    def _paid(self, source_hash: str, doc_id: str, made: Made) -> None:
        if self.stage.keep:
            self.report.calls += 1
            self.report.tokens += made.tokens
            self.report.cost += made.cost
            self.store.keep_paid(self.stage.made_by, [(source_hash, doc_id, made)], self.run_id, self.now)
            self.progress(self.report)

    def _commit(self, outcome: _Outcome, doc_ids: Sequence[str], cursor: Cursor | None) -> None:
        target = self.stage.target
        waiting = self.store.queued(target, doc_ids)
        settled = [doc_id for doc_id in waiting if doc_id not in outcome.failures]
        if not (outcome.puts or outcome.drops or outcome.failures or settled or cursor):
            return
        due = {doc_id: due_again(self.now, waiting.get(doc_id, -1) + 1) for doc_id in outcome.failures}
        with self.store.begin(self.run_id, self.now) as write:
            moved = write.upsert(target, outcome.puts)
            write.delete(target, outcome.drops)
            write.fail(target, outcome.failures, due)
            write.settle(target, settled)
            if cursor:
                write.save_cursor(cursor)
        self.report.changed += moved

    def _count(self, outcome: _Outcome, read: int) -> None:
        report = self.report
        report.read += read
        report.removed += len(outcome.drops)
        report.failed += len(outcome.failures)
        report.skipped = report.read - report.changed - report.removed - report.failed
        for doc_id in [put.doc_id for put in outcome.puts] + outcome.drops:
            if len(report.sample) < 10:
                report.sample.append(doc_id)


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, DocumentError) else f"{type(error).__name__}: {error}"[:500]


def due_again(now: str, retries: int) -> str:
    """When to try again: the next sync for the first failures, then after 1, 2, 4 … hours, a day at most."""
    if retries < _EAGER_RETRIES:
        return now
    wait = min(timedelta(hours=2 ** (retries - _EAGER_RETRIES)), _LONGEST_WAIT)
    return (datetime.fromisoformat(now) + wait).strftime("%Y-%m-%dT%H:%M:%SZ")
