"""Stored forecasts: what inference has published, and what was known earlier."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Path, Query, Request, Response
from sqlalchemy import RowMapping

from sales_forecast.forecasting.attribution import PARTS
from sales_forecast.service.cache import Page, Selection
from sales_forecast.service.dependencies import Reader, answer_of, service_of
from sales_forecast.service.problems import documented
from sales_forecast.service.schemas.requests import MOST, CurveQuery, LevelName, LevelQuery, StoredQuery
from sales_forecast.service.schemas.responses import (
    BudgetCurve,
    CurvePoint,
    LevelForecast,
    LevelForecasts,
    StoredForecast,
    StoredForecasts,
)
from sales_forecast.storage import schema
from sales_forecast.storage.keys import Caller
from sales_forecast.storage.queries import Run

router = APIRouter()

FIELDS = [name for name in StoredForecast.model_fields if name != "explanation"]


@router.get("/v1/turnover/forecasts", response_model=StoredForecasts, responses=documented(404))
async def read_forecasts(
    request: Request,
    caller: Reader,
    query: Annotated[StoredQuery, Query()],
) -> Response:
    """Forecasts of stores and departments, with intervals and explanation."""
    where = {"store": query.store, "department": query.department}
    wanted = Selection(schema.forecasts, _forecast, tuple(where.items()), query.limit, query.offset)
    run, page = await _read(request, caller, wanted, query.as_of)
    return _as_json(_stamp(request, run) | _place(page, query.offset), forecasts=page)


@router.get("/v1/turnover/forecasts/levels/{level}", response_model=LevelForecasts, responses=documented(404))
async def read_level(
    request: Request,
    caller: Reader,
    level: Annotated[LevelName, Path(description="What is summed over.")],
    query: Annotated[LevelQuery, Query()],
) -> Response:
    """Sums over departments, regions, zones or everything, with intervals of their own."""
    where = {"level": level.replace("_", " "), "key": query.key, "department": query.department}
    wanted = Selection(schema.level_forecasts, _level, tuple(where.items()), query.limit, query.offset)
    run, page = await _read(request, caller, wanted, query.as_of)
    return _as_json(_stamp(request, run) | _place(page, query.offset) | {"level": level}, forecasts=page)


@router.get("/v1/marketing/curve", response_model=BudgetCurve, responses=documented(404))
async def read_curve(request: Request, caller: Reader, query: Annotated[CurveQuery, Query()]) -> Response:
    """Sales against TV budget, with the marginal return, and the recommendation."""
    wanted = Selection(schema.budget_curves, _point, (), MOST, 0)
    run, page = await _read(request, caller, wanted, query.as_of)
    return _as_json(_stamp(request, run) | {"recommendation": run.summary}, curve=page)


def _forecast(row: RowMapping) -> dict[str, Any]:
    return {name: row[name] for name in FIELDS} | {"explanation": {part: row[part] for part in PARTS}}


def _level(row: RowMapping) -> dict[str, Any]:
    return {name: row[name] for name in LevelForecast.model_fields}


def _point(row: RowMapping) -> dict[str, Any]:
    return {name: row[name] for name in CurvePoint.model_fields}


async def _read(
    request: Request, caller: Caller, wanted: Selection, as_of: datetime | None
) -> tuple[Run, Page]:
    """The newest run and the rows that are wanted; on record when it returns."""
    service = service_of(request)
    run = await service.cache.newest(wanted.domain, as_of)
    page = await service.cache.page(run, wanted)
    asked = {"as_of": as_of and as_of.isoformat(), "limit": wanted.limit, "offset": wanted.offset}
    output = {"run": run.id, "rows": page.count}
    model = (run.model_name, run.model_version)
    answer = answer_of(request, caller, "stored", model, asked | dict(wanted.where), output)
    await service.audit_writer.record([answer])
    return run, page


def _stamp(request: Request, run: Run) -> dict[str, Any]:
    model = {"name": run.model_name, "version": run.model_version}
    model |= {"run_id": run.run_id, "data_version": run.data_version}
    return {"request_id": request.state.request_id, "made_at": run.made_at, "model": model}


def _place(page: Page, offset: int) -> dict[str, int | None]:
    end = offset + page.count
    return {"total": page.total, "next_offset": end if end < page.total else None}


def _as_json(content: dict[str, Any], **pages: Page) -> Response:
    """As it is: the database has typed it, and to check it again would take longer than to read it."""
    rows = {name: orjson.Fragment(page.rows) for name, page in pages.items()}
    return Response(orjson.dumps(content | rows, option=orjson.OPT_UTC_Z), media_type="application/json")
