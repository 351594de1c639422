"""Turnover: how many people the coming weeks need."""

from __future__ import annotations

import logging

import pandas as pd

from sales_forecast.models.turnover import TurnoverPackage
from sales_forecast.planning import timesheets as of_timesheets
from sales_forecast.planning.planned import planned_rows
from sales_forecast.planning.staffing import StaffingParams, rules_of
from sales_forecast.planning.staffing_plan import plan_hours
from sales_forecast.registry.serving import ServingModel
from sales_forecast.storage.overrides_dataset import RecordedOverrides

logger = logging.getLogger(__name__)

MOSTLY_MINIMUM = 0.9
"""Share of weeks that need no more than the minimum cover, above which the productivity is doubtful."""


def estimate_staffing_rules(
    timesheets: pd.DataFrame, panel: pd.DataFrame, staffing: StaffingParams
) -> pd.DataFrame:
    """Make the staffing rule of each department, see ``planning.timesheets.estimate_rules``.

    Args:
        timesheets: ``store, department, week, hours``; may be empty.
        panel: Gap-free weekly turnover.
        staffing: Configured rules.

    Returns:
        ``planning.staffing.RULE_COLUMNS``, one row per department.
    """
    return of_timesheets.estimate_rules(timesheets, panel, staffing)


def plan_staffing(
    forecasts: pd.DataFrame,
    staffing_rules: pd.DataFrame,
    stores: pd.DataFrame,
    overrides: RecordedOverrides,
    serving: ServingModel[TurnoverPackage],
) -> pd.DataFrame:
    """Plan the hours of every store, department and week, see ``planning.staffing_plan.plan_hours``.

    Args:
        forecasts: As they are published, with quantiles.
        staffing_rules: As ``estimate_staffing_rules`` returns them.
        stores: Regions.
        overrides: Planners' numbers, which the hours follow.
        serving: Says whose forecasts they are.
    """
    active = overrides.active(serving.retailer, forecasts["week"].min().date())
    regions = forecasts["store"].map(stores.set_index("store")["region"])
    plan = plan_hours(planned_rows(forecasts.assign(region=regions), active), rules_of(staffing_rules))
    share = (plan["fixed_hours"] + plan["variable_hours"] <= plan["minimum_cover_hours"]).mean()
    if share > MOSTLY_MINIMUM:
        logger.warning(
            "Staffing: in %.0f %% of the weeks ahead the minimum cover decides, whatever is sold. Is "
            "turnover.staffing.default.productivity in the units of your turnover? See docs/staffing.md.",
            100 * share,
        )
    return plan
