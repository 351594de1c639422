"""What the report and the page of the service say of the monitoring."""

from __future__ import annotations

import pandas as pd
import pytest

from monitored import MARKUP, SIGNALS
from sales_forecast.reporting import Chart, Section, Table, render_section
from sales_forecast.reporting.live import render_live
from sales_forecast.reporting.monitoring import (
    ALARM,
    CALM,
    draw_accuracy,
    draw_levels,
    is_honest,
    is_right,
    monitoring_section,
    table_of_unusual,
    what_to_do,
)


@pytest.fixture
def signals() -> pd.DataFrame:
    """Signals as the database returns them, weeks as timestamps."""
    own = pd.DataFrame(SIGNALS)
    own = own[own["retailer"] == "default"].drop(columns="retailer")
    return own.assign(week=pd.to_datetime(own["week"]))


@pytest.fixture
def now(signals: pd.DataFrame) -> pd.DataFrame:
    return signals[signals["week"] == signals["week"].max()]


def test_the_sentences_say_right_honest_and_what_to_do(now: pd.DataFrame) -> None:
    assert is_right(now) == (
        f"**Not right in 1 of 2 departments:** department {MARKUP}: what level of {MARKUP} is. **1** store(s) "
        "sold far from theirs, beyond what all stores did."
    )
    assert is_honest(now) == (
        "**Honest:** 18% of what came was outside the 80 % ranges, which should miss 20 %."
    )
    assert what_to_do("4 weeks have come", wanted=True) == (
        "**To do:** let all methods compete again (sales-forecast retrain): 4 weeks have come."
    )
    assert what_to_do("all is well", wanted=False) == "**To do:** nothing; all is well."


def test_a_calm_week_is_right_and_narrow_ranges_are_told(now: pd.DataFrame) -> None:
    calm = now[now["detector"] != "store"].assign(state="calm")
    assert is_right(calm) == "**Right:** no department is far from its forecast."
    narrow = now.assign(state="alarm")
    assert is_honest(narrow) == "**Too narrow:** what coverage of 80 is."


def test_with_too_little_past_the_sentences_say_so(signals: pd.DataFrame) -> None:
    assert is_right(signals[:0]) == "There are too few weeks to know what is usual for a department."
    assert is_honest(signals[:0]) == "There are too few weeks to judge the ranges."
    section = monitoring_section("Title", signals[:0], draw_levels(signals[:0]), "to do")
    assert (section.answers, section.blocks) == ((), ())


def test_the_unusual_are_listed_with_alarms_first(now: pd.DataFrame) -> None:
    table = table_of_unusual(now, "Unusual").frame
    assert list(table["what"]) == [f"level of department {MARKUP}", "store 105"]
    assert list(table["state"]) == ["alarm", "warning"]


def test_a_section_without_anything_unusual_has_its_chart_only(signals: pd.DataFrame) -> None:
    (chart,) = monitoring_section("Title", signals.assign(state="calm"), draw_levels(signals), "to do").blocks
    assert isinstance(chart, Chart)
    stores = signals[signals["detector"] == "store"]
    (table,) = monitoring_section("Title", stores, draw_levels(stores), "to do").blocks
    assert isinstance(table, Table)


def test_the_chart_shows_a_year_and_names_as_they_are_written(signals: pd.DataFrame) -> None:
    figure = draw_levels(signals)
    assert [len(trace.x) for trace in figure.data] == [52, 52]
    assert [int(pd.notna(trace.y).sum()) for trace in figure.data] == [52, 2]  # no line crosses a gap
    assert figure.data[1].marker.color[-2:] == (CALM, ALARM)
    assert figure.layout.annotations[1].text == f"Department {MARKUP}".replace("<", "&lt;").replace(
        ">", "&gt;"
    ).replace("'", "&#x27;")


def test_no_text_of_a_chart_ends_its_element_on_the_page_of_the_service() -> None:
    rates = pd.DataFrame({"week": [pd.Timestamp("2030-01-05")]})
    rates = rates.assign(wape=0.2, naive_wape=0.4, bias=0.1, coverage_80=0.8, forecast_value_added=0.5)
    figure = draw_accuracy(rates).update_xaxes(title_text="</script><script>alert(1)")
    section = Section("Title", "docs/service.md", blocks=(Chart(figure, "A chart."),))
    page = render_live({"accuracy": section}, "As of now.", 300, "token")
    assert page.count("<script") == page.count("</script>") == 3
    assert 'data-refresh-seconds="300"' in page
    assert 'href="../../docs' not in page  # files of the project are not served
    assert 'class="file"' in render_section(section, "accuracy")
