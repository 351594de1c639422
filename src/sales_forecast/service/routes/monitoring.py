"""The monitoring as a page for browsers, which sign in with an API key and get a cookie for it."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime
from urllib.parse import parse_qs

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.concurrency import run_in_threadpool

from sales_forecast.reporting.live import (
    CONTENT_SECURITY_POLICY,
    SCRIPTS,
    compressed_script,
    render_live,
    render_sign_in,
)
from sales_forecast.service.dashboard import Dashboard, read_dashboard
from sales_forecast.service.dependencies import WRONG_KEY, Service, admit, audit_record, service_of
from sales_forecast.service.problems import ProblemError
from sales_forecast.service.sessions import COOKIE, HOURS
from sales_forecast.storage.keys import ApiKey

router = APIRouter(prefix="/monitoring", include_in_schema=False)

REFRESH_SECONDS = 300

SIGN_IN = "/monitoring/sign-in"

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


@router.get("")
async def read_page(request: Request) -> Response:
    """Show the page to a browser that is signed in, and the form to sign in to any other."""
    service, cookie = service_of(request), request.cookies.get(COOKIE)
    key = await service.sessions.find(cookie) if cookie else None
    if key is None:
        return RedirectResponse(SIGN_IN, 303, HEADERS)
    await admit(request, key, "read")
    dashboard, page = await run_in_threadpool(_render, service)
    if dashboard.run is not None:
        await _record(request, key, dashboard.run.id, (dashboard.run.model_name, dashboard.run.model_version))
    return HTMLResponse(page, headers=HEADERS)


@router.get("/sign-in")
async def read_sign_in() -> Response:
    """Show the form that asks for an API key."""
    return HTMLResponse(render_sign_in(HOURS), headers=HEADERS)


@router.post("/sign-in")
async def sign_in(request: Request) -> Response:
    """Give a browser a cookie for the API key that it has sent."""
    service = service_of(request)
    fields = parse_qs((await request.body()).decode(errors="replace"))
    try:
        key = await service.authenticator.find(fields.get("key", [""])[0].strip())
        cookie = await service.sessions.start(key) if key else None
        if key is None or cookie is None:
            raise ProblemError(401, WRONG_KEY, headers={"WWW-Authenticate": "Bearer"})
        await admit(request, key, "read")
    except ProblemError as problem:
        page = render_sign_in(HOURS, problem.detail)
        return HTMLResponse(page, problem.status, HEADERS | problem.headers)
    response = RedirectResponse("/monitoring", 303, HEADERS)
    response.set_cookie(
        COOKIE,
        cookie,
        max_age=HOURS * 3600,
        path="/monitoring",
        secure=service.settings.production,  # there, a proxy speaks TLS with the browser
        httponly=True,
        samesite="strict",
    )
    return response


@router.post("/sign-out")
async def sign_out(request: Request) -> Response:
    """Take the cookie away from the browser."""
    response = RedirectResponse(SIGN_IN, 303, HEADERS)
    secure = service_of(request).settings.production
    response.delete_cookie(COOKIE, "/monitoring", secure=secure, httponly=True, samesite="strict")
    return response


@router.get("/{name}")
async def read_script(request: Request, name: str) -> Response:
    """Return a script of the page, which the browser keeps: its address has the digest of its content."""
    if name not in SCRIPTS:
        raise ProblemError(404, "there is no such script. See /monitoring")
    content = await run_in_threadpool(compressed_script, name)
    headers = {"Cache-Control": "public, max-age=31536000, immutable", "Vary": "Accept-Encoding"}
    headers |= {"X-Content-Type-Options": "nosniff"}
    if "gzip" in request.headers.get("Accept-Encoding", ""):
        headers["Content-Encoding"] = "gzip"
    else:
        content = await run_in_threadpool(gzip.decompress, content)
    return Response(content, headers=headers, media_type="text/javascript")


def _render(service: Service) -> tuple[Dashboard, str]:
    now = datetime.now(UTC)
    with service.engine.connect() as connection:
        old_after_days = service.settings.forecasts_older_than_days
        dashboard = read_dashboard(connection, service.retailer, now, old_after_days)
    told = (
        f"As of {now:%Y-%m-%d %H:%M} UTC, retailer '{service.retailer}'; renewed every "
        f"{REFRESH_SECONDS // 60} minutes."
    )
    return dashboard, render_live(dashboard.sections, told, REFRESH_SECONDS)


async def _record(request: Request, key: ApiKey, run: int, model: tuple[str, str]) -> None:
    record = audit_record(request, key, "stored", model, {}, {"run": run})
    await service_of(request).audit_writer.record([record])
