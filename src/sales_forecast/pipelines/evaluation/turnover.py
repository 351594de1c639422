"""Turnover: how good every candidate was, and which one serves."""

from __future__ import annotations

from typing import Any

import pandas as pd
import plotly.graph_objects as go

from sales_forecast.forecasting.evaluation.metrics import rmsse, score, seasonal_scale
from sales_forecast.forecasting.methods.declare import Methods
from sales_forecast.pipelines.evaluation.params import TurnoverEvaluationParams
from sales_forecast.reporting import COLOURS, Chart, Section, Table, Text, new_figure

METRICS = ["wape", "rmse", "mae", "rmsse", "bias"]
RULE = "lowest WAPE, averaged over the backtest's windows"


def score_backtest(backtest: pd.DataFrame, panel: pd.DataFrame) -> pd.DataFrame:
    """Score every method per window, and within it per department and per week ahead.

    Args:
        backtest: ``method, cutoff, store, department, week, horizon, turnover, forecast``.
        panel: Gap-free weekly turnover; its past gives RMSSE its nonconformity scale.

    Returns:
        ``method, cutoff, department, horizon, rows, wape, rmse, mae, rmsse, bias``. ``department`` is
        ``"all"`` and ``horizon`` 0 where the row pools over them; units as in ``forecasting.evaluation.metrics``.
    """
    scores: list[dict[str, Any]] = []
    for cutoff, window in backtest.groupby("cutoff"):
        scale = seasonal_scale(panel, pd.Timestamp(str(cutoff)))
        for method, rows in window.groupby("method"):
            labels = {"method": method, "cutoff": cutoff}
            scores.append(labels | _scored("all", 0, rows, scale))
            scores += [labels | _scored(str(d), 0, part, scale) for d, part in rows.groupby("department")]
            scores += [labels | _scored("all", h, part, scale) for h, part in rows.groupby("horizon")]
    return pd.DataFrame(scores)


def _scored(department: str, horizon: Any, rows: pd.DataFrame, scale: pd.Series[float]) -> dict[str, Any]:
    return {
        "department": department,
        "horizon": int(horizon),
        "rows": len(rows),
        **score(rows),
        "rmsse": rmsse(rows, scale),
    }


def _per_window(scores: pd.DataFrame) -> pd.DataFrame:
    return scores[(scores["department"] == "all") & (scores["horizon"] == 0)]


def _means(scores: pd.DataFrame) -> pd.DataFrame:
    """Mean over windows of each metric, best method first."""
    return _per_window(scores).groupby("method")[METRICS].mean().sort_values("wape")


def check_baseline(methods: Methods, evaluation: TurnoverEvaluationParams) -> None:
    """Refuse a baseline that is no candidate, before anything is computed or written.

    Args:
        methods: Candidates.
        evaluation: Names the baseline.

    Raises:
        InputError: The baseline is not among them.
    """
    evaluation.check_candidates(list(methods.root))


def select_method(scores: pd.DataFrame, evaluation: TurnoverEvaluationParams) -> dict[str, Any]:
    """Choose the method with the lowest mean WAPE; of equals the one that comes first in the alphabet.

    Args:
        scores: As ``score_backtest`` returns them.
        evaluation: Names the method that the others are measured against.

    Returns:
        ``method, wape, baseline, baseline_wape, rule, chosen_on`` (ISO dates of the cutoffs).

    Raises:
        InputError: The baseline is not among the candidates.
    """
    means = _means(scores)["wape"].round(12)
    evaluation.check_candidates(list(means.index))
    best = str(means.sort_index().idxmin())
    return {
        "method": best,
        "wape": float(means[best]),
        "baseline": evaluation.baseline,
        "baseline_wape": float(means[evaluation.baseline]),
        "rule": RULE,
        "chosen_on": [f"{cutoff:%Y-%m-%d}" for cutoff in sorted(scores["cutoff"].unique())],
    }


def collect_metrics(
    scores: pd.DataFrame, coverage_table: pd.DataFrame, selected_method: dict[str, Any]
) -> dict[str, Any]:
    """Nest the scores for machines: ``method -> cutoff -> metric``, with the mean over windows beside.

    Args:
        scores: As ``score_backtest`` returns them.
        coverage_table: As ``measure_coverage`` returns it; what it says of all windows together is added.
        selected_method: As ``select_method`` returns it.

    Returns:
        Numbers by method and window, ``selected_method``, and the ``headline`` that ends a run.
    """
    metrics: dict[str, Any] = {"selected": selected_method["method"]}
    together = coverage_table[coverage_table["by"] == "all"].set_index("method")[
        ["coverage_80", "coverage_95"]
    ]
    for method, windows in _per_window(scores).groupby("method"):
        by_window = windows.set_index(windows["cutoff"].dt.strftime("%Y-%m-%d"))[METRICS]
        metrics[str(method)] = {str(window): _plain(row) for window, row in by_window.iterrows()} | {
            "mean": _plain(by_window.mean()) | _plain(together.T[str(method)])
        }
    metrics["headline"] = {
        "best": selected_method["method"],
        "error": f"WAPE {selected_method['wape']:.1%}",
        "baseline": f"WAPE {selected_method['baseline_wape']:.1%} ({selected_method['baseline']})",
    }
    return metrics


def _plain(row: pd.Series[float]) -> dict[str, float]:
    return {str(name): float(value) for name, value in row.items() if pd.notna(value)}


def chart_windows(scores: pd.DataFrame) -> go.Figure:
    """Draw WAPE per window and method.

    Args:
        scores: As ``score_backtest`` returns them.
    """
    figure = new_figure("Error per backtest window", "last week seen", "WAPE", height=380)
    for method, rows in _in_order(scores):
        windows = rows.sort_values("cutoff")
        figure.add_bar(x=windows["cutoff"].dt.strftime("%Y-%m-%d"), y=windows["wape"], name=method)
    figure.update_layout(barmode="group", xaxis_type="category", yaxis_tickformat=".0%")
    return figure


def chart_horizons(scores: pd.DataFrame) -> go.Figure:
    """Draw WAPE against weeks ahead, mean over windows.

    Args:
        scores: As ``score_backtest`` returns them.
    """
    figure = new_figure("Error by weeks ahead", "weeks ahead", "WAPE, mean over windows")
    ahead = scores[(scores["department"] == "all") & (scores["horizon"] > 0)]
    for method in _means(scores).index:
        mean = ahead[ahead["method"] == method].groupby("horizon")["wape"].mean()
        figure.add_scatter(x=mean.index, y=mean, name=method, mode="lines+markers")
    figure.update_layout(yaxis_tickformat=".0%", yaxis_rangemode="tozero", xaxis_dtick=1)
    return figure


def chart_departments(scores: pd.DataFrame) -> go.Figure:
    """Draw WAPE per department and method, mean over windows.

    Args:
        scores: As ``score_backtest`` returns them.
    """
    figure = new_figure("Error by department", "department", "WAPE, mean over windows")
    parts = scores[(scores["department"] != "all") & (scores["horizon"] == 0)]
    for method in _means(scores).index:
        mean = parts[parts["method"] == method].groupby("department")["wape"].mean()
        figure.add_bar(x=mean.index, y=mean, name=method)
    figure.update_layout(barmode="group", xaxis_type="category", yaxis_tickformat=".0%")
    return figure


def _in_order(scores: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Rows per window of each method, best method first, so that colours mean the same everywhere."""
    windows = _per_window(scores)
    return [(str(method), windows[windows["method"] == method]) for method in _means(scores).index]


def chart_backtest(backtest: pd.DataFrame, panel: pd.DataFrame, selected_method: dict[str, Any]) -> go.Figure:
    """Draw the sum over all series: what was sold, and what the selected method had forecast.

    Args:
        backtest: Every forecast of the past.
        panel: Gap-free weekly turnover.
        selected_method: Whose forecasts are drawn.
    """
    figure = new_figure("What the selected_method would have said", "week", "turnover, all series, per week")
    sold = panel.groupby("week")["turnover"].sum()
    figure.add_scatter(x=sold.index, y=sold, name="sold", line={"color": COLOURS[-1], "width": 1})
    own = backtest[backtest["method"] == selected_method["method"]]
    for position, (_, window) in enumerate(own.groupby("cutoff")):
        total = window.groupby("week")["forecast"].sum()
        figure.add_scatter(
            x=total.index,
            y=total,
            name=f"forecast ({selected_method['method']})",
            legendgroup="forecast",
            showlegend=position == 0,
            line={"color": COLOURS[1], "width": 3},
        )
    return figure


def write_evaluation(
    scores: pd.DataFrame,
    selected_method: dict[str, Any],
    levels_table: pd.DataFrame,
    coverage_table: pd.DataFrame,
    sums_table: pd.DataFrame,
    cold_start_table: pd.DataFrame,
    comparison_table: pd.DataFrame,
    backtest_seconds: pd.DataFrame,
    windows_chart: go.Figure,
    horizons_chart: go.Figure,
    departments_chart: go.Figure,
    backtest_chart: go.Figure,
) -> Section:
    """Say which method serves, how good it is and what that is worth.

    Args:
        scores: As ``score_backtest`` returns them.
        selected_method: As ``select_method`` returns it.
        levels_table: As ``score_levels`` returns it.
        coverage_table: As ``measure_coverage`` returns it.
        sums_table: As ``learn_hierarchy_intervals`` returns it.
        cold_start_table: As ``score_cold_starts`` returns it.
        comparison_table: As ``compare_with_selected`` returns it.
        backtest_seconds: ``method, cutoff, seconds``.
        windows_chart: WAPE per window.
        horizons_chart: WAPE by weeks ahead.
        departments_chart: WAPE per department.
        backtest_chart: Totals against forecasts.
    """
    means = _means(scores)
    best, baseline = selected_method["method"], selected_method["baseline"]
    bias = means.loc[best, "bias"]
    windows = _per_window(scores)
    own = windows[windows["method"] == best].set_index("cutoff")["wape"]
    saved = 1 - selected_method["wape"] / selected_method["baseline_wape"]
    means["value added"] = (1 - means["wape"] / selected_method["baseline_wape"]).round(6)
    means["seconds"] = backtest_seconds.groupby("method")["seconds"].mean()
    honest = coverage_table[coverage_table["method"] == best].drop(columns="method")
    held = honest[honest["by"] == "all"].iloc[0]
    answers = (
        f"**{best}** forecasts best: its error (WAPE) is **{selected_method['wape']:.1%}** of turnover, against "
        f"{selected_method['baseline_wape']:.1%} for {baseline}; that is {saved:.0%} less.",
        f"Its best window begins after {own.idxmin():%Y-%m-%d} ({own.min():.1%}), its worst after "
        f"{own.idxmax():%Y-%m-%d} ({own.max():.1%}).",
        f"Over all windows its forecasts are {abs(bias):.1%} too {'high' if bias > 0 else 'low'} on average.",
        f"Its 80 % intervals held **{held['coverage_80']:.0%}** of all weeks, its 95 % intervals "
        f"**{held['coverage_95']:.0%}**.",
    )
    return Section(
        title="Turnover: how good the forecasts are",
        lead=(
            f"Backtest over {len(own)} windows: each method sees nothing after the cutoff and forecasts the "
            f"weeks that follow. The selected_method is chosen by {selected_method['rule']}; it is chosen and reported on "
            "the same windows, so its figure is a little flattering."
        ),
        answers=answers,
        blocks=(
            Table(_readable(means.reset_index()), "Mean over windows, best first.", FORMATS),
            Text(
                "WAPE is the sum of absolute errors over the sum of turnover. RMSE and MAE are in currency "
                "units per store, department and week. RMSSE below 1 beats repeating last year in the "
                "series' own past. Bias is positive where forecasts were too high. Value added is the share "
                f"of the error of {baseline} that a method saves. Seconds are for one window with intervals; "
                "what methods share counts with the first that needs it."
            ),
            Table(
                comparison_table.rename(columns={"method": f"{best} against"}),
                "The selected_method's WAPE less that of each other method, mean over windows, with its 95 % "
                "interval (paired bootstrap over stores). Where that holds zero, the question is open.",
                {"difference": "+.1%", "low": "+.1%", "high": "+.1%"},
            ),
            Chart(windows_chart, "The lower, the better. A window is named by the last week seen."),
            Chart(horizons_chart, "How the error grows with the distance."),
            Chart(departments_chart, "Which departments are hard to forecast."),
            Table(
                _readable(cold_start_table).rename(columns={"weeks_known": "weeks known"}),
                f"How {best} forecasts young stores: the past of old ones was hidden but for so many weeks. "
                "With fewer than five a series is forecast as its peers are, at its own size.",
                FORMATS | {"stores": ",d"},
            ),
            Chart(backtest_chart, "Grey is what was sold; the coloured pieces were forecast at their start."),
            Table(
                _readable(levels_table.groupby(["level", "method"], as_index=False)[METRICS].mean()),
                "Mean over windows of the sums that planners and regions look at.",
                FORMATS,
                collapsed=True,
            ),
            Table(
                sums_table.rename(columns=COVERAGE_NAMES),
                f"The intervals of sums, learnt from the errors of the same sums of {best}. Each window is "
                "judged by what the other windows, earlier and later ones, would have given it.",
                COVERAGE_FORMATS,
                collapsed=True,
            ),
            Table(
                honest.rename(columns=COVERAGE_NAMES),
                f"How many weeks fell into the intervals of {best}, and their width in shares of turnover.",
                COVERAGE_FORMATS,
                collapsed=True,
            ),
            Table(
                _readable(windows.drop(columns=["department", "horizon"])),
                "Every method in every window",
                FORMATS,
                collapsed=True,
            ),
        ),
    )


FORMATS = {
    "WAPE": ".1%",
    "RMSE": ",.0f",
    "MAE": ",.0f",
    "RMSSE": ".2f",
    "bias": "+.1%",
    "value added": ".0%",
    "seconds": ".1f",
    "rows": ",d",
}
COVERAGE_NAMES = {
    "value": "which",
    "coverage_80": "in 80 % range",
    "width_80": "width of 80 %",
    "coverage_95": "in 95 % range",
    "width_95": "width of 95 %",
}
COVERAGE_FORMATS = {
    "rows": ",d",
    "in 80 % range": ".1%",
    "width of 80 %": ".0%",
    "in 95 % range": ".1%",
    "width of 95 %": ".0%",
}


def _readable(table: pd.DataFrame) -> pd.DataFrame:
    names = {"wape": "WAPE", "rmse": "RMSE", "mae": "MAE", "rmsse": "RMSSE", "cutoff": "last week seen"}
    return table.rename(columns=names)
