"""Turnover: a search for the options that forecast best, on weeks that the evaluation never sees."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from rich.progress import Progress

from sales_forecast import tracking
from sales_forecast.forecasting.evaluation.backtest import BacktestParams, plan_cutoffs
from sales_forecast.forecasting.evaluation.metrics import wape
from sales_forecast.forecasting.features.context import ForecastContext, actuals_after
from sales_forecast.forecasting.methods.base import Method, forecast_all
from sales_forecast.forecasting.methods.declare import Methods, declare
from sales_forecast.forecasting.panel.level_shifts import LevelShiftParams
from sales_forecast.forecasting.panel.model_input import ModelInput
from sales_forecast.pipelines.handovers import DataVersion, TunedOptions, TuningErrors
from sales_forecast.pipelines.tuning.params import Span, TurnoverTuningParams
from sales_forecast.pipelines.tuning.turnover_options import present_options, with_options

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.trial import FrozenTrial


def tune(
    model_input: ModelInput,
    data_version: DataVersion,
    backtest: BacktestParams,
    methods: Methods,
    level_shifts: LevelShiftParams,
    tuning: TurnoverTuningParams,
    study_path: str,
) -> TunedOptions:
    """Try options, the present ones first; a search that was stopped goes on where it was.

    Args:
        model_input: Past turnover, and what is known of stores and weeks.
        data_version: Other data begin another search.
        backtest: For the horizon.
        methods: Candidates.
        level_shifts: How level shifts are found.
        tuning: What is tried, and where it is judged.
        study_path: SQLite file that keeps the trials.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    Path(study_path).parent.mkdir(parents=True, exist_ok=True)
    method = methods.root[tuning.method]
    today = ForecastContext.latest(model_input, level_shifts)
    plan = BacktestParams(horizon_weeks=backtest.horizon_weeks, cutoffs=tuning.cutoffs)
    contexts = [
        today.as_of(cutoff) for cutoff in plan_cutoffs(model_input.panel, plan, "turnover.tuning.cutoffs")
    ]
    windows = [
        (context, actuals_after(model_input.panel, context.cutoff, backtest.horizon_weeks))
        for context in contexts
    ]
    study = optuna.create_study(
        study_name=_name(method, tuning, data_version, backtest, level_shifts),
        storage=f"sqlite:///{study_path}",
        pruner=optuna.pruners.MedianPruner(n_startup_trials=4),
        load_if_exists=True,
    )
    current = present_options(method, tuning)
    study.sampler = optuna.samplers.TPESampler(seed=tuning.seed + len(study.trials))
    if not _of_current(study, current):
        study.enqueue_trial(current)

    def judge(trial: Trial) -> float:
        options = {name: _suggest(trial, name, span) for name, span in tuning.space.items()}
        tried = with_options(method, tuning, options)
        errors: list[float] = []
        for step, (context, forecast_index) in enumerate(windows):
            answer = forecast_all(tried, context, forecast_index.drop(columns="turnover"), tried.fit(context))
            errors.append(wape(forecast_index["turnover"].to_numpy(), answer["forecast"].to_numpy()))
            trial.report(sum(errors) / len(errors), step)
            if trial.should_prune():
                raise optuna.TrialPruned
        return sum(errors) / len(errors)

    _optimise(study, judge, tuning.trials)
    states = [trial.state.name for trial in study.trials]
    return TunedOptions(
        best=study.best_params,
        current=current,
        wape=TuningErrors(tuned=study.best_value, current=_of_current(study, current)[0].values[0]),
        finished=states.count("COMPLETE"),
        pruned=states.count("PRUNED"),
    )


def _name(
    method: Method,
    tuning: TurnoverTuningParams,
    data_version: DataVersion,
    backtest: BacktestParams,
    level_shifts: LevelShiftParams,
) -> str:
    """Name of the study: trials can be compared only if all but the options was the same."""
    searched = tuning.model_dump(mode="json", exclude={"trials"})
    shifts = level_shifts.model_dump(mode="json")
    same = [declare(method), searched, data_version.version, backtest.horizon_weeks, shifts]
    digest = hashlib.sha256(json.dumps(same, sort_keys=True, default=str).encode()).hexdigest()
    return f"{tuning.method} {digest[:12]}"


def _of_current(study: Study, current: dict[str, float]) -> list[FrozenTrial]:
    """Finished trials of the present options."""
    return [trial for trial in study.trials if trial.state.name == "COMPLETE" and trial.params == current]


def _suggest(trial: Trial, name: str, span: Span) -> float:
    if span.whole:
        return trial.suggest_int(name, int(span.low), int(span.high), log=span.log)
    return trial.suggest_float(name, span.low, span.high, log=span.log)


def _optimise(study: Study, judge: Callable[[Trial], float], trials: int) -> None:
    """Run the trials that are missing, each a nested run."""
    done = sum(trial.state.name in {"COMPLETE", "PRUNED"} for trial in study.trials)
    with Progress(*Progress.get_default_columns(), "{task.fields[best]}") as progress:
        task = progress.add_task("Tuning", total=trials, completed=done, best="")

        def tell(study: Study, trial: FrozenTrial) -> None:
            _log(trial)
            progress.update(task, advance=1, best=f"best WAPE {study.best_value:.2%}")

        study.optimize(judge, n_trials=max(trials - done, 0), callbacks=[tell])


def _log(trial: FrozenTrial) -> None:
    if tracking.run_id() is None:
        return
    import mlflow

    with tracking.same_run(), mlflow.start_run(nested=True, run_name=f"trial {trial.number}"):
        mlflow.log_params(trial.params)
        mlflow.set_tag("state", trial.state.name)
        for step, value in trial.intermediate_values.items():
            mlflow.log_metric("wape", value, step=step)
