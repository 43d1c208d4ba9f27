"""The default backend: one SQLite file a company, which is a wall that needs no rule, and one for the registry.

Belongs here: opening and creating the files, their settings, their locks, and what their damage looks like to a person.
Does not belong here: queries (``sql``), tables (``schema``), or older versions of them (``sqlite_versions``).
"""

import errno
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import sqlalchemy as sa
from filelock import BaseFileLock, FileLock, Timeout
from sqlalchemy import event
from sqlalchemy.exc import DatabaseError

from domain.company import CompanyId, company_id
from domain.errors import StorageError
from resources.storage import schema, sqlite_versions
from resources.storage.base import OpenStore, busy
from resources.storage.sql import SqlCompanyStore

_UNWRITABLE = {
    errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EEXIST, errno.ENOTDIR,
    errno.EISDIR,
}  # fmt: skip
_FILE = "casebook.sqlite"
_LOOK_SECONDS = 1.0
"""How long a lock is waited for: longer than somebody takes who only looks whether it is free."""


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

    WAL (``_make``) lets readers go on during a write. NORMAL loses nothing to kill -9, and to a power cut only what the
    next sync makes again; what money was paid for is written to the disk at once (``SqlCompanyStore.durably``).
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


class FileStorage:
    """Everything under one home (``resources.storage.base.Storage``)."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @property
    def place(self) -> str:
        return f"files in {self.root}"

    @contextmanager
    def registry(self, company: CompanyId | None = None) -> Iterator[sa.Connection]:
        path = self.root / "registry.sqlite"
        with opened(path, _build_registry) as db:
            sqlite_versions.upgrade(db, path, sqlite_versions.REGISTRY)
            with db.begin():
                yield db

    def store(self, company: CompanyId) -> AbstractContextManager[SqlCompanyStore]:
        return open_store(self.folder(company), company)

    def folder(self, company: CompanyId) -> Path:
        return self.root / "companies" / company_id(company)

    @contextmanager
    def lock(self, company: CompanyId, holder: str) -> Iterator[OpenStore]:
        lock, note = self._lock(company)
        with explained(note.parent):
            try:
                lock.acquire(_LOOK_SECONDS)
            except Timeout:
                raise busy(company, _holder(note)) from None
        try:
            with explained(note):
                note.write_text(holder)
            yield partial(self.store, company)
        finally:
            note.unlink(missing_ok=True)
            lock.release()

    def is_free(self, company: CompanyId) -> bool:
        lock, note = self._lock(company)
        with explained(note.parent):
            try:
                lock.acquire(0)
            except Timeout:
                return False
        lock.release()
        return True

    def erase(self, company: CompanyId) -> None:
        with explained(self.folder(company)):
            for name in ("-wal", "-shm", "", ".lock"):
                (self.folder(company) / f"{_FILE}{name}").unlink(missing_ok=True)

    def scrub(self, company: CompanyId) -> list[str]:
        """Rows that moved leave copies in their pages that secure_delete does not meet, and all lie in the log: the files are
        written anew, whole."""
        for path in (self.folder(company) / _FILE, self.root / "registry.sqlite"):
            if path.exists():
                with explained(path), _engine(path).connect() as db:
                    plain: Any = db.connection.driver_connection
                    plain.execute("VACUUM")
                    reading, *_ = plain.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
                    if reading:
                        raise StorageError(
                            "the database's log cannot be emptied.",
                            f"{path}: another process reads from it.",
                            "End it, or wait for it, and run the command again.",
                        )
        return []

    def retire_lock(self, company: CompanyId) -> None:
        """Who waits for the lock of a file that is gone makes another one (filelock looks at its links)."""
        (self.root / "locks" / f"{company_id(company)}.lock").unlink(missing_ok=True)

    def explained(self) -> AbstractContextManager[None]:
        return explained(self.root)

    def _lock(self, company: CompanyId) -> tuple[BaseFileLock, Path]:
        """A company's lock and the note that says who holds it."""
        folder = self.root / "locks"
        with explained(folder):
            folder.mkdir(exist_ok=True)
        name = company_id(company)
        return FileLock(folder / f"{name}.lock"), folder / f"{name}.holder"


def _holder(note: Path) -> str:
    try:
        return note.read_text()
    except FileNotFoundError:  # it is just taking the lock, or giving it back
        return "another process"


@contextmanager
def open_store(folder: Path, company: CompanyId) -> Iterator[SqlCompanyStore]:
    """The store of one company in its own folder; made when it is missing. Raises ``StorageError``."""
    path = folder / _FILE
    with opened(path, partial(_build, company=company)) as connection:
        sqlite_versions.upgrade(connection, path, sqlite_versions.STORE)
        _verify(connection, company, path)
        yield SqlCompanyStore(connection, company)


# --- how a file is made -----------------------------------------------------------------------------------------------


def _build(connection: sa.Connection, company: CompanyId) -> None:
    schema.store.create_all(connection)
    sqlite_versions.make_views(connection)
    connection.execute(
        sa.insert(schema.clock),
        {"company_id": company, "seq": 0, "store_id": uuid4().hex, "schema_version": schema.SCHEMA_VERSION},
    )
    connection.exec_driver_sql(f"PRAGMA user_version={schema.SCHEMA_VERSION}")


def _build_registry(connection: sa.Connection) -> None:
    schema.registry.create_all(connection)
    connection.exec_driver_sql(f"PRAGMA user_version={schema.SCHEMA_VERSION}")


def _verify(connection: sa.Connection, company: CompanyId, path: Path) -> None:
    """Refuse a file that is another company's."""
    with connection.begin():
        owners = connection.execute(sa.select(schema.clock.c.company_id)).scalars().all()
    if owners != [company]:
        raise StorageError(
            "the database belongs to another company.",
            f"{path} is of {', '.join(map(repr, owners)) or 'nobody'}, not of {company!r}.",
            "Put each company's file back into its own folder.",
        )
