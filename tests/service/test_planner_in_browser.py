"""A manager's Monday in a real browser, as a desk and a phone show it, by mouse and by keyboard, and with axe."""

import io
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from sqlalchemy import select

from accessibility import DESK, PHONE, check_page
from browser import NEEDS_CHROMIUM
from past_weeks import BEFORE, past_weeks, weeks_that_came
from projects import Project
from sales_forecast.storage import schema
from sales_forecast.storage.database import writing
from sales_forecast.storage.queries import Run
from services import Shop, served

pytestmark = [NEEDS_CHROMIUM, pytest.mark.xdist_group("service")]

STORE, DEPARTMENT = "112", "127"


ON_EITHER = pytest.mark.parametrize("live", ["sqlite", "postgresql"], indirect=True, scope="module")
ON_SQLITE = pytest.mark.parametrize("live", ["sqlite"], indirect=True, scope="module")
"""Enough for what does not depend on the database, as a browser takes its time."""


@pytest.fixture(scope="module")
def live(
    request: pytest.FixtureRequest,
    shop_project: Project,
    new_database: Callable[[str], str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Shop, Run]]:
    """The service in a process of its own, after some weeks."""
    log = tmp_path_factory.mktemp("live") / "serve.log"
    with (
        served(shop_project, new_database(request.param), log) as (shop, _),
        past_weeks(shop.engine) as run,
    ):
        yield shop, run


@pytest.fixture
def new_page(chromium: Any) -> Iterator[Callable[[int], Any]]:
    """Opens a window of some width; afterwards no page may have complained or asked another machine."""
    contexts, complaints, hosts = [], [], set()

    def open_one(width: int) -> Any:
        phone = width < 600
        context = chromium.new_context(
            viewport={"width": width, "height": 900}, is_mobile=phone, has_touch=phone
        )
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda asked: hosts.add(re.split("[:/]+", asked.url)[1]))
        return page

    yield open_one
    for context in contexts:
        context.close()
    assert complaints == []
    assert hosts <= {"127.0.0.1", "localhost"}


def sign_in(page: Any, shop: Shop) -> None:
    page.goto(str(shop.client.base_url))  # the root leads to the form
    page.get_by_label("Your key").fill(shop.key)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/planner")


def third_week(shop: Shop, run: Run) -> Any:
    made = schema.forecasts
    own = (made.c.run == run.id, made.c.store == STORE, made.c.department == DEPARTMENT, made.c.horizon == 3)
    with shop.engine.connect() as connection:
        return connection.execute(select(made).where(*own)).one()


def told(run: Run) -> str:
    assert run.cutoff is not None
    week = run.cutoff + timedelta(weeks=3)
    return f"{week.day} {week:%b %Y}"


def check_week(page: Any, forecast: Any) -> None:
    """Number, interval, why and why it changed, all in sight of the reader."""
    week = page.locator("#week")
    assert f"{round(forecast.forecast):,} are forecast; with 80 % probability" in week.inner_text()
    assert f"{round(forecast.lo_80):,} to {round(forecast.hi_80):,}." in week.inner_text()
    assert week.get_by_role("heading", name="Why this number").is_visible()
    assert "an average week of the last year" in week.inner_text()
    assert f"The publication before said {round(BEFORE * forecast.forecast):,}" in week.inner_text()
    assert "Causes: weeks that came since (+" in week.inner_text()


@ON_EITHER
@pytest.mark.parametrize("width", [DESK, PHONE])
def test_a_manager_finds_the_third_week_of_a_department(
    live: tuple[Shop, Run], new_page: Callable[[int], Any], width: int
) -> None:
    shop, run = live
    page = new_page(width)
    sign_in(page, shop)
    old = (
        page.get_by_text("These forecasts are old").locator("..").bounding_box()["height"]
    )  # as the sample is
    assert page.get_by_role("heading", name="Look at these first").bounding_box()["y"] - old < 400
    page.get_by_role("link", name="Stores", exact=True).click()
    page.get_by_label("Store, region, zone or postcode").fill(STORE)
    page.get_by_role("button", name="Search").click()
    page.get_by_role("link", name=f"Store {STORE}, department {DEPARTMENT}").click()
    page.locator("#weeks ~ tbody").get_by_role("link", name=told(run)).click()
    page.wait_for_url("**week=*")
    check_week(page, third_week(shop, run))
    page.wait_for_function("document.querySelectorAll('.js-plotly-plot .main-svg').length >= 4")
    drawn = page.evaluate("[...document.querySelectorAll('.js-plotly-plot')].map((one) => one.clientWidth)")
    assert all(0.8 * min(width, 1000) < one <= width for one in drawn)


@ON_SQLITE
def test_the_same_by_keyboard_only(live: tuple[Shop, Run], new_page: Callable[[int], Any]) -> None:
    shop, run = live
    page = new_page(DESK)
    page.goto(f"{shop.client.base_url}/planner/stores".replace("//planner", "/planner"))
    page.wait_for_function("document.activeElement.id === 'key'")
    page.keyboard.type(shop.key)
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Stores and departments").wait_for()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    walk_to(page, "document.activeElement.id === 'q'")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.type(STORE)
    page.keyboard.press("Enter")
    page.wait_for_url("**q=112*")
    label = f"Store {STORE}, department {DEPARTMENT}"
    walk_to(page, f"document.activeElement.getAttribute('aria-label') === '{label}'")
    page.keyboard.press("Enter")
    page.wait_for_url("**/series?**")
    walk_to(page, f"document.activeElement.textContent === '{told(run)}'")
    page.keyboard.press("Enter")
    page.wait_for_url("**week=*")
    check_week(page, third_week(shop, run))


def walk_to(page: Any, found: str) -> None:
    for _ in range(90):
        page.keyboard.press("Tab")
        if page.evaluate(found):
            return
    raise AssertionError(f"the keyboard does not come to {found}")


@pytest.fixture
def nothing_planned(live: tuple[Shop, Run]) -> Iterator[None]:
    yield
    with writing(live[0].engine) as connection:
        connection.execute(schema.overrides.delete())
        connection.execute(schema.exception_answers.delete())


def series_of_third_week(shop: Shop, run: Run) -> str:
    week = third_week(shop, run).week.isoformat()
    address = f"{shop.client.base_url}".rstrip("/")
    return f"{address}/planner/series?store={STORE}&department={DEPARTMENT}&week={week}"


def check_after(weeks: int, page: Any, shop: Shop, run: Run, reason: str) -> None:
    """The planner has said 20 % more, and 20 % more is sold."""
    assert "No week that was overridden has come yet" in page.locator("#worth").inner_text()
    with weeks_that_came(shop.engine, run, weeks, 1.2):
        page.get_by_role("link", name="Overrides", exact=True).click()
        row = page.locator("#worth").get_by_role("row").filter(has_text=reason)
        row.wait_for()
        cells = [cell.strip() for cell in row.get_by_role("cell").all_inner_texts()]
    better, _, verdict, weeks, _, forecast, planners, rows = cells
    assert (better, verdict, weeks, rows) == ("+16.7", "too few to say", "1", "1")
    assert (forecast, planners) == ("16.7 %", "0.0 %")


@ON_EITHER
@pytest.mark.parametrize("width", [DESK, PHONE])
def test_a_manager_corrects_the_week_finds_it_in_the_file_and_later_sees_what_it_was_worth(
    live: tuple[Shop, Run], new_page: Callable[[int], Any], nothing_planned: None, width: int
) -> None:
    shop, run = live
    forecast = third_week(shop, run)
    page = new_page(width)
    sign_in(page, shop)
    page.goto(series_of_third_week(shop, run))
    check_week(page, forecast)
    (hours,) = shop.get("/v1/turnover/staffing", store=STORE, department=DEPARTMENT, horizon=3).json()[
        "staffing"
    ]
    assert f"How many people: {hours['hours']:,.0f} hours of work" in page.locator("#week").inner_text()
    page.get_by_role("link", name="Correct this week").click()
    page.get_by_label("How much").fill("20")
    page.get_by_label("Reason").select_option(label="an event near the store, or in the country")
    page.get_by_label("In your words").fill("half marathon")
    page.get_by_role("button", name="Show what it changes").click()
    more = f"{round(0.2 * forecast.forecast):+,}"
    page.get_by_text(f"This changes 1 week by {more} (+20.0 %)").wait_for()
    check_page(page, "the preview of an override")
    assert shop.get("/v1/turnover/overrides").json()["total"] == 0
    page.get_by_role("button", name="Store it").click()
    page.get_by_text("is stored and counts").wait_for()
    (made,) = shop.get("/v1/turnover/overrides").json()["overrides"]
    assert (made["store"], made["department"], made["note"]) == (STORE, DEPARTMENT, "half marathon")
    with page.expect_download() as download:
        page.get_by_role("link", name="the plan as a file").click()
    plan = pd.read_excel(io.BytesIO(Path(download.value.path()).read_bytes()), dtype={"department": str})
    row = plan[(plan["override"] == made["id"]) & (plan["department"] == DEPARTMENT)]
    assert row["planned"].tolist() == pytest.approx([1.2 * forecast.forecast])
    page.get_by_role("link", name="staffing", exact=True).click()
    page.get_by_role("link", name=f"override {made['id']}").click()
    check_after(3, page, shop, run, "an event near the store")
    listed = page.locator(f"#override-{made['id']}")
    listed.get_by_text("Withdraw", exact=False).first.click()
    listed.get_by_label("Why").fill("rained off")
    listed.get_by_role("button", name="Withdraw override").click()
    page.get_by_text(f"Override {made['id']} is withdrawn").wait_for()


@ON_SQLITE
def test_a_decimal_comma_is_typed_and_the_way_back_after_storing_stores_nothing_twice(
    live: tuple[Shop, Run], new_page: Callable[[int], Any], nothing_planned: None
) -> None:
    shop, run = live
    page = new_page(PHONE)
    sign_in(page, shop)
    page.goto(series_of_third_week(shop, run))
    page.get_by_role("link", name="Correct this week").click()
    page.get_by_label("How much").press_sequentially("15,5")
    page.get_by_label("Reason").select_option("event")
    page.get_by_label("In your words").fill("half marathon")
    page.get_by_role("button", name="Show what it changes").click()
    page.get_by_text("(+15.5 %)").wait_for()
    page.get_by_role("button", name="Store it").click()
    page.get_by_text("is stored and counts").wait_for()
    page.go_back()
    page.get_by_text("Nothing is stored twice").wait_for()
    assert page.get_by_label("In your words").input_value() == "half marathon"
    page.go_back()
    page.get_by_role("button", name="Show what it changes").wait_for()
    assert shop.get("/v1/turnover/overrides").json()["total"] == 1


@ON_SQLITE
def test_a_week_is_corrected_by_keyboard_only(
    live: tuple[Shop, Run], new_page: Callable[[int], Any], nothing_planned: None
) -> None:
    shop, run = live
    page = new_page(DESK)
    sign_in(page, shop)
    page.goto(series_of_third_week(shop, run))
    walk_to(page, "document.activeElement.textContent === 'Correct this week'")
    page.keyboard.press("Enter")
    page.wait_for_url("**/overrides?**")
    walk_to(page, "document.activeElement.name === 'value'")
    page.keyboard.type("20")
    walk_to(page, "document.activeElement.name === 'reason'")
    page.keyboard.type("w")  # chooses what begins with it
    walk_to(page, "document.activeElement.textContent === 'Show what it changes'")
    page.keyboard.press("Enter")
    page.locator("button:focus", has_text="Store it").wait_for()
    page.keyboard.press("Enter")
    page.get_by_text("is stored and counts").wait_for()
    check_after(4, page, shop, run, "weather that is forecast")


@ON_SQLITE
def test_an_exception_is_accepted_and_taken_back_in_two_clicks(
    live: tuple[Shop, Run], new_page: Callable[[int], Any], nothing_planned: None
) -> None:
    shop, _ = live
    page = new_page(PHONE)
    sign_in(page, shop)
    first = shop.get("/v1/turnover/exceptions").json()["exceptions"][0]
    page.get_by_role("button", name="Accept:").first.click()
    page.get_by_text(f"Store {first['store']}, department {first['department']} is accepted.").wait_for()
    page.get_by_role("button", name="Undo:").click()
    page.get_by_text(f"Store {first['store']}, department {first['department']} is open again.").wait_for()


@ON_SQLITE
@pytest.mark.parametrize("width", [DESK, PHONE])
def test_no_page_scrolls_sideways_and_axe_finds_nothing_serious(
    live: tuple[Shop, Run], new_page: Callable[[int], Any], width: int
) -> None:
    shop, _ = live
    page = new_page(width)
    series = f"store={STORE}&department={DEPARTMENT}"
    paths = ["/planner", "/planner/stores", f"/planner/series?{series}", "/planner/accuracy"]
    paths += ["/planner/staffing", f"/planner/staffing?{series}", f"/planner/overrides?{series}#new"]
    paths += ["/planner/overrides/sheet", "/planner/what-if"]
    sign_in(page, shop)
    for path in [*paths, "/monitoring", "/planner/sign-in"]:
        page.goto(f"{shop.client.base_url}".rstrip("/") + path)
        page.wait_for_load_state("networkidle")
        check_page(page, path)


@ON_SQLITE
def test_pages_work_without_scripts(live: tuple[Shop, Run], chromium: Any) -> None:
    shop, run = live
    context = chromium.new_context(viewport={"width": PHONE, "height": 900}, java_script_enabled=False)
    page = context.new_page()
    sign_in(page, shop)
    page.goto(f"{shop.client.base_url}".rstrip("/") + "/planner/series")
    page.get_by_label("Store", exact=True).fill(STORE)
    page.get_by_label("Department", exact=True).select_option(DEPARTMENT)
    page.get_by_role("button", name="Show").click()
    page.get_by_role("link", name=told(run)).click()
    check_week(page, third_week(shop, run))
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/planner/sign-in")
    context.close()


@ON_SQLITE
def test_a_link_on_another_site_opens_the_page_for_who_is_signed_in(
    live: tuple[Shop, Run], new_page: Callable[[int], Any]
) -> None:
    shop, _ = live
    page = new_page(DESK)
    sign_in(page, shop)
    target = f"{shop.client.base_url}".rstrip("/") + "/planner/stores?q=112"
    elsewhere = target.replace("127.0.0.1", "localhost").replace("/planner/stores?q=112", "/planner/sign-in")
    page.goto(elsewhere)  # of another site, as a link in a mail is
    page.evaluate(f"location.href = '{target}'")
    page.get_by_role("heading", name="Stores and departments").wait_for()
    assert page.url == target
