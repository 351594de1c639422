"""Tuning: on windows of its own, resumable, and honest about what it brought."""

from datetime import date

import numpy as np
import pandas as pd
import pytest

from contexts import NO_CALENDAR, NO_SHIFTS, NOTHING_AHEAD
from sales_forecast.errors import InputError
from sales_forecast.forecasting.evaluation.backtest import BacktestParams
from sales_forecast.forecasting.methods.base import Method
from sales_forecast.forecasting.methods.blend import Blend
from sales_forecast.forecasting.methods.declare import Methods
from sales_forecast.forecasting.panel.model_input import ModelInput
from sales_forecast.pipelines.handovers import DataVersion, TunedOptions, TuningErrors, TuningJudgement
from sales_forecast.pipelines.tuning.params import Span, TurnoverTuningParams
from sales_forecast.pipelines.tuning.turnover_judgement import judge_tuning, write_parameters
from sales_forecast.pipelines.tuning.turnover_options import check_tuning
from sales_forecast.pipelines.tuning.turnover_search import tune

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
OPEN = TuningJudgement(tuned=0.1, current=0.2, difference=-0.1, low=-0.2, high=0.1, verdict="open")
WORSE = OPEN.model_copy(update={"verdict": "worse"})


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
    found = judge_tuning(tuned, model_input, BACKTEST, METHODS, NO_SHIFTS, TUNING)
    assert found.current == pytest.approx(0.5)
    assert found.tuned == pytest.approx(abs(tuned.best["level"] - 100) / 100)
    assert found.verdict == "better"
    assert found.low <= found.difference <= found.high < 0


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
    written = write_parameters(TUNED, OPEN, TUNING)
    assert written == {
        "turnover": {"methods": {"blend": {"members": {"one": {"level": 99.5}, "two": {"level": 99.5}}}}}
    }


def test_options_that_do_harm_on_weeks_that_no_trial_has_seen_are_not_used():
    written = write_parameters(TUNED, WORSE, TUNING)
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
        check_tuning(BACKTEST, METHODS, TUNING.model_copy(update=change))


def test_a_week_twice_and_a_span_without_width_are_refused():
    with pytest.raises(ValueError, match="names a week twice"):
        TurnoverTuningParams(**TUNING.model_dump() | {"cutoffs": [date(2016, 1, 2)] * 2})
    with pytest.raises(ValueError, match="not below high"):
        Span(of=("a",), low=2, high=2)
