"""Other people's libraries in an environment of their own, measured in the same run as our methods."""

from __future__ import annotations

from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.measure import ROOT
from benchmarks.methods.elsewhere import Elsewhere
from benchmarks.page import _markdown, _rows, _wape, accuracy, differences, write_section
from sales_forecast.forecasting.methods.declare import Methods
from sales_forecast.pipelines.evaluation.turnover_checks import measure_coverage

NONE = """### Libraries that choose and fit methods themselves

None was measured: `make peers` sets up their environment, and `make bench` then measures them too."""

LIBRARIES = ("autogluon.timeseries", "skforecast", "torch", "lightgbm", "pandas")


def missing_peers(wanted: dict[str, Any]) -> list[str]:
    """Say which peers cannot be measured, as their environment is not set up.

    Args:
        wanted: The plan.

    Returns:
        Names of methods to leave out.
    """
    missing = [
        name
        for name, method in Methods({name: wanted["methods"][name] for name in wanted["peers"]}).root.items()
        if isinstance(method, Elsewhere) and not method.is_at_hand()
    ]
    if missing:
        print(f"Left out: {', '.join(missing)}, as their environment is not set up: make peers")
    return missing


def keep_measured(work: Path, wanted: dict[str, Any]) -> None:
    """Drop from the plan the peers of which the work folder holds no measurement."""
    for name in wanted["peers"]:
        if not (work / f"shown.{name}.json").exists():
            del wanted["methods"][name]


def write_peers(work: Path, wanted: dict[str, Any]) -> None:
    """Replace the section on peers; without a measurement, say how to make one.

    Args:
        work: Folder of the measurements.
        wanted: The plan, with those peers among its methods that were measured.
    """
    names = [name for name in wanted["peers"] if name in wanted["methods"]]
    if not names:
        write_section("peers", NONE)
        return
    compared = [wanted["project_method"], *names]
    rows = _rows(work, "shown", compared)
    beside = wanted | {"methods": {name: wanted["methods"][name] for name in compared}}
    parts = {
        "libraries": _versions(),
        "accuracy": accuracy(work, beside),
        "differences": differences(work, beside),
        "seconds": _time_limits(wanted["peers"]),
        "wins": where_they_win(rows, wanted["project_method"], wanted["windows"]),
        "coverage": _coverage(work, wanted["project_method"], rows),
        "members": _members(rows, wanted["windows"]),
    }
    text = (ROOT / "benchmarks/peers.md").read_text()
    for name, part in parts.items():
        text = text.replace("{{" + name + "}}", part)
    write_section("peers", text.strip())


def where_they_win(rows: pd.DataFrame, project_method: str, windows: dict[str, Any]) -> str:
    """List the windows, and the departments over all windows, in which a peer's WAPE is the lower one.

    Args:
        rows: Forecasts of all methods, with turnover.
        project_method: What the others are compared with.
        windows: Letter -> cutoff.

    Returns:
        One item of a Markdown list for each peer.
    """
    rows = rows.assign(error=(rows["forecast"] - rows["turnover"]).abs(), size=rows["turnover"].abs())
    by_window = _wape(rows, windows)
    sums = rows.groupby(["method", "department"])[["error", "size"]].sum()
    by_department = (sums["error"] / sums["size"]).unstack()
    lines = []
    for name in by_window.index.drop(project_method):
        found = [
            f"{kind} {label} ({theirs:.3f} against {ours:.3f})"
            for kind, table in (("window", by_window), ("department", by_department))
            for label, theirs, ours in zip(
                table.columns, table.loc[name], table.loc[project_method], strict=True
            )
            if theirs < ours
        ]
        lines.append(f"- `{name}`: {', '.join(found) or 'nowhere'}.")
    return "\n".join(lines)


def _coverage(work: Path, project_method: str, rows: pd.DataFrame) -> str:
    """Coverage and width of each method's own intervals, those of the project's method first."""
    own = [_rows(work, "intervals", [project_method])]
    own += [part for name, part in rows.groupby("method") if name != project_method]
    tables = [measure_coverage(part[part["lo_80"].notna()]) for part in own if "lo_80" in part]
    found = pd.concat(tables)
    found = found[found["by"] == "all"].drop(columns=["by", "value"]).set_index("method")
    return _markdown(found, {"rows": ",.0f", "": ".3f"})


def _members(rows: pd.DataFrame, windows: dict[str, Any]) -> str:
    """What each peer made its forecasts of in each window; nothing where none says so."""
    letters = {pd.Timestamp(cutoff): letter for letter, cutoff in windows.items()}
    said = rows.dropna(subset="members").drop_duplicates(["method", "cutoff"])
    if said.empty:
        return ""
    table = said.assign(window=said["cutoff"].map(letters)).pivot(
        index="window", columns="method", values="members"
    )
    return f"Members of the forecasts with their weights:\n\n{_markdown(table, {})}"


def _time_limits(peers: dict[str, Any]) -> str:
    limits = {one["time_limit_seconds"] for one in peers.values() if "time_limit_seconds" in one}
    return " or ".join(map(str, sorted(limits)))


def _versions() -> str:
    """Versions of the libraries in the peers' environment."""
    folders = [str(folder) for folder in ROOT.glob(".venv-peers/lib/python*/site-packages")]
    found = {one.metadata["Name"].lower(): one.version for one in distributions(path=folders)}
    return ", ".join(f"{name} {found[name]}" for name in LIBRARIES if name in found)
