"""Which rows of a raw file are bad, what the message says about them, and what becomes of them."""

from datetime import datetime
from io import StringIO

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sales_forecast.contracts import DataContractError
from sales_forecast.pipelines.data_processing.rows import (
    REASON,
    ROW,
    OnBad,
    assert_no_row_lost,
    settle,
    with_row_numbers,
)
from sales_forecast.pipelines.data_processing.rules import (
    date_rules,
    key_rules,
    rules_for_numbers,
    unknown_rule,
)
from sales_forecast.pipelines.data_processing.values import as_key, as_label, as_number, as_week

COLUMNS = {"store": "shop", "week": "day", "turnover": "sold"}
GOOD = ["17,2016-01-02,5", "18,2016-01-02,6", "17,2016-01-09,7"]
SET_ASIDE = OnBad(set_aside=True)
SEE = ", see turnover.read.week_starts_on and week_named_by"


def _read(*lines: str) -> pd.DataFrame:
    """A raw file as the catalog loads it: the header is line 1, the given rows are line 2 and on."""
    text = "\n".join(["shop,day,sold", *lines])
    return pd.read_csv(StringIO(text), keep_default_na=False, na_values=[""], low_memory=False)


def _rules(frame, after=None):
    return [
        *key_rules(frame, ["store"]),
        *date_rules(frame, "week", "%Y-%m-%d", "saturday", after=after),
        *rules_for_numbers(frame, "turnover"),
        unknown_rule(frame, "store", [17, 18], "shops.csv"),
    ]


def _settle(raw, on_bad, after=None):
    frame = with_row_numbers(raw, COLUMNS)
    rules = _rules(frame, after)
    return settle(frame, rules, keys=["store", "week"], file="sold.csv", columns=COLUMNS, on_bad=on_bad)


def _message(*lines: str, after=None) -> str:
    with pytest.raises(DataContractError) as stopped:
        _settle(_read(*GOOD, *lines), OnBad(remedy="Ask the shop."), after)
    return str(stopped.value)


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        (",2016-01-09,1", "column 'shop': 1 value(s) that are missing (row 5: '')"),
        ("18.5,2016-01-09,1", "column 'shop': 1 value(s) that are not whole numbers (row 5: 18.5)"),
        ("19,2016-01-09,1", "column 'shop': 1 value(s) that are not in shops.csv (row 5: 19)"),
        ("x,2016-01-09,1", "column 'shop': 1 value(s) that are not in shops.csv (row 5: 'x')"),
        ("18,,1", "column 'day': 1 value(s) that are missing (row 5: '')"),
        (
            "18,9 Jan,1",
            "column 'day': 1 value(s) that are not dates of the form %Y-%m-%d, 1990 to 2100 (row 5: '9 Jan')",
        ),
        (
            "18,2016-02-30,1",
            "1 value(s) that are not dates of the form %Y-%m-%d, 1990 to 2100 (row 5: '2016-02-30')",
        ),
        (
            "18,2016-01-10,1",
            f"column 'day': 1 value(s) that are not a Saturday but a Sunday{SEE} (row 5: '2016-01-10')",
        ),
        ("18,2016-01-09,", "column 'sold': 1 value(s) that are missing (row 5: '')"),
        ("18,2016-01-09,n/a", "column 'sold': 1 value(s) that are not numbers (row 5: 'n/a')"),
        ('18,2016-01-09,"1,2"', "column 'sold': 1 value(s) that are not numbers (row 5: '1,2')"),
        ("18,2016-01-09,inf", "column 'sold': 1 value(s) that are infinite (row 5: inf)"),
        ("18,2016-01-09,-inf", "column 'sold': 1 value(s) that are infinite (row 5: -inf)"),
        ("17,2016-01-02,9", "'shop' + 'day': 1 value(s) that repeat an earlier key (row 5: 17 '2016-01-02')"),
    ],
)
def test_each_kind_of_bad_row_is_reported_with_its_column_line_and_value(line, complaint):
    message = _message(line)
    assert message.startswith("sold.csv: 1 bad row(s)\n")
    assert complaint in message
    assert message.endswith("\nAsk the shop.")

    good, rejected = _settle(_read(*GOOD, line), SET_ASIDE)
    assert len(good) == len(GOOD)
    assert rejected[ROW].to_list() == [5]


def test_a_week_must_come_after_the_last_one_sold_if_one_is_given():
    message = _message("18,2016-01-16,1", after=datetime(2016, 1, 9))
    assert (
        "'day': 3 value(s) that are not after 2016-01-09, the last week in the file of sales (row 2: '2016-01-02', row 3"
        in message
    )


def test_three_examples_and_a_count_are_enough():
    message = _message(*(f"18,2016-02-0{day},1" for day in (1, 2, 3, 4, 5)))
    weekdays = "a Monday, Tuesday, Wednesday, Thursday or Friday"
    assert f"5 value(s) that are not a Saturday but {weekdays}{SEE} (row 5: '2016-02-01', row 6: " in message
    assert "row 8" not in message


def test_a_message_tells_every_kind_of_bad_row_in_the_file():
    message = _message("18,2016-01-10,1", "18,2016-01-09,n/a", "19,2016-01-09,1")
    assert message.startswith("sold.csv: 3 bad row(s)\n")
    assert [line.split(":")[0].strip() for line in message.splitlines()[1:-1]] == [
        "column 'day'",
        "column 'sold'",
        "column 'shop'",
    ]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (",9 Jan,n/a", "shop: values that are missing"),
        ("19,9 Jan,n/a", "day: values that are not dates of the form %Y-%m-%d, 1990 to 2100"),
        ("19,2016-01-10,n/a", f"day: values that are not a Saturday but a Sunday{SEE}"),
        ("19,2016-01-09,n/a", "sold: values that are not numbers"),
        ("19,2016-01-09,3", "shop: values that are not in shops.csv"),
    ],
)
def test_a_row_is_judged_by_the_most_basic_rule_it_breaks(line, reason):
    _, rejected = _settle(_read(*GOOD, line), SET_ASIDE)
    assert rejected[REASON].to_list() == [reason]


def test_the_first_good_row_of_a_key_stays():
    good, rejected = _settle(
        _read("17,2016-01-02,n/a", "17,2016-01-02,1", "17,2016-01-02,2", "17,2016-01-02,3"), SET_ASIDE
    )
    assert good["turnover"].to_list() == ["1"]
    assert rejected[ROW].to_list() == [2, 4, 5]
    assert rejected[REASON].to_list() == [
        "sold: values that are not numbers",
        *["shop + day: values that repeat an earlier key"] * 2,
    ]


def test_rejected_rows_keep_the_text_of_the_file():
    _, rejected = _settle(_read(*GOOD, ",2016-01-09,1", "18,2016-01-09, n/a "), SET_ASIDE)
    assert rejected.columns == [ROW, REASON, "store", "week", "turnover"]
    assert rejected.row(1)[2:] == ("18", "2016-01-09", " n/a ")  # 18, though the blank made it 18.0


@pytest.mark.parametrize(
    "number", ["5", "+5", "-5", "5.", ".5", "5e3", "5.5E-2", "-3.2e-08", "5e+03", " 5", "5 ", "  5.0  "]
)
def test_numbers_are_read_also_where_other_rows_made_the_column_text(number):
    good, rejected = _settle(_read(f"17,2016-01-02,{number}", "18,2016-01-02,n/a"), SET_ASIDE)
    assert good.select(as_number(good, "turnover"))["turnover"].to_list() == [float(number)]
    assert len(rejected) == 1


@pytest.mark.parametrize("text", ["1,2", "1 2", "5€", "--5", "e5", ".", "nan", "1_000", "0x10"])
def test_what_python_or_a_reader_might_take_for_a_number_is_none(text):
    _, rejected = _settle(_read(f'17,2016-01-02,"{text}"', "18,2016-01-02,n/a"), SET_ASIDE)
    assert rejected[REASON].to_list() == ["sold: values that are not numbers"] * 2


def test_a_cell_of_spaces_is_blank():
    _, rejected = _settle(_read(*GOOD, "   ,2016-01-09,5", "18,2016-01-09,   "), SET_ASIDE)
    assert rejected[REASON].to_list() == ["shop: values that are missing", "sold: values that are missing"]


def test_a_quantity_that_may_be_missing_may_be_blank_or_spaces():
    frame = with_row_numbers(_read("17,2016-01-02,5 ", "17,2016-01-09,", "17,2016-01-16,   "), COLUMNS)
    rules = rules_for_numbers(frame, "turnover", required=False)
    good, _ = settle(frame, rules, keys=[], file="sold.csv", columns=COLUMNS, on_bad=OnBad())
    number = good.select(as_number(good, "turnover"))["turnover"].to_numpy()
    np.testing.assert_array_equal(number, [5, np.nan, np.nan])


def test_keys_stay_whole_numbers_where_a_blank_made_the_column_float():
    good, _ = _settle(_read(*GOOD, ",2016-01-09,1"), SET_ASIDE)
    assert str(good["store"].dtype) == "Float64"
    keys = good.select(as_key(good, "store"))["store"]
    assert (str(keys.dtype), keys.to_list()) == ("Int64", [17, 18, 17])


def test_a_key_is_what_the_table_that_defines_it_makes_it():
    good, _ = _settle(_read(*GOOD, "x,2016-01-09,1"), SET_ASIDE)  # the x made all stores text
    numbers, texts = (with_row_numbers(pd.DataFrame({"s": [k]}), {"store": "s"}) for k in (17, "17"))
    assert good.select(as_key(good, "store", like=numbers))["store"].to_list() == [17, 18, 17]
    assert good.select(as_key(good, "store", like=texts))["store"].to_list() == ["17", "18", "17"]


def test_labels_have_no_padding_and_no_decimals_and_blanks_stay_blank():
    raw = pd.DataFrame({"text": [" N1 ", "N2", None], "number": [3.0, np.nan, 2.5]})
    frame = with_row_numbers(raw, {"text": "text", "number": "number"})
    labels = frame.select(as_label(frame, "text"), as_label(frame, "number"))
    assert labels["text"].to_list() == ["N1", "N2", None]
    assert labels["number"].to_list() == ["3", None, "2.5"]


def test_weeks_may_already_be_dates():
    raw = _read(*GOOD, "18,2016-01-10,1").assign(day=lambda table: pd.to_datetime(table["day"]))
    good, rejected = _settle(raw, SET_ASIDE)
    assert rejected[REASON].to_list() == [f"day: values that are not a Saturday but a Sunday{SEE}"]
    weeks = good.select(as_week(good, "week", "%d/%m/%Y"))["week"].to_list()
    assert weeks[0] == datetime(2016, 1, 2)


def test_a_file_without_one_good_row_stops_the_run_even_if_bad_rows_are_set_aside():
    frame = with_row_numbers(_read("17,2016-01-02,n/a"), COLUMNS)
    with pytest.raises(DataContractError, match=r"sold\.csv: none of the 1 rows is good"):
        assert_no_row_lost(frame, frame.head(0), frame, "sold.csv")


def test_a_row_that_vanished_is_our_fault_and_not_the_users():
    frame = with_row_numbers(_read(*GOOD), COLUMNS)
    with pytest.raises(AssertionError, match=r"3 rows in, but 2 kept \+ 0 rejected"):
        assert_no_row_lost(frame, frame.head(2), frame.head(0), "sold.csv")


LINES = [*GOOD, ",2016-01-09,1", "19,2016-01-02,1", "17,2016-01-10,1", "18,2016-01-09,n/a", "17,9 Jan,x"]


@settings(max_examples=15, deadline=None)
@given(st.lists(st.sampled_from(LINES), min_size=1, max_size=12))
def test_every_row_is_kept_or_rejected_and_the_input_stays_as_it_was(lines):
    raw = _read(*lines)
    before = raw.copy()
    good, rejected = _settle(raw, SET_ASIDE)
    pd.testing.assert_frame_equal(raw, before)
    assert len(good) + len(rejected) == len(lines)
    assert len(good) == len(set(lines) & set(GOOD))
    assert not rejected[ROW].is_duplicated().any()


@pytest.mark.parametrize("value", ["1e400", "1e308", 1e300])
def test_a_number_that_no_shop_sells_is_bad(value):
    frame = with_row_numbers(pd.DataFrame({"turnover": [1.0, value]}), {"turnover": "turnover"})
    with pytest.raises(DataContractError, match="1 bad row"):
        settle(
            frame,
            rules_for_numbers(frame, "turnover"),
            keys=[],
            file="sold.csv",
            columns={"turnover": "turnover"},
            on_bad=OnBad(),
        )


@pytest.mark.parametrize("text", ["2016-1-9", "9999-12-25", "1912-12-28"])
def test_a_week_is_written_in_one_way_and_in_our_time(text):
    frame = with_row_numbers(pd.DataFrame({"week": ["2016-01-09", text]}), {"week": "week"})
    rules = date_rules(frame, "week", "%Y-%m-%d", "saturday")
    with pytest.raises(DataContractError, match=r"are not dates of the form %Y-%m-%d, 1990 to 2100 \(row 3"):
        settle(frame, rules, keys=[], file="sold.csv", columns={"week": "week"}, on_bad=OnBad())
