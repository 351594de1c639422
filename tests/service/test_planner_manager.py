"""What a manager looks for on the pages and did not find: own stores, plain reasons, and whether to believe it."""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import delete, insert, select

from browsers import (
    ADMIN,
    PLAN,
    READ,
    START,
    forget,
    key_for,
    new_browser,
    number,
    see,
    send,
    signed_in,
    words,
)
from past_weeks import past_weeks
from sales_forecast.service.planner.age import old_data_told
from sales_forecast.storage import schema
from sales_forecast.storage.database import writing
from sales_forecast.storage.keys import Territory
from sales_forecast.storage.queries import Run, newest_run
from services import Shop

pytestmark = pytest.mark.xdist_group("service")

STORE, DEPARTMENT = "112", "127"


# --- finding the way ----------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/planner/nonsense", "/planner/what-if/nonsense/more"])
def test_a_wrong_address_of_the_pages_is_told_by_a_page(shop: Shop, path: str) -> None:
    answer = signed_in(shop).get(path)
    text = words(answer.text)
    assert (answer.status_code, answer.headers["Content-Type"].partition(";")[0]) == (404, "text/html")
    assert "There is no page at this address" in text
    assert "Sign out" in text
    assert f'href="{START}"' in answer.text
    assert "Sign in" in words(new_browser(shop).get(path).text)
    assert signed_in(shop).get("/v1/nonsense").json()["status"] == 404  # programs get what they can read


def test_an_address_that_only_takes_forms_is_told_by_a_page(shop: Shop) -> None:
    answer = signed_in(shop).get("/planner/sign-out")
    assert (answer.status_code, "There is no page at this address" in words(answer.text)) == (405, True)
    assert "POST" in answer.headers["Allow"]


def test_the_form_to_sign_in_asks_for_the_key_in_a_managers_words(shop: Shop) -> None:
    text = words(new_browser(shop).get("/planner/sign-in").text)
    assert "Your key" in text
    assert "Ask whoever runs the service" in text
    for word in ("scope", "API", "sales-forecast keys"):
        assert word not in text


def found(shop: Shop, key: str | None = None, **query: str) -> list[str]:
    page = see(shop, "/planner/stores", key, **query)
    return re.findall(r'<tr><th scope="row">([^<]*)<', page)


def test_a_store_is_found_as_people_write_its_number(shop: Shop) -> None:
    for text in (
        STORE,
        f"store {STORE}",
        f"Store {STORE}",
        f"0{STORE}",
        f"store 0{STORE}",
        f"Store no. {STORE}",
    ):
        assert found(shop, q=text)[0] == STORE, text
        page = words(see(shop, "/planner/series", store=text, department=DEPARTMENT))
        assert f"Store {STORE}, department {DEPARTMENT}" in page, text
    assert found(shop, q="store nowhere") == []
    assert "No store is called '2'; these have it in" in words(see(shop, "/planner/stores", q="2"))
    assert "No store is called" not in words(see(shop, "/planner/stores", q=STORE))


# --- how old the data are -----------------------------------------------------------------------------

SATURDAY = date(2017, 9, 30)
"""The last week that is known begins on it; the next one ends on 13 October."""


def run_of(cutoff: date | None, made: date) -> Run:
    made_at = datetime(made.year, made.month, made.day, 6, tzinfo=UTC)
    names = ("model_name", "model_version", "run_id", "model_data_version", "data_version", "digest")
    nothing = dict.fromkeys(("delivery", "git_commit", "requirements_lock"))
    return Run(
        *(2, "default", "turnover", made_at),
        cutoff=cutoff,
        summary={},
        **dict.fromkeys(names, "1"),
        **nothing,
    )


@pytest.mark.parametrize(
    ("cutoff", "made", "today", "told"),
    [
        (SATURDAY, date(2017, 10, 9), date(2017, 10, 16), ""),
        (SATURDAY, date(2017, 10, 16), date(2017, 10, 21), ""),
        (SATURDAY, date(2017, 10, 20), date(2017, 10, 22), "the data end on 6 Oct 2017"),
        (SATURDAY, date(2017, 10, 9), date(2017, 10, 18), "they were made on 9 Oct 2017"),
        (None, date(2017, 10, 9), date(2017, 10, 16), ""),
        (None, date(2017, 10, 9), date(2017, 10, 18), "they were made on 9 Oct 2017"),
    ],
)
def test_forecasts_whose_next_week_is_long_over_are_called_old(
    cutoff: date | None, made: date, today: date, told: str
) -> None:
    found = old_data_told(run_of(cutoff, made), today, allowed_days=8)
    assert told in found
    assert bool(found) == bool(told)


def test_pages_about_the_weeks_ahead_say_that_the_data_are_old(shop: Shop) -> None:
    department = f"/planner/series?store={STORE}&department={DEPARTMENT}"
    for path in (START, "/planner/stores", department, "/planner/staffing", "/planner/overrides"):
        assert "These forecasts are old: the data end on " in words(see(shop, path)), path
    assert "These forecasts are old" not in words(see(shop, "/planner/accuracy"))


# --- own stores ---------------------------------------------------------------------------------------


def of_stores(*stores: str) -> Territory:
    return Territory(stores=frozenset(stores))


@pytest.fixture
def run(shop: Shop) -> Run:
    with shop.engine.connect() as connection:
        found = newest_run(connection, "turnover")
    assert found is not None
    return found


def ahead(shop: Shop, run: Run, *where: Any) -> list[Any]:
    """Forecasts of a publication, oldest week first."""
    made = schema.forecasts
    with shop.engine.connect() as connection:
        query = select(made).where(made.c.run == run.id, *where).order_by(made.c.week)
        return list(connection.execute(query).all())


def section(page: str, name: str) -> str:
    (found,) = re.findall(rf'<section id="{name}".*?</section>', page, re.DOTALL)
    return str(found)


def test_the_first_page_names_own_stores_and_links_their_departments(shop: Shop, run: Run) -> None:
    page = see(shop, START, key_for(shop, PLAN, of_stores(STORE, "105", "nowhere")))
    own = section(page, "own")
    rows = ahead(shop, run, schema.forecasts.c.store.in_(["105", STORE]), schema.forecasts.c.horizon == 1)
    links = re.findall(r'href="/planner/series\?store=(\d+)&amp;department=(\d+)"', own)
    assert sorted(links) == sorted((row.store, row.department) for row in rows)
    assert number(sum(row.forecast for row in rows if row.store == STORE)) in words(own)
    assert "Your key also names store nowhere, but nothing is forecast for it" in words(own)
    assert page.index('id="own"') < page.index('id="exceptions"') < page.index('id="sums"')
    assert 'id="own"' not in see(shop, START)


def test_stores_of_a_region_are_own_ones_too_and_a_long_list_is_cut(shop: Shop) -> None:
    with shop.engine.connect() as connection:
        regions = set(connection.execute(select(schema.stores.c.region)).scalars()) - {None}
    key = key_for(shop, PLAN, Territory(regions=frozenset(regions)))
    own = section(see(shop, START, key), "own")
    assert own.count('<th scope="row">') == 10
    assert re.search(r'href="/planner/stores\?mine=yes">All \d+ stores of yours', own)


def test_own_departments_are_ranked_by_what_is_at_stake(shop: Shop, run: Run) -> None:
    with shop.engine.connect() as connection:
        listed = set(connection.execute(select(schema.planner_exceptions.c.store)).scalars())
    stores = sorted({row.store for row in ahead(shop, run)} - listed)[:2]
    widths: dict[tuple[str, str], float] = {}
    for row in ahead(shop, run, schema.forecasts.c.store.in_(stores), schema.forecasts.c.horizon <= 4):
        key = (row.store, row.department)
        widths[key] = widths.get(key, 0.0) + row.hi_80 - row.lo_80
    page = section(see(shop, START, key_for(shop, PLAN, of_stores(*stores))), "exceptions")
    own = page.partition("In other stores")[0]
    shown = re.findall(r'<a href="[^"]*">Store (\S+), department (\S+)</a>', own)
    assert shown == sorted(widths, key=lambda key: -widths[key])[:5]
    assert f"{number(widths[shown[0]])} at risk" in words(own)
    assert words(own).count("among the largest sums in your stores") == len(shown)


def test_a_listed_department_says_why_and_for_which_weeks(shop: Shop, run: Run) -> None:
    table, sold = schema.planner_exceptions, schema.weekly_turnover
    with shop.engine.connect() as connection:
        first = connection.execute(select(table).where(table.c.run == run.id, table.c.place == 1)).one()
        same = (schema.forecasts.c.store == first.store, schema.forecasts.c.department == first.department)
        rows = ahead(shop, run, *same)[:4]
        year = [row.week - timedelta(weeks=52) for row in rows]
        own = (sold.c.store == first.store, sold.c.department == first.department, sold.c.week.in_(year))
        last_year = sum(connection.execute(select(sold.c.turnover).where(*own)).scalars())
    weeks = f"4 weeks from {told(rows[0].week)} to {told(rows[-1].week + timedelta(days=6))}: "
    forecast = sum(row.forecast for row in rows)
    (item,) = re.findall(r'<li value="1".*?</li>', see(shop, START), re.DOTALL)
    text = words(item)
    assert "among the largest sums of all stores" in text
    assert "nothing unusual" not in text
    assert f"{weeks}{number(forecast)} forecast, " in text
    assert f"{number(last_year)} ({forecast / last_year - 1:+.1%}".replace("%", " %") in text
    page = words(see(shop, "/planner/series", store=first.store, department=first.department))
    assert "Look at this one: among the largest sums of all stores" in page


def told(day: date) -> str:
    return f"{day.day} {day:%b %Y}"


def test_only_what_the_publication_lists_can_be_accepted(shop: Shop, run: Run) -> None:
    with shop.engine.connect() as connection:
        listed = set(connection.execute(select(schema.planner_exceptions.c.store)).scalars())
    other = next(row.store for row in ahead(shop, run) if row.store not in listed)
    own = section(see(shop, START, key_for(shop, PLAN, of_stores(other))), "exceptions")
    own = own.partition("In other stores")[0]
    assert "None of yours is among the 20 most urgent of all stores" in words(own)
    assert "Correct" in words(own)
    assert "Accept" not in words(own)
    assert "exception=yes" not in own


def test_a_store_without_forecasts_leads_to_own_ones(shop: Shop) -> None:
    key = key_for(shop, PLAN, of_stores(STORE, "nowhere"))
    page = see(shop, "/planner/series", key, status=404, store="nowhere", department=DEPARTMENT)
    assert f"Your stores: {STORE}" in words(page)
    assert "nothing is forecast for it" in words(page)
    assert f"{STORE} yours" in words(see(shop, "/planner/stores", key))
    assert found(shop, key)[0].strip() == STORE


# --- planners' numbers --------------------------------------------------------------------------------


@pytest.fixture
def override(shop: Shop, run: Run) -> Iterator[Any]:
    """A planner's number for the third week: 20 % more than is forecast, which is returned."""
    third = ahead(shop, run, schema.forecasts.c.store == STORE, schema.forecasts.c.department == DEPARTMENT)[
        2
    ]
    week = third.week.isoformat()
    given = {"store": STORE, "department": DEPARTMENT, "week_from": week, "week_to": week, "kind": "percent"}
    given |= {"value": "20", "reason": "event", "note": "Street festival"}
    browser = signed_in(shop, key_for(shop, PLAN))
    preview = browser.get(send(browser, "/planner/overrides", **given, do="try").headers["Location"])
    hidden = dict(re.findall(r'<input type="hidden" name="(once|publication)" value="([^"]*)"', preview.text))
    assert send(browser, "/planner/overrides", **given, **hidden, do="store").status_code == 303
    yield third
    with writing(shop.engine) as connection:
        connection.execute(delete(schema.overrides))


def test_a_planned_number_leads_on_its_page_and_the_forecast_stands_beside_it(
    shop: Shop, override: Any
) -> None:
    page = see(shop, "/planner/series", store=STORE, department=DEPARTMENT, week=override.week.isoformat())
    text = words(page)
    planned, low, high = (1.2 * amount for amount in (override.forecast, override.lo_80, override.hi_80))
    assert f'class="big"><span class="strong">{number(planned)}</span> are planned' in page
    assert (
        f"{number(planned)} are planned; with 80 % probability it will be {number(low)} to {number(high)}"
        in text
    )
    assert '("Street festival")' in text
    beside = f"{number(override.forecast)}; with 80 % probability it will be "
    assert f"The forecast beside it: {beside}{number(override.lo_80)} to {number(override.hi_80)}." in text
    assert '"name":"planned"' in page
    assert "By the forecast alone: in 90 of 100 cases" in text


def test_this_week_shows_planned_numbers(shop: Shop, override: Any) -> None:
    page = words(see(shop, START, week=override.week.isoformat()))
    total = schema.level_forecasts
    with shop.engine.connect() as connection:
        own = (total.c.level == "total", total.c.week == override.week)
        forecast = connection.execute(select(total.c.forecast).where(*own)).scalar_one()
    planned = number(forecast + 0.2 * override.forecast)
    assert f"Planned are {planned}:" in page
    assert f"Store {STORE}, department {DEPARTMENT}: {number(1.2 * override.forecast)} planned" in page
    assert f"{told(override.week)} {planned}{number(forecast)}" in page
    other = words(see(shop, START))
    assert "Planned are" not in other
    assert "Planned" in other


def test_without_planned_numbers_nothing_is_said_of_them(shop: Shop) -> None:
    assert "Planned" not in words(see(shop, START))


# --- why, and what changed ----------------------------------------------------------------------------


def test_the_first_publication_says_so_and_shows_no_empty_columns(shop: Shop) -> None:
    text = words(see(shop, "/planner/series", store=STORE, department=DEPARTMENT))
    assert "This is the first forecast of this department" in text
    assert "said nothing about this week" not in text
    assert "Last forecast" not in text
    assert "Last forecast" not in words(see(shop, START))
    with past_weeks(shop.engine):
        forget(shop)
        assert "Last forecast" in words(see(shop, "/planner/series", store=STORE, department=DEPARTMENT))
        assert "Last forecast" in words(see(shop, START))
    forget(shop)


def test_the_page_says_how_far_forecast_and_recent_sales_are_from_last_year(shop: Shop, run: Run) -> None:
    sold = schema.weekly_turnover
    with shop.engine.connect() as connection:
        own = (sold.c.store == STORE, sold.c.department == DEPARTMENT)
        turnover = {row.week: row.turnover for row in connection.execute(select(sold).where(*own))}
    first = ahead(shop, run, schema.forecasts.c.store == STORE, schema.forecasts.c.department == DEPARTMENT)[
        0
    ]
    year, weeks = timedelta(weeks=52), [first.week - timedelta(weeks=back) for back in range(1, 9)]
    before = sum(turnover[week - year] for week in weeks)
    change = sum(turnover[week] for week in weeks) / before - 1
    text = words(see(shop, "/planner/series", store=STORE, department=DEPARTMENT))
    assert f"In the same week of last year it sold {number(turnover[first.week - year])}, so that" in text
    share = f"{abs(change):.1%}".replace("%", " %")
    side = "more" if change > 0 else "less"
    assert (
        f"In the last 8 weeks it sold {number(sum(turnover[week] for week in weeks))}, which is {share} {side} than"
        in text
    )


# --- whether to believe it ----------------------------------------------------------------------------


def test_tests_on_past_weeks_are_told_apart_from_what_was_published(shop: Shop, run: Run) -> None:
    forget(shop)
    text = words(see(shop, "/planner/accuracy", key_for(shop, READ, of_stores(STORE))))
    table = schema.model_metrics
    own = (table.c.name == run.model_name, table.c.version == run.model_version, table.c.metric == "wape")
    with shop.engine.connect() as connection:
        errors = sorted(connection.execute(select(table.c.value).where(*own)).scalars())
    middle = (errors[len(errors) // 2] + errors[(len(errors) - 1) // 2]) / 2
    assert f"In tests the error was usually {middle:.1%}".replace("%", " %") in text
    assert f"of every 1,000 sold, the forecast missed {1000 * middle:.0f}" in text
    assert "Nobody had published these forecasts" in text
    assert f"So nothing is known of your stores ({STORE}) alone either" in text
    assert "WAPE" not in text.partition("The card is written for forecasters")[0]


def test_live_accuracy_is_told_of_own_stores(shop: Shop) -> None:
    key = key_for(shop, READ, of_stores(STORE))
    with past_weeks(shop.engine):
        forget(shop)
        page = see(shop, "/planner/accuracy", key)
    forget(shop)
    (table,) = re.findall(r'<caption id="by-own-store">.*?</table>', page, re.DOTALL)
    assert f"{STORE}10.0 %+10.0 %100.0 %" in words(table).replace(" %", "%").replace("%", " %").replace(
        "> ", ">"
    )


WEEK = date(2017, 9, 30)


@pytest.fixture
def signals(shop: Shop) -> Iterator[None]:
    """Calm signals of the newest week."""
    row = {"retailer": "default", "week": WEEK, "detector": "level", "key": DEPARTMENT, "value": 0.0}
    row |= {"threshold": 3.0, "state": "calm", "since": None, "evidence": "-", "found_at": datetime.now(UTC)}
    with writing(shop.engine) as connection:
        kept = [dict(one) for one in connection.execute(select(schema.monitor_signals)).mappings()]
        connection.execute(delete(schema.monitor_signals))
        connection.execute(insert(schema.monitor_signals), row)
    yield
    with writing(shop.engine) as connection:
        connection.execute(delete(schema.monitor_signals))
        if kept:
            connection.execute(insert(schema.monitor_signals), kept)


@pytest.mark.usefixtures("signals")
def test_a_week_that_was_not_published_is_called_a_test(shop: Shop) -> None:
    forget(shop)
    assert "A test, not live: about the week from 30 Sep 2017" in words(see(shop, "/planner/accuracy"))
    with past_weeks(shop.engine):
        forget(shop)
        assert "Live, about the week from 30 Sep 2017" in words(see(shop, "/planner/accuracy"))
    forget(shop)


@pytest.mark.parametrize(("who", "is_person"), [("kedro run", False), ("petra", True)])
def test_who_has_decided_that_the_model_serves(shop: Shop, run: Run, who: str, is_person: bool) -> None:
    table = schema.champion_changes
    change = {"name": run.model_name, "happened_at": datetime.now(UTC), "action": "promote", "previous": None}
    change |= {"version": run.model_version, "who": who, "why": "it is good" if is_person else "first: none"}
    with writing(shop.engine) as connection:
        connection.execute(insert(table), change)
    try:
        pages = [words(see(shop, "/planner/accuracy", key_for(shop, scopes))) for scopes in (READ, ADMIN)]
    finally:
        with writing(shop.engine) as connection:
            connection.execute(delete(table).where(table.c.happened_at == change["happened_at"]))
    for page, names in zip(pages, (False, True), strict=True):
        if is_person:
            assert "A person has decided that it serves" in page
            assert (who in page) == names
        else:
            assert "It was chosen automatically by the gate, a fixed rule" in page
            assert "because no model served before. No person has decided it" in page
            assert "the gate, automatically" in page


def test_a_refusal_names_the_planners_own_stores(shop: Shop, run: Run) -> None:
    territory = Territory(stores=frozenset({STORE}), regions=frozenset({"R1"}))
    week = ahead(shop, run)[0].week.isoformat()
    given = {"store": "105", "week_from": week, "week_to": week, "kind": "percent", "value": "5"}
    browser = signed_in(shop, key_for(shop, PLAN, territory))
    led = send(browser, "/planner/overrides", **given, reason="event", do="try")
    refused = browser.get(led.headers["Location"])
    assert f"yours are the stores {STORE} and the regions R1" in words(refused.text)


def test_a_territory_tells_some_of_its_stores() -> None:
    assert f"{of_stores(*map(str, range(12)))}" == "the stores 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more"
    assert (f"{Territory()}", f"{of_stores()}") == ("all stores", "none")
