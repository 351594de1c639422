"""Verify versions on request, and sign those that somebody vouches for."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sales_forecast.errors import InputError
from sales_forecast.registry.packages import Package
from sales_forecast.registry.store import DIGEST, REMOVED
from sales_forecast.registry.tables import made_at
from sales_forecast.registry.trust import Trust
from sales_forecast.registry.verification import (
    DATA,
    SIGNATURE,
    check_files,
    digest_files,
    download_package,
    fetch,
    is_signed,
    named,
    recorded_digests,
    tags_of_files,
)
from sales_forecast.retailers import domain_of

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion


@dataclass(frozen=True)
class Offer:
    """What an operator is asked to vouch for.

    Args:
        description: The version, its files, and what is known of them, in words.
        tags: Tags by which it will be verified.
    """

    description: str
    tags: dict[str, str]


def verify_version(found: ModelVersion, trust: Trust) -> str:
    """Verify a version as if it were loaded.

    Returns:
        What was found, in words.

    Raises:
        InputError: It would be refused, or its files cannot be read.
    """
    if REMOVED in found.tags:
        return f"its files were removed on {found.tags[REMOVED]}"
    digests = recorded_digests(found)
    if digests is None and not trust.needs_signature:
        return "the digests of its files were not recorded, so it is loaded as it is"
    with _readable(found), tempfile.TemporaryDirectory() as folder:
        download_package(found, trust, Path(folder))
    signed = "signed" if trust.needs_signature else "no signature is asked for"
    return f"its {len(digests or ())} files are those that were registered; {signed}"


def check_version(found: ModelVersion, trust: Trust) -> None:
    """Refuse a version that could not serve.

    Raises:
        InputError: It would be refused, or it has no files.
    """
    if REMOVED in found.tags:
        raise InputError(f"{named(found)} cannot serve: {verify_version(found, trust)}")
    with _readable(found), tempfile.TemporaryDirectory() as folder:
        download_package(found, trust, Path(folder))


def offer_signature(found: ModelVersion, trust: Trust) -> Offer:
    """Prepare the tags that a version is verified by, for an operator who decides whether to vouch for it.

    Raises:
        InputError: It has nothing to be signed for, or its files are not those that were registered.
    """
    recorded = recorded_digests(found)
    if recorded is not None and not trust.needs_signature:
        raise InputError(
            f"the digests of {named(found)} are recorded already: {verify_version(found, trust)}. To sign "
            "it, configure a key: SALES_FORECAST_SIGNING_KEY"
        )
    if recorded is not None and is_signed(found, recorded, trust):
        raise InputError(f"{named(found)} is signed already: {verify_version(found, trust)}")
    with _readable(found), tempfile.TemporaryDirectory() as temporary:
        folder = fetch(found, Path(temporary), DATA)
        digests = digest_files(folder)
        if recorded is not None:
            check_files(found, digests, recorded)
        known = _what_is_known(found, folder, trust, listed=recorded is not None)
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    made = f"made {made_at(found.creation_timestamp)}, data {found.tags.get('data_version', 'unknown')}"
    what = f"{named(found)}, {made}: {len(digests)} files, {size:,} bytes."
    tags = tags_of_files(found.name, digests, found.tags.get(DIGEST, ""), trust)
    return Offer(f"{what[0].upper()}{what[1:]}\n{known}", tags)


def _what_is_known(found: ModelVersion, folder: Path, trust: Trust, *, listed: bool) -> str:
    """What speaks for the files of a version, and against them."""
    if listed and SIGNATURE in found.tags:
        return "It was signed with another key, or its tags were changed since."
    if listed:
        return "Its files are those that were registered, by their digests, which nobody has signed."
    if DIGEST not in found.tags:
        return "Nothing says whether its files are those that were registered."
    digest = _kind(found).read(folder, trust.method_modules).digest()
    if digest == found.tags[DIGEST]:
        return "Its model and tables are those that were registered, by the digest of the whole package."
    return (
        "Its model and tables do not have the digest that was registered: they were changed, or this code "
        "reads an older format of them."
    )


def _kind(found: ModelVersion) -> type[Package]:
    from sales_forecast.models.marketing import BudgetPackage
    from sales_forecast.models.turnover import TurnoverPackage

    return {"turnover": TurnoverPackage, "marketing": BudgetPackage}[domain_of(found.name)]


@contextmanager
def _readable(found: ModelVersion) -> Iterator[None]:
    """Turn what the artifact store raises into a message that names the version."""
    from mlflow.exceptions import MlflowException

    try:
        yield
    except InputError:
        raise
    except (OSError, TypeError, ValueError, MlflowException) as error:
        raise InputError(f"the files of {named(found)} cannot be read: {error}") from error
