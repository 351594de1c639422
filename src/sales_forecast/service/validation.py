"""Validates series one by one: a long list would keep all other requests waiting if it was done at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from sales_forecast.service.problems import ProblemError
from sales_forecast.service.schemas.requests import Series

if TYPE_CHECKING:
    from sales_forecast.service.dependencies import Service
    from sales_forecast.storage.keys import ApiKey

LONG_BODY_BYTES = 50_000
"""Bodies that are longer are validated like long computations: one after the other, not on the event loop."""


async def validate_series(
    request: Request, service: Service, key: ApiKey, series: Sequence[object]
) -> list[Series]:
    """Validate the series of a request.

    Args:
        request: Request that is answered.
        service: Service with the pool of long computations.
        key: API key that came with the request.
        series: Series as JSON.

    Raises:
        RequestValidationError: One of them is invalid.
        ProblemError: One of them is there twice, or too many long computations wait.
    """
    if request.state.body_bytes <= LONG_BODY_BYTES:
        return validate(series)
    return await service.computations.run(key.key_id, validate, series)


def validate(series: Sequence[object]) -> list[Series]:
    """Validate series.

    Args:
        series: Series as JSON.

    Raises:
        RequestValidationError: One of them is invalid.
        ProblemError: One of them is there twice.
    """
    found: list[Series] = []
    seen: set[tuple[str, str]] = set()
    for position, content in enumerate(series):
        try:
            one = Series.model_validate(content)
        except ValidationError as error:
            place = ("body", "series", position)
            errors = error.errors(include_url=False)
            raise RequestValidationError(
                [{**each, "loc": (*place, *each["loc"])} for each in errors]
            ) from error
        if (one.store, one.department) in seen:
            raise ProblemError(
                409,
                f"store '{one.store}', department '{one.department}' is in the request twice; send it once",
                f"body.series.{position}",
            )
        seen.add((one.store, one.department))
        found.append(one)
    return found
