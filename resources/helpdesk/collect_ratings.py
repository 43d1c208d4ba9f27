"""From a helpdesk's ratings into ``ticket_ratings``: a row a ticket, with all of its ratings.

Belongs here: keeping them by ticket, the place up to which they were read, and the ratings of tickets that were deleted
and are back. Does not belong here: how a platform lists them (its adapter), or tickets (``collect``).

Nothing but the key stops a sync here: what customers thought is worth less than a ticket that can be found.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from time import perf_counter

from domain.fingerprint import clean, fingerprint
from domain.forgotten import Forgotten
from domain.stage import CompanyStore, Cursor, Put, Report
from resources.helpdesk.base import Helpdesk, Json, Rating
from resources.http import BadAnswer, HttpRefused

TABLE = "ticket_ratings"
MADE_BY = "ratings-1"
_TICKETS = "raw_tickets"
_STATE, _RESTORED = f"{TABLE} cursor", f"{TABLE} restored"
_WINDOW = 1000
#: Restored tickets whose ratings are stored in one commit.
_CHUNK = 20
#: Restored tickets whose ratings a run fails to get before it leaves the others to the next one.
_MOST_FAILURES = 3


def collect_ratings(helpdesk: Helpdesk, store: CompanyStore, run_id: str, now: str) -> Report:
    """Bring the table up to date. What the source refuses or fails to give here becomes a note, and is asked for again in
    the next run. Raises ``SourceError`` when the source is out of reach, or refuses the key itself; pages that were
    committed before stay."""
    started, sent = perf_counter(), helpdesk.requests
    walk = _Walk(helpdesk, store, run_id, now)
    report = walk.report
    walk.find_restored()
    walk.ask_restored()  # before new ones come: a row that lives again is not known to lack any
    try:
        walk.new()
    except (BadAnswer, HttpRefused) as failure:
        _raise_if_key(failure)
        report.notes.append(f"new ratings were not read, the next sync asks again: {failure.title} {failure.detail}")
    report.skipped = max(0, report.read - report.changed)
    report.requests, report.seconds = helpdesk.requests - sent, perf_counter() - started
    report.notes += [note for note in dict.fromkeys(helpdesk.notes) if "ratings" in note]
    return report


def _raise_if_key(failure: BadAnswer | HttpRefused) -> None:
    if isinstance(failure, HttpRefused) and failure.status == 401:
        raise failure


class _Walk:
    """One run over one company's ratings."""

    def __init__(self, helpdesk: Helpdesk, store: CompanyStore, run_id: str, now: str) -> None:
        self.helpdesk, self.store, self.run_id, self.now = helpdesk, store, run_id, now
        self.report = Report()
        self.forgotten = Forgotten(store.company, store.forgotten())

    def new(self) -> None:
        """Ratings that came in since the last run."""
        kept: Json | None = self.store.state(_STATE)
        cursor = kept["cursor"] if kept and kept["made_by"] == MADE_BY else None
        for page in self.helpdesk.ratings(cursor):
            self._commit(page.ratings, _STATE, {"made_by": MADE_BY, "cursor": page.cursor})

    # -- tickets that are back -------------------------------------------------------------------------------------

    def find_restored(self) -> None:
        """A ticket that was deleted took its ratings along, and the walk has passed them. So of the tickets that moved
        since the last run, those with a tombstone here wait to be asked for."""
        before = self.store.cursor(TABLE, _TICKETS)
        cursor = before if before and before.rule == MADE_BY else Cursor(TABLE, _TICKETS, MADE_BY)
        if not self.store.top(TABLE):  # nobody rated anything yet: a first sync has nothing to look through
            cursor = Cursor(TABLE, _TICKETS, MADE_BY, self.store.top(_TICKETS))
            if cursor != before:
                self._save(cursor, [])
            return
        cursor = cursor.opened(self.store.top(_TICKETS))
        while cursor.gaps:
            moved = self.store.window(_TICKETS, *cursor.gaps[0], _WINDOW)
            cursor = cursor.shrunk(moved[-1][1] if len(moved) == _WINDOW else None)
            self._save(cursor, self._restored([doc_id for doc_id, _ in moved]))

    def _restored(self, doc_ids: Sequence[str]) -> list[str]:
        lost = [doc_id for doc_id, head in self.store.heads(TABLE, doc_ids).items() if head.deleted]
        return self._wanted(sorted(lost))

    def _wanted(self, doc_ids: Sequence[str]) -> list[str]:
        """Those that are live, and not forgotten."""
        heads = self.store.heads(_TICKETS, doc_ids)
        live = (doc_id for doc_id in doc_ids if (head := heads.get(doc_id)) and not head.deleted)
        return [doc_id for doc_id in live if not self.forgotten.document(doc_id)]

    def _save(self, cursor: Cursor, restored: Iterable[str]) -> None:
        waiting = list(dict.fromkeys([*(self.store.state(_RESTORED) or ()), *restored]))
        with self.store.begin(self.run_id, self.now) as write:
            write.save_cursor(cursor)
            if waiting:
                write.save_state(_RESTORED, waiting)

    def ask_restored(self) -> None:
        """All ratings of each ticket that waits, a request each. What fails goes to the end and waits on."""
        left = self._wanted(self.store.state(_RESTORED) or ())
        failed: list[str] = []
        while left and len(failed) < _MOST_FAILURES:
            found: list[Rating] = []
            for doc_id in left[:_CHUNK]:
                left.remove(doc_id)
                try:
                    found += self.helpdesk.ratings_of(doc_id)
                except (BadAnswer, HttpRefused) as failure:
                    _raise_if_key(failure)
                    failed.append(doc_id)
                    if len(failed) == _MOST_FAILURES:
                        break
            self._commit(found, _RESTORED, [*left, *failed])
        if not left and not failed:
            self._commit((), _RESTORED, [])
        else:
            self.report.notes.append(
                f"the ratings of {len(left) + len(failed)} restored tickets were not read, the next sync asks again"
            )

    # -- rows ------------------------------------------------------------------------------------------------------

    def _commit(self, ratings: Sequence[Rating], state: str, value: Json | list[str]) -> None:
        """Ratings, with the place that follows them."""
        rows = self._rows(ratings)
        if rows or (self.store.state(state) or []) != value:
            with self.store.begin(self.run_id, self.now) as write:
                self.report.changed += write.upsert(TABLE, rows)
                write.save_state(state, value)
        self.report.read += len(ratings)

    def _rows(self, ratings: Sequence[Rating]) -> list[Put]:
        """The tickets whose ratings are others than before."""
        fresh: dict[str, Json] = defaultdict(dict)
        for rating in ratings:
            if not self.forgotten.document(rating.ticket_id):
                fresh[rating.ticket_id][rating.id] = clean(asdict(rating.said))[0]
        before = self.store.get(TABLE, list(fresh))
        rows: list[Put] = []
        for ticket_id, found in fresh.items():
            row = before.get(ticket_id)
            payload = {"ratings": {**(row.payload["ratings"] if row and not row.deleted else {}), **found}}
            content_hash = fingerprint(payload)
            if row is None or row.deleted or row.content_hash != content_hash:
                rows.append(Put(ticket_id, payload, content_hash, content_hash, MADE_BY))
        return rows
