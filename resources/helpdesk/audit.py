"""The audit of ids: which tickets vanished from the source without a trace, found in slices over a week.

Belongs here: how much of it is due today, comparing a stretch of the source's list with ours, asking for what is missing.
Does not belong here: listing (the adapter), weighing and deleting (``collect``).

A ticket deleted for good leaves nothing behind; only that it is missing from the list shows it. So the whole list is read
once a week, a seventh a day, in the order of versions: between two versions, what is stored and not listed has moved
since, is archived, or is gone, and is asked for. What is archived is marked so and never asked for again. What is listed
and not stored, or was moved unseen, is fetched: the audit heals what any walk could have missed.
"""

import math
from collections.abc import Iterator, Mapping
from datetime import date
from typing import TYPE_CHECKING, Any

from domain.stage import Put, Transaction
from resources.helpdesk.base import ARCHIVED, Slice, Tickets

if TYPE_CHECKING:
    from resources.helpdesk.collect import Collection

DAYS = 7
"""In which the whole list is read once."""
_ASKS, _ASKED_SHARE = 1000, 10
"""Tickets that may be asked for one by one in a run: so many, or a tenth of those that are listed."""
_CHUNK = 100


class Audit:
    """The audit of one company's tickets, as far as it is due in this run."""

    def __init__(self, collection: "Collection", source: Tickets) -> None:
        self.collection = collection
        self.source = source
        self.store = collection.store
        self.table = collection.table
        self.state = f"{collection.table} audit"
        self.today = collection.now[:10]

    def begin_anew(self, write: Transaction) -> None:
        """The next run does all of it, from the beginning."""
        write.save_state(self.state, {"at": "", "on": self.today, "whole": True})

    def run(self) -> set[str]:
        """Today's slice. Returns the ids that are gone; they wait in the store, to be weighed. May be killed at any moment:
        the next run goes on behind the last stretch."""
        kept: dict[str, Any] | None = self.store.state(self.state)
        if kept is None:  # a first walk has just seen them all
            self._save(self.today, "")
            return set()
        left = self._due(kept)
        begin = kept["at"] or self.store.first_version(self.table)
        if not left or begin in ("", ARCHIVED):
            return set()
        gone: set[str] = set()
        asks = max(_ASKS, left / _ASKED_SHARE)
        for part in self.source.audit(begin):
            left -= len(part.ids)
            for chunk in self._missing(part):
                gone |= self._ask(chunk)
                asks -= len(chunk)
                if asks <= 0:  # what was found is kept, so that the next run has less to ask
                    self._save(self.today, part.low)
                    return gone
            self._take_in(part)
            self._save(kept["on"], "" if part.is_last else part.high, whole=bool(kept.get("whole")))
            if left <= 0 and not part.is_last:
                self._save(self.today, part.high)
                return gone
        self._save(self.today, "")
        return gone

    def _due(self, kept: Mapping[str, Any]) -> float:
        """How many tickets to list: a seventh a day since the last slice, all of them at most. After a clock that was wrong,
        as after one day."""
        if kept.get("whole"):
            return math.inf
        days = (date.fromisoformat(self.today) - date.fromisoformat(kept["on"])).days
        days = 1 if days < 0 else min(days, DAYS)
        return math.ceil(self.store.count(self.table) * days / DAYS)

    def _missing(self, part: Slice) -> Iterator[list[str]]:
        """What is stored in a stretch, and not listed, some at a time; without what waits to be deleted."""
        missing = self.store.ids_between(self.table, part.low, part.high) - part.ids - self.collection.waiting()
        ordered = sorted(missing)
        for start in range(0, len(ordered), _CHUNK):
            yield ordered[start : start + _CHUNK]

    def _ask(self, doc_ids: list[str]) -> set[str]:
        """Where these are. What is there after all is fetched: it moved without our noticing. Returns what is gone."""
        gone: set[str] = set()
        archived: list[str] = []
        for doc_id in doc_ids:
            self.collection.progress(self.collection.report)
            where = self.source.whereabouts(doc_id)
            if where == "archived":
                archived.append(doc_id)
            elif where == "gone" or not self.collection.fetch(doc_id):
                gone.add(doc_id)
        with self.store.begin(self.collection.run_id, self.collection.now) as write:
            write.upsert(self.table, self._marked(archived))
            if gone:
                self.collection.remember_gone(write, gone)
        return gone

    def _take_in(self, part: Slice) -> None:
        """What is listed and not here: it came back without having moved."""
        here = self.collection.live(sorted(part.ids)).union(self.store.queued(self.table, sorted(part.ids)))
        for doc_id in sorted(part.ids - here):
            if not self.collection.forgotten.document(doc_id):
                self.collection.fetch(doc_id)

    def _marked(self, doc_ids: list[str]) -> list[Put]:
        """The same rows under the version that no audit asks for. Their content is what it was, so nothing follows."""
        rows = self.store.get(self.table, doc_ids).values()
        return [
            Put(row.doc_id, row.payload | {ARCHIVED: True}, row.content_hash or "", ARCHIVED, row.made_by or "")
            for row in rows
            if not row.deleted
        ]

    def _save(self, on: str, at: str, *, whole: bool = False) -> None:
        value: dict[str, Any] = {"at": at, "on": on, **({"whole": True} if whole else {})}
        if self.store.state(self.state) != value:
            with self.store.begin(self.collection.run_id, self.collection.now) as write:
                write.save_state(self.state, value)
