"""Alembic's entry: runs the steps on the connection it is handed, and on no other.

There is no alembic.ini and no URL here: `services.analytics.database` opens the connection (and
takes the lock), so that `callfleet analytics --migrate`, a starting process and a test all migrate
in one way. Everything happens in that connection's one transaction, on SQLite too: a step that
fails leaves nothing behind.
"""

from alembic import context

from services.analytics.schema import metadata

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    render_as_batch=connection.dialect.name == "sqlite",  # SQLite cannot ALTER most things
    transactional_ddl=True,
    transaction_per_migration=False,
)
context.run_migrations()
