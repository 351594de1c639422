"""Forecasts of the past that were computed before, found by the content of everything they were made from."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from threading import RLock

import pandas as pd
from pyarrow.lib import ArrowException
from pydantic import BaseModel, Field

import sales_forecast
from sales_forecast.atomic import whole_file
from sales_forecast.forecasting.evaluation.forecaster import fit_and_forecast
from sales_forecast.forecasting.features.context import ForecastContext
from sales_forecast.forecasting.methods.base import Method
from sales_forecast.forecasting.methods.declare import declare
from sales_forecast.forecasting.panel.digest import digest_table

LIBRARIES = ("lightgbm", "numpy", "pandas", "scikit-learn", "scipy")
"""Distributions whose version may change a forecast."""

MEGABYTE = 1_000_000

FORECASTING = f"{sales_forecast.__name__}.forecasting"

NOTEBOOK = "__main__"
"""Module of a class that was written in a notebook, which has no file."""

logger = logging.getLogger(__name__)


class FoldCacheParams(BaseModel, frozen=True, extra="forbid"):
    """Where computed folds are kept, and how many."""

    folder: str
    limit_megabytes: float = Field(ge=0)
    """Those used longest ago are removed beyond this size; 0 keeps nothing."""


@dataclass(frozen=True)
class KeptFold:
    """A file of the cache.

    Args:
        path: Where it is.
        size: Bytes.
        used: Time at which it was used last, seconds since 1970.
    """

    path: Path
    size: int
    used: float


@dataclass(frozen=True)
class FoldCache:
    """Computed folds, one Parquet file each, named by the digest of what they were computed from.

    The digest covers the method with its options, the turnover up to the cutoff, what is known of stores and
    weeks up to the last week forecast, the rows, the code of ``sales_forecast.forecasting`` and of the
    packages that methods from elsewhere and their base classes are in, and the versions of the libraries. A
    fold that differs in any of these is another file. What such methods import from other packages is not
    noticed, and folds of methods of a notebook are not kept.

    Args:
        params: Folder and limit.
    """

    params: FoldCacheParams
    _latest: list[tuple[ForecastContext, pd.Timestamp, ForecastContext]] = field(
        default_factory=list, init=False, repr=False, compare=False
    )
    _lock: RLock = field(default_factory=RLock, init=False, repr=False, compare=False)

    def fit_and_forecast(
        self, method: Method, context: ForecastContext, forecast_index: pd.DataFrame
    ) -> pd.DataFrame:
        """Read the forecasts if they were computed before, else compute and keep them.

        Nothing is known of weeks after the last one to forecast: the calendar of a later delivery, which
        reaches further, is no reason to compute again.
        """
        context = self._known_then(context, forecast_index)
        if not self.params.limit_megabytes or NOTEBOOK in _foreign_modules(method.plain()):
            return fit_and_forecast(method, context, forecast_index)
        path = self._path(method, context, forecast_index)
        try:
            kept = pd.read_parquet(path)
        except FileNotFoundError:
            pass
        except (OSError, ArrowException) as error:
            logger.warning("%s cannot be read, so the fold is computed anew: %s", path, error)
        else:
            with suppress(OSError):  # which never creates the file, should another run have removed it
                os.utime(path)
            return kept
        forecasts = fit_and_forecast(method, context, forecast_index)
        try:
            with whole_file(path) as part:
                forecasts.to_parquet(part, index=False)
        except OSError as error:
            logger.warning("The fold cannot be kept in %s: %s", path.parent, error)
        return forecasts

    def _known_then(self, context: ForecastContext, forecast_index: pd.DataFrame) -> ForecastContext:
        """The context without later weeks, whose methods ask this cache; the same one for the same question.

        Methods that are asked in turn share the features of the context.
        """
        last = forecast_index["week"].max()
        with self._lock:
            for asked, week, answer in self._latest:
                if week == last and (asked is context or answer is context):
                    return answer
            known = _until_last_week(context.changed(forecaster=self.fit_and_forecast), forecast_index)
            self._latest[:] = [(context, last, known)]
            return known

    def knows(self, method: Method, context: ForecastContext, forecast_index: pd.DataFrame) -> bool:
        """Whether the forecasts were computed before."""
        known = _until_last_week(context, forecast_index)
        return bool(self.params.limit_megabytes) and self._path(method, known, forecast_index).exists()

    def trim(self) -> None:
        """Remove the folds that were used longest ago, down to the limit."""
        kept = 0
        for fold in sorted(self.files(), key=lambda fold: -fold.used):
            kept += fold.size
            if kept > self.params.limit_megabytes * MEGABYTE:
                with suppress(OSError):
                    fold.path.unlink()

    def clear(self) -> int:
        """Remove all folds; returns how many there were."""
        folds = list(self.files())
        for fold in folds:
            fold.path.unlink(missing_ok=True)
        return len(folds)

    def files(self) -> Iterator[KeptFold]:
        """Every fold; those that another run removes meanwhile are left out."""
        for path in Path(self.params.folder).glob("*.parquet"):
            with suppress(FileNotFoundError):
                found = path.stat()
                yield KeptFold(path, found.st_size, found.st_mtime)

    def _path(self, method: Method, context: ForecastContext, forecast_index: pd.DataFrame) -> Path:
        declared = json.dumps(declare(method.plain()), sort_keys=True, default=str)
        words = [
            _code_version(_foreign_modules(method.plain())),
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
    return context.changed(data=replace(data, calendar=calendar, future_covariates=covariates))


def _foreign_modules(method: Method) -> tuple[str, ...]:
    """Modules of methods, and of their base classes, that are no part of this project."""
    classes = {kind for kind in type(method).__mro__ if issubclass(kind, Method)}
    modules = {kind.__module__ for kind in classes}
    modules |= {name for _, nested in method.nested() for name in _foreign_modules(nested)}
    return tuple(sorted(name for name in modules if not name.startswith(f"{FORECASTING}.")))


@cache
def _code_version(foreign_modules: tuple[str, ...]) -> str:
    """Digest of the code that makes forecasts, and the versions of the libraries that it uses."""
    files = sorted((Path(sales_forecast.__path__[0]) / "forecasting").rglob("*.py"))
    for name in foreign_modules:
        package = import_module(name.partition(".")[0])
        folders = [Path(folder) for folder in getattr(package, "__path__", ())]
        files += sorted(file for folder in folders for file in folder.rglob("*.py"))
        files += [] if folders else [Path(str(package.__file__))]
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.read_bytes())
    return " ".join([digest.hexdigest(), *(f"{name} {version(name)}" for name in LIBRARIES)])
