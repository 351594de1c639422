"""Overrides and answers to exceptions on record, and what they were worth; on both databases."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pandas as pd
import pytest
from sqlalchemy import Engine, insert

from publications import forecasts, publication, rows
from sales_forecast.planning.overrides import Correction, Override, Scope
from sales_forecast.storage import overrides, schema
from sales_forecast.storage.database import writing
from sales_forecast.storage.exception_answers import ExceptionAnswer, add_answer, answered_exceptions
from sales_forecast.storage.override_value import overridden_weeks
from sales_forecast.storage.plan import planned_forecasts, read_published
from sales_forecast.storage.publications import publish
from sales_forecast.storage.queries import Run, newest_run
from sales_forecast.storage.withdrawals import withdraw as withdraw_publication

pytestmark = pytest.mark.xdist_group("database")

SEEN = pd.Timestamp("2017-10-07")
"""The last week that the first publication has seen."""

MONDAY = datetime(2017, 10, 16, 6, tzinfo=UTC)
"""When it is published: two days into the first week that it forecasts."""

DAY, WEEK = timedelta(days=1), timedelta(weeks=1)


def week(number: int) -> date:
    return (SEEN + number * WEEK).date()


def ahead(amounts: dict[int, float], cutoff: int = 0, weeks: int = 4) -> pd.DataFrame:
    """Forecasts of the weeks after a cutoff, of department 88 of stores, all weeks alike."""
    template = forecasts(1.0, series=2).iloc[0].to_dict()
    return pd.DataFrame(
        template
        | {"store": store, "week": SEEN + (cutoff + horizon) * WEEK, "horizon": horizon, "forecast": amount}
        for store, amount in amounts.items()
        for horizon in range(1, weeks + 1)
    )


def sold(amounts: dict[int, list[float]], first: int = 0) -> pd.DataFrame:
    return pd.DataFrame(
        {"store": store, "department": 88, "week": SEEN + (first + place) * WEEK, "turnover": amount}
        for store, found in amounts.items()
        for place, amount in enumerate(found)
    )


STORES = pd.DataFrame({"store": [1, 2], "region": ["north", "south"]})


def publish_week(
    engine: Engine, made: pd.DataFrame, turnover: pd.DataFrame, at: datetime = MONDAY, cutoff: int = 0
) -> Run:
    total = made.groupby("week", as_index=False)["forecast"].sum()
    ends = dict.fromkeys(("lo_80", "hi_80", "lo_95", "hi_95"), 0.0)
    level = total.assign(level="total", key="all", department="all", **ends)
    exceptions = pd.DataFrame(
        {"store": [1, 2], "department": 88, "kind": "large", "money_at_risk": [9.0, 8.0], "reason": "much"}
    )
    given = publication(
        tables={"forecasts": made, "level_forecasts": level},
        weekly_turnover=turnover,
        cutoff=week(cutoff),
        stores=STORES,
        exceptions=exceptions,
    )
    publish(engine, given, at)
    with engine.connect() as connection:
        run = newest_run(connection, "turnover")
    assert run is not None
    return run


@pytest.fixture
def run(engine: Engine) -> Run:
    """Store 1 is forecast to sell 100 a week, store 2 to sell 50; a year before it was 90 and 45."""
    past = sold({1: [90.0] * 8, 2: [45.0] * 8}, first=-52)
    now = sold({1: [95.0], 2: [47.0]})
    return publish_week(engine, ahead({1: 100.0, 2: 50.0}), pd.concat([past, now]))


def make(engine: Engine, at: datetime = MONDAY, stores: str = "12", **changes: Any) -> Override:
    labels = {name: changes.pop(name) for name in ("store", "department", "region") if name in changes}
    given = {"week_from": week(1), "week_to": week(4), "kind": "percent", "value": 20.0, "reason": "event"}
    asked = Correction(scope=Scope(**labels), **given | changes)
    with writing(engine) as connection:
        return overrides.add(
            *(connection, asked, frozenset(stores)),
            retailer="default",
            publication=1,
            who=("k", "Ann"),
            now=at,
        )


def withdraw(engine: Engine, number: int, at: datetime = MONDAY, **changes: Any) -> Override:
    with writing(engine) as connection:
        return overrides.withdraw(
            connection, **{"retailer": "default"} | changes, number=number, by="Bo", why="!", now=at
        )


def plan(engine: Engine, run: Run, moment: datetime | None = None) -> pd.DataFrame:
    with engine.connect() as connection:
        return planned_forecasts(connection, read_published(connection, run), moment)


def value(engine: Engine, since: date | None = None) -> pd.DataFrame:
    with engine.connect() as connection:
        return overridden_weeks(connection, "default", since)


# --- the record ----------------------------------------------------------------------------------------


def test_an_override_is_read_as_it_was_made(engine: Engine, run: Run) -> None:
    made = make(engine, store="1", note="=1+1, 'Zoë'", kind="number", value=0.1 + 0.2, expires=week(3))
    with engine.connect() as connection:
        assert overrides.find(connection, "default", made.id) == made
        assert overrides.overrides_of(connection, "default") == [made]
    assert made.correction.value == 0.1 + 0.2
    assert (made.made_at, made.name, made.stores) == (MONDAY, "Ann", {"1", "2"})


def test_nothing_of_another_retailer_is_found(engine: Engine, run: Run) -> None:
    made = make(engine)
    with engine.connect() as connection:
        assert overrides.overrides_of(connection, "harbour") == []
        with pytest.raises(overrides.UnknownOverrideError, match="no override 1"):
            overrides.find(connection, "harbour", made.id)
    with pytest.raises(overrides.UnknownOverrideError):
        withdraw(engine, made.id, retailer="harbour")


def test_withdrawing_fills_three_columns_once_and_changes_no_other(engine: Engine, run: Run) -> None:
    made = make(engine)
    (before,) = rows(engine, "overrides")
    found = withdraw(engine, made.id, MONDAY + DAY)
    assert (found.withdrawn_at, found.withdrawn_by, found.withdrawn_why) == (MONDAY + DAY, "Bo", "!")
    (after,) = rows(engine, "overrides")
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"withdrawn_at", "withdrawn_by", "withdrawn_why"}
    with pytest.raises(overrides.WithdrawnError, match="at 2017-10-17 06:00 UTC by Bo: !"):
        withdraw(engine, made.id, MONDAY + 2 * DAY)
    assert rows(engine, "overrides") == [after]


@pytest.mark.parametrize("number", [0, -1, 99, 2**40])
def test_an_override_that_is_not_there_is_not_found(engine: Engine, number: int) -> None:
    with pytest.raises(overrides.UnknownOverrideError):
        withdraw(engine, number)


# --- the plan ------------------------------------------------------------------------------------------


def test_the_plan_has_the_models_forecast_beside_it(engine: Engine, run: Run) -> None:
    made = make(engine, region="north", week_to=week(2))
    found = plan(engine, run)
    assert found["forecast"].tolist() == [100.0] * 4 + [50.0] * 4
    assert found["planned"].tolist() == [120.0, 120.0, 100.0, 100.0] + [50.0] * 4
    assert found["reason"].tolist() == ["event"] * 2 + [None] * 6
    assert set(found["override"].dropna()) == {made.id}


def test_an_override_goes_on_to_apply_to_the_next_publication_until_it_expires(
    engine: Engine, run: Run
) -> None:
    make(engine, store="1")
    make(engine, store="2", expires=week(2))
    make(engine, store="1", region="north", kind="number", value=7.0, week_from=week(1), week_to=week(1))
    later = publish_week(engine, ahead({1: 200.0, 2: 80.0}, cutoff=1), sold({1: [1.0]}, 1), MONDAY + WEEK, 1)
    assert plan(engine, run)["planned"].tolist() == [7.0, 120.0, 120.0, 120.0] + [60.0] * 4
    assert plan(engine, later)["planned"].tolist() == [240.0] * 3 + [200.0] + [80.0] * 4


def test_the_plan_of_an_earlier_moment_is_that_of_then(engine: Engine, run: Run) -> None:
    made = make(engine, MONDAY + DAY, store="1")
    withdraw(engine, made.id, MONDAY + 3 * DAY)
    amounts = [plan(engine, run, MONDAY + days * DAY)["planned"].iloc[0] for days in (0, 2, 4)]
    assert amounts == [100.0, 120.0, 100.0]
    assert plan(engine, run)["planned"].iloc[0] == 100.0


def test_the_database_finds_the_overrides_that_count(engine: Engine, run: Run) -> None:
    for at, changes in (
        (MONDAY, {}),
        (MONDAY, {"expires": week(2)}),
        (MONDAY, {"week_to": week(1)}),
        (MONDAY + DAY, {"week_from": week(4), "expires": week(9)}),
    ):
        for withdrawn in (None, MONDAY + DAY, MONDAY + 2 * DAY):
            made = make(engine, at, **changes)
            if withdrawn is not None:
                withdraw(engine, made.id, withdrawn)
    with engine.connect() as connection:
        everything = overrides.overrides_of(connection, "default")
        for first in (week(1), week(2), week(4), week(5)):
            for moment in (None, *(MONDAY + days * DAY for days in (0, 1, 1.5, 2, 3))):
                wanted = [one for one in everything if one.is_active(first, moment)]
                assert overrides.active_overrides(connection, "default", first, moment) == wanted


def test_the_same_forecasts_are_the_same_publication_after_overrides(engine: Engine, run: Run) -> None:
    make(engine)
    again = publish_week(engine, ahead({1: 100.0, 2: 50.0}), sold({1: [95.0]}), MONDAY + DAY)
    assert again == run


# --- what it was worth ---------------------------------------------------------------------------------


def a_week_comes(engine: Engine, number: int, amounts: dict[int, float], at: datetime | None = None) -> None:
    turnover = sold({store: [amount] for store, amount in amounts.items()}, number)
    made = ahead({1: 100.0 + number, 2: 50.0 + number}, cutoff=number)
    publish_week(engine, made, turnover, at or MONDAY + number * WEEK, number)


def test_a_week_that_came_is_judged_by_the_last_forecast_before_it(engine: Engine, run: Run) -> None:
    made = make(engine, store="1", value=10.0)
    assert value(engine).empty
    a_week_comes(engine, 1, {1: 130.0, 2: 60.0})
    a_week_comes(engine, 2, {1: 140.0, 2: 60.0})
    (found,) = value(engine).to_dict("records")  # the first week had begun when the override was made
    assert (found["store"], found["week"], found["override"], found["reason"]) == (
        "1",
        week(2),
        made.id,
        "event",
    )
    amounts = {name: found[name] for name in ("turnover", "naive", "forecast", "planned")}
    assert amounts == {"turnover": 140.0, "naive": 90.0, "forecast": 101.0, "planned": pytest.approx(111.1)}


def test_a_value_that_is_restated_later_does_not_count(engine: Engine, run: Run) -> None:
    make(engine, store="1")
    a_week_comes(engine, 1, {1: 130.0})
    a_week_comes(engine, 2, {1: 140.0})
    publish_week(engine, ahead({1: 9.0}, cutoff=3), sold({1: [999.0, 1.0]}, 2), MONDAY + 3 * WEEK, 3)
    assert value(engine).set_index("week").loc[week(2), "turnover"] == 140.0


def test_an_override_made_once_the_week_has_begun_is_not_judged(engine: Engine, run: Run) -> None:
    a_week_comes(engine, 1, {1: 130.0})
    make(engine, MONDAY + WEEK, store="1")  # on Monday; week 2 began on Saturday
    a_week_comes(engine, 2, {1: 140.0})
    assert value(engine).empty
    a_week_comes(engine, 3, {1: 150.0})
    assert value(engine)["week"].tolist() == [week(3)]


def test_what_was_withdrawn_before_the_week_is_not_judged_and_later_is(engine: Engine, run: Run) -> None:
    before, after = make(engine, store="1"), make(engine, store="2")
    withdraw(engine, before.id, MONDAY + DAY)
    withdraw(engine, after.id, MONDAY + WEEK)
    a_week_comes(engine, 1, {1: 130.0, 2: 60.0})
    a_week_comes(engine, 2, {1: 130.0, 2: 60.0})
    assert value(engine)["store"].tolist() == ["2"]


def test_the_past_that_is_replayed_counts_what_was_made_before_it_came(engine: Engine, run: Run) -> None:
    """Years later, the calendar says nothing about what a planner could know."""
    today = datetime(2026, 11, 30, tzinfo=UTC)
    publish_week(engine, ahead({1: 200.0}), sold({1: [95.0]}), today)
    make(engine, today + timedelta(minutes=1), store="1", value=10.0)
    a_week_comes(engine, 1, {1: 230.0}, today + timedelta(minutes=2))
    make(engine, today + timedelta(minutes=3), store="1", value=99.0)  # too late for week 1
    found = value(engine)
    assert found[["planned", "turnover"]].values.tolist() == [[pytest.approx(220.0), 230.0]]


def test_a_withdrawn_publication_is_not_judged(engine: Engine, run: Run) -> None:
    make(engine, store="1")
    a_week_comes(engine, 1, {1: 130.0})
    with writing(engine) as connection:
        newest = newest_run(connection, "turnover")
        assert newest is not None
        withdraw_publication(connection, newest.id, MONDAY + WEEK, "me", "wrong")
    a_week_comes(engine, 2, {1: 140.0})
    assert value(engine)["forecast"].tolist() == [100.0]


def test_since_leaves_out_earlier_weeks(engine: Engine, run: Run) -> None:
    make(engine, store="1")
    for number in (1, 2, 3):
        a_week_comes(engine, number, {1: 130.0})
    assert value(engine)["week"].tolist() == [week(2), week(3)]
    assert value(engine, week(3))["week"].tolist() == [week(3)]


def test_the_chain_of_a_number_over_all_adds_up_in_the_value_as_well(engine: Engine, run: Run) -> None:
    make(engine, kind="number", value=300.0)
    a_week_comes(engine, 1, {1: 130.0, 2: 60.0})
    a_week_comes(engine, 2, {1: 130.0, 2: 60.0})
    assert value(engine)["planned"].sum() == pytest.approx(300.0)


# --- answers to exceptions -----------------------------------------------------------------------------


def answer(engine: Engine, run: Run, store: str, action: Any, **details: Any) -> None:
    with writing(engine) as connection:
        add_answer(connection, run, ExceptionAnswer(store, "88", action, **details), ("k", "Ann"), MONDAY)


def test_the_newest_answer_to_an_exception_holds(engine: Engine, run: Run) -> None:
    with engine.connect() as connection:
        assert answered_exceptions(connection, run)["answer"].tolist() == [None, None]
    answer(engine, run, "2", "assign", assigned_to="Bo", note="please look")
    answer(engine, run, "2", "correct", override=7)
    with engine.connect() as connection:
        first, second = answered_exceptions(connection, run).to_dict("records")
    assert first["answer"] is None
    assert (first["store"], second["store"], second["reason"]) == ("1", "2", "much")
    told = {name: second[name] for name in ("answer", "override", "assigned_to", "note", "answered_by")}
    assert told == {"answer": "correct", "override": 7, "assigned_to": None, "note": "", "answered_by": "Ann"}
    assert len(rows(engine, "exception_answers")) == 2


def test_the_exceptions_of_the_next_publication_are_open_again(engine: Engine, run: Run) -> None:
    answer(engine, run, "1", "accept")
    later = publish_week(engine, ahead({1: 9.0}, cutoff=1), sold({1: [1.0]}, 1), MONDAY + WEEK, 1)
    with engine.connect() as connection:
        assert answered_exceptions(connection, later)["answer"].tolist() == [None, None]


def test_answers_need_no_exceptions_to_be_read(engine: Engine, run: Run) -> None:
    with writing(engine) as connection:
        connection.execute(schema.planner_exceptions.delete())
        connection.execute(insert(schema.exception_answers), _stray(run))
    with engine.connect() as connection:
        assert answered_exceptions(connection, run).empty


def _stray(run: Run) -> dict[str, Any]:
    made = {
        "retailer": "default",
        "publication": run.id,
        "store": "1",
        "department": "88",
        "action": "accept",
    }
    return made | {"note": "", "key_id": "k", "name": "Ann", "made_at": MONDAY}
