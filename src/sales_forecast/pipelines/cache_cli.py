"""``sales-forecast cache``: folds of the backtest that were computed before."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from sales_forecast.forecasting.evaluation.fold_cache import FoldCache

cache = typer.Typer(
    no_args_is_help=True, help="Look at, or remove, the folds of the backtest that were computed before."
)

Environment = Annotated[str, typer.Option("--env", help="Folder in conf/ that says where the folds are.")]


@cache.command()
def show(env: Environment = "local") -> None:
    """Show how many folds are kept, how large they are, and when they were used."""
    found = _open(env)
    files = list(found.files())
    used = [datetime.fromtimestamp(fold.used) for fold in files] or [datetime.min]
    table = Table("folder", "folds", "size", "limit", "used from", "to")
    table.add_row(
        found.params.folder,
        str(len(files)),
        f"{sum(fold.size for fold in files) / 1e6:,.1f} MB",
        f"{found.params.limit_megabytes:,g} MB",
        *(f"{moment:%Y-%m-%d %H:%M}" for moment in (min(used), max(used)) if files),
    )
    Console().print(table)


@cache.command()
def clear(env: Environment = "local") -> None:
    """Remove all folds; the next run computes what it needs."""
    found = _open(env)
    typer.echo(
        f"{found.clear()} fold(s) removed from {found.params.folder}; the next run computes them anew."
    )


def _open(env: str) -> FoldCache:
    from pydantic import ValidationError

    from sales_forecast.configuration import load_configuration
    from sales_forecast.errors import InputError
    from sales_forecast.forecasting.evaluation.fold_cache import FoldCache, FoldCacheParams

    try:
        declared = load_configuration(env)["parameters"]["turnover"]["fold_cache"]
        params = FoldCacheParams.model_validate(declared)
    except (InputError, ValidationError) as error:
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(1) from error
    return FoldCache(params)
