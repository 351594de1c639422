"""First tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "api_keys",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_api_keys"),
    )
    op.create_table(
        "audit_log",
        sa.Column("request_id", sa.String(length=36), nullable=False),
        sa.Column("arm", sa.String(length=20), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("key_id", sa.String(length=32), nullable=False),
        sa.Column("endpoint", sa.Text(), nullable=False),
        sa.Column("model_name", sa.Text(), nullable=False),
        sa.Column("model_version", sa.Text(), nullable=False),
        sa.Column("input", sa.JSON(), nullable=False),
        sa.Column("output", sa.JSON(), nullable=False),
        sa.Column("other_output", sa.JSON(), nullable=True),
        sa.Column("latency_ms", sa.Float(precision=53), nullable=False),
        sa.PrimaryKeyConstraint("request_id", "arm", name="pk_audit_log"),
    )
    op.create_index("ix_audit_log_at", "audit_log", ["at"], unique=False)
    op.create_table(
        "forecast_runs",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("lane", sa.String(length=20), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("model_name", sa.Text(), nullable=False),
        sa.Column("model_version", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("data_version", sa.Text(), nullable=False),
        sa.Column("summary", sa.JSON(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_forecast_runs"),
    )
    op.create_index("ix_forecast_runs_lane_made_at", "forecast_runs", ["lane", "made_at"], unique=False)
    op.create_table(
        "model_metrics",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("window", sa.Text(), nullable=False),
        sa.Column("metric", sa.Text(), nullable=False),
        sa.Column("value", sa.Float(precision=53), nullable=False),
        sa.PrimaryKeyConstraint("name", "version", "window", "metric", name="pk_model_metrics"),
    )
    op.create_table(
        "models",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("data_version", sa.Text(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decision", sa.Text(), nullable=False),
        sa.Column("card", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", "version", name="pk_models"),
    )
    op.create_table(
        "promotions",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("happened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("action", sa.String(length=20), nullable=False),
        sa.Column("previous", sa.Text(), nullable=True),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", "happened_at", "version", name="pk_promotions"),
    )
    op.create_table(
        "weekly_turnover",
        sa.Column("store", sa.Text(), nullable=False),
        sa.Column("department", sa.Text(), nullable=False),
        sa.Column("week", sa.Date(), nullable=False),
        sa.Column("turnover", sa.Float(precision=53), nullable=False),
        sa.PrimaryKeyConstraint("store", "department", "week", name="pk_weekly_turnover"),
    )
    op.create_table(
        "budget_curves",
        sa.Column("run", sa.Integer(), nullable=False),
        sa.Column("tv", sa.Float(precision=53), nullable=False),
        sa.Column("sales", sa.Float(precision=53), nullable=False),
        sa.Column("sales_low", sa.Float(precision=53), nullable=False),
        sa.Column("sales_high", sa.Float(precision=53), nullable=False),
        sa.Column("marginal_sales", sa.Float(precision=53), nullable=False),
        sa.ForeignKeyConstraint(
            ["run"], ["forecast_runs.id"], name="fk_budget_curves_run", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("run", "tv", name="pk_budget_curves"),
    )
    op.create_table(
        "forecasts",
        sa.Column("run", sa.Integer(), nullable=False),
        sa.Column("store", sa.Text(), nullable=False),
        sa.Column("department", sa.Text(), nullable=False),
        sa.Column("week", sa.Date(), nullable=False),
        sa.Column("horizon", sa.Integer(), nullable=False),
        sa.Column("forecast", sa.Float(precision=53), nullable=False),
        sa.Column("lo_80", sa.Float(precision=53), nullable=False),
        sa.Column("hi_80", sa.Float(precision=53), nullable=False),
        sa.Column("lo_95", sa.Float(precision=53), nullable=False),
        sa.Column("hi_95", sa.Float(precision=53), nullable=False),
        sa.Column("cold_start", sa.Boolean(), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("average_week", sa.Float(precision=53), nullable=False),
        sa.Column("level_shift", sa.Float(precision=53), nullable=False),
        sa.Column("same_week", sa.Float(precision=53), nullable=False),
        sa.Column("recent", sa.Float(precision=53), nullable=False),
        sa.Column("season", sa.Float(precision=53), nullable=False),
        sa.Column("place", sa.Float(precision=53), nullable=False),
        sa.Column("known_ahead", sa.Float(precision=53), nullable=False),
        sa.Column("peers", sa.Float(precision=53), nullable=False),
        sa.Column("other", sa.Float(precision=53), nullable=False),
        sa.ForeignKeyConstraint(["run"], ["forecast_runs.id"], name="fk_forecasts_run", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run", "store", "department", "week", name="pk_forecasts"),
    )
    op.create_index("ix_forecasts_run_department", "forecasts", ["run", "department"], unique=False)
    op.create_table(
        "level_forecasts",
        sa.Column("run", sa.Integer(), nullable=False),
        sa.Column("level", sa.String(length=40), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("department", sa.Text(), nullable=False),
        sa.Column("week", sa.Date(), nullable=False),
        sa.Column("forecast", sa.Float(precision=53), nullable=False),
        sa.Column("lo_80", sa.Float(precision=53), nullable=False),
        sa.Column("hi_80", sa.Float(precision=53), nullable=False),
        sa.Column("lo_95", sa.Float(precision=53), nullable=False),
        sa.Column("hi_95", sa.Float(precision=53), nullable=False),
        sa.ForeignKeyConstraint(
            ["run"], ["forecast_runs.id"], name="fk_level_forecasts_run", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("run", "level", "key", "department", "week", name="pk_level_forecasts"),
    )


def downgrade() -> None:
    op.drop_table("level_forecasts")
    op.drop_index("ix_forecasts_run_department", table_name="forecasts")
    op.drop_table("forecasts")
    op.drop_table("budget_curves")
    op.drop_table("weekly_turnover")
    op.drop_table("promotions")
    op.drop_table("models")
    op.drop_table("model_metrics")
    op.drop_index("ix_forecast_runs_lane_made_at", table_name="forecast_runs")
    op.drop_table("forecast_runs")
    op.drop_index("ix_audit_log_at", table_name="audit_log")
    op.drop_table("audit_log")
    op.drop_table("api_keys")
