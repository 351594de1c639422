"""Writes the dashboards as JSON, from the boards of the folder ``boards``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from deploy.monitoring.grafana.boards import lifecycle, manager, quality, service
from deploy.monitoring.grafana.boards.board import Board
from deploy.monitoring.grafana.panels import POSTGRESQL, WIDTH, Json

FOLDER = Path(__file__).parent / "dashboards"
BOARDS: Sequence[Board] = (manager.BOARD, quality.BOARD, service.BOARD, lifecycle.BOARD)
SCHEMA_VERSION = 39
"""Version of the JSON that Grafana 11 writes; newer ones migrate it when they read it."""


def dashboard(board: Board) -> Json:
    """Make the JSON of a dashboard; panels stand in rows as the board lists them."""
    panels: list[Json] = []
    top = 0
    for height, row in board.rows:
        width = WIDTH // len(row)
        for place, panel in enumerate(row):
            position = {"x": place * width, "y": top, "w": width, "h": height}
            panels.append(panel | {"id": len(panels) + 1, "gridPos": position})
        top += height
    return {
        "uid": board.uid,
        "title": board.title,
        "description": board.description,
        "tags": ["sales_forecast"],
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "editable": False,
        "graphTooltip": 1,
        "timezone": "utc",
        "refresh": board.refresh,
        "time": {"from": board.since, "to": board.until},
        "annotations": {"list": []},
        "templating": {"list": [_retailer()] if "retailer" in json.dumps(panels) else []},
        "links": [_link()],
        "panels": panels,
    }


def _retailer() -> Json:
    """Make the variable for the retailer; the one that was published last comes first."""
    return {
        "type": "query",
        "name": "retailer",
        "label": "Retailer",
        "datasource": POSTGRESQL,
        "query": "SELECT retailer FROM forecast_runs GROUP BY retailer ORDER BY max(made_at) DESC",
        "refresh": 1,
        "includeAll": False,
        "multi": False,
        "sort": 0,
        "hide": 0,
    }


def _link() -> Json:
    """A menu of the other dashboards."""
    return {
        "type": "dashboards",
        "title": "Sales forecast",
        "tags": ["sales_forecast"],
        "asDropdown": True,
        "includeVars": True,
        "keepTime": False,
        "targetBlank": False,
        "icon": "external link",
        "tooltip": "",
        "url": "",
    }


def dashboards() -> dict[str, str]:
    """Return the content of each file by its name."""
    return {
        f"{board.uid}.json": json.dumps(dashboard(board), indent=1, ensure_ascii=False) + "\n"
        for board in BOARDS
    }


def write_dashboards() -> None:
    """Write all files."""
    for name, content in dashboards().items():
        (FOLDER / name).write_text(content)
