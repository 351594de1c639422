"""The turnover model as a package: a folder with the fitted model and the history that it forecasts from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import pandas as pd

from sales_forecast.errors import InputError
from sales_forecast.forecasting.features.context import ForecastContext, weeks_ahead
from sales_forecast.forecasting.intervals.conformal import INTERVAL_COLUMNS, QUANTILES
from sales_forecast.forecasting.methods.declare import AllowedMethods
from sales_forecast.forecasting.model import TurnoverModel
from sales_forecast.forecasting.panel.digest import digest_table
from sales_forecast.forecasting.panel.matrix import ROW_KEYS, SERIES_KEYS
from sales_forecast.forecasting.panel.model_input import ModelInput
from sales_forecast.models import earlier_format

LIBRARIES = ("joblib", "lightgbm", "numpy", "pandas", "pyarrow", "pydantic", "scikit-learn", "scipy")
"""Distributions that loading and forecasting need; their own requirements come with them."""

FORECAST_COLUMNS = [*ROW_KEYS, "horizon", "forecast", *INTERVAL_COLUMNS, "cold_start", *QUANTILES]

Label = int | str
"""Label of a store or department, as the retailer's files have it."""


@dataclass(frozen=True)
class TurnoverPackage:
    """A model and the tables that it forecasts from.

    Args:
        model: Fitted method with its half-widths.
        data: Weekly turnover up to the last week seen, and what is known of stores and weeks.
        forecast_index: ``store, department, week`` that were forecast by the run that made the model.
        backtest: Past forecasts of its method, with the actual turnover.
    """

    model: TurnoverModel
    data: ModelInput
    forecast_index: pd.DataFrame
    backtest: pd.DataFrame

    def write(self, folder: Path) -> None:
        """Write ``model.json``, readable line by line, and one Parquet file per table."""
        folder.mkdir(parents=True, exist_ok=True)
        content = self.model.model_dump(mode="json")
        (folder / "model.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        self.data.write(folder)
        self.forecast_index.to_parquet(folder / "forecast_index.parquet", index=False)
        self.backtest.to_parquet(folder / "backtest.parquet", index=False)

    @classmethod
    def read(cls, folder: Path, modules: Collection[str] = ()) -> TurnoverPackage:
        """Read what ``write`` wrote, also in the earlier format; no code in it is executed.

        Args:
            folder: Folder of the package.
            modules: Modules outside this project whose methods ``model.json`` may name, and which are
                imported if it does.

        Raises:
            ValueError: The package cannot be read, or names a method of another module.
        """
        content = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        content = earlier_format.to_present(content)

        def table(name: str) -> pd.DataFrame:
            return pd.read_parquet(earlier_format.table_file(folder, name))

        data = ModelInput(**{field.name: table(field.name) for field in fields(ModelInput)})
        model = TurnoverModel.model_validate(content, context=AllowedMethods(frozenset(modules)))
        return cls(model, data, table("forecast_index"), table("backtest"))

    def digest(self) -> str:
        """Digest of the model and its tables; equal packages have equal ones."""
        tables = [*vars(self.data).values(), self.forecast_index, self.backtest]
        words = [self.model.model_dump_json(), *map(digest_table, tables)]
        return hashlib.sha256("\n".join(words).encode()).hexdigest()

    @cached_property
    def context(self) -> ForecastContext:
        """The context that the model was fitted on."""
        return self.model.context(self.data)

    @cached_property
    def horizon_weeks(self) -> int:
        """Longest horizon that can be forecast."""
        if self.forecast_index.empty:
            return self.model.horizon_weeks
        horizons = weeks_ahead(self.forecast_index, self.context.cutoff)
        return max(self.model.horizon_weeks, int(horizons.max()))

    def with_series(self, stores: pd.DataFrame, recent: pd.DataFrame) -> TurnoverPackage:
        """Return the package with stores and weeks added, see ``ModelInput.with_series``."""
        return replace(self, data=self.data.with_series(stores, recent))

    def options(self) -> dict[str, str]:
        """Return the optional columns of a request, with MLflow's names of their types."""
        return {"horizon": "long"} | dict.fromkeys(self.data.covariate_columns, "double")

    def example(self) -> pd.DataFrame:
        """Return a request for two weeks that the model can answer."""
        rows = self.forecast_index[ROW_KEYS].head(2).reset_index(drop=True)
        return rows[SERIES_KEYS].assign(horizon=weeks_ahead(rows, self.context.cutoff))


class TurnoverForecaster:
    """Forecasts series on request, as a pyfunc model of MLflow."""

    def __init__(self, package: TurnoverPackage) -> None:
        self._package = package

    @cached_property
    def _run_rows(self) -> pd.MultiIndex:
        return pd.MultiIndex.from_frame(self._package.forecast_index[ROW_KEYS])

    @cached_property
    def labels(self) -> dict[str, dict[str, Label]]:
        """Label of each store and department that the model knows, by its text: 7 and "7" are the same."""
        known = {
            "store": self._package.data.stores["store"],
            "department": self._package.data.panel["department"],
        }
        return {
            key: {str(label): label for label in values.unique().tolist()} for key, values in known.items()
        }

    def predict(self, model_input: pd.DataFrame, params: dict[str, object] | None = None) -> pd.DataFrame:
        """Forecast series.

        Args:
            model_input: ``store, department``, optionally ``horizon`` (weeks after the last week seen;
                without it, every week of the horizon) and future covariates, which replace the known values.
            params: Not used; part of MLflow's interface.

        Returns:
            ``store, department, week, horizon, forecast, lo_80, hi_80, lo_95, hi_95, cold_start`` and the
            quantiles ``q05, q10, ... q95``, in the order of the input; currency units per week.

        Raises:
            InputError: A store or department is unknown, or a horizon no number of weeks.
        """
        request = self._validated(model_input)
        rows = pd.MultiIndex.from_frame(request[ROW_KEYS])
        what_if = [name for name in self._package.data.covariate_columns if name in request]
        context = self._with_covariates(request, what_if) if what_if else self._package.context
        as_in_run = np.full(len(rows), False) if what_if else rows.isin(self._run_rows)
        forecasts = [
            self._package.model.forecast(context, part.drop_duplicates(ignore_index=True), peers)
            for part, peers in (
                (request.loc[as_in_run, ROW_KEYS], self._rows_of_run),
                (request.loc[~as_in_run, ROW_KEYS], partial(self._rows_in_weeks_of, request)),
            )
            if len(part)
        ]
        return pd.concat(forecasts).set_index(ROW_KEYS).loc[rows].reset_index()[FORECAST_COLUMNS]

    def _validated(self, model_input: pd.DataFrame) -> pd.DataFrame:
        """The request with one row per week and the types of the package's tables."""
        if missing := [key for key in SERIES_KEYS if key not in model_input]:
            raise InputError(f"column(s) missing: {', '.join(missing)}")
        request = model_input.reset_index(drop=True)
        for key, labels in self.labels.items():
            found = request[key].astype(str).map(labels)
            if found.isna().any():
                unknown = request.loc[found.isna(), key]
                raise InputError(
                    f"column '{key}': {len(unknown)} value(s) that the model does not know, e.g. "
                    f"'{unknown.iloc[0]}'"
                )
            request[key] = found.astype(self._package.data.panel[key].dtype)
        cutoff, weeks = self._package.context.cutoff, self._package.horizon_weeks
        if "horizon" not in request:
            request = request.merge(pd.DataFrame({"horizon": np.arange(1, weeks + 1)}), how="cross")
        bad = ~request["horizon"].isin(range(1, weeks + 1))
        if bad.any():
            raise InputError(
                f"column 'horizon': {bad.sum()} value(s) that are not whole numbers from 1 to {weeks}, e.g. "
                f"{request.loc[bad, 'horizon'].iloc[0]}"
            )
        return request.assign(week=cutoff + pd.to_timedelta(7 * request["horizon"].astype(int), unit="D"))

    def _with_covariates(self, request: pd.DataFrame, columns: list[str]) -> ForecastContext:
        """The context with the covariates of the request, where it has any, instead of the known ones."""
        if (twice := request.duplicated(ROW_KEYS)).any():
            raise InputError(
                f"{twice.sum()} row(s) of the request repeat a store, department and week, with values of "
                f"{', '.join(columns)}: send each week once"
            )
        data = self._package.data
        known = data.future_covariates.set_index(ROW_KEYS)
        new = request.set_index(ROW_KEYS)[columns]
        changed = known.reindex(known.index.union(new.index)).astype(dict.fromkeys(columns, float))
        changed.loc[new.index, columns] = new.fillna(changed.loc[new.index, columns])
        return self._package.model.context(replace(data, future_covariates=changed.reset_index()))

    def _rows_of_run(self) -> pd.DataFrame:
        """Rows that the run forecast; its own cold starts are forecast from no others."""
        return self._package.forecast_index[ROW_KEYS]

    def _rows_in_weeks_of(self, request: pd.DataFrame) -> pd.DataFrame:
        """Rows that the run forecast, and its series in every week of a request."""
        of_run, weeks = self._rows_of_run(), request[["week"]].drop_duplicates()
        every_week = of_run[SERIES_KEYS].drop_duplicates().merge(weeks, how="cross")
        return pd.concat([of_run, every_week], ignore_index=True).drop_duplicates(ignore_index=True)


forecaster = TurnoverForecaster
"""The class that predicts; every domain's module has one of this name."""


def _load_pyfunc(path: str, model_config: Mapping[str, Sequence[str]] | None = None) -> TurnoverForecaster:
    """Load a package; MLflow calls this function by its name.

    Args:
        path: Folder of the package.
        model_config: ``method_modules``: modules of methods that are not of this project.
    """
    modules = (model_config or {}).get("method_modules", ())
    return TurnoverForecaster(TurnoverPackage.read(Path(path), modules))
