"""Measurements, each in a process of its own so that its memory can be measured."""

from __future__ import annotations

import gc
import gzip
import multiprocessing
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import numpy as np
import pandas as pd
import yaml
from kedro.config import OmegaConfigLoader

from benchmarks.methods.quantiles import add_details
from sales_forecast.forecasting.evaluation.fold_cache import FoldCache, FoldCacheParams
from sales_forecast.forecasting.evaluation.forecaster import Forecaster
from sales_forecast.forecasting.evaluation.past_forecasts import learn_half_widths
from sales_forecast.forecasting.features.context import ForecastContext, actuals_after, mean_weeks
from sales_forecast.forecasting.intervals.conformal import add_intervals
from sales_forecast.forecasting.intervals.windows import IntervalParams
from sales_forecast.forecasting.methods.base import forecast_all
from sales_forecast.forecasting.methods.declare import Methods
from sales_forecast.forecasting.panel.level_shifts import LevelShiftParams
from sales_forecast.forecasting.panel.matrix import ROW_KEYS, SERIES_KEYS
from sales_forecast.forecasting.panel.model_input import ModelInput, no_future_covariates
from sales_forecast.memory import limit_heaps
from sales_forecast.resolvers import RESOLVERS

ROOT = Path(__file__).resolve().parents[1]

GIGABYTE = 1024**2  # ru_maxrss counts kilobytes


def code_version() -> str:
    """Return the commit that is checked out, with a plus if files differ from it."""
    command = ["git", "describe", "--always", "--exclude=*", "--abbrev=7", "--dirty=+"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


def parameters() -> dict[str, Any]:
    """Return the parameters of the turnover domain."""
    loader = OmegaConfigLoader(
        str(ROOT / "conf"),
        base_env="base",
        default_run_env="base",
        custom_resolvers=RESOLVERS,
    )
    found: dict[str, Any] = loader["parameters"]["turnover"]
    return found


HORIZON_WEEKS: int = parameters()["backtest"]["horizon_weeks"]


VARIANT = "variant"
"""Name of the project's method without one of its members."""

MEMBER = "ridge"
"""A member of the project's method by itself: fast enough to be fitted every week of years."""


def plan() -> dict[str, Any]:
    """Return what to measure, with the methods filled in that are made of others."""
    wanted: dict[str, Any] = yaml.safe_load((ROOT / "benchmarks/plan.yml").read_text())
    declared = yaml.safe_load((ROOT / "conf/benchmark/parameters.yml").read_text())["turnover"]
    wanted["windows"] = dict(zip("ABCDEF", declared["backtest"]["cutoffs"], strict=True))
    wanted["methods"] = parameters()["methods"] | wanted["methods"] | wanted["peers"]
    pair = {name: wanted["methods"][name] for name in (wanted["project_method"], "mstl_repaired")}
    wanted["methods"]["blend_with_mstl"]["members"] = pair
    variant = deepcopy(wanted["methods"][wanted["project_method"]])
    without = wanted["decisions"]["without"]
    del variant["members"][without]
    for members in variant["alternatives"].values():
        members[:] = [name for name in members if name != without]
    members = wanted["methods"][wanted["project_method"]]["members"]
    wanted["variants"] = {VARIANT: variant, MEMBER: members[MEMBER]}
    return wanted


def with_seed(declared: Any, seed: int) -> Any:
    """Return a declared method with another seed wherever it has one."""
    if not isinstance(declared, dict):
        return declared
    return {key: seed if key == "seed" else with_seed(value, seed) for key, value in declared.items()}


def _send_result(function: Callable[..., Any], arguments: tuple[Any, ...], pipe: Any) -> None:
    limit_heaps()  # as at the start of a run
    result = function(*arguments)
    own, children = (
        resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    pipe.send((result, max(own, children) / GIGABYTE))


def alone(function: Callable[..., Any], *arguments: Any) -> tuple[Any, float]:
    """Call a function in a fresh process; return its result and peak memory in GB."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_send_result, args=(function, arguments, sender))
    process.start()
    sender.close()
    try:
        result: tuple[Any, float] = receiver.recv()
    except EOFError:
        raise SystemExit(f"{function.__name__}{arguments[1:]} ended without a result") from None
    process.join()
    return result


def whole_run(raw: Path, project: Path, *options: str) -> dict[str, float]:
    """Execute ``kedro run`` in a copy of the project; return seconds and peak memory in GB."""
    shutil.rmtree(project, ignore_errors=True)
    for name in ("conf/base", "conf/benchmark", "src"):
        shutil.copytree(ROOT / name, project / name, ignore=shutil.ignore_patterns("__pycache__"))
    (project / "conf/local").mkdir()
    shutil.copy(ROOT / "pyproject.toml", project)
    kedro = Path(sys.executable).with_name("kedro")
    command = [str(kedro), "run", "--params", f"raw_folder={raw.resolve()}", *options]
    environment = os.environ | {"PYTHONPATH": str(project / "src")}
    start = perf_counter()
    with (project / "run.log").open("w") as log:
        process = subprocess.Popen(command, cwd=project, env=environment, stdout=log, stderr=log)
        _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"kedro run failed; see {project / 'run.log'}")
    return {"seconds": perf_counter() - start, "memory": usage.ru_maxrss / GIGABYTE}


def processing(raw: Path, work: Path, factor: int) -> dict[str, float]:
    """Process raw files in which every store is repeated; return seconds and peak memory in GB."""
    names = yaml.safe_load((ROOT / "conf/base/globals.yml").read_text())["turnover"]
    with TemporaryDirectory(dir=work) as scratch:
        for kind, name in names["files"].items():
            if name is None:
                continue
            _repeat_stores(raw / name, Path(scratch) / "raw" / name, names["columns"][kind]["store"], factor)
        domain = ("--pipelines", "data_processing", "--namespaces", "turnover")
        return whole_run(Path(scratch) / "raw", Path(scratch) / "project", *domain)


def _repeat_stores(file: Path, target: Path, store: str, factor: int) -> None:
    table = pd.read_csv(file)
    target.parent.mkdir(parents=True, exist_ok=True)
    with gzip.open(target, "wt", compresslevel=1) as out:
        for copy in range(factor):
            copied = table.assign(**{store: table[store] + copy * 10**6})
            copied.to_csv(out, index=False, header=copy == 0)


def _tables(project: Path) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    data = project / "data"
    return (
        pd.read_parquet(data / "03_primary/turnover/panel.parquet"),
        pd.read_parquet(data / "02_intermediate/turnover/stores.parquet"),
        pd.read_parquet(data / "03_primary/turnover/calendar.parquet"),
    )


def backtest(
    project: Path, name: str, cutoffs: list[Any], weeks: int | None, with_intervals: bool, seed: int | None
) -> tuple[pd.DataFrame, dict[str, float]]:
    """Forecast each window with one method, on so many weeks of history or on all.

    What the method learns from earlier windows is kept beside the project for the methods that come next, and
    its time does not count.

    Returns:
        Forecasts with actual turnover, and seconds by cutoff for fit and forecast.
    """
    panel, stores, calendar = _tables(project)
    options = parameters()
    declared = (plan()["methods"] | plan()["variants"])[name]
    method = Methods({name: declared if seed is None else with_seed(declared, seed)}).root[name]
    intervals = IntervalParams(**options["intervals"])
    level_shifts = LevelShiftParams(**options["level_shifts"])
    forecaster = _keeping(project.with_name(f"{project.name}_folds"))
    forecasts, seconds = [], {}
    for cutoff in map(pd.Timestamp, cutoffs):
        kept = panel if weeks is None else panel[panel["week"] > cutoff - pd.Timedelta(weeks=weeks)]
        actuals = actuals_after(kept, cutoff, HORIZON_WEEKS)
        data = ModelInput(kept, stores, calendar, no_future_covariates())
        today = ForecastContext.latest(data, level_shifts).changed(forecaster=forecaster)
        method.learn_from_past(today.as_of(cutoff))
        start = perf_counter()
        context = today.as_of(cutoff)
        half_widths = (
            learn_half_widths(method, context, intervals, HORIZON_WEEKS, forecaster)
            if with_intervals
            else None
        )
        fitted = method.fit(context)
        made = forecast_all(method, context, actuals[ROW_KEYS], fitted)
        if half_widths:
            made = add_intervals(made, mean_weeks(made, context), half_widths)
        seconds[f"{cutoff:%Y-%m-%d}"] = perf_counter() - start
        made = made if half_widths else add_details(method, context, made, fitted)
        turnover = actuals["turnover"].to_numpy()
        forecasts.append(made.assign(method=name, cutoff=cutoff, turnover=turnover))
    return pd.concat(forecasts, ignore_index=True), seconds


def _keeping(folder: Path) -> Forecaster:
    """Return what fits and forecasts, and keeps the forecasts in a folder."""
    return FoldCache(FoldCacheParams(folder=str(folder), limit_megabytes=10_000)).fit_and_forecast


def scaled(project: Path, name: str, factor: int) -> dict[str, float]:
    """Fit and forecast after the last week, intervals included, with every store repeated.

    Returns:
        Number of series; ``first_seconds`` where past windows have to be forecast too, and ``seconds`` once
        their forecasts are kept.
    """
    panel, stores, calendar = _tables(project)
    options = parameters()
    rng = np.random.default_rng(0)
    panel = pd.concat(
        [
            panel.assign(
                store=panel["store"].astype(str) + f"-{copy}",
                turnover=panel["turnover"] * np.exp(rng.normal(0, 0.1 * (copy > 0), len(panel))),
            )
            for copy in range(factor)
        ],
        ignore_index=True,
    )
    stores = pd.concat(
        [stores.assign(store=stores["store"].astype(str) + f"-{copy}") for copy in range(factor)],
        ignore_index=True,
    )
    cutoff = panel["week"].max() - pd.Timedelta(weeks=HORIZON_WEEKS)  # the calendar reaches no further
    forecast_index = actuals_after(panel, cutoff, HORIZON_WEEKS)[ROW_KEYS]
    method = Methods({name: plan()["methods"][name]}).root[name]
    intervals = IntervalParams(**options["intervals"])
    level_shifts = LevelShiftParams(**options["level_shifts"])

    def run(forecaster: Forecaster) -> float:
        gc.collect()
        start = perf_counter()
        data = ModelInput(panel, stores, calendar, no_future_covariates())
        context = ForecastContext.latest(data, level_shifts).changed(forecaster=forecaster).as_of(cutoff)
        half_widths = learn_half_widths(method, context, intervals, HORIZON_WEEKS, forecaster)
        made = forecast_all(method, context, forecast_index, method.fit(context))
        add_intervals(made, mean_weeks(made, context), half_widths)
        return perf_counter() - start

    with TemporaryDirectory(dir=project.parent) as folder:
        first, again = (run(_keeping(Path(folder))) for _ in range(2))
    series = len(panel[SERIES_KEYS].drop_duplicates())
    return {"series": float(series), "first_seconds": first, "seconds": again}
