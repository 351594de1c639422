"""Which retailers have models, in the registry or in folders of runs that were not tracked."""

from pathlib import Path

import pandas as pd
import pytest
from mlflow import MlflowClient

from sales_forecast import tracking
from sales_forecast.errors import InputError
from sales_forecast.registry.known_retailers import (
    KnownRetailers,
    KnownRetailersDataset,
    untracked_folder,
)
from sales_forecast.registry.store import registries, registry_of
from sales_forecast.retailers import check_name


@pytest.mark.xdist_group("database")
def test_the_registered_models_of_a_domain_are_found_by_retailer(tmp_path: Path) -> None:
    client = MlflowClient(tracking_uri=f"sqlite:///{tmp_path}/mlflow.db")
    assert registries(client, "sales_forecast.turnover") == {}
    for name in ("turnover.harbour", "turnover", "turnovers", "marketing", "turnover_2"):
        client.create_registered_model(f"sales_forecast.{name}")
    found = registries(client, "sales_forecast.turnover")
    assert {retailer: registry.name for retailer, registry in found.items()} == {
        "default": "sales_forecast.turnover",
        "harbour": "sales_forecast.turnover.harbour",
    }
    assert registry_of(client, "sales_forecast.turnover", "corner").name == "sales_forecast.turnover.corner"


def test_models_that_could_not_be_tracked_are_found_in_their_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracking, "is_off", lambda: True)
    for number, retailer in enumerate(("default", "harbour")):
        folder = Path(untracked_folder(f"{tmp_path}/untracked", retailer))
        folder.mkdir()
        pd.DataFrame({"store": [number]}).to_parquet(folder / "panel.parquet")
    (tmp_path / ".untracked.1.part").mkdir()
    known = KnownRetailersDataset(
        model="sales_forecast.turnover",
        table="panel",
        folder=str(tmp_path / "untracked"),
        trust={},
        raw_folder="/data/corner",
    ).load()
    assert {name: table["store"].tolist() for name, table in known.data.items()} == {
        "default": [0],
        "harbour": [1],
    }
    assert known.new_name == "corner"


def test_the_name_of_another_domain_of_the_run_or_of_the_configuration_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracking, "is_off", lambda: True)
    options = {"model": "m", "table": "panel", "folder": str(tmp_path / "untracked"), "trust": {}}
    assert KnownRetailersDataset(**options).load().given is None
    dataset = KnownRetailersDataset(**options, retailer=42)  # as --params retailer=42 is read
    assert dataset.load().given == "42"
    dataset.belong_to("harbour")
    assert dataset.load().given == "harbour"


def test_a_name_that_is_taken_gets_a_number() -> None:
    taken = frozenset({"default", "corner", "corner-2"})
    assert KnownRetailers({}, "/data/corner", names=taken).new_name == "corner-3"


@pytest.mark.parametrize("name", ["", "a.b", "a/b", "a b", "ä", "-a", "a" * 61])
def test_what_cannot_be_part_of_a_registered_name_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="cannot be the name of a retailer"):
        check_name(name)
