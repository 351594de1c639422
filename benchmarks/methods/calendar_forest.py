"""The random forest on calendar and store of public contest solutions, with its encoding of stores."""

from __future__ import annotations

import base64
import zipfile
from typing import TypedDict

import numpy as np
import pandas as pd
from pydantic import Field
from sklearn.ensemble import RandomForestRegressor

from sales_forecast.forecasting.features.context import ForecastContext
from sales_forecast.forecasting.methods.base import Method
from sales_forecast.forecasting.panel.matrix import FloatArray

Codes = dict[str, list[str]]
"""Column -> its values; the code of a value is its position."""


class CalendarForestFit(TypedDict):
    """A fitted forest."""

    codes: Codes
    forest: str
    """skops file in base64."""


class CalendarForest(Method[CalendarForestFit], frozen=True):
    """A random forest on calendar and store, as public solutions of sales contests use; it has no lags."""

    trees: int = Field(gt=0)
    min_rows_per_leaf: int = Field(gt=0)
    """Also keeps the fitted forest small, which is stored leaf by leaf."""

    seed: int = 42

    def fit(self, context: ForecastContext) -> CalendarForestFit:
        """Fit one forest on every known week."""
        import skops.io

        codes = codes_of(context)
        known = context.data.panel.dropna(subset="turnover")
        forest = RandomForestRegressor(
            n_estimators=self.trees,
            min_samples_leaf=self.min_rows_per_leaf,
            random_state=self.seed,
            n_jobs=-1,
        )
        forest.fit(_place_and_time(context, known, codes), known["turnover"].to_numpy())
        packed = skops.io.dumps(forest, compression=zipfile.ZIP_DEFLATED, compresslevel=1)
        return {"codes": codes, "forest": base64.b64encode(packed).decode("ascii")}

    def forecast(
        self, context: ForecastContext, forecast_index: pd.DataFrame, fitted: CalendarForestFit
    ) -> FloatArray:
        """Predict from store and calendar; a department that the forest was not fitted on has no forecast."""
        import skops.io

        # Its node indices are not bounds-checked, so a hostile file could crash the process, not run code.
        trusted = ["sklearn.tree._tree.Tree"]
        forest = skops.io.loads(base64.b64decode(fitted["forest"]), trusted=trusted)
        forest.n_jobs = 1  # threads add the trees up in any order, and the last digit would depend on it
        features = _place_and_time(context, forecast_index, fitted["codes"])
        return np.where(features["department"] >= 0, forest.predict(features), np.nan)


def codes_of(context: ForecastContext) -> Codes:
    """List the values of each column that needs a code; numbers are in their order."""
    columns = {name: context.data.panel[name] for name in ("store", "department")}
    columns |= {name: context.data.stores[name] for name in ("region", "zone")}
    return {
        name: sorted(values.astype(str).unique(), key=lambda text: (len(text), text))
        for name, values in columns.items()
    }


def place_of(context: ForecastContext, rows: pd.DataFrame, codes: Codes) -> pd.DataFrame:
    """Encode series and location of each row; a store without a location is put at the mean of all stores."""
    stores = context.data.stores.set_index("store")
    place = {name: _coded(rows[name], codes[name]).to_numpy() for name in ("store", "department")}
    for name in ("region", "zone"):
        place[name] = rows["store"].map(_coded(stores[name], codes[name])).fillna(-1).to_numpy()
    for name in ("latitude", "longitude"):
        place[name] = rows["store"].map(stores[name]).fillna(stores[name].mean()).fillna(0).to_numpy()
    return pd.DataFrame(place)


def _coded(values: pd.Series[str], known: list[str]) -> pd.Series[int]:
    return pd.Series(pd.Index(known).get_indexer(pd.Index(values.astype(str))), index=values.index)


def _place_and_time(context: ForecastContext, rows: pd.DataFrame, codes: Codes) -> pd.DataFrame:
    week = rows["week"].dt
    return place_of(context, rows, codes).assign(
        month=week.month.to_numpy(),
        iso_week=week.isocalendar()["week"].to_numpy(dtype=int),
        year=week.year.to_numpy(),
        day_of_year=week.dayofyear.to_numpy(),
    )
