"""What all typed parameters have in common."""

from pydantic import BaseModel


class Params(BaseModel, frozen=True, extra="forbid"):
    """Read-only, and a misspelt key is an error."""
