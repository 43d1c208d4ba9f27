"""qdrant-edge: the Qdrant core in this process, one directory a company and data type. The default engine.

Belongs here: generations on disk and the engine's own calls. Does not belong here: which points there are.

A shard directory that is open for writing cannot be read by others, so what readers see is a *generation*: a copy that
was brought up to date in a ``tmp-`` folder, flushed, given its position in the table it follows, and renamed. The file
``live`` names the current one and is replaced last. A crash at any line leaves only a ``tmp-`` folder behind; readers keep
the files of a removed generation open until they turn to the next. Shards are opened without WAL, whose lock would
admit one process only (reference/core.md §2).

The engine takes a shard with missing or cut files for a smaller one, or panics. So a position also holds a checksum of
each file, and a generation that is not as it was published is filled anew from the table.

    index/acme_ticket.json                      alias: the physical collection in use
    index/acme_ticket__1f0c9a2e/live            number of the generation in use
    index/acme_ticket__1f0c9a2e/gen-7/…         the shard, with position.json
"""

import json
import os
import re
import shutil
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from zlib import crc32

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
_BLOCK = 1 << 16
_POSITION = "position.json"


@dataclass(frozen=True, slots=True)
class _Position:
    """What a generation holds: the table of which store, up to which seq, of which making; ``files`` are the checksums
    of its shard."""

    store_id: str
    made_by: str
    seq: int
    files: dict[str, int]


def _alias_file(folder: Path, alias: str) -> Path:
    return folder / f"{alias}.json"


def _replace_text(path: Path, text: str) -> None:
    """Write a small file so that a reader, or a crash, meets the old text or the new one. One writer (R11)."""
    draft = path.with_name(f".{path.name}.new")
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

    def publish(
        self, store: Changes, table: str, progress: Callable[[int], None] = lambda done: None, *, anew: bool = False
    ) -> Published:
        """Follow ``table`` from where the live generation stands, or ``anew`` from nothing, and make the result the one that
        readers see.

        An index that is lost, damaged, of another store, or that does not agree with the table in its count, is filled
        anew. Raises ``StorageError`` when even a new one does not agree.
        """
        self.home.mkdir(parents=True, exist_ok=True)
        for leftover in self.home.glob("tmp-*"):
            shutil.rmtree(leftover)
        live = None if anew else _live(self.home)
        position = self._sound(store, table, live) if live else None
        done = self._go_on(store, table, live, position.seq, progress) if live and position else None
        if done is None:
            with _explained(self.collection, "written", "Free space where that is the cause."):
                done = self._advance(store, table, None, progress)
        if done is None:
            raise StorageError(
                "the index does not agree with its table.",
                f"{self.collection} was filled anew and still has another count than {table}.",
                "This is a fault of Casebook: please report it.",
            )
        return Published(**{**asdict(done), "switched": self._switch()})

    def _sound(self, store: Changes, table: str, live: int) -> _Position | None:
        """Where a generation stands; None when it does not follow this table, or is not as it was published."""
        generation = self.home / f"gen-{live}"
        try:
            position = _position(generation)
            if (position.store_id, position.made_by) != (store.store_id, self.made_by):
                return None
            if position.seq > store.top(table):
                return None
            return position if position.files == _checksums(generation, position.files) else None
        except (OSError, ValueError, TypeError, AttributeError):
            return None

    def _go_on(
        self, store: Changes, table: str, live: int, seq: int, progress: Callable[[int], None]
    ) -> Published | None:
        """A step from a generation that this engine may be too new for; None when it is."""
        try:
            return self._advance(store, table, live, progress, seq)
        except BaseException as error:  # a full disk meets the new shard too, and is told there
            shutil.rmtree(self._draft(), ignore_errors=True)
            if not _is_engines(error):
                raise
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
        shard.close()
        count = _settled(draft)
        if count != store.count(table, self.made_by):
            shutil.rmtree(draft)
            return None
        names = [file.relative_to(draft).as_posix() for file in draft.rglob("*") if file.is_file()]
        position = _Position(store.store_id, self.made_by, seq, _checksums(draft, names))
        return Published(
            self.collection, self._make_live(draft, position, live), applied, dropped, count, rebuilt=live is None
        )

    def _point_id(self, doc_id: str) -> str:
        return point_id(self.company, self.data_type, doc_id)

    def _point(self, row: Row) -> qe.Point:
        """A row of a collection table: payload {point, indices, values}, vector float32."""
        dense = array("f", row.vector or b"").tolist()
        sparse = qe.SparseVector(row.payload["indices"], row.payload["values"])
        return qe.Point(self._point_id(row.doc_id), {DENSE: dense, SPARSE: sparse}, row.payload["point"])

    def _open_draft(self, draft: Path, live: int | None) -> qe.EdgeShard:
        if live:
            # By name: a reader that opens the generation replaces files in it, with a draft beside them for a moment.
            for name in _position(self.home / f"gen-{live}").files:
                _copy(self.home / f"gen-{live}" / name, draft / name)
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
        _replace_text(draft / _POSITION, json.dumps(asdict(position)))
        generation = max((int(gen.name[4:]) for gen in self.home.glob("gen-*")), default=0) + 1
        draft.rename(self.home / f"gen-{generation}")
        _replace_text(self.home / "live", str(generation))
        for old in self.home.glob("gen-*"):
            if old.name not in (f"gen-{generation}", f"gen-{live}"):  # the one before stays for its readers
                shutil.rmtree(old, ignore_errors=True)
        return generation

    def _switch(self) -> bool:
        alias = {"collection": self.collection, "made_by": self.made_by}
        if _alias(self.folder, self.alias) == alias:
            return False
        _replace_text(_alias_file(self.folder, self.alias), json.dumps(alias))
        return True


def rewrite(folder: Path, company: CompanyId, data_type: str, store: Changes, table: str) -> None:
    """Fill the live collection anew from its table, and drop everything else: older generations, and collections kept for
    switching back. A shard keeps the bytes of a deleted point until it is optimised, and both of those keep the point.

    Where the table has no row of the live collection's making, there is none afterwards: the next sync fills one.
    """
    alias = _alias(folder, f"{company}_{data_type}")
    if alias and (size := _size(store, table, alias["made_by"])):
        EdgeWriter(folder, company, data_type, alias["made_by"], size).publish(store, table, anew=True)
    else:
        _alias_file(folder, f"{company}_{data_type}").unlink(missing_ok=True)
    for left in leftovers(folder, company, data_type):
        shutil.rmtree(left)


def leftovers(folder: Path, company: CompanyId, data_type: str) -> list[Path]:
    """Folders that no reader needs: collections but the live one, and its generations but the live one."""
    name = f"{company}_{data_type}"
    live = (_alias(folder, name) or {}).get("collection", "")
    generation = f"gen-{_live(folder / live)}" if live else ""
    others = [home for home in folder.glob(f"{name}__*") if home.name != live]
    return [*others, *(old for old in (folder / live).glob("*-*") if live and old.name != generation)]


def _size(store: Changes, table: str, made_by: str) -> int:
    """How many dimensions the vectors of a making have; 0 where there are none."""
    seq = 0
    while rows := store.changes(table, seq, _WINDOW):
        for row in rows:
            if row.vector and row.made_by == made_by:
                return len(row.vector) // 4
        seq = rows[-1].seq
    return 0


class EdgeReader:
    """The published state of one collection (``base.Collection``); looks for a newer one before each query.

    Every call raises ``StorageError`` when there is none yet, or it is damaged.
    """

    def __init__(self, folder: Path, company: CompanyId, data_type: str) -> None:
        self.folder = folder
        self.alias = f"{company}_{data_type}"
        self._open: _Named | None = None
        self._shard: qe.EdgeShard | None = None

    @property
    def made_by(self) -> str:
        return self._named().made_by

    def rank(
        self,
        dense: Sequence[float] | None,
        sparse: tuple[Sequence[int], Sequence[float]] | None,
        filters: Filters,
        limit: int,
    ) -> tuple[Ranked, Ranked]:
        condition = _filter(filters)
        queries: list[qe.Query] = []
        if dense is not None:
            queries.append(qe.Query.Nearest(list(dense), using=DENSE))
        if sparse is not None and sparse[0]:
            queries.append(qe.Query.Nearest(qe.SparseVector(list(sparse[0]), list(sparse[1])), using=SPARSE))
        requests = [
            qe.QueryRequest(limit=limit, query=query, filter=condition, with_payload=False) for query in queries
        ]
        with self._current() as shard:
            batch = shard.query_batch(qe.QueryBatchRequest(requests))
        answers = [[(str(p.id), p.score) for p in points] for points in batch]
        if dense is None:
            answers.insert(0, [])
        return answers[0], answers[1] if len(answers) > 1 else []

    def points(self, point_ids: Sequence[str]) -> list[Stored]:
        with self._current() as shard:
            found = shard.retrieve(list(point_ids), with_payload=True, with_vector=False)
        return [Stored(str(point.id), point.payload or {}) for point in found]

    def payloads(self, fields: Sequence[str], filters: Filters) -> Iterator[dict[str, Any]]:
        """These fields of every point that matches."""
        offset = None
        with self._current() as shard:
            while True:
                request = qe.ScrollRequest(
                    offset=offset, limit=_WINDOW, filter=_filter(filters), with_payload=list(fields), with_vector=False
                )
                points, offset = shard.scroll(request)
                yield from (point.payload or {} for point in points)
                if offset is None:
                    return

    def vector(self, point_id: str) -> list[float] | None:
        with self._current() as shard:
            found = shard.retrieve([point_id], with_payload=False, with_vector=[DENSE])
        return list(found[0].vector[DENSE]) if found and isinstance(found[0].vector, dict) else None  # type: ignore[arg-type]

    def count(self) -> int:
        with self._current() as shard:
            return shard.count(qe.CountRequest(exact=True))

    @contextmanager
    def _current(self) -> Iterator[qe.EdgeShard]:
        """The newest generation, for one query."""
        with _explained(self.alias, "read", "Run 'casebook sync': it fills a new one."):
            yield self._newest()

    def _newest(self) -> qe.EdgeShard:
        for _ in range(_READ_TRIES):
            named = self._named()
            if self._shard is not None and named == self._open:
                return self._shard
            try:
                self._shard = qe.EdgeShard.load(str(self.folder / named.collection / f"gen-{named.generation}"))
            except BaseException:  # if a newer generation has replaced it meanwhile, that one is meant
                if self._named() == named:
                    raise
                continue
            self._open = named
            return self._shard
        raise StorageError("the index is being replaced all the time.", self.alias, "Try again.")

    def _named(self) -> "_Named":
        alias = _alias(self.folder, self.alias)
        # A name that leads elsewhere would lead to another company.
        if alias and re.fullmatch(rf"{re.escape(self.alias)}__[0-9a-f]+", alias["collection"]):
            home = self.folder / alias["collection"]
            with suppress(FileNotFoundError, ValueError):
                generation = int((home / "live").read_text())
                return _Named(alias["collection"], alias["made_by"], generation, (home / "live").stat().st_mtime_ns)
        raise StorageError(
            "nothing to search yet.", f"{self.alias} has not been built.", "Run 'casebook sync' for this company first."
        )


@dataclass(frozen=True, slots=True)
class _Named:
    """The generation that readers should see. ``stamp`` tells it from one of the same number in an index that was erased
    and filled again."""

    collection: str
    made_by: str
    generation: int
    stamp: int


def _alias(folder: Path, alias: str) -> dict[str, str] | None:
    """Which collection is in use, and what made it; None while none is, or when the file does not say."""
    try:
        return json.loads(_alias_file(folder, alias).read_text())
    except (FileNotFoundError, ValueError):
        return None


def _live(home: Path) -> int | None:
    try:
        return int((home / "live").read_text())
    except (FileNotFoundError, ValueError):
        return None


def _position(generation: Path) -> _Position:
    return _Position(**json.loads((generation / _POSITION).read_text()))


def _is_engines(error: BaseException) -> bool:
    """Whether the engine failed: it raises bare Exceptions, and its panics are not even that."""
    return type(error) is Exception or type(error).__name__ == "PanicException"


@contextmanager
def _explained(name: str, done: str, remedy: str) -> Iterator[None]:
    """Turn a failure of the engine into words for a person. Raises ``StorageError``."""
    try:
        yield
    except BaseException as error:
        if not _is_engines(error):
            raise
        raise StorageError(f"the index cannot be {done}.", f"{name}: {error}.", remedy) from error


def _settled(draft: Path) -> int:
    """Open a draft as its readers will, and count its points. The first opening still writes into the files; after it
    they stay as they are, so that readers do not disturb each other, nor the checksums."""
    shard = qe.EdgeShard.load(str(draft))
    count = shard.count(qe.CountRequest(exact=True))
    shard.close()
    return count


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


def _blocks(path: Path) -> Iterator[tuple[int, bytes]]:
    """The blocks of a file that hold anything but zeros, each with its offset. A shard preallocates a hundred times of
    what it holds; holes are skipped without being read."""
    with path.open("rb", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        offset = 0
        while offset < size:
            try:
                offset = os.lseek(file.fileno(), offset, os.SEEK_DATA) // _BLOCK * _BLOCK
            except OSError:  # nothing but a hole up to the end
                return
            file.seek(offset)
            block = file.read(_BLOCK)
            if block != bytes(len(block)):
                yield offset, block
            offset += _BLOCK


def _checksums(shard: Path, names: Iterable[str]) -> dict[str, int]:
    """A checksum of each file's size and content, by its name within the shard."""
    return {name: _checksum(shard / name) for name in names}


def _checksum(path: Path) -> int:
    checksum = path.stat().st_size
    for offset, block in _blocks(path):
        checksum = crc32(block, crc32(offset.to_bytes(8), checksum))
    return checksum


def _copy(source: Path, target: Path) -> None:
    """Copy a file, and leave its holes holes."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("wb") as new:
        new.truncate(source.stat().st_size)
        for offset, block in _blocks(source):
            new.seek(offset)
            new.write(block)
