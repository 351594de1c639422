"""Addresses, migrations and moments, on SQLite and on a real PostgreSQL."""

import subprocess
import sys
import traceback
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import psycopg
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Engine, MetaData, delete, insert, inspect, make_url, select, text

from processes import together, upgrade_it
from sales_forecast.errors import InputError
from sales_forecast.forecasting.intervals.conformal import QUANTILES
from sales_forecast.storage import schema
from sales_forecast.storage.database import configuration, open_database, upgrade, upsert, writing
from sales_forecast.storage.queries import newest_run
from sales_forecast.storage.rows import RowFilter, filtered_rows
from servers import free_port

pytestmark = pytest.mark.xdist_group("database")

FIRST_STORE = RowFilter((("store", ("1",)),))

# --- migrations --------------------------------------------------------------------------------------


def differences(engine: Engine) -> list[object]:
    with engine.connect() as connection:
        known = MigrationContext.configure(connection, opts={"compare_server_default": True})
        return list(compare_metadata(known, schema.metadata))


def test_the_migrations_lead_to_the_tables_of_the_schema(engine: Engine) -> None:
    assert differences(engine) == []
    assert set(inspect(engine).get_table_names()) == {*schema.metadata.tables, "alembic_version"}


def test_the_index_of_links_has_no_rows_from_before_there_were_any(engine: Engine) -> None:
    """On PostgreSQL the migration holds a lock on the audit log, and a full index would take minutes."""
    (index,) = (
        one for one in inspect(engine).get_indexes("audit_log") if one["name"] == "ix_audit_log_writer_number"
    )
    condition = index["dialect_options"][f"{engine.dialect.name}_where"]
    assert str(condition).strip("()") == "writer IS NOT NULL"


def test_a_missing_column_would_be_noticed(engine: Engine) -> None:
    with writing(engine) as connection:
        connection.execute(text("alter table forecasts drop column method"))
    assert len(differences(engine)) == 1


def test_a_downgrade_to_the_beginning_leaves_no_table(engine: Engine) -> None:
    with writing(engine) as connection:
        command.downgrade(configuration(connection), "base")
    assert inspect(engine).get_table_names() == ["alembic_version"]
    upgrade(engine)
    assert differences(engine) == []


def test_an_upgrade_of_what_is_up_to_date_keeps_the_rows(engine: Engine) -> None:
    with writing(engine) as connection:
        connection.execute(insert(schema.model_metrics), METRIC)
    upgrade(engine)
    assert differences(engine) == []
    with engine.connect() as connection:
        assert connection.execute(select(schema.model_metrics.c.value)).scalar_one() == 0.2


METRIC = {"name": "blend", "version": "1", "window": "2016-10-01", "metric": "wape", "value": 0.2}

WEEK, NOON = date(2017, 10, 7), datetime(2017, 10, 2, 12, tzinfo=UTC)
RUN = {"id": 7, "made_at": NOON, "model_name": "m", "model_version": "1", "run_id": "r", "data_version": "d"}
AMOUNTS = ("forecast", "lo_80", "hi_80", "lo_95", "hi_95", "average_week", "level_shift", "same_week")
FORECAST = {"run": 7, "store": "1", "department": "88", "week": WEEK, "horizon": 1} | dict.fromkeys(
    AMOUNTS, 0.1
)
OTHER_PARTS = dict.fromkeys(("recent", "season", "place", "peers", "other"), 1 / 3)
CHANGE = {"name": "m", "happened_at": NOON, "version": "1", "action": "promote", "previous": None}

FIRST_TABLES: dict[str, dict[str, Any]] = {
    "forecast_runs": RUN | {"lane": "turnover", "summary": {"budget": 0.3}, "digest": "x" * 64},
    "forecasts": FORECAST | OTHER_PARTS | {"cold_start": True, "method": "blend", "known_ahead": 0.1 + 0.2},
    "promotions": CHANGE | {"who": "me", "why": "better"},
    "model_metrics": METRIC,
    "weekly_turnover": {"store": "1", "department": "88", "week": WEEK, "turnover": 0.1 + 0.2},
}
"""A row of each table, as the first revision named tables and columns."""

RENAMED = {
    "lane": "domain",
    "known_ahead": "future_covariates",
    "promotions": "champion_changes",
}

ADDED: dict[str, dict[str, Any]] = {
    "forecast_runs": {"retailer": "default", "model_data_version": "d"}
    | dict.fromkeys(("cutoff", "delivery", "git_commit", "requirements_lock", "chain", "numbers_removed_at")),
    "weekly_turnover": {"retailer": "default"},
    "forecasts": dict.fromkeys(QUANTILES) | {"earlier_forecast": 0.0},
}
"""What rows from before have in columns that came later."""


def contents(engine: Engine, tables: Iterable[str]) -> dict[str, list[dict[str, Any]]]:
    """Every row of the tables, whatever revision they have."""
    with engine.connect() as connection:
        return {
            name: [dict(row) for row in connection.execute(text(f"select * from {name}")).mappings()]
            for name in tables
        }


def keys_and_indexes(engine: Engine) -> set[str | None]:
    known, names = inspect(engine), inspect(engine).get_table_names()
    indexes = {index["name"] for name in names for index in known.get_indexes(name)}
    return indexes | {known.get_pk_constraint(name)["name"] for name in names}


def test_rows_of_the_first_revision_keep_their_values_there_and_back(empty: Engine) -> None:
    with writing(empty) as connection:
        command.upgrade(configuration(connection), "0001")
        first = MetaData()
        first.reflect(connection)
        for name, row in FIRST_TABLES.items():
            connection.execute(insert(first.tables[name]), row)
    before, named_before = contents(empty, FIRST_TABLES), keys_and_indexes(empty)
    assert all(len(rows) == 1 for rows in before.values())

    upgrade(empty)
    present = {
        RENAMED.get(name, name): [
            {RENAMED.get(column, column): value for column, value in row.items()} | ADDED.get(name, {})
        ]
        for name, (row,) in before.items()
    }
    assert contents(empty, present) == present
    assert differences(empty) == []
    assert {"pk_champion_changes", "ix_forecast_runs_domain_made_at"} <= keys_and_indexes(empty)
    with empty.connect() as connection:
        run = newest_run(connection, "turnover", as_of=NOON, retailer="default")
        assert run is not None
        (found,), _ = filtered_rows(connection, schema.forecasts, run, FIRST_STORE, limit=9, offset=0)
    assert (run.id, found["future_covariates"]) == (7, 0.1 + 0.2)

    with writing(empty) as connection:
        command.downgrade(configuration(connection), "0001")
    assert contents(empty, before) == before
    assert keys_and_indexes(empty) == named_before


def test_a_downgrade_keeps_the_rows_of_the_default_retailer_alone(engine: Engine) -> None:
    """Earlier tables cannot tell retailers apart, whose stores may have the same labels."""
    sold = FIRST_TABLES["weekly_turnover"]
    with writing(engine) as connection:
        connection.execute(
            insert(schema.weekly_turnover), [sold | {"retailer": name} for name in ("default", "harbour")]
        )
        command.downgrade(configuration(connection), "0002")
    assert len(contents(engine, ["weekly_turnover"])["weekly_turnover"]) == 1
    upgrade(engine)
    assert contents(engine, ["weekly_turnover"])["weekly_turnover"][0]["retailer"] == "default"


def test_rows_of_a_renamed_table_are_still_deleted_with_their_run(empty: Engine) -> None:
    with writing(empty) as connection:
        command.upgrade(configuration(connection), "0001")
        first = MetaData()
        first.reflect(connection)
        for name in ("forecast_runs", "forecasts"):
            connection.execute(insert(first.tables[name]), FIRST_TABLES[name])
    upgrade(empty)
    with writing(empty) as connection:
        connection.execute(delete(schema.forecast_runs))
    assert contents(empty, ["forecasts"]) == {"forecasts": []}


def test_processes_that_upgrade_at_the_same_time_all_succeed(empty_url: str, empty: Engine) -> None:
    assert together(empty_url, upgrade_it) == [0, 0, 0]
    assert differences(empty) == []


def test_a_database_of_a_newer_version_is_refused(engine: Engine) -> None:
    with writing(engine) as connection:
        connection.execute(text("update alembic_version set version_num = '9999'"))
    with pytest.raises(InputError, match=r"newer version of this project.*'9999'.*update the project"):
        upgrade(engine)


# --- addresses ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "",
        "sales, secret, please",
        "mysql://planner:secret@shop/sales",
        "postgresql://planner:secret@shop:port/sales",
        "sqlite://",
        "sqlite:///:memory:",
    ],
)
def test_what_is_no_address_is_refused_with_what_to_write(url: str) -> None:
    with pytest.raises(InputError, match=r"write postgresql://.* or sqlite:///path/to/file") as error:
        open_database(url)
    assert "secret" not in str(error.value)


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg", "postgresql+psycopg2"])
def test_every_way_to_write_postgresql_is_understood(scheme: str, postgres_url: str) -> None:
    database = open_database(postgres_url.replace("postgresql", scheme, 1))
    upgrade(database)
    assert database.dialect.name == "postgresql"
    assert set(schema.metadata.tables) < set(inspect(database).get_table_names())


def test_a_database_that_does_not_answer_is_named_without_its_password() -> None:
    database = open_database(f"postgresql://planner:secret@127.0.0.1:{free_port()}/sales")
    with pytest.raises(InputError, match=r"planner:\*\*\*@127.* does not answer.*Start or mend it") as error:
        upgrade(database)
    assert "secret" not in "".join(traceback.format_exception(error.value))


def test_a_postgresql_without_this_database_is_named(postgres_url: str) -> None:
    name = str(make_url(postgres_url).database)
    with pytest.raises(InputError, match='database "shop_of_nobody" does not exist'):
        upgrade(open_database(postgres_url.replace(name, "shop_of_nobody")))


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "shop.db").write_text("store,department,week\n" * 100)
    with pytest.raises(InputError, match=r"shop\.db refuses: file is not a database"):
        upgrade(open_database(f"sqlite:///{tmp_path}/shop.db"))


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "shop").write_text("a file")
    with pytest.raises(InputError, match=r"the folder .*/shop of the database cannot be made"):
        open_database(f"sqlite:///{tmp_path}/shop/sales.db")


def test_the_folder_of_a_new_file_is_made(tmp_path: Path) -> None:
    upgrade(open_database(f"sqlite:///{tmp_path}/a/b/sales.db"))
    assert (tmp_path / "a/b/sales.db").exists()


# --- rows --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("hours", [0, 2, -11, 14])
def test_a_moment_of_any_zone_comes_back_as_the_same_moment(engine: Engine, hours: int) -> None:
    moment = datetime(2017, 10, 7, 23, 59, 59, 123456, tzinfo=timezone(timedelta(hours=hours)))
    key = {"id": "k", "name": "planner", "digest": "d", "scopes": ["read"], "created_at": moment}
    with writing(engine) as connection:
        connection.execute(insert(schema.api_keys), key)
    with engine.connect() as connection:
        found = connection.execute(select(schema.api_keys)).one()
    assert found.created_at == moment
    assert found.created_at.tzinfo is UTC
    assert found.revoked_at is None


def test_rows_that_are_there_already_are_replaced(engine: Engine) -> None:
    with writing(engine) as connection:
        upsert(connection, schema.model_metrics, [METRIC])
        upsert(connection, schema.model_metrics, [METRIC | {"value": 0.1}, METRIC | {"metric": "bias"}])
        upsert(connection, schema.model_metrics, [])
        found = connection.execute(select(schema.model_metrics).order_by(schema.model_metrics.c.metric)).all()
    assert [(row.metric, row.value) for row in found] == [("bias", 0.2), ("wape", 0.1)]


def test_another_connection_leaves_the_locks_of_the_first(tmp_path: Path) -> None:
    """Without them another process takes itself for the last one, and SQLite's file is damaged."""
    engine = open_database(f"sqlite:///{tmp_path}/shop.db")
    upgrade(engine)

    def locks() -> int:
        inode = (tmp_path / "shop.db").stat().st_ino
        return sum(f":{inode} " in line for line in Path("/proc/locks").read_text().splitlines())

    with engine.connect() as first:
        first.execute(text("select 1 from api_keys"))
        before = locks()
        with engine.connect() as second:
            second.execute(text("select 1 from api_keys"))
        assert locks() == before > 0
    engine.dispose()


def test_the_server_of_these_tests_outlives_another_start_of_pytest(
    postgres_url: str, tmp_path: Path
) -> None:
    (tmp_path / "test_other.py").write_text("def test_nothing(tmp_path):\n    pass\n")
    subprocess.run([sys.executable, "-m", "pytest", "-p", "no:cacheprovider", tmp_path], check=True)
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("checkpoint")
