"""What we know of other libraries beyond what they promise. A test that fails here says what to mend first."""

import subprocess
import sys
from pathlib import Path

import fsspec
import pytest
from kedro.pipeline import Node, Pipeline
from kedro.validation import ParameterValidationError
from kedro.validation.parameter_validator import ParameterValidator
from pydantic import BaseModel, Field

from sales_forecast.atomic import beside
from sales_forecast.compat import MLFLOW_COMMANDS, bring_beside, complaints, forget_appended


class Horizon(BaseModel, extra="forbid"):
    """Two options."""

    weeks: int = Field(gt=0)
    season: int = 52


def test_kedro_still_tells_of_wrong_parameters_as_text_that_we_can_read() -> None:
    """Breaks: a wrong parameter is answered by pydantic's report, with links and types of Python."""

    def forecast(horizon: Horizon) -> int:
        return horizon.weeks

    whole = Pipeline([Node(forecast, "params:horizon", "weeks", name="forecast")])
    with pytest.raises(ParameterValidationError) as caught:
        ParameterValidator({"__default__": whole}).validate_raw_params(
            {"horizon": {"weeks": -1, "seasons": 52}}
        )
    assert complaints(str(caught.value)).splitlines() == [
        "horizon.weeks: must be greater than 0, not -1",
        "horizon.seasons: there is no such option",
    ]


def test_kedro_still_takes_our_stand_in_for_the_commands_of_mlflow() -> None:
    """Breaks: every kedro command imports MLflow, or kedro mlflow is no command any more."""
    code = (
        "import sys, sales_forecast.compat as compat; compat.load_mlflow_later()\n"
        "sys.argv = ['kedro', 'mlflow', 'ui']\n"
        "from kedro.framework.cli.utils import load_entry_points\n"
        "import click\n"
        "groups = load_entry_points('project')\n"
        "assert 'mlflow' not in sys.modules\n"
        "(group,) = [one for one in groups if one.name == 'kedro-mlflow']\n"
        "found = group.get_command(click.Context(group), 'mlflow')\n"
        "print(found.list_commands(click.Context(found)), 'mlflow' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "['init', 'modelify', 'ui'] True", done.stderr[-2000:]
    assert MLFLOW_COMMANDS.startswith("kedro_mlflow.")


def test_fsspec_still_lets_files_of_a_transaction_wait_elsewhere(tmp_path: Path) -> None:
    """Breaks: a save that is stopped half way may leave half a file."""
    files = fsspec.filesystem("file", auto_mkdir=True)
    target, log = tmp_path / "panel.csv", tmp_path / "log.txt"
    transaction = files.start_transaction()
    with files.open(str(target), "wb") as file:
        file.write(b"turnover")
    with files.open(str(log), "ab") as file:
        file.write(b"one line")
    forget_appended(transaction)
    assert [Path(one.path) for one in transaction.files] == [target]
    assert not target.exists()
    bring_beside(transaction, beside)
    assert beside(target).read_bytes() == b"turnover"
    files.end_transaction()
    assert sorted(tmp_path.iterdir()) == [log, target]
    assert target.read_bytes() == b"turnover"
