"""Distributed fit: a worker learns from a part of the rows what a local fit learns from all of them."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from contexts import with_tables
from sales_forecast.errors import ShortHistoryError
from sales_forecast.forecasting.distributed import (
    LOCAL,
    Prefitted,
    _fit_part,
    _Job,
    _learners,
    _split,
    prefit,
)
from sales_forecast.forecasting.methods.by_history import ByHistory
from sales_forecast.forecasting.panel.matrix import ROW_KEYS


def _on_a_worker(rows: pd.DataFrame, context, method) -> pd.DataFrame:
    job = _Job(with_tables(context, panel=rows.head(0)), [], {"2017-08-05": [method]})
    shuffled = rows.sample(frac=1, random_state=3)
    return _fit_part(shuffled.assign(cutoff=context.cutoff), job)


@pytest.mark.parametrize("name", ["lightgbm", "ridge", "hist_gradient_boosting"])
def test_a_department_is_fitted_on_a_worker_as_among_all(context, methods, name):
    method = methods.root[name]
    assert _split(method) == ["department", "cutoff"]
    expected = method.fit(context)
    for department, rows in context.data.panel.groupby("department"):
        (fit,) = _on_a_worker(rows, context, method).itertuples(index=False)
        state = json.loads(fit.state)
        assert list(state) == [str(department)]
        if name != "hist_gradient_boosting":  # its files carry the time of day
            assert state == json.loads(json.dumps({str(department): expected[str(department)]}))


def test_a_method_of_all_departments_needs_their_rows_together(methods):
    together = methods.root["lightgbm"].model_copy(update={"partition": ("zone",)})
    assert _split(together) == ["cutoff"]


def test_a_department_that_began_late_is_seen_as_it_is_among_all(context, methods):
    began = context.cutoff - pd.Timedelta(weeks=90)
    late = context.data.panel[
        (context.data.panel["department"] != 88) | (context.data.panel["week"] >= began)
    ]
    all_of_it = with_tables(context, panel=late)
    method = methods.root["ridge"]
    rows = late[late["department"] == 88]
    (fit,) = _on_a_worker(rows, all_of_it, method).itertuples(index=False)
    assert json.loads(fit.state)["88"] == method.fit(all_of_it)["88"]


def test_a_history_too_short_to_learn_from_gives_no_state(context, methods):
    rows = context.data.panel[context.data.panel["week"] > context.cutoff - pd.Timedelta(weeks=30)]
    short = replace(context, first_week=rows["week"].min())
    assert _on_a_worker(rows, short, methods.root["ridge"]).empty


def test_a_prefitted_method_forecasts_as_itself(context, forecast_index, methods):
    method = methods.root["ridge"]
    state = method.fit(context)
    prefitted = Prefitted(method=method, states={"2017-08-05": state, "2016-01-02": None})
    assert prefitted.fit(context) == state
    keys = forecast_index[ROW_KEYS]
    np.testing.assert_array_equal(
        prefitted.forecast(context, keys, state), method.forecast(context, keys, state)
    )
    with pytest.raises(ShortHistoryError):
        prefitted.fit(replace(context, cutoff=pd.Timestamp("2016-01-02")))
    with pytest.raises(KeyError):
        prefitted.fit(replace(context, cutoff=pd.Timestamp("2016-01-09")))


def test_the_local_engine_fits_nothing_in_advance(context, methods):
    assert prefit(methods.root, context, [context.cutoff], LOCAL) == methods.root


def test_of_a_choice_by_history_only_the_chosen_method_is_fitted(methods):
    blend, lightgbm = methods.root["blend"], methods.root["lightgbm"]
    choice = ByHistory(enough_weeks=117, enough=lightgbm, short=blend)
    assert list(_learners([choice], 117)) == [lightgbm]
    assert list(_learners([choice], 116)) == [methods.root["ridge"]]
