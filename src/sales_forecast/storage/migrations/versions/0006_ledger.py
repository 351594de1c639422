"""The ledger, deliveries and what follows from them: accuracy, changes, exceptions.

Forecasts so far were made from the data of their models, as far as anybody can say; their ledger is not
chained.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

CAUSES = ["restated", "new_weeks", "future_covariates", "level_shift", "refit", "model", "steadiness"]
SCORES = ["turnover", "forecast", "absolute_error", "inside_80", "inside_95"]
NAIVE = ["naive_turnover", "naive_absolute_error", "compared_absolute_error"]
RESTATED = ["restated_turnover", "restated_absolute_error"]
LEDGER: dict[str, Any] = {
    "cutoff": sa.Date(),
    "delivery": sa.String(12),
    "git_commit": sa.Text(),
    "requirements_lock": sa.String(64),
    "chain": sa.String(64),
}


def upgrade() -> None:
    op.add_column(
        "forecast_runs", sa.Column("model_data_version", sa.Text(), nullable=False, server_default="unknown")
    )
    op.execute("UPDATE forecast_runs SET model_data_version = data_version")
    for name, kind in LEDGER.items():
        op.add_column("forecast_runs", sa.Column(name, kind, nullable=True))
    op.add_column(
        "forecasts",
        sa.Column("earlier_forecast", sa.Float(precision=53), nullable=False, server_default="0"),
    )
    op.create_table(
        "withdrawals",
        _run(),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("restored_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("restored_by", sa.Text(), nullable=True),
        sa.Column("restored_why", sa.Text(), nullable=True),
        *_keys("withdrawals", "run", "at"),
    )
    op.create_table(
        "deliveries",
        sa.Column("id", sa.String(12), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        _retailer(),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("folder", sa.Text(), nullable=False),
        sa.Column("last_week", sa.Date(), nullable=True),
        sa.Column("files", sa.JSON(), nullable=False),
        sa.Column("findings", sa.JSON(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", "at", name="pk_deliveries"),
    )
    op.create_table(
        "realised_accuracy",
        _retailer(),
        sa.Column("week", sa.Date(), nullable=False),
        sa.Column("horizon", sa.Integer(), nullable=False),
        sa.Column("level", sa.String(40), nullable=False),
        sa.Column("department", sa.Text(), nullable=False),
        sa.Column("run", sa.Integer(), nullable=False),
        sa.Column("scored_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        *_amounts(SCORES),
        sa.Column("median_log_ratio", sa.Float(precision=53), nullable=True),
        sa.Column("naive_count", sa.Integer(), nullable=False),
        *_amounts(NAIVE),
        sa.Column("restated_count", sa.Integer(), nullable=False),
        *_amounts(RESTATED),
        sa.PrimaryKeyConstraint(
            "retailer", "week", "horizon", "level", "department", name="pk_realised_accuracy"
        ),
    )
    op.create_table(
        "forecast_changes",
        _run(),
        sa.Column("store", sa.Text(), nullable=False),
        sa.Column("department", sa.Text(), nullable=False),
        sa.Column("week", sa.Date(), nullable=False),
        *_amounts(["before", *CAUSES, "after"]),
        *_keys("forecast_changes", "run", "store", "department", "week"),
    )
    op.create_table(
        "planner_exceptions",
        _run(),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("store", sa.Text(), nullable=False),
        sa.Column("department", sa.Text(), nullable=False),
        sa.Column("kind", sa.String(30), nullable=False),
        sa.Column("money_at_risk", sa.Float(precision=53), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        *_keys("planner_exceptions", "run", "place"),
    )


def downgrade() -> None:
    for table in (
        "planner_exceptions",
        "forecast_changes",
        "realised_accuracy",
        "deliveries",
        "withdrawals",
    ):
        op.drop_table(table)
    op.drop_column("forecasts", "earlier_forecast")
    for name in reversed(LEDGER):
        op.drop_column("forecast_runs", name)
    op.drop_column("forecast_runs", "model_data_version")


def _amounts(names: list[str]) -> list[sa.Column[float]]:
    return [sa.Column(name, sa.Float(precision=53), nullable=False) for name in names]


def _keys(table: str, *names: str) -> list[sa.Constraint]:
    """The primary key, and the foreign key to the run, which deletes its rows."""
    run = sa.ForeignKeyConstraint(["run"], ["forecast_runs.id"], name=f"fk_{table}_run", ondelete="CASCADE")
    return [sa.PrimaryKeyConstraint(*names, name=f"pk_{table}"), run]


def _run() -> sa.Column[int]:
    return sa.Column("run", sa.Integer(), nullable=False)


def _retailer() -> sa.Column[str]:
    return sa.Column("retailer", sa.Text(), nullable=False, server_default="default")
