import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sales_forecast.pipelines.eda_reporting.marketing_answers import answer_marketing, densest_range
from sales_forecast.pipelines.eda_reporting.marketing_charts import draw_distributions, draw_scatter
from sales_forecast.pipelines.eda_reporting.marketing_section import write_budget_facts
from sales_forecast.pipelines.eda_reporting.params import HighSpendLowSalesParams
from sales_forecast.reporting import Table, Text

LIMITS = HighSpendLowSalesParams(spending_above_quantile=0.75, sales_below_quantile=0.5)

NONE_REJECTED = pd.DataFrame({"row": [], "reason": []})


def _line(count: int = 20, step: float = 2.0) -> pd.DataFrame:
    """Budgets 0, 10, 20 ... and sales that rise by ``step`` each time, from 100."""
    tv = 10.0 * np.arange(count)
    return pd.DataFrame({"tv": tv, "sales": 100 + step * np.arange(count)})


def _words(budgets: pd.DataFrame) -> str:
    answers = answer_marketing(budgets, LIMITS)
    charts = (*draw_distributions(budgets, answers), draw_scatter(budgets, answers))
    section = write_budget_facts(budgets, answers, *charts, NONE_REJECTED)
    return " ".join([*section.answers, *(block.words for block in section.blocks if isinstance(block, Text))])


def test_five_campaigns_can_be_described_in_the_head():
    budgets = pd.DataFrame({"tv": [0.0, 10, 20, 30, 40], "sales": [1.0, 2, 3, 4, 5]})
    answers = answer_marketing(budgets, LIMITS)
    assert answers["tv"] == {"mean": 20, "min": 0, "max": 40, "densest": [0, 20]}
    assert answers["sales"]["mean"] == 3
    assert answers["correlation"] == pytest.approx(1)
    assert answers["high_spend_low_sales"] == []
    json.dumps(answers, allow_nan=False)


def test_the_densest_range_is_where_the_campaigns_crowd():
    assert densest_range(pd.Series([1.0, 50, 51, 52, 53, 90, 100])) == [50, 53]


@given(st.lists(st.floats(0, 1000), min_size=2, max_size=40))
def test_the_densest_range_holds_half_of_the_campaigns_and_is_no_wider_than_the_middle_half(values):
    low, high = densest_range(pd.Series(values))
    held = sum(low <= value <= high for value in values)
    half = (len(values) + 1) // 2
    assert held >= half
    ordered = sorted(values)
    start = (len(values) - half) // 2
    assert high - low <= ordered[start + half - 1] - ordered[start]


def test_a_campaign_that_spent_much_and_sold_little_is_listed_and_marked():
    budgets = _line()
    budgets.loc[18, "sales"] = 5.0  # budget 180
    answers = answer_marketing(budgets, LIMITS)
    assert answers["high_spend_low_sales"] == [{"tv": 180, "sales": 5}]
    marked = draw_scatter(budgets, answers).data[-1]
    assert (list(marked.x), list(marked.y)) == ([180], [5])


@pytest.mark.parametrize("change", [{"spending_above_quantile": 0.95}, {"sales_below_quantile": 0.0}])
def test_the_quantiles_decide_who_spent_much_and_sold_little(change):
    budgets = _line()
    budgets.loc[18, "sales"] = 5.0
    assert answer_marketing(budgets, LIMITS.model_copy(update=change))["high_spend_low_sales"] == []


def test_the_order_of_the_campaigns_does_not_matter():
    budgets = _line()
    shuffled = budgets.sample(frac=1, random_state=1)
    one, other = answer_marketing(budgets, LIMITS), answer_marketing(shuffled, LIMITS)
    assert one.pop("correlation") == pytest.approx(other.pop("correlation"))
    assert one == other


def test_the_charts_shade_the_densest_range():
    budgets = _line()
    answers = answer_marketing(budgets, LIMITS)
    for chart, column in zip(draw_distributions(budgets, answers), ["tv", "sales"], strict=True):
        band = chart.layout.shapes[0]
        assert [band.x0, band.x1] == answers[column]["densest"]


def test_a_steady_line_is_described_as_such():
    noise = np.tile([0.5, -0.5], 10)
    words = _words(_line().assign(sales=lambda table: table["sales"] + noise))
    assert "rise together" in words
    assert "no proof of diminishing returns" in words
    assert "no less certain" in words


def test_a_return_that_diminishes_is_words():
    words = _words(_line(40).assign(sales=lambda table: np.sqrt(table["tv"])))
    assert "the return diminishes" in words
    assert "it promises too much" in words


def test_sales_that_grow_uncertain_with_the_budget_are_words():
    noise = np.tile([0.3, -0.3], 20) * np.arange(40)
    words = _words(_line(40).assign(sales=lambda table: table["sales"] + noise))
    assert "the larger the budget, the less certain its sales" in words


def test_falling_sales_are_not_sold_as_a_success():
    words = _words(_line(step=-2.0))
    assert "do not rise together" in words
    assert "more budget does not go with more sales" in words


def test_two_different_budgets_are_enough_for_a_section():
    budgets = pd.DataFrame({"tv": [10.0] * 9 + [20.0], "sales": np.arange(10.0)})
    assert "goes with" in _words(budgets)


def test_weak_campaigns_get_a_table_only_if_there_are_any():
    def tables(budgets):
        answers = answer_marketing(budgets, LIMITS)
        charts = (*draw_distributions(budgets, answers), draw_scatter(budgets, answers))
        section = write_budget_facts(budgets, answers, *charts, NONE_REJECTED)
        return [block for block in section.blocks if isinstance(block, Table)]

    good = _line()
    weak = good.copy()
    weak.loc[18, "sales"] = 5.0
    assert len(tables(good)) == 1
    assert len(tables(weak)) == 2
