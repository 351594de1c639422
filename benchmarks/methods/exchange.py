"""Forecasts by another Python interpreter, handed over in files.

Libraries that cannot be installed beside the project run in a virtual environment of their own. One folder is
written for them, the name of which is the only argument of the program that reads it:

- ``request.json``: ``horizon_weeks``, ``levels`` (quantiles) and ``options`` of the method.
- ``past.parquet``: ``series`` (row of the panel matrix), ``week``, ``turnover`` and the covariates, from the
  first known week of each series to the cutoff; turnover is NaN in gaps, and returns count as zero.
- ``future.parquet``: ``series, week`` and the covariates of the weeks to be forecast.
- ``attributes.parquet``: ``series`` and its attributes, text or numbers.

The program adds ``forecasts.parquet`` (``series, week`` and a column for each quantile, such as ``0.5``), and
may add ``about.json`` with whatever it says of itself.
"""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd

from sales_forecast.errors import InputError
from sales_forecast.forecasting.features.context import ForecastContext
from sales_forecast.forecasting.features.exogenous import ExogenousData
from sales_forecast.forecasting.panel.matrix import FloatArray, PanelMatrix

LINES_OF_A_FAILURE = 5
OFFLINE = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
"""Nothing is downloaded while methods are compared."""


@dataclass(frozen=True)
class Request:
    """What another interpreter has to forecast, and how.

    Args:
        horizon_weeks: Weeks after the cutoff.
        levels: Quantiles.
        options: Options of the method, in values that JSON can hold.
    """

    horizon_weeks: int
    levels: tuple[float, ...]
    options: dict[str, Any]


@dataclass(frozen=True)
class Answer:
    """What the other interpreter forecast.

    Args:
        quantiles: Shape ``(series, horizon_weeks, levels)``; NaN where there is no forecast.
        about: What it says of itself.
    """

    quantiles: FloatArray
    about: dict[str, Any]


def forecast_elsewhere(
    command: list[str], context: ForecastContext, matrix: PanelMatrix, request: Request
) -> Answer:
    """Let a program forecast the weeks after the cutoff.

    Args:
        command: Interpreter and program.
        context: What is known at the cutoff.
        matrix: The history to learn from.
        request: What to forecast.

    Raises:
        InputError: The program left no forecasts.
    """
    with TemporaryDirectory(prefix="forecast-") as name:
        folder = Path(name)
        write_request(folder, context, matrix, request)
        process = subprocess.run(
            [*command, name], env=_environment(), capture_output=True, text=True, check=False
        )
        # The exit code tells nothing of forecasts that are there: Arrow's threads may abort an interpreter
        # that has done its work while it ends (github.com/apache/arrow/issues/34314).
        if not (folder / "forecasts.parquet").exists():
            last = "\n".join((process.stderr or process.stdout).splitlines()[-LINES_OF_A_FAILURE:])
            raise InputError(
                f"{Path(command[-1]).name} left no forecasts (exit code {process.returncode}). Its last "
                f"lines:\n{last}"
            )
        return read_answer(folder, matrix, context.cutoff, request)


def write_request(folder: Path, context: ForecastContext, matrix: PanelMatrix, request: Request) -> None:
    """Write the files that the other interpreter reads."""
    weeks = matrix.weeks.union(_weeks_after(context.cutoff, request.horizon_weeks))
    known = ~np.isnan(matrix.turnover)
    first = np.where(known.any(axis=1), known.argmax(axis=1), len(weeks))
    series, week = np.nonzero(np.arange(len(weeks)) >= first[:, None])
    exogenous = ExogenousData(matrix, context.data)
    covariates = {
        name: _through(values, len(weeks))[series, week]
        for name, values in (exogenous.calendar | exogenous.covariates).items()
    }
    rows = pd.DataFrame({"series": series, "week": weeks[week], **covariates})
    past = week < len(matrix.weeks)
    turnover = np.maximum(matrix.turnover[series[past], week[past]], 0)
    rows[past].assign(turnover=turnover).to_parquet(folder / "past.parquet", index=False)
    rows[~past].to_parquet(folder / "future.parquet", index=False)
    _attributes(matrix).to_parquet(folder / "attributes.parquet", index=False)
    said = {"horizon_weeks": request.horizon_weeks, "levels": request.levels, "options": request.options}
    (folder / "request.json").write_text(json.dumps(said))


def read_answer(folder: Path, matrix: PanelMatrix, cutoff: pd.Timestamp, request: Request) -> Answer:
    """Read what the other interpreter wrote.

    Raises:
        InputError: A column is missing.
    """
    found = pd.read_parquet(folder / "forecasts.parquet")
    columns = ["series", "week", *map(str, request.levels)]
    if missing := [name for name in columns if name not in found]:
        present = ", ".join(map(str, found.columns))
        raise InputError(f"forecasts.parquet has no column {', '.join(missing)}; it has {present}")
    weeks = _weeks_after(cutoff, request.horizon_weeks)
    wanted = pd.MultiIndex.from_product([range(len(matrix.series)), weeks])
    quantiles = found.set_index(["series", "week"])[columns[2:]].reindex(wanted).to_numpy(dtype=float)
    about = folder / "about.json"
    return Answer(
        quantiles.reshape(len(matrix.series), len(weeks), len(request.levels)),
        json.loads(about.read_text()) if about.exists() else {},
    )


def _environment() -> dict[str, str]:
    """Our own environment without the places where we import from, as the other interpreter has its own."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | OFFLINE


def _weeks_after(cutoff: pd.Timestamp, horizon_weeks: int) -> pd.DatetimeIndex:
    return pd.date_range(cutoff + pd.Timedelta(weeks=1), periods=horizon_weeks, freq="7D")


def _through(values: FloatArray, weeks: int) -> FloatArray:
    """Cut or extend a matrix to so many weeks; NaN where nothing is known."""
    return np.pad(values, ((0, 0), (0, max(0, weeks - values.shape[1]))), constant_values=np.nan)[:, :weeks]


def _attributes(matrix: PanelMatrix) -> pd.DataFrame:
    """Department and location of each series and the retailer's own attributes, without its postcode."""
    attributes = matrix.series.drop(columns=["store", "postcode"], errors="ignore")
    texts = [name for name in attributes if not pd.api.types.is_numeric_dtype(attributes[name])]
    for name in {"department", *texts}:
        text = attributes[name].astype(object)
        attributes[name] = text.where(text.notna(), "unknown").astype(str)
    return attributes.rename_axis("series").reset_index()
