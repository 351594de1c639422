"""What planning needs beside the forecasts."""

from __future__ import annotations

from sqlalchemy import JSON, Column, Date, Float, Index, Integer, String, Table, Text

from sales_forecast.planning.staffing import StaffingRule
from sales_forecast.storage.columns import UtcDateTime, amount, label, retailer
from sales_forecast.storage.schema.base import metadata

stores = Table(
    "stores",
    metadata,
    retailer(primary_key=True),
    label("store", primary_key=True),
    *(Column(name, Text, nullable=True) for name in ("region", "zone", "postcode")),
    *(Column(name, Float(53), nullable=True) for name in ("latitude", "longitude")),
)
"""Where each store lies, as the newest publication knows it; NULL where it is not known."""

staffing_rules = Table(
    "staffing_rules",
    metadata,
    retailer(primary_key=True),
    label("department", primary_key=True),
    *(amount(name) for name in StaffingRule.model_fields),
    Column("source", Text, nullable=False),
)
"""How many hours each department needs, and what wrong hours cost; ``source`` says where the rule is from."""

overrides = Table(
    "overrides",
    metadata,
    Column("id", Integer, primary_key=True),
    retailer(),
    *(Column(name, Text, nullable=True) for name in ("store", "department", "region")),
    Column("week_from", Date, nullable=False),
    Column("week_to", Date, nullable=False),
    Column("kind", String(10), nullable=False),
    amount("value"),
    Column("reason", String(30), nullable=False),
    Column("note", Text, nullable=False),
    Column("expires", Date, nullable=False),
    Column("stores", JSON, nullable=False),
    Column("publication", Integer, nullable=False),
    Column("key_id", String(32), nullable=False),
    Column("name", Text, nullable=False),
    Column("made_at", UtcDateTime, nullable=False),
    Column("idempotency_key", String(200), nullable=True),
    Column("request_digest", String(64), nullable=True),
    Column("withdrawn_at", UtcDateTime, nullable=True),
    *(Column(name, Text, nullable=True) for name in ("withdrawn_by", "withdrawn_why")),
    Index("ix_overrides_retailer_week_to", "retailer", "week_to"),
    Index("ix_overrides_key_id_idempotency_key", "key_id", "idempotency_key", unique=True),
)
"""Planners' corrections, which are never changed: withdrawing one fills its last three columns, once.

``stores`` are those with a series in its scope when it was made; ``publication`` is what the planner saw.
"""

exception_answers = Table(
    "exception_answers",
    metadata,
    Column("id", Integer, primary_key=True),
    retailer(),
    Column("publication", Integer, nullable=False),
    label("store"),
    label("department"),
    Column("action", String(10), nullable=False),
    Column("override", Integer, nullable=True),
    Column("assigned_to", Text, nullable=True),
    Column("note", Text, nullable=False),
    Column("key_id", String(32), nullable=False),
    Column("name", Text, nullable=False),
    Column("made_at", UtcDateTime, nullable=False),
    Index("ix_exception_answers_publication", "publication"),
)
"""What planners did about exceptions; of several answers to the same one, the newest holds."""
