"""How many hours each department needs."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"

AMOUNTS = (
    "minimum_cover_hours",
    "fixed_hours",
    "productivity",
    "cost_missing",
    "cost_idle",
    "shift_hours",
)


def upgrade() -> None:
    op.create_table(
        "staffing_rules",
        sa.Column("retailer", sa.Text(), nullable=False, server_default="default"),
        sa.Column("department", sa.Text(), nullable=False),
        *(sa.Column(name, sa.Float(53), nullable=False) for name in AMOUNTS),
        sa.Column("source", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("retailer", "department", name="pk_staffing_rules"),
    )


def downgrade() -> None:
    op.drop_table("staffing_rules")
