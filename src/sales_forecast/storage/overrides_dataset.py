"""Planners' numbers in the catalog, for the stages that say what follows from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from kedro.io import AbstractDataset, DatasetError
from sqlalchemy import make_url

from sales_forecast.planning.overrides import Override
from sales_forecast.storage.database import database_errors, ready_database
from sales_forecast.storage.overrides import active_overrides


@dataclass(frozen=True)
class RecordedOverrides:
    """Overrides in a database.

    Args:
        url: ``sqlite:///file`` or ``postgresql://user:password@host/name``.
    """

    url: str

    def active(self, retailer: str, first_week: date) -> list[Override]:
        """Read the overrides that count for forecasts.

        Args:
            retailer: Whose forecasts they are.
            first_week: First week that is forecast.
        """
        with (
            ready_database(self.url) as engine,
            database_errors(engine),
            engine.connect() as connection,
        ):
            return active_overrides(connection, retailer, first_week)


class OverridesDataset(AbstractDataset[None, RecordedOverrides]):
    """Planners' numbers, as the database has them.

    Args:
        url: ``sqlite:///file`` or ``postgresql://user:password@host/name``.
        metadata: Metadata of the dataset for plugins such as Kedro-Viz.
    """

    def __init__(self, *, url: str, metadata: Mapping[str, object] | None = None) -> None:
        self._url = url
        self.metadata = metadata

    def load(self) -> RecordedOverrides:
        """Return what is recorded, which is read when it is asked for."""
        return RecordedOverrides(self._url)

    def save(self, data: None) -> None:
        """Refuse: planners make overrides."""
        raise DatasetError("planners' numbers are only read")

    def _describe(self) -> dict[str, str]:
        return {"database": make_url(self._url).render_as_string(hide_password=True)}
