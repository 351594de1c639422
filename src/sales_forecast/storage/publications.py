"""Publishing: what a run of the inference stage writes to the database, in one transaction."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import pandas as pd
from sqlalchemy import Connection, Engine, delete, insert

from sales_forecast.retailers import DEFAULT_RETAILER
from sales_forecast.storage import schema
from sales_forecast.storage.database import database_errors, lock_database, upsert, writing
from sales_forecast.storage.queries import newest_run
from sales_forecast.storage.turnover import COLUMNS as TURNOVER_COLUMNS
from sales_forecast.storage.turnover import record_turnover

LABELS = ("store", "department", "key")
"""Columns that hold names given by the retailer, which the database stores as text."""

ROWS_AT_A_TIME = 20_000

Rows = Sequence[Mapping[str, object]]


@dataclass(frozen=True)
class Publication:
    """Forecasts of one domain, and the models behind them.

    Args:
        domain: ``turnover`` or ``marketing``.
        made_by: ``model_name, model_version, run_id, data_version`` of the model.
        tables: Table -> its rows without the column ``run``: ``forecasts``, ``level_forecasts`` or
            ``budget_curves``.
        summary: Further results of the run, such as the recommended budget, as JSON.
        weekly_turnover: ``store, department, week, turnover``; None for a domain without turnover.
        models: Every version of the model, with the columns of ``schema.models``.
        metrics: Metrics of each version, with the columns of ``schema.model_metrics``.
        champion_changes: Every change of the champion, with the columns of ``schema.champion_changes``.
        retailer: Retailer whose data the forecasts were made from.
    """

    domain: str
    made_by: Mapping[str, str]
    tables: Mapping[str, pd.DataFrame]
    summary: Mapping[str, object] = field(default_factory=dict)
    weekly_turnover: pd.DataFrame | None = None
    models: Rows = ()
    metrics: Rows = ()
    champion_changes: Rows = ()
    retailer: str = DEFAULT_RETAILER

    @property
    def digest(self) -> str:
        """Hash that is equal for equal forecasts by the same model; 64 hexadecimal digits."""
        header = [sorted(self.made_by.items()), sorted(self.summary.items())]
        content = hashlib.sha256(repr(header).encode())
        for name in sorted(self.tables):
            rows = _as_stored(self.tables[name])
            content.update(repr([name, *rows.columns]).encode())
            content.update(pd.util.hash_pandas_object(rows, index=False).to_numpy().tobytes())
        return content.hexdigest()


def publish(engine: Engine, publication: Publication, now: datetime) -> bool:
    """Store a publication; forecasts of earlier runs are kept.

    Args:
        engine: SQLAlchemy engine of an up-to-date database.
        publication: Forecasts and models to store.
        now: Time at which the forecasts were made.

    Returns:
        Whether the forecasts differ from the newest ones of any retailer; equal ones are not stored again.

    Raises:
        InputError: The database does not answer; nothing is stored then.
    """
    digest, turnover = publication.digest, publication.weekly_turnover
    if turnover is not None:
        turnover = _as_stored(turnover.loc[turnover["turnover"].notna(), TURNOVER_COLUMNS])
    with database_errors(engine), writing(engine) as connection:
        lock_database(connection)
        if turnover is not None:
            record_turnover(connection, turnover, publication.retailer, now)
        _replace_models(connection, publication)
        newest = newest_run(connection, publication.domain)
        if newest is not None and newest.digest == digest:
            return False
        run = connection.execute(
            insert(schema.forecast_runs)
            .values(
                retailer=publication.retailer,
                domain=publication.domain,
                made_at=now,
                digest=digest,
                summary=publication.summary,
                **publication.made_by,
            )
            .returning(schema.forecast_runs.c.id)
        ).scalar_one()
        for name, rows in publication.tables.items():
            _insert(connection, name, _as_stored(rows).assign(run=run))
    return True


def _as_stored(rows: pd.DataFrame) -> pd.DataFrame:
    """Convert labels to text and weeks to dates."""
    labels = dict.fromkeys(rows.columns.intersection(list(LABELS)), str)
    stored = rows.astype(labels)
    return stored.assign(week=stored["week"].dt.date) if "week" in stored else stored


def _records(rows: pd.DataFrame) -> list[dict[str, object]]:
    return [dict(zip(rows.columns, row, strict=True)) for row in rows.itertuples(index=False, name=None)]


def _insert(connection: Connection, name: str, rows: pd.DataFrame) -> None:
    table = schema.metadata.tables[name]
    columns = [column.name for column in table.c]
    for start in range(0, len(rows), ROWS_AT_A_TIME):
        part = rows[columns].iloc[start : start + ROWS_AT_A_TIME]
        connection.execute(insert(table), _records(part))


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
