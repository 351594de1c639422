"""Turnover: the weeks ahead of every series that still sells, where no file says what to forecast."""

from __future__ import annotations

import logging

import narwhals as nw
import pandas as pd
from narwhals.typing import IntoFrame

from sales_forecast.errors import InputError
from sales_forecast.forecasting.panel.matrix import ROW_KEYS, SERIES_KEYS, WEEKS_PER_YEAR
from sales_forecast.pipelines.data_processing.params import ReadTurnoverParams

logger = logging.getLogger(__name__)


def weeks_ahead_of_active_series(sales: IntoFrame, read: ReadTurnoverParams) -> pd.DataFrame:
    """Make the list of forecasts that are wanted: the next weeks of every series that is active.

    A store that has sold nothing for ``silent_store_weeks`` counts as closed, and a series that has sold
    nothing for a year as given up.

    Args:
        sales: Typed weekly turnover.
        read: How many weeks, and when a store counts as closed.

    Returns:
        ``store, department, week``.

    Raises:
        InputError: A column of the sales is a future covariate, whose coming values only a file knows; or no
            series is active.
    """
    if read.future_covariates:
        raise InputError(
            f"turnover.files.forecast_index is null, but {', '.join(read.future_covariates)} under "
            "turnover.read.future_covariates needs a value in every week to forecast. Name the file that has "
            "them, or bring them as turnover.covariate_tables."
        )
    history = nw.from_native(sales).lazy()
    last: pd.Timestamp = pd.Timestamp(history.select(nw.col("week").max()).collect().item())
    sold = history.filter(nw.col("turnover") > 0).group_by(*SERIES_KEYS)
    series = sold.agg(nw.col("week").max().alias("last_sold")).collect().to_pandas()
    store_sold = series.groupby("store")["last_sold"].transform("max")
    silent, given_up = (pd.Timedelta(weeks=weeks) for weeks in (read.silent_store_weeks, WEEKS_PER_YEAR))
    is_active = (store_sold >= last - silent) & (series["last_sold"] > last - given_up)
    active = series.loc[is_active, SERIES_KEYS]
    if active.empty:
        raise InputError(
            f"turnover.files.forecast_index is null, and of {len(series)} series none still sells at "
            f"{last:%Y-%m-%d}; the latest week with sales is that of {series['last_sold'].max():%Y-%m-%d} "
            f"(turnover.read.silent_store_weeks: {read.silent_store_weeks}). Name a file of what to "
            "forecast, or bring newer sales."
        )
    weeks = pd.DataFrame({"week": pd.date_range(last, periods=read.horizon_weeks + 1, freq="7D")[1:]})
    logger.info(
        "Weeks to forecast: the next %s of the %s series that still sell, of %s.",
        *(read.horizon_weeks, len(active), len(series)),
    )
    return active.merge(weeks, how="cross").sort_values(ROW_KEYS, ignore_index=True)
