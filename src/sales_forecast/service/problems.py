"""Errors as problem details (RFC 9457): what is wrong, in which field, and what to do about it."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse, Response
from pydantic import BaseModel, Field
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.routing import Match

from sales_forecast.service.schemas.requests import RENAMED_FIELDS

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails
    from starlette.types import Scope

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 5
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")

MAX_ERRORS = 100
"""Number of errors that are listed; a body could contain thousands."""

RFC_9110_TITLES = {
    413: "Content Too Large",
    414: "URI Too Long",
    416: "Range Not Satisfiable",
    422: "Unprocessable Content",
}
"""Titles that ``http.HTTPStatus`` has under older names before Python 3.13."""


class FieldError(BaseModel):
    """An error in one field."""

    field: str = Field(
        description="Path of the field: body, query or path, then names and positions.",
        examples=["body.series.0.store"],
    )
    problem: str = Field(description="What is wrong with it, and what would be valid.")


class ProblemDetails(BaseModel):
    """Problem details of an error, as defined by RFC 9457."""

    type: str = Field(default="about:blank", description="Kind of problem; its title says what it is.")
    title: str = Field(description="Standard phrase of the HTTP status.")
    status: int = Field(description="HTTP status.")
    detail: str = Field(description="What is wrong, and what to do.")
    instance: str = Field(description="Path of the request.")
    request_id: str = Field(description="Id of the request, for support.")
    errors: list[FieldError] = Field(default_factory=list, description="Fields that are wrong.")


class ProblemError(Exception):
    """An error that is answered with problem details.

    Args:
        status: HTTP status.
        detail: What is wrong, and what to do.
        field: Path of the field that is wrong; None if no single field is.
        headers: Headers of the response.
    """

    def __init__(
        self, status: int, detail: str, field: str | None = None, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status, self.detail, self.field, self.headers = status, detail, field, headers or {}


MissingPage = Callable[[Request, ProblemError], Awaitable[Response | None]]
"""Tells a person that an address of the pages is wrong; None for other addresses, which programs ask for."""


def unavailable(detail: str) -> ProblemError:
    """Make the problem that something is temporarily unavailable, with the time to wait."""
    return ProblemError(503, detail, headers={"Retry-After": str(RETRY_AFTER_SECONDS)})


def title_of(status: int) -> str:
    """Return the standard phrase of an HTTP status."""
    return RFC_9110_TITLES.get(status) or HTTPStatus(status).phrase


def render(scope: Scope, problem: ProblemError, errors: list[FieldError] | None = None) -> JSONResponse:
    """Render a problem as response.

    Args:
        scope: ASGI scope of the request.
        problem: What is wrong.
        errors: Errors of single fields; by default that of the problem's own field.
    """
    own_error = [FieldError(field=problem.field, problem=problem.detail)] if problem.field else []
    details = ProblemDetails(
        title=title_of(problem.status),
        status=problem.status,
        detail=problem.detail,
        instance=scope["path"],
        request_id=scope["state"]["request_id"],
        errors=errors or own_error,
    )
    return JSONResponse(details.model_dump(), problem.status, problem.headers, MEDIA_TYPE)


def add_error_handlers(app: FastAPI, missing_page: MissingPage | None = None) -> None:
    """Answer every error of an application with problem details.

    Args:
        app: The application.
        missing_page: Answers wrong addresses of pages for people; None where there are no such pages.
    """

    @app.exception_handler(ProblemError)
    async def handle_problem(request: Request, error: ProblemError) -> JSONResponse:
        return render(request.scope, error)

    @app.exception_handler(RequestValidationError)
    async def handle_validation(request: Request, error: RequestValidationError) -> JSONResponse:
        errors = [_field_error(details) for details in error.errors()[:MAX_ERRORS]]
        first = f"{errors[0].field}: {errors[0].problem}"
        count = len(error.errors())
        detail = first if count == 1 else f"{count} errors in the request, for example {first}"
        return render(request.scope, ProblemError(422, detail), errors)

    @app.exception_handler(HTTPException)
    async def handle_http(request: Request, error: HTTPException) -> Response:
        if error.status_code == 404 and (address := _address_with_other_end(request)):
            return RedirectResponse(address, 307)
        if error.status_code == 400:  # FastAPI's status for bytes that are no text, and for infinite numbers
            return render(request.scope, ProblemError(422, "the body is not valid JSON", "body"))
        headers = dict(error.headers or {})
        if error.status_code == 405:
            headers["Allow"] = ", ".join(_allowed_methods(request))
        problem = ProblemError(error.status_code, f"{error.detail}. See /docs", headers=headers)
        page = await missing_page(request, problem) if missing_page is not None else None
        return page or render(request.scope, problem)

    @app.exception_handler(DBAPIError)
    @app.exception_handler(PoolTimeout)
    async def handle_database(request: Request, error: Exception) -> JSONResponse:
        return render(request.scope, problem_of_database(error))


def _address_with_other_end(request: Request) -> str | None:
    """Return the address with or without a slash at its end, if there is such a route.

    It has no host: the one that Starlette would name is the client's word.
    """
    path, query = request.scope["path"], request.scope["query_string"].decode("latin-1")
    other = path.rstrip("/") if path.endswith("/") else f"{path}/"
    if _has_route(request, path) or not _has_route(request, other):
        return None
    return f"{other}?{query}" if query else other


def _has_route(request: Request, path: str) -> bool:
    scope = {**request.scope, "path": path}
    return any(route.matches(scope)[0] is not Match.NONE for route in request.app.routes)


def _allowed_methods(request: Request) -> list[str]:
    """Return the methods of all routes of a path; Starlette names those of the first one only."""
    scopes = {method: {**request.scope, "method": method} for method in METHODS}
    found = [
        method
        for method, scope in scopes.items()
        if any(route.matches(scope)[0] is Match.FULL for route in request.app.routes)
    ]
    return [*found, "HEAD"] if "GET" in found else found


def _field_error(details: ErrorDetails) -> FieldError:
    """Convert an error of pydantic."""
    names = [str(part) for part in details["loc"]]
    return FieldError(field=".".join(names), problem=_describe(details))


def _describe(details: ErrorDetails) -> str:
    """Describe what is wrong with a field."""
    if details["type"] == "json_invalid":
        return f"the body is not valid JSON: {details['ctx']['error']}"
    if details["type"] == "extra_forbidden":
        path = ".".join(part for part in details["loc"] if isinstance(part, str))
        if path in RENAMED_FIELDS:
            return f"the field '{details['loc'][-1]}' is now called '{RENAMED_FIELDS[path]}'"
        return "there is no field of this name; see /docs"
    return details["msg"].removeprefix("Value error, ")


def problem_of_database(error: Exception) -> ProblemError:
    """Return the problem that the database does not answer; any other error of it is raised again.

    Args:
        error: Error of SQLAlchemy.
    """
    if isinstance(error, DBAPIError) and not _is_unavailable(error):
        raise error
    logger.error("The database does not answer: %s", getattr(error, "orig", error))
    return unavailable("the database does not answer; try again in some seconds")


def _is_unavailable(error: DBAPIError) -> bool:
    """Return whether the database is to blame; other errors are those of this project."""
    return error.connection_invalidated or isinstance(error, OperationalError | InterfaceError)


def error_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the errors of a route for its OpenAPI documentation.

    Args:
        statuses: HTTP statuses that the route may answer with, beside those of all routes.
    """
    of_all_routes = (401, 403, 413, 422, 429, 503)
    headers = {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}}}
    return {
        status: {"model": ProblemDetails, "description": title_of(status)}
        | ({"headers": headers} if status in (429, 503) else {})
        for status in sorted({*of_all_routes, *statuses})
    }
