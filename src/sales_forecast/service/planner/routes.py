"""Addresses of the pages for planners."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, Request, Response

from sales_forecast.service.planner.accuracy import how_right_how_honest
from sales_forecast.service.planner.downloads import hours_file, hours_workbook, plan_file, plan_workbook
from sales_forecast.service.planner.drafts import show_draft
from sales_forecast.service.planner.exceptions import answer
from sales_forecast.service.planner.frame import act, receive, show
from sales_forecast.service.planner.overrides import change, overrides, preview
from sales_forecast.service.planner.page_costs import (
    of_plan,
    of_plan_and_value,
    of_planners_numbers,
    of_table,
)
from sales_forecast.service.planner.saved_scenarios import compared, ids_of, scenario
from sales_forecast.service.planner.series import series
from sales_forecast.service.planner.sheets import send, sheet, text_file, workbook
from sales_forecast.service.planner.staffing import staffing
from sales_forecast.service.planner.stores import stores
from sales_forecast.service.planner.this_week import this_week
from sales_forecast.service.planner.what_if import ask, show_asked, what_if

router = APIRouter(prefix="/planner", include_in_schema=False)


@router.get("")
async def read_this_week(request: Request) -> Response:
    """Show what deserves a planner's eye, and the sums of the weeks ahead."""
    return await show(request, this_week, of_planners_numbers)


@router.post("")
async def answer_exception(request: Request) -> Response:
    """Accept an exception, assign it to somebody, or take such an answer back."""
    return await act(request, "plan", answer)


@router.get("/stores")
async def read_stores(request: Request) -> Response:
    """Show the list of stores, and search in it."""
    return await show(request, stores)


@router.get("/series")
async def read_series(request: Request) -> Response:
    """Show one department of a store."""
    return await show(request, series, of_plan)


@router.get("/staffing")
async def read_staffing(request: Request) -> Response:
    """Show how many hours the weeks ahead need, and why."""
    return await show(request, staffing, of_plan)


@router.get("/staffing.csv")
async def read_staffing_file(request: Request) -> Response:
    """Return the hours as a file."""
    return await receive(request, "read", hours_file)


@router.get("/plan.csv")
async def read_plan_file(request: Request) -> Response:
    """Return the forecasts with the planners' numbers beside them as a file."""
    return await receive(request, "read", plan_file)


@router.get("/staffing.xlsx")
async def read_staffing_workbook(request: Request) -> Response:
    """Return the hours as a workbook."""
    return await receive(request, "read", hours_workbook)


@router.get("/plan.xlsx")
async def read_plan_workbook(request: Request) -> Response:
    """Return the same as a workbook, with last year and the hours."""
    return await receive(request, "read", plan_workbook)


@router.get("/overrides")
async def read_overrides(request: Request) -> Response:
    """Show planners' numbers, the form for a new one with what it changes, and what past ones were worth."""
    if "preview" in request.query_params:
        return await act(request, "plan", preview)
    return await show(request, overrides, of_plan_and_value)


@router.post("/overrides")
async def change_overrides(request: Request) -> Response:
    """Lead to what an override would change, store it, or withdraw one."""
    return await act(request, "plan", change, show_draft)


@router.get("/overrides/sheet")
async def read_sheet(request: Request) -> Response:
    """Show how many overrides are made at once."""
    return await show(request, sheet)


@router.post("/overrides/sheet")
async def send_sheet(request: Request) -> Response:
    """Check a sheet that was filled in, or store its overrides."""
    return await act(request, "plan", send)


@router.get("/overrides/sheet.xlsx")
async def read_workbook(request: Request) -> Response:
    """Return the sheet to fill in as a workbook."""
    return await receive(request, "read", workbook)


@router.get("/overrides/sheet.csv")
async def read_text_file(request: Request) -> Response:
    """Return the sheet to fill in as CSV."""
    return await receive(request, "read", text_file)


@router.get("/what-if")
async def read_what_if(request: Request) -> Response:
    """Show the form that asks what another plan would bring, and the scenarios that are saved."""
    return await show(request, what_if)


@router.post("/what-if")
async def ask_what_if(request: Request) -> Response:
    """Answer a scenario, save it if it has a name, or delete one."""
    return await act(request, "read", ask, show_asked)


@router.get("/what-if/compare")
async def compare_scenarios(request: Request) -> Response:
    """Show saved scenarios side by side."""
    return await show(request, lambda visit: compared(visit, ids_of(request)), of_table)


@router.get("/what-if/{scenario_id:uuid}")
async def read_scenario(request: Request, scenario_id: UUID) -> Response:
    """Show a saved scenario with its answer."""
    return await show(request, lambda visit: scenario(visit, scenario_id), of_table)


@router.get("/accuracy")
async def read_accuracy(request: Request) -> Response:
    """Show how right and how honest the forecasts were, and which model makes them."""
    return await show(request, how_right_how_honest, of_table)
