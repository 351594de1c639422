"""Which model makes the forecasts, who has decided that, and how its tests went, in a manager's words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from statistics import median

from sqlalchemy import Connection, RowMapping, select

from sales_forecast.forecasting.panel.matrix import WEEKS_PER_YEAR
from sales_forecast.registry.store import BY_GATE
from sales_forecast.storage import schema
from sales_forecast.storage.queries import Run

ACTIONS = {"promote": "took over", "rollback": "was taken back into service", "sign": "was vouched for"}
"""Action of the registry -> what happened to the version, in words."""

REASONS = {
    "first": "no model served before",
    "better": "it was better than the one before in the tests, beyond chance",
    "refit": "it is the method of the one before, fitted on newer data",
    "unable": "the one before could not make these forecasts",
}
"""Decision of the deployment gate -> why, in words."""

MOST_CHANGES = 10

NEAR = timedelta(weeks=3)
"""A test whose past ended so near to a year before that of the forecasts is one of the same season."""


@dataclass(frozen=True)
class Change:
    """A change of the model that serves.

    Args:
        at: When.
        version: The version.
        happened: What happened to it, in words.
        by_gate: Whether the gate has decided it, and no person.
        who: Account that has decided it.
        why: Why, in words.
    """

    at: datetime
    version: str
    happened: str
    by_gate: bool
    who: str
    why: str


@dataclass(frozen=True)
class PastTest:
    """A test of a model on weeks of the past that it had not seen. Ratios as in ``storage.scores.rates``.

    Args:
        cutoff: The last week that it had seen.
        wape: Sum of absolute errors over the sum of turnover.
        bias: Sum of errors over it; above zero, forecasts were too high.
        coverage_80: Share of weeks inside the 80 % intervals.
        coverage_95: Likewise of the 95 % intervals.
    """

    cutoff: date
    wape: float | None
    bias: float | None
    coverage_80: float | None
    coverage_95: float | None


@dataclass(frozen=True)
class PastTests:
    """All tests of a model.

    Args:
        each: Newest one first.
        same_season: The one a year before the forecasts; None if there is none.
    """

    each: Sequence[PastTest]
    same_season: PastTest | None

    @property
    def errors(self) -> Sequence[float]:
        """Errors of the tests, the smallest first."""
        return sorted(one.wape for one in self.each if one.wape is not None)

    @property
    def usual_error(self) -> float:
        """Half of the tests had a smaller error."""
        return median(self.errors)


def changes_told(connection: Connection, run: Run) -> list[Change]:
    """Read the last changes of the model that serves, newest first."""
    table = schema.champion_changes
    query = select(table).where(table.c.name == run.model_name).order_by(table.c.happened_at.desc())
    rows = connection.execute(query.limit(MOST_CHANGES)).mappings().all()
    return [_change(row) for row in rows]


def _change(row: RowMapping) -> Change:
    by_gate = row["who"] == BY_GATE
    why = REASONS.get(row["why"].partition(":")[0], row["why"]) if by_gate else row["why"]
    happened = ACTIONS.get(row["action"], row["action"])
    return Change(row["happened_at"], row["version"], happened, by_gate, row["who"], why)


def read_tests(connection: Connection, run: Run) -> PastTests | None:
    """Read how the model that serves did on past weeks; None if nothing is known."""
    table = schema.model_metrics
    own = (table.c.name == run.model_name, table.c.version == run.model_version)
    windows: dict[str, dict[str, float]] = {}
    for row in connection.execute(select(table).where(*own)):
        windows.setdefault(row.window, {})[row.metric] = row.value
    names = ("wape", "bias", "coverage_80", "coverage_95")
    each = [
        PastTest(date.fromisoformat(window), *(metrics.get(name) for name in names))
        for window, metrics in sorted(windows.items(), reverse=True)
    ]
    if not any(one.wape is not None for one in each):
        return None
    return PastTests(each, _same_season(each, run.cutoff))


def _same_season(tests: Sequence[PastTest], cutoff: date | None) -> PastTest | None:
    """The test whose past ended nearest to a year before that of the forecasts; None if none did."""
    if cutoff is None:
        return None
    year_before = cutoff - timedelta(weeks=WEEKS_PER_YEAR)
    nearest = min(tests, key=lambda one: abs(one.cutoff - year_before))
    return nearest if abs(nearest.cutoff - year_before) <= NEAR else None
