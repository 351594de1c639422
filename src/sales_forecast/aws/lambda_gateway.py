"""Lambda function behind API Gateway: hands requests to the endpoint, each store to the variant of its arm.

Nothing is predicted here, and nothing is loaded that predicts: a function that starts anew answers soon.
"""

from __future__ import annotations

import base64
import json
import logging
import os
import re
from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Protocol

from sales_forecast.resolvers import secret
from sales_forecast.service.experiment_stores import is_challengers
from sales_forecast.service.problems import (
    MEDIA_TYPE,
    RETRY_AFTER_SECONDS,
    FieldError,
    ProblemDetails,
    title_of,
)

if TYPE_CHECKING:
    from botocore.client import BaseClient

logger = logging.getLogger(__name__)

ENDPOINT = "SALES_FORECAST_ENDPOINT"
SHARE = "SALES_FORECAST_CHALLENGER_SHARE"
"""Environment variable with the share of stores that the challenger predicts, if the endpoint has one."""

SALT = "SALES_FORECAST_AB_SALT"
"""Secret that decides which stores these are, as in ``service.yml``."""

BUSY = {"ThrottlingException", "ServiceUnavailable", "ModelNotReadyException", "InternalDependencyException"}
"""Errors of SageMaker after which a client may try again."""

JSON = "application/json"


LARGEST_ANSWER = 5_000_000
"""Bytes. Lambda hands on 6 MB, in which each quotation mark of an answer is two characters."""

SECONDS_TO_ANSWER = 2
"""Of the time that a call has left, what is kept for the answer when the endpoint gives none."""


class _Context(Protocol):
    """What Lambda says of a call."""

    def get_remaining_time_in_millis(self) -> int: ...


class _Refused(Exception):  # noqa: N818 - it is a response
    """A response other than predictions.

    Args:
        status: HTTP status.
        detail: What is wrong, and what to do.
        errors: Fields that are wrong.
    """

    def __init__(self, status: int, detail: str, errors: list[FieldError] | None = None) -> None:
        super().__init__(detail)
        self.status, self.detail, self.errors = status, detail, errors or []


def handler(event: Mapping[str, Any], context: _Context) -> dict[str, Any]:
    """Answer a request of API Gateway (proxy integration of a REST API)."""
    request_id = str(event["requestContext"]["requestId"])
    try:
        body = answer(_body_of(event), request_id, partial(_invoke_endpoint, context))
        if len(body) > LARGEST_ANSWER:
            raise _Refused(413, f"the answer has {len(body) / 1e6:.1f} MB; ask for fewer series at a time")
        return _response(200, JSON, body)
    except _Refused as refused:
        details = ProblemDetails(
            title=title_of(refused.status),
            status=refused.status,
            detail=refused.detail,
            instance=event["path"],
            request_id=request_id,
            errors=refused.errors,
        )
        again = {"Retry-After": str(RETRY_AFTER_SECONDS)} if refused.status in (503, 504) else {}
        return _response(refused.status, MEDIA_TYPE, details.model_dump_json(), again)


def _response(status: int, form: str, body: str, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
    return {"statusCode": status, "headers": {"Content-Type": form, **(headers or {})}, "body": body}


def _body_of(event: Mapping[str, Any]) -> bytes:
    body = event.get("body") or ""
    return base64.b64decode(body) if event.get("isBase64Encoded") else body.encode()


Invoke = Callable[[bytes, str, str | None], bytes]
"""Body, id of the request and variant (None for the one that SageMaker chooses) -> body of the response."""


def answer(body: bytes, request_id: str, invoke: Invoke) -> str:
    """Answer a body, of which each store's series go to the variant of its arm.

    Args:
        body: Body of ``/v1/turnover/predict`` or ``/v1/marketing/predict``.
        request_id: Id of the request.
        invoke: Calls the endpoint.
    """
    share = float(os.environ.get(SHARE, "0"))
    content = _read(body)
    by_arm: dict[str, list[int]] = {}
    series = content.get("series") if isinstance(content, dict) else None
    if share and isinstance(series, list) and all(isinstance(one, dict) for one in series):
        for position, one in enumerate(series):
            challenger = is_challengers(str(one.get("store")), share, secret(SALT))
            by_arm.setdefault("challenger" if challenger else "champion", []).append(position)
    if len(by_arm) < 2:  # all of one arm; or the container says what is wrong with the body
        return invoke(body, request_id, next(iter(by_arm), "champion" if share else None)).decode()
    return _merged(content, by_arm, request_id, invoke)


def _read(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None


def _merged(content: dict[str, Any], by_arm: Mapping[str, list[int]], request_id: str, invoke: Invoke) -> str:
    """Ask both variants, and bring their predictions into the order of the series."""
    response: dict[str, Any] = {}
    rows: dict[tuple[str, str], list[Any]] = {}
    for arm, positions in by_arm.items():
        part = content | {"series": [content["series"][position] for position in positions]}
        try:
            response = json.loads(invoke(json.dumps(part).encode(), request_id, arm))
        except _Refused as refused:
            fields = [_moved(field, positions) for field in refused.errors]
            raise _Refused(refused.status, refused.detail, fields) from refused
        for row in response["predictions"]:
            rows.setdefault((row["store"], row["department"]), []).append(row)
    keys = [(str(one["store"]), str(one["department"])) for one in content["series"]]
    return json.dumps(response | {"predictions": [row for key in keys for row in rows[key]]})


def _moved(field: FieldError, positions: list[int]) -> FieldError:
    """Name the field by its position in the request, instead of that in its part of the request."""
    name = re.sub(
        r"(?<=^body\.series\.)\d+", lambda found: str(positions[int(found[0])]), field.field, count=1
    )
    return field.model_copy(update={"field": name})


# --- the endpoint ----------------------------------------------------------------------------------------


@cache
def _client(seconds: int) -> BaseClient:
    """A client that waits so long for an answer; whoever has called us tries again, and not we."""
    import boto3
    from botocore.config import Config

    config = Config(connect_timeout=2, read_timeout=seconds, retries={"total_max_attempts": 1})
    return boto3.client("sagemaker-runtime", config=config)


def _invoke_endpoint(context: _Context, body: bytes, request_id: str, variant: str | None) -> bytes:
    from botocore.exceptions import BotoCoreError, ClientError, ReadTimeoutError

    target = {} if variant is None else {"TargetVariant": variant}
    seconds = max(1, context.get_remaining_time_in_millis() // 1000 - SECONDS_TO_ANSWER)
    try:
        found = _client(seconds).invoke_endpoint(
            EndpointName=os.environ[ENDPOINT],
            Body=body,
            ContentType=JSON,
            Accept=JSON,
            CustomAttributes=request_id,
            **target,
        )
        content: bytes = found["Body"].read()
        return content
    except ClientError as error:
        raise _refusal(error.response) from error
    except ReadTimeoutError as error:
        logger.error("The endpoint has not answered within %d seconds", seconds)
        detail = "the models have not answered in time; try again in some seconds, or with fewer series"
        raise _Refused(504, detail) from error
    except BotoCoreError as error:
        logger.error("The endpoint does not answer: %s", error)
        raise _Refused(503, "the models do not answer; try again in some seconds") from error


def _refusal(response: Mapping[str, Any]) -> _Refused:
    """Tell what the container has refused from what SageMaker has."""
    code = response["Error"]["Code"]
    if code == "ModelError":
        try:
            said = ProblemDetails.model_validate_json(response["OriginalMessage"])
            return _Refused(said.status, said.detail, said.errors)
        except (KeyError, ValueError):
            code = f"ModelError with status {response.get('OriginalStatusCode')}"
    logger.error("The endpoint has failed: %s: %s", code, response["Error"].get("Message"))
    if code in BUSY:
        return _Refused(503, "the models are busy; try again in some seconds")
    return _Refused(502, "the endpoint of the models has failed; report the request_id")
