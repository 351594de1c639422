"""Publishing: what a run of the inference stage writes to the database, in one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

import pandas as pd
from sqlalchemy import Connection, Engine, delete, insert, select

from sales_forecast.errors import InputError
from sales_forecast.retailers import DEFAULT_RETAILER
from sales_forecast.storage import schema
from sales_forecast.storage.accuracy import score_new_weeks, score_restated
from sales_forecast.storage.database import database_errors, lock_database, upsert, writing
from sales_forecast.storage.ledger import as_stored, digest_of, last_link, link, records
from sales_forecast.storage.queries import newest_run
from sales_forecast.storage.turnover import COLUMNS as TURNOVER_COLUMNS
from sales_forecast.storage.turnover import record_turnover

ROWS_AT_A_TIME = 20_000

Rows = Sequence[Mapping[str, object]]


@dataclass(frozen=True)
class Publication:
    """Forecasts of one domain, and the models behind them.

    Args:
        domain: ``turnover`` or ``marketing``.
        made_by: ``model_name, model_version, run_id`` and ``model_data_version`` of the model, and the
            ``data_version`` of the files that it forecast from.
        tables: Table -> its rows without the column ``run``: ``forecasts``, ``level_forecasts`` or
            ``budget_curves``.
        summary: Further results of the run, such as the recommended budget, as JSON.
        exceptions: Rows of ``planner_exceptions`` in their order, without ``run`` and ``place``, or None.
        changes: Rows of ``forecast_changes`` without the column ``run``, or None. The digest leaves them
            out: equal forecasts are the same publication, whatever was published before.
        weekly_turnover: ``store, department, week, turnover``; None for a domain without turnover.
        models: Every version of the model, with the columns of ``schema.models``.
        metrics: Metrics of each version, with the columns of ``schema.model_metrics``.
        champion_changes: Every change of the champion, with the columns of ``schema.champion_changes``.
        retailer: Retailer whose data the forecasts were made from.
        cutoff: Last week that was known.
        delivery: Id of the delivery that the data came with.
        code: ``git_commit`` and ``requirements_lock``, where they are known.
    """

    domain: str
    made_by: Mapping[str, str]
    tables: Mapping[str, pd.DataFrame]
    summary: Mapping[str, object] = field(default_factory=dict)
    changes: pd.DataFrame | None = None
    exceptions: pd.DataFrame | None = None
    weekly_turnover: pd.DataFrame | None = None
    models: Rows = ()
    metrics: Rows = ()
    champion_changes: Rows = ()
    retailer: str = DEFAULT_RETAILER
    cutoff: date | None = None
    delivery: str | None = None
    code: Mapping[str, str] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """Hash that is equal for equal forecasts by the same model from the same data; see ``ledger``."""
        tables = {name: as_stored(rows) for name, rows in self.tables.items()}
        return digest_of(self.made_by, self.summary, tables)


def publish(engine: Engine, publication: Publication, now: datetime) -> bool:
    """Store a publication; forecasts of earlier runs are kept, and scored on the weeks that it brings.

    Args:
        engine: SQLAlchemy engine of an up-to-date database.
        publication: Forecasts and models to store.
        now: Time at which the forecasts were made.

    Returns:
        Whether the forecasts differ from the newest ones of any retailer; equal ones are not stored again.

    Raises:
        InputError: The database does not answer, or these forecasts were withdrawn; nothing is stored then.
    """
    digest, turnover = publication.digest, publication.weekly_turnover
    if turnover is not None:
        turnover = as_stored(turnover.loc[turnover["turnover"].notna(), TURNOVER_COLUMNS])
    with database_errors(engine), writing(engine) as connection:
        lock_database(connection)
        if turnover is not None:
            weeks = record_turnover(connection, turnover, publication.retailer, now)
            score_new_weeks(connection, publication.retailer, weeks.new, now)
            score_restated(connection, publication.retailer, weeks.restated)
        _replace_models(connection, publication)
        newest = newest_run(connection, publication.domain)
        if newest is not None and newest.digest == digest:
            return False
        _refuse_withdrawn(connection, publication, digest)
        run = _enter(connection, publication, digest, now)
        for name, rows in publication.tables.items():
            _insert(connection, name, as_stored(rows).assign(run=run))
        if publication.changes is not None:
            changes = as_stored(publication.changes).assign(run=run)
            _insert(connection, schema.forecast_changes.name, changes)
        if publication.exceptions is not None:
            places = range(1, len(publication.exceptions) + 1)
            listed = as_stored(publication.exceptions).assign(run=run, place=places)
            _insert(connection, schema.planner_exceptions.name, listed)
    return True


def _refuse_withdrawn(connection: Connection, publication: Publication, digest: str) -> None:
    """Publish no numbers again that somebody has withdrawn.

    Raises:
        InputError: They are withdrawn.
    """
    runs, gone = schema.forecast_runs, schema.withdrawals
    equal = (runs.c.digest == digest) & (runs.c.retailer == publication.retailer)
    query = select(runs.c.id, gone.c.why).join(gone).where(equal, gone.c.restored_at.is_(None))
    if found := connection.execute(query).first():
        raise InputError(
            f"these are the numbers of publication {found.id}, which was withdrawn ({found.why}). Nothing is "
            f"published. To let them serve after all: sales-forecast ledger restore {found.id} --why ..."
        )


def _enter(connection: Connection, publication: Publication, digest: str, now: datetime) -> int:
    """Enter a publication into the ledger; return its number."""
    row = {
        "retailer": publication.retailer,
        "domain": publication.domain,
        "made_at": now,
        "cutoff": publication.cutoff,
        "delivery": publication.delivery,
        "git_commit": publication.code.get("git_commit"),
        "requirements_lock": publication.code.get("requirements_lock"),
        "digest": digest,
    }
    entry = row | {"summary": publication.summary, "chain": link(last_link(connection), row)}
    query = insert(schema.forecast_runs).values(entry | dict(publication.made_by))
    number: int = connection.execute(query.returning(schema.forecast_runs.c.id)).scalar_one()
    return number


def _insert(connection: Connection, name: str, rows: pd.DataFrame) -> None:
    table = schema.metadata.tables[name]
    columns = [column.name for column in table.c]
    for start in range(0, len(rows), ROWS_AT_A_TIME):
        part = rows[columns].iloc[start : start + ROWS_AT_A_TIME]
        connection.execute(insert(table), records(part))


def _replace_models(connection: Connection, publication: Publication) -> None:
    """Replace all rows of the model by those of the registry, which may have been started anew."""
    rows = {
        schema.models: publication.models,
        schema.model_metrics: publication.metrics,
        schema.champion_changes: publication.champion_changes,
    }
    for table, found in rows.items():
        connection.execute(delete(table).where(table.c.name == publication.made_by["model_name"]))
        upsert(connection, table, found)
