"""Errors read like a colleague's message."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from kedro.validation.exceptions import ParameterValidationError
from mlflow.exceptions import MlflowException

from projects import Project
from sales_forecast import cli
from sales_forecast.cli import message_of
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


def test_a_tracking_server_that_dies_under_way_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise MlflowException("API request failed: connection refused")

    monkeypatch.setattr(cli, "check_run_options", lambda options: None)
    result = CliRunner().invoke(cli.RunCommand("run", callback=fail))
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


def test_an_interactive_session_starts_this_python(new_project: Project) -> None:
    done = new_project.kedro(
        *("ipython", "--", "-c", "import sys; print('python:', sys.executable)"),
        environment={"PATH": "/usr/bin:/bin"},
    )
    assert done.returncode == 0, done.stderr
    assert f"python: {sys.executable}" in done.stdout


@pytest.fixture(scope="module")
def project(copied: Callable[[Path], Project], tmp_path_factory: pytest.TempPathFactory) -> Project:
    return copied(tmp_path_factory.mktemp("cli") / "project")


READ = "marketing.data_processing.read_budgets"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--nodes", "read_budgets"], f"--nodes: there is no node 'read_budgets'; did you mean '{READ}'?"),
        (["--from-nodes", f"{READ}x"], f"--from-nodes: there is no node '{READ}x'; did you mean '{READ}'"),
        (["--to-nodes", "nowhere"], "--to-nodes: there is no node 'nowhere'. To see all: kedro registry"),
        (
            ["--tags", "checked_frist"],
            "--tags: there is no tag 'checked_frist'; did you mean 'checked_first'",
        ),
        (
            ["--pipelines", "modeling"],
            "--pipelines: there is no pipeline 'modeling'; did you mean 'modelling'",
        ),
        (["--pipeline", "zzz"], "there are: __default__, data_processing, eda_reporting,"),
        (
            ["--namespaces", "marketting"],
            "--namespaces: there is no namespace 'marketting'; did you mean 'marketing'",
        ),
        (["--from-inputs", "panel"], "there is no dataset 'panel'; did you mean 'turnover.panel'?"),
        (["--to-outputs", "turnover.panle"], "did you mean 'turnover.panel'"),
        (["--env", "sparc"], "--env: there is no environment 'sparc'; did you mean 'spark'?"),
        (["--runner", "QuickRunner"], "--runner: there is no runner 'QuickRunner'"),
        (
            ["--runner", "no.such.Runner"],
            "--runner: there is no runner 'no.such.Runner' (No module named 'no')",
        ),
        (
            ["--runner-params", "workers=2"],
            "--runner-params: SequentialRunner does not take them: got an unex",
        ),
        (["--nodes", READ, "--tags", "turnover"], "these options together select no node"),
        (["--load-versions", "panel"], "Expected the form of 'load_versions' to be 'dataset_name:"),
        (["--pipeline", "modelling", "--pipelines", "modelling"], "cannot be used together"),
        (["--params", "horizon"], "must contain a key and a value separated by `=`"),
        (["--conf-source", "/nowhere"], "Path '/nowhere' does not exist"),
        (["--config", "pyproject.toml"], "Error: "),
    ],
)
def test_a_name_that_does_not_exist_is_one_message(project: Project, arguments: list[str], says: str) -> None:
    code, output = project.run(*arguments)
    assert code in {1, 2}
    assert says in output
    assert len([line for line in output.splitlines() if line.startswith("Error: ")]) == 1
    assert "Traceback" not in output
    assert not (project.folder / "mlflow.db").exists()


def test_a_configuration_file_without_our_section_is_one_message(project: Project, tmp_path: Path) -> None:
    for text, says in (("a: 1", "has no section 'run'"), ("run:\n  nodse: x", "Key `nodse`"), ("a: [", "")):
        (tmp_path / "options.yml").write_text(text)
        code, output = project.run("--config", str(tmp_path / "options.yml"))
        assert code in {1, 2}, text
        assert "Error: " in output
        assert says in output
