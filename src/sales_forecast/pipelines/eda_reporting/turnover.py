"""Turnover: the tables behind the business questions about the past, and their answers."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, get_args

import numpy as np
import pandas as pd

from sales_forecast.pipelines.eda_reporting.params import Feature, QuestionParams, SportParams, SportRule

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


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
    asked = totals[totals["year"] == questions.best_store_year]
    return asked.nlargest(10, "turnover").reset_index(drop=True)


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
    asked = weekly_table[
        (weekly_table["department"].astype(str) == str(questions.best_weeks_department))
        & (weekly_table["week"].dt.year == questions.best_weeks_year)
    ]
    best: pd.DataFrame = asked.nlargest(questions.best_weeks_count, "turnover")
    return best.filter(["department", "week", "turnover"]).reset_index(drop=True)


def index_seasons(weekly_table: pd.DataFrame, by_department_table: pd.DataFrame) -> pd.DataFrame:
    """Measure how far each month lies above or below its year.

    Args:
        weekly_table: ``department, week, turnover``; a week belongs to the month of its first day.
        by_department_table: Says which years are complete; the others are left out.

    Returns:
        ``department, year, month, index``: mean weekly turnover of the month over that of the year, so
        that 1 is an average month.
    """
    complete = by_department_table.loc[by_department_table["is_complete"], ["department", "year"]]
    weeks = weekly_table.assign(year=weekly_table["week"].dt.year, month=weekly_table["week"].dt.month)
    weeks = weeks.merge(complete, on=["department", "year"])
    months = weeks.groupby(["department", "year", "month"])[["turnover"]].mean().reset_index()
    years = weeks.groupby(["department", "year"])[["turnover"]].mean().reset_index()
    years = years[years["turnover"] > 0].rename(columns={"turnover": "mean"})
    months = months.merge(years, on=["department", "year"])
    index = months.assign(index=months["turnover"] / months["mean"])
    return index.filter(["department", "year", "month", "index"])


def mean_season(seasons: pd.DataFrame) -> pd.DataFrame:
    """Average the seasonal index over the years: departments x months."""
    mean = seasons.pivot_table(index="department", columns="month", values="index")
    return mean.reindex(columns=range(1, 13)).fillna(0.0)


def describe_season(index: pd.Series) -> dict[Feature, float]:
    """Reduce a year's shape to the few numbers that the rules of ``turnover.sports`` speak of.

    Args:
        index: Mean monthly index, months 1 to 12.

    Returns:
        Shares of the year that fall to winter (December to February), spring and summer, 0.25 each for a
        department without seasons; the ``lowest`` and ``highest`` month; and ``swing``, highest over
        lowest, infinite if a month sells nothing.
    """
    total = index.sum()
    lowest, highest = float(index.min()), float(index.max())
    return {
        "winter_share": float(index.loc[[12, 1, 2]].sum() / total),
        "spring_share": float(index.loc[[3, 4, 5]].sum() / total),
        "summer_share": float(index.loc[[6, 7, 8]].sum() / total),
        "lowest": lowest,
        "highest": highest,
        "swing": highest / lowest if lowest > 0 else float("inf"),
    }


def peak_months(index: pd.Series) -> list[int]:
    """List the months that sell more than an average one and than both their neighbours, highest first."""
    before, after = np.roll(index, 1), np.roll(index, -1)
    peaks = index[(index > 1) & (index >= before) & (index >= after)]
    return [int(month) for month in peaks.sort_values(ascending=False).index]


def fits(rule: SportRule, season: dict[Feature, float], peak_month: int) -> bool:
    """Say whether a department's year has the shape that the rule describes."""
    return (
        all(season[feature] >= bound for feature, bound in rule.at_least.items())
        and all(season[feature] <= bound for feature, bound in rule.at_most.items())
        and (not rule.peak_months or peak_month in rule.peak_months)
    )


def guess_sports(seasons_table: pd.DataFrame, sports: SportParams) -> pd.DataFrame:
    """Guess each department's sport from the shape of its year: the first rule that fits.

    Args:
        seasons_table: ``department, year, month, index``.
        sports: The rules, in order.

    Returns:
        ``department, sport, reason, peak_months`` and the numbers of ``describe_season``. Without sport
        and reason where no rule fits; without a row where no year is complete.
    """
    rows = []
    for department, index in mean_season(seasons_table).iterrows():
        season, peak = describe_season(index), int(index.idxmax())
        rule = next((rule for rule in sports.rules if fits(rule, season, peak)), None)
        rows.append(
            {
                "department": department,
                "sport": rule.sport if rule else None,
                "reason": rule.reason if rule else None,
                "peak_months": ", ".join(MONTHS[month - 1] for month in peak_months(index)),
            }
            | season
        )
    columns = ["department", "sport", "reason", "peak_months", *get_args(Feature)]
    return pd.DataFrame(rows, columns=columns)


def list_repairs(panel: pd.DataFrame) -> pd.DataFrame:
    """List the impossible values: what was delivered and what is used instead.

    Returns:
        ``store, department, week, delivered, used``, currency units per week.
    """
    repaired = panel[panel["is_repaired"]].rename(columns={"turnover_raw": "delivered", "turnover": "used"})
    return repaired[["store", "department", "week", "delivered", "used"]].reset_index(drop=True)


def answer_questions(
    by_department_table: pd.DataFrame,
    best_stores_table: pd.DataFrame,
    best_weeks_table: pd.DataFrame,
    sports_table: pd.DataFrame,
    level_shifts_table: pd.DataFrame,
    repaired_table: pd.DataFrame,
    questions: QuestionParams,
) -> dict[str, Any]:
    """Put the answers into plain types; a question that the data cannot answer is null."""
    asked = questions
    of_year = by_department_table[by_department_table["year"] == asked.best_department_year]
    amounts: dict[str, dict[str, float]] = {}
    for year, department, turnover in by_department_table[["year", "department", "turnover"]].to_numpy(
        object
    ):
        amounts.setdefault(str(year), {})[str(department)] = round(float(turnover), 2)
    sold = of_year.set_index("department")["turnover"]
    best_weeks_key = f"top_weeks_{asked.best_weeks_department}_{asked.best_weeks_year}"
    guesses = sports_table.set_index("department")
    return {
        "by_department": amounts,
        f"best_department_{asked.best_department_year}": plain(sold.idxmax()) if len(sold) else None,
        f"best_store_{asked.best_store_year}": plain(best_stores_table["store"].iloc[0])
        if len(best_stores_table)
        else None,
        best_weeks_key: [plain(week) for week in best_weeks_table["week"]] or None,
        "sports": _by_department(guesses["sport"], by_department_table),
        "sports_reasons": _by_department(guesses["reason"], by_department_table),
        "level_shifts": _records(level_shifts_table),
        "repaired": _records(repaired_table),
    }


def _by_department(words: pd.Series, by_department: pd.DataFrame) -> dict[str, str | None]:
    known = words.to_dict()
    return {str(department): known.get(department) for department in by_department["department"].unique()}


def plain(value: Hashable) -> Any:
    """Turn a cell into what JSON knows: ISO dates, plain numbers, text."""
    if isinstance(value, pd.Timestamp):
        return value.date().isoformat()
    return value.item() if hasattr(value, "item") else value


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [
        {str(name): plain(value) for name, value in row.items()} for row in table.to_dict(orient="records")
    ]
