"""Series too young to be forecast from their own past: they sell as their peers do, at their own size.

Peers are the series of the same department, those of the same region counting most. The first weeks of a
series, where there are any, say how large it is beside them; the fewer they are, the less they count.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from sales_forecast.forecasting.features.builder import MIN_WEEKS
from sales_forecast.forecasting.features.context import ForecastContext
from sales_forecast.forecasting.panel.matrix import FloatArray, PanelMatrix

REGION_COUNTS_FROM = 5
"""With so many peers in the region, it counts as much as the whole department."""

SMALLEST = 1e-4
"""No series is smaller beside its department than this."""


def is_cold(context: ForecastContext, forecast_index: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """Whether fewer than ``MIN_WEEKS`` weeks of a target's series are known."""
    matrix = context.raw
    young = (~np.isnan(matrix.turnover)).sum(axis=1) < MIN_WEEKS
    position = matrix.position_of(forecast_index)
    return np.where(position >= 0, young[position], True)


def like_peers(
    context: ForecastContext, answer: pd.DataFrame, cold: npt.NDArray[np.bool_]
) -> pd.Series[float]:
    """Forecast cold forecast index from the forecasts of warm ones.

    Args:
        context: What is known.
        answer: ``store, department, week, forecast``.
        cold: Which rows want a forecast.

    Returns:
        Currency units per week, as long as the answer; NaN where a department has no warm series.
    """
    region = answer["store"].map(_regions(context))
    warm = answer.assign(region=region, forecast=answer["forecast"].where(~cold))
    in_department = warm.groupby(["department", "week"])["forecast"].transform("mean")
    regional = warm.groupby(["department", "week", "region"])["forecast"]
    peers = regional.transform("count").fillna(0)
    share = peers / (peers + REGION_COUNTS_FROM)
    mean = (1 - share) * in_department + share * regional.transform("mean").fillna(in_department)
    sizes = _sizes(context)
    own = pd.MultiIndex.from_frame(answer[["store", "department"]])
    return mean * sizes.reindex(own).fillna(1.0).to_numpy()


def _regions(context: ForecastContext) -> pd.Series[str]:
    placed = context.data.stores.set_index("store")
    return placed["region"] if "region" in placed else pd.Series(dtype=object)


def _sizes(context: ForecastContext) -> pd.Series[float]:
    """How large each young series is beside the mean of its department in the same weeks."""
    matrix = context.level_adjusted
    known = ~np.isnan(matrix.turnover)
    weeks = known.sum(axis=1)
    young = (weeks > 0) & (weeks < MIN_WEEKS)
    own = np.nansum(np.maximum(matrix.turnover, 0), axis=1)
    usual = np.where(known, _department_mean(matrix, ~young), 0).sum(axis=1)
    ratio = np.where(young & (usual > 0), own / np.where(usual > 0, usual, 1), 1.0)
    size = np.maximum(ratio, SMALLEST) ** (weeks / (weeks + 1))
    return pd.Series(size, index=pd.MultiIndex.from_frame(matrix.series[["store", "department"]]))


def _department_mean(matrix: PanelMatrix, warm: npt.NDArray[np.bool_]) -> FloatArray:
    mean = np.zeros_like(matrix.turnover)
    departments = matrix.series["department"].to_numpy()
    for department in pd.unique(departments):
        members = departments == department
        sold = matrix.turnover[members & warm]
        count = (~np.isnan(sold)).sum(axis=0)
        mean[members] = np.nansum(sold, axis=0) / np.maximum(count, 1)
    return mean
