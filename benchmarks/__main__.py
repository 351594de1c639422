"""Measure everything in the plan and write docs/benchmarks.md.

Each measurement is kept in ``build/bench`` as soon as it is there: a run that was stopped goes on from there.
"""

from __future__ import annotations

import argparse
import json
import shutil
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from rich.progress import track

from benchmarks.decisions import Row, measure_decisions
from benchmarks.drift import EVIDENTLY, measure_drift, write_drift
from benchmarks.measure import (
    HORIZON_WEEKS,
    MEMBER,
    ROOT,
    VARIANT,
    alone,
    backtest,
    code_version,
    parameters,
    plan,
    processing,
    scaled,
    whole_run,
)
from benchmarks.monitoring import write_monitoring
from benchmarks.page import write_decisions, write_page
from benchmarks.peers import keep_measured, missing_peers, write_peers
from benchmarks.policies import measure_policies
from benchmarks.weekly import write_weekly
from sales_forecast.atomic import whole_file
from sales_forecast.forecasting.evaluation.backtest import BacktestParams, plan_cutoffs
from sales_forecast.forecasting.evaluation.gate_result import GateParams

SAMPLE = ROOT / "data/01_raw"
PUBLISHED = ("--env", "benchmark")


def _kept(path: Path, fresh: Any) -> Any:
    """Return what was measured before, or else measure it now."""
    if not path.exists():
        with whole_file(path) as part:
            part.write_text(json.dumps(fresh() | {"code": code_version()}))
    return json.loads(path.read_text())


@dataclass(frozen=True)
class Backtest:
    """One method over some windows; the tag names its files."""

    tag: str
    method: str
    cutoffs: list[Any]
    weeks: int | None = None
    with_intervals: bool = False
    seed: int | None = None
    project: str = "project"


def _backtest(work: Path, job: Backtest) -> None:
    rows = work / f"{job.tag}.{job.method}.parquet"

    def fresh() -> dict[str, Any]:
        (found, seconds), memory = alone(
            backtest, work / job.project, job.method, job.cutoffs, job.weeks, job.with_intervals, job.seed
        )
        found.assign(store=found["store"].astype(str)).to_parquet(rows)
        return {"seconds": seconds, "memory": memory}

    _kept(work / f"{job.tag}.{job.method}.json", fresh)


def _scaled(work: Path, name: str, factor: int) -> None:
    def fresh() -> dict[str, Any]:
        found, memory = alone(scaled, work / "project", name, factor)
        return found | {"memory": memory}

    _kept(work / f"scaled.{factor}.json", fresh)


def _decisions(work: Path, wanted: dict[str, Any]) -> None:
    """Let rules decide between variants of known quality, on both sets of files, and write the section."""
    options, names = wanted["decisions"], [wanted["project_method"], VARIANT]
    gate = GateParams(**parameters()["gate"])
    tables: dict[str, list[Row]] = {}
    for project in ("project", "sample"):
        panel = pd.read_parquet(work / project / "data/03_primary/turnover/panel.parquet")
        stores = pd.read_parquet(work / project / "data/02_intermediate/turnover/stores.parquet")
        rolling = BacktestParams(horizon_weeks=HORIZON_WEEKS, folds=options["folds"])
        cutoffs = plan_cutoffs(panel, rolling)
        for name in track(names, description=f"Variants, {project}"):
            _backtest(work, Backtest(f"decisions.{project}", name, cutoffs, project=project))
        found = work / f"decisions.{project}.table.json"

        def fresh(project: str = project, stores: pd.DataFrame = stores) -> dict[str, Any]:
            rows = [pd.read_parquet(work / f"decisions.{project}.{name}.parquet") for name in names]
            places = stores.assign(store=stores["store"].astype(str))
            own = options[project]
            decided = measure_decisions(
                *(pd.concat(rows), places, (names[0], names[1]), own["gains"], own["experiments"]),
                gate if own["promotions"] else None,
            )
            return {"rows": [asdict(row) for row in decided]}

        tables[project] = [Row(**row) for row in _kept(found, fresh)["rows"]]
    write_decisions(tables, wanted, pd.Timestamp.today())


def _weekly(work: Path, wanted: dict[str, Any]) -> None:
    """Run week after week, and write the section."""
    panel = pd.read_parquet(work / "project/data/03_primary/turnover/panel.parquet")
    rolling = plan_cutoffs(panel, BacktestParams(**parameters()["backtest"]))
    last = panel["week"].max() - pd.Timedelta(weeks=HORIZON_WEEKS)
    weekly = list(pd.date_range(end=last, periods=wanted["weekly"]["runs"], freq="7D"))
    for tag, cutoffs in (("rolling", rolling), ("weekly", weekly)):
        _backtest(work, Backtest(tag, wanted["project_method"], cutoffs, with_intervals=True))
    write_weekly(work, wanted, code_version(), pd.Timestamp.today())


def _drift(raw: Path, work: Path, wanted: dict[str, Any]) -> None:
    """Count how often Evidently calls ordinary weeks changed, and write the section."""
    if not EVIDENTLY.exists():
        print("Drift: left out, as Evidently is not set up (make evidently)")
        return
    last_weeks = wanted["drift"]["last_weeks"]
    found = _kept(work / "drift.json", lambda: measure_drift(raw, work, last_weeks))
    write_drift(found, last_weeks, pd.Timestamp.today())


def _monitoring(work: Path, wanted: dict[str, Any]) -> None:
    """Look for alarms week after week, replay policies, and write the section."""
    panel = pd.read_parquet(work / "project/data/03_primary/turnover/panel.parquet")
    last = panel["week"].max() - pd.Timedelta(weeks=HORIZON_WEEKS)
    weekly = list(pd.date_range(end=last, periods=wanted["alarms"]["weeks"], freq="7D"))
    rolling = plan_cutoffs(panel, BacktestParams(**parameters()["backtest"]))
    for tag, name, cutoffs in (("alarms", MEMBER, weekly), ("rolling", wanted["project_method"], rolling)):
        _backtest(work, Backtest(tag, name, cutoffs, with_intervals=True))
    kept = _kept(work / "policies.json", lambda: {"rows": measure_policies(work, wanted).to_dict("index")})
    policies = pd.DataFrame(kept["rows"]).T.rename_axis("fitted again")
    weeks = wanted["policies"]["weeks"]
    write_monitoring(work, wanted["alarms"]["of"], policies, weeks, code_version(), pd.Timestamp.today())


def main() -> None:
    """Read the command line, measure, write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--raw", type=Path, default=SAMPLE, help="folder of raw files")
    parser.add_argument("--fresh", action="store_true", help="measure everything anew")
    parser.add_argument("--weekly", action="store_true", help="only what weekly runs are like")
    parser.add_argument("--monitoring", action="store_true", help="only alarms and policies")
    parser.add_argument(
        "--policies", action="store_true", help="print what policies of fitting again lead to"
    )
    parser.add_argument("--decisions", action="store_true", help="only how often decisions are wrong")
    parser.add_argument("--drift", action="store_true", help="only how often tests for drift fire")
    options = parser.parse_args()
    work = ROOT / "build/bench" / ("sample" if options.raw.resolve() == SAMPLE else "own")
    if options.fresh:
        shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True, exist_ok=True)

    wanted = plan()
    if options.drift:
        _drift(options.raw, work, wanted)
        return
    project_method = wanted["project_method"]
    shown, chosen = list(wanted["windows"].values()), list(wanted["chosen_on"].values())
    short = wanted["short_histories"]
    _kept(work / "run.json", lambda: whole_run(options.raw, work / "project", *PUBLISHED))
    _kept(work / "sample.json", lambda: whole_run(SAMPLE, work / "sample", *PUBLISHED))
    if options.decisions:
        _decisions(work, wanted)
        return
    if options.weekly:
        _weekly(work, wanted)
        return
    if options.policies:
        print(measure_policies(work, wanted).to_string())
        return
    if options.monitoring:
        _monitoring(work, wanted)
        return
    panel = pd.read_parquet(work / "project/data/03_primary/turnover/panel.parquet")
    rolling = plan_cutoffs(panel, BacktestParams(**parameters()["backtest"]))
    plain = ("seasonal_naive", "growth_naive", project_method)
    jobs = [Backtest("rolling", name, rolling, with_intervals=True) for name in plain]
    jobs += [Backtest("intervals", project_method, shown, with_intervals=True)]
    missing = missing_peers(wanted)
    jobs += [Backtest("shown", name, shown) for name in wanted["methods"] if name not in missing]
    jobs += [Backtest(f"seed{seed}", project_method, shown, seed=seed) for seed in wanted["seeds"]]
    jobs += [Backtest("chosen", name, chosen) for name in plain]
    jobs += [
        Backtest(f"{project}{weeks}", name, shown[:4], weeks, project=project)
        for project in ("project", "sample")
        for weeks in short["weeks"]
        for name in short["methods"]
    ]
    for job in track(jobs, description="Backtests"):
        _backtest(work, job)
    for factor in track(wanted["processing_factors"], description="Processing"):
        _kept(work / f"processing.{factor}.json", partial(processing, options.raw, work, factor))
    for factor in track(wanted["series_factors"], description="Series"):
        _scaled(work, project_method, factor)
    keep_measured(work, wanted)
    write_page(work, wanted, pd.Timestamp.today(), sample=work.name == "sample")
    write_peers(work, wanted)
    _weekly(work, wanted)
    _monitoring(work, wanted)
    _decisions(work, wanted)
    _drift(options.raw, work, wanted)


if __name__ == "__main__":
    main()
