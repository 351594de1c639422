"""Errors read like a colleague's message."""

import os
import shutil
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner
from kedro.validation.exceptions import ParameterValidationError
from mlflow.exceptions import MlflowException

from projects import Project
from sales_forecast.cli import _with_one_message, message_of
from sales_forecast.startup import find_own_programs

REPORT = """Parameter validation failed:
- Parameter 'turnover.intervals': Failed to instantiate IntervalParams for parameter 'turnover.intervals': 2 validation errors for IntervalParams
scale_share
  Input should be greater than 0 [type=greater_than, input_value=-1, input_type=int]
    For further information visit https://errors.pydantic.dev/2.14/v/greater_than
weeks
  Extra inputs are not permitted [type=extra_forbidden, input_value=8, input_type=int]
    For further information visit https://errors.pydantic.dev/2.14/v/extra_forbidden
- Parameter 'turnover.read': Failed to instantiate ReadTurnoverParams for parameter 'turnover.read': 1 validation error for ReadTurnoverParams
  Value error, turnover.columns.stores does not name size [type=value_error, input_value={}, input_type=dict]
    For further information visit https://errors.pydantic.dev/2.14/v/value_error
- Parameter 'turnover.sports': value is None but type is not Optional"""


def test_each_complaint_about_parameters_is_one_line_with_its_path() -> None:
    assert message_of(ParameterValidationError(REPORT)).splitlines() == [
        "turnover.intervals.scale_share: must be greater than 0, not -1",
        "turnover.intervals.weeks: there is no such option",
        "turnover.read: turnover.columns.stores does not name size",
        "Parameter 'turnover.sports': value is None but type is not Optional",
    ]


def test_a_report_of_another_kind_is_left_as_it_is() -> None:
    said = "something else went wrong"
    assert message_of(ParameterValidationError(said)) == said


LISTED = """
import sys
from kedro.framework.cli.cli import main
try:
    main()
except SystemExit:
    pass
print("imported:", *sorted({"mlflow", "lightgbm"} & set(sys.modules)))
"""


@pytest.mark.parametrize("command", [["run", "--help"], ["registry", "list"], ["--help"]])
def test_a_command_that_runs_nothing_does_not_wait_for_heavy_libraries(
    command: list[str], new_project: Project
) -> None:
    """Listing pipelines imports their nodes, and with them plotly: a tenth of a second."""
    done = subprocess.run(
        [sys.executable, "-c", LISTED, *command],
        cwd=new_project.folder,
        env=os.environ | {"PYTHONPATH": str(new_project.folder / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.rstrip().endswith("imported:"), done.stdout[-500:]


def test_the_plugins_own_commands_are_still_there(new_project: Project) -> None:
    assert "mlflow" in new_project.kedro("--help").stdout
    assert "--host" in new_project.kedro("mlflow", "ui", "--help").stdout


def test_a_tracking_server_that_dies_under_way_is_one_sentence() -> None:
    @click.command()
    def run() -> None:
        raise MlflowException("API request failed: connection refused")

    result = CliRunner().invoke(_with_one_message(run))
    assert result.exit_code == 1
    assert "Error: the tracking server failed while the run was under way: API request" in result.output


@pytest.mark.parametrize("command", ["ipython", "mlflow"])
def test_programs_started_by_name_are_those_of_this_python(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without an active environment another Python's would start, or none."""
    other = tmp_path / command
    other.write_text("#!/bin/sh\n")
    other.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert shutil.which(command) == str(other)
    find_own_programs()
    assert shutil.which(command) == str(Path(sys.executable).with_name(command))


def test_an_interactive_session_starts_this_python(tmp_path: Path) -> None:
    project = copy_project(tmp_path / "project")
    done = project.kedro(
        *("ipython", "--", "-c", "import sys; print('python:', sys.executable)"),
        environment={"PATH": "/usr/bin:/bin"},
    )
    assert done.returncode == 0, done.stderr
    assert f"python: {sys.executable}" in done.stdout
