"""Rename tables and columns: domain, future covariates, changes of the champion."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    _rename_column("forecast_runs", "lane", "domain")
    _rename_column("forecasts", "known_ahead", "future_covariates")
    op.rename_table("promotions", "champion_changes")
    with op.batch_alter_table("champion_changes") as table:
        table.drop_constraint("pk_promotions", type_="primary")
        table.create_primary_key("pk_champion_changes", ["name", "happened_at", "version"])


def downgrade() -> None:
    with op.batch_alter_table("champion_changes") as table:
        table.drop_constraint("pk_champion_changes", type_="primary")
        table.create_primary_key("pk_promotions", ["name", "happened_at", "version"])
    op.rename_table("champion_changes", "promotions")
    _rename_column("forecasts", "future_covariates", "known_ahead")
    _rename_column("forecast_runs", "domain", "lane")


def _rename_column(table: str, old: str, new: str) -> None:
    """Rename a column in place; copying a large table, as Alembic does on SQLite, would take long."""
    op.execute(f"ALTER TABLE {table} RENAME COLUMN {old} TO {new}")
    if table == "forecast_runs":
        op.drop_index(f"ix_forecast_runs_{old}_made_at", table_name=table)
        op.create_index(f"ix_forecast_runs_{new}_made_at", table, [new, "made_at"])
