"""Limits how much of the audit log a day may come from each API key."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time, timedelta

from sqlalchemy import Engine, func, select

from sales_forecast.service.problems import ProblemError
from sales_forecast.storage.audit import REFUSAL, AuditRecord, bytes_of, utc_now
from sales_forecast.storage.audit_settings import AuditSettings
from sales_forecast.storage.schema import audit_log

MEGABYTE = 1_000_000


class AuditQuota:
    """Counts records and bytes of each API key and day of UTC in memory; each process has its share of both.

    Args:
        engine: SQLAlchemy engine of the database, which is asked once what today has brought so far.
        settings: How much each key may bring in a day, and how many processes share it.
        clock: Tells the present time.
    """

    def __init__(
        self, engine: Engine, settings: AuditSettings, clock: Callable[[], datetime] = utc_now
    ) -> None:
        self._settings, self._clock, self._lock = settings, clock, threading.Lock()
        self._day = clock().date()
        self._rows: Counter[str] = Counter()
        self._bytes: Counter[str] = Counter()
        today = datetime.combine(self._day, time(), UTC)
        query = select(audit_log.c.key_id, func.count(), func.coalesce(func.sum(audit_log.c.bytes), 0))
        query = query.where(audit_log.c.at >= today, audit_log.c.kind != REFUSAL)
        with engine.connect() as connection:
            for key_id, rows, size in connection.execute(query.group_by(audit_log.c.key_id)):
                self._rows[key_id] = rows // settings.processes
                self._bytes[key_id] = int(size) // settings.processes

    def count(self, records: Sequence[AuditRecord]) -> None:
        """Count records that are written."""
        sizes = [(record.key_id, bytes_of(record)) for record in records]
        with self._lock:
            self._begin(self._clock().date())
            for key_id, size in sizes:
                self._rows[key_id] += 1
                self._bytes[key_id] += size

    def check(self, key_id: str) -> None:
        """Refuse a request with a key that has brought as much as it may today.

        Raises:
            ProblemError: It has.
        """
        now, settings = self._clock(), self._settings
        with self._lock:
            self._begin(now.date())
            rows, megabytes = self._rows[key_id], self._bytes[key_id] / MEGABYTE
        most_rows = settings.rows_per_key_and_day / settings.processes
        most_megabytes = settings.megabytes_per_key_and_day / settings.processes
        if rows >= most_rows:
            raise _refused(now, f"{rows:,} records", f"{most_rows:,.0f}", "rows_per_key_and_day")
        if megabytes >= most_megabytes:
            most = f"{most_megabytes:,.1f} MB"
            raise _refused(now, f"{megabytes:,.1f} MB", most, "megabytes_per_key_and_day")

    def _begin(self, day: date) -> None:
        """Forget the counts of another day."""
        if day != self._day:
            self._day, self._rows, self._bytes = day, Counter(), Counter()


def _refused(now: datetime, there_are: str, most: str, setting: str) -> ProblemError:
    tomorrow = datetime.combine(now.date() + timedelta(days=1), time(), UTC)
    seconds = int((tomorrow - now).total_seconds()) + 1
    return ProblemError(
        429,
        f"the audit log has {there_are} of this key from today, and may have {most} (audit.{setting} in "
        "service.yml, shared by all processes): use another key, or wait until midnight UTC",
        headers={"Retry-After": str(seconds)},
    )
