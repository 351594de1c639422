"""The FastAPI application."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline
from starlette.concurrency import run_in_threadpool

from sales_forecast.registry.store import registry_of
from sales_forecast.registry.trust import Trust
from sales_forecast.service.audit import AuditWriter
from sales_forecast.service.dependencies import Service
from sales_forecast.service.head import HeadMiddleware
from sales_forecast.service.hosts import HostMiddleware
from sales_forecast.service.jobs import JobRunner
from sales_forecast.service.middleware import RequestMiddleware
from sales_forecast.service.model_manager import DOMAINS, ModelManager
from sales_forecast.service.openapi import TAGS, describe, operation_id
from sales_forecast.service.planner import routes as planner
from sales_forecast.service.planner import sign_in
from sales_forecast.service.planner.frame import missing_page
from sales_forecast.service.problems import add_error_handlers
from sales_forecast.service.proxies import ProxyMiddleware
from sales_forecast.service.routes import (
    accuracy,
    changes,
    compatible,
    exceptions,
    index,
    jobs,
    live,
    marketing,
    monitoring,
    operations,
    overrides,
    plan,
    scenarios,
    signals,
    staffing,
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
    "staffing": staffing,
    "overrides": overrides,
    "plan": plan,
    "exceptions": exceptions,
    "monitoring": signals,
    "sign-in": sign_in,
    "pages for planners": planner,
    "monitoring page": monitoring,
    "live predictions": live,
    "predictions as jobs": jobs,
    "scenarios": scenarios,
    "marketing": marketing,
    "operations": operations,
    "calls of the earlier system": compatible,
}


def create_app(
    settings: ServiceSettings,
    engine: Engine,
    client: MlflowClient,
    budget_interval: BudgetIntervalSettings,
    trust: Trust,
) -> FastAPI:
    """Create the application; models are loaded once it starts.

    Args:
        settings: Settings of the service.
        engine: SQLAlchemy engine of an up-to-date database.
        client: MLflow client of the tracking server that holds the registry.
        budget_interval: Parameters of the prediction interval of budgets.
        trust: What a version must prove before it is loaded.
    """
    retailer = served_retailer(settings, engine)
    registries = {domain: registry_of(client, f"sales_forecast.{domain}", retailer) for domain in DOMAINS}

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        model_manager = ModelManager(registries, settings.ab.challenger_share, settings.ab.salt, trust)
        audit_writer = AuditWriter(engine, settings.audit)
        service = Service(settings, engine, model_manager, audit_writer, budget_interval, retailer)
        app.state.service = service
        model_manager.watch(settings.check_registry_seconds)
        job_runner = JobRunner(service)
        job_runner.start(asyncio.get_running_loop())
        yield
        await run_in_threadpool(job_runner.stop)  # its part may wait for this loop
        model_manager.stop()
        service.computations.close()
        service.sheets.close()
        service.audit_writer.close()

    app = (FastAPIOffline if settings.has_docs else FastAPI)(
        title="sales_forecast",
        version=version("sales_forecast"),
        description="Weekly turnover of stores and departments, and sales from TV budgets.",
        lifespan=lifespan,
        docs_url="/docs" if settings.has_docs else None,
        redoc_url="/redoc" if settings.has_docs else None,
        openapi_url="/openapi.json" if settings.has_docs else None,
        openapi_tags=[{"name": name, "description": text} for name, text in TAGS.items()],
        servers=[{"url": "/", "description": "The service that answers this document."}],
        generate_unique_id_function=operation_id,
        redirect_slashes=False,  # the handler of 404 does that, without the host that a client names
    )
    app.include_router(index.router, tags=["operations"])
    for tag, module in ROUTERS.items():
        app.include_router(module.router, tags=[tag])
    add_error_handlers(app, missing_page)
    describe(app)
    app.add_middleware(HeadMiddleware)
    app.add_middleware(HostMiddleware, allowed=settings.allowed_hosts)
    app.add_middleware(RequestMiddleware, settings=settings)
    app.add_middleware(ProxyMiddleware, trusted=settings.trusted_proxies)
    return app
