"""The monitoring as a page for browsers that are signed in, and the scripts of all pages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, StreamingResponse
from starlette.concurrency import run_in_threadpool

from sales_forecast.reporting.live import SCRIPTS, compressed_script, render_live, script
from sales_forecast.service.dashboard import Dashboard, read_dashboard
from sales_forecast.service.dependencies import Service, admit, service_of, spend
from sales_forecast.service.negotiation import accepts_gzip
from sales_forecast.service.planner.browsers import HEADERS, find_session, sign_in_first
from sales_forecast.service.problems import ProblemError
from sales_forecast.service.recording import record_stored_read
from sales_forecast.service.routes.pages import COST_OF_A_TABLE
from sales_forecast.storage.keys import ApiKey

router = APIRouter(prefix="/monitoring", include_in_schema=False)

REFRESH_SECONDS = 300

BYTES_AT_A_TIME = 2**14
"""Of a script: the system copies them while everybody else waits."""


@router.get("")
async def read_page(request: Request) -> Response:
    """Show the page to a browser that is signed in, and the form to sign in to any other."""
    service, session = service_of(request), await find_session(request)
    if session is None:
        return sign_in_first(request)
    key = session.key
    await admit(request, key, "read")
    await spend(request, key, COST_OF_A_TABLE)
    token = "" if session.by_proxy else session.form_token
    dashboard, page = await run_in_threadpool(_render, service, token)
    if dashboard.run is not None:
        await _record(request, key, dashboard.run.id, (dashboard.run.model_name, dashboard.run.model_version))
    return HTMLResponse(page, headers=HEADERS)


@router.get("/{name}")
async def read_script(request: Request, name: str) -> Response:
    """Return a script of the page, which the browser keeps: its address has the digest of its content."""
    if name not in SCRIPTS:
        raise ProblemError(404, "there is no such script. See /monitoring")
    is_compressed = accepts_gzip(request.headers.get("Accept-Encoding"))
    content = await run_in_threadpool(compressed_script if is_compressed else script, name)
    headers = {"Cache-Control": "public, max-age=31536000, immutable", "Vary": "Accept-Encoding"}
    headers |= {"X-Content-Type-Options": "nosniff"}
    if is_compressed:
        headers["Content-Encoding"] = "gzip"
    headers["Content-Length"] = f"{len(content)}"
    return StreamingResponse(_in_pieces(content), headers=headers, media_type="text/javascript")


async def _in_pieces(content: bytes) -> AsyncIterator[bytes]:
    """Give way to other requests after each piece: everybody may ask for megabytes, without a key."""
    for start in range(0, len(content), BYTES_AT_A_TIME):
        yield content[start : start + BYTES_AT_A_TIME]
        await asyncio.sleep(0)


def _render(service: Service, form_token: str) -> tuple[Dashboard, str]:
    now = datetime.now(UTC)
    with service.engine.connect() as connection:
        old_after_days = service.settings.forecasts_older_than_days
        dashboard = read_dashboard(connection, service.retailer, now, old_after_days)
    told = (
        f"As of {now:%Y-%m-%d %H:%M} UTC, retailer '{service.retailer}'; renewed every "
        f"{REFRESH_SECONDS // 60} minutes."
    )
    return dashboard, render_live(dashboard.sections, told, REFRESH_SECONDS, form_token)


async def _record(request: Request, key: ApiKey, run: int, model: tuple[str, str]) -> None:
    await record_stored_read(request, key, model, {}, {"run": run})
