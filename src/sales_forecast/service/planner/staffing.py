"""How many hours each store and department needs, why, and what other ways to plan would have cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import pandas as pd

from sales_forecast.errors import InputError
from sales_forecast.service.planner.addresses import (
    address,
    overrides_address,
    series_address,
    staffing_address,
)
from sales_forecast.service.planner.frame import Page, Visit
from sales_forecast.service.planner.queries import page_number
from sales_forecast.service.planner.staffing_words import (
    costs_told,
    cover_told,
    made_of,
    planned_for_told,
    rules_told,
)
from sales_forecast.storage.directory import Directory, in_order
from sales_forecast.storage.staffing import PublishedRule, staffing_rules

STORES_A_PAGE = 50

FIELDS = ("store", "department", "mine")
"""Fields of the form that narrow the hours down."""


@dataclass(frozen=True)
class WeekHours:
    """Hours of one week, of all that is chosen.

    Args:
        week: First day of the week.
        hours: Hours to plan.
        shifts: Number of shifts.
        last_year: Hours that last year's turnover of the same week would need; None where it is not known.
        same: Hours to plan for those departments whose turnover of last year is known.
    """

    week: date
    hours: float
    shifts: int
    last_year: float | None
    same: float | None

    @property
    def is_whole(self) -> bool:
        """Whether last year's turnover is known of all, or of none."""
        return self.same in (None, self.hours)


@dataclass(frozen=True)
class SeriesHours:
    """Hours of one department of a store in one week.

    Args:
        department: Label of the department.
        week: First day of the week.
        planned: Planned turnover, in currency units.
        turnover: Turnover that hours are planned for, in currency units.
        made_of: What the hours are made of, in words.
        hours: Hours to plan.
        shifts: Number of shifts.
        last_year: Hours that last year's turnover would need; None where it is not known.
        override: Number of the override that the hours follow; None where they follow the forecast.
        address: Page of the series in this week.
        correct: Page that corrects the forecast.
    """

    department: str
    week: date
    planned: float
    turnover: float
    made_of: str
    hours: float
    shifts: int
    last_year: float | None
    override: int | None
    address: str
    correct: str


def staffing(visit: Visit) -> Page:
    """Collect what the page shows."""
    facts, query = visit.service.facts, visit.query
    directory = facts.directory(visit.run)
    given = {name: query.get(name, "") for name in FIELDS}
    content: dict[str, object] = {
        "directory": directory,
        "given": given,
        "has_territory": visit.session.key.territory.is_limited,
        "problem": "",
    }
    title, template = "Staffing", "staffing.html.jinja"
    try:
        rows = chosen_hours(visit, directory)
    except InputError as error:
        return Page(template, title, "/planner/staffing", content | {"problem": f"{error}"}, status=404)
    with visit.service.engine.connect() as connection:
        rules = staffing_rules(connection, visit.run.retailer)
    departments = set(rows["department"])
    content |= {
        "rules": rules_told(each for each in _ordered(rules) if each.department in departments),
        "weeks": _weeks(rows),
        "cover": cover_told(rows),
        "planned_for": planned_for_told(rows["quantile"]),
        "of_store": _by_week(_of_store(rows, query["store"])) if "store" in query else (),
        "csv": address("/planner/staffing.csv", given),
        "workbook": address("/planner/staffing.xlsx", given),
        "costs": costs_told(facts.past_costs(visit.run)),
    }
    content |= {"by_store": None} if "store" in query else _by_store(rows, given, page_number(query))
    return Page(template, title, "/planner/staffing", content)


def chosen_hours(visit: Visit, directory: Directory) -> pd.DataFrame:
    """Return the hours of the stores and departments that the form names, see ``storage.hours.read_hours``.

    Raises:
        InputError: There are no hours, or none of what is named.
    """
    rows, query, territory = _hours(visit), visit.query, visit.session.key.territory
    for name in ("store", "department"):
        if name in query:
            rows = rows[rows[name] == query[name]]
    if "mine" in query:
        own = {one.store for one in directory.stores.values() if territory.has(one.store, one.region)}
        rows = rows[rows["store"].isin(own)]
    if rows.empty:
        named = ", ".join(f"{name} {query[name]}" for name in ("store", "department") if name in query)
        raise InputError(f"no hours are planned for {named or 'stores of yours'}; choose another one")
    return rows


def _hours(visit: Visit) -> pd.DataFrame:
    return visit.service.facts.hours(visit.service.published.basis(visit.run))


def hours_of_series(visit: Visit, store: str, department: str) -> Mapping[date, SeriesHours]:
    """Return the hours of a series by week.

    Raises:
        InputError: There are none.
    """
    rows = _hours(visit)
    own = rows[(rows["store"] == store) & (rows["department"] == department)]
    return {one.week: one for one in _of_store(own, store)}


def _ordered(rules: Sequence[PublishedRule]) -> list[PublishedRule]:
    return sorted(rules, key=lambda each: in_order(each.department))


def _weeks(rows: pd.DataFrame) -> list[WeekHours]:
    known = rows.assign(same=rows["hours"].where(rows["last_year_hours"].notna()))
    names = ["hours", "shifts", "last_year_hours", "same"]
    sums = known.groupby("week", sort=True)[names].sum(min_count=1)
    return [
        WeekHours(week, hours, int(shifts), *(None if pd.isna(one) else one for one in others))
        for week, hours, shifts, *others in sums.itertuples(name=None)
    ]


def _of_store(rows: pd.DataFrame, store: str) -> list[SeriesHours]:
    found = [_series_hours(row, store) for row in rows.to_dict("records")]
    return sorted(found, key=lambda one: (in_order(one.department), one.week))


def _by_week(found: Sequence[SeriesHours]) -> list[tuple[date, list[SeriesHours]]]:
    """Group the hours of a store by week, its departments in the order of their labels."""
    weeks = sorted({one.week for one in found})
    return [(week, [one for one in found if one.week == week]) for week in weeks]


def _series_hours(row: Mapping[Any, Any], store: str) -> SeriesHours:
    values: dict[str, Any] = {f"{name}": None if pd.isna(one) else one for name, one in row.items()}
    week, department = values["week"], values["department"]
    return SeriesHours(
        **{name: values[name] for name in ("planned", "turnover", "hours", "shifts", "override")},
        department=department,
        week=week,
        made_of=made_of(values),
        last_year=values["last_year_hours"],
        address=series_address(store, department, week),
        correct=overrides_address(store=store, department=department, week=week.isoformat()) + "#new",
    )


def _by_store(rows: pd.DataFrame, given: Mapping[str, str], number: int) -> dict[str, object]:
    """Hours of each store by week, a page of them, in the order of their labels."""
    hours = rows.pivot_table(index="store", columns="week", values="hours", aggfunc="sum", sort=True)
    stores = sorted(hours.index, key=in_order)
    pages = max(1, -(-len(stores) // STORES_A_PAGE))
    number = min(number, pages)
    first = (number - 1) * STORES_A_PAGE
    shown = hours.reindex(stores[first : first + STORES_A_PAGE]).fillna(0.0)
    return {
        "by_store": [
            (store, staffing_address(store=f"{store}"), found)
            for store, *found in shown.itertuples(name=None)
        ],
        "by_store_weeks": list(hours.columns),
        "first": first,
        "stores": len(stores),
        "before": staffing_address(**given, page=number - 1) if number > 1 else None,
        "after": staffing_address(**given, page=number + 1) if number < pages else None,
    }
