"""Turnover: the selected method of a run, and its metrics for machines."""

from __future__ import annotations

import pandas as pd

from sales_forecast.forecasting.evaluation.significance import compare
from sales_forecast.forecasting.methods.declare import Methods
from sales_forecast.pipelines.evaluation.params import TurnoverEvaluationParams
from sales_forecast.pipelines.evaluation.turnover_scores import METRICS, mean_scores, per_window
from sales_forecast.pipelines.handovers import SelectedMethod, TurnoverMetrics

RULE = "lowest WAPE, averaged over the backtest's windows; of near equals the steadiest, then the cheapest"


def check_baseline(methods: Methods, evaluation: TurnoverEvaluationParams) -> None:
    """Refuse a baseline that is no candidate, before anything is computed or written.

    Args:
        methods: Candidates.
        evaluation: Names the baseline.

    Raises:
        InputError: The baseline is not among them.
    """
    evaluation.check_candidates(list(methods.root))


def select_method(
    scores: pd.DataFrame,
    backtest: pd.DataFrame,
    backtest_seconds: pd.DataFrame,
    evaluation: TurnoverEvaluationParams,
) -> SelectedMethod:
    """Choose the method with the lowest mean WAPE.

    Of methods that are as good but for a small share, where that may be chance, it is the one whose WAPE
    differs least from window to window, then the cheapest, then the first in the alphabet.

    Args:
        scores: As ``score_backtest`` returns them.
        backtest: Every forecast of the past.
        backtest_seconds: What each fold took.
        evaluation: Names the method that the others are measured against, and says what a tie is.

    Raises:
        InputError: The baseline is not among the candidates.
    """
    means = mean_scores(scores)["wape"].round(12)
    evaluation.check_candidates(list(means.index))
    lowest = str(means.sort_index().idxmin())
    spread = per_window(scores).groupby("method")["wape"].std().fillna(0).round(12)
    cost = backtest_seconds.groupby("method")["seconds"].mean()
    tied = [
        name
        for name in sorted(means.index)
        if name == lowest
        or (
            means[name] <= (1 + evaluation.tie_within) * means[lowest]
            and compare(backtest, name, lowest).verdict == "open"
        )
    ]
    best = min(tied, key=lambda name: (spread[name], cost[name], name))
    return SelectedMethod(
        method=best,
        wape=float(means[best]),
        baseline=evaluation.baseline,
        baseline_wape=float(means[evaluation.baseline]),
        rule=RULE,
        chosen_on=tuple(cutoff.date() for cutoff in sorted(scores["cutoff"].unique())),
    )


def collect_metrics(
    scores: pd.DataFrame, coverage_table: pd.DataFrame, selected_method: SelectedMethod
) -> TurnoverMetrics:
    """Nest the scores for machines: ``method -> cutoff -> metric``, with the mean over windows beside.

    Args:
        scores: As ``score_backtest`` returns them.
        coverage_table: As ``measure_coverage`` returns it; what it says of all windows together is added.
        selected_method: As ``select_method`` returns it.

    Returns:
        Numbers by method and window, ``selected``, its name, and the ``headline`` that ends a run.
    """
    metrics: TurnoverMetrics = {"selected": selected_method.method}
    together = coverage_table[coverage_table["by"] == "all"].set_index("method")[
        ["coverage_80", "coverage_95"]
    ]
    for method, windows in per_window(scores).groupby("method"):
        by_window = windows.set_index(windows["cutoff"].dt.strftime("%Y-%m-%d"))[METRICS]
        metrics[str(method)] = {str(window): _plain(row) for window, row in by_window.iterrows()} | {
            "mean": _plain(by_window.mean()) | _plain(together.T[str(method)])
        }
    metrics["headline"] = {
        "best": selected_method.method,
        "error": f"WAPE {selected_method.wape:.1%}",
        "baseline": f"WAPE {selected_method.baseline_wape:.1%} ({selected_method.baseline})",
    }
    return metrics


def _plain(row: pd.Series[float]) -> dict[str, float]:
    return {str(name): float(value) for name, value in row.items() if pd.notna(value)}
