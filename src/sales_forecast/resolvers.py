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

    Where ``SALES_FORECAST_AWS_SECRET`` names a secret of AWS Secrets Manager, its values come after these.

    Args:
        name: Of the file in ``/run/secrets`` (or in the folder that ``SALES_FORECAST_SECRETS_FOLDER`` names),
            of the environment variable, and of the value in the secret of AWS.
        default: What holds without any.

    Returns:
        The secret; of a file without white space around it, as editors end files with a new line.

    Raises:
        InputError: There is none, and no default; or what has it cannot be read, or is empty.
    """
    file = Path(os.environ.get("SALES_FORECAST_SECRETS_FOLDER", SECRETS_FOLDER)) / name
    if file.exists():
        return _content(file)
    found = os.environ.get(name)
    if found is None and (of_aws := os.environ.get("SALES_FORECAST_AWS_SECRET")):
        from sales_forecast.aws.secrets import read_secret

        found = read_secret(of_aws).get(name)
    if found is None:
        found = default
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


def as_text(column: str | None) -> dict[str, str]:
    """Return the ``dtype`` with which pandas' ``read_csv`` keeps a column as text: ``${as_text:NAME}``.

    Args:
        column: Its name in the file; None for one that the file does not have.
    """
    return {} if column is None else {column: "str"}


def environment_variable(name: str, *default: str | None) -> object:
    """Read a variable of the environment as OmegaConf does: ``${oc.env:NAME,default}``.

    Args:
        name: Name of the variable.
        default: What holds without it.

    Raises:
        InputError: There is no such variable, and no default.
    """
    if name not in os.environ and not default:
        raise InputError(f"the environment variable {name} is missing, which the configuration reads: set it")
    return oc.env(name, *default)


RESOLVERS: dict[str, Callable[..., object]] = {
    "project_root": project_root,
    "oc.env": environment_variable,
    "secret": secret,
    "as_text": as_text,
}
