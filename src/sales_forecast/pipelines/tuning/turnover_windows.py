"""Turnover: which windows of the past tuning looks at, and on which others it is judged."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from sales_forecast.errors import InputError
from sales_forecast.forecasting.evaluation.backtest import BacktestParams, plan_cutoffs
from sales_forecast.pipelines.tuning.params import TurnoverTuningParams


@dataclass(frozen=True)
class TuningWindows:
    """Cutoffs of two sets of windows that do not overlap.

    Args:
        tried: Cutoffs of the windows that options are compared on, oldest first.
        judged: Cutoffs of the windows that the best options are judged on, oldest first.
        seen_until: Last week of the windows that options are compared on.
    """

    tried: list[pd.Timestamp]
    judged: list[pd.Timestamp]
    seen_until: pd.Timestamp


def plan_tuning(panel: pd.DataFrame, backtest: BacktestParams, tuning: TurnoverTuningParams) -> TuningWindows:
    """Divide the windows of the past: the newest judge what was found on those before them.

    Args:
        panel: ``store, department, week, turnover``; only its weeks matter.
        backtest: Horizon, stride and fixed cutoffs.
        tuning: Numbers of windows, or fixed cutoffs.

    Raises:
        InputError: The history is too short, or a window touches one that judges.
    """
    reach = pd.Timedelta(weeks=backtest.horizon_weeks)
    if tuning.cutoffs is not None:
        fixed = BacktestParams(horizon_weeks=backtest.horizon_weeks, cutoffs=tuning.cutoffs)
        tried, judged = plan_cutoffs(panel, fixed, "turnover.tuning"), plan_cutoffs(panel, backtest)
        touching = [(one, other) for one in tried for other in judged if abs(other - one) < reach]
        if touching:
            one, other = touching[0]
            raise InputError(
                f"turnover.tuning.cutoffs: the {backtest.horizon_weeks} weeks after {one:%Y-%m-%d} touch the "
                f"backtest's window after {other:%Y-%m-%d}, whose error would be flattering. Choose another."
            )
        return TuningWindows(tried, judged, tried[-1] + reach)
    if backtest.cutoffs is not None:
        raise InputError(
            "turnover.tuning.cutoffs: turnover.backtest.cutoffs are fixed, so those of tuning must be, too; "
            "their windows must not touch. Name some, or leave both to be planned from the data."
        )
    every = backtest.model_copy(update={"folds": tuning.judged_folds + tuning.folds, "after": None})
    cutoffs = plan_cutoffs(panel, every)
    judged = cutoffs[-tuning.judged_folds :]
    tried = [cutoff for cutoff in cutoffs if cutoff + reach <= judged[0]]
    if not tried:
        raise InputError(
            f"turnover.tuning.judged_folds: of {len(cutoffs)} window(s) that the history has, the newest "
            f"{len(judged)} judge, and none is left before them to try options on. Judge on fewer, or bring "
            "more history."
        )
    return TuningWindows(tried, judged, tried[-1] + reach)
