"""What a vector index does for one company: follow stage tables, be published, be searched, be switched and emptied.

Belongs here: the contract and its records, a table's row as points, and the choice of the engine. Does not belong here: an
engine's calls (``edge``, ``server``), how scores are joined (``domain/ranking``), or what a point says (``domain/points``).

A collection is always addressed as ``{company_id}_{data_type}``: an alias. The physical one adds ``__`` and a hash of what
made its points (model, sparse settings), so another model is built beside it and switched to when it is whole; the one
before is kept, so that it can be switched back to.

Every collection holds one point that is nobody's document: its company's canary (``domain/canary``). No count, no payload
and no rank of its own company shows it.
"""

from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from domain.company import Company, CompanyId
from domain.errors import StorageError
from domain.fingerprint import point_id
from domain.stage import DataType, Row
from resources.settings import Settings

Ranked = list[tuple[str, float]]
"""(point id, the engine's score), best first."""
Sparse = tuple[Sequence[int], Sequence[float]]
"""A sparse vector: indices and their values."""
_FLOAT = 4
_WINDOW = 1000


def silent(_done: int) -> None:
    """A progress that nobody watches."""


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


MOST_HITS = 5_000
"""The most that one request to an engine may ask for: hits of ``rank``, points by their ids, words of one condition."""

EVERYTHING = Filters()

KEYWORDS = ("status", "tags", "product", "language", "doc_id")
"""The fields of a payload that are filtered on by equality; an engine indexes them, and the date ``updated_at``."""


@dataclass(frozen=True, slots=True)
class Published:
    """What a publish did: ``applied`` points upserted, ``dropped`` documents deleted, ``count`` documents there now, in
    ``collection``. ``switched`` when the alias now points to another collection than before; ``rebuilt`` when it was
    filled anew."""

    collection: str
    generation: int
    applied: int = 0
    dropped: int = 0
    count: int = 0
    switched: bool = False
    rebuilt: bool = False


@dataclass(frozen=True, slots=True)
class Built:
    """A physical collection that is there: ``is_live`` when it is the one that is searched; ``count`` documents,
    ``points`` without the canary, ``bytes`` on this machine's disk (None: it is not here)."""

    name: str
    made_by: str
    size: int
    count: int
    points: int
    is_live: bool
    bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Point:
    """A point to be stored. ``part`` counts the points of one document from 0."""

    id: str
    part: int
    payload: dict[str, Any]
    dense: list[float]
    indices: list[int]
    values: list[float]


@dataclass(frozen=True, slots=True)
class Stored:
    """A point as it is stored."""

    point_id: str
    payload: dict[str, Any] = field(default_factory=dict[str, Any])


class Collection(Protocol):
    """One published state of one collection, for readers; it stays what it is while it is held, whatever is published or
    switched to meanwhile. Never blocks a writer, nor is it blocked."""

    @property
    def name(self) -> str: ...

    @property
    def made_by(self) -> str:
        """What made its points; a query must be embedded by the same model."""
        ...

    @property
    def size(self) -> int:
        """Dimensions of its dense vectors."""
        ...

    def rank(
        self, dense: Sequence[float] | None, sparse: Sparse | None, filters: Filters, limit: int
    ) -> tuple[Ranked, Ranked]:
        """The best by meaning and the best by words, at most ``limit`` (``MOST_HITS`` at most) of each; the engine counts how
        rare a word is in this company."""
        ...

    def points(self, point_ids: Sequence[str]) -> list[Stored]: ...

    def payloads(self, fields: Sequence[str], filters: Filters) -> Iterator[dict[str, Any]]:
        """These fields of every point that matches."""
        ...

    def vectors(self, point_ids: Sequence[str]) -> dict[str, list[float]]:
        """The dense vectors of those points that are there."""
        ...

    def count(self) -> int:
        """Points, the canary not counted."""
        ...


class Reader(Protocol):
    """The door to one alias."""

    def current(self) -> Collection:
        """What is published now. Raises ``StorageError`` when there is none yet, or it is damaged."""
        ...

    def is_built(self) -> bool:
        """Whether anything is published. Cheap: nothing is opened or counted."""
        ...


class Writer(Protocol):
    """Brings one collection up to date. One writer a company (R11)."""

    @property
    def collection(self) -> str: ...

    def publish(
        self, store: Changes, table: str, progress: Callable[[int], None] = silent, *, anew: bool = False
    ) -> Published:
        """Follow ``table`` from where the collection stands, or ``anew`` from nothing, and make the result the one that
        readers see. What the table deleted leaves the collections that are kept for switching back, too.

        A collection that is lost, damaged, of another store, or that does not agree with the table in its count, is filled
        anew; a new one is verified (count, sample queries) before it is switched to. Raises ``StorageError`` when even a
        new one does not agree: then readers see what they saw before.
        """
        ...


class VectorIndex(Protocol):
    """All collections of one company, in one engine. Every call raises ``StorageError`` in words for a person when the
    engine cannot be used."""

    def reader(self, data_type: DataType) -> Reader: ...

    def writer(self, data_type: DataType, made_by: str, size: int) -> Writer:
        """``size``: dimensions of the dense vectors that ``made_by`` gives."""
        ...

    def built(self, data_type: DataType) -> list[Built]:
        """The live one first, then the others, the newest first."""
        ...

    def switch(self, data_type: DataType, name: str) -> Built:
        """Search in another collection that is there, from the next query on. Only under the company's lock. Raises
        ``InputError`` for one that is not there, or not whole."""
        ...

    def drop(self, data_type: DataType, name: str) -> None:
        """Remove a collection. Only under the company's lock. Raises ``InputError`` for the live one, or an unknown one."""
        ...

    def rewrite(self, data_type: DataType, store: Changes, table: str) -> None:
        """Fill the live collection anew from its table, and drop everything else, so that no byte of a deleted point is
        left where the engine keeps any. Where most of the table is of another making already (a sync was cut off before
        it published that), the collection of that one is filled and searched. Of an empty table there is none."""
        ...

    def leftovers(self, data_type: DataType) -> list[str]:
        """What no reader needs: collections but the live one, and older states of it."""
        ...

    def drop_leftovers(self, data_type: DataType) -> None: ...

    def mark(self) -> str:
        """A word that was kept beside the collections of the company ("" for none): which forgetting they know."""
        ...

    def keep_mark(self, mark: str) -> None: ...

    def erase(self) -> None:
        """Remove everything of the company. Only under its lock."""
        ...

    def remains(self) -> list[str]:
        """What is still there of the company: nothing, after ``erase``."""
        ...


def fullest(store: Changes, table: str) -> tuple[str, int] | None:
    """The making of most of a table's live rows, and the dimensions of its vectors; None for a table without any."""
    counts: Counter[str] = Counter()
    sizes: dict[str, int] = {}
    seq = 0
    while rows := store.changes(table, seq, _WINDOW):
        for row in rows:
            if row.vector and row.made_by:
                counts[row.made_by] += 1
                sizes[row.made_by] = len(row.vector) // _FLOAT // len(row.payload["points"])
        seq = rows[-1].seq
    made_by = max(counts, key=counts.__getitem__, default="")
    return (made_by, sizes[made_by]) if made_by else None


def points_of(company: CompanyId, data_type: DataType, row: Row, size: int) -> list[Point]:
    """The points of a live row of a collection table: its payload is {points: [{point, indices, values}, …]}, its vector the
    dense ones of all of them, one after the other (float32, ``size`` numbers each). Raises ``StorageError`` for a vector of
    another size: an engine would tell that in words of its own, and of one vector only."""
    parts = row.payload["points"]
    dense = array("f", row.vector or b"").tolist()
    if len(dense) != size * len(parts):
        raise StorageError(
            "the index cannot be written.",
            f"{data_type} {row.doc_id!r} has {len(dense)} numbers for {len(parts)} vectors of {size}: "
            "they are another model's.",
            "This is a fault of Casebook: please report it.",
        )
    return [
        Point(
            point_id(company, data_type, row.doc_id, at),
            at,
            part["point"],
            dense[at * size : (at + 1) * size],
            part["indices"],
            part["values"],
        )
        for at, part in enumerate(parts)
    ]


def open_index(settings: Settings, company: Company) -> VectorIndex:
    """The index of a company in the engine that ``CASEBOOK_QDRANT_URL`` chooses; connects to nothing yet."""
    if not settings.qdrant_url:
        from resources.vector_index.edge import EdgeIndex

        return EdgeIndex(settings.index_folder(company.id), company.id)
    from resources.vector_index.server import open_server_index

    return open_server_index(settings, company)
