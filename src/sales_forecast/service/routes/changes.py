"""Why stored forecasts are not what the publication before said."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy import RowMapping

from sales_forecast.forecasting.changes import CAUSES
from sales_forecast.service.cache import Selection
from sales_forecast.service.dependencies import ReadKey
from sales_forecast.service.problems import error_responses
from sales_forecast.service.routes.stored import as_json, header, paging, read_page
from sales_forecast.service.schemas.changes import ForecastChange, ForecastChanges
from sales_forecast.service.schemas.requests import SeriesQuery
from sales_forecast.storage import schema

router = APIRouter()

FIELDS = [name for name in ForecastChange.model_fields if name != "causes"]


@router.get("/v1/turnover/changes", response_model=ForecastChanges, responses=error_responses(404))
async def read_changes(request: Request, key: ReadKey, query: Annotated[SeriesQuery, Query()]) -> Response:
    """Read why forecasts changed since the publication before, by store, department and week."""
    where = {"store": query.store, "department": query.department}
    selection = Selection(
        schema.forecast_changes, _to_change, tuple(where.items()), query.limit, query.offset
    )
    run, page = await read_page(request, key, selection, query.as_of)
    return as_json(header(request, run) | paging(page, query.offset), changes=page)


def _to_change(row: RowMapping) -> dict[str, object]:
    causes = {cause: row[cause] for cause in CAUSES}
    return {name: row[name] for name in FIELDS} | {"causes": causes}
