"""The tables, the same on every backend (``domain/stage`` says what those of a company's store mean).

Belongs here: columns, keys and indexes, of a company's store and of the registry. Does not belong here: queries
(``sql``, ``resources/companies``), the views for analysts (``views``), opening a database (``sqlite``, ``postgres``),
or how a database of an older version becomes one of this (``sqlite_versions``, ``migrations``).
"""

from typing import Any

import sqlalchemy as sa

from domain.stage import TABLES

SCHEMA_VERSION = 6
"""Of a SQLite file (``sqlite_versions``); Postgres counts its migrations."""
store = sa.MetaData()
"""What belongs to one company: each row has its id, each file or each policy its wall."""
registry = sa.MetaData()
"""Who the companies are, and what was done to them."""


class _Jsonb(sa.types.UserDefinedType[str]):
    """JSON that the server understands, and that travels as text: nothing is decoded that nobody reads."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "JSONB"

    def column_expression(self, colexpr: sa.ColumnElement[Any]) -> sa.ColumnElement[str]:
        return sa.cast(colexpr, sa.Text)


Key = sa.String().with_variant(sa.Text(collation="C"), "postgresql")
"""Ids are compared by their bytes on every backend."""
Json = sa.Text().with_variant(_Jsonb(), "postgresql")
Text = sa.Text()
Integer = sa.BigInteger()


def _company() -> sa.Column[str]:
    return sa.Column("company_id", Key, primary_key=True)


def _stage_table(name: str) -> sa.Table:
    return sa.Table(
        name,
        store,
        _company(),
        sa.Column("doc_id", Key, primary_key=True),
        sa.Column("seq", Integer, nullable=False),
        sa.Column("content_hash", Text),
        sa.Column("source_hash", Text),
        sa.Column("made_by", Text),
        sa.Column("payload", Json),
        sa.Column("vector", sa.LargeBinary),
        sa.Column("deleted", sa.Boolean, nullable=False),
        sa.Column("run_id", Text, nullable=False),
        sa.Column("updated_at", Text, nullable=False),
        sa.Column("id", Integer, nullable=False, server_default="0", comment="the seq it was born with; never changes"),
        sa.Column("created_at", Text, nullable=False, server_default="", comment="when it was first written"),
        sa.Index(f"{name}_seq", "company_id", "seq", unique=True),
    )


stages: dict[str, sa.Table] = {name: _stage_table(name) for name in TABLES}
# The audit of ids asks for the tickets of a stretch of time.
sa.Index("raw_tickets_version", *(stages["raw_tickets"].c[name] for name in ("company_id", "source_hash")))

clock = sa.Table(
    "clock",
    store,
    _company(),
    sa.Column("seq", Integer, nullable=False),
    sa.Column("store_id", Text, nullable=False, comment="tells a store from one that was made anew in its place"),
    sa.Column("schema_version", Integer, nullable=False),
)

cursors = sa.Table(
    "cursors",
    store,
    _company(),
    sa.Column("target", Key, primary_key=True),
    sa.Column("source", Key, primary_key=True),
    sa.Column("rule", Text, nullable=False),
    sa.Column("top", Integer, nullable=False),
    sa.Column("gaps", Json, nullable=False),
)

states = sa.Table(
    "states",
    store,
    _company(),
    sa.Column("name", Key, primary_key=True),
    sa.Column("value", Json, nullable=False),
)

queue = sa.Table(
    "queue",
    store,
    _company(),
    sa.Column("target", Key, primary_key=True),
    sa.Column("doc_id", Key, primary_key=True),
    sa.Column("reason", Text, nullable=False),
    sa.Column("retries", Integer, nullable=False),
    sa.Column("due", Text, nullable=False),
    sa.Column("first_seen", Text, nullable=False),
    sa.Column("last_run", Text, nullable=False),
    sa.Column("id", Integer, nullable=False, server_default="0", comment="the clock's number when it came in"),
    sa.Column("priority", Integer, nullable=False, server_default="0", comment="the higher, the sooner"),
    sa.Column("waits", sa.Boolean, nullable=False, server_default=sa.false(), comment="for an answer, not for a retry"),
    sa.Index("queue_doc", "company_id", "doc_id"),
)

paid = sa.Table(
    "paid",
    store,
    _company(),
    sa.Column("made_by", Key, primary_key=True),
    sa.Column("source_hash", Key, primary_key=True),
    sa.Column("doc_id", Key, nullable=False),
    sa.Column("payload", Json, nullable=False),
    sa.Column("vector", sa.LargeBinary),
    sa.Column("tokens", Integer, nullable=False),
    sa.Column("cost", sa.Float, nullable=False),
    sa.Column("run_id", Text, nullable=False),
    sa.Column("created_at", Text, nullable=False),
    sa.Column("data_type", Text, nullable=False, server_default="ticket", comment="what doc_id is an id of"),
    sa.Index("paid_doc", "company_id", "doc_id"),
)

ledger = sa.Table(
    "ledger",
    store,
    _company(),
    sa.Column("call_id", Key, primary_key=True, comment="a call is counted once, however often its answer is read"),
    sa.Column("at", Text, nullable=False),
    sa.Column("stage", Text, nullable=False),
    sa.Column("provider", Text, nullable=False),
    sa.Column("model", Text, nullable=False),
    sa.Column("purpose", Text, nullable=False, comment="first, retry, repair, batch or check"),
    sa.Column("documents", Integer, nullable=False),
    sa.Column("tokens_in", Integer, nullable=False),
    sa.Column("tokens_out", Integer, nullable=False),
    sa.Column("cost", sa.Float, comment="US$; NULL where no price is known"),
    sa.Column("run_id", Text, nullable=False),
    sa.Index("ledger_at", "company_id", "at"),
)

batches = sa.Table(
    "batches",
    store,
    _company(),
    sa.Column("id", Key, primary_key=True, comment="ours; the provider keeps it as metadata"),
    sa.Column("stage", Text, nullable=False),
    sa.Column("provider", Text, nullable=False),
    sa.Column("model", Text, nullable=False),
    sa.Column("made_by", Text, nullable=False),
    sa.Column("remote_id", Text, nullable=False, comment="the provider's; empty until it has answered"),
    sa.Column("state", Text, nullable=False, comment="open, submitted or ended"),
    sa.Column("requests", Integer, nullable=False),
    sa.Column("tokens", Integer, nullable=False, comment="at most, in and out"),
    sa.Column("cost", sa.Float, comment="at most, US$; NULL where no price is known"),
    sa.Column("note", Text, nullable=False),
    sa.Column("created_at", Text, nullable=False),
    sa.Column("ended_at", Text, nullable=False),
)

batched = sa.Table(
    "batched",
    store,
    _company(),
    sa.Column("made_by", Key, primary_key=True),
    sa.Column("source_hash", Key, primary_key=True),
    sa.Column("batch", Key, nullable=False),
)

forgotten = sa.Table(
    "forgotten",
    store,
    _company(),
    sa.Column("digest", Key, primary_key=True, comment="hash of what must not come back, never the thing itself"),
    sa.Column("kind", Text, nullable=False),
    sa.Column("at", Text, nullable=False),
)

votes = sa.Table(
    "votes",
    store,
    _company(),
    sa.Column("id", Integer, primary_key=True, autoincrement=False),
    sa.Column("recommendation_id", Text, nullable=False),
    sa.Column("doc_id", Text),
    sa.Column("user_id", Text),
    sa.Column("feedback_type", Text, nullable=False),
    sa.Column("feedback_score", Integer),
    sa.Column("feedback_text", Text),
    sa.Column("created_at", Text, nullable=False),
)

recommendations = sa.Table(
    "recommendations",
    store,
    _company(),
    sa.Column("recommendation_id", Key, primary_key=True),
    sa.Column("at", Text, nullable=False),
    sa.Column("query", Text, nullable=False),
    sa.Column("asked", Json, nullable=False, comment="kind, k, data types, filters"),
    sa.Column("hits", Json, nullable=False, comment="ids and scores, in the order they were shown"),
    sa.Column("versions", Json, nullable=False, comment="what made each collection, and the order"),
    sa.Index("recommendations_at", "company_id", "at"),
)

judged_queries = sa.Table(
    "judged_queries",
    store,
    _company(),
    sa.Column("query_id", Key, primary_key=True),
    sa.Column("text", Text, nullable=False),
    sa.Column("relevant", Json, nullable=False, comment="grades by document id"),
)

reports = sa.Table(
    "reports",
    store,
    _company(),
    sa.Column("at", Key, primary_key=True),
    sa.Column("run_id", Key, primary_key=True),
    sa.Column("versions", Json, nullable=False),
    sa.Column("figures", Json, nullable=False),
)

exchanges = sa.Table(
    "exchanges",
    store,
    _company(),
    sa.Column("exchange_id", Key, primary_key=True, comment="also the id of its recommendation"),
    sa.Column("session_id", Key, nullable=False),
    sa.Column("user_id", Text, nullable=False),
    sa.Column("asked_at", Text, nullable=False),
    sa.Column("said", Json, nullable=False, comment="question, answer, and how that was found"),
    sa.Index("exchanges_session", "company_id", "session_id"),
    sa.Index("exchanges_at", "company_id", "asked_at"),
)

companies = sa.Table(
    "companies",
    registry,
    _company(),
    sa.Column("platform", Text, nullable=False),
    sa.Column("endpoint", Text, nullable=False),
    sa.Column("settings", Json, nullable=False),
    sa.Column("paused", sa.Boolean, nullable=False),
    sa.Column("created_at", Text, nullable=False),
)

company_secrets = sa.Table(
    "company_secrets",
    registry,
    _company(),
    sa.Column("name", Key, primary_key=True, comment="what it opens: helpdesk"),
    sa.Column("sealed", Text, nullable=False, comment="encrypted, or a reference; see resources/secrets"),
)

audit = sa.Table(
    "audit",
    registry,
    sa.Column("id", sa.Integer().with_variant(sa.BigInteger(), "postgresql"), sa.Identity(), primary_key=True),
    sa.Column("at", Text, nullable=False),
    sa.Column("company_id", Key, nullable=False),
    sa.Column("who", Text, nullable=False),
    sa.Column("action", Text, nullable=False),
    sa.Column("detail", Text, nullable=False),
    sa.Index("audit_company", "company_id", "id"),
)

WALLED = (
    *(*stages.values(), clock, cursors, states, queue, paid, ledger, batches, batched, forgotten, votes),
    *(recommendations, judged_queries, reports, exchanges),
    company_secrets,
)
"""Tables whose rows only their own company may see. The registry's list of companies is the door itself, and the audit
log belongs to the operator."""
