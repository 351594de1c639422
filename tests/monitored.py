"""Hand-made signals, decisions and scores of a week after all that the sample knows."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import Engine, delete, insert

from sales_forecast.retailers import DEFAULT_RETAILER
from sales_forecast.storage import schema
from sales_forecast.storage.database import writing
from sales_forecast.storage.scores import SUMS

WEEK = date(2030, 1, 5)
FOUND = datetime(2030, 1, 14, 6, tzinfo=UTC)
MARKUP = "<img src=x onerror=document.title='broken'>"
"""Name of a department that a page must show as it is written."""


def signal(detector: str, key: str, state: str = "calm", back: int = 0, **columns: Any) -> dict[str, Any]:
    """A signal, some weeks back."""
    week = WEEK - timedelta(weeks=back)
    row = {"retailer": DEFAULT_RETAILER, "week": week, "detector": detector, "key": key, "state": state}
    row |= {"value": 0.5, "threshold": 4.0, "since": None if state == "calm" else week}
    return row | {"evidence": f"what {detector} of {key} is", "found_at": FOUND} | columns


SIGNALS = [
    *(signal("level", "117", back=back) for back in range(60)),
    signal("level", MARKUP, back=1),
    signal("level", MARKUP, "alarm", value=-5.3),
    signal("store", "105", "warning"),
    signal("coverage", "80", value=0.18, threshold=0.3),
    signal("bias", "117", threshold=None),
    signal("level", "117") | {"retailer": "another", "week": WEEK + timedelta(weeks=1)},
]


def decision(number: int, back: int = 0, **columns: Any) -> dict[str, Any]:
    week = WEEK - timedelta(weeks=back)
    row = {"id": 1000 + number, "retailer": DEFAULT_RETAILER, "week": week, "at": FOUND, "wanted": False}
    return (
        row | {"trigger": None, "evidence": "nothing asks for it", "done_at": None, "result": None} | columns
    )


DECISIONS = [
    decision(
        *(1, 1),
        wanted=True,
        trigger="age",
        evidence="4 weeks have come",
        done_at=FOUND,
        result="version 3 serves: it is better",
    ),
    decision(2, wanted=True, trigger="level", evidence="department 117 sold less"),
]


def score(back: int) -> dict[str, Any]:
    row = {
        "retailer": DEFAULT_RETAILER,
        "week": WEEK - timedelta(weeks=back),
        "horizon": 1,
        "level": "series",
    }
    row |= {"department": "117", "run": 1, "scored_at": FOUND, "median_log_ratio": None}
    row |= dict.fromkeys(SUMS, 0) | {"count": 10, "turnover": 100.0, "forecast": 110.0}
    row |= {"absolute_error": 20.0, "inside_80": 7.0, "inside_95": 9.0, "naive_count": 10}
    return row | {"naive_turnover": 100.0, "naive_absolute_error": 40.0, "compared_absolute_error": 20.0}


ROWS = {
    schema.monitor_signals: SIGNALS,
    schema.retraining_decisions: DECISIONS,
    schema.realised_accuracy: [score(back) for back in range(10)],
}


@contextmanager
def monitored(engine: Engine) -> Iterator[None]:
    """Add all of it to a database, and take it away again."""
    with writing(engine) as connection:
        for table, rows in ROWS.items():
            connection.execute(insert(table), rows)
    yield
    first = WEEK - timedelta(weeks=60)
    with writing(engine) as connection:
        for table in ROWS:
            connection.execute(delete(table).where(table.c.week > first))
