"""Which data a run has seen: one short name for all raw files of a domain, and what is in each."""

from __future__ import annotations

import hashlib
from typing import Any

import narwhals as nw

from sales_forecast.pipelines.data_processing.params import (
    CalendarParams,
    ReadMarketingParams,
    ReadTurnoverParams,
    RepairParams,
)
from sales_forecast.pipelines.params import Params

SHORT = 12
"""Digits of the version that people see."""


def describe_turnover_files(
    raw_hashes: dict[str, str],
    sales: Any,
    forecast_index: Any,
    stores: Any,
    read: ReadTurnoverParams,
    repair: RepairParams,
    calendar: CalendarParams,
) -> dict[str, Any]:
    """Name the version of the turnover files and of how they are read: either makes other tables.

    Args:
        raw_hashes: SHA-256 by file.
        sales: Typed weekly turnover.
        forecast_index: The weeks that are wanted.
        stores: Attributes.
        read: How the files are read.
        repair: What is repaired.
        calendar: Whose holidays count.

    Returns:
        ``version``, and by file ``sha256, rows`` and the span of its weeks.
    """
    tables = {"sales": sales, "forecast_index": forecast_index, "stores": stores}
    measured = {name: _measured(table) for name, table in tables.items()}
    return _described(raw_hashes, measured, read, repair, calendar)


def describe_marketing_files(
    raw_hashes: dict[str, str], budgets: Any, read: ReadMarketingParams
) -> dict[str, Any]:
    """Name the version of the marketing file and of how it is read.

    Args:
        raw_hashes: SHA-256 by file.
        budgets: Typed campaigns.
        read: How the file is read.

    Returns:
        ``version``, and by file ``sha256, rows``.
    """
    return _described(raw_hashes, {"budgets": _measured(budgets)}, read)


def _described(
    hashes: dict[str, str], measured: dict[str, dict[str, Any]], *options: Params
) -> dict[str, Any]:
    words = [hashes[name] for name in sorted(hashes)] + [option.model_dump_json() for option in options]
    together = hashlib.sha256("\n".join(words).encode())
    files = {name: {"sha256": digest} | measured.get(name, {}) for name, digest in sorted(hashes.items())}
    return {"version": together.hexdigest()[:SHORT], "files": files}


def _measured(table: Any) -> dict[str, Any]:
    frame = nw.from_native(table).lazy()
    if "week" not in frame.collect_schema().names():
        return {"rows": int(frame.select(nw.len()).collect().item())}
    week = nw.col("week")
    rows, first, last = (
        frame.select(nw.len().alias("rows"), week.min().alias("first"), week.max().alias("last"))
        .collect()
        .row(0)
    )
    return {"rows": int(rows), "first_week": f"{first:%Y-%m-%d}", "last_week": f"{last:%Y-%m-%d}"}
