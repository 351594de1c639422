"""Names of retailers, and of the registered models that belong to them."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from pydantic import BaseModel

from sales_forecast.errors import InputError
from sales_forecast.places import exists, read_text

DEFAULT_RETAILER = "default"
"""The retailer whose registered models are called by their domain alone: the first one of a project."""

SAMPLE_FOLDER, SAMPLE = "01_raw", "sample"
"""The project's own folder of raw files, and what the retailer in it is called."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,59}")


class Retailer(BaseModel, frozen=True, extra="forbid"):
    """Whose files a run has read, as ``data/`` keeps it for runs that read none."""

    name: str
    reason: str
    """How it was found, in words."""

    def __str__(self) -> str:
        """For the screen."""
        return f"The retailer is '{self.name}': {self.reason}."


UNNAMED = Retailer(name=DEFAULT_RETAILER, reason="it has no name")
"""The retailer of tables that come without one."""


def read_retailer(file: str | None) -> str | None:
    """Read whose files ``data/`` holds; None if no run has written it.

    Args:
        file: JSON file of a ``Retailer``: a path, or a URL of fsspec.
    """
    if file is None or not exists(file):
        return None
    return Retailer.model_validate_json(read_text(file)).name


def check_name(name: str) -> str:
    """Return the name of a retailer if it can be part of the name of a registered model.

    Args:
        name: As somebody has given it.

    Raises:
        InputError: It has other characters than letters, digits, hyphens and underscores, or too many.
    """
    if not _NAME.fullmatch(name):
        raise InputError(
            f"retailer: '{name}' cannot be the name of a retailer. Use at most 60 letters, digits, hyphens "
            f"and underscores, such as '{name_of_folder(name)}', in globals.yml or after --params retailer="
        )
    return name


def name_of_folder(folder: str) -> str:
    """Derive the name of a retailer from the folder of the raw files.

    >>> name_of_folder("/data/Harbour Stores/"), name_of_folder("data/01_raw"), name_of_folder("s3://shop/raw")
    ('harbour-stores', 'sample', 'raw')
    """
    last = PurePosixPath(folder.replace("\\", "/")).name
    if last == SAMPLE_FOLDER:
        return SAMPLE
    return re.sub(r"[^a-z0-9_]+", "-", last.lower()).strip("-_")[:50] or "retailer"


def model_name(model: str, retailer: str) -> str:
    """Name the registered model of a retailer.

    >>> model_name("sales_forecast.turnover", "default"), model_name("sales_forecast.turnover", "harbour")
    ('sales_forecast.turnover', 'sales_forecast.turnover.harbour')
    """
    return model if retailer == DEFAULT_RETAILER else f"{model}.{retailer}"


def domain_of(registered: str) -> str:
    """Return the domain of a registered model.

    >>> domain_of("sales_forecast.turnover"), domain_of("sales_forecast.turnover.harbour")
    ('turnover', 'turnover')
    """
    return registered.removeprefix("sales_forecast.").partition(".")[0]


def retailer_of(registered: str) -> str:
    """Return the retailer that a registered model belongs to.

    >>> retailer_of("sales_forecast.turnover"), retailer_of("sales_forecast.turnover.harbour")
    ('default', 'harbour')
    """
    return registered.removeprefix("sales_forecast.").partition(".")[2] or DEFAULT_RETAILER


def command_option(retailer: str) -> str:
    """Return what a command of ``sales-forecast models`` needs besides the domain to mean a retailer.

    >>> command_option("default"), command_option("harbour")
    ('', ' --retailer harbour')
    """
    return "" if retailer == DEFAULT_RETAILER else f" --retailer {retailer}"
