"""Hours worked are typed and checked like the other files of the retailer."""

from datetime import date
from typing import Any

import pandas as pd
import pytest
from pydantic import ValidationError

from sales_forecast.contracts import DataContractError, Timesheets
from sales_forecast.pipelines.data_processing.params import ReadTurnoverParams
from sales_forecast.pipelines.data_processing.turnover_timesheets import read_timesheets

SALES = {"store": "s", "department": "d", "week": "w", "turnover": "t"}
HOURS = {"store": "Shop", "department": "Dept", "week": "Week", "hours": "Hours"}
OPTIONS: dict[str, Any] = {
    "files": {"sales": "sales.csv", "forecast_index": None, "stores": "shops.csv", "timesheets": "hours.csv"},
    "columns": {
        "sales": SALES,
        "forecast_index": {"store": "s", "department": "d", "week": "w"},
        "stores": {"store": "s"},
        "timesheets": HOURS,
    },
    "date_format": "%Y-%m-%d",
    "week_starts_on": "saturday",
    "bad_rows": "stop",
}
READ = ReadTurnoverParams(**OPTIONS)
STORES = pd.DataFrame({"store": [1, 2]})
KNOWN = pd.DataFrame({"department": [88, 127, 88]})


def raw(*rows: tuple[Any, ...]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=list(HOURS.values()))


def test_hours_are_typed_and_sorted() -> None:
    found = read_timesheets(raw((2, 127, "2016-01-09", 31.5), (1, 88, "2016-01-02", 12)), STORES, KNOWN, READ)
    Timesheets.validate(found)
    assert found.to_numpy().tolist() == [
        [1, 88, pd.Timestamp("2016-01-02"), 12.0],
        [2, 127, pd.Timestamp("2016-01-09"), 31.5],
    ]


def test_weeks_are_named_as_those_of_the_sales() -> None:
    named_by_last = ReadTurnoverParams(**OPTIONS | {"week_named_by": "last_day"})
    found = read_timesheets(raw((1, 88, "2016-01-08", 12.0)), STORES, KNOWN, named_by_last)
    assert found["week"].tolist() == [pd.Timestamp("2016-01-02")]


def test_without_a_file_there_are_no_rows() -> None:
    without = ReadTurnoverParams(**OPTIONS | {"files": OPTIONS["files"] | {"timesheets": None}})
    found = read_timesheets(None, STORES, KNOWN, without)
    Timesheets.validate(found)
    assert found.empty
    assert found["store"].dtype == STORES["store"].dtype


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ((3, 88, "2016-01-02", 12.0), "'Shop': 1 value.* not in the stores of shops.csv"),
        ((1, 5, "2016-01-02", 12.0), "'Dept': 1 value.* not in the departments of sales.csv"),
        ((1, 88, "2016-01-03", 12.0), "'Week': 1 value.* not a Saturday but a Sunday"),
        ((1, 88, "2016-01-02", -1.0), "'Hours': 1 value.* below zero .row 3"),
        ((1, 88, "2016-01-02", None), "'Hours': 1 value.* missing"),
        ((1, 88, "2016-01-02", float("inf")), "'Hours': 1 value.* infinite"),
        ((2, 88, "2016-01-02", 12.0), "'Shop' . 'Dept' . 'Week': 1 value.* repeat an earlier key"),
    ],
)
def test_bad_rows_are_refused_with_their_line(row: tuple[Any, ...], says: str) -> None:
    with pytest.raises(DataContractError, match=rf"hours.csv: 1 bad row\(s\)\n.*{says}"):
        read_timesheets(raw((2, 88, "2016-01-02", 12.0), row), STORES, KNOWN, READ)


def test_text_is_no_number_of_hours() -> None:
    with pytest.raises(DataContractError, match=r"'Hours': 1 value.* not numbers .row 3: 'n/a'"):
        read_timesheets(raw((1, 88, "2016-01-02", "12"), (2, 88, "2016-01-02", "n/a")), STORES, KNOWN, READ)


def test_hours_below_zero_are_refused_as_text_too() -> None:
    with pytest.raises(DataContractError, match=r"'Hours': 1 value.* below zero"):
        read_timesheets(raw((1, 88, "2016-01-02", " 12"), (2, 88, "2016-01-02", " -1")), STORES, KNOWN, READ)


def test_the_columns_must_be_the_keys_of_the_sales_and_hours() -> None:
    columns = OPTIONS["columns"] | {"timesheets": {"store": "Shop", "week": "Week"}}
    with pytest.raises(ValidationError, match=r"turnover.columns.timesheets must name department, hours"):
        ReadTurnoverParams(**OPTIONS | {"columns": columns})
    unused = OPTIONS | {"columns": columns, "files": OPTIONS["files"] | {"timesheets": None}}
    assert ReadTurnoverParams(**unused).files.timesheets is None


def test_a_retailer_without_departments_has_one() -> None:
    options = OPTIONS | {
        "columns": {
            "sales": {"store": "s", "week": "w", "turnover": "t"},
            "forecast_index": {"store": "s", "week": "w"},
            "stores": {"store": "s"},
            "timesheets": {"store": "Shop", "week": "Week", "hours": "Hours"},
        }
    }
    rows = raw((1, 0, "2016-01-02", 12.0)).drop(columns="Dept")
    known = pd.DataFrame({"department": ["whole store"]})
    found = read_timesheets(rows, STORES, known, ReadTurnoverParams(**options))
    assert found["department"].tolist() == ["whole store"]
    assert found["week"].dt.date.tolist() == [date(2016, 1, 2)]
