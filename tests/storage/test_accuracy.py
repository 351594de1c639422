"""Weeks are scored once, as first delivered, by the last forecast before each; on both databases."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sqlalchemy import Engine, delete
from sqlalchemy.exc import IntegrityError

from publications import forecasts, publication, rows
from sales_forecast.forecasting.monitoring.levels import SMALL_SHARE
from sales_forecast.storage import schema
from sales_forecast.storage.accuracy import accuracy
from sales_forecast.storage.database import writing
from sales_forecast.storage.publications import publish
from sales_forecast.storage.scores import SUMS, rates
from sales_forecast.storage.withdrawals import restore, withdraw

pytestmark = pytest.mark.xdist_group("database")

MONDAY = datetime(2017, 10, 9, 6, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SEEN = pd.Timestamp("2017-10-07")
"""The last week that the first forecasts have seen."""

Amounts = dict[int, list[float]]
"""Store -> amounts, week by week."""


def sold(turnover: Amounts, first: int = 0, department: int = 88) -> pd.DataFrame:
    """What stores sold in the weeks from ``first`` on, counted from ``SEEN``; NaN is a gap."""
    return pd.DataFrame(
        {
            "store": store,
            "department": department,
            "week": SEEN + pd.Timedelta(weeks=first + place),
            "turnover": amount,
        }
        for store, amounts in turnover.items()
        for place, amount in enumerate(amounts)
    )


def ahead(amounts: Amounts, cutoff: int = 0, department: int = 88) -> pd.DataFrame:
    """Forecasts of the weeks after a cutoff; within 10 lie 80 % of weeks, within 25 lie 95 %."""
    rows = sold(amounts, cutoff + 1, department).rename(columns={"turnover": "forecast"})
    horizon = (rows["week"] - SEEN).dt.days // 7 - cutoff
    template = forecasts(1.0, series=2).iloc[0].drop(labels=list(rows))
    return _with_intervals(rows.assign(**template.to_dict() | {"horizon": horizon}), 10.0)


def _with_intervals(rows: pd.DataFrame, half_width: float) -> pd.DataFrame:
    middle = rows["forecast"]
    ends = {80: half_width, 95: 2.5 * half_width}
    return rows.assign(
        **{f"lo_{coverage}": middle - width for coverage, width in ends.items()},
        **{f"hi_{coverage}": middle + width for coverage, width in ends.items()},
    )


def levels(made: pd.DataFrame) -> pd.DataFrame:
    """Sums of forecasts over departments, all and a region; each within 4 of its forecast in 80 % of weeks."""
    by_department = made.groupby(["department", "week"], as_index=False)["forecast"].sum()
    total = made.groupby("week", as_index=False)["forecast"].sum().assign(department="all")
    sums = [
        by_department.assign(level="department", key="all"),
        total.assign(level="total", key="all"),
        total.assign(level="region", key="11"),
    ]
    return _with_intervals(pd.concat(sums, ignore_index=True), 4.0)


def publish_weeks(
    engine: Engine,
    turnover: pd.DataFrame,
    made: pd.DataFrame,
    at: datetime,
    cutoff: int = 0,
    **changes: Any,
) -> bool:
    tables = {"forecasts": made, "level_forecasts": levels(made)}
    week = (SEEN + pd.Timedelta(weeks=cutoff)).date()
    given = publication(tables=tables, weekly_turnover=turnover, cutoff=week, **changes)
    return publish(engine, given, at)


def scores(engine: Engine, level: str = "series") -> pd.DataFrame:
    """What is scored of a level, with weeks counted from ``SEEN``."""
    found = pd.DataFrame(rows(engine, "realised_accuracy"), columns=[*schema.realised_accuracy.c.keys()])
    found["week"] = (pd.to_datetime(found["week"]) - SEEN).dt.days // 7
    return found[found["level"] == level].reset_index(drop=True)


def values(found: pd.DataFrame, *columns: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in found[list(columns)].itertuples(index=False)]


def two_weeks_forecast(engine: Engine, **changes: Any) -> None:
    """Stores 1 and 2 sold 100 and 50 in the last week seen; the next ones are forecast."""
    made = ahead({1: [110.0, 120.0], 2: [40.0, 60.0]})
    publish_weeks(engine, sold({1: [100.0], 2: [50.0]}), made, MONDAY, **changes)


def a_week_came(engine: Engine, at: datetime = MONDAY + 7 * DAY, **changes: Any) -> None:
    """The week after: store 1 sells 104 where 110 was forecast, store 2 sells 52 where 40 was."""
    turnover = sold({1: [100.0, 104.0], 2: [50.0, 52.0]})
    made = ahead({1: [118.0, 119.0], 2: [55.0, 56.0]}, cutoff=1)
    publish_weeks(engine, turnover, made, at, cutoff=1, **changes)


# --- what is scored ------------------------------------------------------------------------------------


def test_nothing_is_scored_by_a_first_publication_on_a_long_history(engine: Engine) -> None:
    publish_weeks(engine, sold({1: [1.0] * 200}, first=-199), ahead({1: [1.0]}), MONDAY)
    assert scores(engine).empty


def test_a_week_is_scored_against_what_was_forecast_before_it_came(engine: Engine) -> None:
    two_weeks_forecast(engine)
    a_week_came(engine)
    (score,) = scores(engine).to_dict("records")
    assert (score["week"], score["horizon"], score["department"], score["run"]) == (1, 1, "88", 1)
    assert score["scored_at"] == MONDAY + 7 * DAY
    assert (score["count"], score["turnover"], score["forecast"]) == (2, 156.0, 150.0)
    assert score["absolute_error"] == 6.0 + 12.0
    assert (score["inside_80"], score["inside_95"]) == (1.0, 2.0), "store 2 is off by 12, store 1 by 6"
    usual = (100 + 50) / 2  # the week before
    small = SMALL_SHARE * usual + 1e-9
    ratios = np.log([(104 + small) / (110 + small), (52 + small) / (40 + small)])
    assert score["median_log_ratio"] == pytest.approx(ratios.mean())


def test_each_horizon_is_scored_by_the_run_that_was_so_many_weeks_before(engine: Engine) -> None:
    two_weeks_forecast(engine)
    a_week_came(engine)
    turnover = sold({1: [100.0, 104.0, 119.0], 2: [50.0, 52.0, 57.0]})
    publish_weeks(engine, turnover, ahead({1: [1.0], 2: [1.0]}, 2), MONDAY + 14 * DAY, cutoff=2)
    found = values(scores(engine), "week", "horizon", "run", "absolute_error")
    assert found == [(1, 1, 1, 18.0), (2, 1, 2, 1.0 + 2.0), (2, 2, 1, 1.0 + 3.0)]


def test_of_several_runs_with_the_same_cutoff_the_last_before_the_week_counts(engine: Engine) -> None:
    two_weeks_forecast(engine)
    now = sold({1: [100.0], 2: [50.0]})
    publish_weeks(engine, now, ahead({1: [101.0], 2: [51.0]}), MONDAY + HOUR)
    publish_weeks(engine, now, ahead({1: [103.0], 2: [50.0]}), MONDAY + 2 * HOUR)
    a_week_came(engine)
    assert values(scores(engine), "week", "run", "absolute_error") == [(1, 3, 1.0 + 2.0)]


def test_forecasts_made_after_a_week_came_do_not_count(engine: Engine) -> None:
    """A backfill from older data must not look like foresight."""
    two_weeks_forecast(engine)
    a_week_came(engine, MONDAY - DAY)
    assert scores(engine).empty


def test_a_run_without_forecasts_of_the_week_leaves_it_to_the_one_before(engine: Engine) -> None:
    two_weeks_forecast(engine)
    later = ahead({1: [7.0], 2: [7.0]}, cutoff=1)
    publish_weeks(engine, sold({1: [100.0], 2: [50.0]}), later, MONDAY + HOUR)
    a_week_came(engine)
    assert values(scores(engine), "run") == [(1,)]


def test_several_weeks_that_come_at_once_are_all_scored(engine: Engine) -> None:
    two_weeks_forecast(engine)
    turnover = sold({1: [100.0, 104.0, 119.0, 1.0], 2: [50.0, 52.0, 57.0, 1.0]})
    publish_weeks(engine, turnover, ahead({1: [1.0]}, 3), MONDAY + 21 * DAY, cutoff=3)
    found = values(scores(engine), "week", "horizon", "absolute_error")
    assert found == [(1, 1, 18.0), (2, 2, 4.0)], "nobody has forecast the third week"


def test_withdrawn_forecasts_are_not_scored(engine: Engine) -> None:
    two_weeks_forecast(engine)
    publish_weeks(engine, sold({1: [100.0]}), ahead({1: [999.0], 2: [999.0]}), MONDAY + HOUR)
    publish_weeks(engine, sold({1: [100.0]}), ahead({1: [888.0], 2: [888.0]}), MONDAY + 2 * HOUR)
    with writing(engine) as connection:
        withdraw(connection, 3, MONDAY + DAY, "me", "wrong")
        withdraw(connection, 2, MONDAY + DAY, "me", "wrong")
        restore(connection, 2, MONDAY + DAY, "me", "right after all")
    a_week_came(engine)
    assert values(scores(engine), "run", "absolute_error") == [(2, 895.0 + 947.0)]


def test_forecasts_without_a_cutoff_are_not_scored(engine: Engine) -> None:
    made = ahead({1: [110.0]})
    old = publication(tables={"forecasts": made}, weekly_turnover=sold({1: [100.0]}))
    publish(engine, old, MONDAY)
    a_week_came(engine)
    assert scores(engine).empty


def test_series_without_turnover_are_not_judged(engine: Engine) -> None:
    two_weeks_forecast(engine)
    publish_weeks(engine, sold({1: [100.0, 104.0]}), ahead({1: [1.0]}, 1), MONDAY + 7 * DAY, cutoff=1)
    assert values(scores(engine), "count", "turnover", "forecast") == [(1, 104.0, 110.0)]


def test_departments_are_scored_apart(engine: Engine) -> None:
    def both(amounts: Amounts, others: Amounts, cutoff: int = 0) -> pd.DataFrame:
        return pd.concat([ahead(amounts, cutoff), ahead(others, cutoff, department=117)])

    now = pd.concat([sold({1: [100.0]}), sold({1: [10.0]}, department=117)])
    publish_weeks(engine, now, both({1: [110.0]}, {1: [10.0]}), MONDAY)
    later = pd.concat([sold({1: [100.0, 104.0]}), sold({1: [10.0, 7.0]}, department=117)])
    publish_weeks(engine, later, both({1: [1.0]}, {1: [1.0]}, 1), MONDAY + 7 * DAY, cutoff=1)
    columns = ("department", "absolute_error")
    assert values(scores(engine), *columns) == [("117", 3.0), ("88", 6.0)]
    assert values(scores(engine, "department"), *columns) == [("117", 3.0), ("88", 6.0)]
    assert values(scores(engine, "total"), *columns) == [("all", 9.0)]


def test_retailers_are_scored_on_their_own_weeks(engine: Engine) -> None:
    two_weeks_forecast(engine)
    a_week_came(engine, MONDAY + 6 * DAY, retailer="harbour")
    assert scores(engine).empty, "the forecasts are those of another retailer"
    a_week_came(engine)
    assert values(scores(engine), "retailer", "run") == [("default", 1)]


# --- sums ----------------------------------------------------------------------------------------------


def test_sums_are_judged_by_their_own_intervals(engine: Engine) -> None:
    two_weeks_forecast(engine)
    a_week_came(engine)
    for level, department in (("department", "88"), ("total", "all")):
        found = scores(engine, level)
        assert values(found, "department", "count", "turnover", "forecast") == [(department, 1, 156.0, 150.0)]
        assert values(found, "absolute_error", "inside_80", "inside_95") == [(6.0, 0.0, 1.0)]
        assert found["median_log_ratio"].isna().all()
    assert scores(engine, "region").empty, "the database does not know where stores are"


def test_a_sum_is_compared_over_the_series_that_came_and_its_interval_not_judged(engine: Engine) -> None:
    two_weeks_forecast(engine)
    publish_weeks(engine, sold({1: [100.0, 104.0]}), ahead({1: [1.0]}, 1), MONDAY + 7 * DAY, cutoff=1)
    found = scores(engine, "total")
    assert values(found, "turnover", "forecast", "absolute_error") == [(104.0, 110.0, 6.0)]
    assert values(found, "count", "inside_80", "inside_95") == [(0, 0.0, 0.0)]


def test_a_sum_that_lacks_less_than_a_hundredth_is_judged(engine: Engine) -> None:
    publish_weeks(engine, sold({1: [100.0]}), ahead({1: [110.0], 2: [1.0]}), MONDAY)
    publish_weeks(engine, sold({1: [100.0, 108.0]}), ahead({1: [1.0]}, 1), MONDAY + 7 * DAY, cutoff=1)
    assert values(scores(engine, "total"), "count", "inside_80") == [(1, 1.0)]


# --- seasonal naive ------------------------------------------------------------------------------------


def test_the_naive_forecast_is_the_same_week_a_year_before(engine: Engine) -> None:
    year = sold({1: [90.0]}, first=1 - 52)
    publish_weeks(engine, pd.concat([sold({1: [100.0]}), year]), ahead({1: [110.0], 2: [40.0]}), MONDAY)
    a_week_came(engine)
    found = scores(engine)
    assert values(found, "naive_count", "naive_turnover") == [(1, 104.0)], "store 2 is younger"
    assert values(found, "naive_absolute_error", "compared_absolute_error") == [(14.0, 6.0)]
    assert rates(found)["forecast_value_added"].tolist() == [1 - 6 / 14]
    total = scores(engine, "total")
    assert values(total, "naive_count", "naive_absolute_error", "compared_absolute_error") == [(1, 14.0, 6.0)]


def test_the_naive_forecast_does_not_know_what_became_known_after_the_run(engine: Engine) -> None:
    year = sold({1: [90.0]}, first=1 - 52)
    publish_weeks(engine, pd.concat([sold({1: [100.0]}), year]), ahead({1: [110.0], 2: [40.0]}), MONDAY)
    late = sold({1: [104.0], 2: [52.0]}, first=1 - 52)
    came = pd.concat([sold({1: [100.0, 104.0], 2: [50.0, 52.0]}), late])
    publish_weeks(engine, came, ahead({1: [1.0]}, 1), MONDAY + 7 * DAY, cutoff=1)
    assert values(scores(engine), "naive_count", "naive_absolute_error") == [(1, 14.0)]


# --- restated ------------------------------------------------------------------------------------------


def test_a_restated_week_keeps_its_score_and_says_what_it_would_be_now(engine: Engine) -> None:
    two_weeks_forecast(engine)
    a_week_came(engine)
    before = scores(engine)
    assert values(before, "restated_count", "restated_turnover", "restated_absolute_error") == [
        (0, 156.0, 18.0)
    ]
    other = {"made_by": publication().made_by | {"data_version": "d2"}, "cutoff": 1}
    turnover = sold({1: [100.0, 109.0], 2: [50.0, 52.0], 3: [70.0, 70.0]})
    publish_weeks(engine, turnover, ahead({1: [1.0]}, 1), MONDAY + 8 * DAY, **other)
    after = scores(engine)
    assert values(after, "restated_count", "restated_turnover", "restated_absolute_error") == [
        (1, 161.0, 1.0 + 12.0)
    ]
    total = scores(engine, "total")
    assert values(total, "restated_count", "restated_turnover", "restated_absolute_error") == [
        (1, 161.0, 11.0)
    ]
    same = [name for name in before if not name.startswith("restated")]
    pd.testing.assert_frame_equal(after[same], before[same])


def test_series_that_are_delivered_later_are_not_a_part_of_the_restated_error(engine: Engine) -> None:
    two_weeks_forecast(engine)
    publish_weeks(engine, sold({1: [100.0, 104.0]}), ahead({1: [1.0]}, 1), MONDAY + 7 * DAY, cutoff=1)
    turnover = sold({1: [100.0, 109.0], 2: [50.0, 52.0]})
    publish_weeks(engine, turnover, ahead({1: [1.0]}, 1), MONDAY + 8 * DAY, cutoff=1)
    found = values(scores(engine), "count", "restated_turnover", "restated_absolute_error")
    assert found == [(1, 109.0, 1.0)]


def test_a_restated_week_whose_forecasts_are_not_kept_any_more_stays(engine: Engine) -> None:
    two_weeks_forecast(engine)
    a_week_came(engine)
    with writing(engine) as connection:
        connection.execute(delete(schema.forecasts).where(schema.forecasts.c.run == 1))
    before = rows(engine, "realised_accuracy")
    turnover = sold({1: [100.0, 109.0]})
    publish_weeks(engine, turnover, ahead({1: [1.0]}, 1), MONDAY + 8 * DAY, cutoff=1)
    assert rows(engine, "realised_accuracy") == before


def test_weeks_are_scored_once_even_if_their_digests_are_lost(engine: Engine) -> None:
    two_weeks_forecast(engine)
    a_week_came(engine)
    before = rows(engine, "realised_accuracy")
    with writing(engine) as connection:
        connection.execute(delete(schema.turnover_digests))
    a_week_came(engine, MONDAY + 8 * DAY, made_by=publication().made_by | {"data_version": "d2"})
    assert rows(engine, "realised_accuracy") == before


# --- all or nothing ------------------------------------------------------------------------------------


def test_a_publication_that_fails_scores_nothing(engine: Engine) -> None:
    two_weeks_forecast(engine)
    made = ahead({1: [118.0]}, cutoff=1)
    twice = pd.concat([made, made])
    with pytest.raises(IntegrityError):
        publish_weeks(engine, sold({1: [100.0, 104.0]}), twice, MONDAY + 7 * DAY, cutoff=1)
    assert scores(engine).empty


def test_weeks_are_scored_even_where_the_forecasts_stay(engine: Engine) -> None:
    made = ahead({1: [110.0, 120.0]})
    publish_weeks(engine, sold({1: [100.0]}), made, MONDAY)
    assert not publish_weeks(engine, sold({1: [100.0, 104.0]}), made, MONDAY + 7 * DAY)
    assert values(scores(engine), "week", "absolute_error") == [(1, 6.0)]


# --- the query -----------------------------------------------------------------------------------------


def asked(engine: Engine, *given: Any, **wanted: Any) -> list[dict[str, Any]]:
    with engine.connect() as connection:
        return accuracy(connection, *given, **wanted).to_dict("records")


def test_sums_are_read_by_week_and_horizon(engine: Engine) -> None:
    made = pd.concat([ahead({1: [110.0, 100.0]}), ahead({1: [10.0, 10.0]}, department=117)])
    publish_weeks(engine, sold({1: [100.0]}), made, MONDAY)
    came = pd.concat([sold({1: [100.0, 104.0, 104.0]}), sold({1: [7.0, 7.0]}, 1, department=117)])
    publish_weeks(engine, came, ahead({1: [1.0]}, 2), MONDAY + 14 * DAY, cutoff=2)

    both = asked(engine, "default", "series")

    first, second = date(2017, 10, 14), date(2017, 10, 21)
    assert [(row["week"], row["horizon"]) for row in both] == [(first, 1), (second, 2)]
    assert [(row["count"], row["absolute_error"]) for row in both] == [(2, 9.0), (2, 7.0)]
    assert list(both[0]) == ["week", "horizon", *SUMS]
    (one,) = asked(engine, "default", "series", department="117", horizon=1)
    assert (one["week"], one["count"], one["absolute_error"]) == (first, 1, 3.0)
    assert [row["week"] for row in asked(engine, "default", "series", since=second)] == [second]
    (whole,) = asked(engine, "default", "total", horizon=1)
    assert (whole["count"], whole["turnover"], whole["absolute_error"]) == (1, 111.0, 9.0)
    assert asked(engine, "another", "series") == []


def test_rates_divide_sums_and_are_unknown_where_there_is_nothing_to_divide_by() -> None:
    sums = dict.fromkeys(SUMS, 0) | {"turnover": 200.0, "forecast": 190.0, "absolute_error": 30.0}
    sums |= {"count": 4, "inside_80": 3.0, "inside_95": 4.0, "naive_turnover": 100.0}
    sums |= {"naive_absolute_error": 20.0, "compared_absolute_error": 25.0}
    sums |= {"restated_turnover": 300.0, "restated_absolute_error": 60.0}
    found = rates(pd.DataFrame([sums, dict.fromkeys(SUMS, 0)]))
    assert found.loc[0].to_dict() == {
        "wape": 0.15,
        "bias": -0.05,
        "coverage_80": 0.75,
        "coverage_95": 1.0,
        "naive_wape": 0.2,
        "forecast_value_added": -0.25,
        "restated_wape": 0.2,
    }
    assert found.loc[1].isna().all()
