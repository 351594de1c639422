"""The stores that are a planner's own, as the pages name them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sales_forecast.service.planner.addresses import staffing_address, stores_address
from sales_forecast.service.planner.frame import Visit
from sales_forecast.storage.directory import Directory, Store, in_order

MOST_SHOWN = 10
"""Own stores that are named on a page; the list of stores has them all."""


@dataclass(frozen=True)
class OwnStores:
    """The stores of a planner; none where every store is the planner's.

    Args:
        stores: Those that have forecasts, in the order of their labels.
        without_forecasts: Labels of stores that the key names and that have none, in order.
        regions: Labels of the regions that are the planner's, in order.
        address: List of them all.
        hours: Hours to plan for them.
    """

    stores: Sequence[Store]
    without_forecasts: Sequence[str]
    regions: Sequence[str]
    address: str
    hours: str

    @property
    def shown(self) -> Sequence[Store]:
        """Those that are named on a page."""
        return self.stores[:MOST_SHOWN]

    @property
    def departments(self) -> int:
        """Number of departments in all of them."""
        return sum(len(store.departments) for store in self.stores)


def own_stores(visit: Visit, directory: Directory) -> OwnStores:
    """Find the stores of the planner who asks.

    Args:
        visit: Who asks.
        directory: All stores that have forecasts.
    """
    territory = visit.session.key.territory
    found = [
        store
        for store in directory.stores.values()
        if territory.is_limited and territory.has(store.store, store.region)
    ]
    without = sorted((territory.stores or frozenset()) - directory.stores.keys(), key=in_order)
    return OwnStores(
        stores=found,
        without_forecasts=without,
        regions=sorted(territory.regions or (), key=in_order),
        address=stores_address(mine="yes"),
        hours=staffing_address(mine="yes"),
    )
