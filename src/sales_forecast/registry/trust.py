"""What a registered version must prove before it is loaded: the group ``models`` of ``globals.yml``."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel, SecretStr, ValidationError, field_validator

from sales_forecast.errors import InputError

SHORTEST_KEY = 32
"""Characters of the shortest signing key, which is 128 bits in hexadecimal digits."""


class Trust(BaseModel, frozen=True, extra="forbid", hide_input_in_errors=True):
    """Which versions are loaded."""

    signing_key: SecretStr = SecretStr("")
    """Key that versions are signed with, and must be signed with; without one they need no signature."""

    method_modules: tuple[str, ...] = ()
    """Modules outside this project whose methods a version may name."""

    @field_validator("signing_key")
    @classmethod
    def _long_enough(cls, key: SecretStr) -> SecretStr:
        if 0 < len(key) < SHORTEST_KEY:
            raise ValueError(
                f"it has {len(key)} characters, and could be guessed; {SHORTEST_KEY} are needed at least. "
                "Make one: openssl rand -hex 32"
            )
        return key

    @property
    def needs_signature(self) -> bool:
        """Whether a version without a valid signature is refused."""
        return bool(self.signing_key)


NO_KEY = Trust()
"""Without a signing key, and without methods from outside this project."""


def read_trust(content: Mapping[str, object]) -> Trust:
    """Validate the group ``models`` of ``globals.yml``.

    Args:
        content: Content of the group.

    Raises:
        InputError: An option is unknown or invalid. The message does not show the key.
    """
    try:
        return Trust.model_validate(content)
    except ValidationError as error:
        raise InputError(
            "; ".join(
                f"globals.yml: models.{'.'.join(map(str, each['loc']))}: "
                f"{each['msg'].removeprefix('Value error, ')}"
                for each in error.errors(include_input=False)
            )
        ) from None
