"""What a vector index does for one company's collection: follow a stage table, be published, be searched.

Belongs here: the contract and its records. Does not belong here: an engine's calls (``edge``), how scores are
joined (``domain/ranking``), or what a point contains (``domain/points``).

A collection is always addressed as ``{company_id}_{data_type}``: an alias. The physical one adds ``__`` and a hash of what
made its points (model, sparse settings), so another model is built beside it and switched to when it is whole.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from domain.stage import Row

Ranked = list[tuple[str, float]]
"""(point id, the engine's score), best first."""


class Changes(Protocol):
    """The part of a store that an index follows (R10)."""

    @property
    def store_id(self) -> str: ...
    def top(self, table: str) -> int: ...
    def changes(self, table: str, after: int, limit: int) -> list[Row]: ...
    def count(self, table: str, made_by: str | None = None) -> int: ...


@dataclass(frozen=True, slots=True)
class Filters:
    """What a hit must be: any of ``status``, any of ``product``, any of ``language``, all of ``tags``, last updated from
    ``since`` on and before ``until`` (ISO 8601). Empty: no condition. ``without`` leaves one document out."""

    status: Sequence[str] = ()
    tags: Sequence[str] = ()
    product: Sequence[str] = ()
    language: Sequence[str] = ()
    since: str = ""
    until: str = ""
    without: str = ""


@dataclass(frozen=True, slots=True)
class Published:
    """What a publish did: ``applied`` points upserted, ``dropped`` deleted, ``count`` there now, in ``collection``.
    ``switched`` when the alias now points to another collection than before; ``rebuilt`` when it was filled anew."""

    collection: str
    generation: int
    applied: int = 0
    dropped: int = 0
    count: int = 0
    switched: bool = False
    rebuilt: bool = False


@dataclass(frozen=True, slots=True)
class Stored:
    """A point as it is stored."""

    point_id: str
    payload: dict[str, Any] = field(default_factory=dict[str, Any])


class Collection(Protocol):
    """The published state of one collection, for readers. Never blocks a writer, nor is it blocked."""

    @property
    def made_by(self) -> str:
        """What made its points; a query must be embedded by the same model."""
        ...

    def rank(
        self,
        dense: Sequence[float] | None,
        sparse: tuple[Sequence[int], Sequence[float]] | None,
        filters: Filters,
        limit: int,
    ) -> tuple[Ranked, Ranked]:
        """The best by meaning and the best by words."""
        ...

    def points(self, point_ids: Sequence[str]) -> list[Stored]: ...

    def payloads(self, fields: Sequence[str], filters: Filters) -> Iterator[dict[str, Any]]: ...

    def vector(self, point_id: str) -> list[float] | None: ...

    def count(self) -> int: ...
