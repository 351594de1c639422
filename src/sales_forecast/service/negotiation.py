"""Content negotiation: which of the offered formats a client prefers, and whether it takes gzip."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, Any

from fastapi import Depends, Request

from sales_forecast.service.problems import ProblemError


class Format(StrEnum):
    """Media types of lists; the first one is the default."""

    JSON = "application/json"
    CSV = "text/csv"
    ARROW = "application/vnd.apache.arrow.stream"
    PARQUET = "application/vnd.apache.parquet"


def choose_format(accept: str | None) -> Format:
    """Return the format that a client prefers, as RFC 9110 says in section 12.5.1.

    Args:
        accept: Header ``Accept``; None where there is none, which means any.

    Raises:
        ProblemError: None of the formats is accepted.
    """
    if accept is None or not accept.strip():
        return Format.JSON
    accepted = dict(_weighted(accept))
    best = max(Format, key=lambda offered: _quality(accepted, offered))  # the first one of equal ones
    if _quality(accepted, best) <= 0:
        offered = ", ".join(Format)
        detail = f"'{accept[:200]}' is not offered; offered are {offered}. Send one of them in Accept"
        raise ProblemError(406, detail, headers={"Vary": "Accept"})
    return best


def prefers_html(accept: str | None) -> bool:
    """Return whether a client, such as a browser, names HTML and prefers it to JSON."""
    accepted = dict(_weighted(accept or ""))
    return accepted.get("text/html", 0.0) > accepted.get(Format.JSON, 0.0)


def accepts_gzip(accept_encoding: str | None) -> bool:
    """Return whether a client takes gzip, by its header ``Accept-Encoding``."""
    accepted = dict(_weighted(accept_encoding or ""))
    return accepted.get("gzip", accepted.get("*", 0.0)) > 0


def _quality(accepted: dict[str, float], offered: str) -> float:
    """The quality of the most specific range that includes a media type."""
    kind = offered.partition("/")[0]
    ranges = (offered, f"{kind}/*", "*/*")
    return next((accepted[found] for found in ranges if found in accepted), 0.0)


def _weighted(header: str) -> Iterator[tuple[str, float]]:
    """Split a header into its elements and their qualities; parameters other than q do not count."""
    for element in header.split(","):
        name, *parameters = (part.strip().lower() for part in element.split(";"))
        quality = next((part[2:] for part in parameters if part.startswith("q=")), "1")
        try:
            yield name, float(quality)
        except ValueError:
            continue  # a malformed element is none


async def _negotiate(request: Request) -> Format:
    return choose_format(request.headers.get("Accept"))


NegotiatedFormat = Annotated[Format, Depends(_negotiate)]


def table_responses() -> dict[int | str, dict[str, Any]]:
    """Return the formats of a list beside JSON, for its OpenAPI documentation."""
    text, binary = {"type": "string"}, {"type": "string", "format": "binary"}
    tables = {Format.CSV: text, Format.ARROW: binary, Format.PARQUET: binary}
    return {200: {"content": {form: {"schema": schema} for form, schema in tables.items()}}}
