"""Tables of the database. A change needs a migration in ``migrations/versions``; a test compares the two."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Date,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
)

from sales_forecast.forecasting.attribution import PARTS
from sales_forecast.forecasting.intervals.conformal import INTERVAL_COLUMNS, QUANTILES
from sales_forecast.retailers import DEFAULT_RETAILER

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
    }
)


class UtcDateTime(TypeDecorator[datetime]):
    """A time with time zone; SQLite, which has no time zones, stores it in UTC."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Convert a time for the database, to UTC."""
        if value is None:
            return None
        in_utc = value.astimezone(UTC)
        return in_utc if dialect.name != "sqlite" else in_utc.replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Convert a time from the database, to UTC with its time zone."""
        if value is None:
            return None
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)


def _label(name: str, *, primary_key: bool = False) -> Column[str]:
    """Define a column for stores, departments or regions: names given by the retailer, as text."""
    return Column(name, Text, primary_key=primary_key, nullable=False)


def _amount(name: str, *, nullable: bool = False) -> Column[float]:
    """Define a column in double precision, in currency units per week or units of the file."""
    return Column(name, Float(53), nullable=nullable)


def _retailer(*, primary_key: bool = False) -> Column[str]:
    """Define the column for the retailer whose row it is."""
    return Column("retailer", Text, primary_key=primary_key, nullable=False, server_default=DEFAULT_RETAILER)


def _run(*, primary_key: bool = False) -> Column[int]:
    """Define the column that refers to the run; deleting the run deletes its rows."""
    return Column(
        "run", ForeignKey("forecast_runs.id", ondelete="CASCADE"), primary_key=primary_key, nullable=False
    )


weekly_turnover = Table(
    "weekly_turnover",
    metadata,
    _retailer(primary_key=True),
    _label("store", primary_key=True),
    _label("department", primary_key=True),
    Column("week", Date, primary_key=True),
    _amount("turnover"),
)
"""Turnover of each series and week as it is known now, after repairs; weeks without data are left out."""

turnover_vintages = Table(
    "turnover_vintages",
    metadata,
    _retailer(primary_key=True),
    _label("store", primary_key=True),
    _label("department", primary_key=True),
    Column("week", Date, primary_key=True),
    Column("recorded_at", UtcDateTime, primary_key=True),
    _amount("turnover"),
)
"""Every value that turnover ever had, with the moment it came to be known."""

turnover_digests = Table(
    "turnover_digests",
    metadata,
    _retailer(primary_key=True),
    Column("week", Date, primary_key=True),
    Column("digest", String(40), nullable=False),
)
"""Digest of all turnover of a week, as it was delivered last."""

forecast_runs = Table(
    "forecast_runs",
    metadata,
    Column("id", Integer, primary_key=True),
    _retailer(),
    Column("domain", String(20), nullable=False),
    Column("made_at", UtcDateTime, nullable=False),
    Column("model_name", Text, nullable=False),
    Column("model_version", Text, nullable=False),
    Column("run_id", Text, nullable=False),
    Column("data_version", Text, nullable=False),
    Column("summary", JSON, nullable=False),
    Column("digest", String(64), nullable=False),
    Index("ix_forecast_runs_domain_made_at", "domain", "made_at"),
)
"""Runs that published forecasts; the newest run of a retailer and domain is the current one."""

forecasts = Table(
    "forecasts",
    metadata,
    _run(primary_key=True),
    _label("store", primary_key=True),
    _label("department", primary_key=True),
    Column("week", Date, primary_key=True),
    Column("horizon", Integer, nullable=False),
    *(_amount(name) for name in ("forecast", *INTERVAL_COLUMNS)),
    Column("cold_start", Boolean, nullable=False),
    Column("method", Text, nullable=False),
    *(_amount(part) for part in PARTS),
    *(_amount(quantile, nullable=True) for quantile in QUANTILES),
    Index("ix_forecasts_run_department", "run", "department"),
)
"""Forecasts of single series, with the attributions that add up to each forecast.

The quantiles are NULL in runs that were published before there were any.
"""

level_forecasts = Table(
    "level_forecasts",
    metadata,
    _run(primary_key=True),
    Column("level", String(40), primary_key=True),
    _label("key", primary_key=True),
    _label("department", primary_key=True),
    Column("week", Date, primary_key=True),
    *(_amount(name) for name in ("forecast", *INTERVAL_COLUMNS)),
)
"""Forecasts of sums over departments, regions, zones and the whole chain."""

budget_curves = Table(
    "budget_curves",
    metadata,
    _run(primary_key=True),
    Column("tv", Float(53), primary_key=True),
    *(_amount(name) for name in ("sales", "sales_low", "sales_high", "marginal_sales")),
)
"""Predicted sales over the range of TV budgets in the training data, in units of the file."""

models = Table(
    "models",
    metadata,
    Column("name", Text, primary_key=True),
    Column("version", Text, primary_key=True),
    Column("run_id", Text, nullable=False),
    Column("data_version", Text, nullable=False),
    Column("made_at", UtcDateTime, nullable=True),
    Column("decision", Text, nullable=False),
    Column("card", Text, nullable=False),
)
"""Every version in the registry, with its model card."""

model_metrics = Table(
    "model_metrics",
    metadata,
    Column("name", Text, primary_key=True),
    Column("version", Text, primary_key=True),
    Column("window", Text, primary_key=True),
    Column("metric", Text, primary_key=True),
    Column("value", Float(53), nullable=False),
)
"""Metrics of each version: turnover by window of the backtest (its cutoff), marketing on ``test``."""

champion_changes = Table(
    "champion_changes",
    metadata,
    Column("name", Text, primary_key=True),
    Column("happened_at", UtcDateTime, primary_key=True),
    Column("version", Text, primary_key=True),
    Column("action", String(20), nullable=False),
    Column("previous", Text, nullable=True),
    Column("who", Text, nullable=False),
    Column("why", Text, nullable=False),
)
"""Every change of a champion, by promotion of a version or by rollback."""

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("name", Text, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("scopes", JSON, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=True),
    Column("revoked_at", UtcDateTime, nullable=True),
)
"""API keys; of the secret only its SHA-256."""

audit_log = Table(
    "audit_log",
    metadata,
    Column("request_id", String(36), primary_key=True),
    Column("arm", String(20), primary_key=True),
    Column("at", UtcDateTime, nullable=False, index=True),
    Column("key_id", String(32), nullable=False),
    Column("endpoint", Text, nullable=False),
    Column("model_name", Text, nullable=False),
    Column("model_version", Text, nullable=False),
    Column("input", JSON, nullable=False),
    Column("output", JSON, nullable=False),
    Column("other_output", JSON(none_as_null=True), nullable=True),
    Column("latency_ms", Float(53), nullable=False),
)
"""What every request was answered, one row per request and arm; see ``storage.audit.AuditRecord``."""
