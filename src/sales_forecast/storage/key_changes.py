"""Changes of API keys, put on record in the transaction that makes them."""

from __future__ import annotations

import getpass
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection

from sales_forecast.storage.audit import KEY_CHANGE, event
from sales_forecast.storage.audit_chain import AuditChain
from sales_forecast.storage.keys import EVERYWHERE, Scope, Territory, create_key, revoke_key


def create_on_record(
    connection: Connection,
    chain: AuditChain,
    command: str,
    name: str,
    scopes: Sequence[Scope],
    now: datetime,
    expires_at: datetime | None,
    territory: Territory = EVERYWHERE,
    login: str | None = None,
) -> str:
    """Store a new key, and record who has created it and what it may be used for.

    Args:
        connection: Connection in a transaction that writes.
        chain: Writes the record.
        command: Command that creates the key.
        name: Name of the key, for people.
        scopes: What the key may be used for.
        now: Present time.
        expires_at: Time at which the key expires; None if it does not.
        territory: Stores whose plan it may change.
        login: Name by which a trusted proxy announces its owner; None for none.

    Returns:
        The key, which cannot be read again.

    Raises:
        InputError: A valid key has the same login.
    """
    key = create_key(connection, name, [*scopes], now, expires_at, territory, login)
    content = {
        "account": getpass.getuser(),
        "action": "create",
        "key_id": key.split("_")[1],
        "name": name,
        "scopes": sorted(scopes),
        "stores": None if territory.stores is None else sorted(territory.stores),
        "regions": None if territory.regions is None else sorted(territory.regions),
        "login": login,
        "expires_at": expires_at and expires_at.isoformat(),
    }
    chain.append(connection, [event(KEY_CHANGE, command, content)])
    return key


def revoke_on_record(connection: Connection, chain: AuditChain, key_id: str, now: datetime) -> None:
    """Revoke a key, and record who has done so.

    Args:
        connection: Connection in a transaction that writes.
        chain: Writes the record.
        key_id: Id of the key.
        now: Present time.

    Raises:
        InputError: No key has this id, or it was revoked before.
    """
    revoke_key(connection, key_id, now)
    content = {"account": getpass.getuser(), "action": "revoke", "key_id": key_id}
    chain.append(connection, [event(KEY_CHANGE, "keys", content)])
