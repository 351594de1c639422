"""Find lasting jumps of a whole department's level, and bring history to today's level."""

from __future__ import annotations

import numpy as np
import pandas as pd
from pydantic import BaseModel, Field

WEEKS_PER_YEAR = 52


class LevelShiftParams(BaseModel, frozen=True, extra="forbid"):
    """When a jump of the year-on-year ratio counts as a level shift.

    The ratio is taken per department: the median over stores of log(week / same week a year before).
    """

    enabled: bool = True
    min_log_ratio: float = Field(gt=0, description="Smallest jump, in log units; 0.35 is +42 % or -30 %")
    noise_multiple: float = Field(gt=0, description="Smallest jump in robust standard deviations")
    hold_weeks: int = Field(gt=1, description="Weeks that the new level must have lasted")
    min_stores: int = Field(gt=0, description="Stores a year old that a weekly median needs")


def year_on_year(panel: pd.DataFrame, min_stores: int) -> pd.DataFrame:
    """Median over stores of the log ratio to the same week of the year before.

    Args:
        panel: ``store, department, week, turnover``; weeks on one 7-day grid.
        min_stores: Weeks with fewer comparable stores have no ratio.

    Returns:
        Weeks x departments, NaN where nothing can be compared.
    """
    sold = panel.loc[panel["turnover"] > 0, ["store", "department", "week", "turnover"]]
    wide = sold.pivot(index="week", columns=["department", "store"], values="turnover")
    wide = wide.reindex(pd.date_range(panel["week"].min(), panel["week"].max(), freq="7D"))
    ratio = np.log(wide / wide.shift(WEEKS_PER_YEAR))
    by_department = ratio.T.groupby(level="department")
    return by_department.median().T.where(by_department.count().T >= min_stores)


def find_level_shifts(panel: pd.DataFrame, params: LevelShiftParams) -> pd.DataFrame:
    """Find the weeks at which a department's level jumped in most of its stores, and by how much.

    A shift at week ``t`` moves the year-on-year ratio by its log factor at ``t``, and back one year later
    when the comparison week is shifted too; that echo is taken out before looking for the next shift.

    Args:
        panel: ``store, department, week, turnover`` up to the last week that may be seen.
        params: Thresholds.

    Returns:
        ``department, week, factor``: from that week on the level is ``factor`` times what it was before.
        Empty if there is none, or if ``enabled`` is false.
    """
    found = []
    if params.enabled and not panel.empty:
        ratios = year_on_year(panel, params.min_stores)
        for department in ratios.columns:
            found += [
                {"department": department, "week": ratios.index[position], "factor": float(np.exp(jump))}
                for position, jump in _jumps(ratios[department].to_numpy(), params)
            ]
    return pd.DataFrame(found, columns=["department", "week", "factor"]).astype(
        {"week": "datetime64[ns]", "factor": float}
    )


def _jumps(ratio: np.ndarray, params: LevelShiftParams) -> list[tuple[int, float]]:
    """Positions and log sizes of shifts in one department's ratio, oldest first."""
    ratio = ratio.copy()
    hold = params.hold_weeks
    jumps: list[tuple[int, float]] = []
    for position in range(hold, len(ratio) - hold + 1):
        before, after = ratio[position - hold : position], ratio[position : position + hold]
        if np.isnan(before).any() or np.isnan(after).any():
            continue
        jump = float(np.median(after) - np.median(before))
        if abs(jump) < max(params.min_log_ratio, params.noise_multiple * _noise(ratio[:position])):
            continue
        position = _sharpest(ratio, position, hold, np.sign(jump))  # noqa: PLW2901
        jump = float(np.median(ratio[position : position + hold]) - np.median(before))
        jumps.append((position, jump))
        # What is compared with the new level from here on is compared with the old level after a year.
        ratio[position : position + WEEKS_PER_YEAR] -= jump
    return jumps


def _noise(ratio: np.ndarray) -> float:
    """Robust standard deviation of the weekly changes, 1.4826 x median absolute deviation."""
    changes = np.diff(ratio)
    changes = changes[~np.isnan(changes)]
    if changes.size < 8:
        return 0.0
    return float(1.4826 * np.median(np.abs(changes - np.median(changes))))


def _sharpest(ratio: np.ndarray, position: int, hold: int, sign: float) -> int:
    """The week of the largest single step near a detected jump: the medians see it a little early."""
    steps = sign * np.diff(ratio[position - 1 : position + hold])
    return position + int(np.nanargmax(steps))


def to_todays_level(panel: pd.DataFrame, shifts: pd.DataFrame) -> pd.DataFrame:
    """Multiply history before each level shift by its factor, so that old weeks compare with new ones.

    Args:
        panel: ``store, department, week, turnover``.
        shifts: As ``find_level_shifts`` gives them.

    Returns:
        The panel with ``turnover`` rescaled; all else unchanged.
    """
    factor = pd.Series(1.0, index=panel.index)
    for shift in shifts.itertuples():
        earlier = (panel["department"] == shift.department) & (panel["week"] < shift.week)
        factor[earlier] *= shift.factor
    return panel.assign(turnover=panel["turnover"] * factor)
