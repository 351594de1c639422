"""The list of what deserves a planner's eye, as a stage makes and shows it."""

from datetime import date
from types import SimpleNamespace
from typing import Any

import pandas as pd

from contexts import NO_CALENDAR, NOTHING_AHEAD
from sales_forecast.forecasting.changes import no_changes
from sales_forecast.forecasting.exceptions import ExceptionParams
from sales_forecast.forecasting.panel.model_input import ModelInput
from sales_forecast.pipelines.inference.turnover_exceptions import list_exceptions, report_exceptions
from sales_forecast.reporting import render_section

WEEKS = pd.date_range("2017-01-07", periods=10, freq="7D")
STORES = pd.DataFrame({"store": [1, 2], "school_zone": "none"})
SERVING: Any = SimpleNamespace(retailer="harbour")


class Recorded:
    """What was published a week before each of the last eight weeks: 100 for store 1, in text labels."""

    def week_ahead_forecasts(self, last: date, retailer: str, weeks: int) -> pd.DataFrame:
        assert (last, retailer, weeks) == (WEEKS[-1].date(), "harbour", 8)
        rows = {"store": "1", "department": "88", "week": WEEKS[-8:], "forecast": 100.0}
        return pd.DataFrame(rows | {"lo_80": 90.0, "hi_80": 110.0})


def listed(turnover: float) -> pd.DataFrame:
    keys = pd.MultiIndex.from_product([[1, 2], [88], WEEKS], names=["store", "department", "week"])
    data = ModelInput(
        keys.to_frame(index=False).assign(turnover=turnover), STORES, NO_CALENDAR, NOTHING_AHEAD
    )
    ahead = WEEKS[-1] + pd.Timedelta(weeks=1)
    forecasts = pd.DataFrame({"store": [1, 2], "department": 88, "week": ahead, "forecast": 100.0})
    forecasts = forecasts.assign(lo_80=[50.0, 40.0], hi_80=[150.0, 160.0], cold_start=False)
    recorded: Any = Recorded()
    return list_exceptions(forecasts, no_changes(), data, recorded, SERVING, ExceptionParams())


def test_what_was_published_meets_what_was_sold() -> None:
    found = listed(200.0)
    assert found["store"].tolist() == [1, 2], "its eight weeks outside their intervals make store 1 urgent"
    assert found["kind"].tolist() == ["intervals_missed", "large"]
    assert listed(101.0)["kind"].tolist() == ["large", "biased"]


def test_the_report_counts_what_is_unusual() -> None:
    html = render_section(report_exceptions(listed(200.0), ExceptionParams()), "exceptions")
    assert "Of 2 series, <strong>1</strong> are unusual, with 100 at risk." in html
    assert "8 of the last 8 weeks were outside their 80 % intervals" in html
    calm = listed(200.0).assign(kind="large")
    assert "None of them is unusual" in render_section(
        report_exceptions(calm, ExceptionParams()), "exceptions"
    )
