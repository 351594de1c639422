"""How good forecasts of young stores are: the past of old stores is cold_starts, as if they were young."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from pydantic import BaseModel, Field

from sales_forecast.forecasting.distributed import LOCAL, FittingParams, prefit
from sales_forecast.forecasting.features.context import ForecastContext, actuals_after
from sales_forecast.forecasting.intervals.conformal import (
    HalfWidths,
    IntervalParams,
    conformal_half_widths,
    nonconformity_scale,
)
from sales_forecast.forecasting.methods.base import Method, forecast_all
from sales_forecast.forecasting.panel.matrix import KEYS

KNOWN_WEEKS = {"0": (0, 0), "1-4": (1, 4), "5-13": (5, 13), "14-26": (14, 26), "27-52": (27, 52)}
"""Label -> fewest and most weeks that are left; each store's number is drawn between them."""

MORE = "more"
"""Label of the stores whose past is left alone."""

LEAST_STORES = 7
"""With fewer none is cold_starts: some must stay whole for the others to be forecast from."""

MIN_ROWS = 40
"""A department with fewer cold_starts weeks takes the errors of all."""


class ColdStartBacktestParams(BaseModel, frozen=True, extra="forbid"):
    """Which stores are taken for young ones, and when."""

    share_of_stores: float = Field(gt=0, le=0.15)
    """Of all stores, for each of the five numbers of known weeks: a quarter at least stays whole."""

    cutoffs: int = Field(gt=0)
    """At most so many of the backtest's, the latest ones."""

    seed: int


def hide(
    context: ForecastContext, cold_starts: ColdStartBacktestParams
) -> tuple[ForecastContext, pd.Series[str]]:
    """Cut the past of some stores, drawn at random.

    Args:
        context: The past up to a cutoff.
        cold_starts: How many stores, and the seed.

    Returns:
        The context with the past that is left, also of what was known ahead; label by store.
    """
    past, cutoff = context.data.panel, context.cutoff
    rng = np.random.default_rng([cold_starts.seed, cutoff.toordinal()])
    stores = rng.permutation(np.sort(past["store"].unique()))
    each = min(max(1, round(cold_starts.share_of_stores * len(stores))), len(stores) // LEAST_STORES)
    labels = pd.Series(MORE, index=pd.Index(stores, name="store"))
    first = pd.Series(past["week"].min(), index=labels.index)
    for position, (label, (fewest, most)) in enumerate(KNOWN_WEEKS.items()):
        mine = stores[position * each : (position + 1) * each]
        weeks = rng.integers(fewest, most, len(mine), endpoint=True)
        labels[mine] = label
        first[mine] = cutoff - pd.to_timedelta(7 * (weeks - 1), unit="D")
    ahead = context.data.future_covariates
    left = past[past["week"] >= past["store"].map(first)]
    known = ahead[~(ahead["week"] < ahead["store"].map(first))]  # of a store without a past all is left
    data = replace(context.data, panel=left, future_covariates=known)
    return replace(context, data=data), labels


def forecast_cold_starts(
    method: Method,
    context: ForecastContext,
    truth: pd.DataFrame,
    horizon_weeks: int,
    cold_starts: ColdStartBacktestParams,
    intervals: IntervalParams,
    fitting: FittingParams = LOCAL,
) -> pd.DataFrame:
    """Forecast the weeks after a context's cutoff with some of its stores' past cold_starts.

    Args:
        method: Is fitted on what is left.
        context: The past up to the cutoff.
        truth: ``store, department, week, turnover`` with the weeks after it.
        horizon_weeks: How many weeks ahead.
        cold_starts: Which stores.
        intervals: What errors are measured in.
        fitting: Who fits.

    Returns:
        ``cutoff, weeks_known, store, department, week, turnover, forecast, cold_start, error``: the error is
        absolute and in units of the intervals' nonconformity scale.
    """
    young, labels = hide(context, cold_starts)
    method = prefit({"": method}, young, [context.cutoff], fitting)[""]
    forecast_index = actuals_after(truth, context.cutoff, horizon_weeks)
    answer = forecast_all(method, young, forecast_index[[*KEYS, "week"]], method.fit(young))
    error = (forecast_index["turnover"].to_numpy() - answer["forecast"]).abs() / nonconformity_scale(
        answer, young, intervals
    )
    return answer.assign(
        cutoff=context.cutoff,
        weeks_known=answer["store"].map(labels),
        turnover=forecast_index["turnover"].to_numpy(),
        error=error,
    ).drop(columns="horizon")


def cold_start_half_widths(cold_start_forecasts: pd.DataFrame) -> HalfWidths:
    """Learn how wide the intervals of series must be that are too young for a past of their own.

    Args:
        cold_start_forecasts: As ``forecast_cold_starts`` returns them.

    Returns:
        Coverage in per cent -> department -> width, as JSON can hold it.
    """
    cold = cold_start_forecasts[cold_start_forecasts["cold_start"]]
    return conformal_half_widths(cold_start_forecasts if cold.empty else cold, MIN_ROWS)
