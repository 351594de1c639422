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


def weeks_ahead_of_active_series(
    sales: IntoFrame, read: ReadTurnoverParams
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Make the list of forecasts that are wanted: the next weeks of every series that is active.

    A store that has sold nothing for ``silent_store_weeks`` counts as closed, and a series that has sold
    nothing for a year as given up.

    Args:
        sales: Typed weekly turnover.
        read: How many weeks, and when a store counts as closed.

    Returns:
        ``store, department, week``; and of the series left out ``store, department, last_sold, reason``.

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
    every = history.select(*SERIES_KEYS).unique().collect().to_pandas()
    sold = history.filter(nw.col("turnover") > 0).group_by(*SERIES_KEYS)
    last_sold = sold.agg(nw.col("week").max().alias("last_sold")).collect().to_pandas()
    series = every.merge(last_sold, on=SERIES_KEYS, how="left")
    series["last_sold"] = series["last_sold"].astype("datetime64[ns]")
    of_store = series.groupby("store")["last_sold"].transform("max")
    silent = {
        f"the store has sold nothing for more than {read.silent_store_weeks} weeks": of_store
        < last - pd.Timedelta(weeks=read.silent_store_weeks),
        "it has sold nothing for a year": series["last_sold"] <= last - pd.Timedelta(weeks=WEEKS_PER_YEAR),
        "it has never sold anything": series["last_sold"].isna(),
    }
    series["reason"] = None
    for reason, applies in silent.items():
        series.loc[applies & series["reason"].isna(), "reason"] = reason
    active = series.loc[series["reason"].isna(), SERIES_KEYS]
    left_out = series.dropna(subset="reason").sort_values(SERIES_KEYS, ignore_index=True)
    if active.empty:
        raise InputError(
            f"turnover.files.forecast_index is null, and none of {len(series)} series still sells at "
            f"{last:%Y-%m-%d}: {left_out['reason'].iloc[0]}. Name a file of what to forecast, or bring newer "
            "sales."
        )
    weeks = pd.DataFrame({"week": pd.date_range(last, periods=read.horizon_weeks + 1, freq="7D")[1:]})
    logger.info(
        "Weeks to forecast: the next %s of %s series%s",
        *(read.horizon_weeks, len(active)),
        f"; {len(left_out)} left out, which sell nothing any more" if len(left_out) else "",
    )
    return active.merge(weeks, how="cross").sort_values(ROW_KEYS, ignore_index=True), left_out


def none_left_out() -> pd.DataFrame:
    """Return the table of series left out where there are none."""
    return pd.DataFrame({"store": [], "department": [], "last_sold": [], "reason": []}).astype(
        {"store": str, "department": str, "last_sold": "datetime64[ns]", "reason": str}
    )
