"""The second version: tables for ratings and for the knowledge base; tickets are found by their version."""

from alembic import op

from resources.storage.migrations.blocks import stage_table

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Three stage tables with their walls, and an index."""
    for name in ("ticket_ratings", "raw_kb", "kb_passages"):
        stage_table(name)
    op.create_index("raw_tickets_version", "raw_tickets", ["company_id", "source_hash"])
