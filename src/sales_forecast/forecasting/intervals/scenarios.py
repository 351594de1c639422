"""Joint scenarios: turnover of all series and weeks at once, drawn so that sums have the right distribution.

Each series and week alone is distributed as its quantiles say. What several of them have in common comes from
a Gaussian copula with factors: one for all series of a week, one for each department, one for each store, and
a rest of its own, each of which persists from week to week. The shares of the factors are learned from the
positions that past turnover had in its forecast distributions. Sums of a scenario are coherent at any level.

Source:
    Joe (2014), Dependence Modeling with Copulas, Chapman and Hall, section 3.10 (factor copulas).
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
import pandas as pd
from pydantic import BaseModel, Field

from sales_forecast.forecasting.intervals.conformal import COVERAGES, HalfWidths
from sales_forecast.forecasting.panel.matrix import SERIES_KEYS, FloatArray

SCORES = np.array([0.0, *(NormalDist().inv_cdf(0.5 + coverage / 200) for coverage in COVERAGES)])
"""Distances from the median at which half-widths are known, in standard deviations of a normal one."""

LARGEST_SCORE = 4.0
"""Turnover beyond this many standard deviations counts as so far."""


class Dependence(BaseModel, frozen=True, extra="forbid"):
    """Shares of variance that errors of the same week have in common, and their persistence."""

    week: float = Field(default=0.0, ge=0, le=1)
    department: float = Field(default=0.0, ge=0, le=1)
    """Of the same department and week, beyond what all series of the week have in common."""

    store: float = Field(default=0.0, ge=0, le=1)
    """Of the same store and week, likewise."""

    persistence: float = Field(default=0.0, ge=0, lt=1)
    """Correlation of the same series with the week before."""


def normal_scores(past: pd.DataFrame, half_widths: HalfWidths) -> FloatArray:
    """Where actual turnover lay in its forecast distribution, in standard deviations of a normal one.

    Args:
        past: ``store, department, forecast, turnover, mean_week``.
        half_widths: Of these forecasts.

    Returns:
        Shape ``(len(past),)``; 0 is the median, 1.28 the end of the 80 % interval.
    """
    mean = past["mean_week"].to_numpy(dtype=float)
    turnover, forecast = (
        half_widths.scale.transform(past[column].to_numpy(dtype=float), mean)
        for column in ("turnover", "forecast")
    )
    error = (turnover - forecast) / half_widths.scale.of(past, past["mean_week"])
    scores = np.zeros(len(past))
    for department, rows in past.groupby("department").indices.items():
        distances = _distances(half_widths, str(department))
        inside = np.interp(np.abs(error[rows]), distances, SCORES)
        beyond = np.maximum(np.abs(error[rows]) / distances[-1], 1) * SCORES[-1]
        far = np.where(np.abs(error[rows]) > distances[-1], beyond, inside)
        scores[rows] = np.sign(error[rows]) * np.minimum(far, LARGEST_SCORE)
    return scores


def _distances(half_widths: HalfWidths, department: str) -> FloatArray:
    """Half-widths at ``SCORES`` in units of the nonconformity scale, strictly rising."""
    multiples = half_widths.multiples
    known = [multiples[str(c)].get(department, multiples[str(c)][""]) for c in COVERAGES]
    rising: FloatArray = np.maximum.accumulate(np.array([0.0, *known])) + 1e-12 * np.arange(len(SCORES))
    return rising


def learn_dependence(past: pd.DataFrame, half_widths: HalfWidths) -> Dependence:
    """Learn from past forecasts what errors have in common.

    Args:
        past: ``cutoff, store, department, week, forecast, turnover, mean_week``.
        half_widths: Of the same forecasts.
    """
    rows = past[["cutoff", *SERIES_KEYS, "week"]].assign(score=normal_scores(past, half_widths))
    variance = float((rows["score"] ** 2).mean()) or 1.0
    week = ["cutoff", "week"]
    of_department, of_store = (
        _mean_product(rows, [*week, same], []) / variance for same in ("department", "store")
    )
    of_others = max(_mean_product(rows, week, ["department", "store"]) / variance, 0.0)
    shares = np.clip([of_others, of_department - of_others, of_store - of_others], 0, 1)
    shares = shares / max(1.0, float(shares.sum()) / 0.99)
    ordered = rows.sort_values(["cutoff", *SERIES_KEYS, "week"])
    before = ordered.groupby(["cutoff", *SERIES_KEYS])["score"].shift()
    persistence = np.nan_to_num((ordered["score"] * before).mean() / variance)
    return Dependence(
        week=float(shares[0]),
        department=float(shares[1]),
        store=float(shares[2]),
        persistence=float(np.clip(persistence, 0, 0.99)),
    )


def _mean_product(rows: pd.DataFrame, same: list[str], other: list[str]) -> float:
    """Mean product of the scores of two rows that agree in some columns and differ in each of the others.

    The products of all pairs of a group are the square of its sum; those of pairs that agree in another
    column too are taken away.
    """
    sums, pairs = _all_pairs(rows, same)
    for column in other:
        less, fewer = _all_pairs(rows, [*same, column])
        sums, pairs = sums - less, pairs - fewer
    own, count = float((rows["score"] ** 2).sum()), len(rows)
    back = max(0, len(other) - 1)  # a row with itself was taken away once for each column
    sums, pairs = (sums + back * own, pairs + back * count) if other else (sums - own, pairs - count)
    return sums / pairs if pairs > 0 else 0.0


def _all_pairs(rows: pd.DataFrame, same: list[str]) -> tuple[float, int]:
    """Sum of the products of all ordered pairs that agree in some columns, and the number of pairs."""
    grouped = rows.groupby(same)["score"].agg(["sum", "size"])
    return float((grouped["sum"] ** 2).sum()), int((grouped["size"] ** 2).sum())


def sample_scenarios(
    forecasts: pd.DataFrame,
    mean_week: pd.Series[float],
    half_widths: HalfWidths,
    dependence: Dependence,
    scenarios: int,
    seed: int,
) -> FloatArray:
    """Draw joint scenarios of all rows.

    Args:
        forecasts: ``store, department, week, forecast``; one row per series and week.
        mean_week: Mean week of each row's series, currency units.
        half_widths: Of these forecasts.
        dependence: What errors have in common.
        scenarios: Number of scenarios.
        seed: The same one draws the same scenarios.

    Returns:
        Currency units per week, shape ``(len(forecasts), scenarios)``, none below zero.
    """
    rng = np.random.default_rng(seed)
    week = pd.factorize(forecasts["week"], sort=True)[0]
    rest = max(0.0, 1 - dependence.week - dependence.department - dependence.store)
    parts: list[tuple[float, Sequence[str]]] = [
        (dependence.week, []),
        (dependence.department, ["department"]),
        (dependence.store, ["store"]),
        (rest, SERIES_KEYS),
    ]
    scores = np.zeros((len(forecasts), scenarios))
    for share, keys in parts:
        if share > 0:
            one = np.zeros(len(week), dtype=int)
            group = forecasts.groupby(list(keys)).ngroup().to_numpy() if keys else one
            shape = (int(week.max()) + 1, int(group.max()) + 1, scenarios)
            scores += np.sqrt(share) * _persistent(rng, shape, dependence.persistence)[week, group]
    return _amounts(scores, forecasts, mean_week, half_widths)


def _persistent(rng: np.random.Generator, shape: tuple[int, int, int], persistence: float) -> FloatArray:
    """Standard normal draws, each correlated with that of the week before; shape ``(weeks, groups, draws)``."""
    draws = rng.standard_normal(shape)
    for week in range(1, shape[0]):
        draws[week] = persistence * draws[week - 1] + np.sqrt(1 - persistence**2) * draws[week]
    return draws


def _amounts(
    scores: FloatArray, forecasts: pd.DataFrame, mean_week: pd.Series[float], half_widths: HalfWidths
) -> FloatArray:
    """Turnover at given positions in the distribution of each row."""
    forecast = np.asarray(forecasts["forecast"], dtype=np.float64)
    mean: FloatArray = np.asarray(mean_week, dtype=np.float64)
    scale = half_widths.scale.of(forecasts, mean_week)
    amounts = np.zeros_like(scores)
    for department, rows in forecasts.groupby("department").indices.items():
        distances = _distances(half_widths, str(department))
        far = np.abs(scores[rows])
        beyond = np.maximum(far / SCORES[-1], 1) * distances[-1]
        distance = np.where(far > SCORES[-1], beyond, np.interp(far, SCORES, distances))
        low, high = half_widths.scale.ends(
            forecast[rows, None], mean[rows, None], distance * scale[rows, None]
        )
        amounts[rows] = np.where(scores[rows] < 0, low, high)
    return amounts
