"""Saved scenarios: what was asked and answered, by whom and with which model. They are never changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

from sqlalchemy import Connection, delete, func, insert, select

from sales_forecast.storage import schema
from sales_forecast.storage.keys import ApiKey
from sales_forecast.storage.overrides import lock_key
from sales_forecast.storage.queries import newest_run

SCENARIOS = schema.scenarios


class TooManyScenariosError(Exception):
    """The API key has saved as many scenarios as it may."""


@dataclass(frozen=True)
class ScenarioEntry:
    """A saved scenario without its answer.

    Args:
        id: Id, which cannot be guessed.
        name: Name that it was given.
        key_id: Id of the API key that saved it.
        made_by: Name of that key.
        made_at: When it was saved.
        publication: Id of the newest publication of turnover then; None before there was one.
        model_version: Version of the model that answered.
        request: What was asked, as JSON.
    """

    id: str
    name: str
    key_id: str
    made_by: str
    made_at: datetime
    publication: int | None
    model_version: str
    request: Mapping[str, object]


@dataclass(frozen=True)
class SavedScenario(ScenarioEntry):
    """A saved scenario.

    Args:
        answer: What was answered, as JSON.
    """

    answer: Mapping[str, object]


ENTRY = [SCENARIOS.c[name] for name in ScenarioEntry.__dataclass_fields__]
EVERYTHING = [SCENARIOS.c[name] for name in SavedScenario.__dataclass_fields__]


def save(
    connection: Connection,
    name: str,
    request: Mapping[str, object],
    answer: Mapping[str, object],
    *,
    key: ApiKey,
    retailer: str,
    model_version: str,
    most: int,
    now: datetime,
) -> str:
    """Save a scenario.

    Args:
        connection: Connection in a transaction that writes.
        name: Name for people.
        request: What was asked, as JSON.
        answer: What was answered, as JSON.
        key: API key that saves it.
        retailer: Retailer whose plan it changes.
        model_version: Version of the model that answered.
        most: Largest number of scenarios of an API key.
        now: Time of the request.

    Returns:
        Its id.

    Raises:
        TooManyScenariosError: The API key has that many.
    """
    lock_key(connection, key.key_id)
    if count_own(connection, key, retailer) >= most:
        raise TooManyScenariosError
    run = newest_run(connection, "turnover", retailer=retailer)
    entry = {
        "id": str(uuid4()),
        "retailer": retailer,
        "name": name,
        "key_id": key.key_id,
        "made_by": key.name,
        "made_at": now,
        "publication": run and run.id,
        "model_version": model_version,
        "request": dict(request),
        "answer": dict(answer),
    }
    connection.execute(insert(SCENARIOS).values(entry))
    return str(entry["id"])


def count_own(connection: Connection, key: ApiKey, retailer: str) -> int:
    """Count the scenarios of an API key for a retailer."""
    own = select(func.count()).where(SCENARIOS.c.key_id == key.key_id, SCENARIOS.c.retailer == retailer)
    return connection.execute(own).scalar_one()


def have_same_basis(scenarios: Sequence[ScenarioEntry]) -> bool:
    """Whether the same model version has answered all, with the same publication."""
    return len({(one.model_version, one.publication) for one in scenarios}) == 1


def find(connection: Connection, scenario: str, retailer: str) -> SavedScenario | None:
    """Find a scenario of a retailer; None if there is none of this id."""
    query = select(*EVERYTHING).where(SCENARIOS.c.id == scenario, SCENARIOS.c.retailer == retailer)
    found = connection.execute(query).mappings().first()
    return None if found is None else SavedScenario(**found)


def newest(connection: Connection, retailer: str, limit: int, offset: int) -> Sequence[ScenarioEntry]:
    """Read the scenarios of a retailer, the newest first."""
    query = select(*ENTRY).where(SCENARIOS.c.retailer == retailer)
    query = query.order_by(SCENARIOS.c.made_at.desc(), SCENARIOS.c.id).limit(limit).offset(offset)
    return [ScenarioEntry(**row) for row in connection.execute(query).mappings()]


def remove(connection: Connection, scenario: str) -> None:
    """Delete a scenario."""
    connection.execute(delete(SCENARIOS).where(SCENARIOS.c.id == scenario))
