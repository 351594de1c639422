"""How long others wait while much is written: python -m benchmarks.locks [forecasts history week purge].

Another process writes one small row again and again, as the audit log of the service does, and tells its
longest wait. Databases are SQLite files in a temporary folder, where one writer at a time holds the lock.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from multiprocessing.synchronize import Event
from pathlib import Path
from time import monotonic, sleep

import numpy as np
import pandas as pd
from sqlalchemy import Engine, func, insert, select, update
from sqlalchemy.exc import OperationalError

from sales_forecast.forecasting.attribution import PARTS
from sales_forecast.forecasting.intervals.conformal import INTERVAL_COLUMNS, QUANTILES
from sales_forecast.storage import audit, schema
from sales_forecast.storage.audit_chain import AuditChain, Signer
from sales_forecast.storage.audit_purge import purge
from sales_forecast.storage.database import open_database, upgrade, writing
from sales_forecast.storage.publications import Publication, publish

NOW = datetime(2017, 10, 2, 6, tzinfo=UTC)
WEEK = pd.Timestamp("2017-10-07")
AUDIT_ROWS = 600_000
BETWEEN_WRITES_SECONDS = 0.02


def rows_of(stores: int, departments: int, weeks: pd.DatetimeIndex) -> pd.DataFrame:
    """Every week of every series, with an amount that differs from row to row."""
    index = pd.MultiIndex.from_product(
        [range(stores), range(departments), weeks], names=["store", "department", "week"]
    )
    return index.to_frame(index=False).assign(amount=np.arange(len(index)) + 0.5)


def forecast_publication(stores: int, departments: int, weeks: int, sold: pd.DataFrame) -> Publication:
    """A publication of turnover with its quantiles and attributions."""
    ahead = pd.date_range(sold["week"].max() + pd.Timedelta(weeks=1), periods=weeks, freq="7D")
    index = rows_of(stores, departments, ahead)
    numbers = (*INTERVAL_COLUMNS, *QUANTILES, *PARTS)
    amounts = pd.DataFrame(dict.fromkeys(numbers, index["amount"] / 3))
    forecasts = pd.concat([index.rename(columns={"amount": "forecast"}), amounts], axis=1).assign(
        horizon=(index["week"] - ahead[0]).dt.days // 7 + 1, cold_start=False, method="blend"
    )
    made_by = dict.fromkeys(("model_name", "run_id", "model_data_version", "data_version"), "m")
    return Publication(
        domain="turnover",
        made_by=made_by | {"model_version": str(sold["week"].max())},
        tables={"forecasts": forecasts},
        weekly_turnover=sold.rename(columns={"amount": "turnover"}),
        cutoff=sold["week"].max().date(),
    )


def write_until(url: str, ready: Event, stop: Event, waits: multiprocessing.Queue[list[float]]) -> None:
    """Write one row at a time, and put how long each write took."""
    engine, found = open_database(url), []
    row = {"name": "m", "version": "1", "window": "w", "metric": "wape", "value": 0.1}
    with writing(engine) as connection:
        connection.execute(insert(schema.model_metrics), row)
    ready.set()
    while not stop.is_set():
        start = monotonic()
        # SQLite gives up after 30 s
        with contextlib.suppress(OperationalError), writing(engine) as connection:
            connection.execute(update(schema.model_metrics).values(value=start))
        found.append(monotonic() - start)
        sleep(BETWEEN_WRITES_SECONDS)
    waits.put(found)


def measure(name: str, engine: Engine, work: Callable[[], object]) -> None:
    """Do the work beside the other process, and print how long it took and the other one waited."""
    context = multiprocessing.get_context("spawn")
    ready, stop, waits = context.Event(), context.Event(), context.Queue()
    other = context.Process(target=write_until, args=(str(engine.url), ready, stop, waits))
    other.start()
    ready.wait()
    start = monotonic()
    work()
    seconds = monotonic() - start
    stop.set()
    found = waits.get()
    other.join()
    with writing(engine) as connection:
        connection.execute(schema.model_metrics.delete())
    print(f"{name}: {seconds:.1f} s; another writer waited {max(found):.2f} s at most, {len(found)} writes")


def new_engine(folder: str, name: str) -> Engine:
    """An empty database with its tables."""
    engine = open_database(f"sqlite:///{folder}/{name}.db")
    upgrade(engine)
    return engine


def measure_forecasts(folder: str) -> None:
    """A publication of many forecasts."""
    little = rows_of(10, 1, pd.date_range(end=WEEK - pd.Timedelta(weeks=1), periods=2, freq="7D"))
    large = forecast_publication(3175, 10, 10, little)
    engine = new_engine(folder, "large")
    measure("317,500 forecasts", engine, lambda: publish(engine, large, NOW))


def measure_history(folder: str) -> None:
    """A first publication, with its history."""
    history = rows_of(127, 10, pd.date_range(end=WEEK - pd.Timedelta(weeks=1), periods=250, freq="7D"))
    first = forecast_publication(127, 10, 8, history)
    engine = new_engine(folder, "first")
    measure("317,500 values of turnover", engine, lambda: publish(engine, first, NOW))


def measure_week(folder: str) -> None:
    """The week after, of many series, whose forecasts are scored."""
    engine, weeks = new_engine(folder, "weekly"), pd.date_range(end=WEEK, periods=3, freq="7D")
    publish(engine, forecast_publication(3175, 10, 8, rows_of(3175, 10, weeks[:2])), NOW)
    second = forecast_publication(3175, 10, 8, rows_of(3175, 10, weeks))
    later = NOW + timedelta(weeks=1)
    measure("the next week of 31,750 series", engine, lambda: publish(engine, second, later))


def measure_purge(folder: str) -> None:
    """A purge of old records."""
    engine = new_engine(folder, "audit")
    old = NOW - timedelta(days=1000)
    record_old(engine, old)
    signer = Signer()
    chain = AuditChain(signer, "purge")
    measure(f"purge of {AUDIT_ROWS:,} records", engine, lambda: purge(engine, NOW, signer, chain, {}))
    with engine.connect() as connection:
        assert connection.execute(select(func.count()).select_from(schema.audit_log)).scalar_one() == 2


def record_old(engine: Engine, at: datetime) -> None:
    """Write records of about 600 bytes."""
    chain = AuditChain(Signer(), "service")
    output = {"run": 1, "rows": 1, "text": "x" * 300}
    for first in range(0, AUDIT_ROWS, 20_000):
        chain.write(
            engine,
            [
                audit.AuditRecord(
                    request_id=f"{(number * 2654435761) % 2**32:08x}-{number}",
                    arm="stored",
                    at=at + timedelta(seconds=number),
                    key_id="k",
                    endpoint="/v1/turnover/forecasts",
                    model_name="m",
                    model_version="1",
                    input={"store": "1"},
                    output=output,
                    other_output=None,
                    latency_ms=1.5,
                )
                for number in range(first, first + 20_000)
            ],
        )


if __name__ == "__main__":
    chosen = sys.argv[1:] or ["forecasts", "history", "week", "purge"]
    with tempfile.TemporaryDirectory() as place:
        print(f"Files are in {Path(place).parent}.")
        for name in chosen:
            globals()[f"measure_{name}"](place)
