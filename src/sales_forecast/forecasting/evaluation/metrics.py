"""Metrics of forecasts. Each definition states its sign, unit, pooling and zero case.

The metrics are defined here, and tested against utilsforecast, because no library has all of them: WAPE, WQL
and bias are pooled over rows and relative to what was sold, and RMSSE is weighted by turnover. The mean
absolute and the root mean squared error equal those of scikit-learn to the last digit; being one line each,
they spare the service and the command line an import of scikit-learn.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from sales_forecast.forecasting.panel.matrix import ROW_KEYS, SERIES_KEYS, WEEKS_PER_YEAR, FloatArray

MIN_COMPARED_WEEKS = 52
"""A scale from less than a whole year would be that of one season."""


def wape(actual: FloatArray, forecast: FloatArray) -> float:
    """Weighted absolute percentage error, pooled over rows: sum of |errors| over sum of |actuals|.

    Returns:
        A ratio without unit, 0 is perfect; NaN if nothing was sold.

    >>> wape(np.array([100.0, 300.0]), np.array([110.0, 270.0]))
    0.1
    """
    sold = float(np.abs(actual).sum())
    return float(np.abs(actual - forecast).sum()) / sold if sold else float("nan")


def mean_wape(forecasts: pd.DataFrame) -> float:
    """WAPE of each window, averaged.

    Args:
        forecasts: ``cutoff, turnover, forecast`` of one method.

    Returns:
        A ratio without unit; windows in which nothing was sold are left out.
    """
    return float(np.nanmean(window_wapes(forecasts)))


def window_wapes(forecasts: pd.DataFrame) -> list[float]:
    """WAPE of each window, oldest first.

    Args:
        forecasts: ``cutoff, turnover, forecast`` of one method.
    """
    windows = forecasts.groupby("cutoff")[["turnover", "forecast"]]
    return [wape(*rows.to_numpy(dtype=float).T) for _, rows in windows]


def mae(actual: FloatArray, forecast: FloatArray) -> float:
    """Mean absolute error, in currency units per week.

    >>> mae(np.array([100.0, 300.0]), np.array([110.0, 270.0]))
    20.0
    """
    return float(np.abs(actual - forecast).mean())


def rmse(actual: FloatArray, forecast: FloatArray) -> float:
    """Root mean squared error, in currency units per week.

    >>> rmse(np.array([0.0, 0.0]), np.array([1.0, 7.0]))
    5.0
    """
    return float(np.sqrt(np.square(actual - forecast).mean()))


def bias(actual: FloatArray, forecast: FloatArray) -> float:
    """Sum of forecast minus actual over sum of |actuals|; positive means too high.

    Returns:
        A ratio without unit; NaN if nothing was sold.

    >>> bias(np.array([100.0, 300.0]), np.array([110.0, 270.0]))
    -0.05
    """
    sold = float(np.abs(actual).sum())
    return float((forecast - actual).sum()) / sold if sold else float("nan")


def wql(actual: FloatArray, crps: FloatArray) -> float:
    """Weighted quantile loss, pooled over rows: sum of CRPS over sum of |actuals|.

    It judges the whole distribution as WAPE judges the forecast: a distribution that is one point has its
    WAPE, and one that is as wide as the errors are large has less.

    Args:
        actual: Actual turnover.
        crps: Score of each row, see ``conformal.continuous_ranked_probability_score``; currency units.

    Returns:
        A ratio without unit, never negative, 0 is perfect; NaN if nothing was sold.

    Source:
        Salinas, Flunkert, Gasthaus and Januschowski (2020), DeepAR, International Journal of Forecasting
        36(3), 1181-1191, for one quantile; the mean over quantiles as in Ansari et al. (2024), Chronos,
        Transactions on Machine Learning Research.

    >>> wql(np.array([100.0, 300.0]), np.array([8.0, 24.0]))
    0.08
    """
    sold = float(np.abs(actual).sum())
    return float(crps.sum()) / sold if sold else float("nan")


def seasonal_scale(panel: pd.DataFrame, cutoff: pd.Timestamp) -> pd.Series[float]:
    """Mean squared error of repeating last year in each series' own history.

    Weeks without a week a year before are left out: a new store has no last year to repeat.

    Args:
        panel: ``store, department, week, turnover``; one row per week from a series' first to its last.
        cutoff: Last week of the history.

    Returns:
        Squared currency units by store and department; NaN where fewer than ``MIN_COMPARED_WEEKS`` weeks
        can be compared.
    """
    past = panel.loc[panel["week"] <= cutoff, [*ROW_KEYS, "turnover"]].sort_values(ROW_KEYS)
    last_year = past.groupby(SERIES_KEYS)["turnover"].shift(WEEKS_PER_YEAR)
    squared = ((past["turnover"] - last_year) ** 2).groupby([past["store"], past["department"]])
    return squared.mean().where(squared.count() >= MIN_COMPARED_WEEKS)


def rmsse(rows: pd.DataFrame, scale: pd.Series[float]) -> float:
    """Root mean squared scaled error, scaled by the error of repeating last year.

    Below 1, a series was forecast better than by repeating last year in its own past. The mean over series is
    weighted by their turnover, as in M5, because the scale of a series that hardly sells is unreliable.

    Args:
        rows: ``store, department, turnover, forecast`` of one method and cutoff.
        scale: As ``seasonal_scale`` returns it for that cutoff.

    Returns:
        A ratio without unit; series without a scale, or that never moved, are left out; NaN if all are.

    Source:
        Makridakis, Spiliotis and Assimakopoulos (2022), The M5 competition, International Journal of
        Forecasting 38(4), 1325-1336; there scaled by the error of repeating last week, and weighted by the
        sales of the last four weeks.
    """
    turnover, forecast = rows["turnover"].to_numpy(float), rows["forecast"].to_numpy(float)
    number, series = pd.MultiIndex.from_frame(rows[SERIES_KEYS]).factorize()
    mean = np.bincount(number, (turnover - forecast) ** 2) / np.bincount(number)
    ratio = np.sqrt(mean / scale.where(scale > 0).reindex(series).to_numpy())
    sold = np.where(np.isnan(ratio), 0, np.bincount(number, np.abs(turnover)))
    return float(np.nan_to_num(ratio) @ sold / sold.sum()) if sold.sum() else float("nan")


def score(rows: pd.DataFrame) -> dict[str, float]:
    """All pooled metrics of a table with ``turnover`` and ``forecast``."""
    actual, forecast = rows["turnover"].to_numpy(float), rows["forecast"].to_numpy(float)
    return {
        "wape": wape(actual, forecast),
        "rmse": rmse(actual, forecast),
        "mae": mae(actual, forecast),
        "bias": bias(actual, forecast),
    }
