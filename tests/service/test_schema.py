"""Generated requests get only responses that the OpenAPI schema documents."""

from uuid import uuid4

import hypothesis
import pytest
import schemathesis
from schemathesis.checks import negative_data_rejection

from services import Shop, new_key

pytestmark = pytest.mark.xdist_group("service")

DATABASES = ["sqlite", "postgresql"]

PROMISES = schemathesis.pytest.from_fixture("promises")


@pytest.fixture(scope="session")
def promises(address: str) -> schemathesis.BaseSchema:
    """The schema of the service, as it publishes it."""
    return schemathesis.openapi.from_url(f"{address}/openapi.json")


@pytest.fixture(scope="module")
def keys() -> dict[tuple[str, str], str]:
    """The API key of each operation: what-if questions alone may take the units of a minute."""
    return {}


@PROMISES.parametrize()
@hypothesis.settings(
    max_examples=10,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(hypothesis.HealthCheck),
)
def test_every_answer_is_as_promised(
    case: schemathesis.Case, shop: Shop, keys: dict[tuple[str, str], str]
) -> None:
    asked = (shop.key, case.operation.label)
    key = keys[asked] = keys.get(asked) or new_key(shop.engine)
    if 0 < len((case.headers or {}).get("idempotency-key") or "") <= 200:
        case.headers["idempotency-key"] = str(uuid4())  # one of an earlier request is rightly refused
    # a field without a value is not in the address, so that a wrong one is not sent
    nothing_wrong = any(value in (None, [], {}) for value in (case.query or {}).values())
    case.call_and_validate(
        headers={"Authorization": f"Bearer {key}"},
        excluded_checks=[negative_data_rejection] if nothing_wrong else [],
    )
