"""Turnover: the shape of each department's year, and the sport that it speaks for."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pandas as pd

from sales_forecast.pipelines.eda_reporting.params import Feature, SportParams, SportRule

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


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
