"""From the retailer's files to typed tables and a panel without holes, on every engine."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import narwhals as nw
import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal
from pydantic import ValidationError

from sales_forecast.contracts import Calendar, DataContractError, ForecastIndex, Panel, Sales, Stores
from sales_forecast.pipelines.data_processing.params import (
    CalendarParams,
    ReadTurnoverParams,
    RepairParams,
    TurnoverColumns,
)
from sales_forecast.pipelines.data_processing.turnover import (
    build_calendar,
    read_forecast_index,
    read_sales,
)
from sales_forecast.pipelines.data_processing.turnover_covariates import gather_future_covariates
from sales_forecast.pipelines.data_processing.turnover_panel import build_panel
from sales_forecast.pipelines.data_processing.turnover_stores import read_stores
from sales_forecast.sample import make_turnover
from sales_forecast.sample.chain import GAP, SPIKE

FILES = {"sales": "train.csv", "forecast_index": "test.csv", "stores": "bu_feat.csv"}
SALES = {
    "store": "but_num_business_unit",
    "department": "dpt_num_department",
    "week": "day_id",
    "turnover": "turnover",
}
COLUMNS = {
    "sales": SALES,
    "forecast_index": {ours: theirs for ours, theirs in SALES.items() if ours != "turnover"},
    "stores": {
        "store": "but_num_business_unit",
        "postcode": "but_postcode",
        "latitude": "but_latitude",
        "longitude": "but_longitude",
        "region": "but_region_idr_region",
        "zone": "zod_idr_zone_dgr",
    },
}
STOP = ReadTurnoverParams(
    files=FILES, columns=COLUMNS, date_format="%Y-%m-%d", week_starts_on="saturday", bad_rows="stop"
)
SET_ASIDE = STOP.model_copy(update={"bad_rows": "set_aside"})
FRANCE = CalendarParams(country="FR")
REPAIR = RepairParams(impossible_above_times_series_mean=50, impossible_above_times_department_mean=50)

START = pd.Timestamp("2016-01-02")


def _weeks(*numbers: int) -> list[pd.Timestamp]:
    return [START + pd.Timedelta(weeks=number) for number in numbers]


def _raw_sales(rows: list[tuple[Any, Any, Any, Any]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=list(SALES.values()))


def _raw_stores(*rows: tuple[Any, ...]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=list(COLUMNS["stores"].values()))


def _shops(*stores: Any) -> pd.DataFrame:
    return read_stores(_raw_stores(*[(store, "59000", 50.6, 3.1, 1, 1) for store in stores]), STOP, FRANCE)


def _sold(weeks: list[int], turnover: list[float], store: int = 1, department: int = 88) -> pd.DataFrame:
    return pd.DataFrame(
        {"store": store, "department": department, "week": _weeks(*weeks), "turnover": turnover}
    )


# --- stores ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("postcode", "stored", "school_zone"),
    [
        ("59000", "59000", "BB"),  # Lille
        (59000, "59000", "BB"),
        (1000, "01000", "AA"),  # Bourg-en-Bresse, whose zero a spreadsheet ate
        (6000.0, "06000", "BB"),  # Nice, in a column that a blank made float
        (" 33000 ", "33000", "CA"),  # Bordeaux, moved from zone C to A in 2015
        ("75012", "75012", "CC"),
        ("97100", "97100", "none"),  # Guadeloupe has holidays of its own
        ("9999 AB", "9999 AB", "none"),
    ],
)
def test_a_postcode_tells_the_school_zone(postcode, stored, school_zone):
    stores = read_stores(_raw_stores((1, postcode, 45.0, 5.0, 1, 1)), STOP, FRANCE)
    assert stores[["postcode", "school_zone"]].to_numpy().tolist() == [[stored, school_zone]]


def test_missing_attributes_stay_missing_and_the_others_stay_whole():
    stores = read_stores(
        _raw_stores((1, 59000.0, 50.6, 3.1, 11.0, 1.0), (2, np.nan, np.nan, np.nan, np.nan, np.nan)),
        STOP,
        FRANCE,
    )
    Stores.validate(stores)
    assert stores.iloc[0].tolist() == [1, "59000", 50.6, 3.1, "11", "1", "BB"]
    assert stores.iloc[1].isna().tolist() == [False, True, True, True, True, True, False]
    assert stores["school_zone"][1] == "none"


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        (
            (None, "59000", 50.6, 3.1, 1, 1),
            "'but_num_business_unit': 1 value(s) that are missing (row 3: '')",
        ),
        (
            (1, "59000", 50.6, 3.1, 1, 1),
            "'but_num_business_unit': 1 value(s) that repeat an earlier key (row 3",
        ),
        (
            (2, "59000", "north", 3.1, 1, 1),
            "'but_latitude': 1 value(s) that are not numbers (row 3: 'north')",
        ),
        ((2, "59000", np.inf, 3.1, 1, 1), "'but_latitude': 1 value(s) that are infinite (row 3: inf)"),
        ((2, "59000", 90.5, 3.1, 1, 1), "'but_latitude': 1 value(s) that are not between -90 and 90 degrees"),
        ((2, "59000", 50.6, -181.0, 1, 1), "'but_longitude': 1 value(s) that are not between -180 and 180"),
    ],
)
def test_a_bad_store_stops_the_run_even_where_bad_rows_are_set_aside(row, complaint):
    with pytest.raises(DataContractError) as stopped:
        read_stores(_raw_stores((1, "59000", 50.6, 3.1, 1, 1), row), SET_ASIDE, FRANCE)
    assert complaint in str(stopped.value)
    assert str(stopped.value).startswith("bu_feat.csv: 1 bad row(s)")


# --- sales and forecast index -----------------------------------------------------------------------------


def test_a_message_names_the_file_its_column_the_lines_and_the_way_out():
    rows = [(1, 88, "2016-01-02", value) for value in ("n/a", "x", 5, "?", "!")]
    with pytest.raises(DataContractError) as stopped:
        read_sales(_raw_sales(rows), _shops(1), STOP)
    assert str(stopped.value).splitlines() == [
        "train.csv: 4 bad row(s)",
        "  column 'turnover': 4 value(s) that are not numbers (row 2: 'n/a', row 3: 'x', row 5: '?')",
        "Fix the file, or set such rows aside with turnover.read.bad_rows: set_aside "
        "(they go to data/02_intermediate/turnover/rejected.parquet, with the reason).",
    ]


def test_stores_may_be_named_by_text():
    raw = _raw_sales([("S1", "ski", "2016-01-02", 5), (" S2 ", "ski", "2016-01-02", 6), ("1", "ski", "x", 7)])
    stores = _shops("S1", "S2")
    sales, rejected = read_sales(raw, stores, SET_ASIDE)
    Sales.validate(sales)
    assert sales[["store", "department"]].to_numpy().tolist() == [["S1", "ski"], ["S2", "ski"]]
    assert len(rejected) == 1
    forecast_index = read_forecast_index(_raw_sales([("S1", "ski", "2016-01-09", 0)]), stores, sales, STOP)
    ForecastIndex.validate(forecast_index)
    assert forecast_index["store"].tolist() == ["S1"]


def test_one_text_among_store_numbers_is_one_bad_row():
    raw = _raw_sales([("1", 88, "2016-01-02", 5), ("one", 88, "2016-01-09", 6)])
    sales, rejected = read_sales(raw, _shops(1), SET_ASIDE)
    assert sales["store"].tolist() == [1]
    assert rejected["reason"].tolist() == [
        "but_num_business_unit: values that are not in the stores of bu_feat.csv"
    ]


def test_keys_are_numbers_in_every_table_if_the_stores_are():
    stores = _shops(1, 2)
    blank = _raw_sales(
        [(1.0, 88.0, "2016-01-02", 5.0), (np.nan, 88.0, "2016-01-02", 5.0), (2, np.nan, "x", 1)]
    )
    sales, rejected = read_sales(blank, stores, SET_ASIDE)
    forecast_index = read_forecast_index(_raw_sales([("2", "88", "2016-01-09", 0)]), stores, sales, STOP)
    for table in (sales, forecast_index):
        assert table.dtypes[["store", "department"]].astype(str).tolist() == ["int64", "int64"]
    assert rejected[["store", "department"]].fillna("").to_numpy().tolist() == [["", "88"], ["2", ""]]


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        (
            (3, 88, "2016-01-16"),
            "'but_num_business_unit': 1 value(s) that are not in the stores of bu_feat.csv",
        ),
        (
            (1, 99, "2016-01-16"),
            "'dpt_num_department': 1 value(s) that are not in the departments of train.csv",
        ),
        (
            (1, 88, "2016-01-09"),
            "'day_id': 1 value(s) that are not after 2016-01-09, the last week in the file of sales (row 3: '2016-01-09')",
        ),
        ((1, 88, "2016-01-17"), "'day_id': 1 value(s) that are not a Saturday but a Sunday, see"),
        ((2, 88, "2016-01-16"), "1 value(s) that repeat an earlier key (row 3: 2 88 '2016-01-16')"),
    ],
)
def test_a_wanted_forecast_must_be_of_a_known_store_and_department_after_the_last_week_sold(row, complaint):
    raw = pd.DataFrame([(2, 88, "2016-01-16"), row], columns=list(COLUMNS["forecast_index"].values()))
    sales = _sold([0, 1], [5, 6])
    with pytest.raises(DataContractError) as stopped:
        read_forecast_index(raw, _shops(1, 2), sales, SET_ASIDE)
    assert complaint in str(stopped.value)


@pytest.mark.parametrize("week_named_by", ["first_day", "last_day"])
def test_weeks_beyond_the_horizon_may_be_left_out(week_named_by, caplog):
    read = STOP.model_copy(update={"max_horizon_weeks": 2, "week_named_by": week_named_by})
    label = pd.Timedelta(days=0 if week_named_by == "first_day" else 6)
    days = [f"{week + label:%Y-%m-%d}" for week in _weeks(2, 3, 4, 9)]
    raw = _raw_sales([(1, 88, day, 0.0) for day in days])
    with caplog.at_level("INFO"):
        forecast_index = read_forecast_index(raw, _shops(1), _sold([0, 1], [5, 6]), read)
    assert forecast_index["week"].tolist() == _weeks(2, 3)
    assert "test.csv: 2 of 4 row(s) are more than 2 weeks after the last week sold" in caplog.text
    whole = read_forecast_index(
        raw, _shops(1), _sold([0, 1], [5, 6]), read.model_copy(update={"max_horizon_weeks": None})
    )
    assert len(whole) == 4


def test_a_forecast_index_wholly_beyond_the_horizon_is_refused():
    read = STOP.model_copy(update={"max_horizon_weeks": 2})
    raw = _raw_sales([(1, 88, "2016-02-13", 0.0)])
    with pytest.raises(DataContractError, match=r"test\.csv: none of 1 row\(s\) .*weeks up to 2016-01-23"):
        read_forecast_index(raw, _shops(1), _sold([0, 1], [5, 6]), read)


def test_a_column_that_the_configuration_forgets_is_named():
    short = COLUMNS | {"forecast_index": {"store": "s", "week": "w"}}
    with pytest.raises(ValidationError, match=r"turnover\.columns\.forecast_index does not name department"):
        ReadTurnoverParams(**(STOP.model_dump() | {"columns": short}))


# --- the panel -------------------------------------------------------------------------------------


def test_a_hole_in_a_series_becomes_a_row_without_turnover():
    panel = build_panel(_sold([0, 1, 4], [10, 20, 50]), REPAIR)
    Panel.validate(panel)
    assert panel["week"].tolist() == _weeks(0, 1, 2, 3, 4)  # weeks 2 and 3: nobody sold anything
    assert panel["is_gap"].tolist() == [False, False, True, True, False]
    np.testing.assert_array_equal(panel["turnover"], [10, 20, np.nan, np.nan, 50])
    np.testing.assert_array_equal(panel["turnover_raw"], [10, 20, np.nan, np.nan, 50])


def test_a_series_is_extended_neither_before_its_first_nor_after_its_last_week():
    early, late = _sold([0, 1], [1, 2]), _sold([2, 4], [3, 4], store=2)
    panel = build_panel(pd.concat([late, early]), REPAIR)
    assert panel[["store", "week"]].to_numpy().tolist() == [
        *([1, week] for week in _weeks(0, 1)),
        *([2, week] for week in _weeks(2, 3, 4)),
    ]


@pytest.mark.parametrize(("position", "repaired"), [(50, 100), (0, 101), (100, 99)])
def test_an_impossible_value_becomes_what_its_neighbours_are_also_at_the_ends(position, repaired):
    turnover = np.full(101, 100.0)
    turnover[[1, 49, 51, 99]] = [101, 90, 110, 99]
    turnover[position] = 1e6
    sales = pd.concat([_sold(list(range(101)), list(turnover)), _sold([0], [100], store=2)])
    panel = build_panel(sales, REPAIR)
    Panel.validate(panel)
    row = panel[panel["is_repaired"]]
    assert row["week"].tolist() == _weeks(position)
    assert row[["turnover", "turnover_raw"]].to_numpy().tolist() == [[repaired, 1e6]]
    others = panel[~panel["is_repaired"]]
    assert others["turnover"].equals(others["turnover_raw"])


@pytest.mark.parametrize("wrong", [1e6, -1e6])
def test_beside_a_hole_the_other_neighbour_repairs_and_a_return_can_be_impossible_too(wrong):
    others = _sold(list(range(100)), [100] * 100, store=2)
    panel = build_panel(pd.concat([_sold([0, 1, 3, 4], [100, 80, wrong, 120]), others]), REPAIR)
    assert panel.loc[panel["is_repaired"], "turnover"].tolist() == [120]


def test_two_impossible_values_side_by_side_become_the_possible_ones_beside_them():
    others = _sold(list(range(200)), [100] * 200, store=2)
    panel = build_panel(pd.concat([_sold([0, 1, 2, 3], [80, 1e6, 1.1e6, 120]), others]), REPAIR)
    assert not panel["is_repaired"].any()  # each makes the other look usual: known, and accepted

    weeks = list(range(200))
    turnover = [100.0] * 200
    turnover[50:52] = [1e6, 1e6]
    lone = build_panel(_sold(weeks, turnover), REPAIR)
    assert lone.loc[lone["is_repaired"], "turnover"].tolist() == [100, 100]


@pytest.mark.parametrize(
    "bound", ["impossible_above_times_series_mean", "impossible_above_times_department_mean"]
)
def test_a_value_must_exceed_both_bounds(bound):
    sales = _sold(list(range(101)), [100.0] * 100 + [6_000.0])  # 60 times the mean of the others
    assert build_panel(sales, REPAIR)["is_repaired"].sum() == 1
    patient = REPAIR.model_copy(update={bound: 61})
    assert build_panel(sales, patient)["is_repaired"].sum() == 0


def test_a_week_that_is_huge_for_a_small_store_but_common_in_its_department_stays():
    sales = pd.concat(
        [_sold(list(range(101)), [1.0] * 100 + [600.0]), _sold(list(range(101)), [100.0] * 101, store=2)]
    )
    assert not build_panel(sales, REPAIR)["is_repaired"].any()


def test_a_series_of_one_week_is_left_alone():
    panel = build_panel(pd.concat([_sold([0], [1e6]), _sold([0, 1], [1, 1], store=2)]), REPAIR)
    assert not panel["is_repaired"].any()


@pytest.fixture(scope="module")
def raw() -> dict[str, pd.DataFrame]:
    return make_turnover(stores=10)


@pytest.fixture(scope="module")
def sample_sales(raw) -> pd.DataFrame:
    return read_sales(raw["train"], read_stores(raw["bu_feat"], STOP, FRANCE), STOP)[0]


def test_of_the_sample_only_the_typing_error_is_repaired_and_no_peak_of_a_season(sample_sales):
    panel = build_panel(sample_sales, REPAIR)
    store, department, week, value = SPIKE
    (row,) = panel[panel["is_repaired"]].to_dict("records")
    assert (row["store"], row["department"], row["week"], row["turnover_raw"]) == (
        store,
        department,
        pd.Timestamp(week),
        value,
    )
    around = panel[(panel["store"] == store) & (panel["department"] == department)].set_index("week")[
        "turnover"
    ]
    neighbours = [row["week"] + pd.Timedelta(weeks=n) for n in (-1, 1)]
    assert row["turnover"] == pytest.approx(around[neighbours].mean())
    gaps = panel[panel["is_gap"]]
    assert gaps[["store", "department"]].drop_duplicates().to_numpy().tolist() == [list(GAP[:2])]
    assert gaps["week"].tolist() == list(pd.to_datetime(GAP[2]))


@settings(max_examples=5, deadline=None)
@given(order=st.permutations(range(12)))
def test_the_order_of_rows_does_not_matter(order):
    sold = [*range(20, 26), *range(30, 36)]
    rows = [(store, 88, f"2016-01-{day:02}", sold.pop()) for store in (1, 2) for day in (2, 9, 16, 23, 30)]
    rows += [(store, 117, "2016-02-13", sold.pop()) for store in (1, 2)]
    in_order, shuffled = (_raw_sales([rows[n] for n in numbers]) for numbers in (range(12), order))
    panel = build_panel(read_sales(in_order, _shops(1, 2), STOP)[0], REPAIR)
    assert_frame_equal(build_panel(read_sales(shuffled, _shops(1, 2), STOP)[0], REPAIR), panel)


def test_the_calendar_reaches_a_year_beyond_the_last_week_wanted():
    stores = _shops(1)
    forecast_index = _sold([3], [0])[["store", "department", "week"]]
    calendar = build_calendar(_sold([0, 1], [5, 6]), forecast_index, stores, CalendarParams(country="FR"))
    Calendar.validate(calendar)
    assert calendar["week"].tolist() == _weeks(*range(3 + 52 + 1))
    assert set(calendar["school_zone"]) == {"BB"}


# --- engines ---------------------------------------------------------------------------------------


def _read_pandas(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, keep_default_na=False, na_values=[""], low_memory=False)


ENGINES: dict[str, Callable[[Path], Any]] = {
    "polars": lambda path: pl.read_csv(path, infer_schema_length=None),
    "polars lazy": lambda path: pl.scan_csv(path, infer_schema_length=None, try_parse_dates=True),
    "DuckDB": lambda path: duckdb.read_csv(str(path)),
}


def _to_pandas(native: Any) -> pd.DataFrame:
    table = nw.from_native(native).lazy().collect("pandas").to_pandas()
    return table.sort_values(list(table.columns), ignore_index=True)


def _process(
    read: Callable[[Path], Any], folder: Path, params: ReadTurnoverParams
) -> dict[str, pd.DataFrame]:
    """Every table up to the panel, by one engine; row numbers are left out."""
    stores = read_stores(read(folder / "bu_feat.csv"), params, FRANCE)
    sales, rejected = read_sales(read(folder / "train.csv"), stores, params)
    forecast_index = read_forecast_index(read(folder / "test.csv"), stores, sales, params)
    tables = {
        "stores": stores,
        "sales": sales,
        "rejected": nw.from_native(rejected).drop("row").to_native(),
        "forecast_index": forecast_index,
        "panel": build_panel(sales, REPAIR),
    }
    return {name: _to_pandas(table) for name, table in tables.items()}


def _break(train: pd.DataFrame) -> pd.DataFrame:
    """Every kind of bad row, a blank that makes stores float, and a week in which nobody sold."""
    train = train[train["day_id"] != "2015-06-06"].astype(str).reset_index(drop=True)
    for row, (column, value) in enumerate(
        [
            ("turnover", "n/a"),
            ("turnover", ""),
            ("turnover", "   "),
            ("turnover", "1,2"),
            ("turnover", "inf"),
            ("day_id", "2016-02-30"),
            ("day_id", "2016-02-03"),
            ("day_id", ""),
            ("but_num_business_unit", ""),
            ("but_num_business_unit", "9999"),
            ("dpt_num_department", ""),
            ("dpt_num_department", "88.5"),
        ]
    ):
        train.loc[10 * row, column] = value
    train.loc[200, "turnover"] = f" {train.loc[200, 'turnover']} "
    return pd.concat([train, train.iloc[[300, 301, 301]]])


def _infinite(train: pd.DataFrame) -> pd.DataFrame:
    """Columns of numbers and dates only, one number infinite, one store as text."""
    train = train.astype({"but_num_business_unit": str})
    train.loc[5, "turnover"] = np.inf
    train.loc[7, "day_id"] = "2016-02-03"
    train.loc[9, "but_num_business_unit"] = "one hundred"
    return train


VARIANTS = {
    "clean": (lambda train: train, STOP, 0),
    "bad": (_break, SET_ASIDE, 15),
    "infinite": (_infinite, SET_ASIDE, 3),
}


@pytest.fixture(scope="module", params=VARIANTS)
def variant(request, raw, tmp_path_factory):
    """A folder of files, how to read them, and what pandas makes of them."""
    change, params, rejected = VARIANTS[request.param]
    folder = tmp_path_factory.mktemp(request.param)
    stores = raw["bu_feat"].astype({"zod_idr_zone_dgr": object})
    stores.loc[2, ["but_postcode", "but_latitude", "zod_idr_zone_dgr"]] = None
    stores["but_postcode"] = stores["but_postcode"].str.lstrip("0")
    stores.to_csv(folder / "bu_feat.csv", index=False)
    raw["test"].to_csv(folder / "test.csv", index=False)
    change(raw["train"]).to_csv(folder / "train.csv", index=False)
    expected = _process(_read_pandas, folder, params)
    assert len(expected["rejected"]) == rejected
    return folder, params, expected


@pytest.mark.parametrize("engine", ENGINES)
def test_every_engine_makes_the_same_tables(engine, variant):
    folder, params, expected = variant
    for name, table in _process(ENGINES[engine], folder, params).items():
        assert_frame_equal(table, expected[name], check_dtype=name != "rejected", obj=name)


def test_what_pandas_makes_keeps_the_contracts(variant):
    _, _, expected = variant
    for name, contract in {
        "stores": Stores,
        "sales": Sales,
        "forecast_index": ForecastIndex,
        "panel": Panel,
    }.items():
        contract.validate(expected[name])


@pytest.mark.parametrize("engine", ENGINES)
def test_every_engine_reads_dates_written_another_way(engine, tmp_path):
    raw = _raw_sales([(1, 88, "13/02/2016", 5.0), (1, 88, "20/02/2016", 6.0), (1, 88, "21/02/2016", 7.0)])
    raw.to_csv(tmp_path / "train.csv", index=False)
    params = SET_ASIDE.model_copy(update={"date_format": "%d/%m/%Y"})
    sales, rejected = read_sales(ENGINES[engine](tmp_path / "train.csv"), _shops(1), params)
    assert _to_pandas(sales)["week"].tolist() == _weeks(6, 7)
    assert _to_pandas(rejected)["reason"].tolist() == [
        "day_id: values that are not a Saturday but a Sunday, see turnover.read.week_starts_on and week_named_by"
    ]


@pytest.mark.parametrize("engine", ENGINES)
def test_every_engine_leaves_out_weeks_beyond_the_horizon(engine, tmp_path):
    _raw_sales([(1, 88, "2016-01-16", 0), (1, 88, "2016-01-23", 0)]).to_csv(tmp_path / "t.csv", index=False)
    read = STOP.model_copy(update={"max_horizon_weeks": 1})
    wanted = read_forecast_index(ENGINES[engine](tmp_path / "t.csv"), _shops(1), _sold([0, 1], [5, 6]), read)
    assert _to_pandas(wanted)["week"].tolist() == _weeks(2)


@pytest.mark.parametrize("engine", ENGINES)
def test_every_engine_stops_with_the_same_words(engine, tmp_path):
    raw = _raw_sales([(1, 88, "2016-01-02", "5"), (9, 88, "2016-01-02", "n/a"), (9, 88, "2016-01-02", "6")])
    raw.to_csv(tmp_path / "train.csv", index=False)
    with pytest.raises(DataContractError) as stopped:
        read_sales(ENGINES[engine](tmp_path / "train.csv"), _shops(1), STOP)
    message = str(stopped.value)
    assert message.startswith("train.csv: 2 bad row(s)\n")
    assert "column 'turnover': 1 value(s) that are not numbers (row " in message
    assert (
        "column 'but_num_business_unit': 1 value(s) that are not in the stores of bu_feat.csv (row "
        in message
    )


# --- what a retailer adds ----------------------------------------------------------------------------


def _promoting(**options: Any) -> ReadTurnoverParams:
    ahead = {"promotion": "promo"}
    return ReadTurnoverParams(
        files=FILES,
        columns={
            "sales": SALES | ahead,
            "forecast_index": COLUMNS["forecast_index"] | ahead,
            "stores": {"store": "shop"},
        },
        date_format="%Y-%m-%d",
        week_starts_on="saturday",
        future_covariates={"promotion": "mean"},
        bad_rows="stop",
    ).model_copy(update=options)


def _promoted(days: list[str], promotion: list[Any]) -> pd.DataFrame:
    keys = {"but_num_business_unit": 1, "dpt_num_department": 88, "day_id": days}
    return pd.DataFrame(keys | {"turnover": 1.0, "promo": promotion})


def test_future_covariates_may_be_blank_in_the_past_but_not_in_the_future():
    read = _promoting()
    stores = read_stores(pd.DataFrame({"shop": [1]}), read, FRANCE)
    Stores.validate(stores)
    sales, _ = read_sales(_promoted(["2016-01-02", "2016-01-09"], [0.5, None]), stores, read)
    Sales.validate(sales)
    forecast_index = read_forecast_index(_promoted(["2016-01-16"], [0.25]), stores, sales, read)
    ahead = gather_future_covariates(sales, forecast_index, stores, {}, read)
    assert ahead["promotion"].fillna(-1).tolist() == [0.5, -1, 0.25]
    with pytest.raises(DataContractError) as stopped:
        read_forecast_index(_promoted(["2016-01-16", "2016-01-23"], [0.25, None]), stores, sales, read)
    assert "test.csv: 1 bad row(s)" in str(stopped.value)
    assert "column 'promo': 1 value(s) that are missing (row 3: '')" in str(stopped.value)
    assert "turnover.read.future_covariates needs its value in every week to forecast" in str(stopped.value)


@pytest.mark.parametrize("engine", [*ENGINES, "pandas"])
@pytest.mark.parametrize(
    ("past", "future"),
    [
        (["TRUE", "FALSE", ""], ["TRUE", "FALSE"]),
        (["true", "false", "true"], ["true", "true"]),
        (["True", "False", " True "], ["False", "1"]),
        (["yes", "No", ""], ["YES", "no"]),
        (["TRUE", "0.25", "0"], ["FALSE", "0.5"]),
    ],
)
def test_true_and_false_of_a_future_covariate_are_one_and_zero(engine, past, future, tmp_path):
    read_file = {"pandas": _read_pandas, **ENGINES}[engine]
    read = _promoting()
    stores = read_stores(pd.DataFrame({"shop": [1]}), read, FRANCE)
    _promoted(["2016-01-02", "2016-01-09", "2016-01-16"], past).to_csv(tmp_path / "train.csv", index=False)
    _promoted(["2016-01-23", "2016-01-30"], future).to_csv(tmp_path / "test.csv", index=False)
    sales, _ = read_sales(read_file(tmp_path / "train.csv"), stores, read)
    forecast_index = read_forecast_index(read_file(tmp_path / "test.csv"), stores, sales, read)
    meaning = {"true": 1.0, "yes": 1.0, "false": 0.0, "no": 0.0, "": np.nan}
    words = [word.strip().lower() for word in (*past, *future)]
    expected = [meaning[word] if word in meaning else float(word) for word in words]
    found = pd.concat([_to_pandas(sales), _to_pandas(forecast_index)]).sort_values("week")
    np.testing.assert_array_equal(found["promotion"], expected)


@pytest.mark.parametrize("engine", [*ENGINES, "pandas"])
def test_words_that_are_neither_are_told_what_would_be(engine, tmp_path):
    _promoted(["2016-01-02", "2016-01-09"], ["TRUE", "maybe"]).to_csv(tmp_path / "train.csv", index=False)
    raw = {"pandas": _read_pandas, **ENGINES}[engine](tmp_path / "train.csv")
    with pytest.raises(DataContractError, match=r"'promo': 1 value\(s\) that are not numbers, true or false"):
        read_sales(raw, _shops(1), _promoting())


@pytest.mark.parametrize("engine", [*ENGINES, "pandas"])
@pytest.mark.parametrize("turnover", [["TRUE", "FALSE"], ["TRUE", "5"]])
def test_a_turnover_of_true_is_no_number(engine, turnover, tmp_path):
    sold = _promoted(["2016-01-02", "2016-01-09"], [0, 0]).assign(turnover=turnover)
    sold.to_csv(tmp_path / "train.csv", index=False)
    raw = {"pandas": _read_pandas, **ENGINES}[engine](tmp_path / "train.csv")
    with pytest.raises(DataContractError, match=r"'turnover': [12] value\(s\) that are not numbers \("):
        read_sales(raw, _shops(1), _promoting())


def test_stores_without_a_table_are_those_that_sell():
    read = _promoting(files=STOP.files.model_copy(update={"stores": "train.csv"}))
    stores = read_stores(pd.DataFrame({"shop": [7, 3, 7, 3, 7]}), read, FRANCE)
    assert sorted(stores["store"]) == [3, 7]
    assert stores[["postcode", "latitude", "region"]].isna().all(axis=None)


def test_own_attributes_are_numbers_or_text_of_few_values():
    columns = TurnoverColumns(
        sales=SALES,
        forecast_index=COLUMNS["forecast_index"],
        stores={"store": "shop", "size": "m2", "kind": "format"},
    )
    read = STOP.model_copy(update={"columns": columns, "attributes": {"size": "number", "kind": "text"}})
    raw = pd.DataFrame({"shop": range(40), "m2": "12.5", "format": [f"kind {n % 3}" for n in range(40)]})
    stores = read_stores(raw, read, FRANCE)
    assert stores["size"].tolist() == [12.5] * 40
    assert stores["kind"].nunique() == 3
    with pytest.raises(DataContractError, match=r"'m2': 1 value\(s\) that are not numbers"):
        read_stores(raw.assign(m2=["large", *["1"] * 39]), read, FRANCE)
    with pytest.raises(DataContractError, match=r"turnover\.read\.attributes\.kind: text it may have 30"):
        read_stores(raw.assign(format=raw["shop"].astype(str)), read, FRANCE)


def test_a_foreign_postcode_is_in_no_french_school_zone():
    stores = read_stores(_raw_stores((1, "59000", 50.6, 3.1, 1, 1)), STOP, CalendarParams(country="US"))
    assert stores["school_zone"].tolist() == ["none"]
