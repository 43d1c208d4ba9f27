"""What tests of every engine share: rows of a collection table, the engines, and what they must find, by numpy.

Belongs here: making rows and engines. Does not belong here: what an engine promises (``test_contract``).
"""

import math
import os
import random
import shutil
import threading
from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, TypeVar
from uuid import uuid4

import httpx
import numpy as np
from qdrant_client import QdrantClient
from qdrant_client.http.exceptions import UnexpectedResponse

from domain.canary import canary
from domain.company import CompanyId, company_id
from domain.fingerprint import point_id
from domain.stage import DataType, Put
from resources.storage.sql import SqlCompanyStore
from resources.vector_index.base import Filters, VectorIndex
from resources.vector_index.edge import EdgeIndex
from resources.vector_index.server import ServerIndex
from resources.vector_index.server_connection import Connection, Patience
from resources.vector_index.server_points import Placement
from sandbox.qdrant import QdrantStandIn

T = TypeVar("T")

TABLE = "ticket_collection"
NOW = "2026-01-01T00:00:00Z"
SIZE = 6
ALL = Filters()
KEY = "made-up-key-of-the-stand-in"
QUICK = Patience(timeout=5, attempts=5, longest_wait=0.05)

REAL_URL = os.environ.get("QDRANT_TEST_URL", "")
REAL_KEY = os.environ.get("QDRANT_TEST_API_KEY", "")


def row(doc_id: str, version: int = 1, made_by: str = "m1", size: int = SIZE, parts: int = 1, **fields: Any) -> Put:
    """A row of a collection table with ``parts`` points. Vectors and words follow from document, version and part."""
    points: list[dict[str, Any]] = []
    vectors: list[float] = []
    for part in range(parts):
        dice = random.Random(f"{doc_id} {version} {part}")
        payload = {
            "doc_id": doc_id, "version": version, "part": part, "status": "closed", "tags": [], "product": "",
            "language": "en", "updated_at": NOW, "title": f"제목 {doc_id}",
        }  # fmt: skip
        indices = [*sorted(dice.sample(range(1, 20), 6)), 1000 + version]
        values = [round(dice.uniform(0.5, 2), 5) for _ in indices]
        points.append({"point": payload | fields, "indices": indices, "values": values})
        vectors += [dice.uniform(-1, 1) for _ in range(size)]
    vector = array("f", vectors).tobytes()
    return Put(doc_id, {"points": points}, f"{doc_id} {version} {parts} {fields}", "s", made_by, vector)


def write(store: SqlCompanyStore, *rows: Put, gone: Sequence[str] = ()) -> None:
    with store.begin("run", NOW) as transaction:
        transaction.upsert(TABLE, rows)
        transaction.delete(TABLE, gone)


# --- what must be found -----------------------------------------------------------------------------------------------


def wanted(store: SqlCompanyStore, made_by: str = "m1") -> dict[tuple[str, int], tuple[int, list[float]]]:
    """Version and vector, of length 1, by document and part, from the table."""
    found: dict[tuple[str, int], tuple[int, list[float]]] = {}
    for one in store.get(TABLE, sorted(store.ids(TABLE)), vector=True).values():
        if one.made_by == made_by:
            dense = np.frombuffer(one.vector or b"", "<f4").reshape(len(one.payload["points"]), -1)
            for part, (point, vector) in enumerate(zip(one.payload["points"], dense, strict=True)):
                unit = vector / np.linalg.norm(vector)
                found[one.doc_id, part] = (point["point"]["version"], [round(float(x), 4) for x in unit])
    return found


def held(index: VectorIndex, company: CompanyId, data_type: DataType = "ticket") -> dict[Any, Any]:
    """The same from the published collection."""
    collection = index.reader(data_type).current()
    fields = list(collection.payloads(["doc_id", "part", "version"], ALL))
    ids = {point_id(company, data_type, one["doc_id"], one["part"]): one for one in fields}
    vectors = collection.vectors(list(ids))
    assert len(vectors) == len(ids) == len(fields) == collection.count()
    return {
        (one["doc_id"], one["part"]): (one["version"], [round(x, 4) for x in vectors[point]])
        for point, one in ids.items()
    }


def best(
    store: SqlCompanyStore,
    company: CompanyId,
    dense: Sequence[float],
    sparse: tuple[Sequence[int], Sequence[float]],
    doc_ids: set[str],
    limit: int,
) -> tuple[list[tuple[str, float]], list[tuple[str, float]]]:
    """The best of these documents by meaning and by words, computed from the table. How rare a word is, is counted over
    all documents of the company and its canary."""
    rows = store.get(TABLE, sorted(store.ids(TABLE)), vector=True).values()
    points = [
        (point_id(company, "ticket", one.doc_id, part), one.doc_id, point, vector)
        for one in rows
        for part, (point, vector) in enumerate(
            zip(one.payload["points"], np.frombuffer(one.vector or b"", "<f4").reshape(-1, SIZE), strict=True)
        )
    ]
    total = len(points) + 1
    counts: dict[int, int] = {}
    for _, _, point, _ in points:
        for index in point["indices"]:
            counts[index] = counts.get(index, 0) + 1
    query = np.array(dense) / np.linalg.norm(dense)
    weights = {
        index: value * math.log(1 + (total - counts.get(index, 0) + 0.5) / (counts.get(index, 0) + 0.5))
        for index, value in zip(*sparse, strict=True)
    }
    meaning, words = [], []
    for point_name, doc_id, point, vector in points:
        if doc_id in doc_ids:
            meaning.append((point_name, float(query @ vector / np.linalg.norm(vector))))
            shared = [weights[i] * v for i, v in zip(point["indices"], point["values"], strict=True) if i in weights]
            if shared:
                words.append((point_name, sum(shared)))
    return tuple(sorted(half, key=lambda hit: -hit[1])[:limit] for half in (meaning, words))  # type: ignore[return-value]


# --- engines ----------------------------------------------------------------------------------------------------------


class Engine(Protocol):
    """An engine, and what only a test does to it."""

    @property
    def name(self) -> str: ...
    def index(self, company: CompanyId) -> VectorIndex: ...
    def lose(self, company: CompanyId) -> None:
        """Everything of its tickets is lost, as by a fault of a disk."""
        ...


class Edge:
    name = "edge"

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def index(self, company: CompanyId) -> EdgeIndex:
        return EdgeIndex(self.folder / company / "index", company)

    def lose(self, company: CompanyId) -> None:
        shutil.rmtree(self.folder / company / "index")


class Server:
    """``client`` reaches the same server without Casebook; ``server`` is how Casebook does."""

    def __init__(self, name: str, client: Any, server: Connection, placement: Placement) -> None:
        self.name, self.client, self.server, self.placement = name, client, server, placement

    def index(self, company: CompanyId) -> ServerIndex:
        return ServerIndex(self.server, company, self.placement)

    def lose(self, company: CompanyId) -> None:
        aliases = {one.alias_name: one.collection_name for one in self.client.get_aliases().aliases}
        self.client.delete_collection(aliases[f"{company}_ticket"])


class InMemory:
    """qdrant-client's in-memory engine; it says that something is missing as the server does, and does one thing at a time:
    unlike a server, and its client, it is not made for threads."""

    def __init__(self) -> None:
        self._client = QdrantClient(":memory:")
        self._lock = threading.Lock()

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._client, name)

        def asked(*given: Any, **named: Any) -> Any:
            try:
                with self._lock:
                    return call(*given, **named)
            except ValueError as error:
                status = 404 if "not found" in str(error) else 400
                raise UnexpectedResponse(status, "", str(error).encode(), None) from error  # type: ignore[arg-type]

        return asked


KINDS = ("edge", "http-dedicated", "http-shared", "memory-dedicated", "real-dedicated", "real-shared")


@contextmanager
def engine(kind: str, folder: Path, stand_in: QdrantStandIn) -> Iterator[Engine]:
    """One of ``KINDS``, empty."""
    where, _, placement = kind.partition("-")
    if where == "edge":
        yield Edge(folder)
    elif where == "memory":
        client = InMemory()
        yield Server(kind, client, Connection(client, "memory", reading=QUICK, writing=QUICK), placement)  # type: ignore[arg-type]
    else:
        url, key = (REAL_URL, REAL_KEY) if where == "real" else (stand_in.url, KEY)
        if where == "http":
            stand_in.clear()
        client = QdrantClient(
            url=url,
            headers={"api-key": key} if key else None,
            check_compatibility=False,
            timeout=QUICK.timeout,
            limits=httpx.Limits(max_connections=8),
        )
        yield Server(kind, client, Connection(client, url, key, reading=QUICK, writing=QUICK), placement)  # type: ignore[arg-type]
        client.close()


def some_company(name: str = "c") -> CompanyId:
    """A company that a real server cannot know."""
    return company_id(f"{name}-{uuid4().hex[:10]}")


def canary_words(company: CompanyId) -> tuple[list[int], list[float]]:
    return [canary(company).index], [1.0]
