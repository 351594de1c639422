"""The marketing model as a package: a line from TV budget to sales, stored without pickle."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from sales_forecast.forecasting.errors import InputError

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
"""What answers, whatever the lane."""


def _load_pyfunc(path: str) -> BudgetForecaster:
    """MLflow calls this by name."""
    return BudgetForecaster(BudgetPackage.read(Path(path)))
