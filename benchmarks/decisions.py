"""How often a rule finds a difference between two models, where the truth is known.

The forecasts of two variants are swapped at random: within rows, or for whole stores, weeks of a department,
weeks, or windows. Afterwards neither of them is better, whatever the rule says; where the errors of one are
then made smaller by some per cent, it is better by so much.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from sales_forecast.forecasting.evaluation.diebold_mariano import diebold_mariano
from sales_forecast.forecasting.evaluation.difference import Verdict
from sales_forecast.forecasting.evaluation.gate import Labels, judge_parts
from sales_forecast.forecasting.evaluation.gate_result import GateParams, PartKind
from sales_forecast.forecasting.evaluation.significance import PairedErrors
from sales_forecast.forecasting.panel.matrix import FloatArray

UNITS: dict[str, list[str]] = {
    "row": ["cutoff", "store", "department", "week"],
    "store": ["store"],
    "department-week": ["department", "week"],
    "week": ["week"],
    "window": ["cutoff"],
}
"""What is swapped together -> the columns that identify it."""

Rule = Callable[[PairedErrors], Verdict]


@dataclass(frozen=True)
class Variants:
    """Two variants on the same rows.

    Args:
        errors: Of both.
        units: Name of a unit -> its number in each row.
    """

    errors: PairedErrors
    units: dict[str, np.ndarray[Any, np.dtype[np.intp]]]

    @classmethod
    def of(cls, backtest: pd.DataFrame, one: str, other: str) -> Variants:
        """Pair two methods of a backtest."""
        keys = ["cutoff", "store", "department", "week"]
        rows = backtest[backtest["method"] == one].sort_values(keys)
        units = {
            name: rows.groupby(columns, sort=False).ngroup().to_numpy() for name, columns in UNITS.items()
        }
        return cls(PairedErrors.of(backtest, one, other), units)

    def swapped(self, unit: str, rng: np.random.Generator, gain: float = 0.0) -> PairedErrors:
        """Swap the variants in half of the units, and let the first be better by a share of its errors."""
        number = self.units[unit]
        heads = rng.random(number.max() + 1) < 0.5
        change = heads[number]
        errors = self.errors
        return replace(
            errors,
            own=(1 - gain) * np.where(change, errors.other, errors.own),
            other=np.where(change, errors.own, errors.other),
        )


def by_weeks_and_stores(errors: PairedErrors) -> Verdict:
    """The project's rule."""
    return errors.difference().verdict


def store_bootstrap(errors: PairedErrors, draws: int = 200, seed: int = 1) -> Verdict:
    """The project's rule until November 2026: stores are drawn, the same in all windows."""
    assert errors.store is not None
    stores, folds = int(errors.store.max()) + 1, errors.folds
    counts = np.random.default_rng(seed).multinomial(stores, np.full(stores, 1 / stores), draws)

    def drawn(values: FloatArray) -> FloatArray:
        cells = np.bincount(errors.fold * stores + errors.store, values, folds * stores)
        return cells.reshape(folds, stores) @ counts.T

    gaps = (drawn(errors.own - errors.other) / drawn(errors.turnover)).mean(axis=0)
    low, high = np.quantile(gaps, [0.025, 0.975])
    return "better" if high < 0 else "worse" if low > 0 else "open"


def share_better(
    variants: Variants, unit: str, rule: Rule, experiments: int, seed: int, gain: float = 0.0
) -> float:
    """Share of experiments in which the rule calls the first variant better."""
    rng = np.random.default_rng(seed)
    found = [rule(variants.swapped(unit, rng, gain)) == "better" for _ in range(experiments)]
    return float(np.mean(found))


@dataclass(frozen=True)
class Row:
    """What the project's rule decides where something is swapped.

    Args:
        unit: What is swapped.
        better: Gain -> share of experiments in which the first variant is called better; equal ones at 0.
        promoted: The same of promotions by the gate, which also looks at departments and regions; empty
            where that was left out.
        diebold_mariano: Share in which the Diebold-Mariano test calls equal variants better.
        bootstrap: Share in which the rule before, a bootstrap over stores, called equal variants better.
    """

    unit: str
    better: dict[float, float]
    promoted: dict[float, float]
    diebold_mariano: float
    bootstrap: float


def by_diebold_mariano(errors: PairedErrors) -> Verdict:
    """The test that is recorded beside the rule."""
    found = diebold_mariano(errors)
    if not found.p_value < 0.05:
        return "open"
    return "better" if found.statistic < 0 else "worse"


def measure_decisions(
    backtest: pd.DataFrame,
    stores: pd.DataFrame,
    methods: tuple[str, str],
    gains: list[float],
    experiments: int,
    gate: GateParams | None,
) -> list[Row]:
    """Swap two variants in every unit, at every gain.

    Args:
        backtest: Both methods on the same rows.
        stores: ``store, region``.
        methods: The one that may be better, and the one that it is compared with.
        gains: Share of its errors by which the first is made better.
        experiments: Number of swaps per unit and gain.
        gate: Limits of the deployment gate; None leaves promotions out, which take longest.
    """
    one, other = methods
    variants = Variants.of(backtest, one, other)
    rows = backtest[backtest["method"] == one].sort_values(["cutoff", "store", "department", "week"])
    region = rows["store"].map(stores.set_index("store")["region"]).fillna("none")
    labels: dict[PartKind, Labels] = {
        "department": rows["department"].to_numpy(),
        "region": region.to_numpy(),
    }

    def is_promoted(errors: PairedErrors) -> bool:
        return gate is not None and not any(part.harmed for part in judge_parts(errors, labels, gate))

    def decide(unit: str, gain: float) -> tuple[float, float]:
        rng = np.random.default_rng(1)
        better = promoted = 0
        for _ in range(experiments):
            errors = variants.swapped(unit, rng, gain)
            if by_weeks_and_stores(errors) == "better":
                better += 1
                promoted += is_promoted(errors)
        return better / experiments, promoted / experiments

    found = []
    for unit in UNITS:
        shares = {gain: decide(unit, gain) for gain in gains}
        found.append(
            Row(
                unit,
                better={gain: share for gain, (share, _) in shares.items()},
                promoted={gain: share for gain, (_, share) in shares.items()} if gate else {},
                diebold_mariano=share_better(variants, unit, by_diebold_mariano, experiments, 1),
                bootstrap=share_better(variants, unit, store_bootstrap, experiments, 1),
            )
        )
    return found
