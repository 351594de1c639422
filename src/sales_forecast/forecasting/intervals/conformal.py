"""Split-conformal prediction intervals, from the errors of forecasts made at past origins.

An error is divided by its nonconformity scale, which is the forecast plus a share of the series' mean week,
so that weeks off season have a half-width too. The half-width of an interval is a quantile of such errors in
the same department. One of the past origins should lie a year back, where the season is the same.

Source:
    Lei, G'Sell, Rinaldo, Tibshirani and Wasserman (2018), Distribution-Free Predictive Inference for
    Regression, Journal of the American Statistical Association 113(523), 1094-1111.
"""

from __future__ import annotations

import math
from typing import Annotated

import numpy as np
import pandas as pd
from pydantic import BaseModel, Field

from sales_forecast.errors import InputError
from sales_forecast.forecasting.features.context import ForecastContext
from sales_forecast.forecasting.panel.matrix import FloatArray

COVERAGES = (80, 95)
"""Per cent of weeks that should fall into their intervals."""

INTERVAL_COLUMNS = [f"{end}_{coverage}" for coverage in COVERAGES for end in ("lo", "hi")]

MIN_SERIES_ERRORS = 100
"""A department with fewer errors of past forecasts of series uses the errors of all departments."""

HalfWidths = dict[str, dict[str, float]]
"""Coverage in per cent -> department, or ``""`` for all -> half-width in units of the nonconformity scale."""


class IntervalParams(BaseModel, frozen=True, extra="forbid"):
    """How half-widths are learned."""

    weeks_back: tuple[Annotated[int, Field(gt=0)], ...] = Field(min_length=1)
    """Weeks from each past origin to the cutoff."""

    scale_share: float = Field(gt=0)
    """Share of a series' mean week that is added to the forecast in the nonconformity scale."""


def origins(cutoff: pd.Timestamp, intervals: IntervalParams) -> list[pd.Timestamp]:
    """Return the cutoff, and the past origins that the half-widths of its intervals are learned from."""
    return [cutoff, *(cutoff - pd.Timedelta(weeks=weeks) for weeks in intervals.weeks_back)]


def refuse_origins_before(first: pd.Timestamp, cutoff: pd.Timestamp, intervals: IntervalParams) -> None:
    """Refuse past origins none of which lies in the history.

    Raises:
        InputError: Names the parameter.
    """
    nearest = cutoff - pd.Timedelta(weeks=min(intervals.weeks_back))
    if nearest < first:
        raise InputError(
            f"turnover.intervals.weeks_back: {min(intervals.weeks_back)} weeks before the cutoff "
            f"{cutoff:%Y-%m-%d} is {nearest:%Y-%m-%d}, and history begins at {first:%Y-%m-%d}. Name nearer "
            "origins, or later cutoffs under turnover.backtest.cutoffs."
        )


def half_widths_from(past: pd.DataFrame, intervals: IntervalParams) -> HalfWidths:
    """Turn the errors of past forecasts into half-widths.

    Args:
        past: ``department, forecast, turnover, mean_week``, at least one row.
        intervals: Defines the nonconformity scale.
    """
    error = (past["turnover"] - past["forecast"]).abs()
    scale = nonconformity_scale(past["forecast"], past["mean_week"], intervals)
    return conformal_half_widths(past[["department"]].assign(error=error / scale))


def conformal_half_widths(errors: pd.DataFrame, min_errors: int = MIN_SERIES_ERRORS) -> HalfWidths:
    """Turn past errors into half-widths.

    Args:
        errors: ``department`` and ``error``: absolute errors in units of the nonconformity scale.
        min_errors: A department with fewer errors uses those of all departments.
    """
    parts = {"": errors["error"].to_numpy()} | {
        str(department): part["error"].to_numpy()
        for department, part in errors.groupby("department")
        if len(part) >= min_errors
    }
    return {
        str(coverage): {name: _half_width(part, coverage) for name, part in parts.items()}
        for coverage in COVERAGES
    }


def _half_width(errors: FloatArray, coverage: int) -> float:
    """The smallest error that so many per cent do not exceed, with the finite-sample correction."""
    rank = min(len(errors), math.ceil(coverage * (len(errors) + 1) / 100))
    return float(np.partition(errors, rank - 1)[rank - 1])


def mean_weeks(forecasts: pd.DataFrame, context: ForecastContext) -> pd.Series[float]:
    """Mean week of each row's series over the last year, level-adjusted.

    A series without a mean week has that of its department, or of all series.

    Args:
        forecasts: ``store, department``.
        context: What was known when they were made.

    Returns:
        Currency units per week, one value per row of ``forecasts``.
    """
    matrix = context.level_adjusted
    scale = pd.Series(context.scale, index=matrix.series.index)
    scale = scale.fillna(scale.groupby(matrix.series["department"]).transform("mean"))
    scale = scale.fillna(scale.mean()).fillna(context.features.history.filled.mean())
    position = matrix.position_of(forecasts)
    own = np.where(position >= 0, scale.to_numpy()[position], float(scale.mean()))
    return pd.Series(own, index=forecasts.index)


def nonconformity_scale(
    forecast: pd.Series[float], mean_week: pd.Series[float], intervals: IntervalParams
) -> pd.Series[float]:
    """Scale of the errors of forecasts: the forecast plus a share of the series' mean week.

    Args:
        forecast: Currency units per week.
        mean_week: As ``mean_weeks`` returns it.
        intervals: Defines the share.

    Returns:
        Currency units per week, one value per forecast.
    """
    return forecast + intervals.scale_share * mean_week + 1e-9


def add_intervals(
    forecasts: pd.DataFrame,
    mean_week: pd.Series[float],
    half_widths: HalfWidths,
    intervals: IntervalParams,
    cold_start_half_widths: HalfWidths | None = None,
) -> pd.DataFrame:
    """Add prediction intervals to forecasts, in their units and never below zero.

    Args:
        forecasts: As ``forecast_all`` returns them.
        mean_week: Mean week of each row's series, as ``mean_weeks`` returns it.
        half_widths: As ``learn_half_widths`` returns them.
        intervals: The parameters that the half-widths were learned with.
        cold_start_half_widths: Half-widths of cold starts; without them cold starts have those of all series.

    Returns:
        The table with ``lo_80, hi_80, lo_95, hi_95``.
    """
    scale = nonconformity_scale(forecasts["forecast"], mean_week, intervals)
    with_intervals = intervals_around(forecasts, scale, half_widths)
    cold = forecasts["cold_start"] if cold_start_half_widths else pd.Series(False, forecasts.index)
    if cold_start_half_widths and cold.any():
        with_intervals.loc[cold] = intervals_around(forecasts[cold], scale[cold], cold_start_half_widths)
    return with_intervals


def intervals_around(
    forecasts: pd.DataFrame, scale: pd.Series[float], half_widths: HalfWidths
) -> pd.DataFrame:
    """Add intervals of given half-widths to forecasts.

    Args:
        forecasts: ``department, forecast``.
        scale: Nonconformity scale of each row.
        half_widths: Half-widths by coverage and department.

    Returns:
        The table with ``lo_80, hi_80, lo_95, hi_95``, none below zero.
    """
    columns = {}
    for coverage in COVERAGES:
        by_department = half_widths[str(coverage)]
        departments = forecasts["department"].astype(str)
        half_width = departments.map(by_department).fillna(by_department[""]) * scale
        columns[f"lo_{coverage}"] = (forecasts["forecast"] - half_width).clip(lower=0)
        columns[f"hi_{coverage}"] = forecasts["forecast"] + half_width
    return forecasts.assign(**columns)


def count_inside(rows: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Count how many weeks fell into their intervals.

    Args:
        rows: ``turnover``, the intervals, and the columns of ``by``.
        by: Columns to group by.

    Returns:
        The columns of ``by``, ``rows, coverage_80, width_80, coverage_95, width_95``: coverage as a share of
        rows, width as the sum of ``hi - lo`` over the sum of turnover.
    """
    measured = rows[[*by, "turnover"]].copy()
    for coverage in COVERAGES:
        low, high = rows[f"lo_{coverage}"], rows[f"hi_{coverage}"]
        measured[f"coverage_{coverage}"] = rows["turnover"].between(low, high)
        measured[f"width_{coverage}"] = high - low
    grouped = measured.groupby(by, observed=True)
    table = grouped.size().rename("rows").to_frame()
    for coverage in COVERAGES:
        table[f"coverage_{coverage}"] = grouped[f"coverage_{coverage}"].mean()
        table[f"width_{coverage}"] = grouped[f"width_{coverage}"].sum() / grouped["turnover"].sum()
    return table.reset_index()
