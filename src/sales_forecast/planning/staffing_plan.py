"""The hours of a publication: as the model alone has them, and as planners' numbers have them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from sales_forecast.errors import InputError
from sales_forecast.forecasting.intervals.conformal import QUANTILES
from sales_forecast.forecasting.panel.matrix import ROW_KEYS
from sales_forecast.planning.scaling import Amount, scaled
from sales_forecast.planning.staffing import StaffingRule, hours_for, planned_hours

NUMBERS = [
    "quantile",
    "turnover",
    "hours",
    "shifts",
    "minimum_cover_hours",
    "fixed_hours",
    "variable_hours",
]
"""What the hours to plan are made of."""

PLAN_COLUMNS = [
    *ROW_KEYS,
    "horizon",
    *NUMBERS,
    "planned",
    "override",
    "model_turnover",
    "model_hours",
]


def numbers_of(
    quantiles: Mapping[str, Amount], rule: StaffingRule, factor: Amount, planned: Amount
) -> dict[str, Amount]:
    """Compute ``NUMBERS``, ``model_turnover`` and ``model_hours`` of one row, or of as many as arrays have.

    Args:
        quantiles: The columns of ``QUANTILES``, currency units per week.
        rule: The department's rule.
        factor: Planned over forecast; 1 where there is no override. The whole distribution is scaled by it.
        planned: Planned turnover, currency units per week.
    """
    model = planned_hours(quantiles, rule)
    plan = hours_for(scaled(model.turnover, factor, planned), rule)
    return {
        "quantile": rule.critical_ratio,
        "turnover": plan.turnover,
        "hours": plan.hours,
        "shifts": plan.shifts,
        "minimum_cover_hours": rule.minimum_cover_hours,
        "fixed_hours": rule.fixed_hours,
        "variable_hours": plan.variable,
        "model_turnover": model.turnover,
        "model_hours": model.hours,
    }


def plan_hours(rows: pd.DataFrame, rules: Mapping[str, StaffingRule]) -> pd.DataFrame:
    """Plan the hours of every store, department and week.

    Args:
        rows: ``store, department, week, horizon``, the columns of ``QUANTILES``, and ``planned, factor,
            override`` as ``planned.planned_rows`` adds them to forecasts.
        rules: Department, as text -> its rule.

    Returns:
        ``PLAN_COLUMNS``, in the order of the rows: ``quantile`` is the critical ratio, ``turnover`` what is
        planned for. ``hours`` are the larger of ``minimum_cover_hours`` and ``fixed_hours`` plus
        ``variable_hours``, rounded up to ``shifts``. They follow ``planned``, which is a planner's number
        where ``override`` has the number of one; ``model_turnover`` and ``model_hours`` would hold without.

    Raises:
        InputError: Quantiles are unknown, or a department has no rule.
    """
    _refuse_unknown(rows, rules)
    labels = rows["department"].astype(str).to_numpy()
    factor, planned = (rows[name].to_numpy(dtype=np.float64) for name in ("factor", "planned"))
    parts = {name: np.zeros(len(rows)) for name in (*NUMBERS, "model_turnover", "model_hours")}
    for department in pd.unique(labels):
        of = labels == department
        quantiles: dict[str, Amount] = {name: rows[name].to_numpy(dtype=np.float64)[of] for name in QUANTILES}
        found = numbers_of(quantiles, rules[department], factor[of], planned[of])
        for name, values in found.items():
            parts[name][of] = values
    plan = rows[[*ROW_KEYS, "horizon", "planned", "override"]].assign(**parts)
    return plan.astype({"shifts": "int64", "override": "Int64"})[PLAN_COLUMNS]


def rescale_hours(rows: pd.DataFrame, rules: Mapping[str, StaffingRule]) -> pd.DataFrame:
    """Plan hours anew, for other numbers of planners.

    Args:
        rows: ``department``, ``model_turnover`` as ``plan_hours`` returns it, and ``factor, planned`` as
            ``planned.planned_rows`` adds them to forecasts.
        rules: Department, as text -> its rule.

    Returns:
        The rows with ``hours``, and ``is_cover``: whether they are the minimum cover.
    """
    labels = rows["department"].astype(str).to_numpy()
    factor, planned, model = (
        rows[name].to_numpy(dtype=np.float64) for name in ("factor", "planned", "model_turnover")
    )
    turnover = scaled(model, factor, planned)
    hours, is_cover = np.zeros(len(rows)), np.zeros(len(rows), dtype=bool)
    for department in pd.unique(labels):
        of, rule = labels == department, rules[department]
        found = hours_for(turnover[of], rule)
        hours[of] = found.hours
        is_cover[of] = rule.fixed_hours + np.asarray(found.variable) <= rule.minimum_cover_hours
    return rows.assign(hours=hours, is_cover=is_cover)


def _refuse_unknown(rows: pd.DataFrame, rules: Mapping[str, StaffingRule]) -> None:
    without = rows[rows[list(QUANTILES)].isna().any(axis=1)]
    if len(without):
        raise InputError(
            f"{len(without)} of {len(rows)} forecasts have no quantiles, as if they were published before "
            "there were any, so that no hours follow from them. Publish anew: kedro run"
        )
    unknown = sorted(set(rows["department"].astype(str)) - set(rules))
    if unknown:
        raise InputError(
            f"{len(unknown)} department(s) have no staffing rule, e.g. {', '.join(unknown[:3])}. Publish "
            "anew: kedro run"
        )
