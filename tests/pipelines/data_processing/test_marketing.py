import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal
from pydantic import ValidationError

from sales_forecast.contracts import Budgets, DataContractError
from sales_forecast.pipelines.data_processing.marketing import read_budgets
from sales_forecast.pipelines.data_processing.params import ReadMarketingParams

COLUMNS = {"tv": "TV", "sales": "Sales"}
STOP = ReadMarketingParams(file="campaigns.csv", columns=COLUMNS, bad_rows="stop")
SET_ASIDE = ReadMarketingParams(file="campaigns.csv", columns=COLUMNS, bad_rows="set_aside")


def _campaigns(*more: tuple[object, object]) -> pd.DataFrame:
    """Ten good campaigns in lines 2 to 11 of the file, and those given from line 12 on."""
    good = [(100.0 - 10 * i, 20.0 - i) for i in range(10)]
    return pd.DataFrame([*good, *more], columns=["TV", "Sales"])


def test_good_campaigns_stay_in_the_order_of_the_file_under_our_names():
    budgets, rejected = read_budgets(_campaigns(), STOP)
    Budgets.validate(budgets)
    assert budgets["tv"].tolist() == [100, 90, 80, 70, 60, 50, 40, 30, 20, 10]
    assert budgets["sales"].tolist() == [20, 19, 18, 17, 16, 15, 14, 13, 12, 11]
    assert rejected.empty


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ((None, 5.0), "column 'TV': 1 value(s) that are missing (row 12: '')"),
        ((5.0, None), "column 'Sales': 1 value(s) that are missing (row 12: '')"),
        (("n/a", 5.0), "column 'TV': 1 value(s) that are not numbers (row 12: 'n/a')"),
        ((5.0, "1,2"), "column 'Sales': 1 value(s) that are not numbers (row 12: '1,2')"),
        ((np.inf, 5.0), "column 'TV': 1 value(s) that are infinite (row 12: inf)"),
        ((-5.0, 5.0), "column 'TV': 1 value(s) that are negative (row 12: -5.0)"),
        ((5.0, -0.1), "column 'Sales': 1 value(s) that are negative (row 12: -0.1)"),
        ((100.0, 20.0), "column 'TV' + 'Sales': 1 value(s) that repeat an earlier key (row 12: 100.0 20.0)"),
    ],
)
def test_a_bad_row_stops_the_run_or_is_set_aside_with_its_line(row, complaint):
    with pytest.raises(DataContractError) as stopped:
        read_budgets(_campaigns(row), STOP)
    assert complaint in str(stopped.value)
    assert "marketing.read.bad_rows: set_aside" in str(stopped.value)

    budgets, rejected = read_budgets(_campaigns(row), SET_ASIDE)
    assert len(budgets) == 10
    assert rejected["row"].tolist() == [12]


def test_a_negative_number_is_found_in_a_column_of_text_too():
    _, rejected = read_budgets(_campaigns(("n/a", 5.0), (" -3", 5.0)), SET_ASIDE)
    assert rejected["reason"].tolist() == ["TV: values that are not numbers", "TV: values that are negative"]


def test_two_campaigns_may_share_a_budget_or_their_sales():
    budgets, _ = read_budgets(_campaigns((100.0, 7.0), (7.0, 20.0)), STOP)
    assert len(budgets) == 12


def test_no_budget_and_no_sales_are_numbers_like_others():
    budgets, _ = read_budgets(_campaigns((0.0, 0.0)), STOP)
    assert budgets.iloc[-1].tolist() == [0, 0]


@pytest.mark.parametrize(
    "table",
    [
        _campaigns().head(9),
        pd.DataFrame({"TV": np.full(10, 5.0), "Sales": np.arange(10.0)}),
        pd.DataFrame({"TV": np.arange(10.0), "Sales": np.full(10, 5.0)}),
    ],
)
def test_campaigns_too_few_or_too_alike_are_refused(table):
    with pytest.raises(DataContractError, match="at least 10 campaigns that are not all alike"):
        read_budgets(table, STOP)


def test_a_column_that_the_configuration_forgets_is_named():
    with pytest.raises(ValidationError, match="does not name sales"):
        ReadMarketingParams(file="campaigns.csv", columns={"tv": "TV"}, bad_rows="stop")


@settings(max_examples=25)
@given(bad=st.lists(st.sampled_from([(None, 1.0), (-1.0, 2.0), (3.0, -1.0), (100.0, 20.0)]), max_size=8))
def test_every_row_is_kept_or_rejected(bad):
    raw = _campaigns(*bad)
    before = raw.copy()
    budgets, rejected = read_budgets(raw, SET_ASIDE)
    assert len(budgets) + len(rejected) == len(raw)
    assert_frame_equal(raw, before)
