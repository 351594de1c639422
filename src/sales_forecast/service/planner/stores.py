"""The list of stores, and the search in it."""

from __future__ import annotations

from collections.abc import Mapping

from sales_forecast.service.planner.addresses import stores_address
from sales_forecast.service.planner.frame import Page, Visit
from sales_forecast.service.planner.own_stores import own_stores
from sales_forecast.service.planner.queries import find_store, page_number, spellings
from sales_forecast.storage.directory import Directory, Store
from sales_forecast.storage.keys import Territory

STORES_A_PAGE = 50

FIELDS = ("q", "region", "department", "mine")
"""Fields of the form that narrow the list down."""


def stores(visit: Visit) -> Page:
    """Collect what the list of stores shows: those that fit the search, a page of them."""
    directory, query = visit.service.facts.directory(visit.run), visit.query
    territory = visit.session.key.territory
    found = search(directory, query, territory)
    pages = max(1, -(-len(found) // STORES_A_PAGE))
    number = min(page_number(query), pages)
    first = (number - 1) * STORES_A_PAGE
    given = {name: query.get(name, "") for name in FIELDS}
    content = {
        "directory": directory,
        "found": found[first : first + STORES_A_PAGE],
        "first": first,
        "total": len(found),
        "given": given,
        "own": own_stores(visit, directory),
        "is_unknown": spellings(given["q"])[2].isdigit() and find_store(directory, given["q"]) is None,
        "has_territory": territory.is_limited,
        "before": stores_address(**given, page=number - 1) if number > 1 else None,
        "after": stores_address(**given, page=number + 1) if number < pages else None,
    }
    return Page("stores.html.jinja", "Stores and departments", "/planner/stores", content)


def search(directory: Directory, query: Mapping[str, str], territory: Territory) -> list[Store]:
    """Find stores by a text in their label, region, zone or postcode, and by the other fields of the form.

    The store that is named comes first, then the planner's own ones, then those whose label begins with the
    text, each in the order of their labels.

    Args:
        directory: All stores.
        query: ``q`` is the text; ``region`` and ``department`` must be the store's; with ``mine`` it must be
            the planner's.
        territory: The stores that are the planner's.
    """
    text, bare, number = (one.casefold() for one in spellings(query.get("q", "")))
    found = [
        store
        for store in directory.stores.values()
        if (_has(store, text) or _has(store, bare) or store.store.casefold() == number)
        and query.get("region", store.region) == store.region
        and ("department" not in query or query["department"] in store.departments)
        and ("mine" not in query or territory.has(store.store, store.region))
    ]

    def rank(store: Store) -> tuple[bool, bool, bool]:
        label = store.store.casefold()
        is_own = territory.is_limited and territory.has(store.store, store.region)
        return label not in (text, bare, number), not is_own, not label.startswith(bare)

    return sorted(found, key=rank)


def _has(store: Store, text: str) -> bool:
    names = (store.store, store.region, store.zone, store.postcode)
    return any(text in name.casefold() for name in names if name is not None)
