"""Errors that are for the user to put right."""


class InputError(ValueError):
    """Something about the data or the parameters; the message says what, where, how much and what to do."""


class ShortHistoryError(InputError):
    """There is not enough past for this method; another may still have an answer."""
