"""What the newest publications say and what planners made of them, kept in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from threading import Lock

import pandas as pd
from cachetools import LRUCache
from sqlalchemy import Engine

from sales_forecast.forecasting.panel.matrix import ROW_KEYS
from sales_forecast.planning.overrides import Override
from sales_forecast.planning.planned import PLANNED_COLUMNS
from sales_forecast.service.documents import tag_of
from sales_forecast.storage.overrides import active_overrides
from sales_forecast.storage.plan import Published, Size, plan_rows, read_published, regions_of, size_of
from sales_forecast.storage.queries import Run

KEPT = 2
"""Number of publications that are kept: the newest one, and one that somebody looks back at."""

SIZES_KEPT = 1000

RunKey = tuple[int, str, datetime]
RowKey = tuple[str, str, date]
"""Store, department and week."""


@dataclass(frozen=True, eq=False)  # its key tells which ones are equal
class PlanBasis:
    """What a plan follows from.

    Args:
        run: The publication.
        overrides: Those that count for it.
        regions: Store -> region.
    """

    run: Run
    overrides: Sequence[Override]
    regions: Mapping[str, str | None]

    @cached_property
    def key(self) -> tuple[object, ...]:
        """Equal for equal plans: an override only changes by being withdrawn, and counts no more then."""
        counting = tuple((one.id, one.made_at) for one in self.overrides)
        return _key(self.run), counting, tuple(sorted(self.regions.items(), key=str))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PlanBasis) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)


@dataclass(frozen=True, eq=False)  # each one is made once, and equal to itself only
class Overridden:
    """The rows of a publication for which a planner's number counts.

    Args:
        rows: Store, department and week -> planned turnover, planned over forecast, number of the override.
        version: Differs where these rows differ; empty without any.
    """

    rows: Mapping[RowKey, tuple[float, float, int]]
    version: str


NOTHING_OVERRIDDEN = Overridden({}, "")


@dataclass(frozen=True, eq=False)
class KeptPlan:
    """A plan that is kept.

    Args:
        basis: What it follows from.
        rows: See ``storage.plan.plan_rows``; they must not be changed.
    """

    basis: PlanBasis
    rows: pd.DataFrame

    @cached_property
    def overridden(self) -> Overridden:
        """Its rows with a planner's number."""
        found = self.rows[self.rows["override"].notna()]
        if found.empty:
            return NOTHING_OVERRIDDEN
        keys = found[ROW_KEYS].itertuples(index=False, name=None)
        numbers = found[PLANNED_COLUMNS].itertuples(index=False, name=None)
        return Overridden(dict(zip(keys, numbers, strict=True)), tag_of(repr(self.basis.key).encode()))


class PublishedForecasts:
    """Reads publications of turnover once, and makes a plan once. Any thread may use it.

    Args:
        engine: SQLAlchemy engine of the database.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine, self._lock, self._sizes_lock = engine, Lock(), Lock()
        self._kept: LRUCache[RunKey, Published] = LRUCache(KEPT)
        self._plans: LRUCache[tuple[object, ...], KeptPlan] = LRUCache(KEPT)
        self._sizes: LRUCache[RunKey, Size] = LRUCache(SIZES_KEPT)

    def keeps(self, run: Run) -> bool:
        """Return whether a publication has been read lately; whoever asks does not wait for readers."""
        return _key(run) in self._kept

    def size(self, run: Run) -> Size:
        """Return how many forecasts a publication has, and from when; they need not be read for that."""
        key = _key(run)
        with self._sizes_lock:
            found = self._sizes.get(key)
            if found is None:
                with self._engine.connect() as connection:
                    found = self._sizes[key] = size_of(connection, run)
            return found

    def of(self, run: Run) -> Published:
        """Return what a publication says; readers of the same one wait for each other."""
        key = _key(run)
        with self._lock:
            found = self._kept.get(key)
            if found is None:
                with self._engine.connect() as connection:
                    found = self._kept[key] = read_published(connection, run)
            return found

    def plan(self, run: Run, moment: datetime | None = None) -> pd.DataFrame:
        """Return the plan of a publication, see ``storage.plan.plan_rows``; it must not be changed.

        Args:
            run: The publication.
            moment: Time as of which overrides count; None for now.
        """
        return self._plan(self.basis(run, moment)).rows

    def basis(self, run: Run, moment: datetime | None = None) -> PlanBasis:
        """Read what the plan of a publication follows from now; arguments: see ``plan``."""
        first_week = self.size(run).first_week
        with self._engine.connect() as connection:  # nobody waits for the lock with a connection
            active = active_overrides(connection, run.retailer, first_week, moment)
            regions = regions_of(connection, run.retailer)
        return PlanBasis(run, active, regions)

    def has(self, basis: PlanBasis) -> bool:
        """Return whether the plan is kept, so that ``overridden`` costs nothing."""
        return basis.key in self._plans

    def overridden(self, basis: PlanBasis) -> Overridden:
        """Return the rows for which a planner's number counts."""
        return self._plan(basis).overridden

    def _plan(self, basis: PlanBasis) -> KeptPlan:
        published = self.of(basis.run)
        with self._lock:
            found = self._plans.get(basis.key)
            if found is None:
                rows = plan_rows(published, basis.regions, basis.overrides)
                found = self._plans[basis.key] = KeptPlan(basis, rows)
            return found


def _key(run: Run) -> RunKey:
    return run.id, run.digest, run.made_at  # they differ when the database was started anew
