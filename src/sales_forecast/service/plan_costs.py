"""What planning costs of the units of a minute, by the time that it takes; it is counted before."""

from __future__ import annotations

from datetime import date
from math import ceil

from fastapi import Request
from starlette.concurrency import run_in_threadpool

from sales_forecast.service.dependencies import COST_OF_A_REQUEST, Service, service_of, spend
from sales_forecast.storage.keys import ApiKey
from sales_forecast.storage.override_value import count_weeks
from sales_forecast.storage.overrides import count_active
from sales_forecast.storage.queries import Run

UNITS_OF_A_PLAN = 10
"""What it costs at least to compute with all forecasts, or with all that were overridden."""

FORECASTS_OF_A_UNIT = 1500
FORECASTS_READ_OF_A_UNIT = 500
"""Forecasts of the publication that cost a unit, and those of one that must be read first."""

OVERRIDES_OF_A_UNIT = 100
"""Overrides that count for the publication and cost a unit, beside its forecasts."""

WEEKS_OF_A_UNIT = 70
"""Series and weeks that cost a unit when it is judged what overrides were worth."""


async def spend_on_plan(request: Request, key: ApiKey, run: Run) -> None:
    """Count what it costs to compute with all forecasts of a publication.

    Args:
        request: Request that is answered.
        key: API key that came with the request.
        run: The publication.

    Raises:
        ProblemError: The key has spent its units of the minute, or a minute does not have so many.
    """
    service = service_of(request)
    published = service.published
    size = await run_in_threadpool(published.size, run)
    of_a_unit = FORECASTS_OF_A_UNIT if published.keeps(run) else FORECASTS_READ_OF_A_UNIT
    active = await run_in_threadpool(_count_active, service, run)
    await _spend(request, key, size.forecasts / of_a_unit + active / OVERRIDES_OF_A_UNIT)


async def spend_on_value(request: Request, key: ApiKey, run: Run, since: date | None) -> None:
    """Count what it costs to judge the overrides of some weeks.

    Args:
        request: Request that is answered.
        key: API key that came with the request.
        run: The newest publication, whose series stand for those of earlier ones.
        since: First week; None for all.

    Raises:
        ProblemError: The key has spent its units of the minute, or a minute does not have so many.
    """
    service = service_of(request)
    weeks = await run_in_threadpool(_count_weeks, service, since)
    size = await run_in_threadpool(service.published.size, run)
    await _spend(request, key, weeks * size.series / WEEKS_OF_A_UNIT)


async def _spend(request: Request, key: ApiKey, units: float) -> None:
    await spend(request, key, max(UNITS_OF_A_PLAN, ceil(units)) - COST_OF_A_REQUEST)


def _count_active(service: Service, run: Run) -> int:
    first_week = service.published.size(run).first_week
    with service.engine.connect() as connection:
        return count_active(connection, service.retailer, first_week)


def _count_weeks(service: Service, since: date | None) -> int:
    with service.engine.connect() as connection:
        return count_weeks(connection, service.retailer, since)
