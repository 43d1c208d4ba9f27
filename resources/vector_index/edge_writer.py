"""Publishing with the embedded engine: a collection follows its table, is proved, and becomes what readers see.

Belongs here: the steps from one generation to the next, and from one collection to another. Does not belong here: files
(``edge_files``), the engine's calls (``edge_shard``).

A shard directory that is open for writing cannot be read by others, so what readers see is a *generation*: a copy that
was brought up to date in a ``tmp-`` folder, flushed, proved, given its position in the table it follows, and renamed. The
file ``live`` names the current one and is replaced last. A crash at any line leaves only a ``tmp-`` folder behind;
readers keep the files of a removed generation open until they turn to the next.
"""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import qdrant_edge as qe

from domain.canary import canary
from domain.company import CompanyId
from domain.errors import StorageError
from domain.fingerprint import fingerprint
from domain.stage import DataType
from resources.vector_index import edge_files, edge_shard
from resources.vector_index.base import Changes, Point, Published, points_of, silent
from resources.vector_index.edge_files import Home, Position

_WINDOW = 1000
_SAMPLES = 10
_GRAPH_FROM, _GRAPH_LOOSE = 50_000, 0.2
"""A graph over the vectors (HNSW) is built from so many points on, when this share of them came or went since the last one:
below, looking at all of them is as fast (bench/index.py), and building takes minutes."""


class EdgeWriter:
    """Brings one collection up to date (``base.Writer``). One writer a company (R11)."""

    def __init__(self, folder: Path, company: CompanyId, data_type: DataType, made_by: str, size: int) -> None:
        self.folder = folder
        self.company = company
        self.data_type: DataType = data_type
        self.alias = f"{company}_{data_type}"
        self.made_by = made_by
        self.size = size
        self.home = Home(folder / f"{self.alias}__{fingerprint([made_by, size])[:8]}")
        self.canary = canary(company)

    @property
    def collection(self) -> str:
        return self.home.name

    def publish(
        self, store: Changes, table: str, progress: Callable[[int], None] = silent, *, anew: bool = False
    ) -> Published:
        with edge_shard.explained(self.collection, "written", "Free space where that is the cause."):
            self.home.path.mkdir(parents=True, exist_ok=True)
            self.home.drop_drafts()
            position = None if anew else self.home.position()
            done = self._go_on(store, table, position, progress) if position else None
            done = done or self._step(store, table, None, progress)
            if done is None:
                shutil.rmtree(self.home.draft)
                raise StorageError(
                    "the index does not agree with its table.",
                    f"{self.collection} was filled anew and is still another than {table}; what was searched before stays.",
                    "This is a fault of Casebook: please report it.",
                )
            is_switched = edge_files.point_alias(self.folder, self.alias, self.home, self.made_by)
            self._tend(store, table)
            graph = self._graph()  # a second generation: what is new is searched meanwhile
        return replace(done, generation=graph or done.generation, switched=is_switched)

    def _go_on(
        self, store: Changes, table: str, position: Position, progress: Callable[[int], None]
    ) -> Published | None:
        """A step from a generation that may be of another store, damaged, or too old for this engine; None when it is."""
        if (position.store_id, position.made_by) != (store.store_id, self.made_by) or position.seq > store.top(table):
            return None
        try:
            return self._step(store, table, position, progress)
        except BaseException as error:  # a full disk meets the new shard too, and is told there
            if not edge_shard.is_engines(error) and not isinstance(error, OSError):
                raise
            return None
        finally:
            shutil.rmtree(self.home.draft, ignore_errors=True)

    def _step(
        self, store: Changes, table: str, position: Position | None, progress: Callable[[int], None]
    ) -> Published | None:
        """From a position (None: from nothing) to the table as it is; None when the result is not right."""
        seq = position.seq if position else 0
        rows = store.changes(table, seq, _WINDOW)
        if position and not rows:
            is_right = position.count == store.count(table, self.made_by) and self.home.is_whole(position)
            return Published(self.collection, self.home.live() or 0, count=position.count) if is_right else None
        shard = self._open_draft(position)
        if shard is None:
            return None
        applied = dropped = 0
        samples: list[Point] = []
        while rows:
            ours = [row for row in rows if not row.deleted and row.made_by == self.made_by]
            gone = [row.doc_id for row in rows if row.deleted or row.made_by != self.made_by]
            points = [point for row in ours for point in points_of(self.company, self.data_type, row, self.size)]
            if position and position.points > position.count:  # a document may have fewer points than before
                gone += [row.doc_id for row in ours]
            if gone and position:
                edge_shard.delete(shard, gone)
            if points:
                edge_shard.upsert(shard, points)
                samples += points[:: -(-len(points) // _SAMPLES)]
            applied, dropped, seq = applied + len(points), dropped + len(rows) - len(ours), rows[-1].seq
            progress(applied + dropped)
            rows = store.changes(table, seq, _WINDOW)
        shard.flush()
        shard.close()
        samples = samples[:: -(-len(samples) // _SAMPLES) or 1]
        found = self._settled(self.home, [] if position else samples)
        if found is None or found[0] != store.count(table, self.made_by):
            return None
        loose = (position.loose if position else 0) + applied + dropped
        generation = self._make_live(store.store_id, seq, found, loose)
        return Published(
            self.collection, generation, applied, dropped if position else 0, found[0], rebuilt=position is None
        )

    def _open_draft(self, position: Position | None) -> qe.EdgeShard | None:
        if position is None:
            return edge_shard.create(self.home.draft, self.size, self.data_type, self.canary)
        return qe.EdgeShard.load(str(self.home.draft)) if self.home.to_draft(position) else None

    def _settled(self, home: Home, samples: list[Point]) -> tuple[int, int] | None:
        """Open a draft as its readers will, and count its documents and points; None when a sample is not found. The first
        opening still writes into the files; after it they stay as they are, so that readers do not disturb each other,
        nor the checksums."""
        hidden = self.canary.point_id(self.data_type)
        draft = edge_shard.open_collection(home.draft, home.name, self.made_by, hidden)
        found = draft.measured() if all(map(draft.finds, samples)) else None
        draft.close()
        return found

    def _make_live(self, store_id: str, seq: int, found: tuple[int, int], loose: int) -> int:
        files = edge_files.checksums(self.home.draft, edge_files.names_in(self.home.draft))
        return self.home.publish_draft(
            Position(store_id, self.made_by, self.size, seq, seq, found[0], found[1], loose, files)
        )

    def _graph(self) -> int | None:
        """Put the live generation in order where that pays, and publish it; its number. The rule looks at what is there, so a
        build that was cut off is done by the next publish."""
        position = self.home.position()
        if position is None or position.points < _GRAPH_FROM or position.loose < _GRAPH_LOOSE * position.points:
            return None
        if not self.home.to_draft(position):
            return None
        shard = qe.EdgeShard.load(str(self.home.draft))
        shard.optimize()
        shard.flush()
        shard.close()
        found = self._settled(self.home, [])
        if found is None or found != (position.count, position.points):
            shutil.rmtree(self.home.draft)
            return None
        return self._make_live(position.store_id, position.seq, found, 0)

    # --- the collection before --------------------------------------------------------------------------------------

    def _tend(self, store: Changes, table: str) -> None:
        """Keep the newest other collection, to switch back to, without what the table deleted since; remove the rest."""
        others = [home for home in edge_files.homes(self.folder, self.alias) if home.name != self.collection]
        for number, home in enumerate(others):
            if number or not self._follows_deletions(home, store, table):
                shutil.rmtree(home.path)

    def _follows_deletions(self, home: Home, store: Changes, table: str) -> bool:
        """False when that cannot be: it is another store's, or damaged."""
        position = home.position()
        if position is None or position.store_id != store.store_id or position.told > store.top(table):
            return False
        home.drop_drafts()
        seq, gone = position.told, list[str]()
        while rows := store.changes(table, seq, _WINDOW):
            gone += [row.doc_id for row in rows if row.deleted]
            seq = rows[-1].seq
        told = replace(position, gone=seq)
        if not gone:
            if seq > position.told:
                home.keep_position(told)
            return True
        if not home.to_draft(position):
            return False
        shard = qe.EdgeShard.load(str(home.draft))
        edge_shard.delete(shard, gone)
        shard.flush()
        shard.close()
        found = self._settled(home, [])
        if found is None:
            return False
        files = edge_files.checksums(home.draft, edge_files.names_in(home.draft))
        home.publish_draft(replace(told, count=found[0], points=found[1], files=files))
        return True
