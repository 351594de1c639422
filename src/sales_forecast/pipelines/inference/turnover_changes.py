"""Turnover: what changed since the last forecast of the same weeks, and why."""

from __future__ import annotations

import logging

import pandas as pd
import plotly.graph_objects as go

from sales_forecast.deliveries.recorded import Recorded
from sales_forecast.forecasting.attribution import STEADINESS
from sales_forecast.forecasting.changes import (
    CAUSES,
    LEVELS,
    MONEY,
    cycle_change,
    effective_causes,
    in_words,
    largest_changes,
    no_changes,
)
from sales_forecast.forecasting.panel.matrix import ROW_KEYS
from sales_forecast.forecasting.panel.model_input import ModelInput
from sales_forecast.forecasting.repredictions import Published, explain_changes
from sales_forecast.models.turnover import TurnoverPackage
from sales_forecast.pipelines.publications import open_publication
from sales_forecast.registry.serving import UNTRACKED, ServingModel
from sales_forecast.registry.versions import RegisteredVersions
from sales_forecast.reporting import COLOURS, Chart, Section, Table, new_figure

logger = logging.getLogger(__name__)

SHOWN_CHANGES = 10
"""The report shows so many series."""


def find_changes(
    serving: ServingModel[TurnoverPackage],
    model_forecasts: pd.DataFrame,
    forecasts: pd.DataFrame,
    model_input: ModelInput,
    recorded: Recorded,
    registered_versions: RegisteredVersions,
) -> pd.DataFrame:
    """Split the change of each forecast since the last publication from older data into its causes.

    Args:
        serving: The model that made the forecasts.
        model_forecasts: ``store, department, week, forecast`` as the model makes them.
        forecasts: The same as they are published.
        model_input: Past turnover, and what is known of stores and weeks.
        recorded: What was published before.
        registered_versions: Models that served before.

    Returns:
        ``store, department, week, before``, the columns of ``forecasting.changes.CAUSES`` and ``after``, see
        ``repredictions.explain_changes``. Empty if nothing was published before, or if what made it cannot be
        brought back; the log says why. Forecasts do not wait for it.
    """
    run = recorded.earlier_publication(model_input.last_week.date(), serving.retailer)
    if run is None:
        return no_changes()
    steadiness = forecasts["forecast"].to_numpy() - model_forecasts["forecast"].to_numpy()
    rows = forecasts[[*ROW_KEYS, "forecast"]].assign(**{STEADINESS: steadiness})
    own = serving if serving.version != UNTRACKED else None
    try:
        before = open_publication(run, recorded, registered_versions, own)
        return explain_changes(before, Published(serving.package.model, model_input, rows))
    except Exception as error:  # whatever an old model does with new data, the forecasts are right
        logger.warning("Why forecasts changed since publication %s is not known: %s.", run.id, error)
        logger.debug("Publication %s could not be compared", run.id, exc_info=error)
        return no_changes()


def chart_changes(changes: pd.DataFrame) -> go.Figure:
    """Draw how the causes lead from the last forecast of all stores to the present one.

    Args:
        changes: As ``find_changes`` returns them.
    """
    figure = new_figure(
        "From the last forecast to this one", "", "turnover, all stores, all shared weeks", height=460
    )
    total = changes[MONEY].sum()
    causes = effective_causes(total)
    steps = total[causes]
    reached = total["before"] + steps.cumsum()
    levels = [total["before"], *reached, total["after"]]
    room = (max(levels) - min(levels)) / 4 or 1.0
    figure.add_waterfall(
        x=["published before", *(CAUSES[cause] for cause in causes), "published now"],
        measure=["absolute", *["relative"] * len(causes), "total"],
        y=[total["before"], *steps, 0.0],
        connector={"line": {"color": "#9aa5b1", "width": 1}},
        totals={"marker": {"color": COLOURS[0]}},
        increasing={"marker": {"color": COLOURS[2]}},
        decreasing={"marker": {"color": COLOURS[1]}},
    )
    figure.update_yaxes(range=[min(levels) - room, max(levels) + room])  # from zero, one would see no step
    return figure


def report_changes(changes: pd.DataFrame, changes_chart: go.Figure) -> Section:
    """Say how far forecasts moved since the last publication, where most, and why.

    Args:
        changes: As ``find_changes`` returns them.
        changes_chart: How the causes add up for the whole chain.
    """
    title = "Turnover: what changed since the last forecast"
    if changes.empty:
        return Section(
            title,
            "There is no publication from older data that these forecasts can be compared with.",
        )
    total, weeks = changes[MONEY].sum(), changes["week"].nunique()
    before, after = total["before"], total["after"]
    moved = f"{(after - before) / before:+.1%}" if before else "from nothing"
    largest = largest_changes(changes, SHOWN_CHANGES)
    return Section(
        title,
        f"{weeks} week(s) were forecast before and are forecast now, {changes['week'].min():%Y-%m-%d} to "
        f"{changes['week'].max():%Y-%m-%d} (first days). The causes are found one after the other, by making "
        "the forecasts again with more and more of what is new, and add up to the change.",
        (
            f"The sum over these weeks was {before:,.0f} and is now **{after:,.0f}** ({moved}).",
            f"Causes: {in_words({cause: total[cause] for cause in effective_causes(total)})}.",
        ),
        (
            Chart(changes_chart, "The axis does not begin at zero, so that the steps can be seen."),
            Table(
                _by_cause(total),
                "The sum over all stores, departments and shared weeks, in currency units.",
                {"change": "+,.0f", "share of the last forecast": "+.2%"},
            ),
            Table(
                _by_level(changes),
                "How far a forecast of the same week moved since the last publication: the sum of absolute "
                "changes over the sum of the last forecasts. Moves of stores partly cancel in sums.",
                {"cycle-over-cycle change": ".1%"},
            ),
            Table(
                _in_words(largest),
                f"The {len(largest)} largest changes in money, summed over the shared weeks. All of them by "
                "week: data/07_model_output/turnover/changes.parquet. One of them: sales-forecast changes.",
                {"before": ",.0f", "now": ",.0f", "change": "+,.0f"},
            ),
        ),
    )


def _by_cause(total: pd.Series[float]) -> pd.DataFrame:
    """Causes with an effect on the sum, in the order in which they are found."""
    causes = effective_causes(total)
    money = total[causes].to_numpy()
    shares = money / total["before"] if total["before"] else float("nan")
    names = [CAUSES[cause] for cause in causes]
    return pd.DataFrame({"cause": names, "change": money, "share of the last forecast": shares})


def _by_level(changes: pd.DataFrame) -> pd.DataFrame:
    """Cycle-over-cycle change of each level."""
    moved = [cycle_change(changes, by) for by in LEVELS.values()]
    return pd.DataFrame({"level": list(LEVELS), "cycle-over-cycle change": moved})


def _in_words(largest: pd.DataFrame) -> pd.DataFrame:
    """The largest changes with their causes as a sentence."""
    rows = largest.to_dict("records")
    words = [in_words({cause: row[cause] for cause in CAUSES}) for row in rows]
    shown = largest[["store", "department", "before", "after", "change"]].assign(why=words)
    return shown.rename(columns={"after": "now"})
