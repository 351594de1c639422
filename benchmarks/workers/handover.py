"""The files of benchmarks/methods/exchange.py, as a program in another environment sees them."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd


@dataclass(frozen=True)
class Handover:
    """What has to be forecast.

    Args:
        folder: Where the forecasts are written.
        horizon_weeks: Weeks after the last one of the past.
        levels: Quantiles.
        options: Options of the method.
        past: ``series, week, turnover`` and covariates.
        future: ``series, week`` and covariates.
        attributes: ``series`` and its attributes.
    """

    folder: Path
    horizon_weeks: int
    levels: list[float]
    options: dict[str, Any]
    past: pd.DataFrame
    future: pd.DataFrame
    attributes: pd.DataFrame

    @classmethod
    def read(cls) -> Handover:
        """Read the folder that is named on the command line."""
        folder = Path(sys.argv[1])
        names = ("past", "future", "attributes")
        tables = {name: pd.read_parquet(folder / f"{name}.parquet") for name in names}
        return cls(folder=folder, **json.loads((folder / "request.json").read_text()), **tables)

    @property
    def covariates(self) -> list[str]:
        """Columns known of past and future weeks."""
        return [name for name in self.future.columns if name not in ("series", "week")]

    def write(self, forecasts: pd.DataFrame, about: dict[str, Any], *libraries: str) -> None:
        """Write ``series, week`` and a column for each quantile, and what to say about them.

        The forecasts get their name last, so that whoever finds them has everything.
        """
        forecasts.to_parquet(self.folder / "forecasts.part", index=False)
        versions = {name: version(name) for name in libraries}
        (self.folder / "about.json").write_text(json.dumps(about | {"versions": versions}))
        (self.folder / "forecasts.part").rename(self.folder / "forecasts.parquet")
