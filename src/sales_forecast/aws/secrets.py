"""The secret of a deployment, which is in AWS Secrets Manager and in no environment variable."""

from __future__ import annotations

import json
from functools import cache

from sales_forecast.errors import InputError


@cache
def read_secret(name: str) -> dict[str, str]:
    """Read a secret that holds several values as JSON; a process reads it once.

    Args:
        name: Name or ARN of the secret.

    Returns:
        Name of the value -> value.

    Raises:
        InputError: The secret cannot be read, or is no JSON object of texts.
    """
    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.session import get_session

    try:
        client = get_session().create_client("secretsmanager")
        text = client.get_secret_value(SecretId=name)["SecretString"]
    except (BotoCoreError, ClientError) as error:
        raise InputError(f"the secret {name} cannot be read from AWS Secrets Manager: {error}") from error
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise InputError(
            f"the secret {name} in AWS Secrets Manager must be a JSON object of texts, such as "
            '{"SALES_FORECAST_DATABASE_URL": "postgresql://..."}; put it there: '
            "aws secretsmanager put-secret-value"
        )
    return found
