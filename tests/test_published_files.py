"""The files in data/ are those of what serves, also after a run that failed or was killed."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from kedro.io import DataCatalog, MemoryDataset
from kedro.pipeline import Node, Pipeline

from sales_forecast.data_root import data_root
from sales_forecast.published_files import (
    begin_publishing,
    bring_back_unpublished,
    end_publishing,
    kept_folder,
)

FILE = "data/07_model_output/turnover/forecasts.parquet"
PUBLISHING = Pipeline([Node(lambda: None, None, "turnover.publication", name="publish")])


def serving(number: int | None) -> DataCatalog:
    run: Any = None if number is None else SimpleNamespace(id=number)
    return DataCatalog({"turnover.publication": MemoryDataset(run, copy_mode="assign")})


def root() -> str:
    return data_root({"data_root": "data"})


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file in data/, of which those of publications 3 and 4 are kept."""
    monkeypatch.chdir(tmp_path)
    for number in (3, 4):
        kept = Path(kept_folder(root(), number)) / FILE
        kept.parent.mkdir(parents=True)
        kept.write_text(f"publication {number}")
    file = tmp_path / FILE
    file.parent.mkdir(parents=True)
    file.write_text("publication 4")
    return file


def interrupted(file: Path, before: int | None) -> None:
    begin_publishing(PUBLISHING, serving(before), root())
    file.write_text("not published yet")


@pytest.mark.parametrize(
    ("before", "serves", "there"),
    [
        (4, 4, "publication 4"),
        (4, 3, "publication 3"),  # withdrawn while the run was under way
        (4, 5, "not published yet"),  # published, and killed afterwards
        (None, None, "not published yet"),
        (4, None, "not published yet"),
    ],
)
def test_files_of_a_run_that_has_not_published_give_way_to_those_of_what_serves(
    file: Path, before: int | None, serves: int | None, there: str
) -> None:
    interrupted(file, before)
    bring_back_unpublished(serving(serves), root())
    assert file.read_text() == there


def test_files_of_a_run_that_has_ended_stay(file: Path) -> None:
    interrupted(file, 4)
    end_publishing(root())
    bring_back_unpublished(serving(4), root())
    assert file.read_text() == "not published yet"


def test_a_run_that_publishes_nothing_leaves_files_alone(file: Path) -> None:
    begin_publishing(Pipeline([Node(lambda: None, None, "turnover.panel", name="read")]), serving(4), root())
    file.write_text("a stage alone")
    bring_back_unpublished(serving(4), root())
    assert file.read_text() == "a stage alone"
