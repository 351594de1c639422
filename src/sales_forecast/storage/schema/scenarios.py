"""Scenarios that planners have saved."""

from __future__ import annotations

from sqlalchemy import JSON, Column, Index, Integer, String, Table, Text

from sales_forecast.storage.columns import UtcDateTime, retailer
from sales_forecast.storage.schema.base import metadata

scenarios = Table(
    "scenarios",
    metadata,
    Column("id", String(36), primary_key=True),
    retailer(),
    Column("name", Text, nullable=False),
    Column("key_id", String(32), nullable=False),
    Column("made_by", Text, nullable=False),
    Column("made_at", UtcDateTime, nullable=False),
    Column("publication", Integer, nullable=True),
    Column("model_version", Text, nullable=False),
    Column("request", JSON, nullable=False),
    Column("answer", JSON, nullable=False),
    Index("ix_scenarios_retailer_made_at", "retailer", "made_at"),
)
"""What-if scenarios with their answers, see ``storage.scenarios``. A row is never changed.

``key_id, made_by`` are id and name of the API key that saved it; ``publication`` is the id of the newest
publication of turnover at that time, NULL before there was one.
"""
