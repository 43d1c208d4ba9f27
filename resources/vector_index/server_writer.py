"""Following a table with a collection on a Qdrant server.

Belongs here: what is upserted and deleted, in which order, and when a collection is made anew. Does not belong here: the
requests about a collection as a whole (``server_collections``).

Points are written before the position that tells of them, and each request is answered when it is done, not when it is
accepted: a failure afterwards would be told to nobody. After a crash at any line the position is behind the points, and the
same rows are applied again, which changes nothing.

**A collection of its own** that is not sound is not mended: another one is filled beside it, verified, and the alias is
switched, so readers never see an empty one. **In a shared one** the points are corrected in place: what is missing is
written, then what is too much is deleted. Deletions also reach the collection that is kept for switching back, at once.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from qdrant_client import models

from domain.errors import StorageError
from domain.stage import Row
from resources.vector_index.base import Changes, Filters, Point, Published, points_of, silent
from resources.vector_index.server_collections import EXACTLY_AGAIN, Collections
from resources.vector_index.server_points import DENSE, SPARSE, Position, point_struct

_WINDOW = 1000
_BATCH = 500
_BATCH_BYTES = 8 << 20
"""Points, and about how many bytes of JSON, one request has: the server takes 32 MB."""
_THREADS = 2
"""Requests at a time. The server's answers set the pace."""
_SAMPLES = 10
_NEAREST = 10
_SAME = 1e-3
"""By how much a score may differ from the exact one."""


class ServerWriter:
    """Brings one collection up to date (``base.Writer``)."""

    def __init__(self, collections: Collections, made_by: str, size: int) -> None:
        self._collections = collections
        self._place = collections.place
        self._connection = collections.connection
        self._made_by = made_by
        self._size = size
        self.collection = self._place.physical(made_by, size)

    def publish(
        self, store: Changes, table: str, progress: Callable[[int], None] = silent, *, anew: bool = False
    ) -> Published:
        """As ``base.Writer`` says."""
        there = self._collections.all()
        live = self._collections.live()
        position = None if anew else self._sound(there, live, store, table)
        done = self._follow(position, there, store, table, progress) if position else None
        if done is None:
            done = self._fill(there, live, store, table, progress)
        switched = self._collections.lead_to(done.collection)
        self.collection = done.collection
        self._drop_old(there, live, done.collection)
        return replace(done, switched=switched)

    def _sound(self, there: Mapping[str, Position | None], live: str, store: Changes, table: str) -> Position | None:
        """The collection to go on with: of this making and this table, the live one first; None when there is none."""
        for name in sorted(there, key=lambda name: name != live):
            position = there[name]
            if (
                position is not None
                and self._is_ours(name)
                and (position.collection, position.made_by, position.size) == (name, self._made_by, self._size)
                and position.store_id == store.store_id
                and position.seq <= store.top(table)
                and self._collections.fits(name, self._size)
            ):
                return position
        return None

    def _is_ours(self, name: str) -> bool:
        """Whether a collection is of the placement that is wanted now."""
        return self._place.is_shared(name) == (self._place.placement == "shared")

    # --- following ----------------------------------------------------------------------------------------------------

    def _follow(
        self,
        position: Position,
        there: Mapping[str, Position | None],
        store: Changes,
        table: str,
        progress: Callable[[int], None],
    ) -> Published | None:
        """Go on from where a collection stands; None when it does not agree with the table afterwards."""
        name = position.collection
        others = _with_points(there, name)
        if store.top(table) > position.seq:
            position = replace(position, generation=position.generation + 1)
        position, applied, dropped = self._advance(position, others, store, table, progress)
        count = self._collections.documents(name)
        if count != store.count(table, self._made_by):
            return None
        if not position.whole and not self._complete(position, store, table):
            return None
        if applied or dropped:
            self._collections.keep(replace(position, whole=True))
        if applied and self._collections.has_outgrown(name, self._size):
            self._collections.finish(name, self._size)
        return Published(name, position.generation, applied, dropped, count, rebuilt=not position.whole)

    def _advance(
        self,
        position: Position,
        others: Sequence[str],
        store: Changes,
        table: str,
        progress: Callable[[int], None],
        *,
        is_new: bool = False,
        keeping: bool = True,
    ) -> tuple[Position, int, int]:
        """Apply every change after a position. Returns the position then, points written and documents deleted.

        ``is_new``: the collection holds nothing that could be too much. ``keeping``: a crash goes on from the last window.
        """
        name = position.collection
        applied = dropped = done = 0
        rows = store.changes(table, position.seq, _WINDOW)
        with ThreadPoolExecutor(_THREADS, "casebook-qdrant") as pool:
            while rows:
                ours = [row for row in rows if not row.deleted and row.made_by == self._made_by]
                gone = [row.doc_id for row in rows if row.deleted or row.made_by != self._made_by]
                batches = self._batches(ours)
                list(pool.map(lambda batch: self._upsert(name, batch, is_new=is_new), batches))
                if gone and not is_new:
                    self._delete(name, self._place.of_documents(gone))
                deleted = [row.doc_id for row in rows if row.deleted]
                for other in others if deleted else ():
                    self._delete(other, self._place.of_documents(deleted))
                applied, dropped = applied + sum(map(len, batches)), dropped + len(gone)
                done += len(rows)
                progress(done)
                position = replace(position, seq=rows[-1].seq)
                rows = store.changes(table, position.seq, _WINDOW)
                if rows and keeping:
                    self._collections.keep(position)
        return position, applied, dropped

    def _batches(self, rows: Iterable[Row]) -> list[list[Point]]:
        """Points of whole documents, as many as one request takes; a longer document alone."""
        batches: list[list[Point]] = []
        for row in rows:
            points = self._points(row)
            if not batches or len(batches[-1]) + len(points) > self._most:
                batches.append([])
            batches[-1] += points
        return batches

    @property
    def _most(self) -> int:
        """Points that one request takes."""
        return max(1, min(_BATCH, _BATCH_BYTES // (self._size * 20 + 8000)))

    def _points(self, row: Row) -> list[Point]:
        return points_of(self._place.company, self._place.data_type, row, self._size)

    def _upsert(self, name: str, points: list[Point], *, is_new: bool) -> None:
        """Write the points of some documents, and delete what these had beyond them."""
        for start in range(0, len(points), self._most):
            structs = [point_struct(self._place, point) for point in points[start : start + self._most]]
            self._connection.write(lambda client, _, structs=structs: client.upsert(name, structs, wait=True), name)
        if not is_new:
            doc_ids = dict.fromkeys(point.payload["doc_id"] for point in points)
            self._delete(name, self._place.of_documents(doc_ids, [point.id for point in points]))

    def _delete(self, name: str, condition: models.Filter) -> None:
        selected = models.FilterSelector(filter=condition)
        self._connection.write(lambda client, _: client.delete(name, selected, wait=True), name)

    # --- filling ------------------------------------------------------------------------------------------------------

    def _fill(
        self,
        there: dict[str, Position | None],
        live: str,
        store: Changes,
        table: str,
        progress: Callable[[int], None],
    ) -> Published:
        """Fill a collection from nothing, and verify it. Raises ``StorageError`` when it does not agree with the table."""
        self._drop_unfit(there, live)
        name = self._collections.free_name(self._made_by, self._size, set(there))
        is_new = name not in there  # else it is shared, and what readers see must stay fit for them
        wanted = store.count(table, self._made_by)
        self._collections.create(name, self._size, wanted)
        start = Position(name, self._made_by, self._size, store.store_id, generation=1, created=time.time_ns())
        others = _with_points(there, name)
        position, applied, dropped = self._advance(start, others, store, table, progress, is_new=is_new, keeping=is_new)
        if not is_new:
            self._delete_strangers(name, store, table)
        count = self._collections.documents(name)
        if count == wanted and self._complete(position, store, table):
            return Published(name, position.generation, applied, dropped, count, rebuilt=True)
        if is_new:
            self._collections.drop(name)
        raise StorageError(
            "the index does not agree with its table.",
            f"{name} was filled anew and has {count} documents, {table} {wanted}"
            + ("." if count != wanted else "; but some are not found by their own vector or words."),
            "Does another installation of Casebook write there too? Else look at the Qdrant server's log, and sync again.",
        )

    def _drop_unfit(self, there: dict[str, Position | None], live: str) -> None:
        """Remove what was never finished, and what is of this making and was found not to be sound. Not the live one."""
        for name, at in list(there.items()):
            is_unfit = at is None or not at.whole or at.made_by == self._made_by
            if name != live and self._is_ours(name) and is_unfit:
                self._collections.drop(name)
                del there[name]

    def _complete(self, position: Position, store: Changes, table: str) -> bool:
        """What was filled becomes fit to be searched, if it finds what is in it."""
        self._collections.finish(position.collection, self._size)
        if is_fit := self._finds_its_own(position.collection, store, table):
            self._collections.keep(replace(position, whole=True))
        return is_fit

    def _delete_strangers(self, name: str, store: Changes, table: str) -> None:
        """Delete the documents of a shared collection that the table does not have."""
        known: set[str] = set()
        seq = 0
        while rows := store.changes(table, seq, _WINDOW):
            known.update(row.doc_id for row in rows if not row.deleted and row.made_by == self._made_by)
            seq = rows[-1].seq
        condition, after = self._place.matching(Filters()), None
        while True:
            records, after = self._connection.write(
                lambda client, t, after=after: client.scroll(
                    name, condition, limit=_WINDOW, offset=after, with_payload=["doc_id"], timeout=t
                ),
                name,
            )
            if strangers := {(record.payload or {}).get("doc_id", "") for record in records} - known:
                self._delete(name, self._place.of_documents(strangers))
            if after is None:
                return

    def _finds_its_own(self, name: str, store: Changes, table: str) -> bool:
        """Whether some documents are found by their own vector and by their own words."""
        samples: list[Row] = []
        seq = 0
        while not samples and (rows := store.changes(table, seq, _WINDOW)):
            ours = [row for row in rows if not row.deleted and row.made_by == self._made_by]
            samples, seq = ours[:: max(1, len(ours) // _SAMPLES)][:_SAMPLES], rows[-1].seq
        return all(self._is_found(name, self._points(row)[0]) for row in samples)

    def _is_found(self, name: str, point: Point) -> bool:
        """By its own vector, something is found that is as near as itself; by its own words, itself, with a score."""
        company, alone = self._place.matching(Filters()), self._place.matching(Filters(), [point.id])
        asked: list[models.QueryRequest] = []
        if any(point.dense):
            # As readers ask: by one byte a number alone, not even itself comes near.
            nearest = models.QueryRequest(
                query=point.dense, using=DENSE, filter=company, params=EXACTLY_AGAIN, limit=_NEAREST
            )
            asked.append(nearest)
        if point.indices:
            words = models.SparseVector(indices=point.indices, values=point.values)
            asked.append(models.QueryRequest(query=words, using=SPARSE, filter=alone, limit=1))
        answers = self._connection.write(lambda client, t: client.query_batch_points(name, asked, timeout=t), name)
        least = [1 - _SAME if request.using == DENSE else 0.0 for request in asked]
        return all(answer.points and answer.points[0].score > low for answer, low in zip(answers, least, strict=True))

    # --- what is kept -------------------------------------------------------------------------------------------------

    def _drop_old(self, there: Mapping[str, Position | None], before: str, now: str) -> None:
        """Keep one whole collection of another making to switch back to: the one that was live until now, or the newest."""
        others = {name: at for name, at in there.items() if name != now}
        fit = [
            name
            for name, at in others.items()
            if at is not None and at.whole and (at.made_by != self._made_by or not self._is_ours(name))
        ]
        kept = max(fit, key=lambda name: (name == before, _created(others[name])), default="")
        for name in others:
            if name != kept:
                self._collections.drop(name)


def _with_points(there: Mapping[str, Position | None], but: str) -> list[str]:
    """The other collections. One without a position was hardly begun, and goes at the end of this run."""
    return [name for name, at in there.items() if name != but and at is not None]


def _created(position: Position | None) -> int:
    return position.created if position else 0
