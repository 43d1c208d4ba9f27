"""The default backend: one SQLite file a company, which is a wall that needs no rule.

Belongs here: opening and creating the file, its settings, and what its damage looks like to a person.
Does not belong here: queries (``sql``) or tables (``schema``).
"""

import errno
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import sqlalchemy as sa
from filelock import FileLock
from sqlalchemy import event
from sqlalchemy.exc import DatabaseError

from domain.company import CompanyId
from domain.errors import StorageError
from resources.storage import schema
from resources.storage.sql import SqlCompanyStore

_UNWRITABLE = {
    errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EEXIST, errno.ENOTDIR,
    errno.EISDIR,
}  # fmt: skip


@contextmanager
def opened(path: Path, build: Callable[[sa.Connection], None]) -> Iterator[sa.Connection]:
    """A connection to the database at ``path``; ``build`` fills a missing one. Raises ``StorageError``."""
    with explained(path):
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            _make(path, build)
        with _engine(path).connect() as connection:
            yield connection


def _make(path: Path, build: Callable[[sa.Connection], None]) -> None:
    """A database that appears whole: two processes that need it at once would lock each other out of half of one."""
    with FileLock(f"{path}.lock"):
        if path.exists():
            return
        draft = path.with_name(f"{path.name}.new")
        # SQLite would play the log of a file that was moved away into its successor.
        for leftover in (draft, *(Path(f"{file}-{kind}") for file in (path, draft) for kind in ("wal", "shm"))):
            leftover.unlink(missing_ok=True)
        with closing(sqlite3.connect(draft)) as plain:
            plain.execute("PRAGMA journal_mode=WAL")  # the file remembers it
        with _engine(draft).connect() as connection, connection.begin():
            build(connection)
        draft.rename(path)


def _engine(path: Path) -> sa.Engine:
    """An engine on a SQLite file with the settings every file of ours has.

    WAL (``_make``) lets readers go on during a write. NORMAL loses nothing to kill -9 (the kept results of paid calls
    are committed one by one; a power cut may cost the last of them).
    """
    engine = sa.create_engine(
        f"sqlite:///{path}", connect_args={"timeout": 30}, poolclass=sa.NullPool, hide_parameters=True
    )

    @event.listens_for(engine, "connect")
    def _settings(connection: sqlite3.Connection, _record: Any) -> None:
        connection.isolation_level = None  # BEGIN is ours, below: pysqlite's own comes too late for a safe write
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute("PRAGMA secure_delete=ON")  # what is erased does not stay behind in free pages

    @event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql("BEGIN")

    return engine


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn what SQLite, or the disk, says of a file into words for a person. Raises ``StorageError``."""
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
        if error.errno not in _UNWRITABLE:
            raise
        raise StorageError(
            "the folder cannot be written.", f"{error.filename or path}: {error.strerror}.", "Check CASEBOOK_HOME."
        ) from error


@contextmanager
def open_store(folder: Path, company: CompanyId) -> Iterator[SqlCompanyStore]:
    """The store of one company in its own folder; made when it is missing. Raises ``StorageError``."""
    path = folder / "casebook.sqlite"
    with opened(path, partial(_build, company=company)) as connection:
        _verify(connection, company, path)
        yield SqlCompanyStore(connection, company)


def _build(connection: sa.Connection, company: CompanyId) -> None:
    schema.metadata.create_all(connection)
    connection.execute(
        sa.insert(schema.clock),
        {"company_id": company, "seq": 0, "store_id": uuid4().hex, "schema_version": schema.SCHEMA_VERSION},
    )
    connection.exec_driver_sql(f"PRAGMA user_version={schema.SCHEMA_VERSION}")


def _verify(connection: sa.Connection, company: CompanyId, path: Path) -> None:
    """Refuse a file that is not this company's, or that this Casebook cannot read."""
    with connection.begin():
        version = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
        if version > schema.SCHEMA_VERSION:
            raise StorageError(
                "the database is newer than this Casebook.",
                f"{path} has version {version}, this is version {schema.SCHEMA_VERSION}.",
                "Update Casebook.",
            )
        if version < schema.SCHEMA_VERSION:
            raise StorageError(
                "this is no database of Casebook.",
                f"{path} has no tables of ours.",
                "Move it away: the next sync fills a new one from the source.",
            )
        owners = connection.execute(sa.select(schema.clock.c.company_id)).scalars().all()
    if owners != [company]:
        raise StorageError(
            "the database belongs to another company.",
            f"{path} is of {', '.join(map(repr, owners)) or 'nobody'}, not of {company!r}.",
            "Put each company's file back into its own folder.",
        )
