"""Schema of the response at the root."""

from __future__ import annotations

from pydantic import BaseModel, Field


class Index(BaseModel):
    """What the service is, and where more is said about it."""

    name: str = Field(description="Name of the service.")
    version: str = Field(description="Version of the service.")
    description: str = Field(description="What it answers.")
    documentation: str | None = Field(description="Path of the documentation page; null where it is off.")
    openapi: str | None = Field(description="Path of the OpenAPI document; null where it is off.")
    health: str = Field(description="Path that says whether the process runs.")
