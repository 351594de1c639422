"""The FastAPI application."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline

from sales_forecast.registry.store import registry_of
from sales_forecast.service.audit import AuditWriter
from sales_forecast.service.dependencies import Service
from sales_forecast.service.middleware import RequestMiddleware
from sales_forecast.service.model_manager import DOMAINS, ModelManager
from sales_forecast.service.problems import add_error_handlers, document_errors
from sales_forecast.service.routes import (
    accuracy,
    changes,
    compatible,
    live,
    marketing,
    monitoring,
    operations,
    signals,
    stored,
)
from sales_forecast.service.settings import BudgetIntervalSettings, ServiceSettings, served_retailer

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from sqlalchemy import Engine

ROUTERS = {
    "stored forecasts": stored,
    "realised accuracy": accuracy,
    "changes of forecasts": changes,
    "monitoring": signals,
    "monitoring page": monitoring,
    "live predictions": live,
    "marketing": marketing,
    "operations": operations,
    "calls of the earlier system": compatible,
}


def create_app(
    settings: ServiceSettings, engine: Engine, client: MlflowClient, budget_interval: BudgetIntervalSettings
) -> FastAPI:
    """Create the application; models are loaded once it starts.

    Args:
        settings: Settings of the service.
        engine: SQLAlchemy engine of an up-to-date database.
        client: MLflow client of the tracking server that holds the registry.
        budget_interval: Parameters of the prediction interval of budgets.
    """
    retailer = served_retailer(settings, engine)
    registries = {domain: registry_of(client, f"sales_forecast.{domain}", retailer) for domain in DOMAINS}

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        model_manager = ModelManager(registries, settings.ab.challenger_share, settings.ab.salt)
        service = Service(settings, engine, model_manager, AuditWriter(engine), budget_interval, retailer)
        app.state.service = service
        model_manager.watch(settings.check_registry_seconds)
        yield
        model_manager.stop()
        service.audit_writer.close()

    app = FastAPIOffline(
        title="sales_forecast",
        version=version("sales_forecast"),
        description="Weekly turnover of stores and departments, and sales from TV budgets.",
        lifespan=lifespan,
    )
    for tag, module in ROUTERS.items():
        app.include_router(module.router, tags=[tag])
    add_error_handlers(app)
    _summarize_routes(app)
    document_errors(app)
    app.add_middleware(RequestMiddleware, settings=settings)
    return app


def _summarize_routes(app: FastAPI) -> None:
    """Show on the documentation page what a route does, where FastAPI shows the name of its function."""
    for path in app.openapi()["paths"].values():
        for operation in path.values():
            operation["summary"] = operation.pop("description").removesuffix(".")
