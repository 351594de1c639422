"""Turnover: the report's section about the past."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from sales_forecast.pipelines.eda_reporting.params import QuestionParams
from sales_forecast.pipelines.eda_reporting.rejected_rows import describe_rejected
from sales_forecast.pipelines.eda_reporting.turnover_seasons import MONTHS, mean_season
from sales_forecast.pipelines.eda_reporting.turnover_sentences import (
    count,
    say_best_department,
    say_best_store,
    say_best_weeks,
    say_level_shifts,
    say_repaired,
    say_sports,
)
from sales_forecast.reporting import Chart, Section, Table, Text

AMOUNT = ",.0f"


def write_section(
    weekly_table: pd.DataFrame,
    by_department_table: pd.DataFrame,
    best_stores_table: pd.DataFrame,
    best_weeks_table: pd.DataFrame,
    seasons_table: pd.DataFrame,
    sports_table: pd.DataFrame,
    level_shifts_table: pd.DataFrame,
    repaired_table: pd.DataFrame,
    years_chart: go.Figure,
    best_stores_chart: go.Figure,
    seasons_chart: go.Figure,
    weeks_chart: go.Figure,
    questions: QuestionParams,
    rejected: pd.DataFrame,
) -> Section:
    """Tell what the past says: the questions answered first, then the tables and charts behind them."""
    first, last = weekly_table["week"].min(), weekly_table["week"].max()
    departments = weekly_table["department"].nunique()
    guessed = bool(sports_table["sport"].notna().any())
    best_stores_block = Chart(best_stores_chart, "All departments of a store together.")
    return Section(
        title="Turnover until now",
        lead=(
            f"{(weekly_table['series'] - weekly_table['gaps']).sum():,} weekly values of "
            f"{count(departments, 'department')}, from the week "
            f"of {first:%Y-%m-%d} to that of {last:%Y-%m-%d}; a week is named by its first day. "
            "Turnover is in the currency units of the file."
        ),
        answers=(
            say_best_department(by_department_table, questions),
            *(say_sports(by_department_table, sports_table) if guessed else ()),
            say_best_store(best_stores_table, by_department_table, questions),
            say_best_weeks(best_weeks_table, questions),
            say_level_shifts(level_shifts_table),
            say_repaired(weekly_table, repaired_table),
            *describe_rejected(rejected, "turnover.rejected"),
        ),
        blocks=_filled(
            Text(
                "The turnover of a week is spread evenly over its seven days and summed per calendar year.",
                heading="Which department sells most",
            ),
            Chart(years_chart, "Bars of a year that the data covers only in part are hatched."),
            Table(
                _years_by_department(by_department_table),
                "Turnover in currency units per calendar year; * marks years that are known in part.",
                formats={str(name): AMOUNT for name in by_department_table["department"].unique()},
            ),
            *(
                ()
                if best_stores_table.empty
                else (Text("", heading="Which stores sell most"), best_stores_block)
            ),
            *_season_blocks(seasons_table, sports_table, seasons_chart),
            *_weekly_blocks(best_weeks_table, level_shifts_table, repaired_table, weeks_chart, questions),
        ),
    )


def _season_blocks(
    seasons_table: pd.DataFrame, sports_table: pd.DataFrame, seasons_chart: go.Figure
) -> tuple[Text | Chart | Table, ...]:
    """The shape of a year, and the sport that it speaks for."""
    guessed = bool(sports_table["sport"].notna().any())
    return (
        Text(
            "The index of a month is its mean weekly turnover over the mean of its year, so that 1 is an "
            "average month; it is taken for each complete year, then averaged."
            + (" A department's sport shows in this shape." if guessed else ""),
            heading="Which sport each department sells" if guessed else "The shape of a year",
        ),
        Chart(seasons_chart, "Months against the year's mean; years that agree make a reliable guess."),
        Table(
            _sport_table(sports_table),
            ("Guesses by the rules of turnover.sports in the parameters. " if guessed else "")
            + "Swing is the highest month over "
            "the lowest: close to 1 is steady. 25% is the share of winter or summer without seasons.",
            formats={
                "lowest": ".2f",
                "highest": ".2f",
                "winter": ".0%",
                "summer": ".0%",
            },
        ),
        Table(
            _index_table(seasons_table),
            "Mean monthly index (1 = an average month).",
            formats=dict.fromkeys(MONTHS, ".2f"),
            collapsed=True,
        ),
    )


def _weekly_blocks(
    best_weeks_table: pd.DataFrame,
    level_shifts_table: pd.DataFrame,
    repaired_table: pd.DataFrame,
    weeks_chart: go.Figure,
    questions: QuestionParams,
) -> tuple[Text | Chart | Table, ...]:
    """The weeks one by one: the best ones, level shifts and repaired values."""
    return (
        Text(
            "Dotted lines mark the weeks from which the level of most stores of a department changed for "
            "good, with the factor; diamonds mark weeks with a repaired value.",
            heading="Week by week",
        ),
        Chart(weeks_chart, "All stores of a department together, impossible values repaired."),
        Table(
            _shown(best_weeks_table, week="week from"),
            f"Best weeks of department {questions.best_weeks_department} in {questions.best_weeks_year}, "
            "in currency units per week.",
            formats={"turnover": AMOUNT},
        ),
        Table(
            _shown(level_shifts_table, week="from week"),
            "Level shifts: from that week on the level is so many times what it was.",
            formats={"factor": ".2f"},
        ),
        Table(
            _shown(repaired_table),
            "Impossible values, in currency units per week: what the file says and what is used.",
            formats={"delivered": AMOUNT, "used": AMOUNT},
            collapsed=len(repaired_table) > 10,
        ),
    )


def _filled(*blocks: Text | Chart | Table) -> tuple[Text | Chart | Table, ...]:
    """Leave out charts and tables without anything in them; the sentences say why."""
    return tuple(
        block
        for block in blocks
        if not (isinstance(block, Table) and block.frame.empty)
        and not (isinstance(block, Chart) and not block.figure.data)
    )


def _shown(table: pd.DataFrame, **names: str) -> pd.DataFrame:
    """Give columns the headings of the page, and keys the looks of names: 88 is no quantity."""
    keys = [name for name in ("store", "department") if name in table]
    return table.astype(dict.fromkeys(keys, str)).rename(columns=names)


def _years_by_department(by_department: pd.DataFrame) -> pd.DataFrame:
    wide = by_department.pivot(index="year", columns="department", values="turnover")
    complete = by_department.groupby("year")["is_complete"].all()
    wide.index = pd.Index([f"{year}{'' if complete[year] else '*'}" for year in wide.index], name="year")
    wide.columns = pd.Index([str(department) for department in wide.columns])
    return wide.reset_index()


def _sport_table(sports: pd.DataFrame) -> pd.DataFrame:
    table = _shown(sports, peak_months="peaks", winter_share="winter", summer_share="summer")
    swing = table["swing"].map(lambda swing: f"{swing:.1f}" if swing < 100 else "over 100")
    guess = ["sport"] if sports["sport"].notna().any() else []
    chosen = ["department", *guess, "peaks", "lowest", "highest", "swing", "winter", "summer"]
    return table.assign(swing=swing).filter(chosen)


def _index_table(seasons: pd.DataFrame) -> pd.DataFrame:
    return _shown(mean_season(seasons).set_axis(MONTHS, axis="columns").reset_index())
