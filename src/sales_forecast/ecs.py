"""Log lines as JSON in the Elastic Common Schema (ECS); docs/logs.md lists the fields."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextvars import ContextVar
from importlib.metadata import version
from typing import Any

import click
import ecs_logging

ECS_VERSION = "8.11.0"
"""``ecs_logging`` writes 1.6.0, the version it was begun with; our fields are those of 8.11."""

OF_EVERY_RECORD = vars(logging.makeLogRecord({})).keys()

process_fields: dict[str, str | None] = {}
"""Fields of every line that this process logs, by their names with dots."""

current_fields: ContextVar[Mapping[str, str | None]] = ContextVar("current_fields", default={})  # noqa: B039
"""Fields of what this thread or task is at: the request or the node."""


class EcsFormatter(ecs_logging.StdlibFormatter):
    """Formats records with the fields of the process and of what it is at.

    Of a record's ``extra`` the names with dots are fields. Others are left out, since libraries use them for
    what is no field of the schema, such as text with colours.

    Args:
        dataset: ``event.dataset`` of lines that name no other one.
    """

    def __init__(self, dataset: str) -> None:
        super().__init__(
            exclude_fields=["ecs.version", "log.original", "log.origin", "process.name", "process.thread"]
        )
        self._fields = {
            "event.dataset": dataset,
            "service.name": "sales_forecast",
            "service.version": version("sales_forecast"),
        }

    def format_to_ecs(self, record: logging.LogRecord) -> dict[str, Any]:
        """Convert a record to nested fields."""
        own = {name: value for name, value in vars(record).items() if name in OF_EVERY_RECORD or "." in name}
        own |= {"msg": click.unstyle(record.getMessage()), "args": ()}
        complete = logging.makeLogRecord(self._fields | process_fields | dict(current_fields.get()) | own)
        return {"ecs.version": ECS_VERSION} | super().format_to_ecs(complete)
