"""Tables of the database. A change needs a migration in ``migrations/versions``; a test compares the two."""

from sales_forecast.storage.schema.base import metadata
from sales_forecast.storage.schema.deliveries import (
    deliveries,
    turnover_digests,
    turnover_vintages,
    weekly_turnover,
)
from sales_forecast.storage.schema.ledger import (
    budget_curves,
    forecast_changes,
    forecast_runs,
    forecasts,
    level_forecasts,
    planner_exceptions,
    realised_accuracy,
    withdrawals,
)
from sales_forecast.storage.schema.monitoring import (
    monitor_signals,
    retraining_decisions,
)
from sales_forecast.storage.schema.service import (
    api_keys,
    audit_log,
    champion_changes,
    model_metrics,
    models,
)

__all__ = [
    "api_keys",
    "audit_log",
    "budget_curves",
    "champion_changes",
    "deliveries",
    "forecast_changes",
    "forecast_runs",
    "forecasts",
    "level_forecasts",
    "metadata",
    "model_metrics",
    "models",
    "monitor_signals",
    "planner_exceptions",
    "realised_accuracy",
    "retraining_decisions",
    "turnover_digests",
    "turnover_vintages",
    "weekly_turnover",
    "withdrawals",
]
