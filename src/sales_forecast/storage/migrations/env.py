"""Alembic runs this with the connection that ``storage.database`` gave it."""

from alembic import context

from sales_forecast.storage.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transaction_per_migration=False,
)
with context.begin_transaction():
    context.run_migrations()
