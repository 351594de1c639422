"""Turnover: the tables behind the business questions about the past."""

from __future__ import annotations

import pandas as pd

from sales_forecast.pipelines.eda_reporting.params import QuestionParams


def spread_over_years(weekly: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Spread each week's turnover evenly over its seven days and sum it per calendar year.

    Args:
        weekly: ``week`` (first day), ``turnover`` (unknown counts as nothing) and the keys.
        keys: Columns to keep apart.

    Returns:
        The keys, ``year`` and ``turnover`` (currency units per year), sorted.
    """
    last_day = weekly["week"] + pd.Timedelta(days=6)
    crosses = last_day.dt.year > weekly["week"].dt.year
    days_after = last_day.dt.dayofyear.where(crosses, 0)
    before = weekly.assign(year=weekly["week"].dt.year, turnover=weekly["turnover"] * (7 - days_after) / 7)
    after = weekly.assign(year=last_day.dt.year, turnover=weekly["turnover"] * days_after / 7)
    parts = pd.concat([before, after[crosses]])
    return parts.groupby([*keys, "year"])[["turnover"]].sum().reset_index()


def sum_by_department(panel: pd.DataFrame) -> pd.DataFrame:
    """Sum turnover per department and calendar year, and say which years are complete.

    Args:
        panel: ``store, department, week, turnover``.

    Returns:
        ``department, year, turnover`` (currency units per year), ``days`` (of the year that lie between
        the department's first and last week) and ``is_complete``.
    """
    totals = spread_over_years(panel, ["department"])
    covered = pd.concat(
        pd.DataFrame(
            {
                "department": department,
                "week": pd.date_range(weeks.min(), weeks.max(), freq="7D"),
                "turnover": 7.0,  # one for each day: the sum counts days
            }
        )
        for department, weeks in panel.groupby("department")["week"]
    )
    days = spread_over_years(covered, ["department"]).rename(columns={"turnover": "days"})
    table = totals.merge(days, on=["department", "year"])
    table["days"] = table["days"].round().astype(int)
    length = pd.to_datetime(table["year"].astype(str) + "-12-31").dt.dayofyear
    return table.assign(is_complete=table["days"] == length)


def rank_stores(panel: pd.DataFrame, questions: QuestionParams) -> pd.DataFrame:
    """Find the ten stores with the highest turnover in the calendar year that is asked for.

    Args:
        panel: ``store, department, week, turnover``.
        questions: The year.

    Returns:
        ``store, year, turnover`` (currency units per year), best first; empty if the data ends before or
        begins after that year.
    """
    totals = spread_over_years(panel, ["store"])
    of_year = totals[totals["year"] == questions.best_store_year]
    return of_year.nlargest(10, "turnover").reset_index(drop=True)


def sum_weeks(panel: pd.DataFrame) -> pd.DataFrame:
    """Sum turnover per department and week.

    Returns:
        ``department, week, turnover`` (currency units per week), ``series`` (stores with that week) and
        ``gaps`` (stores of which no value is known for it).
    """
    weeks = panel.groupby(["department", "week"], as_index=False)
    return weeks.agg(turnover=("turnover", "sum"), series=("turnover", "size"), gaps=("is_gap", "sum"))


def find_best_weeks(weekly_table: pd.DataFrame, questions: QuestionParams) -> pd.DataFrame:
    """Find one department's weeks with the highest turnover in a year.

    Args:
        weekly_table: ``department, week, turnover``.
        questions: Department, year and how many; a week belongs to the year of its first day.

    Returns:
        ``department, week, turnover``, best first; empty if there is no such department or year.
    """
    of_year = weekly_table[
        (weekly_table["department"].astype(str) == str(questions.best_weeks_department))
        & (weekly_table["week"].dt.year == questions.best_weeks_year)
    ]
    best: pd.DataFrame = of_year.nlargest(questions.best_weeks_count, "turnover")
    return best.filter(["department", "week", "turnover"]).reset_index(drop=True)


def list_repairs(panel: pd.DataFrame) -> pd.DataFrame:
    """List the impossible values: what was delivered and what is used instead.

    Returns:
        ``store, department, week, delivered, used``, currency units per week.
    """
    repaired = panel[panel["is_repaired"]].rename(columns={"turnover_raw": "delivered", "turnover": "used"})
    return repaired[["store", "department", "week", "delivered", "used"]].reset_index(drop=True)
