"""Turnover: from typed sales to a panel without gaps and impossible values, on any engine."""

from __future__ import annotations

from typing import Any

import narwhals as nw
import pandas as pd
from narwhals.typing import IntoFrame

from sales_forecast.forecasting.panel.matrix import KEYS
from sales_forecast.pipelines.data_processing.params import RepairParams
from sales_forecast.pipelines.data_processing.values import Frame

WEEKLY = [*KEYS, "week"]


def build_panel(sales: IntoFrame, repair: RepairParams) -> IntoFrame:
    """Give every series all its weeks, and repair values that cannot be.

    A week without a row between a series' first and last becomes a row without turnover: unknown, not
    zero. An impossible value is replaced by the mean of its neighbours in time, and kept beside it.

    Args:
        sales: ``store, department, week, turnover``, unique keys, weeks on one weekday.
        repair: What counts as impossible.

    Returns:
        ``store, department, week, turnover, turnover_raw, is_gap, is_repaired``, sorted by the keys.
    """
    frame = _close_gaps(nw.from_native(sales))
    suspect = nw.col("store").is_in(_suspects(frame, repair))  # few, so that all the rest is only copied
    doubtful = _mark_impossible(frame.filter(suspect), _sizes(frame, "department"), repair)
    mended = _as_panel(_mend(doubtful), nw.col("repaired"), nw.col("is_repaired"))
    whole = _as_panel(frame.filter(~suspect), nw.col("turnover"), nw.lit(value=False))
    del frame  # large
    panel: IntoFrame = nw.concat([whole, mended]).sort(*WEEKLY).pipe(nw.maybe_reset_index).to_native()
    return panel


def _as_panel(frame: Frame, turnover: nw.Expr, is_repaired: nw.Expr) -> Frame:
    delivered = nw.col("turnover")
    return frame.select(
        *WEEKLY,
        turnover.alias("turnover"),
        delivered.alias("turnover_raw"),
        delivered.is_null().alias("is_gap"),
        is_repaired.alias("is_repaired"),
    )


def _close_gaps(frame: Frame) -> Frame:
    gaps = _gaps(frame).with_columns(nw.lit(None).cast(nw.Float64).alias("turnover"))
    columns = [*WEEKLY, "turnover"]
    return nw.concat([frame.select(*columns), gaps.select(*columns)])


def _gaps(frame: Frame) -> Frame:
    """Weeks without a row between a series' first and last."""
    weeks = (
        _every_week(frame)
        .with_row_index("place", order_by="week")
        .with_columns(nw.col("place").cast(nw.Int64))
    )
    first = weeks.select(nw.col("week").alias("first"), nw.col("place").alias("from"))
    last = weeks.select(nw.col("week").alias("last"), nw.col("place").alias("to"))
    spans = (
        frame.group_by(*KEYS)
        .agg(nw.col("week").min().alias("first"), nw.col("week").max().alias("last"), nw.len().alias("rows"))
        .join(first, on="first")
        .join(last, on="last")
    )
    gappy = spans.filter(nw.col("to") - nw.col("from") + 1 > nw.col("rows"))
    stores = sorted(gappy.select("store").unique().lazy().collect()["store"].to_list())
    return (
        gappy.join(weeks, how="cross")
        .filter((nw.col("week") >= nw.col("first")) & (nw.col("week") <= nw.col("last")))
        .select(*WEEKLY)
        .join(frame.filter(nw.col("store").is_in(stores)).select(*WEEKLY), on=WEEKLY, how="anti")
    )


def _every_week(frame: Frame) -> Frame:
    """All weeks from the first to the last, also those in which nobody sold anything."""
    seen = frame.select("week").unique()
    weeks = pd.DatetimeIndex(sorted(seen.lazy().collect()["week"].to_list()))
    every = pd.date_range(weeks[0], weeks[-1], freq="7D")
    dtype = frame.collect_schema()["week"]
    unseen = [
        seen.head(1).with_columns(nw.lit(week.date()).cast(dtype).alias("week"))
        for week in every.difference(weeks)
    ]
    return nw.concat([seen, *unseen])


def _sizes(frame: Frame, *keys: str) -> Frame:
    sized = frame.select(*keys, nw.col("turnover").abs().alias("size"))
    size = nw.col("size")
    return sized.group_by(*keys).agg(
        size.sum().alias("sum"), size.count().alias("count"), size.max().alias("largest")
    )


def _suspects(frame: Frame, repair: RepairParams) -> list[Any]:
    """Stores with a series whose largest value is impossible beside the others of the series."""
    mean_of_others = (nw.col("sum") - nw.col("largest")) / (nw.col("count") - 1)
    beyond = nw.col("largest") > repair.impossible_above_times_series_mean * mean_of_others
    found = _sizes(frame, *KEYS).filter(beyond).select("store").unique().lazy().collect()
    return sorted(found["store"].to_list())


def _mark_impossible(frame: Frame, departments: Frame, repair: RepairParams) -> Frame:
    size = nw.col("turnover").abs()
    others_of_series = (size.sum().over(*KEYS) - size) / (size.count().over(*KEYS) - 1)
    others_of_department = (nw.col("sum") - size) / (nw.col("count") - 1)
    impossible = (size > repair.impossible_above_times_series_mean * others_of_series) & (
        size > repair.impossible_above_times_department_mean * others_of_department
    )
    joined = frame.join(departments, on="department", how="left")
    return joined.with_columns(impossible.fill_null(value=False).alias("is_repaired"))


def _mend(frame: Frame) -> Frame:
    """Put the mean of its neighbours in time in place of each impossible value, as ``repaired``."""

    def neighbour(weeks: int) -> nw.Expr:
        return nw.col("possible").shift(weeks).over(*KEYS, order_by="week")

    mean_of_both = (nw.col("before") + nw.col("after")) / 2
    return (
        frame.with_columns(nw.when(~nw.col("is_repaired")).then(nw.col("turnover")).alias("possible"))
        .with_columns(
            neighbour(1).alias("before"),
            neighbour(-1).alias("after"),
            nw.col("possible").mean().over(*KEYS).alias("series_mean"),
        )
        .with_columns(
            nw.when(nw.col("is_repaired"))
            .then(nw.coalesce(mean_of_both, nw.col("before"), nw.col("after"), nw.col("series_mean")))
            .otherwise(nw.col("turnover"))
            .alias("repaired")
        )
    )
