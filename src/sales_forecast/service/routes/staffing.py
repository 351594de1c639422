"""How many hours each store and department needs in the weeks ahead."""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy import RowMapping
from starlette.concurrency import run_in_threadpool

from sales_forecast.forecasting.intervals.conformal import QUANTILES
from sales_forecast.forecasting.panel.matrix import ROW_KEYS
from sales_forecast.planning.staffing import StaffingRule
from sales_forecast.planning.staffing_plan import numbers_of
from sales_forecast.service.cache import View
from sales_forecast.service.dependencies import ReadKey, ServiceDep
from sales_forecast.service.negotiation import NegotiatedFormat, table_responses
from sales_forecast.service.plan_costs import spend_on_plan
from sales_forecast.service.problems import ProblemError, error_responses
from sales_forecast.service.published import NOTHING_OVERRIDDEN, Overridden
from sales_forecast.service.routes.pages import about_run, read_page, selection_of
from sales_forecast.service.schemas.staffing import Staffing, StaffingHours, StaffingQuery
from sales_forecast.service.tables import columns_of
from sales_forecast.storage import schema
from sales_forecast.storage.queries import Run
from sales_forecast.storage.rows import RowFilter
from sales_forecast.storage.staffing import PublishedRule

router = APIRouter()


@router.get(
    "/v1/turnover/staffing",
    response_model=Staffing,
    responses=table_responses() | error_responses(404, 406),
)
async def read_staffing(
    request: Request,
    key: ReadKey,
    service: ServiceDep,
    form: NegotiatedFormat,
    query: Annotated[StaffingQuery, Query()],
) -> Response:
    """Read the hours to plan, from the published quantiles, the planners' numbers and the staffing rules."""
    rules = await service.staffing_rules.read()
    run = await service.cache.newest("turnover", query.as_of)
    basis = await run_in_threadpool(service.published.basis, run, query.as_of)
    overridden = NOTHING_OVERRIDDEN
    if service.published.has(basis):
        overridden = await run_in_threadpool(service.published.overridden, basis)
    elif basis.overrides:
        await spend_on_plan(request, key, run)
        overridden = await service.computations.run(key.key_id, service.published.overridden, basis)
    selection = selection_of(_view_of(rules, overridden), query, ("store", "department"), query.sort, form)
    return await read_page(request, key, selection, query, run)


@lru_cache(maxsize=8)  # a view is equal to itself only, and its pages are kept
def _view_of(published: tuple[PublishedRule, ...], overridden: Overridden) -> View:
    """Make the view of published forecasts that shows the hours by these rules and planners' numbers."""
    rules = {each.department: each.rule for each in published}
    listed = [
        {"department": each.department, **each.rule.model_dump(), "source": each.source} for each in published
    ]

    def to_hours(row: RowMapping) -> dict[str, object]:
        return _to_hours(row, rules, overridden)

    def about(run: Run, chosen: RowFilter) -> dict[str, object]:
        return about_run(run, chosen) | {"rules": listed}

    columns = columns_of(StaffingHours)
    version = repr(published) + overridden.version
    return View("staffing", schema.forecasts, to_hours, columns, about, version=version)


def _to_hours(row: RowMapping, rules: dict[str, StaffingRule], overridden: Overridden) -> dict[str, object]:
    """Plan the hours of a published forecast.

    Raises:
        ProblemError: It has no quantiles, or its department has no rule any more.
    """
    quantiles = {name: row[name] for name in QUANTILES}
    if None in quantiles.values():
        detail = (
            f"publication {row['run']} is from before forecasts had quantiles, so no hours follow from it"
        )
        raise ProblemError(404, f"{detail}; ask for a later one", "query.as_of")
    rule = rules.get(row["department"])
    if rule is None:
        detail = f"department '{row['department']}' is not in the newest publication, which has the rules"
        raise ProblemError(404, f"{detail}; name other departments", "query.department")
    keys = {name: row[name] for name in (*ROW_KEYS, "horizon")}
    without = (row["forecast"], 1.0, None)
    planned, factor, number = overridden.rows.get((row["store"], row["department"], row["week"]), without)
    numbers = {name: float(value) for name, value in numbers_of(quantiles, rule, factor, planned).items()}
    found = keys | numbers | {"shifts": int(numbers["shifts"]), "planned": planned, "override": number}
    return {name: found[name] for name in StaffingHours.model_fields}
