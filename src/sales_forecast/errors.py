"""Errors that the user can correct."""


class InputError(ValueError):
    """A problem of the data or the parameters; the message says what, where, how many and what to do."""


class ShortHistoryError(InputError):
    """The history is too short for this method; another one may still be able to forecast."""
