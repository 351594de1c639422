"""Turnover: the business questions about the past, answered for machines."""

from __future__ import annotations

import pandas as pd

from sales_forecast.pipelines.eda_reporting.params import QuestionParams


def answer_questions(
    by_department_table: pd.DataFrame,
    best_stores_table: pd.DataFrame,
    best_weeks_table: pd.DataFrame,
    sports_table: pd.DataFrame,
    level_shifts_table: pd.DataFrame,
    repaired_table: pd.DataFrame,
    questions: QuestionParams,
) -> dict[str, object]:
    """Put the answers into plain types; a question that the data cannot answer is null."""
    of_year = by_department_table[by_department_table["year"] == questions.best_department_year]
    amounts: dict[str, dict[str, float]] = {}
    for year, department, turnover in by_department_table[["year", "department", "turnover"]].to_numpy(
        object
    ):
        amounts.setdefault(str(year), {})[str(department)] = round(float(turnover), 2)
    sold = of_year.set_index("department")["turnover"]
    best_weeks_key = f"top_weeks_{questions.best_weeks_department}_{questions.best_weeks_year}"
    guesses = sports_table.set_index("department")
    return {
        "by_department": amounts,
        f"best_department_{questions.best_department_year}": plain(sold.idxmax()) if len(sold) else None,
        f"best_store_{questions.best_store_year}": plain(best_stores_table["store"].iloc[0])
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


def plain(value: object) -> object:
    """Turn a cell into what JSON knows: ISO dates, plain numbers, text."""
    if isinstance(value, pd.Timestamp):
        return value.date().isoformat()
    return value.item() if hasattr(value, "item") else value


def _records(table: pd.DataFrame) -> list[dict[str, object]]:
    return [
        {str(name): plain(value) for name, value in row.items()} for row in table.to_dict(orient="records")
    ]
