"""The page of the monitoring as a phone and a desk show it, from a service in a process of its own."""

import time
from collections.abc import Callable, Iterator
from urllib.parse import urlparse

import pytest

from browser import NEEDS_CHROMIUM, Tab, browser
from monitored import MARKUP, monitored
from projects import Project
from services import Shop, served, wait_until

pytestmark = [NEEDS_CHROMIUM, pytest.mark.xdist_group("service")]

PHONE, DESK = 390, 1400


@pytest.fixture(scope="module")
def live(
    shop_project: Project, new_database: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Shop]:
    log = tmp_path_factory.mktemp("live") / "serve.log"
    with served(shop_project, new_database("sqlite"), log) as (shop, _), monitored(shop.engine):
        yield shop


@pytest.fixture(scope="module")
def tab(live: Shop) -> Iterator[Tab]:
    """A tab in which a manager has signed in."""
    with browser() as tab:
        tab.listen()
        sign_in(tab, live, live.key)
        wait_until(lambda: tab.ask("location.pathname") == "/monitoring")
        yield tab


def address(live: Shop) -> str:
    return f"{live.client.base_url}/monitoring".replace("//monitoring", "/monitoring")


def sign_in(tab: Tab, live: Shop, key: str) -> None:
    tab.open(f"{live.client.base_url.join('/planner/sign-in')}?next=/monitoring", DESK)
    tab.ask(f"document.getElementById('key').value = '{key}'; document.querySelector('form button').click()")


def charts(tab: Tab) -> int:
    found: int = tab.ask(
        "document.querySelectorAll('.js-plotly-plot .main-svg .lines, .main-svg .points').length"
    )
    return found


@pytest.mark.parametrize("width", [PHONE, DESK])
def test_the_page_never_scrolls_sideways_and_draws_its_charts(live: Shop, tab: Tab, width: int) -> None:
    tab.open(address(live), width)
    wait_until(lambda: charts(tab) >= 6)  # two departments and four ratios

    assert tab.ask("document.scrollingElement.scrollWidth") <= width
    drawn = tab.ask("[...document.querySelectorAll('.js-plotly-plot')].map((chart) => chart.clientWidth)")
    assert len(drawn) == 2
    assert all(0.8 * min(width, 900) < one <= width for one in drawn)
    assert tab.ask("document.querySelector('.answers').getBoundingClientRect().top") < 400


def test_names_from_the_data_are_text_in_tables_and_charts(live: Shop, tab: Tab) -> None:
    tab.open(address(live), DESK)
    wait_until(lambda: charts(tab) >= 6)

    assert tab.ask("document.title") == "Sales forecast: monitoring"
    assert tab.ask("document.querySelectorAll('img').length") == 0
    assert f"level of department {MARKUP}" in tab.ask("document.querySelector('tbody').textContent")
    headings = tab.ask("[...document.querySelectorAll('.annotation-text')].map((one) => one.textContent)")
    assert f"Department {MARKUP}" in headings


def test_the_page_renews_itself_where_it_is_and_says_when_it_cannot(live: Shop, tab: Tab) -> None:
    tab.open(address(live), PHONE)
    wait_until(lambda: charts(tab) >= 6)
    tab.ask("scrollTo(0, 500); document.querySelector('h1').textContent = 'before'")

    tab.ask("refresh()")
    assert tab.ask("document.querySelector('h1').textContent") == "Sales forecast: monitoring"
    assert 400 < tab.ask("scrollY") < 600  # hints above tables come a moment later
    assert charts(tab) >= 6
    assert tab.ask("document.getElementById('not-refreshed').hidden") is True

    tab.ask("fetchBefore = fetch; fetch = async () => { throw new Error() }; refresh()")
    assert tab.ask("document.getElementById('not-refreshed').hidden") is False
    tab.ask("fetch = fetchBefore; refresh()")
    assert tab.ask("document.getElementById('not-refreshed').hidden") is True


def test_nothing_is_asked_of_another_machine_and_the_console_is_empty(live: Shop, tab: Tab) -> None:
    tab.open(address(live), DESK)
    wait_until(lambda: charts(tab) >= 6)

    assert {urlparse(one).hostname for one in tab.requests() if one.startswith("http")} == {"127.0.0.1"}
    assert tab.complaints() == []


def test_a_wrong_key_is_told_and_signing_out_ends_the_session(live: Shop) -> None:
    with browser() as other:
        sign_in(other, live, "sf_wrong")
        # Between two pages a document has no body.
        wait_until(lambda: "wrong, expired or revoked" in other.ask("document.body?.textContent ?? ''"))
        sign_in(other, live, live.key)
        wait_until(lambda: other.ask("location.pathname") == "/monitoring")
        assert other.ask("document.cookie") == ""  # scripts do not see it
        wait_until(lambda: other.ask("!!document.querySelector('nav button')"))
        other.ask("document.querySelector('nav button').click()")
        wait_until(lambda: other.ask("location.pathname") == "/planner/sign-in")
        time.sleep(0.2)
        other.ask(f"location.href = '{address(live)}'")
        wait_until(lambda: other.ask("document.readyState") == "complete")
        wait_until(lambda: other.ask("location.pathname") == "/planner/sign-in")
