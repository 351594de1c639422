"""Turnover: the few series of this week that deserve a planner's eye."""

from __future__ import annotations

import pandas as pd

from sales_forecast.deliveries.recorded import Recorded
from sales_forecast.forecasting.exceptions import (
    KINDS,
    ExceptionParams,
    find_exceptions,
    join_turnover,
)
from sales_forecast.forecasting.panel.labels import labelled
from sales_forecast.forecasting.panel.model_input import ModelInput
from sales_forecast.models.turnover import TurnoverPackage
from sales_forecast.registry.serving import ServingModel
from sales_forecast.reporting import Section, Table


def list_exceptions(
    forecasts: pd.DataFrame,
    changes: pd.DataFrame,
    model_input: ModelInput,
    recorded: Recorded,
    serving: ServingModel[TurnoverPackage],
    exceptions: ExceptionParams,
) -> pd.DataFrame:
    """List the series that deserve a planner's eye, see ``forecasting.exceptions``.

    Args:
        forecasts: As they are published.
        changes: Why they are not what was published before.
        model_input: What was sold in the last weeks.
        recorded: How the last weeks were forecast.
        serving: Says whose forecasts they are.
        exceptions: How many are listed, and what is called unusual.
    """
    last = model_input.last_week.date()
    week_ahead = recorded.week_ahead_forecasts(last, serving.retailer, exceptions.recent_weeks)
    recent = join_turnover(labelled(week_ahead, model_input), model_input.panel)
    return find_exceptions(forecasts, recent, changes, exceptions)


def report_exceptions(planner_exceptions: pd.DataFrame, exceptions: ExceptionParams) -> Section:
    """Show the series that deserve a planner's eye.

    Args:
        planner_exceptions: As ``list_exceptions`` returns them.
        exceptions: Over how many weeks money is at risk.
    """
    unusual = planner_exceptions[planner_exceptions["kind"] != "large"]
    table = planner_exceptions.assign(kind=planner_exceptions["kind"].str.replace("_", " "))
    return Section(
        title="Turnover: what deserves a look",
        lead=(
            f"The {len(table)} series with the most at stake in the next {exceptions.weeks_ahead} weeks, "
            "the more so the more often they fell outside their intervals. All others are approved by rule."
        ),
        answers=(
            f"Of {len(table)} series, **{len(unusual)}** are unusual, with "
            f"{unusual['money_at_risk'].sum():,.0f} at risk."
            if len(unusual)
            else "None of them is unusual: these are the series with the most at stake.",
        ),
        blocks=(
            Table(
                table.rename(columns={"money_at_risk": "money at risk"}),
                f"Money at risk: the width of the 80 % intervals, summed over {exceptions.weeks_ahead} "
                "weeks, in currency units. Kinds: "
                f"{'; '.join(f'{_word(kind)}: {text}' for kind, text in KINDS.items())}.",
                {"money at risk": ",.0f"},
            ),
        ),
    )


def _word(kind: str) -> str:
    return kind.replace("_", " ")
