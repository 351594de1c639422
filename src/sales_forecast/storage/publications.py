"""Publishing: what a run of the inference stage writes to the database, and readers see all of or nothing.

Its rows are written first, in short transactions that let others write; the last one makes them visible.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

import numpy as np
import pandas as pd
from sqlalchemy import Connection, Engine, delete, insert, select, update

from sales_forecast.errors import InputError
from sales_forecast.retailers import DEFAULT_RETAILER
from sales_forecast.storage import schema
from sales_forecast.storage.chunks import one_publication
from sales_forecast.storage.database import database_errors, lock_database, upsert, writing
from sales_forecast.storage.drafts import begin_draft, remove_drafts, write_rows
from sales_forecast.storage.ledger import as_stored, digest_of, last_link, link, records
from sales_forecast.storage.queries import newest_run
from sales_forecast.storage.scoring import Scores, find_scores, record_scores
from sales_forecast.storage.turnover import COLUMNS as TURNOVER_COLUMNS
from sales_forecast.storage.turnover import TurnoverNews, record_turnover, write_turnover

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
        stores: ``store, region, zone, postcode, latitude, longitude``; None for a domain without stores.
        staffing_rules: ``planning.staffing.RULE_COLUMNS``; None for a domain without departments.
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
    stores: pd.DataFrame | None = None
    staffing_rules: pd.DataFrame | None = None
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
    turnover = publication.weekly_turnover
    if turnover is not None:
        turnover = as_stored(turnover.loc[turnover["turnover"].notna(), TURNOVER_COLUMNS])
    header = _header(publication)
    with database_errors(engine), one_publication(engine):
        remove_drafts(engine)
        with engine.connect() as connection:
            newest = newest_run(connection, publication.domain)
            differs = newest is None or newest.digest != header["digest"]
            if differs:
                _refuse_withdrawn(connection, header)
        try:
            run = _write_draft(engine, publication, header, now) if differs else None
            news = None if turnover is None else write_turnover(engine, turnover, publication.retailer, now)
            scores = None
            if news is not None and news.rows.empty:  # all is written, and takes long to score
                with engine.connect() as connection:
                    scores = _scores(connection, publication, news, now)
            with writing(engine) as connection:
                lock_database(connection)
                if news is not None:
                    record_turnover(connection, news, publication.retailer, now)
                    scores = scores or _scores(connection, publication, news, now)
                    record_scores(connection, publication.retailer, scores)
                _replace_models(connection, publication)
                _replace_stores(connection, publication)
                _replace_staffing_rules(connection, publication)
                if run is not None:
                    _refuse_withdrawn(connection, header)
                    _enter(connection, publication, header, run, now)
        except Exception:
            remove_drafts(engine)
            raise
    return differs


def _scores(connection: Connection, publication: Publication, news: TurnoverNews, now: datetime) -> Scores:
    return find_scores(connection, publication.retailer, news.new, news.restated, now)


def _header(publication: Publication) -> dict[str, object]:
    return {
        "retailer": publication.retailer,
        "cutoff": publication.cutoff,
        "delivery": publication.delivery,
        "git_commit": publication.code.get("git_commit"),
        "requirements_lock": publication.code.get("requirements_lock"),
        "summary": publication.summary,
        "digest": publication.digest,
        **publication.made_by,
    }


def _write_draft(
    engine: Engine, publication: Publication, header: Mapping[str, object], now: datetime
) -> int:
    """Write all rows but for the few exceptions, unseen; return the number of the publication."""
    run = begin_draft(engine, header, now)
    for name, rows in publication.tables.items():
        write_rows(engine, name, rows, run)
    if publication.changes is not None:
        write_rows(engine, schema.forecast_changes.name, publication.changes, run)
    return run


def _refuse_withdrawn(connection: Connection, header: Mapping[str, object]) -> None:
    """Publish no numbers again that somebody has withdrawn.

    Raises:
        InputError: They are withdrawn.
    """
    runs, gone = schema.forecast_runs, schema.withdrawals
    equal = (runs.c.digest == header["digest"]) & (runs.c.retailer == header["retailer"])
    query = select(runs.c.id, gone.c.why).join(gone).where(equal, gone.c.restored_at.is_(None))
    if found := connection.execute(query).first():
        raise InputError(
            f"these are the numbers of publication {found.id}, which was withdrawn ({found.why}). Nothing is "
            f"published. To let them serve after all: sales-forecast ledger restore {found.id} --why ..."
        )


def _enter(
    connection: Connection, publication: Publication, header: Mapping[str, object], run: int, now: datetime
) -> None:
    """Enter a publication, whose rows are written, into the ledger: from now on it is seen.

    Raises:
        InputError: Another publication took the draft for one that was left, and has removed it.
    """
    linked = {**header, "domain": publication.domain, "made_at": now}
    entered = {"domain": publication.domain, "chain": link(last_link(connection), linked)}
    runs = schema.forecast_runs
    if connection.execute(update(runs).where(runs.c.id == run).values(entered)).rowcount != 1:
        raise InputError(
            f"publication {run} was removed while it was written, by another one that ran at the same time. "
            "Nothing is published; run again: kedro run --pipelines inference"
        )
    if publication.exceptions is not None and len(publication.exceptions):
        places = range(1, len(publication.exceptions) + 1)
        listed = as_stored(publication.exceptions).assign(run=run, place=places)
        columns = [column.name for column in schema.planner_exceptions.c]
        connection.execute(insert(schema.planner_exceptions), records(listed[columns]))


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


def _replace_stores(connection: Connection, publication: Publication) -> None:
    """Replace what is known of the retailer's stores."""
    if publication.stores is None:
        return
    table, retailer = schema.stores, publication.retailer
    connection.execute(delete(table).where(table.c.retailer == retailer))
    columns = [column.name for column in table.c if column.name != "retailer"]
    found = as_stored(publication.stores.reindex(columns=columns))
    texts = {name: found[name].map(str, na_action="ignore") for name in ("region", "zone", "postcode")}
    known = found.assign(**texts, retailer=retailer).astype(object).replace({np.nan: None})
    upsert(connection, table, records(known))


def _replace_staffing_rules(connection: Connection, publication: Publication) -> None:
    """Replace the staffing rules of the retailer's departments."""
    if publication.staffing_rules is None:
        return
    table, retailer = schema.staffing_rules, publication.retailer
    connection.execute(delete(table).where(table.c.retailer == retailer))
    columns = [column.name for column in table.c if column.name != "retailer"]
    upsert(
        connection, table, records(as_stored(publication.staffing_rules[columns]).assign(retailer=retailer))
    )
