"""Logging as JSON lines in the Elastic Common Schema, to standard output."""

from __future__ import annotations

import logging
import sys

from sales_forecast.ecs import EcsFormatter, process_fields


def log_as_json(environment: str) -> None:
    """Replace all other handlers; uvicorn's access log is left out, since the middleware writes its own.

    Args:
        environment: ``service.environment`` of every line.
    """
    process_fields["service.environment"] = environment
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(EcsFormatter("sales_forecast.service"))
    for name in [None, *logging.root.manager.loggerDict]:
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    logging.root.addHandler(handler)
    logging.root.setLevel(logging.INFO)
    for noisy in ("uvicorn.access", "alembic", "kedro", "mlflow", "httpx"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
