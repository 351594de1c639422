"""The plan: forecasts of a publication with the planners' numbers beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

import pandas as pd
from sqlalchemy import Connection, Table, func, select

from sales_forecast.forecasting.intervals.conformal import INTERVAL_COLUMNS
from sales_forecast.forecasting.panel.matrix import ROW_KEYS
from sales_forecast.planning.overrides import Correction, Override
from sales_forecast.planning.planned import planned_rows
from sales_forecast.planning.proposals import MayPlan, Proposal, propose
from sales_forecast.planning.scaling import scale
from sales_forecast.storage import schema
from sales_forecast.storage.ledger import read_rows
from sales_forecast.storage.overrides import active_overrides
from sales_forecast.storage.queries import Run

FORECAST_COLUMNS = [*ROW_KEYS, "horizon", "forecast", *INTERVAL_COLUMNS]
LEVEL_COLUMNS = ["level", "key", "department", "week", *INTERVAL_COLUMNS]


@dataclass(frozen=True)
class Published:
    """What a publication says; it never changes.

    Args:
        run: The publication.
        forecasts: ``FORECAST_COLUMNS``, by store, department and week.
        levels: ``LEVEL_COLUMNS`` of the sums.
    """

    run: Run
    forecasts: pd.DataFrame
    levels: pd.DataFrame

    @property
    def first_week(self) -> date:
        """First week that it forecasts."""
        first: date = self.forecasts["week"].min()
        return first


@dataclass(frozen=True)
class Size:
    """How much there is to compute with a publication.

    Args:
        forecasts: Number of forecasts.
        series: Number of stores and departments.
        first_week: First week that is forecast; the last of all days if there is none.
    """

    forecasts: int
    series: int
    first_week: date


def size_of(connection: Connection, run: Run) -> Size:
    """Count the forecasts of a publication of turnover, without reading them."""
    week = schema.forecasts.c.week
    query = select(func.count(), func.count(week.distinct()), func.min(week))
    forecasts, weeks, first = connection.execute(query.where(schema.forecasts.c.run == run.id)).one()
    return Size(forecasts, forecasts // max(weeks, 1), first or date.max)


def read_published(connection: Connection, run: Run) -> Published:
    """Read what a publication of turnover says."""
    tables = {schema.forecasts: FORECAST_COLUMNS, schema.level_forecasts: LEVEL_COLUMNS}
    forecasts, levels = (_read(connection, table, columns, run) for table, columns in tables.items())
    return Published(run, forecasts, levels)


def _read(connection: Connection, table: Table, columns: list[str], run: Run) -> pd.DataFrame:
    query = select(*(table.c[name] for name in columns)).where(table.c.run == run.id)
    return pd.DataFrame(connection.execute(query.order_by(*table.primary_key)).all(), columns=columns)


def regions_of(connection: Connection, retailer: str) -> dict[str, str | None]:
    """Read the region of each store of a retailer, as it is known now; None where it is not known."""
    table = schema.stores
    query = select(table.c.store, table.c.region).where(table.c.retailer == retailer)
    return {row.store: row.region for row in connection.execute(query)}


def with_regions(forecasts: pd.DataFrame, regions: Mapping[str, str | None]) -> pd.DataFrame:
    """Add the ``region`` of each store to forecasts; see ``regions_of``."""
    found = [regions.get(store) for store in forecasts["store"]]
    return forecasts.assign(region=pd.Series(found, forecasts.index, dtype=object))


def plan_rows(
    published: Published, regions: Mapping[str, str | None], active: Sequence[Override]
) -> pd.DataFrame:
    """Put the planned numbers beside the forecasts of a publication.

    Args:
        published: The publication.
        regions: Store -> region.
        active: Overrides that count for it.

    Returns:
        ``FORECAST_COLUMNS``, ``region`` and ``PLANNED_COLUMNS`` as ``planned_rows`` has them,
        ``planned_lo_80`` and so on, the ends of the intervals scaled as the forecasts were, and the
        ``reason`` of the override.
    """
    rows = planned_rows(with_regions(published.forecasts, regions), active)
    reasons = {one.id: one.correction.reason for one in active}
    told = [reasons.get(number) for number in rows["override"]]
    ends = scale(rows, INTERVAL_COLUMNS).add_prefix("planned_")
    return pd.concat([rows.assign(reason=pd.Series(told, rows.index, dtype=object)), ends], axis=1)


def planned_forecasts(
    connection: Connection, published: Published, moment: datetime | None = None
) -> pd.DataFrame:
    """Read the plan of a publication; see ``plan_rows``.

    Args:
        connection: Connection to the database.
        published: The publication.
        moment: Time as of which overrides count; None for now.
    """
    retailer = published.run.retailer
    active = active_overrides(connection, retailer, published.first_week, moment)
    return plan_rows(published, regions_of(connection, retailer), active)


def planned_quantiles(connection: Connection, run: Run) -> pd.DataFrame:
    """Read the forecasts of a publication with their quantiles, and the plan beside them.

    Args:
        connection: Connection to the database.
        run: The publication.

    Returns:
        The columns of ``schema.forecasts`` but ``run``, then ``region`` and ``PLANNED_COLUMNS`` as
        ``planned_rows`` has them; by store, department and week.
    """
    active = active_overrides(connection, run.retailer, size_of(connection, run).first_week)
    return quantile_rows(connection, run, regions_of(connection, run.retailer), active)


def quantile_rows(
    connection: Connection, run: Run, regions: Mapping[str, str | None], active: Sequence[Override]
) -> pd.DataFrame:
    """Read what ``planned_quantiles`` returns, by these regions and overrides; see ``plan_rows``."""
    rows = read_rows(connection, schema.forecasts, run.id).sort_values(ROW_KEYS, ignore_index=True)
    return planned_rows(with_regions(rows, regions), active)


def propose_override(
    connection: Connection,
    published: Published,
    asked: Correction,
    may_plan: MayPlan,
    moment: datetime | None = None,
) -> Proposal:
    """Find what an override would change; for errors see ``planning.proposals.propose``.

    Args:
        connection: Connection to the database.
        published: The newest publication.
        asked: What a planner asks for.
        may_plan: Tells which stores are the planner's, such as ``Territory.has``.
        moment: Time as of which earlier overrides count; None for now.
    """
    active = active_overrides(connection, published.run.retailer, published.first_week, moment)
    forecasts = with_regions(published.forecasts, regions_of(connection, published.run.retailer))
    return propose(forecasts, published.levels, asked, active, may_plan)
