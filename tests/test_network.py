"""A run touches no network: neither its own steps nor the telemetry of the libraries it stands on."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from projects import Project
from watcher import WATCHER

pytestmark = pytest.mark.xdist_group("network")


def test_a_run_asks_no_other_machine(
    new_project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (new_project.folder / "src" / "sitecustomize.py").write_text(WATCHER)
    log = tmp_path / "network.log"
    monkeypatch.setenv("NETWORK_LOG", os.fspath(log))
    for name in ("CI", "GITHUB_ACTIONS", "PYTEST_CURRENT_TEST", "MLFLOW_DISABLE_TELEMETRY", "DO_NOT_TRACK"):
        monkeypatch.delenv(name, raising=False)  # libraries fall silent where they see these
    result = new_project.kedro("run", "--namespaces", "marketing", "--pipelines", "data_processing")
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr[-2000:]
    assert set(log.read_text().split()) == {"watching"}
    ask = "import socket; socket.socket(type=socket.SOCK_DGRAM).connect(('192.0.2.1', 9))"
    beside = os.environ | {"PYTHONPATH": str(new_project.folder / "src")}
    subprocess.run([sys.executable, "-c", ask], env=beside, check=False)
    assert log.read_text().split()[-1] == "192.0.2.1", "the watcher sees nothing"
