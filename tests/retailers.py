"""Two made-up retailers that are nothing like the sample: their files, for docs/your-own-data.md to describe."""

from pathlib import Path

import numpy as np
import pandas as pd

FORMATS = ("mall", "street", "outlet")


def write_harbour(folder: Path, shops: int = 60, departments: int = 4) -> None:
    """Weeks that end on a Friday, promotions and opening days known ahead, shops with a format and a size.

    143 whole weeks lie between two half ones. Shop 1007 was shut for half a year, shop 1011 stopped selling
    its last department, shop 1013 opened four weeks ago, shop 1000 + ``shops`` opens in the weeks to come.
    """
    rng = np.random.default_rng(7)
    fridays = pd.date_range("2021-01-01", periods=145 + 7, freq="7D")
    shop = 1001 + np.arange(shops)
    department = [f"D{n:02d}" for n in range(departments)]
    shape = (len(fridays), shops, departments)
    week = np.arange(len(fridays))[:, None, None]
    phase = rng.uniform(0, 2 * np.pi, departments)
    kind = rng.integers(0, len(FORMATS), shops)
    season = 1 + 0.4 * np.cos(2 * np.pi * week / 52.18 - phase)
    size = rng.lognormal(7, 0.7, (1, shops, 1)) * rng.lognormal(0, 0.4, (1, shops, departments))
    size = size * np.array([1.5, 1.0, 0.6])[kind][None, :, None]
    promotion = np.where(rng.random(shape) < 0.2, rng.choice([0.25, 0.5, 1.0], shape), 0)
    thanksgiving = pd.to_datetime(["2021-11-26", "2022-11-25", "2023-11-24"])
    holiday = np.broadcast_to(fridays.isin(thanksgiving)[:, None, None], shape).astype(int)
    days_open = np.where(rng.random(shape[:2]) < 0.05, 5, 7)[:, :, None] - holiday
    turnover = season * size * (1 + 0.8 * promotion) * (1 + 0.5 * holiday) * days_open / 7
    turnover = turnover * np.exp(rng.normal(0, 0.12, shape))
    turnover[[0, 144]] *= 3 / 7
    turnover[rng.random(shape) < 0.001] = -4.2

    axes = [fridays.strftime("%m/%d/%Y"), shop, department]
    rows = pd.MultiIndex.from_product(axes, names=["WeekEnding", "Shop", "Dept"]).to_frame(index=False)
    rows = rows.assign(
        NetSales=turnover.round(2).ravel(),
        PromoShare=promotion.ravel(),
        Holiday=holiday.ravel(),
        DaysOpen=days_open.ravel(),
        number=np.repeat(np.arange(len(fridays)), shops * departments),
    )
    past, plan = rows[rows["number"] <= 144], rows[rows["number"] >= 144]
    unsold = (
        ((past["Shop"] == 1007) & past["number"].between(80, 105))
        | ((past["Shop"] == 1011) & (past["Dept"] == department[-1]) & (past["number"] > 100))
        | ((past["Shop"] == 1013) & (past["number"] < 140))
        | (past["Shop"] == shop[-1])
    )
    stopped = (plan["Shop"] == 1011) & (plan["Dept"] == department[-1])
    folder.mkdir(parents=True, exist_ok=True)
    past[~unsold].drop(columns="number").to_csv(folder / "weekly.csv", index=False)
    plan[~stopped].drop(columns=["number", "NetSales"]).to_csv(folder / "plan.csv", index=False)
    places = pd.DataFrame(
        {
            "Shop": shop,
            "Format": np.array(FORMATS)[kind],
            "SqFt": (500 * (1 + rng.gamma(3, 1, shops))).round(),
            "State": rng.choice(["NY", "MA", "ME"], shops),
        }
    )
    places.loc[3, ["Format", "SqFt"]] = [None, np.nan]
    places.to_csv(folder / "shops.csv", index=False)


def write_corner(folder: Path, shops: int = 40) -> None:
    """Days of shops without departments; who they are is told by their sales alone.

    The files begin on a Wednesday and go over from past to future on a Thursday. A file of its own names the
    Saturdays, every tenth for each shop, on which its street has a festival.
    """
    rng = np.random.default_rng(11)
    days = pd.date_range("2021-01-06", "2023-11-30", freq="D")
    shape = (len(days), shops)
    opened = np.where((days.dayofweek == 6)[:, None], 0, 1) * np.ones(shape, int)
    promotion = (rng.random((len(days) // 14 + 1, 1)).repeat(14, axis=0)[: len(days)] < 0.4) * opened
    season = 1 + 0.3 * np.sin(2 * np.pi * days.dayofyear.to_numpy() / 365)[:, None]
    sold = rng.lognormal(6, 0.5, (1, shops)) * season * opened * (1 + 0.4 * promotion)
    of_street = days.isocalendar().week.to_numpy(int)[:, None] + np.arange(shops)
    festival = (days.dayofweek == 5)[:, None] & (of_street % 10 == 0)
    sold = (sold * np.exp(rng.normal(0, 0.1, shape)) * (1 + 2 * festival)).round(2)
    axes = [days.strftime("%Y-%m-%d"), [f"shop {n}" for n in range(shops)]]
    rows = pd.MultiIndex.from_product(axes, names=["Date", "Store"]).to_frame(index=False)
    rows = rows.assign(Sales=sold.ravel(), Open=opened.ravel(), Promo=promotion.ravel())
    past = rows["Date"] <= "2023-10-04"
    folder.mkdir(parents=True, exist_ok=True)
    rows[past].to_csv(folder / "daily.csv", index=False)
    rows[~past].drop(columns="Sales").to_csv(folder / "future.csv", index=False)
    festivals = rows.loc[festival.ravel(), ["Date", "Store"]].assign(Festival="yes")
    festivals.to_csv(folder / "festivals.csv", index=False)
