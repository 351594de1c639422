"""The weekly run: the model that serves on the newest weeks, held where something is wrong."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from contexts import NO_CACHE, NO_CALENDAR, NO_SHIFTS, NOTHING_AHEAD, Hundred
from handovers import half_widths
from sales_forecast.errors import InputError
from sales_forecast.forecasting.evaluation.backtest import BacktestParams, backtest_fold
from sales_forecast.forecasting.evaluation.gate_result import GateParams
from sales_forecast.forecasting.features.context import ForecastContext, actuals_after
from sales_forecast.forecasting.intervals.windows import IntervalParams
from sales_forecast.forecasting.methods.base import Method
from sales_forecast.forecasting.methods.declare import Methods
from sales_forecast.forecasting.model import TurnoverModel
from sales_forecast.forecasting.panel.model_input import ModelInput
from sales_forecast.models.turnover import TurnoverPackage
from sales_forecast.pipelines.handovers import DataVersion
from sales_forecast.pipelines.refresh.turnover import refit_champion
from sales_forecast.registry.serving import ServingModel, Submission

FIRST = pd.Timestamp("2015-01-03")
STORES = pd.DataFrame({"store": range(20), "school_zone": "none", "region": "n", "zone": "1"}).assign(
    latitude=np.nan, longitude=np.nan
)
INTERVALS = IntervalParams(scale_share=0.1)
BACKTEST = BacktestParams(horizon_weeks=2, folds=5, stride_weeks=4)
GATE = GateParams(
    level="series",
    part_worse_by_at_most=0.05,
    false_alarms=0.05,
    coverage_lost_at_most=1.0,
    refit_worse_by_at_most=0.2,
    refit_coverage_lost_at_most=0.5,
    unusual_above_times=100,
)


class LastWeeksMean(Hundred, frozen=True):
    """Forecasts the mean of the latest week for all."""

    def fit(self, context: ForecastContext) -> Any:
        panel = context.data.panel
        return {"mean": float(panel.loc[panel["week"] == panel["week"].max(), "turnover"].mean())}

    def forecast(self, context: ForecastContext, forecast_index: pd.DataFrame, fitted: Any) -> np.ndarray:
        return np.full(len(forecast_index), fitted["mean"])


def _input(weeks: int, level: float = 100.0) -> ModelInput:
    """Twenty stores that sell 100 a week, give or take a little; the same weeks are always the same."""
    dates = pd.date_range(FIRST, periods=weeks, freq="7D")
    keys = pd.MultiIndex.from_product([STORES["store"], [88], dates], names=["store", "department", "week"])
    noise = np.random.default_rng(0).normal(0, 3, (200, len(STORES)))[:weeks].T.ravel()
    panel = keys.to_frame(index=False).assign(turnover=level + noise)
    return ModelInput(panel, STORES, NO_CALENDAR, NOTHING_AHEAD)


def _ahead(data: ModelInput) -> pd.DataFrame:
    return pd.DataFrame({"store": [1], "department": 88, "week": data.last_week + pd.Timedelta(weeks=1)})


def _serving(weeks: int = 80, method: Method | None = None) -> ServingModel:
    """The champion of a whole run on so many weeks; its windows are those of the grid and the newest."""
    data, method = _input(weeks), method or LastWeeksMean()
    today = ForecastContext.latest(data, NO_SHIFTS)
    cutoffs = [data.last_week - pd.Timedelta(weeks=age) for age in (12, 8, 4, 2)]
    folds = [
        rows
        for cutoff in cutoffs
        for rows, _ in backtest_fold(
            today.as_of(cutoff), Methods({"ours": method}), actuals_after(data.panel, cutoff, 2), INTERVALS
        )
    ]
    model = TurnoverModel(
        name="ours",
        method=method,
        fitted=method.fit(today),
        cutoff=data.last_week.date(),
        horizon_weeks=2,
        level_shifts=NO_SHIFTS,
        intervals=INTERVALS,
        half_widths=half_widths(0.1, 0.2),
        cold_start_half_widths=half_widths(1.0, 3.0),
        level_half_widths={},
    )
    package = TurnoverPackage(model, data, _ahead(data), pd.concat(folds, ignore_index=True))
    known: Any = (SimpleNamespace(tags={"data_version": "data 1"}),)
    return ServingModel("sales_forecast.turnover", package, "4", "a run", "data 1", known)


def _refresh(champion: ServingModel | None, data: ModelInput, version: str = "data 2") -> list[Submission]:
    described = DataVersion(version=version, files={})
    return refit_champion(champion, data, _ahead(data), described, BACKTEST, GATE, NO_CACHE)


def test_the_method_that_serves_is_fitted_on_the_new_week_and_takes_over():
    champion, newer = _serving(), _input(81)
    (refit,) = _refresh(champion, newer)
    assert (refit.promote, refit.against, refit.data_version) == (True, "4", "data 2")
    assert refit.why == f"refresh: version 4 on weeks up to {newer.last_week:%Y-%m-%d}"
    model = refit.package.model
    assert model.cutoff == newer.last_week.date()
    latest = newer.panel[newer.panel["week"] == newer.last_week]
    assert model.fitted["mean"] == pytest.approx(latest["turnover"].mean())
    assert model.half_widths != champion.package.model.half_widths
    assert set(model.level_half_widths) >= {"department", "total"}


def test_the_windows_that_became_complete_are_measured_and_the_oldest_leave():
    champion = _serving()
    for weeks in (81, 82, 85):
        (refit,) = _refresh(champion, _input(weeks))
        windows = refit.package.backtest["cutoff"].drop_duplicates().sort_values()
        newest = _input(weeks).last_week - pd.Timedelta(weeks=2)
        assert windows.iloc[-1] == newest
        on_grid = (windows - pd.Timestamp("2000-01-01")).dt.days // 7 % 4 == 0
        assert on_grid.iloc[:-1].all()
        assert len(windows) <= BACKTEST.folds
        assert f"{newest:%Y-%m-%d}" in refit.metrics


def test_the_same_files_again_change_nothing():
    assert _refresh(_serving(), _input(80), version="data 1") == []


def test_restated_weeks_without_a_new_one_are_learned_from():
    (refit,) = _refresh(_serving(80), _input(80, level=101.0))
    assert refit.promote


def test_without_a_model_there_is_nothing_to_refresh():
    with pytest.raises(
        InputError, match=r"no model of this retailer to refresh yet: a whole run .* \(kedro run\)"
    ):
        _refresh(None, _input(80))


class Broken(LastWeeksMean, frozen=True):
    """Learns nonsense from a week that is a little worse than usual."""

    def fit(self, context: ForecastContext) -> Any:
        fitted = super().fit(context)
        return {"mean": 1000.0} if fitted["mean"] < 80 else fitted


def _last_week(data: ModelInput, change: Any) -> ModelInput:
    """The same delivery with another last week."""
    last = data.panel["week"] == data.last_week
    changed = data.panel.assign(turnover=data.panel["turnover"].where(~last, change(data.panel["turnover"])))
    return replace(data, panel=changed)


def test_a_refit_that_went_wrong_is_held():
    weaker = _last_week(_input(81), lambda turnover: 0.7 * turnover)
    with pytest.raises(InputError, match=r"refit of version 4 is held, .* newest complete window the WAPE"):
        _refresh(_serving(method=Broken()), weaker)
