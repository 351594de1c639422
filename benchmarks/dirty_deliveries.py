"""Deliveries that went wrong, made from good ones: what retailers' exports have been seen to do."""

from collections.abc import Callable

import numpy as np
import pandas as pd

WEEK = pd.Timedelta(weeks=1)

Dirt = Callable[[pd.DataFrame], pd.DataFrame]


def _newest(sales: pd.DataFrame) -> pd.Series:
    return sales["week"] == sales["week"].max()


def zero_week(sales: pd.DataFrame) -> pd.DataFrame:
    """The newest week has all its rows, and nothing was sold."""
    return sales.assign(turnover=sales["turnover"].where(~_newest(sales), 0.0))


def times(factor: float) -> Dirt:
    """The newest week is in another unit."""

    def dirty(sales: pd.DataFrame) -> pd.DataFrame:
        return sales.assign(turnover=sales["turnover"].where(~_newest(sales), factor * sales["turnover"]))

    return dirty


def times_again(factor: float) -> Dirt:
    """The week that was delivered before the newest one comes once more, in another unit."""

    def dirty(sales: pd.DataFrame) -> pd.DataFrame:
        known = sales["week"] == sales["week"].max() - WEEK
        return sales.assign(turnover=sales["turnover"].where(~known, factor * sales["turnover"]))

    return dirty


def half_the_stores(sales: pd.DataFrame) -> pd.DataFrame:
    """The newest week lacks every other store."""
    stores = sorted(sales["store"].unique())[::2]
    return sales[~(_newest(sales) & sales["store"].isin(stores))]


def late_store(sales: pd.DataFrame) -> pd.DataFrame:
    """One store has not sent its newest week yet."""
    return sales[~(_newest(sales) & (sales["store"] == sales["store"].min()))]


def older_file(sales: pd.DataFrame) -> pd.DataFrame:
    """The file of some weeks ago once more."""
    return sales[sales["week"] <= sales["week"].max() - 3 * WEEK]


def short_file(sales: pd.DataFrame) -> pd.DataFrame:
    """The export keeps the newer half of the history only."""
    weeks = np.sort(sales["week"].unique())
    return sales[sales["week"] >= weeks[len(weeks) // 2]]


def a_week_missing_inside(sales: pd.DataFrame) -> pd.DataFrame:
    """A week of the past has no row any more."""
    return sales[sales["week"] != sales["week"].max() - 5 * WEEK]


def restated(share: float) -> Dirt:
    """Some values of the past are others now."""

    def dirty(sales: pd.DataFrame) -> pd.DataFrame:
        chosen = np.random.default_rng(1).random(len(sales)) < share
        changed = chosen & ~_newest(sales).to_numpy()
        return sales.assign(turnover=sales["turnover"].where(~changed, 1.1 * sales["turnover"] + 1))

    return dirty


def silent_department(sales: pd.DataFrame) -> pd.DataFrame:
    """A department's rows of the newest week are there, and empty of turnover."""
    silent = _newest(sales) & (sales["department"] == sales["department"].min())
    return sales.assign(turnover=sales["turnover"].where(~silent, 0.0))


HELD: dict[str, tuple[Dirt, str]] = {
    "zero week": (zero_week, "level"),
    "times 1000": (times(1000), "unit jump"),
    "times 100": (times(100), "unit jump"),
    "times 10": (times(10), "unit jump"),
    "a thousandth": (times(0.001), "unit jump"),
    "newest known week times 1000": (times_again(1000), "unit jump"),
    "half the stores": (half_the_stores, "stores missing"),
    "older file": (older_file, "older delivery"),
    "short file": (short_file, "known values missing"),
    "a week missing inside": (a_week_missing_inside, "week missing inside"),
    "a third restated": (restated(0.33), "restated"),
    "silent department": (silent_department, "series silent"),
}
"""Name -> what went wrong, and the check that must hold it."""

NOTED: dict[str, tuple[Dirt, str]] = {
    "late store": (late_store, "stores missing"),
    "1 % restated": (restated(0.01), "restated"),
}
"""What is worth a word, and no reason to stop."""
