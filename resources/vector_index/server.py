"""A Qdrant server as the vector index: all collections of one company there (docs/qdrant.md).

Belongs here: opening it, and what is done with whole collections. Does not belong here: names and filters
(``server_points``), requests about a collection (``server_collections``), searching (``server_reader``), following a table
(``server_writer``), the connection (``server_connection``).
"""

from qdrant_client import models

from domain.company import Company, CompanyId
from domain.errors import InputError
from domain.fingerprint import point_id
from domain.stage import DataType
from resources.settings import Settings
from resources.vector_index.base import Built, Changes, fullest
from resources.vector_index.server_collections import Collections
from resources.vector_index.server_connection import CollectionMissing, Connection, connection
from resources.vector_index.server_points import DATA_TYPES, SPARSE, Place, Placement, Position
from resources.vector_index.server_reader import ServerReader
from resources.vector_index.server_writer import ServerWriter

MARKS = "casebook__marks"
"""The collection that holds a word for each company, beside the collections with its points."""


def open_server_index(settings: Settings, company: Company) -> "ServerIndex":
    """The index of a company on the server of ``CASEBOOK_QDRANT_URL``; connects to nothing yet. Raises ``InputError`` for
    an address that can never work."""
    server = connection(settings.qdrant_url, settings.qdrant_api_key)
    return ServerIndex(server, company.id, company.setting("index_placement"))


class ServerIndex:
    """All collections of one company on a server (``base.VectorIndex``)."""

    def __init__(self, server: Connection, company: CompanyId, placement: Placement = "dedicated") -> None:
        self._server = server
        self._company = company
        self._placement: Placement = placement

    def _collections(self, data_type: DataType) -> Collections:
        return Collections(self._server, Place(self._company, data_type, self._placement))

    def reader(self, data_type: DataType) -> ServerReader:
        return ServerReader(self._collections(data_type))

    def writer(self, data_type: DataType, made_by: str, size: int) -> ServerWriter:
        return ServerWriter(self._collections(data_type), made_by, size)

    def built(self, data_type: DataType) -> list[Built]:
        collections = self._collections(data_type)
        live = collections.live()
        there = [(name, at) for name, at in collections.all().items() if at is not None and at.whole]
        there.sort(key=lambda one: (one[0] == live, one[1].created), reverse=True)
        return [_built(collections, at, live) for _, at in there]

    def switch(self, data_type: DataType, name: str) -> Built:
        collections = self._collections(data_type)
        position = collections.all().get(name)
        if position is None or not position.whole:
            raise InputError(f"{name} is no whole collection of {self._company}.", remedy=self._list())
        collections.lead_to(name)
        return _built(collections, position, name)

    def drop(self, data_type: DataType, name: str) -> None:
        collections = self._collections(data_type)
        if name not in collections.all():
            raise InputError(f"{name} is no collection of {self._company}.", remedy=self._list())
        if name == collections.live():
            raise InputError(f"{name} is the one that is searched.", remedy="Switch to another one first.")
        collections.drop(name)

    def _list(self) -> str:
        return f"'casebook index list {self._company}' shows what is there."

    def rewrite(self, data_type: DataType, store: Changes, table: str) -> None:
        collections = self._collections(data_type)
        live = collections.live()
        found = fullest(store, table) if live else None
        if found:
            ServerWriter(collections, *found).publish(store, table, anew=True)
        elif live:
            collections.drop_alias()
        self.drop_leftovers(data_type)

    def leftovers(self, data_type: DataType) -> list[str]:
        collections = self._collections(data_type)
        live = collections.live()
        return [name for name in collections.all() if name != live]

    def drop_leftovers(self, data_type: DataType) -> None:
        collections = self._collections(data_type)
        for name in self.leftovers(data_type):
            collections.drop(name)

    # --- the mark -----------------------------------------------------------------------------------------------------

    @property
    def _mark_id(self) -> str:
        return point_id(self._company, "", "mark")

    def mark(self) -> str:
        ids = [self._mark_id]
        try:
            found = self._server.read(lambda client, t: client.retrieve(MARKS, ids, timeout=t), MARKS)
        except CollectionMissing:
            return ""
        payload = found[0].payload if found else None
        return payload["mark"] if payload and payload.get("company_id") == self._company else ""

    def keep_mark(self, mark: str) -> None:
        payload = {"company_id": self._company, "mark": mark}
        point = models.PointStruct(id=self._mark_id, vector={}, payload=payload)
        if not self._server.write(lambda client, _: client.collection_exists(MARKS), MARKS):
            none = {SPARSE: models.SparseVectorParams()}  # a collection has a kind of vector, whether or not it has any
            self._server.write(
                lambda client, t: client.create_collection(
                    MARKS, vectors_config={}, sparse_vectors_config=none, timeout=t
                ),
                MARKS,
            )
        self._server.write(lambda client, _: client.upsert(MARKS, [point], wait=True), MARKS)

    def _forget_mark(self) -> None:
        selected = models.PointIdsList(points=[self._mark_id])
        try:
            self._server.write(lambda client, _: client.delete(MARKS, selected, wait=True), MARKS)
        except CollectionMissing:
            return

    # --- the end ------------------------------------------------------------------------------------------------------

    def erase(self) -> None:
        for data_type in DATA_TYPES:
            collections = self._collections(data_type)
            collections.drop_alias()
            for name in collections.all():
                collections.drop(name)
        self._forget_mark()

    def remains(self) -> list[str]:
        found = [MARKS] if self.mark() else []
        for data_type in DATA_TYPES:
            collections = self._collections(data_type)
            found += [collections.place.alias] if collections.live() else []
            found += collections.all()
        return found


def _built(collections: Collections, at: Position, live: str) -> Built:
    name = at.collection
    count, points = collections.documents(name), collections.points(name)
    return Built(name, at.made_by, at.size, count, points, is_live=name == live)
