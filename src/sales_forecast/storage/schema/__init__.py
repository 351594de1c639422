"""Tables of the database. A change needs a migration in ``migrations/versions``; a test compares the two."""

from sales_forecast.storage.schema.base import metadata
from sales_forecast.storage.schema.deliveries import (
    deliveries,
    turnover_digests,
    turnover_vintages,
    weekly_turnover,
)
from sales_forecast.storage.schema.jobs import prediction_job_parts, prediction_jobs
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
from sales_forecast.storage.schema.planning import (
    exception_answers,
    overrides,
    staffing_rules,
    stores,
)
from sales_forecast.storage.schema.scenarios import scenarios
from sales_forecast.storage.schema.service import (
    api_keys,
    audit_log,
    audit_writers,
    champion_changes,
    model_metrics,
    models,
    write_probes,
)

__all__ = [
    "api_keys",
    "audit_log",
    "audit_writers",
    "budget_curves",
    "champion_changes",
    "deliveries",
    "exception_answers",
    "forecast_changes",
    "forecast_runs",
    "forecasts",
    "level_forecasts",
    "metadata",
    "model_metrics",
    "models",
    "monitor_signals",
    "overrides",
    "planner_exceptions",
    "prediction_job_parts",
    "prediction_jobs",
    "realised_accuracy",
    "retraining_decisions",
    "scenarios",
    "staffing_rules",
    "stores",
    "turnover_digests",
    "turnover_vintages",
    "weekly_turnover",
    "withdrawals",
    "write_probes",
]
