-- What the dashboards read, for an account of its own that can write nothing: neither what callers have asked nor
-- the digests of their keys are among it. After: createuser --pwprompt grafana
GRANT SELECT ON forecast_runs, withdrawals, level_forecasts, planner_exceptions, realised_accuracy, monitor_signals,
    retraining_decisions, deliveries, weekly_turnover, models, model_metrics, champion_changes TO grafana;
GRANT SELECT (at, arm, model_version) ON audit_log TO grafana;
GRANT SELECT (name, scopes, created_at, expires_at, revoked_at) ON api_keys TO grafana;
