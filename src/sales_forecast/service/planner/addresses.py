"""Addresses of the pages."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from urllib.parse import urlencode


def series_address(store: str, department: str, week: date | None = None) -> str:
    """Return the page of a series, with one of its weeks shown large."""
    fields = {"store": store, "department": department}
    if week is not None:
        fields["week"] = week.isoformat()
    return f"/planner/series?{urlencode(fields)}"


def stores_address(**fields: str | int) -> str:
    """Return the list of stores, narrowed down by fields of its form; empty ones are left out."""
    return address("/planner/stores", fields)


def staffing_address(**fields: str | int) -> str:
    """Return the hours to plan, narrowed down by fields of its form; empty ones are left out."""
    return address("/planner/staffing", fields)


def overrides_address(**fields: str | int) -> str:
    """Return the page of overrides, with fields of its form filled in; empty ones are left out."""
    return address("/planner/overrides", fields)


def address(page: str, fields: Mapping[str, str | int]) -> str:
    """Return a page with fields of its query; empty ones are left out."""
    given = {name: value for name, value in fields.items() if value}
    return f"{page}?{urlencode(given)}" if given else page
