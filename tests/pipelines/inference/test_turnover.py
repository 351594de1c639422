"""The weeks that are wanted: as forecasts, as the planners' sheet and as a section of the report."""

import json

import numpy as np
import pandas as pd
import pytest

from contexts import NO_CACHE, NO_CALENDAR, NO_SHIFTS, NOTHING_AHEAD
from handovers import half_widths, selected
from sales_forecast.contracts import Forecasts, TargetChances
from sales_forecast.errors import InputError
from sales_forecast.forecasting.distributed import LOCAL
from sales_forecast.forecasting.evaluation.backtest import BacktestParams
from sales_forecast.forecasting.intervals.hierarchy import AGGREGATE_LEVELS
from sales_forecast.forecasting.intervals.windows import IntervalParams
from sales_forecast.forecasting.methods.base import Method
from sales_forecast.forecasting.methods.declare import Methods
from sales_forecast.forecasting.methods.naive import SeasonalNaive
from sales_forecast.forecasting.model import TurnoverModel
from sales_forecast.forecasting.panel.model_input import ModelInput
from sales_forecast.models.turnover import TurnoverPackage
from sales_forecast.pipelines.handovers import DataVersion
from sales_forecast.pipelines.inference import turnover as outlook
from sales_forecast.pipelines.inference.params import TargetParams
from sales_forecast.pipelines.inference.turnover import (
    RECENT_WEEKS,
    chart_forecasts,
    lay_out_for_planners,
    make_forecasts,
    sum_forecasts,
    write_outlook,
)
from sales_forecast.pipelines.inference.turnover_attributions import chart_attributions, explain_forecasts
from sales_forecast.pipelines.inference.turnover_sums import chart_total
from sales_forecast.pipelines.inference.turnover_targets import compare_with_targets, tabulate_chances
from sales_forecast.pipelines.registration.turnover_submission import fit_selected
from sales_forecast.registry.dataset import ServingModel
from sales_forecast.reporting import Table, render_section

WEEKS = pd.date_range("2015-01-03", periods=60, freq="7D")
LAST = WEEKS[-1]
PLACE = {"latitude": np.nan, "longitude": np.nan, "region": ["north", "south"], "zone": ["1", "1"]}
STORES = pd.DataFrame({"store": [1, 2], "school_zone": "none"}).assign(**PLACE)


class TwiceTheMean(Method, frozen=True):
    """A method that has something to learn."""

    def fit(self, context):
        return {"mean": float(context.data.panel["turnover"].mean())}

    def forecast(self, context, forecast_index, fitted):
        return np.full(len(forecast_index), 2 * fitted["mean"])


DATA = DataVersion(version="data 2", files={})
COLD = half_widths(1.0, 3.0)
INTERVALS = IntervalParams(scale_share=0.1)
BACKTEST = BacktestParams(horizon_weeks=2, cutoffs=(WEEKS[55].date(),))
TARGETS = TargetParams(scenarios=400, seed=1)
METHODS = Methods({"last_year": SeasonalNaive(), "twice": TwiceTheMean()})


def _ahead(*weeks: int) -> list[pd.Timestamp]:
    return [LAST + pd.Timedelta(weeks=week) for week in weeks]


@pytest.fixture
def panel() -> pd.DataFrame:
    """Two stores with two departments; turnover of the n-th week is n, in department 117 it is 10 n."""
    n = np.arange(len(WEEKS), dtype=float)
    return pd.concat(
        [
            pd.DataFrame({"store": store, "department": department, "week": WEEKS, "turnover": size * n})
            for store in (1, 2)
            for department, size in ((88, 1), (117, 10))
        ],
        ignore_index=True,
    )


@pytest.fixture
def forecast_index() -> pd.DataFrame:
    keys = [
        (store, department, week) for store in (2, 1) for department in (117, 88) for week in _ahead(2, 1)
    ]
    return pd.DataFrame(keys, columns=["store", "department", "week"])


def _tables(section) -> list[pd.DataFrame]:
    return [block.frame for block in section.blocks if isinstance(block, Table)]


def _serving(panel: pd.DataFrame, forecast_index: pd.DataFrame, method: str) -> ServingModel[TurnoverPackage]:
    """The champion after a run whose best method was this one."""
    past = pd.DataFrame(
        {"cutoff": [WEEKS[55]], "store": 1, "department": 117, "week": [WEEKS[56]], "forecast": [789.0]}
    ).assign(turnover=1000.0)
    model = fit_selected(
        ModelInput(panel, STORES, NO_CALENDAR, NOTHING_AHEAD),
        selected(method),
        COLD,
        {level: half_widths(0.1, 0.2) for level in AGGREGATE_LEVELS},
        BACKTEST,
        METHODS,
        INTERVALS,
        NO_SHIFTS,
        LOCAL,
        NO_CACHE,
    )
    stored = json.loads(json.dumps(model.model_dump(mode="json"), allow_nan=False))
    package = TurnoverPackage(
        TurnoverModel(**stored), ModelInput(panel, STORES, NO_CALENDAR, NOTHING_AHEAD), forecast_index, past
    )
    return ServingModel("sales_forecast.turnover", package, "7", "a run", "some data")


def _forecast(panel: pd.DataFrame, forecast_index: pd.DataFrame, method: str) -> pd.DataFrame:
    serving = _serving(panel, forecast_index, method)
    return make_forecasts(
        serving, forecast_index, ModelInput(panel, STORES, NO_CALENDAR, NOTHING_AHEAD), DATA
    )


@pytest.fixture
def forecasts(panel, forecast_index) -> pd.DataFrame:
    return _forecast(panel, forecast_index, "last_year")


@pytest.mark.parametrize("method", ["last_year", "twice"])
def test_every_wanted_week_is_forecast_by_the_champion(panel, forecast_index, method):
    forecasts = _forecast(panel, forecast_index, method)
    Forecasts.validate(forecasts)
    pd.testing.assert_frame_equal(forecasts[["store", "department", "week"]], forecast_index)
    assert set(forecasts["method"]) == {method}
    assert forecasts["horizon"].tolist() == [2, 1] * 4
    expected = {"last_year": [90, 80, 9, 8] * 2, "twice": [2 * panel["turnover"].mean()] * 8}
    assert forecasts["forecast"].tolist() == expected[method]


def test_a_store_without_history_gets_the_forecast_of_its_department(panel, forecast_index):
    first_store = panel[panel["store"] == 1]
    forecasts = _forecast(first_store, forecast_index, "last_year")
    assert forecasts[forecasts["store"] == 2]["forecast"].tolist() == [90, 80, 9, 8]


def test_a_wanted_week_that_is_not_ahead_is_refused(panel, forecast_index):
    forecast_index.loc[0, "week"] = LAST
    with pytest.raises(
        InputError, match=rf"1 week\(s\) to forecast are not after the last week seen, {LAST:%F}"
    ):
        _forecast(panel, forecast_index, "last_year")


# --- for planners ------------------------------------------------------------------------------------


def test_planners_get_a_row_a_store_and_department_and_a_column_a_week(forecasts):
    sheet = lay_out_for_planners(forecasts)["forecast"]
    first, second = (f"{week:%Y-%m-%d}" for week in _ahead(1, 2))
    assert list(sheet.columns) == ["store", "department", first, second, "total"]
    assert sheet.to_numpy().tolist() == [
        [1, 88, 8, 9, 17],
        [1, 117, 80, 90, 170],
        [2, 88, 8, 9, 17],
        [2, 117, 80, 90, 170],
    ]


def test_planners_get_whole_units_that_add_up_and_a_blank_where_nothing_was_wanted(forecasts):
    forecasts["forecast"] += 0.4
    sheet = lay_out_for_planners(forecasts.iloc[1:])[
        "forecast"
    ]  # without store 2, department 117, second week
    assert sheet.iloc[0].tolist() == [1, 88, 8, 9, 17]
    assert np.isnan(sheet.iloc[3, 3])
    assert sheet.iloc[3]["total"] == 80


def test_planners_get_the_ends_of_the_interval_on_sheets_of_their_own(forecasts):
    sheets = lay_out_for_planners(forecasts)
    assert list(sheets) == ["forecast", "low end of 80 % range", "high end of 80 % range"]
    week = f"{_ahead(1)[0]:%Y-%m-%d}"
    low, middle, high = (
        sheets[name][week] for name in ("low end of 80 % range", "forecast", "high end of 80 % range")
    )
    assert (low <= middle).all()
    assert (middle < high).all()
    assert "total" not in sheets["low end of 80 % range"], "ends of intervals do not add up"


# --- chart and report --------------------------------------------------------------------------------


def test_the_chart_joins_each_departments_past_and_future(panel, forecasts):
    traces = {trace.name: trace for trace in chart_forecasts(forecasts, panel).data}
    assert list(traces) == [
        *("department 88", "department 88, forecast"),
        *("department 117", "department 117, forecast"),
    ]
    past, future = traces["department 117"], traces["department 117, forecast"]
    assert list(past.y) == [20 * n for n in range(60)]  # both stores
    assert list(pd.to_datetime(future.x)) == _ahead(0, 1, 2)
    assert list(future.y) == [1180, 160, 180]
    assert past.line.color == future.line.color


def test_the_chart_shows_the_recent_past_only(panel, forecasts):
    old = panel.assign(week=panel["week"] - pd.Timedelta(weeks=60))
    traces = chart_forecasts(forecasts, pd.concat([old, panel])).data
    assert len(traces[0].x) == RECENT_WEEKS


def test_a_department_that_has_not_sold_for_long_is_drawn_by_its_forecast_alone(panel, forecasts):
    long_ago = panel["department"].eq(117) & panel["week"].lt(LAST)
    shut = panel.assign(week=panel["week"].where(~long_ago, panel["week"] - pd.Timedelta(weeks=200)))
    shut = shut[(shut["department"] == 88) | long_ago]
    traces = {trace.name: trace for trace in chart_forecasts(forecasts, shut).data}
    assert len(traces["department 117"].x) == 0
    assert list(pd.to_datetime(traces["department 117, forecast"].x)) == _ahead(1, 2)


def _outlook(forecasts: pd.DataFrame, panel: pd.DataFrame):
    serving = _serving(panel, forecasts, "last_year")
    by_level, attributions = _by_level(forecasts, panel), _attributions(forecasts, panel)
    charts = chart_forecasts(forecasts, panel), chart_total(by_level, panel), chart_attributions(attributions)
    chances = compare_with_targets(forecasts, panel, serving, TARGETS)
    return write_outlook(forecasts, by_level, chances, attributions, panel, serving, *charts, NO_SHIFTS)


def _by_level(forecasts: pd.DataFrame, panel: pd.DataFrame) -> pd.DataFrame:
    return sum_forecasts(forecasts, panel, STORES, _serving(panel, forecasts, "last_year"))


def _attributions(forecasts: pd.DataFrame, panel: pd.DataFrame) -> pd.DataFrame:
    serving = _serving(panel, forecasts, "last_year")
    return explain_forecasts(
        serving, forecasts, forecasts, ModelInput(panel, STORES, NO_CALENDAR, NOTHING_AHEAD)
    )


def test_the_outlook_names_the_champion_the_total_and_the_largest_department(panel, forecasts):
    section = _outlook(forecasts, panel)
    assert section.lead == (
        f"8 forecasts for 2 weeks, {_ahead(1)[0]:%Y-%m-%d} to {_ahead(2)[0]:%Y-%m-%d} (first days), made by "
        f"last_year (version 7 of sales_forecast.turnover) from data up to {LAST:%Y-%m-%d}."
    )
    assert "about **374** in these 2 weeks" in section.answers[0]
    assert "department 117 with about 340" in section.answers[1]
    assert "21.1%" in section.answers[2]
    html = render_section(section, "turnover.inference")
    assert "made by last_year" in html
    assert "<strong>374</strong>" in html


def test_series_that_are_not_forecast_are_named_with_the_weeks_they_sold_last(panel, forecasts):
    closed = panel[panel["store"] == 1].assign(store=3)
    closed["turnover"] = closed["turnover"].where(closed["week"] <= WEEKS[20], 0.0)
    closed.loc[closed["department"] == 88, "turnover"] = 0.0
    more = pd.concat([panel, closed])
    (caption,) = (block.caption for block in outlook._left_out(forecasts, more))
    assert caption.startswith("2 known series are not forecast: ")
    shown = outlook._left_out(forecasts, more)[0].frame
    assert shown.to_numpy().tolist() == [
        [3, 117, f"{WEEKS[20]:%Y-%m-%d}", f"{WEEKS[20]:%Y-%m-%d}"],
        [3, 88, "never", f"{WEEKS[20]:%Y-%m-%d}"],
    ]
    assert outlook._left_out(forecasts, panel) == ()
    assert "2 known series are not forecast" in render_section(
        _outlook(forecasts, more), "turnover.inference"
    )


# --- targets -----------------------------------------------------------------------------------------


def _chances(forecasts: pd.DataFrame, panel: pd.DataFrame, **changes) -> pd.DataFrame:
    """The last week sold begins on 2016-02-20: seven weeks of the quarter are known, two are ahead."""
    targets = TARGETS.model_copy(update=changes)
    table = compare_with_targets(forecasts, panel, _serving(panel, forecasts, "last_year"), targets)
    return TargetChances.validate(table).set_index("department")


def test_a_quarter_is_what_was_sold_and_the_weeks_ahead_against_the_same_weeks_of_last_year(panel, forecasts):
    table = _chances(forecasts, panel, growth=0.1, departments={"88": 0.5})
    assert table.index.tolist() == ["all", "88", "117"] or table.index.tolist() == ["all", "117", "88"]
    assert set(table["quarter"]) == {"2016 Q1"}
    assert table[["weeks", "weeks_ahead"]].drop_duplicates().to_numpy().tolist() == [[10, 2]]
    sold, last_year = 2 * sum(range(52, 60)), 2 * sum(range(10))
    assert table["sold"].to_dict() == {"all": 11 * sold, "88": sold, "117": 10 * sold}
    assert table["last_year"].to_dict() == {"all": 11 * last_year, "88": last_year, "117": 10 * last_year}
    assert table["target"].to_dict() == pytest.approx(
        {"all": 12.1 * last_year, "88": 1.5 * last_year, "117": 11 * last_year}
    )


def test_a_target_far_away_is_never_reached_a_low_one_always_and_the_forecast_every_second_time(
    panel, forecasts
):
    growth = {
        name: float(
            _chances(forecasts, panel).loc["117", column] / _chances(forecasts, panel).loc["117", "last_year"]
            - 1
        )
        for name, column in (("median", "forecast"), ("low", "lo_80"), ("high", "hi_80"))
    }
    chance = {
        name: _chances(forecasts, panel, growth=value).loc["117", "probability"]
        for name, value in (growth | {"far": 99.0, "lost": -0.99}).items()
    }
    expected = {"median": 0.5, "low": 0.9, "high": 0.1, "far": 0.0, "lost": 1.0}
    assert chance == pytest.approx(expected, abs=0.01)


def test_the_same_seed_gives_the_same_chances(panel, forecasts):
    pd.testing.assert_frame_equal(_chances(forecasts, panel), _chances(forecasts, panel))
    other = _chances(forecasts, panel, seed=2)
    assert (other["lo_80"] != _chances(forecasts, panel)["lo_80"]).all()


def test_the_report_shows_the_chances(panel, forecasts):
    table = tabulate_chances(_chances(forecasts, panel).reset_index())
    assert table.frame.columns.tolist()[-2:] == ["target", "chance"]
    assert "chance" in render_section(_outlook(forecasts, panel), "turnover.inference")


# --- the whole chain ---------------------------------------------------------------------------------


def test_the_whole_chain_is_drawn_with_its_intervals_around_the_sum(panel, forecasts):
    *bands, sold, ahead = chart_total(_by_level(forecasts, panel), panel).data
    assert [band.name for band in bands] == ["95 % range", "80 % range"]
    by_week = forecasts.groupby("week")["forecast"].sum()
    np.testing.assert_allclose(ahead.y, by_week)
    assert max(bands[0].y) > max(bands[1].y) > max(ahead.y)
    np.testing.assert_allclose(sold.y, panel.groupby("week")["turnover"].sum())


def test_the_outlook_says_what_the_chain_and_its_departments_will_sell(panel, forecasts):
    table = _tables(_outlook(forecasts, panel))[0]
    assert table["what"].tolist() == ["all stores", "department 117", "department 88"]
    assert table.loc[0, "forecast"] == table.loc[1:, "forecast"].sum()
    assert (table["80 % range from"] < table["forecast"]).all()
    assert (table["to"] > table["forecast"]).all()


def test_parts_are_stacked_up_to_the_forecast_in_each_department(panel, forecasts):
    figure = chart_attributions(_attributions(forecasts, panel))
    bars = [trace for trace in figure.data if trace.type == "bar"]
    diamonds = [trace for trace in figure.data if trace.type == "scatter"]
    assert {bar.name for bar in bars} == {"the same week of past years"}
    for bar, diamond in zip(bars, diamonds, strict=True):
        np.testing.assert_allclose(bar.y, diamond.y)


def test_the_outlook_says_what_the_forecasts_rest_on(panel, forecasts):
    table = _tables(_outlook(forecasts, panel))[3]
    assert list(table.columns) == ["department", "the same week of past years"]
    np.testing.assert_allclose(table["the same week of past years"], 1)


def test_the_outlook_compares_with_the_same_weeks_of_last_year(panel, forecasts):
    doubled = forecasts.assign(forecast=2 * forecasts["forecast"])
    table = _tables(_outlook(doubled, panel))[1]
    assert table["department"].tolist() == [117, 88]
    assert table["forecast"].tolist() == [680, 68]
    assert table["same weeks last year"].tolist() == [340, 34]
    assert table["change"].tolist() == [1, 1]
    assert table["stores"].tolist() == [2, 2]


def test_the_outlook_compares_at_todays_level(panel, forecasts, monkeypatch):
    halved = pd.DataFrame({"department": [117], "week": [LAST], "factor": [0.5]})
    monkeypatch.setattr(outlook, "find_level_shifts", lambda panel, params: halved)
    table = _tables(_outlook(forecasts, panel))[1]
    assert table["same weeks last year"].tolist() == [170, 34]
    assert table["change"].tolist() == [1, 0]


def test_the_outlook_makes_no_change_out_of_a_year_without_sales(panel, forecasts):
    young = panel[panel["week"] > WEEKS[30]]
    section = _outlook(forecasts, young)
    table = _tables(section)[1]
    assert table["change"].isna().all()
    render_section(section, "turnover.inference")
