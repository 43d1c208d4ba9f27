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
    sooner = sa.Column("priority", Integer, nullable=False, server_default="0", comment="the higher, the sooner")
    waits = sa.Column(
        "waits", sa.Boolean, nullable=False, server_default=sa.false(), comment="for an answer, not for a retry"
    )
    op.add_column("queue", sooner)
    op.add_column("queue", waits)
    data_type = sa.Column("data_type", Text, nullable=False, server_default="ticket", comment="what doc_id is an id of")
    op.add_column("paid", data_type)
    op.create_table(
        "ledger",
        company(),
        sa.Column("call_id", Key, primary_key=True, comment="a call is counted once, however often its answer is read"),
        sa.Column("at", Text, nullable=False),
        *(sa.Column(name, Text, nullable=False) for name in ("stage", "provider", "model")),
        sa.Column("purpose", Text, nullable=False, comment="first, retry, repair, batch or check"),
        *(sa.Column(name, Integer, nullable=False) for name in ("documents", "tokens_in", "tokens_out")),
        sa.Column("cost", sa.Float, comment="US$; NULL where no price is known"),
        sa.Column("run_id", Text, nullable=False),
    )
    op.create_index("ledger_at", "ledger", ["company_id", "at"])
    op.create_table(
        "batches",
        company(),
        sa.Column("id", Key, primary_key=True, comment="ours; the provider keeps it as metadata"),
        *(sa.Column(name, Text, nullable=False) for name in ("stage", "provider", "model", "made_by")),
        sa.Column("remote_id", Text, nullable=False, comment="the provider's; empty until it has answered"),
        sa.Column("state", Text, nullable=False, comment="open, submitted or ended"),
        sa.Column("requests", Integer, nullable=False),
        sa.Column("tokens", Integer, nullable=False, comment="at most, in and out"),
        sa.Column("cost", sa.Float, comment="at most, US$; NULL where no price is known"),
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
