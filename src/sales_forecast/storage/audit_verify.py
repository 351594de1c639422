"""Proof of the audit log: finds records that were changed, deleted or inserted, whatever its size."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, RowMapping, func, select, true

from sales_forecast.storage.audit import CHAIN_BREAK
from sales_forecast.storage.audit_chain import Fields, Signer, count_unlinked, link, opening, seal, writers
from sales_forecast.storage.schema import audit_log, audit_writers

ROWS_AT_A_TIME = 1_000

WITNESS = re.compile(
    r"Audit log: record (?P<number>[0-9]+) of writer (?P<writer>[0-9a-f]{32}) "
    r"has the digest (?P<digest>[0-9a-f]{64})"
)
"""What the service logs from time to time, as the whole message: anybody may have a request logged."""

MOST_PROBLEMS = 100
"""Problems that are named; all are counted."""


@dataclass
class Proof:
    """What a check of the whole audit log has found.

    Args:
        records: How many it has.
        unlinked: How many of these have no link, as those from before it was chained; they cannot be proved.
        unsigned: How many are in chains without a key.
        writers: How many processes have written it.
        witnessed: How many lines of logs were compared.
        count: How many problems there are.
        problems: One sentence for each of the first ``MOST_PROBLEMS``.
    """

    records: int = 0
    unlinked: int = 0
    unsigned: int = 0
    writers: int = 0
    witnessed: int = 0
    count: int = 0
    problems: list[str] = field(default_factory=list)

    def object(self, problem: str) -> None:
        """Note a problem."""
        self.count += 1
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.append(problem)


def verify(
    engine: Engine,
    signers: Sequence[Signer],
    unproved_until: datetime | None = None,
    witnesses: Iterable[str] = (),
) -> Proof:
    """Compute all digests again, and compare them with those in the database, as it is at one moment.

    Args:
        engine: SQLAlchemy engine of the database; others may write meanwhile.
        signers: The one with the present key first, then those with earlier keys.
        unproved_until: Time up to which records may lack a link, and a signature where there is a key. None:
            all records must be signed where there is a key; without one, they must have a link from the
            start of the first writer.
        witnesses: Lines of logs; those in which the service tells its newest record are compared, too.
    """
    whole = {"isolation_level": "REPEATABLE READ"} if engine.dialect.name == "postgresql" else {}
    with engine.connect().execution_options(**whole) as connection:
        proof = _verify(connection, signers, unproved_until)
        for line in witnesses:
            if told := WITNESS.fullmatch(_message(line)):
                proof.witnessed += 1
                _compare(connection, int(told["number"]), told["writer"], told["digest"], proof)
        for row in _breaks(connection):
            _compare(connection, row["number"], row["writer"], row["digest"], proof)
        return proof


def _message(line: str) -> str:
    """Return the message of a line of the log; empty if the line is none of the service's JSON."""
    try:
        found = json.loads(line)
    except ValueError:
        return ""
    return str(found.get("message", "")) if isinstance(found, dict) else ""


def _verify(connection: Connection, signers: Sequence[Signer], unproved_until: datetime | None) -> Proof:
    proof, known = Proof(), {signer.mark: signer for signer in [*signers, Signer()]}
    before, signed = "", False
    found = writers(connection)
    for row in found:
        proof.writers += 1
        name = f"writer {row['writer']} ({row['name']}, from {row['started_at']:%Y-%m-%d %H:%M} UTC)"
        if signed and not row["key_mark"]:
            proof.object(f"{name} is not signed, although earlier ones are")
        signed = signed or bool(row["key_mark"])
        signer, purger = (known.get(row[mark]) for mark in ("key_mark", "purged_mark"))
        if signer is None or purger is None:
            proof.object(f"{name} is signed with a key that is not configured here")
        else:
            if opening(signer, before, row) != row["opened"]:
                proof.object(
                    f"{name} does not follow the writer before it; one of them was changed or deleted"
                )
            _verify_writer(connection, row, name, signer, purger, proof)
        before = row["opened"]
    proof.unlinked = count_unlinked(connection)
    proof.records += proof.unlinked
    _verify_writers_are_known(connection, proof)
    if signers[0].mark:
        _verify_all_are_signed(connection, unproved_until, proof)
    elif found:
        _verify_links(connection, unproved_until or min(row["started_at"] for row in found), proof)
    return proof


def _verify_writer(
    connection: Connection, row: RowMapping, name: str, signer: Signer, purger: Signer, proof: Proof
) -> None:
    writer = row["writer"]
    if seal(signer, "head", writer, row["number"], row["digest"]) != row["seal"]:
        proof.object(f"{name}: the number or digest of its newest record was changed in audit_writers")
    if row["key_mark"] and not row["purged_mark"]:
        proof.object(f"{name} is signed, but which of its records were purged is not")
    purged = (row["purged_number"], row["purged_digest"])
    if seal(purger, "purged", writer, *purged) != row["purged_seal"]:
        proof.object(f"{name}: which of its records were purged was changed in audit_writers")
    number, digest = purged
    last: Fields | None = None
    for record in _records(connection, writer):
        proof.records += 1
        proof.unsigned += not signer.mark
        if record["number"] > row["number"]:
            proof.object(
                f"{_named(record)} of {name} was inserted: there is none of its number {record['number']}"
            )
            continue
        if record["number"] <= number:
            proof.object(f"{_named(record)} of {name} was inserted: records up to {number} are purged")
            continue
        if record["number"] != number + 1:
            proof.object(_missing(name, number + 1, record["number"] - 1, last, record))
        elif link(signer, digest, writer, record["number"], record) != record["digest"]:
            proof.object(f"{_named(record)} of {name} was changed, or the link of the record before it")
        number, digest, last = record["number"], record["digest"], record
    if number < row["number"]:
        proof.object(_missing(name, number + 1, row["number"], last, None))
    elif digest != row["digest"]:
        proof.object(f"{name}: its newest record is another one than audit_writers says")


def _records(connection: Connection, writer: str) -> Iterator[RowMapping]:
    query = select(audit_log).where(audit_log.c.writer == writer).order_by(audit_log.c.number)
    yield from connection.execution_options(yield_per=ROWS_AT_A_TIME).execute(query).mappings()


def _verify_writers_are_known(connection: Connection, proof: Proof) -> None:
    """Look for records of a writer that there is not."""
    unknown = audit_log.c.writer.is_not(None) & audit_log.c.writer.not_in(select(audit_writers.c.writer))
    _refuse(connection, unknown, "are of a writer that is not in audit_writers", proof)


def _verify_links(connection: Connection, until: datetime | None, proof: Proof) -> None:
    """Look for records without a link from after a time; None for all of them."""
    what = "have no link: they were inserted, or written by a version without the chain (--unproved-until)"
    _refuse(connection, audit_log.c.writer.is_(None) & _after(until), what, proof)


def _verify_all_are_signed(connection: Connection, until: datetime | None, proof: Proof) -> None:
    """Look for records without link or signature from after a time: anybody could have written them."""
    _verify_links(connection, until, proof)
    unsigned = select(audit_writers.c.writer).where(audit_writers.c.key_mark == "")
    what = "are not signed: they were written anew, or before there was a key (--unproved-until)"
    _refuse(connection, audit_log.c.writer.in_(unsigned) & _after(until), what, proof)


def _after(moment: datetime | None) -> ColumnElement[bool]:
    return true() if moment is None else audit_log.c.at > moment


def _refuse(connection: Connection, wrong: ColumnElement[bool], what: str, proof: Proof) -> None:
    """Note how many records fulfil a condition that none should, with an example."""
    count = connection.execute(select(func.count()).select_from(audit_log).where(wrong)).scalar_one()
    if count:
        example = connection.execute(select(audit_log).where(wrong).limit(1)).mappings().one()
        proof.object(f"{count:,} record(s) {what}; such as {_named(example)}")


def _breaks(connection: Connection) -> Iterator[Mapping[str, Any]]:
    """Read the newest record that each writer knew which did not find it any more: writer, number, digest."""
    query = select(audit_log.c.input).where(audit_log.c.kind == CHAIN_BREAK)
    yield from connection.execute(query).scalars()


def _compare(connection: Connection, number: int, writer: str, digest: str, proof: Proof) -> None:
    """Compare a record with what its writer has told of it, unless a purge has deleted it."""
    purged = select(audit_writers.c.purged_number).where(audit_writers.c.writer == writer)
    kept_from = connection.execute(purged).scalar()
    if kept_from is not None and number <= kept_from:
        return
    query = select(audit_log.c.digest).where(audit_log.c.writer == writer, audit_log.c.number == number)
    found = connection.execute(query).scalar()
    if found != digest:
        what = "is gone" if found is None else "has another digest now"
        proof.object(f"record {number} of writer {writer}, which that writer has told of, {what}")


def _named(record: Fields) -> str:
    when = f"{record['at']:%Y-%m-%d %H:%M:%S} UTC"
    return f"the record of request {record['request_id']} ({record['arm']}, {when})"


def _missing(name: str, first: int, last: int, before: Fields | None, after: Fields | None) -> str:
    which = f"record {first}" if first == last else f"records {first} to {last}"
    near = [f"{where} {_named(record)}" for where, record in (("after", before), ("before", after)) if record]
    newest = ", the newest," if after is None else ""
    return f"{which}{newest} of {name} is missing" + (f", {' and '.join(near)}" if near else "")
