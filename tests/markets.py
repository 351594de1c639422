"""The simplest market: no holidays, no level shifts."""

import pandas as pd

from sales_forecast.forecasting.grid import nothing_known_ahead
from sales_forecast.forecasting.level_shifts import LevelShiftParams

NO_CALENDAR = pd.DataFrame()
NOTHING_AHEAD = nothing_known_ahead()
NO_SHIFTS = LevelShiftParams(
    enabled=False,
    min_log_ratio=1,
    noise_multiple=1,
    hold_weeks=4,
    base_weeks=13,
    min_stores=1,
    min_season_share=0,
)
