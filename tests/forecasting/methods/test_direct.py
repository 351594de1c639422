"""Direct methods: which rows they learn from, what each option does, what they refuse."""

import json
import warnings

import numpy as np
import pandas as pd
import pytest

from contexts import with_tables
from sales_forecast.errors import InputError
from sales_forecast.forecasting.features.context import ForecastContext
from sales_forecast.forecasting.methods.base import Method, forecast_all
from sales_forecast.forecasting.methods.boosting import LightGBM
from sales_forecast.forecasting.methods.direct import DirectMethod

LEARNING = ("lightgbm", "hist_gradient_boosting", "ridge")
OPTIONS = {
    "partition": (),
    "max_horizon_weeks": 9,
    "origin_spacing_weeks": 4,
    "season_width_weeks": 4,
    "trees": 11,
    "learning_rate": 0.1,
    "leaves": 4,
    "min_rows_per_leaf": 60,
    "feature_fraction": 0.9,
    "lambda_l2": 1e4,
    "max_bin": 15,
    "seed": 43,
    "bagging_fraction": 0.4,
}
REGRESSORS_OWN = (
    "trees",
    "learning_rate",
    "leaves",
    "min_rows_per_leaf",
    "feature_fraction",
    "lambda_l2",
    "max_bin",
    "seed",
)


@pytest.fixture
def method(methods) -> Method:
    """One of them, where only what they share matters."""
    return methods.root["lightgbm"]


def _forecast(method: Method, context: ForecastContext, forecast_index: pd.DataFrame) -> np.ndarray:
    return forecast_all(method, context, forecast_index, method.fit(context))["forecast"].to_numpy()


def _last_weeks(panel: pd.DataFrame, cutoff: pd.Timestamp, weeks: int) -> pd.DataFrame:
    """A chain whose books begin so many weeks before the cutoff."""
    return panel[panel["week"] > cutoff - pd.Timedelta(weeks=weeks)]


class Ledger(DirectMethod, frozen=True):
    """Records the rows it is given to learn from, and predicts the same ratio for all."""

    rows: list
    ratio: float = 0.5

    def fit_rows(self, features, target, weight) -> str:
        self.rows.append(
            pd.DataFrame(
                {
                    "origin": features["age_weeks"],  # in weeks of the store's life
                    "horizon": features["horizon"],
                    "target": target,
                    "weight": weight,
                }
            )
        )
        return ""

    def predict_rows(self, fitted, features) -> np.ndarray:
        return np.full(len(features), self.ratio)


@pytest.fixture
def ledger(declared) -> Ledger:
    options = declared["ridge"].keys() - {"type", "penalty"}
    return Ledger(rows=[], **{option: declared["ridge"][option] for option in options})


@pytest.fixture(scope="module")
def rising_store(context_of, panel) -> ForecastContext:
    """A single store and department, whose turnover is the number of the week."""
    rows = panel[(panel["store"] == 101) & (panel["department"] == 88)]
    return context_of(rows.assign(turnover=np.arange(1.0, len(rows) + 1)))


# --- options -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("direct_name", "option"),
    [("lightgbm", option) for option in OPTIONS]
    + [("hist_gradient_boosting", option) for option in REGRESSORS_OWN],
)
def test_each_option_moves_the_forecasts(methods, forecasts, context, forecast_index, direct_name, option):
    method = methods.root[direct_name]
    assert getattr(method, option) != OPTIONS[option]
    changed = method.model_copy(update={option: OPTIONS[option]})
    original = forecasts[direct_name]["forecast"].to_numpy()
    assert not np.allclose(_forecast(changed, context, forecast_index), original, rtol=1e-4)


def test_more_trees_fit_the_past_better(method, panel, context_of, cutoff):
    earlier = cutoff - pd.Timedelta(weeks=8)
    past = panel[(panel["week"] > earlier) & (panel["week"] <= cutoff)].dropna()
    context = context_of(panel)
    few, many = (method.model_copy(update={"trees": trees}) for trees in (1, 60))
    then = context_of(panel, earlier)  # features as of then, of a model that has already seen the actuals
    errors = [
        np.abs(forecast_all(method, then, past, method.fit(context))["forecast"] - past["turnover"]).sum()
        for method in (few, many)
    ]
    assert errors[1] < 0.8 * errors[0]


@pytest.mark.parametrize(
    ("partition", "models"),
    [
        ((), ["all"]),
        (("department",), ["127", "88"]),
        (("zone",), ["1", "2", "3", "4"]),
    ],
)
def test_there_is_one_model_for_each_part(method, context, partition, models):
    fitted = method.model_copy(update={"partition": partition, "trees": 1}).fit(context)
    zones = sorted(context.raw.series["zone"].astype(str).unique())
    assert list(fitted) == (zones if partition == ("zone",) else models)


def test_a_part_may_be_a_department_of_a_zone(method, context, forecast_index):
    method = method.model_copy(update={"partition": ("department", "zone"), "trees": 1})
    fitted = method.fit(context)
    assert all(part.split("/")[0] in {"88", "127"} for part in fitted)
    assert len(fitted) > 2
    assert forecast_all(method, context, forecast_index, fitted)["forecast"].notna().all()


@pytest.mark.parametrize(
    ("spacing", "width", "origins"),
    [
        (3, 8, [3, 6, 45, 48, 51, 54, 57, 60, 96, 99, 102, 105, 108, 111, 150, 153, 156, 159, 162]),
        (4, 4, [4, 48, 52, 56, 100, 104, 108, 152, 156, 160]),
        (26, 0, [52, 104, 156]),
    ],
)
def test_rows_come_from_the_season_of_the_cutoff_in_every_past_year(
    ledger, rising_store, spacing, width, origins
):
    seasonal = ledger.model_copy(update={"origin_spacing_weeks": spacing, "season_width_weeks": width})
    seasonal.fit(rising_store)
    gaps = len(rising_store.raw.weeks) - ledger.rows[0]["origin"]
    assert sorted(gaps.unique()) == origins


# --- the rows they learn from ----------------------------------------------------------------


def test_the_target_is_the_root_of_the_wanted_week_over_the_years_mean(ledger, rising_store):
    ledger.fit(rising_store)
    (rows,) = ledger.rows
    np.testing.assert_allclose(rows["weight"], rows["origin"] - 25.5)  # the mean of 52 weeks up to then
    np.testing.assert_allclose(rows["target"] ** 2 * rows["weight"], rows["origin"] + rows["horizon"])


def test_the_target_of_no_row_is_a_week_that_is_not_yet_known(ledger, rising_store):
    ledger.fit(rising_store)
    (rows,) = ledger.rows
    assert (rows["origin"] + rows["horizon"]).max() == len(rising_store.raw.weeks)
    assert sorted(rows.loc[rows["origin"] == rows["origin"].max(), "horizon"]) == [1, 2, 3]
    assert set(rows["horizon"]) == set(range(1, 9))


def _learned(ledger: Ledger, context: ForecastContext, **options: int) -> pd.DataFrame:
    """The rows of all parts, with the week that each is about."""
    changed = ledger.model_copy(update={"rows": [], **options})
    changed.fit(context)
    rows = pd.concat(changed.rows)
    return rows.assign(week=rows["origin"] + rows["horizon"])


def test_between_refits_it_learns_from_the_same_rows(ledger, rising_store):
    """The grid's weeks are 2017-07-29 and 2017-08-26, three weeks after the cutoff and one after it."""
    weeks = [rising_store.cutoff - pd.Timedelta(weeks=age) for age in range(5)]
    learned = [
        _learned(ledger, rising_store.as_of(week), refit_every_weeks=4, origin_spacing_weeks=4)
        for week in weeks
    ]
    last = pd.Series([rows["week"].max() for rows in learned], weeks)
    grid = [(week - pd.Timestamp("2000-01-01")).days // 7 % 4 for week in weeks]
    ages = [len(rising_store.as_of(week).raw.weeks) for week in weeks]
    assert last.tolist() == [age - since for age, since in zip(ages, grid, strict=True)]
    pairs = zip(learned, learned[1:], last, last[1:], strict=False)
    assert all(a.equals(b) == (one == other) for a, b, one, other in pairs)


def test_a_history_that_is_too_short_up_to_the_last_refit_is_learned_from_to_its_end(
    method, context_of, panel, cutoff
):
    """56 weeks are enough with refits every week, so they are enough with refits that are rarer."""
    just_enough = context_of(_last_weeks(panel, cutoff, 56))
    assert method.model_copy(update={"refit_every_weeks": 52}).fit(just_enough)


def test_it_learns_from_about_so_many_rows_and_after_a_refit_from_the_same_ones(ledger, context):
    together = ledger.model_copy(update={"partition": ()})
    everything, some = _learned(together, context), _learned(together, context, max_rows=200)
    assert len(everything) > 2000
    assert len(some) == pytest.approx(200, rel=0.25)
    assert some.equals(_learned(together, context, max_rows=200))
    assert _learned(together, context, max_rows=10**6).equals(everything)


def test_of_a_horizon_of_a_year_every_fourth_week_is_learned_from_after_an_origin(ledger, rising_store):
    rows = _learned(ledger, rising_store, max_horizon_weeks=52, season_width_weeks=26, origin_spacing_weeks=3)
    assert rows.groupby("origin")["horizon"].nunique().max() == 13
    assert set(rows["horizon"]) == set(range(1, 53))
    np.testing.assert_allclose(rows["target"] ** 2 * rows["weight"], rows["week"])


@pytest.mark.parametrize("weeks", [13, 26, 52])
def test_a_season_ahead_is_forecast(methods, context, forecast_index, weeks, direct_name):
    a_year_ago = context.as_of(context.cutoff - pd.Timedelta(weeks=52))
    method = methods.root[direct_name].model_copy(update={"max_horizon_weeks": weeks})
    series = forecast_index[["store", "department"]].drop_duplicates()
    last = series.assign(week=a_year_ago.cutoff + pd.Timedelta(weeks=weeks))
    assert np.isfinite(_forecast(method, a_year_ago, last)).all()


@pytest.mark.parametrize(("ratio", "share"), [(1.0, 1), (0.5, 0.25), (-0.5, 0)])
def test_a_forecast_is_the_square_of_the_ratio_times_the_years_mean(
    ledger, rising_store, forecast_index, ratio, share
):
    constant = ledger.model_copy(update={"ratio": ratio})
    wanted = forecast_index[(forecast_index["store"] == 101) & (forecast_index["department"] == 88)]
    mean = rising_store.data.panel["turnover"].tail(52).mean()
    assert _forecast(constant, rising_store, wanted) == pytest.approx([share * mean] * 8)


# --- their forecasts --------------------------------------------------------------------------


def test_a_shop_that_sells_the_same_every_week_will_go_on_doing_so(
    methods, context_of, panel, forecast_index, direct_name
):
    steady = context_of(panel.assign(turnover=panel["store"].astype(float)))
    forecast = _forecast(methods.root[direct_name], steady, forecast_index)
    known = (forecast_index["store"] != 109).to_numpy()  # it opened this week
    assert forecast[known] == pytest.approx(forecast_index.loc[known, "store"].to_numpy(), rel=1e-3)


def test_a_twin_store_of_twice_the_size_has_twice_the_forecast(
    method, context_of, panel, stores, forecast_index
):
    twin = panel[panel["store"] == 101].assign(store=999, turnover=lambda rows: 2 * rows["turnover"])
    place = stores[stores["store"] == 101].assign(store=999)
    context = context_of(pd.concat([panel, twin], ignore_index=True))
    context = with_tables(context, stores=pd.concat([stores, place]))
    wanted = forecast_index[forecast_index["store"] == 101]
    ours = _forecast(method, context, wanted.reset_index(drop=True))
    theirs = _forecast(method, context, wanted.assign(store=999).reset_index(drop=True))
    np.testing.assert_allclose(theirs, 2 * ours, rtol=1e-6)


def test_boosters_are_kept_as_text_that_a_diff_can_read(fitted):
    assert fitted["lightgbm"]["88"][0] == "tree"
    assert all(isinstance(line, str) for line in fitted["lightgbm"]["88"])
    assert isinstance(fitted["hist_gradient_boosting"]["88"], str)


def test_a_fitted_model_is_no_pickle(methods, context, forecast_index, fitted):
    """Loading must not run code: a type that is not on the list is refused."""
    import base64

    import skops.io

    class Surprise:
        pass

    hostile = base64.b64encode(skops.io.dumps(Surprise())).decode("ascii")
    state = json.loads(json.dumps(fitted["hist_gradient_boosting"])) | {"88": hostile}
    with pytest.raises(skops.io.exceptions.UntrustedTypesFoundException, match="Surprise"):
        forecast_all(methods.root["hist_gradient_boosting"], context, forecast_index, state)


# --- what they refuse ----------------------------------------------------------------------


def test_a_week_beyond_the_trained_horizon_is_refused(methods, context, forecast_index, fitted, direct_name):
    far = forecast_index.head(1).assign(week=context.cutoff + pd.Timedelta(weeks=9))
    with pytest.raises(InputError, match=r"9 weeks ahead .* max_horizon_weeks: 8 \(turnover\.methods\)"):
        forecast_all(methods.root[direct_name], context, far, fitted[direct_name])


@pytest.mark.parametrize("weeks", [1, 30, 52, 53, 55])
def test_a_history_without_a_week_to_learn_from_is_refused_with_what_is_needed(
    method, context_of, panel, cutoff, weeks
):
    short = context_of(_last_weeks(panel, cutoff, weeks))
    needed = rf"{weeks} weeks of history are too few: the direct methods need 56 .*origin_spacing_weeks"
    with pytest.raises(InputError, match=needed):
        method.fit(short)


def test_the_history_that_the_message_names_is_enough(method, context_of, panel, forecast_index, cutoff):
    just_enough = context_of(_last_weeks(panel, cutoff, 56))
    assert _forecast(method, just_enough, forecast_index).min() >= 0


def test_the_history_that_is_needed_follows_from_spacing_and_season(method, context_of, panel, cutoff):
    yearly = method.model_copy(update={"origin_spacing_weeks": 26, "season_width_weeks": 0})
    with pytest.raises(InputError, match="104 weeks of history are too few: the direct methods need 105"):
        yearly.fit(context_of(_last_weeks(panel, cutoff, 104)))
    assert yearly.fit(context_of(_last_weeks(panel, cutoff, 105)))


def test_a_department_that_opened_weeks_ago_repeats_its_latest_week(
    method, context_of, panel, forecast_index, cutoff
):
    new = _last_weeks(panel[panel["department"] == 88], cutoff, 6).assign(department="boats")
    young = context_of(pd.concat([panel, new], ignore_index=True))
    wanted = pd.concat(
        [forecast_index, forecast_index[forecast_index["department"] == 88].assign(department="boats")]
    )
    boats = wanted.assign(forecast=_forecast(method, young, wanted)).query("department == 'boats'")
    latest = new[new["week"] == cutoff].set_index("store")["turnover"].clip(lower=0)
    assert len(boats) > 0
    pd.testing.assert_series_equal(
        boats.groupby("store")["forecast"].max(),
        latest.reindex(sorted(boats["store"].unique())),
        check_names=False,
    )


@pytest.mark.parametrize("rows", [1, 2, 3])
def test_a_department_with_hardly_a_row_to_learn_from_is_fitted_beside_the_others(
    methods, context_of, panel, forecast_index, cutoff, direct_name, rows
):
    """The newest training origin lies three weeks back; the five weeks up to it tell a store's scale."""
    first, last = (cutoff - pd.Timedelta(weeks=weeks) for weeks in (7, 3 - rows))
    young = (panel["store"] == 101) & panel["week"].between(first, last)
    context = context_of(panel[(panel["department"] == 88) | young])
    fitted = methods.root[direct_name].fit(context)
    assert set(fitted) == {"88", "127"}
    forecasts = methods.root[direct_name].forecast(context, forecast_index, fitted)
    of_the_young = (forecast_index["store"] == 101) & (forecast_index["department"] == 127)
    assert (forecasts[of_the_young] > 0).all()


@pytest.mark.parametrize("rows", [1, 2, 3])
def test_lightgbm_leaves_out_bagging_where_no_row_would_remain(method, rows):
    features = pd.DataFrame({"growth": np.arange(rows, dtype=float)})
    sparing = method.model_copy(update={"bagging_fraction": 0.3})
    fitted = sparing.fit_rows(features, np.full(rows, 0.9), np.ones(rows))
    np.testing.assert_allclose(sparing.predict_rows(fitted, features), 0.9)


@pytest.mark.parametrize("weeks", [1, 4, 30, 52, 56, 80])
def test_young_chains_are_forecast_or_refused_without_a_warning(
    methods, context_of, panel, forecast_index, cutoff, name, weeks
):
    young = context_of(_last_weeks(panel, cutoff, weeks))
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        try:
            forecast = _forecast(methods.root[name], young, forecast_index)
        except InputError:
            assert weeks < 56
            assert name in LEARNING
        else:
            assert np.isfinite(forecast).all()
            assert weeks >= 56 or name not in LEARNING  # the blend's growth naive always has a forecast


def test_a_chain_that_sold_nothing_is_forecast_to_sell_nothing(methods, context_of, panel, forecast_index):
    closed = context_of(panel.assign(turnover=0.0))
    assert _forecast(methods.root["growth_naive"], closed, forecast_index).max() == 0
    assert _forecast(methods.root["lightgbm"], closed, forecast_index).max() == 0


def test_a_store_that_sold_nothing_for_a_year_goes_on_so_and_is_not_given_its_departments_mean(
    method, context_of, panel, forecast_index, cutoff
):
    shut = (panel["store"] == 101) & (panel["week"] > cutoff - pd.Timedelta(weeks=52))
    forecast = _forecast(
        method, context_of(panel.assign(turnover=panel["turnover"].mask(shut, 0.0))), forecast_index
    )
    assert forecast[forecast_index["store"] == 101].tolist() == [0.0] * 16
    assert forecast[forecast_index["store"] == 102].min() > 0


def test_lightgbm_needs_its_bagging_fraction(declared):
    options = {key: value for key, value in declared["lightgbm"].items() if key != "type"}
    with pytest.raises(ValueError, match="bagging_fraction"):
        LightGBM(**{key: value for key, value in options.items() if key != "bagging_fraction"})
