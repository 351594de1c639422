"""What weekly runs are like: how much forecasts move, and which deliveries are held."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.dirty_deliveries import HELD, NOTED
from benchmarks.page import GREY, ORANGE, _machine, _markdown, _save, plt, write_section
from benchmarks.page import filled as fill
from sales_forecast.deliveries.checks import check_against_known
from sales_forecast.deliveries.delivery import DeliveryParams, Finding
from sales_forecast.deliveries.known import KnownHistory
from sales_forecast.forecasting.evaluation.metrics import window_wapes
from sales_forecast.forecasting.evaluation.significance import compare
from sales_forecast.forecasting.exceptions import ExceptionParams, find_exceptions
from sales_forecast.forecasting.intervals.conformal import INTERVAL_COLUMNS, PUBLISHED, count_inside
from sales_forecast.forecasting.monitoring.levels import mean_weeks_of_departments, median_log_ratio
from sales_forecast.forecasting.panel.matrix import ROW_KEYS, SERIES_KEYS
from sales_forecast.storage.turnover import week_digests

WEEKS_KEPT = 70
"""Weeks of a delivery that its checks look at here: a year, and those before the newest ones."""

WEIGHTS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)


# --- steadiness ----------------------------------------------------------------------------------------


def published_weekly(rows: pd.DataFrame, weight: float) -> pd.DataFrame:
    """Publish week after week, each time with a share of what was published the week before.

    Args:
        rows: Forecasts with intervals and actual turnover, from cutoffs one week apart.
        weight: Share of the forecast that was published last for the same week.

    Returns:
        The rows as published, with ``before``, the forecast that was published last.
    """
    columns = ["forecast", *INTERVAL_COLUMNS]
    before, published = None, []
    for _, new in rows.groupby("cutoff"):
        own = new.set_index(ROW_KEYS)
        own["before"] = float("nan") if before is None else before["forecast"].reindex(own.index)
        if before is not None:
            held = before[columns].reindex(own.index)
            own[columns] = own[columns].where(
                held["forecast"].isna(), (1 - weight) * own[columns] + weight * held
            )
        before = own
        published.append(own.reset_index())
    return pd.concat(published, ignore_index=True)


def _change(rows: pd.DataFrame) -> float:
    known = rows[rows["before"].notna()]
    return float((known["forecast"] - known["before"]).abs().sum() / known["before"].sum())


def _steadiness(rows: pd.DataFrame) -> pd.DataFrame:
    """One row for each weight: error, coverage and cycle-over-cycle change."""
    found = {}
    plain = published_weekly(rows, 0.0).assign(method="plain")
    for weight in WEIGHTS:
        own = published_weekly(rows, weight).assign(method="steady")
        chain = own.groupby(["cutoff", "week"], as_index=False)[["forecast", "before"]].sum(min_count=1)
        departments = own.groupby(["cutoff", "week", "department"], as_index=False)[["forecast", "before"]]
        difference = compare(pd.concat([own, plain]), "steady", "plain")
        inside = count_inside(own, ["method"]).iloc[0]
        one_week = own[own["week"] - own["cutoff"] == pd.Timedelta(weeks=1)]
        found[f"{weight:g}"] = {
            "WAPE": float(pd.Series(window_wapes(own)).mean()),
            "difference": difference.wape,
            "low": difference.low,
            "high": difference.high,
            "WAPE, 1 week": _wape(one_week),
            **{f"inside {level} %": float(inside[f"coverage_{level}"]) for level in PUBLISHED},
            "change, series": _change(own),
            "departments": _change(departments.sum(min_count=1)),
            "chain": _change(chain),
        }
    return pd.DataFrame(found).T.rename_axis("weight")


def _wape(rows: pd.DataFrame) -> float:
    return float((rows["forecast"] - rows["turnover"]).abs().sum() / rows["turnover"].sum())


def _pareto_chart(table: pd.DataFrame) -> None:
    figure, axes = plt.subplots(figsize=(8, 4))
    axes.plot(table["change, series"], table["WAPE"], "o-", color=ORANGE, label="all horizons")
    axes.plot(table["change, series"], table["WAPE, 1 week"], "s--", color=GREY, label="one week ahead")
    for weight, row in table.iterrows():
        axes.annotate(
            str(weight), (row["change, series"], row["WAPE"]), (0, 6), textcoords="offset points", ha="center"
        )
    axes.set(xlabel="cycle-over-cycle change of series", ylabel="WAPE")
    axes.xaxis.set_major_formatter("{x:.1%}")
    axes.legend(frameon=False)
    axes.margins(y=0.25)
    _save(figure, "steadiness")


# --- deliveries ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Delivered:
    """A week as it was delivered, and what was known before."""

    panel: pd.DataFrame
    known: KnownHistory


def deliveries(panel: pd.DataFrame, forecasts: pd.DataFrame, first: int) -> Iterator[Delivered]:
    """Cut the history at each week, as if it had been delivered then.

    Args:
        panel: ``store, department, week, turnover``, labels as text, without unknown turnover.
        forecasts: Forecasts of the weeks, made before; some weeks may have none.
        first: Number of the first week that is delivered.
    """
    weeks = sorted(panel["week"].unique())
    usual = mean_weeks_of_departments(panel)  # of the last year: close enough for what is called unusual
    levels = pd.DataFrame(
        [
            (department, week, median_log_ratio(rows["turnover"], rows["forecast"], usual[department]))
            for (department, week), rows in forecasts.groupby(["department", "week"])
        ],
        columns=["department", "week", "median_log_ratio"],
    )
    for week in weeks[first:]:
        kept = panel[panel["week"].between(week - pd.Timedelta(weeks=WEEKS_KEPT), week)]
        before = kept[kept["week"] < week]
        yield Delivered(
            kept,
            KnownHistory(
                digests=week_digests(before),
                values=lambda wanted, before=before: before[before["week"].isin(wanted)],
                values_known=len(before),
                forecasts=forecasts.loc[forecasts["week"] == week, [*ROW_KEYS, "forecast"]],
                levels=levels[levels["week"] < week],
            ),
        )


def _alarms(panel: pd.DataFrame, forecasts: pd.DataFrame) -> tuple[pd.DataFrame, int, int]:
    """Notes and holds of real weeks, by check; and how many weeks were delivered, and had forecasts."""
    params, found, weeks, forecast = DeliveryParams(), [], 0, 0
    for delivered in deliveries(panel, forecasts, first=1):
        weeks += 1
        forecast += not delivered.known.forecasts.empty
        findings = check_against_known(delivered.panel, delivered.known, params)
        found += list({(finding.check, finding.severity) for finding in findings})
    counted = pd.Series(found, dtype=object).value_counts()
    checks = [check for _, check in (*HELD.values(), *NOTED.values())]
    checks += ["unusual level", "several weeks", "no new week", "stores appeared"]
    table = pd.DataFrame(
        {
            severity: {check: counted.get((check, severity), 0) for check in dict.fromkeys(checks)}
            for severity in ("note", "hold")
        }
    )
    return table.rename_axis("check"), weeks, forecast


def _detected(panel: pd.DataFrame, forecasts: pd.DataFrame, every: int) -> pd.DataFrame:
    """Share of weeks in which a delivery that went wrong is held, by kind."""
    params, held, weeks = DeliveryParams(), dict.fromkeys((*HELD, *NOTED), 0), 0
    with_forecasts = [one for one in deliveries(panel, forecasts, first=60) if not one.known.forecasts.empty]
    for delivered in with_forecasts[::every]:
        weeks += 1
        for name, (dirty, _) in (HELD | NOTED).items():
            findings = check_against_known(dirty(delivered.panel), delivered.known, params)
            held[name] += _holds(findings)
    table = {name: {"weeks": weeks, "held": count / weeks} for name, count in held.items()}
    return pd.DataFrame(table).T.rename_axis("what went wrong")


def _holds(findings: tuple[Finding, ...]) -> bool:
    return any(finding.severity == "hold" for finding in findings)


# --- exceptions ----------------------------------------------------------------------------------------


def _exceptions(rolling: pd.DataFrame, share: float) -> pd.DataFrame:
    """Share of the absolute error of the next four weeks that is in the series that are listed.

    Args:
        rolling: Forecasts with intervals and turnover of windows four weeks apart.
        share: Of all series that are listed.
    """
    near = rolling[(rolling["week"] - rolling["cutoff"]) <= pd.Timedelta(weeks=4)]
    cutoffs = sorted(near["cutoff"].unique())
    found = []
    for position in range(2, len(cutoffs)):
        before, cutoff = cutoffs[position - 2 : position], cutoffs[position]
        now, recent = near[near["cutoff"] == cutoff], near[near["cutoff"].isin(before)]
        changes = rolling[rolling["cutoff"] == before[-1]].merge(now, on=ROW_KEYS, suffixes=("_last", ""))
        changes = changes.rename(columns={"forecast_last": "before", "forecast": "after"})
        error = (now["forecast"] - now["turnover"]).abs().groupby([now[key] for key in SERIES_KEYS]).sum()
        size = now.groupby(SERIES_KEYS)["forecast"].sum()
        most = round(share * len(error))
        listed = find_exceptions(now, recent, changes, ExceptionParams(most=most))
        chosen = {
            "listed": pd.MultiIndex.from_frame(listed[SERIES_KEYS]),
            "largest forecasts": size.nlargest(most).index,
            "random": error.sample(most, random_state=position).index,
            "in hindsight": error.nlargest(most).index,
        }
        found.append({name: error.loc[index].sum() / error.sum() for name, index in chosen.items()})
    shares = pd.DataFrame(found)
    table = pd.DataFrame({"share of the error": shares.mean(), "standard error": shares.sem()})
    return table.rename_axis("series")


# --- the section ---------------------------------------------------------------------------------------


def write_weekly(work: Path, wanted: dict[str, Any], code: str, today: pd.Timestamp) -> None:
    """Replace the section on weekly runs.

    Args:
        work: Folder of the measurements: ``weekly`` and ``rolling`` backtests of the project's method.
        wanted: The plan.
        code: Commit that was measured.
        today: Date of the measurement.
    """
    method = wanted["project_method"]
    weekly = pd.read_parquet(work / f"weekly.{method}.parquet")
    rolling = pd.read_parquet(work / f"rolling.{method}.parquet")
    panel = pd.read_parquet(work / "project/data/03_primary/turnover/panel.parquet")
    panel = _as_text(panel.loc[panel["turnover"].notna(), [*ROW_KEYS, "turnover"]])
    steadiness = _steadiness(weekly)
    _pareto_chart(steadiness)
    horizon = (rolling["week"] - rolling["cutoff"]).dt.days // 7
    once = _as_text(rolling[horizon <= wanted["weekly"]["once_a_week"]])
    alarms, weeks, forecast = _alarms(panel, once)
    exceptions = _exceptions(rolling, wanted["weekly"]["exceptions_share"])
    detected = _detected(panel, once, wanted["weekly"]["dirty_every"])
    signed = dict.fromkeys(("difference", "low", "high"), "+.4f")
    shares = dict.fromkeys(("change, series", "departments", "chain", "inside 80 %", "inside 95 %"), ".1%")
    parts = {
        "steadiness": _markdown(steadiness, {"": ".4f"} | signed | shares),
        "cutoffs": str(weekly["cutoff"].nunique()),
        "alarms": _markdown(alarms, {"": ",.0f"}),
        "weeks": str(weeks),
        "forecast_weeks": str(forecast),
        "detected": _markdown(detected, {"weeks": ",.0f", "held": ".0%"}),
        "exceptions": _markdown(exceptions, {"": ".1%"}),
        "exceptions_share": f"{wanted['weekly']['exceptions_share']:.0%}",
        "code": code,
        "today": f"{today:%Y-%m-%d}",
        "machine": _machine(),
    }
    write_section("weekly", fill("weekly.md", parts).strip())


def _as_text(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.astype({"store": str, "department": str})
