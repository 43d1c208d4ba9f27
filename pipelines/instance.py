"""The Dagster instance of this home: where its history lies, and whether its daemon runs.

Belongs here: preparing ``DAGSTER_HOME`` for the commands. Does not belong here: ``dagster.yaml``'s settings.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from resources.settings import REPOSITORY, Settings

if TYPE_CHECKING:
    import dagster as dg

_RECYCLE_SECONDS = 30  # older connections are not trusted: what is between may have closed them
_HEARTBEAT_SECONDS = 120  # a daemon beats every 30 s


def prepare(settings: Settings) -> Path:
    """Make the Dagster home, link the ``dagster.yaml`` into it that serves (Dagster reads only that one: the repository's,
    or the one of ``deploy/postgres``), and point this process and its children at both. Nothing is written beside the
    code."""
    home = settings.dagster_home
    home.mkdir(parents=True, exist_ok=True)
    wanted = REPOSITORY / "dagster.yaml"
    if settings.dagster_storage:
        wanted = REPOSITORY / "deploy" / "postgres" / "dagster.yaml"
        os.environ["CASEBOOK_DAGSTER_STORAGE"] = dagster_address(settings)
    link = home / "dagster.yaml"
    if not link.is_symlink() or link.resolve() != wanted:
        draft = home / f".dagster.yaml.{os.getpid()}"
        draft.symlink_to(wanted)
        draft.replace(link)
    os.environ["DAGSTER_HOME"] = str(home)
    os.environ["CASEBOOK_HOME"] = str(settings.root)
    os.environ["DAGSTER_DISABLE_TELEMETRY"] = "1"
    return home


def dagster_address(settings: Settings) -> str:
    """The address of Dagster's database, with the driver it speaks. Raises ``InputError`` for what is none."""
    from resources.storage.postgres import database_url

    url = database_url(settings.dagster_storage, "CASEBOOK_DAGSTER_STORAGE")
    return url.set(drivername="postgresql+psycopg2").render_as_string(hide_password=False)


@contextmanager
def opened(settings: Settings) -> "Iterator[dg.DagsterInstance]":
    """Dagster's history of this home. Raises ``StorageError`` when its files, or its database, cannot be used."""
    import dagster as dg

    from resources.storage.sqlite import explained

    with explained(settings.dagster_home):
        prepare(settings)
        if settings.dagster_storage:
            _ask_database(settings)
        with dg.DagsterInstance.get() as instance:
            yield instance


@contextmanager
def connected(instance: "dg.DagsterInstance") -> "Iterator[None]":
    """Keep Dagster's connections to Postgres open meanwhile; anywhere but in its web server it connects for each statement.
    In files that is so anyway (``dagster_history``)."""
    instance.optimize_for_webserver(statement_timeout=0, pool_recycle=_RECYCLE_SECONDS, max_overflow=20)
    try:
        yield
    finally:
        for storage in (instance.run_storage, instance.event_log_storage, instance.schedule_storage):
            if engine := getattr(storage, "_engine", None):
                engine.dispose()


def _ask_database(settings: Settings) -> None:
    """Whether Dagster's own database answers: Dagster itself would try for long, and fail with a traceback."""
    import psycopg

    from resources.storage.postgres import database_url, shown, told

    url = database_url(settings.dagster_storage, "CASEBOOK_DAGSTER_STORAGE")
    try:
        psycopg.connect(
            url.set(drivername="postgresql").render_as_string(hide_password=False), connect_timeout=10
        ).close()
    except psycopg.Error as error:
        raise told(error, f"Dagster's own, Postgres at {shown(url)}", "CASEBOOK_DAGSTER_STORAGE") from None


def daemon_runs(settings: Settings) -> bool:
    """Whether a Dagster daemon has given a sign of life lately; without one no night starts by itself."""
    with opened(settings) as instance:
        beats = instance.get_daemon_heartbeats()
    return any(time.time() - beat.timestamp < _HEARTBEAT_SECONDS for beat in beats.values())


def last_sync(settings: Settings, company: str) -> str:
    """When the last sync of a company ended well, ISO 8601 UTC; "" when none did."""
    import dagster as dg

    with opened(settings) as instance:
        filters = dg.RunsFilter(
            job_name="sync", statuses=[dg.DagsterRunStatus.SUCCESS], tags={"dagster/partition": company}
        )
        records = instance.get_run_records(filters, limit=1)
    if not records or records[0].end_time is None:
        return ""
    return datetime.fromtimestamp(records[0].end_time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
