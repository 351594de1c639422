"""``sales-forecast retrain``: let all methods compete on the newest weeks, if that is needed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from sales_forecast.errors import InputError
from sales_forecast.storage.cli import Environment, open_configured

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

    from sales_forecast.deliveries.delivery import Delivery

BY_HAND = "by hand"

NOT_YET = "no week was looked at yet (kedro run --pipelines monitoring)"


@dataclass(frozen=True)
class _Newest:
    """What a competition would be about."""

    retailer: str
    week: date
    delivery: Delivery | None
    """The one that was accepted last; None in a database from before deliveries were recorded."""

    said: str
    """The last decision."""

    wanted: str | None
    """Why it asks for a competition, unless one has come since."""


def retrain(
    if_needed: Annotated[
        bool, typer.Option("--if-needed", help="Only if the monitoring asks for it; for a schedule.")
    ] = False,
    why: Annotated[str, typer.Option("--why", help="Is recorded, without --if-needed.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done.")] = False,
    retailer: Annotated[
        str | None, typer.Option("--retailer", help="Whose; without it, who published last.")
    ] = None,
    env: Environment = "local",
) -> None:
    """Let all methods compete on the weeks that were delivered last; the gate decides which one serves.

    A whole run of turnover on the files that were accepted last, as the archive has them. What it makes
    becomes the champion only if it is better beyond chance, or as good on newer weeks; else it is a
    challenger, and the champion goes on.
    """
    with open_configured(env) as engine:
        with engine.connect() as connection:
            newest = _newest(connection, retailer)
        if if_needed and newest.wanted is None:
            typer.echo(f"Nothing to do for {newest.retailer}, week of {newest.week}: {newest.said}.")
            return
        reason = newest.wanted if if_needed else why or "asked for by hand"
        typer.echo(f"All methods compete on the weeks up to {newest.week}: {reason}.")
        if dry_run:
            return
        if not if_needed:
            _record(engine, newest, reason or "")
    _run(newest, env)
    with open_configured(env) as engine, engine.connect() as connection:
        typer.echo(f"Result: {_result(connection, newest)}.")


def _newest(connection: Connection, retailer: str | None) -> _Newest:
    from sales_forecast.storage.deliveries import accepted_last, find_delivery
    from sales_forecast.storage.monitoring import last_decision
    from sales_forecast.storage.queries import newest_run

    run = newest_run(connection, "turnover", retailer=retailer)
    if run is None or run.cutoff is None:
        raise InputError("nothing is published yet: a whole run makes the first model (kedro run)")
    last, number = last_decision(connection, run.retailer), accepted_last(connection, run.retailer)
    delivery = find_delivery(connection, number) if number else None
    open_one = last is not None and last["wanted"] and last["done_at"] is None
    return _Newest(
        run.retailer,
        delivery.last_week if delivery is not None and delivery.last_week else run.cutoff,
        delivery,
        last["evidence"] if last is not None else NOT_YET,
        last["evidence"] if last is not None and open_one else None,
    )


def _record(engine: Engine, newest: _Newest, why: str) -> None:
    from sales_forecast.storage.database import writing
    from sales_forecast.storage.monitoring import record_decision

    decision = {
        "retailer": newest.retailer,
        "week": newest.week,
        "wanted": True,
        "trigger": BY_HAND,
        "evidence": why,
    }
    with writing(engine) as connection:
        record_decision(connection, decision, datetime.now(UTC))


def _run(newest: _Newest, env: str) -> None:
    """Run turnover as ``kedro run`` does, on files from the archive: their folder may have others by now."""
    from sales_forecast.configuration import load_configuration
    from sales_forecast.deliveries.archive import restore_files

    archive = load_configuration(env)["globals"]["archive_folder"]
    from sales_forecast.cli import cli, told

    with TemporaryDirectory() as folder, told():
        given = f"retailer={newest.retailer}"
        if newest.delivery is not None:
            restore_files(archive, newest.delivery.files, Path(folder))
            given += f",raw_folder={folder}"
        options = ["--namespaces", "turnover", "--env", env, "--params", given]
        cli(["run", *options], prog_name="sales-forecast", standalone_mode=False)


def _result(connection: Connection, newest: _Newest) -> str:
    from sales_forecast.storage.monitoring import read_decisions

    decisions = read_decisions(connection, newest.retailer)
    done = decisions[decisions["result"].notna()]
    return str(done["result"].iloc[-1]) if len(done) else "nothing was recorded"
