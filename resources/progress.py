"""How far a company's run is, for people who wait for it: ``progress.json`` and two logs, as the specification names them.

Belongs here: what is written about a running sync under ``progress/`` in the home, how often, and how it reads in words.
Does not belong here: counting (``domain/stage.Report``), or what decides anything: nobody but people reads these files, and
a sync that cannot write them goes on.

    progress.json     one entry a company: its run, table, counts, rate, what is left, and the notes of its last runs
    collection.log    a line every few seconds for the tables that come from the source, and each note
    processing.log    the same for the tables that are made from those

Several processes write all three. They hold ids of companies and runs, tables and counts; addresses of people are cut out
of notes.
"""

import json
import logging
import re
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

from concurrent_log_handler import ConcurrentRotatingFileHandler
from filelock import FileLock, Timeout
from pydantic import BaseModel, ConfigDict, ValidationError

from domain.stage import Report
from resources.clock import utc_now

State = Literal["running", "done", "failed", "stopped"]

_WRITE_SECONDS, _LOG_SECONDS = 1.0, 5.0
_RATE_SECONDS = 180.0
"""Long enough to hold the pauses of a limit that is counted by the minute."""
_LOG_BYTES, _LOG_FILES = 10_000_000, 5
_LOCK_SECONDS = 2.0
_COLLECTED = ("ticket_ratings",)
_ADDRESS = re.compile(r"[^\s@<>]+@[^\s@<>]+")
_MOST_NOTES, _LONGEST_NOTE = 50, 500
_COUNTS = ("read", "changed", "skipped", "removed", "failed", "requests")


class Entry(BaseModel):
    """One company's line in ``progress.json``. Counts are of documents of ``table`` in this run, ``requests`` apart.

    ``total`` is how many of them there are to be read and ``remaining`` how many still are, None where the source does not
    tell; ``per_minute`` is the rate of the last minutes, None until it is known. ``notes`` stay until a run is done
    without them.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    run_id: str
    state: State
    table: str = ""
    read: int = 0
    changed: int = 0
    skipped: int = 0
    removed: int = 0
    failed: int = 0
    requests: int = 0
    total: int | None = None
    remaining: int | None = None
    per_minute: float | None = None
    seconds_left: int | None = None
    started_at: str
    updated_at: str
    notes: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """In words: "raw_tickets: 12,400 of about 1,000,000 read, 198 a minute, 83 hours left"."""
        of = "" if self.total is None else f" of about {self.total:,}"
        words = [f"{self.read:,}{of} read"]
        if self.per_minute is not None:
            words.append(f"{self.per_minute:,.0f} a minute")
        if self.seconds_left is not None:
            words.append(f"{duration(self.seconds_left)} left")
        return f"{self.table}: {', '.join(words)}" if self.table else "starting"


def duration(seconds: float) -> str:
    """Seconds in words, in the largest unit that still says something: "89 seconds", "83 hours"."""
    if seconds < 90:
        return f"{round(seconds)} seconds"
    if seconds < 90 * 60:
        return f"{round(seconds / 60)} minutes"
    return f"{round(seconds / 3600)} hours" if seconds < 100 * 3600 else f"{round(seconds / 86400)} days"


def read_progress(home: Path, company: str, *, is_free: bool) -> Entry | None:
    """The entry of a company's last run; None when it had none, or the file is damaged.

    ``is_free``: whether nobody holds the company's lock, so that a run that still says "running" was killed: it is given
    back as stopped.
    """
    try:
        entry = Entry.model_validate(_entries(home / "progress" / "progress.json").get(company))
    except ValidationError:
        return None
    if entry.state == "running" and is_free:
        return entry.model_copy(update={"state": "stopped"})
    return entry


def remove_progress(home: Path, company: str) -> None:
    """Take a company's entry out of ``progress.json``. Raises ``OSError`` when that cannot be written."""
    if company in _entries(home / "progress" / "progress.json"):
        _change(home, lambda entries: entries.pop(company, None))


class ProgressBook:
    """Writes down how far one run is. For one thread at a time; cheap enough to be told of every document.

    ``clock`` gives seconds that only grow.
    """

    def __init__(self, home: Path, company: str, run_id: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._home, self._company, self._run_id, self._clock = home, company, run_id, clock
        last = read_progress(home, company, is_free=True)
        self._older_notes = last.notes if last else ()
        self._notes: dict[str, None] = {}
        self._noted = 0
        self._logged_notes: set[tuple[str, str]] = set()
        self._samples: deque[tuple[float, int]] = deque()
        self._written = self._logged = float("-inf")
        self._report: Report | None = None
        self._total: int | None = None
        self._logs: set[Path] = set()
        now = utc_now()
        self.entry = Entry(run_id=run_id, state="running", started_at=now, updated_at=now, notes=self._older_notes)
        self._write()

    def note(self, table: str, report: Report, total: int | None = None) -> None:
        """What a run has done so far on a table. ``total``: how many documents there are to be read, if the report itself
        does not say."""
        now, is_new = self._clock(), table != self.entry.table
        if is_new:
            self._count(now)
            self._log_last()
            self._samples.clear()
            self._logged = now  # the first line says how far it is after some seconds, or at its end
            self.entry = self.entry.model_copy(update={"table": table})
        self._report, self._total = report, total
        if is_new or now - self._written >= _WRITE_SECONDS or len(report.notes) != self._noted:
            self._count(now)
            self._write()
        if now - self._logged >= _LOG_SECONDS:
            self._log_last()

    def finished(self, outcome: Literal["done", "failed", "stopped"]) -> None:
        """The run has ended; ``stopped`` is an interrupt."""
        self._count(self._clock())
        self._log_last()
        kept = dict.fromkeys(self._notes if outcome == "done" else (*self._older_notes, *self._notes))
        ended: dict[str, Any] = {"state": outcome, "seconds_left": None, "notes": tuple(kept)[:_MOST_NOTES]}
        self.entry = self.entry.model_copy(update=ended)
        self._write()
        for path in sorted(self._logs):
            _log(path, [f"{self._line_head} {outcome}"])

    def _count(self, now: float) -> None:
        """Bring the entry up to what was last reported."""
        report = self._report
        if report is None:
            return
        self._notes.update(dict.fromkeys(map(_safe, report.notes)))
        self._noted = len(report.notes)
        total = self._total if self._total is not None else getattr(report, "total", None)
        remaining = None if total is None else max(0, total - report.read)
        per_minute = self._rate(now, report.read)
        update = {
            **{name: getattr(report, name) for name in _COUNTS},
            "total": total,
            "remaining": remaining,
            "per_minute": per_minute,
            "seconds_left": round(remaining / per_minute * 60) if remaining is not None and per_minute else None,
            "notes": tuple(dict.fromkeys((*self._older_notes, *self._notes)))[:_MOST_NOTES],
        }
        self.entry = self.entry.model_copy(update=update)

    def _rate(self, now: float, read: int) -> float | None:
        """Documents a minute over the last minutes."""
        samples = self._samples
        samples.append((now, read))
        while len(samples) > 2 and samples[1][0] <= now - _RATE_SECONDS:
            samples.popleft()
        (since, before), passed = samples[0], now - samples[0][0]
        return round((read - before) / passed * 60, 1) if since < now and passed >= _WRITE_SECONDS else None

    def _write(self) -> None:
        self._written = self._clock()
        self.entry = self.entry.model_copy(update={"updated_at": utc_now()})
        with suppress(OSError):
            _change(self._home, lambda entries: entries.update({self._company: self.entry.model_dump()}))

    # -- logs ------------------------------------------------------------------------------------------------------

    def _log_last(self) -> None:
        """A line of what was last reported, unless the log has it; and every new note."""
        report, table = self._report, self.entry.table
        if report is None:
            return
        self._logged = self._clock()
        name = "collection" if table.startswith("raw_") or table in _COLLECTED else "processing"
        counts = " ".join(f"{count}={getattr(report, count)}" for count in _COUNTS)
        rest = {"total": self.entry.total, "per_minute": self.entry.per_minute}
        more = "".join(f" {key}={value}" for key, value in rest.items() if value is not None)
        head = f"{self._line_head} {table}"
        lines = [f"{head} {counts}{more}"]
        for note in map(_safe, report.notes[:_MOST_NOTES]):
            if (table, note) not in self._logged_notes:
                self._logged_notes.add((table, note))
                lines.append(f"{head} note: {note}")
        path = self._home / "progress" / f"{name}.log"
        self._logs.add(path)
        _log(path, lines)

    @property
    def _line_head(self) -> str:
        return f"{utc_now()} {self._company} {self._run_id}"


def _log(path: Path, lines: Sequence[str]) -> None:
    """Append to a log that several processes write to and rotate; what cannot be written is left out. It is closed again, for
    lines are rare and a run may be cut off."""
    with suppress(OSError):
        path.parent.mkdir(exist_ok=True)
        handler = ConcurrentRotatingFileHandler(path, maxBytes=_LOG_BYTES, backupCount=_LOG_FILES - 1, encoding="utf-8")
        handler.handleError = lambda record: None
        for line in lines:
            handler.emit(logging.LogRecord("progress", logging.INFO, "", 0, line, None, None))
        handler.close()


def _safe(note: str) -> str:
    """In one line, without addresses of people."""
    return _ADDRESS.sub("…@…", " ".join(note.split())[:_LONGEST_NOTE])


def _entries(path: Path) -> dict[str, Any]:
    """The file as it is; empty when it is missing, torn, or something else."""
    try:
        entries = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return entries if isinstance(entries, dict) else {}


def _change(home: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Read, change and replace the file while no other process does. Raises ``OSError``."""
    folder = home / "progress"
    folder.mkdir(exist_ok=True)
    draft = folder / ".progress.json.new"
    try:
        with FileLock(folder / ".progress.json.lock", timeout=_LOCK_SECONDS):
            entries = _entries(folder / "progress.json")
            change(entries)
            draft.write_text(json.dumps(entries, ensure_ascii=False, indent=1) + "\n", "utf-8")
            draft.replace(folder / "progress.json")
    except Timeout as timeout:
        raise OSError(str(timeout)) from None
