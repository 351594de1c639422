"""Requests with data of their own are answered from few series, as if everything were forecast anew."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from handovers import half_widths
from sales_forecast.forecasting.features.context import ForecastContext
from sales_forecast.forecasting.intervals.windows import IntervalParams
from sales_forecast.forecasting.methods.blend import Blend
from sales_forecast.forecasting.model import TurnoverModel
from sales_forecast.forecasting.panel.calendar import french_school_zones, weekly_calendar
from sales_forecast.forecasting.panel.level_shifts import LevelShiftParams
from sales_forecast.forecasting.panel.matrix import ROW_KEYS, SERIES_KEYS
from sales_forecast.forecasting.panel.model_input import ModelInput
from sales_forecast.models.turnover import FORECAST_COLUMNS, TurnoverForecaster, TurnoverPackage
from sales_forecast.sample import make_turnover
from sales_forecast.service.arms import TurnoverArm
from sales_forecast.service.predictor import predict_series
from sales_forecast.service.schemas.requests import Series

DIRECT = {"max_horizon_weeks": 3, "origin_spacing_weeks": 8, "season_width_weeks": 26}
BOOSTING = {"type": "lightgbm", "trees": 5, "learning_rate": 0.3, "leaves": 4, "min_rows_per_leaf": 20}
BLEND = {
    "members": {
        "ridge": DIRECT | {"type": "ridge", "penalty": 1.0},
        "boosting": DIRECT
        | BOOSTING
        | {"partition": [], "feature_fraction": 0.5, "lambda_l2": 1, "max_bin": 31, "bagging_fraction": 0.7},
        "growth": {"type": "growth_naive", "growth_weeks": 8},
    }
}
SHIFTS = LevelShiftParams(
    min_log_ratio=0.35,
    noise_multiple=2.5,
    hold_weeks=4,
    base_weeks=13,
    min_stores=5,
    min_season_share=0.2,
)
PLACE = {"postcode": "59000", "region": "3"}


def _model_input() -> ModelInput:
    """Twelve shops with four departments, and a promotion that is planned for every week."""
    raw = make_turnover(stores=12)
    panel = raw["train"].set_axis(["week", "store", "department", "turnover"], axis=1)
    panel = panel.assign(week=pd.to_datetime(panel["week"])).drop_duplicates(ROW_KEYS)
    stores = raw["bu_feat"].set_axis(["store", "postcode", "latitude", "longitude", "region", "zone"], axis=1)
    zones = stores["postcode"].str[:2].map(french_school_zones())
    weeks = pd.date_range(panel["week"].min(), panel["week"].max() + pd.Timedelta(weeks=3), freq="7D")
    calendar = weekly_calendar(weeks[0].date(), weeks[-1].date(), "FR", sorted(zones.unique()))
    plan = panel[SERIES_KEYS].drop_duplicates().merge(pd.DataFrame({"week": weeks}), how="cross")
    promotion = np.random.default_rng(1).choice([0.0, 0.0, 0.5, 1.0], len(plan))
    return ModelInput(
        panel[[*ROW_KEYS, "turnover"]].sort_values(ROW_KEYS, ignore_index=True),
        stores.astype({"region": str, "zone": str}).assign(school_zone=zones),
        calendar,
        plan.assign(promotion=promotion),
    )


@pytest.fixture(scope="module")
def arm() -> TurnoverArm:
    data, widths = _model_input(), half_widths(0.1, 0.2)
    context = ForecastContext.latest(data, SHIFTS)
    assert len(context.shifts), "without a level shift nothing would be adjusted"
    plan = data.future_covariates
    model = TurnoverModel(
        name="blend",
        method=Blend(**BLEND),
        fitted=dict(Blend(**BLEND).fit(context)),
        cutoff=context.cutoff.date(),
        horizon_weeks=3,
        level_shifts=SHIFTS,
        intervals=IntervalParams(scale_share=0.1),
        half_widths=widths,
        cold_start_half_widths=widths,
        level_half_widths={},
    )
    index = plan.loc[plan["week"] > context.cutoff, ROW_KEYS].reset_index(drop=True)
    package = TurnoverPackage(model, data, index, pd.DataFrame({"cutoff": [context.cutoff]}))
    return TurnoverArm("champion", "turnover", "1", package, TurnoverForecaster(package))


def _weeks_before(arm: TurnoverArm, weeks: int) -> list[dict[str, Any]]:
    last = arm.package.context.cutoff
    amounts = 900 * np.exp(np.random.default_rng(weeks).normal(0, 0.3, weeks))
    return [
        {"week": f"{last - pd.Timedelta(weeks=back):%Y-%m-%d}", "turnover": float(amount)}
        for back, amount in enumerate(amounts)
    ]


def _planned(arm: TurnoverArm, promotion: float) -> list[dict[str, Any]]:
    ahead = arm.package.context.cutoff + pd.Timedelta(weeks=2)
    return [{"week": f"{ahead:%Y-%m-%d}", "values": {"promotion": promotion}}]


def _new(arm: TurnoverArm, weeks: int, store: int = 9001, department: int = 127) -> Series:
    recent = _weeks_before(arm, weeks)
    return Series(store=str(store), department=str(department), place=PLACE, recent_weeks=recent)


def _known(arm: TurnoverArm, number: int, **own: Any) -> Series:
    store, department = arm.package.forecast_index[SERIES_KEYS].drop_duplicates().iloc[number]
    return Series(store=str(store), department=str(department), **own)


REQUESTS = {
    "a new store with 30 weeks": lambda arm: [_new(arm, 30)],
    "a new store with 120 weeks": lambda arm: [_new(arm, 120)],
    "a new store with 3 weeks": lambda arm: [_new(arm, 3)],
    "a new store without a week": lambda arm: [_new(arm, 0)],
    "recent weeks of a known store": lambda arm: [_known(arm, 5, recent_weeks=_weeks_before(arm, 8))],
    "a promotion": lambda arm: [_known(arm, 5, future_covariates=_planned(arm, 1.0))],
    "a promotion and recent weeks": lambda arm: [
        _known(arm, 5, recent_weeks=_weeks_before(arm, 8), future_covariates=_planned(arm, 1.0)),
        _known(arm, 6),
    ],
    "everything at once": lambda arm: [
        _new(arm, 30),
        _new(arm, 3, 9002),
        _new(arm, 0, 9003, 88),
        _known(arm, 2),
        _known(arm, 9, recent_weeks=_weeks_before(arm, 70)),
        _known(arm, 11, future_covariates=_planned(arm, 0.5)),
    ],
}


@pytest.mark.parametrize("name", REQUESTS)
def test_what_a_request_brings_is_answered_as_if_all_series_were_forecast_with_it(
    arm: TurnoverArm, name: str
) -> None:
    series = REQUESTS[name](arm)
    predictions = predict_series(arm, series, None, range(len(series)), quantiles=True)
    answered = pd.DataFrame([week for weeks in predictions for week in weeks])
    answered = answered.join(pd.DataFrame(answered["quantiles"].tolist()).set_axis(_quantiles(), axis=1))
    expected = _all_at_once(arm, series)[FORECAST_COLUMNS]
    expected = expected.assign(week=expected["week"].dt.strftime("%Y-%m-%d"))
    expected[SERIES_KEYS] = expected[SERIES_KEYS].astype(str)
    assert_frame_equal(answered[FORECAST_COLUMNS], expected, rtol=1e-9, atol=1e-9, check_dtype=False)


def _quantiles() -> list[str]:
    return [name for name in FORECAST_COLUMNS if name.startswith("q")]


def _all_at_once(arm: TurnoverArm, series: list[Series]) -> pd.DataFrame:
    """Forecasts of a request by the longest way: its data in the files, and every series forecast.

    Series of the request that bring nothing are answered by the model as it was loaded.
    """
    package, weeks = arm.package, arm.package.forecast_index["week"].unique()
    mine = [one for one in series if one.recent_weeks or one.future_covariates or one.place]
    rows = pd.concat([_rows(one, weeks) for one in mine], ignore_index=True)
    changed = _with_files(package, mine)
    everything = pd.concat([package.forecast_index, rows]).drop_duplicates(ROW_KEYS, ignore_index=True)
    forecasts = package.model.forecast(package.model.context(changed), everything).set_index(ROW_KEYS)
    at_rest = package.model.forecast(package.context, package.forecast_index).set_index(ROW_KEYS)
    return pd.concat(
        [
            (forecasts if one in mine else at_rest).loc[pd.MultiIndex.from_frame(_rows(one, weeks))]
            for one in series
        ]
    ).reset_index()


def _rows(one: Series, weeks: Any) -> pd.DataFrame:
    return pd.DataFrame({"store": int(one.store), "department": int(one.department), "week": weeks})


def _with_files(package: TurnoverPackage, series: list[Series]) -> ModelInput:
    data = package.data
    recent = pd.DataFrame(
        [
            (int(one.store), int(one.department), pd.Timestamp(week.week), week.turnover)
            for one in series
            for week in one.recent_weeks
        ],
        columns=[*ROW_KEYS, "turnover"],
    )
    recent = recent.astype(data.panel.dtypes)
    panel = pd.concat([data.panel, recent]).drop_duplicates(ROW_KEYS, keep="last")
    new = [int(one.store) for one in series if one.place]
    area = data.stores.loc[data.stores["postcode"].str[:2] == PLACE["postcode"][:2], "school_zone"]
    zone = (area if len(area) else data.stores["school_zone"]).mode()[0]
    stores = pd.DataFrame({"store": new}).assign(**PLACE, school_zone=zone)
    plan = data.future_covariates.set_index(ROW_KEYS)
    for one in series:
        for week in one.future_covariates:
            row = int(one.store), int(one.department), pd.Timestamp(week.week)
            plan.loc[row] = week.values["promotion"]
    return replace(
        data,
        panel=panel.sort_values(ROW_KEYS, ignore_index=True),
        stores=pd.concat([data.stores, stores], ignore_index=True),
        future_covariates=plan.reset_index(),
    )
