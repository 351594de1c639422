"""Publications: forecasts, why they changed, and what they were worth once their weeks had come."""

from __future__ import annotations

from sqlalchemy import JSON, Boolean, Column, Date, Float, Index, Integer, String, Table, Text

from sales_forecast.forecasting.attribution import PARTS, STEADINESS
from sales_forecast.forecasting.changes import CAUSES
from sales_forecast.forecasting.intervals.conformal import INTERVAL_COLUMNS, QUANTILES
from sales_forecast.storage.columns import UtcDateTime, amount, label, retailer, run
from sales_forecast.storage.schema.base import metadata

forecast_runs = Table(
    "forecast_runs",
    metadata,
    Column("id", Integer, primary_key=True),
    retailer(),
    Column("domain", String(20), nullable=False),
    Column("made_at", UtcDateTime, nullable=False),
    Column("model_name", Text, nullable=False),
    Column("model_version", Text, nullable=False),
    Column("run_id", Text, nullable=False),
    Column("model_data_version", Text, nullable=False, server_default="unknown"),
    Column("data_version", Text, nullable=False),
    Column("cutoff", Date, nullable=True),
    Column("delivery", String(12), nullable=True),
    Column("git_commit", Text, nullable=True),
    Column("requirements_lock", String(64), nullable=True),
    Column("summary", JSON, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("chain", String(64), nullable=True),
    Column("numbers_removed_at", UtcDateTime, nullable=True),
    Index("ix_forecast_runs_domain_made_at", "domain", "made_at"),
)
"""The ledger: publications, which are never changed; see ``storage.ledger``.

The newest one of a retailer and domain that is not withdrawn and has its numbers is the current one.
``chain`` is NULL in those from before the ledger was chained; ``numbers_removed_at`` says when retention
removed the numbers.
"""

withdrawals = Table(
    "withdrawals",
    metadata,
    run(primary_key=True),
    Column("at", UtcDateTime, primary_key=True),
    Column("who", Text, nullable=False),
    Column("why", Text, nullable=False),
    Column("restored_at", UtcDateTime, nullable=True),
    Column("restored_by", Text, nullable=True),
    Column("restored_why", Text, nullable=True),
)
"""Publications that do not serve although they are the newest, until they are restored."""

forecasts = Table(
    "forecasts",
    metadata,
    run(primary_key=True),
    label("store", primary_key=True),
    label("department", primary_key=True),
    Column("week", Date, primary_key=True),
    Column("horizon", Integer, nullable=False),
    *(amount(name) for name in ("forecast", *INTERVAL_COLUMNS)),
    Column("cold_start", Boolean, nullable=False),
    Column("method", Text, nullable=False),
    *(amount(part) for part in PARTS if part != STEADINESS),
    Column(STEADINESS, Float(53), nullable=False, server_default="0"),
    *(amount(quantile, nullable=True) for quantile in QUANTILES),
    Index("ix_forecasts_run_department", "run", "department"),
)
"""Forecasts of single series, with the attributions that add up to each forecast.

The quantiles are NULL in runs that were published before there were any.
"""

level_forecasts = Table(
    "level_forecasts",
    metadata,
    run(primary_key=True),
    Column("level", String(40), primary_key=True),
    label("key", primary_key=True),
    label("department", primary_key=True),
    Column("week", Date, primary_key=True),
    *(amount(name) for name in ("forecast", *INTERVAL_COLUMNS)),
)
"""Forecasts of sums over departments, regions, zones and the whole chain."""

budget_curves = Table(
    "budget_curves",
    metadata,
    run(primary_key=True),
    Column("tv", Float(53), primary_key=True),
    *(amount(name) for name in ("sales", "sales_low", "sales_high", "marginal_sales")),
)
"""Predicted sales over the range of TV budgets in the training data, in units of the file."""

forecast_changes = Table(
    "forecast_changes",
    metadata,
    run(primary_key=True),
    label("store", primary_key=True),
    label("department", primary_key=True),
    Column("week", Date, primary_key=True),
    amount("before"),
    *(amount(cause) for cause in CAUSES),
    amount("after"),
)
"""Why each forecast is not what the publication before said; the causes add up to the change."""

planner_exceptions = Table(
    "planner_exceptions",
    metadata,
    run(primary_key=True),
    Column("place", Integer, primary_key=True),
    label("store"),
    label("department"),
    Column("kind", String(30), nullable=False),
    amount("money_at_risk"),
    Column("reason", Text, nullable=False),
)
"""The few series of a publication that deserve a planner's eye, the most urgent first."""

realised_accuracy = Table(
    "realised_accuracy",
    metadata,
    retailer(primary_key=True),
    Column("week", Date, primary_key=True),
    Column("horizon", Integer, primary_key=True),
    Column("level", String(40), primary_key=True),
    label("department", primary_key=True),
    Column("run", Integer, nullable=False),
    Column("scored_at", UtcDateTime, nullable=False),
    Column("count", Integer, nullable=False),
    *(amount(name) for name in ("turnover", "forecast", "absolute_error", "inside_80", "inside_95")),
    amount("median_log_ratio", nullable=True),
    Column("naive_count", Integer, nullable=False),
    *(amount(name) for name in ("naive_turnover", "naive_absolute_error", "compared_absolute_error")),
    Column("restated_count", Integer, nullable=False),
    *(amount(name) for name in ("restated_turnover", "restated_absolute_error")),
)
"""Sums of the errors of forecasts, once their weeks had come, by week, horizon, level and department.

See ``storage.scoring`` for what is scored, and ``storage.scores`` for the columns.
"""
