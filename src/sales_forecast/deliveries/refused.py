"""A delivery that cannot be read: recorded as refused, whoever has tried to read it."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from sales_forecast.contracts import DataContractError
from sales_forecast.deliveries.delivery import Delivery, Finding, delivered_files, delivery_id

if TYPE_CHECKING:
    from kedro.io import DataCatalog

    from sales_forecast.deliveries.dataset import DeliveryDataset

DELIVERY, HASHES = "turnover.delivery", "turnover.raw_hashes"


def record_refused(error: Exception, catalog: DataCatalog) -> Delivery | None:
    """Record that a delivery is refused, and keep its files.

    Args:
        error: Why it cannot be read.
        catalog: Where the datasets are declared.

    Returns:
        The delivery; None, and nothing is recorded, if no file breaks its contract, or if one is missing, so
        that the delivery has no name.
    """
    if not isinstance(error, DataContractError) or not catalog.exists(HASHES):
        return None
    files = delivered_files(catalog.load(HASHES), catalog.load("params:turnover.read").paths)
    refused = Delivery(
        id=delivery_id(files),
        folder=str(catalog.config_resolver.resolve_pattern(HASHES)["folder"]),
        files=files,
        findings=(Finding(check="contract", severity="refuse", text=str(error)),),
        state="refused",
    )
    cast("DeliveryDataset", catalog.get(DELIVERY)).record(refused)
    return refused
