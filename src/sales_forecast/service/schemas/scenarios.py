"""Schemas of requests and responses about what-if scenarios."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from sales_forecast.service.schemas.requests import Amount, Day, Label, StrictRequest

MAX_CHANGES = 10
MAX_CHOSEN = 5000
MIN_COMPARED, MAX_COMPARED = 2, 10


class CovariateChange(StrictRequest):
    """Another value of a future covariate in every week and series of the scenario."""

    covariate: Annotated[str, Field(min_length=1, max_length=200)] = Field(
        description="Future covariate of the model.", examples=["promotion"]
    )
    how: Literal["set", "add", "percent"] = Field(
        description="Set it to the amount, add the amount, or add so many per cent of what is planned."
    )
    amount: Amount = Field(description="In the unit of the covariate, or per cent.", examples=[1.0])


class ScenarioRequest(StrictRequest):
    """Changes of the plan of some series in some weeks ahead."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "changes": [{"covariate": "promotion", "how": "set", "amount": 1.0}],
                    "stores": ["105"],
                    "departments": ["117"],
                    "weeks": ["2017-10-21"],
                }
            ]
        },
    )

    changes: list[CovariateChange] = Field(
        min_length=1, max_length=MAX_CHANGES, description="What is changed, each covariate once."
    )
    stores: Annotated[list[Label], Field(min_length=1, max_length=MAX_CHOSEN)] | None = Field(
        default=None, description="Stores to change. Default: all."
    )
    departments: Annotated[list[Label], Field(min_length=1, max_length=MAX_CHOSEN)] | None = Field(
        default=None, description="Departments to change. Default: all."
    )
    weeks: Annotated[list[Day], Field(min_length=1, max_length=520)] | None = Field(
        default=None, description="First days of the weeks to change. Default: every week ahead."
    )
    save_as: Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00]+$")] | None = Field(
        default=None,
        description="Name under which scenario and answer are kept; needs the scope plan.",
        examples=["Autumn promotion"],
    )


class ScenarioGroup(BaseModel):
    """What a scenario changes in one group, summed over its weeks."""

    level: Literal["series", "store", "department", "region", "week", "total"]
    store: str | None
    department: str | None
    region: str | None
    week: date | None
    baseline: float = Field(
        description="Forecast with the plan as it is, of all series of the group, in currency units."
    )
    scenario: float = Field(description="Forecast with the changed plan.")
    difference: float = Field(description="Scenario minus baseline, as the model predicts it.")
    expected_difference: float | None = Field(
        description="The difference to be expected, after what the past says about such differences; null if "
        "it says nothing."
    )
    lo_80: float | None = Field(description="Lower end of its 80 % interval; null likewise.")
    hi_80: float | None = Field(description="Upper end of its 80 % interval; null likewise.")


class ScenarioAnswer(BaseModel):
    """What a scenario changes, and how far that can be believed."""

    model: str = Field(description="Name of the model in the registry.")
    model_version: str = Field(description="Its version.")
    cutoff: date = Field(description="Last week that the model knows.")
    groups: list[ScenarioGroup]
    interval_is_rough: bool = Field(description="Whether the interval was learned from few past windows.")
    beyond: list[str] = Field(description="Values that were never seen in the past, one sentence for each.")
    notes: list[str] = Field(description="How far predicted effects were off, and what limits the answer.")


class ScenarioResponse(ScenarioAnswer):
    """Answer to a scenario."""

    request_id: str = Field(description="Id of the request, for support and the audit log.")
    id: UUID | None = Field(description="Id under which it is kept; null if it is not.")


class ScenarioSummary(BaseModel):
    """A saved scenario without its answer."""

    id: UUID
    name: str
    made_by: str = Field(description="Name of the API key that saved it.")
    made_at: datetime
    publication: int | None = Field(description="Newest publication of turnover at that time; null if none.")
    model_version: str = Field(description="Version of the model that answered.")
    request: ScenarioRequest


class Scenario(ScenarioSummary):
    """A saved scenario with its answer."""

    answer: ScenarioAnswer


class Scenarios(BaseModel):
    """Saved scenarios, the newest first."""

    scenarios: list[ScenarioSummary]
    next_offset: int | None = Field(description="Offset of the next page; null on the last one.")


class ComparedGroup(BaseModel):
    """One group in several scenarios."""

    level: Literal["store", "department", "region", "week", "total"]
    store: str | None
    department: str | None
    region: str | None
    week: date | None
    scenarios: list[ScenarioGroup | None] = Field(
        description="The group in each scenario, in the order of the request; null where it is not changed."
    )


class ScenarioComparison(BaseModel):
    """Several scenarios side by side."""

    scenarios: list[ScenarioSummary]
    same_basis: bool = Field(description="Whether model version and publication are the same in all.")
    groups: list[ComparedGroup]


class ScenarioQuery(BaseModel):
    """Which of the saved scenarios to return."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    limit: int = Field(default=50, ge=1, le=200, description="Largest number of scenarios to return.")
    offset: int = Field(default=0, ge=0, le=1_000_000, description="Number of scenarios to skip.")


class ComparisonQuery(BaseModel):
    """Which scenarios to compare."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: list[UUID] = Field(
        min_length=MIN_COMPARED, max_length=MAX_COMPARED, description="Id of a scenario; repeat it."
    )
