"""Load test of the service over HTTP, whose results are written to docs/benchmarks.md.

Every response is written to the audit log; therefore the service runs on a copy of the database, unless
SALES_FORECAST_DATABASE_URL names one.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic, sleep
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import numpy as np
import pandas as pd
import psutil
from rich.progress import Progress
from sqlalchemy import select

from benchmarks.measure import ROOT
from benchmarks.page import service_section, write_section
from sales_forecast.storage.database import open_database
from sales_forecast.storage.queries import newest_run
from sales_forecast.storage.schema import forecasts, weekly_turnover

LOCUSTFILE = Path(__file__).with_name("locustfile.py")
DATABASE = "SALES_FORECAST_DATABASE_URL"
SECONDS_TO_START = 180
SECONDS_TO_FINISH = 10
NAP_SECONDS = 0.01
NAPS_BETWEEN_SAMPLES = 200
WEEKS_OF_A_NEW_STORE = 30
MEGABYTE = 1024**2

PACE_SECONDS = {"StoredForecasts": 0.5, "OneSeries": 1.0, "HundredSeries": 5.0, "NewStore": 20.0}
"""Seconds between requests of one user: more than a response takes, or the next request would be late."""


@dataclass(frozen=True)
class Phase:
    """A period with one kind of load.

    Args:
        title: Title on the page.
        seconds: Duration.
        rates: Class of user -> requests per second.
        aim_ms: Milliseconds that 95 % of responses should stay below.
    """

    title: str
    seconds: float
    rates: dict[str, float]
    aim_ms: float | None = None


PHASES = [
    Phase("stored forecasts, one series", 60, {"StoredForecasts": 200}, aim_ms=25),
    Phase("stored forecasts, 1,000 a second", 30, {"StoredForecasts": 1000}, aim_ms=25),
    Phase("live, one series", 30, {"OneSeries": 10}, aim_ms=60),
    Phase("live, 100 series", 30, {"HundredSeries": 2}, aim_ms=300),
    Phase(f"live, a new store with {WEEKS_OF_A_NEW_STORE} weeks", 30, {"NewStore": 0.5}, aim_ms=400),
]
WITH_WORKERS = 2
"""Number of phases that are measured again with as many processes as the machine has cores."""

KEYS = 4
"""API keys of the callers: one alone may not ask as often as this."""

MIXED = {"StoredForecasts": 50.0, "OneSeries": 4.0, "HundredSeries": 0.4, "NewStore": 0.1}


@dataclass(frozen=True)
class RunningService:
    """A service that is ready.

    Args:
        process: Process of the service.
        address: URL of the service.
        seconds: Seconds from its start until it was ready.
        status: ``green``, or ``yellow`` if something needs attention.
    """

    process: psutil.Process
    address: str
    seconds: float
    status: str

    def memory(self) -> float:
        """Return the memory of the service, with that of its further processes, in MB."""
        processes = [self.process, *self.process.children(recursive=True)]
        return sum(process.memory_info().rss for process in processes) / MEGABYTE


@contextmanager
def serving(
    project: Path, work: Path, environment: dict[str, str], workers: int = 1
) -> Iterator[RunningService]:
    """Start the service, wait until it is ready, and stop it in the end."""
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [*_command("serve"), "--host", "127.0.0.1", "--port", str(port), "--workers", str(workers)]
    start = monotonic()
    with (work / "service.log").open("w") as log:
        process = subprocess.Popen(command, cwd=project, env=environment, stdout=log, stderr=log)
    try:
        address = f"http://127.0.0.1:{port}"
        status = _wait_until_ready(process, address, work / "service.log")
        yield RunningService(psutil.Process(process.pid), address, monotonic() - start, status)
    finally:
        process.terminate()
        process.wait()


def _command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "sales_forecast", *arguments]


def _wait_until_ready(process: subprocess.Popen[bytes], address: str, log: Path) -> str:
    last = "no response"
    for _ in range(round(SECONDS_TO_START / 0.05)):
        if process.poll() is not None:
            raise SystemExit(f"the service ended; see {log}")
        try:
            with urlopen(f"{address}/ready", timeout=SECONDS_TO_START) as response:
                return str(json.load(response)["status"])
        except HTTPError as error:
            last = error.read().decode()
        except URLError:
            pass
        sleep(0.05)
    raise SystemExit(f"the service is not ready after {SECONDS_TO_START} seconds: {last}; see {log}")


def _database(project: Path, work: Path) -> str:
    """The database that the environment names, or else a copy of the project's."""
    if DATABASE in os.environ:
        return os.environ[DATABASE]
    file = project / "sales_forecast.db"
    if not file.exists():
        raise SystemExit(f"there is no {file}; make one first: make run")
    for old in work.glob("sales_forecast.db*"):
        old.unlink()
    with (
        closing(sqlite3.connect(file)) as source,
        closing(sqlite3.connect(work / "sales_forecast.db")) as copy,
    ):
        source.backup(copy)
    return f"sqlite:///{work / 'sales_forecast.db'}"


def _key(project: Path, environment: dict[str, str]) -> str:
    """A new key, valid for a day."""
    command = [*_command("keys", "create", "make load"), "--scopes", "read,predict", "--days", "1"]
    made = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)
    if made.returncode:
        raise SystemExit(made.stderr)
    return made.stdout.strip()


def _requestable(url: str) -> dict[str, Any]:
    """Series whose forecasts are stored, and weeks that the model has seen."""
    engine = open_database(url)
    with engine.connect() as connection:
        run = newest_run(connection, "turnover")
        if run is None:
            raise SystemExit("no forecasts are stored yet; make some: make run")
        series = select(forecasts.c.store, forecasts.c.department).where(forecasts.c.run == run.id)
        weeks = select(weekly_turnover.c.week).distinct().order_by(weekly_turnover.c.week.desc())
        found = {
            "series": [list(row) for row in connection.execute(series.distinct())],
            "weeks": [f"{row.week}" for row in connection.execute(weeks.limit(WEEKS_OF_A_NEW_STORE))],
        }
    engine.dispose()
    return found


@dataclass(frozen=True)
class Measurements:
    """What was measured in a phase.

    Args:
        responses: ``user, ms, problem``, one row per response.
        memory: Memory of the service in MB, by seconds since the start.
        late: Milliseconds that a sleeping process was woken too late, which shows when the machine stalls.
    """

    responses: pd.DataFrame
    memory: pd.Series
    late: pd.Series


def run_phase(phase: Phase, running: RunningService, plan: dict[str, Any], work: Path) -> Measurements:
    """Run one phase against the service."""
    plan = plan | {"pace": PACE_SECONDS, "responses": str(work / "responses.json")}
    (work / "plan.json").write_text(json.dumps(plan))
    users = {name: max(1, round(rate * PACE_SECONDS[name])) for name, rate in phase.rates.items()}
    fixed = [json.dumps({"user_class_name": name, "fixed_count": count}) for name, count in users.items()]
    total = str(sum(users.values()))
    command = [
        *(sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), "--headless", "--host", running.address),
        *("-u", total, "-r", total, "-t", f"{phase.seconds:.0f}s", "-s", str(SECONDS_TO_FINISH)),
        *("--exit-code-on-error", "0", "--only-summary", "--config-users", *fixed, "--", *users),
    ]
    environment = os.environ | {"LOAD_PLAN": str(work / "plan.json")}
    memory: dict[float, float] = {}
    late: list[float] = []
    start = monotonic()
    with Progress() as progress, (work / "locust.log").open("w") as log:
        bar = progress.add_task(phase.title, total=phase.seconds)
        locust = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        try:
            while locust.poll() is None:
                seconds = monotonic() - start
                memory[seconds] = running.memory()
                progress.update(bar, completed=min(seconds, phase.seconds))
                late += [_late() for _ in range(NAPS_BETWEEN_SAMPLES)]
        finally:
            locust.terminate()
            locust.wait()
        progress.update(bar, completed=phase.seconds)
    if locust.returncode:
        raise SystemExit(f"locust failed; see {work / 'locust.log'}")
    rows = json.loads((work / "responses.json").read_text())
    responses = pd.DataFrame(rows, columns=["user", "ms", "problem"])
    return Measurements(responses, pd.Series(memory), pd.Series(late))


def _late() -> float:
    """Sleep, and return how many milliseconds too long it was."""
    start = monotonic()
    sleep(NAP_SECONDS)
    return 1000 * (monotonic() - start - NAP_SECONDS)


def response_times(phase: Phase, measured: Measurements) -> dict[str, Any]:
    """One row of the page: number, times and failures of responses."""
    responses = measured.responses
    p50, p95, p99 = np.quantile(responses["ms"], [0.5, 0.95, 0.99]) if len(responses) else [np.nan] * 3
    problems = responses["problem"].dropna()
    if len(problems):
        print(f"  {len(problems)} failed, the first with {problems.iloc[0]}")
    return {
        "requests": phase.title,
        "a second": len(responses) / phase.seconds,
        "p50": p50,
        "p95": p95,
        "p99": p99,
        "aim for p95": phase.aim_ms,
        "sleeper's p95": measured.late.quantile(0.95),
        "failed": len(problems),
    }


def growth(memory: pd.Series) -> dict[str, float]:
    """Memory of the service: MB at the start, after a minute and at the end, and MB a minute from then on."""
    settled = memory[memory.index >= 60] if memory.index.max() > 120 else memory
    slope = np.polyfit(settled.index / 60, settled, 1)[0] if len(settled) > 1 else np.nan
    return {
        "start": memory.iloc[0],
        "after_a_minute": settled.iloc[0],
        "end": memory.iloc[-1],
        "slope": float(slope),
    }


def main() -> None:
    """Read the command line, run all phases, write the results."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load", description=__doc__)
    parser.add_argument("--project", type=Path, default=ROOT, help="project folder after make run")
    parser.add_argument("--minutes", type=float, default=10, help="minutes of mixed load, to measure memory")
    parser.add_argument("--quick", action="store_true", help="run for a minute and write nothing")
    options = parser.parse_args()
    shrink = 6 if options.quick else 1
    minutes = 0.1 if options.quick else options.minutes
    work = ROOT / "build/bench/load"
    work.mkdir(parents=True, exist_ok=True)

    url = _database(options.project, work)
    environment = os.environ | {DATABASE: url}
    keys = [_key(options.project, environment) for _ in range(KEYS)]
    plan = {"keys": keys} | _requestable(url)
    print("Starting the service ...")
    with serving(options.project, work, environment) as running:
        print(f"Ready ({running.status}) after {running.seconds:.1f} s")
        rows = []
        for phase in PHASES:
            shorter = replace(phase, seconds=phase.seconds / shrink)
            rows.append(response_times(shorter, run_phase(shorter, running, plan, work)))
        mixed = Phase(f"all of these mixed, {minutes:g} minutes", minutes * 60, MIXED)
        measured = run_phase(mixed, running, plan, work)
        rows.append(response_times(mixed, measured))
    workers = os.cpu_count() or 1
    print(f"Starting {workers} processes ...")
    with serving(options.project, work, environment, workers) as several:
        for phase in PHASES[:WITH_WORKERS]:
            title = f"{phase.title}, {workers} workers"
            shorter = replace(phase, title=title, seconds=phase.seconds / shrink)
            rows.append(response_times(shorter, run_phase(shorter, several, plan, work)))
    setting = f"{len(plan['series']):,} series, {url.partition(':')[0]}"
    ready = (running.seconds, running.status)
    section = service_section(
        pd.DataFrame(rows), growth(measured.memory), ready, setting, pd.Timestamp.today()
    )
    print(f"\n{section}\n")
    if not options.quick:
        write_section("service", section)


if __name__ == "__main__":
    main()
