"""One department of a store: what is forecast for it and why, and how right that was before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import pandas as pd
from sqlalchemy import Connection, RowMapping, select

from sales_forecast.errors import InputError
from sales_forecast.forecasting.panel.matrix import WEEKS_PER_YEAR
from sales_forecast.planning.overrides import Override
from sales_forecast.service.planner.addresses import (
    address,
    overrides_address,
    series_address,
    staffing_address,
    stores_address,
)
from sales_forecast.service.planner.charts import draw_series, draw_waterfall
from sales_forecast.service.planner.exceptions import outlook_of, reason_told
from sales_forecast.service.planner.frame import Page, Visit
from sales_forecast.service.planner.overrides import REASONS_TOLD
from sales_forecast.service.planner.own_stores import own_stores
from sales_forecast.service.planner.past import compare_with_last_year, how_right, similar_weeks
from sales_forecast.service.planner.queries import chosen_week, find_store
from sales_forecast.service.planner.reasons import CHANCES, causes_of, parts_of, within_words
from sales_forecast.service.planner.staffing import SeriesHours, hours_of_series
from sales_forecast.storage import schema
from sales_forecast.storage.queries import Run
from sales_forecast.storage.series import Scored, scored_weeks, series_rows, turnover_of

HISTORY = timedelta(weeks=2 * WEEKS_PER_YEAR)
YEAR = timedelta(weeks=WEEKS_PER_YEAR)

MOST_OPTIONS = 500
"""Stores that the picker suggests while somebody types; with more of them the search is on the server."""

SHOWN_SCORES = 12


@dataclass(frozen=True)
class Ahead:
    """A week ahead, in currency units.

    Args:
        row: Row of ``schema.forecasts``.
        last_year: What was sold in the same week of last year; None where nothing was recorded.
        before: What the publication before said; None where it said nothing.
        address: The page with this week shown large.
        plan: The planner's number beside the forecast; None where there is none.
        hours: Hours to plan; None where no rule is published.
    """

    row: RowMapping
    last_year: float | None
    before: float | None
    address: str
    plan: PlannersNumber | None
    hours: SeriesHours | None


@dataclass(frozen=True)
class PlannersNumber:
    """A planner's number beside a forecast.

    Args:
        planned: Turnover in currency units per week.
        lo_80: Lower end of its 80 % range: that of the forecast, scaled as the forecast was.
        hi_80: Upper end of it.
        override: Number of the override.
        reason: Why, in words.
        note: In the planner's words; may be empty.
        made_by: Who has made it.
    """

    planned: float
    lo_80: float
    hi_80: float
    override: int
    reason: str
    note: str
    made_by: str


@dataclass(frozen=True)
class Known:
    """What the database holds of a series; see ``storage.series``."""

    forecasts: Sequence[RowMapping]
    changes: Mapping[date, RowMapping]
    turnover: Mapping[date, float]
    scored: Sequence[Scored]
    exception: RowMapping | None


def series(visit: Visit) -> Page:
    """Collect what the page of a series shows; of one that is not there, the form that asks for another one.

    Raises:
        ProblemError: There is no such week.
    """
    directory, query = visit.service.facts.directory(visit.run), visit.query
    asked, department = query.get("store", ""), query.get("department", "")
    store = find_store(directory, asked)
    asked = store.store if store is not None else asked
    picker: dict[str, object] = {
        "directory": directory,
        "suggested": directory.stores if len(directory.stores) <= MOST_OPTIONS else (),
        "store": asked,
        "department": department,
        "place": store,
    }
    if store is None or department not in store.departments:
        content = picker | {"search": stores_address(q=asked), "own": own_stores(visit, directory)}
        status = 404 if asked else 200
        return Page("picker.html.jinja", "Store and department", "/planner/stores", content, status=status)
    with visit.service.engine.connect() as connection:
        known = _read(connection, visit.run, asked, department)
    week = chosen_week(query, [row["week"] for row in known.forecasts])
    content = picker | _numbers(known, asked, department, week, _planned(visit, asked, department))
    content |= {
        "may_plan": visit.may_plan and visit.session.key.territory.has(asked, store.region),
        "correct": overrides_address(store=asked, department=department, week=week.isoformat()) + "#new",
        "csv": address("/planner/plan.csv", {"store": asked, "department": department}),
        "staffing": staffing_address(store=asked, department=department),
    }
    title = f"Store {asked}, department {department}"
    return Page("series.html.jinja", title, "/planner/stores", content, charts=True)


def _read(connection: Connection, run: Run, store: str, department: str) -> Known:
    forecasts = series_rows(connection, schema.forecasts, run, store, department)
    changes = series_rows(connection, schema.forecast_changes, run, store, department)
    table = schema.planner_exceptions
    own = (table.c.run == run.id, table.c.store == store, table.c.department == department)
    since = forecasts[0]["week"] - YEAR
    return Known(
        forecasts=forecasts,
        changes={row["week"]: row for row in changes},
        turnover=turnover_of(connection, run.retailer, store, department),
        scored=scored_weeks(connection, run.retailer, store, department, since),
        exception=connection.execute(select(table).where(*own)).mappings().first(),
    )


Planned = Mapping[date, tuple[PlannersNumber | None, SeriesHours | None]]
"""Week -> the planner's number, and the hours to plan."""


def _planned(visit: Visit, store: str, department: str) -> Planned:
    published = visit.service.published
    made = {one.id: one for one in published.basis(visit.run).overrides}
    plan = published.plan(visit.run)
    rows = plan[(plan["store"] == store) & (plan["department"] == department)]
    try:
        hours = hours_of_series(visit, store, department)
    except InputError:  # the page about staffing says why there are none
        hours = {}
    planned = rows[rows["override"].isin(made)].to_dict("records")
    numbers = {row["week"]: _planners_number(row, made[row["override"]]) for row in planned}
    return {week: (numbers.get(week), hours.get(week)) for week in rows["week"]}


def _planners_number(row: Mapping[Any, Any], override: Override) -> PlannersNumber:
    asked = override.correction
    return PlannersNumber(
        planned=row["planned"],
        lo_80=row["planned_lo_80"],
        hi_80=row["planned_hi_80"],
        override=override.id,
        reason=REASONS_TOLD.get(asked.reason, asked.reason),
        note=asked.note,
        made_by=override.name,
    )


def _numbers(known: Known, store: str, department: str, week: date, planned: Planned) -> dict[str, object]:
    ahead = [
        Ahead(
            row,
            known.turnover.get(row["week"] - YEAR),
            known.changes[row["week"]]["before"] if row["week"] in known.changes else None,
            series_address(store, department, row["week"]),
            *planned.get(row["week"], (None, None)),
        )
        for row in known.forecasts
    ]
    one = next(each for each in ahead if each.row["week"] == week)
    last_year = {each.row["week"]: each.last_year for each in ahead if each.last_year is not None}
    since = known.forecasts[0]["week"] - HISTORY
    history = {each: sold for each, sold in known.turnover.items() if each >= since}
    change = known.changes.get(week)
    causes = causes_of(change) if change is not None else {}
    return {
        "ahead": ahead,
        "one": one,
        "until": week + timedelta(days=6),
        "history": history,
        "chart": draw_series(history, known.forecasts, last_year, week, _planned_weeks(ahead)),
        "parts": parts_of(one.row),
        "chances": {1 - at: one.row[name] for name, at in CHANCES.items() if one.row[name] is not None},
        "change": change,
        "causes": causes,
        "causes_told": within_words(causes),
        "waterfall": draw_waterfall(change["before"], causes, change["after"])
        if change is not None
        else None,
        "similar": similar_weeks(known.turnover, week),
        "right": how_right(known.scored),
        "scored": known.scored[:SHOWN_SCORES],
        "recently": compare_with_last_year(known.turnover, known.forecasts[0]["week"]),
        "is_first": not known.changes,
        "has_before": any(each.before is not None for each in ahead),
        "exception": _exception(known, ahead),
    }


def _planned_weeks(ahead: Sequence[Ahead]) -> dict[date, float]:
    return {each.row["week"]: each.plan.planned for each in ahead if each.plan is not None}


def _exception(known: Known, ahead: Sequence[Ahead]) -> dict[str, object] | None:
    """Why the series is listed as an exception, and the weeks whose money is at risk; None if it is not."""
    row = known.exception
    if row is None:
        return None
    weeks = pd.DataFrame([{**each.row, "last_year": each.last_year} for each in ahead])
    outlook = outlook_of(weeks.astype({"last_year": float}), row["money_at_risk"])
    told = reason_told(row, "of all stores")
    return {"reason": told, "money_at_risk": row["money_at_risk"], "outlook": outlook}
