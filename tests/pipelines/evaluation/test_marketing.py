import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import mean_absolute_percentage_error

from sales_forecast.contracts import BudgetPredictions
from sales_forecast.errors import InputError
from sales_forecast.pipelines.evaluation.marketing import (
    draw_predictions,
    predict_test_campaigns,
    score_budget_models,
    tuning_words,
    write_budget_evaluation,
)
from sales_forecast.pipelines.handovers import BudgetSettings
from sales_forecast.reporting import Table

BEST = BudgetSettings(
    fit_intercept=True, positive=False, feature_range=(0, 1), tried=8, as_good=4, cv_mae=2.5
)


class _Always:
    """A model that predicts the same sales for every budget."""

    def __init__(self, sales):
        self._sales = sales

    def predict(self, table):
        return np.full(len(table), self._sales)


def _predictions(default: list[float], tuned: list[float]) -> pd.DataFrame:
    """Two campaigns that sold 10 and 20; the mean of the training sales was 40."""
    return pd.DataFrame(
        {"tv": [1.0, 2.0], "sales": [10.0, 20.0], "default": default, "tuned": tuned, "mean": [40.0, 40.0]}
    )


def test_every_method_predicts_the_test_campaigns_the_simplest_included():
    train = pd.DataFrame({"tv": [1.0, 2.0], "sales": [3.0, 5.0]})
    test = pd.DataFrame({"tv": [4.0, 6.0], "sales": [7.0, 8.0]})
    predictions = predict_test_campaigns(_Always(1.0), _Always(2.0), train, test)
    BudgetPredictions.validate(predictions)
    assert predictions[["default", "tuned", "mean"]].to_numpy().tolist() == [[1, 2, 4], [1, 2, 4]]


def test_errors_can_be_checked_in_the_head():
    metrics = score_budget_models(_predictions(default=[11, 17], tuned=[10, 20]))
    # off by 1 and 3: relative 10 % and 15 %; squares 1 and 9 against 25 and 25 about the mean
    assert metrics["default"] == pytest.approx({"mae": 2, "mape": 0.125, "rmse": 5**0.5, "r2": 1 - 10 / 50})
    assert metrics["tuned"] == {"mae": 0, "mape": 0, "rmse": 0, "r2": 1}
    json.dumps(metrics, allow_nan=False)


def test_the_headline_names_the_method_in_use_and_the_simplest_ones_error():
    metrics = score_budget_models(_predictions(default=[11, 17], tuned=[11, 17]))
    # 40 instead of 10 and 20: 300 % and 100 %
    assert metrics["headline"] == {
        "best": "linear regression, default",
        "error": "MAPE 12.5%",
        "baseline": "MAPE 200.0%",
    }
    tuned = score_budget_models(_predictions(default=[11, 17], tuned=[10, 18]))["headline"]
    assert (tuned["best"], tuned["error"]) == ("linear regression, tuned", "MAPE 5.0%")


def test_a_campaign_without_sales_counts_in_every_error_but_the_relative_one():
    predictions = _predictions([11, 17], [11, 17]).assign(sales=[0.0, 20.0])
    metrics = score_budget_models(predictions)["default"]
    assert (metrics["mape"], metrics["mae"]) == (pytest.approx(0.15), pytest.approx(7))


def test_a_relative_error_needs_a_campaign_that_sold_something():
    with pytest.raises(InputError, match="none of the test campaigns sold anything"):
        score_budget_models(_predictions([1, 1], [1, 1]).assign(sales=0.0))


@given(
    st.lists(st.tuples(st.floats(0.1, 100), st.floats(0, 100)), min_size=2, max_size=20).filter(
        lambda pairs: len({actual for actual, _ in pairs}) > 1
    )
)
def test_where_all_sold_something_the_relative_error_is_scikit_learns(pairs):
    actual, predicted = np.array(pairs).T
    table = pd.DataFrame({"tv": 1.0, "sales": actual, "default": predicted, "tuned": predicted, "mean": 1.0})
    ours = score_budget_models(table)["default"]["mape"]
    assert ours == pytest.approx(mean_absolute_percentage_error(actual, predicted))


def test_the_report_says_that_tuning_changed_nothing_when_it_did_not():
    predictions = _predictions([11, 17], [11 + 1e-9, 17])
    words = tuning_words(predictions, score_budget_models(predictions), BEST)
    assert "changed **nothing**" in words


@pytest.mark.parametrize(
    ("tuned", "words"),
    [
        ([10, 18], "down from 2.0000 to **1.0000** units of sales (-50.0%)"),
        ([14, 16], "up from 2.0000 to **4.0000** units of sales (+100.0%)"),
    ],
)
def test_the_report_says_by_how_much_tuning_changed_the_error(tuned, words):
    predictions = _predictions([11, 17], tuned)
    assert words in tuning_words(predictions, score_budget_models(predictions), BEST)


def test_equal_predictions_are_drawn_once_and_different_ones_side_by_side():
    once, _ = draw_predictions(_predictions([11, 17], [11, 17]))
    both, errors = draw_predictions(_predictions([11, 17], [10, 18]))
    assert [trace.name for trace in once.data] == ["exactly right", "linear regression, default"]
    assert len(both.data) == 3
    assert list(errors.data[0].y) == [1, -3]  # predicted minus actual


def test_the_section_shows_every_method_side_by_side():
    predictions = _predictions([11, 17], [11, 17])
    metrics = score_budget_models(predictions)
    section = write_budget_evaluation(predictions, metrics, BEST, *draw_predictions(predictions))
    (table,) = (block.frame for block in section.blocks if isinstance(block, Table))
    assert table["MAE"].tolist() == [2, 2, 25]
    assert "**2.00**" in section.answers[0]
    assert "92% smaller" in section.answers[0]
    assert "4 combinations are equally good" in section.blocks[-1].words


def test_a_model_worse_than_the_mean_is_not_praised():
    predictions = _predictions([100, 100], [100, 100])
    metrics = score_budget_models(predictions)
    section = write_budget_evaluation(predictions, metrics, BEST, *draw_predictions(predictions))
    assert "larger than the error" in section.answers[0]
    assert "**0%**" in section.answers[1]
