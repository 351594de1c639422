"""The OpenAPI document is valid, and reads well in documentation pages and generated clients."""

import re
from typing import Any

import pytest
from deploy.site.openapi import document as make_document
from openapi_spec_validator import OpenAPIV31SpecValidator

WITHOUT_PROBLEMS = {"get /startup", "get /ready", "get /ready/{domain}"}
"""A probe answers with the same body whether all is well or not."""

OLD = {"/predict/", "/predict_8_weeks/"}


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return make_document()


@pytest.fixture(scope="module")
def operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Method and path -> operation."""
    paths = document["paths"].items()
    return {f"{method} {path}": found for path, methods in paths for method, found in methods.items()}


def test_the_document_is_valid(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    assert [error.message for error in OpenAPIV31SpecValidator(document).iter_errors()] == []


def test_the_names_of_operations_are_short_and_differ(operations: dict[str, dict[str, Any]]) -> None:
    names = [operation["operationId"] for operation in operations.values()]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z]+(_[a-z0-9]+)*", name) and len(name) <= 30 for name in names), names
    assert operations["get /v1/turnover/forecasts"]["operationId"] == "read_forecasts"


def test_every_tag_is_described_and_used(
    document: dict[str, Any], operations: dict[str, dict[str, Any]]
) -> None:
    described = {tag["name"]: tag["description"] for tag in document["tags"]}
    assert {tag for operation in operations.values() for tag in operation["tags"]} == set(described)
    assert all(text.endswith(".") for text in described.values())


def test_addresses_are_relative_to_the_server_that_answers(document: dict[str, Any]) -> None:
    assert [server["url"] for server in document["servers"]] == ["/"]


def test_the_calls_of_the_earlier_system_are_deprecated(operations: dict[str, dict[str, Any]]) -> None:
    deprecated = {key.partition(" ")[2] for key, found in operations.items() if found.get("deprecated")}
    assert deprecated == OLD


def test_every_response_has_an_id_and_every_error_is_a_problem(
    operations: dict[str, dict[str, Any]],
) -> None:
    for key, operation in operations.items():
        for status, response in operation["responses"].items():
            assert "X-Request-ID" in response["headers"], (key, status)
            if status.startswith(("4", "5")) and key not in WITHOUT_PROBLEMS:
                assert list(response["content"]) == ["application/problem+json"], (key, status)


def test_what_is_said_of_an_operation_outlives_a_route_that_is_added(document: dict[str, Any]) -> None:
    from fastapi import FastAPI

    from sales_forecast.service.openapi import describe

    app = FastAPI(title="shop", version="1")

    @app.get("/hours", name="read_hours")
    async def read_hours() -> str:
        """Read when the shop is open."""
        return "9 to 5"

    describe(app)
    assert app.openapi()["paths"]["/hours"]["get"]["summary"] == "Read when the shop is open"
    app.get("/address", name="read_address")(read_hours)
    summaries = {path: methods["get"]["summary"] for path, methods in app.openapi()["paths"].items()}
    assert summaries == dict.fromkeys(("/hours", "/address"), "Read when the shop is open")
    assert app.openapi() is app.openapi()
