"""Whether a version still holds the files that were registered.

The digests of the files are a tag of the version, in the registry, and the files are in the artifact store:
who changes one of them does not change the other. With a signing key, the digests are signed, so that whoever
may write to both is found out too. Nothing of a package is parsed before it is verified.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import TypeAdapter, ValidationError

from sales_forecast.errors import InputError
from sales_forecast.registry.store import DIGEST
from sales_forecast.registry.trust import Trust
from sales_forecast.retailers import command_option, domain_of, retailer_of

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

logger = logging.getLogger(__name__)

PACKAGE = "package"
"""Folder of model and tables, within MLflow's own."""

DATA = f"data/{PACKAGE}"
"""Path of this folder in a version."""

FILES = "package.files"
"""Tag of a version: SHA-256 digest of each file of its package, as JSON."""

SIGNATURE = "package.signature"
"""Tag of a version: HMAC-SHA256 of its name, the digests of its files and the digest of its package."""

Digests = Mapping[str, str]
"""Path in a package, with slashes -> SHA-256 digest of the file, hexadecimal."""

_DIGESTS = TypeAdapter(dict[str, str])


def digest_files(folder: Path) -> Digests:
    """Digest every file of a folder, and of the folders in it."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {path.relative_to(folder).as_posix(): _digest(path) for path in files}


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def tags_of_files(name: str, digests: Digests, package_digest: str, trust: Trust) -> dict[str, str]:
    """Make the tags by which a version is verified.

    Args:
        name: Name of the registered model.
        digests: Digests of the files of its package.
        package_digest: Digest of the package, see ``Package.digest``; empty if it was not recorded.
        trust: Key that they are signed with, if there is one.

    Raises:
        InputError: There are more files than a tag can list.
    """
    from mlflow.utils.validation import MAX_MODEL_REGISTRY_TAG_VALUE_LENGTH

    listed = _canonical(digests)
    if len(listed) > MAX_MODEL_REGISTRY_TAG_VALUE_LENGTH:
        raise InputError(
            f"{name}: the digests of {len(digests)} files take {len(listed):,} characters, and a tag of the "
            f"registry holds {MAX_MODEL_REGISTRY_TAG_VALUE_LENGTH:,}. Write fewer files into the package"
        )
    if not trust.needs_signature:
        return {FILES: listed}
    return {SIGNATURE: _sign(name, digests, package_digest, trust), FILES: listed}


def _sign(name: str, digests: Digests, package_digest: str, trust: Trust) -> str:
    content = _canonical({"files": digests, "name": name, "package": package_digest})
    key = trust.signing_key.get_secret_value().encode()
    return hmac.digest(key, content.encode(), "sha256").hex()


def _canonical(content: Mapping[str, object]) -> str:
    """JSON that is the same for the same content."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"))


def recorded_digests(found: ModelVersion) -> Digests | None:
    """Read the digests that a version was registered with; None if it has none.

    Raises:
        InputError: The tag does not hold digests.
    """
    if FILES not in found.tags:
        return None
    try:
        return _DIGESTS.validate_json(found.tags[FILES])
    except ValidationError as error:
        raise InputError(f"{named(found)}: its tag {FILES} holds no digests of files") from error


def is_signed(found: ModelVersion, digests: Digests, trust: Trust) -> bool:
    """Whether a version is signed with the configured key."""
    signature = found.tags.get(SIGNATURE, "")
    expected = _sign(found.name, digests, found.tags.get(DIGEST, ""), trust)
    return hmac.compare_digest(signature.encode(), expected.encode())


def trusted_digests(found: ModelVersion, trust: Trust) -> Digests | None:
    """Return the digests that the files of a version must have, before any of them is read.

    Returns:
        The digests; None for a version from before they were recorded, which is loaded with a warning.

    Raises:
        InputError: There is a signing key, and the version is not signed with it.
    """
    digests = recorded_digests(found)
    if trust.needs_signature and (digests is None or not is_signed(found, digests, trust)):
        what = (
            "signed with another key, or its tags were changed" if SIGNATURE in found.tags else "not signed"
        )
        raise InputError(
            f"{named(found)} is {what}, and models.signing_key is configured, so it is not loaded. If you "
            f"vouch for it: sales-forecast models sign {_in_command(found)}. {_another(found)}"
        )
    if digests is None:
        _warn_of_unknown_digests(named(found), _in_command(found))
    return digests


@cache
def _warn_of_unknown_digests(version: str, in_command: str) -> None:
    """Warn once in a process, however often the version is opened."""
    logger.warning(
        "%s was registered before digests of its files were recorded: it is loaded as it is. To record them: "
        "sales-forecast models sign %s",
        *(version, in_command),
    )


def check_files(found: ModelVersion, actual: Digests, expected: Digests) -> None:
    """Compare the files of a version with those that were registered.

    Args:
        found: The version.
        actual: Digests of its files.
        expected: Digests of the same files as they were registered.

    Raises:
        InputError: Names a file that differs, is missing or was added, and the ways out.
    """
    wrong = [
        *(f"{name} is not the file that was registered" for name in _differing(actual, expected)),
        *(f"{name} is missing" for name in sorted(expected.keys() - actual.keys())),
        *(f"{name} was added" for name in sorted(actual.keys() - expected.keys())),
    ]
    if wrong:
        others = f" (and {len(wrong) - 1} more file(s) differ)" if len(wrong) > 1 else ""
        raise InputError(
            f"{named(found)} is not what was registered: {wrong[0]}{others}. Restore the artifact store "
            f"from a backup. {_another(found)}"
        )


def _differing(actual: Digests, expected: Digests) -> list[str]:
    return sorted(name for name in actual.keys() & expected.keys() if actual[name] != expected[name])


def download_package(found: ModelVersion, trust: Trust, destination: Path, file: str = "") -> Path:
    """Download a version's package, or one file of it, and verify it.

    Args:
        found: The version.
        trust: What the version must prove.
        destination: Empty folder, which takes the files.
        file: Path of a file in the package; without it, the whole package is downloaded.

    Returns:
        Folder of the package, or the file.

    Raises:
        InputError: The version is not what was registered, or not signed with the configured key.
    """
    expected = trusted_digests(found, trust)
    path = fetch(found, destination, f"{DATA}/{file}" if file else DATA)
    if expected is None:
        return path
    if file:
        check_files(found, {file: _digest(path)}, {name: expected[name] for name in expected if name == file})
    else:
        check_files(found, digest_files(path), expected)
    return path


def verify_folder(found: ModelVersion, trust: Trust, folder: Path) -> None:
    """Verify a version's package that is in a folder already.

    Args:
        found: The version.
        trust: What the version must prove.
        folder: Folder of the package.

    Raises:
        InputError: The files are not those that were registered, or not signed with the configured key.
    """
    expected = trusted_digests(found, trust)
    if expected is not None:
        check_files(found, digest_files(folder), expected)


def fetch(found: ModelVersion, destination: Path, path: str) -> Path:
    """Download a file or folder of a version as it is, to the same path in a folder."""
    import mlflow

    uri = f"models:/{found.name}/{found.version}/{path}"
    return Path(mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=str(destination)))


def named(found: ModelVersion) -> str:
    """Name a version in a sentence."""
    return f"version {found.version} of {found.name}"


def _in_command(found: ModelVersion) -> str:
    """What names a version after ``sales-forecast models sign``."""
    return f"{domain_of(found.name)} {found.version}{command_option(retailer_of(found.name))}"


def _another(found: ModelVersion) -> str:
    """How another version comes to serve."""
    whose = command_option(retailer_of(found.name))
    return (
        "Or let another version serve: "
        f"sales-forecast models rollback {domain_of(found.name)}{whose}, or models promote"
    )
