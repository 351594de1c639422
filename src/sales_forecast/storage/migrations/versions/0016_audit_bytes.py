"""Size of each record of the audit log, so that what a key brings in a day can be limited."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    op.add_column("audit_log", sa.Column("bytes", sa.Integer(), nullable=True))


def downgrade() -> None:
    op.drop_column("audit_log", "bytes")
