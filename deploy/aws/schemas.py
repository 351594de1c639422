"""Models for API Gateway from the OpenAPI document: JSON Schema of draft 4, which is what it understands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

KEPT = {
    *("type", "enum", "properties", "required", "additionalProperties", "items", "anyOf", "allOf", "oneOf"),
    *(
        "minItems",
        "maxItems",
        "minLength",
        "maxLength",
        "minProperties",
        "maxProperties",
        "minimum",
        "maximum",
    ),
    "pattern",
}
"""Keywords with the same meaning in both; formats are left to the service, which explains what is wrong."""

DRAFT = "http://json-schema.org/draft-04/schema#"


MOST_SERIES = 500
"""In a request. Its answer, with quantiles, has 3.5 MB: a serverless endpoint hands on 4 MB, Lambda 6 MB."""


def body_schema(document: Mapping[str, Any], path: str) -> dict[str, Any]:
    """Return the schema of what is posted to a path, with fewer series than the service takes.

    Args:
        document: OpenAPI document, version 3.1.
        path: Path in it with a body of JSON.

    Raises:
        KeyError: The document has no such path, or it takes no body.
    """
    content = document["paths"][path]["post"]["requestBody"]["content"]
    schema = {"$schema": DRAFT} | _draft_4(content["application/json"]["schema"], document)
    if series := schema.get("properties", {}).get("series"):
        series["maxItems"] = min(series["maxItems"], MOST_SERIES)
    return schema


def _draft_4(schema: Any, document: Mapping[str, Any]) -> Any:
    if not isinstance(schema, dict):  # True and False, of additionalProperties
        return schema
    if "$ref" in schema:
        return _draft_4(document["components"]["schemas"][schema["$ref"].rpartition("/")[2]], document)
    found: dict[str, Any] = {}
    for keyword, value in schema.items():
        if keyword == "const":
            found["enum"] = [value]
        elif keyword in ("exclusiveMinimum", "exclusiveMaximum"):
            found |= {keyword: True, keyword.removeprefix("exclusive").lower(): value}
        elif keyword == "properties":
            found[keyword] = {name: _draft_4(part, document) for name, part in value.items()}
        elif keyword in ("anyOf", "allOf", "oneOf"):
            found[keyword] = [_draft_4(part, document) for part in value]
        elif keyword in ("items", "additionalProperties"):
            found[keyword] = _draft_4(value, document)
        elif keyword in KEPT:
            found[keyword] = value
    return found
