"""Overrides in the database: added, withdrawn once, and never changed otherwise."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, func, insert, select, update

from sales_forecast.errors import InputError
from sales_forecast.planning.overrides import Correction, Override, Scope
from sales_forecast.storage import schema

TABLE = schema.overrides

LARGEST_ID = 2**31 - 1
"""PostgreSQL has no larger one."""


def add(
    connection: Connection,
    asked: Correction,
    stores: frozenset[str],
    *,
    retailer: str,
    publication: int,
    who: tuple[str, str],
    now: datetime,
    request: tuple[str, str] | None = None,
) -> Override:
    """Store an override that was checked; see ``planning.proposals.propose``.

    Args:
        connection: Connection in a transaction that writes.
        asked: What a planner asks for.
        stores: Stores with a series in its scope.
        retailer: Whose forecasts are corrected.
        publication: Number of the publication that the planner saw.
        who: Id of the API key, empty for the command line; and name of its owner.
        now: Present time.
        request: What the client calls the request, and the hash of its content; None if that does not matter.
    """
    idempotency_key, digest = request or (None, None)
    entry = _entry(asked, stores, retailer=retailer, publication=publication, who=who, now=now)
    entry |= {"idempotency_key": idempotency_key, "request_digest": digest}
    number = connection.execute(insert(TABLE).values(entry).returning(TABLE.c.id)).scalar_one()
    return find(connection, retailer, number)


def add_all(
    connection: Connection,
    asked: Iterable[tuple[Correction, frozenset[str]]],
    *,
    retailer: str,
    publication: int,
    who: tuple[str, str],
    now: datetime,
) -> list[int]:
    """Store many overrides with their stores, and return their numbers; other arguments: see ``add``."""
    entries = [
        _entry(one, stores, retailer=retailer, publication=publication, who=who, now=now)
        for one, stores in asked
    ]
    if not entries:
        return []
    query = insert(TABLE).returning(TABLE.c.id, sort_by_parameter_order=True)
    return list(connection.execute(query, entries).scalars())


def _entry(
    asked: Correction,
    stores: frozenset[str],
    *,
    retailer: str,
    publication: int,
    who: tuple[str, str],
    now: datetime,
) -> dict[str, object]:
    key_id, name = who
    entry: dict[str, object] = {"retailer": retailer, **vars(asked.scope)}
    entry |= {"week_from": asked.week_from, "week_to": asked.week_to, "kind": asked.kind}
    entry |= {"value": asked.value, "reason": asked.reason, "note": asked.note, "expires": asked.expires_on}
    entry |= {"stores": sorted(stores), "publication": publication, "key_id": key_id, "name": name}
    return entry | {"made_at": now}


class UnknownOverrideError(InputError):
    """There is no override of that number."""


def find(connection: Connection, retailer: str, number: int) -> Override:
    """Find an override.

    Raises:
        UnknownOverrideError: There is none of that number.
    """
    query = select(TABLE).where(TABLE.c.id == number, TABLE.c.retailer == retailer)
    found = connection.execute(query).first() if 0 < number <= LARGEST_ID else None
    if found is None:
        raise UnknownOverrideError(f"there is no override {number}")
    return _override(found)


def find_request(connection: Connection, key_id: str, idempotency_key: str) -> tuple[Override, str] | None:
    """Find the override that a request of an API key has made, and the hash of its content.

    Args:
        connection: Connection to the database; see ``lock_key``.
        key_id: Id of the API key.
        idempotency_key: What the client calls the request.
    """
    query = select(TABLE).where(TABLE.c.key_id == key_id, TABLE.c.idempotency_key == idempotency_key)
    found = connection.execute(query).first()
    return None if found is None else (_override(found), str(found.request_digest))


def lock_key(connection: Connection, key_id: str) -> None:
    """Let transactions that write with the same API key wait for each other."""
    keys = schema.api_keys
    connection.execute(select(keys.c.id).where(keys.c.id == key_id).with_for_update())


class WithdrawnError(InputError):
    """The override is withdrawn already."""


def withdraw(
    connection: Connection, retailer: str, number: int, *, by: str, why: str, now: datetime
) -> Override:
    """Withdraw an override; it stays on record.

    Args:
        connection: Connection in a transaction that writes.
        retailer: Whose override it is.
        number: Of the override.
        by: Who withdraws it.
        why: In words.
        now: Present time.

    Raises:
        UnknownOverrideError: There is none of that number.
        WithdrawnError: It is withdrawn already.
    """
    find(connection, retailer, number)
    holds = (TABLE.c.id == number) & TABLE.c.withdrawn_at.is_(None)
    values = {"withdrawn_at": now, "withdrawn_by": by, "withdrawn_why": why}
    if not connection.execute(update(TABLE).where(holds).values(values)).rowcount:
        found = find(connection, retailer, number)
        raise WithdrawnError(
            f"override {number} was withdrawn before, at {found.withdrawn_at:%Y-%m-%d %H:%M} UTC by "
            f"{found.withdrawn_by}: {found.withdrawn_why}"
        )
    return find(connection, retailer, number)


def overrides_of(
    connection: Connection, retailer: str, last_week_from: date | None = None
) -> Sequence[Override]:
    """Read overrides, newest first, also those that are withdrawn or have expired.

    Args:
        connection: Connection to the database.
        retailer: Whose overrides.
        last_week_from: Earliest last week that one may have; None for all.
    """
    query = select(TABLE).where(TABLE.c.retailer == retailer)
    if last_week_from is not None:
        query = query.where(TABLE.c.week_to >= last_week_from)
    return [_override(row) for row in connection.execute(query.order_by(TABLE.c.id.desc()))]


def active_overrides(
    connection: Connection, retailer: str, first_week: date, moment: datetime | None = None
) -> list[Override]:
    """Read the overrides that count for a publication.

    Args:
        connection: Connection to the database.
        retailer: Whose overrides.
        first_week: First week that the publication forecasts.
        moment: Time as of which it is asked; None for now.
    """
    query = select(TABLE).where(TABLE.c.retailer == retailer, counts(first_week, moment))
    return [_override(row) for row in connection.execute(query.order_by(TABLE.c.id.desc()))]


def count_active(connection: Connection, retailer: str, first_week: date) -> int:
    """Count the overrides that count for a publication now, without reading them."""
    query = select(func.count()).select_from(TABLE)
    return connection.execute(query.where(TABLE.c.retailer == retailer, counts(first_week))).scalar_one()


def counts(first_week: date, moment: datetime | None = None) -> ColumnElement[bool]:
    """``planning.overrides.Override.is_active`` as a condition: those that are withdrawn are not even read.

    Args:
        first_week: First week that the publication forecasts.
        moment: Time as of which it is asked; None for now.
    """
    applies = (TABLE.c.expires > first_week) & (TABLE.c.week_to >= first_week)
    holds = TABLE.c.withdrawn_at.is_(None)
    if moment is None:
        return applies & holds
    return applies & (TABLE.c.made_at < moment) & (holds | (TABLE.c.withdrawn_at >= moment))


def _override(row: Row[Any]) -> Override:
    asked = Correction(
        scope=Scope(row.store, row.department, row.region),
        week_from=row.week_from,
        week_to=row.week_to,
        kind=row.kind,
        value=row.value,
        reason=row.reason,
        note=row.note,
        expires=row.expires,
    )
    return Override(
        id=row.id,
        correction=asked,
        stores=frozenset(row.stores),
        publication=row.publication,
        key_id=row.key_id,
        name=row.name,
        made_at=row.made_at,
        withdrawn_at=row.withdrawn_at,
        withdrawn_by=row.withdrawn_by,
        withdrawn_why=row.withdrawn_why,
    )
