"""Cold starts are forecast from their peers, at their own size."""

import numpy as np
import pandas as pd
import pytest

from contexts import NO_CALENDAR, NO_COVARIATES, NO_SHIFTS
from sales_forecast.forecasting.features.cold_start import forecast_from_peers, is_cold_start
from sales_forecast.forecasting.features.context import ForecastContext
from sales_forecast.forecasting.features.history import MIN_KNOWN_WEEKS
from sales_forecast.forecasting.methods.base import forecast_all
from sales_forecast.forecasting.panel.model_input import ModelInput

WEEKS = pd.date_range(end="2017-08-05", periods=60, freq="7D")
NEXT_WEEK = WEEKS[-1] + pd.Timedelta(weeks=1)
REGIONS = {1: "north", 2: "north", 3: "south", 4: "south", 9: "south"}


def _context(
    known_weeks: int = 0, turnover_of_9: float = 0.0, regions: dict | None = REGIONS
) -> ForecastContext:
    """Four old stores that sell 100, 100, 200 and 200 a week, and store 9 that opened lately."""
    sells = {1: 100.0, 2: 100.0, 3: 200.0, 4: 200.0, 9: turnover_of_9}
    rows = [
        pd.DataFrame({"store": store, "department": 88, "week": WEEKS, "turnover": turnover})
        for store, turnover in sells.items()
    ]
    rows[-1] = rows[-1].tail(known_weeks)
    stores = pd.DataFrame({"store": list(sells)})
    if regions:
        stores["region"] = stores["store"].map(regions)
    return ForecastContext.latest(ModelInput(pd.concat(rows), stores, NO_CALENDAR, NO_COVARIATES), NO_SHIFTS)


def _from_peers(context: ForecastContext) -> float:
    forecasts = pd.DataFrame({"store": [1, 2, 3, 4, 9], "department": 88, "week": NEXT_WEEK})
    forecasts["forecast"] = [100.0, 100.0, 200.0, 200.0, 777.0]
    return float(forecast_from_peers(context, forecasts, is_cold_start(context, forecasts)).iloc[-1])


@pytest.mark.parametrize(
    ("weeks", "cold"), [(0, True), (1, True), (MIN_KNOWN_WEEKS - 1, True), (MIN_KNOWN_WEEKS, False)]
)
def test_a_series_is_cold_until_it_has_a_scale(weeks, cold):
    forecast_index = pd.DataFrame({"store": [1, 9], "department": 88, "week": NEXT_WEEK})
    assert is_cold_start(_context(weeks, 50.0), forecast_index).tolist() == [False, cold]


def test_a_store_without_any_week_is_between_its_region_and_its_department():
    assert 150 < _from_peers(_context()) < 200  # the south sells 200, all stores 150


def test_without_regions_it_is_the_department():
    assert _from_peers(_context(regions=None)) == pytest.approx(150)


def test_its_first_weeks_tell_its_size_the_more_the_more_they_are():
    sizes = [_from_peers(_context(weeks, 15.0)) for weeks in range(MIN_KNOWN_WEEKS)]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] < 0.3 * sizes[0]


def test_forecasts_of_cold_starts_do_not_count_as_peers():
    assert _from_peers(_context(2, 150.0)) < 200  # the 777 of the cold start itself does not count


def test_a_department_of_cold_starts_only_has_no_forecast_from_peers():
    context = _context()
    forecasts = pd.DataFrame({"store": [9], "department": 99, "week": [NEXT_WEEK], "forecast": [5.0]})
    assert forecast_from_peers(context, forecasts, np.array([True])).isna().all()


def test_cold_forecasts_are_marked(methods, context, forecast_index, fitted):
    forecasts = forecast_all(methods.root["ridge"], context, forecast_index, fitted["ridge"])
    assert forecasts.groupby("store")["cold_start"].all().loc[lambda cold: cold].index.tolist() == [109]


def test_with_a_few_weeks_known_a_store_is_forecast_better_than_without(methods, context_of, panel, cutoff):
    """Each store in turn is treated as a new one."""
    ridge = methods.root["ridge"]
    fitted = ridge.fit(context_of(panel))
    errors = {0: 0.0, 4: 0.0}
    for store in sorted(set(panel["store"]) - {109}):
        for weeks in errors:
            begun = (panel["store"] != store) | (panel["week"] > cutoff - pd.Timedelta(weeks=weeks))
            context = context_of(panel[begun])
            true = panel[(panel["store"] == store) & (panel["week"] > cutoff)].dropna()
            others = panel[(panel["store"] != store) & (panel["week"] > cutoff)]
            forecast_index = pd.concat([true, others])[["store", "department", "week"]]
            forecasts = forecast_all(ridge, context, forecast_index, fitted).head(len(true))
            assert forecasts["cold_start"].all()
            errors[weeks] += (true["turnover"].to_numpy() - forecasts["forecast"]).abs().sum()
    assert errors[4] < 0.8 * errors[0]
