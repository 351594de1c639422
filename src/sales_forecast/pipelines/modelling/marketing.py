"""Marketing: a straight line from TV budget to sales, as it comes and tuned."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MinMaxScaler

from sales_forecast.contracts import DataContractError
from sales_forecast.pipelines.handovers import BudgetSettings
from sales_forecast.pipelines.modelling.params import SplitParams, TuningParams

SETTINGS = {
    "fit_intercept": "line__fit_intercept",
    "positive": "line__positive",
    "feature_range": "scale__feature_range",
}
"""Our name of a setting -> its address inside the model."""


def split_campaigns(budgets: pd.DataFrame, split: SplitParams) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Put a random share of the campaigns aside for the test.

    Args:
        budgets: One row a campaign. Their order matters: the same seed draws the same *positions*.
        split: Share and seed.

    Returns:
        Training and test campaigns, both in random order.

    Raises:
        DataContractError: Fewer than two campaigns would be left for the test.
    """
    train, test = train_test_split(budgets, test_size=split.test_share, random_state=split.seed)
    if len(test) < 2:
        raise DataContractError(
            f"marketing.split.test_share: {split.test_share:g} of {len(budgets)} campaigns leaves "
            f"{len(test)} for the test, which needs two. Raise the share or add campaigns."
        )
    return train.reset_index(drop=True), test.reset_index(drop=True)


def fit_budget_model(train: pd.DataFrame) -> Pipeline:
    """Fit the straight line with scikit-learn's own settings.

    Args:
        train: Campaigns with ``tv, sales`` in the units of the file.

    Returns:
        A fitted pipeline from a table with ``tv`` to sales.
    """
    return _straight_line().fit(train[["tv"]], train["sales"])


def _straight_line() -> Pipeline:
    return Pipeline([("scale", MinMaxScaler()), ("line", LinearRegression())])


def tune_budget_model(train: pd.DataFrame, tuning: TuningParams) -> tuple[Pipeline, BudgetSettings]:
    """Try all settings by cross-validation and fit the best on all training campaigns.

    Args:
        train: Campaigns with ``tv, sales``, in random order, so that folds may be blocks of rows.
        tuning: Settings to try, and the number of folds.

    Returns:
        The fitted pipeline and its settings.
    """
    search = GridSearchCV(
        _straight_line(),
        {address: list(getattr(tuning, name)) for name, address in SETTINGS.items()},
        scoring="neg_mean_absolute_error",
        cv=tuning.folds,
        refit=lambda results: int(_as_good_as_best(results).argmax()),
    ).fit(train[["tv"]], train["sales"])
    scores = search.cv_results_["mean_test_score"]
    best = {name: search.best_params_[address] for name, address in SETTINGS.items()}
    return search.best_estimator_, BudgetSettings(
        **best,
        tried=len(scores),
        as_good=int(_as_good_as_best(search.cv_results_).sum()),
        cv_mae=-float(scores[search.best_index_]),
    )


def _as_good_as_best(results: Mapping[str, NDArray[np.float64]]) -> NDArray[np.bool_]:
    """Rounding must not choose between settings that describe the same line."""
    scores = results["mean_test_score"]
    return np.isclose(scores, np.max(scores), rtol=1e-9)
