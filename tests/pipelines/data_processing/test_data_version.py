"""Which data a run has seen."""

from datetime import date
from pathlib import Path

import pandas as pd
import pytest

from sales_forecast.datasets import FileHashesDataset
from sales_forecast.pipelines.data_processing.data_version import (
    describe_marketing_files,
    describe_turnover_files,
)
from sales_forecast.pipelines.data_processing.params import (
    CalendarParams,
    ReadMarketingParams,
    ReadTurnoverParams,
    RepairParams,
)
from sales_forecast.pipelines.params import Params

SALES = pd.DataFrame({"store": [1, 2, 1], "week": pd.to_datetime(["2016-01-02", "2016-01-02", "2016-01-09"])})
STORES = pd.DataFrame({"store": [1, 2]})
OPTIONS = (
    ReadTurnoverParams(
        files={"sales": "a.csv", "forecast_index": "b.csv", "stores": "c.csv"},
        columns={
            "sales": {"store": "s", "week": "w", "turnover": "t"},
            "forecast_index": {"store": "s", "week": "w"},
            "stores": {"store": "s"},
        },
        date_format="%Y-%m-%d",
        week_starts_on="saturday",
        bad_rows="stop",
    ),
    RepairParams(impossible_above_times_series_mean=50, impossible_above_times_department_mean=50),
    CalendarParams(country="FR"),
)
FILES = {"sales": "a.csv", "forecast_index": "b.csv", "stores": "c.csv"}
VERSION_WITHOUT_TIMESHEETS = "443b630fe188"
"""As it was before there were timesheets: the same files stay the same version."""


@pytest.fixture
def hashes(tmp_path: Path) -> FileHashesDataset:
    for name in FILES.values():
        (tmp_path / name).write_text(f"rows of {name}\n")
    return FileHashesDataset(folder=str(tmp_path), files=FILES)


def _version(hashes: FileHashesDataset, options: tuple[Params, ...] = OPTIONS) -> str:
    described = describe_turnover_files(hashes.load(), SALES, SALES.head(1), STORES, *options)
    return described.version


def test_a_further_table_belongs_to_the_version(tmp_path, hashes):
    (tmp_path / "events.csv").write_text("Shop,Week,Event\n1,2016-01-02,1\n")
    tables = {"events": {"file": "events.csv"}}
    more = FileHashesDataset(folder=str(tmp_path), files=FILES, tables=tables).load()
    described = describe_turnover_files(
        *(more, SALES, SALES.head(1), STORES, *OPTIONS), raw_covariate_tables={"events": STORES}
    )
    assert described.version != _version(hashes)
    assert described.files["events"].rows == 2


def test_timesheets_make_no_other_forecasts_and_no_other_version(hashes):
    read, repair, calendar = OPTIONS
    given = read.model_dump()
    given["files"]["timesheets"] = "hours.csv"
    given["columns"]["timesheets"] = {"store": "s", "week": "w", "hours": "h"}
    with_hours = ReadTurnoverParams(**given), repair, calendar
    described = describe_turnover_files(
        hashes.load() | {"timesheets": "abc"}, SALES, SALES.head(1), STORES, *with_hours
    )
    assert described.version == _version(hashes) == VERSION_WITHOUT_TIMESHEETS


def test_the_same_bytes_are_the_same_version_and_one_byte_more_is_another(hashes, tmp_path):
    before = _version(hashes)
    assert _version(hashes) == before
    assert len(before) == 12
    (tmp_path / "c.csv").write_text("rows of c.csv\n\n")
    assert _version(hashes) != before


def test_the_same_files_read_otherwise_are_other_data(hashes):
    read, repair, calendar = OPTIONS
    until = read.model_copy(update={"to_date": date(2017, 6, 30)})
    elsewhere = CalendarParams(country="US")
    versions = {_version(hashes), _version(hashes, (until, repair, calendar))}
    assert len(versions | {_version(hashes, (read, repair, elsewhere))}) == 3


def test_each_file_is_described(hashes):
    described = describe_turnover_files(hashes.load(), SALES, SALES.head(1), STORES, *OPTIONS)
    files = described.model_dump(mode="json")["files"]
    assert files["sales"] | {"sha256": ""} == {
        "sha256": "",
        "rows": 3,
        "first_week": "2016-01-02",
        "last_week": "2016-01-09",
    }
    assert (files["stores"]["rows"], "first_week" in files["stores"]) == (2, False)
    assert len(files["sales"]["sha256"]) == 64


def test_a_file_of_campaigns_has_rows_alone():
    read = ReadMarketingParams(file="a.csv", columns={"tv": "TV", "sales": "Sales"}, bad_rows="stop")
    described = describe_marketing_files({"budgets": "abc"}, pd.DataFrame({"tv": [1.0, 2.0]}), read)
    assert described.model_dump(mode="json")["files"] == {"budgets": {"sha256": "abc", "rows": 2}}
