"""What may cross a boundary, and what the messages say about the rest."""

import io

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pytest
from pandera.errors import SchemaError, SchemaErrors

from sales_forecast.contracts import (
    Attributions,
    Backtest,
    BudgetCurve,
    BudgetPredictions,
    Budgets,
    Calendar,
    DataContractError,
    ForecastIndex,
    Forecasts,
    ForecastsByLevel,
    Panel,
    RawTable,
    Sales,
    Stores,
)
from sales_forecast.errors import InputError
from sales_forecast.forecasting.attribution import PARTS

WEEKS = pd.to_datetime(["2016-01-02", "2016-01-09"])
KEYS = {"store": [7, 7], "department": [88, 88], "week": WEEKS}
INTERVALS = {"lo_80": [8.0, 0.0], "hi_80": [10.0, 1.0], "lo_95": [0.0, 0.0], "hi_95": [20.0, 3.0]}
FORECAST = {**KEYS, "horizon": [1, 2], "forecast": [9.0, 0.0], "method": "naive", **INTERVALS}
QUANTILES = {f"q{percent:02d}": [9 + (percent - 50) / 50, 0.0] for percent in range(5, 100, 5)}
GOOD = {
    Stores: {
        "store": [7, 8],
        "postcode": ["59000", None],
        "latitude": [50.6, np.nan],
        "longitude": [3.1, np.nan],
        "region": ["11", None],
        "zone": ["1", None],
        "school_zone": ["BB", "none"],
    },
    Sales: {**KEYS, "turnover": [5.0, -5.0]},
    ForecastIndex: KEYS,
    Panel: {
        **KEYS,
        "turnover": [5.0, np.nan],
        "turnover_raw": [5e6, np.nan],
        "is_gap": [False, True],
        "is_repaired": [True, False],
    },
    Calendar: {
        "week": WEEKS,
        "school_zone": "BB",
        "public_holiday_days": [0, 7],
        "school_holiday_days": [7, 0],
        "weeks_from_easter": [-12.0, -11.0],
        "weeks_from_christmas": [1.1, 2.1],
    },
    Backtest: {**FORECAST, "cutoff": pd.Timestamp("2015-12-26"), "turnover": [5.0, -5.0], "crps": [4.0, 5.0]},
    Forecasts: {
        **{**FORECAST, **QUANTILES, "cold_start": [False, True]},
        **{"model_version": "1", "run_id": "a run"},
        **{"model_data_version": "some data", "data_version": "some data"},
    },
    ForecastsByLevel: {
        **{"level": ["total", "region"], "key": ["all", "north"], "department": ["all", "88"]},
        **{"week": WEEKS, "forecast": [9.0, 0.0], **INTERVALS},
    },
    Attributions: {
        **KEYS,
        "forecast": [9.0, 0.0],
        **{part: [0.0, 0.0] for part in PARTS},
        **{"average_week": [10.0, 1.0], "season": [-1.0, -1.0]},
    },
    Budgets: {"tv": [0.0, 5.0], "sales": [1.0, 1.0]},
    BudgetPredictions: {
        "tv": [0.0, 5.0],
        "sales": [1.0, 1.0],
        "default": [1.0, 2.0],
        "tuned": [1.0, 2.0],
        "mean": [1.5, 1.5],
    },
    BudgetCurve: {
        "tv": [0.0, 5.0],
        "sales": [1.0, 2.0],
        "sales_low": [0.0, 1.0],
        "sales_high": [2.0, 3.0],
        "marginal_sales": [0.2, 0.2],
    },
}
LATER = [pd.Timestamp("2016-01-02")] * 2
BAD = [
    (Stores, "store", [7, 7]),
    (Stores, "latitude", [50.6, 91.0]),
    (Stores, "longitude", [-180.5, 3.0]),
    (Stores, "postcode", [59000, 1000]),
    (Stores, "school_zone", ["BB", None]),
    (Sales, "turnover", [5.0, np.nan]),
    (Sales, "turnover", ["5", "6"]),
    (Sales, "week", LATER),
    (Sales, "week", ["2016-01-02", "2016-01-09"]),
    (ForecastIndex, "week", LATER),
    (ForecastIndex, "store", [7, None]),
    (Panel, "is_gap", [False, False]),
    (Panel, "is_gap", [True, True]),
    (Panel, "is_repaired", [1, 0]),
    (Panel, "week", LATER),
    (Calendar, "public_holiday_days", [0, 8]),
    (Calendar, "school_holiday_days", [-1, 0]),
    (Calendar, "week", LATER),
    (Backtest, "week", LATER),
    (Backtest, "forecast", [9.0, np.nan]),
    (Backtest, "cutoff", ["2015-12-26"] * 2),
    (Forecasts, "horizon", [0, 1]),
    (Forecasts, "cold_start", [0, 1]),
    (ForecastsByLevel, "level", ["total", "country"]),
    (ForecastsByLevel, "hi_95", [8.0, 3.0]),
    (Attributions, "recent", [0.1, 0.0]),
    (Forecasts, "forecast", [9.0, np.nan]),
    (Forecasts, "week", LATER),
    (Forecasts, "lo_80", [-1.0, 0.0]),
    (Forecasts, "hi_80", [8.5, 1.0]),
    (Forecasts, "q05", [-0.1, 0.0]),
    (Forecasts, "q50", [9.001, 0.0]),
    (Forecasts, "q70", [9.2, 0.0]),
    (Forecasts, "q95", [9.9, np.nan]),
    (Backtest, "lo_95", [8.5, 0.0]),
    (Backtest, "crps", [-0.1, 0.0]),
    (Budgets, "tv", [-0.1, 5.0]),
    (Budgets, "sales", [1.0, np.nan]),
    (BudgetPredictions, "tuned", [1.0, np.nan]),
    (BudgetCurve, "tv", [5.0, 5.0]),
    (BudgetCurve, "sales_low", [-1.0, 0.0]),
]


def _named(values):
    return [getattr(value, "__name__", None) for value in values]


@pytest.mark.parametrize("contract", GOOD, ids=_named(GOOD))
def test_a_good_table_passes_as_it_is(contract):
    table = pd.DataFrame(GOOD[contract])
    pd.testing.assert_frame_equal(contract.validate(table.copy()), table)


@pytest.mark.parametrize(("contract", "column", "values"), BAD)
def test_a_bad_column_is_refused_by_name(contract, column, values):
    table = pd.DataFrame(GOOD[contract]).assign(**{column: values})
    by_several = (
        "each_key_once_in_order|missing_only_in_gaps|intervals_hold_the_forecast|parts_add_up|"
        "quantiles_rise_around_the_forecast"
    )
    with pytest.raises(SchemaError, match=f"{column}|{by_several}"):
        contract.validate(table)


OPEN = {Stores, Sales, ForecastIndex}  # the retailer adds attributes, and what is known ahead


@pytest.mark.parametrize("contract", GOOD, ids=_named(GOOD))
def test_a_column_too_many_or_too_few_is_refused(contract):
    table = pd.DataFrame(GOOD[contract])
    if contract in OPEN:
        contract.validate(table.assign(surprise=1))
    else:
        with pytest.raises(SchemaErrors, match="surprise"):
            contract.validate(table.assign(surprise=1))
    with pytest.raises(SchemaError, match=table.columns[-1]):
        contract.validate(table.iloc[:, :-1])


# --- raw files -------------------------------------------------------------------------------------

RAW = RawTable("sold.csv", {"store": "shop", "week": "day", "turnover": "sold"}, "turnover.read_csv")
ENGINES = {
    "pandas": lambda table: table,
    "polars": pl.from_pandas,
    "polars lazy": lambda table: pl.from_pandas(table).lazy(),
    "DuckDB": duckdb.from_df,
}


@pytest.fixture(params=ENGINES)
def engine(request):
    return ENGINES[request.param]


def _raw(**columns) -> pd.DataFrame:
    return pd.DataFrame({"shop": [7], "day": ["2016-01-02"], "sold": [5.0]} | columns)


def test_a_raw_file_may_have_more_columns_than_we_need_and_is_passed_on_untouched(engine):
    data = engine(_raw(colour=["blue"]))
    assert RAW.validate(data) is data


def test_missing_columns_are_named_beside_those_that_the_file_has(engine):
    with pytest.raises(DataContractError) as stopped:
        RAW.validate(engine(_raw(Sold=[5.0]).drop(columns=["day", "sold"])))
    assert str(stopped.value) == (
        "sold.csv: 2 column(s) missing: day, sold. The file has: shop, Sold. Fix the file, or say what your "
        "columns are called, null for one you do not have, under 'columns' in globals.yml of your environment "
        "(conf/local/ without --env)."
    )


def test_a_header_without_rows_is_refused(engine):
    with pytest.raises(DataContractError, match=r"^sold\.csv: the file has a header but no rows\.$"):
        RAW.validate(engine(_raw().head(0)))


def test_a_column_that_is_there_twice_is_named_with_how_often(engine):
    as_pandas_reads_it = pd.read_csv(
        io.StringIO("shop,day,sold,sold,day,sold,colour,colour\n7,2016-01-02,5,6,7,8,9,9")
    )
    with pytest.raises(DataContractError) as stopped:
        RAW.validate(engine(as_pandas_reads_it))
    assert str(stopped.value) == (
        "sold.csv: 2 column(s) more than once in the header: 'day' 2 times, 'sold' 3 times. Which one is meant is "
        "not known: remove the others from the file, or give them other names."
    )


def test_a_column_nobody_reads_may_be_there_twice_and_one_that_is_configured_may_end_in_a_number(engine):
    raw = RawTable("sold.csv", {"store": "shop", "turnover": "sold", "plan": "sold.1"}, "turnover.read_csv")
    data = engine(pd.read_csv(io.StringIO("shop,sold,sold.1,colour,colour,sold3\n7,5,6,blue,red,1")))
    assert raw.validate(data) is data


@pytest.mark.parametrize(
    ("separator", "shown", "yaml"),
    [(";", "';'", '";"'), ("\t", "a tab", r'"\t"'), ("|", "'|'", '"|"')],
    ids=["semicolon", "tab", "bar"],
)
@pytest.mark.parametrize("rows", ["7X2016-01-02X5", "7X2016-01-02X5,5"], ids=["whole", "decimal comma"])
def test_a_file_with_another_separator_is_told_so_and_not_about_columns(engine, separator, shown, yaml, rows):
    text = f"shopXdayXsold\n{rows}".replace("X", separator)
    with pytest.raises(DataContractError) as stopped:
        RAW.validate(engine(pd.read_csv(io.StringIO(text))))
    assert str(stopped.value) == (
        f"sold.csv: its columns seem to be separated by {shown}. Save the file with another separator, or put "
        f"turnover: {{read_csv: {{sep: {yaml}}}}} into globals.yml of your environment (conf/local/ without --env), "
        'and decimal: "," beside it if its numbers have decimal commas.'
    )


def test_a_file_with_commas_that_is_read_with_semicolons_is_told_so(engine):
    with pytest.raises(DataContractError, match=r"seem to be separated by ','.*\{sep: \",\"\}"):
        RAW.validate(engine(pd.read_csv(io.StringIO("shop,day,sold\n7,2016-01-02,5"), sep=";")))


def test_a_header_in_another_encoding_is_told_so(engine):
    with pytest.raises(
        DataContractError, match=r"^sold\.csv: the header is not in UTF-8\. Save the file in UTF-8"
    ):
        RAW.validate(engine(_raw().rename(columns={"shop": "magasin fran\ufffdais"})))


def test_a_broken_contract_is_for_the_user_to_put_right():
    assert issubclass(DataContractError, InputError)
