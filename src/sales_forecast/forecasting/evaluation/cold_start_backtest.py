"""Cold-start backtest: forecasts of old stores whose histories are cut short, as if they were young."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from pydantic import BaseModel, Field

from sales_forecast.forecasting.distributed import LOCAL, FittingParams, prefit
from sales_forecast.forecasting.features.context import ForecastContext, actuals_after, mean_weeks
from sales_forecast.forecasting.intervals.conformal import HalfWidths, learn_from_errors
from sales_forecast.forecasting.intervals.windows import IntervalParams
from sales_forecast.forecasting.methods.base import Method, forecast_all
from sales_forecast.forecasting.panel.matrix import ROW_KEYS

KNOWN_WEEKS = {"0": (0, 0), "1-4": (1, 4), "5-13": (5, 13), "14-26": (14, 26), "27-52": (27, 52)}
"""Label -> fewest and most weeks that are kept; the number of each store is drawn between them."""

MORE = "more"
"""Label of the stores whose history is kept whole."""

STORES_PER_SHORTENED = 7
"""At least so many stores for each one of a label; with fewer than seven stores no history is cut short,
because the other stores are needed to forecast from."""

MIN_COLD_START_ERRORS = 40
"""A department with fewer errors of cold starts uses the errors of all departments."""


class ColdStartBacktestParams(BaseModel, frozen=True, extra="forbid"):
    """Which stores are treated as young, and when."""

    share_of_stores: float = Field(gt=0, le=0.15)
    """Share of all stores per label of known weeks; there are five, so a quarter at least stays whole."""

    cutoffs: int = Field(gt=0)
    """Number of the backtest's cutoffs that are used, the latest ones."""

    seed: int


def shorten_histories(
    context: ForecastContext, params: ColdStartBacktestParams
) -> tuple[ForecastContext, pd.Series[str]]:
    """Cut short the history of some stores, drawn at random.

    Args:
        context: What is known at a cutoff.
        params: Share of stores, and the seed.

    Returns:
        The context with the history that is left, also of future covariates; and the label of known weeks by
        store.
    """
    past, cutoff = context.data.panel, context.cutoff
    rng = np.random.default_rng([params.seed, cutoff.toordinal()])
    stores = rng.permutation(np.sort(past["store"].unique()))
    wanted = max(1, round(params.share_of_stores * len(stores)))
    per_label = min(wanted, len(stores) // STORES_PER_SHORTENED)
    labels = pd.Series(MORE, index=pd.Index(stores, name="store"))
    first = pd.Series(past["week"].min(), index=labels.index)
    for position, (label, (fewest, most)) in enumerate(KNOWN_WEEKS.items()):
        drawn = stores[position * per_label : (position + 1) * per_label]
        weeks = rng.integers(fewest, most, len(drawn), endpoint=True)
        labels[drawn] = label
        first[drawn] = cutoff - pd.to_timedelta(7 * (weeks - 1), unit="D")
    covariates = context.data.future_covariates
    kept = past[past["week"] >= past["store"].map(first)]
    # a store that is not in the panel has no first week: all of its covariates are kept
    kept_covariates = covariates[~(covariates["week"] < covariates["store"].map(first))]
    data = replace(context.data, panel=kept, future_covariates=kept_covariates)
    return context.changed(data=data), labels


def forecast_cold_starts(
    method: Method,
    context: ForecastContext,
    panel: pd.DataFrame,
    horizon_weeks: int,
    params: ColdStartBacktestParams,
    fitting: FittingParams = LOCAL,
) -> pd.DataFrame:
    """Forecast the weeks after a cutoff, with the history of some stores cut short.

    Args:
        method: Method, which is fitted on the history that is left.
        context: What is known at the cutoff.
        panel: ``store, department, week, turnover`` with the weeks after the cutoff.
        horizon_weeks: Number of weeks to forecast.
        params: Share of stores, and the seed.
        fitting: Engine that fits.

    Returns:
        ``cutoff, weeks_known, store, department, week, turnover, forecast, mean_week, cold_start``.
    """
    method.learn_from_past(context)  # from the whole history, as in earnest
    shortened, labels = shorten_histories(context, params)
    method = prefit({"": method}, shortened, [context.cutoff], fitting)[""]
    actuals = actuals_after(panel, context.cutoff, horizon_weeks)
    forecasts = forecast_all(method, shortened, actuals[ROW_KEYS], method.fit(shortened))
    return forecasts.assign(
        cutoff=context.cutoff,
        weeks_known=forecasts["store"].map(labels),
        turnover=actuals["turnover"].to_numpy(),
        mean_week=mean_weeks(forecasts, shortened),
    ).drop(columns="horizon")


def cold_start_half_widths(cold_start_forecasts: pd.DataFrame, intervals: IntervalParams) -> HalfWidths:
    """Learn the half-widths of the intervals of cold starts.

    Args:
        cold_start_forecasts: As ``forecast_cold_starts`` returns them.
        intervals: The share of the mean week in the nonconformity scale.
    """
    cold = cold_start_forecasts[cold_start_forecasts["cold_start"]]
    errors = cold_start_forecasts if cold.empty else cold
    return learn_from_errors(errors.assign(weight=1.0), intervals.scale_share, MIN_COLD_START_ERRORS)
