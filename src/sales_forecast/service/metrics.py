"""Metrics about the forecasts themselves, read from the database when Prometheus asks for them."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, time
from time import monotonic

from prometheus_client import REGISTRY, CollectorRegistry, Metric, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector
from sqlalchemy import Engine

from sales_forecast.registry.records import Records
from sales_forecast.registry.store import CHAMPION
from sales_forecast.service.model_manager import ModelManager
from sales_forecast.storage.current_state import ACCURACY_WEEKS, CurrentState, read_current_state

logger = logging.getLogger(__name__)

KEPT_SECONDS = 10.0
"""How long an answer of the database is used; several Prometheus servers cost no more than one."""

MULTIPROCESS = "PROMETHEUS_MULTIPROC_DIR"
"""Environment variable that prometheus_client reads when it is imported."""

STATES = {"calm": 0.0, "warning": 1.0, "alarm": 2.0}
DELIVERY_STATES = ("accepted", "held", "refused")

Row = tuple[tuple[str, ...], float]
"""Values of the labels, and the value of the metric."""


class ForecastMetrics:
    """Metrics of one retailer's forecasts, in the format of Prometheus; see ``render_process`` for others.

    Args:
        engine: SQLAlchemy engine of the database.
        retailer: Retailer whose forecasts are served.
        model_manager: Manager of the loaded models, which knows what the registry says.
    """

    def __init__(self, engine: Engine, retailer: str, model_manager: ModelManager) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_StateCollector(engine, retailer, model_manager))

    def families(self) -> Iterable[Metric]:
        """Return the metrics as they are now, those with the same name together."""
        return self._registry.collect()

    def render(self) -> bytes:
        """Return the metrics as they are now, as text."""
        return generate_latest(self._registry)


def render_process() -> bytes:
    """Return the metrics of requests, and of this process; of several processes, those of all together."""
    if MULTIPROCESS not in os.environ:
        return generate_latest(REGISTRY)
    registry = CollectorRegistry()  # what it collects is in files of all processes
    MultiProcessCollector(registry)
    return generate_latest(registry)


class _StateCollector(Collector):
    """Makes metrics from the state when they are asked for, so that what is gone is not told any longer."""

    def __init__(self, engine: Engine, retailer: str, model_manager: ModelManager) -> None:
        self._engine, self._retailer, self._model_manager = engine, retailer, model_manager
        self._lock, self._read_at = threading.Lock(), float("-inf")
        self._state: CurrentState | None = None

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """Name no metrics: the registry would ask the database for them when the service starts."""
        return []

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Read the state, unless it was read just now."""
        with self._lock:
            if monotonic() - self._read_at > KEPT_SECONDS:
                self._state, self._read_at = self._read(), monotonic()
            state = self._state
        yield _family("database_up", "1 if what is monitored can be read.", (), [((), float(bool(state)))])
        if state is not None:
            yield from signal_families(state, self._retailer)
            yield from publication_families(state, self._retailer)
            yield from lifecycle_families(state, self._retailer)
        yield from champion_families(self._champions())

    def _read(self) -> CurrentState | None:
        try:
            with self._engine.connect() as connection:
                return read_current_state(connection, self._retailer)
        except Exception:  # whatever is wrong with the database, the other metrics are needed then
            logger.exception("What is monitored cannot be read")
            return None

    def _champions(self) -> list[tuple[str, str, datetime | None]]:
        """Name, version and time of registration of each champion."""
        known: Iterable[Records] = self._model_manager.records.values()
        made = {(row["name"], row["version"]): row["made_at"] for records in known for row in records.models}
        return [
            (alias.model_name, alias.version, made.get((alias.model_name, alias.version)))
            for alias in self._model_manager.aliases
            if alias.alias == CHAMPION
        ]


def signal_families(state: CurrentState, retailer: str) -> Iterator[GaugeMetricFamily]:
    """What the detectors say about the newest week."""
    if state.week is None:
        return
    labels = ("retailer", "detector", "key")
    keyed = [((retailer, row["detector"], row["key"]), row) for row in state.signals]
    values: list[Row] = [(key, row["value"]) for key, row in keyed]
    thresholds: list[Row] = [(key, row["threshold"]) for key, row in keyed if row["threshold"] is not None]
    states: list[Row] = [(key, STATES[row["state"]]) for key, row in keyed]
    yield _family("signal_value", "What a detector has found about a key in the newest week.", labels, values)
    yield _family("signal_threshold", "What the value is compared with.", labels, thresholds)
    yield _family("signal_state", "0 calm, 1 warning, 2 alarm.", labels, states)
    yield _family(
        "store_signals",
        "Number of stores whose turnover is unusual.",
        ("retailer", "state"),
        [((retailer, name), float(state.stores.get(name, 0))) for name in STATES if name != "calm"],
    )
    yield _of_retailer(
        "signals_week_timestamp_seconds", "First day of the newest week with signals.", retailer, state.week
    )


def publication_families(state: CurrentState, retailer: str) -> Iterator[GaugeMetricFamily]:
    """How new the forecasts are, and how right those of the last weeks were."""
    runs, labels = state.publications, ("retailer", "domain")
    yield _family(
        "publication_made_timestamp_seconds",
        "When the forecasts that serve were made.",
        labels,
        [((retailer, domain), run.made_at.timestamp()) for domain, run in runs.items()],
    )
    yield _family(
        "publication_cutoff_timestamp_seconds",
        "First day of the last week that the forecasts that serve have seen.",
        labels,
        [((retailer, domain), _seconds(run.cutoff)) for domain, run in runs.items() if run.cutoff],
    )
    yield from _accuracy_families(state.accuracy, retailer)


def _accuracy_families(rates: Mapping[str, float], retailer: str) -> Iterator[GaugeMetricFamily]:
    when = f"of the last {ACCURACY_WEEKS} weeks, one week ahead"
    told = {
        "wape": ("realised_wape_ratio", f"WAPE {when}."),
        "bias": ("realised_bias_ratio", f"Forecast minus turnover over turnover, {when}."),
        "weeks": ("realised_weeks", f"Number of weeks that were scored, {when}."),
    }
    for rate, (name, help_text) in told.items():
        if rate in rates:
            yield _family(name, help_text, ("retailer",), [((retailer,), rates[rate])])
    yield _family(
        "realised_coverage_ratio",
        f"Share of turnover inside the prediction intervals {when}.",
        ("retailer", "interval"),
        [
            ((retailer, interval), rates[f"coverage_{interval}"])
            for interval in ("80", "95")
            if f"coverage_{interval}" in rates
        ],
    )


def lifecycle_families(state: CurrentState, retailer: str) -> Iterator[GaugeMetricFamily]:
    """Whether all methods should compete again, and how the newest delivery was received."""
    since = state.retraining_since
    yield _family(
        "retraining_wanted",
        "1 if all methods should compete again.",
        ("retailer",),
        [((retailer,), float(since is not None))],
    )
    if since is not None:
        help_text = "Since when all methods should compete again."
        yield _of_retailer("retraining_wanted_since_timestamp_seconds", help_text, retailer, since)
    if state.delivery is not None:
        decided = state.delivery["state"]
        yield _family(
            "delivery_state",
            "1 for what was decided about the newest delivery.",
            ("retailer", "state"),
            [((retailer, name), float(name == decided)) for name in DELIVERY_STATES],
        )
        help_text = "When something was decided about a delivery last."
        yield _of_retailer("delivery_timestamp_seconds", help_text, retailer, state.delivery["at"])
    if state.accepted_at is not None:
        help_text = "When a delivery was accepted last."
        yield _of_retailer("delivery_accepted_timestamp_seconds", help_text, retailer, state.accepted_at)


def champion_families(champions: list[tuple[str, str, datetime | None]]) -> Iterator[GaugeMetricFamily]:
    """Which versions the registry names as champions, and since when these are registered."""
    versions: list[Row] = [((name, version), 1.0) for name, version, _ in champions]
    yield _family("champion_info", "1 for the champion of each model.", ("model", "version"), versions)
    yield _family(
        "champion_registered_timestamp_seconds",
        "When the champion was registered.",
        ("model",),
        [((name,), made_at.timestamp()) for name, _, made_at in champions if made_at is not None],
    )


def _family(name: str, help_text: str, labels: tuple[str, ...], rows: Iterable[Row]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"sales_forecast_{name}", help_text, labels=labels)
    for values, value in rows:
        family.add_metric(values, value)
    return family


def _of_retailer(name: str, help_text: str, retailer: str, when: date) -> GaugeMetricFamily:
    return _family(name, help_text, ("retailer",), [((retailer,), _seconds(when))])


def _seconds(when: date) -> float:
    """Seconds since 1970; those of a day are those of its beginning in UTC."""
    moment = when if isinstance(when, datetime) else datetime.combine(when, time(), UTC)
    return moment.timestamp()
