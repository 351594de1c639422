"""Signals and decisions in the database."""

from datetime import UTC, date, datetime

import pandas as pd
from sqlalchemy import Engine

from sales_forecast.storage.database import writing
from sales_forecast.storage.monitoring import (
    finish_decisions,
    last_decision,
    read_decisions,
    read_signals,
    record_decision,
    record_signals,
)

FIRST, SECOND = pd.Timestamp("2020-01-04"), pd.Timestamp("2020-01-11")
NOW, LATER = datetime(2020, 1, 20, tzinfo=UTC), datetime(2020, 1, 27, tzinfo=UTC)


def signal(week: pd.Timestamp, value: float, state: str = "calm", key: str = "20") -> dict[str, object]:
    since = week if state != "calm" else pd.NaT
    return {
        "week": week,
        "detector": "level",
        "key": key,
        "value": value,
        "threshold": float("nan") if state == "calm" else 4.0,
        "state": state,
        "since": since,
        "evidence": "told",
    }


def decision(week: date, *, wanted: bool) -> dict[str, object]:
    trigger = "level" if wanted else None
    return {"retailer": "default", "week": week, "wanted": wanted, "trigger": trigger, "evidence": "why"}


def test_what_was_said_about_a_week_is_not_said_again(engine: Engine) -> None:
    with writing(engine) as connection:
        assert record_signals(connection, pd.DataFrame([signal(FIRST, 1.0)]), "default", NOW) == 1
        later = pd.DataFrame([signal(FIRST, 9.0), signal(SECOND, -5.0, "alarm")])
        assert record_signals(connection, later, "default", LATER) == 1
        assert record_signals(connection, later, "other", LATER) == 2
    with engine.connect() as connection:
        everything = read_signals(connection, "default", FIRST.date())
        newest = read_signals(connection, "default")
        unusual = read_signals(connection, "default", FIRST.date(), unusual=True)
    assert everything["value"].tolist() == [1.0, -5.0]
    assert everything["found_at"].tolist() == [NOW, LATER]
    assert pd.isna(everything["threshold"].iloc[0])
    assert pd.isna(everything["since"].iloc[0])
    assert newest["since"].tolist() == [SECOND.date()]
    pd.testing.assert_frame_equal(newest, unusual, check_dtype=False)


def test_a_decision_is_kept_once_and_finished_by_the_next_competition(engine: Engine) -> None:
    first, second = FIRST.date(), SECOND.date()
    with writing(engine) as connection:
        for _ in range(2):
            record_decision(connection, decision(first, wanted=True), NOW)
        finish_decisions(connection, "default", date(2019, 12, 28), "an older one", NOW)
        open_one = last_decision(connection, "default")
        assert open_one is not None
        assert open_one["done_at"] is None
        finish_decisions(connection, "default", first, "version 2 serves", LATER)
        record_decision(connection, decision(first, wanted=False), LATER)
        record_decision(connection, decision(second, wanted=True), LATER)
        assert last_decision(connection, "other") is None
    with engine.connect() as connection:
        found = read_decisions(connection, "default")
    assert found["wanted"].tolist() == [True, False, True]
    assert found["result"].tolist() == ["version 2 serves", None, None]
    assert found["done_at"].iloc[0] == LATER
    assert found["trigger"].tolist() == ["level", None, "level"]
