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
from sales_forecast.service.champions import KINDS, Champions
from sales_forecast.service.dependencies import Service
from sales_forecast.service.middleware import EachRequest
from sales_forecast.service.problems import document_errors, explain_errors
from sales_forecast.service.routes import compatible, live, marketing, operations, stored
from sales_forecast.service.settings import ServiceSettings
from sales_forecast.service.trail import AuditTrail

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
        curve: The marketing lane's ``curve`` parameters.
    """
    registries = {lane: Registry(client, f"sales_forecast.{lane}") for lane in KINDS}

    @asynccontextmanager
    async def living(app: FastAPI) -> AsyncIterator[None]:
        champions = Champions(registries, settings.ab.challenger_share, settings.ab.salt)
        service = Service(settings, engine, champions, AuditTrail(engine), curve)
        app.state.service = service
        champions.watch(settings.check_registry_seconds)
        yield
        champions.stop()
        service.trail.close()

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
