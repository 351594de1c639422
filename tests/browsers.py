"""Browsers that are signed in at the service, without a screen: they keep cookies and send forms."""

import html
import re
from datetime import UTC, datetime
from typing import Any

import httpx
from fastapi.testclient import TestClient

from sales_forecast.storage.database import writing
from sales_forecast.storage.keys import EVERYWHERE, Territory, create_key
from services import Shop

START, SIGN_IN, SIGN_OUT = "/planner", "/planner/sign-in", "/planner/sign-out"
READ, PLAN, ADMIN = (["read"], ["read", "predict", "plan"], ["read", "admin"])
MARKUP = "<script>document.title='broken'</script>"


def key_for(shop: Shop, scopes: Any, territory: Territory = EVERYWHERE, login: str | None = None) -> str:
    with writing(shop.engine) as connection:
        return create_key(connection, "Mia Muster", scopes, datetime.now(UTC), None, territory, login)


def new_browser(shop: Shop, address: str = "testclient") -> httpx.Client:
    """A browser without cookies, which asks on the event loop of the service."""
    assert shop.app is not None
    assert isinstance(shop.client, TestClient)
    browser = TestClient(
        shop.app, raise_server_exceptions=False, follow_redirects=False, client=(address, 50000)
    )
    browser.portal = shop.client.portal
    return browser


def signed_in(shop: Shop, key: str | None = None) -> httpx.Client:
    """A browser with the cookie of a key."""
    browser = new_browser(shop)
    answer = browser.post(SIGN_IN, data={"key": key or shop.key})
    assert (answer.status_code, answer.headers["Location"]) == (303, START), answer.text
    return browser


def see(shop: Shop, path: str, key: str | None = None, status: int = 200, **query: str) -> str:
    answer = signed_in(shop, key).get(path, params=query)
    assert answer.status_code == status, answer.text
    return answer.text


def send(browser: httpx.Client, path: str, files: Any = None, **fields: str) -> httpx.Response:
    """Send a form of a page, with the token that the page has."""
    token = token_of(browser.get(START).text)
    return browser.post(path, data={"token": token} | fields, files=files)


def words(page: str) -> str:
    """The text of a page in one line."""
    text = re.sub(r"<(script|style).*?</\1>", " ", page, flags=re.DOTALL)
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", text)))


def number(amount: float) -> str:
    return f"{round(amount):,}"


def token_of(page: str) -> str:
    return str(re.findall(r'name="token" value="([0-9a-f]{64})"', page)[0])


def forget(shop: Shop) -> None:
    """Read publications anew: tests change what nobody changes."""
    assert shop.app is not None
    shop.app.state.service.facts._known.clear()
