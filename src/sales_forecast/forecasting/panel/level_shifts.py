"""Level shifts: lasting jumps of a whole department, found and adjusted for."""

from __future__ import annotations

from statistics import median

import numpy as np
import numpy.typing as npt
import pandas as pd
from dateutil.easter import easter
from pydantic import BaseModel, Field

from sales_forecast.forecasting.panel.matrix import WEEKS_PER_YEAR, PanelMatrix

SIZE_WEEKS = 26
"""The size of a jump is measured over half a year, because its first weeks alone are noisy."""

EASTER_WEEKS = 2
"""Weeks before and after Easter that cannot be compared with a year in which Easter was another week."""

Ratios = npt.NDArray[np.float64]


class LevelShiftParams(BaseModel, frozen=True, extra="forbid"):
    """When a jump of the year-on-year ratio counts as a level shift.

    The ratio is computed per department and week: the median over stores of log(week / same week a year
    before). Weeks without enough stores, or off season, have no ratio.
    """

    enabled: bool = True
    min_log_ratio: float = Field(gt=0)
    noise_multiple: float = Field(gt=0)
    hold_weeks: int = Field(gt=1)
    base_weeks: int = Field(gt=3)
    min_stores: int = Field(gt=0)
    min_season_share: float = Field(ge=0, lt=1)


def year_on_year(panel: pd.DataFrame, params: LevelShiftParams) -> pd.DataFrame:
    """Median over stores of the log ratio to the same week of the year before.

    Args:
        panel: ``store, department, week, turnover``; weeks that are 7 days apart.
        params: ``min_stores`` and ``min_season_share`` define which weeks are comparable.

    Returns:
        Weeks x departments, NaN where nothing can be compared.
    """
    weeks = pd.date_range(panel["week"].min(), panel["week"].max(), freq="7D")
    matrix = PanelMatrix.of(panel, weeks)
    departments = matrix.series["department"]
    turnover = np.where(matrix.turnover > 0, matrix.turnover, np.nan)
    ratio = np.full(turnover.shape, np.nan)
    ratio[:, WEEKS_PER_YEAR:] = np.log(turnover[:, WEEKS_PER_YEAR:] / turnover[:, :-WEEKS_PER_YEAR])
    stores = pd.DataFrame(ratio, columns=weeks).groupby(departments)
    total = pd.DataFrame(turnover, columns=weeks).groupby(departments).sum().T
    total = total.mask(total.cumsum() == 0)  # weeks before the department began have no total
    share = total / total.rolling(WEEKS_PER_YEAR, min_periods=WEEKS_PER_YEAR // 2).mean()
    in_season = (share >= params.min_season_share) & (share.shift(WEEKS_PER_YEAR) >= params.min_season_share)
    in_season.loc[_easter_moved(weeks)] = False
    comparable: pd.DataFrame = (params.min_stores <= stores.count().T) & in_season
    return stores.median().T.where(comparable)


def _easter_moved(weeks: pd.DatetimeIndex) -> npt.NDArray[np.bool_]:
    """Weeks near Easter, or a year after one near it, unless Easter is as far from both."""
    now, before = _weeks_from_easter(weeks), _weeks_from_easter(weeks - pd.Timedelta(weeks=WEEKS_PER_YEAR))
    near = np.minimum(np.abs(now), np.abs(before)) <= EASTER_WEEKS
    return np.asarray(near & (now != before), dtype=bool)


def _weeks_from_easter(weeks: pd.DatetimeIndex) -> npt.NDArray[np.int_]:
    """Whole weeks from the one that Easter Sunday of the same year falls into; negative before it."""
    sundays = pd.DatetimeIndex([easter(year) for year in weeks.year])
    return np.asarray((weeks + pd.Timedelta(days=6) - sundays).days // 7, dtype=int)


def find_level_shifts(panel: pd.DataFrame, params: LevelShiftParams) -> pd.DataFrame:
    """Find the weeks at which a department's level jumped in most of its stores, and by how much.

    Args:
        panel: ``store, department, week, turnover`` up to the last week that may be used.
        params: Thresholds.

    Returns:
        ``department, week, factor``: the first week of the new level, and the factor that scales the weeks
        before it to that level, which is the median year-on-year ratio of the half year after. Empty if
        there is none, or if ``enabled`` is false.
    """
    found = []
    if params.enabled and not panel.empty:
        ratios = year_on_year(panel, params)
        for department in ratios.columns:
            found += [
                {"department": department, "week": ratios.index[position], "factor": float(np.exp(jump))}
                for position, jump in find_jumps(ratios[department].to_numpy(), params)
            ]
    return pd.DataFrame(found, columns=["department", "week", "factor"]).astype(
        {"week": "datetime64[ns]", "factor": float}
    )


def find_jumps(ratio: Ratios, params: LevelShiftParams) -> list[tuple[int, float]]:
    """Find the lasting jumps in one department's year-on-year ratio.

    A shift raises the ratio for a year only: after that the comparison week is shifted too. Therefore, once
    a shift is found, its jump is subtracted from the year that follows, and the search continues.

    Args:
        ratio: One log ratio per week, NaN where there is none, shape ``(weeks,)``.
        params: Thresholds.

    Returns:
        Position and log size of each jump, oldest first. The size is the ratio itself, not its change: it
        scales last year's weeks to the new level, whatever the year before was like.
    """
    ratio = ratio.copy()
    jumps: list[tuple[int, float]] = []
    for position in range(params.base_weeks, len(ratio)):
        if np.isnan(ratio[position]):
            continue
        base, held = _around(ratio, position, params)
        if len(base) < params.base_weeks // 2 or len(held) < params.hold_weeks:
            continue
        level = median(base)
        jump = median(held) - level
        if abs(jump) < params.min_log_ratio:  # before the noise, which takes longer to find out
            continue
        threshold = max(params.min_log_ratio, params.noise_multiple * _noise(ratio[:position]))
        above = np.array(held) - level
        lasted = np.abs(above).min() > threshold / 2 and len(set(np.sign(above))) == 1
        if abs(jump) < threshold or not lasted:
            continue
        start = _sharpest(ratio, position, params.hold_weeks, np.sign(jump))
        size = float(np.nanmedian(ratio[start : start + SIZE_WEEKS]))
        if (size - level) * np.sign(jump) < threshold:  # a few odd weeks only, as the rest of the year shows
            continue
        jumps.append((start, size))
        ratio[start : start + WEEKS_PER_YEAR] -= size - level
    return jumps


def _around(ratio: Ratios, position: int, params: LevelShiftParams) -> tuple[list[float], list[float]]:
    """Known ratios before a week, and from it on; lists, because those of few numbers are the faster ones."""
    base = ratio[max(0, position - 2 * params.base_weeks) : position]
    held = ratio[position : position + 2 * params.hold_weeks]
    before, after = base[~np.isnan(base)][-params.base_weeks :], held[~np.isnan(held)][: params.hold_weeks]
    return before.tolist(), after.tolist()


def _sharpest(ratio: Ratios, position: int, hold_weeks: int, sign: float) -> int:
    """The week of the largest single step near a detection; medians may place a jump a week early or late."""
    first = max(1, position - 2)
    steps = sign * np.diff(ratio[first - 1 : position + hold_weeks])
    return first + int(np.nanargmax(steps)) if np.isfinite(steps).any() else position


def _noise(ratio: Ratios) -> float:
    """Robust standard deviation of the weekly changes, 1.4826 x median absolute deviation."""
    changes = np.diff(ratio)
    changes = changes[~np.isnan(changes)]
    if changes.size < 8:
        return 0.0
    return float(1.4826 * np.median(np.abs(changes - np.median(changes))))


def adjust_levels(panel: pd.DataFrame, shifts: pd.DataFrame) -> pd.DataFrame:
    """Multiply the history before each level shift by its factor, so that old and new weeks are comparable.

    Args:
        panel: ``store, department, week, turnover``.
        shifts: As ``find_level_shifts`` returns them.

    Returns:
        The panel with rescaled ``turnover``; all other columns are unchanged.
    """
    factors = level_factors(panel["department"].to_numpy(), panel["week"].to_numpy(), shifts)
    return panel.assign(turnover=panel["turnover"] * factors)


def level_factors(
    departments: npt.NDArray[np.generic], weeks: npt.NDArray[np.datetime64], shifts: pd.DataFrame
) -> Ratios:
    """What to multiply turnover by, so that old and new weeks are comparable.

    Args:
        departments: Department of each row, or of each series with a second axis of length one.
        weeks: First day of each row's week, or of each column's.
        shifts: As ``find_level_shifts`` returns them.

    Returns:
        Factors, of the shape to which departments and weeks broadcast.
    """
    factors = np.ones(np.broadcast_shapes(departments.shape, weeks.shape))
    for department, week, size in shifts[["department", "week", "factor"]].itertuples(index=False):
        factors[(departments == department) & (weeks < week.to_datetime64())] *= size
    return factors
