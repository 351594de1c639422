"""Turnover: which options of a method forecast best, on weeks that the evaluation never looks at."""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from rich.progress import Progress

from sales_forecast import tracking
from sales_forecast.errors import InputError
from sales_forecast.forecasting.evaluation.backtest import BacktestParams, plan_cutoffs
from sales_forecast.forecasting.evaluation.metrics import mean_wape, wape
from sales_forecast.forecasting.evaluation.significance import compare
from sales_forecast.forecasting.features.context import ForecastContext, actuals_after
from sales_forecast.forecasting.methods.base import Method, forecast_all
from sales_forecast.forecasting.methods.declare import Methods, declare
from sales_forecast.forecasting.panel.level_shifts import LevelShiftParams
from sales_forecast.forecasting.panel.model_input import ModelInput
from sales_forecast.pipelines.tuning.params import Span, TurnoverTuningParams

if TYPE_CHECKING:
    from optuna import Study, Trial

BOOTSTRAP_DRAWS = 2000
TUNED, CURRENT = "tuned", "current"


def check_tuning(backtest: BacktestParams, methods: Methods, tuning: TurnoverTuningParams) -> None:
    """Refuse what cannot work before anything is computed.

    Args:
        backtest: Windows that tuning must not see.
        methods: Candidates.
        tuning: What is tried, and where.

    Raises:
        InputError: A window touches one of the backtest, or a method or option does not exist.
    """
    reach = timedelta(weeks=backtest.horizon_weeks)
    for cutoff in tuning.cutoffs:
        if near := [str(other) for other in backtest.cutoffs if abs(other - cutoff) < reach]:
            raise InputError(
                f"turnover.tuning.cutoffs: the {backtest.horizon_weeks} weeks after {cutoff} touch the "
                f"backtest's window after {near[0]}, whose error would be flattering. Choose another."
            )
    if tuning.method not in methods.root:
        raise InputError(
            f"turnover.tuning.method: '{tuning.method}' is not among turnover.methods: "
            f"{', '.join(sorted(methods.root))}"
        )
    with_options(methods.root[tuning.method], tuning, {name: span.low for name, span in tuning.space.items()})


def with_options(method: Method, tuning: TurnoverTuningParams, options: dict[str, float]) -> Method:
    """The method with other values of some options.

    Raises:
        InputError: A path leads to no method, or a method has no such option.
    """
    declared = declare(method)
    for name, value in options.items():
        for path in tuning.space[name].of:
            _at(declared, path, name)[name] = int(value) if tuning.space[name].whole else value
    return Methods({tuning.method: declared}).root[tuning.method]


def _at(declared: dict[str, Any], path: str, option: str) -> dict[str, Any]:
    place: Any = declared
    for step in path.split("."):
        place = place.get(step) if isinstance(place, dict) else None
    if not isinstance(place, dict) or option not in place:
        raise InputError(f"turnover.tuning.space.{option}: there is no option '{option}' at '{path}'")
    return place


def tune(
    model_input: ModelInput,
    data_version: dict[str, Any],
    backtest: BacktestParams,
    methods: Methods,
    level_shifts: LevelShiftParams,
    tuning: TurnoverTuningParams,
    study_path: str,
) -> dict[str, Any]:
    """Try options, the present ones first; a search that was stopped goes on where it was.

    Args:
        model_input: Past turnover, and what is known of stores and weeks.
        data_version: Other data begin another search.
        backtest: For the horizon.
        methods: Candidates.
        level_shifts: How level shifts are found.
        tuning: What is tried, and where it is judged.
        study_path: SQLite file that keeps the trials.

    Returns:
        ``best`` (option -> value), ``current`` (the same of the present ones), ``wape`` of both on the tuning
        windows, and how many trials were ``finished`` and ``pruned``.
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
    asked = [actuals_after(model_input.panel, context.cutoff, backtest.horizon_weeks) for context in contexts]
    study = optuna.create_study(
        study_name=_name(method, tuning, data_version, backtest, level_shifts),
        storage=f"sqlite:///{study_path}",
        pruner=optuna.pruners.MedianPruner(n_startup_trials=4),
        load_if_exists=True,
    )
    current = {
        name: float(_at(declare(method), span.of[0], name)[name]) for name, span in tuning.space.items()
    }
    study.sampler = optuna.samplers.TPESampler(seed=tuning.seed + len(study.trials))
    if not _of_current(study, current):
        study.enqueue_trial(current)

    def judge(trial: Trial) -> float:
        options = {name: _suggest(trial, name, span) for name, span in tuning.space.items()}
        tried = with_options(method, tuning, options)
        errors: list[float] = []
        for step, (context, forecast_index) in enumerate(zip(contexts, asked, strict=True)):
            answer = forecast_all(tried, context, forecast_index.drop(columns="turnover"), tried.fit(context))
            errors.append(wape(forecast_index["turnover"].to_numpy(), answer["forecast"].to_numpy()))
            trial.report(sum(errors) / len(errors), step)
            if trial.should_prune():
                raise optuna.TrialPruned
        return sum(errors) / len(errors)

    _optimise(study, judge, tuning.trials)
    states = [trial.state.name for trial in study.trials]
    return {
        "best": dict(study.best_params),
        "current": current,
        "wape": {TUNED: study.best_value, CURRENT: _of_current(study, current)[0].value},
        "finished": states.count("COMPLETE"),
        "pruned": states.count("PRUNED"),
    }


def _name(
    method: Method,
    tuning: TurnoverTuningParams,
    data_version: dict[str, Any],
    backtest: BacktestParams,
    level_shifts: LevelShiftParams,
) -> str:
    """Trials can be compared only if all but the options was the same."""
    asked = tuning.model_dump(mode="json", exclude={"trials"})
    shifts = level_shifts.model_dump(mode="json")
    same = [declare(method), asked, data_version["version"], backtest.horizon_weeks, shifts]
    digest = hashlib.sha256(json.dumps(same, sort_keys=True, default=str).encode()).hexdigest()
    return f"{tuning.method} {digest[:12]}"


def _of_current(study: Study, current: dict[str, float]) -> list[Any]:
    """Finished trials of the present options."""
    return [trial for trial in study.trials if trial.state.name == "COMPLETE" and trial.params == current]


def _suggest(trial: Trial, name: str, span: Span) -> float:
    if span.whole:
        return trial.suggest_int(name, int(span.low), int(span.high), log=span.log)
    return trial.suggest_float(name, span.low, span.high, log=span.log)


def _optimise(study: Study, judge: Any, trials: int) -> None:
    """Run the trials that are missing, each a nested run."""
    done = sum(trial.state.name in {"COMPLETE", "PRUNED"} for trial in study.trials)
    with Progress(*Progress.get_default_columns(), "{task.fields[best]}") as progress:
        task = progress.add_task("Tuning", total=trials, completed=done, best="")

        def tell(study: Study, trial: Any) -> None:
            _log(trial)
            progress.update(task, advance=1, best=f"best WAPE {study.best_value:.2%}")

        study.optimize(judge, n_trials=max(trials - done, 0), callbacks=[tell])


def _log(trial: Any) -> None:
    if tracking.run_id() is None:
        return
    import mlflow

    with tracking.same_run(), mlflow.start_run(nested=True, run_name=f"trial {trial.number}"):
        mlflow.log_params(trial.params)
        mlflow.set_tag("state", trial.state.name)
        for step, value in trial.intermediate_values.items():
            mlflow.log_metric("wape", value, step=step)


def judge_tuning(
    tuned: dict[str, Any],
    model_input: ModelInput,
    backtest: BacktestParams,
    methods: Methods,
    level_shifts: LevelShiftParams,
    tuning: TurnoverTuningParams,
) -> dict[str, Any]:
    """Compare the best options with the present ones, on the windows of the backtest.

    Args:
        tuned: As ``tune`` returns it.
        model_input: Past turnover, and what is known of stores and weeks.
        backtest: Windows that no trial has seen.
        methods: Candidates.
        level_shifts: How level shifts are found.
        tuning: Names the method.

    Returns:
        WAPE of both, mean over windows, and their ``difference`` with its 95 % interval (``low, high``).
    """
    method = methods.root[tuning.method]
    today = ForecastContext.latest(model_input, level_shifts)
    both = {TUNED: with_options(method, tuning, tuned["best"]), CURRENT: method}
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
    found = compare(rows, TUNED, CURRENT, BOOTSTRAP_DRAWS, tuning.seed)
    errors: dict[str, Any] = {str(name): mean_wape(mine) for name, mine in rows.groupby("method")}
    return errors | {"difference": found.wape, "low": found.low, "high": found.high, "verdict": found.verdict}


def write_parameters(
    tuned: dict[str, Any], tuning_judgement: dict[str, Any], tuning: TurnoverTuningParams
) -> dict[str, Any]:
    """The best options as a parameter file, which the next run reads beside the others.

    Args:
        tuned: As ``tune`` returns it.
        tuning_judgement: As ``judge_tuning`` returns it; where the best options do harm beyond chance,
            the present ones are written.
        tuning: Where each option belongs.
    """
    options = tuned["current" if tuning_judgement["verdict"] == "worse" else "best"]
    method: dict[str, Any] = {}
    for name, chosen in options.items():
        value = int(chosen) if tuning.space[name].whole else chosen
        for path in tuning.space[name].of:
            place = method
            for step in path.split("."):
                place = place.setdefault(step, {})
            place[name] = value
    return {"turnover": {"methods": {tuning.method: method}}}
