"""The sample that ships: invented, but with the seasons, the totals and the dirt of the trade."""

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sales_forecast.sample import make_marketing, make_turnover, write_sample
from sales_forecast.sample.__main__ import main
from sales_forecast.sample.chain import (
    DEPARTMENTS,
    DROPPED,
    EASTER_WEEKS,
    FUTURE_WEEKS,
    GAP,
    MIN_STORES,
    OPENINGS,
    SPIKE,
    WEEKS,
)

SHIPPED = Path(__file__).parents[1] / "data" / "01_raw"
FILES = (
    "turnover/train.csv.gz",
    "turnover/test.csv.gz",
    "turnover/bu_feat.csv.gz",
    "marketing/tvmarketing.csv",
)
KEY = ["store", "department", "week"]


@pytest.fixture(scope="module")
def tables() -> dict[str, pd.DataFrame]:
    return make_turnover()


@pytest.fixture(scope="module")
def sales(tables) -> pd.DataFrame:
    return _renamed(tables["train"])


@pytest.fixture(scope="module")
def believable(sales) -> pd.DataFrame:
    """Sales without the typing error."""
    return sales[sales["turnover"] < SPIKE[-1]]


def _renamed(rows: pd.DataFrame) -> pd.DataFrame:
    short = rows.rename(
        columns={
            "day_id": "week",
            "but_num_business_unit": "store",
            "dpt_num_department": "department",
        }
    )
    return short.assign(week=pd.to_datetime(short["week"]))


def _content(path: Path) -> bytes:
    data = path.read_bytes()
    return gzip.decompress(data) if path.suffix == ".gz" else data


def _turnover_2016(sales: pd.DataFrame) -> pd.Series:
    """Spread each week over its seven days, the slow and obvious way."""
    days = pd.concat(
        [
            sales.assign(day=sales["week"] + pd.Timedelta(days=d), share=sales["turnover"] / 7)
            for d in range(7)
        ]
    )
    return days[days["day"].dt.year == 2016].groupby("department")["share"].sum()


def _series(sales: pd.DataFrame, store: int, department: int) -> pd.Series:
    rows = sales[(sales["store"] == store) & (sales["department"] == department)]
    return rows.set_index("week")["turnover"].sort_index()


def _mean(sales: pd.DataFrame, department: int, first: str, last: str) -> float:
    """Mean weekly turnover per store of stores that were open from the start."""
    late = sales["store"].isin([*OPENINGS, DROPPED[0]])
    rows = sales[~late & (sales["department"] == department) & sales["week"].between(first, last)]
    return float(rows["turnover"].mean())


# --- the files -----------------------------------------------------------------------------


def test_remaking_the_sample_gives_what_ships(tmp_path):
    write_sample(tmp_path)
    for name in FILES:
        # unpacked: another zlib may pack the same text into other bytes
        assert _content(tmp_path / name) == _content(SHIPPED / name), f"{name}: run `make sample`"


def test_remaking_the_sample_twice_gives_the_same_bytes_and_leaves_nothing_behind(tmp_path):
    once, twice = write_sample(tmp_path / "once"), write_sample(tmp_path / "twice")
    assert [p.read_bytes() for p in once] == [p.read_bytes() for p in twice]
    made = {p.relative_to(tmp_path / "once") for p in tmp_path.glob("once/**/*") if p.is_file()}
    assert made == {Path(name) for name in FILES}


def test_the_command_line_writes_where_it_is_told(tmp_path, capsys):
    main([str(tmp_path)])
    assert all((tmp_path / name).exists() for name in FILES)
    assert "train.csv.gz" in capsys.readouterr().out


def test_the_sample_is_small_enough_for_git():
    assert sum((SHIPPED / name).stat().st_size for name in FILES) < 1_500_000


def test_the_shipped_files_have_the_columns_of_the_real_export():
    heads = [_content(SHIPPED / name).decode().split("\n", 1)[0] for name in FILES]
    assert heads == [
        "day_id,but_num_business_unit,dpt_num_department,turnover",
        "day_id,but_num_business_unit,dpt_num_department",
        "but_num_business_unit,but_postcode,but_latitude,but_longitude,"
        "but_region_idr_region,zod_idr_zone_dgr",
        "TV,Sales",
    ]


# --- the published facts -------------------------------------------------------------------


@pytest.mark.parametrize("stores", [MIN_STORES, 40, 90])
def test_each_department_earns_in_2016_what_was_published(stores):
    earned = _turnover_2016(_renamed(make_turnover(stores)["train"]))
    assert earned.round().to_dict() == {
        127: 33_402_030,
        117: 6_322_402,
        88: 5_654_691,
        73: 1_960_281,
    }


def test_another_seed_is_another_chain_with_the_same_2016():
    other = make_turnover(MIN_STORES, seed=1)["train"]
    assert not other.equals(make_turnover(MIN_STORES)["train"])
    expected = {k: d.turnover_2016 for k, d in DEPARTMENTS.items()}
    assert _turnover_2016(_renamed(other)).round().to_dict() == expected


def test_too_few_stores_cannot_hold_the_traps():
    with pytest.raises(ValueError, match="needs 10 or more"):
        make_turnover(9)


def test_each_department_has_its_season(believable):
    years = believable[believable["week"].between("2013-01-01", "2016-12-30")]
    monthly = years.groupby(["department", years["week"].dt.month])["turnover"].mean().unstack()
    index = monthly.div(monthly.mean(axis=1), axis=0)

    winter_sports = index.loc[117]
    assert winter_sports[1] == pytest.approx(3.7, abs=0.25)
    assert winter_sports.loc[5:9].max() < 0.1
    water_sports = index.loc[127]
    assert water_sports[7] == pytest.approx(2.0, abs=0.15)
    assert water_sports[1] > 1.3 * max(water_sports[10], water_sports[3])
    assert index.loc[88].between(0.8, 1.4).all()
    hiking = index.loc[73]
    assert hiking[7] == pytest.approx(1.7, abs=0.15)
    assert hiking.min() > 0.4


@pytest.mark.parametrize(("department", "factor"), [(127, 2.0), (73, 2.0), (117, 1.34), (88, 1.07)])
def test_the_level_of_2016_rises_and_falls_again(believable, department, factor):
    before = _mean(believable, department, "2015-01-10", "2016-01-02")
    during = _mean(believable, department, "2016-01-09", "2016-12-31")
    assert during / before == pytest.approx(factor, rel=0.06)
    same_weeks = _mean(believable, department, "2016-01-09", "2016-09-24")
    after = _mean(believable, department, "2017-01-07", "2017-09-30")
    assert after / same_weeks == pytest.approx(1 / factor, rel=0.08)


def test_a_few_stores_keep_their_level_through_2016(sales):
    rows = sales[(sales["department"] == 127) & ~sales["store"].isin(OPENINGS)]
    years = rows.groupby(["store", rows["week"].dt.year])["turnover"].sum().unstack()
    ratio = years[2016] / years[2015]
    assert sorted(ratio.index[ratio < 1.4]) == [110, 130]


def test_easter_brings_hikers(believable):
    hiking = believable[believable["department"] == 73].groupby("week")["turnover"].mean()
    neighbours = (hiking.shift(1) + hiking.shift(-1)) / 2
    assert (hiking / neighbours).loc[pd.to_datetime(EASTER_WEEKS)].mean() > 1.1


# --- the grid ------------------------------------------------------------------------------


def test_every_week_begins_on_a_saturday(tables, sales):
    assert len(WEEKS) == 249
    assert len(FUTURE_WEEKS) == 8
    assert sorted(sales["week"].unique()) == list(WEEKS)
    assert sorted(_renamed(tables["test"])["week"].unique()) == list(FUTURE_WEEKS)
    assert {day.day_name() for day in WEEKS.append(FUTURE_WEEKS)} == {"Saturday"}


def test_no_week_of_a_series_is_told_twice(tables, sales):
    assert not sales.duplicated(KEY).any()
    assert not _renamed(tables["test"]).duplicated(KEY).any()


def test_rows_come_latest_week_first_and_otherwise_in_no_order(sales):
    assert sales["week"].is_monotonic_decreasing
    assert not sales.loc[sales["week"] == WEEKS[-1], "store"].is_monotonic_increasing


def test_every_series_alive_at_the_end_is_to_be_forecast(tables, sales):
    alive = sales[sales["week"] == WEEKS[-1]][KEY[:2]]
    asked = _renamed(tables["test"])
    assert len(asked) == 8 * len(alive)
    assert set(alive.itertuples(index=False)) == set(asked[KEY[:2]].itertuples(index=False))


def test_attributes_cover_all_stores_and_two_more(tables, sales):
    shops = tables["bu_feat"]
    stores = set(shops["but_num_business_unit"])
    assert len(stores) == len(shops)
    assert stores - set(sales["store"]) == {141, 142}
    assert set(sales["store"]) <= stores


def test_shops_stand_in_france(tables):
    shops = tables["bu_feat"]
    assert shops["but_postcode"].str.fullmatch(r"\d{5}").all()
    assert shops["but_latitude"].between(42, 51.5).all()
    assert shops["but_longitude"].between(-5, 8.5).all()
    regions = shops.groupby("but_region_idr_region")
    assert regions["zod_idr_zone_dgr"].nunique().eq(1).all()
    assert regions.size().median() > 1
    assert shops.groupby("zod_idr_zone_dgr")["but_region_idr_region"].nunique().min() > 1


# --- the traps -----------------------------------------------------------------------------


def test_one_week_holds_a_typing_error(sales):
    absurd = sales[sales["turnover"] > 200_000]
    assert absurd[[*KEY, "turnover"]].to_numpy().tolist() == [
        [102, 88, pd.Timestamp("2013-11-02"), 1_000_000.0]
    ]


def test_one_series_misses_two_weeks_and_no_other_has_a_gap(sales):
    span = sales.groupby(["store", "department"])["week"].agg(["min", "max", "size"])
    missing = (span["max"] - span["min"]).dt.days // 7 + 1 - span["size"]
    store, department, weeks = GAP
    assert missing[missing > 0].to_dict() == {(store, department): 2}
    assert not _series(sales, store, department).index.isin(pd.to_datetime(weeks)).any()


def test_stores_open_late_one_of_them_a_few_weeks_ago(sales):
    first = sales.groupby("store")["week"].min()
    assert first[first > WEEKS[0]].dt.strftime("%Y-%m-%d").to_dict() == OPENINGS
    assert WEEKS[-1] - first.max() < pd.Timedelta(weeks=12)
    assert (first > WEEKS[-52]).sum() > 1


def test_one_store_gives_up_a_department(sales):
    last = sales.groupby(["store", "department"])["week"].max()
    ended = last[last < WEEKS[-1]]
    store, department, since = DROPPED
    assert ended.to_dict() == {(store, department): pd.Timestamp(since) - pd.Timedelta(weeks=1)}


def test_returns_and_idle_weeks_are_as_common_as_in_the_trade(sales):
    turnover, summer = sales["turnover"], sales["week"].dt.month.between(5, 9)
    winter_sports = sales["department"] == 117
    assert (turnover < 0).mean() == pytest.approx(0.02, abs=0.005)
    assert (turnover == 0).mean() == pytest.approx(0.06, abs=0.01)
    assert (turnover[~winter_sports] == 0).sum() > 200
    assert (turnover[~winter_sports] < 0).sum() > 50
    assert (turnover[winter_sports & summer] < 0).mean() > 0.1
    assert not np.signbit(turnover[turnover == 0]).any()


# --- marketing -----------------------------------------------------------------------------


def test_tv_budgets_and_sales_look_like_the_published_ones():
    context = make_marketing()
    assert context.shape == (200, 2)
    assert context["TV"].between(0.7, 296.4).all()
    assert context["Sales"].between(1.6, 27.0).all()
    assert context["TV"].mean() == pytest.approx(147, abs=1)
    assert context["Sales"].mean() == pytest.approx(14, abs=0.2)
    assert context["TV"].corr(context["Sales"]) == pytest.approx(0.78, abs=0.01)


def test_the_more_a_market_spends_the_less_certain_its_sales():
    context = make_marketing()
    slope, intercept = np.polyfit(context["TV"], context["Sales"], 1)
    error = (context["Sales"] - intercept - slope * context["TV"]).abs()
    small = context["TV"] < context["TV"].median()
    assert error[~small].mean() > 1.5 * error[small].mean()
