"""Turnover: the section about what changed in the data."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from sales_forecast.pipelines.monitoring.turnover_drift import CURRENT, ERRORS, KEYS, REFERENCE, TARGETS
from sales_forecast.reporting import Section, Table, Text

TITLE = "Turnover: what changed in the data"
FILES = "data/08_reporting/turnover/drift.html", "data/08_reporting/turnover/drift.json"
SHOWN_COLUMNS = 10
SHARES = {"turnover_over_mean_week": "turnover has", "error_over_mean_week": "errors of forecasts have"}


def report_drift(drift_rows: pd.DataFrame, drift_findings: dict[str, Any], drift_page: str) -> Section:
    """Tell which features, targets and errors are distributed otherwise than a year before.

    Args:
        drift_rows: As ``sample_drift_rows`` returns them.
        drift_findings: As ``describe_drift`` returns them.
        drift_page: Evidently's report, which the section links to.
    """
    if reason := drift_findings.get("not_made"):
        return Section(TITLE, f"The last weeks are not compared with those of last year: {reason}.")
    found = columns_found(drift_findings).join(_means(drift_rows), on="column")
    page, figures = FILES
    return Section(
        TITLE,
        f"{_span(drift_rows, CURRENT)}, as the model saw them before they came, against the same weeks of "
        f"last year, {_span(drift_rows, REFERENCE)} (first days). **This is a description, not an alarm**: "
        "in many ordinary weeks such a comparison calls something changed (docs/benchmarks.md says in how "
        "many), so that it is a place to look when forecasts are wrong, and no reason to act by itself.",
        _answers(drift_rows, found),
        (
            Table(
                found.head(SHOWN_COLUMNS)[["column", "mean last year", "mean this year", "score", "limit"]],
                "What changed most, by Evidently's default: a distance between both years counts as a change "
                "from its limit on, and the probability of a test (used for fewer than 1,000 rows) up to its "
                "limit. Turnover and errors are in currency units per week, or over the mean week of their "
                "series; features are as the model gets them, mostly roots of ratios to the mean week.",
                {"mean last year": ",.3f", "mean this year": ",.3f", "score": ".3f", "limit": ".3g"},
            ),
            Text(f"All columns with their charts: {page}, made by Evidently; as figures: {figures}."),
        ),
    )


def columns_found(findings: dict[str, Any]) -> pd.DataFrame:
    """What Evidently says of each column, the most changed first.

    Args:
        findings: Its JSON.

    Returns:
        ``column, score, limit, changed``; the score is a distance, or the probability of a test.
    """
    metrics = [each for each in findings["metrics"] if "ValueDrift" in each["config"]["type"]]
    rows = [
        {
            "column": metric["config"]["column"],
            "score": metric["value"],
            "limit": metric["config"]["threshold"],
            "is_test": "p_value" in metric["config"]["method"],
        }
        for metric in metrics
    ]
    found = pd.DataFrame(rows, columns=["column", "score", "limit", "is_test"])
    times_limit = (found["score"] / found["limit"]).where(
        ~found["is_test"], found["limit"] / found["score"].clip(lower=1e-300)
    )
    changed = (found["score"] >= found["limit"]).where(~found["is_test"], found["score"] < found["limit"])
    order = times_limit.sort_values(ascending=False, kind="stable").index
    return found.assign(changed=changed).drop(columns="is_test").loc[order].reset_index(drop=True)


def _means(rows: pd.DataFrame) -> pd.DataFrame:
    means = rows.drop(columns=[name for name in KEYS if name != "year"]).groupby("year").mean().T
    return means.rename(columns={REFERENCE: "mean last year", CURRENT: "mean this year"})


def _span(rows: pd.DataFrame, year: str) -> str:
    weeks = rows.loc[rows["year"] == year, "week"]
    return f"{weeks.min():%Y-%m-%d} to {weeks.max():%Y-%m-%d}"


def _answers(rows: pd.DataFrame, found: pd.DataFrame) -> tuple[str, ...]:
    features = found[~found["column"].isin([*TARGETS, *ERRORS])]
    others = found[~found.index.isin(features.index)].set_index("column")["changed"]
    changed = features["changed"].sum()
    answers = [f"Of {len(features)} features, **{changed}** are distributed otherwise than a year before."]
    if set(SHARES) <= set(others.index):
        told = [f"{what} {'' if others[name] else 'not '}changed" for name, what in SHARES.items()]
        answers.append(f"Over the mean week of each series, {' and '.join(told)}.")
    wapes = {year: _wape(rows[rows["year"] == year]) for year in (CURRENT, REFERENCE)}
    if all(map(math.isfinite, wapes.values())):
        answers.append(
            f"Backtest forecasts of these weeks were wrong by **{wapes[CURRENT]:.1%}** of turnover, a year "
            f"before by {wapes[REFERENCE]:.1%} (the drawn rows)."
        )
    return tuple(answers)


def _wape(rows: pd.DataFrame) -> float:
    if "error" not in rows:
        return math.nan
    scored = rows[rows["error"].notna()]
    sold = scored["turnover"].abs().sum()
    return float(scored["error"].abs().sum() / sold) if sold else math.nan
