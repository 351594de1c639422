"""What the pages know about the browser that asks."""

from __future__ import annotations

import re
from urllib.parse import quote

from fastapi import Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from sales_forecast.reporting.live import CONTENT_SECURITY_POLICY
from sales_forecast.service.dependencies import client_address, service_of
from sales_forecast.service.planner.templating import render
from sales_forecast.service.problems import ProblemError
from sales_forecast.service.proxies import announced_login
from sales_forecast.service.sessions import COOKIE, Session

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Referrer-Policy": "same-origin",  # with no-referrer, browsers send no Origin with a form
    "X-Content-Type-Options": "nosniff",
}

PAGES = "/planner"

SIGN_IN = f"{PAGES}/sign-in"

_OWN_PAGE = re.compile(r"/(planner|monitoring)([/?][\x21-\x5b\x5d-\x7e]*)?")


def session_cookie(request: Request) -> tuple[str, bool]:
    """Return the cookie's name, and whether browsers send it over TLS only: but for a trial, they do.

    Over TLS, browsers take a cookie with the prefix ``__Host-`` from this host alone; other hosts of the same
    domain, and whoever answers in its place without TLS, could set any other.
    """
    if service_of(request).settings.production or request.url.scheme == "https":
        return f"__Host-{COOKIE}", True
    return COOKIE, False


async def find_session(request: Request) -> Session | None:
    """Find the session of a browser; None if it must sign in first.

    Where a trusted proxy says who is signed in, only that counts: the cookie may be of somebody else.

    Raises:
        ProblemError: The proxy names somebody who has no key.
    """
    service = service_of(request)
    login = announced_login(request, service.settings.login_header)
    if login is None:
        cookie = request.cookies.get(session_cookie(request)[0])
        return await service.sessions.find(cookie, client_address(request)) if cookie else None
    session = await service.sessions.of_login(login)
    if session is None:
        detail = (
            f"you are signed in as '{login[:100]}', and there is no key for this login. Whoever runs the "
            "service makes one: sales-forecast keys create NAME --scopes read --login LOGIN"
        )
        raise ProblemError(403, detail)
    return session


def sign_in_first(request: Request) -> Response:
    """Lead a browser without session to the form to sign in, and back to what it has asked for.

    A browser that follows a link on another site, such as a mail, sends no cookie of ours with it: it is told
    to ask once more, which then comes from our own page, with the cookie if there is one.
    """
    if request.headers.get("Sec-Fetch-Site") == "cross-site" and request.method == "GET":
        return HTMLResponse(render("again.html.jinja"), headers=HEADERS)
    asked = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return RedirectResponse(sign_in_address(asked), 303, HEADERS)


def sign_in_address(wanted: str) -> str:
    """Return the form to sign in, which leads on to one of our pages."""
    return f"{SIGN_IN}?next={quote(own_page(wanted), safe='/')}"


def own_page(address: str) -> str:
    """Return an address if it is one of our pages, otherwise that of the first one.

    >>> own_page("/planner/series?store=3"), own_page("//elsewhere.example/planner")
    ('/planner/series?store=3', '/planner')
    """
    return address if _OWN_PAGE.fullmatch(address) else "/planner"
