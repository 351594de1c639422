"""What ``conf/<env>/service.yml`` says."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field, ValidationError, model_validator

from sales_forecast.errors import InputError
from sales_forecast.forecasting.evaluation.group_sequential import ABParams

DEFAULT_SALT = "change-me"


class AuditSettings(BaseModel, frozen=True, extra="forbid"):
    """How long answers are remembered."""

    keep_days: int = Field(ge=1)


class ABSettings(ABParams):
    """Who is answered by the challenger, and when the experiment ends."""

    challenger_share: float = Field(ge=0, le=1)
    salt: str = Field(min_length=1)


class ServiceSettings(BaseModel, frozen=True, extra="forbid"):
    """Everything that may be configured."""

    host: str
    port: int = Field(ge=1, le=65535)
    production: bool
    requests_per_minute: int = Field(ge=1)
    max_body_bytes: int = Field(ge=1000)
    max_seconds: float = Field(gt=0)
    check_registry_seconds: float = Field(gt=0)
    forecasts_older_than_days: float = Field(gt=0)
    audit: AuditSettings
    ab: ABSettings

    @model_validator(mode="after")
    def _no_public_secret(self) -> ServiceSettings:
        if self.production and self.ab.salt == DEFAULT_SALT:
            raise ValueError("ab.salt: choose one of your own in production; everybody knows this one")
        return self


def read_settings(content: dict[str, Any], **changes: Any) -> ServiceSettings:
    """Check the settings.

    Args:
        content: As the file has them.
        changes: What the command line says instead; None is nothing.

    Raises:
        InputError: An option does not exist, is missing or cannot have this value.
    """
    given = {name: value for name, value in changes.items() if value is not None}
    try:
        return ServiceSettings(**{**content, **given})
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(map(str, each['loc']))}: {each['msg']}".removeprefix(": Value error, ")
            for each in error.errors()
        )
        raise InputError(f"service.yml: {wrong}") from error
