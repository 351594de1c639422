"""Turnover: is this delivery what the retailer sends every week?"""

from __future__ import annotations

import narwhals as nw
import pandas as pd
from narwhals.typing import IntoFrame

from sales_forecast.deliveries.checks import (
    check_against_known,
    closed_stores_asked_for,
    labels_of_another_retailer,
)
from sales_forecast.deliveries.delivery import (
    Delivery,
    DeliveryParams,
    Finding,
    delivered_files,
    delivery_id,
    state_after,
)
from sales_forecast.deliveries.recorded import Recorded
from sales_forecast.forecasting.panel.matrix import ROW_KEYS
from sales_forecast.pipelines.data_processing.params import ReadTurnoverParams
from sales_forecast.registry.known_retailers import KnownRetailers
from sales_forecast.retailers import Retailer
from sales_forecast.storage.ledger import labels_as_text


def check_delivery(
    raw_hashes: dict[str, str],
    panel: IntoFrame,
    forecast_index: pd.DataFrame,
    recorded: Recorded,
    retailer: Retailer,
    read: ReadTurnoverParams,
    delivery: DeliveryParams,
    known_retailers: KnownRetailers,
) -> Delivery:
    """Compare a delivery with what was delivered and published before.

    Args:
        raw_hashes: SHA-256 of its files by short name.
        panel: Gap-free weekly turnover, as it would be forecast from.
        forecast_index: ``store, department, week`` that are wanted.
        recorded: What was delivered and published before.
        retailer: Whose files they are.
        read: What the files are called, and when a store counts as closed.
        delivery: When a finding holds a delivery.
        known_retailers: Where the files lie, and what is known of other retailers.

    Returns:
        The delivery with its findings; without any if it is the one that was accepted last.
    """
    files = delivered_files(raw_hashes, read.paths)
    number = delivery_id(files)
    columns = [*ROW_KEYS, "turnover", "turnover_raw"]
    sold = nw.from_native(panel).lazy().select(*columns).collect("pandas").to_pandas()
    last_week = sold["week"].max().date()
    findings: tuple[Finding, ...] = ()
    known = recorded.known_history(retailer.name)
    if number != known.accepted:
        rows = labels_as_text(sold.dropna(subset="turnover"))
        wanted = labels_as_text(nw.from_native(forecast_index).lazy().collect("pandas").to_pandas())
        findings = (
            *check_against_known(rows, known, delivery),
            *closed_stores_asked_for(rows, wanted, read.silent_store_weeks),
        )
        if known_retailers.given is None and retailer.name not in known_retailers.data:
            others = {name: labels_as_text(table) for name, table in known_retailers.data.items()}
            findings += tuple(labels_of_another_retailer(rows, retailer.name, others))
    return Delivery(
        id=number,
        folder=known_retailers.folder,
        retailer=retailer.name,
        last_week=last_week,
        files=files,
        findings=findings,
        state=state_after(findings),
    )
