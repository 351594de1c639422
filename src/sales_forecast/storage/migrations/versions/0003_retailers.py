"""Add the retailer to published runs and to turnover; the rows so far belong to the default one."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

KEY = ["store", "department", "week"]


def upgrade() -> None:
    op.add_column("forecast_runs", _retailer())
    with op.batch_alter_table("weekly_turnover") as table:
        table.add_column(_retailer())
        table.drop_constraint("pk_weekly_turnover", type_="primary")
        table.create_primary_key("pk_weekly_turnover", ["retailer", *KEY])


def downgrade() -> None:
    for name in ("forecast_runs", "weekly_turnover"):  # which have no place for more than one retailer
        op.execute(f"DELETE FROM {name} WHERE retailer <> 'default'")
    with op.batch_alter_table("weekly_turnover") as table:
        table.drop_constraint("pk_weekly_turnover", type_="primary")
        table.create_primary_key("pk_weekly_turnover", KEY)
        table.drop_column("retailer")
    op.drop_column("forecast_runs", "retailer")


def _retailer() -> sa.Column[str]:
    return sa.Column("retailer", sa.Text(), nullable=False, server_default="default")
