"""Whose files a run has read: found by series and campaigns, never guessed."""

from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from sales_forecast.errors import InputError
from sales_forecast.pipelines.data_processing.params import ReadMarketingParams, ReadTurnoverParams
from sales_forecast.pipelines.data_processing.retailer import (
    compare_series,
    identify_retailer_by_campaigns,
    identify_retailer_by_series,
)
from sales_forecast.registry.known_retailers import KnownRetailers

READ = ReadTurnoverParams(
    files={"sales": "sold.csv", "forecast_index": "b.csv", "stores": "c.csv"},
    columns={
        "sales": {"store": "s", "week": "w", "turnover": "t"},
        "forecast_index": {"store": "s", "week": "w"},
        "stores": {"store": "s"},
    },
    date_format="%Y-%m-%d",
    week_starts_on="saturday",
    bad_rows="stop",
)
READ_CAMPAIGNS = ReadMarketingParams(file="tv.csv", columns={"tv": "TV", "sales": "Sales"}, bad_rows="stop")
FIRST_WEEK = "2017-01-07"


def sold(
    stores: range, weeks: int = 20, times: float = 1.0, first: str = FIRST_WEEK, department: Any = 88
) -> pd.DataFrame:
    """Every store sells its number, plus one for each week."""
    dates = pd.date_range(first, periods=weeks, freq="7D")
    rows = pd.MultiIndex.from_product([stores, dates], names=["store", "week"]).to_frame(index=False)
    turnover = times * (rows["store"] + rows.groupby("store").cumcount())
    return rows.assign(department=department, turnover=turnover)


def identify(delivered: pd.DataFrame, given: str | None = None, **known: pd.DataFrame) -> str:
    retailers = KnownRetailers(known, "/data/Corner Shops", given, frozenset(known))
    return identify_retailer_by_series(delivered, retailers, READ).name


def test_the_first_retailer_of_a_project_has_the_default_name() -> None:
    assert identify(sold(range(10))) == "default"


def test_another_retailer_is_called_after_the_folder_and_found_again() -> None:
    default, other = sold(range(10)), sold(range(100, 110))
    assert identify(other, default=default) == "corner-shops"
    known = {"default": default, "corner-shops": other}
    assert identify(other, **known) == "corner-shops"
    assert identify(default, **known) == "default"
    assert identify(sold(range(200, 210)), **known) == "corner-shops-2"


@pytest.mark.parametrize(
    "grown",
    [
        sold(range(40)),
        sold(range(5)),
        sold(range(5, 15)),
        sold(range(10), weeks=30),
        sold(range(10), weeks=10, first="2017-03-11").assign(turnover=sold(range(10))["turnover"]),
        pd.concat([sold(range(10)), sold(range(10), department=73)]),
        sold(range(10)).astype({"store": str}),
    ],
    ids=[
        "30 open",
        "half close",
        "half are new",
        "10 weeks later",
        "the past is cut",
        "a department",
        "text",
    ],
)
def test_a_retailer_that_changes_is_the_same(grown: pd.DataFrame) -> None:
    known = sold(range(10))
    if len(grown) == 100:  # the last ten weeks of twenty
        grown = known[known["week"] >= "2017-03-18"]
    assert identify(grown, default=known) == "default"


def test_weeks_that_are_corrected_do_not_make_another_retailer() -> None:
    known = sold(range(10))
    corrected = known.assign(turnover=known["turnover"].mask(known["week"] > "2017-04-01", -1.0))
    assert identify(corrected, default=known) == "default"


def test_the_same_labels_with_other_turnover_are_another_retailer() -> None:
    assert identify(sold(range(10), times=1.1), default=sold(range(10))) == "corner-shops"


def test_other_departments_of_the_same_stores_and_weeks_are_another_retailer() -> None:
    assert identify(sold(range(10), department=7), default=sold(range(10))) == "corner-shops"


def test_weeks_without_turnover_prove_nothing() -> None:
    idle = sold(range(10), times=0.0)
    found = compare_series(idle, idle)
    assert (found.same, found.undecided, found.verdict) == (0, 10, "unclear")


@pytest.mark.parametrize(
    ("delivered", "says"),
    [
        (sold(range(8, 18)), r"sold\.csv: it is not clear .*'default': 2 of 10 series are among its 10"),
        (
            sold(range(10), first="2018-01-06"),
            r"0 of 10 series are among its 10 \(10 without a week to compare\)",
        ),
    ],
)
def test_too_little_in_common_stops_with_the_way_out(delivered: pd.DataFrame, says: str) -> None:
    with pytest.raises(InputError, match=says) as stopped:
        identify(delivered, default=sold(range(10)))
    assert "--params retailer=default if it is this one, else a new name" in str(stopped.value)
    assert "retailer=corner-shops" in str(stopped.value)
    for name in ("default", "corner"):
        assert identify(delivered, given=name, default=sold(range(10))) == name


def test_of_two_retailers_the_one_with_more_in_common_is_meant() -> None:
    last_year, this_year = sold(range(10)), sold(range(2, 12))
    assert identify(this_year, default=last_year, renamed=this_year) == "renamed"
    with pytest.raises(InputError, match=r"not clear .*'default'.*; retailer 'copy'"):
        identify(last_year, default=last_year, copy=last_year)


def test_a_given_name_is_not_taken_for_files_that_have_nothing_in_common() -> None:
    with pytest.raises(InputError, match=r"not the series of retailer 'default'.*0 of 10 series"):
        identify(sold(range(100, 110)), given="default", default=sold(range(10)))


def campaigns(first: int, count: int = 20) -> pd.DataFrame:
    return pd.DataFrame({"tv": [float(n) for n in range(first, first + count)]}).assign(
        sales=lambda rows: 2 * rows["tv"]
    )


@pytest.fixture
def identify_campaigns() -> Callable[..., str]:
    def identify(delivered: pd.DataFrame, given: str | None = None) -> str:
        known = KnownRetailers({"default": campaigns(0, 16)}, "/data/corner", given)
        return identify_retailer_by_campaigns(delivered, known, READ_CAMPAIGNS).name

    return identify


def test_campaigns_are_known_by_their_amounts(identify_campaigns: Callable[..., str]) -> None:
    assert identify_campaigns(campaigns(0)) == "default"
    assert identify_campaigns(campaigns(8)) == "default"
    assert identify_campaigns(campaigns(50)) == "corner"
    with pytest.raises(InputError, match=r"tv\.csv: it is not clear .*2 of 20 campaigns are among its 16"):
        identify_campaigns(campaigns(14))


def test_campaigns_belong_to_the_retailer_of_the_turnover(identify_campaigns: Callable[..., str]) -> None:
    for given in ("default", "corner"):
        assert identify_campaigns(campaigns(50), given) == given
