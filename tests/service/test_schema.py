"""Generated requests get only responses that the OpenAPI schema documents."""

import threading
from collections.abc import Iterator

import hypothesis
import pytest
import schemathesis
import uvicorn

from servers import free_port
from services import Shop, wait_until

pytestmark = pytest.mark.xdist_group("service")

PROMISES = schemathesis.pytest.from_fixture("promises")


@pytest.fixture(scope="session")
def promises(shop: Shop) -> Iterator[schemathesis.BaseSchema]:
    """The schema of the same service, behind a real socket."""
    assert shop.app is not None
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(shop.app, port=port, lifespan="off", log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    wait_until(lambda: server.started)
    yield schemathesis.openapi.from_url(f"http://127.0.0.1:{port}/openapi.json")
    server.should_exit = True
    thread.join()


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
