"""What pages cost beside the request, as the same costs by the API: what is kept costs nothing more."""

from __future__ import annotations

from starlette.concurrency import run_in_threadpool

from sales_forecast.service.dependencies import spend
from sales_forecast.service.plan_costs import spend_on_plan
from sales_forecast.service.planner.frame import Visit
from sales_forecast.service.routes.pages import COST_OF_A_TABLE


async def of_table(visit: Visit) -> bool:
    """Count a table that is computed each time."""
    await spend(visit.request, visit.session.key, COST_OF_A_TABLE)
    return True


async def of_plan(visit: Visit) -> bool:
    """Count a plan, unless it is kept; return whether it must be made."""
    published = visit.service.published
    if published.has(await run_in_threadpool(published.basis, visit.run)):
        return False
    await spend_on_plan(visit.request, visit.session.key, visit.run)
    return True


async def of_planners_numbers(visit: Visit) -> bool:
    """Count a plan likewise, if there are planners' numbers at all."""
    basis = await run_in_threadpool(visit.service.published.basis, visit.run)
    return bool(basis.overrides) and await of_plan(visit)


async def of_plan_and_value(visit: Visit) -> bool:
    """Count a plan likewise; what overrides were worth is kept for everybody, and is not counted."""
    is_new = await of_plan(visit)
    return is_new or not await run_in_threadpool(visit.service.facts.has_value, visit.run)
