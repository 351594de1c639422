"""What is no longer needed: files, artefacts and numbers that are older than the configuration keeps.

Never removed: the models that serve or challenge, what serves, and headers and digests of the ledger.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property, partial
from typing import TYPE_CHECKING

from pydantic import BaseModel, Field
from sqlalchemy import Connection, Engine, Table, func, select, update

from sales_forecast.deliveries.archive import archived
from sales_forecast.deliveries.delivery import DeliveredFile
from sales_forecast.places import exists, folder_size, on_disk, open_place, packed, remove_folder
from sales_forecast.published_files import kept_folder
from sales_forecast.registry.packages import delete_artifacts
from sales_forecast.registry.store import REMOVED, Registry, registries
from sales_forecast.storage import ledger, schema
from sales_forecast.storage.chunks import delete_rows
from sales_forecast.storage.database import writing
from sales_forecast.storage.queries import DRAFT, newest_run

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

MOST_RUNS = 1000

PUBLISHED = schema.forecast_runs.c.domain != DRAFT

Days = int | None


class RetentionParams(BaseModel, frozen=True, extra="forbid"):
    """Days that things are kept; null keeps them for ever."""

    publication_files_days: Days = Field(default=90, ge=0)
    """Files of publications that do not serve, which a withdrawal would bring back."""

    unpublished_models_days: Days = Field(default=90, ge=0)
    """Artefacts of model versions that have published nothing: refused ones, mostly."""

    replay_days: Days = Field(default=730, ge=0)
    """Raw files and models that publications were made from, which cannot be made again without them."""

    run_artifacts_days: Days = Field(default=90, ge=0)
    """Reports and tables of tracked runs; parameters and metrics stay."""

    ledger_days: Days = Field(default=None, ge=0)
    """Numbers of publications; their headers stay, so that the chain can be proved."""


@dataclass(frozen=True)
class Removal:
    """Something that is no longer kept.

    Args:
        kind: What it is, in words.
        name: Which one.
        made_at: When it was made.
        bytes: How large it is; None where nobody can tell.
        remove: Removes it.
    """

    kind: str
    name: str
    made_at: datetime
    bytes: int | None
    remove: Callable[[], None]


@dataclass(frozen=True)
class Kept:
    """Where things are, and until when they are kept.

    Args:
        engine: SQLAlchemy engine of the database.
        connection: Connection that reads it.
        client: Client of the tracking server.
        archive: Folder or URL of the raw files.
        root: Folder or URL of the data.
        params: Days that things are kept.
        now: The present.
    """

    engine: Engine
    connection: Connection
    client: MlflowClient
    archive: str
    root: str
    params: RetentionParams
    now: datetime

    def before(self, days: Days) -> datetime:
        """Time before which things are not kept."""
        return datetime.min.replace(tzinfo=UTC) if days is None else self.now - timedelta(days=days)

    @cached_property
    def serving(self) -> set[int]:
        """Publications that serve, of each retailer and domain."""
        runs = schema.forecast_runs
        pairs = self.connection.execute(
            select(runs.c.domain, runs.c.retailer).where(PUBLISHED).distinct()
        ).all()
        found = [newest_run(self.connection, domain, retailer=retailer) for domain, retailer in pairs]
        return {run.id for run in found if run is not None}


def find_removals(kept: Kept) -> Iterator[Removal]:
    """Find everything that is older than it is kept; nothing is removed yet."""
    yield from _publication_files(kept)
    yield from _models(kept)
    yield from _run_artifacts(kept)
    yield from _raw_files(kept)
    yield from _numbers(kept)


def _publication_files(kept: Kept) -> Iterator[Removal]:
    runs, before = schema.forecast_runs, kept.before(kept.params.publication_files_days)
    query = select(runs.c.id, runs.c.made_at).where(PUBLISHED, runs.c.made_at < before)
    old = kept.connection.execute(query).all()
    for number, made_at in old:
        folder = kept_folder(kept.root, number)
        if number not in kept.serving and exists(packed(folder)):
            remove = partial(remove_folder, folder)
            yield Removal("files of a publication", str(number), made_at, folder_size(folder), remove)


def _models(kept: Kept) -> Iterator[Removal]:
    """Artefacts of versions that nothing refers to any more."""
    runs = schema.forecast_runs
    newest = select(runs.c.model_name, runs.c.model_version, func.max(runs.c.made_at)).where(PUBLISHED)
    rows = kept.connection.execute(newest.group_by(runs.c.model_name, runs.c.model_version)).all()
    published = {(name, version): at for name, version, at in rows}
    for domain in ledger.TABLES:
        for registry in registries(kept.client, f"sales_forecast.{domain}").values():
            needed = {str(one.version) for one in (registry.champion(), registry.challenger()) if one}
            for version in registry.versions():
                if str(version.version) not in needed and REMOVED not in version.tags:
                    yield from _model(kept, registry, version, published)


def _model(
    kept: Kept, registry: Registry, version: ModelVersion, published: dict[tuple[str, str], datetime]
) -> Iterator[Removal]:
    used = published.get((registry.name, str(version.version)))
    made_at = used or datetime.fromtimestamp(version.creation_timestamp / 1000, UTC)
    days = kept.params.replay_days if used else kept.params.unpublished_models_days
    if made_at >= kept.before(days):
        return
    uri = kept.client.get_model_version_download_uri(registry.name, str(version.version))

    def remove() -> None:
        kept.client.set_model_version_tag(
            registry.name, str(version.version), REMOVED, f"{kept.now:%Y-%m-%d}"
        )
        delete_artifacts(uri)

    kind = "model of publications" if used else "model that published nothing"
    yield Removal(kind, f"{registry.name} {version.version}", made_at, _size_of(uri), remove)


def _run_artifacts(kept: Kept) -> Iterator[Removal]:
    if kept.params.run_artifacts_days is None:
        return
    before = kept.before(kept.params.run_artifacts_days)
    experiments = [found.experiment_id for found in kept.client.search_experiments()]
    condition = f"attributes.start_time < {int(before.timestamp() * 1000)}"
    for run in kept.client.search_runs(experiments, condition, max_results=MOST_RUNS):
        if REMOVED in run.data.tags or run.info.status == "RUNNING":
            continue
        number, uri = run.info.run_id, run.info.artifact_uri
        made_at = datetime.fromtimestamp(run.info.start_time / 1000, UTC)

        def remove(number: str = number, uri: str = uri) -> None:
            kept.client.set_tag(number, REMOVED, f"{kept.now:%Y-%m-%d}")
            delete_artifacts(uri)

        yield Removal("reports and tables of a run", number, made_at, _size_of(uri), remove)


def _raw_files(kept: Kept) -> Iterator[Removal]:
    """Raw files that neither a delivery nor a publication of late refers to, nor one that serves."""
    table, runs = schema.deliveries, schema.forecast_runs
    before = kept.before(kept.params.replay_days)
    used = {
        delivery: kept.now if last in kept.serving else made_at
        for delivery, made_at, last in kept.connection.execute(
            select(runs.c.delivery, func.max(runs.c.made_at), func.max(runs.c.id))
            .where(PUBLISHED)
            .group_by(runs.c.delivery)
        )
    }
    seen: dict[str, datetime] = {}
    files: dict[str, DeliveredFile] = {}
    for row in kept.connection.execute(select(table)).mappings():
        for content in row["files"].values():
            file = DeliveredFile(**content)
            files[file.sha256] = file
            seen[file.sha256] = max(
                row["at"], used.get(row["id"], row["at"]), seen.get(file.sha256, row["at"])
            )
    for digest, last in seen.items():
        there, path = open_place(archived(kept.archive, files[digest]))
        if last < before and there.exists(path):
            remove = partial(there.rm, path)
            yield Removal("raw file", files[digest].path, last, there.size(path), remove)


def _numbers(kept: Kept) -> Iterator[Removal]:
    runs, before = schema.forecast_runs, kept.before(kept.params.ledger_days)
    for run in kept.connection.execute(select(runs).where(PUBLISHED, runs.c.made_at < before)).mappings():
        tables = (*ledger.TABLES[run["domain"]], schema.forecast_changes, schema.planner_exceptions)
        counts = [select(func.count()).select_from(table).where(table.c.run == run["id"]) for table in tables]
        rows = sum(kept.connection.execute(count).scalar_one() for count in counts)
        if rows and run["id"] not in kept.serving:
            remove = partial(_remove_numbers, kept, tables, run["id"])
            yield Removal("numbers of a publication", str(run["id"]), run["made_at"], None, remove)


def _remove_numbers(kept: Kept, tables: Iterable[Table], run: int) -> None:
    """Say so in the ledger, and remove them: ``verify`` objects to numbers that are gone without a word.

    From the first transaction on they are not read any more; the others let writers of other rows go between.
    """
    runs = schema.forecast_runs
    with writing(kept.engine) as connection:
        connection.execute(update(runs).where(runs.c.id == run).values(numbers_removed_at=kept.now))
    for table in tables:
        delete_rows(kept.engine, table, table.c.run == run)


def _size_of(uri: str) -> int | None:
    """Bytes of artefacts in a local folder."""
    return folder_size(uri) if on_disk(uri) is not None else None
