"""Turnover: what the best options of a method bring, and the parameter file that holds them."""

from __future__ import annotations

import pandas as pd

from sales_forecast.forecasting.evaluation.backtest import BacktestParams, plan_cutoffs
from sales_forecast.forecasting.evaluation.metrics import mean_wape
from sales_forecast.forecasting.evaluation.significance import compare
from sales_forecast.forecasting.features.context import ForecastContext, actuals_after
from sales_forecast.forecasting.methods.base import forecast_all
from sales_forecast.forecasting.methods.declare import Methods
from sales_forecast.forecasting.panel.level_shifts import LevelShiftParams
from sales_forecast.forecasting.panel.model_input import ModelInput
from sales_forecast.pipelines.handovers import TunedOptions, TuningJudgement
from sales_forecast.pipelines.tuning.params import TurnoverTuningParams
from sales_forecast.pipelines.tuning.turnover_options import Declared, with_options

TUNED, CURRENT = "tuned", "current"


def judge_tuning(
    tuned: TunedOptions,
    model_input: ModelInput,
    backtest: BacktestParams,
    methods: Methods,
    level_shifts: LevelShiftParams,
    tuning: TurnoverTuningParams,
) -> TuningJudgement:
    """Compare the best options with the present ones, on the windows of the backtest.

    Args:
        tuned: As ``tune`` returns it.
        model_input: Past turnover, and what is known of stores and weeks.
        backtest: Windows that no trial has seen.
        methods: Candidates.
        level_shifts: How level shifts are found.
        tuning: Names the method.
    """
    method = methods.root[tuning.method]
    today = ForecastContext.latest(model_input, level_shifts)
    both = {TUNED: with_options(method, tuning, tuned.best), CURRENT: method}
    folds = []
    for cutoff in plan_cutoffs(model_input.panel, backtest):
        context = today.as_of(cutoff)
        forecast_index = actuals_after(model_input.panel, cutoff, backtest.horizon_weeks)
        for name, one in both.items():
            answer = forecast_all(one, context, forecast_index.drop(columns="turnover"), one.fit(context))
            folds.append(
                answer.assign(method=name, cutoff=cutoff, turnover=forecast_index["turnover"].to_numpy())
            )
    rows = pd.concat(folds, ignore_index=True)
    found = compare(rows, TUNED, CURRENT)
    errors = {str(name): mean_wape(mine) for name, mine in rows.groupby("method")}
    return TuningJudgement(
        tuned=errors[TUNED],
        current=errors[CURRENT],
        difference=found.wape,
        low=found.low,
        high=found.high,
        verdict=found.verdict,
    )


def write_parameters(
    tuned: TunedOptions, tuning_judgement: TuningJudgement, tuning: TurnoverTuningParams
) -> Declared:
    """The best options as a parameter file, which the next run reads beside the others.

    Args:
        tuned: As ``tune`` returns it.
        tuning_judgement: As ``judge_tuning`` returns it; where the best options do harm beyond chance,
            the present ones are written.
        tuning: Where each option belongs.
    """
    options = tuned.current if tuning_judgement.verdict == "worse" else tuned.best
    method: Declared = {}
    for name, chosen in options.items():
        value = int(chosen) if tuning.space[name].whole else chosen
        for path in tuning.space[name].of:
            part = method
            for member in path.split("."):
                part = part.setdefault(member, {})
            part[name] = value
    return {"turnover": {"methods": {tuning.method: method}}}
