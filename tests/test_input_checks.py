"""What stops a run before anything is computed says so in its own words."""

from pathlib import Path

import pandas as pd
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from kedro.io import DataCatalog
from kedro.pipeline import Node, Pipeline

from sales_forecast.contracts import DataContractError
from sales_forecast.errors import InputError
from sales_forecast.input_checks import CHECKED_FIRST, check_inputs


def _same(tables: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    return tables


def test_a_dataset_that_says_why_it_cannot_be_loaded_is_quoted(tmp_path: Path) -> None:
    tables = {"events": {"file": "events.csv", "columns": {"week": "Week", "event": "Event"}}}
    dataset = {
        "type": "sales_forecast.datasets.CSVTablesDataset",
        "folder": str(tmp_path),
        "tables": tables,
        "reading": "turnover.read_csv",
    }
    catalog = DataCatalog.from_config({"turnover.raw_tables": dataset})
    reading = Pipeline([Node(_same, "turnover.raw_tables", "turnover.tables", tags=CHECKED_FIRST)])
    with pytest.raises(InputError) as stopped:
        check_inputs(reading, catalog)
    assert str(stopped.value).startswith(f"{tmp_path.as_posix()}/events.csv cannot be read: ")
    assert str(stopped.value).endswith(
        "or name another one as turnover.covariate_tables.events.file in globals.yml."
    )


def test_a_file_that_may_not_be_read_is_no_broken_delivery(
    object_storage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(*_: object, **__: object) -> None:
        raise PermissionError("Access Denied")

    monkeypatch.setattr(MemoryFileSystem, "_open", denied)
    sales = {"type": "pandas.CSVDataset", "filepath": f"{object_storage}/sales.csv"}
    catalog = DataCatalog.from_config({"turnover.raw_sales": sales})
    reading = Pipeline([Node(_same, "turnover.raw_sales", "turnover.tables", tags=CHECKED_FIRST)])
    with pytest.raises(InputError) as stopped:
        check_inputs(reading, catalog)
    assert not isinstance(stopped.value, DataContractError)
    assert str(stopped.value) == (
        f"{object_storage}/sales.csv cannot be read: Access Denied. Let this process read it."
    )
