"""The best method of a run: fitted, compared with what serves, and handed over."""

import json
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from contexts import NO_CACHE, NO_CALENDAR, NO_SHIFTS, NOTHING_AHEAD
from handovers import half_widths, selected
from sales_forecast.errors import InputError
from sales_forecast.forecasting.distributed import LOCAL
from sales_forecast.forecasting.evaluation.backtest import BacktestParams, backtest_fold
from sales_forecast.forecasting.evaluation.gate_result import GateParams
from sales_forecast.forecasting.features.context import ForecastContext, actuals_after
from sales_forecast.forecasting.intervals.windows import IntervalParams
from sales_forecast.forecasting.methods.base import Method
from sales_forecast.forecasting.methods.declare import Methods
from sales_forecast.forecasting.methods.naive import SeasonalNaive
from sales_forecast.forecasting.methods.ridge import Ridge
from sales_forecast.forecasting.model import TurnoverModel
from sales_forecast.forecasting.panel.model_input import ModelInput
from sales_forecast.models.turnover import TurnoverPackage
from sales_forecast.pipelines.handovers import (
    ChampionVersion,
    DataVersion,
    TurnoverGateDecision,
)
from sales_forecast.pipelines.registration.turnover_gate import backtest_champion, decide_deployment
from sales_forecast.pipelines.registration.turnover_submission import fit_selected, submit
from sales_forecast.registry.serving import ServingModel, Submission

WEEKS = pd.date_range("2015-01-03", periods=70, freq="7D")
CUTOFF = WEEKS[65]
STORES = pd.DataFrame(
    {
        "store": range(30),
        "school_zone": "none",
        "latitude": np.nan,
        "longitude": np.nan,
        "region": "n",
        "zone": "1",
    }
)
COLD = half_widths(1.0, 3.0)
INTERVALS = IntervalParams(scale_share=0.1)
CUTOFFS = [WEEKS[59], WEEKS[62], CUTOFF]
BACKTEST = BacktestParams(horizon_weeks=2, cutoffs=tuple(cutoff.date() for cutoff in CUTOFFS))
GATE = GateParams(
    level="series",
    part_worse_by_at_most=0.05,
    false_alarms=0.05,
    coverage_lost_at_most=1.0,
    refit_worse_by_at_most=0.2,
    refit_coverage_lost_at_most=0.1,
    unusual_above_times=100,
)


class TimesTheMean(Method, frozen=True):
    """A method that has something to learn, and an option."""

    times: float = 1.0

    def fit(self, context):
        return {"mean": float(context.data.panel["turnover"].mean())}

    def forecast(self, context, forecast_index, fitted):
        return np.full(len(forecast_index), self.times * fitted["mean"])


METHODS = Methods({"last_year": SeasonalNaive(), "mean": TimesTheMean(), "twice": TimesTheMean(times=2.0)})


@pytest.fixture
def panel() -> pd.DataFrame:
    """Thirty stores that sell 100 a week, give or take a little."""
    rng = np.random.default_rng(0)
    keys = pd.MultiIndex.from_product([STORES["store"], [88], WEEKS], names=["store", "department", "week"])
    return keys.to_frame(index=False).assign(turnover=100 + rng.normal(0, 3, len(keys)))


def _data(version: str) -> DataVersion:
    return DataVersion(version=version, files={})


def _fit(panel: pd.DataFrame, method: str) -> TurnoverModel:
    """Fit a model, and read it from what it is stored as."""
    model = fit_selected(
        *(ModelInput(panel, STORES, NO_CALENDAR, NOTHING_AHEAD), selected(method), COLD, {}),
        *(BACKTEST, METHODS, INTERVALS, NO_SHIFTS, LOCAL, NO_CACHE),
    )
    return TurnoverModel(**json.loads(json.dumps(model.model_dump(mode="json"), allow_nan=False)))


def _backtest(panel: pd.DataFrame) -> pd.DataFrame:
    today = ForecastContext.latest(ModelInput(panel, STORES, NO_CALENDAR, NOTHING_AHEAD), NO_SHIFTS)
    folds = [
        rows
        for cutoff in CUTOFFS
        for rows, _ in backtest_fold(today.as_of(cutoff), METHODS, actuals_after(panel, cutoff, 2), INTERVALS)
    ]
    return pd.concat(folds, ignore_index=True)


def _serving(panel: pd.DataFrame, method: str, data: str = "data 1") -> ServingModel:
    backtest = _backtest(panel)
    package = TurnoverPackage(
        *(
            _fit(panel, method),
            ModelInput(panel, STORES, NO_CALENDAR, NOTHING_AHEAD),
            _forecast_index(),
        ),
        backtest[backtest["method"] == method],
    )
    known: Any = tuple(SimpleNamespace(tags={"data_version": one}) for one in (data, "data 0"))
    return ServingModel("sales_forecast.turnover", package, "4", "a run", data, known)


def _forecast_index() -> pd.DataFrame:
    return pd.DataFrame({"store": [1, 2], "department": 88, "week": WEEKS[-1] + pd.Timedelta(weeks=1)})


def _decide(
    panel: pd.DataFrame, method: str, champion: ServingModel | None, data: str = "data 1"
) -> TurnoverGateDecision:
    backtest, model_input = _backtest(panel), ModelInput(panel, STORES, NO_CALENDAR, NOTHING_AHEAD)
    rows = _backtest_champion(panel, method, champion)
    return decide_deployment(_fit(panel, method), champion, backtest, rows, model_input, _data(data), GATE)


def _backtest_champion(panel: pd.DataFrame, method: str, champion: ServingModel | None) -> pd.DataFrame:
    model_input = ModelInput(panel, STORES, NO_CALENDAR, NOTHING_AHEAD)
    return backtest_champion(
        champion, _backtest(panel), selected(method), _forecast_index(), model_input, NO_CACHE
    )


def _submit(panel: pd.DataFrame, method: str, champion: ServingModel | None, data: str) -> list[Submission]:
    backtest, decided = _backtest(panel), _decide(panel, method, champion, data)
    return submit(
        *(_fit(panel, method), champion, decided, backtest, _backtest_champion(panel, method, champion)),
        *(
            ModelInput(panel, STORES, NO_CALENDAR, NOTHING_AHEAD),
            _forecast_index(),
            _data(data),
            GATE,
            NO_CACHE,
        ),
    )


def test_the_best_method_is_fitted_on_everything_there_is(panel):
    model = _fit(panel, "twice").model_dump(mode="json")
    assert (model["name"], model["cutoff"]) == ("twice", f"{WEEKS[-1]:%Y-%m-%d}")
    assert model["fitted"] == {"mean": panel["turnover"].mean()}
    assert model["method"]["times"] == 2
    assert {"80", "95"} < set(model["half_widths"]["multiples"])
    assert TurnoverModel(**model).model_dump(mode="json") == model


def test_the_first_model_serves(panel):
    decided = _decide(panel, "twice", None)
    assert (decided.decision, decided.promote) == ("first", True)
    assert _backtest_champion(panel, "twice", None).empty


def test_a_better_method_takes_over_and_a_worse_one_does_not(panel):
    better = _decide(panel, "mean", _serving(panel, "twice"))
    assert (better.decision, better.promote) == ("better", True)
    assert better.champion == ChampionVersion(version="4", method="twice")
    worse = _decide(panel, "twice", _serving(panel, "mean"))
    assert (worse.decision, worse.promote) == ("refused", False)


def test_the_same_method_takes_over_only_with_newer_data(panel):
    champion = _serving(panel, "mean")
    assert _decide(panel, "mean", champion, data="data 1").decision == "refused"
    assert _decide(panel, "mean", champion, data="data 2").decision == "refit"
    assert _decide(panel, "mean", champion, data="data 0").decision == "refused", "has been seen before"
    earlier = panel[panel["week"] < WEEKS[-1]]
    assert _decide(earlier, "mean", champion, data="data 2").decision == "refused", "ends earlier"


def test_what_served_is_measured_anew_where_the_data_have_changed(panel):
    champion = _serving(panel, "twice")
    same = _backtest_champion(panel, "mean", champion)
    pd.testing.assert_frame_equal(same, champion.package.backtest.reset_index(drop=True))
    changed = panel.assign(turnover=panel["turnover"] + 1)
    anew = _backtest_champion(changed, "mean", champion)
    assert set(anew["method"]) == {"twice"}
    np.testing.assert_allclose(anew["turnover"], same["turnover"] + 1)


def test_a_backtest_of_other_turnover_than_there_is_now_stops_the_run(panel):
    changed = panel.assign(turnover=panel["turnover"].where(panel["week"] < WEEKS[67], 7.0))
    model_input = ModelInput(changed, STORES, NO_CALENDAR, NOTHING_AHEAD)
    for champion in (None, _serving(panel, "twice")):
        with pytest.raises(InputError, match=r"30 of 180 differ .* Run the modelling stage again"):
            backtest_champion(
                champion, _backtest(panel), selected("mean"), _forecast_index(), model_input, NO_CACHE
            )


class Broken(TimesTheMean, frozen=True):
    """Learns nonsense where a week is missing half of its turnover."""

    def fit(self, context):
        sold = context.data.panel.groupby("week")["turnover"].mean()
        return {"mean": 1000.0 if sold.iloc[-1] < 60 else float(sold.mean())}


def test_a_refit_that_went_wrong_does_not_serve(panel, monkeypatch):
    champion = _serving(panel, "mean")
    broken = Methods(METHODS.root | {"mean": Broken()})
    for name in ("decided", "submitted"):
        monkeypatch.setattr(f"{__name__}.METHODS", broken)
        served = champion.package.model.model_copy(update={"method": Broken()})
        serving = replace(champion, package=replace(champion.package, model=served))
        half = panel.assign(turnover=panel["turnover"].where(panel["week"] < WEEKS[-1], 50.0))
        if name == "decided":
            found = _decide(half, "mean", serving, data="data 2")
            assert (found.decision, found.promote) == ("refused", False)
            assert "in the newest complete window the WAPE of the refit is" in found.reasons[0]
        else:
            new, again = _submit(half, "twice", serving, "data 2")
            assert (new.promote, again.promote) == (False, False)
            assert again.why.startswith("refused: refit of version 4; in the newest complete window")


def test_a_champion_that_cannot_make_the_forecasts_of_a_run_is_replaced(panel):
    champion = _serving(panel, "twice")
    short = Ridge(
        partition=("department",),
        max_horizon_weeks=1,
        origin_spacing_weeks=3,
        season_width_weeks=8,
        penalty=1,
    )
    model = champion.package.model.model_copy(update={"method": short})
    unable = replace(champion, package=replace(champion.package, model=model))
    assert _backtest_champion(panel, "mean", unable).empty
    decided = _decide(panel, "mean", unable)
    assert (decided.decision, decided.promote) == ("unable", True)


def test_a_refused_method_on_newer_data_comes_with_the_one_that_serves_fitted_anew(panel):
    later = panel.assign(turnover=panel["turnover"] + 1)
    refused, refitted = _submit(later, "twice", _serving(panel, "mean"), "data 2")
    assert (refused.promote, refitted.promote) == (False, True)
    assert (refused.against, refitted.against) == ("4", "4")
    assert "gate.difference.wape" in refused.tags
    assert {name.split(".")[0] for name in refitted.tags} == {"data_version", "decision", "metric"}
    model = refitted.package.model
    assert model.name == "mean"
    assert model.fitted["mean"] == pytest.approx(later["turnover"].mean())
    assert len(_submit(panel, "twice", _serving(panel, "mean"), "data 1")) == 1


def test_the_card_says_what_the_model_is_for_and_how_good_it_was(panel):
    (submission,) = _submit(panel, "mean", None, "data 1")
    for words in (
        "# Turnover: mean",
        "30 stores and departments",
        f"{CUTOFF:%Y-%m-%d} |",
        "data 1",
        "Limits",
    ):
        assert words in submission.card
