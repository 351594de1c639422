"""From dates as files have them to weeks named by their first day."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

import narwhals as nw
import pandas as pd

from sales_forecast.contracts import DataContractError
from sales_forecast.pipelines.data_processing.params import WEEKDAYS, ReadTurnoverParams
from sales_forecast.pipelines.data_processing.rows import Frame

logger = logging.getLogger(__name__)


def as_weeks(days: Frame, read: ReadTurnoverParams, file: str) -> Frame:
    """Name every row by the first day of its week, and sum days to weeks.

    Rows outside ``from_date`` and ``to_date`` are left out, as are weeks of which a file of days does not
    hold all seven, between its first day and its last: half a week is no week.

    Args:
        days: Keys, ``week`` with the date of the file, and numbers.
        read: What the rows are, and which weeks count.
        file: How the file is called in the log.
    """
    date = nw.col("week")
    if read.from_date is not None:
        days = days.filter(date >= pd.Timestamp(read.from_date))
    if read.to_date is not None:
        days = days.filter(date <= pd.Timestamp(read.to_date))
    start = WEEKDAYS.index(read.week_starts_on)
    if read.rows_are == "weeks":
        return days.with_columns(_first_day(start).alias("week"))
    _refuse_single_weekday(days, file)
    first, last = _whole_weeks(days, start)
    logger.info("%s: whole weeks begin from %s to %s", file, f"{first:%Y-%m-%d}", f"{last:%Y-%m-%d}")
    weeks = days.with_columns(_first_day(start).alias("week")).filter((date >= first) & (date <= last))
    sums = {"turnover": "sum"} if "turnover" in days.collect_schema().names() else {}
    made = [getattr(nw.col(name), how)() for name, how in (sums | dict(read.known_ahead)).items()]
    return weeks.group_by("store", "department", "week").agg(*made)


def _refuse_single_weekday(days: Frame, file: str) -> None:
    weekdays = days.lazy().select(nw.col("week").dt.weekday()).unique().collect()["week"].to_list()
    if len(weekdays) == 1:
        raise DataContractError(
            f"{file}: every date is a {WEEKDAYS[weekdays[0] - 1].title()}, so its rows are weeks and not "
            "days. Set turnover.read.rows_are: weeks."
        )


def _first_day(start: int) -> nw.Expr:
    """The latest day not after ``week`` that is the weekday ``start``, 0 for Monday."""
    day = nw.col("week")
    first = day
    for back in range(1, 7):
        first = (
            nw.when(day.dt.weekday() == (start + back) % 7 + 1)
            .then(day.dt.offset_by(f"-{back}d"))
            .otherwise(first)
        )
    return first


def _whole_weeks(days: Frame, start: int) -> tuple[Any, Any]:
    """First days of the first and the last week that a file of days holds wholly."""
    first, last = (
        days.lazy()
        .select(nw.col("week").min().alias("first"), nw.col("week").max().alias("last"))
        .collect()
        .row(0)
    )
    first_start = first + timedelta(days=(start - first.weekday()) % 7)
    last_start = last - timedelta(days=6 + (last.weekday() - start + 1) % 7)
    return first_start, last_start
