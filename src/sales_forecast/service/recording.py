"""What routes write to the audit log."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from random import random
from time import perf_counter_ns

from fastapi import Request

from sales_forecast.service.dependencies import service_of
from sales_forecast.storage.audit import AuditRecord, event
from sales_forecast.storage.keys import ApiKey

UNRECORDED = "-unrecorded"
"""End of the ids of requests that are not on record."""


async def record_stored_read(
    request: Request, key: ApiKey, model: tuple[str, str], content: object, output: object
) -> None:
    """Write to the audit log what was read of stored forecasts, or say in the request's id that it is not.

    Args:
        request: Request that is answered.
        key: API key that came with the request.
        model: Name and version of the model.
        content: Content of the request, as JSON.
        output: What was read, as JSON.
    """
    service, record = service_of(request), audit_record(request, key, "stored", model, content, output)
    if random() < service.settings.audit.share_of_stored_reads:
        await service.audit_writer.record([record])
        return
    request.state.request_id += UNRECORDED
    request.state.log_fields["http.request.id"] = request.state.request_id


async def record_event(
    request: Request, key: ApiKey, kind: str, content: Mapping[str, object], result: Mapping[str, object]
) -> None:
    """Write to the audit log what a request has read or changed that is no forecast.

    Args:
        request: Request that is answered.
        key: API key that came with the request.
        kind: One of ``audit.KINDS``.
        content: What was asked for.
        result: What came of it.
    """
    own, route = request.state.request_id, request.scope["route"].path
    await service_of(request).audit_writer.record([event(kind, route, content, result, key.key_id, own)])


def audit_record(
    request: Request,
    key: ApiKey,
    arm: str,
    model: tuple[str, str],
    content: object,
    output: object,
    other_output: object = None,
) -> AuditRecord:
    """Make a record for the audit log.

    Args:
        request: Request that was answered.
        key: API key that came with the request.
        arm: Arm that predicted; ``stored`` for forecasts from the database.
        model: Name and version of the model.
        content: Content of the request, as JSON.
        output: Content of the response, as JSON.
        other_output: What the other arm predicts, as JSON; None without an experiment.
    """
    state = request.state
    labels = {"labels.model_name": model[0], f"labels.{arm}_version": model[1]}
    state.log_fields = getattr(state, "log_fields", {}) | labels
    return AuditRecord(
        request_id=state.request_id,
        arm=arm,
        at=datetime.now(UTC),
        key_id=key.key_id,
        endpoint=request.scope["route"].path,
        model_name=model[0],
        model_version=model[1],
        input=content,
        output=output,
        other_output=other_output,
        latency_ms=(perf_counter_ns() - state.start) / 1e6,
    )
