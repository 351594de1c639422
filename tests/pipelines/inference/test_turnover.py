"""The weeks that are wanted: as forecasts, as the planners' sheet and as a section of the report."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np
import openpyxl
import pandas as pd
import pytest

from contexts import NO_CACHE, NO_CALENDAR, NO_SHIFTS, NOTHING_AHEAD
from handovers import half_widths, selected
from sales_forecast.contracts import Forecasts, TargetChances
from sales_forecast.datasets import WorkbookDataset
from sales_forecast.errors import InputError
from sales_forecast.forecasting.distributed import LOCAL
from sales_forecast.forecasting.evaluation.backtest import BacktestParams
from sales_forecast.forecasting.exceptions import ExceptionParams
from sales_forecast.forecasting.intervals import hierarchy
from sales_forecast.forecasting.intervals.hierarchy import AGGREGATE_LEVELS
from sales_forecast.forecasting.intervals.windows import IntervalParams
from sales_forecast.forecasting.methods.base import Method
from sales_forecast.forecasting.methods.declare import Methods
from sales_forecast.forecasting.methods.naive import SeasonalNaive
from sales_forecast.forecasting.model import TurnoverModel
from sales_forecast.forecasting.panel.model_input import ModelInput
from sales_forecast.models.turnover import TurnoverPackage
from sales_forecast.pipelines.handovers import DataVersion
from sales_forecast.pipelines.inference import turnover_last_year
from sales_forecast.pipelines.inference import turnover_outlook as outlook
from sales_forecast.pipelines.inference.params import TargetParams
from sales_forecast.pipelines.inference.turnover import (
    RECENT_WEEKS,
    chart_forecasts,
    make_forecasts,
    sum_forecasts,
)
from sales_forecast.pipelines.inference.turnover_attributions import (
    chart_attributions,
    explain_forecasts,
    report_attributions,
)
from sales_forecast.pipelines.inference.turnover_last_year import compare_with_last_year
from sales_forecast.pipelines.inference.turnover_map import chart_stores
from sales_forecast.pipelines.inference.turnover_outlook import write_outlook
from sales_forecast.pipelines.inference.turnover_read_me import read_me
from sales_forecast.pipelines.inference.turnover_sheet import lay_out_for_planners
from sales_forecast.pipelines.inference.turnover_sums import chart_total
from sales_forecast.pipelines.inference.turnover_targets import compare_with_targets, tabulate_chances
from sales_forecast.pipelines.registration.turnover_submission import fit_selected
from sales_forecast.planning.override_sheet import SHEET_COLUMNS
from sales_forecast.planning.overrides import Correction, Override, Scope
from sales_forecast.planning.planned import planned_rows
from sales_forecast.planning.staffing import StaffingRule
from sales_forecast.planning.staffing_plan import plan_hours
from sales_forecast.registry.serving import ServingModel
from sales_forecast.reporting import Chart, Table, Text, render_section
from sales_forecast.reporting.workbook import Sheet

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


@dataclass(frozen=True)
class Recorded:
    """A database that has, or has not, published the first week before; labels as text."""

    forecasts: pd.DataFrame = field(
        default_factory=lambda: pd.DataFrame(columns=["store", "department", "week", "forecast"])
    )

    def earlier_forecasts(self, cutoff, retailer):
        assert (cutoff, retailer) == (LAST.date(), "default")
        return self.forecasts


def _last_year(forecasts: pd.DataFrame, panel: pd.DataFrame) -> pd.DataFrame:
    return compare_with_last_year(forecasts, panel, NO_SHIFTS)


def _override(store: str, department: str, value: float) -> Override:
    """A planner's per cent for the first week ahead."""
    first = _ahead(1)[0].date()
    asked = Correction(Scope(store, department), first, first, "percent", value, "event")
    return Override(7, asked, frozenset({store}), 1, "k", "Ann", datetime(2017, 1, 2, tzinfo=UTC))


RULE = StaffingRule(minimum_cover_hours=4, fixed_hours=2, productivity=10, cost_missing=1, shift_hours=2)
"""A missing hour costs what an idle one costs, so that hours are for the forecast itself, the median."""


def _staffing(forecasts: pd.DataFrame, *overrides: Override) -> pd.DataFrame:
    rules = dict.fromkeys(forecasts["department"].astype(str), RULE)
    return plan_hours(planned_rows(forecasts, overrides), rules)


def _sheets(
    forecasts: pd.DataFrame,
    panel: pd.DataFrame,
    stores: pd.DataFrame = STORES,
    recorded: object = Recorded(),
    overrides: tuple[Override, ...] = (),
) -> dict[str, Sheet]:
    serving = _serving(panel, forecasts, "last_year")
    levels = hierarchy.sum_forecasts(forecasts, panel, stores, serving.package.model.level_half_widths)
    sheets = lay_out_for_planners(
        *(forecasts, levels, _last_year(forecasts, panel), panel, stores, serving, recorded),
        _staffing(forecasts, *overrides),
        ExceptionParams(changed_above=0.3),
    )
    return {sheet.name: sheet for sheet in sheets}


def test_planners_get_a_row_a_week_with_what_to_compare_it_with(panel, forecasts):
    earlier = pd.DataFrame(
        {"store": ["1", "9"], "department": ["88", "88"], "week": _ahead(1)[0], "forecast": [10.0, 1.0]}
    )
    sheet = _sheets(forecasts, panel, recorded=Recorded(earlier))["weeks"]
    assert sheet.frame[["store", "department", "week"]].equals(
        forecasts[["store", "department", "week"]].sort_values(
            ["store", "department", "week"], ignore_index=True
        )
    )
    first = sheet.frame.loc[0]
    assert np.isnan(first["planned"])
    assert first.drop(["80 % from", "80 % to", "planned"]).to_dict() == {
        **{"store": 1, "region": "north", "department": 88, "week": _ahead(1)[0], "forecast": 8.0},
        **{"last year, as sold": 8.0, "same week last year": 8.0, "against last year": 0.0},
        **{"last forecast": 10.0, "change": -2.0, "change %": pytest.approx(-0.2), "hours": 4.0},
    }
    assert first["80 % from"] < 8.0 < first["80 % to"]
    assert sheet.frame.loc[1:, ["last forecast", "change", "change %"]].isna().all(axis=None)
    assert (sheet.frozen, sheet.coloured, sheet.large) == (4, ("against last year", "change %"), 0.3)
    assert {sheet.kind(name) for name in ("store", "region", "department")} == {"label"}


def test_last_year_is_brought_to_todays_level_and_the_sheet_says_by_how_much(panel, forecasts):
    table = _last_year(forecasts, panel)
    table["last_year"] = table["last_year"].where(table["department"] == 88, table["last_year"] * 2)
    serving = _serving(panel, forecasts, "last_year")
    words = read_me(serving, panel, table, pd.DataFrame(), 0.25).frame.set_index("about")["what to know"]
    assert "jumped since: department 117 (times 2.00). 'last year, as sold'" in words["same week last year"]
    assert "A change of 25% or more" in words["colours"]
    assert words["from which data"].startswith(
        f"Turnover up to the week of {LAST:%Y-%m-%d}. Model: last_year, version 7 of sales_forecast.turnover,"
    )
    plain = read_me(serving, panel, _last_year(forecasts, panel), pd.DataFrame(), 0.25).frame
    assert "What was sold 52 weeks before. It is blank" in plain["what to know"].str.cat()


def test_a_series_that_was_not_there_last_year_has_blanks_and_does_not_count_as_growth(panel, forecasts):
    young = panel[(panel["store"] == 1) | (panel["week"] > WEEKS[30])]
    sheets = _sheets(forecasts, young)
    weeks = sheets["weeks"].frame
    assert weeks.loc[weeks["store"] == 2, ["same week last year", "against last year"]].isna().all(axis=None)
    chain = sheets["all stores"].frame
    assert chain["same week last year"].tolist() == [88, 99]
    assert chain["against last year"].tolist() == [0, 0]
    assert chain["forecast"].tolist() == [176, 198]


def test_planners_get_a_column_a_week_that_adds_up_and_a_blank_where_nothing_was_wanted(panel, forecasts):
    sheet = _sheets(forecasts.iloc[1:], panel)["by week"]  # without store 2, department 117, second week
    assert list(sheet.frame.columns) == ["store", "region", "department", *_ahead(1, 2), "total"]
    assert sheet.frame.iloc[0].tolist() == [1, "north", 88, 8, 9, 17]
    assert sheet.frame.iloc[3, 3:].isna().tolist() == [False, True, False]
    assert sheet.frame["total"].tolist() == [17, 170, 17, 80]
    assert sheet.totals == (*_ahead(1, 2), "total")


def test_hours_are_on_every_sheet_and_follow_a_planners_number(panel, forecasts):
    plain = _sheets(forecasts, panel)
    sheets = _sheets(forecasts, panel, overrides=(_override("1", "117", 50.0),))
    weeks = sheets["weeks"].frame
    (changed,) = weeks[weeks["planned"].notna()].to_dict("records")
    assert (changed["store"], changed["department"], changed["week"]) == (1, 117, _ahead(1)[0])
    assert (changed["forecast"], changed["planned"], changed["hours"]) == (80.0, 120.0, 14.0)
    hours = sheets["hours"].frame
    row = hours[hours["override"].notna()].iloc[0]
    assert row[["store", "region", "department", "override"]].tolist() == [1, "north", 117, 7]
    assert row[["hours", "hours without overrides", "shifts"]].tolist() == [14.0, 10.0, 7]
    assert (row["turnover to staff for"], row["hours for turnover"]) == (120.0, 12.0)
    assert sheets["hours"].totals == ("hours", "hours without overrides", "shifts")
    assert plain["weeks"].frame["planned"].isna().all()
    for name, by in (("stores", "store"), ("regions", "region"), ("departments", "department")):
        frame = sheets[name].frame
        added = weeks.groupby([by, "week"], as_index=False)["hours"].sum()
        assert frame["hours"].tolist() == added["hours"].tolist()
        assert frame["planned"].notna().sum() == 1
        assert frame["forecast"].equals(plain[name].frame["forecast"])  # the model's
    chain = sheets["all stores"].frame
    assert chain["planned"].tolist()[0] == chain["forecast"].tolist()[0] + 40.0
    assert np.isnan(chain["planned"].tolist()[1])


def test_sums_are_compared_with_what_was_published_before_for_the_same_series(panel, forecasts):
    earlier = pd.DataFrame(
        {"store": ["1", "2"], "department": ["117", "117"], "week": _ahead(1)[0], "forecast": [100.0, 60.0]}
    )
    sheets = _sheets(forecasts, panel, recorded=Recorded(earlier))
    stores = sheets["stores"].frame
    assert stores["last forecast"].tolist()[::2] == [100.0, 60.0]
    assert stores["change %"].tolist()[::2] == pytest.approx([-0.2, 80 / 60 - 1])  # of department 117 only
    assert stores[["last forecast", "change %"]].iloc[1::2].isna().all(axis=None)
    assert sheets["stores"].coloured == ("against last year", "change %")


def test_the_override_sheet_has_a_row_for_each_forecast_in_the_order_of_the_others(panel, forecasts):
    sheets = _sheets(forecasts, panel)
    page, weeks = sheets["overrides"], sheets["weeks"].frame
    assert list(page.frame.columns) == SHEET_COLUMNS
    keys = ["store", "department"]
    assert page.frame[keys].equals(weeks[keys].astype(str))
    assert pd.to_datetime(page.frame["week"]).tolist() == weeks["week"].tolist()
    assert page.frame["forecast"].tolist() == weeks["forecast"].round().tolist()
    assert page.frame[["planned", "per cent", "reason", "note"]].isna().all(axis=None)


def test_sums_have_the_published_intervals_and_labels_as_on_the_other_sheets(panel, forecasts):
    sheets = _sheets(forecasts, panel)
    levels = _by_level(forecasts, panel)
    for name, level, key in (("regions", "region", "key"), ("departments", "department", "department")):
        table, published = sheets[name].frame, levels[levels["level"] == level]
        assert table[level].dtype == (object if level == "region" else forecasts["department"].dtype)
        expected = published.sort_values(
            [key, "week"],
            key=lambda of: (
                of
                if of.name == "week"
                else of.map({str(label): place for place, label in enumerate(table[level].unique())})
            ),
        )
        for column, heading in (("forecast", "forecast"), ("lo_80", "80 % from"), ("hi_80", "80 % to")):
            assert table[heading].to_numpy() == pytest.approx(expected[column].to_numpy(), abs=0.006)


def test_a_stores_range_is_narrower_than_the_sum_of_its_departments_ranges(panel, forecasts):
    sheets = _sheets(forecasts, panel)
    stores, weeks = sheets["stores"].frame, sheets["weeks"].frame
    added = weeks.groupby(["store", "week"], as_index=False)[["forecast", "80 % from", "80 % to"]].sum()
    assert stores["forecast"].tolist() == pytest.approx(added["forecast"].tolist())
    assert (stores["80 % to"] <= added["80 % to"] + 0.01).all()
    assert (stores["80 % from"] >= added["80 % from"] - 0.01).all()
    assert (stores["80 % from"] < stores["forecast"]).all()


def test_a_retailer_without_regions_has_no_sheet_of_regions(panel, forecasts):
    sheets = _sheets(forecasts, panel, STORES.assign(region=None))
    assert list(sheets) == [
        *("weeks", "by week", "hours", "stores", "departments", "all stores", "overrides", "read me"),
    ]
    assert set(sheets["weeks"].frame["region"]) == {"none"}


def test_a_department_called_like_a_formula_is_text_on_every_sheet(panel, forecasts, tmp_path):
    names = {"department": {88: "=1+1", 117: "@SUM(A1)"}}
    regions = STORES.assign(region=["=2+2", "-2"])
    book = tmp_path / "sheet.xlsx"
    WorkbookDataset(filepath=str(book)).save(
        _sheets(forecasts.replace(names), panel.replace(names), regions).values()
    )
    cells = [cell for page in openpyxl.load_workbook(book) for row in page.rows for cell in row]
    shown = [cell for cell in cells if cell.value in ("=1+1", "@SUM(A1)", "=2+2", "-2")]
    assert len(shown) == 56
    assert {(cell.data_type, cell.quotePrefix) for cell in shown} == {("s", True)}
    formulas = {str(cell.value) for cell in cells if cell.data_type == "f"}
    assert all(formula.startswith("=SUBTOTAL(109,") for formula in formulas)


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


def _outlook(forecasts: pd.DataFrame, panel: pd.DataFrame, stores: pd.DataFrame = STORES):
    serving = _serving(panel, forecasts, "last_year")
    by_level, last_year = _by_level(forecasts, panel), _last_year(forecasts, panel)
    charts = chart_forecasts(forecasts, panel), chart_total(by_level, panel), chart_stores(last_year, stores)
    chances = compare_with_targets(forecasts, panel, serving, TARGETS)
    return write_outlook(forecasts, by_level, chances, last_year, panel, stores, serving, *charts)


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
    assert section.answers[0] == (
        "All stores together will sell about **374** in these 2 weeks, **+0.0%** against the same weeks of "
        "last year."
    )
    assert "department 117 with about 340" in section.answers[1]
    assert "21.1%" in section.answers[2]
    html = render_section(section, "turnover.inference")
    assert "made by last_year" in html
    assert "<strong>374</strong>" in html


def test_the_outlook_has_a_map_if_stores_have_places_and_says_so_if_not(panel, forecasts):
    words = [block.words for block in _outlook(forecasts, panel).blocks if isinstance(block, Text)]
    assert "There is no map of the stores: none has a latitude and a longitude." in words
    placed = STORES.assign(latitude=[48.0, np.nan], longitude=[2.0, 3.0])
    (chart,) = [
        block
        for block in _outlook(forecasts, panel, placed).blocks
        if isinstance(block, Chart) and "Each dot is a store" in block.caption
    ]
    assert chart.caption.endswith("1 of 2 stores have no place and are not shown; they are to sell 187.")
    assert list(chart.figure.data[0].x) == [2.0]


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
    attributions = _attributions(forecasts, panel)
    (table,) = _tables(report_attributions(attributions, chart_attributions(attributions)))
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
    monkeypatch.setattr(turnover_last_year, "find_level_shifts", lambda panel, params: halved)
    table = _tables(_outlook(forecasts, panel))[1]
    assert table["same weeks last year"].tolist() == [170, 34]
    assert table["change"].tolist() == [1, 0]


def test_the_outlook_makes_no_change_out_of_a_year_without_sales(panel, forecasts):
    young = panel[panel["week"] > WEEKS[30]]
    section = _outlook(forecasts, young)
    table = _tables(section)[1]
    assert table["change"].isna().all()
    render_section(section, "turnover.inference")
