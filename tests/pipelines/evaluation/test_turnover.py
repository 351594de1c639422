"""Errors that can be checked in the head, and the choice that follows from them."""

import json

import numpy as np
import pandas as pd
import pytest

from handovers import selected
from sales_forecast.errors import InputError
from sales_forecast.forecasting.intervals.hierarchy import HIERARCHY
from sales_forecast.forecasting.intervals.windows import IntervalParams
from sales_forecast.pipelines.evaluation.params import TurnoverEvaluationParams
from sales_forecast.pipelines.evaluation.turnover_charts import (
    chart_backtest,
    chart_departments,
    chart_horizons,
    chart_windows,
)
from sales_forecast.pipelines.evaluation.turnover_checks import (
    compare_with_selected,
    learn_hierarchy_intervals,
    measure_coverage,
    score_levels,
)
from sales_forecast.pipelines.evaluation.turnover_cold_start import score_cold_starts
from sales_forecast.pipelines.evaluation.turnover_scores import score_backtest
from sales_forecast.pipelines.evaluation.turnover_section import write_evaluation
from sales_forecast.pipelines.evaluation.turnover_selection import collect_metrics, select_method
from sales_forecast.pipelines.handovers import SelectedMethod
from sales_forecast.reporting import Table, render_section

STORES = pd.DataFrame({"store": [1], "region": ["south"], "zone": ["1"]})
CUTOFF, LATER = pd.Timestamp("2016-10-01"), pd.Timestamp("2017-02-25")
INTERVALS = IntervalParams(scale_share=0.1)
AGAINST_NAIVE = TurnoverEvaluationParams(baseline="naive", tie_within=0.01)


def _rows(method: str, *forecasts: float, cutoff: pd.Timestamp = CUTOFF) -> pd.DataFrame:
    """Store 1 sold 100 of department 88 in the first week and 300 of department 117 in the second."""
    return pd.DataFrame(
        {
            "method": method,
            "cutoff": cutoff,
            "store": 1,
            "department": [88, 117],
            "week": [cutoff + pd.Timedelta(weeks=1), cutoff + pd.Timedelta(weeks=2)],
            "horizon": [1, 2],
            "turnover": [100.0, 300.0],
            "forecast": forecasts,
        }
    ).assign(
        lo_80=lambda rows: rows["forecast"] - 10,
        hi_80=lambda rows: rows["forecast"] + 10,
        lo_95=lambda rows: rows["forecast"] - 50,
        hi_95=lambda rows: rows["forecast"] + 50,
        crps=lambda rows: (rows["turnover"] - rows["forecast"]).abs() / 2,
    )


def _panel() -> pd.DataFrame:
    """A year at 10, then one at 20: repeating last year was off by 10 in each week."""
    weeks = pd.date_range(end=CUTOFF, periods=104, freq="7D")
    turnover = np.repeat([10.0, 20.0], 52)
    past = [
        pd.DataFrame({"store": 1, "department": department, "week": weeks, "turnover": turnover})
        for department in (88, 117)
    ]
    return pd.concat([*past, _rows("sold", 0, 0)[["store", "department", "week", "turnover"]]])


@pytest.fixture
def backtest() -> pd.DataFrame:
    """Model: off by 10 and 30. Naive: 100 too high in the first week, right in the second."""
    return pd.concat([_rows("naive", 200, 300), _rows("model", 110, 270)])


@pytest.fixture
def scores(backtest) -> pd.DataFrame:
    return score_backtest(backtest, _panel())


def _score(scores: pd.DataFrame, method: str, department: str = "all", horizon: int = 0) -> pd.Series:
    of = (scores["method"] == method) & (scores["department"] == department) & (scores["horizon"] == horizon)
    return scores[of].squeeze()


def test_errors_are_pooled_over_all_rows(scores):
    naive, model = _score(scores, "naive"), _score(scores, "model")
    assert (naive["rows"], model["rows"]) == (2, 2)
    assert (naive["wape"], model["wape"]) == (0.25, 0.1)  # 100 and 40, of 400 sold
    assert (naive["mae"], model["mae"]) == (50, 20)
    assert (naive["bias"], model["bias"]) == (0.25, -0.05)
    assert (naive["wql"], model["wql"]) == (0.125, 0.05)  # 50 and 20, of 400 sold
    assert naive["rmse"] == pytest.approx(np.sqrt(100**2 / 2))


def test_errors_are_scored_per_department_and_per_week_ahead(scores):
    assert len(scores) == 2 * (1 + 2 + 2)  # methods, each whole, by department, by week ahead
    assert _score(scores, "naive", department="88")["wape"] == 1
    assert _score(scores, "naive", department="117")["wape"] == 0
    assert _score(scores, "naive", horizon=1)["wape"] == 1
    assert _score(scores, "model", horizon=2)["wape"] == 0.1
    assert _score(scores, "model", horizon=2)["wql"] == 0.05


def test_errors_are_measured_by_those_of_repeating_last_year(scores):
    assert _score(scores, "naive", department="88")["rmsse"] == pytest.approx(100 / 10)
    assert _score(scores, "model", department="88")["rmsse"] == pytest.approx(10 / 10)
    assert _score(scores, "model", department="117")["rmsse"] == pytest.approx(30 / 10)
    assert 1 < _score(scores, "model")["rmsse"] < 3


def test_the_seasonal_scale_knows_nothing_after_the_cutoff(backtest, scores):
    panel = _panel()
    rewritten = panel.assign(turnover=panel["turnover"].where(panel["week"] <= CUTOFF, 1e6))
    pd.testing.assert_frame_equal(score_backtest(backtest, rewritten), scores)


def _wapes(**methods: tuple[float, float]) -> pd.DataFrame:
    """Scores of methods with the given WAPEs in two windows."""
    return pd.DataFrame(
        [
            {"method": name, "cutoff": cutoff, "department": "all", "horizon": 0, "rows": 2}
            | {"wape": wape, "wql": wape / 2, "rmse": 1.0, "mae": 1.0, "rmsse": np.nan, "bias": 0.0}
            for name, wapes in methods.items()
            for cutoff, wape in zip((LATER, CUTOFF), wapes, strict=True)
        ]
    )


def _select(
    scores: pd.DataFrame, evaluation: TurnoverEvaluationParams = AGAINST_NAIVE, **seconds: float
) -> SelectedMethod:
    """Select among methods that err as much in each week as in the window."""
    windows = scores[(scores["department"] == "all") & (scores["horizon"] == 0)]
    backtest = pd.concat(
        [
            _rows(method, 100 * (1 + wape), 300 * (1 + wape), cutoff=cutoff)
            for method, cutoff, wape in windows[["method", "cutoff", "wape"]].itertuples(index=False)
        ]
    )
    took = windows[["method", "cutoff"]].assign(seconds=windows["method"].map(seconds).fillna(1.0))
    return select_method(scores, backtest, took, evaluation)


def test_the_selected_method_has_the_lowest_error_on_average_over_windows():
    selected_method = _select(_wapes(naive=(0.5, 0.5), steady=(0.3, 0.3), lucky=(0.1, 0.6)))
    stored = selected_method.model_dump(mode="json")
    assert stored == {
        "method": "steady",
        "wape": 0.3,
        "baseline": "naive",
        "baseline_wape": 0.5,
        "rule": "lowest WAPE, averaged over the backtest's windows; of near equals the steadiest, then the "
        "cheapest",
        "chosen_on": ["2016-10-01", "2017-02-25"],
    }
    assert SelectedMethod(**json.loads(json.dumps(stored, allow_nan=False))) == selected_method


def test_a_small_part_does_not_choose_the_method():
    whole = _wapes(naive=(0.5, 0.5), model=(0.4, 0.4))
    parts = _wapes(naive=(0.0, 0.0), model=(9.0, 9.0))
    scores = pd.concat([whole, parts.assign(department="88"), parts.assign(horizon=1)])
    assert _select(scores).method == "model"


@pytest.mark.parametrize("order", [["zeta", "alpha", "naive"], ["naive", "alpha", "zeta"]])
def test_of_equals_the_first_by_name_is_selected(order):
    wapes = {"zeta": (0.1, 0.2), "alpha": (0.2, 0.1 + 1e-15), "naive": (0.5, 0.5)}
    assert _select(_wapes(**{name: wapes[name] for name in order})).method == "alpha"


def test_of_methods_that_chance_may_tell_apart_the_steadiest_is_selected_then_the_cheapest():
    near = _wapes(naive=(0.5, 0.5), lucky=(0.2, 0.4), steady=(0.301, 0.301))
    assert _select(near).method == "steady"
    far = AGAINST_NAIVE.model_copy(update={"tie_within": 0.001})
    assert _select(near, far).method == "lucky"
    alike = _wapes(naive=(0.5, 0.5), dear=(0.2, 0.4), cheap=(0.4, 0.2))
    assert _select(alike, dear=9.0, cheap=0.1).method == "cheap"
    certain = _wapes(naive=(0.5, 0.5), worse=(0.301, 0.301), best=(0.3, 0.3))
    assert _select(certain, worse=0.1).method == "best"


def test_a_baseline_that_was_not_backtested_is_refused_by_its_parameter(scores):
    with pytest.raises(InputError) as stopped:
        _select(scores, TurnoverEvaluationParams(baseline="theta", tie_within=0))
    assert str(stopped.value).startswith(
        "turnover.evaluation.baseline: 'theta' is not among the methods of the backtest: model, naive."
    )


def test_metrics_are_nested_by_method_and_window_and_json_can_hold_them():
    scores = _wapes(naive=(0.5, 0.5), model=(0.2, 0.4))
    coverage = measure_coverage(pd.concat([_rows("naive", 200, 300), _rows("model", 110, 270)]))
    metrics = collect_metrics(scores, coverage, _select(scores))
    assert metrics["selected"] == "model"
    assert metrics["model"]["2016-10-01"]["wape"] == 0.4
    assert metrics["model"]["2017-02-25"]["wape"] == 0.2
    assert metrics["model"]["mean"] == pytest.approx(
        {"wape": 0.3, "wql": 0.15, "rmse": 1, "mae": 1, "bias": 0, "coverage_80": 0.5, "coverage_95": 1}
    )
    assert "rmsse" not in metrics["naive"]["mean"]  # not known: left out rather than NaN
    assert metrics["headline"] == {"best": "model", "error": "WAPE 30.0%", "baseline": "WAPE 50.0% (naive)"}
    assert json.loads(json.dumps(metrics, allow_nan=False)) == metrics


def test_levels_score_the_sums(backtest):
    levels = score_levels(backtest, _panel(), STORES).set_index(["method", "level"])
    assert levels.loc[("model", "series"), "wape"] == 0.1
    assert levels.loc[("naive", "total"), "wape"] == 0.25
    assert set(levels.index.unique("level")) == set(HIERARCHY)
    opposite = pd.concat([_rows("model", 110, 270), _rows("model", 90, 330).assign(store=2)])
    both = pd.concat([STORES, STORES.assign(store=2)])
    sums = score_levels(opposite, _panel(), both).set_index("level")["wape"]
    assert sums["series"] == 0.1
    assert sums["total"] == 0, "errors of two stores that even out"


def test_coverage_counts_the_weeks_in_their_intervals(backtest):
    table = measure_coverage(backtest).set_index(["method", "by", "value"])
    model = table.loc[("model", "all", "all")]
    assert model["coverage_80"] == 0.5  # 110 for 100 is in, 270 for 300 is not
    assert model["coverage_95"] == 1
    assert model["width_80"] == 2 * 20 / 400
    assert table.loc[("model", "department", "117"), "coverage_80"] == 0
    assert table.loc[("naive", "horizon", "1"), "coverage_95"] == 0


@pytest.mark.parametrize(("windows", "verdict"), [(1, "open"), (4, "better")])
def test_the_selected_method_is_compared_with_each_other_method(backtest, windows, verdict):
    """One window says nothing about chance."""
    years = [pd.Timedelta(weeks=52 * number) for number in range(windows)]
    past = pd.concat(
        [backtest.assign(cutoff=backtest["cutoff"] + year, week=backtest["week"] + year) for year in years],
        ignore_index=True,
    )
    table = compare_with_selected(past, selected("model"))
    (row,) = table.to_dict("records")
    assert row["method"] == "naive"
    assert row["difference"] == pytest.approx(0.1 - 0.25)
    assert row["verdict"] == verdict


@pytest.mark.parametrize("chart", [chart_windows, chart_horizons, chart_departments])
def test_a_chart_shows_each_method_once_and_the_best_first(scores, chart):
    assert [trace.name for trace in chart(scores).data] == ["model", "naive"]


def test_charts_show_the_errors_of_the_scores(scores):
    windows, horizons, departments = (
        {trace.name: dict(zip(trace.x, trace.y, strict=True)) for trace in chart(scores).data}
        for chart in (chart_windows, chart_horizons, chart_departments)
    )
    assert windows == {"model": {"2016-10-01": 0.1}, "naive": {"2016-10-01": 0.25}}
    assert horizons["naive"] == {1: 1, 2: 0}
    assert departments["naive"] == {"88": 1, "117": 0}


def test_the_past_is_drawn_with_the_selected_methods_forecasts_only(backtest):
    later = pd.concat([backtest, _rows("model", 50, 60, cutoff=LATER)])
    sold, first, second = chart_backtest(later, _panel(), selected("model")).data
    assert list(sold.y[-3:]) == [40, 100, 300]  # both departments at 20, then one a week
    assert (list(first.y), list(second.y)) == ([110, 270], [50, 60])
    assert [trace.showlegend for trace in (first, second)] == [True, False]


def _cold_starts() -> pd.DataFrame:
    """Two stores at one cutoff, one of which was not known at all."""
    rows = pd.DataFrame({"store": [1, 1, 2, 2], "weeks_known": ["more", "more", "0", "0"], "cutoff": CUTOFF})
    return rows.assign(turnover=[100.0, 100, 100, 100], forecast=[110.0, 90, 150, 150])


def test_young_stores_are_scored_by_how_much_of_them_was_known():
    table = score_cold_starts(_cold_starts())
    assert table["weeks_known"].tolist() == ["0", "more"]
    assert table["stores"].tolist() == [1, 1]
    assert table["wape"].tolist() == [0.5, 0.1]
    assert table["bias"].tolist() == [0.5, 0]


def _section(backtest: pd.DataFrame):
    scores = score_backtest(backtest, _panel())
    selected_method = _select(scores)
    charts = [chart(scores) for chart in (chart_windows, chart_horizons, chart_departments)]
    return write_evaluation(
        scores,
        selected_method,
        score_levels(backtest, _panel(), STORES),
        measure_coverage(backtest),
        learn_hierarchy_intervals(backtest, selected_method, _panel(), STORES, INTERVALS)[1],
        score_cold_starts(_cold_starts()),
        compare_with_selected(backtest, selected_method),
        backtest[["method", "cutoff"]].drop_duplicates().assign(seconds=1.5),
        *charts,
        chart_backtest(backtest, _panel(), selected_method),
    )


def test_the_report_names_the_selected_method_and_what_it_is_worth(backtest):
    section = _section(backtest)
    assert section.answers[0].startswith(
        "**model** forecasts best: its error (WAPE) is **10.0%** of turnover"
    )
    assert "against 25.0% for naive; that is 60% less" in section.answers[0]
    assert "5.0% too low" in section.answers[2]
    html = render_section(section, "turnover.evaluation")
    assert "<strong>model</strong> forecasts best" in html
    means, _against, _young, _levels, _sums, _honest, windows = (
        block.frame for block in section.blocks if isinstance(block, Table)
    )
    assert means["method"].tolist() == ["model", "naive"]
    assert means["WAPE"].tolist() == [0.1, 0.25]
    assert means["WQL"].tolist() == [0.05, 0.125]
    assert means["seconds"].tolist() == [1.5, 1.5]
    assert len(windows) == 2


def test_the_report_tells_the_best_and_the_worst_window(backtest):
    bad_month = pd.concat([_rows("naive", 900, 900, cutoff=LATER), _rows("model", 300, 500, cutoff=LATER)])
    section = _section(pd.concat([backtest, bad_month]))
    assert section.answers[1] == (
        "Its best window begins after 2016-10-01 (10.0%), its worst after 2017-02-25 (100.0%)."
    )
    assert "too high" in section.answers[2]


def test_a_baseline_that_nothing_beats_is_selected():
    section = _section(pd.concat([_rows("naive", 100, 310), _rows("model", 110, 270)]))
    assert section.answers[0].startswith("**naive** forecasts best")
    render_section(section, "turnover.evaluation")
