"""How often alarms of the monitoring are false, and how soon they see a change."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from benchmarks.measure import MEMBER, parameters
from benchmarks.page import ROOT, _machine, _markdown, filled, write_section
from sales_forecast.forecasting.monitoring.levels import SMALL_SHARE, usual_levels
from sales_forecast.forecasting.monitoring.scores import score_backtest, store_log_ratios, with_log_ratios
from sales_forecast.forecasting.monitoring.signals import (
    SEASON_SHARE,
    AlarmParams,
    Detector,
    State,
    find_signals,
)
from sales_forecast.forecasting.panel.level_shifts import LevelShiftParams, find_level_shifts

DROPS = (0.1, 0.2, 0.3, 0.5, 0.8)
"""Shares of turnover that are taken away, to see whether an alarm follows in the same week."""

BLOCK_WEEKS = 13
"""Weeks that are drawn together for intervals: alarms of neighbouring weeks are one and the same."""

TRUE_WITHIN_WEEKS = 13
"""An alarm within so many weeks of a level shift of its department is not called false."""

FIGURES = ROOT / "deploy/monitoring/figures.yml"
"""What the texts of the alert rules quote."""


def episodes(signals: pd.DataFrame, detector: Detector, states: Iterable[State]) -> pd.DataFrame:
    """First weeks of the episodes of a detector, ``key, week``: weeks in one of the states, without gap."""
    rows = signals[(signals["detector"] == detector) & signals["state"].isin([str(one) for one in states])]
    rows = rows.sort_values(["key", "week"])
    begins = rows.groupby("key")["week"].diff() != pd.Timedelta(weeks=1)
    return rows.loc[begins, ["key", "week"]]


def rate_interval(
    found: pd.DataFrame, weeks: pd.DatetimeIndex, per_year: float
) -> tuple[float, float, float]:
    """Episodes per key and year, with a 95 % interval from blocks of weeks.

    Args:
        found: ``week`` of each episode.
        weeks: All weeks that were looked at.
        per_year: Number of key-years that ``weeks`` are.
    """
    counts = found["week"].value_counts().reindex(weeks, fill_value=0).to_numpy(dtype=float)
    blocks = [counts[start : start + BLOCK_WEEKS].sum() for start in range(0, len(counts), BLOCK_WEEKS)]
    rng = np.random.default_rng(0)
    drawn = rng.choice(blocks, (2000, len(blocks))).sum(axis=1) / per_year
    return counts.sum() / per_year, *np.quantile(drawn, [0.025, 0.975])


def false_alarms(signals: pd.DataFrame, shifts: pd.DataFrame, params: AlarmParams) -> pd.DataFrame:
    """Count the episodes of each detector, and those that no level shift explains.

    Args:
        signals: Of all weeks, calm stores left out.
        shifts: ``department, week`` of the level shifts that hindsight finds, departments as text.
        params: Of the alarms.
    """
    weeks = pd.date_range(signals["week"].min(), signals["week"].max(), freq="7D")
    rows = {}
    for detector in (
        Detector.LEVEL,
        Detector.STORE,
        Detector.COVERAGE_AT_ONCE,
        Detector.COVERAGE,
        Detector.ACCURACY,
    ):
        own = signals[signals["detector"] == detector]
        states = [State.ALARM] if detector == Detector.LEVEL else [State.ALARM, State.WARNING]
        found = episodes(signals, detector, states)
        explained = _explained(found, shifts, per_department=detector in (Detector.LEVEL, Detector.ACCURACY))
        looked_at = _key_years(own, detector, weeks)
        rate, low, high = rate_interval(found[~explained], weeks, looked_at)
        rows[detector.value] = {
            "limit": _limit(detector, params),
            "years": looked_at,
            "episodes": len(found),
            "after a shift": int(explained.sum()),
            "false a year": rate,
            "low": low,
            "high": high,
        }
    return pd.DataFrame(rows).T.rename_axis("alarm")


def _key_years(own: pd.DataFrame, detector: Detector, weeks: pd.DatetimeIndex) -> float:
    """Years that each alarm was looked at; of stores, which have no calm rows, those of the chain."""
    return len(weeks) / 52 if detector == Detector.STORE else len(own) / 52


def _limit(detector: Detector, params: AlarmParams) -> str:
    limits = {
        Detector.LEVEL: f"{params.level_alarm:g} deviations",
        Detector.STORE: f"{params.store_warning:g} deviations",
        Detector.COVERAGE_AT_ONCE: f"{params.missed_at_once:g} times, {params.at_once_weeks} weeks",
        Detector.COVERAGE: f"{params.missed_for_long:g} times, {params.recent_weeks} weeks",
        Detector.ACCURACY: f"{params.accuracy_times:g} times, {params.recent_weeks} weeks",
    }
    return limits[detector]


def _explained(found: pd.DataFrame, shifts: pd.DataFrame, *, per_department: bool) -> pd.Series[bool]:
    """Whether each episode begins after a level shift: of its own department, or in the week of another's."""
    near = []
    for _, row in found.iterrows():
        since = (row["week"] - shifts["week"]).dt.days // 7
        own = (shifts["department"] == row["key"]) | (not per_department)
        near.append(bool((own & since.between(0, TRUE_WITHIN_WEEKS) | (since == 0)).any()))
    return pd.Series(near, index=found.index, dtype=bool)


def delays(signals: pd.DataFrame, shifts: pd.DataFrame) -> pd.DataFrame:
    """Weeks from each level shift that hindsight finds to the first alarm of its department."""
    alarms = episodes(signals, Detector.LEVEL, [State.ALARM])
    first = signals.loc[signals["detector"] == Detector.LEVEL, "week"].min()
    rows = []
    for _, shift in shifts[shifts["week"] >= first].iterrows():
        window = (shift["week"], shift["week"] + pd.Timedelta(weeks=TRUE_WITHIN_WEEKS))
        own = alarms[(alarms["key"] == shift["department"]) & alarms["week"].between(*window)]
        delay = (own["week"].min() - shift["week"]).days // 7 + 1 if len(own) else np.nan
        rows.append((shift["department"], shift["week"], shift["factor"], delay))
    return pd.DataFrame(rows, columns=["department", "week", "factor", "alarm in week"])


def seen(rows: pd.DataFrame, params: AlarmParams) -> pd.DataFrame:
    """Share of changes that are seen in their first week, by size, for departments and for stores.

    Args:
        rows: ``store, department, week, cutoff, forecast, turnover, usual, log_ratio``.
        params: Of the alarms.
    """
    size = rows.groupby(["week", "department"])[["turnover", "forecast", "usual"]].transform("mean")
    rows = rows[size[["turnover", "forecast"]].max(axis=1) >= SEASON_SHARE * size["usual"]]
    means = _ratios_of(rows, 1.0)
    departments = means.groupby(["week", "department"])["log_ratio"].median().unstack("department")
    common = means.groupby(["week", "department"])["log_ratio"].transform("median")
    own = means.assign(log_ratio=means["log_ratio"] - common).groupby(["week", "store"])["log_ratio"]
    many = own.size() >= params.store_departments
    stores = own.median().where(many).unstack("store")
    found = {}
    for drop in DROPS:
        dropped = _ratios_of(rows, 1 - drop)
        levels = dropped.groupby(["week", "department"])["log_ratio"].median().unstack("department")
        of_store = dropped.assign(log_ratio=dropped["log_ratio"] - common).groupby(["week", "store"])
        single = of_store["log_ratio"].median().where(many).unstack("store")
        found[f"-{drop:.0%}"] = {
            "department": _share_beyond(levels, departments, params.level_alarm),
            "store": _share_beyond(single, stores, params.store_warning),
        }
    return pd.DataFrame(found).T.rename_axis("change")


def _ratios_of(rows: pd.DataFrame, factor: float) -> pd.DataFrame:
    """``week, store, department, log_ratio`` over horizons, as if so much of turnover had been sold."""
    small = SMALL_SHARE * rows["usual"] + 1e-9
    changed = factor * rows["turnover"].clip(lower=0)
    ratios = np.log((changed + small) / (rows["forecast"] + small))
    by = rows.assign(log_ratio=ratios).groupby(["week", "store", "department"])
    return by[["log_ratio"]].mean().reset_index()


def _share_beyond(changed: pd.DataFrame, levels: pd.DataFrame, limit: float) -> float:
    """Share of weeks and keys in which a level that changes in this week alone is beyond the limit."""
    usual, deviations = usual_levels(levels)
    standard = ((changed - usual) / deviations).to_numpy()
    known = standard[np.isfinite(standard)]
    return float((np.abs(known) > limit).mean())


def write_monitoring(
    work: Path,
    methods: dict[str, str],
    policies: pd.DataFrame,
    policy_weeks: int,
    code: str,
    today: pd.Timestamp,
) -> None:
    """Replace the section on the monitoring, and the figures that the alert rules quote.

    Args:
        work: Folder of the measurements: backtests, and the project.
        methods: File of a backtest -> what its forecasts are, in words; figures are those of the first one.
        policies: As ``policies.measure_policies`` returns them.
        policy_weeks: How many weeks were replayed.
        code: Commit that was measured.
        today: Date of the measurement.
    """
    panel = pd.read_parquet(work / "project/data/03_primary/turnover/panel.parquet")
    panel = panel.astype({"store": str, "department": str})
    params = AlarmParams()
    shifts = find_level_shifts(panel, LevelShiftParams(**parameters()["level_shifts"]))
    tables, figures = [], {}
    for name, words in methods.items():
        rows = pd.read_parquet(work / f"{name}.parquet").astype({"store": str, "department": str})
        rows = with_log_ratios(rows, panel)
        signals = find_signals(score_backtest(rows), store_log_ratios(rows), params)
        alarms, late, share = (
            false_alarms(signals, shifts, params),
            delays(signals, shifts),
            seen(rows, params),
        )
        figures = figures or _figures(alarms, late, share)
        formats = dict.fromkeys(("episodes", "after a shift"), ",.0f")
        formats |= dict.fromkeys(("years", "false a year", "low", "high"), ".2f")
        of_shifts = {"week": "%Y-%m-%d", "factor": ".2f", "alarm in week": ",.0f"}
        tables.append(
            f"#### {words}\n\n{_markdown(alarms, formats)}\n\n"
            f"{_markdown(late.set_index('department'), of_shifts)}\n\n"
            f"{_markdown(share, {'': '.0%'})}"
        )
    FIGURES.write_text(yaml.safe_dump(figures, sort_keys=True, width=110))
    parts = {
        "alarms": "\n\n".join(tables),
        "policies": _markdown(policies, {"fits": ",.0f", "WAPE": ".4f", "weeks to recover": ".1f"}),
        "policy_weeks": str(policy_weeks),
        "member": MEMBER,
        "within": str(TRUE_WITHIN_WEEKS),
        "block": str(BLOCK_WEEKS),
        "code": code,
        "today": f"{today:%Y-%m-%d}",
        "machine": _machine(),
    }
    write_section("monitoring", filled("monitoring.md", parts).strip())


def _figures(alarms: pd.DataFrame, late: pd.DataFrame, share: pd.DataFrame) -> dict[str, Any]:
    """Texts for the alert rules, by alarm."""
    per = {"level": "department", "store": "chain", "accuracy": "department"}
    half = share.loc["-50%"]
    delay = {
        "level": (
            f"{int((late['alarm in week'] == 1).sum())} of {len(late)} real level shifts were seen in their "
            f"first week; of falls by half, {half['department']:.0%}"
        ),
        "store": f"{half['store']:.0%} of stores that sold half were seen in the first week",
        "coverage_at_once": "two weeks",
        "coverage": "up to eight weeks",
        "accuracy": "up to eight weeks",
    }
    return {
        name: {
            "false_alarms": f"{row['false a year']:.2f} a year and {per.get(name, 'chain')} "
            f"(95 % interval {row['low']:.2f} to {row['high']:.2f})",
            "delay": delay[str(name)],
        }
        for name, row in alarms.iterrows()
    }
