"""Deliveries in the catalog: what is known before one comes, and the one that a run reads."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import UTC, datetime

from kedro.io import AbstractDataset, DatasetError
from sqlalchemy import make_url

from sales_forecast.atomic import whole_file
from sales_forecast.deliveries.archive import archive_files
from sales_forecast.deliveries.delivery import Delivery
from sales_forecast.deliveries.recorded import Recorded
from sales_forecast.errors import InputError
from sales_forecast.places import exists, read_text
from sales_forecast.storage.database import database_errors, ready_database, writing
from sales_forecast.storage.deliveries import record_delivery

logger = logging.getLogger(__name__)


class RecordedDataset(AbstractDataset[None, Recorded]):
    """What was delivered and published before, as the database has it.

    Args:
        url: ``sqlite:///file`` or ``postgresql://user:password@host/name``.
        metadata: Metadata of the dataset for plugins such as Kedro-Viz.
    """

    def __init__(self, *, url: str, metadata: Mapping[str, object] | None = None) -> None:
        self._url = url
        self.metadata = metadata

    def load(self) -> Recorded:
        """Return what is recorded, which is read when it is asked for."""
        return Recorded(self._url)

    def save(self, data: None) -> None:
        """Refuse: it is recorded by deliveries and publications."""
        raise DatasetError("what is recorded is only read")

    def _describe(self) -> dict[str, str]:
        return {"database": make_url(self._url).render_as_string(hide_password=True)}


class DeliveryDataset(AbstractDataset[Delivery, Delivery]):
    """The delivery that a run reads: recorded in the database, its files archived, and named in a JSON file.

    Args:
        url: ``sqlite:///file`` or ``postgresql://user:password@host/name``.
        archive: Folder or URL of fsspec that keeps every raw file.
        filepath: JSON file that says which delivery ``data/`` holds: a path, or a URL of fsspec.
        metadata: Metadata of the dataset for plugins such as Kedro-Viz.
    """

    def __init__(
        self, *, url: str, archive: str, filepath: str, metadata: Mapping[str, object] | None = None
    ) -> None:
        self._url, self._archive, self._filepath = url, archive, filepath
        self.metadata = metadata

    def record(self, delivery: Delivery) -> None:
        """Keep the files and the decision; a delivery that is known already changes nothing."""
        try:
            new = archive_files(self._archive, delivery.folder, delivery.files)
        except OSError as error:
            raise InputError(
                f"the archive {self._archive} cannot be written: {error}. Name another one: archive_folder "
                "in globals.yml"
            ) from error
        with ready_database(self._url) as engine, database_errors(engine), writing(engine) as connection:
            record_delivery(connection, delivery, datetime.now(UTC))
        for finding in delivery.findings:
            logger.info("Delivery %s, %s: %s.", delivery.id, finding.severity, finding.text)
        if new:
            logger.debug("%s file(s) of delivery %s are new in %s.", new, delivery.id, self._archive)

    def save(self, data: Delivery) -> None:
        """Name the delivery that the tables in ``data/`` are made from; the run has recorded it before."""
        with whole_file(self._filepath) as part:
            part.write_text(data.model_dump_json(indent=2) + "\n", encoding="utf-8")

    def load(self) -> Delivery:
        """Return the delivery that the tables in ``data/`` are made from."""
        return Delivery.model_validate_json(read_text(self._filepath))

    def _exists(self) -> bool:
        return exists(self._filepath)

    def _describe(self) -> dict[str, str]:
        return {"archive": self._archive, "filepath": self._filepath}
