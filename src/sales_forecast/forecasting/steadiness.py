"""Steady forecasts: a part of what was published before is kept, so that noise moves them less.

A refit on one week more moves forecasts by its own noise as well as by what the week says. The mean of two
forecasts of the same week, the new one and the one that was published before, moves less, and is as accurate
where the noise of both is independent.

Source:
    Godahewa, Bergmeir, Erkin Baz, Zhu, Song, Garcia and Benavides (2025), On Forecast Stability,
    International Journal of Forecasting: the interpolation of a forecast with the one before it.
"""

from __future__ import annotations

import pandas as pd
from pydantic import BaseModel, Field

from sales_forecast.forecasting.attribution import STEADINESS
from sales_forecast.forecasting.intervals.conformal import INTERVAL_COLUMNS, QUANTILES
from sales_forecast.forecasting.panel.matrix import ROW_KEYS

BLENDED = ["forecast", *INTERVAL_COLUMNS, *QUANTILES]


class SteadinessParams(BaseModel, frozen=True, extra="forbid"):
    """How much forecasts hold on to what was published before."""

    earlier_weight: float = Field(ge=0, lt=1)
    """Share of the forecast that was published last for the same week; 0 for none."""


def hold_steady(forecasts: pd.DataFrame, earlier: pd.DataFrame, params: SteadinessParams) -> pd.DataFrame:
    """Blend forecasts with those that were published last for the same weeks.

    Intervals and quantiles are blended likewise: quantiles still rise, and none falls below zero.

    Args:
        forecasts: ``store, department, week, forecast``, intervals and quantiles, in currency units per week.
        earlier: The same of the last publication from older data; labels may be text.
        params: How much of it is kept.

    Returns:
        The forecasts in the same order; weeks and series that were not published before stay as they are.
    """
    weight = params.earlier_weight
    if not weight or earlier.empty:
        return forecasts
    new, before = forecasts[BLENDED], _aligned(forecasts, earlier)
    blended = new.where(before.isna(), (1 - weight) * new + weight * before)
    blended["q50"] = blended["forecast"]  # equal, but for rounding
    return forecasts.assign(**{name: blended[name] for name in BLENDED})


def _aligned(forecasts: pd.DataFrame, earlier: pd.DataFrame) -> pd.DataFrame:
    """Earlier numbers in the rows of the forecasts; all unknown where a row was not published whole."""
    text = {key: forecasts[key].astype(str) for key in ("store", "department")}
    rows = pd.MultiIndex.from_frame(forecasts[ROW_KEYS].assign(**text))
    known = earlier.assign(store=earlier["store"].astype(str), department=earlier["department"].astype(str))
    return known.set_index(ROW_KEYS)[BLENDED].dropna().reindex(rows).set_axis(forecasts.index)


def attribute_steadiness(attributions: pd.DataFrame, forecasts: pd.DataFrame) -> pd.DataFrame:
    """Give the part that the publication before plays a column, so that attributions add up again.

    Args:
        attributions: As ``attribution.explain`` returns them, of the forecasts of the model.
        forecasts: The published ones, in the same order.
    """
    published = forecasts["forecast"].to_numpy()
    return attributions.assign(
        **{STEADINESS: published - attributions["forecast"].to_numpy(), "forecast": published}
    )
