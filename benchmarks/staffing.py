"""What staffing by the quantile would have cost: ``python -m benchmarks.staffing PROJECT``.

Prints the tables of docs/staffing.md. The backtest of a run keeps the ends of two intervals only; here all
quantiles are made again, with the parameters in ``conf/base`` and from the folds that the run has kept.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pandas as pd
from rich.progress import track

from benchmarks.measure import parameters
from benchmarks.page import _markdown
from sales_forecast.forecasting.evaluation.backtest import BacktestParams, plan_cutoffs
from sales_forecast.forecasting.evaluation.fold_cache import FoldCache, FoldCacheParams
from sales_forecast.forecasting.evaluation.past_forecasts import learn_half_widths
from sales_forecast.forecasting.features.context import ForecastContext, actuals_after
from sales_forecast.forecasting.intervals.conformal import quantiles
from sales_forecast.forecasting.intervals.windows import IntervalParams
from sales_forecast.forecasting.methods.declare import Methods
from sales_forecast.forecasting.panel.level_shifts import LevelShiftParams
from sales_forecast.forecasting.panel.matrix import ROW_KEYS
from sales_forecast.forecasting.panel.model_input import ModelInput
from sales_forecast.planning.staffing import StaffingRule
from sales_forecast.planning.staffing_backtest import QUANTILE, compare_policies, with_last_year

COSTS = ((1.0, 1.0), (2.0, 1.0), (3.0, 1.0))
"""Cost of a missing and of an idle hour."""

FINE = 0.01
"""Hours of a shift so short that rounding does not matter."""


def past_quantiles(project: Path, data: ModelInput) -> pd.DataFrame:
    """Forecast the windows of the backtest with the selected method, with the quantiles of every row.

    Args:
        project: Folder of a project that has been run; folds that it has kept are not computed again.
        data: Its model input.

    Returns:
        ``cutoff, store, department, week, turnover, forecast`` and the columns of ``QUANTILES``.
    """
    folder, options = project / "data/06_models/turnover", parameters()
    name = json.loads((folder / "selected_method.json").read_text())["method"]
    method = Methods({name: options["methods"][name]}).root[name]
    folds = FoldCache(FoldCacheParams(folder=str(folder / "folds"), limit_megabytes=10_000))
    intervals, backtest = IntervalParams(**options["intervals"]), BacktestParams(**options["backtest"])
    today = ForecastContext.latest(data, LevelShiftParams(**options["level_shifts"]))
    today = today.changed(forecaster=folds.fit_and_forecast)
    made = []
    for cutoff in track(plan_cutoffs(data.panel, backtest), description="Windows"):
        context, actuals = today.as_of(cutoff), actuals_after(data.panel, cutoff, backtest.horizon_weeks)
        forecaster = folds.fit_and_forecast
        half_widths = learn_half_widths(method, context, intervals, backtest.horizon_weeks, forecaster)
        forecasts = forecaster(method, context, actuals[ROW_KEYS])
        distribution = quantiles(forecasts, forecasts["mean_week"], half_widths)
        turnover = actuals["turnover"].to_numpy()
        made.append(
            forecasts[[*ROW_KEYS, "forecast"]].join(distribution).assign(cutoff=cutoff, turnover=turnover)
        )
    return pd.concat(made, ignore_index=True)


def table_of(rows: pd.DataFrame, rule: StaffingRule) -> pd.DataFrame:
    """Compare the policies at each ratio of costs, with one rule for all departments.

    All columns are shares of the needed hours; ``difference`` is the cost of the quantile minus the row's.
    """
    found = {}
    for missing, idle in COSTS:
        priced = rule.model_copy(update={"cost_missing": missing, "cost_idle": idle})
        rules = dict.fromkeys(rows["department"].astype(str).unique(), priced)
        for cost in compare_policies(rows, rules):
            own = cost.policy == QUANTILE
            difference = cost.difference
            found[f"{missing:g} : {idle:g}, {cost.policy.replace('_', ' ')}"] = {
                "planned": cost.planned,
                "missing": cost.missing,
                "idle": cost.idle,
                "cost": cost.cost,
                "difference": float("nan") if own else difference.wape,
                "from": float("nan") if own else difference.low,
                "to": float("nan") if own else difference.high,
            }
    return pd.DataFrame(found).T.rename_axis("missing : idle, plan for")


def main() -> None:
    """Read the command line, compute, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.staffing", description=__doc__)
    parser.add_argument("project", type=Path, help="folder of a project that has been run")
    parser.add_argument("--productivity", type=float, default=StaffingRule().productivity)
    options = parser.parse_args()
    data = ModelInput.read(options.project / "data/05_model_input/turnover")
    rows = with_last_year(past_quantiles(options.project, data), data.panel)
    rules = {
        "Hours in proportion to turnover, without minimum cover, fixed hours and shifts": StaffingRule(
            minimum_cover_hours=0, fixed_hours=0, shift_hours=FINE, productivity=options.productivity
        ),
        f"The default rule, with a productivity of {options.productivity:g}": StaffingRule(
            productivity=options.productivity
        ),
    }
    formats = {"": ".1%"} | dict.fromkeys(("difference", "from", "to"), "+.2%")
    windows, weeks = rows["cutoff"].nunique(), rows["week"].nunique()
    print(f"{len(rows):,} forecasts of {rows['store'].nunique()} stores, {weeks} weeks in {windows} windows")
    for name, rule in rules.items():
        print(f"\n{name}:\n\n{_markdown(table_of(rows, rule), formats)}")


if __name__ == "__main__":
    main()
