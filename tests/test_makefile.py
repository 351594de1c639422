"""``make clean`` forgets models only when told."""

import os
import pty
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from projects import REPOSITORY

GONE = ["data/08_reporting/report.html", "mlflow.db", "mlruns/0/meta.yaml", "logs/sales_forecast.log"]
STAYS = ["data/01_raw/turnover/train.csv.gz", "sales_forecast.db", "conf/local/globals.yml", "logs/.gitkeep"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project after a run, of which only the names of the files count."""
    shutil.copy(REPOSITORY / "Makefile", tmp_path)
    for name in (*GONE, *STAYS):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def test_the_folder_of_the_log_files_is_part_of_the_project() -> None:
    """Kedro makes their handlers when it is imported, and the first line that is logged opens the files."""
    handlers = yaml.safe_load((REPOSITORY / "conf/logging.yml").read_text())["handlers"].values()
    folders = {Path(handler["filename"]).parent for handler in handlers if "filename" in handler}
    assert folders
    assert all((REPOSITORY / folder / ".gitkeep").is_file() for folder in folders)


def clean(folder: Path, *arguments: str, typed: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run ``make clean`` without a terminal, or with one at which somebody types."""
    command = ["make", "clean", *arguments]
    if typed is None:
        return subprocess.run(
            command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
    ours, its = pty.openpty()
    os.write(ours, typed.encode())
    try:
        return subprocess.run(command, cwd=folder, stdin=its, capture_output=True, text=True, check=False)
    finally:
        os.close(ours)
        os.close(its)


@pytest.mark.parametrize(
    ("typed", "says"),
    [(None, "make clean FORCE=1"), ("\n", "Nothing is removed."), ("n\n", "Nothing is removed.")],
)
def test_models_are_not_forgotten_unasked(folder: Path, typed: str | None, says: str) -> None:
    done = clean(folder, typed=typed)
    assert done.returncode != 0
    assert "every tracked run and registered model" in done.stdout
    assert says in done.stdout
    assert all((folder / name).exists() for name in (*GONE, *STAYS))


@pytest.mark.parametrize(("arguments", "typed"), [(["FORCE=1"], None), ([], "y\n")])
def test_what_runs_produced_goes_when_told_and_the_rest_stays(
    folder: Path, arguments: list[str], typed: str | None
) -> None:
    done = clean(folder, *arguments, typed=typed)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not any((folder / name).exists() for name in GONE)
    assert all((folder / name).exists() for name in STAYS)
    assert "sales_forecast.db (forecasts, API keys, the record of answers)" in done.stdout


def test_without_models_there_is_nothing_to_ask(folder: Path) -> None:
    (folder / "mlflow.db").unlink()
    shutil.rmtree(folder / "mlruns")
    assert clean(folder).returncode == 0
    assert not (folder / GONE[0]).exists()
