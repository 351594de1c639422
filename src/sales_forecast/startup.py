"""Runs first in every ``kedro`` command: finds the programs beside this Python, and keeps MLflow out.

``kedro ipython`` and ``kedro mlflow ui`` start ``ipython`` and ``mlflow`` by name. Without an active virtual
environment these are those of another Python, or there are none.

kedro-mlflow's command line imports MLflow and all that its models need, which takes several times as long as
the rest of a start. Kedro loads every plugin's commands before it knows which one is wanted.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import click

PLUGIN = "kedro_mlflow.framework.cli.cli"


class _Later(click.Group):
    """The plugin's commands, imported when one of them is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Its only name, as Kedro's help shows it."""
        return ["mlflow"]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the plugin if it is meant."""
        if cmd_name != "mlflow":
            return None
        if "--help" in sys.argv[1:2] or len(sys.argv) == 1:  # the list of all commands
            return click.Group("mlflow", help="Use mlflow-specific commands inside kedro project.")
        sys.modules.pop(PLUGIN, None)
        commands: click.Group = import_module(PLUGIN).commands
        return commands.get_command(ctx, cmd_name)


def prepare() -> None:
    """Kedro calls this by its entry point, ``kedro.init``."""
    find_own_programs()
    load_mlflow_later()


def find_own_programs() -> None:
    """Put the folder of this Python first in ``PATH``, as activating its environment would."""
    own = str(Path(sys.executable).parent)
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    if folders[0] != own:
        os.environ["PATH"] = os.pathsep.join([own, *folders])


def load_mlflow_later() -> None:
    """Put a stand-in in the place of kedro-mlflow's commands."""
    if PLUGIN not in sys.modules:
        stand_in = ModuleType(PLUGIN)
        stand_in.__dict__["commands"] = _Later("kedro-mlflow")
        sys.modules[PLUGIN] = stand_in
