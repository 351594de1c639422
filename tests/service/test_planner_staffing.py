"""The page about hours: what the API says, in words, and what hours of past weeks would have cost."""

import html
import re
from collections.abc import Iterator
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from sqlalchemy import select

from browsers import PLAN, forget, key_for, number, see, words
from past_weeks import TOO_HIGH, past_weeks
from sales_forecast.service.planner.staffing_words import cover_told
from sales_forecast.storage import schema
from sales_forecast.storage.database import writing
from sales_forecast.storage.keys import Territory
from sales_forecast.storage.queries import Run
from services import Shop

pytestmark = pytest.mark.xdist_group("service")

STAFFING = "/planner/staffing"
STORE, DEPARTMENT = "112", "127"


@pytest.fixture(scope="module")
def lived(shop: Shop) -> Iterator[tuple[Shop, Run]]:
    """A service that has published for some weeks."""
    forget(shop)
    with past_weeks(shop.engine) as run:
        yield shop, run
    forget(shop)


def hours_of(shop: Shop, **query: str) -> pd.DataFrame:
    return pd.DataFrame(shop.get("/v1/turnover/staffing", limit=10_000, **query).json()["staffing"])


def rows_of(page: str, caption: str) -> list[str]:
    (table,) = re.findall(rf'<caption id="{caption}">.*?</table>', page, re.DOTALL)
    return [words(row).strip() for row in re.findall(r"<tr.*?</tr>", table, re.DOTALL)[1:]]


def test_hours_are_those_of_the_api_by_week_store_and_department(shop: Shop) -> None:
    every = hours_of(shop)
    page = see(shop, STAFFING)
    totals = every.groupby("week")["hours"].sum()
    assert [number(total) in row for total, row in zip(totals, rows_of(page, "of-weeks"), strict=False)] == [
        True
    ] * len(totals)
    assert f"all weeks{number(totals.sum())}" in rows_of(page, "of-weeks")[-1]
    stores = rows_of(page, "of-stores")
    own = every[every["store"] == STORE].groupby("week")["hours"].sum()
    assert f"{STORE}{''.join(map(number, own))}" in stores
    link = html.unescape(re.findall(rf'<a href="([^"]*)" aria-label="Hours of store {STORE}">', page)[0])
    assert link == f"{STAFFING}?store={STORE}"
    of_store = rows_of(see(shop, STAFFING, store=STORE), "of-departments")
    assert len(of_store) == len(every[every["store"] == STORE]) + len(totals)
    own = every[every["store"] == STORE].groupby("week")[["hours", "shifts"]].sum()
    groups = [row for row in of_store if row.startswith("Week from")]
    assert all(
        row.endswith(f"{number(one.hours)}{one.shifts}")
        for row, one in zip(groups, own.itertuples(), strict=True)
    )
    one = every[(every["store"] == STORE) & (every["department"] == DEPARTMENT)].iloc[0]
    assert any(f"{DEPARTMENT}{number(one['hours'])}{one['shifts']}" in row for row in of_store)


def test_the_rule_is_told_in_words(shop: Shop) -> None:
    text = words(see(shop, STAFFING, department=DEPARTMENT))
    assert (
        f"Department {DEPARTMENT}: At least 24 hours; 6 fixed hours and one hour for each 150 of turnover"
        in text
    )
    assert "enough in 67 of 100 cases. (set by whoever runs the service, not learned from timesheets)" in text


def test_the_turnover_that_hours_are_for_is_explained_beside_it(shop: Shop) -> None:
    text = words(see(shop, STAFFING, store=STORE))
    assert (
        "'For a turnover of' is higher than 'Planned turnover' on purpose: a missing hour costs 2 times as much "
        "as an idle one, so that the hours are to be enough in 67 of 100 such weeks." in text
    )


def test_where_the_minimum_cover_decides_the_page_says_so_first(shop: Shop) -> None:
    every = hours_of(shop)
    is_cover = every["fixed_hours"] + every["variable_hours"] <= every["minimum_cover_hours"]
    shares = is_cover.groupby(every["department"]).mean()
    most, least = shares.idxmax(), shares.idxmin()
    told = "The minimum cover decides the hours in"
    for department in (most, least):
        text = words(see(shop, STAFFING, department=department))
        assert (told in text) == (shares[department] >= 0.9)
    rows = pd.DataFrame(
        {"fixed_hours": 6.0, "variable_hours": [1.0] * 9 + [30.0], "minimum_cover_hours": 24.0}
    )
    assert "in 9 of 10 departments and weeks" in cover_told(rows)
    assert cover_told(rows.tail(5)) == ""


def test_a_change_follows_from_the_two_amounts_beside_it(shop: Shop) -> None:
    for row in re.findall(r"<tr>.*?</tr>", see(shop, STAFFING).partition('id="of-stores"')[0], re.DOTALL)[1:]:
        cells = re.findall(r"<td[^>]*>(.*?)</td>", row)
        now, before = (float(cell.replace(",", "")) for cell in cells[-3:-1])
        change = 0.0 if cells[-1] == "unchanged" else float(cells[-1].removesuffix(" %"))
        assert change == pytest.approx(100 * (now / before - 1), abs=0.06)


def test_departments_with_the_same_rule_are_told_together(shop: Shop) -> None:
    text = words(see(shop, STAFFING))
    assert re.search(r"Departments [\d, ]*127: At least 24 hours", text)
    assert text.count("fixed hours and one hour") == 1


def test_hours_are_narrowed_down_to_stores_of_ones_own(shop: Shop) -> None:
    key = key_for(shop, PLAN, Territory(stores=frozenset({STORE})))
    page = see(shop, STAFFING, key, mine="yes")
    assert len(rows_of(page, "of-stores")) == 1
    missing = see(shop, STAFFING, status=404, store="nowhere")
    assert "No hours are planned for store nowhere" in words(missing)


def test_without_rules_the_page_says_what_to_do(shop: Shop) -> None:
    with writing(shop.engine) as connection:
        rows = [dict(row._mapping) for row in connection.execute(select(schema.staffing_rules))]
        connection.execute(schema.staffing_rules.delete())
    try:
        assert "No staffing rules are published" in words(see(shop, STAFFING, status=404))
        assert "How many people" not in see(shop, "/planner/series", store=STORE, department=DEPARTMENT)
    finally:
        with writing(shop.engine) as connection:
            connection.execute(schema.staffing_rules.insert(), rows)


def test_before_a_week_has_come_nothing_is_compared(shop: Shop) -> None:
    assert "No week has come yet that was forecast before" in words(see(shop, STAFFING))


def test_the_costs_of_past_weeks_are_compared_with_last_years_turnover(lived: tuple[Shop, Run]) -> None:
    shop, run = lived
    text = words(see(shop, STAFFING))
    sold = schema.weekly_turnover
    with shop.engine.connect() as connection:
        known = pd.DataFrame(connection.execute(select(sold)).mappings().all())
    assert run.cutoff is not None
    now = known[known["week"] > run.cutoff - timedelta(weeks=6)]
    before = known.assign(week=[week + timedelta(weeks=52) for week in known["week"]])
    both = now.merge(before, on=["store", "department", "week"], suffixes=("", "_before"))

    def hours(turnover: "pd.Series[float]") -> "pd.Series[float]":
        return 4 * np.ceil(np.maximum(24, 6 + turnover / 150) / 4 - 1e-9)

    needed = hours(both["turnover"])
    costs = []
    for planned in (
        hours(both["turnover"] * TOO_HIGH * (0.7 + 0.6 * 2 / 3)),
        hours(both["turnover_before"]),
    ):
        costs.append((2 * (needed - planned).clip(lower=0) + (planned - needed).clip(lower=0)).sum())
    difference = 100 * (costs[0] - costs[1]) / needed.sum()
    side = "less" if difference < 0 else "more"
    assert f"would have cost {abs(difference):.1f} {side} than hours by last year's turnover" in text
    assert "and in the same week of last year, in the 6 weeks from" in text
    assert "Too few weeks have come to say whether this is chance" in text
