"""Sessions of browsers, which send no API key: a signed cookie, or a proxy, stands for it."""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal

from sqlalchemy import Engine
from starlette.concurrency import run_in_threadpool

from sales_forecast.service.auth import WrongKeys
from sales_forecast.storage.keys import ApiKey, find_login, sign

COOKIE = "sales_forecast_session"
HOURS = 12
"""How long a browser stays signed in, if its key is valid so long."""

Role = Literal["reader", "planner", "admin"]

_FORMAT = re.compile(r"(?P<key>[0-9a-f]{12})\.(?P<until>[0-9]{10})\.(?P<signature>[0-9a-f]{64})")


@dataclass(frozen=True)
class Session:
    """A browser that is signed in.

    Args:
        key: Key that it is signed in with.
        by_proxy: Whether a trusted proxy said so, and no cookie.
        secret: What no other site can know of the session.
    """

    key: ApiKey
    by_proxy: bool
    secret: str = field(repr=False)

    @property
    def role(self) -> Role:
        """What the key lets people do on the pages."""
        if "admin" in self.key.scopes:
            return "admin"
        return "planner" if "plan" in self.key.scopes else "reader"

    @property
    def form_token(self) -> str:
        """Token that forms of this session carry: it shows that one of our pages has sent them."""
        return hmac.digest(self.secret.encode(), b"sales_forecast_form", "sha256").hex()

    def has_sent(self, token: str) -> bool:
        """Return whether a form came from a page of this session, by its token."""
        return hmac.compare_digest(self.form_token.encode(), token.encode(errors="replace"))


class BrowserSessions:
    """Starts and checks sessions. Nothing is kept here: any process with the database and the secret can.

    Args:
        engine: SQLAlchemy engine of the database.
        wrong_keys: Limit of wrong keys from one address, where wrong cookies count as well.
        secret: What cookies are signed with beside the digest of the key; empty for nothing.
    """

    def __init__(self, engine: Engine, wrong_keys: WrongKeys, secret: bytes) -> None:
        self._engine, self._wrong_keys, self._secret = engine, wrong_keys, secret

    async def start(self, key: ApiKey) -> str | None:
        """Start a session.

        Args:
            key: Key that was sent.

        Returns:
            The value of the cookie; None if the key was revoked meanwhile.
        """
        now = datetime.now(UTC)
        content = f"{key.key_id}.{int((now + timedelta(hours=HOURS)).timestamp())}"
        signed = await run_in_threadpool(self._sign, key.key_id, f"{COOKIE}:{content}", now)
        return signed and f"{content}.{signed[1]}"

    async def find(self, cookie: str, address: str) -> Session | None:
        """Find the session that a cookie stands for.

        Args:
            cookie: Value of the cookie as it was sent.
            address: Address of the client.

        Returns:
            The session; None if it is over or none of ours, or the key expired or was revoked.

        Raises:
            ProblemError: Too many wrong cookies or keys came from the address.
        """
        parts, now = _FORMAT.fullmatch(cookie), datetime.now(UTC)
        if parts is None or int(parts["until"]) <= now.timestamp():
            return None
        content = f"{COOKIE}:{parts['key']}.{parts['until']}"
        await self._wrong_keys.check(cookie, address)
        signed = await run_in_threadpool(self._sign, parts["key"], content, now)
        is_right = signed is not None and hmac.compare_digest(signed[1], parts["signature"])
        await self._wrong_keys.note(cookie, address, is_right=is_right)
        return Session(signed[0], by_proxy=False, secret=signed[1]) if signed and is_right else None

    async def of_login(self, login: str) -> Session | None:
        """Find the session of somebody whom a trusted proxy has named; None without a valid key for it."""
        return await run_in_threadpool(self._find_login, login)

    def _find_login(self, login: str) -> Session | None:
        now = datetime.now(UTC)
        with self._engine.connect() as connection:
            key = find_login(connection, login, now)
            signed = key and sign(connection, key.key_id, f"sales_forecast_login:{login}", now, self._secret)
        return Session(signed[0], by_proxy=True, secret=signed[1]) if signed else None

    def _sign(self, key_id: str, text: str, now: datetime) -> tuple[ApiKey, str] | None:
        with self._engine.connect() as connection:
            return sign(connection, key_id, text, now, self._secret)
