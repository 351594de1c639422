"""Benchmark methods: they forecast every row, see no future, and follow their options."""

import base64
import json
import sys
from importlib.util import find_spec

import numpy as np
import pandas as pd
import pytest
from benchmarks.methods.calendar_forest import CalendarForest
from benchmarks.methods.nixtla import MIN_RECURSIVE_WEEKS, RecursiveLightGBM, Statistical

from contexts import with_tables
from sales_forecast.errors import InputError
from sales_forecast.forecasting.features.context import ForecastContext
from sales_forecast.forecasting.methods.base import Method, forecast_all
from sales_forecast.forecasting.methods.declare import Methods

COMPETITORS = {
    "mstl": Statistical(repair_level_shifts=True),
    "forest": CalendarForest(trees=5, min_rows_per_leaf=5),
    "recursive": RecursiveLightGBM(trees=20, learning_rate=0.2, leaves=15),
}
LIBRARIES = {"mstl": "statsforecast", "recursive": "mlforecast"}


def _if_installed(name: str, *values):
    library = LIBRARIES.get(name)
    missing = library is not None and find_spec(library) is None
    return pytest.param(name, *values, marks=pytest.mark.skipif(missing, reason="needs the extra 'bench'"))


needs_mstl, needs_recursive = (_if_installed(name).marks[0] for name in LIBRARIES)


@pytest.fixture(params=[_if_installed(name) for name in COMPETITORS])
def competitor(request) -> str:
    """Each of them in turn, if it is installed."""
    return request.param


@pytest.fixture(scope="module")
def original(context, forecast_index):
    """The forecasts of one of them, made once."""
    made = {}

    def of(name: str) -> np.ndarray:
        if name not in made:
            made[name] = _forecast(COMPETITORS[name], context, forecast_index)
        return made[name]

    return of


@pytest.fixture(scope="module")
def seasonal_panel(panel) -> pd.DataFrame:
    """Every shop sells the same as in the same week of the year before, a wave between 90 and 110."""
    week = (panel["week"] - panel["week"].min()).dt.days // 7
    return panel.assign(turnover=100 + 10 * np.sin(2 * np.pi * week / 52))


def _forecast(method: Method, context: ForecastContext, forecast_index: pd.DataFrame) -> np.ndarray:
    return forecast_all(method, context, forecast_index, method.fit(context))["forecast"].to_numpy()


def _last_weeks(panel: pd.DataFrame, cutoff: pd.Timestamp, weeks: int) -> pd.DataFrame:
    return panel[panel["week"] > cutoff - pd.Timedelta(weeks=weeks)]


# --- what holds for every one -----------------------------------------------------------------


def test_every_row_has_a_forecast(original, forecast_index, competitor):
    assert original(competitor).shape == (len(forecast_index),)
    assert np.isfinite(original(competitor)).all()
    assert (original(competitor) >= 0).all()


def test_nothing_after_the_cutoff_matters(original, context_of, panel, forecast_index, cutoff, competitor):
    rewritten = panel.assign(turnover=panel["turnover"].where(panel["week"] <= cutoff, 1e6))
    forecast = _forecast(COMPETITORS[competitor], context_of(rewritten), forecast_index)
    np.testing.assert_array_equal(forecast, original(competitor))


def test_the_fitted_state_survives_json(original, context_of, panel, forecast_index, competitor):
    """In another process, where the context is built anew; the fit is repeated on the way."""
    method, context = COMPETITORS[competitor], context_of(panel)
    read = json.loads(json.dumps(method.fit(context)))
    np.testing.assert_array_equal(
        forecast_all(method, context, forecast_index, read)["forecast"], original(competitor)
    )


def test_the_order_of_the_forecast_index_does_not_matter(original, context, forecast_index, competitor):
    method = COMPETITORS[competitor]
    shuffled = forecast_index.sample(frac=1, random_state=1)
    forecast = forecast_all(method, context, shuffled, method.fit(context))["forecast"]
    np.testing.assert_allclose(forecast.reindex(forecast_index.index), original(competitor), rtol=1e-12)


@pytest.mark.parametrize("weeks", [1, 30, 55, 56, 60, 91])
def test_young_chains_are_forecast_or_refused(context_of, panel, forecast_index, cutoff, competitor, weeks):
    young = context_of(_last_weeks(panel, cutoff, weeks))
    if competitor == "recursive" and weeks < MIN_RECURSIVE_WEEKS:
        with pytest.raises(
            InputError, match=rf"{weeks} weeks of history are too few: .* of {MIN_RECURSIVE_WEEKS}"
        ):
            COMPETITORS[competitor].fit(young)
    else:
        assert np.isfinite(_forecast(COMPETITORS[competitor], young, forecast_index)).all()


def test_a_store_without_attributes_is_forecast(context, forecast_index, competitor):
    bare = context.data.stores.assign(region=None, latitude=np.nan)
    without_attributes = with_tables(context, stores=bare)
    assert np.isfinite(_forecast(COMPETITORS[competitor], without_attributes, forecast_index)).all()


@pytest.mark.parametrize(
    ("name", "option", "value"),
    [
        _if_installed("mstl", "repair_level_shifts", False),
        _if_installed("forest", "trees", 6),
        _if_installed("forest", "min_rows_per_leaf", 40),
        _if_installed("forest", "seed", 43),
        _if_installed("recursive", "trees", 25),
        _if_installed("recursive", "learning_rate", 0.1),
        _if_installed("recursive", "leaves", 4),
        _if_installed("recursive", "seed", 43),
    ],
)
def test_each_option_moves_the_forecasts(original, context, forecast_index, name, option, value):
    assert getattr(COMPETITORS[name], option) != value
    changed = COMPETITORS[name].model_copy(update={option: value})
    assert not np.allclose(_forecast(changed, context, forecast_index), original(name), rtol=1e-4)


def test_parameters_can_name_them():
    declared = {
        "mstl": {"type": "benchmarks.methods.nixtla.Statistical", "repair_level_shifts": True},
        "forest": {
            "type": "benchmarks.methods.calendar_forest.CalendarForest",
            "trees": 5,
            "min_rows_per_leaf": 5,
        },
    }
    assert Methods(declared).root == {name: COMPETITORS[name] for name in declared}


@pytest.mark.parametrize("name", LIBRARIES)
def test_a_missing_library_is_named_with_the_extra_that_brings_it(context, forecast_index, monkeypatch, name):
    monkeypatch.setitem(sys.modules, LIBRARIES[name], None)
    for module in [module for module in sys.modules if module.startswith(f"{LIBRARIES[name]}.")]:
        monkeypatch.delitem(sys.modules, module)
    wanted = rf"{LIBRARIES[name]} .* needs the extra 'bench': pip install 'sales_forecast\[bench\]'"
    with pytest.raises(InputError, match=wanted):
        _forecast(COMPETITORS[name], context, forecast_index)


# --- what each of them does ------------------------------------------------------------------


@needs_mstl
def test_a_season_that_repeats_is_forecast_to_repeat(seasonal_panel, context_of, forecast_index):
    forecast = _forecast(COMPETITORS["mstl"], context_of(seasonal_panel), forecast_index)
    true = forecast_index.merge(seasonal_panel, how="left")["turnover"]
    old = ~forecast_index["store"].isin([108, 109])  # they opened within the last two years
    assert forecast[old] == pytest.approx(true[old], rel=1e-3)


@needs_mstl
def test_a_store_whose_latest_weeks_are_missing_goes_on_from_its_own_last(
    seasonal_panel, context_of, forecast_index, cutoff
):
    late = (seasonal_panel["store"] == 101) & (seasonal_panel["week"] > cutoff - pd.Timedelta(weeks=3))
    wanted = forecast_index[forecast_index["store"] == 101]
    forecast = _forecast(COMPETITORS["mstl"], context_of(seasonal_panel[~late]), wanted)
    assert forecast == pytest.approx(wanted.merge(seasonal_panel)["turnover"], rel=1e-3)


@needs_mstl
def test_a_store_too_young_for_a_season_repeats_its_own_past(context, forecast_index, cutoff):
    opened = context.data.panel[(context.data.panel["store"] == 109) & (context.data.panel["week"] == cutoff)]
    latest = opened.set_index("department")["turnover"]
    young = forecast_index["store"] == 109
    own = COMPETITORS["mstl"].forecast(context, forecast_index, COMPETITORS["mstl"].fit(context))
    assert own[young] == pytest.approx(forecast_index.loc[young, "department"].map(latest))


def test_the_forest_knows_nothing_but_place_and_time(original, context, context_of, panel, forecast_index):
    method = COMPETITORS["forest"]
    since_rewritten = context_of(panel.assign(turnover=7.0))
    forecasts = forecast_all(method, since_rewritten, forecast_index, method.fit(context))
    warm = ~forecasts["cold_start"]  # others sell as their peers do
    np.testing.assert_array_equal(forecasts.loc[warm, "forecast"], original("forest")[warm])


def test_the_forest_leaves_a_department_it_never_saw_to_its_own_past(
    context, context_of, panel, forecast_index
):
    method = COMPETITORS["forest"]
    fitted = method.fit(context)
    boats = panel[panel["department"] == 88].assign(department=999, turnover=3.0)
    wanted = forecast_index[forecast_index["department"] == 88].assign(department=999)
    assert (forecast_all(method, context_of(boats), wanted, fitted)["forecast"] == 3).all()


def test_a_fitted_forest_is_no_pickle(context, forecast_index):
    """Loading must not run code: a type that is not on the list is refused."""
    import skops.io

    class Surprise:
        pass

    method = COMPETITORS["forest"]
    hostile = base64.b64encode(skops.io.dumps(Surprise())).decode("ascii")
    with pytest.raises(skops.io.exceptions.UntrustedTypesFoundException, match="Surprise"):
        method.forecast(context, forecast_index, method.fit(context) | {"forest": hostile})


@needs_recursive
def test_the_recursion_goes_on_from_the_past_it_is_shown(
    original, context, context_of, panel, forecast_index
):
    method = COMPETITORS["recursive"]
    doubled = context_of(panel.assign(turnover=2 * panel["turnover"]))
    forecast = forecast_all(method, doubled, forecast_index, method.fit(context))["forecast"]
    known = forecast_index["store"] != 109  # a single week has no scale
    np.testing.assert_allclose(forecast[known], 2 * original("recursive")[known])


@needs_recursive
def test_the_booster_is_kept_as_text_that_a_diff_can_read(context):
    assert COMPETITORS["recursive"].fit(context)["booster"][0] == "tree"
