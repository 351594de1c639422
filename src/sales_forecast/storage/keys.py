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

from sales_forecast.errors import InputError
from sales_forecast.storage.schema import api_keys

Scope = Literal["read", "predict", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)

_KEY = re.compile(r"sf_(?P<id>[0-9a-f]{12})_(?P<secret>[A-Za-z0-9_-]{43})")
_KEY_OF_ID = select(api_keys).where(api_keys.c.id == bindparam("id"))
_DIGEST_FOR_UNKNOWN_IDS = hashlib.sha256(b"nobody").hexdigest()


@dataclass(frozen=True)
class ApiKey:
    """A valid key that came with a request.

    Args:
        key_id: Id of the key, which is not secret.
        scopes: What the key may be used for.
    """

    key_id: str
    scopes: frozenset[str]


@dataclass(frozen=True)
class ListedKey:
    """A key as it is listed, without anything secret.

    Args:
        id: Id of the key.
        name: Name that it was created with.
        scopes: What the key may be used for.
        created_at: Time at which it was created.
        expires_at: Time at which it expires; None if it does not.
        revoked_at: Time at which it was revoked; None if it was not.
    """

    id: str
    name: str
    scopes: Sequence[str]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None

    def is_valid(self, now: datetime) -> bool:
        """Return whether the key is neither revoked nor expired."""
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > now)


def create_key(
    connection: Connection, name: str, scopes: list[Scope], now: datetime, expires_at: datetime | None
) -> str:
    """Store a new key.

    Args:
        connection: Connection to the database.
        name: Name of the key, for people.
        scopes: What the key may be used for.
        now: Present time.
        expires_at: Time at which the key expires; None if it does not.

    Returns:
        The key, which cannot be read again: ``sf_<id>_<secret>``. The secret has 256 random bits. That many
        cannot be guessed, so a plain SHA-256 of them is enough, and fast enough for every request.
    """
    key_id, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
    connection.execute(
        insert(api_keys).values(
            id=key_id,
            name=name,
            digest=_digest(secret),
            scopes=sorted(set(scopes)),
            created_at=now,
            expires_at=expires_at,
            revoked_at=None,
        )
    )
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
    found = None
    if parts is not None:
        found = connection.execute(_KEY_OF_ID, {"id": parts["id"]}).first()
    stored = found.digest if found else _DIGEST_FOR_UNKNOWN_IDS
    matches = hmac.compare_digest(stored, _digest(parts["secret"] if parts else ""))
    return ApiKey(found.id, frozenset(found.scopes)) if found and matches and _is_valid(found, now) else None


def sign(connection: Connection, key_id: str, text: str, now: datetime) -> tuple[ApiKey, str] | None:
    """Sign a text in the name of a key, with its digest, which is all that the database holds of it.

    A signature ends with the key, and every process that shares the database can check it. Who can read the
    table of keys could forge one, so it may open nothing that the database does not hold as well.

    Args:
        connection: Connection to the database.
        key_id: Id of the key.
        text: What is signed.
        now: Present time.

    Returns:
        The key's id and scopes, and an HMAC in 64 hexadecimal digits; None if the key is unknown, expired or
        revoked.
    """
    found = connection.execute(_KEY_OF_ID, {"id": key_id}).first()
    if found is None or not _is_valid(found, now):
        return None
    signature = hmac.new(bytes.fromhex(found.digest), text.encode(), hashlib.sha256).hexdigest()
    return ApiKey(found.id, frozenset(found.scopes)), signature


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
