"""``sales-forecast ledger``: what was published, the proof of it, and how to take it back."""

from __future__ import annotations

import getpass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console
from rich.table import Table

from sales_forecast.errors import InputError
from sales_forecast.published_files import bring_back_files
from sales_forecast.storage.cli import Environment, Why, open_configured, print_table

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from sales_forecast.storage.queries import Run

ledger = typer.Typer(
    no_args_is_help=True, help="Look at what was published, prove it, withdraw it, make it again."
)

Number = Annotated[int, typer.Argument(help="Number of the publication, as 'list' shows it.")]
Domain = Annotated[Literal["turnover", "marketing"], typer.Option("--domain", help="Whose publications.")]
Whose = Annotated[str | None, typer.Option("--retailer", help="Whose forecasts; without it, any retailer's.")]


@ledger.command("list")
def list_publications(
    domain: Domain = "turnover",
    limit: Annotated[int, typer.Option(min=1, help="Number of publications.")] = 20,
    env: Environment = "local",
) -> None:
    """Show the newest publications, newest first."""
    from sales_forecast.storage.ledger import publications

    names = ("publication", "when (UTC)", "model", "data up to", "data", "delivery", "code", "withdrawn")
    with open_configured(env) as engine, engine.connect() as connection:
        rows = [
            (
                *(str(row["id"]), f"{row['made_at']:%Y-%m-%d %H:%M}"),
                f"{row['model_name']} {row['model_version']}",
                *(str(row["cutoff"] or "-"), row["data_version"], row["delivery"] or "-"),
                (row["git_commit"] or "-")[:7],
                f"{row['withdrawn_at']:%Y-%m-%d %H:%M}: {row['withdrawn']}" if row["withdrawn_at"] else "",
            )
            for row in publications(connection, domain, limit)
        ]
    print_table(names, rows)


@ledger.command()
def verify(env: Environment = "local") -> None:
    """Prove that nothing was changed: exit code 1 if a number or the order of publications was."""
    from sales_forecast.storage.ledger import verify as verify_all

    with open_configured(env) as engine, engine.connect() as connection:
        found = verify_all(connection)
    for problem in found.broken:
        typer.echo(f"Broken: {problem}.", err=True)
    beside = [
        f"{count} {what}"
        for count, what in (
            (found.unchained, "from before the ledger was chained, which cannot be proved"),
            (found.without_numbers, "whose numbers were removed, of which only the header is proved"),
        )
        if count
    ]
    proved = found.publications - found.unchained
    typer.echo(
        (f"{len(found.broken)} problem(s) in " if found.broken else f"{proved} of ")
        + f"{found.publications} publication(s)"
        + ("" if found.broken else " are in the chain")
        + (f"; {'; '.join(beside)}" if beside else "")
        + (f". Last link: {found.last}" if found.last else ".")
    )
    if found.broken:
        raise typer.Exit(1)


@ledger.command()
def show(
    store: Annotated[str, typer.Option("--store", help="Store, as the retailer calls it.")],
    department: Annotated[str, typer.Option("--department", help="Department, as the retailer calls it.")],
    as_of: Annotated[
        datetime | None, typer.Option("--as-of", help="What was published by then (UTC); without it, now.")
    ] = None,
    cutoff: Annotated[
        datetime | None, typer.Option("--cutoff", help="What was published from data up to this week.")
    ] = None,
    retailer: Whose = None,
    env: Environment = "local",
) -> None:
    """Show what was said about a store and department: by the clock, or by the last week that was known."""
    from sales_forecast.storage import schema
    from sales_forecast.storage.rows import RowFilter, filtered_rows

    with open_configured(env) as engine, engine.connect() as connection:
        run = _find(connection, as_of, cutoff.date() if cutoff else None, retailer)
        series = RowFilter((("store", (store,)), ("department", (department,))))
        rows, total = filtered_rows(connection, schema.forecasts, run, series, 1000, 0)
        if not total:
            raise InputError(
                f"publication {run.id} has no forecast of store {store}, department {department}"
            )
    title = (
        f"Publication {run.id} of {run.made_at:%Y-%m-%d %H:%M} UTC, data up to "
        f"{run.cutoff or 'an unknown week'}, "
        f"{run.model_name} version {run.model_version}"
    )
    table = Table("week", "weeks ahead", "forecast", "80 % range", "95 % range", title=title)
    for row in rows:
        ranges = [f"{row[f'lo_{level}']:,.0f} to {row[f'hi_{level}']:,.0f}" for level in (80, 95)]
        table.add_row(str(row["week"]), str(row["horizon"]), f"{row['forecast']:,.0f}", *ranges)
    Console().print(table)


def _find(connection: Connection, as_of: datetime | None, cutoff: date | None, retailer: str | None) -> Run:
    from sales_forecast.storage.queries import newest_run
    from sales_forecast.storage.withdrawals import why_nothing_serves

    at = as_of.replace(tzinfo=UTC) if as_of else None
    run = newest_run(connection, "turnover", at, retailer, cutoff)
    if run is None:
        by = f" by {as_of:%Y-%m-%d %H:%M} UTC" if as_of else ""
        of = f" from data up to {cutoff}" if cutoff else ""
        if not by and not of:
            raise InputError(why_nothing_serves(connection, "turnover", retailer))
        raise InputError(f"nothing was published{by}{of}: sales-forecast ledger list shows all")
    return run


@ledger.command()
def withdraw(publication: Number, why: Why, env: Environment = "local") -> None:
    """Take a publication back: the one before serves again, in the API and as files. Its numbers stay."""
    from sales_forecast.cli import told
    from sales_forecast.storage import ledger as records
    from sales_forecast.storage import withdrawals
    from sales_forecast.storage.database import writing

    with open_configured(env) as engine, writing(engine) as connection:
        already = withdrawals.withdrawn_because(connection, publication)
        serves = withdrawals.withdraw(connection, publication, datetime.now(UTC), getpass.getuser(), why)
        gone = records.publication(connection, publication)
    done = f"is withdrawn already ({already}; that reason stays)" if already else "is withdrawn"
    with told():
        _tell(f"Publication {publication} {done}.", serves, env)
        if serves is None or serves.model_version != gone.model_version:
            _warn_of_live_answers(gone, env)


def _warn_of_live_answers(gone: Run, env: str) -> None:
    """Say so if the model of a withdrawn publication still answers requests."""
    from sales_forecast.retailers import command_option

    if _champion(gone.model_name, env) == gone.model_version:
        whose = command_option(gone.retailer)
        typer.echo(
            f"Version {gone.model_version} of {gone.model_name} still answers live requests; to take it "
            f"back, too: sales-forecast models rollback {gone.domain}{whose} --why ..."
        )


def _champion(model: str, env: str) -> str | None:
    from sales_forecast.configuration import load_configuration
    from sales_forecast.registry.cli import open_tracking
    from sales_forecast.registry.store import Registry

    champion = Registry(open_tracking(load_configuration(env)), model).champion()
    return None if champion is None else str(champion.version)


@ledger.command()
def restore(publication: Number, why: Why, env: Environment = "local") -> None:
    """Undo a withdrawal."""
    from sales_forecast.cli import told
    from sales_forecast.storage import withdrawals
    from sales_forecast.storage.database import writing

    with open_configured(env) as engine, writing(engine) as connection:
        serves = withdrawals.restore(connection, publication, datetime.now(UTC), getpass.getuser(), why)
    with told():
        _tell(f"Publication {publication} is restored.", serves, env)


def _root(env: str) -> str:
    from sales_forecast.configuration import load_configuration
    from sales_forecast.data_root import reachable_root

    return reachable_root(load_configuration(env)["globals"])


def _tell(done: str, serves: Run | None, env: str) -> None:
    """Bring back the files of what serves, and say so.

    Raises:
        InputError: They cannot be written; the database is right already.
    """
    if serves is None:
        typer.echo(f"{done} None serves any more; the files in data/ are still those of a withdrawn one.")
        return
    served = f"Publication {serves.id} of {serves.made_at:%Y-%m-%d %H:%M} UTC serves"
    try:
        files = bring_back_files(serves.id, _root(env))
    except (OSError, InputError) as error:
        raise InputError(
            f"{done} {served}, but its files could not be written to data/: {error}. Run this command again"
        ) from error
    typer.echo(f"{done} {served}.")
    if files:
        typer.echo(f"{files} file(s) in data/ are those of publication {serves.id}.")
    else:
        typer.echo(
            f"The files of publication {serves.id} are not kept here: those in data/ are still the later "
            "ones. The API and the database are right."
        )


@ledger.command()
def replay(publication: Number, env: Environment = "local") -> None:
    """Make the numbers of a publication again: raw files from the archive, its method fitted anew.

    Exit code 1 if a number differs by more than a millionth. On the machine that made them they are equal to
    the last digit, if code and libraries are the same.
    """
    from sales_forecast.cli import told

    with told():
        from sales_forecast.pipelines.replay import replay_publication

        found = replay_publication(publication, env)
    for difference in found.circumstances:
        typer.echo(f"Not as it was: {difference}.")
    verdict = (
        "equal to the last digit" if found.equal == found.numbers else f"at most {found.largest:.2g} apart"
    )
    typer.echo(f"{found.equal:,} of {found.numbers:,} numbers are equal; {verdict} (relative).")
    if not found.same:
        raise typer.Exit(1)
