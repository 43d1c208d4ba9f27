"""What versions are built from: the wall around a table, and a stage table of the first shape.

Belongs here: pieces that several versions need, and that never change, or an old version would come out otherwise.
Does not belong here: any one version's change.
"""

import sqlalchemy as sa
from alembic import op

from resources.storage.schema import Integer, Json, Key, Text

ROLE = "app_user"


def company() -> sa.Column[str]:
    return sa.Column("company_id", Key, primary_key=True)


def walled(table: str) -> None:
    """Only rows of the company that the transaction named are seen, or written; the owner is no exception.

    A later version that must touch rows takes FORCE off first and puts it on again: its owner sees none else.
    """
    theirs = "company_id = current_setting('app.current_company_id', true)"
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    op.execute(
        f"CREATE POLICY {table}_company_isolation ON {table} FOR ALL TO {ROLE} USING ({theirs}) WITH CHECK ({theirs})"
    )
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO {ROLE}")


def stage_table(name: str) -> None:
    """A stage table with its wall. Vectors do not compress, so nobody tries."""
    op.create_table(
        name,
        company(),
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
    )
    op.create_index(f"{name}_seq", name, ["company_id", "seq"], unique=True)
    op.execute(f"ALTER TABLE {name} ALTER COLUMN vector SET STORAGE EXTERNAL")
    walled(name)
