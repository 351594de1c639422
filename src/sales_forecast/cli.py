"""``kedro run`` with errors that read like a colleague's message instead of a traceback."""

from __future__ import annotations

import functools
import logging
import re
from collections.abc import Callable, Iterator
from typing import Any

import click
from kedro.framework.cli.project import run as kedro_run
from kedro.io import DatasetError
from kedro.validation.exceptions import ParameterValidationError
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from sales_forecast.errors import InputError

EXPECTED = (InputError, DatasetError, ParameterValidationError, YAMLError, OmegaConfBaseException)


def _causes(error: BaseException) -> Iterator[BaseException]:
    current: BaseException | None = error
    while current is not None:
        yield current
        current = current.__cause__ or current.__context__


def message_of(error: BaseException) -> str:
    """Choose the most helpful message of an error and its causes: ours, else the outermost."""
    for cause in _causes(error):
        if isinstance(cause, InputError):
            return str(cause)
    if isinstance(error, ParameterValidationError):
        return _in_plain_words(str(error))
    return str(error)


_COMPLAINT = re.compile(
    r"  (?! )(?:Value error, )?(?P<what>.+?)"
    r"(?: \[type=(?P<type>\w+), input_value=(?P<given>.*), input_type=\w+\])?"
)


def _in_plain_words(report: str) -> str:
    """Leave of pydantic's report what the reader can act on: which option, what is wrong, what was given."""
    group = option = ""
    lines = []
    for line in report.splitlines():
        if named := re.match(r"- Parameter '(.+?)'", line):
            group, option = named[1], ""
            lines += [] if "validation error" in line else [line.removeprefix("- ")]
        elif re.fullmatch(r"[\w.]+", line):
            option = f"{group}.{line}"
        elif said := _COMPLAINT.fullmatch(line):
            what = said["what"].replace("Input should be", "must be")
            what = what.replace("Extra inputs are not permitted", "there is no such option")
            if said["type"] not in {"value_error", "missing", "extra_forbidden", None}:
                what += f", not {said['given']}"
            lines.append(what if group in what else f"{option or group}: {what}")
    return "\n".join(lines) or report


def _with_one_message(command: click.Command) -> click.Command:
    callback: Callable[..., Any] | None = command.callback
    assert callback is not None

    @functools.wraps(callback)
    def run(*args: Any, **kwargs: Any) -> Any:
        try:
            return callback(*args, **kwargs)
        except EXPECTED as error:
            logging.getLogger(__name__).debug("Stopped by", exc_info=error)
            raise click.ClickException(message_of(error)) from error
        except Exception as error:
            if not type(error).__module__.startswith("mlflow."):  # whose import takes longer than the rest
                raise
            raise click.ClickException(
                f"the tracking server failed while the run was under way: {error}"
            ) from error

    command.callback = run
    return command


@click.group(name="sales_forecast")
def cli() -> None:
    """Commands of this project."""


cli.add_command(_with_one_message(kedro_run))
