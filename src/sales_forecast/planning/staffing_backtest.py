"""What staffing by a quantile would have cost in past weeks, against other ways to plan the same weeks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from sales_forecast.forecasting.evaluation.difference import Difference
from sales_forecast.forecasting.evaluation.significance import PairedErrors
from sales_forecast.forecasting.intervals.conformal import QUANTILES
from sales_forecast.forecasting.panel.matrix import ROW_KEYS, WEEKS_PER_YEAR, FloatArray
from sales_forecast.planning.scaling import Amount
from sales_forecast.planning.staffing import StaffingRule, hours_for, planned_hours

QUANTILE = "quantile"

POLICIES = {
    QUANTILE: "the quantile at the critical ratio",
    "median": "the forecast, which is the median",
    "mean": "the mean of the distribution, as the mean of its quantiles",
    "last_year": "the turnover of the same week of last year",
}
"""Policy -> the turnover that it plans for."""


@dataclass(frozen=True)
class PolicyCost:
    """What a policy would have cost.

    Args:
        policy: One of ``POLICIES``.
        planned: Planned hours over needed hours.
        missing: Hours that were needed and not planned, over needed hours.
        idle: Hours that were planned and not needed, over needed hours.
        cost: Cost over needed hours, in the unit of ``cost_missing`` and ``cost_idle``.
        difference: Cost of the quantile minus that of this policy, over needed hours: below zero the quantile
            is cheaper. Its interval counts evidence in weeks and stores, see ``PairedErrors.difference``.
    """

    policy: str
    planned: float
    missing: float
    idle: float
    cost: float
    difference: Difference


def with_last_year(rows: pd.DataFrame, panel: pd.DataFrame) -> pd.DataFrame:
    """Add ``last_year``, the turnover of the same week 52 weeks before; rows without one are left out.

    Args:
        rows: ``store, department, week`` and more.
        panel: ``store, department, week, turnover``.
    """
    before = panel[[*ROW_KEYS, "turnover"]].rename(columns={"turnover": "last_year"})
    before = before.assign(week=before["week"] + pd.Timedelta(weeks=WEEKS_PER_YEAR))
    return rows.merge(before, on=ROW_KEYS).dropna(subset=["last_year", "turnover"])


def compare_policies(backtest: pd.DataFrame, rules: Mapping[str, StaffingRule]) -> list[PolicyCost]:
    """Plan the hours of past weeks with every policy, and compare their costs.

    The hours that were needed follow from the actual turnover by the same rule, whole shifts included.

    Args:
        backtest: ``cutoff, store, department, week, turnover, forecast, last_year`` and the columns of
            ``QUANTILES``, as they were forecast at the cutoff.
        rules: Department, as text -> its rule.
    """
    rows = backtest.sort_values(["cutoff", *ROW_KEYS], ignore_index=True)
    needed, hours, missing_cost, idle_cost = _hours(rows, rules)
    cutoffs = np.sort(rows["cutoff"].unique())
    missing = {name: np.maximum(needed - planned, 0) for name, planned in hours.items()}
    idle = {name: np.maximum(planned - needed, 0) for name, planned in hours.items()}
    cost = {name: missing_cost * missing[name] + idle_cost * idle[name] for name in POLICIES}

    def against(policy: str) -> Difference:
        pairs = PairedErrors(
            own=cost[QUANTILE],
            other=cost[policy],
            turnover=needed,
            week=((rows["week"] - rows["week"].min()).dt.days // 7).to_numpy(),
            fold=np.searchsorted(cutoffs, rows["cutoff"].to_numpy()),
            folds=len(cutoffs),
            store=rows["store"].factorize()[0],
            pooled=True,
        )
        return pairs.difference()

    total = needed.sum()
    return [
        PolicyCost(
            policy=name,
            planned=float(hours[name].sum() / total),
            missing=float(missing[name].sum() / total),
            idle=float(idle[name].sum() / total),
            cost=float(cost[name].sum() / total),
            difference=against(name),
        )
        for name in POLICIES
    ]


def _hours(
    rows: pd.DataFrame, rules: Mapping[str, StaffingRule]
) -> tuple[FloatArray, dict[str, FloatArray], FloatArray, FloatArray]:
    """Needed hours, planned hours by policy, and the costs of a missing and of an idle hour."""
    labels = rows["department"].astype(str).to_numpy()
    empty = np.zeros(len(rows))
    needed, missing_cost, idle_cost = empty.copy(), empty.copy(), empty.copy()
    planned = {name: empty.copy() for name in POLICIES}
    mean = rows[list(QUANTILES)].mean(axis=1).to_numpy(dtype=float)
    for department in pd.unique(labels):
        own, rule = labels == department, rules[department]
        quantiles: dict[str, Amount] = {name: rows[name].to_numpy(dtype=float)[own] for name in QUANTILES}
        planned[QUANTILE][own] = planned_hours(quantiles, rule).hours
        others = {"median": rows["forecast"], "mean": pd.Series(mean), "last_year": rows["last_year"]}
        for name, turnover in others.items():
            planned[name][own] = hours_for(turnover.to_numpy(dtype=float)[own], rule).hours
        needed[own] = hours_for(rows["turnover"].to_numpy(dtype=float)[own], rule).hours
        missing_cost[own], idle_cost[own] = rule.cost_missing, rule.cost_idle
    return needed, planned, missing_cost, idle_cost
