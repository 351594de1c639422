"""Whether a new model takes the place of the one that serves: a decision with all its numbers."""

from __future__ import annotations

import math
from typing import Any, Literal

import pandas as pd
from pydantic import BaseModel, Field

from sales_forecast.forecasting.evaluation.metrics import mean_wape
from sales_forecast.forecasting.evaluation.significance import compare, diebold_mariano
from sales_forecast.forecasting.intervals.conformal import COVERAGES
from sales_forecast.forecasting.intervals.hierarchy import LEVELS
from sales_forecast.forecasting.panel.matrix import KEYS

SAME_ROWS = ["cutoff", *KEYS, "week"]
CHALLENGER, CHAMPION = "challenger", "champion"

Level = Literal["series", "department", "region", "zone", "total"]


class GateParams(BaseModel, frozen=True, extra="forbid"):
    """When a challenger becomes champion."""

    level: Level
    """At which level its WAPE must be lower, beyond chance."""

    part_worse_by_at_most: float = Field(ge=0)
    """By how much the WAPE of a department or region may rise, as a share of the champion's."""

    coverage_lost_at_most: float = Field(ge=0, le=1)
    """How much farther below its promise the coverage of intervals may lie than the champion's."""

    bootstrap_draws: int = Field(ge=100)
    seed: int


def same_rows(own: pd.DataFrame, others: pd.DataFrame) -> bool:
    """Whether two methods were asked the same, and the same came true."""
    columns = [*SAME_ROWS, "turnover"]
    if len(own) != len(others):
        return False
    one, two = (rows[columns].sort_values(SAME_ROWS, ignore_index=True) for rows in (own, others))
    return bool((one == two).all(axis=None))


def judge(
    challenger: pd.DataFrame, champion: pd.DataFrame, stores: pd.DataFrame, gate: GateParams
) -> dict[str, Any]:
    """Compare two models on the same windows.

    Args:
        challenger: ``cutoff, store, department, week, turnover, forecast`` and intervals.
        champion: The same rows.
        stores: ``store, region, zone``.
        gate: What is asked of the challenger.

    Returns:
        ``promote`` (whether), ``reasons`` (in words), and as numbers: ``wape`` of both at the level, their
        ``difference`` with interval and the smallest one that could have been found, ``diebold_mariano``,
        ``coverage`` of both, and ``parts``: WAPE of both by department and region.
    """
    both = pd.concat(
        [challenger.assign(method=CHALLENGER), champion.assign(method=CHAMPION)], ignore_index=True
    ).merge(stores[["store", "region", "zone"]], on="store", how="left")
    both = both.fillna({"region": "none", "zone": "none"})
    by = None if gate.level == "series" else LEVELS[gate.level]
    found = compare(both, CHALLENGER, CHAMPION, gate.bootstrap_draws, gate.seed, by)
    tested = diebold_mariano(both, CHALLENGER, CHAMPION)
    parts = _by_part(both)
    coverage = {
        name: {str(share): _coverage(rows, share) for share in COVERAGES}
        for name, rows in both.groupby("method")
    }
    against = [*_no_better(found.verdict, gate), *_worse_parts(parts, gate)]
    against += _lost_coverage(coverage, gate)
    return {
        "promote": not against,
        "reasons": against or [f"its WAPE of {gate.level} is lower, beyond chance"],
        "level": gate.level,
        "wape": {CHALLENGER: found.own, CHAMPION: found.other},
        "difference": {
            "wape": found.wape,
            "low": found.low,
            "high": found.high,
            "detectable": found.detectable,
        },
        "diebold_mariano": {"statistic": _known(tested.statistic), "p_value": _known(tested.p_value)},
        "coverage": coverage,
        "parts": parts.to_dict("records"),
        "windows": sorted(f"{cutoff:%Y-%m-%d}" for cutoff in both["cutoff"].unique()),
    }


def _known(value: float) -> float | None:
    """JSON knows no NaN."""
    return None if math.isnan(value) else value


def _by_part(both: pd.DataFrame) -> pd.DataFrame:
    """WAPE of single series by department and by region, mean over windows."""
    found: list[dict[str, Any]] = []
    for by in ("department", "region"):
        for value, rows in both.groupby(by):
            own = {str(name): mean_wape(mine) for name, mine in rows.groupby("method")}
            found.append({"by": by, "value": str(value), **own})
    parts = pd.DataFrame(found).dropna()  # a part that sold nothing has no WAPE
    return parts.assign(worse_by=parts[CHALLENGER] / parts[CHAMPION].clip(lower=1e-9) - 1)


def _coverage(rows: pd.DataFrame, share: int) -> float:
    return float(rows["turnover"].between(rows[f"lo_{share}"], rows[f"hi_{share}"]).mean())


def _no_better(verdict: str, gate: GateParams) -> list[str]:
    if verdict == "better":
        return []
    what = "worse" if verdict == "worse" else "not better beyond chance"
    return [f"its WAPE of {gate.level} is {what}"]


def _worse_parts(parts: pd.DataFrame, gate: GateParams) -> list[str]:
    worse = parts[parts["worse_by"] > gate.part_worse_by_at_most]
    if worse.empty:
        return []
    most = worse.loc[worse["worse_by"].idxmax()]
    return [
        f"{len(worse)} of {len(parts)} departments and regions get worse by more than "
        f"{gate.part_worse_by_at_most:.0%}, most of all {most['by']} {most['value']} "
        f"({most['worse_by']:.1%})"
    ]


def _lost_coverage(coverage: dict[Any, dict[str, float]], gate: GateParams) -> list[str]:
    off = {
        name: {share: max(int(share) / 100 - held, 0) for share, held in shares.items()}
        for name, shares in coverage.items()
    }
    return [
        f"its {share} % intervals hold {coverage[CHALLENGER][share]:.1%} of weeks, the champion's "
        f"{coverage[CHAMPION][share]:.1%}"
        for share in coverage[CHALLENGER]
        if off[CHALLENGER][share] > off[CHAMPION][share] + gate.coverage_lost_at_most
    ]
