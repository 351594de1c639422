"""When retention removed the numbers of a publication; without that, nobody may have removed them."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.add_column("forecast_runs", sa.Column("numbers_removed_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    op.drop_column("forecast_runs", "numbers_removed_at")
