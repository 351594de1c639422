"""Settings of the audit log: ``audit`` in ``service.yml``, for the service and for commands."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel, Field, SecretStr, ValidationError

from sales_forecast.errors import InputError, describe_fields
from sales_forecast.storage.audit_chain import Signer


class AuditSettings(BaseModel, frozen=True, extra="forbid"):
    """What is recorded in the audit log, and how long it is kept."""

    keep_days: int = Field(ge=1)
    key: SecretStr = SecretStr("")
    """Signing key of the records; empty for digests that anybody can compute."""

    rows_per_key_and_day: int = Field(default=1_000_000, ge=1)
    megabytes_per_key_and_day: float = Field(default=2_000, gt=0)
    processes: int = Field(default=1, ge=1)
    """Processes that share what a key may bring in a day; ``serve --workers`` sets it."""

    share_of_stored_reads: float = Field(default=1.0, ge=0, le=1)
    """Share of the reads of stored forecasts that is recorded; live predictions always are."""

    @property
    def signer(self) -> Signer:
        """What computes the digests."""
        return Signer(self.key.get_secret_value())


def read_audit_settings(content: Mapping[str, object]) -> AuditSettings:
    """Validate the settings of the audit log.

    Args:
        content: Content of ``service.yml``.

    Raises:
        InputError: A setting is unknown, missing or invalid.
    """
    try:
        return AuditSettings.model_validate(content["audit"])
    except ValidationError as error:
        raise InputError(f"service.yml: audit: {describe_fields(error)}") from error
