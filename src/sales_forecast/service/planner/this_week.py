"""What deserves a planner's eye this week, and what the sums say."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import pandas as pd

from sales_forecast.forecasting.panel.matrix import ROW_KEYS
from sales_forecast.planning.planned import PLANNED_COLUMNS
from sales_forecast.service.planner.addresses import series_address, stores_address
from sales_forecast.service.planner.exceptions import listed_exceptions
from sales_forecast.service.planner.frame import Page, Visit
from sales_forecast.service.planner.own_stores import own_stores
from sales_forecast.service.planner.queries import chosen_week
from sales_forecast.storage.directory import in_order
from sales_forecast.storage.totals import DEPARTMENT, REGION, TOTAL, Total, Totals


@dataclass(frozen=True)
class Line:
    """A row of a table of sums.

    Args:
        name: What it sums up: a week, a department or a region.
        address: Page with more about it; None for none.
        total: The sum.
        added: By how much planners' numbers are above the forecasts, in currency units; None without any.
    """

    name: date | str
    address: str | None
    total: Total
    added: float | None

    @property
    def is_planned(self) -> bool:
        """Whether a planner's number counts in it."""
        return self.added is not None

    @property
    def planned(self) -> float:
        """The sum with the planners' numbers in place of the forecasts that they are about."""
        return self.total.forecast + (self.added or 0.0)


@dataclass(frozen=True)
class OfPlanner:
    """A planner's number that counts for a department of a store in the week that is shown.

    Args:
        store: Label of the store.
        department: Label of the department.
        planned: The number, currency units per week.
        forecast: The forecast beside it.
        override: Number of the override.
        address: Page of the department in this week.
    """

    store: str
    department: str
    planned: float
    forecast: float
    override: int
    address: str


def this_week(visit: Visit) -> Page:
    """Collect what the first page shows: own stores, exceptions, then sums of one week by level.

    Raises:
        ProblemError: The week of the query is none of those that are forecast.
    """
    directory, totals = visit.service.facts.directory(visit.run), visit.service.facts.totals(visit.run)
    chain = totals.get((TOTAL, ""), {})
    week = chosen_week(visit.query, list(chain)) if chain else None
    own = own_stores(visit, directory)
    exceptions = listed_exceptions(visit, directory, [store.store for store in own.stores])
    published = [one for one in exceptions if one.place is not None]
    overridden = _overridden(visit)
    of_week = overridden[overridden["week"] == week]
    added = overridden.groupby("week")["added"].sum()
    content = {
        "own": own,
        "exceptions": [one for one in exceptions if one.is_own],
        "others": [one for one in exceptions if not one.is_own],
        "published": len(published),
        "chosen": next((one for one in published if one.is_chosen), None),
        "open": sum(one.answer is None for one in published),
        "may_plan": visit.may_plan,
        "has_territory": visit.session.key.territory.is_limited,
        "weeks": [Line(each, _address(each), total, added.get(each)) for each, total in chain.items()],
        "week": week,
        "until": week and week + timedelta(days=6),
        "chain": chain[week] if week else None,
        "departments": _lines(totals, DEPARTMENT, week, of_week) if week else [],
        "regions": _lines(totals, REGION, week, of_week) if week else [],
        "planned": len(overridden) > 0,
        "of_planners": _of_planners(of_week, {store.store for store in own.stores}),
        "has_before": any(total.before for total in chain.values()),
        "stores": len(directory.stores),
        "series": sum(len(store.departments) for store in directory.stores.values()),
    }
    return Page("this_week.html.jinja", "This week", "/planner", content)


def _overridden(visit: Visit) -> pd.DataFrame:
    """Rows of the plan with a planner's number, and how much each is above the forecast."""
    published = visit.service.published
    if not published.basis(visit.run).overrides:  # a plan takes long to make
        return pd.DataFrame(columns=[*ROW_KEYS, "region", "forecast", *PLANNED_COLUMNS, "added"])
    plan = published.plan(visit.run)
    rows = plan[plan["override"].notna()]
    return rows.assign(added=rows["planned"] - rows["forecast"])


def _of_planners(rows: pd.DataFrame, own: Collection[str]) -> Sequence[OfPlanner]:
    """Planners' numbers of a week, those of own stores first."""
    found = [
        OfPlanner(
            **{name: row[name] for name in ("store", "department", "planned", "forecast", "override")},
            address=series_address(row["store"], row["department"], row["week"]) + "#week",
        )
        for row in rows.to_dict("records")
    ]
    return sorted(
        found, key=lambda one: (one.store not in own, in_order(one.store), in_order(one.department))
    )


def _lines(totals: Totals, level: str, week: date, overridden: pd.DataFrame) -> Sequence[Line]:
    """The sums of a level in one week, in the order of their labels."""
    of_week = {key: found[week] for (one, key), found in totals.items() if one == level and week in found}
    added = overridden.groupby(level)["added"].sum()
    return [
        Line(key, stores_address(**{level: key}), of_week[key], added.get(key))
        for key in sorted(of_week, key=in_order)
    ]


def _address(week: date) -> str:
    return f"/planner?week={week.isoformat()}#sums"
