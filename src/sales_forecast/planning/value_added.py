"""What overrides were worth: errors of seasonal naive, of the model and of the plan, on the same weeks.

The stores are those that there are; chance is in the weeks. So intervals are clustered by week: all rows of a
week are one piece of evidence.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import nan

import numpy as np
import pandas as pd

from sales_forecast.forecasting.evaluation.significance import PairedErrors
from sales_forecast.forecasting.panel.matrix import FloatArray

FEWEST_WEEKS, FEWEST_ROWS = 8, 30
"""With fewer, no interval is given."""

VALUE_COLUMNS = [
    *("by", "group", "rows", "weeks", "turnover", "naive_rows", "naive_wape", "model_wape", "planned_wape"),
    *(
        "model_gain",
        "model_gain_low",
        "model_gain_high",
        "planned_gain",
        "planned_gain_low",
        "planned_gain_high",
    ),
    "verdict",
]

TOO_FEW = "too few to say"


def value_added(rows: pd.DataFrame) -> pd.DataFrame:
    """Compare naive, model and plan where planners have overridden the model.

    Args:
        rows: ``week, turnover, naive, forecast, planned, reason``, one per series and week that was
            overridden and whose turnover is known; currency units per week. ``naive`` is the week a year
            before, NaN where it is not known.

    Returns:
        ``VALUE_COLUMNS``: for all rows, each reason and each direction. WAPE is the absolute error over
        turnover; ``model_gain`` is the WAPE of naive minus that of the model on the ``naive_rows`` that have
        both, and ``planned_gain`` the WAPE of the model minus that of the plan: positive where the override
        has helped. ``_low`` and ``_high`` are the ends of the 95 % intervals; NaN where there are fewer than
        ``FEWEST_WEEKS`` weeks or ``FEWEST_ROWS`` rows. ``verdict`` says in words what the interval of
        ``planned_gain`` means.
    """
    found = [_judge(by, group, some) for by, group, some in _groups(rows)]
    return pd.DataFrame(found, columns=VALUE_COLUMNS)


def _groups(rows: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame]]:
    if len(rows):
        yield "all", "all", rows
    for reason, some in rows.groupby("reason"):
        yield "reason", str(reason), some
    for direction, chosen in {
        "up": rows["planned"] > rows["forecast"],
        "down": rows["planned"] < rows["forecast"],
    }.items():
        if chosen.any():
            yield "direction", direction, rows[chosen]


def _judge(by: str, group: str, rows: pd.DataFrame) -> dict[str, object]:
    sold = rows["turnover"].abs().sum()
    errors = {name: (rows[name] - rows["turnover"]).abs() for name in ("naive", "forecast", "planned")}
    known = rows["naive"].notna()
    model = _gain(rows[known], errors["naive"][known], errors["forecast"][known])
    plan = _gain(rows, errors["forecast"], errors["planned"])
    sold_before = rows.loc[known, "turnover"].abs().sum()
    return {
        "by": by,
        "group": group,
        "rows": len(rows),
        "weeks": rows["week"].nunique(),
        "turnover": sold,
        "naive_rows": int(known.sum()),
        "naive_wape": errors["naive"][known].sum() / sold_before if sold_before else nan,
        "model_wape": errors["forecast"].sum() / sold if sold else nan,
        "planned_wape": errors["planned"].sum() / sold if sold else nan,
        **dict(zip(("model_gain", "model_gain_low", "model_gain_high"), model, strict=True)),
        **dict(zip(("planned_gain", "planned_gain_low", "planned_gain_high"), plan, strict=True)),
        "verdict": _verdict(*plan),
    }


def _gain(
    rows: pd.DataFrame, before: pd.Series[float], after: pd.Series[float]
) -> tuple[float, float, float]:
    """WAPE before minus WAPE after, and the ends of its 95 % interval."""
    turnover, own, other = (_floats(one) for one in (rows["turnover"].abs(), after, before))
    if not turnover.sum():
        return nan, nan, nan
    weeks, week = np.unique(pd.to_datetime(rows["week"]).to_numpy(), return_inverse=True)
    paired = PairedErrors(
        own=own,
        other=other,
        turnover=turnover,
        week=week,
        fold=week,
        folds=len(weeks),
        pooled=True,
    )
    found = paired.difference()
    if len(weeks) < FEWEST_WEEKS or len(rows) < FEWEST_ROWS:
        return -found.wape, nan, nan
    return -found.wape, -found.high, -found.low


def _floats(values: pd.Series[float]) -> FloatArray:
    return np.asarray(values, dtype=np.float64)


def _verdict(gain: float, low: float, high: float) -> str:
    if np.isnan(low):
        return TOO_FEW
    if low > 0:
        return "overrides were better than the model"
    if high < 0:
        return "overrides were worse than the model"
    return "no difference found"
