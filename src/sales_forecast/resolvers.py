"""What ``${...}`` in the configuration may ask for, beside values of other files."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from omegaconf.resolvers import oc

from sales_forecast.errors import InputError
from sales_forecast.project_root import project_root

SECRETS_FOLDER = "/run/secrets"
"""Where Docker, Podman and the manifests of Kubernetes in this project mount secrets, one file for each."""


def secret(name: str, default: str | None = None) -> str:
    """Read a secret from its file, else from the environment: ``${secret:NAME,default}``.

    Args:
        name: Of the file in ``/run/secrets`` (or in the folder that ``SALES_FORECAST_SECRETS_FOLDER`` names)
            and of the environment variable.
        default: What holds without either.

    Returns:
        The secret; of a file without white space around it, as editors end files with a new line.

    Raises:
        InputError: There is neither, and no default; or the file cannot be read, or is empty.
    """
    file = Path(os.environ.get("SALES_FORECAST_SECRETS_FOLDER", SECRETS_FOLDER)) / name
    if file.exists():
        return _content(file)
    found = os.environ.get(name, default)
    if found is None:
        raise InputError(f"the secret '{name}' is missing: write it to {file}, or set the variable {name}")
    return found


def _content(file: Path) -> str:
    try:
        found = file.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise InputError(f"the secret {file} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"the secret {file} is no text in UTF-8") from error
    if not found:
        raise InputError(f"the secret {file} is empty")
    return found


RESOLVERS: dict[str, Callable[..., object]] = {
    "project_root": project_root,
    "oc.env": oc.env,
    "secret": secret,
}
