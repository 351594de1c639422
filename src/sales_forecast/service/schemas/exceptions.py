"""Schemas of exceptions and of planners' answers to them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue

from sales_forecast.service.schemas.overrides import Note, Words
from sales_forecast.service.schemas.requests import MAX_ROWS, Flag, Label, StrictRequest
from sales_forecast.service.schemas.responses import Paged

Answer = Literal["accept", "correct", "assign"]
Action = Literal["accept", "correct", "assign", "reopen"]


class ExceptionsQuery(BaseModel):
    """Which exceptions to return."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    answered: Flag | None = Field(
        default=None, description="true: those with an answer; false: those without. Default: all."
    )
    limit: int = Field(default=1000, ge=1, le=MAX_ROWS, description="Largest number of rows to return.")
    offset: int = Field(default=0, ge=0, le=1_000_000_000, description="Number of rows to skip.")


class PlannerException(BaseModel):
    """A series that deserves a planner's eye, and the newest answer to it."""

    place: int = Field(description="Place in the list; 1 is the most urgent.")
    store: str = Field(description="Store, as the retailer calls it.")
    department: str = Field(description="Department, as the retailer calls it.")
    kind: str = Field(description="Kind of the exception.")
    money_at_risk: float = Field(description="Width of the 80 % intervals of the next weeks, currency units.")
    reason: str = Field(description="Why it is listed, in words.")
    answer: Answer | None = Field(
        description="What a planner did about it; null if nobody has answered, or it was taken back."
    )
    override: int | None = Field(description="Number of the override that corrects it.")
    assigned_to: str | None = Field(description="Name of the person who is to look at it.")
    note: str | None = Field(description="In the planner's words.")
    answered_by: str | None = Field(description="Name of the key's owner who has answered.")
    answered_at: datetime | None = Field(description="Time of the answer.")


class PlannerExceptions(Paged):
    """Exceptions of the newest publication, the most urgent first."""

    exceptions: list[PlannerException]


def _to_whole(value: object) -> object:
    """Convert 7.0, which is an integer in JSON Schema."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _only_with(action: Action, name: str, kind: str) -> dict[str, JsonValue]:
    """The rule of the OpenAPI document that a field comes with one action, and only then."""
    return {
        "if": {"properties": {"action": {"const": action}}},
        "then": {"required": [name], "properties": {name: {"type": kind}}},
        "else": {"properties": {name: {"type": "null"}}},
    }


class ExceptionAnswerRequest(StrictRequest):
    """What a planner does about an exception of the newest publication."""

    model_config = ConfigDict(
        json_schema_extra={
            "allOf": [
                _only_with("correct", "override", "integer"),
                _only_with("assign", "assigned_to", "string"),
            ],
            "examples": [{"store": "124", "department": "127", "action": "accept"}],
        }
    )

    store: Label = Field(description="Store of the exception.")
    department: Label = Field(description="Department of the exception.")
    action: Action = Field(
        description="accept: the forecast is fine; correct: it is overridden; assign: a person is to see it; "
        "reopen: nobody has answered yet, which takes an answer back."
    )
    override: Annotated[int, Field(strict=True, ge=1, le=2**31 - 1), BeforeValidator(_to_whole)] | None = (
        Field(default=None, description="With correct: number of the override.")
    )
    assigned_to: Words | None = Field(default=None, description="With assign: name of the person.")
    note: Note = Field(default="", description="In the planner's words.")
