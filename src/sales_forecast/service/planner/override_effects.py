"""What an override does beside the turnover: the hours to plan, and earlier overrides that it outvotes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

import numpy as np

from sales_forecast.errors import InputError
from sales_forecast.forecasting.panel.matrix import ROW_KEYS
from sales_forecast.planning.overrides import Correction, Override
from sales_forecast.planning.planned import Series, planned_rows
from sales_forecast.planning.staffing_plan import rescale_hours
from sales_forecast.service.planner.frame import Visit
from sales_forecast.service.published import PlanBasis
from sales_forecast.storage.overrides import LARGEST_ID
from sales_forecast.storage.plan import with_regions
from sales_forecast.storage.staffing import staffing_rules


@dataclass(frozen=True)
class HoursEffect:
    """Hours to plan of all that an override is for.

    Args:
        weeks: Week -> hours without the override, and with it.
        by_cover: Whether the minimum cover decides all of them, without the override and with it.
    """

    weeks: Mapping[date, tuple[float, float]]
    by_cover: bool

    @property
    def before(self) -> float:
        """Hours of all weeks without the override."""
        return sum(before for before, _ in self.weeks.values())

    @property
    def after(self) -> float:
        """Hours of all weeks with it."""
        return sum(after for _, after in self.weeks.values())


def hours_of_draft(visit: Visit, asked: Correction) -> HoursEffect | None:
    """Compute the hours before and after an override that is not stored; None where no hours are planned."""
    basis = visit.service.published.basis(visit.run)
    stores = frozenset(visit.service.facts.directory(visit.run).stores)
    newest = datetime.max.replace(tzinfo=UTC)
    draft = Override(LARGEST_ID, asked, stores, visit.run.id, "", "", newest)
    return _effect(visit, basis, draft, basis.overrides, [*basis.overrides, draft])


def hours_of_override(visit: Visit, one: Override) -> HoursEffect | None:
    """Compute the hours without and with an override that counts; None where no hours are planned."""
    basis = visit.service.published.basis(visit.run)
    others = [each for each in basis.overrides if each.id != one.id]
    return _effect(visit, basis, one, others, basis.overrides)


def _effect(
    visit: Visit, basis: PlanBasis, one: Override, before: Sequence[Override], after: Sequence[Override]
) -> HoursEffect | None:
    try:
        known = visit.service.facts.hours(basis)
    except InputError:  # the page about staffing says why there are none
        return None
    with visit.service.engine.connect() as connection:
        rules = {each.department: each.rule for each in staffing_rules(connection, visit.run.retailer)}
    forecasts = with_regions(visit.service.published.of(visit.run).forecasts, basis.regions)
    asked = one.correction
    rows = Series(forecasts).rows_of(asked.scope, asked.week_from, asked.week_to, one.stores)
    model = known[[*ROW_KEYS, "model_turnover"]]
    found = []
    for overrides in (before, after):
        planned = planned_rows(forecasts, overrides).iloc[rows][[*ROW_KEYS, "factor", "planned"]]
        found.append(rescale_hours(planned.merge(model, on=ROW_KEYS), rules))
    sums = [each.groupby("week")["hours"].sum() for each in found]
    weeks = {week: (sums[0][week], sums[1][week]) for week in sums[0].index}
    return HoursEffect(weeks, all(each["is_cover"].all() for each in found))


def others_for_the_same(visit: Visit, one: Override, others: Collection[Override]) -> list[Override]:
    """Find those of other overrides that are for some of the same departments and weeks."""
    regions = visit.service.published.basis(visit.run).regions
    series = Series(with_regions(visit.service.published.of(visit.run).forecasts, regions))
    rows = _rows(series, one)
    return [each for each in others if each.id != one.id and np.isin(_rows(series, each), rows).any()]


def _rows(series: Series, one: Override) -> np.ndarray:
    asked = one.correction
    return series.rows_of(asked.scope, asked.week_from, asked.week_to, one.stores)
