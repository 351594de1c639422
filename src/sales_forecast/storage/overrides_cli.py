"""``sales-forecast overrides``: planners' numbers in sheets, and what they were worth."""

from __future__ import annotations

import getpass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sales_forecast.configuration import load_configuration
from sales_forecast.errors import InputError
from sales_forecast.storage.cli import Environment, Why, chain_of, open_configured, print_table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection

    from sales_forecast.planning.overrides import Override
    from sales_forecast.storage.override_import import CheckedSheet
    from sales_forecast.storage.plan import Published

overrides = typer.Typer(no_args_is_help=True, help="Planners' numbers beside the forecasts.")

Whose = Annotated[str | None, typer.Option("--retailer", help="Whose forecasts; without it, any retailer's.")]
Store = Annotated[list[str] | None, typer.Option("--store", help="Store; may be repeated. Default: all.")]
Department = Annotated[
    list[str] | None, typer.Option("--department", help="Department; may be repeated. Default: all.")
]

SHOWN = 50
"""Rows that are told one by one."""


@overrides.command("list")
def show(
    all_: Annotated[
        bool, typer.Option("--all", help="Also those that have expired or were withdrawn.")
    ] = False,
    retailer: Whose = None,
    env: Environment = "local",
) -> None:
    """Show overrides, newest first."""
    from sales_forecast.storage.overrides import overrides_of

    with open_configured(env) as engine, engine.connect() as connection:
        published = _published(connection, retailer)
        found = overrides_of(connection, published.run.retailer)
    chosen = [one for one in found if all_ or one.is_active(published.first_week)]
    if not chosen:
        typer.echo("There are no overrides." if all_ else "No override counts; --all shows earlier ones.")
        return
    names = ("override", "for", "weeks", "value", "reason", "made by", "state")
    print_table(names, [_words(one, published) for one in chosen])


def _words(one: Override, published: Published) -> tuple[str, ...]:
    asked = one.correction
    value = f"{asked.value:+g} %" if asked.kind == "percent" else f"{asked.value:,.0f}"
    weeks = (
        f"{asked.week_from}" if asked.week_from == asked.week_to else f"{asked.week_from} to {asked.week_to}"
    )
    state = "counts" if one.is_active(published.first_week) else f"expired on {asked.expires_on}"
    if one.withdrawn_at is not None:
        state = f"withdrawn by {one.withdrawn_by}: {one.withdrawn_why}"
    reason = f"{asked.reason}: {asked.note}" if asked.note else asked.reason
    return str(one.id), str(asked.scope), weeks, value, reason, one.name, state


@overrides.command("export")
def export_sheet(
    file: Annotated[Path, typer.Argument(help="File to write, .xlsx or .csv.")],
    store: Store = None,
    department: Department = None,
    retailer: Whose = None,
    env: Environment = "local",
) -> None:
    """Write a sheet to fill in: a row for each store, department and week that is forecast."""
    from sales_forecast.planning.override_sheet import override_sheet
    from sales_forecast.storage.override_files import write_sheet
    from sales_forecast.storage.plan import planned_forecasts

    with open_configured(env) as engine:
        with engine.connect() as connection:
            rows = planned_forecasts(connection, _published(connection, retailer))
        for name, wanted in (("store", store), ("department", department)):
            if unknown := sorted({*(wanted or ())} - {*rows[name]}):
                raise InputError(f"--{name}: no forecast is published for {name} '{unknown[0]}'")
            rows = rows[rows[name].isin(wanted)] if wanted else rows
        write_sheet(file, override_sheet(rows))
    typer.echo(f"{file}: {len(rows):,} rows. Fill in 'planned' or 'per cent', and a reason; then import it.")


@overrides.command("import")
def import_file(
    file: Annotated[Path, typer.Argument(help="File that was filled in, .xlsx or .csv.")],
    partly: Annotated[
        bool, typer.Option("--partly", help="Store the other rows even if some are refused.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be stored, and store nothing.")
    ] = False,
    retailer: Whose = None,
    env: Environment = "local",
) -> None:
    """Read overrides from a sheet: all of them or, if a row is refused, none."""
    from sales_forecast.storage.database import writing
    from sales_forecast.storage.override_files import read_sheet
    from sales_forecast.storage.override_import import check_sheet, store_sheet
    from sales_forecast.storage.override_limits import read_override_settings

    account, now, made = getpass.getuser(), datetime.now(UTC), []
    with open_configured(env) as engine:
        most = read_override_settings(load_configuration(env)["service"]).max_active_per_key
        rows = read_sheet(file)
        with engine.connect() as connection:
            published = _published(connection, retailer)
            found = check_sheet(connection, published, rows)
        if found.accepted and not dry_run and (partly or not found.refused):
            with writing(engine) as connection:
                made = store_sheet(connection, published, found, ("", account), now, most)
                content = {"action": "import", "account": account, "file": file.name, "overrides": made}
                _record(connection, env, content)
    if dry_run:
        _propose(found)
    _tell(found, len(made), stores=not dry_run)
    if found.refused:
        raise typer.Exit(1)


def _propose(found: CheckedSheet) -> None:
    """Show what a sheet would change."""
    rows = []
    for number, proposal in list(found.accepted.items())[:SHOWN]:
        asked, (forecast, planned) = proposal.correction, proposal.weeks[["forecast", "planned"]].sum()
        amounts = f"{forecast:,.0f}", f"{planned:,.0f}"
        rows.append((str(number), str(asked.scope), f"{asked.week_from}", *amounts, asked.reason))
    if rows:
        print_table(("row", "for", "week", "forecast", "planned", "reason"), rows)
    if len(found.accepted) > SHOWN:
        typer.echo(f"{len(found.accepted) - SHOWN} more rows.")


def _tell(found: CheckedSheet, made: int, *, stores: bool) -> None:
    warned = [
        (row, one.detail)
        for row, proposal in found.accepted.items()
        for one in (proposal.warnings if made or not stores else ())
    ]
    for row, detail in warned[:SHOWN]:
        typer.echo(f"Row {row}: {detail}.")
    if len(warned) > SHOWN:
        typer.echo(f"{len(warned) - SHOWN} more warnings.")
    for refused in found.refused[:SHOWN]:
        typer.echo(f"Refused: row {refused.row}, value {refused.value}: {refused.why}.", err=True)
    if len(found.refused) > SHOWN:
        typer.echo(f"Refused: {len(found.refused) - SHOWN} more rows.", err=True)
    there = f"; {found.there} rows ask for what counts already" if found.there else ""
    if not stores:
        typer.echo(f"{len(found.accepted)} override(s) would be stored, {len(found.refused)} refused{there}.")
        return
    typer.echo(f"{made} override(s) stored{there}.")
    if found.accepted and not made:
        typer.echo(
            f"{len(found.refused)} row(s) are refused, so nothing was stored. Mend them, or store the "
            "others: --partly",
            err=True,
        )


@overrides.command("withdraw")
def withdraw_one(
    number: Annotated[int, typer.Argument(help="Number of the override, as 'list' shows it.")],
    why: Why,
    retailer: Whose = None,
    env: Environment = "local",
) -> None:
    """Let an override count no longer; it stays on record."""
    from sales_forecast.storage.database import writing
    from sales_forecast.storage.overrides import withdraw

    account, now = getpass.getuser(), datetime.now(UTC)
    change = {"override": number, "why": why}
    with open_configured(env) as engine:
        with engine.connect() as connection:
            whose = _published(connection, retailer).run.retailer
        with writing(engine) as connection:
            withdraw(connection, whose, number, by=account, why=why, now=now)
            _record(connection, env, {"action": "withdraw", "account": account, **change})
    typer.echo(f"Override {number} counts no longer.")


@overrides.command("value")
def value(retailer: Whose = None, env: Environment = "local") -> None:
    """Say what overrides were worth once their weeks had come: errors of last year, model and planners."""
    from sales_forecast.planning.value_added import value_added
    from sales_forecast.storage.override_value import overridden_weeks

    with open_configured(env) as engine, engine.connect() as connection:
        whose = _published(connection, retailer).run.retailer
        found = value_added(overridden_weeks(connection, whose))
    if found.empty:
        typer.echo("No week that was overridden has come yet.")
        return
    names = ("", "rows", "weeks", "last year", "model", "planners", "better by", "95 % interval", "verdict")
    rows = []
    for row in found.to_dict("records"):
        name = "all" if row["by"] == "all" else f"{row['by']}: {row['group']}"
        has_interval = row["planned_gain_low"] == row["planned_gain_low"]  # NaN differs from itself
        interval = f"{100 * row['planned_gain_low']:+.1f} to {100 * row['planned_gain_high']:+.1f}"
        errors = (f"{row[f'{whose}_wape']:.1%}" for whose in ("naive", "model", "planned"))
        gain = f"{100 * row['planned_gain']:+.1f}"
        words = (gain, interval if has_interval else "-", row["verdict"])
        rows.append((name, str(row["rows"]), str(row["weeks"]), *errors, *words))
    print_table(names, rows)
    typer.echo(
        "Errors: absolute error over turnover. Better by: points of that error; above 0, they have helped."
    )


def _published(connection: Connection, retailer: str | None) -> Published:
    """Read the newest publication of turnover.

    Raises:
        InputError: There is none.
    """
    from sales_forecast.storage.plan import read_published
    from sales_forecast.storage.queries import newest_run
    from sales_forecast.storage.withdrawals import why_nothing_serves

    run = newest_run(connection, "turnover", retailer=retailer)
    if run is None:
        raise InputError(why_nothing_serves(connection, "turnover", retailer))
    return read_published(connection, run)


def _record(connection: Connection, env: str, content: Mapping[str, object]) -> None:
    """Put a change of the plan on record, in the transaction that makes it."""
    from sales_forecast.storage import audit

    chain_of(env).append(connection, [audit.event(audit.PLAN_CHANGE, "overrides", content)])
