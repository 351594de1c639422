"""Future covariates from further files: of a store's week, of a week, of a department's days."""

from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pytest

from sales_forecast.contracts import DataContractError, FutureCovariates
from sales_forecast.pipelines.data_processing.params import ReadTurnoverParams
from sales_forecast.pipelines.data_processing.turnover_covariates import gather_future_covariates

WEEKS = pd.date_range("2016-01-02", periods=4, freq="7D")  # two were sold, two are to be forecast
STORES = pd.DataFrame({"store": [1, 2]})
KEYS = {"store": "s", "department": "d", "week": "w"}
EVENTS = {"file": "events.csv", "columns": {"store": "Shop", "week": "Week", "event": "Event"}}


def _read(options: dict[str, Any] | None = None, **tables: dict[str, Any]) -> ReadTurnoverParams:
    given = {"date_format": "%Y-%m-%d", "bad_rows": "stop", "week_starts_on": "saturday"} | (options or {})
    return ReadTurnoverParams(
        files={"sales": "sold.csv", "forecast_index": "wanted.csv", "stores": "shops.csv"},
        columns={"sales": KEYS | {"turnover": "t"}, "forecast_index": KEYS, "stores": {"store": "s"}},
        covariate_tables=tables,
        **given,
    )


def _rows(weeks: pd.DatetimeIndex) -> pd.DataFrame:
    rows = pd.MultiIndex.from_product([[1, 2], [88, 117], weeks], names=list(KEYS))
    return rows.to_frame(index=False)


SALES, FORECAST_INDEX = _rows(WEEKS[:2]).assign(turnover=5.0), _rows(WEEKS[2:])


def _gather(read: ReadTurnoverParams, sales: Any = SALES, **raw: pd.DataFrame) -> pd.DataFrame:
    table = gather_future_covariates(sales, FORECAST_INDEX, STORES, raw, read)
    FutureCovariates.validate(table)
    return table


def _events(*rows: tuple[Any, ...]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["Shop", "Week", "Event"])


def _message(read: ReadTurnoverParams, **raw: pd.DataFrame) -> str:
    with pytest.raises(DataContractError) as stopped:
        _gather(read, **raw)
    return str(stopped.value)


def test_a_table_of_stores_and_weeks_is_known_of_every_department_of_the_store():
    table = _gather(
        _read(events=EVENTS | {"fill_value": 0}),
        events=_events((1, "2016-01-09", "TRUE"), (2, "2016-01-16", 2.5)),
    )
    assert len(table) == 16
    known = table[table["event"] != 0].set_index(["store", "week"])["event"]
    assert known.to_dict() == {(1, WEEKS[1]): 1, (2, WEEKS[2]): 2.5}
    assert known.index.value_counts().tolist() == [2, 2]  # departments


@pytest.mark.parametrize("engine", [pl.from_pandas, duckdb.from_df])
def test_the_sales_may_be_on_another_engine(engine):
    read = _read(events=EVENTS | {"fill_value": 0})
    on_engine = _gather(read, engine(SALES), events=_events((1, "2016-01-09", 1)))
    on_pandas = _gather(read, events=_events((1, "2016-01-09", 1)))
    pd.testing.assert_frame_equal(on_engine, on_pandas, check_dtype=False)


def test_a_table_of_weeks_is_known_of_every_series():
    weather = {"file": "weather.csv", "columns": {"week": "Week", "rain": "mm"}}
    raw = pd.DataFrame({"Week": WEEKS.strftime("%Y-%m-%d"), "mm": [3, 2, 1, 0]})
    table = _gather(_read(weather=weather), weather=raw)
    assert table.groupby("week")["rain"].unique().explode().tolist() == [3, 2, 1, 0]


def test_days_of_a_table_are_made_weeks_even_where_the_sales_are_weeks():
    days = {
        "file": "days.csv",
        "columns": {"department": "Dept", "week": "Day", "advert": "Ad", "rain": "mm"},
        "days_make_weeks": {"advert": "max", "rain": "mean"},
        "fill_value": 0,
    }
    raw = pd.DataFrame({"Dept": 88, "Day": ["2016-01-16", "2016-01-22", "2016-01-23"], "Ad": [0, 1, 0]})
    table = _gather(_read(days=days), days=raw.assign(mm=[1.0, 4.0, 7.0]))
    of_88 = table[(table["department"] == 88) & (table["store"] == 1)]
    assert of_88["advert"].tolist() == [0, 0, 1, 0]
    assert of_88["rain"].tolist() == [0, 0, 2.5, 7]
    assert not table.loc[table["department"] == 117, ["advert", "rain"]].any(axis=None)


def test_weeks_of_a_table_are_named_like_those_of_the_sales():
    read = _read({"week_named_by": "last_day"}, events=EVENTS | {"fill_value": 0})
    table = _gather(read, events=_events((1, "2016-01-15", 1)))
    assert table.loc[table["event"] == 1, "week"].unique().tolist() == [WEEKS[1]]


def test_a_past_week_may_be_unknown_but_not_one_to_forecast():
    known = [(store, f"{week:%Y-%m-%d}", 1) for store in (1, 2) for week in WEEKS[2:]]
    table = _gather(_read(events=EVENTS), events=_events(*known))
    assert table["event"].isna().sum() == len(SALES)
    assert _message(_read(events=EVENTS), events=_events(*known[:-1])) == (
        "events.csv: column 'Event': no value for 2 of 8 row(s) of wanted.csv (store 2, department 88, week "
        "2016-01-23; store 2, department 117, week 2016-01-23). A future covariate needs its value in every week "
        "to forecast: bring it, or say what holds without one with turnover.covariate_tables.events.fill_value."
    )


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ((9, "2016-01-09", 1), "'Shop': 1 value(s) that are not in the stores of shops.csv (row 3: 9)"),
        ((1, "2016-01-10", 1), "'Week': 1 value(s) that are not a Saturday but a Sunday"),
        ((1, "2016-01-09", "x"), "'Event': 1 value(s) that are not numbers, true or false"),
        ((2, "2016-01-02", 1), "'Shop' + 'Week': 1 value(s) that repeat an earlier key"),
    ],
)
def test_a_bad_row_stops_the_run_and_is_named(row, complaint):
    message = _message(_read(events=EVENTS), events=_events((2, "2016-01-02", 1), row))
    assert message.startswith("events.csv: 1 bad row(s)\n")
    assert complaint in message


def test_its_stores_may_be_text_where_the_others_are_numbers():
    events = EVENTS | {"fill_value": 0}
    raw = _events(("1", "2016-01-09", 1), (" 2 ", "2016-01-09", 1))
    assert _gather(_read(events=events), events=raw)["event"].sum() == 4


@pytest.mark.parametrize(
    ("table", "complaint"),
    [
        ({"columns": {"store": "s", "event": "e"}}, "columns: name week, and at least one future covariate"),
        ({"columns": {"week": "w"}}, "columns: name week, and at least one future covariate"),
        (
            {"days_make_weeks": {"evnt": "max"}},
            "days_make_weeks: name each of event and nothing else; it names evnt",
        ),
        ({"columns": {"week": "w", "turnover": "t"}}, "turnover is a name of ours"),
        ({"clumns": {}}, "clumns"),
    ],
)
def test_a_table_that_does_not_fit_is_refused_by_parameter_name(table, complaint):
    with pytest.raises(ValueError, match=complaint):
        _read(events=EVENTS | table)


def test_a_covariate_of_two_tables_and_a_table_called_like_a_file_are_refused():
    with pytest.raises(ValueError, match="event is a name of ours, or given twice"):
        _read(events=EVENTS, fairs=EVENTS)
    with pytest.raises(ValueError, match=r"turnover\.covariate_tables: sales is the name of a file"):
        _read(sales=EVENTS)


def test_a_table_of_departments_needs_sales_with_departments():
    adverts = {"file": "a.csv", "columns": {"department": "d", "week": "w", "advert": "a"}}
    keys = {"store": "s", "week": "w"}
    columns = {"sales": keys | {"turnover": "t"}, "forecast_index": keys, "stores": {"store": "s"}}
    with pytest.raises(ValueError, match=r"adverts\.columns names department, which the sales do not have"):
        ReadTurnoverParams(
            **(_read().model_dump() | {"columns": columns, "covariate_tables": {"adverts": adverts}})
        )


def test_a_retailer_that_knows_nothing_ahead_has_an_empty_table():
    table = _gather(_read())
    assert list(table.columns) == ["store", "department", "week"]
    assert table.empty


def test_a_blank_value_is_filled_like_a_row_that_is_not_there():
    table = _gather(_read(events=EVENTS | {"fill_value": -1}), events=_events((1, "2016-01-02", np.nan)))
    assert table["event"].eq(-1).all()
