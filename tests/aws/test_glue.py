"""The configuration of the Glue job: that of AWS and that of Spark together."""

import contextlib
import shutil
from pathlib import Path

import pytest
from deploy.aws.glue_job import join_environments

from projects import REPOSITORY
from sales_forecast.configuration import load_configuration


def test_both_environments_hold_in_the_glue_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ignored = shutil.ignore_patterns("local")
    shutil.copytree(REPOSITORY / "conf", tmp_path / "conf", ignore=ignored)
    shutil.copy(REPOSITORY / "pyproject.toml", tmp_path)
    (tmp_path / "src").mkdir()
    monkeypatch.setenv("SALES_FORECAST_BUCKET", "shop")
    for name in ("SALES_FORECAST_DATABASE_URL", "MLFLOW_TRACKING_URI"):
        monkeypatch.setenv(name, "postgresql://127.0.0.1/shop")
    join_environments(tmp_path / "conf")
    with contextlib.chdir(tmp_path):
        found = load_configuration("glue")
        sales = found["catalog"]["turnover.sales"]
        assert sales["type"] == "sales_forecast.datasets.SparkParquetDataset"
        assert sales["filepath"].startswith("s3://shop/data/")
        assert found["parameters"]["turnover"]["fitting"]["engine"] == "spark"
