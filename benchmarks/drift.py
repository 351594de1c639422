"""How often Evidently calls the turnover of a department changed, where nothing unusual happened."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import pandas as pd

from benchmarks.measure import ROOT, parameters, whole_run
from benchmarks.page import _machine, _markdown, filled, write_section
from sales_forecast.forecasting.panel.level_shifts import LevelShiftParams, find_level_shifts
from sales_forecast.forecasting.panel.matrix import WEEKS_PER_YEAR

ENVIRONMENT = ROOT / ".venv-evidently"
EVIDENTLY = ENVIRONMENT / ".ready"
WORKER = ROOT / "benchmarks/workers/run_evidently.py"

AGAINST = ["the weeks before", "the same weeks of last year"]


def ordinary_periods(panel: pd.DataFrame, shifts: pd.DataFrame, weeks: int, last_weeks: int) -> pd.DataFrame:
    """List what is compared with what.

    Args:
        panel: ``store, department, week, turnover``.
        shifts: Level shifts, ``department, week``; periods with one are left out.
        weeks: Length of a period.
        last_weeks: Number of weeks, up to the last one, that periods end in.

    Returns:
        ``department, against, last, reference_last``: last weeks of both periods.
    """
    last = pd.DataFrame({"last": pd.date_range(end=panel["week"].max(), periods=last_weeks, freq="7D")})
    back = pd.DataFrame({"against": AGAINST, "back": pd.to_timedelta([7 * weeks, 7 * WEEKS_PER_YEAR], "D")})
    departments = panel[["department"]].drop_duplicates()
    periods = departments.merge(back, how="cross").merge(last, how="cross")
    periods["reference_last"] = periods["last"] - periods.pop("back")
    first = periods["reference_last"] - pd.Timedelta(weeks=weeks - 1)
    shifted = pd.Series(False, index=periods.index)
    for department, week in shifts[["department", "week"]].itertuples(index=False):
        own = periods["department"] == department
        shifted |= own & (first < week) & (week <= periods["last"])
    return periods[~shifted & (first >= panel["week"].min())].reset_index(drop=True)


def measure_drift(raw: Path, work: Path, last_weeks: int) -> dict[str, Any]:
    """Let Evidently test all ordinary periods.

    Args:
        raw: Folder of raw files.
        work: Folder for what is needed meanwhile.
        last_weeks: Number of weeks, up to the last one, that periods end in.

    Returns:
        ``seconds``, ``version`` of Evidently, and ``rows``: ``department, against, compared, changed``.
    """
    options = parameters()
    weeks = options["drift"]["weeks"]
    start = perf_counter()
    with TemporaryDirectory(dir=work) as name:
        folder, stage = Path(name), ("--pipelines", "data_processing", "--namespaces", "turnover")
        whole_run(raw, folder / "project", *stage)
        panel = pd.read_parquet(folder / "project/data/03_primary/turnover/panel.parquet")
        shifts = find_level_shifts(panel, LevelShiftParams(**options["level_shifts"]))
        periods = ordinary_periods(panel, shifts, weeks, last_weeks)
        panel[panel["turnover"].notna()].to_parquet(folder / "panel.parquet", index=False)
        periods.to_parquet(folder / "periods.parquet", index=False)
        (folder / "settings.json").write_text(json.dumps({"weeks": weeks}))
        subprocess.run([ENVIRONMENT / "bin/python", "-P", WORKER, folder], check=True)
        found = json.loads((folder / "changed.json").read_text())
    periods["changed"] = found["changed"]
    counted = periods.groupby(["department", "against"])["changed"].agg(compared="size", changed="sum")
    rows = counted.reset_index().astype({"department": str}).to_dict("records")
    return {"seconds": perf_counter() - start, "version": found["version"], "rows": rows}


def write_drift(found: dict[str, Any], last_weeks: int, today: pd.Timestamp) -> None:
    """Replace the section on drift.

    Args:
        found: As ``measure_drift`` returns it, with ``code``, the commit that it was measured at.
        last_weeks: Number of weeks that periods end in.
        today: Date of the measurement.
    """
    rows = pd.DataFrame(found["rows"])
    together = rows.groupby("against", as_index=False)[["compared", "changed"]].sum()
    rows = pd.concat([rows, together.assign(department="all")])
    rows["share"] = rows["changed"] / rows["compared"]
    wide = rows.pivot(index="department", columns="against", values=["compared", "share"])
    names = {("compared", name): f"compared with {name}" for name in AGAINST} | {
        ("share", name): f"changed against {name}" for name in AGAINST
    }
    table = wide[list(names)].set_axis(list(names.values()), axis=1)
    formats = dict.fromkeys(names.values(), ".0f") | {names["share", name]: ".1%" for name in AGAINST}
    parts = {
        "version": found["version"],
        "weeks": str(parameters()["drift"]["weeks"]),
        "last_weeks": str(last_weeks),
        "today": f"{today:%Y-%m-%d}",
        "code": found["code"],
        "seconds": f"{found['seconds']:.0f}",
        "machine": _machine(),
        "table": _markdown(table, formats),
    }
    write_section("drift", filled("drift.md", parts).strip())
