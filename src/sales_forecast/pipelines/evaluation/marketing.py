"""Marketing: how well the straight line predicts campaigns it has not seen."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from sklearn.pipeline import Pipeline

from sales_forecast.models.marketing import score_budgets
from sales_forecast.pipelines.handovers import BudgetMetrics, BudgetSettings
from sales_forecast.reporting import COLOURS, Chart, Section, Table, Text, new_figure

MethodName = Literal["default", "tuned", "mean"]
METHODS: dict[MethodName, str] = {
    "default": "linear regression, default",
    "tuned": "linear regression, tuned",
    "mean": "mean of the training sales",
}
SAME = 1e-6
"""Relative difference below which two predictions are one."""


def predict_test_campaigns(
    default_model: Pipeline, tuned_model: Pipeline, train: pd.DataFrame, test: pd.DataFrame
) -> pd.DataFrame:
    """Predict the sales of the test campaigns with every method, the simplest included.

    Args:
        default_model: The line as it comes.
        tuned_model: The line with the settings that cross-validation preferred.
        train: For the simplest method, which predicts the mean of these sales for every campaign.
        test: Campaigns that no model has seen.

    Returns:
        ``tv, sales`` of the test campaigns and predicted sales, a column a method: ``default, tuned, mean``.
    """
    return test.assign(
        default=default_model.predict(test[["tv"]]),
        tuned=tuned_model.predict(test[["tv"]]),
        mean=train["sales"].mean(),
    )


def score_budget_models(predictions: pd.DataFrame) -> BudgetMetrics:
    """Measure every method on the test campaigns.

    Args:
        predictions: As ``predict_test_campaigns`` gives them.

    Returns:
        Per method ``mae`` and ``rmse`` in units of sales, ``r2``, and ``mape``: the mean of |error| / sales
        as a ratio, over campaigns that sold something. ``headline``: the method in use, its error and the
        simplest method's error, in words. In use is the tuned line, which cross-validation on the training
        campaigns chose; the test only judges it.

    Raises:
        InputError: No test campaign sold anything.
    """
    errors = {method: score_budgets(predictions["sales"], predictions[method]) for method in METHODS}
    in_use = _in_use(predictions)
    return {
        "default": errors["default"],
        "tuned": errors["tuned"],
        "mean": errors["mean"],
        "headline": {
            "best": METHODS[in_use],
            "error": f"MAPE {errors[in_use]['mape']:.1%}",
            "baseline": f"MAPE {errors['mean']['mape']:.1%}",
        },
    }


def _in_use(predictions: pd.DataFrame) -> MethodName:
    return "default" if tuning_changed_nothing(predictions) else "tuned"


def tuning_changed_nothing(predictions: pd.DataFrame) -> bool:
    """Whether the tuned line predicts what the default one does."""
    return bool(np.allclose(predictions["tuned"], predictions["default"], rtol=SAME, atol=0))


def draw_predictions(predictions: pd.DataFrame) -> tuple[go.Figure, go.Figure]:
    """Draw predicted against actual sales, and the errors over the TV budget.

    Args:
        predictions: As ``predict_test_campaigns`` gives them.

    Returns:
        Both charts. If tuning changed nothing they show one line's points, not the same points twice.
    """
    once = tuning_changed_nothing(predictions)
    methods: list[MethodName] = ["default"] if once else ["default", "tuned"]
    against = new_figure(
        "Predicted and actual sales, test campaigns",
        "actual sales, units of the file",
        "predicted sales, units of the file",
    )
    errors = new_figure(
        "Errors over TV budget, test campaigns",
        "TV budget, units of the file",
        "predicted minus actual sales",
    )
    both = predictions[["sales", *methods]]
    ends = [float(both.min().min()), float(both.max().max())]
    against.add_scatter(
        x=ends, y=ends, mode="lines", line={"color": COLOURS[-1], "dash": "dot"}, name="exactly right"
    )
    for method, colour in zip(methods, COLOURS, strict=False):
        error = predictions[method] - predictions["sales"]
        for figure, x, y in (
            (against, predictions["sales"], predictions[method]),
            (errors, predictions["tv"], error),
        ):
            figure.add_scatter(
                x=x.tolist(),
                y=y.tolist(),
                mode="markers",
                marker={"color": colour, "opacity": 0.7, "size": 8},
                name=METHODS[method],
            )
    errors.add_hline(y=0, line={"color": COLOURS[-1], "dash": "dot"})
    return against, errors


def write_budget_evaluation(
    predictions: pd.DataFrame,
    metrics: BudgetMetrics,
    best_settings: BudgetSettings,
    prediction_chart: go.Figure,
    residual_chart: go.Figure,
) -> Section:
    """Tell how far the model can be trusted, and what tuning brought.

    Args:
        predictions: Test campaigns with every method's sales.
        metrics: Errors of every method.
        best_settings: What tuning chose.
        prediction_chart: Predicted against actual.
        residual_chart: Errors over budget.
    """
    in_use = _in_use(predictions)
    mae, simple = metrics[in_use]["mae"], metrics["mean"]["mae"]
    better, word = abs(1 - mae / simple), "smaller" if mae <= simple else "larger"
    return Section(
        title="Marketing: how good the model is",
        lead=(
            f"A straight line from TV budget to sales, judged on {len(predictions)} campaigns that were "
            "put aside before it was fitted."
        ),
        answers=(
            f"A prediction is off by **{mae:.2f}** units of sales on average, or "
            f"**{metrics[in_use]['mape']:.1%}** of what was sold. That is {better:.0%} {word} than the error "
            f"of predicting the mean of past sales for every campaign ({simple:.2f}).",
            f"The budget explains **{max(metrics[in_use]['r2'], 0):.0%}** of the differences in sales (R²).",
            tuning_words(predictions, metrics, best_settings),
        ),
        blocks=(
            _side_by_side(metrics),
            Chart(prediction_chart, "Each point a test campaign; the closer to the dotted line, the better."),
            Chart(
                residual_chart,
                "Above zero the line promised too much, below it too little. "
                + _spread_words(predictions, in_use),
            ),
            Text(_settings_words(best_settings), heading="What tuning tried"),
        ),
    )


def _side_by_side(metrics: BudgetMetrics) -> Table:
    rows = [
        [name, *(metrics[method][metric] for metric in ("mae", "mape", "rmse", "r2"))]
        for method, name in METHODS.items()
    ]
    return Table(
        pd.DataFrame(rows, columns=["method", "MAE", "MAPE", "RMSE", "R²"]),
        "On the test campaigns. MAE and RMSE in units of sales, MAPE relative to sales; R² is 1 for perfect "
        "predictions and 0 for none better than the mean.",
        {"MAE": ".4f", "MAPE": ".2%", "RMSE": ".4f", "R²": ".4f"},
    )


def tuning_words(predictions: pd.DataFrame, metrics: BudgetMetrics, best_settings: BudgetSettings) -> str:
    """Say what tuning changed, or that it changed nothing."""
    if tuning_changed_nothing(predictions):
        return (
            f"Tuning changed **nothing**: the best of {best_settings.tried} settings gives the same "
            f"prediction for all {len(predictions)} test campaigns."
        )
    default, tuned = metrics["default"]["mae"], metrics["tuned"]["mae"]
    word = "down" if tuned <= default else "up"
    return (
        f"Tuning brought the mean absolute error {word} from {default:.4f} to **{tuned:.4f}** units of sales "
        f"({tuned / default - 1:+.1%})."
    )


def _settings_words(best: BudgetSettings) -> str:
    low, high = best.feature_range
    intercept = "with" if best.fit_intercept else "without"
    sign = "that may not fall" if best.positive else "that may rise or fall"
    words = (
        f"{best.tried} combinations, compared by cross-validation on the training campaigns. Chosen: a "
        f"line {intercept} an intercept, {sign}, over budgets scaled to {low:g} .. {high:g}, with a mean "
        f"absolute error of {best.cv_mae:.4f}."
    )
    if best.as_good > 1:
        words += f" {best.as_good} combinations are equally good; the first one listed is taken."
    return words


def _spread_words(predictions: pd.DataFrame, method: str) -> str:
    error = (predictions[method] - predictions["sales"]).abs()
    small = predictions["tv"] <= predictions["tv"].median()
    if small.all():
        return ""
    return (
        f"The error is {error[small].mean():.2f} on average in the smaller half of the budgets and "
        f"{error[~small].mean():.2f} in the larger."
    )
