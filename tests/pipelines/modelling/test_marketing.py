import numpy as np
import pandas as pd
import pytest
import skops.io
from pandas.testing import assert_frame_equal
from pydantic import ValidationError

from sales_forecast.contracts import DataContractError
from sales_forecast.pipelines.modelling.marketing import (
    fit_budget_model,
    split_campaigns,
    tune_budget_model,
)
from sales_forecast.pipelines.modelling.params import SplitParams, TuningParams

SPLIT = SplitParams(test_share=0.2, seed=42)
TUNING = TuningParams(
    folds=5, fit_intercept=(True, False), positive=(False, True), feature_range=((0, 1), (-1, 1))
)


def _context(intercept: float = 7.0, slope: float = 0.05) -> pd.DataFrame:
    """Fifty campaigns whose sales lie exactly on a line, in no order of budget."""
    tv = np.random.default_rng(0).permutation(np.arange(50.0)) * 6
    return pd.DataFrame({"tv": tv, "sales": intercept + slope * tv})


def test_a_fifth_is_put_aside_and_no_campaign_is_lost():
    context = _context()
    train, test = split_campaigns(context, SPLIT)
    assert (len(train), len(test)) == (40, 10)
    together = pd.concat([train, test]).sort_values("tv", ignore_index=True)
    assert_frame_equal(together, context.sort_values("tv", ignore_index=True))


@pytest.mark.parametrize(("change", "same_rows"), [({}, True), ({"seed": 7}, False)])
def test_the_seed_draws_the_test_campaigns(change, same_rows):
    _, test = split_campaigns(_context(), SPLIT)
    _, other = split_campaigns(_context(), SPLIT.model_copy(update=change))
    assert test.equals(other) is same_rows


def test_the_share_decides_how_many_are_put_aside():
    assert len(split_campaigns(_context(), SPLIT.model_copy(update={"test_share": 0.5}))[1]) == 25


def test_a_test_of_one_campaign_is_refused():
    with pytest.raises(DataContractError, match=r"marketing\.split\.test_share: 0\.01 of 50 campaigns"):
        split_campaigns(_context(), SplitParams(test_share=0.01, seed=42))


def test_the_line_behind_the_campaigns_is_found():
    model = fit_budget_model(_context(intercept=7, slope=0.05))
    assert model.predict(pd.DataFrame({"tv": [0.0, 100.0]})) == pytest.approx([7, 12])


def test_settings_that_describe_the_same_line_leave_the_default_in_place():
    context = _context()
    tuned, best = tune_budget_model(context, TUNING)
    assert (best.fit_intercept, best.positive) == (True, False)
    assert best.feature_range == (0, 1)
    assert best.tried == 8
    assert tuned.predict(context[["tv"]]) == pytest.approx(fit_budget_model(context).predict(context[["tv"]]))


def test_tuning_drops_the_intercept_where_sales_begin_at_nothing():
    noise = np.random.default_rng(1).normal(0, 1, 50)
    through_zero = _context(intercept=0).assign(sales=lambda table: table["sales"] + noise)
    _, best = tune_budget_model(through_zero, TUNING)
    assert best.fit_intercept is False


@pytest.mark.parametrize(
    ("change", "prediction"),
    [
        ({"fit_intercept": (False,), "positive": (False,)}, 0.0),  # no budget, so no sales
        ({"fit_intercept": (True,), "positive": (True,)}, "mean"),  # a line that may not fall is flat
    ],
)
def test_the_settings_tried_decide_the_line(change, prediction):
    falling = _context(intercept=20, slope=-0.05)
    only = TUNING.model_copy(update={**change, "feature_range": ((0, 1),)})
    tuned, best = tune_budget_model(falling, only)
    assert best.tried == 1
    expected = falling["sales"].mean() if prediction == "mean" else prediction
    assert tuned.predict(pd.DataFrame({"tv": [0.0]})) == pytest.approx([expected])


def test_without_an_intercept_the_scaling_matters():
    only = TUNING.model_copy(update={"fit_intercept": (False,), "positive": (False,)})
    errors = {
        scale: tune_budget_model(_context(), only.model_copy(update={"feature_range": (scale,)}))[1].cv_mae
        for scale in ((0, 1), (-1, 1))
    }
    assert errors[0, 1] != pytest.approx(errors[-1, 1])


def test_other_folds_measure_another_error():
    noisy = _context().assign(sales=lambda table: table["sales"] + np.tile([1.0, -1.0, 2.0, -2.0, 0.0], 10))
    _, five = tune_budget_model(noisy, TUNING)
    _, ten = tune_budget_model(noisy, TUNING.model_copy(update={"folds": 10}))
    assert five.cv_mae != pytest.approx(ten.cv_mae)


def test_a_model_comes_back_from_its_file_without_trusting_any_type(tmp_path):
    context = _context()
    tuned, _ = tune_budget_model(context, TUNING)
    skops.io.dump(tuned, tmp_path / "model.skops")
    loaded = skops.io.load(tmp_path / "model.skops", trusted=[])
    assert loaded.predict(context[["tv"]]) == pytest.approx(tuned.predict(context[["tv"]]))


def test_a_misspelt_setting_is_refused():
    with pytest.raises(ValidationError, match="test_shar"):
        SplitParams(test_shar=0.2, seed=42)
