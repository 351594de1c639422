"""Deliveries, and the turnover that they brought."""

from __future__ import annotations

from sqlalchemy import JSON, Column, Date, String, Table, Text

from sales_forecast.storage.columns import UtcDateTime, amount, label, retailer
from sales_forecast.storage.schema.base import metadata

weekly_turnover = Table(
    "weekly_turnover",
    metadata,
    retailer(primary_key=True),
    label("store", primary_key=True),
    label("department", primary_key=True),
    Column("week", Date, primary_key=True),
    amount("turnover"),
)
"""Turnover of each series and week as it is known now, after repairs; weeks without data are left out."""

turnover_vintages = Table(
    "turnover_vintages",
    metadata,
    retailer(primary_key=True),
    label("store", primary_key=True),
    label("department", primary_key=True),
    Column("week", Date, primary_key=True),
    Column("recorded_at", UtcDateTime, primary_key=True),
    amount("turnover"),
)
"""Every value that turnover ever had, with the moment it came to be known."""

turnover_digests = Table(
    "turnover_digests",
    metadata,
    retailer(primary_key=True),
    Column("week", Date, primary_key=True),
    Column("digest", String(40), nullable=False),
)
"""Digest of all turnover of a week, as it was delivered last."""

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", String(12), primary_key=True),
    Column("at", UtcDateTime, primary_key=True),
    retailer(),
    Column("state", String(10), nullable=False),
    Column("folder", Text, nullable=False),
    Column("last_week", Date, nullable=True),
    Column("files", JSON, nullable=False),
    Column("findings", JSON, nullable=False),
    Column("who", Text, nullable=False),
    Column("why", Text, nullable=False),
)
"""Decisions about deliveries, of which the last one holds; see ``deliveries.delivery``."""
