"""Why stored forecasts are not what the publication before said."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy import RowMapping

from sales_forecast.forecasting.changes import CAUSES
from sales_forecast.service.cache import View
from sales_forecast.service.dependencies import ReadKey
from sales_forecast.service.negotiation import NegotiatedFormat, table_responses
from sales_forecast.service.problems import error_responses
from sales_forecast.service.routes.pages import about_run, read_page, selection_of
from sales_forecast.service.schemas.changes import ForecastChange, ForecastChanges
from sales_forecast.service.schemas.queries import ChangesQuery
from sales_forecast.service.tables import columns_of
from sales_forecast.storage import schema

router = APIRouter()

FIELDS = [name for name in ForecastChange.model_fields if name != "causes"]


@router.get(
    "/v1/turnover/changes",
    response_model=ForecastChanges,
    responses=table_responses() | error_responses(404, 406),
)
async def read_changes(
    request: Request, key: ReadKey, form: NegotiatedFormat, query: Annotated[ChangesQuery, Query()]
) -> Response:
    """Read why forecasts changed since the publication before, by store, department and week."""
    selection = selection_of(CHANGES, query, ("store", "department"), query.sort, form)
    return await read_page(request, key, selection, query)


def _to_change(row: RowMapping) -> dict[str, object]:
    causes = {cause: row[cause] for cause in CAUSES}
    return {name: row[name] for name in FIELDS} | {"causes": causes}


CHANGES = View("changes", schema.forecast_changes, _to_change, columns_of(ForecastChange), about_run)
