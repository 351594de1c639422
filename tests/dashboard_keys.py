"""The keys of dashboards that are used here, as Grafana's own types name them.

TypeScript checks types, but lets unknown keys pass where Grafana says "any object": in the options of panels,
in queries, and in what only one kind of panel knows.
"""

from collections.abc import Iterator, Mapping
from typing import Any

DASHBOARD = {
    *(
        "annotations",
        "description",
        "editable",
        "graphTooltip",
        "links",
        "panels",
        "refresh",
        "schemaVersion",
    ),
    *("tags", "templating", "time", "timezone", "title", "uid", "version"),
}
PANEL = {
    *("datasource", "description", "fieldConfig", "gridPos", "id", "options", "targets", "title", "type"),
}
SOURCE = {"type", "uid"}
QUERIES = {
    "prometheus": {
        *("datasource", "editorMode", "expr", "format", "instant", "legendFormat", "range", "refId"),
    },
    "grafana-postgresql-datasource": {
        *("datasource", "editorMode", "format", "rawQuery", "rawSql", "refId"),
    },
}
FIELD = {"color", "custom", "decimals", "mappings", "max", "min", "thresholds", "unit"}
CUSTOM = {
    "stat": set[str](),
    "timeseries": {"drawStyle", "fillOpacity", "lineWidth", "showPoints", "spanNulls", "thresholdsStyle"},
    "table": {"align", "cellOptions", "inspect"},
}
OPTIONS = {
    "stat": {
        *("colorMode", "graphMode", "justifyMode", "orientation", "reduceOptions", "textMode", "wideLayout"),
    },
    "timeseries": {"legend", "tooltip"},
    "table": {"cellHeight", "frameIndex", "showHeader"},
}
WITHIN_OPTIONS = {
    "reduceOptions": {"calcs", "fields", "values"},
    "legend": {"calcs", "displayMode", "placement", "showLegend"},
    "tooltip": {"mode", "sort"},
}
VARIABLE = {
    *("datasource", "hide", "includeAll", "label", "multi", "name", "query", "refresh", "sort", "type"),
}
LINK = {
    *(
        "asDropdown",
        "icon",
        "includeVars",
        "keepTime",
        "tags",
        "targetBlank",
        "title",
        "tooltip",
        "type",
        "url",
    ),
}


def unknown_keys(dashboard: Mapping[str, Any]) -> Iterator[str]:
    """Where a key stands that is none of these."""
    yield from _not_in(dashboard, DASHBOARD, "")
    for name, known in (("time", {"from", "to"}), ("annotations", {"list"}), ("templating", {"list"})):
        yield from _not_in(dashboard.get(name, {}), known, f"{name}.")
    for place, variable in enumerate(dashboard["templating"]["list"]):
        yield from _not_in(variable, VARIABLE, f"templating.list[{place}].")
    for place, link in enumerate(dashboard["links"]):
        yield from _not_in(link, LINK, f"links[{place}].")
    for place, panel in enumerate(dashboard["panels"]):
        yield from _of_panel(panel, f"panels[{place}].")


def _of_panel(panel: Mapping[str, Any], where: str) -> Iterator[str]:
    kind = panel["type"]
    yield from _not_in(panel, PANEL, where)
    yield from _not_in(panel["datasource"], SOURCE, f"{where}datasource.")
    yield from _not_in(panel["gridPos"], {"h", "w", "x", "y"}, f"{where}gridPos.")
    yield from _not_in(panel["options"], OPTIONS[kind], f"{where}options.")
    for name, value in panel["options"].items():
        if isinstance(value, dict):
            yield from _not_in(value, WITHIN_OPTIONS.get(name, set()), f"{where}options.{name}.")
    for place, target in enumerate(panel["targets"]):
        known = QUERIES[target["datasource"]["type"]]
        yield from _not_in(target, known, f"{where}targets[{place}].")
    config = panel.get("fieldConfig", {"defaults": {}, "overrides": []})
    yield from _not_in(config, {"defaults", "overrides"}, f"{where}fieldConfig.")
    yield from _of_field(config["defaults"], kind, f"{where}fieldConfig.defaults.")
    for place, override in enumerate(config["overrides"]):
        at = f"{where}fieldConfig.overrides[{place}]."
        yield from _not_in(override, {"matcher", "properties"}, at)
        yield from _not_in(override["matcher"], {"id", "options"}, f"{at}matcher.")
        for changed in override["properties"]:
            yield from _not_in(changed, {"id", "value"}, f"{at}properties.")
            if changed["id"] not in FIELD:
                yield f"{at}properties: {changed['id']}"


def _of_field(field: Mapping[str, Any], kind: str, where: str) -> Iterator[str]:
    yield from _not_in(field, FIELD, where)
    yield from _not_in(field.get("custom", {}), CUSTOM[kind], f"{where}custom.")
    yield from _not_in(field.get("color", {}), {"mode"}, f"{where}color.")
    thresholds = field.get("thresholds", {"steps": []})
    yield from _not_in(thresholds, {"mode", "steps"}, f"{where}thresholds.")
    for step in thresholds["steps"]:
        yield from _not_in(step, {"color", "value"}, f"{where}thresholds.steps.")
    for mapping in field.get("mappings", []):
        yield from _not_in(mapping, {"options", "type"}, f"{where}mappings.")
        for result in mapping["options"].values():
            yield from _not_in(result, {"color", "index", "text"}, f"{where}mappings.options.")


def _not_in(found: Mapping[str, Any], known: set[str], where: str) -> Iterator[str]:
    return (f"{where}{key}" for key in found if key not in known)
