"""The fifth version: the workbook, its FAQ and regulations, conversations and dashboards."""

import sqlalchemy as sa
from alembic import op

from resources.storage.migrations.blocks import company, stage_table, walled
from resources.storage.schema import Json, Key, Text

revision = "0005"
down_revision = "0004"

TABLES = (
    *("workbook", "faq", "faq_keyword_index", "faq_embeddings", "faq_collection"),
    *("regulations", "regulation_passages", "regulation_embeddings", "regulation_collection", "contacts"),
    *("conversation_log", "conversation_archive", "operations_log", "daily_dashboard", "monthly_dashboard"),
    "faq_proposals",
)


def upgrade() -> None:
    """New tables with their walls."""
    for name in TABLES:
        stage_table(name)
    op.create_table(
        "exchanges",
        company(),
        sa.Column("exchange_id", Key, primary_key=True, comment="also the id of its recommendation"),
        sa.Column("session_id", Key, nullable=False),
        *(sa.Column(name, Text, nullable=False) for name in ("user_id", "asked_at")),
        sa.Column("said", Json, nullable=False, comment="question, answer, and how that was found"),
    )
    op.create_index("exchanges_session", "exchanges", ["company_id", "session_id"])
    op.create_index("exchanges_at", "exchanges", ["company_id", "asked_at"])
    walled("exchanges")
