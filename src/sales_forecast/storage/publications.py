"""What a run of the inference stage leaves in the database, in one transaction."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pandas as pd
from sqlalchemy import Connection, Engine, delete, insert, select

from sales_forecast.forecasting.grid import KEYS
from sales_forecast.storage import schema
from sales_forecast.storage.database import answering, one_at_a_time, upsert, writing
from sales_forecast.storage.queries import newest_run

LABELS = ("store", "department", "key")
"""Columns that hold whatever the retailer calls things; text here."""

ROWS_AT_A_TIME = 20_000


@dataclass(frozen=True)
class Publication:
    """Forecasts of one lane, and the models behind them.

    Args:
        lane: ``turnover`` or ``marketing``.
        made_by: ``model_name, model_version, run_id, data_version``.
        tables: Rows by table: ``forecasts``, ``level_forecasts`` or ``budget_curves``, less the run.
        summary: What else there is to say, such as the recommended budget.
        weekly_turnover: ``store, department, week, turnover``; None for a lane that has none.
        models: Every version of the model, as ``schema.models`` has them.
        metrics: How good each was, as ``schema.model_metrics``.
        promotions: Every change of the champion, as ``schema.promotions``.
    """

    lane: str
    made_by: dict[str, str]
    tables: dict[str, pd.DataFrame]
    summary: dict[str, Any] = field(default_factory=dict)
    weekly_turnover: pd.DataFrame | None = None
    models: list[dict[str, Any]] = field(default_factory=list)
    metrics: list[dict[str, Any]] = field(default_factory=list)
    promotions: list[dict[str, Any]] = field(default_factory=list)

    @property
    def digest(self) -> str:
        """Equal for equal forecasts by the same model; 64 hexadecimal digits."""
        words = [sorted(self.made_by.items()), sorted(self.summary.items())]
        content = hashlib.sha256(repr(words).encode())
        for name in sorted(self.tables):
            rows = _as_stored(self.tables[name])
            content.update(repr([name, *rows.columns]).encode())
            content.update(pd.util.hash_pandas_object(rows, index=False).to_numpy().tobytes())
        return content.hexdigest()


def publish(engine: Engine, publication: Publication, now: datetime) -> bool:
    """Store a publication; older forecasts stay.

    Args:
        engine: Of an up-to-date database.
        publication: What is stored.
        now: When these forecasts were made.

    Returns:
        Whether these are other forecasts than the newest ones; if not, they stay as they are.

    Raises:
        InputError: The database does not answer; nothing is stored then.
    """
    with answering(engine), writing(engine) as connection:
        one_at_a_time(connection)
        if publication.weekly_turnover is not None:
            _replace_turnover(connection, publication.weekly_turnover)
        upsert(connection, schema.models, publication.models)
        upsert(connection, schema.model_metrics, publication.metrics)
        upsert(connection, schema.promotions, publication.promotions)
        digest = publication.digest
        newest = newest_run(connection, publication.lane)
        if newest is not None and newest.digest == digest:
            return False
        run = connection.execute(
            insert(schema.forecast_runs)
            .values(
                lane=publication.lane,
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
    """Labels as text, weeks as dates."""
    labels = dict.fromkeys(rows.columns.intersection(list(LABELS)), str)
    stored = rows.astype(labels)
    return stored.assign(week=stored["week"].dt.date) if "week" in stored else stored


def _records(rows: pd.DataFrame) -> list[dict[str, Any]]:
    return [dict(zip(rows.columns, row, strict=True)) for row in rows.itertuples(index=False, name=None)]


def _insert(connection: Connection, name: str, rows: pd.DataFrame) -> None:
    table = schema.metadata.tables[name]
    columns = [column.name for column in table.c]
    for start in range(0, len(rows), ROWS_AT_A_TIME):
        part = rows[columns].iloc[start : start + ROWS_AT_A_TIME]
        connection.execute(insert(table), _records(part))


def _replace_turnover(connection: Connection, panel: pd.DataFrame) -> None:
    """Write only what is new or has changed: a week's delivery, and not years."""
    table = schema.weekly_turnover
    sold = _as_stored(panel.loc[panel["turnover"].notna(), [*KEYS, "week", "turnover"]])
    known = pd.DataFrame(connection.execute(select(table)).all(), columns=list(sold.columns))
    both = sold.merge(known, on=[*KEYS, "week"], how="outer", suffixes=("", "_known"), indicator=True)
    changed = both["turnover"].notna() & ~(both["turnover"] == both["turnover_known"])
    upsert(connection, table, _records(both.loc[changed, list(sold.columns)]))
    gone = both.loc[both["_merge"] == "right_only", [*KEYS, "week"]]
    for store, department, week in gone.itertuples(index=False):
        key = (table.c.store == store, table.c.department == department, table.c.week == week)
        connection.execute(delete(table).where(*key))
