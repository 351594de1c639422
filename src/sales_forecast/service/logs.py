"""Logging as JSON lines in the Elastic Common Schema, to standard output."""

from __future__ import annotations

import logging
import sys

import ecs_logging


def log_as_json() -> None:
    """Replace all other handlers; uvicorn's access log is left out, since the middleware writes its own."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        ecs_logging.StdlibFormatter(
            extra={"service": {"name": "sales_forecast"}},
            exclude_fields=["log.original", "log.origin", "process"],
        )
    )
    for name in [None, *logging.root.manager.loggerDict]:
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    logging.root.addHandler(handler)
    logging.root.setLevel(logging.INFO)
    for noisy in ("uvicorn.access", "alembic", "kedro", "mlflow", "httpx"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
