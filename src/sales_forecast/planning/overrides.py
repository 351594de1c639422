"""Overrides: planners' numbers beside the model's forecasts, spread over series and weeks.

The model's forecast always stays beside the planned number, and no model is trained on overrides. They are
counted by the calendar of the data: one goes on to apply to later publications until the first week that is
forecast begins on or after the day on which the override expires.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal

Kind = Literal["number", "percent"]

REASONS: Mapping[str, str] = {
    "promotion": "a promotion that the model does not know of",
    "event": "an event near the store, or in the country",
    "weather": "weather that is forecast",
    "competitor": "a competitor opens, closes or cuts prices",
    "opening_hours": "other opening hours, building works or a closure",
    "assortment": "products come, go or are out of stock",
    "data_error": "the turnover that the model has seen is wrong",
    "local_knowledge": "what people on the spot know",
    "other": "anything else; needs a note",
}
"""Code of a reason -> what it means."""


@dataclass(frozen=True)
class Scope:
    """Which series an override is for: any combination of the three; all None is the whole chain.

    Args:
        store: Store, as the retailer calls it; None for all.
        department: Department, likewise.
        region: Region of the stores, likewise.
    """

    store: str | None = None
    department: str | None = None
    region: str | None = None

    def __str__(self) -> str:
        named = [f"{name} {label}" for name, label in vars(self).items() if label is not None]
        return ", ".join(named) or "the whole chain"


@dataclass(frozen=True)
class Correction:
    """What a planner asks for.

    Args:
        scope: Series that are corrected.
        week_from: First day of the first week.
        week_to: First day of the last week.
        kind: ``number``: turnover per week of the whole scope; ``percent``: change of the model's forecast.
        value: Currency units per week, or per cent.
        reason: One of ``REASONS``.
        note: In the planner's words.
        expires: Forecasts whose first week begins on this day or later are not changed; None for the day
            after the last week.
    """

    scope: Scope
    week_from: date
    week_to: date
    kind: Kind
    value: float
    reason: str
    note: str = ""
    expires: date | None = None

    @property
    def expires_on(self) -> date:
        """The day on which it expires."""
        return self.expires or self.week_to + timedelta(weeks=1)


@dataclass(frozen=True)
class Override:
    """A correction on record.

    Args:
        id: Number of the override.
        correction: What was asked for.
        stores: Stores that had a series in the scope; it counts for these only, so that a store that comes to
            a region later is not changed by somebody who may not plan it.
        publication: Number of the publication that the planner saw.
        key_id: Id of the API key; empty for the command line.
        name: Name of the key's owner, or account.
        made_at: Time at which it was made.
        withdrawn_at: Time at which it was withdrawn; None if it was not.
        withdrawn_by: Who has withdrawn it.
        withdrawn_why: Why.
    """

    id: int
    correction: Correction
    stores: frozenset[str]
    publication: int
    key_id: str
    name: str
    made_at: datetime
    withdrawn_at: datetime | None = None
    withdrawn_by: str | None = None
    withdrawn_why: str | None = None

    def is_active(self, first_week: date, moment: datetime | None = None) -> bool:
        """Whether it counts for a publication.

        Args:
            first_week: First week that the publication forecasts.
            moment: Time as of which it is asked; None for now.
        """
        if first_week >= self.correction.expires_on or first_week > self.correction.week_to:
            return False
        if moment is None:
            return self.withdrawn_at is None
        return self.made_at < moment and (self.withdrawn_at is None or self.withdrawn_at >= moment)
