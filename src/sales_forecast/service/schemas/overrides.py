"""Schemas of overrides."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from sales_forecast.planning.overrides import REASONS, Correction, Kind, Override, Scope
from sales_forecast.planning.proposals import LARGEST_NUMBER, LARGEST_PERCENT, LONGEST_NOTE, Proposal
from sales_forecast.service.schemas.queries import MAY_BE_REPEATED, Labels
from sales_forecast.service.schemas.requests import MAX_ROWS, Day, Flag, Label, StrictRequest

Reason = Literal[
    "promotion",
    "event",
    "weather",
    "competitor",
    "opening_hours",
    "assortment",
    "data_error",
    "local_knowledge",
    "other",
]


Note = Annotated[str, Field(max_length=LONGEST_NOTE, pattern=r"^[^\x00]*$")]
"""PostgreSQL cannot store the character NUL."""

Words = Annotated[str, Field(min_length=1, max_length=LONGEST_NOTE, pattern=r"^[^\x00]*[^\x00\s][^\x00]*$")]
"""Text that must say something."""

RULES: list[JsonValue] = [
    {
        "if": {"properties": {"reason": {"const": "other"}}},
        "then": {"required": ["note"], "properties": {"note": {"pattern": r"\S"}}},
    },
    {
        "if": {"properties": {"kind": {"const": "percent"}}},
        "then": {"properties": {"value": {"maximum": LARGEST_PERCENT}}},
        "else": {"properties": {"value": {"minimum": 0}}},
    },
]
"""What ``planning.proposals.check`` asks of several fields, for the OpenAPI document."""


class OverrideRequest(StrictRequest):
    """A planner's number for a store, department or region, any combination of them, or the whole chain."""

    model_config = ConfigDict(
        json_schema_extra={
            "allOf": RULES,
            "examples": [
                {
                    "store": "105",
                    "department": "117",
                    "week_from": "2017-10-21",
                    "week_to": "2017-10-21",
                    "kind": "percent",
                    "value": 20,
                    "reason": "event",
                    "note": "half marathon past the door",
                }
            ],
        }
    )

    store: Label | None = Field(default=None, description="Store. Default: all.")
    department: Label | None = Field(default=None, description="Department. Default: all.")
    region: Label | None = Field(default=None, description="Region. Default: all.")
    week_from: Day = Field(description="First day of the first week, one that is forecast.")
    week_to: Day = Field(description="First day of the last week.")
    kind: Kind = Field(
        description="number: turnover per week of all that is named together; percent: change of the "
        "forecast."
    )
    value: Annotated[float, Field(strict=True, allow_inf_nan=False, ge=-100, le=LARGEST_NUMBER)] = Field(
        description="Currency units per week, from 0; or per cent, from -100 to 1000."
    )
    reason: Reason = Field(description="; ".join(f"{code}: {text}" for code, text in REASONS.items()) + ".")
    note: Note = Field(default="", description="In the planner's words; compulsory for the reason other.")
    expires: Day | None = Field(
        default=None,
        description="Forecasts whose first week begins on this day or later are not changed. Default: the "
        "day after the last week, so that it goes on to apply to later publications.",
    )

    @property
    def correction(self) -> Correction:
        """What is asked for."""
        scope = Scope(self.store, self.department, self.region)
        given = {name: getattr(self, name) for name in Correction.__dataclass_fields__ if name != "scope"}
        return Correction(scope=scope, **given)


class PlannedWeek(BaseModel):
    """A week of all that an override is for, in currency units per week."""

    week: date = Field(description="First day of the week.")
    forecast: float = Field(description="Forecast of the model.")
    planned: float = Field(description="Number of the planner.")
    lo_80: float = Field(description="Lower end of the 80 % prediction interval of the forecast.")
    hi_80: float = Field(description="Upper end of the 80 % prediction interval of the forecast.")
    lo_95: float = Field(description="Lower end of the 95 % prediction interval of the forecast.")
    hi_95: float = Field(description="Upper end of the 95 % prediction interval of the forecast.")


class OverrideWarning(BaseModel):
    """Something that the planner should know; no reason to refuse."""

    model_config = ConfigDict(from_attributes=True)

    kind: Literal["small", "large", "overlapping"] = Field(
        description="small: within the noise; large: outside the 95 % interval; overlapping: with others."
    )
    detail: str = Field(description="In words.")


class OverrideRecord(BaseModel):
    """An override on record."""

    id: int = Field(description="Number of the override.")
    store: str | None = Field(description="Store; null for all.")
    department: str | None = Field(description="Department; null for all.")
    region: str | None = Field(description="Region; null for all.")
    week_from: date = Field(description="First day of the first week.")
    week_to: date = Field(description="First day of the last week.")
    kind: Kind = Field(description="number or percent.")
    value: float = Field(description="Currency units per week of all that is named, or per cent.")
    reason: str = Field(description="Code of the reason.")
    note: str = Field(description="In the planner's words.")
    expires: date = Field(description="Forecasts that begin on this day or later are not changed.")
    publication: int = Field(description="Number of the publication that the planner saw.")
    made_by: str = Field(description="Name of the key's owner.")
    made_at: datetime = Field(description="Time at which it was made.")
    withdrawn_at: datetime | None = Field(description="Time at which it was withdrawn; null if it was not.")
    withdrawn_by: str | None = Field(description="Who has withdrawn it.")
    withdrawn_why: str | None = Field(description="Why.")

    @classmethod
    def of(cls, one: Override) -> OverrideRecord:
        """Convert an override."""
        asked = vars(one.correction) | vars(one.correction.scope) | {"made_by": one.name}
        known = {**asked, **vars(one)}
        return cls(**{name: known[name] for name in cls.model_fields})


class OverrideAnswer(BaseModel):
    """What an override changes; it is stored unless the request was a dry run."""

    override: OverrideRecord | None = Field(description="The override on record; null for a dry run.")
    publication: int = Field(description="Number of the publication that it changes.")
    series: int = Field(description="Number of series that it changes.")
    stores: int = Field(description="Number of stores that it changes.")
    weeks: list[PlannedWeek] = Field(description="Sums over all that it changes.")
    warnings: list[OverrideWarning]

    @classmethod
    def of(cls, proposal: Proposal, override: Override | None, publication: int) -> OverrideAnswer:
        """Describe what was proposed or stored."""
        return cls(
            override=None if override is None else OverrideRecord.of(override),
            publication=publication,
            series=proposal.series,
            stores=len(proposal.stores),
            weeks=[PlannedWeek.model_validate(row) for row in proposal.weeks.to_dict("records")],
            warnings=[OverrideWarning.model_validate(one) for one in proposal.warnings],
        )


class PagedQuery(BaseModel):
    """Which page of a table that no publication owns."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    limit: int = Field(default=1000, ge=1, le=MAX_ROWS, description="Largest number of rows to return.")
    offset: int = Field(default=0, ge=0, le=1_000_000_000, description="Number of rows to skip.")


class OverridesQuery(PagedQuery):
    """Which overrides to return."""

    active: Flag | None = Field(
        default=None,
        description="true: those that count for the newest forecasts; false: the others. Default: all.",
    )
    store: Labels = Field(default=[], description=f"Store that they name. {MAY_BE_REPEATED}")
    department: Labels = Field(default=[], description=f"Department that they name. {MAY_BE_REPEATED}")
    region: Labels = Field(default=[], description=f"Region that they name. {MAY_BE_REPEATED}")
    reason: list[Reason] = Field(
        default=[], max_length=len(REASONS), description=f"Code of the reason. {MAY_BE_REPEATED}"
    )


class ListedOverride(OverrideRecord):
    """An override, and whether it counts."""

    active: bool = Field(description="Whether it counts for the newest forecasts.")


class Overrides(BaseModel):
    """Overrides, newest first."""

    total: int = Field(description="Number of rows without limit and offset.")
    next_offset: int | None = Field(description="Offset of the next page; null on the last page.")
    overrides: list[ListedOverride]
