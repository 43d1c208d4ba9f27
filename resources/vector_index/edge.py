"""The default engine: qdrant-edge, the Qdrant core in this process, one directory a company and data type.

Belongs here: the contract of a vector index on folders of shards, and how a reader turns to what is published. Does not
belong here: publishing (``edge_writer``), files (``edge_files``), the engine's calls (``edge_shard``).
"""

import shutil
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

from domain.canary import canary
from domain.company import CompanyId
from domain.errors import InputError, StorageError
from domain.stage import DataType
from resources.vector_index import edge_files
from resources.vector_index.base import Built, Changes, fullest
from resources.vector_index.edge_files import Home, Named
from resources.vector_index.edge_shard import EdgeCollection, explained, open_collection
from resources.vector_index.edge_writer import EdgeWriter

_MARK = "last forget"
_READ_TRIES = 5


class EdgeReader:
    """The door to one alias (``base.Reader``). Looks for what is published now at each call; what it gave stays as it is."""

    def __init__(self, folder: Path, company: CompanyId, data_type: DataType) -> None:
        self.folder = folder
        self.alias = f"{company}_{data_type}"
        self._hidden = canary(company).point_id(data_type)
        self._open: tuple[Named, EdgeCollection] | None = None

    def current(self) -> EdgeCollection:
        with explained(self.alias, "read", "Run 'casebook sync': it fills a new one."):
            return self._newest()

    def is_built(self) -> bool:
        return edge_files.has_alias(self.folder, self.alias)

    def _newest(self) -> EdgeCollection:
        for _ in range(_READ_TRIES):
            named = self._named()
            opened = self._open
            if opened is not None and opened[0] == named:
                return opened[1]
            home = Home(self.folder / named.collection)
            try:
                generation, position = home.generation(named.generation), home.position()
                collection = open_collection(generation, named.collection, named.made_by, self._hidden)
                # The engine takes a shard that lost files for a smaller one.
                if position is None or collection.measured() != (position.count, position.points):
                    raise StorageError(
                        "the index is damaged.",
                        f"{named.collection} does not hold what was published.",
                        "Run 'casebook sync': it fills a new one.",
                    )
            except BaseException:  # if a newer generation has replaced it meanwhile, that one is meant
                if self._named() == named:
                    raise
                continue
            self._open = (named, collection)
            return collection
        raise StorageError("the index is being replaced all the time.", self.alias, "Try again.")

    def _named(self) -> Named:
        named = edge_files.named(self.folder, self.alias)
        if named is None:
            raise StorageError(
                "nothing to search yet.",
                f"{self.alias} has not been built.",
                "Run 'casebook sync' for this company first.",
            )
        return named


class EdgeIndex:
    """All collections of one company, in files (``base.VectorIndex``)."""

    def __init__(self, folder: Path, company: CompanyId) -> None:
        self.folder = folder
        self.company = company

    def reader(self, data_type: DataType) -> EdgeReader:
        return EdgeReader(self.folder, self.company, data_type)

    def writer(self, data_type: DataType, made_by: str, size: int) -> EdgeWriter:
        return EdgeWriter(self.folder, self.company, data_type, made_by, size)

    def built(self, data_type: DataType) -> list[Built]:
        live = edge_files.read_alias(self.folder, self._alias(data_type))
        found = [
            _built(home, is_live=live is not None and home == live[0])
            for home in edge_files.homes(self.folder, self._alias(data_type))
            if home.live() is not None
        ]
        return sorted(found, key=lambda one: not one.is_live)

    def switch(self, data_type: DataType, name: str) -> Built:
        built = self._known(data_type, name)
        home = Home(self.folder / built.name)
        position = home.position()
        if position is None or not home.is_whole(position):
            raise InputError(
                f"collection {name!r} is not whole.",
                "Its files are not as they were published.",
                "Remove it with 'casebook index drop'; a sync with its model fills it anew.",
            )
        with self._explained("switched"):
            edge_files.point_alias(self.folder, self._alias(data_type), home, position.made_by)
        return replace(built, is_live=True)

    def drop(self, data_type: DataType, name: str) -> None:
        built = self._known(data_type, name)
        if built.is_live:
            raise InputError(
                f"collection {name!r} is the one that is searched.", remedy="Switch to another one before you drop it."
            )
        with self._explained("removed"):
            shutil.rmtree(self.folder / built.name)

    def rewrite(self, data_type: DataType, store: Changes, table: str) -> None:
        alias = self._alias(data_type)
        found = fullest(store, table) if edge_files.read_alias(self.folder, alias) else None
        if found:
            self.writer(data_type, *found).publish(store, table, anew=True)
        else:
            edge_files.drop_alias(self.folder, alias)
        # A shard keeps the bytes of a deleted point until it is optimised; older generations and other collections keep it.
        self.drop_leftovers(data_type)

    def leftovers(self, data_type: DataType) -> list[str]:
        return [str(path) for path in edge_files.leftovers(self.folder, self._alias(data_type))]

    def drop_leftovers(self, data_type: DataType) -> None:
        with self._explained("removed"):
            for left in self.leftovers(data_type):
                shutil.rmtree(left)

    def mark(self) -> str:
        path = self.folder / _MARK
        with self._explained("read"):
            # Damaged, it names no forgetting: what it stands beside is filled anew.
            return path.read_text(errors="replace") if path.exists() else ""

    def keep_mark(self, mark: str) -> None:
        with self._explained("written"):
            self.folder.mkdir(parents=True, exist_ok=True)
            (self.folder / _MARK).write_text(mark)

    def erase(self) -> None:
        with self._explained("removed"):
            if self.folder.exists():
                shutil.rmtree(self.folder)

    def remains(self) -> list[str]:
        return [str(path) for path in self.folder.rglob("*") if path.is_file()]

    def _alias(self, data_type: DataType) -> str:
        return f"{self.company}_{data_type}"

    def _known(self, data_type: DataType, name: str) -> Built:
        built = self.built(data_type)
        for one in built:
            if one.name == name:
                return one
        known = ", ".join(one.name for one in built) or "none"
        raise InputError(f"company {self.company!r} has no collection {name!r}.", f"There are: {known}.")

    def _explained(self, done: str) -> AbstractContextManager[None]:
        return explained(str(self.folder), done, "Give rights to the folder where that is the cause.")


def _built(home: Home, *, is_live: bool) -> Built:
    position = home.position()
    if position is None:  # damaged, or of an older version: it is there, and the next publish fills it anew
        return Built(home.name, "", 0, 0, 0, is_live, home.bytes())
    return Built(home.name, position.made_by, position.size, position.count, position.points, is_live, home.bytes())
