"""The service tells how right forecasts were, on SQLite and on a real PostgreSQL."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import pytest
from sqlalchemy import delete, insert

from sales_forecast.retailers import DEFAULT_RETAILER
from sales_forecast.storage import schema
from sales_forecast.storage.database import writing
from sales_forecast.storage.scores import SUMS
from services import Shop, new_key

pytestmark = pytest.mark.xdist_group("service")

DATABASES = ["sqlite", "postgresql"]

PATH = "/v1/turnover/accuracy"
FIRST, SECOND = "2017-10-07", "2017-10-14"


def scored(week: str, horizon: int, department: str, level: str = "series", **sums: float) -> dict[str, Any]:
    row = {
        "retailer": DEFAULT_RETAILER,
        "level": level,
        "run": 1,
        "scored_at": datetime(2017, 10, 16, tzinfo=UTC),
    }
    row |= {"week": date.fromisoformat(week), "horizon": horizon, "department": department}
    return row | {"median_log_ratio": None} | dict.fromkeys(SUMS, 0) | sums


ROWS = [
    scored(
        *(FIRST, 1, "117"),
        **{"count": 4, "turnover": 200.0, "forecast": 190.0, "absolute_error": 30.0},
        **{"inside_80": 3.0, "inside_95": 4.0},
        **{"naive_turnover": 200.0, "naive_absolute_error": 40.0, "compared_absolute_error": 30.0},
        **{"restated_turnover": 300.0, "restated_absolute_error": 60.0},
    ),
    scored(FIRST, 1, "88", count=1, turnover=100.0, forecast=110.0, absolute_error=30.0),
    scored(SECOND, 1, "117", turnover=0.0, forecast=10.0, absolute_error=10.0),
    scored(SECOND, 2, "117", count=2, turnover=80.0, forecast=100.0, absolute_error=20.0),
    scored(FIRST, 1, "all", "total", count=1, turnover=300.0, forecast=300.0, inside_80=1.0),
    scored(FIRST, 1, "117", count=9, turnover=9.0) | {"retailer": "another"},
]


@pytest.fixture
def judged(shop: Shop) -> Iterator[Shop]:
    """The shop, with weeks that have been scored."""
    with writing(shop.engine) as connection:
        connection.execute(insert(schema.realised_accuracy), ROWS)
    yield shop
    with writing(shop.engine) as connection:
        connection.execute(delete(schema.realised_accuracy))


def read(shop: Shop, **query: Any) -> list[dict[str, Any]]:
    answer = shop.get(PATH, **query)
    assert answer.status_code == 200, answer.text
    rows: list[dict[str, Any]] = answer.json()["accuracy"]
    return rows


def test_a_week_is_told_with_its_error_bias_coverage_and_value_added(judged: Shop) -> None:
    (week, _, _) = read(judged, department="117")
    assert week == {
        "week": FIRST,
        "horizon": 1,
        "department": "117",
        "count": 4,
        "wape": 0.15,
        "bias": -0.05,
        "coverage_80": 0.75,
        "coverage_95": 1.0,
        "forecast_value_added": 0.25,
        "restated_wape": 0.2,
    }


def test_what_cannot_be_divided_is_null(judged: Shop) -> None:
    (_, week, _) = read(judged, department="117")
    assert (week["week"], week["count"]) == (SECOND, 0)
    ratios = ("wape", "bias", "coverage_80", "coverage_95", "forecast_value_added", "restated_wape")
    assert [week[name] for name in ratios] == [None] * len(ratios)


def test_departments_are_told_together_unless_one_is_named(judged: Shop) -> None:
    first, *_ = read(judged)
    assert (first["department"], first["count"], first["wape"]) == ("all", 5, 60 / 300)
    (total,) = read(judged, level="total")
    assert (total["department"], total["count"], total["wape"], total["coverage_80"]) == ("all", 1, 0.0, 1.0)


def test_weeks_and_horizons_can_be_chosen(judged: Shop) -> None:
    def keys(**query: Any) -> list[tuple[str, int]]:
        return [(row["week"], row["horizon"]) for row in read(judged, **query)]

    assert keys() == [(FIRST, 1), (SECOND, 1), (SECOND, 2)]
    assert keys(horizon=1) == [(FIRST, 1), (SECOND, 1)]
    assert keys(since=SECOND) == [(SECOND, 1), (SECOND, 2)]
    assert keys(since="2030-01-01") == []


def test_the_rows_are_paged(judged: Shop) -> None:
    pages = [judged.get(PATH, limit=2, offset=offset).json() for offset in (0, 2)]
    assert [(page["total"], page["next_offset"]) for page in pages] == [(3, 2), (3, None)]
    assert [row for page in pages for row in page["accuracy"]] == read(judged)


def test_before_anything_is_scored_the_list_is_empty(shop: Shop) -> None:
    answer = shop.get(PATH).json()
    assert (answer["accuracy"], answer["total"], answer["next_offset"]) == ([], 0, None)


@pytest.mark.parametrize(
    ("query", "status", "field", "says"),
    [
        ({"department": "7"}, 404, "query.department", "no accuracy is stored for department '7'"),
        ({"department": "7\x00"}, 404, "query.department", "no accuracy is stored"),
        ({"department": ""}, 422, "query.department", "at least 1 character"),
        ({"level": "region"}, 422, "query.level", "'series', 'department' or 'total'"),
        ({"horizon": 0}, 422, "query.horizon", "greater than or equal to 1"),
        ({"since": "yesterday"}, 422, "query.since", "must be a date such as"),
        ({"until": FIRST}, 422, "query.until", "there is no field of this name"),
    ],
)
def test_a_wrong_question_says_what_is_wrong(
    judged: Shop, query: dict[str, Any], status: int, field: str, says: str
) -> None:
    answer = judged.get(PATH, **query)
    assert answer.status_code == status
    (error,) = answer.json()["errors"]
    assert (error["field"], says in error["problem"]) == (field, True), error


def test_reading_needs_the_scope_read_and_is_in_the_audit_log(judged: Shop) -> None:
    other = {"Authorization": f"Bearer {new_key(judged.engine, ['predict'])}"}
    assert judged.client.get(PATH, headers=other).status_code == 403
    answer = judged.get(PATH, department="117", since=FIRST)
    (record,) = judged.audited(answer.headers["X-Request-ID"])
    assert (record["arm"], record["endpoint"]) == ("stored", PATH)
    assert (record["model_name"], record["model_version"]) == ("sales_forecast.turnover", "1")
    wanted = {"level": "series", "department": "117", "horizon": None, "since": FIRST}
    assert record["input"] == wanted | {"limit": 1000, "offset": 0}
    assert record["output"] == {"rows": 3, "total": 3}
