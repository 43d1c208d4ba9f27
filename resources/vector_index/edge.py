"""qdrant-edge: the Qdrant core in this process, one directory a company and data type. The default engine.

Belongs here: generations on disk and the engine's own calls. Does not belong here: which points there are.

A shard directory that is open for writing cannot be read by others, so what readers see is a *generation*: a copy that
was brought up to date in a ``tmp-`` folder, flushed, given its position in the table it follows, and renamed. The file
``live`` names the current one and is replaced last. A crash at any line leaves only a ``tmp-`` folder behind; readers keep
the files of a removed generation open until they turn to the next. Shards are opened without WAL, whose lock would
admit one process only (reference/core.md §2).

    index/acme_ticket.json                      alias: the physical collection in use
    index/acme_ticket__1f0c9a2e/live            number of the generation in use
    index/acme_ticket__1f0c9a2e/gen-7/…         the shard, with position.json
"""

import json
import os
import shutil
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import qdrant_edge as qe

from domain.company import CompanyId
from domain.errors import StorageError
from domain.fingerprint import fingerprint, point_id
from domain.stage import Row
from resources.vector_index.base import Changes, Filters, Published, Ranked, Stored

DENSE, SPARSE = "dense", "sparse"
_KEYWORDS = ("status", "tags", "product", "language", "ticket_id")
_WINDOW = 1000
_OPTIMIZE_FROM = 10_000
_READ_TRIES = 5


@dataclass(frozen=True, slots=True)
class _Position:
    """What a generation holds: the table of which store, up to which seq, of which making."""

    store_id: str
    made_by: str
    seq: int


def _alias_file(folder: Path, alias: str) -> Path:
    return folder / f"{alias}.json"


def _replace_text(path: Path, text: str) -> None:
    """Write a small file so that a reader, or a crash, meets the old text or the new one."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with draft.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


class EdgeWriter:
    """Brings one collection up to date. One writer a company (R11).

    ``size`` is the number of dimensions of the dense vectors that ``made_by`` gives.
    """

    def __init__(self, folder: Path, company: CompanyId, data_type: str, made_by: str, size: int) -> None:
        self.folder = folder
        self.company = company
        self.data_type = data_type
        self.alias = f"{company}_{data_type}"
        self.made_by = made_by
        self.size = size
        self.collection = f"{self.alias}__{fingerprint([made_by, size])[:8]}"
        self.home = folder / self.collection

    def publish(self, store: Changes, table: str, progress: Callable[[int], None] = lambda done: None) -> Published:
        """Follow ``table`` from where the live generation stands, and make the result the one that readers see.

        An index that is lost, damaged, of another store, or that does not agree with the table in its count, is filled
        anew. Raises ``StorageError`` when even a new one does not agree.
        """
        self.home.mkdir(parents=True, exist_ok=True)
        for leftover in self.home.glob("tmp-*"):
            shutil.rmtree(leftover)
        live = _live(self.home)
        done = self._go_on(store, table, live, progress) if live else None
        if done is None:
            done = self._advance(store, table, None, progress)
        if done is None:
            raise StorageError(
                "the index does not agree with its table.",
                f"{self.collection} was filled anew and still has another count than {table}.",
                "This is a fault of Casebook: please report it.",
            )
        return Published(**{**asdict(done), "switched": self._switch()})

    def _go_on(self, store: Changes, table: str, live: int, progress: Callable[[int], None]) -> Published | None:
        """A step from a generation that may be damaged; None when it is."""
        try:
            position = _position(self.home / f"gen-{live}")
            if (position.store_id, position.made_by) != (store.store_id, self.made_by):
                return None
            return self._advance(store, table, live, progress, position.seq)
        except StorageError:
            raise
        except Exception:  # the engine raises plain Exceptions; a full disk meets the new shard too, and is told there
            shutil.rmtree(self._draft(), ignore_errors=True)
            return None

    def _draft(self) -> Path:
        return self.home / f"tmp-{os.getpid()}"

    def _advance(
        self, store: Changes, table: str, live: int | None, progress: Callable[[int], None], seq: int = 0
    ) -> Published | None:
        """One step from generation ``live`` at ``seq`` (None: from nothing); None when the counts disagree after it."""
        rows = store.changes(table, seq, _WINDOW)
        if live and not rows:
            return Published(self.collection, live, count=store.count(table, self.made_by))
        draft = self._draft()
        shard = self._open_draft(draft, live)
        applied = dropped = 0
        while rows:
            ours = [row for row in rows if not row.deleted and row.made_by == self.made_by]
            gone = [row for row in rows if row.deleted or row.made_by != self.made_by]
            if ours:
                shard.update(qe.UpdateOperation.upsert_points([self._point(row) for row in ours]))
            if gone and live:
                shard.update(qe.UpdateOperation.delete_points([self._point_id(row.doc_id) for row in gone]))
            applied, dropped, seq = applied + len(ours), dropped + len(gone), rows[-1].seq
            progress(applied + dropped)
            rows = store.changes(table, seq, _WINDOW)
        if applied + dropped > _OPTIMIZE_FROM:
            shard.optimize()
        shard.flush()
        count = shard.count(qe.CountRequest(exact=True))
        shard.close()
        if count != store.count(table, self.made_by):
            shutil.rmtree(draft)
            return None
        generation = self._make_live(draft, _Position(store.store_id, self.made_by, seq), live)
        return Published(self.collection, generation, applied, dropped, count, rebuilt=live is None)

    def _point_id(self, doc_id: str) -> str:
        return point_id(self.company, self.data_type, doc_id)

    def _point(self, row: Row) -> qe.Point:
        """A row of a collection table: payload {point, indices, values}, vector float32."""
        dense = array("f", row.vector or b"").tolist()
        sparse = qe.SparseVector(row.payload["indices"], row.payload["values"])
        return qe.Point(self._point_id(row.doc_id), {DENSE: dense, SPARSE: sparse}, row.payload["point"])

    def _open_draft(self, draft: Path, live: int | None) -> qe.EdgeShard:
        if live:
            shutil.copytree(self.home / f"gen-{live}", draft, copy_function=_copy_sparse)
            return qe.EdgeShard.load(str(draft))
        draft.mkdir()
        shard = qe.EdgeShard.create(
            str(draft),
            qe.EdgeConfig(
                vectors={DENSE: qe.EdgeVectorParams(size=self.size, distance=qe.Distance.Cosine)},
                sparse_vectors={SPARSE: qe.EdgeSparseVectorParams(modifier=qe.Modifier.Idf)},
                wal_enabled=False,
            ),
        )
        # Before the first point: a filter on an unindexed field costs ten times as much.
        for field in _KEYWORDS:
            shard.update(qe.UpdateOperation.create_field_index(field, qe.PayloadSchemaType.Keyword))
        shard.update(qe.UpdateOperation.create_field_index("updated_at", qe.PayloadSchemaType.Datetime))
        return shard

    def _make_live(self, draft: Path, position: _Position, live: int | None) -> int:
        _replace_text(draft / "position.json", json.dumps(asdict(position)))
        generation = max((int(gen.name[4:]) for gen in self.home.glob("gen-*")), default=0) + 1
        draft.rename(self.home / f"gen-{generation}")
        _replace_text(self.home / "live", str(generation))
        for old in self.home.glob("gen-*"):
            if old.name not in (f"gen-{generation}", f"gen-{live}"):  # the one before stays for its readers
                shutil.rmtree(old, ignore_errors=True)
        return generation

    def _switch(self) -> bool:
        path = _alias_file(self.folder, self.alias)
        if path.exists() and json.loads(path.read_text())["collection"] == self.collection:
            return False
        _replace_text(path, json.dumps({"collection": self.collection, "made_by": self.made_by}))
        return True


class EdgeReader:
    """The published state of one collection (``base.Collection``); looks for a newer one before each query."""

    def __init__(self, folder: Path, company: CompanyId, data_type: str) -> None:
        self.folder = folder
        self.alias = f"{company}_{data_type}"
        self._open: tuple[str, int] | None = None
        self._shard: qe.EdgeShard | None = None
        self._made_by = ""

    @property
    def made_by(self) -> str:
        self._current()
        return self._made_by

    def rank(
        self,
        dense: Sequence[float] | None,
        sparse: tuple[Sequence[int], Sequence[float]] | None,
        filters: Filters,
        limit: int,
    ) -> tuple[Ranked, Ranked]:
        shard, condition = self._current(), _filter(filters)
        queries: list[qe.Query] = []
        if dense is not None:
            queries.append(qe.Query.Nearest(list(dense), using=DENSE))
        if sparse is not None and sparse[0]:
            queries.append(qe.Query.Nearest(qe.SparseVector(list(sparse[0]), list(sparse[1])), using=SPARSE))
        requests = [
            qe.QueryRequest(limit=limit, query=query, filter=condition, with_payload=False) for query in queries
        ]
        answers = [
            [(str(p.id), p.score) for p in points] for points in shard.query_batch(qe.QueryBatchRequest(requests))
        ]
        if dense is None:
            answers.insert(0, [])
        return answers[0], answers[1] if len(answers) > 1 else []

    def points(self, point_ids: Sequence[str]) -> list[Stored]:
        found = self._current().retrieve(list(point_ids), with_payload=True, with_vector=False)
        return [Stored(str(point.id), point.payload or {}) for point in found]

    def payloads(self, fields: Sequence[str], filters: Filters) -> Iterator[dict[str, Any]]:
        """These fields of every point that matches."""
        shard, offset = self._current(), None
        while True:
            request = qe.ScrollRequest(
                offset=offset, limit=_WINDOW, filter=_filter(filters), with_payload=list(fields), with_vector=False
            )
            points, offset = shard.scroll(request)
            yield from (point.payload or {} for point in points)
            if offset is None:
                return

    def vector(self, point_id: str) -> list[float] | None:
        found = self._current().retrieve([point_id], with_payload=False, with_vector=[DENSE])
        return list(found[0].vector[DENSE]) if found and isinstance(found[0].vector, dict) else None  # type: ignore[arg-type]

    def count(self) -> int:
        return self._current().count(qe.CountRequest(exact=True))

    def _current(self) -> qe.EdgeShard:
        for _ in range(_READ_TRIES):
            named = self._named()
            if self._shard is not None and named == self._open:
                return self._shard
            try:
                self._shard = qe.EdgeShard.load(str(self.folder / named[0] / f"gen-{named[1]}"))
            except Exception as error:  # the engine raises plain Exceptions; a newer generation may have replaced it
                if self._named() != named:
                    continue
                raise StorageError(
                    "the index cannot be opened.", f"{named[0]}: {error}.", "Run 'casebook sync': it fills a new one."
                ) from error
            self._open = named
            return self._shard
        raise StorageError("the index is being replaced all the time.", self.alias, "Try again.")

    def _named(self) -> tuple[str, int]:
        try:
            alias: dict[str, Any] = json.loads(_alias_file(self.folder, self.alias).read_text())
            generation = _live(self.folder / alias["collection"])
        except FileNotFoundError:
            generation = None
            alias = {}
        if generation is None:
            raise StorageError(
                "nothing to search yet.",
                f"{self.alias} has not been built.",
                "Run 'casebook sync' for this company first.",
            )
        self._made_by = alias["made_by"]
        return alias["collection"], generation


def _live(home: Path) -> int | None:
    try:
        return int((home / "live").read_text())
    except (FileNotFoundError, ValueError):
        return None


def _position(generation: Path) -> _Position:
    return _Position(**json.loads((generation / "position.json").read_text()))


def _filter(filters: Filters) -> qe.Filter | None:
    must: list[Any] = []
    for name in ("status", "product", "language"):
        words = list(getattr(filters, name))
        if words:
            must.append(qe.FieldCondition(key=name, match=qe.MatchAny(words)))
    must += [qe.FieldCondition(key="tags", match=qe.MatchValue(tag)) for tag in filters.tags]
    if filters.since or filters.until:
        dates = qe.RangeDateTime(gte=filters.since or None, lt=filters.until or None)
        must.append(qe.FieldCondition(key="updated_at", range=dates))
    without: list[Any] = []
    if filters.without:
        without.append(qe.FieldCondition(key="ticket_id", match=qe.MatchValue(filters.without)))
    return qe.Filter(must=must or None, must_not=without or None) if must or without else None


def _copy_sparse(source: str, target: str) -> str:
    """Copy a file and its holes: a shard preallocates a hundred times of what it holds."""
    with Path(source).open("rb") as old, Path(target).open("wb") as new:
        size = os.fstat(old.fileno()).st_size
        new.truncate(size)
        offset = 0
        while offset < size:
            try:
                start = os.lseek(old.fileno(), offset, os.SEEK_DATA)
            except OSError:  # nothing but a hole up to the end
                break
            offset = os.lseek(old.fileno(), start, os.SEEK_HOLE)
            old.seek(start)
            new.seek(start)
            left = offset - start
            while left and (block := old.read(min(left, 1 << 20))):
                new.write(block)
                left -= len(block)
    return target
