"""The one kind of error that is for the user to put right."""


class InputError(ValueError):
    """Something about the data or the parameters; the message says what, where, how much and what to do."""
