"""Attribution of forecasts: contributions in business terms that add up to them.

Methods forecast the square root of turnover as a sum of contributions: base + c1 + c2 + ... The square of
that sum is split as the Aumann-Shapley value splits it on the way from the base to the whole: contribution c
becomes c * (base + whole), and the base its own square. The attributions add up to the forecast exactly.

Source:
    Sundararajan, Taly and Yan (2017), Axiomatic Attribution for Deep Networks, ICML; contributions of
    boosted trees are the SHAP values that LightGBM computes (Lundberg et al. (2020), From Local Explanations
    to Global Understanding with Explainable AI for Trees, Nature Machine Intelligence 2).
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from sales_forecast.forecasting.features.cold_start import is_cold_start
from sales_forecast.forecasting.features.context import ForecastContext
from sales_forecast.forecasting.features.feature_groups import FeatureGroup
from sales_forecast.forecasting.panel.matrix import ROW_KEYS, FloatArray

ROUNDING = 1e-9
"""An attribution below this share of the forecast is a floating-point error and set to zero."""

STEADINESS = "earlier_forecast"
"""Part that no method makes, but holding on to the publication before; see ``forecasting.steadiness``."""

PARTS = {
    "average_week": "an average week of the last year",
    "level_shift": "sales have moved to another level since then",
    "same_week": "the same week of past years",
    "recent": "recent weeks and growth",
    "season": "season and holidays",
    "place": "place, age and kind of the store",
    "future_covariates": "what was known ahead, such as promotions",
    "peers": "what its peers sell (a young series)",
    "other": "everything else",
    STEADINESS: "the pull towards what was published before",
}
"""Column of the attributions -> its name in texts."""


def explain(context: ForecastContext, forecasts: pd.DataFrame, contributions: FloatArray) -> pd.DataFrame:
    """Split forecasts into attributions that add up to them.

    Args:
        context: What was known when the forecasts were made.
        forecasts: ``store, department, week, forecast``.
        contributions: Contributions to the square root of each forecast, shape
            ``(len(forecasts), len(FeatureGroup))``; NaN where the method had no forecast.

    Returns:
        ``store, department, week, forecast`` with the columns of ``PARTS``, in currency units per week.
    """
    cold = is_cold_start(context, forecasts)
    unknown = cold[:, None] | np.isnan(contributions).any(axis=1, keepdims=True)
    contributions = np.where(unknown, 0.0, contributions)
    base, whole = contributions[:, FeatureGroup.BASE], contributions.sum(axis=1)
    attributions = contributions * (base + whole)[:, None]
    average = base**2
    level = average * _share_of_level_shift(context, forecasts)
    forecast = forecasts["forecast"].to_numpy()
    columns = {
        "average_week": average - level,
        "level_shift": level,
        "same_week": attributions[:, FeatureGroup.SAME_WEEK],
        "recent": attributions[:, FeatureGroup.RECENT],
        "season": attributions[:, FeatureGroup.SEASON],
        "place": attributions[:, FeatureGroup.PLACE],
        "future_covariates": attributions[:, FeatureGroup.FUTURE_COVARIATES],
        "peers": np.where(cold, forecast, 0.0),
    }
    other = forecast - sum(columns.values())
    other = np.where(np.abs(other) < ROUNDING * (1 + forecast), 0.0, other)
    return (
        forecasts[[*ROW_KEYS, "forecast"]]
        .assign(**columns, other=other, **{STEADINESS: 0.0})
        .reset_index(drop=True)
    )


def _share_of_level_shift(context: ForecastContext, forecasts: pd.DataFrame) -> FloatArray:
    """Share of the average week that is due to the adjustment of history to the latest level."""
    share = np.nan_to_num(1 - context.raw_scale / context.scale)
    position = context.raw.position_of(forecasts)
    return np.where(position >= 0, share[position], 0.0)
