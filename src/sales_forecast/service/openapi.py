"""The OpenAPI document: what FastAPI derives from the routes, completed by what it cannot know."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from sales_forecast.service.problems import MEDIA_TYPE

TAGS = {
    "stored forecasts": "Forecasts that runs have published: the newest ones, or those of an earlier time.",
    "realised accuracy": "How right forecasts were, once their weeks had come.",
    "changes of forecasts": "Why forecasts are not what the publication before said.",
    "staffing": "Hours that stores and departments need in the weeks ahead.",
    "overrides": "Planners' numbers beside the forecasts of the model, and what they were worth.",
    "plan": "Forecasts with the planners' numbers beside them.",
    "exceptions": "The few series that deserve a planner's eye, and what planners did about them.",
    "monitoring": "What the monitoring has found, and the decisions that followed.",
    "live predictions": "Predictions of turnover by the model that serves now.",
    "predictions as jobs": "Predictions of many series, which are computed after the request.",
    "scenarios": "What another plan would change: promotions, prices or opening days of weeks ahead.",
    "marketing": "Predictions of sales from TV budgets by the model that serves now.",
    "operations": "Models, the audit log, health and metrics.",
    "calls of the earlier system": "Calls for tools that were built for an earlier prediction system. New "
    "tools use the live predictions.",
}
"""Tag -> description on the documentation page, in its order."""

REQUEST_ID = {
    "X-Request-ID": {
        "description": "Id of the request, for support and the audit log.",
        "schema": {"type": "string"},
    }
}


def operation_id(route: APIRoute) -> str:
    """Return the name of an operation, from which generated clients make a function."""
    return route.name


def describe(app: FastAPI) -> None:
    """Complete the OpenAPI document of an application, also when routes are added later."""
    derived: dict[str, Any] = {}

    def openapi() -> dict[str, Any]:
        if not app.openapi_schema or len(app.routes) != derived.get("routes"):
            derived["routes"] = len(app.routes)
            app.openapi_schema = _document(app)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's way to extend the document


def _document(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(
        title=app.title,
        version=app.version,
        description=app.description,
        routes=app.routes,
        tags=app.openapi_tags,
        servers=app.servers,
    )
    for operation in _operations(document):
        # the sentence of the docstring, where FastAPI shows the name of the function
        operation["summary"] = operation.pop("description").removesuffix(".")
        for response in operation["responses"].values():
            response["headers"] = REQUEST_ID | response.get("headers", {})
            _set_problem_type(response)
    return document


def _operations(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for path in document["paths"].values():
        yield from path.values()


def _set_problem_type(response: dict[str, Any]) -> None:
    """Set the media type of problem details, where FastAPI writes plain JSON."""
    content = response.get("content", {})
    if content.get("application/json") == {"schema": {"$ref": "#/components/schemas/ProblemDetails"}}:
        content[MEDIA_TYPE] = content.pop("application/json")
