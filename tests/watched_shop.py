"""A shop's tables after some weeks, small, and with an alarm."""

from datetime import UTC, date, datetime, timedelta
from itertools import product
from typing import Any

from sqlalchemy import Engine, Float, Table, insert

from sales_forecast.storage import schema
from sales_forecast.storage.database import writing

NOW = datetime.now(UTC)
WEEK = timedelta(weeks=1)
TEN_DAYS_AGO = NOW.date() - timedelta(days=10)
NEWEST = TEN_DAYS_AGO - timedelta(days=(TEN_DAYS_AGO.weekday() - 5) % 7)
"""The newest week that was delivered; weeks begin on Saturdays, and are delivered on the Monday after."""

WEEKS = [NEWEST - place * WEEK for place in reversed(range(12))]
DEPARTMENTS = ("73", "88", "127")
RETAILER = {"retailer": "default"}
MODEL = {"model_name": "sales_forecast.turnover", "model_version": "2"}

Rows = list[dict[str, Any]]


def fill_tables(engine: Engine) -> None:
    """Fill an up-to-date, empty database."""
    tables = {
        schema.forecast_runs: publications(),
        schema.forecasts: forecasts(),
        schema.level_forecasts: level_forecasts(),
        schema.planner_exceptions: exceptions(),
        schema.forecast_changes: changes(),
        schema.withdrawals: [{"run": 1, "at": NOW, "who": "planner", "why": "a wrong promotion plan"}],
        schema.realised_accuracy: realised(),
        schema.monitor_signals: signals(),
        schema.retraining_decisions: decisions(),
        schema.deliveries: deliveries(),
        schema.weekly_turnover: turnover(),
        schema.models: models(),
        schema.model_metrics: metrics(),
        schema.champion_changes: champion_changes(),
        schema.audit_log: audit_log(),
        schema.api_keys: keys(),
    }
    with writing(engine) as connection:
        for table, rows in tables.items():
            connection.execute(insert(table), [amounts(table) | row for row in rows])


def amounts(table: Table) -> dict[str, float]:
    """1.0 for each number that a row must have."""
    return {c.name: 1.0 for c in table.c if isinstance(c.type, Float) and not c.nullable}


def moment(week: date, days: int = 9) -> datetime:
    """Monday morning after a week."""
    return datetime(week.year, week.month, week.day, 6, tzinfo=UTC) + timedelta(days=days)


def publications() -> Rows:
    texts = dict.fromkeys(("run_id", "data_version", "digest"), "x") | MODEL | RETAILER | {"summary": {}}
    rows: Rows = [
        texts | {"id": place, "domain": "turnover", "made_at": moment(week), "cutoff": week, "delivery": "d1"}
        for place, week in enumerate(WEEKS, start=1)
    ]
    rows[-1]["made_at"] = NOW - timedelta(hours=3)
    marketing = {"id": 100, "domain": "marketing", "made_at": NOW, "cutoff": None, "delivery": None}
    return [*rows, texts | marketing]


def forecasts() -> Rows:
    keys = product((len(WEEKS) - 1, len(WEEKS)), ("3", "8"), DEPARTMENTS, range(1, 9))
    return [
        {"run": run, "store": store, "department": department, "week": WEEKS[run - 1] + ahead * WEEK}
        | {"horizon": ahead, "forecast": 100.0, "cold_start": store == "8", "method": "blend"}
        for run, store, department, ahead in keys
    ]


def level_forecasts() -> Rows:
    return [
        {"run": len(WEEKS), "level": level, "key": key, "department": key, "week": NEWEST + ahead * WEEK}
        | {"forecast": 600.0, "lo_80": 500.0, "hi_80": 700.0, "lo_95": 450.0, "hi_95": 800.0}
        for level, key in [("total", "all"), *(("department", one) for one in DEPARTMENTS)]
        for ahead in range(1, 9)
    ]


def exceptions() -> Rows:
    return [
        {"run": run, "place": place, "store": str(place), "department": "88", "kind": kind}
        | {"money_at_risk": 500.0 / place, "reason": "it sold 40 % less than was forecast"}
        for run in (len(WEEKS) - 1, len(WEEKS))
        for place, kind in enumerate(("missed", "moved"), start=1)
    ]


def changes() -> Rows:
    return [
        {"run": len(WEEKS), "store": "3", "department": one, "week": NEWEST + WEEK} for one in DEPARTMENTS
    ]


def realised() -> Rows:
    """In each week the forecasts were 10 % too high, and a tenth of 20 series was outside the intervals."""
    counted = {"count": 20, "naive_count": 20, "restated_count": 1, "run": 1, "scored_at": NOW}
    errors = {"turnover": 100.0, "forecast": 110.0, "absolute_error": 10.0, "naive_absolute_error": 20.0}
    inside = {"inside_80": 18.0, "inside_95": 19.0, "median_log_ratio": 0.1, "compared_absolute_error": 10.0}
    of_level = [("series", one) for one in DEPARTMENTS] + [("department", one) for one in DEPARTMENTS]
    keys = product(WEEKS, (1, 4, 8), [*of_level, ("total", "all")])
    return [
        RETAILER | counted | errors | inside | {"naive_turnover": 100.0, "restated_turnover": 101.0}
        | {"week": week, "horizon": horizon, "level": level, "department": department}
        for week, horizon, (level, department) in keys
    ]  # fmt: skip


def signals() -> Rows:
    """Calm, until the level of department 88 was lost in the newest week."""
    kinds = [(detector, one) for detector in ("level", "accuracy", "bias") for one in DEPARTMENTS]
    kinds += [(detector, share) for detector in ("coverage", "coverage_at_once") for share in ("80", "95")]
    rows: Rows = [
        RETAILER
        | {"week": week, "detector": detector, "key": key, "value": 0.5, "threshold": 4.0, "state": "calm"}
        | {"since": None, "evidence": "as usual", "found_at": moment(week)}
        for week in WEEKS
        for detector, key in kinds
    ]
    for row in rows:
        if row["detector"] == "bias":
            row["threshold"] = None
        if (row["week"], row["detector"], row["key"]) == (NEWEST, "level", "88"):
            row |= {"value": -6.0, "state": "alarm", "since": NEWEST, "evidence": "30 % less than forecast"}
    store = {"detector": "store", "key": "3", "value": 5.0, "threshold": 4.0, "state": "warning"}
    found = {"week": NEWEST, "since": NEWEST, "evidence": "40 % more", "found_at": NOW}
    return [*rows, RETAILER | store | found]


def decisions() -> Rows:
    """One was done, and one has waited for five days."""
    done = {"id": 1, "week": WEEKS[2], "at": moment(WEEKS[2]), "wanted": True, "trigger": "age"}
    open_one = {"id": 2, "week": NEWEST, "at": NOW - timedelta(days=5), "wanted": True, "trigger": "level"}
    return [
        RETAILER | done | {"evidence": "4 weeks", "done_at": moment(WEEKS[3]), "result": "version 2 serves"},
        RETAILER | open_one | {"evidence": "department 88", "done_at": None, "result": None},
    ]


def deliveries() -> Rows:
    held = {"id": "d2", "at": NOW - timedelta(hours=4), "state": "held", "last_week": NEWEST}
    finding = {"check": "unit jump", "severity": "hold", "text": "department 88 sold 1,000 times as much"}
    accepted = {"id": "d1", "at": NOW - timedelta(days=2), "state": "accepted", "last_week": NEWEST - WEEK}
    common = RETAILER | {"folder": "/inbox", "files": {}, "who": "checks", "why": ""}
    return [common | accepted | {"findings": []}, common | held | {"findings": [finding]}]


def turnover() -> Rows:
    keys = product(("3", "8"), DEPARTMENTS, WEEKS)
    names = ("store", "department", "week")
    return [RETAILER | dict(zip(names, key, strict=True)) | {"turnover": 95.0} for key in keys]


def models() -> Rows:
    common = {"name": MODEL["model_name"], "run_id": "x", "data_version": "d", "card": "a card"}
    return [
        common | {"version": str(place), "made_at": moment(WEEKS[place]), "decision": "promoted"}
        for place in (1, 2)
    ]


def metrics() -> Rows:
    common = {"name": MODEL["model_name"], "window": str(WEEKS[0]), "metric": "wape"}
    return [common | {"version": str(place), "value": 0.2 / place} for place in (1, 2)]


def champion_changes() -> Rows:
    common = {"name": MODEL["model_name"], "action": "promote", "who": "kedro run", "why": "it is better"}
    return [common | {"happened_at": moment(WEEKS[3]), "version": "2", "previous": "1"}]


def audit_log() -> Rows:
    common = {"arm": "stored", "key_id": "k", "endpoint": "/v1/turnover/forecasts", "input": {}} | MODEL
    return [
        common | {"request_id": str(place), "at": NOW - timedelta(days=place), "output": {}}
        for place in range(10)
    ]


def keys() -> Rows:
    days = {"created_at": NOW, "expires_at": NOW + timedelta(days=20), "revoked_at": None}
    return [{"id": "k", "name": "planning tool", "digest": "x", "scopes": ["read"]} | days]
