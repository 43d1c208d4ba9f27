"""What Alembic runs: every missing version over the connection that ``upgrade`` opened, all in one transaction."""

from alembic import context

from resources.storage.postgres import VERSION_TABLE

context.configure(connection=context.config.attributes["connection"], version_table=VERSION_TABLE)
with context.begin_transaction():
    context.run_migrations()
