"""Stored rows are filtered and sorted as requested, by the database and with its indexes."""

from datetime import UTC, date, datetime
from typing import Any

import pandas as pd
import pytest
from sqlalchemy import Engine, event

from publications import WEEK, forecasts, publication, sums
from sales_forecast.storage import schema
from sales_forecast.storage.publications import publish
from sales_forecast.storage.queries import newest_run
from sales_forecast.storage.rows import RowFilter, UnknownHorizonError, filtered_rows
from services import Shop

pytestmark = pytest.mark.xdist_group("service")

DATABASES = ["sqlite", "postgresql"]

FORECASTS = "/v1/turnover/forecasts"
TOTALS = "/v1/turnover/forecasts/levels/total"


def rows(shop: Shop, path: str = FORECASTS, **query: Any) -> list[dict[str, Any]]:
    answer = shop.get(path, limit=10_000, **query)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["forecasts"])


@pytest.fixture(scope="module")
def made(shop: Shop) -> pd.DataFrame:
    """What the run has made, with labels and weeks as responses have them."""
    found = shop.output("turnover/forecasts")
    weeks = pd.to_datetime(found["week"]).dt.strftime("%Y-%m-%d")
    return found.astype({"store": str, "department": str}).assign(week=weeks)


def test_several_stores_and_departments_are_read_at_once(shop: Shop, made: pd.DataFrame) -> None:
    stores, departments = sorted(made["store"].unique())[:3], sorted(made["department"].unique())[:2]
    found = pd.DataFrame(rows(shop, store=stores, department=departments))
    wanted = made[made["store"].isin(stores) & made["department"].isin(departments)]
    assert len(found) == len(wanted) > 16
    assert set(found["store"]) == set(wanted["store"])
    assert rows(shop, store=stores[::-1] * 2, department=departments) == found.to_dict("records")


def test_weeks_and_horizons_are_filtered(shop: Shop, made: pd.DataFrame) -> None:
    weeks = sorted(made["week"].unique())
    found = rows(shop, store="105", week_from=weeks[1], week_to=weeks[3])
    assert {row["week"] for row in found} == set(weeks[1:4])
    found = rows(shop, store="105", horizon=[1, 8])
    assert {row["horizon"] for row in found} == {1, 8}
    assert {row["week"] for row in found} == {weeks[0], weeks[7]}
    assert [row["week"] for row in rows(shop, TOTALS, horizon=2)] == [weeks[1]]
    assert [row["week"] for row in rows(shop, TOTALS, week_from=weeks[6])] == weeks[6:]


@pytest.mark.parametrize(
    ("sort", "keys"),
    [
        (["-forecast"], lambda row: -row["forecast"]),
        (["week"], lambda row: (row["week"], row["store"], row["department"])),
        (["-horizon", "forecast"], lambda row: (-row["horizon"], row["forecast"])),
    ],
)
def test_rows_are_sorted_and_pages_of_them_follow_each_other(shop: Shop, sort: list[str], keys: Any) -> None:
    # labels without letters sort alike in every collation
    found = rows(shop, sort=sort, department="117")
    assert found == sorted(found, key=keys)
    pages = [
        shop.get(FORECASTS, sort=sort, department="117", limit=7, offset=at).json()["forecasts"]
        for at in range(0, len(found), 7)
    ]
    assert [row for page in pages for row in page] == found


@pytest.mark.parametrize(
    ("query", "status", "field", "says"),
    [
        ({"sort": "method"}, 422, "query.sort.0", "'-forecast'"),
        ({"sort": "week; drop table forecasts"}, 422, "query.sort.0", "'week'"),
        ({"week_from": "yesterday"}, 422, "query.week_from", "must be a date"),
        ({"horizon": "0"}, 422, "query.horizon.0", "greater than or equal to 1"),
        ({"store": [str(number) for number in range(201)]}, 422, "query.store", "at most 200"),
        ({"week_from": "2099-01-03"}, 404, "query.week_from", "week_from 2099-01-03"),
        ({"store": ["7", "8"]}, 404, "query.store", "for store '7', '8'"),
        ({"store": ["105", "\x00"]}, 404, "query.store", "no forecast is stored"),
        ({"horizon": "99"}, 404, "query.horizon", "horizon 99"),
    ],
)
def test_a_filter_that_is_wrong_or_finds_nothing_is_named(
    shop: Shop, query: dict[str, Any], status: int, field: str, says: str
) -> None:
    answer = shop.get(FORECASTS, **query)
    (error,) = answer.json()["errors"]
    assert (answer.status_code, error["field"]) == (status, field)
    assert says in error["problem"]


def test_weeks_in_the_wrong_order_are_none(shop: Shop) -> None:
    answer = shop.get(FORECASTS, week_from="2017-10-14", week_to="2017-10-07")
    assert answer.status_code == 404
    assert "week_from 2017-10-14, week_to 2017-10-07" in answer.json()["detail"]


# --- the query --------------------------------------------------------------------------------------

MONDAY = datetime(2017, 10, 2, 8, tzinfo=UTC)


def test_filters_use_the_indexes(engine: Engine) -> None:
    """Only an order that is not that of an index needs a sort."""
    many = pd.concat([forecasts(series=300).assign(department=number) for number in range(20)])
    publish(engine, publication(tables={"forecasts": many, "level_forecasts": sums()}), MONDAY)
    with engine.connect() as connection:
        run = newest_run(connection, "turnover")
        assert run is not None
        connection.exec_driver_sql("analyze")
        for chosen in (
            RowFilter(where=(("store", ("1", "2", "300")), ("department", ("7",)))),
            RowFilter(where=(("department", ("3", "4")),), week_from=date(2017, 10, 7), horizons=(1, 2)),
        ):
            plan = _plan(engine, run, chosen)
            assert "USING INDEX" in plan or "Index Scan" in plan or "Bitmap" in plan, plan
            assert "SCAN forecasts" not in plan
            assert "Seq Scan" not in plan, plan


def _plan(engine: Engine, run: Any, chosen: RowFilter) -> str:
    """How the database reads the rows: the statement is run again as ``explain``."""
    statements: list[tuple[str, Any]] = []

    def note(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
        statements.append((statement, parameters))

    event.listen(engine, "before_cursor_execute", note)
    with engine.connect() as connection:
        filtered_rows(connection, schema.forecasts, run, chosen, 1000, 0)
        event.remove(engine, "before_cursor_execute", note)
        statement, parameters = next(one for one in statements if one[0].lower().startswith("select"))
        explain = "explain query plan" if engine.dialect.name == "sqlite" else "explain"
        return "\n".join(
            str(row[-1]) for row in connection.exec_driver_sql(f"{explain} {statement}", parameters)
        )


def test_the_horizon_of_sums_is_counted_from_the_cutoff(engine: Engine) -> None:
    weeks = [WEEK + pd.Timedelta(weeks=ahead) for ahead in range(3)]
    many = pd.concat([sums(100.0 + ahead).assign(week=week) for ahead, week in enumerate(weeks)])
    tables = {"forecasts": forecasts(), "level_forecasts": many}
    publish(engine, publication(tables=tables, cutoff=date(2017, 9, 30)), MONDAY)
    with engine.connect() as connection:
        run = newest_run(connection, "turnover")
        assert run is not None
        chosen = RowFilter(horizons=(1, 3))
        found, total = filtered_rows(connection, schema.level_forecasts, run, chosen, 10, 0)
        assert ([row["forecast"] for row in found], total) == ([100.0, 102.0], 2)


def test_sums_of_a_publication_without_cutoff_have_no_horizon(engine: Engine) -> None:
    publish(engine, publication(), MONDAY)
    with engine.connect() as connection:
        run = newest_run(connection, "turnover")
        assert run is not None
        with pytest.raises(UnknownHorizonError):
            filtered_rows(connection, schema.level_forecasts, run, RowFilter(horizons=(1,)), 10, 0)
