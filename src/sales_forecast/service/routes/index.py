"""The root: what this service is, and where its documentation is."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from sales_forecast.service.negotiation import prefers_html
from sales_forecast.service.schemas.index import Index

router = APIRouter()


@router.get("/", response_model=Index)
async def read_index(request: Request, response: Response) -> Index | RedirectResponse:
    """Read what this service is, without a key; a browser is led to the pages for planners."""
    response.headers["Vary"] = "Accept"
    if prefers_html(request.headers.get("Accept")):
        return RedirectResponse("/planner", 303, {"Vary": "Accept"})
    app, root = request.app, request.scope.get("root_path", "")
    return Index(
        name=app.title,
        version=app.version,
        description=app.description,
        documentation=app.openapi_url and f"{root}/docs",  # both are on, or off
        openapi=app.openapi_url and f"{root}{app.openapi_url}",
        health=f"{root}/health",
    )
