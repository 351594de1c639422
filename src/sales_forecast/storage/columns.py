"""Types and kinds of columns that several tables share."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import Column, DateTime, Dialect, Float, ForeignKey, Text, TypeDecorator

from sales_forecast.retailers import DEFAULT_RETAILER

LABELS = ("store", "department", "key")
"""Columns that hold names given by the retailer, which the database stores as text."""


class UtcDateTime(TypeDecorator[datetime]):
    """A time with time zone; SQLite, which has no time zones, stores it in UTC."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Convert a time for the database, to UTC."""
        if value is None:
            return None
        in_utc = value.astimezone(UTC)
        return in_utc if dialect.name != "sqlite" else in_utc.replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Convert a time from the database, to UTC with its time zone."""
        if value is None:
            return None
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)


def label(name: str, *, primary_key: bool = False) -> Column[str]:
    """Define a column for stores, departments or regions: names given by the retailer, as text."""
    return Column(name, Text, primary_key=primary_key, nullable=False)


def amount(name: str, *, nullable: bool = False) -> Column[float]:
    """Define a column in double precision, in currency units per week or units of the file."""
    return Column(name, Float(53), nullable=nullable)


def retailer(*, primary_key: bool = False) -> Column[str]:
    """Define the column for the retailer whose row it is."""
    return Column("retailer", Text, primary_key=primary_key, nullable=False, server_default=DEFAULT_RETAILER)


def run(*, primary_key: bool = False) -> Column[int]:
    """Define the column that refers to the run; deleting the run deletes its rows."""
    return Column(
        "run", ForeignKey("forecast_runs.id", ondelete="CASCADE"), primary_key=primary_key, nullable=False
    )
