"""What the service answers about models, whom it answers, and the record of its answers."""

from __future__ import annotations

from sqlalchemy import JSON, Column, Float, String, Table, Text

from sales_forecast.storage.columns import UtcDateTime
from sales_forecast.storage.schema.base import metadata

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
