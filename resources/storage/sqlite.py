"""The default backend: one SQLite file a company, which is a wall that needs no rule.

Belongs here: opening and creating the file, its settings, and what its damage looks like to a person.
Does not belong here: queries (``sql``) or tables (``schema``).
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.exc import DatabaseError

from domain.company import CompanyId
from domain.errors import StorageError
from resources.storage import schema
from resources.storage.sql import SqlCompanyStore


def connect(path: Path) -> sa.Engine:
    """An engine on a SQLite file with the settings every file of ours has.

    WAL lets readers go on during a write. NORMAL loses nothing to kill -9 (the kept results of paid calls are
    committed one by one; a power cut may cost the last of them).
    """
    engine = sa.create_engine(f"sqlite:///{path}", connect_args={"timeout": 30}, poolclass=sa.NullPool)

    @event.listens_for(engine, "connect")
    def _settings(connection: sqlite3.Connection, _record: Any) -> None:
        connection.isolation_level = None  # BEGIN is ours, below: pysqlite's own comes too late for a safe write
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")

    @event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql("BEGIN")

    return engine


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn what SQLite says of a file into words for a person. Raises ``StorageError``."""
    try:
        yield
    except (DatabaseError, sqlite3.DatabaseError) as error:
        cause = str(getattr(error, "orig", error))
        if "no such table" in cause or "syntax" in cause or "constraint" in cause.lower():
            raise
        raise StorageError(
            "the database cannot be used.",
            f"{path}: {cause}.",
            "Free space or give rights where that is the cause; a damaged file can be moved away: "
            "the next sync fills a new one from the source.",
        ) from error
    except OSError as error:
        raise StorageError(
            "the folder cannot be written.", f"{error.filename or path}: {error.strerror}.", "Check CASEBOOK_HOME."
        ) from error


@contextmanager
def open_store(folder: Path, company: CompanyId) -> Iterator[SqlCompanyStore]:
    """The store of one company in its own folder; made when it is missing. Raises ``StorageError``."""
    path = folder / "casebook.sqlite"
    with explained(path):
        folder.mkdir(parents=True, exist_ok=True)
        engine = connect(path)
        with engine.connect() as connection:
            _prepare(connection, company)
            yield SqlCompanyStore(connection, company)


def _prepare(connection: sa.Connection, company: CompanyId) -> None:
    with connection.begin():
        version = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
    if version == schema.SCHEMA_VERSION:
        return
    if version > schema.SCHEMA_VERSION:
        raise StorageError(
            "the database is newer than this Casebook.",
            f"It has version {version}, this is version {schema.SCHEMA_VERSION}.",
            "Update Casebook.",
        )
    with connection.begin():
        schema.metadata.create_all(connection)
        connection.execute(
            insert(schema.clock).on_conflict_do_nothing(),
            {"company_id": company, "seq": 0, "store_id": uuid4().hex, "schema_version": schema.SCHEMA_VERSION},
        )
        connection.exec_driver_sql(f"PRAGMA user_version={schema.SCHEMA_VERSION}")
