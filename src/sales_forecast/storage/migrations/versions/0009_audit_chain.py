"""Chain the records of the audit log; those so far have no link, and cannot be proved."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

LINK: dict[str, Any] = {"writer": sa.String(32), "number": sa.Integer(), "digest": sa.String(64)}


def upgrade() -> None:
    op.add_column("audit_log", sa.Column("kind", sa.String(20), nullable=False, server_default="answer"))
    for name, kind in LINK.items():
        op.add_column("audit_log", sa.Column(name, kind, nullable=True))
    chained = sa.text("writer IS NOT NULL")  # none is yet, so that the index is made without sorting all rows
    op.create_index(
        "ix_audit_log_writer_number",
        "audit_log",
        ["writer", "number"],
        unique=True,
        sqlite_where=chained,
        postgresql_where=chained,
    )
    op.create_table(
        "audit_writers",
        sa.Column("writer", sa.String(32), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("key_mark", sa.String(16), nullable=False),
        sa.Column("opened", sa.String(64), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("seal", sa.String(64), nullable=False),
        sa.Column("purged_number", sa.Integer(), nullable=False),
        sa.Column("purged_digest", sa.String(64), nullable=False),
        sa.Column("purged_seal", sa.String(64), nullable=False),
        sa.Column("purged_mark", sa.String(16), nullable=False),
        sa.PrimaryKeyConstraint("writer", name="pk_audit_writers"),
    )
    op.create_index("ix_audit_writers_place", "audit_writers", ["place"], unique=True)


def downgrade() -> None:
    op.drop_table("audit_writers")
    op.drop_index("ix_audit_log_writer_number", table_name="audit_log")
    op.execute("DELETE FROM audit_log WHERE kind <> 'answer'")  # earlier versions know answers only
    for name in (*reversed(LINK), "kind"):
        op.drop_column("audit_log", name)
