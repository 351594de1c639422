"""Signals of the monitoring, and what was decided because of them."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Date, Integer, String, Table, Text

from sales_forecast.storage.columns import UtcDateTime, amount, label, retailer
from sales_forecast.storage.schema.base import metadata

monitor_signals = Table(
    "monitor_signals",
    metadata,
    retailer(primary_key=True),
    Column("week", Date, primary_key=True),
    Column("detector", String(30), primary_key=True),
    label("key", primary_key=True),
    amount("value"),
    amount("threshold", nullable=True),
    Column("state", String(10), nullable=False),
    Column("since", Date, nullable=True),
    Column("evidence", Text, nullable=False),
    Column("found_at", UtcDateTime, nullable=False),
)
"""What each detector said about a week when it came; see ``forecasting.monitoring.signals``."""

retraining_decisions = Table(
    "retraining_decisions",
    metadata,
    Column("id", Integer, primary_key=True),
    retailer(),
    Column("week", Date, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("wanted", Boolean, nullable=False),
    Column("trigger", String(20), nullable=True),
    Column("evidence", Text, nullable=False),
    Column("done_at", UtcDateTime, nullable=True),
    Column("result", Text, nullable=True),
)
"""Whether all methods were to compete on newer data, why, and what came of it."""
