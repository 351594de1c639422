"""Environment of the migrations, with the connection that ``storage.database`` passes to Alembic."""

from alembic import context

from sales_forecast.storage.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transaction_per_migration=False,
)
with context.begin_transaction():
    context.run_migrations()
