"""The database as a dataset of the catalog: saving publishes forecasts, loading returns the newest run."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from kedro.io import AbstractDataset
from sqlalchemy import make_url

from sales_forecast.project_root import project_root
from sales_forecast.storage.database import ready_database
from sales_forecast.storage.publications import Publication, publish
from sales_forecast.storage.queries import Run, newest_run
from sales_forecast.tracking import code_version

logger = logging.getLogger(__name__)

CODE = ("git_commit", "requirements_lock")
"""What the ledger says about the code that made a publication."""


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
        with ready_database(self._url):
            pass

    def load(self) -> Run | None:
        """Return the newest run of the domain; None before the first one."""
        with ready_database(self._url) as engine, engine.connect() as connection:
            return newest_run(connection, self._domain)

    def save(self, data: Publication) -> None:
        """Publish forecasts in one transaction.

        Raises:
            InputError: The database does not answer, or these forecasts were withdrawn.
        """
        with ready_database(self._url) as engine:
            code = {name: value for name, value in code_version(Path(project_root())).items() if name in CODE}
            if not publish(engine, replace(data, code=code), datetime.now(UTC)):
                logger.info("The %s forecasts in the database are the same already.", self._domain)

    def _exists(self) -> bool:
        return self.load() is not None

    def _describe(self) -> dict[str, str]:
        return {"database": make_url(self._url).render_as_string(hide_password=True), "domain": self._domain}
