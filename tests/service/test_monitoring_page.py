"""The page of the monitoring: who may see it, and what it shows, on SQLite and on a real PostgreSQL."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.cookies import SimpleCookie
from pathlib import Path

import httpx
import pytest
from sqlalchemy import insert, select, update

from monitored import DECISIONS, FOUND, MARKUP, WEEK, monitored
from projects import Project
from sales_forecast.retailers import DEFAULT_RETAILER
from sales_forecast.service import sessions
from sales_forecast.service.sessions import COOKIE
from sales_forecast.storage.database import writing
from sales_forecast.storage.keys import revoke_key
from sales_forecast.storage.queries import newest_run
from sales_forecast.storage.schema import audit_log, deliveries, retraining_decisions
from services import Shop, new_key, opened

pytestmark = pytest.mark.xdist_group("service")

PAGE, SIGN_IN = "/monitoring", "/planner/sign-in"


def sign_in(shop: Shop, key: str) -> httpx.Response:
    answer = shop.client.post(SIGN_IN, data={"key": key, "next": PAGE}, follow_redirects=False)
    shop.client.cookies.clear()  # the tests say themselves what the browser sends
    return answer


def cookie_of(answer: httpx.Response) -> str:
    return SimpleCookie(answer.headers["Set-Cookie"])[COOKIE].value


def look(shop: Shop, cookie: str | None) -> httpx.Response:
    headers = {"Cookie": f"{COOKIE}={cookie}"} if cookie else {}
    return shop.client.get(PAGE, headers=headers, follow_redirects=False)


@pytest.fixture
def watched(shop: Shop) -> Iterator[Shop]:
    with monitored(shop.engine):
        yield shop


def page_of(shop: Shop) -> str:
    answer = look(shop, cookie_of(sign_in(shop, shop.key)))
    assert answer.status_code == 200, answer.text
    return answer.text


# --- who may see it ---------------------------------------------------------------------------------


def test_a_browser_without_cookie_is_sent_to_the_form(shop: Shop) -> None:
    answer = look(shop, None)
    assert (answer.status_code, answer.headers["Location"]) == (303, f"{SIGN_IN}?next={PAGE}")
    form = shop.client.get(SIGN_IN)
    assert (form.status_code, 'type="password"' in form.text) == (200, True)


def test_a_key_becomes_a_cookie_that_scripts_and_other_sites_do_not_get(shop: Shop) -> None:
    answer = sign_in(shop, shop.key)
    assert (answer.status_code, answer.headers["Location"]) == (303, PAGE)
    value, *flags = answer.headers["Set-Cookie"].split("; ")
    assert {"HttpOnly", "SameSite=strict", "Path=/", "Max-Age=43200"} <= set(flags)
    assert "Secure" not in flags  # tried out without TLS
    assert shop.key.split("_", 2)[2] not in value


def test_in_production_the_cookie_is_sent_over_tls_only(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    assert shop.app is not None
    service = shop.app.state.service
    monkeypatch.setattr(service, "settings", service.settings.model_copy(update={"production": True}))
    assert "Secure" in sign_in(shop, shop.key).headers["Set-Cookie"].split("; ")


def test_a_wrong_key_gets_the_form_again_with_the_reason(shop: Shop) -> None:
    wrong = shop.key[:-1] + ("A" if shop.key[-1] != "A" else "B")
    for key in (wrong, "nonsense", "", "<b>\x00é"):
        answer = sign_in(shop, key)
        assert (answer.status_code, "Set-Cookie" in answer.headers) == (401, False)
        assert "this key is wrong, expired or revoked; ask for another one" in answer.text
        assert not key or key not in answer.text
    other = sign_in(shop, new_key(shop.engine, ["predict"]))
    assert (other.status_code, "one for read is needed" in other.text) == (403, True)


def test_a_cookie_that_was_changed_is_none(shop: Shop) -> None:
    cookie = cookie_of(sign_in(shop, shop.key))
    key, until, signature = cookie.split(".")
    other = new_key(shop.engine).split("_")[1]
    changed = (
        f"{key}.{int(until) + 1}.{signature}",
        f"{other}.{until}.{signature}",
        f"{key}.{until}.{'0' * 64}",
    )
    for one in (*changed, "nonsense", shop.key):
        assert look(shop, one).status_code == 303
    assert look(shop, cookie).status_code == 200


def test_a_session_ends_by_itself_and_with_its_key(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    key = new_key(shop.engine, ["read"])
    cookie = cookie_of(sign_in(shop, key))
    assert look(shop, cookie).status_code == 200
    with writing(shop.engine) as connection:
        revoke_key(connection, key.split("_")[1], datetime.now(UTC))
    assert look(shop, cookie).status_code == 303
    monkeypatch.setattr(sessions, "HOURS", 0)
    assert look(shop, cookie_of(sign_in(shop, shop.key))).status_code == 303


def test_views_count_for_the_rate_limit_and_are_in_the_audit_log(
    shop_project: Project, new_database: Callable[[str], str]
) -> None:
    with opened(shop_project, new_database("sqlite"), units_per_minute=11) as strict:
        cookie = cookie_of(sign_in(strict, strict.key))
        assert [look(strict, cookie).status_code for _ in range(2)] == [200, 429]
        with strict.engine.connect() as connection:
            (record,) = connection.execute(select(audit_log).where(audit_log.c.endpoint == PAGE)).all()
            run = newest_run(connection, "turnover")
    assert run is not None
    assert (record.key_id, record.arm, record.output) == (strict.key.split("_")[1], "stored", {"run": run.id})


def test_the_key_is_in_no_log(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    look(shop, cookie_of(sign_in(shop, shop.key)))
    assert f"POST {SIGN_IN} 303" in caplog.messages
    assert shop.key.split("_", 2)[2] not in "".join(repr(vars(record)) for record in caplog.records)


# --- what it shows ----------------------------------------------------------------------------------


def test_the_three_questions_are_answered_first(watched: Shop) -> None:
    page = page_of(watched)
    (answers, *_) = re.findall(r'<ul class="answers">(.*?)</ul>', page, re.DOTALL)
    right, honest, to_do = re.findall(r"<li>(.*?)</li>", answers)
    assert right.startswith("<strong>Not right in 1 of 2 departments:</strong> department &lt;img")
    assert honest.startswith("<strong>Honest:</strong> 18% of what came was outside the 80 % ranges")
    assert to_do == (
        "<strong>To do:</strong> let all methods compete again (sales-forecast retrain): department 117 sold less."
    )


def test_the_unusual_and_the_decisions_are_listed_most_important_first(watched: Shop) -> None:
    page = page_of(watched)
    assert page.index("level of department &lt;img") < page.index("store 105")
    assert page.index("department 117 sold less</td>") < page.index("version 3 serves: it is better</td>")


def test_accuracy_publication_delivery_exceptions_and_models_are_shown(watched: Shop) -> None:
    page = page_of(watched)
    assert "In the last 8 week(s): the error (WAPE) was <strong>20.0%</strong> of turnover; the bias" in page
    assert "<strong>50%</strong> of the error of seasonal naive was avoided" in page
    assert re.search(r"<strong>Published:</strong> publication \d, made ", page)
    assert "<strong>Delivery:</strong> " in page
    assert re.search(r"<td>turnover</td><td>1</td>.*<td>today</td>", page)
    (planners,) = re.findall(r'<section id="exceptions">(.*?)</section>', page, re.DOTALL)
    assert planners.count("<tr>") == 6  # the heading and five


def test_old_forecasts_are_called_old(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    assert shop.app is not None
    service = shop.app.state.service
    changed = service.settings.model_copy(update={"forecasts_older_than_days": 1e-9})
    monkeypatch.setattr(service, "settings", changed)
    assert "<strong>Old:</strong> publication " in page_of(shop)


def test_names_from_the_data_are_shown_as_they_are_written(watched: Shop) -> None:
    page = page_of(watched)
    assert MARKUP not in page
    assert "<img" not in page
    assert "&lt;img src=x onerror=" in page


def test_the_page_refuses_scripts_inside_and_other_machines(shop: Shop) -> None:
    answer = look(shop, cookie_of(sign_in(shop, shop.key)))
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'; script-src 'self'; connect-src 'self'" in policy
    assert answer.headers["Cache-Control"] == "no-store"
    scripts = re.findall(r"<script[^>]*>", answer.text)
    assert all('src="/monitoring/' in tag or 'type="application/json"' in tag for tag in scripts)
    assert not re.search(r"""(src|href)=["']?https?:""", answer.text)


def test_scripts_are_compressed_and_kept_by_the_browser(shop: Shop) -> None:
    (plotly, script) = re.findall(r'<script defer src="(.*?)"', page_of(shop))
    answer = shop.client.get(plotly)
    assert (answer.headers["Content-Encoding"], "Plotly" in answer.text) == ("gzip", True)
    assert "immutable" in answer.headers["Cache-Control"]
    plain = shop.client.get(script, headers={"Accept-Encoding": "identity"})
    assert "Content-Encoding" not in plain.headers
    assert "Plotly.newPlot" in plain.text
    assert shop.client.get("/monitoring/other.js").status_code == 404


def test_before_the_first_publication_the_page_says_what_to_do(shop: Shop, tmp_path: Path) -> None:
    held = {"id": "9c1d2e3f4a5b", "at": FOUND, "retailer": DEFAULT_RETAILER, "state": "held", "folder": "f"}
    held |= {"last_week": WEEK, "files": {}, "who": "checks", "why": ""}
    held |= {"findings": [{"check": "silent", "severity": "hold", "text": "12 of 53 stores lack <turnover>"}]}
    with opened(shop.project, f"sqlite:///{tmp_path}/empty.db") as empty:
        assert "Delivery" not in page_of(empty).partition("<ul")[2]
        with writing(empty.engine) as connection:
            connection.execute(insert(deliveries), held)
        page = page_of(empty)
    assert "No forecasts are published yet. Make some: <strong>kedro run</strong>" in page
    assert page.count("<section") == 1
    assert (
        "<strong>Delivery held:</strong> 9c1d2e3f4a5b, held <time>2030-01-14</time> 06:00 UTC by the checks, weeks "
        "up to <time>2030-01-05</time>; 1 finding(s), the first: 12 of 53 stores lack &lt;turnover&gt;."
    ) in page


def test_what_came_of_the_last_decision_is_told_instead_of_why(watched: Shop) -> None:
    with writing(watched.engine) as connection:
        last = retraining_decisions.c.id == DECISIONS[-1]["id"]
        connection.execute(update(retraining_decisions).where(last).values(result="version 4 serves: better"))
    assert "<strong>To do:</strong> nothing; version 4 serves: better." in page_of(watched)
