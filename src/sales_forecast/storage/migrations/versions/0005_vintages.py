"""Keep every value of turnover with the moment it became known; for those so far, that is now."""

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

KEY = ["retailer", "store", "department", "week"]


def upgrade() -> None:
    op.create_table(
        "turnover_vintages",
        _retailer(),
        sa.Column("store", sa.Text(), nullable=False),
        sa.Column("department", sa.Text(), nullable=False),
        sa.Column("week", sa.Date(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("turnover", sa.Float(precision=53), nullable=False),
        sa.PrimaryKeyConstraint(*KEY, "recorded_at", name="pk_turnover_vintages"),
    )
    op.create_table(
        "turnover_digests",
        _retailer(),
        sa.Column("week", sa.Date(), nullable=False),
        sa.Column("digest", sa.String(40), nullable=False),
        sa.PrimaryKeyConstraint("retailer", "week", name="pk_turnover_digests"),
    )
    columns = ", ".join(KEY)
    moment = datetime.now(UTC)
    known = sa.text(
        f"INSERT INTO turnover_vintages ({columns}, recorded_at, turnover) "
        f"SELECT {columns}, :moment, turnover FROM weekly_turnover"
    ).bindparams(sa.bindparam("moment", moment, type_=sa.DateTime(timezone=True)))
    op.execute(known)


def downgrade() -> None:
    op.drop_table("turnover_digests")
    op.drop_table("turnover_vintages")


def _retailer() -> sa.Column[str]:
    return sa.Column("retailer", sa.Text(), nullable=False, server_default="default")
