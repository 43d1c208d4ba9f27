"""How a SQLite file of an older version becomes one of this, step by step, when it is opened.

Belongs here: one step a version, in SQL of its own time: a step that used today's tables would change with them.
Does not belong here: Postgres's versions (``migrations``), or the tables as they are now (``schema``).
"""

from collections.abc import Callable, Mapping
from pathlib import Path

import sqlalchemy as sa
from filelock import FileLock

from domain.errors import StorageError
from resources.storage.schema import SCHEMA_VERSION
from resources.storage.views import create_views

Steps = Mapping[int, Callable[[sa.Connection], None]]
"""From a version to the next one."""


def upgrade(connection: sa.Connection, path: Path, steps: Steps, newest: int = SCHEMA_VERSION) -> None:
    """Bring a file up to the newest version, whole or not at all. Raises ``StorageError`` for a newer one, and for a file
    that is none of ours."""
    found = _version(connection)
    if found == newest:
        return
    if found > newest:
        raise StorageError(
            "the database is newer than this Casebook.",
            f"{path} has version {found}, this is version {newest}.",
            "Update Casebook.",
        )
    with FileLock(f"{path}.lock"), connection.begin():
        while (version := connection.exec_driver_sql("PRAGMA user_version").scalar_one()) < newest:
            if version not in steps or not _is_ours(connection):
                raise StorageError(
                    "this is no database of Casebook.",
                    f"{path} has no tables of ours.",
                    "Move it away: the next sync fills a new one from the source.",
                )
            steps[version](connection)
            connection.exec_driver_sql(f"PRAGMA user_version={version + 1}")


def make_views(connection: sa.Connection) -> None:
    """The views over the tables as they are now; older ones go."""
    for name, statement in create_views("sqlite").items():
        connection.exec_driver_sql(f"DROP VIEW IF EXISTS {name}")
        connection.exec_driver_sql(statement)


def _version(connection: sa.Connection) -> int:
    with connection.begin():
        return connection.exec_driver_sql("PRAGMA user_version").scalar_one()


def _is_ours(connection: sa.Connection) -> bool:
    query = "SELECT count(*) FROM sqlite_master WHERE name IN ('clock', 'companies')"
    return bool(connection.exec_driver_sql(query).scalar_one())


def _births(connection: sa.Connection) -> None:
    """Version 2: rows know their number and their birth; what is forgotten, and votes, have tables; there are views."""
    for table in (
        *("raw_tickets", "merged_tickets", "ticket_summaries"),
        *("ticket_embeddings", "ticket_terms", "ticket_collection"),
    ):
        connection.exec_driver_sql(f"ALTER TABLE {table} ADD COLUMN id BIGINT NOT NULL DEFAULT 0")
        connection.exec_driver_sql(f"ALTER TABLE {table} ADD COLUMN created_at TEXT NOT NULL DEFAULT ''")
        connection.exec_driver_sql(f"UPDATE {table} SET id = seq, created_at = updated_at")  # noqa: S608 -- our names
    connection.exec_driver_sql("ALTER TABLE queue ADD COLUMN id BIGINT NOT NULL DEFAULT 0")
    connection.exec_driver_sql("UPDATE queue SET id = rowid")
    connection.exec_driver_sql("CREATE INDEX queue_doc ON queue (company_id, doc_id)")
    connection.exec_driver_sql(
        "CREATE TABLE forgotten (company_id VARCHAR NOT NULL, digest VARCHAR NOT NULL, kind TEXT NOT NULL, "
        "at TEXT NOT NULL, PRIMARY KEY (company_id, digest))"
    )
    connection.exec_driver_sql(
        "CREATE TABLE votes (company_id VARCHAR NOT NULL, id BIGINT NOT NULL, recommendation_id TEXT NOT NULL, "
        "doc_id TEXT, user_id TEXT, feedback_type TEXT NOT NULL, feedback_score BIGINT, feedback_text TEXT, "
        "created_at TEXT NOT NULL, PRIMARY KEY (company_id, id))"
    )
    make_views(connection)


def _stages(connection: sa.Connection, *tables: str) -> None:
    """Stage tables as versions 3 to 6 make them: not today's, which may have changed since."""
    for table in tables:
        connection.exec_driver_sql(
            f"CREATE TABLE {table} (company_id VARCHAR NOT NULL, doc_id VARCHAR NOT NULL, seq BIGINT NOT NULL, "
            "content_hash TEXT, source_hash TEXT, made_by TEXT, payload TEXT, vector BLOB, deleted BOOLEAN NOT NULL, "
            "run_id TEXT NOT NULL, updated_at TEXT NOT NULL, id BIGINT DEFAULT '0' NOT NULL, "
            "created_at TEXT DEFAULT '' NOT NULL, PRIMARY KEY (company_id, doc_id))"
        )
        connection.exec_driver_sql(f"CREATE UNIQUE INDEX {table}_seq ON {table} (company_id, seq)")


def _knowledge_base(connection: sa.Connection) -> None:
    """Version 3: tables for ratings and for the knowledge base; tickets are found by their version."""
    _stages(connection, "ticket_ratings", "raw_kb", "kb_passages")
    connection.exec_driver_sql("CREATE INDEX raw_tickets_version ON raw_tickets (company_id, source_hash)")
    make_views(connection)


def _paid_calls(connection: sa.Connection) -> None:
    """Version 4: summaries of articles, a ledger of what was paid, batches at a provider, and an order in the queue."""
    _stages(connection, "kb_summaries")
    connection.exec_driver_sql("ALTER TABLE queue ADD COLUMN priority BIGINT DEFAULT '0' NOT NULL")
    connection.exec_driver_sql("ALTER TABLE queue ADD COLUMN waits BOOLEAN DEFAULT 0 NOT NULL")
    connection.exec_driver_sql("ALTER TABLE paid ADD COLUMN data_type TEXT DEFAULT 'ticket' NOT NULL")
    connection.exec_driver_sql(
        "CREATE TABLE ledger (company_id VARCHAR NOT NULL, call_id VARCHAR NOT NULL, at TEXT NOT NULL, "
        "stage TEXT NOT NULL, provider TEXT NOT NULL, model TEXT NOT NULL, purpose TEXT NOT NULL, "
        "documents BIGINT NOT NULL, tokens_in BIGINT NOT NULL, tokens_out BIGINT NOT NULL, cost FLOAT, "
        "run_id TEXT NOT NULL, PRIMARY KEY (company_id, call_id))"
    )
    connection.exec_driver_sql("CREATE INDEX ledger_at ON ledger (company_id, at)")
    connection.exec_driver_sql(
        "CREATE TABLE batches (company_id VARCHAR NOT NULL, id VARCHAR NOT NULL, stage TEXT NOT NULL, "
        "provider TEXT NOT NULL, model TEXT NOT NULL, made_by TEXT NOT NULL, remote_id TEXT NOT NULL, state TEXT NOT NULL, "
        "requests BIGINT NOT NULL, tokens BIGINT NOT NULL, cost FLOAT, note TEXT NOT NULL, created_at TEXT NOT NULL, "
        "ended_at TEXT NOT NULL, PRIMARY KEY (company_id, id))"
    )
    connection.exec_driver_sql(
        "CREATE TABLE batched (company_id VARCHAR NOT NULL, made_by VARCHAR NOT NULL, source_hash VARCHAR NOT NULL, "
        "batch VARCHAR NOT NULL, PRIMARY KEY (company_id, made_by, source_hash))"
    )
    make_views(connection)


def _learning(connection: sa.Connection) -> None:
    """Version 5: articles have vectors and a collection; what was recommended, judged and reported is kept."""
    _stages(connection, "kb_embeddings", "kb_collection")
    connection.exec_driver_sql(
        "CREATE TABLE recommendations (company_id VARCHAR NOT NULL, recommendation_id VARCHAR NOT NULL, at TEXT NOT NULL, "
        "query TEXT NOT NULL, asked TEXT NOT NULL, hits TEXT NOT NULL, versions TEXT NOT NULL, "
        "PRIMARY KEY (company_id, recommendation_id))"
    )
    connection.exec_driver_sql("CREATE INDEX recommendations_at ON recommendations (company_id, at)")
    connection.exec_driver_sql(
        "CREATE TABLE judged_queries (company_id VARCHAR NOT NULL, query_id VARCHAR NOT NULL, text TEXT NOT NULL, "
        "relevant TEXT NOT NULL, PRIMARY KEY (company_id, query_id))"
    )
    connection.exec_driver_sql(
        "CREATE TABLE reports (company_id VARCHAR NOT NULL, at VARCHAR NOT NULL, run_id VARCHAR NOT NULL, "
        "versions TEXT NOT NULL, figures TEXT NOT NULL, PRIMARY KEY (company_id, at, run_id))"
    )
    make_views(connection)


def _workbook(connection: sa.Connection) -> None:
    """Version 6: the workbook, its FAQ and regulations, conversations and dashboards."""
    _stages(
        connection,
        *("workbook", "faq", "faq_keyword_index", "faq_embeddings", "faq_collection"),
        *("regulations", "regulation_passages", "regulation_embeddings", "regulation_collection", "contacts"),
        *("conversation_log", "conversation_archive", "operations_log", "daily_dashboard", "monthly_dashboard"),
        "faq_proposals",
    )
    connection.exec_driver_sql(
        "CREATE TABLE exchanges (company_id VARCHAR NOT NULL, exchange_id VARCHAR NOT NULL, session_id VARCHAR NOT NULL, "
        "user_id TEXT NOT NULL, asked_at TEXT NOT NULL, said TEXT NOT NULL, PRIMARY KEY (company_id, exchange_id))"
    )
    connection.exec_driver_sql("CREATE INDEX exchanges_session ON exchanges (company_id, session_id)")
    connection.exec_driver_sql("CREATE INDEX exchanges_at ON exchanges (company_id, asked_at)")
    make_views(connection)


def _numbered(_: sa.Connection) -> None:
    """The registry has the stores' number, also where nothing of its own changed; version 1 had none."""


def _secrets_apart(connection: sa.Connection) -> None:
    """Version 2: keys lie in a table of their own, and there is an audit log."""
    connection.exec_driver_sql(
        "CREATE TABLE company_secrets (company_id VARCHAR NOT NULL, name VARCHAR NOT NULL, sealed TEXT NOT NULL, "
        "PRIMARY KEY (company_id, name))"
    )
    connection.exec_driver_sql(
        "CREATE TABLE audit (id INTEGER NOT NULL PRIMARY KEY, at TEXT NOT NULL, company_id VARCHAR NOT NULL, "
        "who TEXT NOT NULL, action TEXT NOT NULL, detail TEXT NOT NULL)"
    )
    connection.exec_driver_sql("CREATE INDEX audit_company ON audit (company_id, id)")
    connection.exec_driver_sql(
        "INSERT INTO company_secrets SELECT company_id, 'helpdesk', secret FROM companies WHERE secret <> ''"
    )
    connection.exec_driver_sql("ALTER TABLE companies DROP COLUMN secret")


STORE: Steps = {1: _births, 2: _knowledge_base, 3: _paid_calls, 4: _learning, 5: _workbook}
REGISTRY: Steps = {0: _numbered, 1: _secrets_apart, 2: _numbered, 3: _numbered, 4: _numbered, 5: _numbered}
