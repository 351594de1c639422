"""Sessions of browsers, which cannot send an API key by themselves: a signed cookie stands for the key."""

from __future__ import annotations

import hmac
import re
from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine
from starlette.concurrency import run_in_threadpool

from sales_forecast.storage.keys import ApiKey, sign

COOKIE = "sales_forecast_monitoring"
HOURS = 12
"""How long a browser stays signed in, if its key is valid so long."""

_FORMAT = re.compile(r"(?P<key>[0-9a-f]{12})\.(?P<until>[0-9]{10})\.(?P<signature>[0-9a-f]{64})")


class BrowserSessions:
    """Starts and checks sessions. Nothing is kept here: any process on the same database can check them.

    Args:
        engine: SQLAlchemy engine of the database.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def start(self, key: ApiKey) -> str | None:
        """Start a session.

        Args:
            key: Key that was sent.

        Returns:
            The value of the cookie; None if the key was revoked meanwhile.
        """
        now = datetime.now(UTC)
        content = f"{key.key_id}.{int((now + timedelta(hours=HOURS)).timestamp())}"
        signed = await run_in_threadpool(self._sign, key.key_id, content, now)
        return signed and f"{content}.{signed[1]}"

    async def find(self, cookie: str) -> ApiKey | None:
        """Find the key that a session was started with.

        Args:
            cookie: Value of the cookie as it was sent.

        Returns:
            Its id and scopes; None if the session is over or none of ours, or the key expired or was revoked.
        """
        parts, now = _FORMAT.fullmatch(cookie), datetime.now(UTC)
        if parts is None or int(parts["until"]) <= now.timestamp():
            return None
        content = f"{parts['key']}.{parts['until']}"
        signed = await run_in_threadpool(self._sign, parts["key"], content, now)
        if signed is None or not hmac.compare_digest(signed[1], parts["signature"]):
            return None
        return signed[0]

    def _sign(self, key_id: str, content: str, now: datetime) -> tuple[ApiKey, str] | None:
        with self._engine.connect() as connection:
            return sign(connection, key_id, f"{COOKIE}:{content}", now)
