"""Write what was measured to docs/benchmarks.md, with two charts."""

from __future__ import annotations

import json
import os
import platform
from importlib.metadata import version
from pathlib import Path
from statistics import mean
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd

from benchmarks.decisions import Row
from benchmarks.measure import ROOT, code_version
from sales_forecast.forecasting.evaluation.metrics import score, window_wapes
from sales_forecast.forecasting.evaluation.significance import compare
from sales_forecast.forecasting.intervals.conformal import PUBLISHED, count_inside
from sales_forecast.pipelines.evaluation.turnover_checks import measure_coverage

mpl.use("Agg")
from matplotlib import pyplot as plt

LIBRARIES = ("lightgbm", "scikit-learn", "statsforecast", "mlforecast", "pandas", "numpy", "kedro")
SERVICE_LIBRARIES = ("fastapi", "uvicorn", "sqlalchemy", "pydantic", "pandas", "numpy", "locust")
PAGE = ROOT / "docs/benchmarks.md"
PICTURES = ROOT / "docs/pictures"
GREY, ORANGE = "#8a8f98", "#d1603d"


def _rows(work: Path, tag: str, names: list[str]) -> pd.DataFrame:
    return pd.concat([pd.read_parquet(work / f"{tag}.{name}.parquet") for name in names], ignore_index=True)


def _costs(work: Path, tag: str, names: list[str]) -> pd.DataFrame:
    costs = {name: json.loads((work / f"{tag}.{name}.json").read_text()) for name in names}
    seconds = {name: sum(cost["seconds"].values()) / len(cost["seconds"]) for name, cost in costs.items()}
    return pd.DataFrame(
        {"seconds": seconds, "memory": {name: cost["memory"] for name, cost in costs.items()}}
    )


def _wape(rows: pd.DataFrame, windows: dict[str, Any]) -> pd.DataFrame:
    """Methods x windows, best mean first."""
    letters = {pd.Timestamp(cutoff): letter for letter, cutoff in windows.items()}
    table = rows.groupby(["method", rows["cutoff"].map(letters)]).apply(
        lambda part: score(part)["wape"], include_groups=False
    )
    wide: pd.DataFrame = table.unstack()[
        [letter for letter in windows if letter in set(table.index.levels[1])]
    ]
    return wide.loc[wide.mean(axis=1).sort_values().index]


def _markdown(table: pd.DataFrame, formats: dict[str, str]) -> str:
    """A table with its index as the first column; unknown values stay empty."""
    heads = [table.index.name or "", *map(str, table.columns)]
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    for name, row in zip(table.index, table.to_numpy(), strict=True):
        cells = [
            "" if pd.isna(value) else format(value, formats.get(str(column), formats.get("", "")))
            for column, value in zip(table.columns, row, strict=True)
        ]
        lines.append("| " + " | ".join([str(name), *cells]) + " |")
    return "\n".join(lines)


def accuracy(work: Path, wanted: dict[str, Any]) -> str:
    """Errors in each window and over them, seconds and memory of the methods in the plan, as a table."""
    names, windows = list(wanted["methods"]), wanted["windows"]
    rows = _rows(work, "shown", names)
    table = _wape(rows, windows)
    for span in ("A-C", "A-D", "A-F"):
        letters = [letter for letter in windows if span[0] <= letter <= span[2]]
        table[span] = table[letters].mean(axis=1)
    by_window = rows.groupby(["method", "cutoff"]).apply(
        lambda part: pd.Series(score(part)), include_groups=False
    )
    means = by_window.groupby("method")[["rmse", "mae", "bias"]].mean()
    costs = _costs(work, "shown", names)
    table = table.join(means).join(costs).rename_axis("method")
    formats = {"": ".3f", "rmse": ",.0f", "mae": ",.0f", "bias": "+.1%", "seconds": ".1f", "memory": ".2f"}
    return _markdown(table, formats)


def differences(work: Path, wanted: dict[str, Any]) -> str:
    """The project's method compared with each other method in the plan, as a table."""
    project_method = wanted["project_method"]
    others = [name for name in wanted["methods"] if name != project_method]
    rows = _rows(work, "shown", [project_method, *others])
    wape = _wape(rows, wanted["windows"])
    found = {}
    for other in others:
        pair = rows[rows["method"].isin([project_method, other])]
        difference = compare(pair, project_method, other)
        ratio = wape.loc[project_method] / wape.loc[other]
        found[other] = {
            "difference": difference.wape,
            "low": difference.low,
            "high": difference.high,
            "verdict": difference.verdict,
        } | {f"{letter} ratio": value for letter, value in ratio.items()}
    table = pd.DataFrame(found).T.rename_axis(f"{project_method} against").sort_values("difference")
    signed = dict.fromkeys(("difference", "low", "high"), "+.3f")
    return _markdown(table, {"": ".2f", "verdict": ""} | signed)


def _seeds(work: Path, wanted: dict[str, Any]) -> str:
    project_method = wanted["project_method"]
    tags = {"as shown": "shown"} | {f"seed {seed}": f"seed{seed}" for seed in wanted["seeds"]}
    rows = [_rows(work, tag, [project_method]).assign(method=name) for name, tag in tags.items()]
    table = _wape(pd.concat(rows), wanted["windows"])
    table["mean"] = table.mean(axis=1)
    return _markdown(table.rename_axis(project_method), {"": ".4f"})


def _short(work: Path, wanted: dict[str, Any], tag: str) -> str:
    names = wanted["short_histories"]["methods"]
    table = _wape(_rows(work, tag, names), wanted["windows"])
    table["mean"] = table.mean(axis=1)
    return _markdown(table.rename_axis("method"), {"": ".3f"})


def _rolling(work: Path, names: list[str]) -> str:
    """Errors and intervals over all rolling windows."""
    rows = _rows(work, "rolling", names)
    found = {}
    for name, own in rows.groupby("method"):
        windows = window_wapes(own)
        sold = own["turnover"].sum()
        found[name] = {"windows": len(windows), "WAPE, mean": mean(windows), "worst": max(windows)} | {
            f"Winkler {coverage} %": winkler(own, coverage).sum() / sold for coverage in PUBLISHED
        }
    table = pd.DataFrame(found).T.sort_values("WAPE, mean").rename_axis("method")
    return _markdown(table, {"windows": ".0f", "": ".3f"})


def winkler(rows: pd.DataFrame, coverage: int) -> pd.Series[float]:
    """Interval score of each row: its width, and what it was missed by, times 2 / (1 - coverage).

    Source:
        Gneiting and Raftery (2007), Strictly Proper Scoring Rules, Prediction, and Estimation, Journal of the
        American Statistical Association 102(477), 359-378, section 6.2.
    """
    low, high, turnover = rows[f"lo_{coverage}"], rows[f"hi_{coverage}"], rows["turnover"]
    missed = (low - turnover).clip(lower=0) + (turnover - high).clip(lower=0)
    return high - low + 2 / (1 - coverage / 100) * missed


def _tenths(work: Path, wanted: dict[str, Any]) -> str:
    """Coverage in each tenth of stores by their size, and of rows by their forecast."""
    rows = _rows(work, "rolling", [wanted["project_method"]])
    size = rows.groupby(["store", "department"])["turnover"].transform("mean")
    tables = {
        by: count_inside(rows.assign(tenth=np.ceil(10 * values.rank(pct=True)).astype(int)), ["tenth"])
        for by, values in (("size of the series", size), ("size of the forecast", rows["forecast"]))
    }
    table = pd.DataFrame(
        {
            f"{by}, {coverage} %": one.set_index("tenth")[f"coverage_{coverage}"]
            for by, one in tables.items()
            for coverage in PUBLISHED
        }
    )
    return _markdown(table.rename_axis("tenth, smallest first"), {"": ".3f"})


def _coverage(work: Path, wanted: dict[str, Any]) -> str:
    rows = _rows(work, "rolling", [wanted["project_method"]])
    table = measure_coverage(rows).drop(columns="method").set_index("by")
    return _markdown(table, {"rows": ",d", "value": "", "": ".3f"})


def _speed(work: Path, wanted: dict[str, Any]) -> str:
    project_method = wanted["project_method"]
    whole = json.loads((work / "run.json").read_text())
    backtest = json.loads((work / f"rolling.{project_method}.json").read_text())
    found = {"a whole `kedro run`": (whole["seconds"], whole["memory"])}
    windows = len(backtest["seconds"])
    found[f"backtest of {project_method}, {windows} windows, with intervals"] = (
        sum(backtest["seconds"].values()),
        backtest["memory"],
    )
    for factor in wanted["series_factors"]:
        one = json.loads((work / f"scaled.{factor}.json").read_text())
        what = f"fit and forecast {one['series']:,.0f} series, with intervals"
        found[f"{what}, past windows kept"] = one["seconds"], one["memory"]
        found[f"{what}, nothing kept"] = one["first_seconds"], one["memory"]
    for factor in wanted["processing_factors"]:
        one = json.loads((work / f"processing.{factor}.json").read_text())
        found[f"stage data_processing, every store {factor} times"] = (one["seconds"], one["memory"])
    table = pd.DataFrame(found, index=["seconds", "peak memory, GB"]).T.rename_axis("what")
    return _markdown(table, {"seconds": ".0f", "": ".2f"})


def _charts(work: Path, wanted: dict[str, Any]) -> None:
    names, project_method = list(wanted["methods"]), wanted["project_method"]
    wape = _wape(_rows(work, "shown", names), wanted["windows"]).mean(axis=1)
    costs = _costs(work, "shown", names)
    figure, axes = plt.subplots(figsize=(8, 4.5))
    for name in names:
        colour = ORANGE if name == project_method else GREY
        axes.scatter(costs.loc[name, "seconds"], wape[name], color=colour, s=45)
        beside = costs["seconds"].between(costs.loc[name, "seconds"] * 1.001, costs.loc[name, "seconds"] * 3)
        crowded = (beside & wape.sub(wape[name]).abs().lt(0.015).reindex(costs.index)).any()
        axes.annotate(
            name,
            (costs.loc[name, "seconds"], wape[name]),
            (-7 if crowded else 7, 3),
            textcoords="offset points",
            ha="right" if crowded else "left",
            fontsize=9,
        )
    axes.set(xscale="log", xlabel="seconds per window: fit and forecast", ylabel="WAPE, mean over windows")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.margins(x=0.25)
    axes.set_ylim(0, None)
    _save(figure, "accuracy_and_seconds")

    scaled = [json.loads((work / f"scaled.{factor}.json").read_text()) for factor in wanted["series_factors"]]
    figure, left = plt.subplots(figsize=(8, 4))
    right = left.twinx()
    series = [one["series"] for one in scaled]
    left.plot(series, [one["seconds"] for one in scaled], "o-", color=ORANGE)
    right.plot(series, [one["memory"] for one in scaled], "s--", color=GREY)
    left.set(xlabel="series", ylabel="seconds (solid)", ylim=(0, None), xlim=(0, None))
    right.set(ylabel="peak memory, GB (dashed)", ylim=(0, None))
    _save(figure, "time_and_memory")


def _save(figure: Any, name: str) -> None:
    for axes in figure.axes:
        axes.spines["top"].set_visible(False)
        axes.spines["right"].set_visible(len(figure.axes) > 1)
    figure.tight_layout()
    figure.savefig(PICTURES / f"{name}.png", dpi=110)
    plt.close(figure)


def _series(work: Path, wanted: dict[str, Any]) -> int:
    rows = _rows(work, "shown", [wanted["project_method"]])
    return len(rows[["store", "department"]].drop_duplicates())


def _code(work: Path) -> str:
    """Commit -> what was measured at it."""
    kept = {path.stem: json.loads(path.read_text())["code"] for path in sorted(work.glob("*.json"))}
    found = pd.Series(kept).groupby(kept).groups
    return "; ".join(f"`{commit}` ({', '.join(names)})" for commit, names in found.items())


def _machine() -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3
    return (
        f"{platform.machine()}, {os.cpu_count()} cores, {memory:.0f} GB, Python {platform.python_version()}"
    )


def _versions(libraries: tuple[str, ...]) -> str:
    return ", ".join(f"{name} {version(name)}" for name in libraries)


def write_page(work: Path, wanted: dict[str, Any], today: pd.Timestamp, sample: bool) -> None:
    """Write docs/benchmarks.md and its charts from the measurements in the work folder."""
    chosen = ["seasonal_naive", "growth_naive", wanted["project_method"]]
    parts = {
        "accuracy": accuracy(work, wanted),
        "differences": differences(work, wanted),
        "chosen": _markdown(
            _wape(_rows(work, "chosen", chosen), wanted["chosen_on"]).rename_axis("method"), {"": ".3f"}
        ),
        "seeds": _seeds(work, wanted),
        "rolling": _rolling(work, chosen),
        "tenths": _tenths(work, wanted),
        "coverage": _coverage(work, wanted),
        "speed": _speed(work, wanted),
        "windows": ", ".join(f"{letter} {cutoff}" for letter, cutoff in wanted["windows"].items()),
        "chosen_windows": ", ".join(f"{letter} {cutoff}" for letter, cutoff in wanted["chosen_on"].items()),
        "code": _code(work),
        "data": "the synthetic sample" if sample else f"{_series(work, wanted):,} series of real stores",
        "today": f"{today:%Y-%m-%d}",
        "machine": _machine(),
        "libraries": _versions(LIBRARIES),
        "service": _section("service", PAGE.read_text()),
        "decisions": _section("decisions", PAGE.read_text()),
        "drift": _section("drift", PAGE.read_text()),
        "monitoring": _section("monitoring", PAGE.read_text()),
        "weekly": _section("weekly", PAGE.read_text()),
        "peers": _section("peers", PAGE.read_text()),
    }
    for weeks in wanted["short_histories"]["weeks"]:
        for project in ("project", "sample"):
            parts[f"{project}{weeks}"] = _short(work, wanted, f"{project}{weeks}")
    _charts(work, wanted)
    PAGE.write_text(filled("page.md", parts))
    print(f"Written: {PAGE.relative_to(ROOT)} and two charts in docs/pictures")


def _section(name: str, page: str) -> str:
    """Return a section of the page with its marks."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    return page[page.index(begin) : page.index(end) + len(end)]


def write_section(name: str, text: str) -> None:
    """Replace a section of the page."""
    page = PAGE.read_text()
    marked = f"<!-- {name}: begin -->\n\n{text}\n\n<!-- {name}: end -->"
    PAGE.write_text(page.replace(_section(name, page), marked))
    print(f"Written: {PAGE.relative_to(ROOT)}")


def write_decisions(tables: dict[str, list[Row]], wanted: dict[str, Any], today: pd.Timestamp) -> None:
    """Replace the section on decisions with known truth.

    Args:
        tables: What was decided, by set of files.
        wanted: The plan.
        today: Date of the measurement.
    """

    def table(rows: list[Row]) -> str:
        columns = {
            row.unit: {"bootstrap before": row.bootstrap, "Diebold-Mariano": row.diebold_mariano}
            | {f"better, {float(gain):.0%}": share for gain, share in row.better.items()}
            | {f"promoted, {float(gain):.0%}": share for gain, share in row.promoted.items()}
            for row in rows
        }
        return _markdown(pd.DataFrame(columns).T.rename_axis("swapped by"), {"": ".1%"})

    parts = {
        "own": table(tables["project"]),
        "sample": table(tables["sample"]),
        "folds": str(wanted["decisions"]["folds"]),
        "own_experiments": str(wanted["decisions"]["project"]["experiments"]),
        "sample_experiments": str(wanted["decisions"]["sample"]["experiments"]),
        "without": wanted["decisions"]["without"],
        "today": f"{today:%Y-%m-%d}",
        "code": code_version(),
        "machine": _machine(),
    }
    write_section("decisions", filled("decisions.md", parts).strip())


def service_section(
    times: pd.DataFrame, memory: dict[str, float], ready: tuple[float, str], setting: str, today: pd.Timestamp
) -> str:
    """Write the results of the load test as Markdown.

    Args:
        times: ``requests, a second, p50, p95, p99, aim for p95, sleeper's p95, failed``; milliseconds.
        memory: ``start, after_a_minute, end`` in MB, ``slope`` in MB a minute.
        ready: Seconds from start until the service could answer, and its status then.
        setting: Number of series, and the database.
        today: Date of the measurement.
    """
    formats = {"": ",.1f", "a second": ",.4g", "aim for p95": ",.0f", "failed": ",.0f"}
    parts = {
        "setting": setting,
        "today": f"{today:%Y-%m-%d}",
        "machine": _machine(),
        "libraries": _versions(SERVICE_LIBRARIES),
        "code": code_version(),
        "times": _markdown(times.set_index("requests"), formats),
        "seconds": f"{ready[0]:.1f}",
        "status": ready[1],
        "slope": f"{memory['slope']:+.2f}",
    } | {name: f"{memory[name]:,.0f}" for name in ("start", "after_a_minute", "end")}
    return filled("service.md", parts).strip()


def filled(template: str, parts: dict[str, str]) -> str:
    """Return a template of this folder with its places filled.

    Args:
        template: Name of the file.
        parts: Name of a place -> text.
    """
    text = (ROOT / "benchmarks" / template).read_text()
    for name, part in parts.items():
        text = text.replace("{{" + name + "}}", part)
    return text
