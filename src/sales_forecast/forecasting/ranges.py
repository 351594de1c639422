"""Ranges that hold what they say: split-conformal, from forecasts that the method would have made before.

An error is measured against the forecast and a share of the series' own scale, so that weeks off season have
a width too. A range is as wide as the errors of past forecasts in the same department were, in units of that
yardstick. One of the past origins should lie a year back: there the season is the same.

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

from sales_forecast.forecasting.errors import InputError, ShortHistoryError
from sales_forecast.forecasting.grid import KEYS, Matrix
from sales_forecast.forecasting.market import Market, targets_after
from sales_forecast.forecasting.method import Method, forecast_all

COVERAGES = (80, 95)
"""Per cent of weeks that should fall into their range."""

RANGE_COLUMNS = [f"{end}_{coverage}" for coverage in COVERAGES for end in ("lo", "hi")]
MIN_ROWS = 100
"""A department with fewer past forecasts takes the errors of all departments."""

Widths = dict[str, dict[str, float]]
"""Coverage in per cent -> department, and ``""`` for all -> width in units of the yardstick."""


class RangeParams(BaseModel, frozen=True, extra="forbid"):
    """How the width of ranges is learnt."""

    weeks_back: tuple[Annotated[int, Field(gt=0)], ...] = Field(min_length=1)
    """The past origins: so many weeks before the cutoff."""

    scale_share: float = Field(gt=0)
    """How much of a series' mean week counts beside the forecast."""


def origins(cutoff: pd.Timestamp, ranges: RangeParams) -> list[pd.Timestamp]:
    """The cutoff, and the past origins that the width of its ranges is learnt from."""
    return [cutoff, *(cutoff - pd.Timedelta(weeks=weeks) for weeks in ranges.weeks_back)]


def refuse_origins_before(first: pd.Timestamp, cutoff: pd.Timestamp, ranges: RangeParams) -> None:
    """Refuse past origins of which none lies in the history.

    Raises:
        InputError: Names the parameter.
    """
    nearest = cutoff - pd.Timedelta(weeks=min(ranges.weeks_back))
    if nearest < first:
        raise InputError(
            f"turnover.ranges.weeks_back: {min(ranges.weeks_back)} weeks before the cutoff "
            f"{cutoff:%Y-%m-%d} is {nearest:%Y-%m-%d}, and history begins at {first:%Y-%m-%d}. Name nearer "
            "origins, or later cutoffs under turnover.backtest.cutoffs."
        )


def learn_widths(method: Method, market: Market, ranges: RangeParams, horizon_weeks: int) -> Widths:
    """Learn how wide ranges must be from forecasts made at past origins.

    Args:
        method: Is fitted anew at each origin, on what was known then.
        market: The past up to the cutoff.
        ranges: Which origins.
        horizon_weeks: How many weeks ahead is forecast.

    Raises:
        ShortHistoryError: No forecast can be made at any of the origins.
    """
    past = [
        _past_errors(method, market.before(weeks), market, ranges, horizon_weeks)
        for weeks in ranges.weeks_back
    ]
    known = [errors for errors in past if errors is not None]
    if not known:
        raise ShortHistoryError(
            f"{len(market.as_sold.weeks)} weeks of history are too few for ranges: no forecast can be made "
            f"{min(ranges.weeks_back)} weeks before {market.cutoff:%Y-%m-%d}. Name nearer origins under "
            "turnover.ranges.weeks_back, or bring more history."
        )
    return widths_of(pd.concat(known))


def widths_of(errors: pd.DataFrame, min_rows: int = MIN_ROWS) -> Widths:
    """Turn past errors into widths.

    Args:
        errors: ``department`` and ``error``: absolute errors in units of the yardstick.
        min_rows: A department with fewer takes the errors of all.
    """
    parts = {"": errors["error"].to_numpy()} | {
        str(department): part["error"].to_numpy()
        for department, part in errors.groupby("department")
        if len(part) >= min_rows
    }
    return {
        str(coverage): {name: _width(part, coverage) for name, part in parts.items()}
        for coverage in COVERAGES
    }


def _past_errors(
    method: Method, past: Market | None, market: Market, ranges: RangeParams, horizon_weeks: int
) -> pd.DataFrame | None:
    """Absolute errors over the yardstick of one origin; None where the method could not yet forecast."""
    if past is None:
        return None
    targets = targets_after(market.panel, past.cutoff, horizon_weeks)
    if targets.empty:
        return None
    try:
        answer = forecast_all(method, past, targets[[*KEYS, "week"]], method.fit(past))
    except ShortHistoryError:
        return None
    error = (targets["turnover"].to_numpy() - answer["forecast"]).abs() / yardstick(answer, past, ranges)
    return answer[["department"]].assign(error=error)


def _width(errors: Matrix, coverage: int) -> float:
    """The smallest error that so many per cent do not exceed, with the correction for finitely many."""
    rank = min(len(errors), math.ceil(coverage * (len(errors) + 1) / 100))
    return float(np.partition(errors, rank - 1)[rank - 1])


def yardstick(answer: pd.DataFrame, market: Market, ranges: RangeParams) -> pd.Series[float]:
    """What errors are measured in: the forecast and a share of the series' mean week.

    A series without a mean week has that of its department, or of all.

    Args:
        answer: ``store, department, forecast``.
        market: What was known when it was made.
        ranges: How large the share is.

    Returns:
        Currency units per week, as long as the answer.
    """
    source, grid = market.features, market.features.grid
    scale = pd.Series(source.scale(len(grid.weeks) - 1), index=grid.series.index)
    scale = scale.fillna(scale.groupby(grid.series["department"]).transform("mean"))
    scale = scale.fillna(scale.mean()).fillna(source.sold.mean())
    position = grid.position_of(answer)
    own = np.where(position >= 0, scale.to_numpy()[position], float(scale.mean()))
    return answer["forecast"] + ranges.scale_share * own + 1e-9


def add_ranges(
    answer: pd.DataFrame,
    market: Market,
    widths: Widths,
    ranges: RangeParams,
    cold_widths: Widths | None = None,
) -> pd.DataFrame:
    """Put ``lo_80, hi_80, lo_95, hi_95`` beside forecasts, in their units and never below zero.

    Args:
        answer: As ``forecast_all`` returns it.
        market: What was known when it was made.
        widths: As ``learn_widths`` returns them.
        ranges: The same parameters.
        cold_widths: For series too young for a past of their own; without them they get those of all.
    """
    unit = yardstick(answer, market, ranges)
    ranged = put_around(answer, unit, widths)
    cold = answer["cold_start"] if cold_widths else pd.Series(False, answer.index)
    if cold_widths and cold.any():
        ranged.loc[cold] = put_around(answer[cold], unit[cold], cold_widths)
    return ranged


def put_around(answer: pd.DataFrame, yardstick: pd.Series[float], widths: Widths) -> pd.DataFrame:
    """Put ranges around forecasts.

    Args:
        answer: ``department, forecast``.
        yardstick: What the widths are multiples of, row by row.
        widths: By coverage and department.

    Returns:
        The table with ``lo_80, hi_80, lo_95, hi_95``, none below zero.
    """
    columns = {}
    for coverage in COVERAGES:
        learnt = widths[str(coverage)]
        width = answer["department"].astype(str).map(learnt).fillna(learnt[""]) * yardstick
        columns[f"lo_{coverage}"] = (answer["forecast"] - width).clip(lower=0)
        columns[f"hi_{coverage}"] = answer["forecast"] + width
    return answer.assign(**columns)


def count_inside(rows: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Count how many weeks fell into their range.

    Args:
        rows: ``turnover``, the ranges, and the columns of ``by``.
        by: What rows are told apart by.

    Returns:
        The columns of ``by``, ``rows, coverage_80, width_80, coverage_95, width_95``: coverage as a share of
        rows, width as the sum of ranges over the sum of turnover.
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
