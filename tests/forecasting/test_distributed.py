"""Fitting ahead and elsewhere: workers learn from a part of the rows what is learnt from all of them."""

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
from sales_forecast.forecasting.methods.base import forecast_all
from sales_forecast.forecasting.methods.blend import ByHistory
from sales_forecast.forecasting.panel.matrix import KEYS


def _on_a_worker(rows: pd.DataFrame, context, method) -> pd.DataFrame:
    job = _Job(with_tables(context, panel=rows.head(0)), [], {"2017-08-05": [method]})
    shuffled = rows.sample(frac=1, random_state=3)
    return _fit_part(shuffled.assign(cutoff=context.cutoff), job)


@pytest.mark.parametrize("name", ["lightgbm", "ridge", "hist_gradient_boosting"])
def test_a_department_teaches_on_a_worker_what_it_teaches_among_all(context, forecast_index, methods, name):
    method = methods.root[name]
    assert _split(method) == ["department", "cutoff"]
    expected = method.fit(context)
    for department, rows in context.data.panel.groupby("department"):
        (answer,) = _on_a_worker(rows, context, method).itertuples(index=False)
        learnt = json.loads(answer.state)
        assert list(learnt) == [str(department)]
        wanted = forecast_index[
            forecast_index["department"] == department
        ]  # not the states: files carry the time of day
        there, here = (forecast_all(method, context, wanted, states) for states in (learnt, expected))
        assert len(here) > 50
        pd.testing.assert_frame_equal(there, here, check_exact=True)


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
    (answer,) = _on_a_worker(rows, all_of_it, method).itertuples(index=False)
    assert json.loads(answer.state)["88"] == method.fit(all_of_it)["88"]


def test_what_is_too_short_to_learn_from_gives_no_answer(context, methods):
    rows = context.data.panel[context.data.panel["week"] > context.cutoff - pd.Timedelta(weeks=30)]
    short = replace(context, first_week=rows["week"].min())
    assert _on_a_worker(rows, short, methods.root["ridge"]).empty


def test_a_method_fitted_ahead_answers_as_itself(context, forecast_index, methods):
    method = methods.root["ridge"]
    learnt = method.fit(context)
    ahead = Prefitted(method=method, states={"2017-08-05": learnt, "2016-01-02": None})
    assert ahead.fit(context) == learnt
    keys = forecast_index[[*KEYS, "week"]]
    np.testing.assert_array_equal(
        ahead.forecast(context, keys, learnt), method.forecast(context, keys, learnt)
    )
    with pytest.raises(ShortHistoryError):
        ahead.fit(replace(context, cutoff=pd.Timestamp("2016-01-02")))
    with pytest.raises(KeyError):
        ahead.fit(replace(context, cutoff=pd.Timestamp("2016-01-09")))


def test_here_nothing_is_fitted_ahead(context, methods):
    assert prefit(methods.root, context, [context.cutoff], LOCAL) == methods.root


def test_a_choice_by_history_learns_only_what_it_will_use(methods):
    blend, lightgbm = methods.root["blend"], methods.root["lightgbm"]
    choice = ByHistory(enough_weeks=117, enough=lightgbm, short=blend)
    assert list(_learners([choice], 117)) == [lightgbm]
    assert list(_learners([choice], 116)) == [methods.root["ridge"]]
