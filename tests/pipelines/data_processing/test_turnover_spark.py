"""Spark treats rows as pandas does; `test_spark.py` compares the tables of a whole run."""

import gzip
import re
from datetime import date
from pathlib import Path
from typing import Any

import narwhals as nw
import pandas as pd
import pytest
from kedro.config import OmegaConfigLoader
from pandas.testing import assert_frame_equal

from projects import REPOSITORY
from sales_forecast.contracts import DataContractError, RawTable
from sales_forecast.pipelines.data_processing.params import (
    CalendarParams,
    ReadTurnoverParams,
    RepairParams,
)
from sales_forecast.pipelines.data_processing.turnover import (
    read_sales,
)
from sales_forecast.pipelines.data_processing.turnover_panel import build_panel
from sales_forecast.pipelines.data_processing.turnover_stores import read_stores
from sales_forecast.pipelines.data_processing.weeks import as_weeks, between
from sales_forecast.settings import CONFIG_LOADER_ARGS
from spark_here import NEEDS_SPARK

pytestmark = NEEDS_SPARK

PARAMETERS = OmegaConfigLoader(str(REPOSITORY / "conf"), env="base", **CONFIG_LOADER_ARGS)["parameters"][
    "turnover"
]
READ = ReadTurnoverParams(**PARAMETERS["read"])
REPAIR = RepairParams(**PARAMETERS["repair"])
CALENDAR = CalendarParams(**PARAMETERS["calendar"])
RAW = REPOSITORY / "data" / "01_raw"
RAW_SALES = RawTable(READ.files.sales, READ.columns.sales, "turnover.read_csv")


def _read_pandas(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, keep_default_na=False, na_values=[""], low_memory=False)


def _read_spark(spark: Any, path: Path) -> Any:
    return spark.read.csv(path.as_uri(), header=True, escape='"')


@pytest.fixture(scope="module")
def stores() -> pd.DataFrame:
    return read_stores(_read_pandas(RAW / READ.files.stores), READ, CALENDAR)


def test_bad_rows_are_set_aside_with_their_line_and_the_same_reason(spark, stores, tmp_path):
    with gzip.open(RAW / READ.files.sales, "rt") as file:
        header, *rows = [line.strip().split(",") for _, line in zip(range(60), file, strict=False)]
    damage = {
        2: (READ.columns.sales["turnover"], "n/a"),
        5: (READ.columns.sales["turnover"], ""),
        8: (READ.columns.sales["turnover"], '"1,2"'),
        11: (READ.columns.sales["week"], "2016-02-30"),
        14: (READ.columns.sales["week"], "2016-02-03"),
        17: (READ.columns.sales["store"], ""),
        20: (READ.columns.sales["store"], "one hundred"),
        23: (READ.columns.sales["department"], "88.5"),
    }
    for row, (column, value) in damage.items():
        rows[row][header.index(column)] = value
    path = tmp_path / "train.csv"
    path.write_text("\n".join(",".join(row) for row in [header, *rows, rows[30]]) + "\n")

    read = READ.model_copy(update={"bad_rows": "set_aside"})
    sales, rejected = (table.toPandas() for table in read_sales(_read_spark(spark, path), stores, read))
    expected_sales, expected_rejected = read_sales(_read_pandas(path), stores, read)
    assert len(expected_rejected) == len(damage) + 1
    assert_frame_equal(sales, expected_sales)
    in_file = rejected.sort_values("row", ignore_index=True)
    assert_frame_equal(in_file, expected_rejected.reset_index(drop=True), check_dtype=False)


HEADER = "day_id,but_num_business_unit,dpt_num_department,turnover"


@pytest.mark.parametrize(
    ("header", "says"),
    [
        (f"{HEADER},turnover", "1 column(s) more than once in the header: 'turnover' 2 times"),
        (f"{HEADER},Turnover,colour", "1 column(s) more than once in the header: 'turnover' 2 times"),
        (HEADER.replace(",", ";"), "its columns seem to be separated by ';'"),
    ],
    ids=["twice", "twice, once in capitals", "semicolons"],
)
def test_a_header_that_cannot_be_right_is_refused(spark, tmp_path, header, says):
    path = tmp_path / "train.csv"
    path.write_text(f"{header}\n{re.sub('[^,;]+', '7', header)}\n")
    with pytest.raises(DataContractError, match=re.escape(f"{READ.files.sales}: {says}")):
        RAW_SALES.validate(_read_spark(spark, path))


@pytest.mark.parametrize("encoding", ["utf-16", "iso-8859-1"])
def test_a_header_that_is_not_utf_8_is_refused(spark, tmp_path, encoding):
    path = tmp_path / "train.csv"
    path.write_text(f"{HEADER},été\n", encoding=encoding)
    with pytest.raises(DataContractError, match="the header is not in UTF-8"):
        RAW_SALES.validate(_read_spark(spark, path))


def _on_spark(spark: Any, table: pd.DataFrame) -> Any:
    from pyspark.sql.functions import to_timestamp_ntz

    as_text = table.assign(week=table["week"].dt.strftime("%Y-%m-%d %H:%M:%S"))
    return spark.createDataFrame(as_text).withColumn("week", to_timestamp_ntz("week"))


DAILY = READ.model_copy(
    update={"rows_are": "days", "future_covariates": {"open": "sum"}, "to_date": date(2017, 8, 30)}
)


@pytest.mark.parametrize(
    "read",
    [
        READ.model_copy(update={"week_named_by": "last_day", "week_starts_on": "monday"}),
        DAILY,
        DAILY.model_copy(update={"week_starts_on": "monday", "from_date": date(2017, 8, 2)}),
        DAILY.model_copy(update={"week_starts_on": "sunday"}),
    ],
    ids=["named by Sunday", "days", "days from Monday", "days from Sunday"],
)
def test_weeks_are_those_of_pandas(spark, read):
    daily = read.rows_are == "days"
    days = pd.date_range("2017-08-01" if daily else "2017-08-06", periods=40, freq="D" if daily else "7D")
    table = pd.DataFrame(
        {"store": 1, "department": 2, "week": days.astype("datetime64[ns]"), "turnover": 1.0}
    )
    table["open"] = [None] * 12 + [1.0] * 28
    expected = as_weeks(between(nw.from_native(table), read), read, "sold.csv").to_native()
    there = _on_spark(spark, table)
    weeks = as_weeks(between(nw.from_native(there), read), read, "sold.csv").to_native().toPandas()
    weeks = weeks.sort_values("week", ignore_index=True)[list(expected.columns)]
    assert_frame_equal(weeks, expected.sort_values("week", ignore_index=True), check_dtype=False)


def test_a_week_in_which_nobody_sold_is_in_the_panel(spark):
    weeks = pd.to_datetime(["2017-08-05", "2017-08-19"]).astype("datetime64[ns]")
    table = pd.DataFrame({"store": 1, "department": 2, "week": weeks, "turnover": 1.0})
    panel = build_panel(_on_spark(spark, table), REPAIR).toPandas().sort_values("week")
    assert panel["week"].dt.strftime("%Y-%m-%d %H").tolist() == [
        "2017-08-05 00",
        "2017-08-12 00",
        "2017-08-19 00",
    ]
