"""Long lists of series are validated one by one, and the first error ends it."""

from typing import Any

import pytest
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from sales_forecast.service import validation
from sales_forecast.service.schemas import requests
from sales_forecast.service.schemas.requests import BulkRequest, TurnoverRequest
from services import Shop

pytestmark = pytest.mark.xdist_group("service")

UNKNOWN: dict[str, object] = {chr(ord("a") + position): 0 for position in range(22)}
"""As many unknown fields as are possible before they are refused altogether."""

WEEK = {"week": "2017-09-30", "turnover": 1.0}


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What was validated as a series."""
    found: list[object] = []
    validate = requests.Series.model_validate

    def count(content: object) -> Any:
        found.append(content)
        return validate(content)

    monkeypatch.setattr(requests.Series, "model_validate", count)
    return found


@pytest.mark.parametrize(
    ("series", "field"),
    [
        ([UNKNOWN] * 1000, "a"),
        ([{}] * 1000, "store"),
        ([{"store": 1, "department": 1, "place": UNKNOWN}] * 1000, "place"),
        ([{"store": 1, "department": 1, "recent_weeks": [UNKNOWN] * 500}] * 1000, "recent_weeks"),
        ([{"store": 1, "department": 1, "future_covariates": [UNKNOWN] * 500}] * 1000, "future_covariates"),
    ],
    ids=["unknown fields", "empty", "place", "recent weeks", "future covariates"],
)
def test_the_first_series_that_is_wrong_ends_it(
    series: list[object], field: str, counted: list[object]
) -> None:
    body = TurnoverRequest.model_validate({"series": series})
    assert counted == []
    with pytest.raises(RequestValidationError) as error:
        validation.validate(body.series)
    assert len(counted) == 1
    errors = error.value.errors()
    assert len(errors) < 30
    assert field in {part for each in errors for part in each["loc"]}
    assert errors[0]["loc"][:3] == ("body", "series", 0)


@pytest.mark.parametrize(("kind", "most"), [(TurnoverRequest, 1000), (BulkRequest, 50_000)])
def test_too_many_series_are_refused_before_they_are_looked_at(kind: Any, most: int) -> None:
    with pytest.raises(ValidationError, match=f"at most {most} items"):
        kind.model_validate({"series": [None] * (most + 1)})
    for wrong in ([], {}, 1):
        with pytest.raises(ValidationError, match=r"at least 1 item|valid list"):
            kind.model_validate({"series": wrong})


def test_a_long_body_is_validated_among_the_long_computations(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert shop.app is not None
    computations, used = shop.app.state.service.computations, []
    run = computations.run

    async def note(key_id: str, function: Any, *arguments: Any) -> Any:
        used.append(function)
        return await run(key_id, function, *arguments)

    monkeypatch.setattr(computations, "run", note)
    known = {"store": "105", "department": "117"}
    answer = shop.post("/v1/turnover/predict", {"series": [known | {"recent_weeks": [WEEK] * 520}] * 3})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (409, "body.series.1")
    assert used == [validation.validate]
    assert shop.post("/v1/turnover/predict", {"series": [known] * 2}).status_code == 409
    assert len(used) == 1
