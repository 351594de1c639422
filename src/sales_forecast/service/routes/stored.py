"""Stored forecasts: the newest ones, or those of an earlier time."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated

import orjson
from fastapi import APIRouter, Path, Query, Request, Response
from sqlalchemy import RowMapping

from sales_forecast.service.cache import Page, Selection
from sales_forecast.service.dependencies import ReadKey, audit_record, service_of
from sales_forecast.service.problems import error_responses
from sales_forecast.service.schemas.requests import (
    MAX_ROWS,
    CurveQuery,
    LevelName,
    LevelQuery,
    StoredQuery,
)
from sales_forecast.service.schemas.responses import (
    QUANTILE_KEYS,
    BudgetCurve,
    CurvePoint,
    Explanation,
    LevelForecast,
    LevelForecasts,
    StoredForecast,
    StoredForecasts,
)
from sales_forecast.storage import schema
from sales_forecast.storage.keys import ApiKey
from sales_forecast.storage.queries import Run

router = APIRouter()

FORECAST_FIELDS = [name for name in StoredForecast.model_fields if name not in ("explanation", "quantiles")]
EXPLANATION_FIELDS = list(Explanation.model_fields)
LEVEL_FIELDS = list(LevelForecast.model_fields)
CURVE_FIELDS = list(CurvePoint.model_fields)


@router.get("/v1/turnover/forecasts", response_model=StoredForecasts, responses=error_responses(404))
async def read_forecasts(
    request: Request,
    key: ReadKey,
    query: Annotated[StoredQuery, Query()],
) -> Response:
    """Read forecasts of stores and departments, with prediction intervals and explanations."""
    where = {"store": query.store, "department": query.department}
    to_response = _to_forecast_with_quantiles if query.quantiles else _to_forecast
    selection = Selection(schema.forecasts, to_response, tuple(where.items()), query.limit, query.offset)
    run, page = await read_page(request, key, selection, query.as_of, quantiles=query.quantiles)
    return as_json(header(request, run) | paging(page, query.offset), forecasts=page)


@router.get(
    "/v1/turnover/forecasts/levels/{level}", response_model=LevelForecasts, responses=error_responses(404)
)
async def read_level(
    request: Request,
    key: ReadKey,
    level: Annotated[LevelName, Path(description="What is summed over.")],
    query: Annotated[LevelQuery, Query()],
) -> Response:
    """Read forecasts of sums over departments, regions, zones or all, with their own prediction intervals."""
    where = {"level": level.replace("_", " "), "key": query.key, "department": query.department}
    selection = Selection(schema.level_forecasts, _to_level, tuple(where.items()), query.limit, query.offset)
    run, page = await read_page(request, key, selection, query.as_of)
    return as_json(header(request, run) | paging(page, query.offset) | {"level": level}, forecasts=page)


@router.get("/v1/marketing/curve", response_model=BudgetCurve, responses=error_responses(404))
async def read_curve(request: Request, key: ReadKey, query: Annotated[CurveQuery, Query()]) -> Response:
    """Read predicted sales against TV budget, with marginal sales and the recommended budget."""
    selection = Selection(schema.budget_curves, _to_point, (), MAX_ROWS, 0)
    run, page = await read_page(request, key, selection, query.as_of)
    return as_json(header(request, run) | {"recommendation": run.summary}, curve=page)


def _to_forecast(row: RowMapping) -> dict[str, object]:
    explanation = {name: row[name] for name in EXPLANATION_FIELDS}
    return {name: row[name] for name in FORECAST_FIELDS} | {"explanation": explanation}


def _to_forecast_with_quantiles(row: RowMapping) -> dict[str, object]:
    """Convert a row; one from before there were quantiles has none."""
    known = {key: row[column] for column, key in QUANTILE_KEYS.items() if row[column] is not None}
    return _to_forecast(row) | {"quantiles": known or None}


def _to_level(row: RowMapping) -> dict[str, object]:
    return {name: row[name] for name in LEVEL_FIELDS}


def _to_point(row: RowMapping) -> dict[str, object]:
    return {name: row[name] for name in CURVE_FIELDS}


async def read_page(
    request: Request, key: ApiKey, selection: Selection, as_of: datetime | None, **options: object
) -> tuple[Run, Page]:
    """Read the newest run and a page of its rows, and write both to the audit log, with further options."""
    service = service_of(request)
    run = await service.cache.newest(selection.domain, as_of)
    page = await service.cache.page(run, selection)
    content: dict[str, object] = {"as_of": as_of and as_of.isoformat()}
    content |= {"limit": selection.limit, "offset": selection.offset} | dict(selection.where) | options
    output = {"run": run.id, "rows": page.count}
    model = (run.model_name, run.model_version)
    record = audit_record(request, key, "stored", model, content, output)
    await service.audit_writer.record([record])
    return run, page


def header(request: Request, run: Run) -> dict[str, object]:
    """Say which publication a response is from, and what made it."""
    model = {"name": run.model_name, "version": run.model_version}
    model |= {"run_id": run.run_id, "data_version": run.model_data_version}
    return {
        "request_id": request.state.request_id,
        "made_at": run.made_at,
        "publication": run.id,
        "cutoff": run.cutoff,
        "data_version": run.data_version,
        "model": model,
    }


def paging(page: Page, offset: int) -> dict[str, object]:
    """Say how many rows there are, and where the next page begins."""
    end = offset + page.count
    return {"total": page.total, "next_offset": end if end < page.total else None}


def as_json(content: Mapping[str, object], **pages: Page) -> Response:
    """Make a response without validating it: the tables have types, and validating would be slow."""
    rows = {name: orjson.Fragment(page.rows) for name, page in pages.items()}
    return Response(orjson.dumps({**content, **rows}, option=orjson.OPT_UTC_Z), media_type="application/json")
