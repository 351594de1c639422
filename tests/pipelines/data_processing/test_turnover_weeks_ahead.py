"""The weeks to forecast where no file names them: the next ones of all that still sell."""

import pandas as pd
import pytest

from sales_forecast.datasets import OptionalCSVDataset
from sales_forecast.errors import InputError
from sales_forecast.pipelines.data_processing.params import ReadTurnoverParams
from sales_forecast.pipelines.data_processing.turnover import read_forecast_index
from sales_forecast.pipelines.data_processing.turnover_weeks_ahead import weeks_ahead_of_active_series

NAMES = {"store": "store", "department": "department", "week": "week"}
READ = ReadTurnoverParams(
    files={"sales": "sales.csv", "forecast_index": None, "stores": "stores.csv"},
    columns={
        "sales": NAMES | {"turnover": "turnover"},
        "forecast_index": NAMES,
        "stores": {"store": "store"},
    },
    date_format="%Y-%m-%d",
    week_starts_on="saturday",
    bad_rows="stop",
    horizon_weeks=3,
    silent_store_weeks=4,
)
LAST = pd.Timestamp("2017-09-30")


def _sold(store: int, department: str, weeks_ago: int, weeks: int = 60) -> pd.DataFrame:
    """A series that sold 10 a week until so many weeks ago, and nothing since."""
    dates = pd.date_range(end=LAST, periods=weeks, freq="7D")
    turnover = [10.0] * (weeks - weeks_ago) + [0.0] * weeks_ago
    return pd.DataFrame({"store": store, "department": department, "week": dates, "turnover": turnover})


def _sales(*series: pd.DataFrame) -> pd.DataFrame:
    return pd.concat(series, ignore_index=True)


def test_every_active_series_is_forecast_for_the_next_weeks():
    index = weeks_ahead_of_active_series(_sales(_sold(2, "ski", 0), _sold(1, "golf", 3)), READ)
    weeks = [LAST + pd.Timedelta(weeks=ahead) for ahead in (1, 2, 3)]
    assert index.to_numpy().tolist() == [[1, "golf", week] for week in weeks] + [
        [2, "ski", week] for week in weeks
    ]


@pytest.mark.parametrize(("weeks_ago", "forecast"), [(4, True), (5, False)])
def test_a_store_that_is_silent_for_longer_is_left_out(weeks_ago, forecast):
    sales = _sales(_sold(1, "ski", weeks_ago), _sold(1, "golf", 30), _sold(2, "ski", 0))
    index = weeks_ahead_of_active_series(sales, READ)
    assert (1 in index["store"].to_list()) == forecast


@pytest.mark.parametrize(("weeks_ago", "forecast"), [(40, True), (51, True), (52, False)])
def test_a_department_out_of_season_is_forecast_and_one_given_up_for_a_year_is_not(weeks_ago, forecast):
    sales = _sales(_sold(1, "ski", weeks_ago), _sold(1, "golf", 0))
    index = weeks_ahead_of_active_series(sales, READ)
    assert ("ski" in index["department"].to_list()) == forecast


def test_a_series_that_never_sold_is_left_out():
    index = weeks_ahead_of_active_series(_sales(_sold(1, "ski", 60), _sold(1, "golf", 0)), READ)
    assert set(index["department"]) == {"golf"}


def test_gaps_and_returns_of_goods_are_no_sales():
    returned = _sold(1, "ski", 10)
    returned.loc[returned["week"] > LAST - pd.Timedelta(weeks=5), "turnover"] = [
        -3.0,
        float("nan"),
        0,
        -1,
        -1,
    ]
    index = weeks_ahead_of_active_series(_sales(returned, _sold(2, "ski", 0)), READ)
    assert set(index["store"]) == {2}


def test_where_nothing_sells_any_more_the_message_says_since_when():
    with pytest.raises(
        InputError, match=r"of 1 series none still sells at 2017-09-30; the latest .* 2017-07-29"
    ):
        weeks_ahead_of_active_series(_sales(_sold(1, "ski", 9)), READ)


def test_a_covariate_of_the_sales_cannot_be_known_ahead_without_a_file():
    columns = READ.columns.model_dump()
    columns["sales"]["promotion"] = columns["forecast_index"]["promotion"] = "promotion"
    read = ReadTurnoverParams(
        **(READ.model_dump() | {"columns": columns, "future_covariates": ["promotion"]})
    )
    with pytest.raises(
        InputError, match=r"forecast_index is null, but promotion .* turnover.covariate_tables"
    ):
        weeks_ahead_of_active_series(_sales(_sold(1, "ski", 0)), read)


def test_reading_makes_the_list_where_there_is_no_file():
    sales = _sales(_sold(1, "ski", 0), _sold(2, "ski", 20))
    index = read_forecast_index(None, pd.DataFrame({"store": [1, 2]}), sales, READ)
    assert index["store"].to_list() == [1, 1, 1]


def test_a_file_that_is_not_named_is_none_and_is_there(tmp_path):
    dataset = OptionalCSVDataset(file=None, filepath=f"{tmp_path}/None")
    assert dataset.load() is None
    assert dataset.exists()


def test_a_file_that_is_named_is_read(tmp_path):
    (tmp_path / "test.csv").write_text("store\n1\n")
    dataset = OptionalCSVDataset(file="test.csv", filepath=f"{tmp_path}/test.csv")
    assert dataset.load()["store"].to_list() == [1]
    assert not OptionalCSVDataset(file="other.csv", filepath=f"{tmp_path}/other.csv").exists()
