"""The service tells signals and decisions of the monitoring, on SQLite and on a real PostgreSQL."""

from collections.abc import Iterator
from typing import Any

import pytest

from monitored import MARKUP, monitored
from services import Shop, new_key, opened

pytestmark = pytest.mark.xdist_group("service")

DATABASES = ["sqlite", "postgresql"]

SIGNALS, RETRAINING = "/v1/turnover/signals", "/v1/turnover/retraining"


@pytest.fixture
def watched(shop: Shop) -> Iterator[Shop]:
    """The shop, with signals and decisions that are newer than its own."""
    with monitored(shop.engine):
        yield shop


def read(shop: Shop, **query: Any) -> list[dict[str, Any]]:
    answer = shop.get(SIGNALS, **query)
    assert answer.status_code == 200, answer.text
    rows: list[dict[str, Any]] = answer.json()["signals"]
    return rows


def test_the_newest_week_is_told_unless_another_one_is_asked_for(watched: Shop) -> None:
    assert [(row["week"], row["detector"], row["key"]) for row in read(watched)] == [
        ("2030-01-05", "bias", "117"),
        ("2030-01-05", "coverage", "80"),
        ("2030-01-05", "level", "117"),
        ("2030-01-05", "level", MARKUP),
        ("2030-01-05", "store", "105"),
    ]
    assert {row["week"] for row in read(watched, since="2029-12-29")} == {"2029-12-29", "2030-01-05"}
    assert read(watched, since="2031-01-01") == []


def test_a_signal_has_all_that_is_recorded(watched: Shop) -> None:
    bias, *_, level, _ = read(watched)
    assert (bias["threshold"], bias["since"], bias["state"]) == (None, None, "calm")
    assert level == {
        "week": "2030-01-05",
        "detector": "level",
        "key": MARKUP,
        "value": -5.3,
        "threshold": 4.0,
        "state": "alarm",
        "since": "2030-01-05",
        "evidence": f"what level of {MARKUP} is",
        "found_at": "2030-01-14T06:00:00Z",
    }


def test_what_is_calm_can_be_left_out(watched: Shop) -> None:
    assert [row["state"] for row in read(watched, unusual="true")] == ["alarm", "warning"]


def test_signals_are_paged(watched: Shop) -> None:
    pages = [watched.get(SIGNALS, limit=3, offset=offset).json() for offset in (0, 3)]
    assert [(page["total"], page["next_offset"]) for page in pages] == [(5, 3), (5, None)]
    assert [row for page in pages for row in page["signals"]] == read(watched)


def test_the_newest_decision_comes_first_with_what_came_of_it(watched: Shop) -> None:
    answer = watched.get(RETRAINING, since="2029-12-29").json()
    assert (answer["total"], answer["next_offset"]) == (2, None)
    newest, before = answer["decisions"]
    assert newest == {
        "week": "2030-01-05",
        "at": "2030-01-14T06:00:00Z",
        "wanted": True,
        "trigger": "level",
        "evidence": "department 117 sold less",
        "done_at": None,
        "result": None,
    }
    assert (before["done_at"], before["result"]) == ("2030-01-14T06:00:00Z", "version 3 serves: it is better")
    assert watched.get(RETRAINING, limit=1).json()["decisions"] == [newest]


@pytest.mark.parametrize(
    ("path", "query", "field", "says"),
    [
        (SIGNALS, {"since": "yesterday"}, "query.since", "must be a date such as"),
        (SIGNALS, {"unusual": "perhaps"}, "query.unusual", "must be true or false"),
        (SIGNALS, {"limit": 0}, "query.limit", "greater than or equal to 1"),
        (RETRAINING, {"until": "2030-01-05"}, "query.until", "there is no field of this name"),
    ],
)
def test_a_wrong_question_says_what_is_wrong(
    shop: Shop, path: str, query: dict[str, Any], field: str, says: str
) -> None:
    answer = shop.get(path, **query)
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert (error["field"], says in error["problem"]) == (field, True), error


@pytest.mark.parametrize("path", [SIGNALS, RETRAINING])
def test_reading_needs_the_scope_read_and_is_in_the_audit_log(watched: Shop, path: str) -> None:
    other = {"Authorization": f"Bearer {new_key(watched.engine, ['predict'])}"}
    assert watched.client.get(path, headers=other).status_code == 403
    answer = watched.get(path, limit=1, since="2030-01-05")
    (record,) = watched.audited(answer.headers["X-Request-ID"])
    assert (record["arm"], record["endpoint"]) == ("stored", path)
    assert (record["model_name"], record["model_version"]) == ("sales_forecast.turnover", "1")
    unusual = {"unusual": False} if path == SIGNALS else {}
    assert record["input"] == {"limit": 1, "offset": 0, "since": "2030-01-05"} | unusual
    assert record["output"]["rows"] == 1


def test_before_the_first_publication_nothing_is_found(shop: Shop, tmp_path: Any) -> None:
    with opened(shop.project, f"sqlite:///{tmp_path}/empty.db") as empty:
        for path in (SIGNALS, RETRAINING):
            answer = empty.get(path)
            assert (answer.status_code, "make some: kedro run" in answer.json()["detail"]) == (404, True)
