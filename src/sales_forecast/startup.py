"""Runs first in every ``kedro`` command: limits memory, finds programs beside this Python, keeps MLflow out.

``kedro ipython`` and ``kedro mlflow ui`` start ``ipython`` and ``mlflow`` by name. Without an active virtual
environment these are those of another Python, or there are none.

kedro-mlflow's command line imports MLflow and all that its models need, which takes several times as long as
the rest of a start. Kedro loads every plugin's commands before it knows which one is wanted.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from sales_forecast.compat import load_mlflow_later
from sales_forecast.memory import limit_heaps


def prepare() -> None:
    """Kedro calls this by its entry point, ``kedro.init``."""
    limit_heaps()
    find_own_programs()
    load_mlflow_later()


def find_own_programs() -> None:
    """Put the folder of this Python first in ``PATH``, as activating its environment would."""
    own = str(Path(sys.executable).parent)
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    if folders[0] != own:
        os.environ["PATH"] = os.pathsep.join([own, *folders])
