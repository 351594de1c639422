"""A chain of twelve invented shops with two departments, seen on an August day of 2017."""

from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd
import pytest
from threadpoolctl import threadpool_limits

from contexts import NO_COVARIATES
from sales_forecast.forecasting.features.context import ForecastContext
from sales_forecast.forecasting.methods.base import Fitted, forecast_all
from sales_forecast.forecasting.methods.declare import Methods
from sales_forecast.forecasting.panel.calendar import french_school_zones, weekly_calendar
from sales_forecast.forecasting.panel.level_shifts import LevelShiftParams
from sales_forecast.forecasting.panel.model_input import ModelInput
from sales_forecast.sample import make_turnover
from sales_forecast.sample.chain import GAP, SPIKE

NAMES = ("seasonal_naive", "growth_naive", "blend", "lightgbm", "hist_gradient_boosting", "ridge")
LEARNING = NAMES[3:]
DEPARTMENTS = (88, 127)  # one steady, one that doubled in 2016: two are quicker than four
ROWS = {"max_horizon_weeks": 8, "origin_spacing_weeks": 3, "season_width_weeks": 8}
DIRECT = ROWS | {
    "trees": 10,
    "learning_rate": 0.2,
    "leaves": 7,
    "min_rows_per_leaf": 20,
    "feature_fraction": 0.4,
    "lambda_l2": 1.0,
    "max_bin": 63,
}


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    """A dozen shops need no second core, and idle threads would steal it from others."""
    with threadpool_limits(limits=1):
        yield


@pytest.fixture(scope="session")
def raw() -> dict[str, pd.DataFrame]:
    return make_turnover(stores=12)


@pytest.fixture(scope="session")
def panel(raw) -> pd.DataFrame:
    sales = raw["train"].set_axis(["week", "store", "department", "turnover"], axis=1)
    sales = sales.assign(week=pd.to_datetime(sales["week"]))
    sales = sales[sales["department"].isin(DEPARTMENTS) & (sales["turnover"] < SPIKE[-1])]
    store, department, weeks = GAP
    gap = pd.DataFrame({"week": pd.to_datetime(weeks), "store": store, "department": department})
    together = pd.concat([sales, gap.assign(turnover=np.nan)])
    columns = ["store", "department", "week", "turnover"]
    return together[columns].sort_values(columns[:3], ignore_index=True)


@pytest.fixture(scope="session")
def stores(raw) -> pd.DataFrame:
    columns = ["store", "postcode", "latitude", "longitude", "region", "zone"]
    attributes = raw["bu_feat"].set_axis(columns, axis=1)
    return attributes.assign(school_zone=attributes["postcode"].str[:2].map(french_school_zones()))


@pytest.fixture(scope="session")
def calendar(panel, stores) -> pd.DataFrame:
    first, last = panel["week"].min().date(), panel["week"].max().date()
    return weekly_calendar(first, last, "FR", sorted(stores["school_zone"].unique()))


@pytest.fixture(scope="session")
def level_shifts() -> LevelShiftParams:
    return LevelShiftParams(
        min_log_ratio=0.35,
        noise_multiple=2.5,
        hold_weeks=4,
        base_weeks=13,
        min_stores=5,
        min_season_share=0.2,
    )


@pytest.fixture(scope="session")
def cutoff() -> pd.Timestamp:
    return pd.Timestamp("2017-08-05")


@pytest.fixture(scope="session")
def context_of(stores, calendar, level_shifts, cutoff) -> Callable[..., ForecastContext]:
    """The chain's context with another past, or seen at another cutoff."""

    def at(panel: pd.DataFrame, cutoff: pd.Timestamp = cutoff) -> ForecastContext:
        return ForecastContext.latest(ModelInput(panel, stores, calendar, NO_COVARIATES), level_shifts).as_of(
            cutoff
        )

    return at


@pytest.fixture(scope="session")
def context(context_of, panel) -> ForecastContext:
    return context_of(panel)


@pytest.fixture(scope="session")
def forecast_index(panel, cutoff) -> pd.DataFrame:
    """The eight weeks after the cutoff; store 109 opens in the cutoff's own week."""
    return panel.loc[panel["week"] > cutoff, ["store", "department", "week"]].reset_index(drop=True)


@pytest.fixture(scope="session")
def declared() -> dict[str, dict]:
    """The candidates as parameters declare them."""
    return {
        "seasonal_naive": {"type": "seasonal_naive"},
        "growth_naive": {"type": "growth_naive", "growth_weeks": 8},
        "lightgbm": {"type": "lightgbm", **DIRECT, "bagging_fraction": 0.7},
        "hist_gradient_boosting": {"type": "hist_gradient_boosting", **DIRECT, "trees": 4},
        "ridge": {"type": "ridge", **ROWS, "penalty": 1.0},
        "blend": {
            "type": "blend",
            "members": {
                "growth_naive": {"type": "growth_naive", "growth_weeks": 8},
                "ridge": {"type": "ridge", **ROWS, "penalty": 1.0},
            },
        },
    }


@pytest.fixture(scope="session")
def methods(declared) -> Methods:
    return Methods(declared)


@pytest.fixture(scope="session")
def fitted(methods, context) -> dict[str, Fitted]:
    return {name: method.fit(context) for name, method in methods.root.items()}


@pytest.fixture(scope="session")
def forecasts(methods, context, forecast_index, fitted) -> dict[str, pd.DataFrame]:
    return {
        name: forecast_all(method, context, forecast_index, fitted[name])
        for name, method in methods.root.items()
    }


@pytest.fixture(params=NAMES)
def name(request) -> str:
    """Each candidate in turn."""
    return request.param


@pytest.fixture(params=LEARNING)
def direct_name(request) -> str:
    """Each candidate that learns, in turn."""
    return request.param
