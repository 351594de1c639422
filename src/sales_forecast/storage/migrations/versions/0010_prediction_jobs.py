"""Jobs that predict many series, and their results."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "prediction_jobs",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("retailer", sa.Text(), nullable=False, server_default="default"),
        sa.Column("key_id", sa.String(32), nullable=False),
        sa.Column("idempotency_key", sa.String(200), nullable=True),
        sa.Column("request", sa.JSON(), nullable=False),
        sa.Column("request_digest", sa.String(64), nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        *(
            sa.Column(name, sa.Integer(), nullable=False)
            for name in ("series", "predicted", "parts", "attempts")
        ),
        sa.Column("worker", sa.String(36), nullable=True),
        sa.Column("seen_at", moment, nullable=True),
        sa.Column("created_at", moment, nullable=False),
        *(sa.Column(name, moment, nullable=True) for name in ("started_at", "finished_at", "expires_at")),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_prediction_jobs"),
    )
    op.create_index("ix_prediction_jobs_state_created_at", "prediction_jobs", ["state", "created_at"])
    op.create_index(
        "ix_prediction_jobs_key_id_idempotency_key",
        "prediction_jobs",
        ["key_id", "idempotency_key"],
        unique=True,
    )
    op.create_table(
        "prediction_job_parts",
        sa.Column("job", sa.String(36), nullable=False),
        sa.Column("part", sa.Integer(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["job"], ["prediction_jobs.id"], name="fk_prediction_job_parts_job", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("job", "part", name="pk_prediction_job_parts"),
    )


def downgrade() -> None:
    op.drop_table("prediction_job_parts")
    op.drop_table("prediction_jobs")
