"""The first version: tickets from raw to collection, and the registry."""

import sqlalchemy as sa
from alembic import op

from resources.storage.migrations.blocks import ROLE, company, stage_table, walled
from resources.storage.schema import Integer, Json, Key, Text

revision = "0001"
down_revision = None

_STAGES = (
    "raw_tickets",
    "merged_tickets",
    "ticket_summaries",
    "ticket_embeddings",
    "ticket_terms",
    "ticket_collection",
)


def upgrade() -> None:
    """Tables, walls and rights; the role ``app_user`` exists already, and the views come last (``upgrade``)."""
    for name in _STAGES:
        stage_table(name)
    _store()
    _registry()


def _store() -> None:
    op.create_table(
        "clock",
        company(),
        sa.Column("seq", Integer, nullable=False),
        sa.Column("store_id", Text, nullable=False, comment="tells a store from one that was made anew in its place"),
        sa.Column("schema_version", Integer, nullable=False),
    )
    op.create_table(
        "cursors",
        company(),
        sa.Column("target", Key, primary_key=True),
        sa.Column("source", Key, primary_key=True),
        sa.Column("rule", Text, nullable=False),
        sa.Column("top", Integer, nullable=False),
        sa.Column("gaps", Json, nullable=False),
    )
    op.create_table(
        "states", company(), sa.Column("name", Key, primary_key=True), sa.Column("value", Json, nullable=False)
    )
    op.create_table(
        "queue",
        company(),
        sa.Column("target", Key, primary_key=True),
        sa.Column("doc_id", Key, primary_key=True),
        sa.Column("reason", Text, nullable=False),
        sa.Column("retries", Integer, nullable=False),
        sa.Column("due", Text, nullable=False),
        sa.Column("first_seen", Text, nullable=False),
        sa.Column("last_run", Text, nullable=False),
        sa.Column("id", Integer, nullable=False, server_default="0", comment="the clock's number when it came in"),
    )
    op.create_index("queue_doc", "queue", ["company_id", "doc_id"])
    op.create_table(
        "paid",
        company(),
        sa.Column("made_by", Key, primary_key=True),
        sa.Column("source_hash", Key, primary_key=True),
        sa.Column("doc_id", Key, nullable=False),
        sa.Column("payload", Json, nullable=False),
        sa.Column("vector", sa.LargeBinary),
        sa.Column("tokens", Integer, nullable=False),
        sa.Column("cost", sa.Float, nullable=False),
        sa.Column("run_id", Text, nullable=False),
        sa.Column("created_at", Text, nullable=False),
    )
    op.create_index("paid_doc", "paid", ["company_id", "doc_id"])
    op.create_table(
        "forgotten",
        company(),
        sa.Column("digest", Key, primary_key=True, comment="hash of what must not come back, never the thing itself"),
        sa.Column("kind", Text, nullable=False),
        sa.Column("at", Text, nullable=False),
    )
    op.create_table(
        "votes",
        company(),
        sa.Column("id", Integer, primary_key=True, autoincrement=False),
        sa.Column("recommendation_id", Text, nullable=False),
        sa.Column("doc_id", Text),
        sa.Column("user_id", Text),
        sa.Column("feedback_type", Text, nullable=False),
        sa.Column("feedback_score", Integer),
        sa.Column("feedback_text", Text),
        sa.Column("created_at", Text, nullable=False),
    )
    for name in ("clock", "cursors", "states", "queue", "paid", "forgotten", "votes"):
        walled(name)


def _registry() -> None:
    """The list of companies is the door itself, and has no wall; their keys have."""
    op.create_table(
        "companies",
        company(),
        sa.Column("platform", Text, nullable=False),
        sa.Column("endpoint", Text, nullable=False),
        sa.Column("settings", Json, nullable=False),
        sa.Column("paused", sa.Boolean, nullable=False),
        sa.Column("created_at", Text, nullable=False),
    )
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON companies TO {ROLE}")
    op.create_table(
        "company_secrets",
        company(),
        sa.Column("name", Key, primary_key=True, comment="what it opens: helpdesk"),
        sa.Column("sealed", Text, nullable=False, comment="encrypted, or a reference; see resources/secrets"),
    )
    walled("company_secrets")
    op.create_table(
        "audit",
        sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
        sa.Column("at", Text, nullable=False),
        sa.Column("company_id", Key, nullable=False),
        sa.Column("who", Text, nullable=False),
        sa.Column("action", Text, nullable=False),
        sa.Column("detail", Text, nullable=False),
    )
    op.create_index("audit_company", "audit", ["company_id", "id"])
    op.execute(f"GRANT SELECT, INSERT ON audit TO {ROLE}")  # what is in the log stays there
