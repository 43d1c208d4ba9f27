"""What is sent to a Qdrant server about points: their names, filters, positions and forms.

Belongs here: records to the client's models and back; no request is made here. Does not belong here: the connection, or
when what is sent.

**Names.** ``{company}_{type}`` is the alias; ``{company}_{type}__{hash}`` a company's own collection, with ``-2``, ``-3``, …
where it was filled anew beside the one before; ``shared__{type}__{hash}`` the one that small companies share. A company's
id has no underscore, so no name of one company is the beginning of another's, not even of one that is called "shared".

**Positions.** Where a collection stands in its table is kept in it, as a point without vectors. It belongs to
``{company}/index``, which is no company's id: the company filter that stands in every request leaves it out by itself.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from qdrant_client import models

from domain.canary import canary
from domain.company import CompanyId
from domain.fingerprint import fingerprint, point_id
from domain.stage import DataType
from resources.vector_index.base import KEYWORDS, Filters, Point

Placement = Literal["dedicated", "shared"]
DENSE, SPARSE = "dense", "sparse"
DATA_TYPES: tuple[DataType, ...] = get_args(DataType)
_COMPANY = "company_id"
_PART = "part"


@dataclass(frozen=True, slots=True)
class Place:
    """What one company's collections of one data type are called, and how its points are found in them."""

    company: CompanyId
    data_type: DataType
    placement: Placement

    @property
    def alias(self) -> str:
        return f"{self.company}_{self.data_type}"

    @property
    def owner(self) -> str:
        """To whom the points belong that tell about the index."""
        return f"{self.company}/index"

    @property
    def position_id(self) -> str:
        return point_id(self.owner, self.data_type, "position")

    @property
    def canary_id(self) -> str:
        return canary(self.company).point_id(self.data_type)

    def physical(self, made_by: str, size: int) -> str:
        made = fingerprint([made_by, size])[:8]
        return f"{self._shared}{made}" if self.placement == "shared" else f"{self.alias}__{made}"

    @property
    def _shared(self) -> str:
        return f"shared__{self.data_type}__"

    def is_own(self, name: str) -> bool:
        """Whether a collection is this company's alone."""
        return bool(re.fullmatch(rf"{re.escape(self.alias)}__[0-9a-f]{{8}}(-\d+)?", name, re.ASCII))

    def is_shared(self, name: str) -> bool:
        return bool(re.fullmatch(rf"{self._shared}[0-9a-f]{{8}}", name, re.ASCII))

    # --- conditions ---------------------------------------------------------------------------------------------------

    @property
    def ours(self) -> models.Filter:
        """The company's points, the canary too: over these the rarity of a word is counted."""
        return models.Filter(must=[_is(_COMPANY, self.company)])

    @property
    def everything(self) -> models.Filter:
        """The company's points, and those that tell about its index."""
        both = models.MatchAny(any=[self.company, self.owner])
        return models.Filter(must=[models.FieldCondition(key=_COMPANY, match=both)])

    def matching(self, filters: Filters, ids: Sequence[str] | None = None) -> models.Filter:
        """The company's points that match, its canary never; of these ``ids`` only, if there are any."""
        must: list[Any] = [_is(_COMPANY, self.company)]
        must += [
            models.FieldCondition(key=name, match=models.MatchAny(any=words))
            for name in ("status", "product", "language")
            if (words := list(getattr(filters, name)))
        ]
        must += [_is("tags", tag) for tag in filters.tags]
        if filters.since or filters.until:
            dates = models.DatetimeRange.model_validate({"gte": filters.since or None, "lt": filters.until or None})
            must.append(models.FieldCondition(key="updated_at", range=dates))
        if ids is not None:
            must.append(models.HasIdCondition(has_id=list(ids)))
        but: list[Any] = [models.HasIdCondition(has_id=[self.canary_id])]
        if filters.without:
            but.append(_is("doc_id", filters.without))
        return models.Filter(must=must, must_not=but)

    def documents(self) -> models.Filter:
        """One point of each document: the first, or the only one."""
        found = self.matching(Filters())
        later = models.FieldCondition(key=_PART, range=models.Range(gte=1))
        return models.Filter(must=found.must, must_not=[models.HasIdCondition(has_id=[self.canary_id]), later])

    def of_documents(self, doc_ids: Iterable[str], but: Sequence[str] = ()) -> models.Filter:
        """All points of these documents, ``but`` those with these ids."""
        named = models.FieldCondition(key="doc_id", match=models.MatchAny(any=list(doc_ids)))
        kept: list[Any] = [models.HasIdCondition(has_id=list(but))] if but else []
        return models.Filter(must=[_is(_COMPANY, self.company), named], must_not=kept or None)

    # --- points -------------------------------------------------------------------------------------------------------

    def canary(self, size: int) -> models.PointStruct:
        bird = canary(self.company)
        sparse = models.SparseVector(indices=[bird.index], values=[1.0])
        vectors: dict[str, Any] = {DENSE: bird.vector(size), SPARSE: sparse}
        return models.PointStruct(id=self.canary_id, vector=vectors, payload=bird.payload(self.data_type))


@dataclass(frozen=True, slots=True)
class Position:
    """Where a collection stands: up to ``seq`` of the table of which store, by which making; ``collection`` is the name that
    an alias hides. ``generation`` counts the publishes that changed something, ``created`` is in nanoseconds. Not ``whole``:
    it is being filled, or was never finished."""

    collection: str
    made_by: str
    size: int
    store_id: str
    seq: int = 0
    generation: int = 0
    created: int = 0
    whole: bool = False

    def point(self, place: Place) -> models.PointStruct:
        payload = {_COMPANY: place.owner, "data_type": place.data_type, "position": asdict(self)}
        return models.PointStruct(id=place.position_id, vector={}, payload=payload)


def position_of(payload: dict[str, Any] | None, place: Place) -> Position | None:
    """The position that a point tells; None for anything else."""
    try:
        if payload is None or payload[_COMPANY] != place.owner:
            return None
        return Position(**payload["position"])
    except (KeyError, TypeError):
        return None


def point_struct(place: Place, point: Point) -> models.PointStruct:
    """A point for the server; whose it is, is said here and not taken from a row. Without words there is no sparse vector:
    it would count as a document that has none."""
    vectors: dict[str, Any] = {DENSE: point.dense}
    if point.indices:
        vectors[SPARSE] = models.SparseVector(indices=point.indices, values=point.values)
    return models.PointStruct(id=point.id, vector=vectors, payload={**point.payload, _COMPANY: place.company})


def payload_indexes(placement: Placement) -> dict[str, models.PayloadFieldSchema]:
    """Each field that a filter names, and how it is indexed.

    In a shared collection ``is_tenant`` keeps a company's points together, and only the company has graphs of its own: one
    over all open tickets of all companies would be built for nobody.
    """
    is_shared = placement == "shared"
    graphs = False if is_shared else None
    keyword = models.KeywordIndexParams(type=models.KeywordIndexType.KEYWORD, enable_hnsw=graphs)
    indexes: dict[str, models.PayloadFieldSchema] = {
        _COMPANY: models.KeywordIndexParams(type=models.KeywordIndexType.KEYWORD, is_tenant=is_shared),
        "updated_at": models.DatetimeIndexParams(type=models.DatetimeIndexType.DATETIME, enable_hnsw=graphs),
        _PART: models.IntegerIndexParams(
            type=models.IntegerIndexType.INTEGER, lookup=False, range=True, enable_hnsw=graphs
        ),
    }
    return indexes | dict.fromkeys(KEYWORDS, keyword)


def _is(key: str, value: str) -> models.FieldCondition:
    return models.FieldCondition(key=key, match=models.MatchValue(value=value))
