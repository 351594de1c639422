"""What many pages need of a publication: read once, and kept for a while."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from datetime import date
from threading import Lock
from typing import TypeVar

import pandas as pd
from cachetools import TTLCache
from sqlalchemy import Connection, Engine

from sales_forecast.planning.value_added import value_added
from sales_forecast.service.published import PlanBasis
from sales_forecast.storage.directory import Directory, read_directory
from sales_forecast.storage.hours import PastCosts, newest_week, read_hours, read_past_costs
from sales_forecast.storage.override_value import overridden_weeks
from sales_forecast.storage.queries import Run
from sales_forecast.storage.stability import Moved, read_stability
from sales_forecast.storage.staffing import PublishedRule, staffing_rules
from sales_forecast.storage.totals import Totals, read_totals

KEPT_SECONDS = 600.0
"""A publication never changes, but where stores lie and what was sold last year may be corrected."""

PUBLICATIONS = 12
"""Publications whose changes are told."""

Found = TypeVar("Found")


class Facts:
    """Reads what does not depend on who asks. It may be used in several threads.

    Args:
        engine: SQLAlchemy engine of the database.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._known: TTLCache[tuple[object, ...], object] = TTLCache(30, KEPT_SECONDS)
        self._lock, self._reading = Lock(), defaultdict[object, Lock](Lock)

    def directory(self, run: Run) -> Directory:
        """Return the stores and departments of a publication."""
        return self._once(read_directory, run)

    def totals(self, run: Run) -> Totals:
        """Return the sums of a publication."""
        return self._once(read_totals, run)

    def stability(self, run: Run) -> Sequence[Moved]:
        """Return how far the forecasts of the last publications moved."""
        return self._once(_read_stability, run)

    def hours(self, basis: PlanBasis) -> pd.DataFrame:
        """Return the hours to plan, see ``storage.hours.read_hours``; they must not be changed.

        Args:
            basis: What the plan of the publication follows from.

        Raises:
            InputError: There are no rules, or the forecasts have no quantiles.
        """
        with self._engine.connect() as connection:
            rules = staffing_rules(connection, basis.run.retailer)
        return self._once(_read_hours, basis.run, rules, basis)

    def past_costs(self, run: Run) -> PastCosts:
        """Return what hours would have cost in past weeks, see ``storage.hours.read_past_costs``."""
        with self._engine.connect() as connection:
            basis = staffing_rules(connection, run.retailer), newest_week(connection, run.retailer)
        return self._once(read_past_costs, run, *basis)

    def value(self, run: Run) -> pd.DataFrame:
        """Return what overrides were worth, see ``planning.value_added``; it must not be changed.

        What planners do now changes nothing of it: the weeks that it is about have begun.
        """
        return self._once(_read_value, run, self._newest_week(run))

    def has_value(self, run: Run) -> bool:
        """Return whether ``value`` is kept."""
        key = _key(_read_value, run, self._newest_week(run))
        with self._lock:
            return key in self._known

    def _newest_week(self, run: Run) -> date | None:
        with self._engine.connect() as connection:
            return newest_week(connection, run.retailer)

    def _once(self, read: Callable[..., Found], run: Run, *basis: Hashable) -> Found:
        """Read what follows from a publication and from what else it is based on."""
        key = _key(read, run, *basis)
        with self._reading[read]:  # whoever asks meanwhile waits, instead of reading the same
            with self._lock:
                known = self._known.get(key)
            if known is None:
                with self._engine.connect() as connection:
                    known = read(connection, run, *basis)
                with self._lock:
                    self._known[key] = known
        return known  # type: ignore[return-value]  # its key names the function that has read it


def _key(read: Callable[..., object], run: Run, *basis: Hashable) -> tuple[object, ...]:
    return read, run.id, run.digest, run.made_at, *basis


def _read_hours(
    connection: Connection, run: Run, rules: Sequence[PublishedRule], basis: PlanBasis
) -> pd.DataFrame:
    return read_hours(connection, run, rules, basis.regions, basis.overrides)


def _read_stability(connection: Connection, run: Run) -> Sequence[Moved]:
    return read_stability(connection, run, PUBLICATIONS)


def _read_value(connection: Connection, run: Run, _: date | None) -> pd.DataFrame:
    return value_added(overridden_weeks(connection, run.retailer))
