"""The section that tells how right forecasts were, from made-up sums."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime

import pandas as pd
import pytest

from sales_forecast.pipelines.inference.turnover_accuracy import report_accuracy
from sales_forecast.registry.serving import ServingModel
from sales_forecast.reporting import Section, Table, render_section
from sales_forecast.storage.queries import Run
from sales_forecast.storage.scores import SUMS

SERVING = ServingModel("sales_forecast.turnover", None, "2", "run 2", "data 2")
MADE = datetime(2017, 10, 9, tzinfo=UTC)


def published(cutoff: date | None = date(2017, 10, 7)) -> Run:
    return Run(
        *(1, "default", "turnover", MADE, "sales_forecast.turnover", "2", "r", "d", "d"),
        *(cutoff, None, None, None, {}, "x"),
    )


@dataclass
class FakeRecorded:
    """Stands in for the database."""

    scored: pd.DataFrame

    def accuracy(self, retailer: str) -> pd.DataFrame:
        assert retailer == "default"
        return self.scored


def scored(weeks: int, horizons: int = 2, naive: bool = True) -> pd.DataFrame:
    """Four series a week that sell 1,000 and are off by 100 for each week ahead; three lie inside 80 %."""
    rows = [
        dict.fromkeys(SUMS, 0)
        | {"week": week, "horizon": horizon, "count": 4, "turnover": 1000.0, "forecast": 1050.0}
        | {"absolute_error": 100.0 * horizon, "inside_80": 3.0, "inside_95": 4.0}
        | {"restated_turnover": 1000.0, "restated_absolute_error": 90.0 * horizon}
        | (
            {"naive_turnover": 500.0, "naive_absolute_error": 200.0, "compared_absolute_error": 80.0}
            if naive
            else {}
        )
        for week in pd.date_range("2017-10-14", periods=weeks, freq="7D")
        for horizon in range(1, horizons + 1)
    ]
    return pd.DataFrame(rows, columns=["week", "horizon", *SUMS])


def section(rows: pd.DataFrame, publication: Run | None = None) -> Section:
    return report_accuracy(FakeRecorded(rows), publication or published(), SERVING)


def tables(found: Section) -> list[pd.DataFrame]:
    return [block.frame for block in found.blocks if isinstance(block, Table)]


def test_before_a_week_has_come_it_says_from_when_on_there_will_be_something():
    found = section(scored(0))
    assert (found.blocks, found.answers) == ((), ())
    assert found.lead.startswith("From the week after 2017-10-07 on, each week that is delivered is compared")
    assert "From the week that comes next on" in section(scored(0), published(None)).lead


def test_the_headline_compares_one_week_ahead_with_last_year_and_the_range():
    (headline,) = section(scored(3)).answers
    assert headline == (
        "Forecast one week ahead, a single store and department's week was wrong by **10.0%** of turnover on "
        "average; repeating last year would have been wrong by 40.0%. **75.0%** lay inside their 80 % ranges."
    )


def test_without_a_last_year_the_headline_compares_with_nothing():
    (headline,) = section(scored(3, naive=False)).answers
    assert "last year" not in headline
    assert "wrong by **10.0%** of turnover on average. **75.0%** lay" in headline


def test_weeks_that_were_never_forecast_one_week_ahead_are_told_as_what_they_are():
    rows = scored(2)
    (headline,) = section(rows[rows["horizon"] == 2]).answers
    assert headline.startswith("Forecast 2 weeks ahead, ")
    assert "**20.0%**" in headline


def test_a_table_adds_the_weeks_up_by_horizon():
    by_horizon, _ = tables(section(scored(3)))
    assert by_horizon.to_dict("list") == {
        "weeks ahead": [1, 2],
        "weeks": [3, 3],
        "forecasts": [12, 12],
        "wrong by": pytest.approx([0.1, 0.2]),
        "too high by": pytest.approx([0.05, 0.05]),
        "inside the 80 % range": [0.75, 0.75],
        "inside the 95 % range": [1.0, 1.0],
        "better than last year by": pytest.approx([0.6, 0.6]),
    }


def test_a_table_shows_each_week_beside_what_it_is_after_corrections():
    _, by_week = tables(section(scored(2)))
    assert by_week["week"].tolist() == [pd.Timestamp("2017-10-14"), pd.Timestamp("2017-10-21")]
    assert by_week["wrong by"].tolist() == [0.1, 0.1]
    assert by_week["wrong by, as corrected since"].tolist() == [0.09, 0.09]


def test_only_the_last_quarter_is_told():
    found = section(scored(20))
    by_horizon, by_week = tables(found)
    assert (by_horizon["weeks"].tolist(), len(by_week)) == ([13, 13], 13)
    assert by_week["week"].max() == pd.Timestamp("2017-10-14") + pd.Timedelta(weeks=19)
    assert (
        "The last 13 weeks that came, 2017-12-02 to 2018-02-24 (first days), as they were first" in found.lead
    )


def test_a_single_week_is_told_as_one():
    assert section(scored(1)).lead.startswith("The week of 2017-10-14, as it was first delivered")


def test_the_section_can_be_drawn_on_the_page():
    html = render_section(section(scored(2, naive=False)), "turnover.accuracy")
    assert "how right we were" in html
    assert '<td class="number">1,050</td>' in html
    assert "nan" not in html.lower()
