import json

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression

from sales_forecast.contracts import BudgetCurve
from sales_forecast.models.marketing import BudgetPackage
from sales_forecast.pipelines.inference.marketing import (
    draw_budget_curve,
    draw_recommendation,
    holding_words,
    recommend_budget,
    write_recommendation,
)
from sales_forecast.pipelines.inference.params import CurveParams
from sales_forecast.registry.serving import ServingModel

CURVE = CurveParams(points=5, interval_share=0.8, folds=5)


def _context(intercept: float = 10.0, slope: float = 0.1, noise: float = 0.0) -> pd.DataFrame:
    """Budgets 0 to 200 in random order; sales stray from the line by up to ``noise`` times the budget."""
    draw = np.random.default_rng(0)
    tv = draw.permutation(np.arange(201.0))
    stray = draw.uniform(-1, 1, len(tv)) * noise * tv
    return pd.DataFrame({"tv": tv, "sales": intercept + slope * tv + stray})


def _serving(model, context: pd.DataFrame) -> ServingModel:
    return ServingModel(
        "sales_forecast.marketing", BudgetPackage(model, context, {}), "7", "a run", "some data"
    )


def _line(context: pd.DataFrame) -> ServingModel:
    return _serving(LinearRegression().fit(context[["tv"]], context["sales"]), context)


def _curve(context: pd.DataFrame, params: CurveParams = CURVE) -> pd.DataFrame:
    return draw_budget_curve(_line(context), params)


def _section(context: pd.DataFrame):
    curve = _curve(context)
    chart = draw_recommendation(curve, _line(context), CURVE)
    return write_recommendation(curve, recommend_budget(curve), context, chart, CURVE)


def test_campaigns_on_a_line_make_a_curve_with_empty_intervals():
    curve = _curve(_context())
    BudgetCurve.validate(curve)
    assert curve["tv"].tolist() == [0, 50, 100, 150, 200]
    for column in ("sales", "sales_low", "sales_high"):
        assert curve[column].tolist() == pytest.approx([10, 15, 20, 25, 30])
    assert curve["marginal_sales"].tolist() == pytest.approx([0.1] * 5)


def test_the_curve_never_leaves_the_budgets_that_were_tried():
    curve = _curve(_context().query("30 <= tv <= 90"))
    assert (curve["tv"].min(), curve["tv"].max()) == (30, 90)


def test_the_interval_grows_where_the_errors_do():
    curve = _curve(_context(noise=0.05))
    width = (curve["sales_high"] - curve["sales_low"]).tolist()
    assert width == sorted(width)
    # uniform errors of 5 % of the budget, up or down: the middle 80 % of them at 200 is 16 wide
    assert width[-1] == pytest.approx(16, rel=0.15)
    assert width[0] < 2


@pytest.mark.parametrize("share", [0.5, 0.8, 0.95])
def test_the_interval_holds_about_the_share_it_promises(share):
    context = _context(noise=0.05)
    curve = _curve(context, CURVE.model_copy(update={"interval_share": share}))
    low, high = (np.interp(context["tv"], curve["tv"], curve[c]) for c in ("sales_low", "sales_high"))
    assert context["sales"].between(low, high).mean() == pytest.approx(share, abs=0.06)


def test_sales_below_nothing_are_in_no_interval():
    assert _curve(_context(intercept=0.0, noise=0.3))["sales_low"].min() >= 0


@pytest.mark.parametrize("change", [{"points": 9}, {"folds": 3}, {"interval_share": 0.5}])
def test_every_parameter_changes_the_curve(change):
    context = _context(noise=0.05)
    assert not _curve(context).equals(_curve(context, CURVE.model_copy(update=change)))


def test_the_model_passed_in_stays_as_it_is():
    context = _context(noise=0.05)
    model = LinearRegression().fit(context[["tv"]], context["sales"])
    before = model.coef_.copy()
    draw_budget_curve(_serving(model, context), CURVE)
    assert model.coef_.tolist() == before.tolist()


def test_a_sale_must_earn_what_the_budget_for_it_costs():
    recommendation = recommend_budget(_curve(_context(slope=0.1)))
    # ten units of budget bring one unit of sales, so it must earn ten
    assert recommendation.sales_per_budget_unit == pytest.approx(0.1)
    assert recommendation.break_even == pytest.approx(10)
    assert recommendation.middle.tv == 100
    assert recommendation.largest.sales == pytest.approx(30)
    json.dumps(recommendation.model_dump(mode="json"), allow_nan=False)


def test_the_advice_names_the_break_even_and_goes_no_further_than_the_largest_budget():
    answers = _section(_context(noise=0.05)).answers
    assert "going from 100.0 to 200.0 brings" in answers[0]
    assert "cannot name a best budget" in answers[1]
    assert "up to the largest budget seen (200.0)" in answers[1]
    assert "grows with the budget" in answers[2]


@pytest.mark.parametrize("slope", [0.0, -0.01])
def test_budgets_that_bring_nothing_are_not_recommended(slope):
    context = _context(slope=slope).assign(sales=lambda table: table["sales"].round(6))
    curve = _curve(context)
    if slope == 0:
        curve = curve.assign(marginal_sales=0.0)  # rounding may leave a slope of 1e-17
    recommendation = recommend_budget(curve)
    assert recommendation.break_even is None
    chart = draw_recommendation(curve, _line(context), CURVE)
    answers = write_recommendation(curve, recommendation, context, chart, CURVE).answers
    assert "no more sales" in answers[0]
    assert "no reason to spend more" in answers[1]


def test_the_report_counts_how_many_campaigns_the_interval_held():
    curve = pd.DataFrame({"tv": [0.0, 10.0], "sales_low": [0.0, 10.0], "sales_high": [10.0, 20.0]})
    test = pd.DataFrame({"tv": [5.0, 5.0, 10.0, 99.0], "sales": [6.0, 4.0, 20.0, 1.0]})
    # at 5 the range is 5 .. 15; a budget of 99 was never tried
    assert "**2 of 3** (67%) sold within the range; 80% should" in holding_words(curve, test, CURVE)
    assert "could not be checked" in holding_words(curve, test[3:], CURVE)
