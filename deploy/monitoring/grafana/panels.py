"""Panels of Grafana as plain dictionaries, with the few settings that the dashboards here need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Json = dict[str, Any]

PROMETHEUS: Json = {"type": "prometheus", "uid": "prometheus"}
POSTGRESQL: Json = {"type": "grafana-postgresql-datasource", "uid": "forecast_database"}

GREEN, YELLOW, RED, BLUE = "green", "yellow", "red", "blue"
WIDTH = 24
"""Columns of a dashboard."""

Steps = Sequence[tuple[float | None, str]]
"""From which value on a colour is shown, lowest first; the first value is None."""

ALWAYS_BLUE: Steps = ((None, BLUE),)


def promql(expression: str, legend: str = "", *, instant: bool = False) -> Json:
    """Ask Prometheus.

    Args:
        expression: PromQL.
        legend: Name of each series, such as ``{{key}}``.
        instant: Whether only the newest value is wanted, not the course.
    """
    query: Json = {"datasource": PROMETHEUS, "expr": expression, "legendFormat": legend or "__auto"}
    kind = "table" if instant else "time_series"
    return query | {"instant": instant, "range": not instant, "format": kind, "editorMode": "code"}


def sql(query: str, *, course: bool = False) -> Json:
    """Ask the database of forecasts.

    Args:
        query: SQL of PostgreSQL; ``$__timeFilter`` and ``$retailer`` are filled in by Grafana.
        course: Whether a column ``time`` makes it a time series; else it is a table.
    """
    text = " ".join(query.split())
    kind = "time_series" if course else "table"
    return {"datasource": POSTGRESQL, "rawSql": text, "rawQuery": True, "format": kind, "editorMode": "code"}


def stat(
    title: str,
    description: str,
    target: Json,
    unit: str,
    steps: Steps,
    texts: Mapping[str, Json] | None = None,
) -> Json:
    """Make a panel with one large number, or a word instead.

    Args:
        title: What it shows, in a few words.
        description: How to read it.
        target: The query.
        unit: Unit in the words of Grafana, such as ``percentunit``.
        steps: Colours.
        texts: Number -> text and colour.
    """
    defaults = _defaults(unit, steps, "thresholds")
    if texts:
        defaults["mappings"] = [{"type": "value", "options": dict(texts)}]
    options: Json = {
        "colorMode": "background",
        "graphMode": "none",
        "justifyMode": "auto",
        "orientation": "auto",
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "textMode": "auto",
        "wideLayout": True,
    }
    return _panel("stat", title, description, [target], defaults, options)


def lines(
    title: str,
    description: str,
    targets: Sequence[Json],
    unit: str,
    *,
    steps: Steps = ALWAYS_BLUE,
    lowest: float | None = None,
) -> Json:
    """Make a panel with lines over time.

    Args:
        title: What it shows, in a few words.
        description: How to read it.
        targets: The queries.
        unit: Unit in the words of Grafana.
        steps: Values at which a line is drawn across the panel, with their colours.
        lowest: Where the axis begins; None for the smallest value.
    """
    defaults = _defaults(unit, steps, "palette-classic")
    if lowest is not None:
        defaults["min"] = lowest
    defaults["custom"] = {
        "drawStyle": "line",
        "lineWidth": 2,
        "fillOpacity": 0,
        "showPoints": "auto",
        "spanNulls": False,
        "thresholdsStyle": {"mode": "dashed" if len(steps) > 1 else "off"},
    }
    options: Json = {
        "legend": {
            "calcs": ["lastNotNull"],
            "displayMode": "table",
            "placement": "right",
            "showLegend": True,
        },
        "tooltip": {"mode": "multi", "sort": "desc"},
    }
    return _panel("timeseries", title, description, targets, defaults, options)


def table(title: str, description: str, target: Json, units: Mapping[str, str] | None = None) -> Json:
    """Make a panel with a table.

    Args:
        title: What it shows, in a few words.
        description: How to read it.
        target: The query.
        units: Column -> its unit in the words of Grafana.
    """
    defaults: Json = {"custom": {"align": "auto", "cellOptions": {"type": "auto"}, "inspect": False}}
    overrides = [
        {
            "matcher": {"id": "byName", "options": column},
            "properties": [{"id": "unit", "value": unit}, {"id": "decimals", "value": 1}],
        }
        for column, unit in (units or {}).items()
    ]
    options: Json = {"showHeader": True, "cellHeight": "sm", "frameIndex": 0}
    return _panel("table", title, description, [target], defaults, options, overrides)


def _defaults(unit: str, steps: Steps, color: str) -> Json:
    thresholds = {
        "mode": "absolute",
        "steps": [{"value": value, "color": shown} for value, shown in steps],
    }
    return {"unit": unit, "color": {"mode": color}, "thresholds": thresholds, "mappings": []}


def _panel(
    kind: str,
    title: str,
    description: str,
    targets: Sequence[Json],
    defaults: Json,
    options: Json,
    overrides: Sequence[Json] = (),
) -> Json:
    named = [target | {"refId": letter} for target, letter in zip(targets, "ABCDEF", strict=False)]
    return {
        "type": kind,
        "title": title,
        "description": description,
        "datasource": targets[0]["datasource"],
        "targets": named,
        "fieldConfig": {"defaults": defaults, "overrides": list(overrides)},
        "options": options,
    }
