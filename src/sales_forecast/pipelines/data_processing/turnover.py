"""Turnover: from the retailer's files to typed weeks of sales, weeks to forecast, and their calendar.

The nodes are narwhals functions: the dataset types in the catalog choose the engine.
"""

from __future__ import annotations

from datetime import timedelta

import narwhals as nw
import pandas as pd
from narwhals.typing import IntoFrame

from sales_forecast.forecasting.panel.calendar import weekly_calendar
from sales_forecast.forecasting.panel.matrix import KEYS, WEEKS_PER_YEAR
from sales_forecast.forecasting.panel.model_input import ModelInput
from sales_forecast.pipelines.data_processing.params import CalendarParams, ReadTurnoverParams
from sales_forecast.pipelines.data_processing.rows import OnBad, assert_no_row_lost, settle, with_row_numbers
from sales_forecast.pipelines.data_processing.rules import (
    Rule,
    date_rules,
    key_rules,
    rules_for_flags,
    rules_for_numbers,
    unknown_rule,
)
from sales_forecast.pipelines.data_processing.turnover_panel import WEEKLY
from sales_forecast.pipelines.data_processing.turnover_weeks_ahead import weeks_ahead_of_active_series
from sales_forecast.pipelines.data_processing.values import Frame, as_key, as_label, as_number, as_week
from sales_forecast.pipelines.data_processing.weeks import as_weeks, between, within_horizon

COVARIATE_REMEDY = (
    " A column named under turnover.read.future_covariates needs its value in every week to forecast: "
    "fill it in, or leave the column out."
)

ONE_DEPARTMENT = "whole store"
"""What the department is called where the files know none."""


def read_sales(
    raw_sales: IntoFrame, stores: IntoFrame, read: ReadTurnoverParams
) -> tuple[IntoFrame, IntoFrame]:
    """Type the weekly turnover and part good rows from bad ones.

    Args:
        raw_sales: The retailer's table of turnover, one row a store, department and week.
        stores: Known stores.
        read: File, columns, formats, and whether bad rows stop the run.

    Returns:
        Sales ``store, department, week, turnover`` (currency units per week) and the future covariates; and
        the rejected rows as text with their line in the file and the reason.

    Raises:
        DataContractError: There are bad rows and ``bad_rows`` is ``stop``.
    """
    columns = read.columns.sales
    frame = with_row_numbers(raw_sales, columns)
    rules = [
        *key_rules(frame, _entities(read)),
        *_taken_labels(frame, _entities(read)),
        *date_rules(frame, "week", read.date_format, read.label_day),
        *rules_for_numbers(frame, "turnover"),
        *rules_for_flags(frame, read.future_covariates, required=False),
        _unknown_stores(frame, stores, read),
    ]
    on_bad = OnBad(
        set_aside=read.bad_rows == "set_aside",
        remedy=(
            "Fix the file, or set such rows aside with turnover.read.bad_rows: set_aside "
            "(they go to data/02_intermediate/turnover/rejected.parquet, with the reason)."
        ),
    )
    file = read.files.sales
    good, rejected = settle(frame, rules, keys=read.keys, file=file, columns=columns, on_bad=on_bad)
    assert_no_row_lost(frame, good, rejected, file)
    days = good.select(
        as_key(good, "store", like=nw.from_native(stores)),
        as_key(good, "department") if "department" in columns else _one_department(),
        as_week(good, "week", read.date_format),
        *(as_number(good, name) for name in ("turnover", *read.future_covariates)),
    )
    sales = as_weeks(between(days, read), read, file).sort(*WEEKLY)
    return sales.pipe(nw.maybe_reset_index).to_native(), rejected.to_native()


def _entities(read: ReadTurnoverParams) -> list[str]:
    return [key for key in KEYS if key in read.columns.sales]


def _taken_labels(frame: Frame, keys: list[str]) -> list[Rule]:
    """Sums over departments, or stores, are called so."""
    taken = [as_label(frame, key) == "all" for key in keys]
    return [Rule(key, "are 'all', our name for sums", bad) for key, bad in zip(keys, taken, strict=True)]


def _one_department() -> nw.Expr:
    return nw.lit(ONE_DEPARTMENT).alias("department")


def _unknown_stores(frame: Frame, stores: IntoFrame, read: ReadTurnoverParams) -> Rule:
    known = nw.from_native(stores).lazy().select("store").collect()["store"].to_list()
    return unknown_rule(frame, "store", known, f"the stores of {read.files.stores}")


def read_forecast_index(
    raw_forecast_index: IntoFrame | None, stores: IntoFrame, sales: IntoFrame, read: ReadTurnoverParams
) -> IntoFrame:
    """Type the list of forecasts that are wanted, or make it where there is no file.

    Args:
        raw_forecast_index: One row a store, department and week to forecast; None for the next weeks of every
            series that is active.
        stores: Known stores.
        sales: Typed weekly turnover; wanted weeks must come after it.
        read: File, columns, formats.

    Returns:
        ``store, department, week`` and the future covariates.

    Raises:
        DataContractError: There are bad rows; here they always stop the run. A future covariate without
            its future value makes one.
        InputError: There is no file, and the list cannot be made.
    """
    columns, file = read.columns.forecast_index, read.files.forecast_index
    if raw_forecast_index is None or file is None:
        return weeks_ahead_of_active_series(sales, read)
    frame = with_row_numbers(raw_forecast_index, columns)
    history = nw.from_native(sales).lazy()
    last = history.select(nw.col("week").max()).collect().item()
    rules = [
        *key_rules(frame, _entities(read)),
        *date_rules(frame, "week", read.date_format, read.label_day, after=last + read.last_label),
        _unknown_stores(frame, stores, read),
        *rules_for_flags(frame, read.future_covariates),
    ]
    if "department" in columns:
        departments = history.select("department").unique().collect()["department"].to_list()
        rules.append(unknown_rule(frame, "department", departments, f"the departments of {read.files.sales}"))
    on_bad = OnBad(remedy=f"Fix the file.{COVARIATE_REMEDY if read.future_covariates else ''}")
    good, _ = settle(frame, rules, keys=read.keys, file=file, columns=columns, on_bad=on_bad)
    days = good.select(
        as_key(good, "store", like=nw.from_native(stores)),
        as_key(good, "department", like=history) if "department" in columns else _one_department(),
        as_week(good, "week", read.date_format),
        *(as_number(good, name) for name in read.future_covariates),
    )
    weeks: IntoFrame = within_horizon(as_weeks(days, read, file), last.date(), read, file).to_native()
    return weeks


def build_calendar(
    sales: IntoFrame, forecast_index: IntoFrame, stores: IntoFrame, calendar: CalendarParams
) -> pd.DataFrame:
    """Describe every week from the first one sold to the last one wanted.

    Args:
        sales: For its first week.
        forecast_index: For the last week.
        stores: For their school zones.
        calendar: Country.

    Returns:
        See ``forecasting.panel.calendar.weekly_calendar``. A small table, in pandas on every engine.
    """
    weeks = [
        stamp
        for frame in (sales, forecast_index)
        for stamp in nw.from_native(frame)
        .lazy()
        .select(nw.col("week").min().alias("first"), nw.col("week").max().alias("last"))
        .collect()
        .row(0)
    ]
    zones = nw.from_native(stores).lazy().select("school_zone").unique().collect()
    return weekly_calendar(
        min(weeks).date(),
        max(weeks).date() + timedelta(weeks=WEEKS_PER_YEAR),
        calendar.country,
        sorted(zones["school_zone"].to_list()),
    )


def assemble_model_input(
    panel: pd.DataFrame, stores: pd.DataFrame, calendar: pd.DataFrame, future_covariates: pd.DataFrame
) -> ModelInput:
    """Put the tables together that every later stage fits and forecasts from.

    Args:
        panel: Gap-free weekly turnover.
        stores: Attributes, one row per store.
        calendar: Holidays of past and future weeks.
        future_covariates: The retailer's own columns that are known for future weeks too.
    """
    return ModelInput(panel, stores, calendar, future_covariates)
