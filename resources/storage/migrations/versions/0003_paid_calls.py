"""The third version: summaries of articles, a ledger of what was paid, batches at a provider, and an order in the queue."""

import sqlalchemy as sa
from alembic import op

from resources.storage.migrations.blocks import company, stage_table, walled
from resources.storage.schema import Integer, Key, Text

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """New tables with their walls, new columns with a value for the rows that are there."""
    stage_table("kb_summaries")
    op.add_column("queue", sa.Column("priority", Integer, nullable=False, server_default="0"))
    op.add_column("queue", sa.Column("waits", sa.Boolean, nullable=False, server_default=sa.false()))
    op.add_column("paid", sa.Column("data_type", Text, nullable=False, server_default="ticket"))
    op.create_table(
        "ledger",
        company(),
        sa.Column("call_id", Key, primary_key=True),
        sa.Column("at", Text, nullable=False),
        *(sa.Column(name, Text, nullable=False) for name in ("stage", "provider", "model", "purpose")),
        *(sa.Column(name, Integer, nullable=False) for name in ("documents", "tokens_in", "tokens_out")),
        sa.Column("cost", sa.Float),
        sa.Column("run_id", Text, nullable=False),
    )
    op.create_index("ledger_at", "ledger", ["company_id", "at"])
    op.create_table(
        "batches",
        company(),
        sa.Column("id", Key, primary_key=True),
        *(
            sa.Column(name, Text, nullable=False)
            for name in ("stage", "provider", "model", "made_by", "remote_id", "state")
        ),
        *(sa.Column(name, Integer, nullable=False) for name in ("requests", "tokens")),
        sa.Column("cost", sa.Float),
        *(sa.Column(name, Text, nullable=False) for name in ("note", "created_at", "ended_at")),
    )
    op.create_table(
        "batched",
        company(),
        sa.Column("made_by", Key, primary_key=True),
        sa.Column("source_hash", Key, primary_key=True),
        sa.Column("batch", Key, nullable=False),
    )
    for name in ("ledger", "batches", "batched"):
        walled(name)
