"""Errors as RFC 9457 problem details: what is wrong, in which field, and what to do about it."""

from __future__ import annotations

import logging
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 5
SHOWN = 100
"""Of the things to put right; a body of nothing else could hold thousands."""

TITLES = {
    401: "Who are you?",
    403: "This key may not do that",
    404: "There is no such thing",
    405: "Not this way",
    409: "This does not go with what the model knows",
    413: "Too much at once",
    422: "Not understood",
    429: "Too many requests",
    500: "Something went wrong here",
    503: "Not available at the moment",
}


class FieldProblem(BaseModel):
    """One thing to put right."""

    field: str = Field(
        description="Where: body, query or path, then names and positions.", examples=["body.series.0.store"]
    )
    problem: str = Field(description="What is wrong, and what would be right.")


class ProblemDetails(BaseModel):
    """An error, as RFC 9457 lays it out."""

    type: str = Field(default="about:blank")
    title: str
    status: int
    detail: str = Field(description="What is wrong, and what to do.")
    instance: str = Field(description="The path that was called.")
    request_id: str = Field(description="Name it when you ask for help.")
    errors: list[FieldProblem] = Field(default_factory=list)


class ProblemError(Exception):
    """An error for the caller to put right.

    Args:
        status: HTTP's.
        detail: What is wrong, and what to do.
        field: Where, if one field is to blame.
        headers: To be sent along.
    """

    def __init__(
        self, status: int, detail: str, field: str | None = None, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status, self.detail, self.field, self.headers = status, detail, field, headers or {}


def unavailable(detail: str) -> ProblemError:
    """Something behind the service does not answer; it will be back."""
    return ProblemError(503, detail, headers={"Retry-After": str(RETRY_AFTER_SECONDS)})


def render(scope: Any, problem: ProblemError, errors: list[FieldProblem] | None = None) -> JSONResponse:
    """The response."""
    blamed = [FieldProblem(field=problem.field, problem=problem.detail)] if problem.field else []
    details = ProblemDetails(
        title=TITLES.get(problem.status, "Error"),
        status=problem.status,
        detail=problem.detail,
        instance=scope["path"],
        request_id=scope["state"]["request_id"],
        errors=errors or blamed,
    )
    return JSONResponse(details.model_dump(), problem.status, problem.headers, MEDIA_TYPE)


def explain_errors(app: FastAPI) -> None:
    """Answer every error with problem details."""

    @app.exception_handler(ProblemError)
    async def ours(request: Request, error: ProblemError) -> JSONResponse:
        return render(request.scope, error)

    @app.exception_handler(RequestValidationError)
    async def not_understood(request: Request, error: RequestValidationError) -> JSONResponse:
        found = [
            FieldProblem(field=".".join(str(part) for part in each["loc"]), problem=_words(each))
            for each in error.errors()[:SHOWN]
        ]
        detail = f"{len(error.errors())} thing(s) to put right, e.g. {found[0].field}: {found[0].problem}"
        return render(request.scope, ProblemError(422, detail), found)

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> JSONResponse:
        if error.status_code == 400:  # FastAPI's word for bytes that are no text, and for endless numbers
            return render(request.scope, ProblemError(422, "the body is no JSON that can be read", "body"))
        return render(
            request.scope,
            ProblemError(error.status_code, f"{error.detail}. See /docs", headers=dict(error.headers or {})),
        )

    @app.exception_handler(DBAPIError)
    @app.exception_handler(PoolTimeout)
    async def database(request: Request, error: Exception) -> JSONResponse:
        if isinstance(error, DBAPIError) and not _is_away(error):
            raise error
        logger.error("The database does not answer: %s", getattr(error, "orig", error))
        return render(request.scope, unavailable("the database does not answer; try again in some seconds"))


def _words(error: dict[str, Any]) -> str:
    """What is wrong with a field."""
    if error["type"] == "json_invalid":
        return f"this is no JSON: {error['ctx']['error']}"
    if error["type"] == "extra_forbidden":
        return "there is nothing of this name; see /docs"
    return str(error["msg"]).removeprefix("Value error, ")


def _is_away(error: DBAPIError) -> bool:
    """Operational errors are the database's; the others are ours."""
    from sqlalchemy.exc import InterfaceError, OperationalError

    return error.connection_invalidated or isinstance(error, OperationalError | InterfaceError)


def document_errors(app: FastAPI) -> None:
    """Name the media type of problem details on the OpenAPI page; FastAPI would call them plain JSON."""
    plain, details = "application/json", {"$ref": "#/components/schemas/ProblemDetails"}
    operations = [each for path in app.openapi()["paths"].values() for each in path.values()]
    for answer in [answer for each in operations for answer in each["responses"].values()]:
        content = answer.get("content", {})
        if content.get(plain) == {"schema": details}:
            content[MEDIA_TYPE] = content.pop(plain)


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """For the OpenAPI page: which errors a route may answer with, beside those that all may."""
    always = (401, 403, 413, 422, 429, 503)
    headers = {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}}}
    return {
        status: {"model": ProblemDetails, "description": TITLES[status]}
        | ({"headers": headers} if status in (429, 503) else {})
        for status in sorted({*always, *statuses})
    }
