"""The tables of a company's store, the same on every backend (``domain/stage`` says what they mean).

Belongs here: columns, keys and indexes. Does not belong here: queries (``sql``) or opening a database (``sqlite``).
"""

import sqlalchemy as sa

from domain.stage import TABLES

SCHEMA_VERSION = 1
metadata = sa.MetaData()


def _company() -> sa.Column[str]:
    return sa.Column("company_id", sa.String, primary_key=True)


def _stage_table(name: str) -> sa.Table:
    return sa.Table(
        name,
        metadata,
        _company(),
        sa.Column("doc_id", sa.String, primary_key=True),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("content_hash", sa.String),
        sa.Column("source_hash", sa.String),
        sa.Column("made_by", sa.String),
        sa.Column("payload", sa.Text),
        sa.Column("vector", sa.LargeBinary),
        sa.Column("deleted", sa.Boolean, nullable=False),
        sa.Column("run_id", sa.String, nullable=False),
        sa.Column("updated_at", sa.String, nullable=False),
        sa.Index(f"{name}_seq", "company_id", "seq", unique=True),
    )


stages: dict[str, sa.Table] = {name: _stage_table(name) for name in TABLES}

clock = sa.Table(
    "clock",
    metadata,
    _company(),
    sa.Column("seq", sa.BigInteger, nullable=False),
    sa.Column("store_id", sa.String, nullable=False, comment="tells a store from one that was made anew in its place"),
    sa.Column("schema_version", sa.Integer, nullable=False),
)

cursors = sa.Table(
    "cursors",
    metadata,
    _company(),
    sa.Column("target", sa.String, primary_key=True),
    sa.Column("source", sa.String, primary_key=True),
    sa.Column("rule", sa.String, nullable=False),
    sa.Column("top", sa.BigInteger, nullable=False),
    sa.Column("gaps", sa.Text, nullable=False),
)

states = sa.Table(
    "states",
    metadata,
    _company(),
    sa.Column("name", sa.String, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)

queue = sa.Table(
    "queue",
    metadata,
    _company(),
    sa.Column("target", sa.String, primary_key=True),
    sa.Column("doc_id", sa.String, primary_key=True),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("retries", sa.Integer, nullable=False),
    sa.Column("due", sa.String, nullable=False),
    sa.Column("first_seen", sa.String, nullable=False),
    sa.Column("last_run", sa.String, nullable=False),
)

paid = sa.Table(
    "paid",
    metadata,
    _company(),
    sa.Column("made_by", sa.String, primary_key=True),
    sa.Column("source_hash", sa.String, primary_key=True),
    sa.Column("doc_id", sa.String, nullable=False),
    sa.Column("payload", sa.Text, nullable=False),
    sa.Column("vector", sa.LargeBinary),
    sa.Column("tokens", sa.Integer, nullable=False),
    sa.Column("cost", sa.Float, nullable=False),
    sa.Column("run_id", sa.String, nullable=False),
    sa.Column("created_at", sa.String, nullable=False),
    sa.Index("paid_doc", "company_id", "doc_id"),
)
