"""Pydantic models as JSON files."""

from pathlib import Path

import pytest
from kedro.io import DatasetError

from handovers import half_widths, selected
from sales_forecast.datasets import ModelJSONDataset
from sales_forecast.pipelines.handovers import DataVersion


@pytest.fixture
def dataset(tmp_path: Path) -> ModelJSONDataset:
    return ModelJSONDataset(
        filepath=str(tmp_path / "new" / "selected.json"),
        model="sales_forecast.pipelines.handovers.SelectedMethod",
    )


def test_a_model_comes_back_as_it_was(dataset: ModelJSONDataset, tmp_path: Path) -> None:
    assert not dataset.exists()
    dataset.save(selected("blend"))
    assert dataset.load() == selected("blend")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["selected.json"]


def test_another_model_is_not_written(dataset: ModelJSONDataset) -> None:
    with pytest.raises(DatasetError, match="SelectedMethod, not a DataVersion"):
        dataset.save(DataVersion(version="1", files={}))


def test_models_in_a_mapping_come_back_as_they_were(tmp_path: Path) -> None:
    path = tmp_path / "half_widths.json"
    dataset = ModelJSONDataset(
        filepath=str(path), model="sales_forecast.forecasting.intervals.hierarchy.LevelHalfWidths"
    )
    of_levels = {"total": half_widths(0.1, 0.2), "zone": half_widths(0.2, 0.4)}
    dataset.save(of_levels)
    assert dataset.load() == of_levels
    with pytest.raises(DatasetError, match="LevelHalfWidths, not a dict"):
        dataset.save({"total": {"80": 0.1}})


def test_a_file_with_other_keys_is_refused_with_the_remedy(dataset: ModelJSONDataset, tmp_path: Path) -> None:
    dataset.save(selected("blend"))
    (tmp_path / "new" / "selected.json").write_text('{"method": "blend"}')
    with pytest.raises(DatasetError, match="Run the stage again that writes it"):
        dataset.load()
