"""Files of the catalog become artifacts, wherever they lie."""

from pathlib import Path

import fsspec
import mlflow
import pytest
from kedro.io import DataCatalog

from sales_forecast.artifacts import layer_of, log_files


@pytest.fixture
def artifacts(tmp_path: Path):
    """The artifacts of a run that is under way."""
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/mlflow.db")
    folder = tmp_path / "artifacts"
    with mlflow.start_run(experiment_id=mlflow.create_experiment("shop", folder.as_uri())) as run:
        yield folder / run.info.run_id / "artifacts"
    mlflow.set_tracking_uri(before)


@pytest.mark.parametrize("place", ["{tmp_path}/reporting", "memory://shop/reporting"])
def test_files_are_logged_from_a_disk_and_from_a_store(place: str, tmp_path: Path, artifacts: Path) -> None:
    place = place.format(tmp_path=tmp_path)
    part = {"type": "json.JSONDataset", "metadata": {"kedro-viz": {"layer": "reporting"}}}
    catalog = DataCatalog.from_config(
        {
            "answers": part | {"filepath": f"{place}/answers.json"},
            "the_same_file": part | {"filepath": f"{place}/answers.json"},
            "{domain}.{chart}_chart": part | {"filepath": f"{place}/{{domain}}/charts/{{chart}}.json"},
        }
    )
    files = fsspec.filesystem(place.partition("://")[0] if "://" in place else "file", auto_mkdir=True)
    for name in ("answers.json", "turnover/charts/total.json"):
        with files.open(f"{place}/{name}", "wb") as file:
            file.write(name.encode())

    wanted = ["answers", "the_same_file", "turnover.total_chart", "turnover.not_made_chart"]
    log_files(wanted, catalog, "reporting")

    logged = {str(path.relative_to(artifacts)): path.read_text() for path in artifacts.rglob("*.json")}
    assert logged == {
        "reporting/answers.json": "answers.json",
        "reporting/turnover/charts/total.json": "turnover/charts/total.json",
    }
    assert layer_of("turnover.total_chart", catalog) == "reporting"
