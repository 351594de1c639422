"""The page that asks what another plan would bring; the model of the sample cannot say, a made-up chain's can."""

import html
import re
from collections.abc import Iterator
from typing import Any

import pytest

from accessibility import DESK, PHONE, check_page
from browser import NEEDS_CHROMIUM
from browsers import ADMIN, MARKUP, PLAN, READ, key_for, see, send, signed_in, words
from promoted import promoted_chain
from sales_forecast.service.arms import TurnoverArm
from sales_forecast.storage import schema
from sales_forecast.storage.database import writing
from services import Shop

pytestmark = pytest.mark.xdist_group("service")

PAGE, API = "/planner/what-if", "/v1/turnover/scenarios"
PROMOTE = {"covariate": "promotion", "how": "set", "amount": "1"}


@pytest.fixture(scope="module")
def arm() -> TurnoverArm:
    chain = promoted_chain(1, stores=6)
    return TurnoverArm("champion", "sales_forecast.turnover", "7", chain.package, chain.forecaster)


@pytest.fixture
def promoted(shop: Shop, arm: TurnoverArm, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    """The service with a champion that knows promotions."""
    assert shop.app is not None
    monkeypatch.setattr(shop.app.state.service, "turnover_champion", lambda: arm)
    yield shop
    with writing(shop.engine) as connection:
        connection.execute(schema.scenarios.delete())


def saved(shop: Shop, browser: Any, name: str, **fields: str) -> str:
    """Ask and save a scenario; the address of its page."""
    answer = send(browser, PAGE, **PROMOTE, save_as=name, **fields)
    assert answer.status_code == 303, words(answer.text)
    return str(answer.headers["Location"])


def total(answer: dict[str, Any]) -> dict[str, Any]:
    (found,) = [group for group in answer["groups"] if group["level"] == "total"]
    return dict(found)


def test_without_plans_managers_read_one_plain_sentence_and_admins_what_to_configure(shop: Shop) -> None:
    page = see(shop, PAGE, key_for(shop, PLAN))
    assert "Not available here: the service is told no promotions, prices or opening days" in words(page)
    for word in ("covariate", "<code>", "a promotion more", "Saved scenarios"):
        assert word not in page
    page = see(shop, PAGE, key_for(shop, ADMIN))
    assert "The model that serves has no future covariates" in words(page).replace("the model", "The model")
    assert "turnover.covariate_tables" in page
    assert 'name="covariate"' not in page
    answer = send(signed_in(shop), PAGE, **PROMOTE)
    assert (answer.status_code, "turnover.covariate_tables" in answer.text) == (409, True)


def test_an_answer_is_told_by_level_with_intervals_and_is_on_record(promoted: Shop) -> None:
    answer = send(signed_in(promoted), PAGE, **PROMOTE, stores="2, 3", week_from="", week_to="")
    assert answer.status_code == 200, words(answer.text)
    told = promoted.post(API, {"changes": [{**PROMOTE, "amount": 1.0}], "stores": ["2", "3"]}).json()
    found, text = total(told), words(answer.text)
    expected, low, high = (f"{round(found[name]):+,}" for name in ("expected_difference", "lo_80", "hi_80"))
    assert (
        f"To be expected: {expected}; its 80 % interval, a little too narrow in tests, is {low} to {high}."
        in text
    )
    assert "All planned values were seen in the past" in text
    for level in ("Regions", "Departments", "Weeks", "Stores"):
        assert f">{level}<" in answer.text
    (record,) = promoted.audited(answer.headers["X-Request-ID"])
    assert (record["endpoint"], record["input"]["stores"]) == (PAGE, ["2", "3"])
    assert total(record["output"]) == found


def test_what_was_never_seen_is_told_in_words(promoted: Shop) -> None:
    answer = send(signed_in(promoted), PAGE, **PROMOTE | {"amount": "3"}, stores="2")
    text = words(answer.text)
    assert "Outside what was seen: what the model says of these values is a guess." in text
    assert "Promotion 3 was never seen above 1 for this series" in text


def test_a_saved_scenario_has_an_address_and_is_compared(promoted: Shop) -> None:
    browser = signed_in(promoted)
    one, every = saved(promoted, browser, MARKUP, stores="2"), saved(promoted, browser, "all stores")
    reader = key_for(promoted, READ)
    opened = see(promoted, one, reader)
    assert MARKUP not in opened
    assert f"{MARKUP}" in words(opened)
    assert "Promotion set to 1, in store 2, all departments, all weeks ahead. Asked by a planner" in words(
        opened
    )
    assert "Delete this scenario" not in opened
    listed = see(promoted, PAGE, reader)
    assert MARKUP not in listed
    assert re.findall(rf'href="({PAGE}/[^"]*-[^"]*)"', listed) == [every, one]
    ids = [address.rpartition("/")[2] for address in (one, every)]
    answer = browser.get(f"{PAGE}/compare", params={"id": ids})
    assert MARKUP not in answer.text
    both = [total(promoted.get(f"{API}/{scenario}").json()["answer"]) for scenario in ids]
    row = next(row for row in re.findall(r"<tr.*?</tr>", answer.text, re.DOTALL) if "All together" in row)
    assert [f"{round(found['expected_difference']):+,}" in words(row) for found in both] == [True, True]
    for wrong in ([ids[0]], [ids[0], "x"], ids * 6 + [ids[0]]):
        status = browser.get(f"{PAGE}/compare", params={"id": wrong}).status_code
        assert status == (200 if set(wrong) == set(ids) else 422), wrong
    assert see(promoted, f"{PAGE}/{'0' * 8}-0000-4000-8000-{'0' * 12}", status=404)


@NEEDS_CHROMIUM
@pytest.mark.parametrize("width", [DESK, PHONE])
def test_axe_finds_nothing_serious_in_a_scenario_and_a_comparison(
    promoted: Shop, chromium: Any, width: int
) -> None:
    browser = signed_in(promoted)
    addresses = [saved(promoted, browser, name, stores="2, 3") for name in ("one", "another")]
    ids = [address.rpartition("/")[2] for address in addresses]

    def answer(route: Any) -> None:  # the service is in this process, without a port
        found = browser.get(route.request.url.removeprefix("http://testserver"))
        route.fulfill(status=found.status_code, headers=dict(found.headers), body=found.content)

    context = chromium.new_context(viewport={"width": width, "height": 900}, is_mobile=width == PHONE)
    page = context.new_page()
    page.route("**/*", answer)
    for path in (PAGE, addresses[0], f"{PAGE}/compare?id={ids[0]}&id={ids[1]}"):
        page.goto(f"http://testserver{path}")
        page.wait_for_load_state("networkidle")
        check_page(page, path)
    context.close()


def test_only_who_saved_a_scenario_or_an_admin_deletes_it(promoted: Shop) -> None:
    browser = signed_in(promoted)
    address = saved(promoted, browser, "mine")
    scenario = address.rpartition("/")[2]
    other = signed_in(promoted, key_for(promoted, PLAN))
    assert send(other, PAGE, do="delete", scenario=scenario).status_code == 403
    assert send(browser, PAGE, do="delete", scenario="x").status_code == 422
    admin = signed_in(promoted, key_for(promoted, ADMIN))
    assert "Delete this scenario" in admin.get(address).text
    assert send(admin, PAGE, do="delete", scenario=scenario).headers["Location"] == PAGE
    assert browser.get(address).status_code == 404


def test_who_may_not_predict_or_plan_is_told(promoted: Shop) -> None:
    reader = signed_in(promoted, key_for(promoted, READ))
    assert "you need one with the scope predict" in words(reader.get(PAGE).text)
    assert send(reader, PAGE, **PROMOTE).status_code == 403
    asking = signed_in(promoted, key_for(promoted, ["read", "predict"]))
    assert 'name="save_as"' not in asking.get(PAGE).text
    refused = send(asking, PAGE, **PROMOTE, save_as="mine")
    assert (refused.status_code, "one for plan is needed" in words(refused.text)) == (403, True)


@pytest.mark.parametrize(
    ("change", "status", "says"),
    [
        ({"amount": "much"}, 422, "'much' is no number"),
        ({"amount": "1,500"}, 422, "amount: '1,500' may be 1500 or 1 and a fraction"),
        ({"covariate": MARKUP}, 409, f"no future covariate '{MARKUP}'"),
        ({"how": "double"}, 422, "how: Input should be 'set', 'add' or 'percent'"),
        ({"stores": "2, 99"}, 409, "1 store(s) are not forecast, e.g. '99'"),
        ({"region": "north", "stores": "2"}, 422, "or a region for all stores of it; not both"),
        ({"region": "nowhere"}, 404, "no store lies in a region 'nowhere'"),
        ({"save_as": "\x00"}, 422, "save_as: "),
        ({"week_from": "2031-01-04", "week_to": "2030-01-05"}, 422, "last week is before the first one"),
    ],
)
def test_what_cannot_be_answered_stands_beside_what_was_asked(
    promoted: Shop, change: dict[str, str], status: int, says: str
) -> None:
    answer = send(signed_in(promoted), PAGE, **PROMOTE | change)
    text = words(answer.text)
    assert (answer.status_code, says.lower() in text.lower()) == (status, True), text
    assert MARKUP not in answer.text
    assert html.escape("What would it bring?") in answer.text
