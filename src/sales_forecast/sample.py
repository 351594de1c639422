"""Make the sample that ships with the project: invented shops, published facts.

The real files may not be redistributed, so a seeded generator builds stand-ins with the
same columns, seasons and dirt. Every step is drawn from ``SEED``: the same call gives the
same tables. Arrays are ``(weeks, stores, departments)``; turnover is in currency units
per week, and a week carries the date of its first day, a Saturday.

    python -m sales_forecast.sample [FOLDER]
"""

import argparse
import gzip
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sales_forecast.atomic import whole_file

SEED = 3494  # one for which chance leaves the published facts where they are
WEEKS = pd.date_range("2012-12-29", "2017-09-30", freq="7D")
FUTURE_WEEKS = pd.date_range("2017-10-07", "2017-11-25", freq="7D")
FIRST_STORE = 101
MIN_STORES = 10  # the traps below live in the first ten stores

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Department:
    """What makes a department sell. Lifts are factors on a week's turnover."""

    turnover_2016: int  # currency units, calendar year, all stores
    level_2016: float  # factor on the weeks of LEVEL_SHIFT
    monthly_index: tuple[float, ...]  # mid-month, January first, about 1 on average
    easter_lift: float
    school_holiday_lift: float
    noise: float  # standard deviation of log turnover, week to week
    idle: float  # share of weeks without a sale in a store of median size


# fmt: off
DEPARTMENTS = {
    127: Department(33_402_030, 2.00, (1.15, 0.95, 0.70, 0.75, 0.90, 1.20, 2.25, 1.40,
                                       0.70, 0.65, 0.70, 0.95), 1.10, 1.05, 0.11, 0.000),
    117: Department(6_322_402, 1.31, (4.10, 2.55, 1.15, 0.10, 0.00, 0.00, 0.00, 0.00,
                                      0.00, 0.50, 1.40, 2.30), 1.00, 1.35, 0.16, 0.003),
    88: Department(5_654_691, 1.05, (1.20, 1.00, 0.95, 0.90, 0.85, 0.90, 0.95, 0.95,
                                     1.40, 1.10, 0.85, 0.95), 0.93, 0.97, 0.12, 0.008),
    73: Department(1_960_281, 2.00, (0.55, 0.60, 0.80, 1.05, 1.25, 1.40, 1.80, 1.40,
                                     1.00, 0.85, 0.60, 0.65), 1.20, 1.10, 0.18, 0.030),
}
# fmt: on
LEVEL_SHIFT = ("2016-01-09", "2016-12-31")  # first and last week at the 2016 level
UNSHIFTED_EVERY = 20  # one store in twenty keeps its level through 2016

# Traps, by store number.
SPIKE = (102, 88, "2013-11-02", 1_000_000.0)
DROPPED = (103, 73, "2016-06-25")  # first week without the department
GAP = (105, 88, ("2015-03-07", "2015-03-14"))
OPENINGS = {
    104: "2013-12-14",
    106: "2015-06-27",
    107: "2016-04-02",
    108: "2016-11-26",
    109: "2017-08-05",
}
STORES_WITHOUT_SALES = 2  # in the attributes only

EASTER_WEEKS = ("2013-03-30", "2014-04-19", "2015-04-04", "2016-03-26", "2017-04-15")
# First of the two Saturdays that open the winter school holidays, by school zone.
WINTER_HOLIDAYS = {
    "A": ("2013-02-23", "2014-03-01", "2015-02-07", "2016-02-13", "2017-02-18"),
    "B": ("2013-02-16", "2014-02-22", "2015-02-21", "2016-02-06", "2017-02-11"),
    "C": ("2013-03-02", "2014-02-15", "2015-02-14", "2016-02-20", "2017-02-04"),
}

# Towns as "postcode latitude longitude", by region and school zone. The numbers of the regions
# are ours, and their first digit is the zone.
TOWNS = {
    (11, "B"): "59000 50.63 3.06, 62000 50.29 2.78, 80000 49.89 2.30, 59140 51.03 2.38",
    (12, "C"): "75012 48.84 2.39, 78000 48.80 2.13, 94000 48.79 2.46, 77100 48.96 2.89",
    (13, "B"): "76000 49.44 1.10, 76600 49.49 0.11, 76200 49.92 1.08, 27000 49.02 1.15",
    (21, "A"): "35000 48.11 -1.68, 29200 48.39 -4.49, 56000 47.66 -2.76, 22000 48.51 -2.77",
    (22, "A"): "44000 47.22 -1.55, 49000 47.47 -0.55, 72000 48.01 0.20, 85000 46.67 -1.43",
    (31, "B"): "67000 48.57 7.75, 68000 48.08 7.36, 25000 47.24 6.02, 21000 47.32 5.04",
    (32, "A"): "69003 45.76 4.85, 38000 45.19 5.72, 74000 45.90 6.13, 73000 45.56 5.92",
    (33, "A"): "63000 45.78 3.09, 42000 45.44 4.39, 26000 44.93 4.89, 01000 46.21 5.23",
    (41, "C"): "33000 44.84 -0.58, 64000 43.30 -0.37, 24000 45.18 0.72, 40000 43.89 -0.50",
    (42, "A"): "31000 43.60 1.44, 81000 43.93 2.15, 34000 43.61 3.88, 30000 43.84 4.36",
    (43, "B"): "13008 43.25 5.39, 06000 43.70 7.27, 83000 43.12 5.93, 05000 44.56 6.08",
}
ATTRIBUTES = [
    "but_num_business_unit",
    "but_postcode",
    "but_latitude",
    "but_longitude",
    "but_region_idr_region",
    "zod_idr_zone_dgr",
]


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


def make_marketing(seed: int = SEED) -> pd.DataFrame:
    """Invent 200 markets: TV budget and sales, whose spread grows with the budget.

    Returns:
        ``TV`` and ``Sales``, one decimal each, shape ``(200, 2)``.
    """
    rng = np.random.default_rng(seed)
    share = (np.arange(200) + rng.uniform(0, 1, 200)) / 200
    tv = rng.permutation(0.7 + 295.7 * share**1.02)  # slightly more small budgets
    spread = 1.4 + 0.02 * tv
    sales = 8.1 + 0.04 * tv + rng.uniform(-spread, spread)
    return pd.DataFrame({"TV": tv, "Sales": sales.clip(1.6, 27.0)}).round(1)


def write_sample(folder: Path) -> list[Path]:
    """Write the four sample files under ``folder`` and return their paths."""
    tables = {f"turnover/{k}.csv.gz": table for k, table in make_turnover().items()}
    tables["marketing/tvmarketing.csv"] = make_marketing()
    for name, table in tables.items():
        _write_csv(table, folder / name)
    return [folder / name for name in tables]


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


def _write_csv(table: pd.DataFrame, path: Path) -> None:
    """Write under a temporary name, then move: a reader never meets half a file."""
    content = table.to_csv(index=False, lineterminator="\n").encode()
    if path.suffix == ".gz":
        packed = io.BytesIO()
        # no name and no time in the header, or each run would give other bytes
        with gzip.GzipFile(filename="", mode="wb", fileobj=packed, mtime=0) as file:
            file.write(content)
        content = packed.getvalue()
    with whole_file(path) as part:
        part.write_bytes(content)


def main(argv: Sequence[str] | None = None) -> None:
    """Make the sample from the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m sales_forecast.sample",
        description="Make the synthetic sample data: same seed, same bytes.",
    )
    parser.add_argument(
        "folder",
        nargs="?",
        type=Path,
        default=Path("data/01_raw"),
        help="where turnover/ and marketing/ are written (default: %(default)s)",
    )
    for path in write_sample(parser.parse_args(argv).folder):
        print(f"{path}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
