"""The production backend: all companies in one Postgres database, each behind row-level security.

Belongs here: connections, the wall, the lock, bulk writes by COPY, and what the server's errors mean to a person.
Does not belong here: queries (``sql``), tables (``schema``), or changing the database's structure (``upgrade``).

The wall: every transaction begins by naming its company (``set_config(…, true)``, which ends with the transaction, so
a pooled connection carries nothing on), the policies compare each row with it, and the application's role neither owns
a table nor may bypass them.
"""

import hashlib
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any
from uuid import uuid4

import orjson
import psycopg
import sqlalchemy as sa
from psycopg import errors as pg
from sqlalchemy import event
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from domain.company import CompanyId, company_id
from domain.errors import InputError, StorageError, StorageUnavailable
from resources.storage import schema
from resources.storage.base import OpenStore, busy
from resources.storage.sql import SqlCompanyStore, Values
from resources.storage.views import create_views

_LOOK_SECONDS, _LOOK_STEP = 1.0, 0.05
_CONNECT_SECONDS = 10
_COPY_FROM = 20
"""Fewer rows than these go faster in plain statements."""
_ALIVE = {"keepalives": 1, "keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3}
"""A server that vanished is noticed in a minute, not in the two hours of the operating system."""
_SERVER = (
    "-c tcp_keepalives_idle=30 -c tcp_keepalives_interval=10 -c tcp_keepalives_count=3 -c search_path=public,pg_temp"
)
"""And so is a client, whose locks would stay else. No temporary table can stand in front of one of ours."""
_POOLED, _OVERFLOW = 5, 45
_COMPANY = sa.text("SELECT set_config('app.current_company_id', :company, true)")
_WALL = "SELECT set_config('app.current_company_id', %(company)s, true)"
_NAME = sa.text("SELECT set_config('application_name', :name, false)")
_LONGEST_NAME = 63
VERSION_TABLE = "casebook_version"
"""Where the number of the last migration stands; not Alembic's own name, which Dagster uses in the same database."""
HEAD = "0005"
"""The migration this Casebook is written for."""


def database_url(address: str, variable: str) -> URL:
    """An address as SQLAlchemy takes it. Raises ``InputError`` that names the variable, never the password."""
    try:
        url = make_url(address)
    except (ArgumentError, ValueError):
        url = None
    if url is None or url.drivername not in ("postgres", "postgresql", "postgresql+psycopg", "postgresql+psycopg2"):
        file = variable == "CASEBOOK_STORAGE"
        raise InputError(
            f"{variable} is no address of a storage.",
            "It is neither 'file' nor the address of a Postgres database."
            if file
            else "It is not the address of a Postgres database.",
            f"Say {'file, or ' if file else ''}postgresql://USER:PASSWORD@HOST/DATABASE.",
        )
    return url.set(drivername="postgresql+psycopg")


def engine_for(url: URL, **options: Any) -> sa.Engine:
    """An engine whose connections notice a lost peer, quote no row in an error, and leave JSON alone."""
    query = dict(url.query)
    given = query.pop("options", "")
    arguments = {"connect_timeout": _CONNECT_SECONDS, **_ALIVE, "options": f"{_SERVER} {given}".strip()}
    return sa.create_engine(
        url.set(query=query), connect_args=arguments, hide_parameters=True, json_deserializer=orjson.loads, **options
    )


class PostgresStorage:
    """All companies in one database (``resources.storage.base.Storage``)."""

    def __init__(self, url: URL, variable: str = "CASEBOOK_STORAGE") -> None:
        self.place = f"Postgres at {shown(url)}"
        self.variable = variable
        self._engine = engine_for(url, pool_pre_ping=True, pool_size=_POOLED, max_overflow=_OVERFLOW)
        self._checked = False
        self._copies = True

        @event.listens_for(self._engine, "reset")
        def _reset(connection: psycopg.Connection[Any], _record: Any, state: Any) -> None:
            if not state.terminate_only:  # whatever a user of the connection has set by hand ends here
                connection.rollback()
                connection.execute("RESET ALL; DISCARD TEMP; SELECT pg_advisory_unlock_all()")
                connection.commit()

    def check(self) -> None:
        """Ask the database whether it answers, has this version's tables, and keeps companies apart."""
        with self._connected():
            pass

    def close(self) -> None:
        """Close the idle connections."""
        self._engine.dispose()

    @contextmanager
    def registry(self, company: CompanyId | None = None) -> Iterator[sa.Connection]:
        with self._connected() as db, db.begin():
            if company is not None:
                db.execute(_COMPANY, {"company": company_id(company)})
            yield db

    @contextmanager
    def store(self, company: CompanyId) -> Iterator[SqlCompanyStore]:
        with self._connected() as db:
            yield self._opened(db, company_id(company))

    @contextmanager
    def lock(self, company: CompanyId, holder: str) -> Iterator[OpenStore]:
        """The lock lives in the connection that writes under it: who loses the one cannot write by the other."""
        with self._connected() as db:
            db.detach()  # closed at the end, not given back: nothing of the lock may stay behind
            with db.begin():  # whoever finds the lock taken reads this
                db.execute(_NAME, {"name": f"casebook: {holder}"[:_LONGEST_NAME]})
            key = _lock_key(company_id(company))
            if not _take(db, key):
                raise busy(company, _holder(db, key))

            @contextmanager
            def open_store() -> Iterator[SqlCompanyStore]:
                with self.explained():
                    yield self._opened(db, company)

            try:
                yield open_store
            finally:
                _give_back(db, key)

    def is_free(self, company: CompanyId) -> bool:
        with self._connected() as db, db.begin():
            return not _holders(db, _lock_key(company_id(company)))

    def erase(self, company: CompanyId) -> None:
        with self.registry(company) as db:
            for table in schema.store.sorted_tables:
                db.execute(sa.delete(table).where(table.c.company_id == company))

    def scrub(self, company: CompanyId) -> list[str]:
        """Only the owner may VACUUM, and bytes of dead rows stay in a page until others take their place."""
        return [
            "dead rows in Postgres's files: gone with autovacuum and later writes, at once with the owner's VACUUM FULL",
            "Postgres's write-ahead log, its archive, replicas that are behind",
        ]

    def retire_lock(self, company: CompanyId) -> None:
        """It ends with its connection."""

    @contextmanager
    def explained(self) -> Iterator[None]:
        try:
            yield
        except PoolTimeout:
            raise StorageUnavailable(
                "the database is asked too much at once.", f"{_POOLED + _OVERFLOW} connections are in use.", _AGAIN
            ) from None
        except (DBAPIError, psycopg.Error) as error:
            # What the server says of a row may quote it: only its first line is told, and nothing is chained.
            raise told(error, self.place, self.variable) from None

    @contextmanager
    def _connected(self) -> Iterator[sa.Connection]:
        with self.explained(), self._engine.connect() as db:
            if not self._checked:
                self._copies = _check(db, self.place)
                self._checked = True
            yield db

    def _opened(self, db: sa.Connection, company: CompanyId) -> "PostgresCompanyStore":
        """The company's store on a connection; its clock is set going when it is new."""
        store = PostgresCompanyStore(db, company, self._copies)
        clock = schema.clock
        with db.begin():
            store.enter()
            _check_version(db, self.place)  # a daemon lives longer than a version
            if not db.execute(sa.select(clock.c.seq).where(clock.c.company_id == company)).first():
                row = {"company_id": company, "seq": 0, "store_id": uuid4().hex, "schema_version": int(HEAD)}
                db.execute(insert(clock).on_conflict_do_nothing(), row)
        return store


class PostgresCompanyStore(SqlCompanyStore):
    """One company's rows, behind the wall."""

    dialect = PGDialect_psycopg()

    def __init__(self, connection: sa.Connection, company: CompanyId, copies: bool = True) -> None:
        super().__init__(connection, company)
        self._copies = copies
        self._own = self.driver

    def enter(self) -> None:
        self._stay()
        self.db.execute(_COMPANY, {"company": self.company})

    @contextmanager
    def durably(self) -> Iterator[None]:
        yield  # every commit is, unless the server's owner wants it otherwise

    def _stay(self) -> None:
        """A connection that was lost is not replaced unnoticed: the company's lock was lost with it."""
        if self.driver is not self._own:
            raise StorageUnavailable("the connection to the database was lost.", "", _AGAIN)

    @staticmethod
    def packed(values: Sequence[str]) -> list[str]:
        return list(values)

    @staticmethod
    def among(column: sa.ColumnElement[str], values: sa.BindParameter[Any]) -> sa.ColumnElement[bool]:
        return column == sa.func.any(sa.cast(values, ARRAY(sa.Text)))

    def fetch(self, statement: str, values: Mapping[str, Any]) -> list[Values]:
        if self.db.in_transaction():
            return super().fetch(statement, values)
        with self._transaction():
            return super().fetch(statement, values)

    def fetch_few(self, statement: str, values: Mapping[str, Any]) -> list[Values]:
        if self.db.in_transaction():
            return super().fetch(statement, values)
        self._stay()
        connection: psycopg.Connection[Any] = self.driver
        try:
            with connection.pipeline():  # the wall, the question and the end of the transaction in one journey
                connection.execute(_WALL, {"company": self.company})
                cursor = connection.execute(statement.encode(), values)
                connection.commit()
            return cursor.fetchall()
        except BaseException:
            if connection.closed:
                self.db.invalidate()
            else:
                connection.rollback()
            raise

    def write_rows(self, stage: sa.Table, rows: Sequence[dict[str, Any]]) -> None:
        if len(rows) < _COPY_FROM or not self._copies:
            super().write_rows(stage, rows)
            return
        columns = [column.name for column in stage.c]
        with self._copied(stage, ([row[name] for name in columns] for row in rows)) as incoming:
            self.db.execute(self.upsert_from(stage, insert(stage).from_select(columns, sa.select(*incoming.c))))

    def insert_rows(self, table: sa.Table, rows: Sequence[Sequence[Any]]) -> None:
        if not self._copies:
            super().insert_rows(table, rows)
            return
        with self._copied(table, rows) as incoming:
            self.db.execute(sa.insert(table).from_select(list(table.c.keys()), sa.select(*incoming.c)))

    @contextmanager
    def _copied(self, table: sa.Table, rows: Iterable[Sequence[Any]]) -> Iterator[sa.TableClause]:
        """Rows in a table of this session's own, which an INSERT then takes through the wall: COPY knows no policies."""
        name, columns = f"incoming_{table.name}", table.c.keys()
        self.db.exec_driver_sql(f"CREATE TEMP TABLE IF NOT EXISTS {name} (LIKE {table.name}) ON COMMIT DELETE ROWS")
        statement = f"COPY pg_temp.{name} ({', '.join(columns)}) FROM STDIN"
        with self.driver.cursor() as cursor, cursor.copy(statement.encode()) as copy:
            for row in rows:
                copy.write_row(row)
        incoming = sa.table(name, *(sa.column(column) for column in columns), schema="pg_temp")
        yield incoming
        self.db.execute(sa.delete(incoming))


# --- the lock ---------------------------------------------------------------------------------------------------------


def _lock_key(company: CompanyId) -> int:
    """An advisory lock's number: 64 bits of a hash, so that no table of numbers is needed."""
    digest = hashlib.blake2b(f"casebook company {company}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, signed=True)


def _take(db: sa.Connection, key: int) -> bool:
    deadline = time.monotonic() + _LOOK_SECONDS
    while True:
        with db.begin():  # the lock outlives the transaction
            if db.execute(sa.text("SELECT pg_try_advisory_lock(:key)"), {"key": key}).scalar_one():
                return True
        if time.monotonic() > deadline:
            return False
        time.sleep(_LOOK_STEP)


def _give_back(db: sa.Connection, key: int) -> None:
    """At once: a server may notice only a moment later that the connection was closed. A broken one holds nothing."""
    with suppress(DBAPIError, psycopg.Error), db.begin():
        db.execute(sa.text("SELECT pg_advisory_unlock(:key)"), {"key": key})


def _holders(db: sa.Connection, key: int) -> list[str]:
    """What the sessions call themselves that hold a lock; another role's name is hidden."""
    query = sa.text(
        "SELECT coalesce(a.application_name, '') FROM pg_locks l LEFT JOIN pg_stat_activity a USING (pid) "
        "WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 "
        "AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) "
        "AND (l.classid::bigint << 32 | l.objid::bigint) = :key"
    )
    return [name for (name,) in db.execute(query, {"key": key})]


def _holder(db: sa.Connection, key: int) -> str:
    with db.begin():
        names = _holders(db, key)
    return names[0].removeprefix("casebook: ") if names and names[0] else "another process"


# --- what the server says, in words for a person ----------------------------------------------------------------------


def shown(url: URL) -> str:
    """An address without its password."""
    return f"{url.host or url.query.get('host') or 'the local socket'}:{url.port or 5432}/{url.database or ''}"


def told(error: Exception, place: str, variable: str = "CASEBOOK_STORAGE") -> StorageError:
    """A server's error as ours. The detail is the server's first line, which names no value of a row."""
    cause = getattr(error, "orig", None) or error
    primary = cause.diag.message_primary if isinstance(cause, psycopg.Error) else None
    said = (primary or str(cause).splitlines()[0]).strip().rstrip(".")
    for kinds, title, remedy in _TOLD:
        if isinstance(cause, kinds):
            return StorageError(title, f"{place}: {said}.", remedy.format(variable=variable))
    if primary is None and isinstance(cause, psycopg.ProgrammingError):  # the client library cannot read it
        return StorageError("the database's address is not understood.", f"{place}: {said}.", f"Check {variable}.")
    if primary is None and isinstance(cause, psycopg.OperationalError):
        return _connection_told(said, place, variable)
    if isinstance(cause, psycopg.OperationalError):
        return StorageUnavailable("the database stopped answering.", f"{place}: {said}.", _AGAIN)
    return StorageError("the database refuses.", f"{place}: {said}.", "This is a fault of Casebook: please report it.")


_AGAIN = "When it is back, run the command again: it goes on where it stopped."
_NEW = " On a new database, 'casebook storage upgrade' makes the role first."
_UPGRADE = "Run 'casebook storage upgrade' with the owner's address in CASEBOOK_STORAGE_ADMIN."
_TOLD: tuple[tuple[tuple[type[Exception], ...], str, str], ...] = (
    (
        (pg.InvalidPassword, pg.InvalidAuthorizationSpecification),
        "the database does not let us in.",
        "Check user and password in {variable}.",
    ),
    ((pg.InvalidCatalogName,), "there is no such database.", "Check its name in {variable}."),
    ((pg.InsufficientPrivilege,), "the database's role lacks a right.", _UPGRADE),
    ((pg.UndefinedTable, pg.UndefinedColumn), "the database has not the tables of this Casebook.", _UPGRADE),
    ((pg.DiskFull, pg.OutOfMemory, pg.IoError), "the database cannot write.", f"Look at its disk. {_AGAIN}"),
    ((pg.InternalError_,), "the database failed.", f"Look at the server's log, and at its disk. {_AGAIN}"),
    ((pg.ReadOnlySqlTransaction,), "the database takes no writes.", f"It may be a standby. {_AGAIN}"),
)


def _connection_told(said: str, place: str, variable: str) -> StorageError:
    """Errors of connecting, which carry no code: the client library only has words for them."""
    lower = said.lower()
    if "password" in lower or "no pg_hba.conf entry" in lower or ("role" in lower and "does not exist" in lower):
        return StorageError(
            "the database does not let us in.",
            f"{place}: {said}.",
            f"Check user and password in {variable}.{_NEW if variable == 'CASEBOOK_STORAGE' else ''}",
        )
    if "database" in lower and "does not exist" in lower:
        return StorageError("there is no such database.", f"{place}: {said}.", f"Check its name in {variable}.")
    if "certificate" in lower or "ssl" in lower:
        return StorageError(
            "the database's encryption is not what its address asks for.",
            f"{place}: {said}.",
            f"Check sslmode and sslrootcert in {variable}.",
        )
    return StorageUnavailable(
        "the database cannot be reached.", f"{place}: {said}.", f"Check {variable} and the server. {_AGAIN}"
    )


def _check(db: sa.Connection, place: str) -> bool:
    """Refuse a database of another version, a role that the wall does not hold, and a wall that was taken down. Tells
    whether COPY can be used, which needs the right to temporary tables. Raises ``StorageError``."""
    with db.begin():
        if not db.execute(sa.text("SELECT to_regclass(:name)"), {"name": VERSION_TABLE}).scalar_one():
            raise StorageError("the database is empty.", f"{place} has no tables of Casebook.", _UPGRADE)
        _check_version(db, place)
        role, unwalled, copies = db.execute(_ROLE).one()
        open_tables = [name for (name,) in db.execute(_OPEN_TABLES)]
    if unwalled:
        raise StorageError(
            "the database's role could pass the walls between companies.",
            f"{place}: {role!r} {unwalled}.",
            "Put a role into CASEBOOK_STORAGE that is a member of app_user and owns nothing; see docs/postgres.md.",
        )
    if open_tables:
        raise StorageError(
            "the walls between companies were changed.",
            f"{place}: {', '.join(open_tables)}.",
            "Restore row-level security, FORCE and the one policy of each table; see docs/postgres.md.",
        )
    return copies


def _check_version(db: sa.Connection, place: str) -> None:
    version = db.execute(_VERSION).scalar_one_or_none() or ""
    if version < HEAD:
        raise StorageError("the database is older than this Casebook.", f"{place} is at {version!r}.", _UPGRADE)
    if version > HEAD:
        raise StorageError("the database is newer than this Casebook.", f"{place} is at {version!r}.", "Update it.")


_VERSION = sa.text(f"SELECT version_num FROM {VERSION_TABLE}")  # noqa: S608 -- our own name
_ROLE = sa.text("""
    SELECT current_user,
           CASE WHEN r.rolsuper THEN 'is a superuser'
                WHEN r.rolbypassrls THEN 'has BYPASSRLS'
                WHEN EXISTS (SELECT FROM pg_roles s WHERE (s.rolsuper OR s.rolbypassrls)
                             AND pg_has_role(current_user, s.oid, 'MEMBER')) THEN 'is a member of a role that can'
                WHEN pg_has_role(current_user, c.relowner, 'MEMBER') THEN 'owns the tables'
                WHEN NOT pg_has_role(current_user, 'app_user', 'USAGE') THEN 'is not a member of app_user'
           END,
           has_database_privilege(current_database(), 'TEMPORARY')
    FROM pg_roles r, pg_class c
    WHERE r.rolname = current_user AND c.oid = to_regclass('clock')
""")
_OPEN_TABLES = sa.text("""
    SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'company_id'
    WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace AND c.relname NOT IN ('companies', 'audit')
      AND (NOT c.relrowsecurity OR NOT c.relforcerowsecurity OR ARRAY(
           SELECT (p.polname, pg_get_expr(p.polqual, c.oid), pg_get_expr(p.polwithcheck, c.oid))::text
           FROM pg_policy p WHERE p.polrelid = c.oid
           ) <> ARRAY[(c.relname || '_company_isolation', :theirs, :theirs)::text])
    UNION ALL
    SELECT c.relname FROM pg_class c
    WHERE c.relkind = 'v' AND c.relnamespace = 'public'::regnamespace AND c.relname = ANY(:views)
      AND NOT coalesce(c.reloptions @> ARRAY['security_invoker=true'], false)
    ORDER BY 1
""").bindparams(
    sa.bindparam("theirs", "(company_id = current_setting('app.current_company_id'::text, true))", type_=sa.Text),
    sa.bindparam("views", list(create_views("postgresql")), type_=ARRAY(sa.Text)),
)
"""Tables of companies (a column says whose a row is) and views that are not behind their wall."""
