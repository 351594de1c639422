"""Queries for published forecasts and weekly turnover."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache

from sqlalchemy import ColumnElement, Connection, Select, bindparam, exists, func, select

from sales_forecast.storage import schema

DRAFT = "draft"
"""Domain of publications that are still being written; see ``storage.drafts``."""


@dataclass(frozen=True)
class Run:
    """Forecasts that were published together.

    Args:
        id: Number of the run in the database.
        retailer: Retailer whose data they were made from.
        domain: ``turnover`` or ``marketing``.
        made_at: Time at which the forecasts were made.
        model_name: Name of the model in the registry.
        model_version: Version of the model in the registry.
        run_id: Id of the tracked run that made the model.
        model_data_version: Version of the raw files that the model was made from.
        data_version: Version of the raw files that the forecasts were made from.
        cutoff: Last week that was known; None in publications from before it was kept.
        delivery: Id of the delivery that the data came with, likewise.
        git_commit: Commit of the code, where it was known.
        requirements_lock: SHA-256 of the pinned libraries, where it was known.
        summary: Further results of the run, such as the recommended budget, as JSON.
        digest: Hash that is equal for equal forecasts by the same model.
    """

    id: int
    retailer: str
    domain: str
    made_at: datetime
    model_name: str
    model_version: str
    run_id: str
    model_data_version: str
    data_version: str
    cutoff: date | None
    delivery: str | None
    git_commit: str | None
    requirements_lock: str | None
    summary: Mapping[str, object]
    digest: str

    @property
    def made_from_its_data(self) -> bool:
        """Whether the model was made from the same data as the forecasts."""
        return self.model_data_version == self.data_version


def newest_run(
    connection: Connection,
    domain: str,
    as_of: datetime | None = None,
    retailer: str | None = None,
    cutoff: date | None = None,
) -> Run | None:
    """Find the newest run of a domain that is not withdrawn, and whose numbers are kept.

    Args:
        connection: Connection to the database.
        domain: ``turnover`` or ``marketing``.
        as_of: Time by which the run must have been published, and not withdrawn; None for now.
        retailer: Retailer whose run it must be; None for any.
        cutoff: Last week that must have been known; None for any.

    Returns:
        The newest run, or None if there is none.
    """
    given = {"as_of": as_of, "retailer": retailer, "cutoff": cutoff}
    query = _newest_run(tuple(name for name, value in given.items() if value is not None))
    values = given | {"domain": domain}
    found = connection.execute(query, values).mappings().first()
    return None if found is None else Run(**found)


@cache  # building a statement takes longer than SQLite takes to run it
def _newest_run(given: tuple[str, ...]) -> Select[*tuple[object, ...]]:
    runs = schema.forecast_runs
    columns = [runs.c[name] for name in Run.__dataclass_fields__]
    query = select(*columns).where(runs.c.domain == bindparam("domain"))
    gone = schema.withdrawals
    holds: ColumnElement[bool] = gone.c.restored_at.is_(None)
    kept: ColumnElement[bool] = runs.c.numbers_removed_at.is_(None)
    if "as_of" in given:
        kept |= runs.c.numbers_removed_at > bindparam("as_of")
        query = query.where(runs.c.made_at <= bindparam("as_of"))
        holds = (gone.c.at <= bindparam("as_of")) & (holds | (gone.c.restored_at > bindparam("as_of")))
    query = query.where(kept, ~exists().where(gone.c.run == runs.c.id, holds))
    for name in {"retailer", "cutoff"}.intersection(given):
        query = query.where(runs.c[name] == bindparam(name))
    return query.order_by(runs.c.made_at.desc(), runs.c.id.desc()).limit(1)


def newest_before(
    connection: Connection, cutoff: date, retailer: str, as_of: datetime | None = None
) -> Run | None:
    """Find the newest forecasts of turnover that were made before a week was known, and are not withdrawn.

    Args:
        connection: Connection to the database.
        cutoff: The week; forecasts made from data up to an earlier one count.
        retailer: Whose they are.
        as_of: Time before which they must have been published, and not withdrawn; None for now.
    """
    runs, gone = schema.forecast_runs, schema.withdrawals
    columns = [runs.c[name] for name in Run.__dataclass_fields__]
    query = select(*columns).where(
        runs.c.domain == "turnover", runs.c.retailer == retailer, runs.c.cutoff < cutoff
    )
    kept: ColumnElement[bool] = runs.c.numbers_removed_at.is_(None)
    holds: ColumnElement[bool] = gone.c.restored_at.is_(None)
    if as_of is not None:
        kept |= runs.c.numbers_removed_at >= as_of
        query = query.where(runs.c.made_at < as_of)
        holds = (gone.c.at < as_of) & (holds | (gone.c.restored_at >= as_of))
    query = query.where(kept, ~exists().where(gone.c.run == runs.c.id, holds))
    newest_first = query.order_by(runs.c.cutoff.desc(), runs.c.made_at.desc(), runs.c.id.desc())
    found = connection.execute(newest_first.limit(1)).mappings().first()
    return None if found is None else Run(**found)


def published_retailers(connection: Connection) -> list[str]:
    """Return the retailers with published forecasts; the one that was published last comes first."""
    runs = schema.forecast_runs
    last = func.max(runs.c.made_at).desc(), func.max(runs.c.id).desc()
    query = select(runs.c.retailer).where(runs.c.domain != DRAFT).group_by(runs.c.retailer)
    return list(connection.execute(query.order_by(*last)).scalars())
