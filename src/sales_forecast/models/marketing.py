"""The marketing model as a package: a line from TV budget to sales, stored without pickle."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sales_forecast.errors import InputError

LIBRARIES = ("pandas", "pyarrow", "scikit-learn", "skops")


@dataclass(frozen=True)
class BudgetPackage:
    """A model and the campaigns it was made from.

    Args:
        model: A fitted scikit-learn pipeline from ``tv`` to sales.
        train: ``tv, sales`` of the campaigns it has learnt from, in units of the file.
        settings: What was chosen for it.
    """

    model: Any
    train: pd.DataFrame
    settings: dict[str, Any]

    def write(self, folder: Path) -> None:
        """Write ``model.skops`` and the campaigns."""
        import skops.io

        folder.mkdir(parents=True, exist_ok=True)
        skops.io.dump(self.model, folder / "model.skops")
        self.train.to_parquet(folder / "train.parquet", index=False)
        pd.Series(self.settings).to_json(folder / "settings.json", indent=1)

    @classmethod
    def read(cls, folder: Path) -> BudgetPackage:
        """Read what ``write`` wrote; types beyond scikit-learn's own are refused."""
        import json

        import skops.io

        return cls(
            skops.io.load(folder / "model.skops", trusted=[]),
            pd.read_parquet(folder / "train.parquet"),
            json.loads((folder / "settings.json").read_text(encoding="utf-8")),
        )

    def options(self) -> dict[str, str]:
        """Columns that a question may have beside: none."""
        return {}

    def example(self) -> pd.DataFrame:
        """A question that it can answer."""
        return self.train[["tv"]].head(2).reset_index(drop=True)


SMALLEST_SPREAD = 0.1
"""Of the mean spread: where the line through the errors would fall to zero, the range must not."""


@dataclass(frozen=True)
class BudgetInterval:
    """How far sales stray from the line, which changes with the budget.

    Args:
        spread: A line from ``tv`` to the size of errors.
        floor: The least spread.
        low: Where the range begins, in spreads from the prediction; below zero.
        high: Where it ends.
    """

    spread: Any
    floor: float
    low: float
    high: float

    @classmethod
    def learn(cls, package: BudgetPackage, share: float, folds: int) -> BudgetInterval:
        """Learn from errors on campaigns that a model had not seen.

        Each fold of the training campaigns is predicted by a line fitted on the others. How the size of these
        errors changes with the budget is estimated by a line of its own; errors divided by that size are
        comparable, and their quantiles times the size at a budget make the range there.

        Args:
            package: Model and campaigns, in random order.
            share: Of campaigns that the range should hold.
            folds: How many parts are held out, one at a time.
        """
        from sklearn.linear_model import LinearRegression
        from sklearn.model_selection import cross_val_predict

        train = package.train
        # scikit-learn fits a copy of the model on each fold; the one passed in stays as it is
        seen_by_none = cross_val_predict(package.model, train[["tv"]], train["sales"], cv=folds)
        errors = train["sales"] - seen_by_none
        spread = LinearRegression().fit(train[["tv"]], errors.abs())
        floor = float(max(SMALLEST_SPREAD * errors.abs().mean(), np.finfo(float).tiny))
        relative = errors / np.maximum(spread.predict(train[["tv"]]), floor)
        beyond = (1 - share) / 2
        low, high = np.quantile(relative, [beyond, 1 - beyond])
        return cls(spread, floor, float(low), float(high))

    def around(self, predicted: pd.DataFrame) -> pd.DataFrame:
        """Add ``sales_low, sales_high``, not below zero, to ``tv, sales``."""
        width = np.maximum(self.spread.predict(predicted[["tv"]]), self.floor)
        return predicted.assign(
            sales_low=np.maximum(predicted["sales"] + self.low * width, 0),
            sales_high=np.maximum(predicted["sales"] + self.high * width, 0),
        )


class BudgetForecaster:
    """Answers questions about budgets; what MLflow calls a pyfunc model."""

    def __init__(self, package: BudgetPackage) -> None:
        self._model = package.model

    def predict(self, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """Predict sales.

        Args:
            model_input: ``tv`` in units of the file.
            params: None.

        Returns:
            ``tv, sales``, in the order asked.

        Raises:
            InputError: There is no column ``tv``.
        """
        if "tv" not in model_input:
            raise InputError("column(s) missing: tv")
        asked = model_input[["tv"]]
        return asked.assign(sales=self._model.predict(asked))


def score_budgets(actual: pd.Series[float], predicted: pd.Series[float]) -> dict[str, float]:
    """Errors of predicted sales.

    Args:
        actual: Sales of campaigns, in units of the file.
        predicted: The same campaigns.

    Returns:
        ``mae`` and ``rmse`` in units of sales, ``r2``, and ``mape``: the mean of |error| / sales as a ratio,
        over campaigns that sold something.

    Raises:
        InputError: No campaign sold anything.
    """
    from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

    sold = actual > 0
    if not sold.any():
        raise InputError(
            "marketing: none of the test campaigns sold anything, so an error relative to sales does not "
            "exist. Check the sales in the file, or draw other campaigns with marketing.split.seed."
        )
    return {
        "mae": float(mean_absolute_error(actual, predicted)),
        "mape": float(((predicted - actual).abs() / actual)[sold].mean()),
        "rmse": float(root_mean_squared_error(actual, predicted)),
        "r2": float(r2_score(actual, predicted)),
    }


forecaster = BudgetForecaster
"""What answers, whatever the domain."""


def _load_pyfunc(path: str) -> BudgetForecaster:
    """MLflow calls this by name."""
    return BudgetForecaster(BudgetPackage.read(Path(path)))
