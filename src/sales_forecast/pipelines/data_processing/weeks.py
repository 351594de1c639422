"""From dates as files have them to weeks named by their first day."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import date, timedelta

import narwhals as nw

from sales_forecast.contracts import DataContractError
from sales_forecast.forecasting.panel.matrix import KEYS
from sales_forecast.pipelines.data_processing.params import WEEKDAYS, ReadTurnoverParams
from sales_forecast.pipelines.data_processing.values import Frame

logger = logging.getLogger(__name__)


def as_weeks(days: Frame, read: ReadTurnoverParams, file: str) -> Frame:
    """Name every row by the first day of its week, and sum days to weeks.

    Weeks of which a file of days does not hold all days, between its first and its last, are left out: half a
    week is no week. Weekdays that the file never has, such as closed Sundays, are not missed.

    Args:
        days: Keys, ``week`` with the date of the file, and numbers.
        read: What the rows are.
        file: How the file is called in messages.

    Raises:
        DataContractError: There is no whole week, or rows that are called days are weeks.
    """
    weeks = named_by_first_day(days, read)
    if read.rows_are == "weeks":
        refuse_nothing_left(weeks, file)
        return weeks
    first, last = _whole_weeks(days, WEEKDAYS.index(read.week_starts_on), file)
    logger.info("%s: whole weeks begin from %s to %s", file, first, last)
    day = nw.col("week").cast(nw.Date)
    sold = {"turnover": "sum"} if "turnover" in days.collect_schema().names() else {}
    made = sold | {name: how for name, how in read.future_covariates.items() if how}
    return made_of_days(weeks.filter((day >= first) & (day <= last)), [*KEYS, "week"], made)


def named_by_first_day(days: Frame, read: ReadTurnoverParams) -> Frame:
    """Name every row by the first day of its week."""
    return days.with_columns(_first_day(WEEKDAYS.index(read.week_starts_on)).alias("week"))


def made_of_days(days: Frame, keys: list[str], made: Mapping[str, str]) -> Frame:
    """One row a week; what is known of no day is unknown of the week.

    Args:
        days: Keys, with the week that each day belongs to, and numbers.
        keys: What identifies a week's row.
        made: Column -> ``sum``, ``mean`` or ``max``.
    """
    weeks = days.group_by(*keys).agg(
        *(getattr(nw.col(name), how)() for name, how in made.items()),
        *(nw.col(name).count().alias(f"{name}_days") for name in made),
    )
    known = [nw.when(nw.col(f"{name}_days") > 0).then(nw.col(name)).alias(name) for name in made]
    return weeks.select(*keys, *known)


def between(days: Frame, read: ReadTurnoverParams) -> Frame:
    """Leave out rows before ``from_date`` and after ``to_date``."""
    day = nw.col("week").cast(nw.Date)  # a timestamp in a literal would be one of the driver's time zone
    if read.from_date is not None:
        days = days.filter(day >= read.from_date)
    if read.to_date is not None:
        days = days.filter(day <= read.to_date)
    return days


def within_horizon(weeks: Frame, last: date, read: ReadTurnoverParams, file: str) -> Frame:
    """Leave out weeks that are more than ``max_horizon_weeks`` after the last week sold.

    Args:
        weeks: Rows to be forecast, one a week, named by its first day.
        last: First day of the last week sold.
        read: Names the horizon.
        file: How the file is called in messages.

    Raises:
        DataContractError: No week is left.
    """
    if read.max_horizon_weeks is None:
        return weeks
    end = last + timedelta(weeks=read.max_horizon_weeks)
    near = weeks.filter(nw.col("week").cast(nw.Date) <= end)
    rows, kept = (int(table.lazy().select(nw.len()).collect().item()) for table in (weeks, near))
    if kept == 0:
        raise DataContractError(
            f"{file}: none of {rows} row(s) is at most {read.max_horizon_weeks} weeks after {last}, the last "
            f"week sold, and turnover.read.max_horizon_weeks leaves out the others. Bring weeks up to {end}."
        )
    if kept < rows:
        logger.info(
            "%s: %s of %s row(s) are more than %s weeks after the last week sold and left out "
            "(turnover.read.max_horizon_weeks)",
            *(file, rows - kept, rows, read.max_horizon_weeks),
        )
    return near


def refuse_nothing_left(rows: Frame, file: str) -> None:
    """Stop where no row is left.

    Raises:
        DataContractError: Names the file and the parameters.
    """
    if rows.lazy().head(1).collect().is_empty():
        raise _nothing_left(file)


def _nothing_left(file: str) -> DataContractError:
    return DataContractError(
        f"{file}: no whole week is left. Bring more rows, or change turnover.read.from_date and to_date."
    )


def _first_day(start: int) -> nw.Expr:
    """The latest day not after ``week`` that is the weekday ``start``, 0 for Monday."""
    day = nw.col("week")
    first = day
    for back in range(1, 7):
        so_late = day.dt.weekday() % 7 == (start + back + 1) % 7  # a Sunday is 7, and 0 on Spark
        first = nw.when(so_late).then(day.dt.offset_by(f"-{back}d")).otherwise(first)
    return first


def _whole_weeks(days: Frame, start: int, file: str) -> tuple[date, date]:
    """First days of the first and the last week that a file of days holds wholly."""
    dates = days.lazy().select(nw.col("week").cast(nw.Date)).unique().collect()["week"].to_list()
    if not dates:
        raise _nothing_left(file)
    first, last = min(dates), max(dates)
    weekdays = {day.weekday() for day in dates}
    long_enough_to_tell = last - first >= timedelta(weeks=4)
    closed = set(range(7)) - weekdays if long_enough_to_tell else set()
    if len(weekdays) == 1:
        raise DataContractError(
            f"{file}: every date is a {WEEKDAYS[first.weekday()].title()}, so its rows are weeks and not "
            "days. Set turnover.read.rows_are: weeks."
        )
    one = timedelta(days=1)
    while (first - one).weekday() in closed:
        first -= one
    while (last + one).weekday() in closed:
        last += one
    first_start = first + timedelta(days=(start - first.weekday()) % 7)
    last_start = last - timedelta(days=6 + (last.weekday() - start + 1) % 7)
    if first_start > last_start:
        raise _nothing_left(file)
    return first_start, last_start
