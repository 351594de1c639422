"""Requests that may be sent again: their names, and how to tell whether the content is the same."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Annotated

import orjson
from fastapi import Header

from sales_forecast.service.problems import ProblemError

IdempotencyKey = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=200,
        description="Name of this request, such as a UUID: sent again with the same body, it is answered "
        "with the same result, and nothing is stored twice. Another body is refused.",
    ),
]


def digest_of_request(retailer: str, content: Mapping[str, object]) -> str:
    """Hash the content of a request; the order of its fields makes no difference.

    Args:
        retailer: Whose service it came to: a key may be used with those of several.
        content: The content, as JSON.
    """
    return hashlib.sha256(orjson.dumps([retailer, content], option=orjson.OPT_SORT_KEYS)).hexdigest()


def reused_key(idempotency_key: str | None) -> ProblemError:
    """Make the problem that the name came with another request before."""
    detail = (
        f"the Idempotency-Key '{idempotency_key}' came with another body, or for another retailer, before; "
        "choose another one"
    )
    return ProblemError(422, detail, "header.idempotency-key")
