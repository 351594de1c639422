"""Turnover: how right the published forecasts were, once their weeks had come."""

from __future__ import annotations

import pandas as pd

from sales_forecast.deliveries.recorded import Recorded
from sales_forecast.models.turnover import TurnoverPackage
from sales_forecast.registry.serving import ServingModel
from sales_forecast.reporting import Section, Table
from sales_forecast.storage.queries import Run
from sales_forecast.storage.scores import SUMS, rates

RECENT_WEEKS = 13
"""A quarter: so many of the weeks that came last are told."""

TITLE = "Turnover: how right we were"

HEADINGS = {
    "wape": "wrong by",
    "bias": "too high by",
    "coverage_80": "inside the 80 % range",
    "coverage_95": "inside the 95 % range",
    "forecast_value_added": "better than last year by",
    "restated_wape": "wrong by, as corrected since",
}
RATIO_FORMATS = dict.fromkeys(HEADINGS.values(), ".1%") | {
    HEADINGS["bias"]: "+.1%",
    HEADINGS["forecast_value_added"]: "+.1%",
}


def report_accuracy(recorded: Recorded, publication: Run, serving: ServingModel[TurnoverPackage]) -> Section:
    """Tell how far the forecasts of the last weeks that came were off, by weeks ahead and week by week.

    Args:
        recorded: What is scored in the database.
        publication: The newest forecasts; scoring is a part of publishing them.
        serving: Says whose forecasts are meant.
    """
    scored = recorded.accuracy(serving.retailer)
    weeks = sorted(scored["week"].unique())[-RECENT_WEEKS:]
    if not weeks:
        return Section(TITLE, _nothing_yet(publication), stamp=f"Forecasts: {serving}")
    recent = scored[scored["week"].isin(weeks)]
    newest = recent[recent["horizon"] == recent["horizon"].min()]
    return Section(
        title=TITLE,
        lead=_lead(weeks),
        answers=_answers(newest),
        blocks=(
            Table(
                _by_horizon(recent),
                "How far off the forecasts of single stores and departments were, as a share of turnover, by "
                "how many weeks ahead they were made. Last year is the same week a year before, for the "
                "series that have one.",
                {"weeks": ",d", "forecasts": ",d"} | RATIO_FORMATS,
            ),
            Table(
                _by_week(newest),
                f"Week by week, forecast {_ahead(newest)}. Sums in currency units; the last column compares "
                "with turnover as it is known now.",
                {"turnover": ",.0f", "forecast": ",.0f"} | RATIO_FORMATS,
            ),
        ),
        stamp=f"Forecasts: {serving}",
    )


def _lead(weeks: list[pd.Timestamp]) -> str:
    """Which weeks it is about, oldest first."""
    which = f"The week of {weeks[0]:%Y-%m-%d}, as it was"
    if len(weeks) > 1:
        span = f"{weeks[0]:%Y-%m-%d} to {weeks[-1]:%Y-%m-%d} (first days)"
        which = f"The last {len(weeks)} weeks that came, {span}, as they were"
    return f"{which} first delivered, against the last forecasts published before."


def _nothing_yet(publication: Run) -> str:
    """When there will be something to tell."""
    after = f"after {publication.cutoff:%Y-%m-%d}" if publication.cutoff else "that comes next"
    return (
        f"From the week {after} on, each week that is delivered is compared here with what was forecast for "
        "it."
    )


def _answers(newest: pd.DataFrame) -> tuple[str, ...]:
    """The sentence on top, about the forecasts that were made the fewest weeks ahead."""
    sums = newest[SUMS].sum()
    found = rates(sums.to_frame().T).iloc[0]
    sentence = f"Forecast {_ahead(newest)}, a single store and department's week was wrong by "
    sentence += f"**{_percent(found['wape'])}** of turnover on average"
    if pd.notna(found["naive_wape"]):
        sentence += f"; repeating last year would have been wrong by {_percent(found['naive_wape'])}"
    return (f"{sentence}. **{_percent(found['coverage_80'])}** lay inside their 80 % ranges.",)


def _ahead(newest: pd.DataFrame) -> str:
    horizon = int(newest["horizon"].iloc[0])
    return "one week ahead" if horizon == 1 else f"{horizon} weeks ahead"


def _percent(share: float) -> str:
    return "-" if pd.isna(share) else f"{share:.1%}"


def _by_horizon(recent: pd.DataFrame) -> pd.DataFrame:
    by_horizon = recent.groupby("horizon")
    sums = by_horizon[SUMS].sum()
    counted = pd.DataFrame({"weeks": by_horizon["week"].nunique(), "forecasts": sums["count"]})
    ratios = rates(sums)[list(HEADINGS)[:-1]].rename(columns=HEADINGS)
    return counted.join(ratios).rename_axis("weeks ahead").reset_index()


def _by_week(newest: pd.DataFrame) -> pd.DataFrame:
    ratios = rates(newest)[list(HEADINGS)].rename(columns=HEADINGS)
    return newest[["week", "turnover", "forecast"]].join(ratios)
