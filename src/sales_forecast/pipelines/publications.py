"""Publications of the ledger with the model and the data behind them, as far as these are kept."""

from __future__ import annotations

from sales_forecast.deliveries.recorded import Recorded
from sales_forecast.forecasting.attribution import STEADINESS
from sales_forecast.forecasting.panel.labels import labelled, with_panel
from sales_forecast.forecasting.panel.matrix import ROW_KEYS
from sales_forecast.forecasting.repredictions import Published
from sales_forecast.models.turnover import TurnoverPackage
from sales_forecast.registry.serving import ServingModel
from sales_forecast.registry.versions import RegisteredVersions
from sales_forecast.storage.queries import Run


def open_publication(
    run: Run,
    recorded: Recorded,
    registered_versions: RegisteredVersions,
    serving: ServingModel[TurnoverPackage] | None = None,
) -> Published:
    """Bring the forecasts of a publication together with the model and the data that made them.

    A model that was made from the same data has kept them. For a model that forecast from later data than its
    own, turnover is read as it was known at the time; stores and plans are those that the model has kept.

    Args:
        run: The publication.
        recorded: Forecasts and turnover in the database.
        registered_versions: Models that served before.
        serving: The model that serves, which is at hand already.

    Raises:
        InputError: The registry does not have the model any more.
    """
    name, version = run.model_name, run.model_version
    if serving is not None and (serving.name, serving.version, serving.run_id) == (name, version, run.run_id):
        package = serving.package
    else:
        package = registered_versions.package(name, version, TurnoverPackage)
    data = package.data
    if not run.made_from_its_data:
        data = with_panel(data, recorded.turnover_as_of(run.made_at, run.retailer))
    rows = labelled(recorded.forecasts(run.id), data)
    return Published(package.model, data, rows[[*ROW_KEYS, "forecast", STEADINESS]])
