"""What the database has recorded of turnover, for the stages of a run; each question opens it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any

import pandas as pd
from sqlalchemy import Connection, Row, select

from sales_forecast.deliveries.known import KnownHistory
from sales_forecast.forecasting.monitoring.scores import SCORE_COLUMNS
from sales_forecast.forecasting.monitoring.signals import SIGNAL_COLUMNS
from sales_forecast.forecasting.panel.matrix import ROW_KEYS
from sales_forecast.storage import schema
from sales_forecast.storage.accuracy import accuracy, department_scores
from sales_forecast.storage.database import database_errors, ready_database
from sales_forecast.storage.deliveries import known_history, known_values, past_forecasts
from sales_forecast.storage.earlier import earlier_forecasts
from sales_forecast.storage.ledger import read_rows
from sales_forecast.storage.monitoring import read_decisions, read_signals
from sales_forecast.storage.queries import Run, newest_before, newest_run
from sales_forecast.storage.scores import SERIES
from sales_forecast.storage.turnover import COLUMNS, turnover_as_of

WEEK_AHEAD = [*ROW_KEYS, "forecast", "lo_80", "hi_80"]


@dataclass(frozen=True)
class Recorded:
    """Deliveries, turnover and publications in a database.

    Args:
        url: ``sqlite:///file`` or ``postgresql://user:password@host/name``.
    """

    url: str

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with ready_database(self.url) as engine, database_errors(engine), engine.connect() as connection:
            yield connection

    def known_history(self, retailer: str) -> KnownHistory:
        """Read what a delivery is compared with; values of single weeks are read when they are needed."""
        with self._reading() as connection:
            return known_history(
                *(connection, partial(self._values, retailer), partial(self._past_forecasts, retailer)),
                retailer,
            )

    def _values(self, retailer: str, weeks: list[pd.Timestamp]) -> pd.DataFrame:
        with self._reading() as connection:
            return known_values(connection, retailer, weeks)

    def _past_forecasts(self, retailer: str, weeks: list[pd.Timestamp]) -> pd.DataFrame:
        with self._reading() as connection:
            return past_forecasts(connection, retailer, weeks)

    def earlier_forecasts(self, cutoff: date, retailer: str) -> pd.DataFrame:
        """Read the forecasts of the last publication from older data, see ``storage.earlier``."""
        with self._reading() as connection:
            return earlier_forecasts(connection, cutoff, retailer)

    def earlier_publication(self, cutoff: date, retailer: str, as_of: datetime | None = None) -> Run | None:
        """Read who made that publication, and from what; None if there is none.

        Args:
            cutoff: Last week that is known; only publications from data up to an earlier week count.
            retailer: Whose forecasts are wanted.
            as_of: Time before which it must have been published; None for now.
        """
        with self._reading() as connection:
            return newest_before(connection, cutoff, retailer, as_of)

    def accuracy(self, retailer: str) -> pd.DataFrame:
        """Read ``week, horizon`` and ``storage.scores.SUMS`` of all series together, oldest week first."""
        with self._reading() as connection:
            found = accuracy(connection, retailer, SERIES)
        return found.assign(week=pd.to_datetime(found["week"]))

    def scores(self, retailer: str) -> pd.DataFrame:
        """Read ``forecasting.monitoring.scores.SCORE_COLUMNS`` of each week, horizon and department."""
        with self._reading() as connection:
            return _with_timestamps(department_scores(connection, retailer, SCORE_COLUMNS))

    def signals(self, retailer: str) -> pd.DataFrame:
        """Read what was said about all weeks, see ``forecasting.monitoring.signals``; oldest week first."""
        with self._reading() as connection:
            found = read_signals(connection, retailer, date.min)[SIGNAL_COLUMNS]
        return found.assign(**{name: pd.to_datetime(found[name]) for name in ("week", "since")})

    def decisions(self, retailer: str) -> pd.DataFrame:
        """Read whether all methods were to compete again, oldest decision first."""
        with self._reading() as connection:
            return _with_timestamps(read_decisions(connection, retailer))

    def forecasts(self, publication: int) -> pd.DataFrame:
        """Read the forecasts of a publication; labels are text, weeks timestamps."""
        with self._reading() as connection:
            return _with_timestamps(read_rows(connection, schema.forecasts, publication))

    def week_ahead_forecasts(self, last: date, retailer: str, weeks: int) -> pd.DataFrame:
        """Read what was published for the last weeks one week before each.

        Args:
            last: The last week that is known.
            retailer: Whose forecasts are wanted.
            weeks: How many weeks.

        Returns:
            ``store, department, week, forecast, lo_80, hi_80``; labels are text, weeks timestamps. Weeks that
            nothing was published for a week before are left out.
        """
        table = schema.forecasts
        found: list[Row[Any]] = []
        columns = [table.c[name] for name in WEEK_AHEAD]
        with self._reading() as connection:
            for week in (last - timedelta(weeks=back) for back in range(weeks)):
                before = week - timedelta(weeks=1)
                run = newest_run(connection, "turnover", retailer=retailer, cutoff=before)
                if run is not None:
                    query = select(*columns).where(table.c.run == run.id, table.c.week == week)
                    found += connection.execute(query).all()
        return _with_timestamps(pd.DataFrame(found, columns=WEEK_AHEAD))

    def turnover_as_of(self, moment: datetime, retailer: str) -> pd.DataFrame:
        """Read ``store, department, week, turnover`` as it was known at a moment; labels are text."""
        with self._reading() as connection:
            rows = turnover_as_of(connection, moment, retailer)
        return _with_timestamps(pd.DataFrame(rows, columns=COLUMNS))


def _with_timestamps(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(week=pd.to_datetime(rows["week"]))
