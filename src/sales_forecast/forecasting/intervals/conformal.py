"""Intervals that hold what they say: split-conformal, from forecasts that the method would have made before.

An error is measured against the forecast and a share of the series' own scale, so that weeks off season have
a half-width too. A range is as wide as the errors of past forecasts in the same department were, in units of that
nonconformity scale. One of the past origins should lie a year back: there the season is the same.

Source:
    Lei, G'Sell, Rinaldo, Tibshirani and Wasserman (2018), Distribution-Free Predictive Inference for
    Regression, Journal of the American Statistical Association 113(523), 1094-1111.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import pandas as pd
from pydantic import BaseModel, Field

from sales_forecast.errors import InputError
from sales_forecast.forecasting.features.context import ForecastContext
from sales_forecast.forecasting.panel.matrix import FloatArray

COVERAGES = (80, 95)
"""Per cent of weeks that should fall into their range."""

INTERVAL_COLUMNS = [f"{end}_{coverage}" for coverage in COVERAGES for end in ("lo", "hi")]
MIN_ROWS = 100
"""A department with fewer past forecasts takes the errors of all departments."""

HalfWidths = dict[str, dict[str, float]]
"""Coverage in per cent -> department, and ``""`` for all -> half-width in units of the nonconformity scale."""


class IntervalParams(BaseModel, frozen=True, extra="forbid"):
    """How the half-width of intervals is learnt."""

    weeks_back: tuple[Annotated[int, Field(gt=0)], ...] = Field(min_length=1)
    """The past origins: so many weeks before the cutoff."""

    scale_share: float = Field(gt=0)
    """How much of a series' mean week counts beside the forecast."""


def origins(cutoff: pd.Timestamp, intervals: IntervalParams) -> list[pd.Timestamp]:
    """The cutoff, and the past origins that the half-width of its intervals is learnt from."""
    return [cutoff, *(cutoff - pd.Timedelta(weeks=weeks) for weeks in intervals.weeks_back)]


def refuse_origins_before(first: pd.Timestamp, cutoff: pd.Timestamp, intervals: IntervalParams) -> None:
    """Refuse past origins of which none lies in the history.

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


@dataclass(frozen=True)
class PastForecast:
    """A forecast whose weeks have come.

    Args:
        context: What was known when it was made.
        rows: ``store, department, week, forecast, turnover``, both in currency units per week.
    """

    context: ForecastContext
    rows: pd.DataFrame


def half_widths_from(past: Iterable[PastForecast], intervals: IntervalParams) -> HalfWidths:
    """Turn the errors of past forecasts into half-widths.

    Args:
        past: At least one.
        intervals: The nonconformity scale.
    """
    errors = [
        one.rows[["department"]].assign(
            error=(one.rows["turnover"] - one.rows["forecast"]).abs()
            / nonconformity_scale(one.rows, one.context, intervals)
        )
        for one in past
    ]
    return conformal_half_widths(pd.concat(errors))


def conformal_half_widths(errors: pd.DataFrame, min_rows: int = MIN_ROWS) -> HalfWidths:
    """Turn past errors into half-widths.

    Args:
        errors: ``department`` and ``error``: absolute errors in units of the nonconformity scale.
        min_rows: A department with fewer takes the errors of all.
    """
    parts = {"": errors["error"].to_numpy()} | {
        str(department): part["error"].to_numpy()
        for department, part in errors.groupby("department")
        if len(part) >= min_rows
    }
    return {
        str(coverage): {name: _half_width(part, coverage) for name, part in parts.items()}
        for coverage in COVERAGES
    }


def _half_width(errors: FloatArray, coverage: int) -> float:
    """The smallest error that so many per cent do not exceed, with the correction for finitely many."""
    rank = min(len(errors), math.ceil(coverage * (len(errors) + 1) / 100))
    return float(np.partition(errors, rank - 1)[rank - 1])


def nonconformity_scale(
    answer: pd.DataFrame, context: ForecastContext, intervals: IntervalParams
) -> pd.Series[float]:
    """What errors are measured in: the forecast and a share of the series' mean week.

    A series without a mean week has that of its department, or of all.

    Args:
        answer: ``store, department, forecast``.
        context: What was known when it was made.
        intervals: How large the share is.

    Returns:
        Currency units per week, as long as the answer.
    """
    source, matrix = context.features, context.features.matrix
    scale = pd.Series(source.scale(len(matrix.weeks) - 1), index=matrix.series.index)
    scale = scale.fillna(scale.groupby(matrix.series["department"]).transform("mean"))
    scale = scale.fillna(scale.mean()).fillna(source.sold.mean())
    position = matrix.position_of(answer)
    own = np.where(position >= 0, scale.to_numpy()[position], float(scale.mean()))
    return answer["forecast"] + intervals.scale_share * own + 1e-9


def add_intervals(
    answer: pd.DataFrame,
    context: ForecastContext,
    half_widths: HalfWidths,
    intervals: IntervalParams,
    cold_start_half_widths: HalfWidths | None = None,
) -> pd.DataFrame:
    """Put ``lo_80, hi_80, lo_95, hi_95`` beside forecasts, in their units and never below zero.

    Args:
        answer: As ``forecast_all`` returns it.
        context: What was known when it was made.
        half_widths: As ``learn_half_widths`` returns them.
        intervals: The same parameters.
        cold_start_half_widths: For series too young for a past of their own; without them they get those of all.
    """
    unit = nonconformity_scale(answer, context, intervals)
    with_intervals = intervals_around(answer, unit, half_widths)
    cold = answer["cold_start"] if cold_start_half_widths else pd.Series(False, answer.index)
    if cold_start_half_widths and cold.any():
        with_intervals.loc[cold] = intervals_around(answer[cold], unit[cold], cold_start_half_widths)
    return with_intervals


def intervals_around(
    answer: pd.DataFrame, nonconformity_scale: pd.Series[float], half_widths: HalfWidths
) -> pd.DataFrame:
    """Put intervals around forecasts.

    Args:
        answer: ``department, forecast``.
        nonconformity_scale: What the half-widths are multiples of, row by row.
        half_widths: By coverage and department.

    Returns:
        The table with ``lo_80, hi_80, lo_95, hi_95``, none below zero.
    """
    columns = {}
    for coverage in COVERAGES:
        learnt = half_widths[str(coverage)]
        half_width = answer["department"].astype(str).map(learnt).fillna(learnt[""]) * nonconformity_scale
        columns[f"lo_{coverage}"] = (answer["forecast"] - half_width).clip(lower=0)
        columns[f"hi_{coverage}"] = answer["forecast"] + half_width
    return answer.assign(**columns)


def count_inside(rows: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Count how many weeks fell into their range.

    Args:
        rows: ``turnover``, the intervals, and the columns of ``by``.
        by: What rows are told apart by.

    Returns:
        The columns of ``by``, ``rows, coverage_80, width_80, coverage_95, width_95``: coverage as a share of
        rows, half-width as the sum of intervals over the sum of turnover.
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
