"""Tuning: on windows of its own, resumable, and honest about what it brought."""

from datetime import date

import numpy as np
import pandas as pd
import pytest

from contexts import NO_CACHE, NO_CALENDAR, NO_SHIFTS, NOTHING_AHEAD
from sales_forecast.errors import InputError
from sales_forecast.forecasting.evaluation.backtest import BacktestParams, plan_cutoffs
from sales_forecast.forecasting.evaluation.gate_result import WapeDifference
from sales_forecast.forecasting.methods.base import Method
from sales_forecast.forecasting.methods.blend import Blend
from sales_forecast.forecasting.methods.declare import Methods
from sales_forecast.forecasting.panel.model_input import ModelInput
from sales_forecast.pipelines.handovers import DataVersion, TunedOptions, TuningErrors, TuningJudgement
from sales_forecast.pipelines.tuning.params import Span, TurnoverTuningParams
from sales_forecast.pipelines.tuning.turnover_judgement import judge_tuning, write_parameters
from sales_forecast.pipelines.tuning.turnover_options import check_tuning
from sales_forecast.pipelines.tuning.turnover_search import tune
from sales_forecast.pipelines.tuning.turnover_windows import plan_tuning

WEEKS = pd.date_range("2016-01-02", periods=80, freq="7D")
STORES = pd.DataFrame({"store": range(12), "region": "n", "zone": "1"})
BACKTEST = BacktestParams(horizon_weeks=2, cutoffs=(WEEKS[70].date(), WEEKS[74].date()))
DATA = DataVersion(version="some data", files={})
TUNED = TunedOptions(
    best={"level": 99.5},
    current={"level": 50.0},
    wape=TuningErrors(tuned=0.1, current=0.2),
    finished=5,
    pruned=1,
)
OPEN = TuningJudgement(
    tuned=0.1,
    current=0.2,
    difference=WapeDifference(wape=-0.1, low=-0.2, high=0.1, detectable=0.2),
    verdict="open",
    chance_worse=0.2,
)
BETTER, WORSE = (OPEN.model_copy(update={"verdict": verdict}) for verdict in ("better", "worse"))


class Level(Method, frozen=True):
    """Forecasts the same level always."""

    level: float

    def forecast(self, context, forecast_index, fitted):
        return np.full(len(forecast_index), self.level)


METHODS = Methods({"blend": Blend(members={"one": Level(level=50.0), "two": Level(level=50.0)})})
TUNING = TurnoverTuningParams(
    method="blend",
    cutoffs=(WEEKS[50].date(), WEEKS[60].date()),
    trials=12,
    seed=1,
    space={"level": Span(of=("members.one", "members.two"), low=10, high=200)},
)


@pytest.fixture
def model_input() -> ModelInput:
    keys = pd.MultiIndex.from_product([STORES["store"], [88], WEEKS], names=["store", "department", "week"])
    panel = keys.to_frame(index=False).assign(turnover=100.0)
    return ModelInput(panel, STORES, NO_CALENDAR, NOTHING_AHEAD)


def _tune(model_input: ModelInput, path, tuning: TurnoverTuningParams = TUNING) -> TunedOptions:
    return tune(model_input, DATA, BACKTEST, METHODS, NO_SHIFTS, tuning, str(path / "study.db"))


def test_the_best_options_are_found_and_compared_on_windows_that_no_trial_has_seen(model_input, tmp_path):
    tuned = _tune(model_input, tmp_path)
    assert tuned.current == {"level": 50}
    assert tuned.wape.current == pytest.approx(0.5)
    assert tuned.wape.tuned < 0.2
    assert tuned.finished + tuned.pruned == 12
    found = judge_tuning(tuned, model_input, BACKTEST, METHODS, NO_SHIFTS, TUNING, NO_CACHE)
    assert found.current == pytest.approx(0.5)
    assert found.tuned == pytest.approx(abs(tuned.best["level"] - 100) / 100)
    assert found.verdict == "better"
    assert found.difference.low <= found.difference.wape <= found.difference.high < 0
    assert found.chance_worse == 0
    assert tuned.wape.noise is not None
    assert f"{tuned.seen_until}" == f"{WEEKS[62]:%Y-%m-%d}"


def test_a_search_that_was_stopped_goes_on_and_another_question_begins_anew(model_input, tmp_path):
    half = TUNING.model_copy(update={"trials": 5})
    first = _tune(model_input, tmp_path, half)
    assert first.finished + first.pruned == 5
    assert _tune(model_input, tmp_path, half) == first
    whole = _tune(model_input, tmp_path)
    assert whole.finished + whole.pruned == 12
    assert whole.wape.tuned <= first.wape.tuned
    other = TUNING.model_copy(update={"trials": 3, "cutoffs": (WEEKS[55].date(),)})
    assert _tune(model_input, tmp_path, other).finished == 3


def test_the_file_that_is_written_changes_the_next_runs_method():
    seen = TUNED.model_copy(update={"seen_until": date(2017, 3, 11)})
    assert write_parameters(seen, BETTER, BACKTEST, TUNING) == {
        "turnover": {
            "methods": {"blend": {"members": {"one": {"level": 99.5}, "two": {"level": 99.5}}}},
            "backtest": {"after": "2017-03-11"},
        }
    }


@pytest.mark.parametrize("judgement", [OPEN, WORSE])
def test_options_that_are_not_better_on_weeks_that_no_trial_has_seen_are_not_used(judgement):
    written = write_parameters(TUNED, judgement, BACKTEST, TUNING)
    assert "backtest" not in written["turnover"]
    assert written["turnover"]["methods"]["blend"]["members"]["one"] == {"level": 50.0}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"cutoffs": (WEEKS[69].date(),)}, "touch the backtest's window after 2017-05-06"),
        ({"method": "oracle"}, "'oracle' is not among turnover.methods: blend"),
        ({"space": {"colour": TUNING.space["level"]}}, "no option 'colour' at 'members.one'"),
        ({"space": {"level": Span(of=("members.three",), low=1, high=2)}}, "at 'members.three'"),
    ],
)
def test_what_cannot_be_tuned_is_refused_before_anything_is_tried(change, says):
    with pytest.raises(InputError, match=says):
        check_tuning(pd.DataFrame({"week": WEEKS}), BACKTEST, METHODS, TUNING.model_copy(update=change))


def test_what_an_earlier_tuning_has_seen_stays_seen():
    later = BacktestParams(horizon_weeks=2, after=date(2016, 8, 6))
    assert write_parameters(TUNED, OPEN, later, TUNING)["turnover"]["backtest"] == {"after": "2016-08-06"}
    with pytest.raises(ValueError, match="until when tuning has seen"):
        BacktestParams(horizon_weeks=2, after=date(2016, 8, 6), cutoffs=(date(2016, 7, 30),))


def test_fixed_windows_of_the_backtest_leave_none_to_be_planned_for_tuning():
    planned = TUNING.model_copy(update={"cutoffs": None})
    with pytest.raises(InputError, match=r"turnover\.tuning\.cutoffs: turnover\.backtest\.cutoffs are fixed"):
        plan_tuning(pd.DataFrame({"week": WEEKS}), BACKTEST, planned)


ROLLING = BacktestParams(horizon_weeks=4, stride_weeks=2)


@pytest.mark.parametrize(("folds", "judged"), [(3, 2), (50, 5)])
def test_the_newest_windows_judge_and_none_of_them_touches_one_of_the_search(folds, judged):
    tuning = TUNING.model_copy(update={"cutoffs": None, "folds": folds, "judged_folds": judged})
    plan = plan_tuning(pd.DataFrame({"week": WEEKS}), ROLLING, tuning)
    assert plan.judged == plan_cutoffs(pd.DataFrame({"week": WEEKS}), ROLLING)[-judged:]
    assert 0 < len(plan.tried) <= folds
    assert plan.seen_until == plan.tried[-1] + pd.Timedelta(weeks=4) <= plan.judged[0]
    after = ROLLING.model_copy(update={"after": plan.seen_until.date()})
    assert plan_cutoffs(pd.DataFrame({"week": WEEKS}), after)[0] >= plan.seen_until


def test_a_history_in_which_no_window_is_left_to_search_on_is_refused():
    tuning = TUNING.model_copy(update={"cutoffs": None, "judged_folds": 20})
    with pytest.raises(InputError, match=r"turnover\.tuning\.judged_folds: of 10 window\(s\)"):
        plan_tuning(pd.DataFrame({"week": WEEKS}), ROLLING, tuning)


def test_a_week_twice_and_a_span_without_width_are_refused():
    with pytest.raises(ValueError, match="names a week twice"):
        TurnoverTuningParams(**TUNING.model_dump() | {"cutoffs": [date(2016, 1, 2)] * 2})
    with pytest.raises(ValueError, match="not below high"):
        Span(of=("a",), low=2, high=2)
