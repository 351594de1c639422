"""``serve``: the container of a SageMaker endpoint or of a batch transform.

It loads the versions that a training job has exported, verifies them as the service does, and answers with
the same code: a request to ``/invocations`` has the body of ``/v1/turnover/predict`` or
``/v1/marketing/predict``.
"""

from __future__ import annotations

import csv
import os
import re
import sys
from collections.abc import Callable, Iterable
from datetime import date
from pathlib import Path
from typing import TypeVar, get_args
from uuid import uuid4

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from sales_forecast.aws.exported_models import Models, load_models
from sales_forecast.aws.project import environment
from sales_forecast.errors import InputError
from sales_forecast.memory import limit_heaps
from sales_forecast.registry.trust import read_trust
from sales_forecast.service.arms import PredictionRow, Predictions
from sales_forecast.service.budgets import predict_sales
from sales_forecast.service.predictor import predict_series
from sales_forecast.service.problems import ProblemError, add_error_handlers, render
from sales_forecast.service.results import COLUMNS
from sales_forecast.service.schemas.requests import BudgetRequest, TurnoverRequest
from sales_forecast.service.schemas.responses import ArmName, BudgetResponse
from sales_forecast.service.settings import read_budget_interval
from sales_forecast.service.tables import table_of, to_csv
from sales_forecast.service.validation import validate

MODEL = "/opt/ml/model"
PORT = 8080

ARM = "SALES_FORECAST_ARM"
"""Environment variable with the arm of this variant, ``champion`` or ``challenger``."""

ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"
"""Header that SageMaker hands on in both directions; it carries the id of the request."""

JSON, LINES, CSV = "application/json", "application/jsonlines", "text/csv"

RequestT = TypeVar("RequestT", bound=BaseModel)


# --- one answer for each content type --------------------------------------------------------------------


def answer_json(models: Models, body: bytes, request_id: str) -> bytes:
    """Answer the body of ``/v1/turnover/predict``, or of ``/v1/marketing/predict`` if it has budgets."""
    content = _parse(body)
    if isinstance(content, dict) and "budgets" in content:
        return _answer_budgets(models, _validated(BudgetRequest, content), request_id)
    request = _validated(TurnoverRequest, content)
    predictions = _predict(models, [*request.series], quantiles=request.quantiles)
    model, rows = models.turnover.model_name, list(_all_rows(predictions))
    return orjson.dumps({"request_id": request_id, "model": model, "predictions": rows})


def _answer_budgets(models: Models, request: BudgetRequest, request_id: str) -> bytes:
    if models.budgets is None:
        raise ProblemError(404, "this container has no marketing model", "body.budgets")
    arm, interval = models.budgets
    response = BudgetResponse(
        request_id=request_id,
        model=arm.model_name,
        model_version=arm.version,
        interval_share=models.interval_share,
        predictions=predict_sales(arm, interval, request.budgets),
    )
    return orjson.dumps(response.model_dump())


def answer_lines(models: Models, body: bytes, request_id: str) -> bytes:
    """Answer a series on each line with its predictions on the same line, for batch transforms."""
    lines = [line for line in body.splitlines() if line.strip()]
    predictions = _predict(models, [_parse(line, f"body.series.{n}") for n, line in enumerate(lines)])
    found = ({"predictions": rows} for rows in predictions)
    return b"".join(orjson.dumps(one, option=orjson.OPT_APPEND_NEWLINE) for one in found)


def answer_csv(models: Models, body: bytes, request_id: str) -> bytes:
    """Answer rows of ``store,department``, which the first row says, with a row for each week."""
    try:
        given = csv.DictReader(body.decode().splitlines())
    except UnicodeDecodeError as error:
        raise ProblemError(422, "the body is no text in UTF-8", "body") from error
    rows = _all_rows(_predict(models, [*given]))
    dated = ({**row, "week": date.fromisoformat(row["week"])} for row in rows)
    return to_csv(table_of(dated, COLUMNS))


ANSWERS: dict[str, Callable[[Models, bytes, str], bytes]] = {
    JSON: answer_json,
    LINES: answer_lines,
    CSV: answer_csv,
}
"""Content type of a request -> what makes its response, which has the same type."""


def _parse(text: bytes, field: str = "body") -> object:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise ProblemError(422, f"it is not valid JSON: {error}", field) from error


def _validated(kind: type[RequestT], content: object) -> RequestT:
    """Validate a body; what is wrong with it is said in the words of the service."""
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        errors = error.errors(include_url=False)
        raise RequestValidationError([{**each, "loc": ("body", *each["loc"])} for each in errors]) from error


def _predict(models: Models, content: list[object], *, quantiles: bool = False) -> list[Predictions]:
    if not content:
        raise ProblemError(422, "there are no series in the body; send one at least", "body")
    series = validate(content)
    return predict_series(models.turnover, series, None, range(len(series)), quantiles=quantiles)


def _all_rows(predictions: Iterable[Predictions]) -> Iterable[PredictionRow]:
    return (row for rows in predictions for row in rows)


# --- the application -------------------------------------------------------------------------------------


class _RequestId:
    """ASGI middleware that gives each request the id it came with, or a new one."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            given = Headers(scope=scope).get(ATTRIBUTES, "")
            is_id = re.fullmatch(r"[\w-]{1,64}", given, re.ASCII)
            scope.setdefault("state", {})["request_id"] = given if is_id else str(uuid4())
        await self._app(scope, receive, send)


def make_app(models: Models) -> FastAPI:
    """Make the application.

    Args:
        models: The versions that answer.
    """
    app = FastAPI(openapi_url=None)

    @app.get("/ping")
    async def ping() -> Response:
        return Response()  # it is there only once the models are

    @app.post("/invocations")
    async def invocations(request: Request) -> Response:
        form = request.headers.get("Content-Type", JSON).partition(";")[0].strip().lower()
        if form not in ANSWERS:
            raise ProblemError(415, f"'{form[:100]}' is not read; send {', '.join(ANSWERS)}", "Content-Type")
        request_id = request.state.request_id
        content = await run_in_threadpool(ANSWERS[form], models, await request.body(), request_id)
        return Response(content, headers={ATTRIBUTES: request_id}, media_type=form)

    @app.exception_handler(Exception)
    async def handle_others(request: Request, error: Exception) -> Response:
        return render(request.scope, ProblemError(500, "the request failed here; report its request_id"))

    add_error_handlers(app)
    app.add_middleware(_RequestId)
    return app


def main() -> None:
    """Serve until stopped."""
    limit_heaps()
    import uvicorn

    from sales_forecast.configuration import load_configuration
    from sales_forecast.service.logs import log_as_json

    arm = os.environ.get(ARM, "champion")
    try:
        if arm not in (known := get_args(ArmName)):
            raise InputError(f"{ARM} is '{arm}'; it can be {' or '.join(known)}")
        configuration = load_configuration(environment())
        trust = read_trust(configuration["globals"]["models"])
        interval = read_budget_interval(configuration["parameters"]["marketing"]["curve"])
        folder = Path(sys.argv[1] if len(sys.argv) > 1 else MODEL)
        models = load_models(folder, arm, trust, interval)  # type: ignore[arg-type]  # it was compared above
    except InputError as error:
        sys.exit(f"Error: {error}")
    log_as_json(environment())
    port = int(os.environ.get("SAGEMAKER_BIND_TO_PORT", PORT))
    uvicorn.run(make_app(models), host="0.0.0.0", port=port, log_config=None, access_log=False)


if __name__ == "__main__":
    main()
