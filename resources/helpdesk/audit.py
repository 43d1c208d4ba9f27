"""The audit of ids: which tickets vanished from the source without a trace, found in slices over a week.

Belongs here: how much of it is due today, comparing a stretch of the source's list with ours, asking for what is missing.
Does not belong here: listing (the adapter), weighing and deleting (``collect``).

A ticket deleted for good leaves nothing behind; only that it is missing from the list shows it. So the whole list is read
once a week, a seventh a day, in the order of versions: between two versions, what is stored and not listed has moved
since, is archived, or is gone, and is asked for. What is archived is marked so and never asked for again.
"""

import math
from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING, Any

from domain.stage import Put, Transaction
from resources.helpdesk.base import ARCHIVED, Slice, Tickets

if TYPE_CHECKING:
    from resources.helpdesk.collect import Collection

DAYS = 7
"""In which the whole list is read once."""


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
        wanted = self._due(kept)
        if not wanted:
            return set()
        gone: set[str] = set()
        listed = 0
        for part in self.source.audit(kept["at"]):
            gone |= self._compare(part, kept)
            listed += len(part.ids)
            if listed >= wanted and not part.is_last:
                self._save(self.today, part.high)
                return gone
        self._save(self.today, "")
        return gone

    def _due(self, kept: Mapping[str, Any]) -> float:
        """How many tickets to list: a seventh a day since the last slice, all of them at most."""
        if kept.get("whole"):
            return math.inf
        days = (date.fromisoformat(self.today) - date.fromisoformat(kept["on"])).days
        return math.ceil(self.store.count(self.table) * min(days, DAYS) / DAYS) if days > 0 else 0

    def _compare(self, part: Slice, kept: Mapping[str, Any]) -> set[str]:
        missing = self.store.ids_between(self.table, part.low, part.high) - part.ids
        gone: set[str] = set()
        archived: list[str] = []
        for doc_id in sorted(missing):
            self.collection.progress(self.collection.report)
            where = self.source.whereabouts(doc_id)
            if where == "gone":
                gone.add(doc_id)
            elif where == "archived":
                archived.append(doc_id)
        with self.store.begin(self.collection.run_id, self.collection.now) as write:
            write.upsert(self.table, self._marked(archived))
            write.save_state(self.state, {**kept, "at": "" if part.is_last else part.high})
            if gone:
                self.collection.remember_gone(write, gone)
        return gone

    def _marked(self, doc_ids: list[str]) -> list[Put]:
        """The same rows under the version that no audit asks for. Their content is what it was, so nothing follows."""
        rows = self.store.get(self.table, doc_ids).values()
        return [
            Put(row.doc_id, row.payload | {ARCHIVED: True}, row.content_hash or "", ARCHIVED, row.made_by or "")
            for row in rows
            if not row.deleted
        ]

    def _save(self, on: str, at: str) -> None:
        value = {"at": at, "on": on}
        if self.store.state(self.state) != value:
            with self.store.begin(self.collection.run_id, self.collection.now) as write:
                write.save_state(self.state, value)
