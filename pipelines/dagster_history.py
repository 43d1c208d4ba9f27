"""Dagster's history in SQLite files, with connections that stay open.

Dagster's own storage of runs and events opens an engine and a connection for each statement, compiles the statement, and
closes them, which copies the write-ahead log back. A run of all assets that changes nothing takes 6.3 s so, and 2.4 s here.

Belongs here: how long a connection lives. Does not belong here: what is stored; files, tables and places are Dagster's own.
``dagster.yaml`` names the two classes; on Postgres (``deploy/postgres/dagster.yaml``) Dagster keeps its connections itself.
"""

import os
import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from dagster._core.event_api import EventHandlerFn
from dagster._core.storage.event_log.polling_event_watcher import SqlPollingEventWatcher
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
from dagster._core.storage.runs.sqlite.sqlite_run_storage import SqliteRunStorage
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from dagster._serdes import ConfigurableClassData
from sqlalchemy import Connection, Engine, create_engine, event

_MOST_OPEN: Final = 16
"""Files whose connections stay open: the index of all runs, and those that were written or looked at last, a file each."""


class _Engines:
    """An engine for each of the files that were used last."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: OrderedDict[str, Engine] = OrderedDict()

    def of(self, address: str) -> Engine:
        with self._lock:
            if address not in self._open:
                self._open[address] = engine = create_engine(
                    address, connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS}
                )
                event.listen(engine, "connect", _without_waiting)
            self._open.move_to_end(address)
            if len(self._open) > _MOST_OPEN:
                self._open.popitem(last=False)[1].dispose()
            return self._open[address]

    def close(self) -> None:
        with self._lock:
            while self._open:
                self._open.popitem()[1].dispose()


class RunHistory(SqliteRunStorage):
    """Dagster's runs, below ``DAGSTER_HOME``."""

    def __init__(self, conn_string: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._engines = _Engines()
        super().__init__(conn_string, inst_data)

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        return {}

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> "RunHistory":
        return cls.from_local(str(_history()), inst_data)

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        with self._engines.of(self._conn_string).connect() as connection, connection.begin():
            yield connection

    def dispose(self) -> None:
        super().dispose()
        self._engines.close()


class EventHistory(SqliteEventLogStorage):
    """Dagster's events, below ``DAGSTER_HOME``."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._engines = _Engines()
        self._watcher: SqlPollingEventWatcher | None = None
        super().__init__(base_dir, inst_data)

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        return {}

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> "EventHistory":
        return cls(str(_history() / "runs"), inst_data)

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        with self._db_lock:
            engine = self._engines.of(self.conn_string_for_shard(shard))
            if shard not in self._initialized_dbs:
                self._initdb(engine)
                self._initialized_dbs.add(shard)
            with engine.connect() as connection, connection.begin():
                yield connection

    def watch(self, run_id: str, cursor: str | None, callback: EventHandlerFn) -> None:
        """By asking, as on Postgres: a file whose connections stay open does not change with each event."""
        if self._watcher is None:
            self._watcher = SqlPollingEventWatcher(self)
        self._watcher.watch_run(run_id, cursor, callback)

    def end_watch(self, run_id: str, handler: EventHandlerFn) -> None:
        if self._watcher:
            self._watcher.unwatch_run(run_id, handler)

    def wipe(self) -> None:
        self._engines.close()
        super().wipe()

    def dispose(self) -> None:
        if self._watcher:
            self._watcher.close()
            self._watcher = None
        super().dispose()
        self._engines.close()


def _without_waiting(connection: sqlite3.Connection, _: Any) -> None:
    """A commit waits for no disk: with a write-ahead log a loss of power may cost the last events, and damages nothing."""
    connection.execute("PRAGMA synchronous = NORMAL")


def _history() -> Path:
    """Where Dagster keeps its history without any setting."""
    return Path(os.environ["DAGSTER_HOME"]).expanduser() / "history"
