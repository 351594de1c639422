"""The monitoring in the catalog: saving records signals and the decision that follows from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime

import pandas as pd
from kedro.io import AbstractDataset, DatasetError
from sqlalchemy import make_url

from sales_forecast.storage.database import database_errors, ready_database, writing
from sales_forecast.storage.monitoring import finish_decisions, record_decision, record_signals


@dataclass(frozen=True)
class Monitored:
    """What a run says about the weeks that have come.

    Args:
        retailer: Whose weeks they are.
        signals: As ``forecasting.monitoring.signals`` finds them.
        decision: ``week, wanted, trigger, evidence`` of the decision to let all methods compete again.
        judged_until: Last week that all methods have competed on, if they have.
        result: What came of that, in words.
    """

    retailer: str
    signals: pd.DataFrame
    decision: Mapping[str, object]
    judged_until: date | None = None
    result: str = ""


class MonitoringDataset(AbstractDataset[Monitored, None]):
    """Signals and decisions in the database.

    Args:
        url: ``sqlite:///file`` or ``postgresql://user:password@host/name``.
        metadata: Metadata of the dataset for plugins such as Kedro-Viz.
    """

    def __init__(self, *, url: str, metadata: Mapping[str, object] | None = None) -> None:
        self._url = url
        self.metadata = metadata

    def load(self) -> None:
        """Refuse: ``storage.monitoring`` reads what is asked for."""
        raise DatasetError("the monitoring is only recorded here")

    def save(self, data: Monitored) -> None:
        """Record all of it in one transaction.

        Raises:
            InputError: The database does not answer.
        """
        now = datetime.now(UTC)
        with (
            ready_database(self._url) as engine,
            database_errors(engine),
            writing(engine) as connection,
        ):
            record_signals(connection, data.signals, data.retailer, now)
            if data.judged_until is not None:
                finish_decisions(connection, data.retailer, data.judged_until, data.result, now)
            record_decision(connection, {"retailer": data.retailer, **data.decision}, now)

    def _exists(self) -> bool:
        return False

    def _describe(self) -> dict[str, str]:
        return {"database": make_url(self._url).render_as_string(hide_password=True)}
