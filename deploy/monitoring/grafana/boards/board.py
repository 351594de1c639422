"""What a dashboard consists of, and what several of them ask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from deploy.monitoring.grafana.panels import Json

RETAILER = "retailer = ${retailer:sqlstring}"
"""Condition in SQL; Grafana fills in the retailer that is chosen, in quotes."""

SERVING = f"""
    SELECT id FROM forecast_runs AS r
    WHERE domain = 'turnover' AND {RETAILER} AND numbers_removed_at IS NULL
        AND NOT EXISTS (SELECT 1 FROM withdrawals AS w WHERE w.run = r.id AND w.restored_at IS NULL)
    ORDER BY made_at DESC, id DESC LIMIT 1
"""
"""SQL for the publication of turnover that serves."""

READINESS: dict[str, Json] = {
    "1": {"text": "in order", "color": "green", "index": 0},
    "0.5": {"text": "needs attention", "color": "yellow", "index": 1},
    "0": {"text": "does not answer", "color": "red", "index": 2},
}
"""Values of ``sales_forecast_ready`` in words."""


@dataclass(frozen=True)
class Board:
    """A dashboard.

    Args:
        uid: Its name in addresses, and that of its file.
        title: Its name.
        description: Whom it serves.
        since: Where the time range begins, in the words of Grafana.
        rows: Height of each row of panels, and these from left to right.
        until: Where the time range ends.
        refresh: How often it is read anew.
    """

    uid: str
    title: str
    description: str
    since: str
    rows: Sequence[tuple[int, Sequence[Json]]]
    until: str = "now"
    refresh: str = "5m"
