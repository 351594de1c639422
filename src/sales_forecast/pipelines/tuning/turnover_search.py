"""Turnover: a search for the options that forecast best, on weeks that the evaluation never sees."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from rich.progress import Progress

from sales_forecast import tracking
from sales_forecast.forecasting.evaluation.backtest import BacktestParams
from sales_forecast.forecasting.evaluation.forecaster import fit_and_forecast
from sales_forecast.forecasting.evaluation.metrics import wape
from sales_forecast.forecasting.features.context import ForecastContext, actuals_after
from sales_forecast.forecasting.methods.base import Method
from sales_forecast.forecasting.methods.declare import Methods, declare
from sales_forecast.forecasting.panel.level_shifts import LevelShiftParams
from sales_forecast.forecasting.panel.model_input import ModelInput
from sales_forecast.pipelines.handovers import DataVersion, TunedOptions, TuningErrors
from sales_forecast.pipelines.tuning.params import Span, TurnoverTuningParams
from sales_forecast.pipelines.tuning.turnover_options import present_options, with_options
from sales_forecast.pipelines.tuning.turnover_windows import TuningWindows, plan_tuning

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.trial import FrozenTrial

ERRORS = "errors"
"""Attribute of a finished trial: WAPE of each window."""


@dataclass(frozen=True)
class _Search:
    """What every trial needs.

    Args:
        method: The method with its present options.
        tuning: What is tried.
        windows: What was known at each cutoff, and what came true; in an order that no season begins.
    """

    method: Method
    tuning: TurnoverTuningParams
    windows: list[tuple[ForecastContext, pd.DataFrame]]

    def judge(self, trial: Trial) -> float:
        """Mean WAPE of a trial's options over the windows; given up where the best trial is beyond reach.

        All trials fit with the same seeds, so that the luck of a seed is not taken for a gain.
        """
        import optuna

        options = {name: _suggest(trial, name, span) for name, span in self.tuning.space.items()}
        tried = with_options(self.method, self.tuning, options)
        errors: list[float] = []
        for step, (context, actuals) in enumerate(self.windows):
            answer = fit_and_forecast(tried, context, actuals.drop(columns="turnover"))
            errors.append(wape(actuals["turnover"].to_numpy(), answer["forecast"].to_numpy()))
            trial.report(errors[-1], step)
            if trial.should_prune():
                raise optuna.TrialPruned
        trial.set_user_attr(ERRORS, errors)
        return sum(errors) / len(errors)


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
        backtest: For horizon, stride and fixed cutoffs.
        methods: Candidates.
        level_shifts: How level shifts are found.
        tuning: What is tried, and where it is judged.
        study_path: SQLite file that keeps the trials.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    Path(study_path).parent.mkdir(parents=True, exist_ok=True)
    method = methods.root[tuning.method]
    plan = plan_tuning(model_input.panel, backtest, tuning)
    today = ForecastContext.latest(model_input, level_shifts)
    shuffled = np.random.default_rng(tuning.seed).permutation(len(plan.tried))
    windows = [
        (today.as_of(cutoff), actuals_after(model_input.panel, cutoff, backtest.horizon_weeks))
        for cutoff in (plan.tried[position] for position in shuffled)
    ]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
        pruner = optuna.pruners.WilcoxonPruner(p_threshold=0.1, n_startup_steps=2)
    study = optuna.create_study(
        study_name=_name(method, tuning, data_version, plan, backtest.horizon_weeks, level_shifts),
        storage=f"sqlite:///{study_path}",
        pruner=pruner,
        load_if_exists=True,
    )
    current = present_options(method, tuning)
    study.sampler = optuna.samplers.TPESampler(seed=tuning.seed + len(study.trials))
    if not _of_current(study, current):
        study.enqueue_trial(current)
    _optimise(study, _Search(method, tuning, windows).judge, tuning.trials)
    states = [trial.state.name for trial in study.trials]
    present = _of_current(study, current)[0]
    return TunedOptions(
        best=study.best_params,
        current=current,
        wape=TuningErrors(
            tuned=study.best_value,
            current=float(present.values[0]),
            noise=_noise(study.best_trial.user_attrs[ERRORS], present.user_attrs[ERRORS]),
        ),
        finished=states.count("COMPLETE"),
        pruned=states.count("PRUNED"),
        seen_until=plan.seen_until.date(),
    )


def _noise(best: list[float], current: list[float]) -> float | None:
    """Standard error of the mean difference; windows that overlap say less than it assumes."""
    if len(best) < 2:
        return None
    return float(np.std(np.subtract(best, current), ddof=1) / np.sqrt(len(best)))


def _name(
    method: Method,
    tuning: TurnoverTuningParams,
    data_version: DataVersion,
    plan: TuningWindows,
    horizon_weeks: int,
    level_shifts: LevelShiftParams,
) -> str:
    """Name of the study: trials can be compared only if all but the options was the same."""
    searched = tuning.model_dump(mode="json", include={"method", "seed", "space"})
    shifts = level_shifts.model_dump(mode="json")
    windows = [f"{cutoff}" for cutoff in plan.tried]
    same = [declare(method), searched, data_version.version, windows, horizon_weeks, shifts]
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
