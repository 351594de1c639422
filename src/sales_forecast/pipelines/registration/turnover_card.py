"""The card that goes with a turnover model: what it is for, how good it was, what it cannot do."""

from __future__ import annotations

import pandas as pd

from sales_forecast.forecasting.evaluation.metrics import score
from sales_forecast.forecasting.intervals.conformal import count_inside
from sales_forecast.forecasting.model import TurnoverModel
from sales_forecast.pipelines.handovers import DataVersion


def score_windows(backtest: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Errors and coverage by window, which its cutoff names.

    Args:
        backtest: What one method would have forecast, with what came true.
    """
    windows = {f"{cutoff:%Y-%m-%d}": score(rows) for cutoff, rows in backtest.groupby("cutoff")}
    for held in count_inside(backtest, ["cutoff"]).to_dict("records"):
        inside = {name: float(held[name]) for name in ("coverage_80", "coverage_95")}
        windows[f"{held['cutoff']:%Y-%m-%d}"] |= inside
    return windows


def write_card(
    model: TurnoverModel, backtest: pd.DataFrame, panel: pd.DataFrame, data_version: DataVersion
) -> str:
    """Write the card in Markdown, from the model's own past forecasts.

    Args:
        model: What the card is about.
        backtest: What its method would have forecast, with what came true.
        panel: The past it has learnt from.
        data_version: Of the raw files.
    """
    series = len(panel[["store", "department"]].drop_duplicates())
    windows = "\n".join(
        f"| {cutoff} | {found['wape']:.1%} |" for cutoff, found in score_windows(backtest).items()
    )
    held = count_inside(backtest.assign(all="all"), ["all"]).iloc[0]
    return f"""# Turnover: {model.name}

Forecasts the turnover of {series:,} stores and departments for the {model.horizon_weeks} weeks after
{model.cutoff:%Y-%m-%d}, in currency units per week, with 80 % and 95 % intervals. For placing people
and goods.

**Data.** Weeks from {panel["week"].min():%Y-%m-%d} to {panel["week"].max():%Y-%m-%d}, {len(panel):,} rows;
version {data_version.version}.

**Error.** WAPE on past windows, each forecast without anything after its cutoff; the method was chosen on the
same windows.

| last week seen | WAPE |
|---|---|
{windows}

**Intervals.** {held["coverage_80"]:.1%} of these weeks fell into their 80 % range,
{held["coverage_95"]:.1%} into their 95 % range.

**Limits.** It knows the past of these stores, the calendar and what the retailer says ahead of time, and
nothing else: no rival, no weather, no closing that is not in the plan. A store of fewer than five weeks is
forecast as its peers are. After {model.horizon_weeks} weeks it has to be fitted anew.
"""
