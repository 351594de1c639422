"""Cold starts: series too young to be forecast from their own past are forecast from their peers.

Peers are the series of the same department; those of the same region have the largest weight. The first weeks
of a series, where there are any, tell its size relative to its department; the fewer they are, the less they
count. A department of which only series without a past are to be forecast, or that has no past anywhere,
repeats the past of its nearest peers.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from sales_forecast.forecasting.features.context import ForecastContext, repeat_last_year
from sales_forecast.forecasting.features.history import MIN_KNOWN_WEEKS
from sales_forecast.forecasting.panel.matrix import SERIES_KEYS, BoolArray, FloatArray, PanelMatrix

REGION_PRIOR_SERIES = 5
"""With so many peers in the region, its mean counts as much as that of the whole department."""

MIN_RELATIVE_SIZE = 1e-4
"""Lower bound of a series' size relative to its department."""


def is_cold_start(context: ForecastContext, forecast_index: pd.DataFrame) -> BoolArray:
    """Whether fewer than ``MIN_KNOWN_WEEKS`` weeks are known of the series of each row."""
    matrix = context.raw
    cold = (~np.isnan(matrix.turnover)).sum(axis=1) < MIN_KNOWN_WEEKS
    position = matrix.position_of(forecast_index)
    return np.where(position >= 0, cold[position], True)


def forecast_from_peers(
    context: ForecastContext, forecasts: pd.DataFrame, cold: BoolArray
) -> pd.Series[float]:
    """Forecast cold starts from the forecasts of all other series.

    Args:
        context: What is known at the cutoff.
        forecasts: ``store, department, week, forecast``.
        cold: Rows that are cold starts.

    Returns:
        Currency units per week, one value per row of ``forecasts``; NaN where a department has no other
        series.
    """
    region = forecasts["store"].map(_regions(context))
    warm = forecasts.assign(region=region, forecast=forecasts["forecast"].where(~cold))
    in_department = warm.groupby(["department", "week"])["forecast"].transform("mean")
    regional = warm.groupby(["department", "week", "region"])["forecast"]
    peers = regional.transform("count").fillna(0)
    share = peers / (peers + REGION_PRIOR_SERIES)
    mean = (1 - share) * in_department + share * regional.transform("mean").fillna(in_department)
    sizes = _relative_sizes(context)
    own = pd.MultiIndex.from_frame(forecasts[SERIES_KEYS])
    return mean * sizes.reindex(own).fillna(1.0).to_numpy()


def repeat_peers(context: ForecastContext, forecast_index: pd.DataFrame) -> pd.Series[float]:
    """Repeat the past of peers that need not be among the rows to be forecast.

    Peers are the series of the same department; if none has a past, the other departments of the same store;
    and if there are none, either, all series.

    Args:
        context: What is known at the cutoff.
        forecast_index: ``store, department, week``, weeks after the cutoff.

    Returns:
        The peers' mean, in currency units per week, one value per row; NaN where no turnover is known at all.
    """
    matrix = context.level_adjusted
    weeks = forecast_index[["week"]].drop_duplicates()
    peers = matrix.series[SERIES_KEYS].merge(weeks, how="cross")
    peers["turnover"] = repeat_last_year(matrix, peers, context.cutoff)
    repeated = forecast_index["week"].map(peers.groupby("week")["turnover"].mean())
    for keys in (["store", "week"], ["department", "week"]):  # the nearest peers last
        mean = peers.groupby(keys)["turnover"].mean()
        own = mean.reindex(pd.MultiIndex.from_frame(forecast_index[keys])).set_axis(forecast_index.index)
        repeated = own.fillna(repeated)
    return repeated


def _regions(context: ForecastContext) -> pd.Series[str]:
    stores = context.data.stores.set_index("store")
    return stores["region"] if "region" in stores else pd.Series(dtype=object)


def _relative_sizes(context: ForecastContext) -> pd.Series[float]:
    """Size of each cold start relative to the mean of its department in the same weeks."""
    matrix = context.level_adjusted
    known = ~np.isnan(matrix.turnover)
    weeks = known.sum(axis=1)
    cold = (weeks > 0) & (weeks < MIN_KNOWN_WEEKS)
    own = np.nansum(np.maximum(matrix.turnover, 0), axis=1)
    expected = np.where(known, _department_mean(matrix, ~cold), 0).sum(axis=1)
    ratio = np.where(cold & (expected > 0), own / np.where(expected > 0, expected, 1), 1.0)
    size = np.maximum(ratio, MIN_RELATIVE_SIZE) ** (weeks / (weeks + 1))
    return pd.Series(size, index=pd.MultiIndex.from_frame(matrix.series[SERIES_KEYS]))


def _department_mean(matrix: PanelMatrix, warm: BoolArray) -> FloatArray:
    mean = np.zeros_like(matrix.turnover)
    departments = matrix.series["department"].to_numpy()
    for department in pd.unique(departments):
        members = departments == department
        turnover = matrix.turnover[members & warm]
        count = (~np.isnan(turnover)).sum(axis=0)
        mean[members] = np.nansum(turnover, axis=0) / np.maximum(count, 1)
    return mean
