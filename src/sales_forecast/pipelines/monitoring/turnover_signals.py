"""Turnover: signals in the weeks that have come, and the decision that follows from them."""

from __future__ import annotations

import logging

import pandas as pd

from sales_forecast.deliveries.delivery import Delivery
from sales_forecast.deliveries.recorded import Recorded
from sales_forecast.forecasting.exceptions import join_turnover
from sales_forecast.forecasting.monitoring.retraining import (
    Decision,
    RetrainingParams,
    decide_retraining,
)
from sales_forecast.forecasting.monitoring.scores import (
    newer_first,
    score_backtest,
    store_log_ratios,
    with_log_ratios,
)
from sales_forecast.forecasting.monitoring.signals import AlarmParams, State, find_signals, with_since
from sales_forecast.forecasting.panel.labels import labelled
from sales_forecast.forecasting.panel.matrix import SERIES_KEYS
from sales_forecast.forecasting.panel.model_input import ModelInput
from sales_forecast.models.turnover import TurnoverPackage
from sales_forecast.pipelines.handovers import RetrainingDecision
from sales_forecast.registry.serving import JUDGED_UNTIL, ServingModel
from sales_forecast.storage.monitoring_dataset import Monitored
from sales_forecast.storage.queries import Run

logger = logging.getLogger(__name__)

PUBLISHED_WEEKS = 26
"""Weeks whose published forecasts of single stores are looked at; before them, those of the backtest are."""


def watch_forecasts(
    serving: ServingModel[TurnoverPackage],
    model_input: ModelInput,
    recorded: Recorded,
    publication: Run,
    alarms: AlarmParams,
) -> pd.DataFrame:
    """Look for what is unusual in the weeks that have come.

    Weeks from before anything was published are judged by what the method that serves would have forecast,
    so that a new project has alarms from its first week on.

    Args:
        serving: The model that serves, with the forecasts of its backtest.
        model_input: What was sold.
        recorded: How right the published forecasts were.
        publication: The newest forecasts; scoring is a part of publishing them.
        alarms: When something is a warning or an alarm.

    Returns:
        See ``forecasting.monitoring.signals.find_signals``: of weeks that something was said about before, as
        it was said then; weeks that the newest publication did not know are left out.
    """
    panel, last = model_input.panel, model_input.last_week
    past = with_log_ratios(serving.package.backtest, panel)
    past_scores = score_backtest(past).astype({"department": str})
    scores = newer_first(recorded.scores(serving.retailer), past_scores, ["department"])
    week_ahead = recorded.week_ahead_forecasts(last.date(), serving.retailer, PUBLISHED_WEEKS)
    published = with_log_ratios(join_turnover(labelled(week_ahead, model_input), panel), panel)
    stores = newer_first(store_log_ratios(published), store_log_ratios(past), SERIES_KEYS)
    stores = stores.astype(dict.fromkeys(SERIES_KEYS, str))
    found = find_signals(scores[scores["week"] <= last], stores[stores["week"] <= last], alarms)
    signals = _as_said(recorded.signals(serving.retailer), found, last)
    for _, alarm in signals[(signals["week"] == last) & (signals["state"] == State.ALARM)].iterrows():
        logger.warning(
            "Alarm, %s of %s since %s: %s.",
            *(alarm["detector"], alarm["key"], f"{alarm['since']:%Y-%m-%d}", alarm["evidence"]),
        )
    return signals


def decide_turnover_retraining(
    monitor_signals: pd.DataFrame,
    serving: ServingModel[TurnoverPackage],
    model_input: ModelInput,
    recorded: Recorded,
    delivery: Delivery,
    retraining: RetrainingParams,
) -> RetrainingDecision:
    """Decide whether all methods should compete again, see ``forecasting.monitoring.retraining``.

    Args:
        monitor_signals: As ``watch_forecasts`` returns them.
        serving: Tells when all methods have competed last.
        model_input: The weeks that have come.
        recorded: The decisions before.
        delivery: What the newest week came with; one that is not accepted is no reason.
        retraining: The policy.
    """
    week, judged = model_input.last_week, serving.judged
    if delivery.state != "accepted":
        decision = Decision(False, None, f"the delivery is {delivery.state}")
    else:
        until = pd.Timestamp(judged.tags[JUDGED_UNTIL]) if judged else None
        decision = decide_retraining(
            monitor_signals, week, until, recorded.decisions(serving.retailer), retraining
        )
    if decision.wanted:
        logger.warning(
            "All methods should compete again: %s. Do it: sales-forecast retrain", decision.evidence
        )
    return RetrainingDecision(week=week.date(), **vars(decision))


def record_monitoring(
    monitor_signals: pd.DataFrame,
    retraining_decision: RetrainingDecision,
    serving: ServingModel[TurnoverPackage],
) -> Monitored:
    """Put signals and decision where others can ask for them, and what came of earlier decisions.

    Args:
        monitor_signals: As ``watch_forecasts`` returns them.
        retraining_decision: As ``decide_turnover_retraining`` returns it.
        serving: Tells what came of the last competition of all methods.
    """
    judged = serving.judged
    if judged is None:
        return Monitored(serving.retailer, monitor_signals, retraining_decision.model_dump())
    took_over = "serves" if str(judged.version) == serving.version else "was judged"
    return Monitored(
        serving.retailer,
        monitor_signals,
        retraining_decision.model_dump(),
        pd.Timestamp(judged.tags[JUDGED_UNTIL]).date(),
        f"version {judged.version} {took_over}: {judged.tags.get('decision', '')}",
    )


def _as_said(said: pd.DataFrame, found: pd.DataFrame, last: pd.Timestamp) -> pd.DataFrame:
    """What is on record, and what is found in the weeks after it: another model sees the past otherwise."""
    said = said[said["week"] <= last]
    if said.empty:
        return found
    return with_since(pd.concat([said, found[found["week"] > said["week"].max()]]))
