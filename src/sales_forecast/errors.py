"""Errors that the user can correct."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError


class InputError(ValueError):
    """A problem of the data or the parameters; the message says what, where, how many and what to do."""


class ShortHistoryError(InputError):
    """The history is too short for this method; another one may still be able to forecast."""


def describe_fields(error: ValidationError) -> str:
    """Say in one line which fields are wrong, and why."""
    return "; ".join(
        f"{'.'.join(map(str, details['loc']))}: {details['msg']}".removeprefix(": Value error, ")
        for details in error.errors()
    )
