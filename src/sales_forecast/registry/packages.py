"""Packages in and out of the registry: logged with all that loading them elsewhere takes."""

from __future__ import annotations

import shutil
import tempfile
import warnings
from collections.abc import Collection
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeVar

import pandas as pd

import sales_forecast
from sales_forecast.errors import InputError
from sales_forecast.registry.store import DIGEST, Registry
from sales_forecast.registry.trust import Trust
from sales_forecast.registry.verification import PACKAGE, digest_files, download_package, tags_of_files
from sales_forecast.retailers import command_option, domain_of, retailer_of

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion
    from mlflow.models import ModelSignature


PACKAGES = ("forecasting", "models")
MODULES = ("__init__.py", "errors.py")
"""What is shipped with a model."""


class Package(Protocol):
    """What a module of ``sales_forecast.models`` brings."""

    def write(self, folder: Path) -> None:
        """Write everything to a folder."""

    @classmethod
    def read(cls, folder: Path, modules: Collection[str] = ()) -> Self:
        """Read what ``write`` wrote, without running anything in it.

        Args:
            folder: Folder of the package.
            modules: Modules outside this project whose methods it may name.
        """

    def digest(self) -> str:
        """Digest of everything in it; equal packages have equal ones."""

    def options(self) -> dict[str, str]:
        """Columns that a question may have, with MLflow's names of their types."""

    def example(self) -> pd.DataFrame:
        """A question that it can answer."""


KindT = TypeVar("KindT", bound=Package)


def log_package(
    package: Package,
    module: ModuleType,
    registry: Registry,
    card: str,
    tags: dict[str, str],
    trust: Trust,
) -> ModelVersion:
    """Log a package with the active run and register it as a new version, which does not serve yet.

    Args:
        package: Model and tables.
        module: Of ``sales_forecast.models``; MLflow calls its ``_load_pyfunc``.
        registry: Where it is registered.
        card: What the model is for, how good it is and what it cannot do, in Markdown.
        tags: Of the version; those by which it is verified are added.
        trust: Key that it is signed with, if there is one, and modules whose methods it may name.
    """
    import mlflow
    from mlflow.models import infer_signature

    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / PACKAGE
        package.write(folder)
        (folder / "model_card.md").write_text(card, encoding="utf-8")
        tags = tags | tags_of_files(registry.name, digest_files(folder), tags.get(DIGEST, ""), trust)
        example = package.example()
        model_config = {"method_modules": list(trust.method_modules)} if trust.method_modules else None
        answer = module._load_pyfunc(str(folder), model_config).predict(example)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Hint: Inferred schema contains integer")
            signature = infer_signature(
                example.drop(columns=list(package.options()), errors="ignore"), answer
            )
        logged = mlflow.pyfunc.log_model(
            name=domain_of(registry.name),
            loader_module=module.__name__,
            data_path=str(folder),
            code_paths=[str(_copy_code(Path(temporary)))],
            pip_requirements=[
                f"mlflow=={mlflow.__version__}",  # of mlflow-skinny as well, which the images have
                *(f"{name}=={version(name)}" for name in module.LIBRARIES),
            ],
            signature=_with_options(signature, package),
            input_example=example,
            model_config=model_config,
        )
    registered = mlflow.register_model(logged.model_uri, registry.name, tags=tags)
    registry.client.update_model_version(registry.name, registered.version, description=card)
    return registered


def _copy_code(folder: Path) -> Path:
    """The part of this project that models need, as they need it."""
    source = Path(sales_forecast.__path__[0])
    package = folder / source.name
    for name in PACKAGES:
        shutil.copytree(source / name, package / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in MODULES:
        shutil.copy(source / name, package)
    return package


def _with_options(signature: ModelSignature, package: Package) -> ModelSignature:
    """The signature with the columns that may be left out."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    columns = [ColSpec(kind, name, required=False) for name, kind in package.options().items()]
    return ModelSignature(Schema([*signature.inputs.inputs, *columns]), signature.outputs)


def open_package(found: ModelVersion, kind: type[KindT], trust: Trust) -> KindT:
    """Verify a version's package and read it, without running any of its code.

    Args:
        found: The version.
        kind: Class of the package, whose ``read`` reads a folder.
        trust: What the version must prove, and the modules whose methods it may name.

    Raises:
        InputError: It is not what was registered, or this code cannot read it, such as a method that is no
            more.
    """
    with tempfile.TemporaryDirectory() as temporary:
        return read_package(found, download_package(found, trust, Path(temporary)), kind, trust)


def read_package(found: ModelVersion, folder: Path, kind: type[KindT], trust: Trust) -> KindT:
    """Read a version's package from a folder whose files are verified.

    Args:
        found: The version.
        folder: Folder of the package.
        kind: Class of the package, whose ``read`` reads a folder.
        trust: Says of which modules it may name methods.

    Raises:
        InputError: This code cannot read it, such as a method that is no more.
    """
    try:
        return kind.read(folder, trust.method_modules)
    except (ValueError, TypeError, OSError) as error:
        whose = command_option(retailer_of(found.name))
        raise InputError(
            f"version {found.version} of {found.name} cannot be read by this code: {error}. Let another "
            f"one serve: sales-forecast models promote {domain_of(found.name)} VERSION{whose}"
        ) from error


def delete_artifacts(uri: str) -> None:
    """Delete the artefacts of a version or a run, for which MLflow's client has no call.

    Args:
        uri: ``artifact_uri`` of a run, or the download URI of a model version.
    """
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    repository: Any = get_artifact_repository(uri)
    repository.delete_artifacts()
