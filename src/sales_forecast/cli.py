"""``kedro run`` with errors that read like a colleague's message instead of a traceback."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click
import typer
from kedro.config import MissingConfigException
from kedro.framework.cli.project import run as kedro_run
from kedro.framework.cli.utils import KedroCliError
from kedro.io import DatasetError
from kedro.validation.exceptions import ParameterValidationError
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from sales_forecast.compat import complaints
from sales_forecast.errors import InputError
from sales_forecast.run_logs import log_as_configured_in
from sales_forecast.run_options import check_run_options

logger = logging.getLogger(__name__)

failures = logging.getLogger("sales_forecast.failures")
"""For the files only, with the traceback: on the screen an error is one message."""
failures.addHandler(logging.NullHandler())
failures.propagate = False

EXPECTED = (
    InputError,
    DatasetError,
    MissingConfigException,
    ParameterValidationError,
    YAMLError,
    OmegaConfBaseException,
)


def causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what it came from, outermost first."""
    current: BaseException | None = error
    while current is not None:
        yield current
        current = current.__cause__ or current.__context__


def message_of(error: BaseException) -> str:
    """Choose the most helpful message of an error and its causes: ours, else the outermost."""
    for cause in causes(error):
        if isinstance(cause, InputError):
            return str(cause)
    if isinstance(error, ParameterValidationError):
        return complaints(str(error))
    return str(error)


@contextmanager
def one_message() -> Iterator[None]:
    """Turn errors that a user can mend into one message."""
    try:
        yield
    except KedroCliError as error:  # which shows itself with the traceback of nothing
        raise click.UsageError(error.message) from error
    except EXPECTED as error:
        failures.error("%s", message_of(error), exc_info=error)
        raise click.ClickException(message_of(error)) from error
    except Exception as error:
        failures.error("%s", error, exc_info=error)
        if not type(error).__module__.startswith("mlflow."):  # whose import takes longer than the rest
            raise
        raise click.ClickException(
            f"the tracking server failed while the run was under way: {error}"
        ) from error


@contextmanager
def told() -> Iterator[None]:
    """Print an error that a user can mend as one message, for commands of ``sales-forecast``; exit code 1."""
    try:
        with one_message():
            yield
    except click.ClickException as error:
        typer.echo(f"Error: {error.message}", err=True)
        raise typer.Exit(1) from error


class RunCommand(click.Command):
    """Kedro's own command, of which one reads what is wrong in one message."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """Read the options."""
        with one_message():
            try:
                return super().make_context(info_name, args, parent, **extra)
            except KeyError as error:
                raise click.UsageError(f"--config: the file has no section {error}") from error

    def invoke(self, ctx: click.Context) -> Any:
        """Check that what is selected exists, then run."""
        if source := ctx.params.get("conf_source"):
            log_as_configured_in(source)
        logging.captureWarnings(True)
        with one_message():
            check_run_options(ctx.params)
            logger.info("Checking the input ...")
            return super().invoke(ctx)


@click.group(name="sales_forecast")
def cli() -> None:
    """Commands of this project."""


run = RunCommand("run", callback=kedro_run.callback, params=kedro_run.params, help=kedro_run.help)
cli.add_command(run)
