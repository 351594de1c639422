"""The plan: stored forecasts with the planners' numbers beside them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import pandas as pd
from fastapi import APIRouter, Query, Request, Response

from sales_forecast.service.dependencies import ReadKey, Service, ServiceDep
from sales_forecast.service.negotiation import NegotiatedFormat, table_responses
from sales_forecast.service.plan_costs import spend_on_plan
from sales_forecast.service.problems import ProblemError, error_responses
from sales_forecast.service.routes.pages import about_run, answer_rows
from sales_forecast.service.schemas.plan import Plan, PlannedRow, PlanQuery
from sales_forecast.service.tables import columns_of
from sales_forecast.storage.queries import Run
from sales_forecast.storage.rows import RowFilter

router = APIRouter()

KEYS = ("store", "department", "week", "horizon")
COLUMNS = {name: columns_of(PlannedRow)[name] for name in dict.fromkeys((*KEYS, *columns_of(PlannedRow)))}


@router.get("/v1/turnover/plan", response_model=Plan, responses=table_responses() | error_responses(404, 406))
async def read_plan(
    request: Request,
    key: ReadKey,
    service: ServiceDep,
    form: NegotiatedFormat,
    query: Annotated[PlanQuery, Query()],
) -> Response:
    """Read the model's forecasts, the planners' numbers beside them, and which override each is from."""
    run = await service.cache.newest("turnover", query.as_of)
    await spend_on_plan(request, key, run)
    rows = await service.computations.run(key.key_id, _read, service, run, query)
    return await answer_rows(
        *(request, key, query, "plan", rows, COLUMNS, form),
        limit=query.limit,
        offset=query.offset,
        about=about_run(run, RowFilter()),
    )


def _read(service: Service, run: Run, query: PlanQuery) -> pd.DataFrame:
    """The fields of the response, a row per series and week.

    Raises:
        ProblemError: Nothing is forecast for what is named.
    """
    rows = service.published.plan(run, query.as_of)
    chosen = _chosen(rows, query)
    named = query.model_dump(mode="json", include={*KEYS, "week_from", "week_to"}, exclude_defaults=True)
    if chosen.empty and named:
        raise ProblemError(404, f"no forecast is stored for {_words(named)}", _field(named))
    if query.overridden:
        chosen = chosen[chosen["override"].notna()]
    return _sorted(chosen, query.sort)[list(COLUMNS)]


def _chosen(rows: pd.DataFrame, query: PlanQuery) -> pd.DataFrame:
    for name in ("store", "department", "horizon"):
        if wanted := getattr(query, name):
            rows = rows[rows[name].isin(wanted)]
    if query.week_from is not None:
        rows = rows[rows["week"] >= query.week_from]
    return rows if query.week_to is None else rows[rows["week"] <= query.week_to]


def _sorted(rows: pd.DataFrame, sort: Sequence[str]) -> pd.DataFrame:
    """Sort rows, which are in the order of ``KEYS``."""
    if not sort:
        return rows
    names = dict.fromkeys((*sort, *KEYS))
    by = [name.removeprefix("-") for name in names]
    return rows.sort_values(by, ascending=[not name.startswith("-") for name in names], ignore_index=True)


def _words(named: dict[str, object]) -> str:
    lists = {name: value if isinstance(value, list) else [value] for name, value in named.items()}
    return ", ".join(f"{name} {', '.join(map(str, values))}" for name, values in lists.items())


def _field(named: dict[str, object]) -> str | None:
    return f"query.{next(iter(named))}" if len(named) == 1 else None
