"""The commands ``sales-forecast audit``: export, purge and prove the audit log."""

from __future__ import annotations

import getpass
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from sales_forecast.storage import audit as audit_log
from sales_forecast.storage.audit_chain import Signer
from sales_forecast.storage.audit_purge import purge as purge_records
from sales_forecast.storage.chunks import free_space
from sales_forecast.storage.cli import Environment, audit_settings_of, chain_of, open_configured

audit = typer.Typer(no_args_is_help=True, help="Export, purge and prove the audit log.")

Since = Annotated[datetime | None, typer.Option("--since", help="Time of the first record, UTC.")]
Until = Annotated[datetime | None, typer.Option("--until", help="Time before which records end, UTC.")]


@audit.command()
def export(
    file: Annotated[Path, typer.Argument(help="Parquet file to write; an existing one is replaced.")],
    since: Since = None,
    until: Until = None,
    env: Environment = "local",
) -> None:
    """Write records to a Parquet file."""
    if not file.absolute().parent.is_dir():
        raise typer.BadParameter(f"there is no folder {file.absolute().parent}")
    if file.exists() and not file.is_file():
        raise typer.BadParameter(f"{file} exists and is not a file")
    with open_configured(env) as engine:
        limits = [_utc(moment) for moment in (since, until)]
        count = audit_log.export(engine, file, *limits)
        content = {"account": getpass.getuser(), "file": str(file), "since": since, "until": until}
        read = audit_log.event(audit_log.RECORD_READ, "audit export", content, {"records": count})
        chain_of(env).write(engine, [read])
    typer.echo(f"{count:,} records are in {file}.")


def _utc(moment: datetime | None) -> datetime | None:
    return moment.replace(tzinfo=UTC) if moment else None


@audit.command()
def purge(
    keep_days: Annotated[
        int | None, typer.Option(min=1, help="Days to keep, instead of audit.keep_days in service.yml.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
    env: Environment = "local",
) -> None:
    """Delete old records for good; export them first if they may be needed."""
    with open_configured(env) as engine:
        settings = audit_settings_of(env)
        days = keep_days or settings.keep_days
        before = datetime.now(UTC) - timedelta(days=days)
        with engine.connect() as connection:
            count = audit_log.count_before(connection, before)
        if not count:
            typer.echo(f"No record is older than {days} days.")
            return
        if not yes:
            typer.confirm(f"Delete {count:,} records from before {before:%Y-%m-%d}?", abort=True)
        by = {"account": getpass.getuser(), "keep_days": days}
        count = purge_records(engine, before, settings.signer, chain_of(env), by)
        typer.echo(f"{count:,} records from before {before:%Y-%m-%d} are deleted.")
        free = free_space(engine)
    if free:
        typer.echo(
            f"The file keeps {free / 1e6:,.0f} MB for new rows: it was made before files could shrink. "
            "docs/service.md says how to shrink it once."
        )


@audit.command()
def verify(
    earlier_key: Annotated[
        list[Path] | None, typer.Option(help="File with an earlier signing key; may be given several times.")
    ] = None,
    unproved_until: Annotated[
        datetime | None,
        typer.Option(
            help="Time, UTC, until which records may lack a link or a signature: from an earlier version, or "
            "from before there was a key."
        ),
    ] = None,
    witness: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="Log of the service to compare with.")
    ] = None,
    env: Environment = "local",
) -> None:
    """Prove that no record was changed, deleted or inserted: exit code 1 if one was."""
    from sales_forecast.storage.audit_verify import verify as verify_all

    with open_configured(env) as engine:
        signers = [
            audit_settings_of(env).signer,
            *(Signer(file.read_text().strip()) for file in earlier_key or []),
        ]
        with witness.open(encoding="utf-8") if witness else nullcontext(()) as lines:
            found = verify_all(engine, signers, _utc(unproved_until), lines)
    for problem in found.problems:
        typer.echo(f"Broken: {problem}.", err=True)
    beside = [
        f"{count:,} {what}"
        for count, what in (
            (found.unlinked, "without a link, which cannot be proved"),
            (found.witnessed, "compared with the log of the service"),
            (found.unsigned, "not signed: anybody who can write to the database can replace them"),
        )
        if count
    ]
    typer.echo(
        (f"{found.count:,} problem(s) in " if found.count else f"{found.records - found.unlinked:,} of ")
        + f"{found.records:,} record(s) of {found.writers:,} writer(s)"
        + ("" if found.count else " are as they were written")
        + (f"; {'; '.join(beside)}." if beside else ".")
    )
    if found.count:
        raise typer.Exit(1)
