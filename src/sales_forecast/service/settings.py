"""Settings of the service, from ``conf/<env>/service.yml`` and the command line."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, Field, ValidationError, model_validator
from sqlalchemy import Engine

from sales_forecast.errors import InputError, describe_fields
from sales_forecast.forecasting.evaluation.group_sequential import ABParams
from sales_forecast.retailers import DEFAULT_RETAILER
from sales_forecast.service.rate_limit import IN_THIS_PROCESS
from sales_forecast.storage.audit_settings import AuditSettings
from sales_forecast.storage.override_limits import OverrideSettings
from sales_forecast.storage.queries import published_retailers

DEFAULT_SALT = "change-me"

PER_MINUTE = ("units_per_minute", "wrong_keys_per_minute")


def _split(value: object) -> object:
    """Split names that an environment variable holds."""
    return [name.strip() for name in value.split(",") if name.strip()] if isinstance(value, str) else value


Names = Annotated[tuple[str, ...], BeforeValidator(_split)]


class JobSettings(BaseModel, frozen=True, extra="forbid"):
    """Jobs that predict many series."""

    max_unfinished_per_key: int = Field(default=5, ge=1)
    """Largest number of jobs of an API key that wait or run."""

    max_stored_per_key: int = Field(default=100, ge=1)
    """Largest number of jobs of an API key, with those whose results are kept."""

    units_per_key_and_day: int = Field(default=500_000, ge=1)
    """What jobs of an API key may cost in a day, apart from the units of a minute."""

    keep_hours: float = Field(default=24, gt=0)
    """How long a result is kept."""


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

    allowed_hosts: Names
    """Names under which the service is called, as in the header Host; ``*`` for any."""

    trusted_proxies: Names
    """Addresses or networks whose X-Forwarded-For and X-Forwarded-Proto are believed."""

    login_header: str | None = Field(default=None, pattern=r"^[A-Za-z0-9-]+$")
    """Header in which a trusted proxy names who is signed in; None for none, keys only."""

    docs: bool | None = None
    """Whether /docs and /openapi.json answer; None for: not in production."""

    units_per_minute: int = Field(ge=1)
    wrong_keys_per_minute: int = Field(ge=1)
    rate_limit_storage: str = Field(pattern=r"^(memory://|rediss?://.+)$")
    max_connections: int = Field(ge=1)
    max_header_bytes: int = Field(ge=1000)
    max_header_seconds: float = Field(gt=0)
    max_body_bytes: int = Field(ge=1000)
    max_seconds: float = Field(gt=0)
    computations: int = Field(ge=1)
    max_waiting_computations: int = Field(ge=1)
    check_registry_seconds: float = Field(gt=0)
    forecasts_older_than_days: float = Field(gt=0)
    audit: AuditSettings
    jobs: JobSettings = JobSettings()
    overrides: OverrideSettings = OverrideSettings()
    ab: ABSettings

    @model_validator(mode="before")
    @classmethod
    def _name_what_was_renamed(cls, content: object) -> object:
        if isinstance(content, dict) and "requests_per_minute" in content:
            raise ValueError("requests_per_minute is now units_per_minute: a stored answer costs one unit")
        return content

    @model_validator(mode="after")
    def _listen_to_others_in_production_only(self) -> ServiceSettings:
        if not self.production and not is_loopback(self.host):
            raise ValueError(
                f"host: {self.host} is open to other machines, and without --production anybody may try. "
                "Listen on 127.0.0.1, or start with --production"
            )
        return self

    @model_validator(mode="after")
    def _believe_logins_of_some_proxies_only(self) -> ServiceSettings:
        if self.login_header is None:
            return self
        anybody = [name for name in self.trusted_proxies if name == "*" or name.endswith("/0")]
        if anybody or not self.trusted_proxies:
            believed = f"has {anybody[0]}" if anybody else "is empty"
            raise ValueError(
                f"login_header: who sends {self.login_header} is signed in, and trusted_proxies {believed}. "
                "Name the addresses of the proxies there"
            )
        return self

    def for_one_of(self, workers: int) -> ServiceSettings:
        """Return the settings of one of several processes.

        They share the quota of the audit log, and the units unless they count these together.
        """
        shares: dict[str, object] = {"audit": self.audit.model_copy(update={"processes": workers})}
        if self.rate_limit_storage == IN_THIS_PROCESS:
            shares |= {name: max(1, getattr(self, name) // workers) for name in PER_MINUTE}
            of_a_day = max(1, self.jobs.units_per_key_and_day // workers)
            shares["jobs"] = self.jobs.model_copy(update={"units_per_key_and_day": of_a_day})
        return self.model_copy(update=shares)

    @property
    def has_docs(self) -> bool:
        """Whether /docs and /openapi.json answer."""
        return not self.production if self.docs is None else self.docs

    @model_validator(mode="after")
    def _refuse_default_salt_in_production(self) -> ServiceSettings:
        if self.production and self.ab.salt == DEFAULT_SALT:
            raise ValueError("ab.salt: choose one of your own in production; the default is public")
        return self


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach an address or name."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


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
        raise InputError(f"service.yml: {describe_fields(error)}") from error


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
        raise InputError(f"marketing.curve in the parameters: {describe_fields(error)}") from error
