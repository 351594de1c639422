"""Turnover: the sheet of the planners' workbook that says how to read the others."""

from __future__ import annotations

import pandas as pd

from sales_forecast.models.turnover import TurnoverPackage
from sales_forecast.registry.serving import ServingModel
from sales_forecast.reporting.workbook import Sheet

SAME = 0.005
"""A level this close to the present one, as a ratio, is shown as no change."""


def read_me(
    serving: ServingModel[TurnoverPackage],
    panel: pd.DataFrame,
    last_year_table: pd.DataFrame,
    earlier: pd.DataFrame,
    large: float,
) -> Sheet:
    """Say what the workbook holds, from which data, and how ranges and comparisons are meant.

    Args:
        serving: The model that made the forecasts.
        panel: Gap-free weekly turnover.
        last_year_table: As ``compare_with_last_year`` returns it.
        earlier: Forecasts of the last publication from older data; may be empty.
        large: Relative change that is coloured.
    """
    weeks = last_year_table["week"]
    said = {
        "what it is": "Forecasts of weekly turnover, in currency units, for the weeks of "
        f"{weeks.min():%Y-%m-%d} to {weeks.max():%Y-%m-%d}. A week is named by its first day.",
        "from which data": f"Turnover up to the week of {panel['week'].max():%Y-%m-%d}. Model: "
        f"{serving.package.model.name}, version {serving.version} of {serving.name}, made from data version "
        f"{serving.data_version}.",
        "weeks": "One row for each store, department and week.",
        "by week": "The same forecasts with one column a week. The last row is the sum of the rows that the "
        "filter shows: a formula (SUBTOTAL). All other cells are numbers.",
        "hours": "Hours to plan in each week, in whole shifts, for 'turnover to staff for', which is a high "
        "quantile of turnover if a missing hour costs more than an idle one. Hours of sums are added up.",
        "stores, regions, departments, all stores": "Sums, one row for each week, with ranges of their own.",
        "the 80 % range": "In 8 of 10 weeks turnover should lie between '80 % from' and '80 % to', in one "
        "below and in one above. Ranges cannot be added: stores partly even out, so the range of a sum is "
        "narrower. Take it from the sheet of that sum.",
        "same week last year": f"What was sold 52 weeks before{_levels(last_year_table)} It is blank where "
        "the series was not there. 'against last year' compares with it; in sums, only what was there in "
        "both years.",
        "last forecast": "What was published last, from older data, for the same week."
        if len(earlier)
        else "Nothing was published before from older data, so these columns are empty.",
        "planned": "A planner's number where one counted when this workbook was made; hours follow it, and "
        "forecasts and ranges stay those of the model. Blank where nothing was overridden.",
        "overrides": "To be filled in and sent back: 'planned' or 'per cent', and a reason. Rows that stay "
        "empty change nothing. 'sales-forecast overrides import FILE' reads this sheet out of the workbook.",
        "colours": f"A change of {large:.0%} or more: blue is up, orange is down.",
        "names": "Stores and departments are numbers if all of them are whole numbers, else text. Regions "
        "are text. A name that begins with = or + is text, not a formula.",
    }
    table = pd.DataFrame({"about": list(said), "what to know": list(said.values())})
    return Sheet("read me", table, {"what to know": "words"}, filtered=False)


def _levels(last_year_table: pd.DataFrame) -> str:
    """Which departments' last year is not shown as it was sold; the end of a sentence."""
    sold = last_year_table[last_year_table["last_year_sold"] > 0]
    factors = (sold["last_year"] / sold["last_year_sold"]).groupby(sold["department"]).agg(["min", "max"])
    shifted = factors[(factors - 1).abs().max(axis=1) > SAME]
    if shifted.empty:
        return "."
    times = [f"{department} ({_times(row['min'], row['max'])})" for department, row in shifted.iterrows()]
    return (
        ", brought to today's level where the level of all stores has jumped since: department "
        f"{', '.join(times)}. 'last year, as sold' has the numbers as they are in the books."
    )


def _times(least: float, most: float) -> str:
    """A factor, or the two ends if it changes on the way."""
    return f"times {least:.2f}" if most - least < SAME else f"times {least:.2f} to {most:.2f}"
