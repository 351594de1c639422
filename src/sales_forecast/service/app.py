"""The application, put together."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from fastapi.routing import APIRoute
from fastapi_offline import FastAPIOffline

from sales_forecast.registry.store import Registry
from sales_forecast.service.audit import AuditWriter
from sales_forecast.service.dependencies import Service
from sales_forecast.service.middleware import EachRequest
from sales_forecast.service.model_manager import KINDS, ModelManager
from sales_forecast.service.problems import document_errors, explain_errors
from sales_forecast.service.routes import compatible, live, marketing, operations, stored
from sales_forecast.service.settings import ServiceSettings

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from sqlalchemy import Engine

ROUTERS = {
    "stored forecasts": stored,
    "live predictions": live,
    "marketing": marketing,
    "the service itself": operations,
    "an earlier system's calls": compatible,
}


def create_app(
    settings: ServiceSettings, engine: Engine, client: MlflowClient, curve: dict[str, Any]
) -> FastAPI:
    """Put the application together; models are loaded once it starts.

    Args:
        settings: Of the service.
        engine: Of an up-to-date database.
        client: Of the tracking server with the registry.
        curve: The marketing domain's ``curve`` parameters.
    """
    registries = {domain: Registry(client, f"sales_forecast.{domain}") for domain in KINDS}

    @asynccontextmanager
    async def living(app: FastAPI) -> AsyncIterator[None]:
        model_manager = ModelManager(registries, settings.ab.challenger_share, settings.ab.salt)
        service = Service(settings, engine, model_manager, AuditWriter(engine), curve)
        app.state.service = service
        model_manager.watch(settings.check_registry_seconds)
        yield
        model_manager.stop()
        service.audit_writer.close()

    app = FastAPIOffline(
        title="sales_forecast",
        version=version("sales_forecast"),
        description="Weekly turnover of stores and departments, and sales from TV budgets.",
        lifespan=living,
    )
    for tag, module in ROUTERS.items():
        app.include_router(module.router, tags=[tag])
    for route in app.routes:
        if isinstance(route, APIRoute):  # on the page: what it does instead of what its function is called
            route.summary, route.description = route.description.removesuffix("."), ""
    explain_errors(app)
    document_errors(app)
    app.add_middleware(EachRequest, settings=settings)
    return app
