"""The simplest context: no holidays, no level shifts."""

from dataclasses import replace

import pandas as pd

from sales_forecast.forecasting.features.context import ForecastContext
from sales_forecast.forecasting.panel.level_shifts import LevelShiftParams
from sales_forecast.forecasting.panel.model_input import no_future_covariates

NO_CALENDAR = pd.DataFrame()
NOTHING_AHEAD = no_future_covariates()
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
