"""One service answers for one retailer: the configured one, or the one that was published last."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from sqlalchemy import Engine

from projects import Project
from publications import publication
from sales_forecast.errors import InputError
from sales_forecast.service.settings import ServiceSettings, served_retailer
from sales_forecast.storage.database import open_database
from sales_forecast.storage.publications import publish
from services import opened


def _served(engine: Engine, retailer: str | None) -> str:
    return served_retailer(ServiceSettings.model_construct(retailer=retailer), engine)


@pytest.mark.xdist_group("service alone")
def test_forecasts_and_models_are_those_of_one_retailer(
    shop_project: Project, new_database: Callable[[str], str]
) -> None:
    url = new_database("sqlite")
    engine = open_database(url)
    by = {"model_name": "sales_forecast.turnover.harbour", "model_version": "7"}
    by |= {"run_id": "r", "data_version": "d"}
    publish(engine, publication(123.25, made_by=by, retailer="harbour"), datetime.now(UTC))
    engine.dispose()
    with opened(shop_project, url, retailer="default") as of_sample:
        assert _served(of_sample.engine, None) == "harbour"
        with pytest.raises(InputError, match=r"no forecasts of 'nobody' are published; .* harbour, default"):
            _served(of_sample.engine, "nobody")
        answer = of_sample.get("/v1/turnover/forecasts", store="105", department="117").json()
        assert answer["model"]["name"] == "sales_forecast.turnover"
        assert of_sample.get("/v1/turnover/forecasts", store="1").status_code == 404
        assert of_sample.ready()[1] == "green"
