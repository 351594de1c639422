"""What is published is there to the last digit, whole or not at all, on SQLite and on a real PostgreSQL."""

import signal
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sqlalchemy import Connection, Engine, event, insert, text
from sqlalchemy.exc import IntegrityError

from processes import killed_before, publish_there, together
from publications import AWKWARD, WEEK, everything, forecasts, publication, rows, sold, sums
from sales_forecast.errors import InputError
from sales_forecast.forecasting.attribution import PARTS
from sales_forecast.forecasting.intervals.conformal import QUANTILES
from sales_forecast.planning.staffing import StaffingRule
from sales_forecast.retailers import DEFAULT_RETAILER
from sales_forecast.storage import schema
from sales_forecast.storage.chunks import delete_rows, free_space
from sales_forecast.storage.database import open_database, writing
from sales_forecast.storage.ledger import as_stored, verify
from sales_forecast.storage.ledger import publication as ledger_publication
from sales_forecast.storage.publications import Publication, publish
from sales_forecast.storage.queries import DRAFT, Run, newest_run, published_retailers
from sales_forecast.storage.rows import RowFilter, filtered_rows
from sales_forecast.storage.staffing import staffing_rules
from sales_forecast.storage.turnover import turnover_as_of, turnover_since, write_turnover

pytestmark = pytest.mark.xdist_group("database")

FIRST_STORE = RowFilter((("store", ("1",)),))

MONDAY = datetime(2017, 10, 2, 6, tzinfo=UTC)
TUESDAY, WEDNESDAY = MONDAY + timedelta(days=1), MONDAY + timedelta(days=2)


def run_of(engine: Engine, as_of: datetime | None = None, domain: str = "turnover") -> Run | None:
    with engine.connect() as connection:
        return newest_run(connection, domain, as_of)


def first_forecast(engine: Engine, as_of: datetime | None = None) -> float:
    """What the first store is to sell, as was known then."""
    run = run_of(engine, as_of)
    assert run is not None
    with engine.connect() as connection:
        found, _ = filtered_rows(connection, schema.forecasts, run, FIRST_STORE, limit=1, offset=0)
    return float(found[0].forecast)


# --- what is stored ----------------------------------------------------------------------------------


def test_what_is_stored_equals_the_tables_to_the_last_digit(engine: Engine) -> None:
    assert publish(engine, publication(), MONDAY)
    found, wanted = pd.DataFrame(rows(engine, "forecasts")), forecasts()
    assert found["forecast"].tolist() == [100.0, *AWKWARD[:-1]]
    for column in ("horizon", "forecast", "lo_80", "hi_95", "cold_start", "method", *PARTS, *QUANTILES):
        assert found[column].tolist() == wanted[column].tolist(), column
    assert set(found["week"]) == {WEEK.date()}
    (level,) = rows(engine, "level_forecasts")
    assert (level["level"], level["forecast"], level["lo_80"]) == ("department", 100.0, 0.1 + 0.2)


def test_a_run_says_who_made_it_and_when(engine: Engine) -> None:
    publish(engine, publication(summary={"budget": 0.1 + 0.2, "why": ["é", None]}), MONDAY)
    run = run_of(engine)
    assert run is not None
    made_by = (run.model_name, run.model_version, run.run_id, run.data_version)
    assert made_by == ("blend", "1", "r1", "d1")
    assert run.made_at == MONDAY
    assert run.summary == {"budget": 0.1 + 0.2, "why": ["é", None]}


@pytest.mark.parametrize("label", [7, "7", "north-7", "Liège"])
def test_labels_are_text_whatever_the_retailer_calls_them(engine: Engine, label: Any) -> None:
    tables = {
        "forecasts": forecasts(series=2).assign(department=label),
        "level_forecasts": sums().assign(key=label),
    }
    publish(engine, publication(tables=tables, weekly_turnover=sold(1.0, store=label)), MONDAY)
    assert {row["department"] for row in rows(engine, "forecasts")} == {str(label)}
    assert {row["key"] for row in rows(engine, "level_forecasts")} == {str(label)}
    assert {row["store"] for row in rows(engine, "weekly_turnover")} == {str(label)}


def test_more_rows_than_are_sent_at_a_time_all_arrive(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sales_forecast.storage.drafts.ROWS_AT_A_TIME", 4)
    publish(engine, publication(tables={"forecasts": forecasts(series=10)}), MONDAY)
    assert len(rows(engine, "forecasts")) == 10


# --- retailers ---------------------------------------------------------------------------------------


def published_by(engine: Engine, retailer: str, at: datetime, *turnover: float, first: float = 100.0) -> bool:
    by = publication().made_by | {"model_name": f"blend.{retailer}"}
    return publish(
        engine, publication(first, made_by=by, retailer=retailer, weekly_turnover=sold(*turnover)), at
    )


def test_retailers_whose_stores_have_the_same_labels_keep_their_own_turnover(engine: Engine) -> None:
    published_by(engine, "default", MONDAY, 1.0, 2.0)
    published_by(engine, "harbour", TUESDAY, 5.0)
    published_by(engine, "default", WEDNESDAY, 1.0, 3.0)
    found = [(row["retailer"], row["turnover"]) for row in rows(engine, "weekly_turnover")]
    assert found == [("default", 1.0), ("default", 3.0), ("harbour", 5.0)]
    with engine.connect() as connection:
        own = turnover_since(connection, (WEEK - timedelta(weeks=9)).date(), "harbour")
    assert [row["turnover"] for row in own] == [5.0]


def test_each_retailer_has_its_own_newest_run_and_the_last_one_is_known(engine: Engine) -> None:
    with engine.connect() as connection:
        assert published_retailers(connection) == []
    published_by(engine, "default", MONDAY, first=1.0)
    published_by(engine, "harbour", TUESDAY, first=2.0)
    with engine.connect() as connection:
        assert published_retailers(connection) == ["harbour", "default"]
        newest = [newest_run(connection, "turnover", None, name) for name in ("default", "harbour", "nobody")]
    assert [run and run.made_at for run in newest] == [MONDAY, TUESDAY, None]


def test_equal_forecasts_after_those_of_another_retailer_are_the_newest_again(engine: Engine) -> None:
    published_by(engine, "default", MONDAY)
    published_by(engine, "harbour", TUESDAY)
    assert published_by(engine, "default", WEDNESDAY)
    with engine.connect() as connection:
        assert published_retailers(connection) == ["default", "harbour"]
    assert not published_by(engine, "default", WEDNESDAY + timedelta(days=1))


# --- older and newer ---------------------------------------------------------------------------------


def test_the_same_forecasts_again_change_nothing(engine: Engine) -> None:
    publish(engine, publication(), MONDAY)
    before = everything(engine)
    assert not publish(engine, publication(), TUESDAY)
    assert everything(engine) == before


def test_forecasts_of_an_earlier_version_of_this_project_are_stored_anew_once(engine: Engine) -> None:
    """Its digests were computed otherwise, and its forecasts had no quantiles."""
    now, before = publication(), {"domain": "turnover", "made_at": MONDAY, "summary": {}, "digest": "7" * 64}
    with writing(engine) as connection:
        connection.execute(insert(schema.forecast_runs), before | now.made_by)
    assert publish(engine, now, TUESDAY)
    assert not publish(engine, now, WEDNESDAY)
    assert [run["digest"] for run in rows(engine, "forecast_runs")] == ["7" * 64, now.digest]


def test_a_quantile_is_a_column_of_its_own_for_whoever_reads_with_sql(engine: Engine) -> None:
    publish(engine, publication(), MONDAY)
    with engine.connect() as connection:
        staffing = connection.execute(text("select q70 from forecasts where store = '1'")).scalar_one()
    assert staffing == 100 * 0.7


def test_other_forecasts_are_a_new_run_and_the_older_remain(engine: Engine) -> None:
    publish(engine, publication(100.0), MONDAY)
    assert publish(engine, publication(np.nextafter(100.0, 101.0)), TUESDAY)
    assert len(rows(engine, "forecast_runs")) == 2
    assert [row["forecast"] for row in rows(engine, "forecasts") if row["store"] == "1"] == [
        100.0,
        np.nextafter(100.0, 101.0),
    ]


def test_the_same_forecasts_by_another_version_are_a_new_run(engine: Engine) -> None:
    publish(engine, publication(), MONDAY)
    other = publication().made_by | {"model_version": "2"}
    assert publish(engine, publication(made_by=other), TUESDAY)


def test_going_back_to_the_former_forecasts_is_a_new_run(engine: Engine) -> None:
    for day, first in enumerate((100.0, 200.0, 100.0)):
        assert publish(engine, publication(first), MONDAY + timedelta(days=day))
    assert len(rows(engine, "forecast_runs")) == 3
    assert first_forecast(engine) == 100.0


def test_as_of_returns_what_was_known_then(engine: Engine) -> None:
    publish(engine, publication(100.0), MONDAY)
    publish(engine, publication(200.0), WEDNESDAY)
    assert run_of(engine, as_of=MONDAY - timedelta(seconds=1)) is None
    assert first_forecast(engine, as_of=MONDAY) == 100.0
    assert first_forecast(engine, as_of=TUESDAY) == 100.0
    assert first_forecast(engine, as_of=WEDNESDAY) == 200.0
    assert first_forecast(engine) == 200.0


def test_each_domain_has_its_own_newest_run(engine: Engine) -> None:
    publish(engine, publication(), MONDAY)
    assert run_of(engine, domain="marketing") is None


# --- what was sold -----------------------------------------------------------------------------------


def turnover(engine: Engine) -> list[float]:
    """Of one store's department, week by week."""
    return [row["turnover"] for row in rows(engine, "weekly_turnover")]


def test_only_the_weeks_that_changed_are_written(engine: Engine) -> None:
    publish(engine, publication(weekly_turnover=sold(1.0, 2.0, 3.0)), MONDAY)
    written: list[tuple[str, Any]] = []

    @event.listens_for(engine, "before_cursor_execute")
    def note(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
        if "weekly_turnover" in statement and not statement.startswith("SELECT"):
            written.append((statement[:6], len(parameters) if isinstance(parameters, list) else 1))

    publish(engine, publication(weekly_turnover=sold(1.0, 2.5, 3.0)), TUESDAY)
    assert written == [("INSERT", 1)]
    assert turnover(engine) == [1.0, 2.5, 3.0]


@pytest.mark.parametrize(
    "now",
    [(np.nan, 2.0, 3.0), (3.0,)],
    ids=["a week that became a gap", "a file that lacks old weeks"],
)
def test_what_a_delivery_does_not_mention_stays(engine: Engine, now: Sequence[float]) -> None:
    publish(engine, publication(weekly_turnover=sold(1.0, 2.0, 3.0)), MONDAY)
    publish(engine, publication(weekly_turnover=sold(*now)), TUESDAY)
    assert turnover(engine) == [1.0, 2.0, 3.0]


def test_a_store_that_a_delivery_lacks_keeps_its_turnover(engine: Engine) -> None:
    both = pd.concat([sold(1.0, 2.0), sold(5.0, 6.0).assign(store=2)])
    publish(engine, publication(weekly_turnover=both), MONDAY)
    publish(engine, publication(weekly_turnover=sold(1.0, 2.0, 3.0)), TUESDAY)
    assert sorted(turnover(engine)) == [1.0, 2.0, 3.0, 5.0, 6.0]


def as_of(engine: Engine, moment: datetime, retailer: str = DEFAULT_RETAILER) -> list[float]:
    with engine.connect() as connection:
        return [row["turnover"] for row in turnover_as_of(connection, moment, retailer)]


def test_what_was_known_when_is_a_query(engine: Engine) -> None:
    publish(engine, publication(weekly_turnover=sold(1.0, 2.0, np.nan)), MONDAY)
    publish(engine, publication(weekly_turnover=sold(1.0, 2.5, 3.0)), TUESDAY)
    publish(engine, publication(weekly_turnover=sold(1.5, 2.5, 3.0)), WEDNESDAY)
    assert as_of(engine, MONDAY - timedelta(hours=1)) == []
    assert as_of(engine, MONDAY) == [1.0, 2.0]
    assert as_of(engine, TUESDAY + timedelta(hours=1)) == [1.0, 2.5, 3.0]
    assert as_of(engine, WEDNESDAY) == turnover(engine) == [1.5, 2.5, 3.0]
    assert as_of(engine, WEDNESDAY, "another") == []
    assert len(rows(engine, "turnover_vintages")) == 5, "only what changed is kept again"


def test_a_value_that_is_restated_back_is_a_vintage_of_its_own(engine: Engine) -> None:
    for day, value in ((MONDAY, 1.0), (TUESDAY, 9.0), (WEDNESDAY, 1.0)):
        publish(engine, publication(weekly_turnover=sold(value)), day)
    assert [as_of(engine, day) for day in (MONDAY, TUESDAY, WEDNESDAY)] == [[1.0], [9.0], [1.0]]


def test_last_digits_that_a_text_file_rounds_are_no_vintage(engine: Engine) -> None:
    publish(engine, publication(weekly_turnover=sold(1.1, 0.0)), MONDAY)
    publish(engine, publication(weekly_turnover=sold(float(np.nextafter(1.1, 2)), 0.0)), TUESDAY)
    assert turnover(engine) == [1.1, 0.0]
    assert len(rows(engine, "turnover_vintages")) == 2


def test_restated_values_are_counted_in_the_log(engine: Engine, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    publish(engine, publication(weekly_turnover=sold(1.0, 2.0, np.nan)), MONDAY)
    assert "restated" not in caplog.text
    publish(engine, publication(weekly_turnover=sold(1.5, 2.5, 3.0)), TUESDAY)
    assert "Turnover of 2 earlier values was restated; 1 are new." in caplog.text


def test_a_history_that_is_known_is_not_read_again(engine: Engine) -> None:
    weeks = np.arange(1.0, 121)
    publish(engine, publication(weekly_turnover=sold(*weeks, np.nan)), MONDAY)
    read: list[str] = []

    @event.listens_for(engine, "before_cursor_execute")
    def note(_: Any, __: Any, statement: str, *___: Any) -> None:
        if "FROM weekly_turnover" in statement:
            read.append(statement)

    publish(engine, publication(weekly_turnover=sold(*weeks, np.nan)), TUESDAY)
    assert not read
    publish(engine, publication(weekly_turnover=sold(*weeks, 121.0)), WEDNESDAY)
    assert len(read) == 1
    assert turnover(engine) == [*weeks, 121.0]


def test_gaps_are_not_stored(engine: Engine) -> None:
    publish(engine, publication(weekly_turnover=sold(1.0, np.nan, 0.0, -2.0)), MONDAY)
    assert turnover(engine) == [1.0, 0.0, -2.0]


def test_what_was_sold_is_corrected_even_where_the_forecasts_stay(engine: Engine) -> None:
    publish(engine, publication(), MONDAY)
    assert not publish(engine, publication(weekly_turnover=sold(1.0, 2.0, 4.0)), TUESDAY)
    assert turnover(engine) == [1.0, 2.0, 4.0]


def test_a_domain_without_turnover_leaves_it_alone(engine: Engine) -> None:
    publish(engine, publication(), MONDAY)
    publish(engine, publication(domain="marketing", tables={}, weekly_turnover=None), MONDAY)
    assert turnover(engine) == [1.0, 2.0, 3.0]


# --- models ------------------------------------------------------------------------------------------

VERSION = {"name": "blend", "version": "1"}
MODEL = VERSION | {"run_id": "r1", "data_version": "d1", "made_at": MONDAY, "decision": "better", "card": ""}
METRIC = VERSION | {"window": "2016-10-01", "metric": "wape", "value": 0.1 + 0.2}
CHAMPION_CHANGE = VERSION | {
    "happened_at": MONDAY,
    "action": "promoted",
    "previous": None,
    "who": "me",
    "why": "x",
}


def test_models_metrics_and_changes_of_the_champion_are_replaced_and_not_doubled(engine: Engine) -> None:
    def known(**changes: Any) -> None:
        publish(
            engine,
            publication(models=[MODEL | changes], metrics=[METRIC], champion_changes=[CHAMPION_CHANGE]),
            MONDAY,
        )

    known()
    known(card="# Blend")
    assert rows(engine, "models") == [MODEL | {"card": "# Blend"}]
    assert rows(engine, "model_metrics") == [METRIC]
    assert rows(engine, "champion_changes") == [CHAMPION_CHANGE]


# --- all or nothing ----------------------------------------------------------------------------------


def test_a_publication_that_cannot_be_stored_changes_nothing_at_all(engine: Engine) -> None:
    publish(engine, publication(), MONDAY)
    before = everything(engine)
    twice = pd.concat([sums(), sums()])
    broken = publication(
        tables={"forecasts": forecasts(200.0), "level_forecasts": twice},
        weekly_turnover=sold(9.0),
        models=[MODEL],
        metrics=[METRIC],
        champion_changes=[CHAMPION_CHANGE],
    )
    with pytest.raises(IntegrityError):
        publish(engine, broken, TUESDAY)
    assert everything(engine) == before


def published_things(engine: Engine) -> dict[str, list[dict[str, Any]]]:
    """All tables without what nobody has published yet."""
    found = everything(engine)
    drafts = {row["id"] for row in found["forecast_runs"] if row["domain"] == DRAFT}
    return {
        name: [row for row in table if row.get("run") not in drafts and row.get("domain") != DRAFT]
        for name, table in found.items()
    }


@pytest.mark.parametrize(
    "statement",
    [
        "insert into turnover_vintages",
        "insert into models",
        "insert into forecast_runs",
        "insert into forecasts",
        "insert into level_forecasts",
        "update forecast_runs",
        "commit",
    ],
)
def test_a_kill_while_publishing_leaves_the_old_forecasts_whole(
    engine: Engine, database_url: str, statement: str
) -> None:
    publish(engine, publication(100.0), MONDAY)
    before = everything(engine)
    new = publication(200.0, weekly_turnover=sold(5.0, 6.0), models=[MODEL])
    assert killed_before(statement, database_url, new, TUESDAY) == -signal.SIGKILL
    assert published_things(engine) == before
    assert run_of(engine) == run_of(engine, as_of=MONDAY)
    assert publish(engine, new, WEDNESDAY)
    assert first_forecast(engine) == 200.0
    assert len(rows(engine, "forecasts")) == 2 * len(forecasts())
    assert turnover(engine) == [1.0, 5.0, 6.0]


def test_readers_see_the_old_forecasts_while_new_ones_are_written(engine: Engine, database_url: str) -> None:
    publish(engine, publication(100.0), MONDAY)
    reader, seen = open_database(database_url), []

    @event.listens_for(engine, "before_cursor_execute")
    def look(_: Any, __: Any, statement: str, *___: Any) -> None:
        if statement.startswith("INSERT INTO level_forecasts"):
            seen.append((first_forecast(reader), turnover(reader)))

    publish(engine, publication(200.0, weekly_turnover=sold(5.0)), TUESDAY)
    assert seen == [(100.0, [1.0, 2.0, 3.0])]
    assert (first_forecast(reader), turnover(reader)) == (200.0, [1.0, 2.0, 5.0])
    reader.dispose()


def test_who_reads_does_not_hold_up_a_publication(engine: Engine, database_url: str) -> None:
    publish(engine, publication(100.0), MONDAY)
    reader = open_database(database_url)
    with reader.connect() as reading:
        assert newest_run(reading, "turnover") is not None
        assert publish(engine, publication(200.0), TUESDAY)
    reader.dispose()


def test_runs_that_publish_the_same_at_the_same_time_publish_it_once(
    engine: Engine, database_url: str
) -> None:
    assert together(database_url, publish_there, publication(models=[MODEL]), MONDAY) == [0, 0, 0]
    assert len(rows(engine, "forecast_runs")) == 1
    assert len(rows(engine, "forecasts")) == len(forecasts())


def test_exceptions_keep_their_order(engine: Engine) -> None:
    listed = pd.DataFrame(
        [
            {"store": store, "department": 88, "kind": "large", "money_at_risk": money, "reason": "much"}
            for store, money in ((7, 2.0), (3, 9.0))
        ]
    )
    publish(engine, publication(exceptions=listed), MONDAY)
    found = [(row["place"], row["store"], row["money_at_risk"]) for row in rows(engine, "planner_exceptions")]
    assert found == [(1, "7", 2.0), (2, "3", 9.0)]


# --- others who write meanwhile ----------------------------------------------------------------------


def rows_by_transaction(engine: Engine) -> list[int]:
    """How many rows each transaction from now on has written; a statement of one row counts one."""
    counts = [0]

    @event.listens_for(engine, "before_cursor_execute")
    def count(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
        if statement.startswith(("INSERT", "UPDATE")):
            counts[-1] += len(parameters) if isinstance(parameters, list) else 1

    @event.listens_for(engine, "commit")
    def close(_: Any) -> None:
        counts.append(0)

    return counts


FEW = 20


@pytest.fixture
def few_rows_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("chunks", "drafts", "turnover"):
        monkeypatch.setattr(f"sales_forecast.storage.{module}.ROWS_AT_A_TIME", FEW)
    monkeypatch.setattr("sales_forecast.storage.chunks.PAUSE_SECONDS", 0)


@pytest.mark.usefixtures("few_rows_at_a_time")
def test_no_transaction_of_a_large_publication_writes_many_rows(engine: Engine) -> None:
    counts = rows_by_transaction(engine)
    large = {"forecasts": forecasts(series=102), "level_forecasts": sums()}
    publish(engine, publication(tables=large, weekly_turnover=sold(*np.arange(1.0, 151))), MONDAY)
    *before, last = [count for count in counts if count]
    written = 102 + 1 + 2 * 150
    assert written < sum(before) + last < written + 150 + 20, "the digests of 150 weeks, and some headers"
    assert max(before) <= 2 * FEW
    assert last <= 2 * FEW + 150 + 10
    assert len(rows(engine, "forecasts")) == 102
    assert turnover(engine) == list(np.arange(1.0, 151))


@pytest.mark.usefixtures("few_rows_at_a_time")
def test_others_write_between_the_rows_of_a_large_publication(engine: Engine, database_url: str) -> None:
    other, done = open_database(database_url), []

    def write_meanwhile() -> None:
        with writing(other) as connection:
            connection.execute(insert(schema.model_metrics), {**METRIC, "metric": str(len(done))})
        done.append(run_of(other))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sales_forecast.storage.drafts.give_way", lambda _: write_meanwhile())
        publish(engine, publication(tables={"forecasts": forecasts(series=102)}), MONDAY)
    assert done == [None] * 5, "and nobody has read a part of it"
    other.dispose()


@pytest.mark.usefixtures("few_rows_at_a_time")
def test_a_long_restatement_that_was_killed_is_scored_by_the_next_publication(
    engine: Engine, database_url: str
) -> None:
    publish(engine, publication(weekly_turnover=sold(*np.arange(1.0, 51))), MONDAY)
    new = publication(200.0, weekly_turnover=sold(*np.arange(2.0, 52)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sales_forecast.storage.publications.record_turnover", _killed)
        with pytest.raises(ArithmeticError):
            publish(engine, new, TUESDAY)
    assert run_of(engine) == run_of(engine, as_of=MONDAY)
    again = write_turnover(engine, as_stored(new.weekly_turnover), DEFAULT_RETAILER, WEDNESDAY)
    assert (len(again.rows), len(again.restated)) == (0, 50)
    assert publish(engine, new, WEDNESDAY)
    assert turnover(engine) == list(np.arange(2.0, 52))


def _killed(*_: Any) -> None:
    raise ArithmeticError


def test_what_a_killed_publication_has_left_is_no_publication(engine: Engine, database_url: str) -> None:
    assert killed_before("update forecast_runs", database_url, publication(), MONDAY) == -signal.SIGKILL
    assert len(rows(engine, "forecasts")) == len(forecasts())
    with engine.connect() as connection:
        assert published_retailers(connection) == []
        assert verify(connection).publications == 0
        with pytest.raises(InputError, match="there is no publication 1"):
            ledger_publication(connection, 1)
    assert publish(engine, publication(300.0), TUESDAY)
    assert rows(engine, "forecasts")[0]["forecast"] == 300.0
    assert len(rows(engine, "forecasts")) == len(forecasts())
    assert [row["domain"] for row in rows(engine, "forecast_runs")] == ["turnover"]


def test_a_publication_whose_draft_is_gone_is_no_publication(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if the connection that holds the lock had died, and another publication had begun meanwhile."""

    def remove(connection: Connection, _: Publication) -> None:
        runs = schema.forecast_runs
        connection.execute(runs.delete().where(runs.c.domain == DRAFT))

    monkeypatch.setattr("sales_forecast.storage.publications._replace_stores", remove)
    with pytest.raises(InputError, match=r"publication 1 was removed .* Nothing is published; run again"):
        publish(engine, publication(), MONDAY)
    assert run_of(engine) is None


def test_deleted_rows_give_their_space_back(engine: Engine) -> None:
    publish(engine, publication(tables={"forecasts": forecasts(series=5000)}), MONDAY)
    table = schema.forecasts
    assert delete_rows(engine, table, table.c.store != "1") == 4999
    assert free_space(engine) == 0
    assert len(rows(engine, "forecasts")) == 1
    if engine.dialect.name == "sqlite":
        with engine.connect() as connection:
            assert connection.execute(text("pragma freelist_count")).scalar_one() == 0
            assert connection.execute(text("pragma page_count")).scalar_one() < 100


def test_stores_are_those_of_the_newest_publication_of_their_retailer(engine: Engine) -> None:
    first = pd.DataFrame(
        {"store": [1, 2], "region": ["11", None], "latitude": [43.3, np.nan], "altitude": [7, 8]}
    )
    publish(engine, publication(stores=first), MONDAY)
    publish(engine, publication(stores=first.head(1), retailer="other"), MONDAY)
    publish(engine, publication(first=7.0, stores=first.tail(1)), TUESDAY)
    found = {(row["retailer"], row["store"]): row for row in rows(engine, "stores")}
    assert set(found) == {(DEFAULT_RETAILER, "2"), ("other", "1")}
    assert (found["other", "1"]["region"], found["other", "1"]["latitude"]) == ("11", 43.3)
    assert (found[DEFAULT_RETAILER, "2"]["region"], found[DEFAULT_RETAILER, "2"]["latitude"]) == (None, None)


def test_staffing_rules_are_those_of_the_newest_publication_of_their_retailer(engine: Engine) -> None:
    rule = StaffingRule(productivity=0.1 + 0.2)
    first = pd.DataFrame(
        [{"department": label, **rule.model_dump(), "source": "configured"} for label in (88, "bikes")]
    )
    publish(engine, publication(staffing_rules=first), MONDAY)
    publish(engine, publication(staffing_rules=first.head(1), retailer="other"), MONDAY)
    with engine.connect() as connection:
        found = staffing_rules(connection, DEFAULT_RETAILER)
        assert [(each.department, each.rule, each.source) for each in found] == [
            ("88", rule, "configured"),
            ("bikes", rule, "configured"),
        ]
    assert not publish(engine, publication(staffing_rules=first.tail(1).assign(source="timesheets")), TUESDAY)
    publish(engine, publication(7.0), TUESDAY)
    with engine.connect() as connection:
        (own,), (other,) = (staffing_rules(connection, name) for name in (DEFAULT_RETAILER, "other"))
        assert (own.department, own.source) == ("bikes", "timesheets")
        assert other.department == "88"
        assert staffing_rules(connection, "nobody") == ()
