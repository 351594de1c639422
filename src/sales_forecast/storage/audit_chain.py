"""The chain of the audit log: each record's digest stands for its content and for the record before it.

Every process that writes has a chain of its own. The table ``audit_writers`` has the first and the last link
of each, and each first link stands for that of the writer before. With a key all digests are HMACs, which
nobody can compute without it.

The newest records of a chain can be removed without the key, by somebody who puts back an earlier row of
``audit_writers``. A process that still writes notices, and puts on record what it had written last; after its
end, only the lines that it has logged tell (``audit verify --witness``).
"""

from __future__ import annotations

import hashlib
import hmac
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from uuid import uuid4

import orjson
from sqlalchemy import Connection, Engine, RowMapping, func, insert, select, update

from sales_forecast.storage.audit import CHAIN_BREAK, AuditRecord, bytes_of, event
from sales_forecast.storage.database import lock_database, writing
from sales_forecast.storage.schema import audit_log, audit_writers

logger = logging.getLogger(__name__)

Fields = RowMapping | Mapping[str, object]

NAMES = tuple(field.name for field in fields(AuditRecord))


class Signer:
    """Computes digests, with a key or without one.

    Args:
        key: Signing key; empty for plain SHA-256, which anybody can compute.
    """

    def __init__(self, key: str = "") -> None:
        self._key = key.encode()
        self.mark = self.digest("audit log")[:16] if key else ""
        """Tells keys apart without revealing them; empty without one."""

    def digest(self, *content: object) -> str:
        """Hash values that JSON can hold; 64 hexadecimal digits."""
        data = orjson.dumps(content)
        if self._key:
            return hmac.new(self._key, data, hashlib.sha256).hexdigest()
        return hashlib.sha256(data).hexdigest()


def link(signer: Signer, before: str, writer: str, number: int, record: Fields) -> str:
    """Compute the digest of a record.

    Args:
        signer: Computes digests.
        before: Digest of the record before; of the first one, ``opened`` of its writer.
        writer: Id of the writer.
        number: Number of the record in its chain.
        record: Columns of ``AuditRecord``.
    """
    content = [record[name] for name in NAMES if name != "at"]
    at = record["at"]
    assert isinstance(at, datetime)
    return signer.digest(before, writer, number, f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}", *content)


def opening(signer: Signer, before: str, row: Fields) -> str:
    """Compute the first link of a writer, from that of the writer before; empty for the first writer."""
    at = row["started_at"]
    assert isinstance(at, datetime)
    started = f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}"
    return signer.digest(before, row["place"], row["writer"], row["name"], started, row["key_mark"])


def seal(signer: Signer, what: str, writer: str, number: int, digest: str) -> str:
    """Sign which record is the newest of a writer (``head``), or the newest purged one (``purged``)."""
    return signer.digest(what, writer, number, digest)


@dataclass(frozen=True)
class Head:
    """The newest record of a writer.

    Args:
        writer: Id of the writer.
        number: How many records it has written.
        digest: Digest of the last one.
    """

    writer: str
    number: int
    digest: str


class AuditChain:
    """Writes records as one writer. It may be used by one thread at a time.

    Args:
        signer: Computes digests.
        name: What the writer is, for people.
    """

    def __init__(self, signer: Signer, name: str) -> None:
        self._signer, self._name = signer, name
        self.head: Head | None = None
        """The newest record that is known to be committed; None before the first one."""

    def write(self, engine: Engine, records: Sequence[AuditRecord]) -> None:
        """Write records in one transaction."""
        with writing(engine) as connection:
            head = self.append(connection, records)
        self.head = head

    def append(self, connection: Connection, records: Sequence[AuditRecord]) -> Head:
        """Write records in a transaction of the caller.

        Args:
            connection: Connection in a transaction that writes.
            records: What is written; at least one record.

        Returns:
            The newest record; it becomes ``head`` once it is committed.
        """
        head = self.head
        if head is None:
            head = self._open(connection)
        elif (stored := _stored_head(connection, head.writer)) != head:
            # a response of the database was lost, the database was restored, or somebody has changed it
            logger.error("Audit log: the newest record of writer %s is not the one written", head.writer)
            records = [
                event(CHAIN_BREAK, "audit log", asdict(head), asdict(stored) if stored else {}),
                *records,
            ]
            head = self._open(connection)
        rows, digest = [], head.digest
        for number, record in enumerate(records, head.number + 1):
            content = vars(record)
            digest = link(self._signer, digest, head.writer, number, content)
            link_of = {"writer": head.writer, "number": number, "digest": digest}
            rows.append({**content, **link_of, "bytes": bytes_of(record)})
        connection.execute(insert(audit_log), rows)
        new = Head(head.writer, head.number + len(rows), digest)
        sealed = seal(self._signer, "head", new.writer, new.number, new.digest)
        values = {"number": new.number, "digest": new.digest, "seal": sealed}
        connection.execute(update(audit_writers).where(audit_writers.c.writer == new.writer).values(values))
        return new

    def _open(self, connection: Connection) -> Head:
        lock_database(connection)
        newest = select(audit_writers.c.place, audit_writers.c.opened).order_by(audit_writers.c.place.desc())
        before = connection.execute(newest.limit(1)).first()
        row: dict[str, object] = {
            "writer": (writer := uuid4().hex),
            "place": before.place + 1 if before else 1,
            "name": self._name,
            "started_at": datetime.now(UTC),
            "key_mark": self._signer.mark,
        }
        opened = opening(self._signer, before.opened if before else "", row)
        head = seal(self._signer, "head", writer, 0, opened)
        purged = seal(self._signer, "purged", writer, 0, opened)
        row |= {"opened": opened, "number": 0, "digest": opened, "seal": head}
        row |= {"purged_number": 0, "purged_digest": opened}
        row |= {"purged_seal": purged, "purged_mark": self._signer.mark}
        connection.execute(insert(audit_writers), row)
        return Head(writer, 0, opened)


def _stored_head(connection: Connection, writer: str) -> Head | None:
    columns = (audit_writers.c.writer, audit_writers.c.number, audit_writers.c.digest)
    found = connection.execute(select(*columns).where(audit_writers.c.writer == writer)).first()
    return Head(*found) if found else None


def writers(connection: Connection) -> Sequence[RowMapping]:
    """Read all writers, the first one first."""
    query = select(audit_writers).order_by(audit_writers.c.place)
    return connection.execute(query).mappings().all()


def count_unlinked(connection: Connection) -> int:
    """Count the records from before the log was chained."""
    query = select(func.count()).select_from(audit_log).where(audit_log.c.writer.is_(None))
    return connection.execute(query).scalar_one()
