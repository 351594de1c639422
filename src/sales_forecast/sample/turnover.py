"""Weekly turnover of the invented chain, drawn from a seed.

Arrays are ``(weeks, stores, departments)``; turnover is in currency units per week, and a week carries the
date of its first day, a Saturday.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sales_forecast.sample.chain import (
    ATTRIBUTES,
    DEPARTMENTS,
    DROPPED,
    EASTER_WEEKS,
    FIRST_STORE,
    FUTURE_WEEKS,
    GAP,
    LEVEL_SHIFT,
    MIN_STORES,
    OPENINGS,
    SPIKE,
    STORES_WITHOUT_SALES,
    TOWNS,
    UNSHIFTED_EVERY,
    WEEKS,
    WINTER_HOLIDAYS,
)

SEED = 3494  # one for which chance leaves the published facts where they are

Array = NDArray[np.float64]


def make_turnover(stores: int = 40, seed: int = SEED) -> dict[str, pd.DataFrame]:
    """Invent the weekly turnover of a chain of sports shops.

    Whatever the number of stores, each department's turnover in 2016 is the published one.

    Args:
        stores: Stores with sales, at least ``MIN_STORES``, numbered from ``FIRST_STORE``.
        seed: Same seed, same tables.

    Returns:
        ``train``, ``test`` and ``bu_feat`` with the raw files' columns, latest week first.

    Raises:
        ValueError: Too few stores to hold the traps.
    """
    if stores < MIN_STORES:
        raise ValueError(f"stores is {stores}: the sample needs {MIN_STORES} or more")
    rng = np.random.default_rng(seed)
    shops = _place_shops(rng, stores + STORES_WITHOUT_SALES)
    selling = shops.head(stores)
    numbers = selling["but_num_business_unit"]
    trading = _trading_weeks(stores)
    turnover = _dirty(rng, _expected_turnover(rng, selling))
    turnover = _scale_to_2016(np.where(trading, turnover, 0.0))
    store, department, week, value = SPIKE
    turnover[_cell(week, store, department)] = value
    return {
        "train": _shuffled_rows(rng, WEEKS, numbers, trading, turnover),
        "test": _shuffled_rows(rng, FUTURE_WEEKS, numbers, np.repeat(trading[-1:], 8, axis=0)),
        "bu_feat": shops[ATTRIBUTES].sample(frac=1, random_state=rng, ignore_index=True),
    }


def _place_shops(rng: np.random.Generator, count: int) -> pd.DataFrame:
    """Give each store a town; a second store in a town stands a few kilometres off."""
    place = ATTRIBUTES[1:4]
    towns = pd.DataFrame(
        [
            (region, school_zone, *town.split())
            for (region, school_zone), line in TOWNS.items()
            for town in line.split(", ")
        ],
        columns=["but_region_idr_region", "school_zone", *place],
    ).astype({"but_latitude": float, "but_longitude": float})
    shops = towns.iloc[rng.permutation(len(towns))[np.arange(count) % len(towns)]].copy()
    offset = rng.uniform(-0.06, 0.06, (count, 2)) * (np.arange(count) >= len(towns))[:, None]
    shops[place[1:]] = (shops[place[1:]] + offset).round(4)
    shops["but_num_business_unit"] = FIRST_STORE + np.arange(count)
    shops["zod_idr_zone_dgr"] = shops["but_region_idr_region"] // 10
    return shops


def _expected_turnover(rng: np.random.Generator, shops: pd.DataFrame) -> Array:
    """Season x size x growth x level x holidays x noise, in an arbitrary unit."""
    shape = (len(WEEKS), len(shops), len(DEPARTMENTS))
    years = np.arange(len(WEEKS))[:, None, None] / 52
    size = rng.lognormal(0, 0.6, (1, len(shops), 1)) * rng.lognormal(0, 0.3, (1, *shape[1:]))
    growth = (1 + rng.normal(0.02, 0.025, (1, len(shops), 1))) ** years
    log_noise = (
        _wander(rng, (shape[0], 1, shape[2]), 0.60, 0.06)  # weather and fashion, everywhere
        + _wander(rng, (shape[0], shape[1], 1), 0.98, 0.10)  # roadworks, rivals: one store
        + _wander(rng, shape, 0.95, 0.10)  # a good or bad department head
        + rng.normal(0, [d.noise for d in DEPARTMENTS.values()], shape)
    )
    return _season() * size * growth * _level(shape) * _holidays(shops) * np.exp(log_noise)


def _season() -> Array:
    """Interpolate the monthly indices to weeks; the middle of the week counts."""
    day = (WEEKS + pd.Timedelta(days=3)).dayofyear.to_numpy(dtype=float)
    mid_month = (np.arange(12) + 0.5) * 365.25 / 12
    curves = [np.interp(day, mid_month, d.monthly_index, period=365.25) for d in DEPARTMENTS.values()]
    return np.stack(curves, axis=1)[:, None, :]


def _level(shape: tuple[int, int, int]) -> Array:
    """Return the factor that lifts 2016 and drops again, in nearly all stores."""
    level = np.ones(shape)
    first, last = LEVEL_SHIFT
    level[_week(first) : _week(last) + 1] = [d.level_2016 for d in DEPARTMENTS.values()]
    level[:, MIN_STORES - 1 :: UNSHIFTED_EVERY] = 1.0
    return level


def _holidays(shops: pd.DataFrame) -> Array:
    """Lift the week of Easter, and the two winter holiday weeks of each school zone."""
    starts = {zone: pd.to_datetime(days) for zone, days in WINTER_HOLIDAYS.items()}
    off = {z: WEEKS.isin(s) | WEEKS.isin(s + pd.Timedelta(days=7)) for z, s in starts.items()}
    school = np.stack([off[zone] for zone in shops["school_zone"]], axis=1)[:, :, None]
    easter = WEEKS.isin(pd.to_datetime(EASTER_WEEKS))[:, None, None]
    at_easter = np.array([d.easter_lift for d in DEPARTMENTS.values()])
    at_school = np.array([d.school_holiday_lift for d in DEPARTMENTS.values()])
    return np.asarray(np.where(easter, at_easter, 1.0) * np.where(school, at_school, 1.0))


def _wander(rng: np.random.Generator, shape: tuple[int, ...], persistence: float, spread: float) -> Array:
    """Stationary AR(1) along the weeks, with standard deviation ``spread``."""
    path = rng.normal(0, spread, shape)
    for week in range(1, shape[0]):
        path[week] *= np.sqrt(1 - persistence**2)
        path[week] += persistence * path[week - 1]
    return path


def _dirty(rng: np.random.Generator, turnover: Array) -> Array:
    """Add weeks without a sale and weeks where returns outweigh sales.

    Out of season a department sells next to nothing; in season small stores stand idle
    more often than large ones.
    """
    usual = turnover.mean(axis=0)
    idle = np.array([d.idle for d in DEPARTMENTS.values()]) * np.median(usual, axis=0) / usual
    slack = np.broadcast_to(_season() < 0.05, turnover.shape)
    chance = rng.random(turnover.shape)
    trickle = usual * rng.exponential(0.01, turnover.shape)
    zero = chance < np.where(slack, 0.48, idle)
    returned = chance > np.where(slack, 0.82, 1 - 0.3 * idle)
    sold = np.where(slack, trickle, turnover)
    return np.where(zero, 0.0, np.where(returned, -trickle, sold))


def _trading_weeks(stores: int) -> NDArray[np.bool_]:
    """Say which weeks have a row: late openings, the dropped department and the gap do not."""
    trading = np.ones((len(WEEKS), stores, len(DEPARTMENTS)), dtype=bool)
    for store, opening in OPENINGS.items():
        trading[: _week(opening), store - FIRST_STORE] = False
    store, department, week = DROPPED
    since, row, column = _cell(week, store, department)
    trading[since:, row, column] = False
    store, department, weeks = GAP
    for week in weeks:
        trading[_cell(week, store, department)] = False
    return trading


def _week(day: str) -> int:
    """Position of a week in the arrays."""
    return (pd.Timestamp(day) - WEEKS[0]).days // 7


def _cell(day: str, store: int, department: int) -> tuple[int, int, int]:
    """Position of one week of one series in the arrays."""
    return _week(day), store - FIRST_STORE, list(DEPARTMENTS).index(department)


def _scale_to_2016(turnover: Array) -> Array:
    """Scale each department to its published turnover of 2016, to the cent."""
    days = np.stack([(WEEKS + pd.Timedelta(days=d)).year == 2016 for d in range(7)])
    share = days.mean(axis=0)[:, None, None]  # of the week's seven days
    target = np.array([d.turnover_2016 for d in DEPARTMENTS.values()], dtype=float)
    # + 0.0 turns the -0.0 of a tiny return into a plain zero
    scaled: Array = np.round(turnover * target / (share * turnover).sum(axis=(0, 1)), 2) + 0.0
    missing = target - (share * scaled).sum(axis=(0, 1))
    for column, cents in enumerate(missing):
        # the best full week of the year takes what rounding left over
        full_year = np.where(share[:, :, 0] == 1, scaled[:, :, column], -np.inf)
        week, store = np.unravel_index(full_year.argmax(), full_year.shape)
        scaled[week, store, column] = np.round(scaled[week, store, column] + cents, 2)
    return scaled


def _shuffled_rows(
    rng: np.random.Generator,
    weeks: pd.DatetimeIndex,
    stores: pd.Series,
    trading: NDArray[np.bool_],
    turnover: Array | None = None,
) -> pd.DataFrame:
    """Turn arrays into rows in an export's order: latest week first, else no order."""
    week, store, department = trading.nonzero()
    rows = pd.DataFrame(
        {
            "day_id": weeks.strftime("%Y-%m-%d")[week],
            "but_num_business_unit": stores.to_numpy()[store],
            "dpt_num_department": np.array(list(DEPARTMENTS))[department],
        }
    )
    if turnover is not None:
        rows["turnover"] = turnover[trading]
    rows = rows.iloc[rng.permutation(len(rows))]
    return rows.sort_values("day_id", ascending=False, kind="stable", ignore_index=True)
