"""Fields of the Elastic Common Schema that log lines have, and whether a line keeps to them."""

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

FIELDS: dict[str, str] = json.loads((Path(__file__).parent / "deploy/ecs_fields.json").read_text())["fields"]
IN_EVERY_LINE = {"@timestamp", "ecs.version", "event.dataset", "log.level", "log.logger", "message"} | {
    *("process.pid", "service.environment", "service.name", "service.version")
}


def flat(document: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in document.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def assert_ecs(line: dict[str, Any]) -> None:
    """Each field of a line is one of the schema, and of its type."""
    for name, value in flat(line):
        if name.startswith("labels."):  # keywords of our own, without further levels
            assert name.count(".") == 1, name
            assert isinstance(value, str), (name, value)
            continue
        assert name in FIELDS, f"{name} is not among the fields of the schema in ecs_fields.json"
        match FIELDS[name]:
            case "long":
                assert type(value) is int, (name, value)
            case "date":
                assert datetime.fromisoformat(value).tzinfo is not None, (name, value)
            case kind:
                assert isinstance(value, str), (name, value)
                assert kind != "keyword" or len(value) <= 1024, (name, value)
