"""Turnover: hours worked per store, department and week, where the retailer has a file of them."""

from __future__ import annotations

import narwhals as nw
import pandas as pd
from narwhals.typing import IntoFrame

from sales_forecast.forecasting.panel.matrix import ROW_KEYS
from sales_forecast.pipelines.data_processing.params import ReadTurnoverParams
from sales_forecast.pipelines.data_processing.rows import OnBad, settle, with_row_numbers
from sales_forecast.pipelines.data_processing.rules import (
    Rule,
    date_rules,
    key_rules,
    rules_for_numbers,
    unknown_rule,
)
from sales_forecast.pipelines.data_processing.turnover import ONE_DEPARTMENT
from sales_forecast.pipelines.data_processing.values import Frame, as_key, as_number, as_week, is_number
from sales_forecast.pipelines.data_processing.weeks import named_by_first_day


def read_timesheets(
    raw_timesheets: pd.DataFrame | None, stores: IntoFrame, sales: IntoFrame, read: ReadTurnoverParams
) -> pd.DataFrame:
    """Type the hours that were worked, one row a week.

    Args:
        raw_timesheets: The retailer's table of hours; None where there is none.
        stores: Known stores.
        sales: Typed weekly turnover, for its departments.
        read: File, columns, formats; weeks are named by the same day as those of the sales.

    Returns:
        ``store, department, week, hours``; no rows without a file. In pandas on every engine.

    Raises:
        DataContractError: There are bad rows, which always stop the run.
    """
    columns, file = read.columns.timesheets, read.files.timesheets
    known = {"store": _labels(stores, "store"), "department": _labels(sales, "department")}
    if raw_timesheets is None or file is None:
        weeks = pd.Series(dtype="datetime64[ns]")
        keys = {name: table[name].head(0) for name, table in known.items()}
        return pd.DataFrame({**keys, "week": weeks, "hours": pd.Series(dtype=float)})
    frame = with_row_numbers(raw_timesheets, columns)
    where = {
        "store": f"the stores of {read.files.stores}",
        "department": f"the departments of {read.files.sales}",
    }
    entities = [name for name in known if name in columns]
    rules = [
        *key_rules(frame, entities),
        *date_rules(frame, "week", read.date_format, read.weekday_of_weeks),
        *rules_for_numbers(frame, "hours"),
        _below_zero(frame),
        *(unknown_rule(frame, key, known[key][key], where[key]) for key in entities),
    ]
    good, _ = settle(frame, rules, keys=read.keys, file=file, columns=columns, on_bad=OnBad())
    department = (
        as_key(good, "department", like=nw.from_native(known["department"]))
        if "department" in columns
        else nw.lit(ONE_DEPARTMENT).alias("department")
    )
    rows = good.select(
        as_key(good, "store", like=nw.from_native(known["store"])),
        department,
        as_week(good, "week", read.date_format),
        as_number(good, "hours"),
    )
    table = named_by_first_day(rows, read).lazy().collect("pandas").to_pandas()
    return table[[*ROW_KEYS, "hours"]].sort_values(ROW_KEYS, ignore_index=True)


def _below_zero(frame: Frame) -> Rule:
    """Nobody works less than no hours."""
    hours = nw.col("hours")
    below = hours < 0 if is_number(frame, "hours") else hours.str.strip_chars().str.starts_with("-")
    return Rule("hours", "are below zero", below)


def _labels(table: IntoFrame, name: str) -> pd.DataFrame:
    return nw.from_native(table).lazy().select(name).unique().collect("pandas").to_pandas()
