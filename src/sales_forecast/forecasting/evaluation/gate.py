"""The deployment gate: whether a challenger replaces the champion, with all figures of the decision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from sales_forecast.forecasting.evaluation.diebold_mariano import diebold_mariano
from sales_forecast.forecasting.evaluation.difference import Difference
from sales_forecast.forecasting.evaluation.gate_result import (
    DieboldMarianoResult,
    GateParams,
    GateResult,
    Paired,
    PartKind,
    PartWape,
    WapeDifference,
)
from sales_forecast.forecasting.evaluation.metrics import wape
from sales_forecast.forecasting.evaluation.significance import (
    CHALLENGER,
    CHAMPION,
    FORECAST_KEYS,
    PairedErrors,
    compare,
)
from sales_forecast.forecasting.intervals.conformal import PUBLISHED
from sales_forecast.forecasting.intervals.hierarchy import HIERARCHY
from sales_forecast.forecasting.panel.matrix import FloatArray

Labels = np.ndarray[Any, np.dtype[Any]]
"""Label of each row."""


def judge(
    challenger: pd.DataFrame, champion: pd.DataFrame, stores: pd.DataFrame, gate: GateParams
) -> GateResult:
    """Compare two models on the same windows, and decide whether the challenger is promoted.

    Args:
        challenger: ``cutoff, store, department, week, turnover, forecast`` and intervals.
        champion: The same rows, forecast by the champion.
        stores: ``store, region, zone``.
        gate: Level and tolerances.

    Raises:
        InputError: The models are not on the same rows with the same actual turnover.
    """
    both = pd.concat(
        [challenger.assign(method=CHALLENGER), champion.assign(method=CHAMPION)], ignore_index=True
    ).merge(stores[["store", "region", "zone"]], on="store", how="left")
    both = both.fillna({"region": "none", "zone": "none"})
    errors = PairedErrors.of(both, CHALLENGER, CHAMPION)
    by = None if gate.level == "series" else HIERARCHY[gate.level]
    found = errors.difference() if by is None else compare(both, CHALLENGER, CHAMPION, by)
    own, other = (both[both["method"] == name].sort_values(FORECAST_KEYS) for name in (CHALLENGER, CHAMPION))
    parts = judge_parts(
        errors, {"department": own["department"].to_numpy(), "region": own["region"].to_numpy()}, gate
    )
    coverage: Paired[dict[str, float]] = Paired(challenger=_coverage(own), champion=_coverage(other))
    objections = [
        *_not_better(found, gate),
        *_harmed_parts(parts, gate),
        *_lost_coverage(coverage, _misses(errors, own, other), gate),
    ]
    return GateResult(
        promote=not objections,
        reasons=tuple(objections or [f"its WAPE of {gate.level} is lower, beyond chance"]),
        level=gate.level,
        wape=Paired(challenger=found.own, champion=found.other),
        difference=WapeDifference.of(found),
        diebold_mariano=DieboldMarianoResult.of(diebold_mariano(errors)),
        coverage=coverage,
        parts=tuple(parts),
        windows=tuple(sorted(f"{cutoff:%Y-%m-%d}" for cutoff in both["cutoff"].unique())),
    )


def object_to_refit(
    refit: pd.DataFrame, before: pd.DataFrame, worst: float, gate: GateParams
) -> tuple[str, ...]:
    """Say what speaks against a refit on newer data.

    Both have seen most of the window, so this is no measure of how well they forecast. It finds a refit that
    went wrong, and weeks that are unlike all before them, such as those of a broken delivery.

    Args:
        refit: ``store, department, week, turnover, forecast`` and intervals of the newest complete window.
        before: The same rows, forecast by the fit that serves.
        worst: WAPE of the fit that serves in the worst window of its backtest.
        gate: Tolerances.
    """
    if not refit["turnover"].abs().sum():
        return ("nothing was sold in the newest complete window: check the delivery",)
    own, other = (wape(*rows[["turnover", "forecast"]].to_numpy(float).T) for rows in (refit, before))
    objections = []
    if other > gate.unusual_above_times * worst:
        objections.append(
            f"in the newest complete window the WAPE of the fit that serves is {other:.1%}, and was "
            f"{worst:.1%} in its worst window so far: check the delivery, or promote the version by hand"
        )
    if own > (1 + gate.refit_worse_by_at_most) * other:
        objections.append(
            f"in the newest complete window the WAPE of the refit is {own:.1%}, that of the fit before it "
            f"{other:.1%}: more than {gate.refit_worse_by_at_most:.0%} worse"
        )
    coverage: Paired[dict[str, float]] = Paired(challenger=_coverage(refit), champion=_coverage(before))
    for share, (one, two) in _below_nominal(coverage).items():
        if one > two + gate.refit_coverage_lost_at_most:
            objections.append(
                f"in the newest complete window the refit's {share} % intervals hold "
                f"{coverage.challenger[share]:.1%} of weeks, those before it {coverage.champion[share]:.1%}"
            )
    return tuple(objections)


def _below_nominal(coverage: Paired[dict[str, float]]) -> dict[str, tuple[float, float]]:
    """How far the coverage of both lies below its nominal value."""
    return {
        share: (max(int(share) / 100 - own, 0), max(int(share) / 100 - coverage.champion[share], 0))
        for share, own in coverage.challenger.items()
    }


def judge_parts(errors: PairedErrors, labels: Mapping[PartKind, Labels], gate: GateParams) -> list[PartWape]:
    """WAPE of single series by department and by region, and which of them are harmed.

    Args:
        errors: Errors of both models.
        labels: Department, and region, of each row.
        gate: Limits.

    Source:
        Empirical Bayes estimates with the variance between parts by DerSimonian and Laird (1986), Controlled
        Clinical Trials 7(3), 177-188; Benjamini and Hochberg (1995), Journal of the Royal Statistical Society
        B 57(1), 289-300.
    """
    from scipy import stats

    found: list[tuple[PartKind, str, Difference]] = []
    estimates: list[float] = []
    for by, label in labels.items():
        of_kind = [(str(value), errors.where(label == value).difference()) for value in pd.unique(label)]
        sold = sorted((one for one in of_kind if one[1].other > 0), key=lambda one: one[0])
        found += [(by, value, one) for value, one in sold]
        estimates += _shrunken([one for _, one in sold])
    if not found:
        return []
    chances = stats.false_discovery_control([one.p_worse() for _, _, one in found])
    return [
        PartWape(
            by=by,
            value=value,
            challenger=one.own,
            champion=one.other,
            worse_by=one.wape / one.other,
            estimate=estimate,
            harmed=estimate > gate.part_worse_by_at_most and float(chance) <= gate.false_alarms,
        )
        for (by, value, one), estimate, chance in zip(found, estimates, chances, strict=True)
    ]


def _shrunken(parts: list[Difference]) -> list[float]:
    """Relative differences, each drawn towards their common mean by as much as it is uncertain."""
    raw: FloatArray = np.array([part.wape / part.other for part in parts])
    squared = np.array([(part.standard_error / part.other) ** 2 for part in parts])
    known = np.isfinite(squared) & (squared > 0)
    if known.sum() < 2:
        return [float(value) for value in raw]
    if not known.all():  # what is uncertain beyond measure, or not at all, says nothing about the others
        estimates = raw.copy()
        estimates[known] = _shrunken([part for part, one in zip(parts, known, strict=True) if one])
        return [float(value) for value in estimates]
    weight = 1 / squared
    excess = weight @ (raw - raw @ weight / weight.sum()) ** 2 - (len(parts) - 1)
    between = max(excess / (weight.sum() - (weight**2).sum() / weight.sum()), 0)
    weight = 1 / (squared + between)
    mean = raw @ weight / weight.sum()
    return [float(value) for value in mean + (raw - mean) * between / (between + squared)]


def _coverage(rows: pd.DataFrame) -> dict[str, float]:
    return {str(share): float(inside.mean()) for share, inside in _inside(rows).items()}


def _inside(rows: pd.DataFrame) -> dict[int, pd.Series[bool]]:
    return {share: rows["turnover"].between(rows[f"lo_{share}"], rows[f"hi_{share}"]) for share in PUBLISHED}


def _misses(errors: PairedErrors, own: pd.DataFrame, other: pd.DataFrame) -> dict[str, Difference]:
    """Difference in the share of weeks outside the intervals, by nominal coverage."""
    misses = {}
    for share in PUBLISHED:
        one, two = ((~_inside(rows)[share]).to_numpy().astype(np.float64) for rows in (own, other))
        paired = replace(errors, own=one, other=two, turnover=np.ones(len(one)))
        misses[str(share)] = paired.difference()
    return misses


def _not_better(found: Difference, gate: GateParams) -> list[str]:
    if found.verdict == "better":
        return []
    what = "worse" if found.verdict == "worse" else "not better beyond chance"
    return [f"its WAPE of {gate.level} is {what}"]


def _harmed_parts(parts: list[PartWape], gate: GateParams) -> list[str]:
    harmed = [part for part in parts if part.harmed]
    if not harmed:
        return []
    worst = max(harmed, key=lambda part: part.worse_by)
    return [
        f"{len(harmed)} of {len(parts)} departments and regions get worse by more than "
        f"{gate.part_worse_by_at_most:.0%}, beyond chance, most of all {worst.by} {worst.value} "
        f"({worst.worse_by:.1%})"
    ]


def _lost_coverage(
    coverage: Paired[dict[str, float]], misses: dict[str, Difference], gate: GateParams
) -> list[str]:
    objections = []
    for share, (own, other) in _below_nominal(coverage).items():
        beyond_chance = misses[share].p_worse() <= gate.false_alarms
        if own > other + gate.coverage_lost_at_most and beyond_chance:
            objections.append(
                f"its {share} % intervals hold {coverage.challenger[share]:.1%} of weeks, the champion's "
                f"{coverage.champion[share]:.1%}"
            )
    return objections
