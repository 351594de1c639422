"""Writes what the site shows of the HTTP API: its OpenAPI document, and the Swagger UI of fastapi-offline."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any, cast

import fastapi_offline
from mlflow import MlflowClient
from sqlalchemy import create_engine

from sales_forecast.configuration import load_configuration
from sales_forecast.registry.trust import NO_KEY
from sales_forecast.retailers import DEFAULT_RETAILER
from sales_forecast.service.app import create_app
from sales_forecast.service.settings import read_budget_interval, read_settings
from sales_forecast.storage.schema import metadata

SWAGGER = ("swagger-ui-bundle.js", "swagger-ui.css")


def document() -> dict[str, Any]:
    """Return the OpenAPI document of the service, made with an empty database and without a registry."""
    configuration = load_configuration("base")
    settings = read_settings(configuration["service"], retailer=DEFAULT_RETAILER)
    interval = read_budget_interval(configuration["parameters"]["marketing"]["curve"])
    engine = create_engine("sqlite://")
    metadata.create_all(engine)
    app = create_app(settings, engine, cast(MlflowClient, None), interval, NO_KEY)
    return app.openapi()


def write(folder: Path) -> None:
    """Write ``openapi.json``, the same as a script, and Swagger UI.

    A page that is opened as a file may not fetch JSON, but it may load a script.
    """
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(document(), indent=1)
    (folder / "openapi.json").write_text(text + "\n", encoding="utf-8")
    (folder / "openapi.js").write_text(f"window.openapi = {text};\n", encoding="utf-8")
    for name in SWAGGER:
        shutil.copy(Path(fastapi_offline.__file__).parent / "static" / name, folder)


if __name__ == "__main__":
    write(Path(sys.argv[1]))
