"""Signals of the monitoring, and decisions to let all methods compete again."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.create_table(
        "monitor_signals",
        _retailer(),
        sa.Column("week", sa.Date(), nullable=False),
        sa.Column("detector", sa.String(30), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("value", sa.Float(precision=53), nullable=False),
        sa.Column("threshold", sa.Float(precision=53), nullable=True),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("since", sa.Date(), nullable=True),
        sa.Column("evidence", sa.Text(), nullable=False),
        sa.Column("found_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("retailer", "week", "detector", "key", name="pk_monitor_signals"),
    )
    op.create_table(
        "retraining_decisions",
        sa.Column("id", sa.Integer(), nullable=False),
        _retailer(),
        sa.Column("week", sa.Date(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("wanted", sa.Boolean(), nullable=False),
        sa.Column("trigger", sa.String(20), nullable=True),
        sa.Column("evidence", sa.Text(), nullable=False),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("result", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_retraining_decisions"),
    )


def downgrade() -> None:
    op.drop_table("retraining_decisions")
    op.drop_table("monitor_signals")


def _retailer() -> sa.Column[str]:
    return sa.Column("retailer", sa.Text(), nullable=False, server_default="default")
