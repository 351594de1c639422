"""The simplest context, without holidays and level shifts, and the simplest method."""

from dataclasses import replace

import numpy as np
import pandas as pd

from sales_forecast.errors import ShortHistoryError
from sales_forecast.forecasting.evaluation.fold_cache import FoldCacheParams
from sales_forecast.forecasting.features.context import ForecastContext
from sales_forecast.forecasting.methods.base import Fitted, Method
from sales_forecast.forecasting.panel.level_shifts import LevelShiftParams
from sales_forecast.forecasting.panel.model_input import ModelInput, no_future_covariates

NO_CALENDAR = pd.DataFrame()
NO_COVARIATES = no_future_covariates()
NOTHING_AHEAD = NO_COVARIATES
NO_CACHE = FoldCacheParams(folder="nowhere", limit_megabytes=0)
NO_SHIFTS = LevelShiftParams(
    enabled=False,
    min_log_ratio=1,
    noise_multiple=1,
    hold_weeks=4,
    base_weeks=13,
    min_stores=1,
    min_season_share=0,
)


def with_tables(context: ForecastContext, **tables: pd.DataFrame) -> ForecastContext:
    """The context with other tables in its data."""
    return replace(context, data=replace(context.data, **tables))


class Hundred(Method, frozen=True):
    """Always forecasts the same amount, once it has seen enough weeks."""

    amount: float = 100.0
    needs_weeks: int = 1

    def fit(self, context: ForecastContext) -> Fitted:
        if len(context.raw.weeks) < self.needs_weeks:
            raise ShortHistoryError("too few weeks")
        return {}

    def forecast(self, context: ForecastContext, forecast_index: pd.DataFrame, fitted: Fitted) -> np.ndarray:
        return np.full(len(forecast_index), self.amount)


def small_context(turnover: np.ndarray, departments: list[str] | None = None) -> ForecastContext:
    """Stores with their weeks up to the cutoff; NaN: no row."""
    weeks = pd.date_range(end="2017-08-05", periods=turnover.shape[1], freq="7D")
    panel = pd.DataFrame(
        {
            "store": np.repeat(np.arange(len(turnover)), len(weeks)),
            "department": np.repeat(departments or ["bikes"] * len(turnover), len(weeks)),
            "week": np.tile(weeks, len(turnover)),
            "turnover": turnover.ravel(),
        }
    ).dropna()
    stores = pd.DataFrame({"store": np.arange(len(turnover))})
    return ForecastContext.latest(ModelInput(panel, stores, NO_CALENDAR, NO_COVARIATES), NO_SHIFTS)


def missed_by(*errors: float, weeks: int = 60) -> np.ndarray:
    """Stores that sold 100 a week, and so much more in the latest week."""
    turnover = np.full((len(errors), weeks), 100.0)
    turnover[:, -1] += errors
    return turnover
