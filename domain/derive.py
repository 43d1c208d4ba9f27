"""``derive``: make one stage table from others, one document at a time.

Belongs here: the rules that keep a target equal to its sources, at the price of what changed, whatever was killed
in between. They are R1-R11 of the core; each line that looks odd has one of them behind it.
Does not belong here: what any stage makes, how rows are stored, or anything about Dagster.

``project`` is free and pure: it joins and filters the CURRENT rows of the sources (R3) and gives the input of ``make``,
or None: then the document does not belong into the target (R4). ``make`` may cost money. A document is skipped when the
target already has what this input and this ``made_by`` gave.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from time import perf_counter
from typing import Any

from domain.errors import DocumentError
from domain.fingerprint import fingerprint
from domain.stage import NEVER, Arrived, CompanyStore, Cursor, Failed, Head, Later, Made, Pause, Put, Report, Row

Sources = tuple[Row | None, ...]
"""The live rows of one document, in the order of ``Stage.sources``; None where there is none."""

Make = Callable[[Sequence[Any]], Iterable[Arrived]]
"""Inputs in, results out by their positions, in any order, each as soon as it is there."""

WINDOW = 1000
_REMEMBERED = 200_000
"""Documents that a run remembers to have looked at, so that millions of them take no memory."""
_EAGER_RETRIES = 3
_LONGEST_WAIT = timedelta(days=1)
MOST_RETRIES = 12
"""Tries after which a document is given up until it changes, or somebody asks for it: about five days."""


@dataclass(frozen=True, slots=True)
class Input:
    """What ``make`` needs. ``key`` is what is hashed; None: the value itself. Give a key where the value is
    large and its hash is known already. Of many the one of higher ``priority`` is made first, then the newer."""

    value: Any
    key: Any = None
    priority: int = 0


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A document that does not belong into the target by a rule that people want to see counted."""

    reason: str


@dataclass(frozen=True, slots=True)
class Stage:
    """How a target is made. ``rule`` is the version of what ``project`` depends on (which statuses are resolved …),
    ``made_by`` of what ``make`` depends on (prompt, model, code): R5. ``keep`` stores each result the moment it
    arrives and looks it up before every call (R8): for whatever costs money, or seconds. ``accepts`` says of a row that
    another ``made_by`` gave whether it may stay while its input is the same; ``rule`` must tell when that changes."""

    target: str
    sources: tuple[str, ...]
    project: Callable[[Sources], Input | LeftOut | None]
    make: Make
    made_by: str
    rule: str = "1"
    keep: bool = False
    vectors: bool = False
    """Whether ``project`` needs the sources' vectors."""
    accepts: Callable[[str], bool] = lambda made_by: False


def each(make_one: Callable[[Any], Made]) -> Make:
    """A ``Make`` from a function of one input. Whatever one document breaks stays with that document."""

    def result(value: Any) -> Made | Failed:
        try:
            return make_one(value)
        except Exception as error:  # a document can break a parser in any way; the others must go on
            return Failed(_reason(error))

    return lambda inputs: [Arrived([(position, result(value)) for position, value in enumerate(inputs)])]


def derive(
    stage: Stage,
    store: CompanyStore,
    *,
    run_id: str,
    now: str,
    stop: Callable[[], bool] = lambda: False,
    progress: Callable[[Report], None] = lambda report: None,
    window: int = WINDOW,
    unread: bool = True,
) -> Report:
    """Bring ``stage.target`` up to date and say what was done; without ``unread`` only what is due in its queue.

    ``now`` is ISO 8601 UTC. ``stop`` is asked between windows: what is left then is done by the next call.
    A store that is up to date is only read. Where ``make`` pauses, the report says so. Raises what else ``make`` raises as
    a whole; everything committed or kept before stays.
    """
    started = perf_counter()
    run = _Run(stage, store, run_id, now, progress)
    try:
        for cursor, doc_ids in run.windows(window, unread=unread):
            run.visit(doc_ids, cursor)
            if stop():
                break
    except Pause as pause:
        run.report.paused, run.report.is_trouble = pause.reason, pause.is_trouble
        run.drop_orphans(window)
    run.report.seconds = perf_counter() - started
    return run.report


def drop_orphans(stage: Stage, store: CompanyStore, *, run_id: str, now: str, window: int = WINDOW) -> Report:
    """Drop from ``stage.target`` what left its first source, and do nothing else: no other row moves, and no cursor."""
    started = perf_counter()
    run = _Run(stage, store, run_id, now, lambda report: None)
    run.drop_orphans(window)
    run.report.seconds = perf_counter() - started
    return run.report


@dataclass(slots=True)
class Pending:
    """What the next ``derive`` would make: inputs without equals among them, each with the id of a document that has it."""

    doc_ids: list[str]
    values: list[Any]


def pending(
    stage: Stage, store: CompanyStore, *, now: str, left_out: dict[str, int] | None = None, window: int = WINDOW
) -> Iterator[Pending]:
    """What ``derive`` would make now, window by window as it would, without making or writing anything. ``left_out`` counts
    what rules leave out, of all that is looked at."""
    run = _Run(stage, store, "", now, lambda report: None)
    seen: set[str] = set()
    for _, doc_ids in run.windows(window):
        wanted = run.wanted(run.fresh(doc_ids), _Outcome())
        missing = [one for one in run.unmade(wanted) if one not in seen]
        seen.update(missing)
        if missing:
            yield Pending([wanted[one].doc_ids[0] for one in missing], [wanted[one].value for one in missing])
    if left_out is not None:
        left_out.update(run.report.left_out)


@dataclass(slots=True)
class _Wanted:
    """An input that is to be made, and the documents that have it."""

    value: Any
    priority: int
    doc_ids: list[str]


@dataclass(slots=True)
class _Outcome:
    """What a window leads to, before it is committed."""

    puts: list[Put] = field(default_factory=list[Put])
    drops: list[str] = field(default_factory=list[str])
    failures: dict[str, str] = field(default_factory=dict[str, str])
    later: dict[str, str] = field(default_factory=dict[str, str])
    priorities: dict[str, int] = field(default_factory=dict[str, int])


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

    def windows(self, window: int, *, unread: bool = True) -> Iterator[tuple[Cursor | None, list[str]]]:
        """All documents to look at, and the cursor that says so once they were. The queue is an input like the sources:
        what failed is visited again by id, in its current state (R7)."""
        doc_ids = self.store.due(self.stage.target, self.now)
        for start in range(0, len(doc_ids), window):
            yield None, doc_ids[start : start + window]
        if unread:
            yield from self._unread(window)

    def _unread(self, window: int) -> Iterator[tuple[Cursor, list[str]]]:
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

    def fresh(self, doc_ids: Sequence[str]) -> list[str]:
        """Those that this run has not looked at. One writer (R11): one that was seen cannot have changed since, whichever
        source names it again."""
        fresh = [doc_id for doc_id in doc_ids if doc_id not in self.visited]
        if len(self.visited) > _REMEMBERED:
            self.visited.clear()  # to look again costs time, and changes nothing
        self.visited.update(fresh)
        return fresh

    def visit(self, doc_ids: Sequence[str], cursor: Cursor | None) -> None:
        """Evaluate documents in their current state and commit everything that follows from it at once. Raises ``Pause``
        when not all could be made: what was made is committed then, and the cursor stays."""
        fresh = self.fresh(doc_ids)
        outcome, paused = _Outcome(), None
        wanted = self.wanted(fresh, outcome)
        try:
            self._make(wanted, outcome)
        except Pause as pause:
            paused = pause
            settled = {*outcome.failures, *outcome.later, *(put.doc_id for put in outcome.puts)}
            left = {doc_id for one in wanted.values() for doc_id in one.doc_ids} - settled
            fresh = [doc_id for doc_id in fresh if doc_id not in left]
        self._commit(outcome, fresh, None if paused else cursor)
        self._count(outcome, len(fresh))
        self.progress(self.report)
        if paused:
            raise paused

    def drop_orphans(self, window: int) -> None:
        """What left the source leaves the target also when nothing can be made: a deletion does not wait for money."""
        doc_ids = self.store.orphans(self.stage.target, self.stage.sources[0])
        for start in range(0, len(doc_ids), window):
            gone = doc_ids[start : start + window]
            outcome = _Outcome()
            self.wanted(gone, outcome)
            self._commit(outcome, gone, None)
            self._count(outcome, len(gone))

    def wanted(self, doc_ids: Sequence[str], outcome: _Outcome) -> dict[str, _Wanted]:
        """What must be made, by the hash of its input, the most urgent first; all else that follows goes into
        ``outcome``."""
        wanted: dict[str, _Wanted] = {}
        if not doc_ids:
            return wanted
        sources = [self.store.get(source, doc_ids, vector=self.stage.vectors) for source in self.stage.sources]
        heads = self.store.heads(self.stage.target, doc_ids)
        for doc_id in doc_ids:
            rows = tuple(table.get(doc_id) for table in sources)
            try:
                given = self.stage.project(tuple(None if row is None or row.deleted else row for row in rows))
            except Exception as error:  # a row of an older shape can break a projection; the others must go on
                outcome.failures[doc_id] = _reason(error)
                continue
            head = heads.get(doc_id)
            if not isinstance(given, Input):
                if isinstance(given, LeftOut):
                    self.report.left_out[given.reason] = self.report.left_out.get(given.reason, 0) + 1
                if head is not None and not head.deleted:
                    outcome.drops.append(doc_id)
                continue
            source_hash = fingerprint(given.value if given.key is None else given.key)
            if not self._is_current(head, source_hash):
                same = wanted.setdefault(source_hash, _Wanted(given.value, given.priority, []))
                same.doc_ids.append(doc_id)
                outcome.priorities[doc_id] = given.priority
        return dict(sorted(wanted.items(), key=lambda item: -item[1].priority))

    def _is_current(self, head: Head | None, source_hash: str) -> bool:
        return (
            head is not None
            and not head.deleted
            and head.source_hash == source_hash
            and (head.made_by == self.stage.made_by or self.stage.accepts(head.made_by or ""))
        )

    def _put(self, doc_id: str, source_hash: str, made: Made) -> Put:
        return Put(doc_id, made.payload, made.content_hash(), source_hash, self.stage.made_by, made.vector)

    def unmade(self, wanted: dict[str, _Wanted]) -> list[str]:
        """The hashes of what was never paid for."""
        kept = self._kept(wanted)
        return [source_hash for source_hash in wanted if source_hash not in kept]

    def _kept(self, wanted: dict[str, _Wanted]) -> dict[str, Made]:
        return self.store.paid(self.stage.made_by, list(wanted)) if self.stage.keep and wanted else {}

    def _make(self, wanted: dict[str, _Wanted], outcome: _Outcome) -> None:
        """Equal inputs are made once (R8): within the window by grouping, across nights by what was kept."""
        kept = self._kept(wanted)
        for source_hash, made in kept.items():
            self._settle(source_hash, wanted[source_hash], made, outcome)
        missing = [source_hash for source_hash in wanted if source_hash not in kept]
        if not missing:
            return
        answered: set[int] = set()
        for arrived in self.stage.make([wanted[source_hash].value for source_hash in missing]):
            self._keep(arrived, [(one, wanted[one].doc_ids[0]) for one in missing])
            for position, result in arrived.results:
                answered.add(position)
                self._settle(missing[position], wanted[missing[position]], result, outcome)
        for position, source_hash in enumerate(missing):
            if position not in answered:
                failed = Failed("no result came back for this document")
                self._settle(source_hash, wanted[source_hash], failed, outcome)

    def _settle(self, source_hash: str, wanted: _Wanted, result: Made | Failed | Later, outcome: _Outcome) -> None:
        for doc_id in wanted.doc_ids:
            if isinstance(result, Made):
                outcome.puts.append(self._put(doc_id, source_hash, result))
            else:
                waiting = outcome.later if isinstance(result, Later) else outcome.failures
                waiting[doc_id] = result.reason

    def _keep(self, arrived: Arrived, inputs: Sequence[tuple[str, str]]) -> None:
        """Store what was paid for, and what was paid, at once: a kill in between would pay twice. Where nothing is kept
        here, ``make`` does that, for parts of its results."""
        made = [(*inputs[position], result) for position, result in arrived.results if isinstance(result, Made)]
        if self.stage.keep and (made or arrived.spent):
            target, made_by = self.stage.target, self.stage.made_by
            self.store.keep_paid(target, made_by, made, arrived.spent, self.run_id, self.now)
            self.report.made += len(made)
        self.report.calls += len(arrived.spent)
        self.report.tokens += sum(one.tokens_in + one.tokens_out for one in arrived.spent)
        self.report.cost += sum(one.cost or 0.0 for one in arrived.spent)
        self.progress(self.report)

    def _commit(self, outcome: _Outcome, doc_ids: Sequence[str], cursor: Cursor | None) -> None:
        target = self.stage.target
        waiting = self.store.queued(target, doc_ids)
        settled = [doc_id for doc_id in waiting if doc_id not in outcome.failures and doc_id not in outcome.later]
        if not (outcome.puts or outcome.drops or outcome.failures or outcome.later or settled or cursor):
            return
        due = {doc_id: self._due_again(waiting.get(doc_id, -1) + 1) for doc_id in outcome.failures}
        with self.store.begin(self.run_id, self.now) as write:
            moved = write.upsert(target, outcome.puts)
            write.delete(target, outcome.drops)
            write.fail(target, outcome.failures, due, outcome.priorities)
            write.wait(target, outcome.later, outcome.priorities)
            write.settle(target, settled)
            if cursor:
                write.save_cursor(cursor)
        self.report.changed += moved

    def _due_again(self, retries: int) -> str:
        return NEVER if retries >= MOST_RETRIES else due_again(self.now, retries)

    def _count(self, outcome: _Outcome, read: int) -> None:
        report = self.report
        report.read += read
        report.removed += len(outcome.drops)
        report.failed += len(outcome.failures)
        report.waiting += len(outcome.later)
        report.skipped = report.read - report.changed - report.removed - report.failed - report.waiting
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
