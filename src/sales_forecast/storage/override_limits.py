"""How many overrides may count: ``overrides`` in ``service.yml``, for the service and for commands."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from pydantic import BaseModel, Field, ValidationError
from sqlalchemy import Connection, func, select

from sales_forecast.errors import InputError, describe_fields
from sales_forecast.storage.overrides import TABLE, counts


class OverrideSettings(BaseModel, frozen=True, extra="forbid"):
    """Planners' numbers beside the forecasts."""

    max_active_per_key: int = Field(default=2_000, ge=1)
    """Largest number of overrides of an API key, or of an account on the command line, that count."""


def read_override_settings(content: Mapping[str, object]) -> OverrideSettings:
    """Validate the settings of overrides.

    Args:
        content: Content of ``service.yml``.

    Raises:
        InputError: A setting is unknown or invalid.
    """
    try:
        return OverrideSettings.model_validate(content.get("overrides", {}))
    except ValidationError as error:
        raise InputError(f"service.yml: overrides: {describe_fields(error)}") from error


class TooManyOverridesError(InputError):
    """As many overrides of a planner count as may."""


def refuse_too_many(
    connection: Connection, retailer: str, first_week: date, who: tuple[str, str], new: int, most: int
) -> None:
    """Refuse overrides that would be too many beside those of the same planner that count already.

    Args:
        connection: Connection in a transaction that writes.
        retailer: Whose overrides.
        first_week: First week that the newest publication forecasts.
        who: Id of the API key, empty for the command line; and name of its owner.
        new: Number of overrides to store.
        most: Largest number that may count.

    Raises:
        TooManyOverridesError: There would be more.
    """
    key_id, name = who
    own = TABLE.c.key_id == key_id
    if not key_id:  # accounts on the command line are told apart by their names
        own &= TABLE.c.name == name
    query = select(func.count()).where(TABLE.c.retailer == retailer, own, counts(first_week))
    there = connection.execute(query).scalar_one()
    if there + new > most:
        whose = "this key" if key_id else f"the account {name}"
        raise TooManyOverridesError(
            f"{there:,} overrides of {whose} count already, and with {new:,} more there would be more than "
            f"{most:,} (overrides.max_active_per_key in service.yml): withdraw some, wait until some expire, "
            "or make one for several stores or weeks"
        )
