"""Stored forecasts: the newest ones, or those of an earlier time."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response
from sqlalchemy import RowMapping

from sales_forecast.service.cache import Selection, View
from sales_forecast.service.dependencies import ReadKey
from sales_forecast.service.negotiation import NegotiatedFormat, table_responses
from sales_forecast.service.problems import error_responses
from sales_forecast.service.routes.pages import about_run, read_page, selection_of
from sales_forecast.service.schemas.queries import CurveQuery, LevelQuery, StoredQuery
from sales_forecast.service.schemas.requests import MAX_ROWS, LevelName
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
from sales_forecast.service.tables import columns_of
from sales_forecast.storage import schema
from sales_forecast.storage.queries import Run
from sales_forecast.storage.rows import RowFilter

router = APIRouter()

FORECAST_FIELDS = [name for name in StoredForecast.model_fields if name not in ("explanation", "quantiles")]
EXPLANATION_FIELDS = list(Explanation.model_fields)
LEVEL_FIELDS = list(LevelForecast.model_fields)
CURVE_FIELDS = list(CurvePoint.model_fields)


@router.get(
    "/v1/turnover/forecasts",
    response_model=StoredForecasts,
    responses=table_responses() | error_responses(404, 406),
)
async def read_forecasts(
    request: Request, key: ReadKey, form: NegotiatedFormat, query: Annotated[StoredQuery, Query()]
) -> Response:
    """Read forecasts of stores and departments, with prediction intervals and explanations."""
    view = FORECASTS_WITH_QUANTILES if query.quantiles else FORECASTS
    selection = selection_of(view, query, ("store", "department"), query.sort, form)
    return await read_page(request, key, selection, query)


@router.get(
    "/v1/turnover/forecasts/levels/{level}",
    response_model=LevelForecasts,
    responses=table_responses() | error_responses(404, 406),
)
async def read_level(
    request: Request,
    key: ReadKey,
    form: NegotiatedFormat,
    level: Annotated[LevelName, Path(description="What is summed over.")],
    query: Annotated[LevelQuery, Query()],
) -> Response:
    """Read forecasts of sums over departments, regions, zones or all, with their own prediction intervals."""
    where = {"level": (level.replace("_", " "),)}
    selection = selection_of(LEVELS, query, ("key", "department"), query.sort, form, where)
    return await read_page(request, key, selection, query)


@router.get("/v1/marketing/curve", response_model=BudgetCurve, responses=error_responses(404))
async def read_curve(request: Request, key: ReadKey, query: Annotated[CurveQuery, Query()]) -> Response:
    """Read predicted sales against TV budget, with marginal sales and the recommended budget."""
    return await read_page(request, key, Selection(CURVE, RowFilter(), MAX_ROWS, 0), query)


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


def _about_level(run: Run, chosen: RowFilter) -> dict[str, object]:
    (level,) = chosen.given["level"]
    return about_run(run, chosen) | {"level": level.replace(" ", "_")}


def _about_curve(run: Run, chosen: RowFilter) -> dict[str, object]:
    return about_run(run, chosen) | {"recommendation": run.summary}


FORECASTS = View("forecasts", schema.forecasts, _to_forecast, columns_of(StoredForecast), about_run)
FORECASTS_WITH_QUANTILES = View(
    "forecasts",
    schema.forecasts,
    _to_forecast_with_quantiles,
    columns_of(StoredForecast, {"quantiles": QUANTILE_KEYS.values()}),
    about_run,
)
LEVELS = View("forecasts", schema.level_forecasts, _to_level, columns_of(LevelForecast), _about_level)
CURVE = View("curve", schema.budget_curves, _to_point, columns_of(CurvePoint), _about_curve)
