"""Prediction intervals and quantiles, from the errors of forecasts made at past origins.

An error is divided by its nonconformity scale (``error_scale``). The half-width of an interval is a weighted
quantile of such absolute errors in the same department: the newest errors weigh most, and those of the same
season of past years. Quantiles are the ends of intervals of every coverage, so they never cross.

Source:
    Lei, G'Sell, Rinaldo, Tibshirani and Wasserman (2018), Distribution-Free Predictive Inference for
    Regression, Journal of the American Statistical Association 113(523), 1094-1111; with weights that fall
    with age: Barber, Candès, Ramdas and Tibshirani (2023), Conformal Prediction Beyond Exchangeability,
    Annals of Statistics 51(2), 816-845.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from pydantic import BaseModel

from sales_forecast.forecasting.intervals.error_scale import ErrorScale, learn_error_scale
from sales_forecast.forecasting.panel.matrix import FloatArray

PUBLISHED = (80, 95)
"""Per cent of weeks that should fall into the intervals of every table of forecasts."""

COVERAGES = (10, 20, 30, 40, 50, 60, 70, 80, 90, 95)
"""Per cent of weeks that should fall into the intervals whose half-widths are learned."""

INTERVAL_COLUMNS = [f"{end}_{coverage}" for coverage in PUBLISHED for end in ("lo", "hi")]

QUANTILES = {f"q{percent:02d}": percent / 100 for percent in range(5, 100, 5)}
"""Column -> probability that turnover is at most so much."""

MIN_SERIES_ERRORS = 100
"""A department with fewer errors of past forecasts of series uses the errors of all departments."""


class HalfWidths(BaseModel, frozen=True, extra="forbid"):
    """Half-widths of intervals, and the nonconformity scale that they are multiples of."""

    scale: ErrorScale
    multiples: dict[str, dict[str, float]]
    """Coverage in per cent -> department, or ``""`` for all -> half-width."""

    def ends(
        self, forecasts: pd.DataFrame, mean_week: pd.Series[float], coverages: tuple[int, ...]
    ) -> dict[int, tuple[FloatArray, FloatArray]]:
        """Lower and upper ends of the intervals of each coverage.

        Args:
            forecasts: ``store, department, forecast``.
            mean_week: Mean week of each row's series, currency units.
            coverages: Some of ``COVERAGES``.
        """
        forecast = forecasts["forecast"].to_numpy(dtype=float)
        mean: FloatArray = np.asarray(mean_week, dtype=np.float64)
        scale = self.scale.of(forecasts, mean_week)
        departments = forecasts["department"].astype(str)
        ends = {}
        for coverage in coverages:
            known = self.multiples[str(coverage)]
            multiple = np.array([known.get(name, known[""]) for name in departments])
            ends[coverage] = self.scale.ends(forecast, mean, multiple * scale)
        return ends


def learn_from_errors(
    past: pd.DataFrame,
    share: float,
    min_errors: int = MIN_SERIES_ERRORS,
    *,
    with_volatility: bool = False,
) -> HalfWidths:
    """Turn the errors of past forecasts into half-widths.

    Args:
        past: ``cutoff, store, department, forecast, turnover, mean_week, weight``, at least one row.
        share: Share of the mean week in the nonconformity scale.
        min_errors: A department with fewer errors uses those of all departments.
        with_volatility: Whether series have a volatility of their own, see ``learn_error_scale``.
    """
    scale = learn_error_scale(past, share, with_volatility=with_volatility)
    mean = past["mean_week"].to_numpy(dtype=float)
    turnover, forecast = (
        scale.transform(past[column].to_numpy(dtype=float), mean) for column in ("turnover", "forecast")
    )
    errors = np.abs(turnover - forecast) / scale.of(past, past["mean_week"])
    weight = past["weight"].to_numpy(dtype=float)
    parts = {"": np.arange(len(past))} | {
        str(department): np.asarray(rows)
        for department, rows in past.groupby("department").indices.items()
        if len(rows) >= min_errors
    }
    multiples = {name: _weighted_quantiles(errors[rows], weight[rows]) for name, rows in parts.items()}
    return HalfWidths(
        scale=scale,
        multiples={
            str(coverage): {name: of_part[position] for name, of_part in multiples.items()}
            for position, coverage in enumerate(COVERAGES)
        },
    )


def _weighted_quantiles(errors: FloatArray, weight: FloatArray) -> list[float]:
    """For each coverage, the smallest error that so much of the weight does not exceed.

    The next error counts as one more of mean weight, which lies beyond all others.
    """
    order = np.argsort(errors, kind="stable")
    share = np.cumsum(weight[order]) / (weight.sum() * (len(errors) + 1) / len(errors))
    positions = np.searchsorted(share, np.array(COVERAGES) / 100)
    return [float(error) for error in errors[order][np.minimum(positions, len(errors) - 1)]]


def add_intervals(
    forecasts: pd.DataFrame,
    mean_week: pd.Series[float],
    half_widths: HalfWidths,
    cold_start_half_widths: HalfWidths | None = None,
) -> pd.DataFrame:
    """Add prediction intervals to forecasts, in their units and never below zero.

    Args:
        forecasts: ``store, department, forecast``, and ``cold_start`` if these have half-widths of their own.
        mean_week: Mean week of each row's series, as ``mean_weeks`` returns it.
        half_widths: As ``learn_from_errors`` returns them.
        cold_start_half_widths: Half-widths of cold starts; without them cold starts have those of all series.

    Returns:
        The table with ``lo_80, hi_80, lo_95, hi_95``.
    """
    ends = _ends(forecasts, mean_week, half_widths, cold_start_half_widths, PUBLISHED)
    columns = {
        f"{end}_{coverage}": values
        for coverage, pair in ends.items()
        for end, values in zip(("lo", "hi"), pair, strict=True)
    }
    return forecasts.assign(**columns)


def quantiles(
    forecasts: pd.DataFrame,
    mean_week: pd.Series[float],
    half_widths: HalfWidths,
    cold_start_half_widths: HalfWidths | None = None,
) -> pd.DataFrame:
    """Quantiles of the turnover of each row, see ``add_intervals``.

    Returns:
        The columns of ``QUANTILES`` in currency units per week, rising from left to right, none below zero;
        the median is the forecast.
    """
    inside = tuple(coverage for coverage in COVERAGES if coverage % 10 == 0)
    ends = _ends(forecasts, mean_week, half_widths, cold_start_half_widths, inside)
    below = {50 - coverage // 2: low for coverage, (low, _) in ends.items()}
    above = {50 + coverage // 2: high for coverage, (_, high) in ends.items()}
    known = below | above | {50: forecasts["forecast"].to_numpy(dtype=float)}
    return pd.DataFrame(
        {column: known[round(100 * probability)] for column, probability in QUANTILES.items()},
        index=forecasts.index,
    )


def _ends(
    forecasts: pd.DataFrame,
    mean_week: pd.Series[float],
    half_widths: HalfWidths,
    cold_start_half_widths: HalfWidths | None,
    coverages: tuple[int, ...],
) -> dict[int, tuple[FloatArray, FloatArray]]:
    ends = half_widths.ends(forecasts, mean_week, coverages)
    if cold_start_half_widths is None or not (cold := forecasts["cold_start"].to_numpy(dtype=bool)).any():
        return ends
    of_cold = cold_start_half_widths.ends(forecasts, mean_week, coverages)
    return {
        coverage: (np.where(cold, of_cold[coverage][0], low), np.where(cold, of_cold[coverage][1], high))
        for coverage, (low, high) in ends.items()
    }


def continuous_ranked_probability_score(turnover: FloatArray, quantiles: pd.DataFrame) -> FloatArray:
    """Score of the whole distribution of each row, approximated by twice its mean pinball loss.

    Args:
        turnover: Actual turnover, shape ``(rows,)``.
        quantiles: As ``quantiles`` returns them.

    Returns:
        Currency units per week, shape ``(rows,)``; 0 is perfect. A distribution that is one point has its
        absolute error.

    Source:
        Gneiting and Raftery (2007), Strictly Proper Scoring Rules, Prediction, and Estimation, Journal of the
        American Statistical Association 102(477), 359-378.
    """
    probability = np.array(list(QUANTILES.values()))
    error = turnover[:, None] - quantiles[list(QUANTILES)].to_numpy(dtype=float)
    pinball = np.where(error >= 0, probability * error, (probability - 1) * error)
    return np.asarray(2 * pinball.mean(axis=1))


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
    for coverage in PUBLISHED:
        low, high = rows[f"lo_{coverage}"], rows[f"hi_{coverage}"]
        measured[f"coverage_{coverage}"] = rows["turnover"].between(low, high)
        measured[f"width_{coverage}"] = high - low
    grouped = measured.groupby(by, observed=True)
    table = grouped.size().rename("rows").to_frame()
    for coverage in PUBLISHED:
        table[f"coverage_{coverage}"] = grouped[f"coverage_{coverage}"].mean()
        table[f"width_{coverage}"] = grouped[f"width_{coverage}"].sum() / grouped["turnover"].sum()
    return table.reset_index()
