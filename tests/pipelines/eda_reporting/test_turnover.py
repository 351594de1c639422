"""What the report says about past turnover, on shops small enough to count by hand."""

from __future__ import annotations

import json

import pandas as pd
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from projects import REPOSITORY
from sales_forecast.pipelines.eda_reporting.params import QuestionParams, SportParams, SportRule
from sales_forecast.pipelines.eda_reporting.turnover_answers import answer_questions
from sales_forecast.pipelines.eda_reporting.turnover_charts import (
    draw_best_stores,
    draw_seasons,
    draw_weeks,
    draw_years,
)
from sales_forecast.pipelines.eda_reporting.turnover_seasons import (
    describe_season,
    guess_sports,
    index_seasons,
    peak_months,
)
from sales_forecast.pipelines.eda_reporting.turnover_section import write_section
from sales_forecast.pipelines.eda_reporting.turnover_tables import (
    find_best_weeks,
    list_repairs,
    rank_stores,
    spread_over_years,
    sum_by_department,
    sum_weeks,
)
from sales_forecast.reporting import Chart, Section, Table, render_section

QUESTIONS = QuestionParams(
    best_department_year=2016,
    best_store_year=2014,
    best_weeks_department=88,
    best_weeks_year=2015,
    best_weeks_count=2,
)
NONE_REJECTED = pd.DataFrame({"row": [], "reason": []})
NO_SHIFTS = pd.DataFrame({"department": [], "week": pd.to_datetime([]), "factor": []})

# Mean monthly index, January to December, as the departments of the real chain show it.
FINGERPRINTS = {
    "winter sports": [3.6, 2.6, 0.6, 0.03, 0, 0, 0, 0.01, 0.05, 0.6, 1.6, 2.9],
    "water sports": [1.0, 0.7, 0.6, 0.8, 1.0, 1.2, 2.0, 1.3, 0.8, 0.8, 0.9, 1.0],
    "fitness": [1.0, 0.9, 1.0, 0.9, 0.9, 1.0, 1.1, 1.0, 1.4, 1.0, 0.8, 1.0],
    "hiking": [0.7, 0.6, 0.6, 1.1, 1.3, 1.3, 1.6, 1.3, 1.0, 1.0, 0.8, 0.7],
}


@pytest.fixture(scope="module")
def sports() -> SportParams:
    path = REPOSITORY / "conf" / "base" / "parameters" / "turnover.yml"
    return SportParams(**yaml.safe_load(path.read_text("utf-8"))["turnover"]["sports"])


def weeks_from(first: str, turnover: list[float], store: int = 1, department: int | str = 88) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "store": store,
            "department": department,
            "week": pd.date_range(first, periods=len(turnover), freq="7D"),
            "turnover": turnover,
            "turnover_raw": turnover,
            "is_gap": False,
            "is_repaired": False,
        }
    )


def tell(
    panel: pd.DataFrame, sports: SportParams, questions: QuestionParams = QUESTIONS
) -> tuple[dict, Section]:
    """Do what the pipeline does, in its order."""
    weekly, by_department = sum_weeks(panel), sum_by_department(panel)
    best_stores, best_weeks = rank_stores(panel, questions), find_best_weeks(weekly, questions)
    seasons, repaired = index_seasons(weekly, by_department), list_repairs(panel)
    guesses = guess_sports(seasons, sports)
    answers = answer_questions(
        by_department, best_stores, best_weeks, guesses, NO_SHIFTS, repaired, questions
    )
    section = write_section(
        weekly,
        by_department,
        best_stores,
        best_weeks,
        seasons,
        guesses,
        NO_SHIFTS,
        repaired,
        draw_years(by_department),
        draw_best_stores(best_stores),
        draw_seasons(seasons),
        draw_weeks(weekly, NO_SHIFTS, repaired),
        questions,
        NONE_REJECTED,
    )
    return answers, section


def test_a_week_from_boxing_day_gives_six_sevenths_to_the_old_year():
    panel = weeks_from("2015-12-26", [700.0])

    years = spread_over_years(panel, ["department"]).set_index("year")["turnover"]

    assert years.to_dict() == pytest.approx({2015: 600, 2016: 100})


def test_a_week_inside_one_year_stays_whole():
    assert spread_over_years(weeks_from("2015-12-25", [700.0]), [])["turnover"].tolist() == [700]


@settings(max_examples=30, deadline=None)
@given(
    first=st.dates(pd.Timestamp("2000-01-01").date(), pd.Timestamp("2030-01-01").date()),
    turnover=st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=120),
)
def test_spreading_over_years_neither_makes_nor_loses_turnover(first, turnover):
    spread = spread_over_years(weeks_from(str(first), turnover), ["store"])

    assert spread["turnover"].sum() == pytest.approx(sum(turnover), abs=1e-3)


def test_a_gap_counts_as_nothing_sold_and_is_counted():
    panel = weeks_from("2015-03-07", [70.0, float("nan"), 70.0]).assign(is_gap=[False, True, False])

    assert spread_over_years(panel, ["store"])["turnover"].tolist() == [140]
    assert sum_weeks(panel)["gaps"].sum() == 1


def test_a_year_is_complete_only_if_the_data_has_all_its_days():
    panel = weeks_from("2014-12-27", [7.0] * 54)  # up to 2016-01-08

    years = sum_by_department(panel).set_index("year")

    assert years["days"].to_dict() == {2014: 5, 2015: 365, 2016: 8}
    assert years["is_complete"].to_dict() == {2014: False, 2015: True, 2016: False}


def test_a_store_is_ranked_by_all_its_departments_in_the_year_of_the_question():
    panel = pd.concat(
        [
            weeks_from("2014-03-01", [100.0], store=1),
            weeks_from("2014-03-01", [60.0], store=2),
            weeks_from("2014-03-01", [60.0], store=2, department=73),
            weeks_from("2015-03-07", [900.0], store=1),
        ]
    )

    assert rank_stores(panel, QUESTIONS)["store"].tolist() == [2, 1]


def test_a_best_week_belongs_to_the_year_of_its_first_day():
    panel = weeks_from("2014-12-27", [900.0, 10.0, 30.0, 20.0])  # the first one is 2014's

    best = find_best_weeks(sum_weeks(panel), QUESTIONS)

    assert best["week"].dt.strftime("%m-%d").tolist() == ["01-10", "01-17"]


def test_a_department_without_seasons_has_index_one_in_every_month():
    panel = weeks_from("2014-12-27", [7.0] * 54)

    seasons = index_seasons(sum_weeks(panel), sum_by_department(panel))

    assert seasons["year"].unique().tolist() == [2015]
    assert seasons["index"].tolist() == [1.0] * 12


@pytest.mark.parametrize("sport", FINGERPRINTS)
def test_each_sport_is_known_by_its_fingerprint(sport, sports):
    seasons = pd.DataFrame(
        {"department": "A", "year": 2015, "month": range(1, 13), "index": FINGERPRINTS[sport]}
    )

    guess = guess_sports(seasons, sports).iloc[0]

    assert guess["sport"] == sport
    assert guess["reason"]


def test_a_shape_that_no_rule_describes_is_left_without_a_guess():
    never = SportParams(rules=(SportRule(sport="curling", reason="ice", at_least={"winter_share": 0.99}),))
    seasons = pd.DataFrame({"department": 1, "year": 2015, "month": range(1, 13), "index": 1.0})

    assert guess_sports(seasons, never)["sport"].tolist() == [None]


def test_a_rule_with_an_unknown_feature_is_refused():
    with pytest.raises(ValueError, match="sommer_share"):
        SportRule(sport="surfing", reason="waves", at_least={"sommer_share": 0.5})


def test_a_summer_and_a_winter_peak_are_both_named_highest_first():
    water = pd.Series(FINGERPRINTS["water sports"], index=range(1, 13))
    water.loc[12] = 1.1

    assert peak_months(water) == [7, 12]
    assert describe_season(water)["swing"] == pytest.approx(2.0 / 0.6)


def test_answers_are_plain_and_name_the_questions_years(sports):
    panel = weeks_from("2013-12-28", [float(n) for n in range(1, 170)])
    panel.loc[9, ["turnover_raw", "is_repaired"]] = [1e6, True]

    answers, section = tell(panel, sports)

    assert json.loads(json.dumps(answers, allow_nan=False)) == answers
    assert answers["best_department_2016"] == 88
    assert answers["best_store_2014"] == 1
    assert answers["top_weeks_88_2015"] == ["2015-12-26", "2015-12-19"]
    assert answers["repaired"] == [
        {"store": 1, "department": 88, "week": "2014-03-01", "delivered": 1e6, "used": 10.0}
    ]
    assert set(answers["by_department"]) == {"2013", "2014", "2015", "2016", "2017"}
    assert any("1,000,000 delivered, 10 used" in sentence for sentence in section.answers)


def test_another_retailer_with_one_department_gets_a_report_and_open_questions(sports):
    panel = weeks_from("2021-02-01", [5.0] * 20, department="bikes")

    answers, section = tell(panel, sports)

    assert answers["best_department_2016"] is None
    assert answers["best_store_2014"] is None
    assert answers["top_weeks_88_2015"] is None
    assert answers["sports"] == {"bikes": None}
    assert sum("not in the data" in sentence for sentence in section.answers) == 3
    charts = [block.figure.data for block in section.blocks if isinstance(block, Chart)]
    tables = [block.frame for block in section.blocks if isinstance(block, Table)]
    assert charts
    assert all(charts)
    assert tables
    assert not any(table.empty for table in tables)
    assert "bikes" in render_section(section, "turnover.eda")


def test_level_shifts_are_marked_in_the_chart_of_their_department():
    panel = pd.concat([weeks_from("2015-01-03", [5.0] * 9, department=department) for department in (1, 2)])
    shifts = pd.DataFrame({"department": [2], "week": [pd.Timestamp("2015-02-07")], "factor": [1.99]})

    figure = draw_weeks(sum_weeks(panel), shifts, list_repairs(panel))

    assert [shape.xref for shape in figure.layout.shapes] == ["x2"]
    assert "×1.99" in [note.text for note in figure.layout.annotations]  # noqa: RUF001
