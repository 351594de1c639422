"""What one process allows its connections, by the settings and by the limits of the system."""

from __future__ import annotations

import logging
import resource
from dataclasses import dataclass

from sales_forecast.service.settings import ServiceSettings

logger = logging.getLogger(__name__)

FILES_BESIDE_CONNECTIONS = 100
"""Open files that the service needs for the database, models and logs."""

FRAMING = 2
"""Bytes that a request may be sent with, for each byte of a body: chunks have frames."""


@dataclass(frozen=True)
class ConnectionLimits:
    """What one process allows.

    Args:
        header_bytes: Largest size of request line and headers.
        header_seconds: Time from the connection, or a request's first byte, to the end of its headers.
        unread_seconds: Time in which a client has to take in what it was answered.
        message_bytes: Largest size of a whole request as it is sent, with the framing of its chunks.
        connections: Largest number of open connections.
    """

    header_bytes: int
    header_seconds: float
    unread_seconds: float
    message_bytes: int
    connections: int


def limits_of_connections(settings: ServiceSettings) -> ConnectionLimits:
    """Return the limits by the settings, and raise this process' limit of open files where necessary."""
    return ConnectionLimits(
        header_bytes=settings.max_header_bytes,
        header_seconds=settings.max_header_seconds,
        unread_seconds=settings.max_seconds,
        message_bytes=settings.max_header_bytes + FRAMING * settings.max_body_bytes,
        connections=_allowed_connections(settings.max_connections),
    )


def _allowed_connections(wanted: int) -> int:
    """Raise the limit of open files as far as possible, and return how many connections it leaves."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = wanted + FILES_BESIDE_CONNECTIONS
    if soft < needed:
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    allowed = max(1, min(wanted, soft - FILES_BESIDE_CONNECTIONS))
    if allowed < wanted:
        logger.warning(
            "Only %d connections are possible with at most %d open files (ulimit -n)", allowed, soft
        )
    return allowed
