"""A postcode is a name that looks like a number: its zeros stay, from the file to the database and the pages."""

import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from kedro.config import OmegaConfigLoader
from kedro.io import DataCatalog
from sqlalchemy import Engine

from projects import REPOSITORY
from publications import forecasts, publication, rows, sums
from sales_forecast.contracts import Stores
from sales_forecast.forecasting.panel.model_input import ModelInput, no_future_covariates
from sales_forecast.pipelines.data_processing.params import CalendarParams, ReadTurnoverParams
from sales_forecast.pipelines.data_processing.turnover_stores import read_stores
from sales_forecast.settings import CONFIG_LOADER_ARGS
from sales_forecast.storage.directory import read_directory
from sales_forecast.storage.publications import publish
from sales_forecast.storage.queries import newest_run

HEAD = "but_num_business_unit,but_postcode,but_latitude,but_longitude,but_region_idr_region,zod_idr_zone_dgr"


def configured(kind: str) -> Any:
    return OmegaConfigLoader(str(REPOSITORY / "conf"), env="base", **CONFIG_LOADER_ARGS)[kind]


def read(folder: Path, *postcodes: str, country: str = "FR") -> pd.DataFrame:
    """Stores of a file as the catalog's entry reads it."""
    lines = [f"{number},{code},46.2,5.2,1,1" for number, code in enumerate(postcodes, 1)]
    (folder / "bu_feat.csv").write_text("\n".join([HEAD, *lines]))
    entry = configured("catalog")["turnover.raw_stores"] | {"filepath": str(folder / "bu_feat.csv")}
    raw = DataCatalog.from_config({"stores": entry}).load("stores")
    known = configured("globals")["turnover"]
    params = ReadTurnoverParams(
        files=known["files"],
        columns={name: known["columns"][name] for name in ("sales", "forecast_index", "stores")},
        date_format="%Y-%m-%d",
        week_starts_on="saturday",
        bad_rows="stop",
    )
    stores = read_stores(raw, params, CalendarParams(country=country))
    Stores.validate(stores)
    return stores


@pytest.mark.parametrize(
    ("country", "written", "stored"),
    [
        ("FR", ["01234", "59000"], ["01234", "59000"]),
        ("FR", ["1234", "59000.0"], ["01234", "59000"]),  # a spreadsheet ate the zero, pandas made a float
        ("DE", ["01067", "80331"], ["01067", "80331"]),
        ("NO", ["0150", "5003"], ["0150", "5003"]),
        ("US", ["02134", "02134-1000"], ["02134", "02134-1000"]),
        ("GB", ["00", ""], ["00", None]),
    ],
)
def test_a_postcode_is_stored_as_it_is_written(
    tmp_path: Path, country: str, written: list[str], stored: list[str | None]
) -> None:
    found = read(tmp_path, *written, country=country)["postcode"]
    assert found.astype(object).where(found.notna(), None).tolist() == stored


def test_a_file_without_postcodes_needs_no_column(tmp_path: Path) -> None:
    entry = configured("catalog")["turnover.raw_stores"]
    assert entry["load_args"]["dtype"] == {"but_postcode": "str"}
    own = "turnover: {columns: {stores: {postcode: null}}}\nraw_folder: data"
    shutil.copytree(REPOSITORY / "conf" / "base", tmp_path / "conf" / "base")
    (tmp_path / "conf" / "own").mkdir()
    (tmp_path / "conf" / "own" / "globals.yml").write_text(own)
    loader = OmegaConfigLoader(str(tmp_path / "conf"), env="own", **CONFIG_LOADER_ARGS)
    assert loader["catalog"]["turnover.raw_stores"]["load_args"]["dtype"] == {}


def test_zeros_are_kept_in_the_model_the_database_and_the_directory(tmp_path: Path, engine: Engine) -> None:
    stores = read(tmp_path, "01234", "59000")
    panel = pd.DataFrame(
        {"store": [1], "department": [88], "week": pd.Timestamp("2017-09-30"), "turnover": 1.0}
    )
    ahead = pd.DataFrame({"week": pd.to_datetime([]), "school_zone": []})
    package = tmp_path / "package"
    package.mkdir()
    ModelInput(panel, stores, ahead, no_future_covariates()).write(package)
    assert ModelInput.read(package).stores["postcode"].tolist() == ["01234", "59000"]
    tables = {"forecasts": forecasts(series=2), "level_forecasts": sums()}
    publish(engine, publication(tables=tables, stores=stores), datetime(2017, 10, 2, tzinfo=UTC))
    assert [row["postcode"] for row in rows(engine, "stores")] == ["01234", "59000"]
    with engine.connect() as connection:
        run = newest_run(connection, "turnover")
        assert run is not None
        directory = read_directory(connection, run)
    assert [store.postcode for store in directory.stores.values()] == ["01234", "59000"]
