"""Copies of the project for tests that run it."""

import contextlib
import gzip
import hashlib
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import click.testing
import pandas as pd
import pytest
import typer.testing
import yaml
from kedro.framework import project as kedro_project
from kedro.framework.startup import bootstrap_project

REPOSITORY = Path(__file__).resolve().parents[1]
REAL_FILES = REPOSITORY.parent / "shared" / "data"

FEW_WINDOWS = {"stride_weeks": 8, "recent_weeks": 16, "season_years": 0}
TWO_WINDOWS = {"windows": 2, "stride_weeks": 8}
FEW_FOLDS = {
    "backtest": {"folds": 5, "stride_weeks": 16},
    "intervals": FEW_WINDOWS,
    "methods": {"blend": {"validation": TWO_WINDOWS}},
}
"""Parameters of the turnover domain for runs in which the number of past windows does not matter."""

SMALL = {
    "backtest": {"folds": 4, "stride_weeks": 16},
    "cold_start_backtest": {"cutoffs": 1},
    "intervals": FEW_WINDOWS,
    "methods": {
        "blend": {
            "members": {"boosting_together": {"trees": 5, "max_origins": 8}},
            "alternatives": {
                "this_season": ["ridge", "boosting_together"],
                "all_seasons": ["boosting_together"],
                "growth": ["growth_naive", "ridge"],
            },
            "validation": TWO_WINDOWS,
        },
    },
}
"""Parameters of the turnover domain for runs whose length and accuracy do not matter: four folds, a blend of
three members, of which one learns from each department and one from all, in few past windows."""


@dataclass(frozen=True)
class Project:
    """A copy of the project in a folder of its own, run by the real command line."""

    folder: Path

    def kedro(
        self, *arguments: str, environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "kedro", *arguments],
            cwd=self.folder,
            env=os.environ
            | {"COLUMNS": "400", "PYTHONPATH": str(self.folder / "src")}
            | dict(environment or {}),
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            check=False,
        )

    def run(self, *arguments: str) -> tuple[int, str]:
        """``kedro run`` in this process: starting Python, Kedro and MLflow anew each time takes too long."""
        with contextlib.chdir(self.folder), pytest.MonkeyPatch.context() as patch:
            patch.setenv("PYTHONPATH", os.fspath(self.folder / "src"))
            if kedro_project.PACKAGE_NAME is None:  # once: it takes seconds
                bootstrap_project(self.folder)
            from sales_forecast.cli import cli

            result = click.testing.CliRunner().invoke(cli, ["run", *arguments], env={"COLUMNS": "400"})
        return result.exit_code, result.output

    def command(self, *arguments: str) -> typer.testing.Result:
        """``sales-forecast`` in this process, in the project's folder."""
        from sales_forecast.__main__ import app

        with contextlib.chdir(self.folder):
            return typer.testing.CliRunner().invoke(app, list(arguments), env={"COLUMNS": "300"})

    def outputs(self) -> dict[str, str]:
        """Digest of everything that a run produced."""
        produced = sorted(p for p in (self.folder / "data").glob("0[2-8]*/**/*") if p.is_file())
        return {
            str(path.relative_to(self.folder)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in produced
            if path.name != ".gitkeep" and path.suffix != ".lock"
        }

    def path(self, name: str) -> Path:
        return self.folder / "data" / name


MAY_BE_COPIED = True
"""Whether the test that runs now is marked as slow; tests/conftest.py knows."""


def copy_project(folder: Path) -> Project:
    assert MAY_BE_COPIED, "ask for the fixture 'copied', so that make test-fast leaves this test out"
    folder.mkdir(parents=True)
    for name in ("pyproject.toml", ".telemetry"):
        shutil.copy(REPOSITORY / name, folder / name)
    for environment in ("base", "aws", "benchmark", "spark", "postgres"):
        shutil.copytree(REPOSITORY / "conf" / environment, folder / "conf" / environment)
    (folder / "conf" / "local").mkdir()
    shutil.copy(REPOSITORY / "conf" / "logging.yml", folder / "conf" / "logging.yml")
    shutil.copytree(REPOSITORY / "data" / "01_raw", folder / "data" / "01_raw")
    # with what is compiled, so that processes start sooner, but not what another one is just compiling
    shutil.copytree(REPOSITORY / "src", folder / "src", ignore=shutil.ignore_patterns("*.pyc.*"))
    return Project(folder)


def copy_small(folder: Path) -> Project:
    """A project whose runs are short: its own parameters say so, also to its later runs."""
    project = copy_project(folder)
    (folder / "conf" / "local" / "parameters.yml").write_text(yaml.safe_dump({"turnover": SMALL}))
    return project


def copy_finished(finished: Project, folder: Path) -> Project:
    """A finished project that tests may run again: its registry must not write into the first one's."""
    shutil.copytree(finished.folder, folder, symlinks=True)
    places = {
        "experiments": "artifact_location",
        "runs": "artifact_uri",
        "model_versions": "storage_location",
        "logged_models": "artifact_location",
    }
    with contextlib.closing(sqlite3.connect(folder / "mlflow.db")) as store, store:
        for table, column in places.items():
            store.execute(
                f"update {table} set {column} = replace({column}, ?, ?)",
                (str(finished.folder), str(folder)),
            )
    return Project(folder)


Change = Callable[[pd.DataFrame], pd.DataFrame]


def rewrite_csv(path: Path, change: Change) -> None:
    """Change a raw file as text, the way a broken export would."""
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    text = change(table).to_csv(index=False)
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text)


def only_last_year(project: Project) -> None:
    """Leave the method that repeats last year, and ask for the weeks after the last one."""
    _only(project, "seasonal_naive", 3)


def only_ridge(project: Project, folds: int) -> None:
    """Leave ridge regression, and ask for the weeks after the last one."""
    _only(project, "ridge", folds)


def _only(project: Project, name: str, folds: int) -> None:
    file = project.folder / "conf/base/parameters/turnover.yml"
    parameters = yaml.safe_load(file.read_text())
    turnover = parameters["turnover"]
    methods = turnover["methods"]
    declared = methods.get(name) or methods["blend"]["members"][name]
    turnover["methods"] = {name: declared}
    turnover["evaluation"]["baseline"] = name
    turnover["backtest"] |= {"folds": folds, "stride_weeks": 8}
    turnover["cold_start_backtest"] |= {"cutoffs": 1}
    turnover["intervals"] |= {"stride_weeks": 8, "recent_weeks": 16, "season_years": 0}
    file.write_text(yaml.safe_dump(parameters))
    globals_ = {"turnover": {"files": {"forecast_index": None}}}
    (project.folder / "conf/local/globals.yml").write_text(yaml.safe_dump(globals_))
