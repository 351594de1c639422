"""Generated requests get only responses that the OpenAPI schema documents."""

import hypothesis
import pytest
import schemathesis

from services import Shop

pytestmark = pytest.mark.xdist_group("service")

PROMISES = schemathesis.pytest.from_fixture("promises")


@pytest.fixture(scope="session")
def promises(address: str) -> schemathesis.BaseSchema:
    """The schema of the service, as it publishes it."""
    return schemathesis.openapi.from_url(f"{address}/openapi.json")


@PROMISES.parametrize()
@hypothesis.settings(
    max_examples=20,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(hypothesis.HealthCheck),
)
def test_every_answer_is_as_promised(case: schemathesis.Case, shop: Shop) -> None:
    case.call_and_validate(headers=shop.bearer)
