"""The collections of one company and data type on a Qdrant server: made, found, named by the alias, and dropped.

Belongs here: a physical collection's settings and what is asked about it. Does not belong here: which points are in it
(``server_writer``), or searching it (``server_reader``).

**Sizes.** A collection is loaded without a graph, which is built once when all is there. Up to ``LARGE_BYTES`` of vectors it
is kept in memory as it is. Beyond, and in shared collections from the start, vectors lie on disk, one byte a number of them
in memory, and the best of what those find is scored again by the exact ones.

**Strict mode** is on in every collection: a filter on a field without an index is refused by the server, instead of being
answered slowly, and so is what no request of Casebook comes near.
"""

import time

from qdrant_client import QdrantClient, models

from domain.errors import StorageError
from resources.vector_index.base import MOST_HITS
from resources.vector_index.server_connection import CollectionMissing, Connection
from resources.vector_index.server_points import (
    DENSE,
    SPARSE,
    Place,
    Position,
    payload_indexes,
    position_of,
)

LARGE_BYTES = 512 << 20
"""Dense vectors of a collection, in bytes of float32: 260,000 points of 512 dimensions, 87,000 of 1,536."""
OVERSAMPLING = 2.0
"""How many times the wanted hits are looked at exactly, where vectors are kept as one byte a number."""
EXACTLY_AGAIN = models.SearchParams(
    quantization=models.QuantizationSearchParams(rescore=True, oversampling=OVERSAMPLING)
)
"""Of every search by vectors: where they are kept as one byte a number, the best are scored by the exact ones. Elsewhere the
server does not look at it."""
_INDEXING_KILOBYTES = 10_000
_SETTLE_SECONDS = 900.0
_SINCE = (1, 19)
"""The first version that counts the rarity of words within one company of a shared collection."""


class Collections:
    """``place`` says whose, and of which type."""

    def __init__(self, connection: Connection, place: Place) -> None:
        self.connection = connection
        self.place = place

    # --- what is there ------------------------------------------------------------------------------------------------

    def position(self, name: str) -> Position | None:
        """Where a collection, or the alias, stands; None where it is not there, or does not say."""
        ids = [self.place.position_id]
        try:
            found = self.connection.read(lambda client, t: client.retrieve(name, ids, timeout=t), name)
        except CollectionMissing:
            return None
        return position_of(found[0].payload, self.place) if found else None

    def all(self) -> dict[str, Position | None]:
        """Every collection with points of this company, whatever its placement is now."""
        answer = self.connection.write(lambda client, _: client.get_collections(), "its collections")
        names = sorted(one.name for one in answer.collections)
        found = {name: self.position(name) for name in names if self.place.is_own(name)}
        for name in names:
            if self.place.is_shared(name) and ((at := self.position(name)) or self._is_in(name)):
                found[name] = at
        return found

    def _is_in(self, name: str) -> bool:
        """Whether anything of this company is in a shared collection: its canary comes first and goes last. Asked by its
        id: a run that ended early may have left a collection without the index that a filter needs."""
        ids = [self.place.canary_id]
        return bool(self.connection.write(lambda client, t: client.retrieve(name, ids, timeout=t), name))

    def live(self) -> str:
        """Where the alias leads; "" while there is none."""
        answer = self.connection.write(lambda client, _: client.get_aliases(), "its aliases")
        return next((one.collection_name for one in answer.aliases if one.alias_name == self.place.alias), "")

    def documents(self, name: str) -> int:
        return self._count(name, self.place.documents())

    def points(self, name: str) -> int:
        """Without the canary."""
        return max(0, self._count(name, self.place.ours) - 1)

    def _count(self, name: str, condition: models.Filter) -> int:
        return self.connection.write(lambda client, t: client.count(name, condition, exact=True, timeout=t), name).count

    def fits(self, name: str, size: int) -> bool:
        """Whether a collection takes vectors of ``size`` numbers."""
        vectors = self.connection.write(lambda client, _: client.get_collection(name), name).config.params.vectors
        dense = vectors.get(DENSE) if isinstance(vectors, dict) else None
        return dense is not None and dense.size == size

    # --- made and finished --------------------------------------------------------------------------------------------

    def free_name(self, made_by: str, size: int, taken: set[str]) -> str:
        """What a new collection of this making is called. A shared one has one name."""
        name = first = self.place.physical(made_by, size)
        number = 1
        while name in taken and self.place.placement == "dedicated":
            number += 1
            name = f"{first}-{number}"
        return name

    def create(self, name: str, size: int, expected: int) -> None:
        """Make a collection ready for points, with this company's canary in it; nothing that is there is changed.
        ``expected``: about how many points."""
        if self.place.placement == "shared":
            self._require_version(name)
        if not self._exists(name):
            try:
                self.connection.write(lambda client, t: self._create(client, t, name, size, expected), name)
            except StorageError:
                if not self._exists(name):  # else another company's run made it, or our own request that got no answer
                    raise
        for field, schema in payload_indexes(self.place.placement).items():
            self.connection.write(
                lambda client, _, field=field, schema=schema: client.create_payload_index(name, field, schema), name
            )
        canary = self.place.canary(size)
        self.connection.write(lambda client, _: client.upsert(name, [canary], wait=True), name)

    def _exists(self, name: str) -> bool:
        return self.connection.write(lambda client, _: client.collection_exists(name), name)

    def _create(self, client: QdrantClient, timeout: int, name: str, size: int, expected: int) -> None:
        is_shared = self.place.placement == "shared"
        is_large = is_shared or _is_large(expected, size)
        client.create_collection(
            name,
            vectors_config={
                DENSE: models.VectorParams(size=size, distance=models.Distance.COSINE, on_disk=is_large or None)
            },
            sparse_vectors_config={SPARSE: _sparse(is_large)},
            on_disk_payload=is_large or None,
            # Of a shared collection a graph for each company, none over all: nobody searches all (docs/qdrant.md).
            hnsw_config=models.HnswConfigDiff(m=0, payload_m=16) if is_shared else None,
            quantization_config=_QUANTIZED if is_large else None,
            # A company that joins a shared collection does not wait for a load of its own.
            optimizers_config=None if is_shared else models.OptimizersConfigDiff(indexing_threshold=0),
            strict_mode_config=_STRICT,
            timeout=timeout,
        )

    def _require_version(self, name: str) -> None:
        said = self.connection.write(lambda client, _: client.info(), name).version
        major, minor = (int(number) if number.isdecimal() else 0 for number in f"{said}.0".split(".")[:2])
        if (major, minor) < _SINCE:
            raise StorageError(
                "this Qdrant server is too old for index_placement=shared.",
                f"{self.connection.where} is version {said}; it would count words of all companies together.",
                f"Upgrade it to {'.'.join(map(str, _SINCE))} or later, or set index_placement=dedicated.",
            )

    def finish(self, name: str, size: int) -> None:
        """All points are there: settings by their number, and the graph. A shared collection builds its own as it goes."""
        if self.place.placement == "shared":
            return
        is_large = _is_large(self.points(name), size)
        self.connection.write(
            lambda client, t: client.update_collection(
                name,
                optimizers_config=models.OptimizersConfigDiff(indexing_threshold=_INDEXING_KILOBYTES),
                vectors_config={DENSE: models.VectorParamsDiff(on_disk=True)} if is_large else None,
                sparse_vectors_config={SPARSE: _sparse(is_large)} if is_large else None,
                collection_params=models.CollectionParamsDiff(on_disk_payload=True) if is_large else None,
                quantization_config=_QUANTIZED if is_large else None,
                timeout=t,
            ),
            name,
        )
        self._settle(name)

    def has_outgrown(self, name: str, size: int) -> bool:
        """Whether it was small once, and is no longer."""
        if self.place.placement == "shared" or not _is_large(self.points(name), size):
            return False
        return self.connection.write(lambda c, _: c.get_collection(name), name).config.quantization_config is None

    def _settle(self, name: str) -> None:
        """Wait until the server has built what it builds; without it a search is right too, and slow. So not for ever."""
        until, pause = time.monotonic() + _SETTLE_SECONDS, 0.1
        while time.monotonic() < until:
            status = self.connection.write(lambda client, _: client.get_collection(name), name).status
            if status != models.CollectionStatus.YELLOW:
                return
            time.sleep(pause)
            pause = min(pause * 2, 10.0)

    def keep(self, position: Position) -> None:
        point = position.point(self.place)
        name = position.collection
        self.connection.write(lambda client, _: client.upsert(name, [point], wait=True), name)

    # --- the alias, and the end ---------------------------------------------------------------------------------------

    def lead_to(self, name: str) -> bool:
        """Make the alias lead to a collection, in one step for readers; whether it led elsewhere before."""
        if (before := self.live()) == name:
            return False
        alias = self.place.alias
        gone = models.DeleteAliasOperation(delete_alias=models.DeleteAlias(alias_name=alias))
        new = models.CreateAliasOperation(create_alias=models.CreateAlias(collection_name=name, alias_name=alias))
        self.connection.write(
            lambda client, t: client.update_collection_aliases([*([gone] if before else []), new], timeout=t), alias
        )
        return True

    def drop_alias(self) -> None:
        if self.live():
            gone = models.DeleteAliasOperation(delete_alias=models.DeleteAlias(alias_name=self.place.alias))
            self.connection.write(
                lambda client, t: client.update_collection_aliases([gone], timeout=t), self.place.alias
            )

    def drop(self, name: str) -> None:
        """Remove a collection; of a shared one, the company's points. Where it is gone already, nothing is done."""
        try:
            if self.place.is_own(name):
                self.connection.write(lambda client, t: client.delete_collection(name, timeout=t), name)
            elif self.place.is_shared(name):
                # The position first: a collection that is half emptied must not say that it is whole.
                ids = models.PointIdsList(points=[self.place.position_id])
                self.connection.write(lambda client, _: client.delete(name, ids, wait=True), name)
                all_ = models.FilterSelector(filter=self.place.everything)
                self.connection.write(lambda client, _: client.delete(name, all_, wait=True), name)
        except CollectionMissing:
            return


def _is_large(points: int, size: int) -> bool:
    return points * size * 4 > LARGE_BYTES


def _sparse(is_large: bool) -> models.SparseVectorParams:
    index = models.SparseIndexParams(on_disk=True) if is_large else None
    return models.SparseVectorParams(modifier=models.Modifier.IDF, index=index)


_QUANTIZED = models.ScalarQuantization(
    scalar=models.ScalarQuantizationConfig(type=models.ScalarType.INT8, quantile=0.99, always_ram=True)
)
_STRICT = models.StrictModeConfig(
    enabled=True,
    max_query_limit=MOST_HITS,
    unindexed_filtering_retrieve=False,
    unindexed_filtering_update=False,
    search_max_oversampling=OVERSAMPLING,
    filter_max_conditions=100,
    condition_max_size=MOST_HITS,
)
