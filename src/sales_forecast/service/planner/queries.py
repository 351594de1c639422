"""Fields of addresses, as people may have changed them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date

from sales_forecast.service.planner.words import day
from sales_forecast.service.problems import ProblemError
from sales_forecast.storage.directory import Directory, Store


def chosen_week(query: Mapping[str, str], weeks: Sequence[date]) -> date:
    """Return the week of a query, or the first one that is forecast.

    Args:
        query: Fields of the query.
        weeks: Weeks that are forecast, in order; at least one.

    Raises:
        ProblemError: It is none of them.
    """
    if "week" not in query:
        return weeks[0]
    found = next((week for week in weeks if week.isoformat() == query["week"]), None)
    if found is None:
        detail = (
            f"'{query['week']}' is no week that is forecast; weeks begin on {weeks[0]:%A}s, and forecast "
        )
        raise ProblemError(404, f"{detail}are those from {day(weeks[0])} to {day(weeks[-1])}")
    return found


def page_number(query: Mapping[str, str]) -> int:
    """Return the number of the page of a list that a query asks for, 1 for the first one."""
    text = query.get("page", "1")
    return max(1, int(text)) if text.isascii() and text.isdigit() and len(text) < 7 else 1


_STORE = re.compile(r"(store|no\.?|number|#)\s*", re.IGNORECASE)


def spellings(text: str) -> tuple[str, str, str]:
    """Return what a person may mean who writes the number of a store.

    >>> spellings("Store no. 027")
    ('Store no. 027', '027', '27')

    Args:
        text: As it was typed.

    Returns:
        The text itself, without words around the number, and without zeros before it; one may be empty.
    """
    bare = text
    while match := _STORE.match(bare):
        bare = bare[match.end() :]
    return text, bare, bare.lstrip("0") if bare.isdigit() else bare


def find_store(directory: Directory, text: str) -> Store | None:
    """Find the store that a person names; None if there is none."""
    return next((directory.stores[one] for one in spellings(text) if one in directory.stores), None)
