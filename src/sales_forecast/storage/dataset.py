"""The database as a dataset of the catalog: saving publishes forecasts, loading returns the newest run."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime

from kedro.io import AbstractDataset
from sqlalchemy import Engine, make_url

from sales_forecast.storage.database import open_database, upgrade
from sales_forecast.storage.publications import Publication, publish
from sales_forecast.storage.queries import Run, newest_run

logger = logging.getLogger(__name__)


class PublicationDataset(AbstractDataset[Publication, Run | None]):
    """The published forecasts of one domain.

    Args:
        url: ``sqlite:///file`` or ``postgresql://user:password@host/name``.
        domain: ``turnover`` or ``marketing``.
        metadata: Metadata of the dataset for plugins such as Kedro-Viz.
    """

    def __init__(self, *, url: str, domain: str, metadata: Mapping[str, object] | None = None) -> None:
        self._url, self._domain = url, domain
        self.metadata = metadata

    def make_ready(self) -> None:
        """Upgrade the database; called before a run does anything.

        Raises:
            InputError: The database does not answer.
        """
        with self._database():
            pass

    @contextmanager
    def _database(self) -> Iterator[Engine]:
        engine = open_database(self._url)
        try:
            upgrade(engine)
            yield engine
        finally:
            engine.dispose()

    def load(self) -> Run | None:
        """Return the newest run of the domain; None before the first one."""
        with self._database() as engine, engine.connect() as connection:
            return newest_run(connection, self._domain)

    def save(self, data: Publication) -> None:
        """Publish forecasts in one transaction."""
        with self._database() as engine:
            if not publish(engine, data, datetime.now(UTC)):
                logger.info("The %s forecasts in the database are the same already.", self._domain)

    def _exists(self) -> bool:
        return self.load() is not None

    def _describe(self) -> dict[str, str]:
        return {"database": make_url(self._url).render_as_string(hide_password=True), "domain": self._domain}
