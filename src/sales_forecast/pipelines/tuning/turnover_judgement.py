"""Turnover: what the best options of a method bring, and the parameter file that holds them."""

from __future__ import annotations

from math import isfinite

import pandas as pd
from rich.progress import track

from sales_forecast.forecasting.evaluation.backtest import BacktestParams
from sales_forecast.forecasting.evaluation.fold_cache import FoldCache, FoldCacheParams
from sales_forecast.forecasting.evaluation.gate_result import WapeDifference
from sales_forecast.forecasting.evaluation.metrics import mean_wape
from sales_forecast.forecasting.evaluation.significance import compare
from sales_forecast.forecasting.features.context import ForecastContext, actuals_after
from sales_forecast.forecasting.methods.declare import Methods
from sales_forecast.forecasting.panel.level_shifts import LevelShiftParams
from sales_forecast.forecasting.panel.model_input import ModelInput
from sales_forecast.pipelines.handovers import TunedOptions, TuningJudgement
from sales_forecast.pipelines.tuning.params import TurnoverTuningParams
from sales_forecast.pipelines.tuning.turnover_options import Declared, with_options
from sales_forecast.pipelines.tuning.turnover_windows import plan_tuning

TUNED, CURRENT = "tuned", "current"


def judge_tuning(
    tuned: TunedOptions,
    model_input: ModelInput,
    backtest: BacktestParams,
    methods: Methods,
    level_shifts: LevelShiftParams,
    tuning: TurnoverTuningParams,
    fold_cache: FoldCacheParams,
) -> TuningJudgement:
    """Compare the best options with the present ones, on windows that no trial has seen.

    Args:
        tuned: As ``tune`` returns it.
        model_input: Past turnover, and what is known of stores and weeks.
        backtest: For horizon, stride and fixed cutoffs.
        methods: Candidates.
        level_shifts: How level shifts are found.
        tuning: Names the method, and the number of windows.
        fold_cache: Where folds are that were computed before.
    """
    cache = FoldCache(fold_cache)
    method = methods.root[tuning.method]
    today = ForecastContext.latest(model_input, level_shifts)
    both = {TUNED: with_options(method, tuning, tuned.best), CURRENT: method}
    folds = []
    cutoffs = plan_tuning(model_input.panel, backtest, tuning).judged
    for cutoff in track(cutoffs, description="Judging the best options"):
        context = today.as_of(cutoff)
        forecast_index = actuals_after(model_input.panel, cutoff, backtest.horizon_weeks)
        for name, one in both.items():
            answer = cache.fit_and_forecast(one, context, forecast_index.drop(columns="turnover"))
            folds.append(
                answer.assign(method=name, cutoff=cutoff, turnover=forecast_index["turnover"].to_numpy())
            )
    cache.trim()
    rows = pd.concat(folds, ignore_index=True)
    found = compare(rows, TUNED, CURRENT)
    errors = {str(name): mean_wape(mine) for name, mine in rows.groupby("method")}
    return TuningJudgement(
        tuned=errors[TUNED],
        current=errors[CURRENT],
        difference=WapeDifference.of(found),
        verdict=found.verdict,
        chance_worse=1 - found.p_worse() if isfinite(found.standard_error) else None,
        windows=tuple(cutoff.date() for cutoff in cutoffs),
    )


def write_parameters(
    tuned: TunedOptions,
    tuning_judgement: TuningJudgement,
    backtest: BacktestParams,
    tuning: TurnoverTuningParams,
) -> Declared:
    """The best options as a parameter file, which the next run reads beside the others.

    Args:
        tuned: As ``tune`` returns it.
        tuning_judgement: As ``judge_tuning`` returns it; unless the best options are better beyond chance,
            the present ones are written.
        backtest: Has what an earlier tuning has seen.
        tuning: Where each option belongs.

    Returns:
        The methods' options and, so that no report judges by weeks that tuning has seen, the last of these
        weeks as ``turnover.backtest.after``.
    """
    better = tuning_judgement.verdict == "better"
    options = tuned.best if better else tuned.current
    method: Declared = {}
    for name, chosen in options.items():
        value = int(chosen) if tuning.space[name].whole else chosen
        for path in tuning.space[name].of:
            part = method
            for member in path.split("."):
                part = part.setdefault(member, {})
            part[name] = value
    written: Declared = {"methods": {tuning.method: method}}
    seen_until = tuned.seen_until if better else backtest.after
    if seen_until is not None:
        written["backtest"] = {"after": f"{seen_until}"}
    return {"turnover": written}
