"""Turnover: from the retailer's files to a gap-free weekly panel and its calendar.

The nodes are narwhals functions: the dataset types in the catalog choose the engine.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import narwhals as nw
import pandas as pd

from sales_forecast.contracts import DataContractError
from sales_forecast.forecasting.calendar import (
    NO_SCHOOL_ZONE,
    french_school_zones,
    weekly_calendar,
)
from sales_forecast.forecasting.grid import KEYS, WEEKS_PER_YEAR
from sales_forecast.pipelines.data_processing.params import (
    CalendarParams,
    ReadTurnoverParams,
    RepairParams,
)
from sales_forecast.pipelines.data_processing.rows import (
    ROW,
    Frame,
    OnBad,
    Rule,
    as_key,
    as_label,
    as_number,
    as_week,
    assert_no_row_lost,
    date_rules,
    key_rules,
    number_rows,
    number_rules,
    settle,
    unknown_rule,
)
from sales_forecast.pipelines.data_processing.weeks import as_weeks, between

WEEKLY = [*KEYS, "week"]
DEGREES = {"latitude": 90, "longitude": 180}

MAX_LABELS = 30
"""So many different texts an attribute of stores may have."""

KNOWN_AHEAD_REMEDY = (
    " A column named under turnover.read.known_ahead needs its value in every week to forecast: fill it in, "
    "or leave the column out."
)

ONE_DEPARTMENT = "whole store"
"""What the department is called where the files know none."""


def read_stores(raw_stores: Any, read: ReadTurnoverParams, calendar: CalendarParams) -> Any:
    """Type the store attributes and find each store's school zone by its postcode.

    Args:
        raw_stores: The retailer's table of stores, one row a store; or the table of sales once more, if there
            is none.
        read: File, columns, formats.
        calendar: School zones are known in France.

    Returns:
        ``store, postcode, latitude, longitude, region, zone, school_zone`` and the retailer's own attributes;
        labels as text, degrees as numbers. Missing attributes stay missing.

    Raises:
        DataContractError: A store is missing or listed twice, a coordinate is no number in range, or a text
            attribute has too many values.
    """
    columns, file = read.columns.stores, read.files.stores
    frame = number_rows(raw_stores, columns)
    if file == read.files.sales:
        frame = frame.filter(nw.col(ROW) == nw.col(ROW).min().over("store"))
    numbers = [name for name, kind in read.attributes.items() if kind == "number"]
    rules = [
        *key_rules(frame, ["store"]),
        *(rule for name in DEGREES if name in columns for rule in _degree_rules(frame, name)),
        *(rule for name in numbers for rule in number_rules(frame, name, required=False)),
    ]
    good, _ = settle(frame, rules, keys=["store"], file=file, columns=columns, on_bad=OnBad())
    labels = [name for name, kind in read.attributes.items() if kind == "text"]
    _refuse_too_many_values(good, labels, read)
    stores = good.select(
        as_key(good, "store"),
        *(_label_or_none(good, name) for name in ("postcode", "region", "zone")),
        *(as_number(good, name) if name in columns else _none(nw.Float64(), name) for name in DEGREES),
        *(as_number(good, name) for name in numbers),
        *(as_label(good, name) for name in labels),
    ).with_columns(nw.col("postcode").str.zfill(5))
    zone = _school_zone() if calendar.country == "FR" else nw.lit(NO_SCHOOL_ZONE)
    place = ["store", "postcode", *DEGREES, "region", "zone", "school_zone"]
    return stores.with_columns(zone.alias("school_zone")).select(*place, *read.attributes).to_native()


def _none(dtype: Any, name: str) -> nw.Expr:
    return nw.lit(None).cast(dtype).alias(name)


def _label_or_none(frame: Frame, name: str) -> nw.Expr:
    known = name in frame.collect_schema().names()
    return as_label(frame, name).alias(name) if known else _none(nw.String(), name)


def _refuse_too_many_values(frame: Frame, labels: list[str], read: ReadTurnoverParams) -> None:
    for name in labels:
        values = frame.lazy().select(as_label(frame, name)).drop_nulls().unique().collect()
        count = len(values.filter(nw.col(name) != ""))
        if count > MAX_LABELS:
            raise DataContractError(
                f"{read.files.stores}: column '{read.columns.stores[name]}' has {count} different values; as "
                f"turnover.read.attributes.{name}: text it may have {MAX_LABELS}, as each is learnt apart. "
                "Group them, or leave the attribute out."
            )


def _degree_rules(frame: Frame, column: str) -> list[Rule]:
    limit = DEGREES[column]
    rules = number_rules(frame, column, required=False)
    if frame.collect_schema()[column].is_numeric():
        beyond = nw.col(column).abs() > limit
        rules.append(Rule(column, f"are not between -{limit} and {limit} degrees", beyond))
    return rules


def _school_zone() -> nw.Expr:
    departments: dict[str, list[str]] = {}
    for department, zone in french_school_zones().items():
        departments.setdefault(zone, []).append(department)
    found = nw.lit(NO_SCHOOL_ZONE)
    for zone, members in departments.items():
        here = nw.col("postcode").str.slice(0, 2).is_in(members)
        found = nw.when(here).then(nw.lit(zone)).otherwise(found)
    return found


def read_sales(raw_sales: Any, stores: Any, read: ReadTurnoverParams) -> tuple[Any, Any]:
    """Type the weekly turnover and part good rows from bad ones.

    Args:
        raw_sales: The retailer's table of turnover, one row a store, department and week.
        stores: Known stores.
        read: File, columns, formats, and whether bad rows stop the run.

    Returns:
        Sales ``store, department, week, turnover`` (currency units per week) and the columns known ahead; and
        the rejected rows as text with their line in the file and the reason.

    Raises:
        DataContractError: There are bad rows and ``bad_rows`` is ``stop``.
    """
    columns = read.columns.sales
    frame = number_rows(raw_sales, columns)
    rules = [
        *key_rules(frame, _entities(read)),
        *_taken_labels(frame, _entities(read)),
        *date_rules(frame, "week", read.date_format, read.label_day),
        *number_rules(frame, "turnover"),
        *(rule for name in read.known_ahead for rule in number_rules(frame, name, required=False)),
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
        *(as_number(good, name) for name in ("turnover", *read.known_ahead)),
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


def _unknown_stores(frame: Frame, stores: Any, read: ReadTurnoverParams) -> Rule:
    known = nw.from_native(stores).lazy().select("store").collect()["store"].to_list()
    return unknown_rule(frame, "store", known, f"the stores of {read.files.stores}")


def read_targets(raw_targets: Any, stores: Any, sales: Any, read: ReadTurnoverParams) -> Any:
    """Type the list of forecasts that are wanted.

    Args:
        raw_targets: One row a store, department and week to forecast.
        stores: Known stores.
        sales: Typed weekly turnover; wanted weeks must come after it.
        read: File, columns, formats.

    Returns:
        ``store, department, week`` and the columns known ahead.

    Raises:
        DataContractError: There are bad rows; here they always stop the run. A column known ahead without
            its future value makes one.
    """
    columns, file = read.columns.targets, read.files.targets
    frame = number_rows(raw_targets, columns)
    history = nw.from_native(sales).lazy()
    last = history.select(nw.col("week").max()).collect().item() + read.last_label
    rules = [
        *key_rules(frame, _entities(read)),
        *date_rules(frame, "week", read.date_format, read.label_day, after=last),
        _unknown_stores(frame, stores, read),
        *(rule for name in read.known_ahead for rule in number_rules(frame, name)),
    ]
    if "department" in columns:
        departments = history.select("department").unique().collect()["department"].to_list()
        rules.append(unknown_rule(frame, "department", departments, f"the departments of {read.files.sales}"))
    on_bad = OnBad(remedy=f"Fix the file.{KNOWN_AHEAD_REMEDY if read.known_ahead else ''}")
    good, _ = settle(frame, rules, keys=read.keys, file=file, columns=columns, on_bad=on_bad)
    days = good.select(
        as_key(good, "store", like=nw.from_native(stores)),
        as_key(good, "department", like=history) if "department" in columns else _one_department(),
        as_week(good, "week", read.date_format),
        *(as_number(good, name) for name in read.known_ahead),
    )
    return as_weeks(days, read, file).to_native()


def gather_known_ahead(sales: Any, targets: Any, read: ReadTurnoverParams) -> pd.DataFrame:
    """Put what is known ahead of past and future weeks into one table.

    Args:
        sales: Weekly turnover and the columns known ahead.
        targets: The same for the weeks to forecast, without turnover.
        read: Names the columns.

    Returns:
        ``store, department, week`` and the columns known ahead; no rows if there are none. In pandas on every
        engine.
    """
    columns = [*WEEKLY, *read.known_ahead]
    tables = [
        nw.from_native(table).lazy().select(*columns).collect("pandas").to_pandas()
        for table in (sales, targets)
    ]
    both: pd.DataFrame = pd.concat(tables, ignore_index=True)
    return both if read.known_ahead else both.head(0)


def build_panel(sales: Any, repair: RepairParams) -> Any:
    """Give every series all its weeks, and repair values that cannot be.

    A week without a row between a series' first and last becomes a row without turnover: unknown, not
    zero. An impossible value is replaced by the mean of its neighbours in time, and kept beside it.

    Args:
        sales: ``store, department, week, turnover``, unique keys, weeks on one grid.
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
    return nw.concat([whole, mended]).sort(*WEEKLY).pipe(nw.maybe_reset_index).to_native()


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
    usual = (nw.col("sum") - nw.col("largest")) / (nw.col("count") - 1)
    beyond = nw.col("largest") > repair.impossible_above_times_series_mean * usual
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
            nw.col("possible").mean().over(*KEYS).alias("usual"),
        )
        .with_columns(
            nw.when(nw.col("is_repaired"))
            .then(nw.coalesce(mean_of_both, nw.col("before"), nw.col("after"), nw.col("usual")))
            .otherwise(nw.col("turnover"))
            .alias("repaired")
        )
    )


def build_calendar(sales: Any, targets: Any, stores: Any, calendar: CalendarParams) -> pd.DataFrame:
    """Describe every week from the first one sold to the last one wanted.

    Args:
        sales: For its first week.
        targets: For the last week.
        stores: For their school zones.
        calendar: Country.

    Returns:
        See ``forecasting.calendar.weekly_calendar``. A small table, in pandas on every engine.
    """
    weeks = [
        stamp
        for frame in (sales, targets)
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
