"""Searching a collection on a Qdrant server.

Belongs here: the door to an alias, and one collection as it is read. Does not belong here: what is written.

The company filter stands in every request, in a company's own collection too: where an alias or a backup led to the wrong
one, nothing would be found instead of another company's cases.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from qdrant_client import QdrantClient, models

from domain.errors import StorageError
from resources.vector_index.base import Filters, Ranked, Sparse, Stored
from resources.vector_index.server_collections import EXACTLY_AGAIN, Collections
from resources.vector_index.server_connection import CollectionMissing
from resources.vector_index.server_points import DENSE, SPARSE, Position

T = TypeVar("T")

_PAGE = 1000


class ServerReader:
    """The door to one alias (``base.Reader``)."""

    def __init__(self, collections: Collections) -> None:
        self._collections = collections

    def current(self) -> "ServerCollection":
        place = self._collections.place
        position = self._published()
        if position is None:
            raise StorageError(
                "nothing to search yet.",
                f"{place.alias} has not been built on {self._collections.connection.where}.",
                "Run 'casebook sync' for this company first.",
            )
        return ServerCollection(self._collections, position)

    def is_built(self) -> bool:
        return self._published() is not None

    def _published(self) -> Position | None:
        position = self._collections.position(self._collections.place.alias)
        return position if position is not None and position.whole else None


class ServerCollection:
    """One collection (``base.Collection``), by its own name: an alias that is switched meanwhile does not change it.

    What a sync writes into it is seen at once, document by document: a server has no published copies.
    """

    def __init__(self, collections: Collections, position: Position) -> None:
        self._collections = collections
        self._position = position
        self._place = collections.place

    @property
    def name(self) -> str:
        return self._position.collection

    @property
    def made_by(self) -> str:
        return self._position.made_by

    @property
    def size(self) -> int:
        return self._position.size

    def rank(
        self, dense: Sequence[float] | None, sparse: Sparse | None, filters: Filters, limit: int
    ) -> tuple[Ranked, Ranked]:
        condition = self._place.matching(filters)
        asked: dict[str, models.QueryRequest] = {}
        if dense is not None:
            asked[DENSE] = models.QueryRequest(
                query=list(dense), using=DENSE, filter=condition, params=EXACTLY_AGAIN, limit=limit, with_payload=False
            )
        if sparse is not None and len(sparse[0]):
            words = models.SparseVector(indices=list(sparse[0]), values=list(sparse[1]))
            asked[SPARSE] = models.QueryRequest(
                query=words, using=SPARSE, filter=condition, params=self._rarity, limit=limit, with_payload=False
            )
        if not asked:
            return [], []
        answers = self._read(lambda client, name, t: client.query_batch_points(name, list(asked.values()), timeout=t))
        ranked = {
            half: [(str(point.id), point.score) for point in answer.points]
            for half, answer in zip(asked, answers, strict=True)
        }
        return ranked.get(DENSE, []), ranked.get(SPARSE, [])

    @property
    def _rarity(self) -> models.SearchParams | None:
        """How rare a word is, in a shared collection, is counted among the company's points: others' are not to be seen,
        not even in a score."""
        if self._place.is_own(self.name):
            return None
        return models.SearchParams(idf=models.IdfCorpusParams(corpus=self._place.ours))

    def points(self, point_ids: Sequence[str]) -> list[Stored]:
        found = self._of(point_ids, with_payload=True, with_vectors=False)
        return [Stored(one, found[one].payload or {}) for one in point_ids if one in found]

    def vectors(self, point_ids: Sequence[str]) -> dict[str, list[float]]:
        found = self._of(point_ids, with_payload=False, with_vectors=[DENSE])
        return {one: _dense(point) for one, point in found.items()}

    def _of(self, point_ids: Sequence[str], **wanted: Any) -> dict[str, models.Record]:
        """Points by their ids, through the company filter: asking for ids alone would give anybody's."""
        found: dict[str, models.Record] = {}
        for start in range(0, len(point_ids), _PAGE):
            condition = self._place.matching(Filters(), point_ids[start : start + _PAGE])
            records, _ = self._read(
                lambda client, name, t, condition=condition: client.scroll(
                    name, condition, limit=_PAGE, timeout=t, **wanted
                )
            )
            found |= {str(record.id): record for record in records}
        return found

    def payloads(self, fields: Sequence[str], filters: Filters) -> Iterator[dict[str, Any]]:
        condition, after = self._place.matching(filters), None
        while True:
            records, after = self._read(
                lambda client, name, t, after=after: client.scroll(
                    name, condition, limit=_PAGE, offset=after, with_payload=list(fields), timeout=t
                )
            )
            yield from (record.payload or {} for record in records)
            if after is None:
                return

    def count(self) -> int:
        condition = self._place.matching(Filters())
        return self._read(lambda client, name, t: client.count(name, condition, exact=True, timeout=t)).count

    def _read(self, work: Callable[[QdrantClient, str, int], T]) -> T:
        """Ask this collection; where it was dropped meanwhile, the one of the same making that took its place."""
        connection = self._collections.connection
        try:
            return connection.read(lambda client, t: work(client, self.name, t), self.name)
        except CollectionMissing:
            now = ServerReader(self._collections).current()
            if now.made_by != self.made_by:
                raise StorageError(
                    "the index was changed during the search.", f"{self.name} was removed.", "Ask again."
                ) from None
            self._position = now._position
            return connection.read(lambda client, t: work(client, self.name, t), self.name)


def _dense(record: models.Record) -> list[float]:
    vector = record.vector.get(DENSE) if isinstance(record.vector, dict) else None
    return [float(number) for number in vector] if isinstance(vector, list) else []  # type: ignore[arg-type]
