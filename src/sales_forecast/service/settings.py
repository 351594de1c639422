"""Settings of the service, from ``conf/<env>/service.yml`` and the command line."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel, Field, ValidationError, model_validator
from sqlalchemy import Engine

from sales_forecast.errors import InputError
from sales_forecast.forecasting.evaluation.group_sequential import ABParams
from sales_forecast.retailers import DEFAULT_RETAILER
from sales_forecast.storage.queries import published_retailers

DEFAULT_SALT = "change-me"


class AuditSettings(BaseModel, frozen=True, extra="forbid"):
    """How long the audit log is kept."""

    keep_days: int = Field(ge=1)


class ABSettings(ABParams):
    """Which stores the challenger predicts, and when the experiment ends."""

    challenger_share: float = Field(ge=0, le=1)
    salt: str = Field(min_length=1)


class BudgetIntervalSettings(BaseModel, frozen=True):
    """How the prediction interval of budgets is estimated: part of ``marketing.curve`` in the parameters."""

    interval_share: float = Field(gt=0, lt=1)
    """Share of campaigns whose sales the interval should contain."""

    folds: int = Field(ge=2)
    """Number of folds of the cross-validation that the interval is estimated from."""


class ServiceSettings(BaseModel, frozen=True, extra="forbid"):
    """All settings of ``service.yml``."""

    host: str
    port: int = Field(ge=1, le=65535)
    production: bool
    retailer: str | None = None
    """Retailer whose forecasts and models are served; None for the one that was published last."""

    requests_per_minute: int = Field(ge=1)
    max_body_bytes: int = Field(ge=1000)
    max_seconds: float = Field(gt=0)
    check_registry_seconds: float = Field(gt=0)
    forecasts_older_than_days: float = Field(gt=0)
    audit: AuditSettings
    ab: ABSettings

    @model_validator(mode="after")
    def _refuse_default_salt_in_production(self) -> ServiceSettings:
        if self.production and self.ab.salt == DEFAULT_SALT:
            raise ValueError("ab.salt: choose one of your own in production; the default is public")
        return self


def read_settings(content: Mapping[str, object], **changes: object) -> ServiceSettings:
    """Validate the settings.

    Args:
        content: Content of ``service.yml``.
        changes: Settings that replace those of the file; None leaves the file's.

    Raises:
        InputError: A setting is unknown, missing or invalid.
    """
    given = {name: value for name, value in changes.items() if value is not None}
    try:
        return ServiceSettings.model_validate({**content, **given})
    except ValidationError as error:
        raise InputError(f"service.yml: {_describe(error)}") from error


def served_retailer(settings: ServiceSettings, engine: Engine) -> str:
    """Return the retailer whose forecasts and models are served, until the service is started again.

    Args:
        settings: Settings of the service, which may name one.
        engine: SQLAlchemy engine of an up-to-date database.

    Raises:
        InputError: The database has forecasts, but none of the retailer that the settings name.
    """
    with engine.connect() as connection:
        published = published_retailers(connection)
    if settings.retailer is None:
        return published[0] if published else DEFAULT_RETAILER
    if published and settings.retailer not in published:
        raise InputError(
            f"service.yml: retailer: no forecasts of '{settings.retailer}' are published; there are those of "
            f"{', '.join(published)}. Choose one of them, or run the files of this retailer first"
        )
    return settings.retailer


def read_budget_interval(curve: Mapping[str, object]) -> BudgetIntervalSettings:
    """Validate the parameters of the prediction interval of budgets.

    Args:
        curve: Content of ``marketing.curve`` in the parameters.

    Raises:
        InputError: A parameter is missing or invalid.
    """
    try:
        return BudgetIntervalSettings.model_validate(curve)
    except ValidationError as error:
        raise InputError(f"marketing.curve in the parameters: {_describe(error)}") from error


def _describe(error: ValidationError) -> str:
    return "; ".join(
        f"{'.'.join(map(str, details['loc']))}: {details['msg']}".removeprefix(": Value error, ")
        for details in error.errors()
    )
