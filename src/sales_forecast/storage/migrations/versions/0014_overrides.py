"""Overrides of planners, and their answers to exceptions."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "overrides",
        sa.Column("id", sa.Integer(), nullable=False),
        _retailer(),
        *(sa.Column(name, sa.Text(), nullable=True) for name in ("store", "department", "region")),
        *(sa.Column(name, sa.Date(), nullable=False) for name in ("week_from", "week_to")),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("value", sa.Float(53), nullable=False),
        sa.Column("reason", sa.String(30), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("expires", sa.Date(), nullable=False),
        sa.Column("stores", sa.JSON(), nullable=False),
        sa.Column("publication", sa.Integer(), nullable=False),
        sa.Column("key_id", sa.String(32), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("made_at", moment, nullable=False),
        sa.Column("idempotency_key", sa.String(200), nullable=True),
        sa.Column("request_digest", sa.String(64), nullable=True),
        sa.Column("withdrawn_at", moment, nullable=True),
        *(sa.Column(name, sa.Text(), nullable=True) for name in ("withdrawn_by", "withdrawn_why")),
        sa.PrimaryKeyConstraint("id", name="pk_overrides"),
    )
    op.create_index("ix_overrides_retailer_week_to", "overrides", ["retailer", "week_to"])
    op.create_index(
        "ix_overrides_key_id_idempotency_key", "overrides", ["key_id", "idempotency_key"], unique=True
    )
    op.create_table(
        "exception_answers",
        sa.Column("id", sa.Integer(), nullable=False),
        _retailer(),
        sa.Column("publication", sa.Integer(), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("store", "department")),
        sa.Column("action", sa.String(10), nullable=False),
        sa.Column("override", sa.Integer(), nullable=True),
        sa.Column("assigned_to", sa.Text(), nullable=True),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("key_id", sa.String(32), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("made_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_exception_answers"),
    )
    op.create_index("ix_exception_answers_publication", "exception_answers", ["publication"])


def downgrade() -> None:
    op.drop_table("exception_answers")
    op.drop_table("overrides")


def _retailer() -> sa.Column[str]:
    return sa.Column("retailer", sa.Text(), nullable=False, server_default="default")
