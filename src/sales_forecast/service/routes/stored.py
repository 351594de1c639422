"""Stored forecasts: what inference has published, and what was known earlier."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from sqlalchemy import Connection, Row, Table

from sales_forecast.forecasting.reasons import PARTS
from sales_forecast.service.answered import BudgetCurve, LevelForecasts, StoredForecasts
from sales_forecast.service.asked import LevelName, Moment
from sales_forecast.service.dependencies import AService, Reader, Service, answer_of, only_known_queries
from sales_forecast.service.problems import ProblemError, documented
from sales_forecast.storage import schema
from sales_forecast.storage.queries import Run, newest_run, rows_of_run

router = APIRouter(dependencies=[Depends(only_known_queries)])

AsOf = Annotated[Moment | None, Query(description="What was known then; a date is the end of that day.")]
Wanted = Annotated[str | None, Query(min_length=1, max_length=200, description="All, if it is left out.")]
Limit = Annotated[int, Query(ge=1, le=10_000)]
Offset = Annotated[int, Query(ge=0, le=1_000_000_000)]


@router.get("/v1/turnover/forecasts", responses=documented(404))
def read_forecasts(
    request: Request,
    caller: Reader,
    service: AService,
    store: Annotated[Wanted, Query(examples=["105"])] = None,
    department: Annotated[Wanted, Query(examples=["117"])] = None,
    as_of: AsOf = None,
    limit: Limit = 1000,
    offset: Offset = 0,
) -> StoredForecasts:
    """Forecasts of stores and departments, with ranges and explanation."""
    wanted = {"store": store, "department": department}
    content = _read(request, caller, service, schema.forecasts, wanted, as_of, limit, offset)
    rows = [
        {**row._mapping, "explanation": {part: row._mapping[part] for part in PARTS}}
        for row in content.pop("rows")
    ]
    return StoredForecasts(**content, forecasts=rows)


@router.get("/v1/turnover/forecasts/levels/{level}", responses=documented(404))
def read_level(
    request: Request,
    caller: Reader,
    service: AService,
    level: Annotated[LevelName, Path(description="What is summed over.")],
    key: Annotated[Wanted, Query(examples=["10"])] = None,
    department: Annotated[Wanted, Query(examples=["117"])] = None,
    as_of: AsOf = None,
    limit: Limit = 1000,
    offset: Offset = 0,
) -> LevelForecasts:
    """Sums over departments, regions, zones or everything, with ranges of their own."""
    wanted = {"level": level.replace("_", " "), "key": key, "department": department}
    content = _read(request, caller, service, schema.level_forecasts, wanted, as_of, limit, offset)
    rows = [row._mapping for row in content.pop("rows")]
    return LevelForecasts(**content, level=level, forecasts=rows)


@router.get("/v1/marketing/curve", responses=documented(404))
def read_curve(request: Request, caller: Reader, service: AService, as_of: AsOf = None) -> BudgetCurve:
    """Sales against TV budget, with the marginal return, and the recommendation."""
    content = _read(request, caller, service, schema.budget_curves, {}, as_of, 10_000, 0)
    return BudgetCurve(
        **{name: content[name] for name in ("request_id", "made_at", "model")},
        recommendation=content["summary"],
        curve=[row._mapping for row in content["rows"]],
    )


def _read(
    request: Request,
    caller: Reader,
    service: Service,
    table: Table,
    wanted: dict[str, str | None],
    as_of: datetime | None,
    limit: int,
    offset: int,
) -> dict[str, Any]:
    lane = "marketing" if table is schema.budget_curves else "turnover"
    with service.engine.connect() as connection:
        run = newest_run(connection, lane, as_of)
        if run is None:
            when = f"before {as_of:%Y-%m-%d %H:%M:%S} UTC" if as_of else "yet; make some: kedro run"
            raise ProblemError(404, f"there are no {lane} forecasts {when}", "query.as_of" if as_of else None)
        rows, total = _rows(connection, table, run, wanted, limit, offset)
    asked = wanted | {"as_of": as_of and as_of.isoformat(), "limit": limit, "offset": offset}
    model = (run.model_name, run.model_version)
    service.trail.record(
        [answer_of(request, caller, "stored", model, asked, {"run": run.id, "rows": len(rows)})]
    )
    return {
        "request_id": request.state.request_id,
        "made_at": run.made_at,
        "model": {
            "name": run.model_name,
            "version": run.model_version,
            "run_id": run.run_id,
            "data_version": run.data_version,
        },
        "total": total,
        "next_offset": offset + len(rows) if offset + len(rows) < total else None,
        "summary": run.summary,
        "rows": rows,
    }


def _rows(
    connection: Connection, table: Table, run: Run, wanted: dict[str, str | None], limit: int, offset: int
) -> tuple[list[Row[Any]], int]:
    impossible = any("\x00" in value for value in wanted.values() if value)  # PostgreSQL knows no such text
    rows, total = ([], 0) if impossible else rows_of_run(connection, table, run, wanted, limit, offset)
    if not total and any(wanted.values()):
        given = {name: value for name, value in wanted.items() if value}
        named = ", ".join(f"{name} '{value}'" for name, value in given.items())
        raise ProblemError(404, f"no forecast is stored for {named}", f"query.{list(given)[-1]}")
    return list(rows), total
