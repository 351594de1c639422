"""Turnover: features, targets and errors of the last weeks beside those of the same weeks of last year."""

from __future__ import annotations

import logging
from fnmatch import fnmatchcase
from html import escape
from typing import Any

import numpy as np
import pandas as pd

from sales_forecast.forecasting.features.builder import MAX_RATIO
from sales_forecast.forecasting.features.context import ForecastContext
from sales_forecast.forecasting.panel.matrix import ROW_KEYS, SERIES_KEYS, WEEKS_PER_YEAR
from sales_forecast.forecasting.panel.model_input import ModelInput
from sales_forecast.models.turnover import TurnoverPackage
from sales_forecast.pipelines.monitoring.evidently_report import (
    EvidentlyFailedError,
    NotMadeError,
    evidently_report,
)
from sales_forecast.pipelines.monitoring.params import DriftParams
from sales_forecast.registry.serving import ServingModel

logger = logging.getLogger(__name__)

TARGETS = ["turnover", "turnover_over_mean_week"]
ERRORS = ["error", "error_over_mean_week"]
KEYS = ["year", *ROW_KEYS]
REFERENCE, CURRENT = "last year", "this year"
NOTE = (
    "The last weeks (current) against the same weeks of last year (reference), both in order of time. A "
    "description, not an alarm: in many ordinary weeks such a comparison calls something changed."
)


def sample_drift_rows(
    serving: ServingModel[TurnoverPackage], model_input: ModelInput, drift: DriftParams
) -> pd.DataFrame:
    """Put the last weeks, as the model saw them before they came, beside the same weeks of last year.

    Both years are seen from the week before the first of these weeks, as in a backtest.

    Args:
        serving: The model that serves, with its backtest.
        model_input: Past turnover, and what is known of stores and weeks.
        drift: Which weeks and features, and how many rows.

    Returns:
        ``year`` (last year, this year), ``store, department, week``, ``TARGETS``, ``ERRORS`` (forecast minus
        turnover) and the features; turnover in currency units per week. In order of time, and drawn at random
        within a week. Columns that are unknown throughout a year are left out. Empty if the history is too
        short.
    """
    model = serving.package.model
    today = model.context(model_input)
    cutoff = model_input.last_week - pd.Timedelta(weeks=drift.weeks)
    cutoffs = {REFERENCE: cutoff - pd.Timedelta(weeks=WEEKS_PER_YEAR), CURRENT: cutoff}
    if cutoffs[REFERENCE] < model_input.first_week:
        return pd.DataFrame(columns=KEYS)
    years = []
    for year, before in cutoffs.items():
        rows = _weeks_after(today.as_of(before), model_input.panel, drift)
        rows = _with_errors(rows, serving.package.backtest).assign(year=year)
        years.append(rows.sample(min(drift.rows, len(rows)), random_state=drift.seed))
    known = set.intersection(*(set(rows.columns[rows.notna().any()]) for rows in years))
    both = pd.concat(years).sort_values(["year", "week"], kind="stable", ignore_index=True)
    features = [name for name in both if name not in {*KEYS, *TARGETS, *ERRORS}]
    return both[[name for name in (*KEYS, *TARGETS, *ERRORS, *features) if name in known]]


def _weeks_after(past: ForecastContext, panel: pd.DataFrame, drift: DriftParams) -> pd.DataFrame:
    """Turnover of the weeks after a cutoff, with their features at it."""
    horizons = np.arange(1, drift.weeks + 1)
    series = past.level_adjusted.series[SERIES_KEYS]
    rows = series.loc[series.index.repeat(drift.weeks)].reset_index(drop=True)
    rows["horizon"] = np.tile(horizons, len(series))
    rows["week"] = past.cutoff + pd.to_timedelta(7 * rows["horizon"], unit="D")
    rows["mean_week"] = np.repeat(past.scale, drift.weeks)
    features = past.features.at(past.level_adjusted.last, horizons)
    wanted = {
        name: values.ravel().astype(np.float32)
        for name, values in features.items()
        if name not in rows and any(fnmatchcase(name, pattern) for pattern in drift.features)
    }
    rows = rows.join(pd.DataFrame(wanted, index=rows.index))
    sold = panel.loc[panel["turnover"].notna(), [*ROW_KEYS, "turnover"]]
    return rows.merge(sold, on=ROW_KEYS)


def _with_errors(rows: pd.DataFrame, backtest: pd.DataFrame) -> pd.DataFrame:
    """Add targets over the mean week, and errors of the backtest's forecasts made as far ahead, or nearly."""
    made = rows[[*ROW_KEYS, "horizon"]].merge(
        backtest[[*ROW_KEYS, "horizon", "forecast"]], on=ROW_KEYS, suffixes=("", "_made")
    )
    farther = (made["horizon_made"] - made["horizon"]).abs()
    nearest = made.assign(farther=farther).sort_values(["farther", "horizon_made"]).drop_duplicates(ROW_KEYS)
    rows = rows.merge(nearest[[*ROW_KEYS, "forecast"]], on=ROW_KEYS, how="left")
    mean_week = rows["mean_week"].where(rows["mean_week"] > 0)
    error = rows["forecast"] - rows["turnover"]
    compared = {
        "turnover_over_mean_week": (rows["turnover"] / mean_week).clip(-MAX_RATIO, MAX_RATIO),
        "error": error,
        "error_over_mean_week": (error / mean_week).clip(-MAX_RATIO, MAX_RATIO),
    }
    return rows.drop(columns=["horizon", "mean_week", "forecast"]).assign(**compared)


def describe_drift(drift_rows: pd.DataFrame, drift: DriftParams) -> tuple[str, dict[str, Any]]:
    """Let Evidently compare the two years, column by column.

    Args:
        drift_rows: As ``sample_drift_rows`` returns them.
        drift: Where Evidently is.

    Returns:
        Its report as one HTML page, and its figures; where it could not be made, ``not_made`` says why.
    """
    try:
        if drift_rows.empty:
            raise NotMadeError(f"it needs more than a year and {drift.weeks} weeks of turnover")
        columns = [str(name) for name in drift_rows if name not in KEYS]
        reference, current = (
            drift_rows.loc[drift_rows["year"] == year, columns] for year in (REFERENCE, CURRENT)
        )
        return evidently_report(reference, current, _in_groups(columns), NOTE, drift.environment)
    except NotMadeError as reason:
        level = logging.WARNING if isinstance(reason, EvidentlyFailedError) else logging.INFO
        logger.log(level, "There is no report on drift: %s.", reason)
        head = "<!doctype html><meta charset=utf-8><title>Drift</title>"
        page = f"{head}<p>There is no report: {escape(str(reason))}.</p>\n"
        return page, {"metrics": [], "not_made": str(reason)}


def _in_groups(columns: list[str]) -> dict[str, list[str]]:
    """Columns by what they are, in the order of the report."""
    shown = {"targets": TARGETS, "errors": ERRORS}
    others = [name for name in columns if name not in {*TARGETS, *ERRORS}]
    known = {group: [name for name in names if name in columns] for group, names in shown.items()}
    return known | {"features": others}
