"""Turnover: the sentences that answer the business questions about the past."""

from __future__ import annotations

import pandas as pd

from sales_forecast.pipelines.eda_reporting.params import QuestionParams


def count(number: int, noun: str) -> str:
    """Write a number with its noun."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _unanswered(what: str, parameter: str) -> str:
    return f"**{what}**: not in the data. Ask for another under turnover.questions.{parameter}."


def _in_part(by_department: pd.DataFrame, year: int) -> str:
    of_year = by_department[by_department["year"] == year]
    return "" if of_year["is_complete"].all() else " The data covers only part of that year."


def say_best_department(by_department: pd.DataFrame, questions: QuestionParams) -> str:
    """Name the department with the highest turnover of the year asked about."""
    year = questions.best_department_year
    ranking = by_department[by_department["year"] == year].sort_values("turnover", ascending=False)
    if ranking.empty:
        return _unanswered(f"The best department of {year}", "best_department_year")
    best, *others = ranking.itertuples()
    behind = ", ".join(f"{other.department} ({other.turnover:,.0f})" for other in others)
    return (
        f"Department **{best.department}** made the highest turnover in {year}: "
        f"**{best.turnover:,.0f}** currency units{f', before {behind}' if behind else ''}."
        + _in_part(by_department, year)
    )


def say_sports(by_department: pd.DataFrame, sports: pd.DataFrame) -> list[str]:
    """Name the sport that each department seems to sell, and the evidence."""
    guessed = {row["department"]: row for row in sports.to_dict(orient="records")}
    sentences = []
    for department in by_department["department"].unique():
        row = guessed.get(department)
        if row is None:
            sentences.append(
                f"Department **{department}**: no calendar year is complete, so its sport stays open."
            )
            continue
        shape = f"its months run from {row['lowest']:.2f} to {row['highest']:.2f} times an average one" + (
            f", with peaks in {row['peak_months']}" if row["peak_months"] else ""
        )
        sentences.append(
            f"Department **{department}** looks like **{row['sport']}**: {row['reason']} ({shape})."
            if row["sport"]
            else f"Department **{department}** fits no sport's rule: {shape}."
        )
    return sentences


def say_best_store(best_stores: pd.DataFrame, by_department: pd.DataFrame, questions: QuestionParams) -> str:
    """Name the store with the highest turnover of the year asked about."""
    year = questions.best_store_year
    if best_stores.empty:
        return _unanswered(f"The best store of {year}", "best_store_year")
    best, *others = best_stores.itertuples()
    behind = " and ".join(str(other.store) for other in others[:2])
    return (
        f"Store **{best.store}** sold most in {year}: **{best.turnover:,.0f}** currency units"
        f"{f', before {behind}' if behind else ''}." + _in_part(by_department, year)
    )


def say_best_weeks(best_weeks: pd.DataFrame, questions: QuestionParams) -> str:
    """List the best weeks of the department and year asked about."""
    whose = f"department {questions.best_weeks_department} in {questions.best_weeks_year}"
    if best_weeks.empty:
        return _unanswered(f"The best weeks of {whose}", "best_weeks_department or best_weeks_year")
    weeks = ", ".join(f"{week:%Y-%m-%d}" for week in best_weeks["week"])
    return f"The {count(len(best_weeks), 'best week')} of {whose}, by first day and best first: **{weeks}**."


def say_level_shifts(level_shifts: pd.DataFrame) -> str:
    """List the weeks at which the level of a department changed for good."""
    if level_shifts.empty:
        return "No department's level jumped for good."
    shifts = "; ".join(
        f"department **{shift.department}** from {shift.week:%Y-%m-%d} by a factor of **{shift.factor:.2f}**"
        for shift in level_shifts.itertuples()
    )
    return f"Levels jumped in most stores at once: {shifts}. Compare years across these weeks with care."


def say_repaired(weekly: pd.DataFrame, repaired: pd.DataFrame) -> str:
    """Count repaired values and gaps."""
    values = "; ".join(
        f"store {row.store}, department {row.department}, week {row.week:%Y-%m-%d}: {row.delivered:,.0f} "
        f"delivered, {row.used:,.0f} used"
        for row in repaired.head(3).itertuples()
    )
    mended = f"{count(len(repaired), 'impossible value')} repaired" + (f" ({values})" if values else "")
    return f"{mended}; {count(weekly['gaps'].sum(), 'week')} missing inside a series."
