"""The marketing model as a package: a line from TV budget to sales, stored without pickle."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import pandas as pd
from pydantic import JsonValue

from sales_forecast.errors import InputError
from sales_forecast.forecasting.panel.digest import digest_table
from sales_forecast.forecasting.panel.matrix import FloatArray

LIBRARIES = ("pandas", "pyarrow", "scikit-learn", "skops")


class Regressor(Protocol):
    """A fitted regressor of scikit-learn."""

    def predict(self, rows: pd.DataFrame, /) -> FloatArray:
        """Predict one value per row."""


@dataclass(frozen=True)
class BudgetPackage:
    """A model and the campaigns that it was fitted on.

    Args:
        model: A fitted scikit-learn pipeline from ``tv`` to sales.
        train: ``tv, sales`` of the campaigns that it was fitted on, in units of the file.
        settings: Settings that were selected for it.
    """

    model: Regressor
    train: pd.DataFrame
    settings: dict[str, JsonValue]

    def write(self, folder: Path) -> None:
        """Write ``model.skops`` and the campaigns."""
        import skops.io

        folder.mkdir(parents=True, exist_ok=True)
        skops.io.dump(self.model, folder / "model.skops")
        self.train.to_parquet(folder / "train.parquet", index=False)
        pd.Series(self.settings).to_json(folder / "settings.json", indent=1)

    def digest(self) -> str:
        """Digest of the model and its campaigns; equal packages have equal ones."""
        import joblib

        words = [joblib.hash(self.model), digest_table(self.train), pd.Series(self.settings).to_json()]
        return hashlib.sha256("\n".join(words).encode()).hexdigest()

    @classmethod
    def read(cls, folder: Path, modules: Collection[str] = ()) -> BudgetPackage:
        """Read what ``write`` wrote; types beyond scikit-learn's own are refused.

        Args:
            folder: Folder of the package.
            modules: Not used: the model names no methods.
        """
        import json

        import skops.io

        return cls(
            skops.io.load(folder / "model.skops", trusted=[]),
            pd.read_parquet(folder / "train.parquet"),
            json.loads((folder / "settings.json").read_text(encoding="utf-8")),
        )

    def options(self) -> dict[str, str]:
        """Return the optional columns of a request: there are none."""
        return {}

    def example(self) -> pd.DataFrame:
        """Return a request that the model can answer."""
        return self.train[["tv"]].head(2).reset_index(drop=True)


MIN_SPREAD_SHARE = 0.1
"""Lower bound of the spread, as a share of the mean absolute error: the fitted line may fall to zero."""


@dataclass(frozen=True)
class BudgetInterval:
    """Prediction intervals of sales, whose size changes with the budget.

    Args:
        spread: Linear regression of the size of errors on ``tv``.
        floor: Lower bound of the spread.
        low: Lower end of the interval, in spreads from the prediction; below zero.
        high: Upper end of the interval, in spreads from the prediction.
    """

    spread: Regressor
    floor: float
    low: float
    high: float

    @classmethod
    def learn(cls, package: BudgetPackage, share: float, folds: int) -> BudgetInterval:
        """Learn from errors on campaigns that a model was not fitted on.

        Each fold of the training campaigns is predicted by a model fitted on the others. A second regression
        estimates how the size of these errors changes with the budget. Errors divided by that size are
        comparable; their quantiles, multiplied by the size at a budget, are the ends of the interval there.

        Args:
            package: Model and campaigns, in random order.
            share: Share of campaigns that should lie inside the interval.
            folds: Number of folds, held out one at a time.
        """
        from sklearn.linear_model import LinearRegression
        from sklearn.model_selection import cross_val_predict

        train = package.train
        # scikit-learn fits a copy of the model on each fold; the one passed in stays as it is
        held_out = cross_val_predict(package.model, train[["tv"]], train["sales"], cv=folds)
        errors = train["sales"] - held_out
        spread = LinearRegression().fit(train[["tv"]], errors.abs())
        floor = float(max(MIN_SPREAD_SHARE * errors.abs().mean(), np.finfo(float).tiny))
        relative = errors / np.maximum(spread.predict(train[["tv"]]), floor)
        tail = (1 - share) / 2
        low, high = np.quantile(relative, [tail, 1 - tail])
        return cls(spread, floor, float(low), float(high))

    def around(self, predicted: pd.DataFrame) -> pd.DataFrame:
        """Add ``sales_low, sales_high``, not below zero, to ``tv, sales``."""
        spread = np.maximum(self.spread.predict(predicted[["tv"]]), self.floor)
        return predicted.assign(
            sales_low=np.maximum(predicted["sales"] + self.low * spread, 0),
            sales_high=np.maximum(predicted["sales"] + self.high * spread, 0),
        )


class BudgetForecaster:
    """Predicts sales from budgets, as a pyfunc model of MLflow."""

    def __init__(self, package: BudgetPackage) -> None:
        self._model = package.model

    def predict(self, model_input: pd.DataFrame, params: dict[str, object] | None = None) -> pd.DataFrame:
        """Predict sales.

        Args:
            model_input: ``tv`` in units of the file.
            params: Not used; part of MLflow's interface.

        Returns:
            ``tv, sales``, in the order of the input.

        Raises:
            InputError: There is no column ``tv``.
        """
        if "tv" not in model_input:
            raise InputError("column(s) missing: tv")
        budgets = model_input[["tv"]]
        return budgets.assign(sales=self._model.predict(budgets))


def score_budgets(actual: pd.Series[float], predicted: pd.Series[float]) -> dict[str, float]:
    """Errors of predicted sales.

    Args:
        actual: Sales of campaigns, in units of the file.
        predicted: Predicted sales of the same campaigns.

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
"""The class that predicts; every domain's module has one of this name."""


def _load_pyfunc(path: str, model_config: Mapping[str, Sequence[str]] | None = None) -> BudgetForecaster:
    """Load a package; MLflow calls this function by its name.

    Args:
        path: Folder of the package.
        model_config: Not used: the model names no methods.
    """
    return BudgetForecaster(BudgetPackage.read(Path(path)))
