"""Turnover: the report's section on how good the forecasts are."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from sales_forecast.pipelines.evaluation.turnover_scores import mean_scores, per_window
from sales_forecast.pipelines.handovers import SelectedMethod
from sales_forecast.reporting import Chart, Section, Table, Text

FORMATS = {
    "WAPE": ".1%",
    "WQL": ".1%",
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


def write_evaluation(
    scores: pd.DataFrame,
    selected_method: SelectedMethod,
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
    """Say which method is selected, how good it is and what that is worth.

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
    best = selected_method.method
    windows = per_window(scores)
    coverage = coverage_table[coverage_table["method"] == best].drop(columns="method")
    return Section(
        title="Turnover: how good the forecasts are",
        lead=(
            f"Backtest over {windows['cutoff'].nunique()} windows: each method sees nothing after the cutoff "
            f"and forecasts the weeks that follow. The selected method is chosen by {selected_method.rule}; "
            "it is chosen and reported on the same windows, so its figure is a little flattering."
        ),
        answers=_answers(scores, selected_method, coverage),
        blocks=(
            *_comparisons(scores, selected_method, comparison_table, backtest_seconds),
            Chart(windows_chart, "The lower, the better. A window is named by the last week seen."),
            Chart(horizons_chart, "How the error grows with the distance."),
            Chart(departments_chart, "Which departments are hard to forecast."),
            Table(
                _readable(cold_start_table).rename(columns={"weeks_known": "weeks known"}),
                f"How {best} forecasts young stores: of the past of old ones only so many weeks were used. "
                "With fewer than five a series is forecast as its peers are, at its own size.",
                FORMATS | {"stores": ",d"},
            ),
            Chart(backtest_chart, "Grey is what was sold; the coloured pieces were forecast at their start."),
            *_details(best, windows, levels_table, sums_table, coverage),
        ),
    )


def _answers(scores: pd.DataFrame, selected: SelectedMethod, coverage: pd.DataFrame) -> tuple[str, ...]:
    """The sentences on top.

    Args:
        scores: As ``score_backtest`` returns them.
        selected: The selected method.
        coverage: Coverage of its intervals.
    """
    windows = per_window(scores)
    own = windows[windows["method"] == selected.method].set_index("cutoff")["wape"]
    bias = float(mean_scores(scores)["bias"][selected.method])
    saved = 1 - selected.wape / selected.baseline_wape
    held = coverage[coverage["by"] == "all"].iloc[0]
    return (
        f"**{selected.method}** forecasts best: its error (WAPE) is **{selected.wape:.1%}** of turnover, "
        f"against {selected.baseline_wape:.1%} for {selected.baseline}; that is {saved:.0%} less.",
        f"Its best window begins after {own.idxmin():%Y-%m-%d} ({own.min():.1%}), its worst after "
        f"{own.idxmax():%Y-%m-%d} ({own.max():.1%}).",
        f"Over all windows its forecasts are {abs(bias):.1%} too {'high' if bias > 0 else 'low'} on average.",
        f"Its 80 % ranges held **{held['coverage_80']:.0%}** of all weeks, its 95 % ranges "
        f"**{held['coverage_95']:.0%}**.",
    )


def _comparisons(
    scores: pd.DataFrame, selected: SelectedMethod, comparison_table: pd.DataFrame, seconds: pd.DataFrame
) -> tuple[Table | Text, ...]:
    """Every method beside the others, and the selected one against each.

    Args:
        scores: As ``score_backtest`` returns them.
        selected: The selected method.
        comparison_table: As ``compare_with_selected`` returns it.
        seconds: ``method, cutoff, seconds``.
    """
    means = mean_scores(scores)
    means["value added"] = (1 - means["wape"] / selected.baseline_wape).round(6)
    means["seconds"] = seconds.groupby("method")["seconds"].mean()
    return (
        Table(_readable(means.reset_index()), "Mean over windows, best first.", FORMATS),
        Text(
            "WAPE is the sum of absolute errors over the sum of turnover. WQL, the weighted quantile loss, "
            "judges the whole distribution likewise: at its quantiles from 5 to 95 %. RMSE and MAE are in "
            "currency units per store, department and week. RMSSE below 1 beats repeating last year in the "
            "series' own past. Bias is positive where forecasts were too high. Value added is the share "
            f"of the error of {selected.baseline} that a method saves. Seconds are what fit and forecast of "
            "a window took; what methods share counts with the first that needs it."
        ),
        Table(
            comparison_table.rename(columns={"method": f"{selected.method} against"}),
            "The selected method's WAPE less that of each other method, mean over windows, with its 95 % "
            "interval (by weeks and stores). Where that holds zero, the question is open.",
            {"difference": "+.1%", "low": "+.1%", "high": "+.1%"},
        ),
    )


def _details(
    best: str,
    windows: pd.DataFrame,
    levels_table: pd.DataFrame,
    sums_table: pd.DataFrame,
    coverage: pd.DataFrame,
) -> tuple[Table, ...]:
    """The tables that open on demand.

    Args:
        best: Name of the selected method.
        windows: Scores per method and window.
        levels_table: As ``score_levels`` returns it.
        sums_table: As ``learn_hierarchy_intervals`` returns it.
        coverage: Coverage of the selected method's intervals.
    """
    return (
        Table(
            _readable(levels_table.groupby(["level", "method"], as_index=False).mean(numeric_only=True)),
            "Mean over windows of the sums that planners and regions look at.",
            FORMATS,
            collapsed=True,
        ),
        Table(
            sums_table.rename(columns=COVERAGE_NAMES),
            f"The ranges of sums, learnt from the errors of the same sums of {best}. Each window is "
            "judged by what the windows that do not overlap it, earlier and later ones, would have given it.",
            COVERAGE_FORMATS,
            collapsed=True,
        ),
        Table(
            coverage.rename(columns=COVERAGE_NAMES),
            f"How many weeks fell into the ranges of {best}, and their width in shares of turnover.",
            COVERAGE_FORMATS,
            collapsed=True,
        ),
        Table(
            _readable(windows.drop(columns=["department", "horizon"])),
            "Every method in every window",
            FORMATS,
            collapsed=True,
        ),
    )


def _readable(table: pd.DataFrame) -> pd.DataFrame:
    names = {name: name.upper() for name in ("wape", "wql", "rmse", "mae", "rmsse")}
    return table.rename(columns=names | {"cutoff": "last week seen"})
