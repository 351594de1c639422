"""Published forecasts of versions that are promoted or rolled back by hand."""

from __future__ import annotations

from datetime import UTC, datetime

from sales_forecast.published_files import bring_back_files
from sales_forecast.registry.store import Event, Registry
from sales_forecast.retailers import retailer_of
from sales_forecast.storage.database import database_errors, ready_database, writing
from sales_forecast.storage.queries import newest_run
from sales_forecast.storage.withdrawals import restore, withdraw, withdrawn_of


def let_publish_again(url: str, registry: Registry, event: Event) -> None:
    """Undo the withdrawals of a version's forecasts: they may be published again by the next run.

    Args:
        url: Address of the database.
        registry: The registered model.
        event: The promotion.
    """
    with ready_database(url) as engine, database_errors(engine), writing(engine) as connection:
        for number in withdrawn_of(connection, registry.name, event.version):
            restore(connection, number, datetime.now(UTC), event.who, event.why)


def withdraw_forecasts(url: str, root: str, domain: str, registry: Registry, event: Event) -> str | None:
    """Withdraw what the version that goes has published last, until forecasts of another one serve.

    Args:
        url: Address of the database.
        root: Folder or URL of the data.
        domain: Domain of the model.
        registry: The registered model.
        event: The rollback.

    Returns:
        What was done, in words; None if nothing was published by the version that goes.
    """
    with ready_database(url) as engine, database_errors(engine), writing(engine) as connection:
        found = serves = newest_run(connection, domain, retailer=retailer_of(registry.name))
        while serves is not None and serves.model_version == event.previous:
            serves = withdraw(connection, serves.id, datetime.now(UTC), event.who, event.why)
    if found is None or serves == found:
        return None
    if serves is None:
        return "Its forecasts are withdrawn; none serve. To make some: kedro run --pipelines inference"
    files = bring_back_files(serves.id, root)
    return (
        f"Its forecasts are withdrawn; those of {serves.made_at:%Y-%m-%d %H:%M} UTC serve again (publication "
        f"{serves.id}, {files} files in data/). To forecast from the newest data: "
        "kedro run --pipelines inference"
    )
