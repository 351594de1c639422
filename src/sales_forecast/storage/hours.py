"""Hours to plan beside those that last year's turnover would ask for, and what both would have cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import numpy as np
import pandas as pd
from sqlalchemy import Connection, Row, func, select

from sales_forecast.errors import InputError
from sales_forecast.forecasting.intervals.conformal import QUANTILES
from sales_forecast.forecasting.panel.matrix import ROW_KEYS, SERIES_KEYS, WEEKS_PER_YEAR, FloatArray
from sales_forecast.planning.overrides import Override
from sales_forecast.planning.staffing import StaffingRule, hours_for
from sales_forecast.planning.staffing_backtest import PolicyCost, compare_policies
from sales_forecast.planning.staffing_plan import plan_hours
from sales_forecast.storage import schema
from sales_forecast.storage.plan import quantile_rows
from sales_forecast.storage.queries import Run
from sales_forecast.storage.scoring import last_before, serving_runs
from sales_forecast.storage.staffing import NO_RULES, PublishedRule

YEAR = timedelta(weeks=WEEKS_PER_YEAR)

MOST_WEEKS = 13
"""Weeks of the past whose costs are compared: a quarter."""


@dataclass(frozen=True)
class PastCosts:
    """What ways to plan hours would have cost.

    Args:
        weeks: First days of the weeks that are compared, oldest first.
        costs: Policy of ``staffing_backtest`` -> its cost; empty where nothing can be compared.
    """

    weeks: Sequence[date]
    costs: Mapping[str, PolicyCost]


def read_hours(
    connection: Connection,
    run: Run,
    rules: Sequence[PublishedRule],
    regions: Mapping[str, str | None],
    active: Sequence[Override],
) -> pd.DataFrame:
    """Compute the hours to plan of a publication, where planners' numbers scale the forecasts.

    Args:
        connection: Connection to the database.
        run: The publication.
        rules: Rules of its departments.
        regions: Store -> region.
        active: Overrides that count for it.

    Returns:
        The columns of ``planning.staffing_plan.plan_hours``, with ``override`` None where there is none; and
        ``last_year``, the turnover of the same week of last year, and ``last_year_hours``, which that would
        need, NaN where none was recorded. By store, department and week.

    Raises:
        InputError: There are no rules, or the forecasts have no quantiles.
    """
    if not rules:
        raise InputError(NO_RULES)
    by_department = {each.department: each.rule for each in rules}
    planned = quantile_rows(connection, run, regions, active)
    plan = plan_hours(planned, by_department)
    before = plan[ROW_KEYS].merge(_last_year(connection, run.retailer, plan["week"]), on=ROW_KEYS, how="left")
    hours = _hours_for(before["turnover"].to_numpy(dtype=np.float64), plan["department"], by_department)
    return plan.assign(override=planned["override"], last_year=before["turnover"], last_year_hours=hours)


def _last_year(connection: Connection, retailer: str, weeks: pd.Series[date]) -> pd.DataFrame:
    """``store, department, week, turnover`` of the same weeks of last year, under the names of these."""
    table = schema.weekly_turnover
    query = select(*(table.c[name] for name in (*ROW_KEYS, "turnover")))
    wanted = table.c.week.in_([week - YEAR for week in weeks.unique()])
    found = connection.execute(query.where(table.c.retailer == retailer, wanted)).all()
    sold = pd.DataFrame(found, columns=[*ROW_KEYS, "turnover"])
    return sold.assign(week=[week + YEAR for week in sold["week"]])


def _hours_for(
    turnover: FloatArray, departments: pd.Series[str], rules: Mapping[str, StaffingRule]
) -> FloatArray:
    hours = np.full(len(turnover), np.nan)
    for department in departments.unique():
        rows = (departments == department).to_numpy()
        hours[rows] = hours_for(turnover[rows], rules[department]).hours
    return hours


def newest_week(connection: Connection, retailer: str) -> date | None:
    """Find the newest week of which turnover is known; None before there is one."""
    table = schema.turnover_digests
    return connection.execute(select(func.max(table.c.week)).where(table.c.retailer == retailer)).scalar()


def read_past_costs(
    connection: Connection, run: Run, rules: Sequence[PublishedRule], newest: date | None
) -> PastCosts:
    """Compare what hours would have cost in weeks that have come, as they were planned before.

    Each week is planned from the last publication that was made before its turnover came, by the rules of
    now; last year's turnover is as it is known now. Planners' numbers do not count.

    Args:
        connection: Connection to the database.
        run: Newest publication, of the same retailer.
        rules: Rules of its departments.
        newest: Newest week of which turnover is known.
    """
    by_department = {each.department: each.rule for each in rules}
    runs = connection.execute(serving_runs(run.retailer)).all()
    weeks = [] if newest is None else [newest - timedelta(weeks=back) for back in range(MOST_WEEKS)]
    found = [rows for week in weeks if len(rows := _week_that_came(connection, run.retailer, week, runs))]
    rows = pd.concat(found).dropna() if found else pd.DataFrame(columns=["department", "turnover"])
    rows = rows[rows["department"].isin(by_department)]
    if not rows["turnover"].any():
        return PastCosts((), {})
    dated = rows.assign(**{name: pd.to_datetime(rows[name]) for name in ("week", "cutoff")})
    costs = compare_policies(dated, by_department)
    return PastCosts(sorted(rows["week"].unique()), {cost.policy: cost for cost in costs})


def _week_that_came(
    connection: Connection, retailer: str, week: date, runs: Sequence[Row[tuple[int, date, datetime]]]
) -> pd.DataFrame:
    """Rows of a week as ``compare_policies`` takes them, of series with turnover then and a year before."""
    vintages, sold, made = schema.turnover_vintages, schema.weekly_turnover, schema.forecasts
    of_week = (vintages.c.retailer == retailer, vintages.c.week == week)
    came = connection.execute(select(func.min(vintages.c.recorded_at)).where(*of_week)).scalar()
    chosen = {} if came is None else last_before(connection, runs, week, came)
    if not chosen:
        return pd.DataFrame()
    last = max(chosen.values(), key=lambda run: (run.made_at, run.id))
    before = sold.alias()
    columns = {name: made.c[name] for name in (*ROW_KEYS, "forecast", *QUANTILES)}
    columns |= {"turnover": sold.c.turnover, "last_year": before.c.turnover}
    query = select(*columns.values()).where(made.c.run == last.id, made.c.week == week)
    for table, then in ((sold, week), (before, week - YEAR)):
        same = [table.c[name] == made.c[name] for name in SERIES_KEYS]
        query = query.where(table.c.retailer == retailer, table.c.week == then, *same)
    rows = pd.DataFrame(connection.execute(query).all(), columns=list(columns))
    return rows.assign(cutoff=last.cutoff)
