"""The backtest: forecasts of the past that use nothing after their cutoff."""

import logging
from datetime import date

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal
from pydantic import ValidationError

from sales_forecast.errors import InputError
from sales_forecast.forecasting.evaluation.backtest import BacktestParams, backtest_fold, plan_cutoffs
from sales_forecast.forecasting.features.context import ForecastContext, actuals_after
from sales_forecast.forecasting.intervals.conformal import INTERVAL_COLUMNS
from sales_forecast.forecasting.intervals.windows import IntervalParams
from sales_forecast.forecasting.methods.base import Fitted, Method, forecast_all
from sales_forecast.forecasting.methods.declare import Methods
from sales_forecast.forecasting.panel.matrix import ROW_KEYS

AUTUMN = pd.Timestamp("2016-10-01")
INTERVALS = IntervalParams(scale_share=0.1, recent_weeks=8, season_width_weeks=4)


class Witness(Method, frozen=True):
    """Forecasts 100 for every series and records the tables it is given."""

    seen: list

    def fit(self, context: ForecastContext) -> Fitted:
        self.seen.append(context.data.panel)
        return {"level": 100.0}

    def forecast(self, context: ForecastContext, forecast_index: pd.DataFrame, fitted: Fitted) -> np.ndarray:
        self.seen.extend([context.data.panel, forecast_index])
        return np.full(len(forecast_index), fitted["level"])


def _fold(
    context_of, panel: pd.DataFrame, methods: Methods, cutoff=AUTUMN, intervals: IntervalParams = INTERVALS
) -> pd.DataFrame:
    actuals = actuals_after(panel, cutoff, horizon_weeks=8)
    fold = backtest_fold(context_of(panel, cutoff), methods, actuals, intervals)
    return pd.concat([forecasts for forecasts, _ in fold], ignore_index=True)


# --- cutoffs -------------------------------------------------------------------------------


def test_cutoffs_are_planned_oldest_first(panel):
    backtest = BacktestParams(horizon_weeks=8, cutoffs=("2017-08-05", "2015-10-03"))
    assert plan_cutoffs(panel, backtest) == [pd.Timestamp("2015-10-03"), pd.Timestamp("2017-08-05")]


@pytest.mark.parametrize(
    ("cutoff", "nearest"),
    [
        pytest.param(date(2016, 10, 2), "2016-10-01", id="a Sunday"),
        pytest.param(date(2012, 12, 22), "2012-12-29", id="before the first week"),
        pytest.param(date(2017, 8, 12), "2017-08-05", id="seven weeks before the last"),
        pytest.param(date(2018, 1, 6), "2017-08-05", id="in the future"),
    ],
)
def test_a_cutoff_that_cannot_be_scored_is_refused_with_the_nearest_that_can(panel, cutoff, nearest):
    backtest = BacktestParams(horizon_weeks=8, cutoffs=(date(2016, 10, 1), cutoff))
    refusal = (
        rf"turnover\.backtest\.cutoffs: 1 of 2 cannot be used, e\.g\. {cutoff} \(nearest usable: {nearest}\)"
        r".*a Saturday between 2012-12-29 and 2017-08-05"
    )
    with pytest.raises(InputError, match=refusal):
        plan_cutoffs(panel, backtest)


def test_no_more_than_three_cutoffs_are_shown_of_those_that_cannot_be_used(panel):
    sundays = [date(2016, 10, 2 + 7 * number) for number in range(4)]
    with pytest.raises(InputError) as stopped:
        plan_cutoffs(panel, BacktestParams(horizon_weeks=8, cutoffs=sundays))
    assert "4 of 4 cannot be used, e.g. 2016-10-02 (nearest usable: 2016-10-01), 2016-10-09" in str(
        stopped.value
    )
    assert "2016-10-23" not in str(stopped.value)


def test_fixed_cutoffs_in_a_history_without_a_single_window_are_told_so():
    weeks = pd.DataFrame({"week": WEEKS[:8]})
    with pytest.raises(InputError, match=r"turnover\.backtest\.horizon_weeks: the history has 8 week\(s\)"):
        plan_cutoffs(weeks, BacktestParams(horizon_weeks=8, cutoffs=[WEEKS[2].date()]))


def test_the_last_usable_cutoff_depends_on_the_horizon(panel):
    cutoffs = (date(2017, 8, 12),)
    assert plan_cutoffs(panel, BacktestParams(horizon_weeks=7, cutoffs=cutoffs))
    with pytest.raises(InputError, match="8 weeks before its last"):
        plan_cutoffs(panel, BacktestParams(horizon_weeks=8, cutoffs=cutoffs))


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"cutoffs": ["2016-10-01", "2016-10-01"]}, "names a week twice"),
        ({"cutoffs": []}, "cutoffs"),
        ({"horizon_weeks": 0}, "horizon_weeks"),
        ({"horizn_weeks": 8}, "horizn_weeks"),
    ],
)
def test_parameters_that_make_no_sense_are_refused(options, complaint):
    with pytest.raises(ValidationError, match=complaint):
        BacktestParams(**{"horizon_weeks": 8, "cutoffs": ["2016-10-01"]} | options)


WEEKS = pd.date_range("2012-12-29", "2017-09-30", freq="7D")


def _planned(end: str, **options: object) -> list[pd.Timestamp]:
    weeks = pd.DataFrame({"week": WEEKS[end >= WEEKS]})
    return plan_cutoffs(weeks, BacktestParams(**{"horizon_weeks": 8} | options))


@pytest.mark.parametrize("end", ["2016-10-01", "2017-06-03", "2017-09-30"])
def test_cutoffs_are_planned_from_the_data_wherever_they_end(end):
    cutoffs = _planned(end)
    assert len(cutoffs) == 26
    assert cutoffs[-1] == pd.Timestamp(end) - pd.Timedelta(weeks=8)
    assert set(np.diff(cutoffs[:-1])) == {pd.Timedelta(weeks=4)}


def test_a_week_more_moves_the_newest_window_only():
    for week in range(100, 140):
        earlier, later = (set(_planned(WEEKS[number], folds=99)) for number in (week, week + 1))
        assert len(later - earlier) == 1
        assert earlier - later <= {max(earlier)}


def test_with_a_stride_of_a_horizon_no_windows_overlap():
    for end in WEEKS[-20:]:
        gaps = np.diff(_planned(end, stride_weeks=8))
        assert (gaps >= np.timedelta64(8, "W")).all()
        assert (gaps[:-1] == np.timedelta64(8, "W")).all()


def test_a_short_history_has_fewer_folds_and_at_least_one():
    assert len(_planned(WEEKS[75])) == 3
    assert _planned(WEEKS[20]) == [WEEKS[12]]
    with pytest.raises(InputError, match=r"turnover\.backtest\.horizon_weeks: the history has 8 week\(s\)"):
        _planned(WEEKS[7])


STEADY = pd.DataFrame({"store": 1, "department": 88, "week": WEEKS, "turnover": 5.0})
"""One series that is planned at weeks 142, 146, 150, 154 and so on."""

EIGHT = BacktestParams(horizon_weeks=8)


def _left_out(panel: pd.DataFrame) -> list[int]:
    return [
        WEEKS.get_loc(cutoff)
        for cutoff in plan_cutoffs(STEADY, EIGHT)
        if cutoff not in plan_cutoffs(panel, EIGHT)
    ]


@pytest.mark.parametrize(
    "tell",
    [lambda panel: panel, lambda panel: panel.dropna(), lambda panel: panel.dropna()[["week"]]],
    ids=["gaps", "no rows", "weeks only"],
)
def test_a_window_in_which_the_chain_was_closed_is_left_out(tell):
    closed = STEADY["week"].between(WEEKS[151], WEEKS[162])
    panel = tell(STEADY.assign(turnover=STEADY["turnover"].mask(closed)))
    assert _left_out(panel) == [150, 154]
    fixed = BacktestParams(horizon_weeks=8, cutoffs=[WEEKS[151].date()])
    with pytest.raises(InputError, match=rf"{WEEKS[151]:%Y-%m-%d} \(nearest usable: {WEEKS[149]:%Y-%m-%d}\)"):
        plan_cutoffs(panel, fixed)


def test_a_window_in_which_all_stores_have_new_numbers_is_left_out():
    assert _left_out(STEADY.assign(store=np.where(STEADY["week"] > WEEKS[150], 2, 1))) == [150]
    assert _left_out(STEADY.assign(store=np.where(STEADY["week"] > WEEKS[240], 2, 1))) == [240]  # the newest


def test_a_history_of_which_no_window_can_be_scored_is_refused():
    young = STEADY.head(9).assign(store=range(9))
    for backtest in (EIGHT, BacktestParams(horizon_weeks=8, cutoffs=[WEEKS[0].date()])):
        with pytest.raises(InputError, match=r"turnover\.backtest: .* no series with turnover in a window"):
            plan_cutoffs(young, backtest)


def test_windows_that_tuning_has_seen_are_left_out():
    cutoffs = _planned("2017-09-30", after="2017-01-07")
    assert cutoffs == [cutoff for cutoff in _planned("2017-09-30") if cutoff >= pd.Timestamp("2017-01-07")]
    with pytest.raises(InputError, match="no whole window of 8 weeks begins after 2017-09-01"):
        _planned("2017-09-30", after="2017-09-01")


# --- actuals ---------------------------------------------------------------------------------------


def test_actuals_are_the_weeks_after_the_cutoff_and_no_more(panel):
    weeks = actuals_after(panel, AUTUMN, horizon_weeks=8)["week"]
    assert weeks.min() == pd.Timestamp("2016-10-08")
    assert weeks.max() == pd.Timestamp("2016-11-26")
    assert weeks.nunique() == 8
    assert actuals_after(panel, AUTUMN, horizon_weeks=3)["week"].nunique() == 3


def test_a_store_that_opens_after_the_cutoff_is_left_out(panel):
    opening = pd.Timestamp("2016-11-26")  # of store 108
    assert 108 not in set(actuals_after(panel, AUTUMN, 8)["store"])
    assert 108 in set(actuals_after(panel, opening, 8)["store"])


def test_a_week_in_a_gap_cannot_be_scored(panel):
    gap = pd.Timestamp("2015-03-07")  # store 105, department 88, this week and the next
    actuals = actuals_after(panel, gap - pd.Timedelta(weeks=1), 3)
    series = actuals[(actuals["store"] == 105) & (actuals["department"] == 88)]
    assert series["week"].to_list() == [gap + pd.Timedelta(weeks=2)]
    assert actuals["turnover"].notna().all()


# --- folds ---------------------------------------------------------------------------------


def test_a_fold_has_a_row_for_each_method_and_actual(context_of, panel, methods):
    fold = _fold(context_of, panel, Methods({n: methods.root[n] for n in ("seasonal_naive", "growth_naive")}))
    actuals = actuals_after(panel, AUTUMN, 8)
    columns = ["method", "cutoff", *ROW_KEYS, "horizon", "turnover", "forecast", *INTERVAL_COLUMNS, "crps"]
    assert fold.columns.to_list() == columns
    assert fold["cutoff"].eq(AUTUMN).all()
    for _, rows in fold.groupby("method"):
        assert_frame_equal(
            rows[[*ROW_KEYS, "turnover"]].reset_index(drop=True), actuals[[*ROW_KEYS, "turnover"]]
        )
    assert set(fold["method"]) == {"seasonal_naive", "growth_naive"}


def test_no_method_is_given_actual_turnover(context_of, panel):
    witness = Witness(seen=[])
    fold = _fold(context_of, panel, Methods({"witness": witness}))
    weeks_back = []
    for fitted_on, forecast_from, forecast_index in zip(*[iter(witness.seen)] * 3, strict=True):
        assert fitted_on["week"].max() == forecast_from["week"].max() < forecast_index["week"].min()
        assert forecast_index.columns.to_list() == ROW_KEYS
        weeks_back.append((AUTUMN - fitted_on["week"].max()).days // 7)
    *for_half_widths, for_the_forecast = weeks_back
    assert min(for_half_widths) == 8
    assert for_the_forecast == 0
    assert fold["forecast"].eq(100).all()


def test_forecasts_of_a_fold_are_those_of_a_panel_that_ends_at_the_cutoff(context_of, panel, methods, name):
    (method,) = (one := Methods({name: methods.root[name]})).root.values()
    fold = _fold(context_of, panel, one)
    ends_there = context_of(panel[panel["week"] <= AUTUMN], AUTUMN)
    alone = forecast_all(method, ends_there, fold[ROW_KEYS], method.fit(ends_there))
    assert_frame_equal(fold[[*ROW_KEYS, "horizon", "forecast"]], alone[[*ROW_KEYS, "horizon", "forecast"]])


def test_forecasts_of_a_fold_do_not_depend_on_actual_turnover(context_of, panel, methods, name):
    one = Methods({name: methods.root[name]})
    tripled = panel.assign(turnover=panel["turnover"].where(panel["week"] <= AUTUMN, 3 * panel["turnover"]))
    original, other = _fold(context_of, panel, one), _fold(context_of, tripled, one)
    known_later = ["turnover", "crps"]
    assert_frame_equal(original.drop(columns=known_later), other.drop(columns=known_later))
    assert not original["turnover"].equals(other["turnover"])


def test_another_cutoff_is_another_forecast(context_of, panel, methods):
    one = Methods({"seasonal_naive": methods.root["seasonal_naive"]})
    first = _fold(context_of, panel, one)
    later = _fold(context_of, panel, one, pd.Timestamp("2016-12-10"))
    assert first["week"].max() < later["week"].min()
    assert later["horizon"].min() == 1


def test_each_forecast_has_its_intervals_around_it(context_of, panel, methods, name):
    fold = _fold(context_of, panel, Methods({name: methods.root[name]}))
    assert fold[INTERVAL_COLUMNS].notna().all(axis=None)
    ends = fold[["lo_95", "lo_80", "forecast", "hi_80", "hi_95"]].to_numpy()
    assert (np.diff(ends, axis=1) >= 0).all()
    assert (ends >= 0).all()
    assert (fold["hi_80"] > fold["lo_80"]).any()


@pytest.mark.parametrize("other", [{"season_years": 0}, {"scale_share": 1.0}])
def test_interval_parameters_move_the_intervals_and_not_the_forecast(context_of, panel, methods, other):
    one = Methods({"growth_naive": methods.root["growth_naive"]})
    original = _fold(context_of, panel, one)
    changed = _fold(context_of, panel, one, intervals=INTERVALS.model_copy(update=other))
    moved = [*INTERVAL_COLUMNS, "crps"]
    assert_frame_equal(original.drop(columns=moved), changed.drop(columns=moved))
    assert not np.allclose(original["hi_80"], changed["hi_80"])


def test_each_method_logs_its_error(context_of, panel, caplog):
    with caplog.at_level(logging.INFO, logger="sales_forecast"):
        _fold(context_of, panel, Methods({"witness": Witness(seen=[])}))
    assert "witness after 2016-10-01: WAPE 0.9" in caplog.text
