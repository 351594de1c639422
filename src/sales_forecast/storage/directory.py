"""The stores and departments of a publication, for people who look for one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, RowMapping, func, select

from sales_forecast.storage import schema
from sales_forecast.storage.queries import Run


@dataclass(frozen=True)
class Store:
    """A store that has forecasts.

    Args:
        store: Its label.
        region: Where it lies; None where it is not known.
        zone: Likewise.
        postcode: Likewise.
        departments: Department -> forecast of the first week ahead, currency units.
    """

    store: str
    region: str | None
    zone: str | None
    postcode: str | None
    departments: Mapping[str, float]

    @property
    def forecast(self) -> float:
        """Forecast of the first week ahead of all departments, currency units."""
        return sum(self.departments.values())


@dataclass(frozen=True)
class Directory:
    """All stores that have forecasts.

    Args:
        stores: Label -> store, in the order of the labels.
        departments: Labels of all departments, in order.
        regions: Labels of all regions, in order.
    """

    stores: Mapping[str, Store]
    departments: Sequence[str]
    regions: Sequence[str]


def read_directory(connection: Connection, run: Run) -> Directory:
    """Read which series a publication forecasts, and where their stores lie.

    Args:
        connection: Connection to the database.
        run: The publication.
    """
    made, places = schema.forecasts, schema.stores
    first = select(func.min(made.c.week)).where(made.c.run == run.id).scalar_subquery()
    query = select(made.c.store, made.c.department, made.c.forecast)
    departments: dict[str, dict[str, float]] = {}
    for row in connection.execute(query.where(made.c.run == run.id, made.c.week == first)):
        departments.setdefault(row.store, {})[row.department] = row.forecast
    known = connection.execute(select(places).where(places.c.retailer == run.retailer)).mappings()
    where = {row["store"]: row for row in known}
    stores = {store: _store(store, where.get(store), departments[store]) for store in departments}
    stores = {store: stores[store] for store in sorted(stores, key=in_order)}
    return Directory(
        stores=stores,
        departments=sorted({one for found in departments.values() for one in found}, key=in_order),
        regions=sorted({store.region for store in stores.values() if store.region}, key=in_order),
    )


def _store(store: str, place: RowMapping | None, departments: Mapping[str, float]) -> Store:
    names = ("region", "zone", "postcode")
    region, zone, postcode = (None if place is None else place[name] for name in names)
    ordered = {one: departments[one] for one in sorted(departments, key=in_order)}
    return Store(store, region, zone, postcode, ordered)


def in_order(label: str) -> tuple[bool, int, str]:
    """Return what labels are sorted by: numbers by their size, other names after them.

    >>> sorted(["sport", "10", "9"], key=in_order)
    ['9', '10', 'sport']
    """
    is_number = label.isascii() and label.isdigit()
    return not is_number, int(label) if is_number else 0, label
