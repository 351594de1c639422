"""Which data a run has seen: one short name for all raw files of a domain, and what is in each."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from types import MappingProxyType

import narwhals as nw
import pandas as pd
from narwhals.typing import IntoFrame

from sales_forecast.pipelines.data_processing.params import (
    CalendarParams,
    ReadMarketingParams,
    ReadTurnoverParams,
    RepairParams,
)
from sales_forecast.pipelines.handovers import DataVersion, FileVersion, WeeklyFileVersion
from sales_forecast.pipelines.params import Params
from sales_forecast.retailers import UNNAMED, Retailer

TIMESHEETS = "timesheets"

WITHOUT_TIMESHEETS = {"files": {TIMESHEETS}, "columns": {TIMESHEETS}}
"""What forecasts are not made from does not change the version."""

SHORT = 12
"""Digits of the version that people see."""


def describe_turnover_files(
    raw_hashes: dict[str, str],
    sales: IntoFrame,
    forecast_index: IntoFrame,
    stores: IntoFrame,
    read: ReadTurnoverParams,
    repair: RepairParams,
    calendar: CalendarParams,
    retailer: Retailer = UNNAMED,
    raw_covariate_tables: Mapping[str, pd.DataFrame] = MappingProxyType({}),
) -> DataVersion:
    """Name the version of the turnover files and of how they are read: either makes other tables.

    Args:
        raw_hashes: SHA-256 by file.
        sales: Typed weekly turnover.
        forecast_index: The weeks that are wanted.
        stores: Attributes.
        read: How the files are read.
        repair: What is repaired.
        calendar: Whose holidays count.
        retailer: Whose files they are.
        raw_covariate_tables: Further tables of future covariates by name.
    """
    tables = {"sales": sales, "forecast_index": forecast_index, "stores": stores}
    of_files = {name: table for name, table in sorted(tables.items()) if name in raw_hashes}
    files = {name: _describe(raw_hashes[name], table) for name, table in of_files.items()}
    for name, rows in raw_covariate_tables.items():
        files[name] = FileVersion(sha256=raw_hashes[name], rows=len(rows))
    hashes = {name: digest for name, digest in raw_hashes.items() if name != TIMESHEETS}
    version = _version(hashes, read, repair, calendar)
    return DataVersion(version=version, retailer=retailer.name, files=files)


def describe_marketing_files(
    raw_hashes: dict[str, str],
    budgets: IntoFrame,
    read: ReadMarketingParams,
    retailer: Retailer = UNNAMED,
) -> DataVersion:
    """Name the version of the marketing file and of how it is read.

    Args:
        raw_hashes: SHA-256 by file.
        budgets: Typed campaigns.
        read: How the file is read.
        retailer: Whose file it is.
    """
    files = {name: _describe(digest, budgets) for name, digest in raw_hashes.items()}
    return DataVersion(version=_version(raw_hashes, read), retailer=retailer.name, files=files)


def _version(hashes: dict[str, str], *options: Params) -> str:
    words = [hashes[name] for name in sorted(hashes)]
    words += [option.model_dump_json(exclude=WITHOUT_TIMESHEETS) for option in options]
    return hashlib.sha256("\n".join(words).encode()).hexdigest()[:SHORT]


def _describe(digest: str, table: IntoFrame) -> FileVersion:
    frame = nw.from_native(table).lazy()
    if "week" not in frame.collect_schema().names():
        return FileVersion(sha256=digest, rows=int(frame.select(nw.len()).collect().item()))
    week = nw.col("week")
    rows, first, last = (
        frame.select(nw.len().alias("rows"), week.min().alias("first"), week.max().alias("last"))
        .collect()
        .row(0)
    )
    return WeeklyFileVersion(sha256=digest, rows=int(rows), first_week=first.date(), last_week=last.date())
