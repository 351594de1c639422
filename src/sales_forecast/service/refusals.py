"""Requests that were refused are on record as counts, so that a flood of them cannot fill the disk."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sales_forecast.storage.audit import REFUSAL, AuditRecord, event, utc_now

if TYPE_CHECKING:
    from starlette.types import Scope

STATUSES = range(401, 430)
"""HTTP statuses of refused requests: from Unauthorized to Too Many Requests."""

MOST_CALLERS = 1_000
"""Keys and addresses that are counted on their own in a minute; all others are counted together."""

OTHERS = "others"

Counted = tuple[datetime, str, str, int, str]
"""Beginning of the minute, id of the key, address where there is no key, status, route."""


class Refusals:
    """Counts refused requests by minute, API key or address, status and route.

    Args:
        clock: Tells the present time.
    """

    def __init__(self, clock: Callable[[], datetime] = utc_now) -> None:
        self._clock, self._lock = clock, threading.Lock()
        self._counts: Counter[Counted] = Counter()

    def note(self, scope: Scope, status: int) -> None:
        """Count a request that was answered, if it was refused.

        Args:
            scope: ASGI scope of the request.
            status: HTTP status of the answer.
        """
        if status not in STATUSES:
            return
        minute = self._clock().replace(second=0, microsecond=0)
        key_id = scope["state"].get("key_id") or ""
        address = "" if key_id else str((scope.get("client") or ("unknown",))[0])
        route = getattr(scope.get("route"), "path", "none")
        with self._lock:
            counted = (minute, key_id, address, status, route)
            if counted not in self._counts and len(self._counts) >= MOST_CALLERS:
                counted = (minute, "", OTHERS, status, route)
            self._counts[counted] += 1

    def take(self, *, everything: bool = False) -> Counter[Counted]:
        """Return the counts of the minutes that are over, and forget them.

        Args:
            everything: Whether the minute that goes on is counted as over, as at the end.
        """
        now = self._clock()
        with self._lock:
            ended = [
                counted for counted in self._counts if everything or counted[0] <= now - timedelta(minutes=1)
            ]
            return Counter({counted: self._counts.pop(counted) for counted in ended})

    def put_back(self, counts: Counter[Counted]) -> None:
        """Remember counts again that could not be written."""
        with self._lock:
            self._counts.update(counts)


def refusal_records(counts: Counter[Counted]) -> list[AuditRecord]:
    """Make a record of each count."""
    return [
        event(
            REFUSAL,
            route,
            {"minute": f"{minute:%Y-%m-%dT%H:%MZ}", "address": address, "status": status},
            {"count": count},
            key_id,
        )
        for (minute, key_id, address, status, route), count in counts.items()
    ]
