"""Champion and challenger side by side, week by week: when may an experiment stop?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from pydantic import BaseModel, Field

from sales_forecast.errors import InputError
from sales_forecast.forecasting.evaluation.gate import CHALLENGER, CHAMPION
from sales_forecast.forecasting.evaluation.significance import MIN_STORES, Difference, compare
from sales_forecast.forecasting.panel.matrix import KEYS

Verdict = Literal["challenger is better", "champion is better", "no difference found", "go on"]


class ABParams(BaseModel, frozen=True, extra="forbid"):
    """How long two models are compared, and how often chance may be taken for a difference."""

    planned_weeks: int = Field(ge=1)
    """After how many weeks the experiment ends; fixed before it begins."""

    alpha: float = Field(gt=0, lt=0.5)
    """Share of experiments with equally good models that may find a difference, all looks together."""

    bootstrap_draws: int = Field(ge=100)
    seed: int


@dataclass(frozen=True)
class Look:
    """What was known after a week, over all weeks so far.

    Args:
        week: First day of the last week looked at.
        stores: From how many was drawn.
        challenger: WAPE of the challenger, pooled over rows; a ratio without unit.
        champion: WAPE of the champion on the same rows.
        difference: WAPE of the challenger less that of the champion; negative: the challenger is better.
        low: Lower end of the interval, which misses the true difference with probability ``level``.
        high: Its upper end.
        level: Part of ``alpha`` that this look may spend.
    """

    week: pd.Timestamp
    stores: int
    challenger: float
    champion: float
    difference: float
    low: float
    high: float
    level: float


def spending_levels(params: ABParams) -> list[float]:
    """Part of ``alpha`` for the look after each planned week, rising from next to nothing.

    Each look is tested at its own part. Their sum, ``alpha``, bounds the error whatever the looks have to do
    with each other; it is in fact smaller. Published boundaries spend ``alpha / 2`` so on each side.

    Source:
        Lan and DeMets (1983), Discrete Sequential Boundaries for Clinical Trials, Biometrika 70(3), 659-663:
        the spending function that resembles the boundaries of O'Brien and Fleming.
    """
    from scipy import stats

    shares = np.arange(1, params.planned_weeks + 1) / params.planned_weeks
    spent = 2 * stats.norm.sf(stats.norm.isf(params.alpha / 2) / np.sqrt(shares))
    return [float(level) for level in np.diff(spent, prepend=0.0)]


def analyse(answers: pd.DataFrame, params: ABParams) -> list[Look]:
    """Look at the difference after each week, at a level that allows for looking often.

    Stores are drawn as in ``compare``. The interval is Student's: draws have no percentiles as far out as the
    first looks ask for, and a normal one is too narrow for few stores. Of 300 simulated experiments over
    8 weeks without a difference, at ``alpha`` 0.05, the normal one found one in 15 % with 5 stores (Student's
    in 2 %), in 9 % with 10 (3 %), in 3 to 5 % with 15 to 40 (2 to 3 %).

    Args:
        answers: ``week`` (first day), ``store, department, method`` (challenger or champion), ``forecast,
            turnover`` (currency units per week), shape ``(2 * rows, 6)``; weeks whose turnover has arrived.
        params: Planned weeks, error probability and draws.

    Returns:
        One look a week, oldest first, at most ``planned_weeks``; weeks after them do not count.

    Raises:
        InputError: No turnover has arrived, or the methods are not on the same rows.
    """
    if answers.empty:
        raise InputError("no turnover of the experiment's weeks has arrived: nothing to compare yet")
    _check_same_rows(answers)
    window = answers.assign(cutoff=answers["week"].min())  # one window: WAPE is pooled over its weeks
    looks = []
    for week, level in zip(np.sort(answers["week"].unique()), spending_levels(params), strict=False):
        so_far = window[window["week"] <= week]
        found = compare(so_far, CHALLENGER, CHAMPION, params.bootstrap_draws, params.seed)
        reach = _reach(found, level)
        low, high = found.wape - reach, found.wape + reach
        looks.append(
            Look(pd.Timestamp(week), found.stores, found.own, found.other, found.wape, low, high, level)
        )
    return looks


def _reach(found: Difference, level: float) -> float:
    """Half the width of Student's interval; infinite for a single store."""
    from scipy import stats

    if found.stores < 2:
        return float("inf")
    spread = found.deviation * np.sqrt(found.stores / (found.stores - 1))
    # no number is small enough for the first looks of very long experiments
    return float(stats.t.isf(max(level, np.finfo(float).tiny) / 2, df=found.stores - 1) * spread)


def verdict(looks: list[Look], params: ABParams) -> Verdict:
    """Decide at the first look whose interval leaves out zero; looks after it change nothing.

    A look from fewer than ``MIN_STORES`` stores decides nothing.
    """
    for look in looks:
        if look.stores >= MIN_STORES and (look.high < 0 or look.low > 0):
            return "challenger is better" if look.high < 0 else "champion is better"
    return "no difference found" if len(looks) >= params.planned_weeks else "go on"


def _check_same_rows(answers: pd.DataFrame) -> None:
    """Both methods have one forecast for each row, and the same turnover came true."""
    asked = [*KEYS, "week"]
    known = answers.assign(known=answers[["forecast", "turnover"]].notna().all(axis=1))
    counts = known.groupby([*asked, "method"])["known"].sum().unstack("method", fill_value=0)
    once = (counts.reindex(columns=[CHALLENGER, CHAMPION], fill_value=0) == 1).all(axis=1)
    alone = once.index[~(once & (answers.groupby(asked)["turnover"].nunique() == 1))]
    if len(alone):
        named = "; ".join(f"store {s}, department {d}, week {week:%Y-%m-%d}" for s, d, week in alone[:3])
        raise InputError(
            f"challenger and champion are not on the same rows: {len(alone)} of {len(once)} do not have one "
            f"forecast of each and one turnover (e.g. {named}). Compare only what both have answered."
        )
