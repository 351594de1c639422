"""API keys: who may call, for what, until when. Only a digest of the secret is kept."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args

from sqlalchemy import Connection, Row, bindparam, insert, select, update

from sales_forecast.errors import InputError
from sales_forecast.storage.schema import api_keys

Scope = Literal["read", "predict", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)

_KEY = re.compile(r"sf_(?P<id>[0-9a-f]{12})_(?P<secret>[A-Za-z0-9_-]{43})")
_KEY_OF_ID = select(api_keys).where(api_keys.c.id == bindparam("id"))
_NOBODY = hashlib.sha256(b"nobody").hexdigest()


@dataclass(frozen=True)
class Caller:
    """Who calls.

    Args:
        key_id: Of the key, which is no secret.
        scopes: What it is for.
    """

    key_id: str
    scopes: frozenset[str]


def create_key(
    connection: Connection, name: str, scopes: list[Scope], now: datetime, expires_at: datetime | None
) -> str:
    """Store a new key.

    Returns:
        The key, which nobody can see again: ``sf_<id>_<secret>``, the secret of 256 random bits. So many
        cannot be guessed, hence a plain SHA-256 of them is enough (and quick, on every request).
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


def looks_like_a_key(key: str) -> bool:
    """Whether it is worth looking up."""
    return _KEY.fullmatch(key) is not None


def find_caller(connection: Connection, key: str, now: datetime) -> Caller | None:
    """Who has this key; None if it is wrong, expired or revoked.

    An unknown id takes the same comparison as a known one, in a time that does not depend on the secret.
    """
    parts = _KEY.fullmatch(key)
    found = None
    if parts is not None:
        found = connection.execute(_KEY_OF_ID, {"id": parts["id"]}).first()
    right = hmac.compare_digest(found.digest if found else _NOBODY, _digest(parts["secret"] if parts else ""))
    if found is None or not right or found.revoked_at is not None:
        return None
    if found.expires_at is not None and found.expires_at <= now:
        return None
    return Caller(found.id, frozenset(found.scopes))


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def list_keys(connection: Connection) -> list[Row[tuple[object, ...]]]:
    """All keys, oldest first, without anything secret."""
    columns = [column for column in api_keys.c if column.name != "digest"]
    return list(connection.execute(select(*columns).order_by(api_keys.c.created_at)).all())


def revoke_key(connection: Connection, key_id: str, now: datetime) -> None:
    """Refuse a key from now on.

    Raises:
        InputError: There is no such key, or it is revoked already.
    """
    valid = update(api_keys).where(api_keys.c.id == key_id, api_keys.c.revoked_at.is_(None))
    if connection.execute(valid.values(revoked_at=now)).rowcount == 0:
        raise InputError(f"there is no valid key with the id '{key_id}'; see: sales-forecast keys list")
