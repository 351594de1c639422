"""API keys: what each one may be used for, and until when. Only a digest of the secret is stored."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, get_args

from sqlalchemy import Connection, Row, bindparam, insert, select, update
from sqlalchemy.exc import IntegrityError

from sales_forecast.errors import InputError
from sales_forecast.storage.directory import in_order
from sales_forecast.storage.schema import api_keys

Scope = Literal["read", "predict", "plan", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)

_KEY = re.compile(r"sf_(?P<id>[0-9a-f]{12})_(?P<secret>[A-Za-z0-9_-]{43})")
_KEY_OF_ID = select(api_keys).where(api_keys.c.id == bindparam("id"))
_DIGEST_FOR_UNKNOWN_IDS = hashlib.sha256(b"nobody").hexdigest()


@dataclass(frozen=True)
class Territory:
    """Stores whose plan a planner may change: those named, and those of the regions named.

    Args:
        stores: Stores; None for no limit.
        regions: Regions; None for no limit. With both None, every store is the planner's.
    """

    stores: frozenset[str] | None = None
    regions: frozenset[str] | None = None

    @property
    def is_limited(self) -> bool:
        """Whether there are stores that are not the planner's."""
        return self.stores is not None or self.regions is not None

    def has(self, store: str, region: str | None) -> bool:
        """Return whether a store, which lies in a region, is one of the planner's."""
        if not self.is_limited:
            return True
        return store in (self.stores or ()) or (region is not None and region in (self.regions or ()))

    def __str__(self) -> str:
        named = {"stores": self.stores, "regions": self.regions}
        told = [f"the {kind} {_some(labels)}" for kind, labels in named.items() if labels]
        return " and ".join(told) or ("none" if self.is_limited else "all stores")


MOST_NAMED = 10
"""Labels that a message names."""


def _some(labels: frozenset[str]) -> str:
    more = len(labels) - MOST_NAMED
    named = ", ".join(sorted(labels, key=in_order)[:MOST_NAMED])
    return f"{named} and {more} more" if more > 0 else named


EVERYWHERE = Territory()


@dataclass(frozen=True)
class ApiKey:
    """A valid key that came with a request.

    Args:
        key_id: Id of the key, which is not secret.
        scopes: What the key may be used for.
        name: Name of its owner, for people.
        territory: Stores whose plan it may change.
    """

    key_id: str
    scopes: frozenset[str]
    name: str = ""
    territory: Territory = EVERYWHERE


@dataclass(frozen=True)
class ListedKey:
    """A key as it is listed, without anything secret.

    Args:
        id: Id of the key.
        name: Name that it was created with.
        scopes: What the key may be used for.
        stores: Stores whose plan it may change; None for no limit.
        regions: Regions whose plan it may change; None for no limit.
        login: Name by which a trusted proxy announces its owner; None for none.
        created_at: Time at which it was created.
        expires_at: Time at which it expires; None if it does not.
        revoked_at: Time at which it was revoked; None if it was not.
    """

    id: str
    name: str
    scopes: Sequence[str]
    stores: Sequence[str] | None
    regions: Sequence[str] | None
    login: str | None
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None

    def is_valid(self, now: datetime) -> bool:
        """Return whether the key is neither revoked nor expired."""
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > now)


def create_key(
    connection: Connection,
    name: str,
    scopes: list[Scope],
    now: datetime,
    expires_at: datetime | None,
    territory: Territory = EVERYWHERE,
    login: str | None = None,
) -> str:
    """Store a new key.

    Args:
        connection: Connection to the database.
        name: Name of the key, for people.
        scopes: What the key may be used for.
        now: Present time.
        expires_at: Time at which the key expires; None if it does not.
        territory: Stores whose plan it may change.
        login: Name by which a trusted proxy announces its owner; None for none.

    Raises:
        InputError: A valid key has the same login.

    Returns:
        The key, which cannot be read again: ``sf_<id>_<secret>``. The secret has 256 random bits. That many
        cannot be guessed, so a plain SHA-256 of them is enough, and fast enough for every request.
    """
    if login is not None:
        if (other := find_login(connection, login, now)) is not None:
            raise InputError(
                f"'{login}' is the login of key {other.key_id}, '{other.name}', which is valid. Revoke that "
                f"one first: sales-forecast keys revoke {other.key_id}"
            )
        # a login is unique among keys that are not revoked, so one that has expired counts as revoked since
        expired = update(api_keys).where(api_keys.c.login == login, api_keys.c.revoked_at.is_(None))
        connection.execute(expired.values(revoked_at=api_keys.c.expires_at))
    key_id, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
    query = insert(api_keys).values(
        id=key_id,
        name=name,
        digest=_digest(secret),
        scopes=sorted(set(scopes)),
        stores=None if territory.stores is None else sorted(territory.stores),
        regions=None if territory.regions is None else sorted(territory.regions),
        login=login,
        created_at=now,
        expires_at=expires_at,
        revoked_at=None,
    )
    try:
        connection.execute(query)
    except IntegrityError as error:
        raise InputError(
            f"another key with the login '{login}' was made at the same time; see: sales-forecast keys list"
        ) from error
    return f"sf_{key_id}_{secret}"


def has_key_format(text: str) -> bool:
    """Return whether a text has the format of a key, so that looking it up makes sense."""
    return _KEY.fullmatch(text) is not None


def find_key(connection: Connection, key: str, now: datetime) -> ApiKey | None:
    """Look up a key.

    An unknown id takes the same comparison as a known one, in a time that does not depend on the secret.

    Args:
        connection: Connection to the database.
        key: Key as it was sent.
        now: Present time.

    Returns:
        The key's id and scopes, or None if it is unknown, expired or revoked.
    """
    parts = _KEY.fullmatch(key)
    found = connection.execute(_KEY_OF_ID, {"id": parts["id"]}).first() if parts else None
    stored = found.digest if found else _DIGEST_FOR_UNKNOWN_IDS
    matches = hmac.compare_digest(stored, _digest(parts["secret"] if parts else ""))
    return _key_of(found) if found and matches and _is_valid(found, now) else None


def find_login(connection: Connection, login: str, now: datetime) -> ApiKey | None:
    """Find the valid key whose owner a trusted proxy announces by a name; None if there is none."""
    query = select(api_keys).where(api_keys.c.login == login, api_keys.c.revoked_at.is_(None))
    found = connection.execute(query).first()
    return _key_of(found) if found and _is_valid(found, now) else None


def sign(
    connection: Connection, key_id: str, text: str, now: datetime, secret: bytes
) -> tuple[ApiKey, str] | None:
    """Sign a text in the name of a key, with its digest, which is all that the database holds of it.

    A signature ends with the key, and every process that shares the database and the secret can check it.
    Without a secret, who can read the table of keys, also in a backup, could forge one.

    Args:
        connection: Connection to the database.
        key_id: Id of the key.
        text: What is signed.
        now: Present time.
        secret: What only the processes know that sign; empty for nothing.

    Returns:
        The key's id and scopes, and an HMAC in 64 hexadecimal digits; None if the key is unknown, expired or
        revoked.
    """
    found = connection.execute(_KEY_OF_ID, {"id": key_id}).first()
    if found is None or not _is_valid(found, now):
        return None
    signature = hmac.new(bytes.fromhex(found.digest) + secret, text.encode(), hashlib.sha256).hexdigest()
    return _key_of(found), signature


def _key_of(row: Row[Any]) -> ApiKey:
    stores, regions = (None if found is None else frozenset(found) for found in (row.stores, row.regions))
    return ApiKey(row.id, frozenset(row.scopes), row.name, Territory(stores, regions))


def _is_valid(row: Row[Any], now: datetime) -> bool:
    return row.revoked_at is None and (row.expires_at is None or row.expires_at > now)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def list_keys(connection: Connection) -> list[ListedKey]:
    """List all keys, oldest first, without anything secret."""
    columns = [column for column in api_keys.c if column.name != "digest"]
    query = select(*columns).order_by(api_keys.c.created_at)
    return [ListedKey(**row) for row in connection.execute(query).mappings()]


def revoke_key(connection: Connection, key_id: str, now: datetime) -> None:
    """Revoke a key.

    Args:
        connection: Connection to the database.
        key_id: Id of the key.
        now: Present time.

    Raises:
        InputError: No key has this id, or it was revoked before.
    """
    valid = update(api_keys).where(api_keys.c.id == key_id, api_keys.c.revoked_at.is_(None))
    if connection.execute(valid.values(revoked_at=now)).rowcount == 0:
        raise InputError(f"there is no valid key with the id '{key_id}'; see: sales-forecast keys list")
