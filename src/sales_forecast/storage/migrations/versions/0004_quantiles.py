"""Add the quantiles of forecasts; those so far have none."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

QUANTILES = [f"q{percent:02d}" for percent in range(5, 100, 5)]


def upgrade() -> None:
    for name in QUANTILES:
        op.add_column("forecasts", sa.Column(name, sa.Float(precision=53), nullable=True))


def downgrade() -> None:
    for name in reversed(QUANTILES):
        op.drop_column("forecasts", name)
