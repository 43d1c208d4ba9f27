"""``casebook storage upgrade``: the one place that changes a Postgres database's structure, as the role that owns it.

Belongs here: making the application's role, running the migrations. Does not belong here: the migrations themselves,
or the upgrade of SQLite files, which happens when they are opened (``sqlite``).
"""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from psycopg import sql
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from domain.errors import InputError, StorageError
from resources.settings import Settings
from resources.storage.migrations.blocks import ROLE
from resources.storage.postgres import (
    HEAD,
    VERSION_TABLE,
    PostgresStorage,
    database_url,
    engine_for,
    shown,
    told,
)
from resources.storage.views import create_views

_OLDEST = 150000


@dataclass(frozen=True, slots=True)
class Upgraded:
    """What an upgrade did: the version before ("" for none) and now, and the roles it made."""

    place: str
    before: str
    now: str
    roles: list[str]


def upgrade(settings: Settings) -> Upgraded:
    """Bring the database up to this version; safe to repeat, and all or nothing.

    Raises ``InputError`` for missing or wrong addresses, ``StorageError`` when the server refuses, also the application's
    own address afterwards.
    """
    if settings.storage == "file":
        raise InputError(
            "there is nothing to upgrade.", "CASEBOOK_STORAGE is 'file': files are upgraded when they are opened."
        )
    app = database_url(settings.storage, "CASEBOOK_STORAGE")
    if not settings.storage_admin:
        raise InputError(
            "the owner's address is missing.",
            "The application's role may not change tables.",
            "Set CASEBOOK_STORAGE_ADMIN to the same database's address as the role that owns it.",
        )
    admin = database_url(settings.storage_admin, "CASEBOOK_STORAGE_ADMIN")
    # Their hosts may be written differently, and a pooler may stand before one of them.
    if admin.database != app.database:
        raise InputError(
            "the two addresses lead to different databases.",
            f"CASEBOOK_STORAGE is {shown(app)}, CASEBOOK_STORAGE_ADMIN is {shown(admin)}.",
        )
    if admin.username == app.username:
        raise InputError(
            "owner and application are the same role.",
            f"Both are {app.username!r}; a role that owns tables is not held by the walls between companies.",
            f"Give CASEBOOK_STORAGE another role, such as {ROLE}: it is made if it does not exist.",
        )
    try:
        with engine_for(admin, poolclass=NullPool).connect() as db, db.begin():
            done = _upgrade(db, app)
    except (DBAPIError, psycopg.Error) as error:
        raise told(error, f"Postgres at {shown(admin)} as {admin.username!r}", "CASEBOOK_STORAGE_ADMIN") from None
    application = PostgresStorage(app)
    application.check()  # what is of no use to the application must not be called done
    application.close()
    return done


def _upgrade(db: sa.Connection, app: URL) -> Upgraded:
    number = db.execute(sa.text("SHOW server_version_num")).scalar_one()
    if int(number) < _OLDEST:
        raise StorageError("this Postgres is too old.", f"It is {int(number) // 10000}.", "Casebook needs 15 or later.")
    db.execute(sa.text("SELECT pg_advisory_xact_lock(hashtext('casebook storage upgrade'))"))  # one at a time
    before = _version(db)
    if before > HEAD:
        raise StorageError("the database is newer than this Casebook.", f"It is at {before!r}.", "Update Casebook.")
    made = _roles(db, app)
    db.execute(sa.text(f"GRANT USAGE ON SCHEMA public TO {ROLE}"))
    temporary = sql.SQL("GRANT TEMPORARY ON DATABASE {} TO {}")
    # Only the database's owner may; without it, rows go in one by one.
    with suppress(DBAPIError, psycopg.Error), db.begin_nested():
        _run(db, temporary.format(sql.Identifier(app.database or ""), sql.Identifier(ROLE)))
    if before != HEAD:
        _migrate(db)
    return Upgraded(shown(app), before, _version(db), made)


def _migrate(db: sa.Connection) -> None:
    """Every missing version, then the views, which are always those of the newest tables."""
    views = create_views("postgresql")
    for name in views:
        db.execute(sa.text(f"DROP VIEW IF EXISTS {name}"))
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = db
    command.upgrade(config, "head")
    for name, statement in views.items():
        db.exec_driver_sql(statement)
        db.execute(sa.text(f"GRANT SELECT ON {name} TO {ROLE}"))
    db.execute(sa.text(f"GRANT SELECT ON {VERSION_TABLE} TO {ROLE}"))


def _version(db: sa.Connection) -> str:
    if not db.execute(sa.text("SELECT to_regclass(:name)"), {"name": VERSION_TABLE}).scalar_one():
        return ""
    return db.execute(sa.text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar_one_or_none() or ""  # noqa: S608


def _roles(db: sa.Connection, app: URL) -> list[str]:
    """Make the policies' role, and the one that logs in, where they do not exist; existing ones keep their password."""
    made: list[str] = []
    login = app.username or ""
    for name in dict.fromkeys((ROLE, login)):
        if not name or db.execute(sa.text("SELECT 1 FROM pg_roles WHERE rolname = :name"), {"name": name}).first():
            continue
        _make_role(db, name, str(app.password or "") if name == login else None)
        made.append(name)
    if login not in ("", ROLE):
        _run(db, sql.SQL("GRANT {} TO {}").format(sql.Identifier(ROLE), sql.Identifier(login)))
    return made


def _make_role(db: sa.Connection, name: str, password: str | None) -> None:
    """A role without any right of its own. Its password is hashed here, so that no log of the server can hold it."""
    connection: Any = db.connection.dbapi_connection
    kind = sql.SQL("NOLOGIN")
    if password is not None:
        kind = sql.SQL("LOGIN")
        if password:
            hashed = connection.pgconn.encrypt_password(password.encode(), name.encode(), b"scram-sha-256").decode()
            kind = sql.SQL("LOGIN PASSWORD {}").format(sql.Literal(hashed))
    # NOSUPERUSER, NOBYPASSRLS and the rest are the defaults; who may not grant them may not name them either.
    _run(db, sql.SQL("CREATE ROLE {} {}").format(sql.Identifier(name), kind))


def _run(db: sa.Connection, statement: sql.Composed) -> None:
    connection: Any = db.connection.dbapi_connection
    connection.execute(statement)
