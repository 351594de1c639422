"""What the service answers about models, whom it answers, and the record of its answers."""

from __future__ import annotations

from sqlalchemy import JSON, Column, Float, Index, Integer, String, Table, Text, text

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
    Column("stores", JSON(none_as_null=True), nullable=True),
    Column("regions", JSON(none_as_null=True), nullable=True),
    Column("login", Text, nullable=True),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=True),
    Column("revoked_at", UtcDateTime, nullable=True),
    Index(
        "ix_api_keys_login_not_revoked",
        "login",
        unique=True,
        sqlite_where=text("revoked_at IS NULL"),
        postgresql_where=text("revoked_at IS NULL"),
    ),
)
"""API keys; of the secret only its SHA-256.

``stores, regions`` are those whose plan the owner may change, NULL for no limit; ``login`` is the name by
which a trusted proxy announces the owner, of one key that is not revoked.
"""

write_probes = Table(
    "write_probes",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("at", UtcDateTime, nullable=False),
)
"""One row, which the service writes to see whether it can."""

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
    Column("kind", String(20), nullable=False, server_default="answer"),
    Column("writer", String(32), nullable=True),
    Column("number", Integer, nullable=True),
    Column("digest", String(64), nullable=True),
    Column("bytes", Integer, nullable=True),
    Index(
        "ix_audit_log_writer_number",
        "writer",
        "number",
        unique=True,
        sqlite_where=text("writer IS NOT NULL"),
        postgresql_where=text("writer IS NOT NULL"),
    ),
)
"""What every request was answered, one row per request and arm, and what else is on record.

See ``storage.audit.AuditRecord``; ``writer, number, digest`` are the link of ``storage.audit_chain``, NULL in
records from before the log was chained. ``bytes`` is the size of the contents as JSON, NULL where it was not
counted yet.
"""

audit_writers = Table(
    "audit_writers",
    metadata,
    Column("writer", String(32), primary_key=True),
    Column("place", Integer, nullable=False),
    Column("name", Text, nullable=False),
    Column("started_at", UtcDateTime, nullable=False),
    Column("key_mark", String(16), nullable=False),
    Column("opened", String(64), nullable=False),
    Column("number", Integer, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("seal", String(64), nullable=False),
    Column("purged_number", Integer, nullable=False),
    Column("purged_digest", String(64), nullable=False),
    Column("purged_seal", String(64), nullable=False),
    Column("purged_mark", String(16), nullable=False),
    Index("ix_audit_writers_place", "place", unique=True),
)
"""Who has written to the audit log, one row per process; see ``storage.audit_chain``.

``number, digest`` are those of the writer's newest record, ``purged_number, purged_digest`` those of the
newest one that a purge has deleted.
"""
