"""One shard of the embedded engine (qdrant-edge, the Qdrant core in this process): its calls, and nothing of where it lies.

Belongs here: making, filling, asking and proving a shard. Does not belong here: files and generations (``edge_files``,
``edge_writer``).

A shard is opened without WAL, whose lock would admit one process only (reference/core.md §2).

The engine takes 10 µs for each value of a payload that comes from Python, which is most of what a first load costs. So a
payload is stored as one string of JSON, beside the few fields of it that are filtered on.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import orjson
import qdrant_edge as qe

from domain.canary import Canary
from domain.errors import StorageError
from domain.stage import DataType
from resources.vector_index.base import KEYWORDS, Filters, Point, Ranked, Sparse, Stored

DENSE, SPARSE = "dense", "sparse"
_PACKED = "packed"
_FILTERED = (*KEYWORDS, "updated_at", "part")
_FILTERED_ALONE = {"doc_id"}
"""Fields that every point has beside the packed ones: of the others only those that say something are there."""
_WINDOW = 1000
_PROOF_LIMIT = 10
_SAME = 0.999
"""A cosine from which on two vectors count as one: the engine keeps 32 bits of each number."""


def is_engines(error: BaseException) -> bool:
    """Whether the engine failed: it raises bare Exceptions, and its panics are not even that."""
    return type(error) is Exception or type(error).__name__ == "PanicException"


@contextmanager
def explained(name: str, done: str, remedy: str) -> Iterator[None]:
    """Turn a failure of the engine, or of the disk, into words for a person. Raises ``StorageError``."""
    try:
        yield
    except OSError as error:
        raise StorageError(f"the index cannot be {done}.", f"{name}: {error.strerror or error}.", remedy) from error
    except BaseException as error:
        if not is_engines(error):
            raise
        raise StorageError(f"the index cannot be {done}.", f"{name}: {error}.", remedy) from error


class EdgeCollection:
    """One published state of one collection (``base.Collection``). The engine maps its files when it opens them, so they
    may be removed meanwhile."""

    def __init__(self, shard: qe.EdgeShard, name: str, made_by: str, hidden: str) -> None:
        """``hidden`` is the id of the company's own canary."""
        self.name = name
        self.made_by = made_by
        self._shard = shard
        self._hidden = hidden

    @property
    def size(self) -> int:
        with self._read():
            found = self._shard.retrieve([self._hidden], with_payload=False, with_vector=[DENSE])
        return next((len(one.vector[DENSE]) for one in found if isinstance(one.vector, dict)), 0)  # type: ignore[arg-type]

    def rank(
        self, dense: Sequence[float] | None, sparse: Sparse | None, filters: Filters, limit: int
    ) -> tuple[Ranked, Ranked]:
        condition = _filter(filters)
        queries: list[qe.Query] = []
        if dense is not None:
            queries.append(qe.Query.Nearest(list(dense), using=DENSE))
        if sparse is not None and sparse[0]:
            queries.append(qe.Query.Nearest(qe.SparseVector(list(sparse[0]), list(sparse[1])), using=SPARSE))
        requests = [  # one more than asked for: the canary may be among them
            qe.QueryRequest(limit=limit + 1, query=query, filter=condition, with_payload=False) for query in queries
        ]
        with self._read():
            batch = self._shard.query_batch(qe.QueryBatchRequest(requests))
        answers = [
            [(found, point.score) for point in points if (found := str(point.id)) != self._hidden][:limit]
            for points in batch
        ]
        if dense is None:
            answers.insert(0, [])
        return answers[0], answers[1] if len(answers) > 1 else []

    def points(self, point_ids: Sequence[str]) -> list[Stored]:
        with self._read():
            found = self._shard.retrieve([*self._but_canary(point_ids)], with_payload=True, with_vector=False)
        return [Stored(str(point.id), _unpacked(point.payload or {})) for point in found]

    def payloads(self, fields: Sequence[str], filters: Filters) -> Iterator[dict[str, Any]]:
        offset = None
        packed = [] if _FILTERED_ALONE.issuperset(fields) else [_PACKED]  # to unpack is most of what this costs
        while True:
            request = qe.ScrollRequest(
                offset=offset,
                limit=_WINDOW,
                filter=_filter(filters),
                with_payload=[*packed, *fields],
                with_vector=False,
            )
            with self._read():
                points, offset = self._shard.scroll(request)
            for point in points:
                if str(point.id) != self._hidden:
                    payload = _unpacked(point.payload or {})
                    yield {name: payload[name] for name in fields if name in payload}
            if offset is None:
                return

    def vectors(self, point_ids: Sequence[str]) -> dict[str, list[float]]:
        with self._read():
            found = self._shard.retrieve([*self._but_canary(point_ids)], with_payload=False, with_vector=[DENSE])
        return {
            str(point.id): list(point.vector[DENSE])  # type: ignore[arg-type]
            for point in found
            if isinstance(point.vector, dict)
        }

    def count(self) -> int:
        with self._read():
            return self._shard.count(qe.CountRequest(exact=True)) - self._has_canary()

    def close(self) -> None:
        self._shard.close()

    def measured(self) -> tuple[int, int] | None:
        """Documents and points, the canary in neither; None when there is no canary, as there must be."""
        if not self._has_canary():
            return None
        points = self.count()
        later = qe.Filter(must=[qe.FieldCondition(key="part", range=qe.RangeFloat(gte=1))])
        return points - self._shard.count(qe.CountRequest(filter=later, exact=True)), points

    def finds(self, point: Point) -> bool:
        """Whether a stored point is found by its own vector, and by its own words. Equal texts have equal vectors: where
        there are many, any of them will do."""
        if any(point.dense):
            nearest, _ = self.rank(point.dense, None, Filters(), _PROOF_LIMIT)
            is_full = len(nearest) == _PROOF_LIMIT and nearest[-1][1] > _SAME
            if not is_full and not any(found == point.id and score > _SAME for found, score in nearest):
                return False
        if not point.indices:
            return True
        words = qe.Query.Nearest(qe.SparseVector(point.indices, point.values), using=SPARSE)
        itself = qe.Filter(must=[qe.HasIdCondition({point.id})])
        return bool(self._shard.query(qe.QueryRequest(limit=1, query=words, filter=itself, with_payload=False)))

    def _has_canary(self) -> bool:
        return bool(self._shard.retrieve([self._hidden], with_payload=False, with_vector=False))

    def _but_canary(self, point_ids: Sequence[str]) -> list[str]:
        return [one for one in point_ids if one != self._hidden]

    def _read(self) -> AbstractContextManager[None]:
        return explained(self.name, "read", "Run 'casebook sync': it fills a new one.")


def open_collection(shard: Path, name: str, made_by: str, hidden: str) -> EdgeCollection:
    """Raises what the engine raises."""
    return EdgeCollection(qe.EdgeShard.load(str(shard)), name, made_by, hidden)


def create(shard: Path, size: int, data_type: DataType, bird: Canary) -> qe.EdgeShard:
    """An empty shard for vectors of ``size`` numbers, with the canary in it."""
    shard.mkdir()
    made = qe.EdgeShard.create(
        str(shard),
        qe.EdgeConfig(
            vectors={DENSE: qe.EdgeVectorParams(size=size, distance=qe.Distance.Cosine)},
            sparse_vectors={SPARSE: qe.EdgeSparseVectorParams(modifier=qe.Modifier.Idf)},
            wal_enabled=False,
        ),
    )
    # Before the first point: a filter on an unindexed field costs ten times as much.
    for field in KEYWORDS:
        made.update(qe.UpdateOperation.create_field_index(field, qe.PayloadSchemaType.Keyword))
    made.update(qe.UpdateOperation.create_field_index("updated_at", qe.PayloadSchemaType.Datetime))
    made.update(qe.UpdateOperation.create_field_index("part", qe.PayloadSchemaType.Integer))
    planted = Point(bird.point_id(data_type), 0, bird.payload(data_type), bird.vector(size), [bird.index], [1.0])
    upsert(made, [planted])
    return made


def upsert(shard: qe.EdgeShard, points: Sequence[Point]) -> None:
    shard.update(
        qe.UpdateOperation.upsert_points(
            [
                qe.Point(
                    point.id,
                    {DENSE: point.dense, SPARSE: qe.SparseVector(point.indices, point.values)},
                    _packed(point.payload),
                )
                for point in points
            ]
        )
    )


def _packed(payload: dict[str, Any]) -> dict[str, Any]:
    # Nobody filters on what is empty.
    stored = {name: value for name in _FILTERED if (value := payload.get(name))}
    stored[_PACKED] = orjson.dumps(payload).decode()
    return stored


def _unpacked(payload: dict[str, Any]) -> dict[str, Any]:
    return orjson.loads(payload[_PACKED]) if _PACKED in payload else payload


def delete(shard: qe.EdgeShard, doc_ids: Sequence[str]) -> None:
    """Delete every point of these documents, however many each has."""
    condition = qe.FieldCondition(key="doc_id", match=qe.MatchAny(list(doc_ids)))
    shard.update(qe.UpdateOperation.delete_points_by_filter(qe.Filter(must=[condition])))


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
        without.append(qe.FieldCondition(key="doc_id", match=qe.MatchValue(filters.without)))
    return qe.Filter(must=must or None, must_not=without or None) if must or without else None
