"""How good forecasts of young stores are: the past of old stores is hidden, as if they were young."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from pydantic import BaseModel, Field

from sales_forecast.forecasting.grid import KEYS
from sales_forecast.forecasting.market import Market, targets_after
from sales_forecast.forecasting.method import Method, forecast_all
from sales_forecast.forecasting.ranges import RangeParams, Widths, widths_of, yardstick
from sales_forecast.forecasting.workers import HERE, WorkersParams, fit_ahead

KNOWN_WEEKS = {"0": (0, 0), "1-4": (1, 4), "5-13": (5, 13), "14-26": (14, 26), "27-52": (27, 52)}
"""Label -> fewest and most weeks that are left; each store's number is drawn between them."""

MORE = "more"
"""Label of the stores whose past is left alone."""

LEAST_STORES = 7
"""With fewer none is hidden: some must stay whole for the others to be forecast from."""

MIN_ROWS = 40
"""A department with fewer hidden weeks takes the errors of all."""


class HiddenHistoryParams(BaseModel, frozen=True, extra="forbid"):
    """Which stores are taken for young ones, and when."""

    share_of_stores: float = Field(gt=0, le=0.15)
    """Of all stores, for each of the five numbers of known weeks: a quarter at least stays whole."""

    cutoffs: int = Field(gt=0)
    """At most so many of the backtest's, the latest ones."""

    seed: int


def hide(market: Market, hidden: HiddenHistoryParams) -> tuple[Market, pd.Series[str]]:
    """Cut the past of some stores, drawn at random.

    Args:
        market: The past up to a cutoff.
        hidden: How many stores, and the seed.

    Returns:
        The market with the past that is left, also of what was known ahead; label by store.
    """
    past, cutoff = market.panel, market.cutoff
    rng = np.random.default_rng([hidden.seed, cutoff.toordinal()])
    stores = rng.permutation(np.sort(past["store"].unique()))
    each = min(max(1, round(hidden.share_of_stores * len(stores))), len(stores) // LEAST_STORES)
    labels = pd.Series(MORE, index=pd.Index(stores, name="store"))
    first = pd.Series(past["week"].min(), index=labels.index)
    for position, (label, (fewest, most)) in enumerate(KNOWN_WEEKS.items()):
        mine = stores[position * each : (position + 1) * each]
        weeks = rng.integers(fewest, most, len(mine), endpoint=True)
        labels[mine] = label
        first[mine] = cutoff - pd.to_timedelta(7 * (weeks - 1), unit="D")
    ahead = market.known_ahead
    left = past[past["week"] >= past["store"].map(first)]
    known = ahead[~(ahead["week"] < ahead["store"].map(first))]  # of a store without a past all is left
    return replace(market, panel=left, known_ahead=known), labels


def forecast_hidden(
    method: Method,
    market: Market,
    truth: pd.DataFrame,
    horizon_weeks: int,
    hidden: HiddenHistoryParams,
    ranges: RangeParams,
    workers: WorkersParams = HERE,
) -> pd.DataFrame:
    """Forecast the weeks after a market's cutoff with some of its stores' past hidden.

    Args:
        method: Is fitted on what is left.
        market: The past up to the cutoff.
        truth: ``store, department, week, turnover`` with the weeks after it.
        horizon_weeks: How many weeks ahead.
        hidden: Which stores.
        ranges: What errors are measured in.
        workers: Who fits.

    Returns:
        ``cutoff, weeks_known, store, department, week, turnover, forecast, cold_start, error``: the error is
        absolute and in units of the ranges' yardstick.
    """
    young, labels = hide(market, hidden)
    method = fit_ahead({"": method}, young, [market.cutoff], workers)[""]
    targets = targets_after(truth, market.cutoff, horizon_weeks)
    answer = forecast_all(method, young, targets[[*KEYS, "week"]], method.fit(young))
    error = (targets["turnover"].to_numpy() - answer["forecast"]).abs() / yardstick(answer, young, ranges)
    return answer.assign(
        cutoff=market.cutoff,
        weeks_known=answer["store"].map(labels),
        turnover=targets["turnover"].to_numpy(),
        error=error,
    ).drop(columns="horizon")


def cold_widths(hidden_forecasts: pd.DataFrame) -> Widths:
    """Learn how wide the ranges of series must be that are too young for a past of their own.

    Args:
        hidden_forecasts: As ``forecast_hidden`` returns them.

    Returns:
        Coverage in per cent -> department -> width, as JSON can hold it.
    """
    cold = hidden_forecasts[hidden_forecasts["cold_start"]]
    return widths_of(hidden_forecasts if cold.empty else cold, MIN_ROWS)
