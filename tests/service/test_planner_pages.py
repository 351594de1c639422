"""The pages for planners: who may see and send what, and what they show, on SQLite and on a real PostgreSQL."""

import html
import itertools
import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
from pydantic import ValidationError
from sqlalchemy import delete, insert, select, update

from browsers import (
    ADMIN,
    MARKUP,
    PLAN,
    READ,
    SIGN_IN,
    SIGN_OUT,
    START,
    forget,
    key_for,
    new_browser,
    number,
    see,
    signed_in,
    token_of,
    words,
)
from past_weeks import past_weeks
from projects import Project
from sales_forecast.errors import InputError
from sales_forecast.forecasting.changes import cycle_change
from sales_forecast.retailers import DEFAULT_RETAILER
from sales_forecast.service.sessions import COOKIE
from sales_forecast.service.settings import ServiceSettings
from sales_forecast.storage import schema
from sales_forecast.storage.database import writing
from sales_forecast.storage.keys import Territory
from sales_forecast.storage.queries import Run, newest_run
from services import Shop, opened

pytestmark = pytest.mark.xdist_group("service")

DATABASES = ["sqlite", "postgresql"]

STORE, DEPARTMENT = "112", "127"
SERIES = {"store": STORE, "department": DEPARTMENT}


@pytest.fixture(scope="module")
def lived(shop: Shop) -> Iterator[tuple[Shop, Run]]:
    """A service that has published for some weeks."""
    with past_weeks(shop.engine) as run:
        yield shop, run


def rows_of(shop: Shop, table: Any, run: Run) -> list[Any]:
    own = (table.c.run == run.id, table.c.store == STORE, table.c.department == DEPARTMENT)
    with shop.engine.connect() as connection:
        return list(connection.execute(select(table).where(*own).order_by(table.c.week)).mappings())


# --- who may see it ---------------------------------------------------------------------------------


def test_the_root_leads_browsers_to_the_pages_and_tells_programs_what_this_is(shop: Shop) -> None:
    chromium = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"
    led = shop.client.get("/", headers={"Accept": chromium}, follow_redirects=False)
    assert (led.status_code, led.headers["Location"], led.headers["Vary"]) == (303, START, "Accept")
    for accept in ("*/*", "application/json", "application/json, text/html;q=0.5"):
        told = shop.client.get("/", headers={"Accept": accept}, follow_redirects=False)
        assert told.json()["name"] == "sales_forecast"


def test_without_a_session_every_page_leads_to_the_form_and_back(shop: Shop) -> None:
    asked = f"/planner/series?store={STORE}&department={DEPARTMENT}"
    for path in (START, "/planner/stores", "/planner/accuracy", asked, "/monitoring"):
        led = shop.client.get(path, follow_redirects=False)
        assert led.status_code == 303
        form = shop.client.get(led.headers["Location"])
        assert html.escape(path) in form.text
    sent = shop.client.post(SIGN_IN, data={"key": shop.key, "next": asked}, follow_redirects=False)
    shop.client.cookies.clear()
    assert sent.headers["Location"] == asked


@pytest.mark.parametrize(
    "elsewhere", ["https://evil.example", "//evil.example/planner", "/plannerx", "/planner\\@evil", "/planner/\r\nX: y"]
)  # fmt: skip
def test_signing_in_leads_to_no_other_site(shop: Shop, elsewhere: str) -> None:
    sent = shop.client.post(SIGN_IN, data={"key": shop.key, "next": elsewhere}, follow_redirects=False)
    shop.client.cookies.clear()
    assert sent.headers["Location"] == START


def test_one_session_is_for_all_pages_and_for_nothing_of_the_api(shop: Shop) -> None:
    browser = signed_in(shop)
    for path in (START, "/planner/stores", "/planner/accuracy", "/monitoring"):
        assert browser.get(path).status_code == 200
    assert browser.get("/v1/turnover/forecasts").status_code == 401


def test_a_link_on_another_site_is_asked_for_once_more_with_the_cookie(shop: Shop) -> None:
    answer = shop.client.get(START, headers={"Sec-Fetch-Site": "cross-site"}, follow_redirects=False)
    assert (answer.status_code, '<meta http-equiv="refresh" content="0">' in answer.text) == (200, True)
    again = shop.client.get(START, headers={"Sec-Fetch-Site": "same-origin"}, follow_redirects=False)
    assert again.status_code == 303


def test_each_role_sees_its_name_and_that_the_gate_has_decided(shop: Shop) -> None:
    for scopes, role in ((READ, "reader"), (PLAN, "planner"), (ADMIN, "admin")):
        page = words(see(shop, "/planner/accuracy", key_for(shop, scopes)))
        assert f"Mia Muster {role}" in page
        assert "It was chosen automatically by the gate" in page
        assert "kedro run" not in page
    refused = shop.client.post(SIGN_IN, data={"key": key_for(shop, ["predict"])})
    assert (refused.status_code, "one for read is needed" in refused.text) == (403, True)


def test_views_count_for_the_rate_limit_and_are_in_the_audit_log(
    shop_project: Project, new_database: Callable[[str], str]
) -> None:
    # 1 to sign in, and 10 for a page with a plan that is not kept yet
    with opened(shop_project, new_database("sqlite"), units_per_minute=11) as strict:
        browser = signed_in(strict)
        answers = [browser.get("/planner/series", params=SERIES) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [200, 429]
        assert "wait" in words(answers[1].text)
        with strict.engine.connect() as connection:
            query = select(schema.audit_log).where(schema.audit_log.c.endpoint == "/planner/series")
            (record,) = connection.execute(query).all()
            run = newest_run(connection, "turnover")
    assert run is not None
    assert (record.input, record.output) == (SERIES, {"run": run.id})


def test_a_page_that_computes_much_costs_more(
    shop_project: Project, new_database: Callable[[str], str]
) -> None:
    with opened(shop_project, new_database("sqlite"), units_per_minute=11) as strict:
        answers = [signed_in(strict).get("/planner/accuracy")]  # 1 to sign in, and 10
        answers.append(new_browser(strict).post(SIGN_IN, data={"key": strict.key}))
    assert [answer.status_code for answer in answers] == [200, 429]


def cookie_in(answer: httpx.Response) -> tuple[str, set[str]]:
    """Name of the cookie that an answer sets, and its flags."""
    cookie, *flags = answer.headers["Set-Cookie"].split("; ")
    return cookie.partition("=")[0], set(flags)


@pytest.mark.parametrize("production", [True, False])
@pytest.mark.parametrize("scheme", ["https", "http"])
def test_over_tls_the_cookie_is_one_of_this_host_alone(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, scheme: str, production: bool
) -> None:
    assert shop.app is not None
    service = shop.app.state.service
    monkeypatch.setattr(service, "settings", service.settings.model_copy(update={"production": production}))
    browser = new_browser(shop)
    browser.base_url = f"{scheme}://testserver"
    answer = browser.post(SIGN_IN, data={"key": shop.key})
    name, flags = cookie_in(answer)
    is_over_tls = production or scheme == "https"
    assert name == (f"__Host-{COOKIE}" if is_over_tls else COOKIE)
    assert {"HttpOnly", "SameSite=strict", "Path=/"} <= flags
    assert ("Secure" in flags, any(flag.startswith("Domain") for flag in flags)) == (is_over_tls, False)
    value = answer.headers["Set-Cookie"].partition("=")[2].partition(";")[0]
    browser.cookies.clear()
    for sent in (COOKIE, f"__Host-{COOKIE}"):
        page = browser.get(START, headers={"Cookie": f"{sent}={value}"})
        assert page.status_code == (200 if sent == name else 303), "the other name could be set by others"
    page = browser.get(START, headers={"Cookie": f"{name}={value}"})
    form = {"token": token_of(page.text)}
    out = browser.post(SIGN_OUT, data=form, headers={"Cookie": f"{name}={value}"})
    assert (cookie_in(out)[0], "Max-Age=0" in cookie_in(out)[1]) == (name, True)


def test_a_form_that_is_too_long_is_not_parsed(shop: Shop) -> None:
    form = b"&".join([b"a="] * 600_000)
    headers = shop.bearer | {"Content-Type": "application/x-www-form-urlencoded"}
    answer = new_browser(shop).post(SIGN_IN, content=form, headers=headers)
    assert (answer.status_code, "this form is too long" in answer.text) == (413, True)


@pytest.mark.parametrize(
    "path",
    [
        "/planner/",
        "/planner/stores/?q=1%2F/evil.example",
        "/monitoring/",
        "/v1/turnover/forecasts/?store=105",
        "/health/",
    ],
)
def test_a_redirect_names_no_host(shop: Shop, path: str) -> None:
    for headers in ({"Host": "evil.example"}, {"X-Forwarded-Host": "evil.example"}, {}):
        answer = shop.client.get(path, headers=headers, follow_redirects=False)
        assert answer.status_code == 307
        assert answer.headers["Location"] == path.replace("/?", "?").rstrip("/")
    for other in (f"/{path}", f"//evil.example{path}", "/nowhere/", "/static-offline-docs/x"):
        assert shop.client.get(f"http://testserver{other}", follow_redirects=False).status_code == 404


# --- what a proxy says ------------------------------------------------------------------------------

PROXY, STRANGER = "10.1.2.3", "203.0.113.9"


@pytest.fixture(scope="module")
def proxied(shop_project: Project, new_database: Callable[[str], str]) -> Iterator[Shop]:
    """A service behind a proxy, and a planner with a login."""
    settings = {"login_header": "X-Forwarded-User", "trusted_proxies": [PROXY]}
    with opened(shop_project, new_database("sqlite"), **settings) as shop:
        key_for(shop, PLAN, login="mia")
        yield shop


def from_address(shop: Shop, address: str, headers: list[tuple[str, str]]) -> httpx.Response:
    return new_browser(shop, address).get(START, headers=headers)


def test_who_a_trusted_proxy_names_is_signed_in_without_a_key(proxied: Shop) -> None:
    page = from_address(proxied, PROXY, [("X-Forwarded-User", "mia"), ("X-Forwarded-For", STRANGER)])
    assert (page.status_code, "Mia Muster planner" in words(page.text)) == (200, True)
    assert "Sign out" not in page.text  # that is the proxy's


@pytest.mark.parametrize(
    "spoofed",
    [
        [],
        [("X-Forwarded-For", PROXY)],
        [("X-Forwarded-For", f"{STRANGER}, {PROXY}"), ("X-Forwarded-Proto", "https")],
        [("Forwarded", f"for={PROXY}"), ("X-Real-IP", PROXY)],
    ],
)
def test_nobody_else_names_anybody(proxied: Shop, spoofed: list[tuple[str, str]]) -> None:
    answer = from_address(proxied, STRANGER, [("X-Forwarded-User", "mia"), *spoofed])
    assert (answer.status_code, answer.headers["Location"]) == (303, f"{SIGN_IN}?next={START}")


def test_a_login_without_key_and_a_header_sent_twice_are_refused_even_with_a_cookie(proxied: Shop) -> None:
    cookie = ("Cookie", f"{COOKIE}={signed_in(proxied).cookies[COOKIE]}")
    assert from_address(proxied, PROXY, [cookie]).status_code == 200
    unknown = from_address(proxied, PROXY, [("X-Forwarded-User", MARKUP), cookie])
    assert (unknown.status_code, "there is no key for this login" in unknown.text) == (403, True)
    assert MARKUP not in unknown.text
    twice = from_address(proxied, PROXY, [("X-Forwarded-User", "mia"), ("X-Forwarded-User", "mia"), cookie])
    assert (twice.status_code, "must replace what clients send" in twice.text) == (403, True)


def test_without_the_setting_the_header_is_nothing(shop: Shop) -> None:
    key_for(shop, PLAN, login="nora")
    assert from_address(shop, PROXY, [("X-Forwarded-User", "nora")]).status_code == 303


@pytest.mark.parametrize("trusted", [[], ["*"], ["10.0.0.0/8", "0.0.0.0/0"], ["::/0"]])
def test_the_service_does_not_start_where_anybody_could_name_anybody(shop: Shop, trusted: list[str]) -> None:
    assert shop.app is not None
    content = shop.app.state.service.settings.model_dump()
    changed = content | {"login_header": "X-Forwarded-User", "trusted_proxies": trusted}
    with pytest.raises(ValidationError, match="Name the addresses of the proxies there"):
        ServiceSettings.model_validate(changed)


# --- forms ------------------------------------------------------------------------------------------


def test_a_form_needs_the_token_of_its_own_session(shop: Shop) -> None:
    browser, other = signed_in(shop), signed_in(shop, key_for(shop, PLAN))
    mine, theirs = token_of(browser.get(START).text), token_of(other.get(START).text)
    assert mine != theirs
    for token in (None, "", theirs, mine[:-1], mine.upper(), "é" * 64):
        answer = browser.post(SIGN_OUT, data={} if token is None else {"token": token})
        assert (answer.status_code, "another session" in answer.text) == (403, True), token
    assert browser.get(START).status_code == 200
    assert browser.post(SIGN_OUT, data={"token": mine}).headers["Location"] == SIGN_IN
    assert browser.get(START).status_code == 303


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://testserver.evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Origin": "http://testserver"},
    ],
)
def test_a_form_that_another_site_sends_is_refused(shop: Shop, headers: dict[str, str]) -> None:
    browser = signed_in(shop)
    form = {"token": token_of(browser.get(START).text)}
    assert browser.post(SIGN_OUT, data=form, headers=headers).status_code == 403
    assert browser.post(SIGN_IN, data={"key": shop.key}, headers=headers).status_code == 403
    assert new_browser(shop).post(SIGN_OUT, headers=headers).status_code == 403  # it comes without the cookie
    own = {"Origin": "http://testserver", "Sec-Fetch-Site": "same-origin"}
    assert browser.post(SIGN_OUT, data=form, headers=own).status_code == 303


def test_pages_refuse_scripts_inside_and_other_machines(shop: Shop) -> None:
    browser = signed_in(shop)
    for path in (START, "/planner/stores", "/planner/series?store=112&department=127", "/planner/accuracy"):
        answer = browser.get(path)
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'; script-src 'self'; connect-src 'self'" in policy
        assert (answer.headers["Cache-Control"], answer.headers["Referrer-Policy"]) == (
            "no-store",
            "same-origin",
        )
        tags = re.findall(r"<script[^>]*>", answer.text)
        assert all('src="/monitoring/' in tag or 'type="application/json"' in tag for tag in tags)
        assert not re.search(r"""(src|href|action)=["']?https?:|\son\w+=""", answer.text)


@pytest.fixture
def hostile(shop: Shop) -> Iterator[str]:
    """A store whose labels, reasons and model card would be scripts."""
    with shop.engine.connect() as connection:
        run = newest_run(connection, "turnover")
        assert run is not None
        made = schema.forecasts
        own = (made.c.run == run.id, made.c.store == STORE, made.c.department == DEPARTMENT)
        copies = [dict(row._mapping) for row in connection.execute(select(made).where(*own))]
        cards = connection.execute(select(schema.models.c.name, schema.models.c.card)).all()
    place = {
        "retailer": DEFAULT_RETAILER,
        "store": MARKUP,
        "region": MARKUP,
        "zone": MARKUP,
        "postcode": MARKUP,
    }
    exception = {"run": run.id, "place": 999, "store": MARKUP, "department": MARKUP, "kind": "<b>new</b>"}
    with writing(shop.engine) as connection:
        connection.execute(insert(made), [row | {"store": MARKUP, "department": MARKUP} for row in copies])
        connection.execute(insert(schema.stores), place)
        connection.execute(
            insert(schema.planner_exceptions), exception | {"money_at_risk": 1.0, "reason": MARKUP}
        )
        connection.execute(
            update(schema.models).values(card=f"# A card\n\n{MARKUP}\n\n[x](javascript:alert(1))")
        )
    forget(shop)
    yield MARKUP
    with writing(shop.engine) as connection:
        for table in (made, schema.stores, schema.planner_exceptions):
            connection.execute(delete(table).where(table.c.store == MARKUP))
        for name, card in cards:
            connection.execute(update(schema.models).where(schema.models.c.name == name).values(card=card))
    forget(shop)


def test_labels_reasons_and_names_are_shown_as_they_are_written(shop: Shop, hostile: str) -> None:
    browser = signed_in(shop)
    with writing(shop.engine) as connection:
        connection.execute(
            update(schema.api_keys).where(schema.api_keys.c.name == "Mia Muster").values(name=MARKUP)
        )
    own = signed_in(shop, key_for(shop, READ))
    for path, query in (
        (START, {}),
        ("/planner/stores", {"q": MARKUP, "region": MARKUP, "department": MARKUP}),
        ("/planner/series", {"store": MARKUP, "department": MARKUP}),
        ("/planner/series", {"store": MARKUP * 2, "department": MARKUP}),
        ("/planner/series", {"store": STORE, "department": MARKUP}),
        ("/planner/series", {**SERIES, "week": MARKUP}),
        ("/planner/accuracy", {}),
    ):
        for each in (browser, own):
            page = each.get(path, params=query).text
            assert MARKUP not in page, (path, query)
            assert html.escape(MARKUP, quote=False) in page.replace("&#39;", "'"), (path, query)
            assert "javascript:" not in re.findall(r'href="([^"]*)"', page)


# --- what it shows ----------------------------------------------------------------------------------


def test_the_first_page_begins_with_the_exceptions_and_links_each_to_its_series(shop: Shop) -> None:
    with shop.engine.connect() as connection:
        rows = connection.execute(
            select(schema.planner_exceptions).order_by(schema.planner_exceptions.c.place)
        ).all()
    browser = signed_in(shop)
    page = browser.get(START).text
    (listed,) = re.findall(r'<section id="exceptions".*?</section>', page, re.DOTALL)
    links = re.findall(r'<a href="(/planner/series[^"]*)">Store (\S+), department (\S+)</a>', listed)
    assert [link[1:] for link in links] == [(row.store, row.department) for row in rows]
    assert f"{number(rows[0].money_at_risk)} at risk" in words(listed)
    assert {row.kind for row in rows} == {"large"}
    assert words(listed).count("among the largest sums of all stores") == len(rows)
    assert browser.get(html.unescape(links[0][0])).status_code == 200
    assert page.index("Look at these first") < page.index("All stores together")


def test_own_stores_come_first_for_a_planner_who_has_some(shop: Shop) -> None:
    with shop.engine.connect() as connection:
        last = connection.execute(
            select(schema.planner_exceptions).order_by(schema.planner_exceptions.c.place.desc())
        ).first()
        region = connection.execute(
            select(schema.stores.c.region).where(schema.stores.c.store == last.store)
        ).scalar()
    assert last is not None
    for territory in (Territory(stores=frozenset({last.store})), Territory(regions=frozenset({region}))):
        page = see(shop, START, key_for(shop, PLAN, territory))
        own, _, others = page.partition("In other stores")
        assert f"Store {last.store}, department {last.department}" in own
        assert len(re.findall(r'<li value="', own)) + len(re.findall(r'<li value="', others)) == 20
        assert "my stores only" in see(shop, "/planner/stores", key_for(shop, PLAN, territory))
    nowhere = Territory(stores=frozenset({"none"}))
    assert "None of them is in your stores" in see(shop, START, key_for(shop, PLAN, nowhere))
    assert "In your stores" not in see(shop, START)


def test_sums_stand_beside_last_year_and_the_last_forecast(lived: tuple[Shop, Run]) -> None:
    shop, run = lived
    forget(shop)
    assert run.cutoff is not None
    week = run.cutoff + timedelta(weeks=2)
    page = words(see(shop, START, week=week.isoformat()))
    made, sold, sums = schema.forecasts, schema.weekly_turnover, schema.level_forecasts
    with shop.engine.connect() as connection:
        ahead = connection.execute(select(made).where(made.c.run == run.id, made.c.week == week)).all()
        year_before = {
            (row.store, row.department): row.turnover
            for row in connection.execute(select(sold).where(sold.c.week == week - timedelta(weeks=52)))
        }
        of_week = (sums.c.run == run.id, sums.c.week == week)
        total = connection.execute(select(sums).where(*of_week, sums.c.level == "total")).one()
        department = connection.execute(
            select(sums).where(*of_week, sums.c.level == "department", sums.c.department == DEPARTMENT)
        ).one()
    assert f"The week from {week.day} {week:%b %Y}" in page
    assert f"it will be {number(total.lo_80)} to {number(total.hi_80)}." in page
    for row, series in ((total, ahead), (department, [one for one in ahead if one.department == DEPARTMENT])):
        known = [(one.forecast, year_before[one.store, one.department]) for one in series if (one.store, one.department) in year_before]  # fmt: skip
        now, last_year = map(sum, zip(*known, strict=True))
        line = f"{number(row.forecast)}{number(row.lo_80)} to {number(row.hi_80)} "
        line += f"{number(last_year)}{now / last_year - 1:+.1%} ".replace("%", " %")
        line += f"{number(0.8 * sum(one.forecast for one in series))}+25.0 %"
        assert line in page, line
    assert "is no week that is forecast" in see(shop, START, status=404, week="2017-10-08")


def test_the_search_finds_stores_by_number_region_and_postcode(shop: Shop) -> None:
    with shop.engine.connect() as connection:
        stores = connection.execute(select(schema.stores)).all()
        ahead = set(connection.execute(select(schema.forecasts.c.store)).scalars())
    known = {row.store: row for row in stores if row.store in ahead}

    def found(**query: str) -> list[str]:
        return re.findall(r'<tr><th scope="row">([^<]*)</th>', see(shop, "/planner/stores", **query))

    assert found() == sorted(known, key=int)[:50]
    assert found(q=STORE) == [STORE]
    one = known[STORE]
    assert STORE in found(q=one.postcode)
    assert set(found(region=one.region)) == {
        store for store, row in known.items() if row.region == one.region
    }
    assert "No store fits" in see(shop, "/planner/stores", q="nowhere")
    assert found(page="7") == found()  # the last page there is
    assert found(q="%") == []


def test_a_series_shows_number_interval_why_and_why_it_changed(lived: tuple[Shop, Run]) -> None:
    shop, run = lived
    third = rows_of(shop, schema.forecasts, run)[2]
    page = see(shop, "/planner/series", **SERIES, week=third["week"].isoformat())
    text = words(page)
    assert f"Store {STORE}, department {DEPARTMENT}" in text
    assert f"{number(third['forecast'])} are forecast; with 80 % probability it will be " in text
    assert f"it will be {number(third['lo_80'])} to {number(third['hi_80'])}." in text
    assert f"In 90 of 100 cases more than {number(third['q10'])};" in text
    (parts,) = re.findall(r'<caption id="parts">.*?</table>', page, re.DOTALL)
    amounts = [
        float(one.replace(",", "")) for one in re.findall(r'number(?: strong)?">([-+\d,]+)</td>', parts)
    ]
    assert sum(amounts[:-1]) == pytest.approx(amounts[-1], abs=len(amounts))
    assert f"The publication before said {number(0.8 * third['forecast'])} for this week" in text
    causes = f"weeks that came since (+{number(0.3 * third['forecast'])}), the method was fitted again (-{number(0.1 * third['forecast'])})"
    assert f"Causes: {causes}." in text
    assert 'data-chart="chart-change"' in page
    last = rows_of(shop, schema.forecasts, run)[-1]["week"]
    assert "said nothing about this week" in see(shop, "/planner/series", **SERIES, week=last.isoformat())


def test_a_series_tells_how_right_it_was_from_what_was_published_a_week_ahead(
    lived: tuple[Shop, Run],
) -> None:
    text = words(see(lived[0], "/planner/series", **SERIES))
    assert (
        "in the last 6 weeks: the error was 10.0 % of turnover, forecasts were 10.0 % too high in sum, and 6 of 6 "
        "weeks were inside their 80 % ranges"
    ) in text


def test_similar_weeks_are_those_nearest_to_the_same_day_of_past_years(lived: tuple[Shop, Run]) -> None:
    shop, run = lived
    first = rows_of(shop, schema.forecasts, run)[0]["week"]
    (table,) = re.findall(
        r'<caption id="similar">.*?</table>', see(shop, "/planner/series", **SERIES), re.DOTALL
    )
    weeks = [datetime.fromisoformat(one).date() for one in re.findall(r'datetime="([^"]*)"', table)]
    for years, week in enumerate(weeks, start=1):
        assert abs((week - first.replace(year=first.year - years)).days) <= 3
        assert week.weekday() == first.weekday()
    sold = schema.weekly_turnover
    own = (sold.c.store == STORE, sold.c.department == DEPARTMENT, sold.c.week == weeks[0])
    with shop.engine.connect() as connection:
        turnover = connection.execute(select(sold.c.turnover).where(*own)).scalar_one()
    assert f'number strong">{number(turnover)}<' in table


def test_accuracy_stability_and_the_model_are_told(lived: tuple[Shop, Run]) -> None:
    shop, run = lived
    forget(shop)
    text = words(see(shop, "/planner/accuracy"))
    assert "In the last 6 weeks the error was 10.0 % of turnover" in text
    assert text.count("25.0 %25.0 %") == 7  # seven publications, each 25 % above the one before
    assert f"Version {run.model_version} of {run.model_name}" in text
    assert "WAPE on past windows" in text  # the card
    page = see(shop, "/planner/accuracy")
    assert re.search(r'<a href="/monitoring">', page)
    headings = [int(level) for level in re.findall(r"<h([1-6])", page)]
    assert headings.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(headings))


def test_stability_is_the_cycle_over_cycle_change(lived: tuple[Shop, Run]) -> None:
    import pandas as pd

    shop, run = lived
    table = schema.forecast_changes
    one = (table.c.run == run.id, table.c.store == STORE)
    with writing(shop.engine) as connection:
        connection.execute(update(table).where(*one).values(before=table.c.after * 3))
        rows = pd.DataFrame(connection.execute(select(table).where(table.c.run == run.id)).mappings().all())
    forget(shop)
    moved = shop.app.state.service.facts.stability(run)[0]  # type: ignore[union-attr]
    assert moved.series == pytest.approx(cycle_change(rows, ["store", "department"]))
    assert moved.total == pytest.approx(cycle_change(rows, []))
    assert moved.total < moved.series
    with writing(shop.engine) as connection:
        connection.execute(update(table).where(*one).values(before=table.c.after * 0.8))
    forget(shop)


def test_a_series_that_is_not_there_gets_the_form_and_what_there_is_instead(shop: Shop) -> None:
    nowhere = see(shop, "/planner/series", status=404, store="nowhere", department=DEPARTMENT)
    assert "No store 'nowhere' has forecasts" in words(nowhere)
    assert 'href="/planner/stores?q=nowhere"' in nowhere
    without = words(see(shop, "/planner/series", status=404, store=STORE, department="999"))
    assert f"Store {STORE} has no forecasts of department '999'. It has these: " in without
    assert 'list="known-stores"' in see(shop, "/planner/series")
    for query in ({"store": "\x00"}, {"store": "1" * 201}):
        assert "nothing is called like" in words(see(shop, "/planner/series", status=404, **query)).lower()


def test_before_the_first_publication_the_page_says_what_to_do(shop: Shop, tmp_path: Any) -> None:
    with opened(shop.project, f"sqlite:///{tmp_path}/empty.db") as empty:
        page = words(see(empty, START, status=404))
    assert "turnover" in page
    assert "Sign out" in page


def test_a_wrong_setting_of_the_header_is_told_by_its_name() -> None:
    from sales_forecast.service.settings import read_settings

    with pytest.raises(InputError, match="login_header"):
        read_settings({}, login_header="X Forwarded: User")
