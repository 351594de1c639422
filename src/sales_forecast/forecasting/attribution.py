"""Why a forecast is what it is: parts in business words that add up to it.

Methods forecast the square root of turnover as a sum of contributions: base + c1 + c2 + ... The square of
that sum is split as the Aumann-Shapley value splits it on the way from the base to the whole: contribution c
becomes c * (base + whole), and the base its own square. The parts add up to the forecast exactly.

Source:
    Sundararajan, Taly and Yan (2017), Axiomatic Attribution for Deep Networks, ICML; contributions of
    boosted trees are the SHAP values that LightGBM computes (Lundberg et al. (2020), From Local Explanations
    to Global Understanding with Explainable AI for Trees, Nature Machine Intelligence 2).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from sales_forecast.forecasting.features.cold_start import is_cold
from sales_forecast.forecasting.features.context import ForecastContext
from sales_forecast.forecasting.features.groups import FeatureGroup
from sales_forecast.forecasting.panel.matrix import FloatArray

ROUNDING = 1e-9
"""What is smaller than this beside a forecast was left by floating point, and explains nothing."""

PARTS = {
    "average_week": "an average week of the last year",
    "level_shift": "the level has shifted since",
    "same_week": "the same week of past years",
    "recent": "recent weeks and growth",
    "season": "season and holidays",
    "place": "place, age and kind of the store",
    "future_covariates": "what was known ahead, such as promotions",
    "peers": "what its peers sell (a young series)",
    "other": "everything else",
}
"""Column -> what it is called where people read it."""


def explain(context: ForecastContext, answer: pd.DataFrame, contributions: FloatArray) -> pd.DataFrame:
    """Split forecasts into parts that add up to them.

    Args:
        context: What was known.
        answer: ``store, department, week, forecast``.
        contributions: Contributions to each forecast's square root, shape ``(len(answer), len(FeatureGroup))``; NaN where the
            method had no answer.

    Returns:
        The answer with the columns of ``PARTS``, in currency units per week.
    """
    cold = is_cold(context, answer)
    unknown = cold[:, None] | np.isnan(contributions).any(axis=1, keepdims=True)
    contributions = np.where(unknown, 0.0, contributions)
    base, whole = contributions[:, FeatureGroup.BASE], contributions.sum(axis=1)
    parts = contributions * (base + whole)[:, None]
    average = base**2
    level = average * _share_of_level(context, answer)
    columns = {
        "average_week": average - level,
        "level_shift": level,
        "same_week": parts[:, FeatureGroup.SAME_WEEK],
        "recent": parts[:, FeatureGroup.RECENT],
        "season": parts[:, FeatureGroup.SEASON],
        "place": parts[:, FeatureGroup.PLACE],
        "future_covariates": parts[:, FeatureGroup.FUTURE_COVARIATES],
        "peers": np.where(cold, answer["forecast"].to_numpy(), 0.0),
    }
    forecast = answer["forecast"].to_numpy()
    rest = forecast - sum(columns.values())
    rest = np.where(np.abs(rest) < ROUNDING * (1 + forecast), 0.0, rest)
    explained = answer[["store", "department", "week", "forecast"]].assign(**columns, other=rest)
    return explained.reset_index(drop=True)


def _share_of_level(context: ForecastContext, answer: pd.DataFrame) -> npt.NDArray[np.float64]:
    """How much of the average week comes from bringing history to today's level."""
    last = len(context.raw.weeks) - 1
    today = context.features.scale(last)
    sold = context.raw_features.scale(last)
    share = np.nan_to_num(1 - sold / today)
    position = context.raw.position_of(answer)
    return np.where(position >= 0, share[position], 0.0)
