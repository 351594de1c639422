"""What we know of other libraries beyond what they promise; tests/test_compat.py says what breaks with it.

Nothing else in this project reaches into a library. Before one is updated, look here.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections import deque
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import click

MLFLOW_COMMANDS = "kedro_mlflow.framework.cli.cli"


# --- Kedro loads the commands of every plugin before it knows which one is wanted --------------------


class _Later(click.Group):
    """kedro-mlflow's commands, imported when one of them is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Its only name, as Kedro's help shows it."""
        return ["mlflow"]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the plugin if it is meant."""
        if cmd_name != "mlflow":
            return None
        if "--help" in sys.argv[1:2] or len(sys.argv) == 1:  # the list of all commands
            return click.Group("mlflow", help="Use mlflow-specific commands inside kedro project.")
        sys.modules.pop(MLFLOW_COMMANDS, None)
        commands: click.Group = import_module(MLFLOW_COMMANDS).commands
        return commands.get_command(ctx, cmd_name)


def load_mlflow_later() -> None:
    """Put a stand-in in the place of kedro-mlflow's commands, which import MLflow: that takes seconds."""
    if MLFLOW_COMMANDS not in sys.modules:
        stand_in = ModuleType(MLFLOW_COMMANDS)
        stand_in.__dict__["commands"] = _Later("kedro-mlflow")
        sys.modules[MLFLOW_COMMANDS] = stand_in


# --- Kedro hands on what pydantic says about parameters as text only ---------------------------------

_COMPLAINT = re.compile(
    r"  (?! )(?:Value error, )?(?P<what>.+?)"
    r"(?: \[type=(?P<type>\w+), input_value=(?P<given>.*), input_type=\w+\])?"
)


def complaints(report: str) -> str:
    """Leave of pydantic's report what the reader can act on: which option, what is wrong, what was given."""
    group = option = ""
    lines = []
    for line in report.splitlines():
        if named := re.match(r"- Parameter '(.+?)'", line):
            group, option = named[1], ""
            lines += [] if "validation error" in line else [line.removeprefix("- ")]
        elif re.fullmatch(r"[\w.]+", line):
            option = f"{group}.{line}"
        elif match := _COMPLAINT.fullmatch(line):
            what = match["what"].replace("Input should be", "must be")
            what = what.replace("Extra inputs are not permitted", "there is no such option")
            if match["type"] not in {"value_error", "missing", "extra_forbidden", None}:
                what += f", not {match['given']}"
            lines.append(what if group in what else f"{option or group}: {what}")
    return "\n".join(lines) or report


# --- fsspec's local transactions: files wait under temporary names, on the disk of temporary files ----


def forget_appended(transaction: Any) -> None:
    """Keep to files under temporary names; one that is appended to never had one."""
    transaction.files = deque(file for file in transaction.files if hasattr(file, "temp"))


def bring_beside(transaction: Any, beside: Callable[[Path], Path]) -> None:
    """Bring temporary files into the folder they are for, so that giving them their names is a mere rename.

    Args:
        transaction: Files that wait for their names.
        beside: What a file is called next to where it belongs.
    """
    forget_appended(transaction)
    for file in transaction.files:
        part = beside(Path(file.path))
        try:
            shutil.move(file.temp, part)
        except OSError:  # such as a full disk
            part.unlink(missing_ok=True)
            raise
        file.temp = str(part)
