"""The fourth version: articles have vectors and a collection; what was recommended, judged and reported is kept."""

import sqlalchemy as sa
from alembic import op

from resources.storage.migrations.blocks import company, stage_table, walled
from resources.storage.schema import Json, Key, Text

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """New tables with their walls."""
    stage_table("kb_embeddings")
    stage_table("kb_collection")
    op.create_table(
        "recommendations",
        company(),
        sa.Column("recommendation_id", Key, primary_key=True),
        *(sa.Column(name, Text, nullable=False) for name in ("at", "query")),
        sa.Column("asked", Json, nullable=False, comment="kind, k, data types, filters"),
        sa.Column("hits", Json, nullable=False, comment="ids and scores, in the order they were shown"),
        sa.Column("versions", Json, nullable=False, comment="what made each collection, and the order"),
    )
    op.create_index("recommendations_at", "recommendations", ["company_id", "at"])
    op.create_table(
        "judged_queries",
        company(),
        sa.Column("query_id", Key, primary_key=True),
        sa.Column("text", Text, nullable=False),
        sa.Column("relevant", Json, nullable=False, comment="grades by document id"),
    )
    op.create_table(
        "reports",
        company(),
        sa.Column("at", Key, primary_key=True),
        sa.Column("run_id", Key, primary_key=True),
        *(sa.Column(name, Json, nullable=False) for name in ("versions", "figures")),
    )
    for name in ("recommendations", "judged_queries", "reports"):
        walled(name)
