"""Schemas of what the service tells about itself: models, readiness and the audit log."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from sales_forecast.storage.audit import KINDS

CheckStatus = Literal["green", "yellow", "red"]


class ModelVersion(BaseModel):
    """Version of a model in the registry."""

    name: str = Field(description="Name of the model.")
    version: str = Field(description="Version of the model.")
    aliases: list[str] = Field(description="champion, challenger, both or neither.")
    run_id: str = Field(description="Id of the tracked run that made it.")
    data_version: str = Field(description="Version of the raw files that it was made from.")
    made_at: datetime | None = Field(description="Time at which it was registered.")
    decision: str = Field(description="Decision of the deployment gate, with its reason.")
    metrics: dict[str, dict[str, float]] = Field(
        description="Window (its cutoff, or test) -> metric -> value."
    )


class ChampionChange(BaseModel):
    """Change of a champion."""

    name: str = Field(description="Name of the model.")
    happened_at: datetime = Field(description="Time of the change.")
    action: str = Field(description="promote or rollback.")
    version: str = Field(description="Version that became champion.")
    previous: str | None = Field(description="Version that was champion before; null for the first one.")
    who: str | None = Field(description="Account that made the change; null without the scope admin.")
    why: str = Field(description="Reason of the change.")


class Models(BaseModel):
    """Registered models, and how stores are split between champion and challenger."""

    request_id: str = Field(description="Id of the request.")
    split: dict[str, float] = Field(description="Arm -> share of stores.")
    versions: list[ModelVersion]
    champion_changes: list[ChampionChange]


class Health(BaseModel):
    """Whether the process runs and has started."""

    status: Literal["ok", "starting"]
    version: str = Field(description="Version of the service.")


class Check(BaseModel):
    """Result of one check."""

    status: CheckStatus
    detail: str | None = Field(description="What was found, and what to do; null without an API key.")


class Readiness(BaseModel):
    """Readiness: green is fine, yellow answers requests but needs attention, red cannot answer requests."""

    status: CheckStatus = Field(description="Worst status of the checks.")
    domains: dict[str, CheckStatus] = Field(description="Worst status of what each domain needs.")
    checks: dict[str, Check]

    def without_details(self) -> Readiness:
        """Return what everybody may read."""
        checks = {name: Check(status=one.status, detail=None) for name, one in self.checks.items()}
        return self.model_copy(update={"checks": checks})


class AuditEntry(BaseModel):
    """What one arm answered to a request."""

    model_config = ConfigDict(from_attributes=True)

    request_id: str = Field(description="Id of the request.")
    arm: str = Field(description="champion or challenger; stored: from the database; none: no answer.")
    at: datetime = Field(description="Time of the answer.")
    key_id: str = Field(description="Id of the API key that was used.")
    endpoint: str = Field(description="Route of the request.")
    model_name: str = Field(description="Name of the model in the registry.")
    model_version: str = Field(description="Version of the model in the registry.")
    input: JsonValue = Field(description="Content of the request.")
    output: JsonValue = Field(description="Content of the response.")
    other_output: JsonValue = Field(description="What the other arm predicts; null without an experiment.")
    latency_ms: float = Field(description="Milliseconds from the arrival of the request to this record.")
    kind: str = Field(description=f"{', '.join(KINDS[:-1])} or {KINDS[-1]}.")


class AuditResponse(BaseModel):
    """Audit log of one request."""

    answers: list[AuditEntry] = Field(description="One entry per arm.")
