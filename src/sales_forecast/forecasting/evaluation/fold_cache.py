"""Forecasts of the past that were computed before, found by the content of everything they were made from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

import pandas as pd
from pydantic import BaseModel, Field

import sales_forecast
from sales_forecast.atomic import whole_file
from sales_forecast.forecasting.distributed import Prefitted
from sales_forecast.forecasting.evaluation.forecaster import fit_and_forecast
from sales_forecast.forecasting.features.context import ForecastContext
from sales_forecast.forecasting.methods.base import Method
from sales_forecast.forecasting.methods.declare import declare
from sales_forecast.forecasting.panel.digest import digest_table

LIBRARIES = ("lightgbm", "numpy", "pandas", "scikit-learn", "scipy")
"""Distributions whose version may change a forecast."""

MEGABYTE = 1_000_000


class FoldCacheParams(BaseModel, frozen=True, extra="forbid"):
    """Where computed folds are kept, and how many."""

    folder: str
    limit_megabytes: float = Field(ge=0)
    """Those used longest ago are removed beyond this size; 0 keeps nothing."""


@dataclass(frozen=True)
class FoldCache:
    """Computed folds, one Parquet file each, named by the digest of what they were computed from.

    The digest covers the method with its options, the turnover up to the cutoff, what is known of stores and
    weeks up to the last week forecast, the rows, the code of ``sales_forecast.forecasting`` and of methods
    from elsewhere, and the versions of the libraries. A fold that differs in any of these is another file.

    Args:
        params: Folder and limit.
    """

    params: FoldCacheParams

    def fit_and_forecast(
        self, method: Method, context: ForecastContext, forecast_index: pd.DataFrame
    ) -> pd.DataFrame:
        """Read the forecasts if they were computed before, else compute and keep them.

        Nothing is known of weeks after the last one to forecast: the calendar of a later delivery, which
        reaches further, is no reason to compute again.
        """
        if not self.params.limit_megabytes:
            return fit_and_forecast(method, context, forecast_index)
        context = _until_last_week(context, forecast_index)
        path = self._path(method, context, forecast_index)
        if path.exists():
            path.touch()
            return pd.read_parquet(path)
        forecasts = fit_and_forecast(method, context, forecast_index)
        with whole_file(path) as part:
            forecasts.to_parquet(part, index=False)
        return forecasts

    def knows(self, method: Method, context: ForecastContext, forecast_index: pd.DataFrame) -> bool:
        """Whether the forecasts were computed before."""
        known = _until_last_week(context, forecast_index)
        return bool(self.params.limit_megabytes) and self._path(method, known, forecast_index).exists()

    def trim(self) -> None:
        """Remove the folds that were used longest ago, down to the limit."""
        kept = 0
        for path, size in sorted(self.files(), key=lambda file: -file[0].stat().st_mtime):
            kept += size
            if kept > self.params.limit_megabytes * MEGABYTE:
                path.unlink(missing_ok=True)

    def clear(self) -> int:
        """Remove all folds; returns how many there were."""
        files = [path for path, _ in self.files()]
        for path in files:
            path.unlink(missing_ok=True)
        return len(files)

    def files(self) -> Iterator[tuple[Path, int]]:
        """Every fold with its size in bytes."""
        for path in Path(self.params.folder).glob("*.parquet"):
            yield path, path.stat().st_size

    def _path(self, method: Method, context: ForecastContext, forecast_index: pd.DataFrame) -> Path:
        declared = json.dumps(declare(_not_prefitted(method)), sort_keys=True, default=str)
        words = [
            _code_version(_foreign_modules(_not_prefitted(method))),
            declared,
            context.level_shifts.model_dump_json(),
            f"{context.first_week} {context.cutoff}",
            *map(digest_table, vars(context.data).values()),
            digest_table(forecast_index),
        ]
        name = hashlib.sha256("\n".join(words).encode()).hexdigest()
        return Path(self.params.folder) / f"{name[:32]}.parquet"


def _until_last_week(context: ForecastContext, forecast_index: pd.DataFrame) -> ForecastContext:
    last, data = forecast_index["week"].max(), context.data
    calendar, covariates = (
        table[table["week"] <= last] if len(table) else table
        for table in (data.calendar, data.future_covariates)
    )
    return replace(context, data=replace(data, calendar=calendar, future_covariates=covariates))


def _not_prefitted(method: Method) -> Method:
    """The method as it is declared: where it was fitted makes no difference."""
    return method.method if isinstance(method, Prefitted) else method.with_nested(_not_prefitted)


def _foreign_modules(method: Method) -> tuple[str, ...]:
    """Modules of methods that are no part of this project."""
    own = {type(method).__module__} | {
        name for _, nested in method.nested() for name in _foreign_modules(nested)
    }
    return tuple(sorted(name for name in own if not name.startswith(f"{sales_forecast.__name__}.")))


@cache
def _code_version(foreign_modules: tuple[str, ...]) -> str:
    """Digest of the code that makes forecasts, and the versions of the libraries that it uses."""
    package = Path(sales_forecast.__path__[0])
    files = sorted((package / "forecasting").rglob("*.py"))
    files += [Path(str(import_module(name).__file__)) for name in foreign_modules]
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.read_bytes())
    return " ".join([digest.hexdigest(), *(f"{name} {version(name)}" for name in LIBRARIES)])
