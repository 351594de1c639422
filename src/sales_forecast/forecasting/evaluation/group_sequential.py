"""Group-sequential test of champion and challenger: when an experiment may stop."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd
from pydantic import BaseModel, Field

from sales_forecast.errors import InputError
from sales_forecast.forecasting.evaluation.difference import POWER, Difference
from sales_forecast.forecasting.evaluation.significance import CHALLENGER, CHAMPION, PairedErrors
from sales_forecast.forecasting.panel.matrix import ROW_KEYS

MAX_WEEKS = 520
"""An experiment that takes longer is no experiment."""

Verdict = Literal["challenger is better", "champion is better", "no difference found", "go on"]


class ABParams(BaseModel, frozen=True, extra="forbid"):
    """Length of an experiment, and its error probability."""

    planned_weeks: int = Field(ge=1)
    """Number of weeks after which the experiment ends; fixed before it begins."""

    alpha: float = Field(gt=0, lt=0.5)
    """Share of experiments with equally good models that may find a difference, over all interim analyses."""


@dataclass(frozen=True)
class InterimAnalysis:
    """The comparison after a week, over all weeks so far.

    Args:
        week: First day of the last week that is included.
        stores: Number of stores that both have predicted.
        challenger: WAPE of the challenger, pooled over rows; a ratio without unit.
        champion: WAPE of the champion on the same rows.
        difference: WAPE of the challenger minus that of the champion; negative: the challenger is better.
        low: Lower end of the interval, which misses the true difference with probability ``alpha_spent``.
        high: Upper end of the interval.
        alpha_spent: Part of ``alpha`` that this analysis may spend.
    """

    week: pd.Timestamp
    stores: int
    challenger: float
    champion: float
    difference: float
    low: float
    high: float
    alpha_spent: float


def spend_alpha(params: ABParams) -> list[float]:
    """Part of ``alpha`` for the interim analysis after each planned week, rising from almost zero.

    Each analysis is tested at its own part. Their sum, ``alpha``, bounds the error probability whatever the
    dependence between analyses; in fact the error is smaller. Published boundaries spend ``alpha / 2`` in
    this way on each side.

    Source:
        Lan and DeMets (1983), Discrete Sequential Boundaries for Clinical Trials, Biometrika 70(3), 659-663:
        the spending function that resembles the boundaries of O'Brien and Fleming.
    """
    from scipy import stats

    shares = np.arange(1, params.planned_weeks + 1) / params.planned_weeks
    spent = 2 * stats.norm.sf(stats.norm.isf(params.alpha / 2) / np.sqrt(shares))
    return [float(part) for part in np.diff(spent, prepend=0.0)]


def analyse(forecasts: pd.DataFrame, params: ABParams) -> list[InterimAnalysis]:
    """Estimate the difference after each week, with intervals that allow for repeated analyses.

    Errors are clustered by cutoff and by store, see ``PairedErrors.difference``: what was predicted at one
    time, for however many weeks and stores, is one piece of evidence. It alone decides nothing.

    Args:
        forecasts: ``cutoff`` (last week known when it was predicted), ``week`` (first day), ``store,
            department, method`` (challenger or champion), ``forecast, turnover`` (currency units per week),
            shape ``(2 * rows, 7)``; weeks whose turnover has arrived.
        params: Planned weeks and error probability.

    Returns:
        One analysis per week, oldest first, at most ``planned_weeks``; later weeks do not count.

    Raises:
        InputError: No turnover has arrived, or the methods are not on the same rows.
    """
    if forecasts.empty:
        raise InputError("no turnover of the experiment's weeks has arrived: nothing to compare yet")
    _check_same_rows(forecasts)
    errors = replace(PairedErrors.of(forecasts, CHALLENGER, CHAMPION), pooled=True)
    analyses = []
    first = forecasts["week"].min()
    for week, alpha in zip(np.sort(forecasts["week"].unique()), spend_alpha(params), strict=False):
        found = errors.where(errors.week <= (pd.Timestamp(week) - first).days // 7).difference()
        half_width = found.half_width(alpha)
        analyses.append(
            InterimAnalysis(
                week=pd.Timestamp(week),
                stores=int(forecasts.loc[forecasts["week"] <= week, "store"].nunique()),
                challenger=found.own,
                champion=found.other,
                difference=found.wape,
                low=found.wape - half_width,
                high=found.wape + half_width,
                alpha_spent=alpha,
            )
        )
    return analyses


def verdict(analyses: list[InterimAnalysis], params: ABParams) -> Verdict:
    """Decide by the first analysis whose interval excludes zero; later ones change nothing."""
    for analysis in analyses:
        if analysis.high < 0 or analysis.low > 0:
            return "challenger is better" if analysis.high < 0 else "champion is better"
    return "no difference found" if len(analyses) >= params.planned_weeks else "go on"


def weeks_until_seen(past: Difference, params: ABParams, gain: float) -> int | None:
    """Number of weeks after which a difference would be found in eight of ten experiments.

    The models are expected to predict anew in each week.

    Args:
        past: Comparison of both models on a backtest; its standard error falls with the root of its weeks.
        params: Error probability; the last of the analyses spends what is counted with here.
        gain: Difference, as a share of the champion's WAPE.

    Returns:
        At least two; None if ten years would not do, or the models made the same forecasts.
    """
    from scipy import stats

    if not np.isfinite(past.standard_error) or past.standard_error == 0:
        return None
    of_a_week = past.standard_error * np.sqrt(past.weeks)
    for weeks in range(2, MAX_WEEKS + 1):
        alpha = spend_alpha(params.model_copy(update={"planned_weeks": weeks}))[-1]
        critical = stats.t.isf(alpha / 2, weeks - 1)
        if stats.nct.sf(critical, weeks - 1, gain * past.other / of_a_week * np.sqrt(weeks)) >= POWER:
            return weeks
    return None


def _check_same_rows(forecasts: pd.DataFrame) -> None:
    """Refuse rows that do not have one forecast of each method and one turnover."""
    known = forecasts.assign(known=forecasts[["forecast", "turnover"]].notna().all(axis=1))
    counts = known.groupby([*ROW_KEYS, "method"])["known"].sum().unstack("method", fill_value=0)
    once = (counts.reindex(columns=[CHALLENGER, CHAMPION], fill_value=0) == 1).all(axis=1)
    unpaired = once.index[~(once & (forecasts.groupby(ROW_KEYS)["turnover"].nunique() == 1))]
    if len(unpaired):
        examples = "; ".join(f"store {s}, department {d}, week {w:%Y-%m-%d}" for s, d, w in unpaired[:3])
        raise InputError(
            f"challenger and champion are not on the same rows: {len(unpaired)} of {len(once)} do not have "
            f"one forecast of each and one turnover (e.g. {examples}). Compare only rows that both have "
            "forecast."
        )
