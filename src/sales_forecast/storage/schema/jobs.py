"""Jobs that predict many series, and their results."""

from __future__ import annotations

from sqlalchemy import JSON, Column, ForeignKey, Index, Integer, LargeBinary, String, Table, Text

from sales_forecast.storage.columns import UtcDateTime, retailer
from sales_forecast.storage.schema.base import metadata

prediction_jobs = Table(
    "prediction_jobs",
    metadata,
    Column("id", String(36), primary_key=True),
    retailer(),
    Column("key_id", String(32), nullable=False),
    Column("idempotency_key", String(200), nullable=True),
    Column("request", JSON, nullable=False),
    Column("request_digest", String(64), nullable=False),
    Column("state", String(10), nullable=False),
    Column("series", Integer, nullable=False),
    Column("predicted", Integer, nullable=False),
    Column("parts", Integer, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("worker", String(36), nullable=True),
    Column("seen_at", UtcDateTime, nullable=True),
    Column("created_at", UtcDateTime, nullable=False),
    Column("started_at", UtcDateTime, nullable=True),
    Column("finished_at", UtcDateTime, nullable=True),
    Column("expires_at", UtcDateTime, nullable=True),
    Column("reason", Text, nullable=True),
    Index("ix_prediction_jobs_state_created_at", "state", "created_at"),
    Index("ix_prediction_jobs_key_id_idempotency_key", "key_id", "idempotency_key", unique=True),
)
"""Jobs, see ``storage.jobs``. ``seen_at`` is when the worker that runs it last said so."""

prediction_job_parts = Table(
    "prediction_job_parts",
    metadata,
    Column("job", ForeignKey("prediction_jobs.id", ondelete="CASCADE"), primary_key=True, nullable=False),
    Column("part", Integer, primary_key=True),
    Column("content", LargeBinary, nullable=False),
)
"""Results of jobs in parts, each a list of predictions as JSON, compressed with gzip."""
