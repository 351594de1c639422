"""Packages from the registry that this code cannot read."""

from pathlib import Path

import mlflow
import pytest

from sales_forecast.errors import InputError
from sales_forecast.models.turnover import TurnoverPackage
from sales_forecast.registry.packages import open_package
from sales_forecast.registry.trust import NO_KEY


class Version:
    """What is asked of MLflow's own."""

    name, version, tags = "sales_forecast.turnover", "3", {}


def test_a_version_of_another_code_is_named_with_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "model.json").write_text('{"name": "a method that is no more"}')
    for name in ("panel", "stores", "calendar", "future_covariates", "forecast_index", "backtest"):
        (tmp_path / f"{name}.parquet").write_bytes(b"")
    monkeypatch.setattr(mlflow.artifacts, "download_artifacts", lambda **options: str(tmp_path))
    with pytest.raises(InputError, match=r"version 3 of .* cannot be read") as error:
        open_package(Version(), TurnoverPackage, NO_KEY)  # type: ignore[arg-type]
    assert "sales-forecast models promote turnover VERSION" in str(error.value)
