"""The packaged project, outside of it: a wheel and an archive of its configuration, as kedro package makes them."""

import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from projects import REPOSITORY


@pytest.fixture(scope="module")
def packaged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the installed package and its configuration; the wheel is built without the network."""
    folder, project = tmp_path_factory.mktemp("packaged"), tmp_path_factory.mktemp("project")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(REPOSITORY / name, project / name)
    shutil.copytree(REPOSITORY / "src", project / "src", ignore=shutil.ignore_patterns("__pycache__"))
    build = [
        sys.executable,
        "-m",
        "build",
        "--wheel",
        "--no-isolation",
        "--outdir",
        str(folder),
        str(project),
    ]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "installed")
    with tarfile.open(folder / "conf.tar.gz", "w:gz") as archive:
        archive.add(REPOSITORY / "conf", "conf", filter=lambda file: None if "/local/" in file.name else file)
    return folder


def command(packaged: Path, here: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sales_forecast", *arguments],
        cwd=here,
        env=os.environ | {"PYTHONPATH": str(packaged / "installed"), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_package_runs_outside_the_project_with_its_configuration(packaged: Path, tmp_path: Path) -> None:
    conf = str(packaged / "conf.tar.gz")
    raw = f"raw_folder={REPOSITORY / 'data/01_raw'}"
    stage = ("--pipelines", "data_processing", "--tags", "marketing")
    done = command(packaged, tmp_path, "run", "--conf-source", conf, "--params", raw, *stage)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"1/1  marketing data_processing", done.stdout)
    assert (tmp_path / "data/03_primary/marketing/budgets.parquet").exists()
    assert {path.name for path in tmp_path.iterdir()} >= {"data", "logs", "mlflow.db"}

    with tarfile.open(conf) as archive:
        archive.extractall(tmp_path)
    listed = command(packaged, tmp_path, "models", "list")
    assert listed.returncode == 0, listed.stderr
    assert "sales_forecast.marketing" in listed.stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["run", "--nodes", "nowhere"], "--nodes: there is no node 'nowhere'"),
        (["models", "list"], "there is no project here, and no conf folder; go there first"),
    ],
)
def test_what_cannot_be_done_outside_is_one_message(
    packaged: Path, tmp_path: Path, arguments: list[str], says: str
) -> None:
    done = command(packaged, tmp_path, *arguments)
    assert done.returncode != 0
    assert says in done.stderr
    assert "Traceback" not in done.stdout + done.stderr
