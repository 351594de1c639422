"""What holds for every method, and how parameters declare one."""

import json
from importlib import import_module

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal
from pydantic import ValidationError

from contexts import small_context, with_tables
from sales_forecast.errors import InputError
from sales_forecast.forecasting.methods.base import Fitted, Method, forecast_all
from sales_forecast.forecasting.methods.boosting import LightGBM
from sales_forecast.forecasting.methods.declare import TYPES, Methods, declare
from sales_forecast.forecasting.methods.naive import GrowthNaive, SeasonalNaive

NAIVE = "sales_forecast.forecasting.methods.naive"


class Scripted(Method, frozen=True):
    """A method of a retailer's own, which returns given forecasts."""

    values: tuple[float, ...]

    def forecast(self, context, forecast_index, fitted: Fitted) -> np.ndarray:
        return np.array(self.values)


def _forecast(method: Method, context, forecast_index: pd.DataFrame) -> pd.DataFrame:
    return forecast_all(method, context, forecast_index, method.fit(context))


# --- every candidate -----------------------------------------------------------------------


def test_every_row_has_a_forecast_and_none_is_negative(forecasts, forecast_index, name):
    result = forecasts[name]
    assert_frame_equal(result[["store", "department", "week"]], forecast_index)
    assert result["forecast"].ge(0).all()
    assert sorted(result["horizon"].unique()) == list(range(1, 9))


def test_every_method_is_in_the_right_order_of_magnitude(forecasts, panel, name):
    sold = forecasts[name].merge(panel, on=["store", "department", "week"])
    known = ~sold["store"].isin([108, 109])  # less than a year old
    assert sold.loc[known, "forecast"].sum() == pytest.approx(sold.loc[known, "turnover"].sum(), rel=0.7)


def test_the_future_can_be_rewritten_without_any_forecast_noticing(
    methods, forecasts, context_of, panel, forecast_index, cutoff, name
):
    rewritten = context_of(panel.assign(turnover=panel["turnover"].where(panel["week"] <= cutoff, -1e6)))
    assert_frame_equal(_forecast(methods.root[name], rewritten, forecast_index), forecasts[name])


def test_the_order_of_the_panels_rows_does_not_matter(
    methods, forecasts, context_of, panel, forecast_index, name
):
    shuffled = context_of(panel.sample(frac=1, random_state=1))
    assert_frame_equal(_forecast(methods.root[name], shuffled, forecast_index), forecasts[name])


def test_the_order_of_the_forecast_index_does_not_matter(
    methods, forecasts, context, forecast_index, fitted, name
):
    shuffled = forecast_index.sample(frac=1, random_state=1)
    result = forecast_all(methods.root[name], context, shuffled, fitted[name]).sort_index()
    assert_frame_equal(result, forecasts[name])


def test_one_row_alone_has_the_forecast_it_has_among_others(
    methods, forecasts, context, forecast_index, fitted, name
):
    alone = forecast_index[(forecast_index["store"] == 101) & (forecast_index["department"] == 127)].tail(1)
    result = forecast_all(methods.root[name], context, alone, fitted[name])
    assert_frame_equal(result, forecasts[name].loc[alone.index])


def test_ten_times_the_turnover_is_ten_times_the_forecast(
    methods, forecasts, context_of, panel, forecast_index, name
):
    tenfold = context_of(panel.assign(turnover=10 * panel["turnover"]))
    result = _forecast(methods.root[name], tenfold, forecast_index)
    # lambda_l2 weighs a little against the rows' weights, which are in currency units
    np.testing.assert_allclose(result["forecast"], 10 * forecasts[name]["forecast"], rtol=1e-3, atol=1)


def test_the_fitted_state_survives_json(methods, forecasts, context, forecast_index, fitted, name):
    restored = json.loads(json.dumps(fitted[name]))
    result = forecast_all(methods.root[name], context, forecast_index, restored)
    assert_frame_equal(result, forecasts[name])


def test_fitting_twice_gives_the_same_forecasts_twice(methods, forecasts, context, forecast_index, name):
    assert_frame_equal(_forecast(methods.root[name], context, forecast_index), forecasts[name])


def test_a_series_without_history_gets_the_mean_of_its_departments_older_ones(
    methods, context, forecast_index, fitted, name
):
    new = forecast_index.query("store == 101 and department == 88").assign(store=999)
    result = forecast_all(
        methods.root[name], context, pd.concat([forecast_index, new], ignore_index=True), fitted[name]
    )
    unknown = result[result["store"] == 999].set_index("week")["forecast"]
    own = methods.root[name].forecast(context, forecast_index, fitted[name])
    older = (forecast_index["department"] == 88) & (forecast_index["store"] != 109)
    department = forecast_index.assign(forecast=own)[older]
    pd.testing.assert_series_equal(unknown, department.groupby("week")["forecast"].mean())


@pytest.mark.parametrize("weeks", [0, -5])
def test_a_week_that_is_already_over_is_not_forecast(methods, context, forecast_index, cutoff, name, weeks):
    past = forecast_index.head(3).assign(week=cutoff + pd.Timedelta(weeks=weeks))
    with pytest.raises(
        InputError, match=r"3 week\(s\) to forecast are not after the last week seen, 2017-08-05"
    ):
        forecast_all(methods.root[name], context, past, {})


def test_the_forecast_index_is_not_changed(methods, context, forecast_index, fitted, name):
    before = forecast_index.copy()
    forecast_all(methods.root[name], context, forecast_index, fitted[name])
    assert_frame_equal(forecast_index, before)


# --- what forecast_all adds ----------------------------------------------------------------


def test_a_negative_forecast_becomes_zero_and_a_missing_one_the_departments_mean(context):
    forecast_index = pd.DataFrame(
        {
            "store": [1, 2, 3, 1, 2],
            "department": ["bikes", "bikes", "bikes", "boats", "boats"],
            "week": context.cutoff + pd.Timedelta(weeks=1),
        }
    )
    result = forecast_all(Scripted(values=(10, 30, np.nan, -7, np.nan)), context, forecast_index, {})
    assert result["forecast"].to_list() == [10, 30, 20, 0, 0]


def _wanted(context, **columns: object) -> pd.DataFrame:
    return pd.DataFrame({"week": context.cutoff + pd.Timedelta(weeks=1), **columns}, index=[0])


STEADY = np.repeat([[100.0], [200.0], [30.0]], 60, axis=1)
"""Two stores that sell bikes, 100 and 200 a week, and one that sells boats for 30."""


def test_a_department_wanted_only_of_a_store_that_never_had_it_is_forecast_from_the_stores_that_have():
    context = small_context(STEADY, ["bikes", "bikes", "boats"])
    new = _wanted(context, store=2, department="bikes")
    (result,) = forecast_all(SeasonalNaive(), context, new, {}).to_dict("records")
    assert (result["forecast"], result["cold_start"]) == (150, True)


def test_a_department_without_any_history_is_forecast_like_the_others_of_its_store():
    context = small_context(STEADY, ["bikes", "bikes", "boats"])
    skis = _wanted(context, store=1, department="skis")
    (result,) = forecast_all(SeasonalNaive(), context, skis, {}).to_dict("records")
    assert (result["forecast"], result["cold_start"]) == (200, True)


def test_a_store_and_a_department_without_any_history_are_forecast_like_the_mean_series():
    context = small_context(STEADY, ["bikes", "bikes", "boats"])
    (result,) = forecast_all(
        SeasonalNaive(), context, _wanted(context, store=9, department="skis"), {}
    ).to_dict("records")
    assert (result["forecast"], result["cold_start"]) == (110, True)


def test_where_no_turnover_is_known_at_all_nothing_is_forecast():
    context = small_context(STEADY)
    unknown = with_tables(context, panel=context.data.panel.assign(turnover=np.nan))
    with pytest.raises(InputError, match=r"no forecast of 1 row\(s\).*no turnover is known up to 2017-08-05"):
        forecast_all(SeasonalNaive(), unknown, _wanted(context, store=1, department="bikes"), {})


# --- parameters ----------------------------------------------------------------------------


def test_a_method_is_found_by_its_path(methods):
    assert isinstance(methods.root["seasonal_naive"], SeasonalNaive)
    assert methods.root["growth_naive"] == GrowthNaive(growth_weeks=8)
    assert isinstance(methods.root["lightgbm"], LightGBM)


def test_a_method_of_ones_own_may_be_handed_over_as_it_is(context, forecast_index):
    own = Scripted(values=(5.0,))
    (method,) = Methods({"own": own}).root.values()
    assert _forecast(method, context, forecast_index.head(1))["forecast"].to_list() == [5]


def test_the_options_of_each_method_are_written_down_with_it(methods):
    assert methods.model_dump()["growth_naive"] == {"growth_weeks": 8, "damping_weeks": 0}


@pytest.mark.parametrize(
    ("path", "complaint"),
    [
        ("no.such.Thing", "cannot import 'no.such.Thing': No module named 'no'"),
        (f"{NAIVE}.SeasonalNave", "has no attribute 'SeasonalNave'"),
        ("datetime.date", "'datetime.date' is no subclass of .*Method"),
        (f"{NAIVE}.department_growth", "is no subclass"),
        ("sales_forecast.forecasting.methods.base.Method", "name a method that can forecast"),
        ("sales_forecast.forecasting.methods.direct.DirectMethod", "name a method that can forecast"),
        ("SeasonalNaive", "needs 'type', the name of a forecasting method or the dotted path of your own"),
        (
            "..naive.SeasonalNaive",
            "needs 'type', the name of a forecasting method or the dotted path of your own",
        ),
        (None, "needs 'type', the name of a forecasting method or the dotted path of your own"),
    ],
)
def test_a_type_that_is_no_method_is_refused(path, complaint):
    with pytest.raises(ValidationError, match=complaint) as error:
        Methods({"favourite": {"type": path}})
    assert "favourite" in str(error.value)


def test_a_method_that_is_only_named_is_refused():
    with pytest.raises(ValidationError, match="favourite"):
        Methods({"favourite": "SeasonalNaive"})


def test_a_misspelt_option_is_refused_by_its_name():
    with pytest.raises(ValidationError, match=r"favourite\.growth_weks\n.*not permitted"):
        Methods({"favourite": {"type": "growth_naive", "growth_weeks": 8, "growth_weks": 8}})


def test_a_missing_option_is_refused_by_its_name(declared):
    forgotten = {option: value for option, value in declared["lightgbm"].items() if option != "trees"}
    with pytest.raises(ValidationError, match=r"favourite\.trees\n.*required"):
        Methods({"favourite": forgotten})


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("max_horizon_weeks", 53),  # the nearest lag is 50 weeks
        ("max_horizon_weeks", 0),
        ("origin_spacing_weeks", 0),
        ("season_width_weeks", 27),
        ("trees", 0),
        ("learning_rate", 0),
        ("leaves", 1),
        ("feature_fraction", 1.1),
        ("bagging_fraction", 0),
        ("lambda_l2", -1),
        ("max_bin", 256),
    ],
)
def test_an_option_out_of_range_is_refused(declared, option, value):
    with pytest.raises(ValidationError, match=f"favourite.{option}"):
        Methods({"favourite": declared["lightgbm"] | {option: value}})


def test_the_former_class_option_is_met_by_its_present_name():
    former = {"class": "sales_forecast.forecasting.naive.GrowthNaive", "growth_weeks": 8}
    with pytest.raises(ValueError, match=r"'class' is now called 'type', .*: type: growth_naive"):
        Methods({"favourite": former})


def test_a_declaration_is_json_that_declares_the_same_methods(methods):
    declared = {name: declare(method) for name, method in methods.root.items()}
    assert declared["ridge"]["partition"] == ["department"]
    assert Methods(json.loads(json.dumps(declared))) == methods


@pytest.mark.parametrize("name", TYPES)
def test_each_short_name_leads_to_a_method_that_is_declared_by_it(name):
    module, _, cls = TYPES[name].rpartition(".")
    found = getattr(import_module(module), cls)
    assert issubclass(found, Method)
    assert declare(found.model_construct(**dict.fromkeys(found.model_fields)))["type"] == name
