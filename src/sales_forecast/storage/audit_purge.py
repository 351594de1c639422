"""Old records of the audit log are deleted in short transactions; the rest of each chain can be proved."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Engine, delete, func, select, update

from sales_forecast.storage import audit
from sales_forecast.storage.audit_chain import AuditChain, Signer, seal, writers
from sales_forecast.storage.chunks import ROWS_AT_A_TIME, delete_rows, give_way
from sales_forecast.storage.database import writing
from sales_forecast.storage.schema import audit_log, audit_writers


def purge(
    engine: Engine, before: datetime, signer: Signer, chain: AuditChain, by: Mapping[str, object]
) -> int:
    """Delete the records that are older than a moment, and record that they were.

    Each writer keeps the digest of its last deleted record, from which the chain goes on. A record that is
    older, but was written after one that is not, stays until that one goes.

    Args:
        engine: SQLAlchemy engine of the database.
        before: The moment.
        signer: Signs what remains of each chain.
        chain: Records the purge, before anything is deleted and at its end.
        by: Who deletes, and what the records should know of it.

    Returns:
        The number of deleted records.
    """
    content = {**by, "before": before.isoformat()}
    chain.write(engine, [audit.event(audit.PURGE, "audit purge", content, {"state": "begun"})])
    unlinked = audit_log.c.writer.is_(None) & (audit_log.c.at < before)
    count = delete_rows(engine, audit_log, unlinked)
    with engine.connect() as connection:
        found = [row["writer"] for row in writers(connection) if row["number"] > row["purged_number"]]
    for writer in found:
        count += _purge_writer(engine, writer, before, signer)
    chain.write(engine, [audit.event(audit.PURGE, "audit purge", content, {"deleted": count})])
    return count


def _purge_writer(engine: Engine, writer: str, before: datetime, signer: Signer) -> int:
    own = audit_log.c.writer == writer
    with engine.connect() as connection:
        kept = connection.execute(
            select(func.min(audit_log.c.number)).where(own, audit_log.c.at >= before)
        ).scalar()
    old = own if kept is None else own & (audit_log.c.number < kept)
    some = select(audit_log.c.number, audit_log.c.digest).where(old).order_by(audit_log.c.number)
    count = 0
    while True:
        with writing(engine) as connection:
            rows = connection.execute(some.limit(ROWS_AT_A_TIME)).all()
            if not rows:
                return count
            number, digest = rows[-1]
            connection.execute(delete(audit_log).where(own, audit_log.c.number <= number))
            stub = {"purged_number": number, "purged_digest": digest, "purged_mark": signer.mark}
            stub["purged_seal"] = seal(signer, "purged", writer, number, digest)
            connection.execute(update(audit_writers).where(audit_writers.c.writer == writer).values(stub))
        count += len(rows)
        if len(rows) < ROWS_AT_A_TIME:
            return count
        give_way(engine)
