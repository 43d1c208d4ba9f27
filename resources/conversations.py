"""The tables of conversations: filled from exchanges and from the workbook's tabs, and archived.

Belongs here: what is taken, what is moved and when it is deleted, each step so that a run that is cut off anywhere loses and
doubles nothing. Does not belong here: the rules of when and which (``domain/archive``), rows (``domain/conversation_rows``),
the tabs (``resources/workbook/tab_changes``), or Dagster (``assets/conversations``).

A row's ``source_hash`` is its timestamp, so that days are found without reading payloads. Its id stays in the table as a
tombstone when it leaves: what was taken once is not taken again.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final, Generic, TypeVar

from domain import archive
from domain.conversation import Exchange, Operation, Turn
from domain.conversation_rows import (
    Numbering,
    archived_days,
    first_of,
    local,
    operation_numbering,
    operation_of,
    operation_rows,
    turn_numbering,
    turn_rows,
    turns_of,
)
from domain.fingerprint import clean, fingerprint
from domain.stage import Put, Report
from domain.workbook_layout import ARCHIVE as ARCHIVE_TAB
from domain.workbook_layout import CONVERSATIONS as LOG_TAB
from domain.workbook_layout import OPERATIONS as OPERATIONS_TAB
from domain.workbook_reading import Cells, Lines
from domain.workbook_rows import ROWS_VERSION
from resources.storage.sql import SqlCompanyStore
from resources.workbook.stored import stored_tab, tab_hashes

LOG: Final = "conversation_log"
ARCHIVE: Final = "conversation_archive"
OPERATIONS: Final = "operations_log"
LATE: Final = timedelta(days=2)
"""How much later than others an exchange, or a vote, may come into the store: so far back is looked each time."""
_ZONES = "conversation zones"
"""A state: [since, time zone], the oldest first."""
_PAGE = 1000
Record = TypeVar("Record", Turn, Operation)


@dataclass(frozen=True)
class Kind(Generic[Record]):
    """What fills a table: its records of an exchange, how they are numbered, and the rows of its tab."""

    table: str
    records: Callable[[Exchange, str], Iterable[Record]]
    numbering: Callable[[], Numbering[Record]]
    tab: str
    rows: Callable[[Cells, str], Lines[Record]]


TURNS: Final = Kind[Turn](LOG, turns_of, turn_numbering, LOG_TAB, turn_rows)
LINES: Final = Kind[Operation](
    OPERATIONS,
    lambda exchange, zone: [operation_of(exchange, zone)],
    operation_numbering,
    OPERATIONS_TAB,
    operation_rows,
)


@dataclass(frozen=True)
class Conversations:
    """One company's conversations in one run. ``now`` is ISO 8601 UTC; ``zone`` its time zone."""

    store: SqlCompanyStore
    zone: str
    run_id: str
    now: str

    # --- taking ---------------------------------------------------------------------------------------------------

    def take(self, kind: Kind[Record], report: Report) -> None:
        """New exchanges into a table. What is in it, or was, stays as it is; a run that was cut off is gone on with."""
        self.note_zone()
        self._take(kind, _back(self.store.state(_mark(kind.table)) or ""), "", report)

    def take_tab(self, kind: Kind[Record], report: Report) -> None:
        """Rows of a table's tab that are not ours, and votes on them, where the tab has changed since it was taken."""
        mark = tab_mark(self, kind.table, kind.tab)
        if mark is None:
            waiting = [one for one in self.store.queue() if _is_row(one.doc_id, one.target, kind)]
            report.read += len(waiting)
            report.failed += len(waiting)
            return
        rows = kind.rows(stored_tab(self.store, kind.tab) or (), self.zone)
        found = {doc_id: record for doc_id, (_, record) in rows.identified(kind.numbering()).items()}
        self._take_rows(kind, found, rows.bad, report)
        self._votes_of_rows(found, report)
        keep_mark(self, kind.table, mark)

    def _take_rows(
        self, kind: Kind[Record], found: Mapping[str, Record], bad: Mapping[int, str], report: Report
    ) -> None:
        """All at once. A row that says what a known one says is its copy, not another. A bad row waits in the queue with
        its reason."""
        tab = kind.tab
        report.read += len(found) + len(bad)
        known = self._known(kind.table, [*found, *map(first_of, found)])
        fresh = {doc_id: one for doc_id, one in found.items() if doc_id not in known and first_of(doc_id) not in known}
        reasons = {f"{tab} row {row}": f"{tab}, row {row}: {reason}" for row, reason in bad.items()}
        queued = {one.doc_id: one.reason for one in self.store.queue() if one.target == kind.table}
        failing = {doc_id: reason for doc_id, reason in reasons.items() if queued.get(doc_id) != reason}
        settled = [doc_id for doc_id in queued if _is_row(doc_id, kind.table, kind) and doc_id not in reasons]
        if fresh or failing or settled:
            with self.store.begin(self.run_id, self.now) as write:
                report.changed += write.upsert(kind.table, [_put(*item, "workbook") for item in fresh.items()])
                write.fail(kind.table, failing, dict.fromkeys(failing, self.now))
                write.settle(kind.table, settled)
        report.failed += len(reasons)
        report.sample += [*fresh][: 10 - len(report.sample)]
        report.notes += [*failing.values()][:20]

    def _take(self, kind: Kind[Record], since: str, until: str, report: Report) -> None:
        number, zone = kind.numbering(), self._zones()
        for page in self._pages(since, until):
            found = {number(record): record for one in page for record in kind.records(one, zone(one.asked_at))}
            known = self._known(kind.table, list(found))
            puts = [_put(*item, "exchange") for item in found.items() if item[0] not in known]
            report.read += len(found)
            # Never ahead of now: a clock that once ran ahead would hide all that is asked until then.
            mark = max(self.store.state(_mark(kind.table)) or "", min(page[-1].asked_at, self.now))
            if puts or mark != self.store.state(_mark(kind.table)):
                with self.store.begin(self.run_id, self.now) as write:
                    report.changed += write.upsert(kind.table, puts)
                    write.save_state(_mark(kind.table), mark)
            report.sample += [put.doc_id for put in puts][: 10 - len(report.sample)]

    def _pages(self, since: str, until: str) -> Iterator[list[Exchange]]:
        """Exchanges by their time; ``until`` is left out, "" is no end."""
        after = ("", "")
        while page := self.store.exchanges(since, after, _PAGE):
            if kept := [one for one in page if not until or one.asked_at < until]:
                yield kept
            if len(kept) < len(page):
                return
            after = (page[-1].asked_at, page[-1].exchange_id)

    def _known(self, table: str, doc_ids: Sequence[str]) -> set[str]:
        """Those that are in the table, or were; a turn may be in the archive only."""
        known = set(self.store.heads(table, doc_ids))
        return known | set(self.store.heads(ARCHIVE, doc_ids)) if table == LOG else known

    # --- votes ----------------------------------------------------------------------------------------------------

    def vote(self, report: Report) -> None:
        """Votes on answers into the operations log; of several on one answer the last counts."""
        votes = self.store.votes()
        seen = self.store.state(_mark("votes")) or ""
        newest = max((one.created_at for one in votes), default="")
        fresh = {one.recommendation_id for one in votes if one.created_at >= _back(seen)}
        if not fresh:
            return
        said = {one.recommendation_id: one.feedback_type.removeprefix("thumbs_") for one in votes}
        number, zone, meant = operation_numbering(), self._zones(), dict[str, str]()
        # Those that say the same are of one session: its exchanges give the ids that all of them gave.
        for one in self.store.sessions_of(fresh):
            doc_id = number(operation_of(one, zone(one.asked_at)))
            if one.exchange_id in fresh:
                meant[doc_id] = said[one.exchange_id]
        self._set_feedback(meant, report, {_mark("votes"): max(seen, min(newest, self.now))})

    def _votes_of_rows(self, found: Mapping[str, Turn | Operation], report: Report) -> None:
        """Votes that another bot wrote into its rows of 운영로그 after these were taken; a vote of ours stays."""
        told = {id_: one.feedback for id_, one in found.items() if isinstance(one, Operation) and one.feedback}
        live = self.store.get(OPERATIONS, list(told))
        unset = {id_: told[id_] for id_, row in live.items() if not row.deleted and not row.payload["feedback"]}
        self._set_feedback(unset, report, {})

    def _set_feedback(self, meant: Mapping[str, str], report: Report, states: Mapping[str, str]) -> None:
        rows = self.store.get(OPERATIONS, list(meant)).values()
        moved = [row for row in rows if not row.deleted and row.payload["feedback"] != meant[row.doc_id]]
        puts = [
            _put(row.doc_id, replace(Operation(**row.payload), feedback=meant[row.doc_id]), row.made_by or "")
            for row in moved
        ]
        states = {name: value for name, value in states.items() if self.store.state(name) != value}
        if puts or states:
            with self.store.begin(self.run_id, self.now) as write:
                report.changed += write.upsert(OPERATIONS, puts)
                for name, value in states.items():
                    write.save_state(name, value)

    # --- archiving ------------------------------------------------------------------------------------------------

    def archive(self, days: int, report: Report) -> None:
        """Move what is due from the log to the archive: copied, read back, compared, and only then deleted. Turns that a
        run before copied, and did not come to delete, are ended with."""
        rows = self.store.count(LOG)
        last = self.store.state(_mark(ARCHIVE)) or ""
        ids = sorted(self.store.ids(LOG))
        copied = [id_ for id_, head in self.store.heads(ARCHIVE, ids).items() if not head.deleted]
        due: list[str] = []
        if archive.is_time(self.now, self.zone, last, rows):
            said_at = {id_: head.source_hash or "" for id_, head in self.store.heads(LOG, ids).items()}
            due = archive.due(said_at, archive.days_ago(self.now, self.zone, days))
        moving = list(dict.fromkeys([*copied, *due]))
        for start in range(0, len(moving), _PAGE):
            self._move(moving[start : start + _PAGE], report)
        month = archive.month(self.now, self.zone)
        if month != last:
            with self.store.begin(self.run_id, self.now) as write:
                write.save_state(_mark(ARCHIVE), month)

    def _move(self, ids: Sequence[str], report: Report) -> None:
        day = local(self.now, self.zone)[:10]
        there = self.store.get(ARCHIVE, ids)
        turns = {id_: Turn(**row.payload) for id_, row in self.store.get(LOG, ids).items() if not row.deleted}
        lacking = [id_ for id_ in turns if not (id_ in there and _is_copy(there[id_].payload, turns[id_]))]
        if lacking:
            with self.store.begin(self.run_id, self.now) as write:
                puts = [_put(id_, turns[id_], "conversation_log", {"archived_at": day}) for id_ in lacking]
                report.changed += write.upsert(ARCHIVE, puts)
        # What is deleted is what was read back, not what was sent.
        copies = self.store.get(ARCHIVE, ids)
        proved = [id_ for id_ in turns if id_ in copies and _is_copy(copies[id_].payload, turns[id_])]
        with self.store.begin(self.run_id, self.now) as write:
            write.delete(LOG, proved)
        report.read += len(turns)
        report.failed += len(turns) - len(proved)
        report.sample += lacking[: 10 - len(report.sample)]

    def expire(self, days: int, report: Report) -> None:
        """What is older than the retention leaves log, archive and operations log; and exchanges that all tables have, and
        that are older than a month, leave, too."""
        first_day = archive.kept_from(self.now, self.zone, days)
        old = {table: sorted(self.store.ids_between(table, "", first_day)) for table in (LOG, ARCHIVE, OPERATIONS)}
        if any(old.values()):
            with self.store.begin(self.run_id, self.now) as write:
                report.removed += sum(write.delete(table, ids) for table, ids in old.items())
        kept = datetime.fromisoformat(self.now) - timedelta(days=archive.EXCHANGE_DAYS)
        before = f"{kept:%Y-%m-%d}"
        if any(one.asked_at < before for one in self.store.exchanges("", limit=1)):
            self._take(TURNS, "", before, Report())  # also what came too late for the look back
            self._take(LINES, "", before, Report())
            with self.store.begin(self.run_id, self.now) as write:
                write.drop_exchanges(before)

    def _zones(self) -> Callable[[str], str]:
        """The company's time zone when something was said: a row keeps the time, and the id, that it was given."""
        known: list[tuple[str, str]] = self.store.state(_ZONES) or []
        return lambda at: next((zone for since, zone in reversed(known) if since <= at), self.zone)

    def note_zone(self) -> None:
        """Remember from when on the company's time zone is this one."""
        known = self.store.state(_ZONES) or []
        if not known or known[-1][1] != self.zone:
            with self.store.begin(self.run_id, self.now) as write:
                write.save_state(_ZONES, [*known, [self.now if known else "", self.zone]])


def import_archive(run: Conversations, report: Report) -> None:
    """Rows of 대화이력_보관 that the table does not know, where the tab has changed: it was kept by another home before."""
    mark = tab_mark(run, ARCHIVE, ARCHIVE_TAB)
    if mark is None:
        return
    cells = stored_tab(run.store, ARCHIVE_TAB) or ()
    found, archived_at = turn_rows(cells, run.zone).identified(turn_numbering()), archived_days(cells)
    known = set(run.store.heads(ARCHIVE, [*found, *map(first_of, found)]))
    fresh = [
        _put(doc_id, turn, "workbook", {"archived_at": archived_at.get(row, "") or turn.timestamp[:10]})
        for doc_id, (row, turn) in found.items()
        if doc_id not in known and first_of(doc_id) not in known
    ]
    if fresh:
        with run.store.begin(run.run_id, run.now) as write:
            report.changed += write.upsert(ARCHIVE, fresh)
    keep_mark(run, ARCHIVE, mark)


def tab_mark(run: Conversations, table: str, tab: str) -> str | None:
    """What a tab says, and how it is read; None where the table has taken all of that already, or there is no tab."""
    said = tab_hashes(run.store, tab)
    mark = fingerprint([ROWS_VERSION, run.zone, said])
    return mark if said and run.store.state(_tab_state(table)) != mark else None


def keep_mark(run: Conversations, table: str, mark: str) -> None:
    """All of the tab is in the table: not before, so that a run that is cut off takes it again."""
    with run.store.begin(run.run_id, run.now) as write:
        write.save_state(_tab_state(table), mark)


def _tab_state(table: str) -> str:
    return f"{table} tab taken"


def _is_row(doc_id: str, target: str, kind: Kind[Any]) -> bool:
    """Whether what waits in the queue is a row of a table's tab."""
    return target == kind.table and doc_id.startswith(f"{kind.tab} row ")


def _put(doc_id: str, record: Turn | Operation, made_by: str, more: Mapping[str, str] | None = None) -> Put:
    payload: dict[str, Any] = clean({**asdict(record), **(more or {})})[0]
    return Put(doc_id, payload, fingerprint(payload), record.timestamp, made_by)


def _is_copy(payload: Any, turn: Turn) -> bool:
    """Whether the archive's row says what the turn says."""
    return payload is not None and {**payload, "archived_at": ""} == {**clean(asdict(turn))[0], "archived_at": ""}


def _mark(table: str) -> str:
    return f"{table} taken up to"


def _back(mark: str) -> str:
    """The day (UTC) from which on is looked again, given the newest moment that was seen."""
    return f"{datetime.fromisoformat(mark) - LATE:%Y-%m-%d}" if mark else ""
