"""Both domains: what a run leaves for others to ask for."""

from dataclasses import replace
from datetime import UTC, datetime

import pandas as pd
import pytest
from mlflow.entities.model_registry import ModelVersion, ModelVersionTag

from publications import changes, forecasts, sold, sums
from sales_forecast.deliveries.delivery import Delivery
from sales_forecast.errors import InputError
from sales_forecast.forecasting.attribution import PARTS
from sales_forecast.forecasting.exceptions import EXCEPTION_COLUMNS
from sales_forecast.pipelines.handovers import DataVersion
from sales_forecast.pipelines.inference.marketing import recommend_budget
from sales_forecast.pipelines.inference.publication import publish_curve, publish_forecasts
from sales_forecast.planning.staffing import StaffingRule
from sales_forecast.registry.serving import UNTRACKED, ServingModel, Submission
from sales_forecast.registry.store import Event
from sales_forecast.storage import schema
from sales_forecast.storage.publications import Publication

MADE = datetime(2017, 10, 2, 6, 0, 0, 5000, tzinfo=UTC)
KEYS = ["store", "department", "week"]


def version(number: str, windows: dict[str, dict[str, float]], card: str | None = None) -> ModelVersion:
    """As the registry has it after a submission."""
    submitted = Submission(None, "", True, "better", f"data {number}", metrics=windows)
    tags = [ModelVersionTag(name, value) for name, value in submitted.tags.items()]
    created = int(MADE.timestamp() * 1000)
    return ModelVersion("turnover", number, created, description=card, run_id=f"run {number}", tags=tags)


REGISTERED = ServingModel(
    "turnover",
    None,
    "2",
    "run 2",
    "data 2",
    (version("2", {"2016-10-01": {"wape": 0.1 + 0.2, "bias": -1e-300}}, "# Blend"), version("1", {})),
    (Event("promoted", "2", "1", "kedro run", "2017-10-02T06:00:00+00:00", "better"),),
)
UNREGISTERED = ServingModel("turnover", None, UNTRACKED, UNTRACKED, "data 1")


def exceptions() -> pd.DataFrame:
    row = {"store": 1, "department": 88, "kind": "large", "money_at_risk": 1.0, "reason": "much"}
    return pd.DataFrame([row])[EXCEPTION_COLUMNS]


DATA = DataVersion(version="data 3", files={})
STORES = pd.DataFrame({"store": [1], "region": ["11"], "latitude": [43.3], "school_zone": ["B"]})
RULE = {"department": 88, **StaffingRule().model_dump(), "source": "configured"}
RULES = pd.DataFrame([RULE])
DELIVERY = Delivery(id="abc", folder="", files={}, state="accepted")


def published(serving: ServingModel) -> Publication:
    """Six stores and two sums, attributions in another order."""
    whole = forecasts()
    attributions = whole[[*KEYS, *PARTS]].sample(frac=1, random_state=0)
    by_level = pd.concat([sums(), sums().assign(level="series")])
    stamped = whole.drop(columns=list(PARTS)).assign(**serving.stamp("data 3"))
    panel = sold(1.0, 2.0).assign(promotion=0)
    found = attributions, changes(), exceptions(), panel, STORES, RULES
    return publish_forecasts(serving, stamped, by_level, *found, DATA, DELIVERY)


def test_forecasts_come_with_their_attributions() -> None:
    pd.testing.assert_frame_equal(published(REGISTERED).tables["forecasts"], forecasts())


def test_forecasts_of_another_model_or_of_other_data_are_not_published_as_those_of_this_run() -> None:
    """Such as those of what serves, brought back after a run that failed, if somebody resumes that run."""
    whole = forecasts().drop(columns=list(PARTS))
    for stale in (REGISTERED.stamp("data 2"), UNREGISTERED.stamp("data 3")):
        given = whole.assign(**stale), sums(), forecasts()[[*KEYS, *PARTS]], changes(), exceptions()
        with pytest.raises(InputError, match=r"make them again \(kedro run --pipelines inference\)"):
            publish_forecasts(REGISTERED, *given, sold(1.0, 2.0), STORES, RULES, DATA, DELIVERY)


def test_sums_are_published_and_single_series_only_once() -> None:
    assert published(REGISTERED).tables["level_forecasts"]["level"].tolist() == ["department"]


@pytest.mark.parametrize("name", ["forecasts", "level_forecasts"])
def test_the_tables_have_what_the_database_wants(name: str) -> None:
    wanted = {column.name for column in schema.metadata.tables[name].c} - {"run"}
    assert set(published(REGISTERED).tables[name].columns) == wanted


def test_what_was_sold_goes_along() -> None:
    panel = published(REGISTERED).weekly_turnover
    assert panel is not None
    pd.testing.assert_frame_equal(panel, sold(1.0, 2.0))


def test_why_forecasts_changed_goes_along_outside_the_digest() -> None:
    publication = published(REGISTERED)
    assert publication.changes is not None
    pd.testing.assert_frame_equal(publication.changes, changes())
    assert set(changes()) == {column.name for column in schema.forecast_changes.c} - {"run"}
    assert replace(publication, changes=changes(refit=5.0)).digest == publication.digest


def test_staffing_rules_go_along_outside_the_digest_and_have_what_the_database_wants() -> None:
    publication = published(REGISTERED)
    assert publication.staffing_rules is not None
    wanted = {column.name for column in schema.staffing_rules.c} - {"retailer"}
    assert set(publication.staffing_rules) == wanted
    assert replace(publication, staffing_rules=RULES.assign(productivity=1.0)).digest == publication.digest


def test_exceptions_go_along_and_the_table_has_what_the_database_wants() -> None:
    publication = published(REGISTERED)
    assert publication.exceptions is not None
    wanted = {column.name for column in schema.planner_exceptions.c} - {"run", "place"}
    assert set(publication.exceptions.columns) == wanted


def test_a_forecast_whose_attributions_are_there_twice_is_refused() -> None:
    whole = forecasts()
    twice = pd.concat([whole, whole])[[*KEYS, *PARTS]]
    with pytest.raises(pd.errors.MergeError):
        publish_forecasts(
            UNREGISTERED,
            whole.drop(columns=list(PARTS)).assign(**UNREGISTERED.stamp("data 3")),
            sums(),
            twice,
            changes(),
            exceptions(),
            sold(),
            STORES,
            RULES,
            DATA,
            DELIVERY,
        )


def test_a_publication_says_which_model_run_and_data_made_it() -> None:
    assert published(REGISTERED).made_by == {
        "model_name": "turnover",
        "model_version": "2",
        "run_id": "run 2",
        "model_data_version": "data 2",
        "data_version": "data 3",
    }


def test_every_registered_version_is_described() -> None:
    second, first = published(REGISTERED).models
    assert second == {
        "name": "turnover",
        "version": "2",
        "run_id": "run 2",
        "data_version": "data 2",
        "made_at": MADE,
        "decision": "better",
        "card": "# Blend",
    }
    assert (first["version"], first["card"]) == ("1", "")


def test_the_errors_that_a_version_is_marked_with_are_numbers_again() -> None:
    by = {"name": "turnover", "version": "2", "window": "2016-10-01"}
    assert published(REGISTERED).metrics == [
        by | {"metric": "wape", "value": 0.1 + 0.2},
        by | {"metric": "bias", "value": -1e-300},
    ]


def test_every_change_of_the_champion_is_recorded_with_its_moment() -> None:
    assert published(REGISTERED).champion_changes == [
        {
            "name": "turnover",
            "happened_at": datetime(2017, 10, 2, 6, tzinfo=UTC),
            "version": "2",
            "action": "promoted",
            "previous": "1",
            "who": "kedro run",
            "why": "better",
        }
    ]


def test_of_a_model_that_is_not_registered_its_name_is_known() -> None:
    publication = published(UNREGISTERED)
    (model,) = publication.models
    assert (model["name"], model["version"], model["data_version"]) == ("turnover", UNTRACKED, "data 1")
    assert set(model) == {column.name for column in schema.models.c}
    assert (list(publication.metrics), list(publication.champion_changes)) == ([], [])


def test_the_curve_comes_with_its_recommendation() -> None:
    curve = pd.DataFrame({"tv": [0.0, 1.0], "sales": [7.0, 7.1], "sales_low": 6.0, "sales_high": 8.0})
    recommendation = recommend_budget(curve.assign(marginal_sales=0.1))
    publication = publish_curve(REGISTERED, curve, recommendation, DATA)
    assert publication.domain == "marketing"
    assert list(publication.tables) == ["budget_curves"]
    pd.testing.assert_frame_equal(publication.tables["budget_curves"], curve)
    assert publication.summary == recommendation.model_dump()
    assert publication.weekly_turnover is None
    assert len(publication.models) == 2
