"""What a run of the inference stage leaves in the database, in one transaction."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pandas as pd
from sqlalchemy import Connection, Engine, bindparam, delete, insert, select

from sales_forecast.forecasting.panel.matrix import KEYS
from sales_forecast.storage import schema
from sales_forecast.storage.database import answering, one_at_a_time, upsert, writing
from sales_forecast.storage.queries import newest_run

LABELS = ("store", "department", "key")
"""Columns that hold whatever the retailer calls things; text here."""

ROWS_AT_A_TIME = 20_000

SOLD = [*KEYS, "week", "turnover"]


@dataclass(frozen=True)
class Publication:
    """Forecasts of one domain, and the models behind them.

    Args:
        domain: ``turnover`` or ``marketing``.
        made_by: ``model_name, model_version, run_id, data_version``.
        tables: Rows by table: ``forecasts``, ``level_forecasts`` or ``budget_curves``, less the run.
        summary: What else there is to say, such as the recommended budget.
        weekly_turnover: ``store, department, week, turnover``; None for a domain that has none.
        models: Every version of the model, as ``schema.models`` has them.
        metrics: How good each was, as ``schema.model_metrics``.
        champion_changes: Every change of the champion, as ``schema.champion_changes``.
    """

    domain: str
    made_by: dict[str, str]
    tables: dict[str, pd.DataFrame]
    summary: dict[str, Any] = field(default_factory=dict)
    weekly_turnover: pd.DataFrame | None = None
    models: list[dict[str, Any]] = field(default_factory=list)
    metrics: list[dict[str, Any]] = field(default_factory=list)
    champion_changes: list[dict[str, Any]] = field(default_factory=list)

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
    digest, sold = publication.digest, publication.weekly_turnover
    sold = None if sold is None else _as_stored(sold.loc[sold["turnover"].notna(), SOLD])
    with answering(engine), writing(engine) as connection:
        one_at_a_time(connection)
        if sold is not None:
            _replace_turnover(connection, sold)
        _replace_models(connection, publication)
        newest = newest_run(connection, publication.domain)
        if newest is not None and newest.digest == digest:
            return False
        run = connection.execute(
            insert(schema.forecast_runs)
            .values(
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


def _replace_models(connection: Connection, publication: Publication) -> None:
    """The registry knows best, also where it began anew."""
    rows = {
        schema.models: publication.models,
        schema.model_metrics: publication.metrics,
        schema.champion_changes: publication.champion_changes,
    }
    for table, found in rows.items():
        connection.execute(delete(table).where(table.c.name == publication.made_by["model_name"]))
        upsert(connection, table, found)


def _replace_turnover(connection: Connection, sold: pd.DataFrame) -> None:
    """Write only what is new or has changed: a week's delivery, and not years."""
    table = schema.weekly_turnover
    known = pd.DataFrame(connection.execute(select(table)).all(), columns=SOLD)
    both = sold.merge(known, on=[*KEYS, "week"], how="outer", suffixes=("", "_known"), indicator=True)
    changed = both["turnover"].notna() & ~(both["turnover"] == both["turnover_known"])
    upsert(connection, table, _records(both.loc[changed, SOLD]))
    gone = both.loc[both["_merge"] == "right_only", [*KEYS, "week"]]
    if len(gone):
        key = [table.c[name] == bindparam(f"gone_{name}") for name in (*KEYS, "week")]
        connection.execute(delete(table).where(*key), _records(gone.add_prefix("gone_")))
