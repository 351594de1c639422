"""Dates of every kind become weeks named by their first day, on every engine."""

from collections.abc import Callable
from datetime import date
from typing import Any

import duckdb
import narwhals as nw
import pandas as pd
import polars as pl
import pytest

from sales_forecast.contracts import DataContractError
from sales_forecast.pipelines.data_processing.params import ReadTurnoverParams
from sales_forecast.pipelines.data_processing.weeks import as_weeks, between

ENGINES: dict[str, Callable[[pd.DataFrame], Any]] = {
    "pandas": lambda table: table,
    "polars": pl.from_pandas,
    "polars lazy": lambda table: pl.from_pandas(table).lazy(),
    "DuckDB": duckdb.from_df,
}
KEYS = {"store": "s", "week": "w", "turnover": "t"}


def _read(**options: Any) -> ReadTurnoverParams:
    names = options.get("future_covariates") or {}
    ahead = {name: name for name in names}
    columns = {
        "sales": KEYS | ahead,
        "forecast_index": {"store": "s", "week": "w"} | ahead,
        "stores": {"store": "s"},
    }
    files = {"sales": "sold.csv", "forecast_index": "wanted.csv", "stores": "shops.csv"}
    given = {"date_format": "%Y-%m-%d", "bad_rows": "stop", "week_starts_on": "saturday"} | options
    return ReadTurnoverParams(files=files, columns=columns, **given)


def _weeks(engine: str, days: list[str], read: ReadTurnoverParams, **columns: Any) -> pd.DataFrame:
    table = pd.DataFrame(
        {"store": 1, "department": "all", "week": pd.to_datetime(days).astype("datetime64[ns]")} | columns
    )
    weeks = as_weeks(between(nw.from_native(ENGINES[engine](table)), read), read, "sold.csv")
    return weeks.lazy().collect("pandas").to_pandas().sort_values("week", ignore_index=True)


def _first_days(weeks: pd.DataFrame) -> list[str]:
    return pd.to_datetime(weeks["week"]).dt.strftime("%Y-%m-%d").tolist()


@pytest.mark.parametrize("engine", ENGINES)
def test_a_week_labelled_by_its_last_day_is_named_by_its_first(engine):
    read = _read(week_named_by="last_day")
    assert read.label_day == "friday"
    weeks = _weeks(engine, ["2017-08-04", "2017-08-11"], read, turnover=[1.0, 2.0])
    assert _first_days(weeks) == ["2017-07-29", "2017-08-05"]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_week_labelled_by_its_first_day_keeps_its_name(engine):
    read = _read(week_starts_on="friday")
    assert read.label_day == "friday"
    assert _first_days(_weeks(engine, ["2017-08-04"], read, turnover=[1.0])) == ["2017-08-04"]


@pytest.mark.parametrize("engine", ENGINES)
def test_days_are_summed_to_weeks_and_halves_are_left_out(engine):
    read = _read(rows_are="days", future_covariates={"promotion": "mean", "open": "sum", "holiday": "max"})
    assert read.label_day is None
    days = pd.date_range("2017-08-03", "2017-08-24", freq="D").strftime("%Y-%m-%d").tolist()
    count = len(days)
    ahead = {"promotion": [0.0, 1.0] * (count // 2), "open": [1.0] * count}
    holiday = [1.0 if day == "2017-08-15" else 0.0 for day in days]
    weeks = _weeks(engine, days, read, turnover=[1.0] * count, **ahead, holiday=holiday)
    assert _first_days(weeks) == ["2017-08-05", "2017-08-12"]
    assert weeks["turnover"].tolist() == [7, 7]
    assert weeks["open"].tolist() == [7, 7]
    assert weeks["holiday"].tolist() == [0, 1]
    assert weeks["promotion"].tolist() == pytest.approx([3 / 7, 4 / 7])


def test_a_shop_closed_on_sundays_has_whole_weeks_all_the_same():
    read = _read(rows_are="days", week_starts_on="monday")
    days = [day for day in pd.date_range("2017-08-07", "2017-09-09", freq="D") if day.dayofweek != 6]
    weeks = _weeks("pandas", [f"{day:%Y-%m-%d}" for day in days], read, turnover=[1.0] * len(days))
    assert weeks["turnover"].tolist() == [6, 6, 6, 6, 6]


@pytest.mark.parametrize("engine", ENGINES)
def test_what_is_known_of_no_day_is_unknown_of_the_week(engine):
    read = _read(rows_are="days", future_covariates={"open": "sum"})
    days = list(pd.date_range("2017-08-05", periods=14, freq="D").strftime("%Y-%m-%d"))
    weeks = _weeks(engine, days, read, turnover=[1.0] * 14, open=[None] * 7 + [1.0] * 7)
    assert weeks["open"].isna().tolist() == [True, False]
    assert weeks["open"][1] == 7


def test_where_rows_are_weeks_the_names_of_future_covariates_are_enough():
    listed = _read(future_covariates=["promotion", "open"])
    assert list(listed.future_covariates) == ["promotion", "open"]
    assert _read(future_covariates=None).future_covariates == {}
    weeks = _weeks("pandas", ["2017-08-05"], listed, turnover=[1.0], promotion=[0.5], open=[6.0])
    assert weeks[["promotion", "open"]].to_numpy().tolist() == [[0.5, 6]]


@pytest.mark.parametrize("given", [["open", "promotion"], {"open": None, "promotion": "mean"}])
def test_where_rows_are_days_each_future_covariate_says_how_days_make_a_week(given):
    with pytest.raises(
        ValueError, match=r"turnover\.read\.future_covariates: open.* \{open: mean\}, or sum or max"
    ):
        _read(rows_are="days", future_covariates=given)


@pytest.mark.parametrize("days", [["2018-08-07", "2018-08-08"], ["2017-08-05", "2017-08-06"]])
def test_less_than_a_week_is_refused_by_name(days):
    read = _read(rows_are="days", week_starts_on="monday", to_date=date(2018, 1, 1))
    with pytest.raises(DataContractError, match=r"sold\.csv: no whole week is left.*from_date"):
        _weeks("pandas", days, read, turnover=[1.0, 2.0])


@pytest.mark.parametrize("start", ["monday", "wednesday", "sunday"])
@pytest.mark.parametrize("begin", range(1, 8))
def test_a_week_is_whole_only_if_the_file_holds_its_seven_days(start, begin):
    read = _read(rows_are="days", week_starts_on=start)
    days = pd.date_range(f"2017-08-{begin:02d}", periods=20, freq="D")
    weeks = _weeks("pandas", list(days.strftime("%Y-%m-%d")), read, turnover=[1.0] * 20)
    assert (weeks["turnover"] == 7).all()
    assert len(weeks) == 2
    assert (pd.to_datetime(weeks["week"]).dt.day_name().str.lower() == start).all()


@pytest.mark.parametrize("engine", ENGINES)
def test_rows_outside_the_given_dates_are_left_out(engine):
    read = _read(from_date=date(2017, 8, 5), to_date=date(2017, 8, 12))
    days = ["2017-07-29", "2017-08-05", "2017-08-12", "2017-08-19"]
    assert _first_days(_weeks(engine, days, read, turnover=[1.0] * 4)) == ["2017-08-05", "2017-08-12"]


@pytest.mark.parametrize("engine", ENGINES)
def test_weeks_are_not_taken_for_days(engine):
    days = ["2017-08-05", "2017-08-12"]
    with pytest.raises(DataContractError, match=r"every date is a Saturday.*rows_are: weeks"):
        _weeks(engine, days, _read(rows_are="days"), turnover=[1.0, 2.0])


@pytest.mark.parametrize(
    ("options", "columns", "complaint"),
    [
        ({"future_covariates": {"promo": "mean"}}, {}, "turnover.columns.sales does not name promo"),
        (
            {},
            {"sales": {"promo": "p"}},
            "sales names promo, which is not under turnover.read.future_covariates",
        ),
        (
            {"future_covariates": {"promo": "mean"}},
            {"sales": {"promo": "p"}},
            "turnover.columns.forecast_index does not name promo",
        ),
        ({"attributes": {"size": "number"}}, {}, "turnover.columns.stores does not name size"),
        ({}, {"stores": {"size": "m2"}}, "stores names size, which is not under turnover.read.attributes"),
        ({}, {"sales": {"department": "d"}}, "turnover.columns.forecast_index does not name department"),
        ({}, {"sales": {"store": None}}, "turnover.columns.sales does not name store"),
        (
            {"attributes": {"school_zone": "text"}},
            {"stores": {"school_zone": "z"}},
            "school_zone is a name of ours",
        ),
        (
            {"from_date": date(2017, 8, 5), "to_date": date(2017, 8, 4)},
            {},
            "turnover.read.from_date: 2017-08-05 is after to_date, 2017-08-04",
        ),
        ({"attributes": {"rule": "text"}}, {"stores": {"rule": "r"}}, "rule is a name of ours"),
        ({"attributes": {"region": "text"}}, {"stores": {"region": "r"}}, "region is a name of ours"),
        (
            {"future_covariates": {"size": "max"}, "attributes": {"size": "number"}},
            {"sales": {"size": "m2"}, "forecast_index": {"size": "m2"}, "stores": {"size": "m2"}},
            "size is a name of ours, or given twice",
        ),
        ({"attributes": {"Size m2": "number"}}, {}, "should match pattern"),
    ],
)
def test_columns_that_do_not_fit_are_refused_by_parameter_name(options, columns, complaint):
    own = {"sales": KEYS, "forecast_index": {"store": "s", "week": "w"}, "stores": {"store": "s"}}
    named = {table: names | columns.get(table, {}) for table, names in own.items()}
    files = {"sales": "sold.csv", "forecast_index": "wanted.csv", "stores": "shops.csv"}
    given = {"date_format": "%Y-%m-%d", "bad_rows": "stop", "week_starts_on": "saturday"} | options
    with pytest.raises(ValueError, match=complaint):
        ReadTurnoverParams(files=files, columns=named, **given)
