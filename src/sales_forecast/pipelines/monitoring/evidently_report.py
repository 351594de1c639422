"""Evidently in an environment of its own: Parquet files go in, a page and its figures come out."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd

WORKER = Path(__file__).with_name("evidently_worker.py")
SECONDS_AT_MOST = 600
LINES_OF_A_FAILURE = 3


class NotMadeError(Exception):
    """There is no report; the message says why and what to do."""


class EvidentlyFailedError(NotMadeError):
    """Evidently is there, and did not make its report."""


def evidently_report(
    reference: pd.DataFrame,
    current: pd.DataFrame,
    columns: dict[str, list[str]],
    note: str,
    environment: str,
) -> tuple[str, dict[str, Any]]:
    """Compare the distributions of two tables.

    Args:
        reference: What is compared with.
        current: What is compared.
        columns: Names by group; the order is that of the report.
        note: A sentence on top of the page.
        environment: Folder of the virtual environment.

    Returns:
        Evidently's report as one HTML page that needs no network, and its JSON.

    Raises:
        NotMadeError: The environment is not set up.
        EvidentlyFailedError: It is, and the report failed.
    """
    if not (Path(environment) / ".ready").exists():
        raise NotMadeError(
            "Evidently has an environment of its own, which is not set up. Set it up: make evidently"
        )
    with TemporaryDirectory(prefix="drift-") as name:
        folder = Path(name)
        reference.to_parquet(folder / "reference.parquet", index=False)
        current.to_parquet(folder / "current.parquet", index=False)
        (folder / "settings.json").write_text(
            json.dumps({"columns": columns, "note": note}), encoding="utf-8"
        )
        _run([str(Path(environment) / "bin" / "python"), "-P", str(WORKER), name])
        return (
            (folder / "report.html").read_text(encoding="utf-8"),
            json.loads((folder / "report.json").read_text(encoding="utf-8")),
        )


def _run(command: list[str]) -> None:
    # without our import path, and without telemetry
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment |= {"DO_NOT_TRACK": "1", "ITERATIVE_DO_NOT_TRACK": "1"}
    try:
        subprocess.run(
            command, env=environment, capture_output=True, text=True, check=True, timeout=SECONDS_AT_MOST
        )
    except subprocess.CalledProcessError as error:
        last = " ".join((error.stderr or error.stdout).strip().splitlines()[-LINES_OF_A_FAILURE:])
        raise EvidentlyFailedError(f"Evidently failed (exit code {error.returncode}): {last}") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EvidentlyFailedError(f"Evidently failed: {error}") from error
