"""How far forecasts were from what came: sums, from which the ratios of any weeks and departments follow.

Everything is kept as a sum over series, never as a ratio, so that weeks, departments and horizons can be
added up before they are divided.
"""

from __future__ import annotations

import pandas as pd

from sales_forecast.forecasting.intervals.conformal import INTERVAL_COLUMNS
from sales_forecast.forecasting.monitoring.levels import median_log_ratio

SERIES, DEPARTMENT, TOTAL = "series", "department", "total"
LEVELS = (SERIES, DEPARTMENT, TOTAL)
ALL = "all"
"""The department of sums over all departments."""

JUDGED_SHARE = 0.99
"""Share of a sum's forecast that must have come before the interval of the sum is judged."""

RESTATED = ["restated_count", "restated_turnover", "restated_absolute_error"]

SUMS = [
    "count",
    "turnover",
    "forecast",
    "absolute_error",
    "inside_80",
    "inside_95",
    "naive_count",
    "naive_turnover",
    "naive_absolute_error",
    "compared_absolute_error",
    *RESTATED,
]
"""Columns that can be added up."""

_BY = ["run", "horizon", "department"]
_AMOUNTS = ["turnover", "forecast", "now", "naive", "compared_turnover", "compared_forecast"]


def score_week(forecasts: pd.DataFrame, intervals: pd.DataFrame) -> pd.DataFrame:
    """Compare forecasts of one week with what was sold in it.

    Series without turnover are not judged. A sum is judged over the same series, so that a store that has
    delivered nothing does not look like an error; the interval of a sum is judged only where ``JUDGED_SHARE``
    of the forecast has come.

    Args:
        forecasts: ``run, horizon, store, department, forecast``, the ends of the intervals, and for each
            series its ``turnover`` as first delivered, as it is known ``now``, and the seasonal ``naive``
            forecast; these three are NaN where they are not known; and ``usual``, what a series of its
            department sold in a mean week of the year before. Currency units per week.
        intervals: ``run, level, department`` and the ends of the intervals, of the sums that were published.

    Returns:
        ``run, horizon, level, department, median_log_ratio`` and ``SUMS``. ``count`` is the number of
        series, or of sums, whose intervals are judged; ``naive_*`` and ``compared_absolute_error`` are about
        the series with a naive forecast, the error of which and of ours they are; ``restated_*`` compares
        with the values as they are known now, and ``restated_count`` counts those that have changed.
    """
    rows = forecasts.dropna(subset="turnover").assign(judged=True)
    known = rows["naive"].notna()
    rows = rows.assign(
        compared_turnover=rows["turnover"].where(known, 0.0),
        compared_forecast=rows["forecast"].where(known, 0.0),
        naive=rows["naive"].fillna(0.0),
        has_naive=known,
        restated=rows["now"] != rows["turnover"],
    )
    all_departments = {"department": ALL}
    of_level = {
        DEPARTMENT: (rows, forecasts),
        TOTAL: (rows.assign(**all_departments), forecasts.assign(**all_departments)),
    }
    found = [_score_series(rows)]
    for level, (judged, wanted) in of_level.items():
        published = intervals[intervals["level"] == level].drop(columns="level")
        found.append(_errors(_add_up(judged, wanted, published)).assign(level=level))
    return pd.concat(found, ignore_index=True)


def _score_series(rows: pd.DataFrame) -> pd.DataFrame:
    sums = _errors(rows).groupby(_BY, as_index=False)[SUMS].sum()
    levels = [
        median_log_ratio(some["turnover"], some["forecast"], float(some["usual"].iloc[0]))
        for _, some in rows.groupby(_BY)
    ]
    return sums.assign(level=SERIES, median_log_ratio=pd.Series(levels, dtype=float))


def _add_up(rows: pd.DataFrame, wanted: pd.DataFrame, intervals: pd.DataFrame) -> pd.DataFrame:
    """Sum series to the departments that they have, and say which of the sums are judged."""
    flags = dict.fromkeys(("has_naive", "restated"), "any")
    sums = rows.groupby(_BY).agg(dict.fromkeys(_AMOUNTS, "sum") | flags)
    whole = wanted.groupby(_BY)["forecast"].sum().reindex(sums.index)
    sums = sums.assign(judged=sums["forecast"] >= JUDGED_SHARE * whole)
    return sums.reset_index().merge(intervals, on=["run", "department"])


def _errors(rows: pd.DataFrame) -> pd.DataFrame:
    """Errors of each row, be it a series or a sum; ``_BY`` and ``SUMS``."""
    turnover, judged = rows["turnover"], rows["judged"]
    inside = {
        coverage: judged & turnover.between(rows[f"lo_{coverage}"], rows[f"hi_{coverage}"])
        for coverage in (80, 95)
    }
    compared = rows["compared_turnover"]
    errors = {
        "count": judged.astype(int),
        "turnover": turnover,
        "forecast": rows["forecast"],
        "absolute_error": (rows["forecast"] - turnover).abs(),
        "inside_80": inside[80].astype(float),
        "inside_95": inside[95].astype(float),
        "naive_count": rows["has_naive"].astype(int),
        "naive_turnover": compared,
        "naive_absolute_error": (rows["naive"] - compared).abs(),
        "compared_absolute_error": (rows["compared_forecast"] - compared).abs(),
        "restated_count": rows["restated"].astype(int),
        "restated_turnover": rows["now"],
        "restated_absolute_error": (rows["forecast"] - rows["now"]).abs(),
    }
    return pd.DataFrame({name: rows[name] for name in _BY} | errors)


FORECAST_COLUMNS = ["run", "store", "department", "forecast", *INTERVAL_COLUMNS]
"""What ``score_week`` needs to know of a forecast."""


def rates(sums: pd.DataFrame) -> pd.DataFrame:
    """Divide sums of errors.

    Args:
        sums: ``SUMS``, added up over whatever the ratios are to be about.

    Returns:
        With the same index, as ratios without unit: ``wape``, the absolute error over turnover; ``bias``,
        forecast minus turnover over turnover, positive where forecasts were too high; ``coverage_80`` and
        ``coverage_95``, the share inside the intervals; ``naive_wape``, that of seasonal naive;
        ``forecast_value_added``, the share of the error of seasonal naive that was avoided, below zero where
        it was the better one; ``restated_wape``, against the values as they are known now. NaN where nothing
        was sold, judged or compared.
    """
    divided = {
        "wape": (sums["absolute_error"], sums["turnover"]),
        "bias": (sums["forecast"] - sums["turnover"], sums["turnover"]),
        "coverage_80": (sums["inside_80"], sums["count"]),
        "coverage_95": (sums["inside_95"], sums["count"]),
        "naive_wape": (sums["naive_absolute_error"], sums["naive_turnover"]),
        "forecast_value_added": (
            sums["naive_absolute_error"] - sums["compared_absolute_error"],
            sums["naive_absolute_error"],
        ),
        "restated_wape": (sums["restated_absolute_error"], sums["restated_turnover"]),
    }
    return pd.DataFrame({name: part / whole.where(whole > 0) for name, (part, whole) in divided.items()})
