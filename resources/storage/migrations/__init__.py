"""How a Postgres database of an older version becomes one of this: one file a version, run by Alembic (``upgrade``)."""
