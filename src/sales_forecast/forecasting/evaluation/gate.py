"""The deployment gate: whether a challenger replaces the champion, with all figures of the decision."""

from __future__ import annotations

import math
from typing import Generic, Literal, TypeVar

import pandas as pd
from pydantic import BaseModel, Field

from sales_forecast.forecasting.evaluation.metrics import mean_wape
from sales_forecast.forecasting.evaluation.significance import (
    CHALLENGER,
    CHAMPION,
    DieboldMariano,
    Difference,
    compare,
    diebold_mariano,
)
from sales_forecast.forecasting.intervals.conformal import COVERAGES
from sales_forecast.forecasting.intervals.hierarchy import HIERARCHY
from sales_forecast.forecasting.panel.matrix import ROW_KEYS

FORECAST_KEYS = ["cutoff", *ROW_KEYS]
"""Columns that identify a forecast of a backtest."""

Level = Literal["series", "department", "region", "zone", "total"]
Value = TypeVar("Value")


class GateParams(BaseModel, frozen=True, extra="forbid"):
    """When a challenger is promoted to champion."""

    level: Level
    """Level of the hierarchy at which its WAPE must be significantly lower."""

    part_worse_by_at_most: float = Field(ge=0)
    """By how much the WAPE of a department or region may rise, as a share of the champion's."""

    coverage_lost_at_most: float = Field(ge=0, le=1)
    """How much farther below its nominal value the coverage of intervals may lie than the champion's."""

    bootstrap_draws: int = Field(ge=100)
    seed: int


class Paired(BaseModel, Generic[Value], frozen=True):
    """The same figure of both models."""

    challenger: Value
    champion: Value


class WapeDifference(BaseModel, frozen=True):
    """WAPE of the challenger minus that of the champion; negative: the challenger is better."""

    wape: float
    """Difference as measured, a ratio without unit."""

    low: float
    """Lower end of its 95 % interval."""

    high: float
    """Upper end of its 95 % interval."""

    detectable: float
    """The smallest true difference that would be found with 80 % power."""

    @classmethod
    def of(cls, found: Difference) -> WapeDifference:
        """Take the figures from a paired bootstrap."""
        return cls(wape=found.wape, low=found.low, high=found.high, detectable=found.detectable)


class DieboldMarianoResult(BaseModel, frozen=True):
    """Result of the Diebold-Mariano test; None where it does not exist, because JSON has no NaN."""

    statistic: float | None
    p_value: float | None

    @classmethod
    def of(cls, found: DieboldMariano) -> DieboldMarianoResult:
        """Replace NaN by None."""
        return cls(statistic=_none_if_nan(found.statistic), p_value=_none_if_nan(found.p_value))


class PartWape(BaseModel, frozen=True):
    """WAPE of both models in one department or region, over single series."""

    by: Literal["department", "region"]
    value: str
    """Label of the department or region."""

    challenger: float
    champion: float
    worse_by: float
    """By how much the challenger's WAPE is higher, as a share of the champion's."""


class GateResult(BaseModel, frozen=True):
    """Whether the challenger is promoted, and why."""

    promote: bool
    reasons: tuple[str, ...]
    """In words: what speaks against the challenger, or else what speaks for it."""

    level: Level
    """Level of the hierarchy that the WAPE was measured at."""

    wape: Paired[float]
    """Mean over windows, ratios without unit."""

    difference: WapeDifference
    diebold_mariano: DieboldMarianoResult
    coverage: Paired[dict[str, float]]
    """Nominal coverage in per cent -> share of weeks inside the intervals."""

    parts: tuple[PartWape, ...]
    windows: tuple[str, ...]
    """Cutoffs of the windows, ISO dates, oldest first."""


def same_rows(own: pd.DataFrame, others: pd.DataFrame) -> bool:
    """Whether two backtests forecast the same rows, with the same actual turnover."""
    columns = [*FORECAST_KEYS, "turnover"]
    if len(own) != len(others):
        return False
    one, two = (rows[columns].sort_values(FORECAST_KEYS, ignore_index=True) for rows in (own, others))
    return bool((one == two).all(axis=None))


def judge(
    challenger: pd.DataFrame, champion: pd.DataFrame, stores: pd.DataFrame, gate: GateParams
) -> GateResult:
    """Compare two models on the same windows, and decide whether the challenger is promoted.

    Args:
        challenger: ``cutoff, store, department, week, turnover, forecast`` and intervals.
        champion: The same rows, forecast by the champion.
        stores: ``store, region, zone``.
        gate: Level, tolerances and the bootstrap's draws.
    """
    both = pd.concat(
        [challenger.assign(method=CHALLENGER), champion.assign(method=CHAMPION)], ignore_index=True
    ).merge(stores[["store", "region", "zone"]], on="store", how="left")
    both = both.fillna({"region": "none", "zone": "none"})
    by = None if gate.level == "series" else HIERARCHY[gate.level]
    found = compare(both, CHALLENGER, CHAMPION, gate.bootstrap_draws, gate.seed, by)
    parts = _parts(both)
    coverage: Paired[dict[str, float]] = Paired(
        challenger=_coverage(both[both["method"] == CHALLENGER]),
        champion=_coverage(both[both["method"] == CHAMPION]),
    )
    objections = [*_not_better(found, gate), *_worse_parts(parts, gate), *_lost_coverage(coverage, gate)]
    return GateResult(
        promote=not objections,
        reasons=tuple(objections or [f"its WAPE of {gate.level} is lower, beyond chance"]),
        level=gate.level,
        wape=Paired(challenger=found.own, champion=found.other),
        difference=WapeDifference.of(found),
        diebold_mariano=DieboldMarianoResult.of(diebold_mariano(both, CHALLENGER, CHAMPION)),
        coverage=coverage,
        parts=tuple(parts),
        windows=tuple(sorted(f"{cutoff:%Y-%m-%d}" for cutoff in both["cutoff"].unique())),
    )


def _none_if_nan(value: float) -> float | None:
    return None if math.isnan(value) else value


def _parts(both: pd.DataFrame) -> list[PartWape]:
    """WAPE of single series by department and by region, mean over windows."""
    parts = []
    columns: tuple[Literal["department", "region"], ...] = ("department", "region")
    for by in columns:
        for value, rows in both.groupby(by):
            own, other = (mean_wape(rows[rows["method"] == name]) for name in (CHALLENGER, CHAMPION))
            if math.isnan(own) or math.isnan(other):
                continue  # a part that sold nothing has no WAPE
            worse_by = own / max(other, 1e-9) - 1
            parts.append(PartWape(by=by, value=str(value), challenger=own, champion=other, worse_by=worse_by))
    return parts


def _coverage(rows: pd.DataFrame) -> dict[str, float]:
    return {
        str(share): float(rows["turnover"].between(rows[f"lo_{share}"], rows[f"hi_{share}"]).mean())
        for share in COVERAGES
    }


def _not_better(found: Difference, gate: GateParams) -> list[str]:
    if found.verdict == "better":
        return []
    what = "worse" if found.verdict == "worse" else "not better beyond chance"
    return [f"its WAPE of {gate.level} is {what}"]


def _worse_parts(parts: list[PartWape], gate: GateParams) -> list[str]:
    worse = [part for part in parts if part.worse_by > gate.part_worse_by_at_most]
    if not worse:
        return []
    worst = max(worse, key=lambda part: part.worse_by)
    return [
        f"{len(worse)} of {len(parts)} departments and regions get worse by more than "
        f"{gate.part_worse_by_at_most:.0%}, most of all {worst.by} {worst.value} ({worst.worse_by:.1%})"
    ]


def _lost_coverage(coverage: Paired[dict[str, float]], gate: GateParams) -> list[str]:
    objections = []
    for share, own in coverage.challenger.items():
        other = coverage.champion[share]
        own_gap, other_gap = (max(int(share) / 100 - held, 0) for held in (own, other))
        if own_gap > other_gap + gate.coverage_lost_at_most:
            objections.append(f"its {share} % intervals hold {own:.1%} of weeks, the champion's {other:.1%}")
    return objections
