"""Stored forecasts: what inference has published, and what was known earlier."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Path, Query, Request, Response
from sqlalchemy import Connection, RowMapping, Table

from sales_forecast.forecasting.reasons import PARTS
from sales_forecast.service.answered import (
    BudgetCurve,
    LevelForecast,
    LevelForecasts,
    StoredForecast,
    StoredForecasts,
)
from sales_forecast.service.asked import MOST, CurveQuery, LevelName, LevelQuery, StoredQuery
from sales_forecast.service.dependencies import Reader, answer_of, service_of
from sales_forecast.service.problems import ProblemError, documented
from sales_forecast.storage import schema
from sales_forecast.storage.keys import Caller
from sales_forecast.storage.queries import Run, newest_run, rows_of_run

router = APIRouter()

FIELDS = [name for name in StoredForecast.model_fields if name != "explanation"]


@router.get("/v1/turnover/forecasts", response_model=StoredForecasts, responses=documented(404))
def read_forecasts(
    request: Request,
    caller: Reader,
    query: Annotated[StoredQuery, Query()],
) -> Response:
    """Forecasts of stores and departments, with ranges and explanation."""
    wanted = {"store": query.store, "department": query.department}
    page = (query.limit, query.offset)
    run, rows, total = _read(request, caller, schema.forecasts, wanted, query.as_of, *page)
    found = [
        {name: row[name] for name in FIELDS} | {"explanation": {part: row[part] for part in PARTS}}
        for row in rows
    ]
    return _as_json(_stamp(request, run) | _page(total, query.offset, len(rows)) | {"forecasts": found})


@router.get("/v1/turnover/forecasts/levels/{level}", response_model=LevelForecasts, responses=documented(404))
def read_level(
    request: Request,
    caller: Reader,
    level: Annotated[LevelName, Path(description="What is summed over.")],
    query: Annotated[LevelQuery, Query()],
) -> Response:
    """Sums over departments, regions, zones or everything, with ranges of their own."""
    wanted = {"level": level.replace("_", " "), "key": query.key, "department": query.department}
    page = (query.limit, query.offset)
    run, rows, total = _read(request, caller, schema.level_forecasts, wanted, query.as_of, *page)
    found = [{name: row[name] for name in LevelForecast.model_fields} for row in rows]
    answer = _stamp(request, run) | _page(total, query.offset, len(rows))
    return _as_json(answer | {"level": level, "forecasts": found})


@router.get("/v1/marketing/curve", responses=documented(404))
def read_curve(request: Request, caller: Reader, query: Annotated[CurveQuery, Query()]) -> BudgetCurve:
    """Sales against TV budget, with the marginal return, and the recommendation."""
    run, rows, _ = _read(request, caller, schema.budget_curves, {}, query.as_of)
    return BudgetCurve(**_stamp(request, run), recommendation=run.summary, curve=rows)


def _as_json(content: dict[str, Any]) -> Response:
    """As it is: the database has typed it, and to check it again would take longer than to read it."""
    return Response(orjson.dumps(content, option=orjson.OPT_UTC_Z), media_type="application/json")


def _read(
    request: Request,
    caller: Caller,
    table: Table,
    wanted: dict[str, str | None],
    as_of: datetime | None,
    limit: int = MOST,
    offset: int = 0,
) -> tuple[Run, list[RowMapping], int]:
    """The newest run, its rows that are wanted and how many there are; on record when it returns."""
    lane = "marketing" if table is schema.budget_curves else "turnover"
    service = service_of(request)
    with service.engine.connect() as connection:
        run = newest_run(connection, lane, as_of)
        if run is None:
            when = f"before {as_of:%Y-%m-%d %H:%M:%S} UTC" if as_of else "yet; make some: kedro run"
            raise ProblemError(404, f"there are no {lane} forecasts {when}", "query.as_of" if as_of else None)
        rows, total = _rows(connection, table, run, wanted, limit, offset)
    asked = {"as_of": as_of and as_of.isoformat(), "limit": limit, "offset": offset} | wanted
    output = {"run": run.id, "rows": len(rows)}
    model = (run.model_name, run.model_version)
    service.trail.record([answer_of(request, caller, "stored", model, asked, output)])
    return run, rows, total


def _stamp(request: Request, run: Run) -> dict[str, Any]:
    model = {"name": run.model_name, "version": run.model_version}
    model |= {"run_id": run.run_id, "data_version": run.data_version}
    return {"request_id": request.state.request_id, "made_at": run.made_at, "model": model}


def _page(total: int, offset: int, count: int) -> dict[str, int | None]:
    end = offset + count
    return {"total": total, "next_offset": end if end < total else None}


def _rows(
    connection: Connection, table: Table, run: Run, wanted: dict[str, str | None], limit: int, offset: int
) -> tuple[list[RowMapping], int]:
    impossible = any("\x00" in value for value in wanted.values() if value)  # PostgreSQL knows no such text
    rows, total = ([], 0) if impossible else rows_of_run(connection, table, run, wanted, limit, offset)
    if not total and any(wanted.values()):
        given = {name: value for name, value in wanted.items() if value}
        named = ", ".join(f"{name} '{value}'" for name, value in given.items())
        queries = [f"query.{name}" for name in given if name != "level"] or ["path.level"]
        blamed = queries[0] if len(queries) == 1 else None
        raise ProblemError(404, f"no forecast is stored for {named}", blamed)
    return [row._mapping for row in rows], total
