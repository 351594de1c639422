"""Which data a run has seen."""

from pathlib import Path

import pandas as pd
import pytest

from sales_forecast.datasets import FileHashesDataset
from sales_forecast.pipelines.data_processing.data_version import (
    describe_marketing_files,
    describe_turnover_files,
)

SALES = pd.DataFrame({"store": [1, 2, 1], "week": pd.to_datetime(["2016-01-02", "2016-01-02", "2016-01-09"])})
STORES = pd.DataFrame({"store": [1, 2]})
FILES = {"sales": "a.csv", "targets": "b.csv", "stores": "c.csv"}


@pytest.fixture
def hashes(tmp_path: Path) -> FileHashesDataset:
    for name in FILES.values():
        (tmp_path / name).write_text(f"rows of {name}\n")
    return FileHashesDataset(folder=str(tmp_path), files=FILES)


def _version(hashes: FileHashesDataset) -> str:
    described = describe_turnover_files(hashes.load(), SALES, SALES.head(1), STORES)
    return str(described["version"])


def test_the_same_bytes_are_the_same_version_and_one_byte_more_is_another(hashes, tmp_path):
    before = _version(hashes)
    assert _version(hashes) == before
    assert len(before) == 12
    (tmp_path / "c.csv").write_text("rows of c.csv\n\n")
    assert _version(hashes) != before


def test_each_file_is_described(hashes):
    files = describe_turnover_files(hashes.load(), SALES, SALES.head(1), STORES)["files"]
    assert files["sales"] | {"sha256": ""} == {
        "sha256": "",
        "rows": 3,
        "first_week": "2016-01-02",
        "last_week": "2016-01-09",
    }
    assert (files["stores"]["rows"], "first_week" in files["stores"]) == (2, False)
    assert len(files["sales"]["sha256"]) == 64


def test_a_file_of_campaigns_has_rows_alone():
    described = describe_marketing_files({"budgets": "abc"}, pd.DataFrame({"tv": [1.0, 2.0]}))
    assert described["files"] == {"budgets": {"sha256": "abc", "rows": 2}}
