"""Every endpoint answers what the run has made, to the last digit, on SQLite and on a real PostgreSQL."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from sqlalchemy import update

from publications import changes, publication
from sales_forecast.forecasting.attribution import PARTS
from sales_forecast.forecasting.changes import CAUSES
from sales_forecast.service.schemas.changes import Causes
from sales_forecast.service.schemas.responses import Explanation
from sales_forecast.storage import schema
from sales_forecast.storage.database import writing
from sales_forecast.storage.publications import publish
from sales_forecast.storage.queries import newest_run
from services import Shop

pytestmark = pytest.mark.xdist_group("service")

DATABASES = ["sqlite", "postgresql"]

KEYS = ["store", "department", "week"]
WITH_INTERVALS = ["forecast", "lo_80", "hi_80", "lo_95", "hi_95"]


def by_key(table: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """In the order of text keys, weeks as text."""
    weeks = pd.to_datetime(table["week"]).dt.strftime("%Y-%m-%d")
    labels = dict.fromkeys([key for key in keys if key != "week"], str)
    return table.astype(labels).assign(week=weeks).sort_values(keys, ignore_index=True)


def series_of(shop: Shop) -> list[dict[str, Any]]:
    """Every store and department, as the run's file names them."""
    known = shop.output("turnover/forecasts")[["store", "department"]].drop_duplicates()
    return [{"store": int(store), "department": int(department)} for store, department in known.to_numpy()]


def whole(shop: Shop, path: str, **query: Any) -> list[dict[str, Any]]:
    """All pages, one after the other."""
    rows, offset = [], 0
    while offset is not None:
        page = shop.get(path, offset=offset, **query).json()
        rows += page["forecasts"]
        offset = page["next_offset"]
    assert len(rows) == page["total"]
    return rows


# --- stored ------------------------------------------------------------------------------------------


def test_stored_forecasts_are_those_of_the_run_with_their_attributions(shop: Shop) -> None:
    found = by_key(pd.DataFrame(whole(shop, "/v1/turnover/forecasts", limit=500)), KEYS)
    made = by_key(shop.output("turnover/forecasts"), KEYS)
    columns = [*KEYS, "horizon", *WITH_INTERVALS, "cold_start", "method"]
    pd.testing.assert_frame_equal(found[columns], made[columns], check_exact=True)
    attributions = by_key(shop.output("turnover/attributions"), KEYS)
    explained = pd.DataFrame(found["explanation"].tolist())
    pd.testing.assert_frame_equal(explained[[*PARTS]], attributions[[*PARTS]], check_exact=True)


def test_an_explanation_has_every_attribution_of_a_forecast() -> None:
    described = {name: field.description for name, field in Explanation.model_fields.items()}
    assert list(described.items()) == list(PARTS.items())


def test_the_pages_follow_each_other_without_gap_or_repetition(shop: Shop) -> None:
    query = {"store": "105", "department": "117"}
    one = shop.get("/v1/turnover/forecasts", **query).json()
    assert [row["horizon"] for row in one["forecasts"]] == list(range(1, 9))
    assert (one["total"], one["next_offset"]) == (8, None)
    pages = [shop.get("/v1/turnover/forecasts", limit=3, offset=at, **query).json() for at in (0, 3, 6)]
    assert [page["next_offset"] for page in pages] == [3, 6, None]
    assert [row for page in pages for row in page["forecasts"]] == one["forecasts"]
    beyond = shop.get("/v1/turnover/forecasts", offset=9000, **query).json()
    assert (beyond["forecasts"], beyond["total"], beyond["next_offset"]) == ([], 8, None)


@pytest.mark.parametrize(
    "level", ["department", "region", "region_and_department", "zone", "zone_and_department", "total"]
)
def test_sums_are_those_of_the_run(shop: Shop, level: str) -> None:
    rows = whole(shop, f"/v1/turnover/forecasts/levels/{level}")
    sums = shop.output("turnover/forecasts_by_level")
    keys = ["key", "department", "week"]
    made = by_key(sums[sums["level"] == level.replace("_", " ")], keys)
    found = by_key(pd.DataFrame(rows), keys)
    pd.testing.assert_frame_equal(
        found[[*keys, *WITH_INTERVALS]], made[[*keys, *WITH_INTERVALS]], check_exact=True
    )


def test_the_budget_curve_and_its_recommendation_are_those_of_the_run(shop: Shop) -> None:
    answer = shop.get("/v1/marketing/curve").json()
    made = shop.output("marketing/budget_curve")
    pd.testing.assert_frame_equal(pd.DataFrame(answer["curve"])[made.columns], made, check_exact=True)
    path = shop.project.path("07_model_output/marketing/recommendation.json")
    assert answer["recommendation"] == json.loads(path.read_text())


def test_a_stored_answer_names_model_run_and_data(shop: Shop) -> None:
    answer = shop.get("/v1/turnover/forecasts", limit=1).json()
    made = shop.output("turnover/forecasts").iloc[0]
    assert answer["model"] == {
        "name": "sales_forecast.turnover",
        "version": made["model_version"],
        "run_id": made["run_id"],
        "data_version": made["data_version"],
    }


def test_as_of_returns_what_was_known_then(shop: Shop) -> None:
    then = datetime(2017, 10, 2, 6, tzinfo=UTC)
    publish(shop.engine, publication(123.25, weekly_turnover=None), then)

    def first(as_of: str) -> float:
        answer = shop.get("/v1/turnover/forecasts", as_of=as_of, store="1")
        assert answer.status_code == 200, answer.text
        return float(answer.json()["forecasts"][0]["forecast"])

    assert first("2017-10-02T06:00:00Z") == 123.25
    assert first("2017-10-02T08:00:00+02:00") == 123.25
    assert first("2017-10-02") == 123.25
    before = shop.get("/v1/turnover/forecasts", as_of=(then - timedelta(seconds=1)).isoformat())
    assert before.status_code == 404
    assert before.json()["errors"][0]["field"] == "query.as_of"
    assert len(whole(shop, "/v1/turnover/forecasts")) == len(shop.output("turnover/forecasts"))


def test_why_forecasts_changed_is_stored_with_them(shop: Shop) -> None:
    then = datetime(2017, 10, 3, 6, tzinfo=UTC)
    rows = pd.concat([changes(), changes(refit=0.1 + 0.2, store=2)])
    publish(shop.engine, publication(124.25, weekly_turnover=None, changes=rows), then)
    asked = {"as_of": "2017-10-03T06:00:00Z", "store": "2", "department": "88"}
    answer = shop.get("/v1/turnover/changes", limit=1, **asked)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert (body["total"], body["next_offset"], body["cutoff"]) == (2, 1, None)
    (change,) = body["changes"]
    causes = change.pop("causes")
    labels = {"store": "2", "department": "88", "week": "2017-10-07"}
    assert change == labels | {"before": 100.0, "after": 100.0 + (0.1 + 0.2) + 10.0}
    assert causes == dict.fromkeys(CAUSES, 0.0) | {"refit": 0.1 + 0.2, "new_weeks": 10.0}
    assert set(causes) == set(Causes.model_fields)
    (record,) = shop.audited(answer.headers["X-Request-ID"])
    assert (record["endpoint"], record["output"]["rows"]) == ("/v1/turnover/changes", 1)
    gone = shop.get("/v1/turnover/changes", **asked | {"store": "77"})
    assert gone.status_code == 404
    assert "no change of a forecast is stored for store '77'" in gone.text


def test_a_first_publication_has_no_changes(shop: Shop) -> None:
    answer = shop.get("/v1/turnover/changes")
    assert answer.status_code == 200, answer.text
    assert (answer.json()["total"], answer.json()["changes"]) == (0, [])


# --- quantiles ---------------------------------------------------------------------------------------

LEVELS = {f"{percent / 100:g}": f"q{percent:02d}" for percent in range(5, 100, 5)}


def test_stored_quantiles_are_those_of_the_run_and_come_when_they_are_asked_for(shop: Shop) -> None:
    asked = whole(shop, "/v1/turnover/forecasts", quantiles="true", limit=500)
    plain = whole(shop, "/v1/turnover/forecasts", limit=500)
    assert [{**row, "quantiles": one["quantiles"]} for row, one in zip(plain, asked, strict=True)] == asked
    assert all("quantiles" not in row for row in plain)
    found, made = by_key(pd.DataFrame(asked), KEYS), by_key(shop.output("turnover/forecasts"), KEYS)
    quantiles = pd.DataFrame(found["quantiles"].tolist()).rename(columns=LEVELS)
    pd.testing.assert_frame_equal(quantiles, made[[*LEVELS.values()]], check_exact=True)
    assert quantiles["q50"].tolist() == found["forecast"].tolist()


@pytest.mark.parametrize("flag", ["true", "True", "false"])
def test_whether_quantiles_come_is_said_with_true_or_false(shop: Shop, flag: str) -> None:
    (row,) = shop.get("/v1/turnover/forecasts", limit=1, quantiles=flag).json()["forecasts"]
    assert ("quantiles" in row) is (flag.lower() == "true")


@pytest.mark.parametrize("flag", ["1", "0.7", "yes", ""])
def test_what_is_neither_true_nor_false_is_refused(shop: Shop, flag: str) -> None:
    answer = shop.get("/v1/turnover/forecasts", quantiles=flag)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "query.quantiles")
    body = {"series": series_of(shop)[:1], "quantiles": flag}
    answer = shop.post("/v1/turnover/predict", body)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "body.quantiles")


def test_sums_have_no_quantiles(shop: Shop) -> None:
    """Those of series do not add up, and none are learned for sums."""
    answer = shop.get("/v1/turnover/forecasts/levels/total", quantiles="true")
    assert answer.status_code == 422


def test_forecasts_from_before_there_were_quantiles_are_answered_with_null(shop: Shop) -> None:
    then = datetime(2016, 10, 3, 6, tzinfo=UTC)
    publish(shop.engine, publication(123.25, weekly_turnover=None), then)
    with writing(shop.engine) as connection:
        run = newest_run(connection, "turnover", then)
        assert run is not None
        unknown = update(schema.forecasts).where(schema.forecasts.c.run == run.id)
        connection.execute(unknown.values(dict.fromkeys(LEVELS.values())))
    answer = shop.get("/v1/turnover/forecasts", as_of=then.isoformat(), quantiles="true").json()
    assert [row["quantiles"] for row in answer["forecasts"]] == [None] * 6


def test_live_quantiles_are_those_of_the_run_also_in_the_audit_log(shop: Shop) -> None:
    body = {"series": series_of(shop), "quantiles": True}
    answer = shop.post("/v1/turnover/predict", body).json()
    live = by_key(pd.DataFrame(answer["predictions"]), KEYS)
    made = by_key(shop.output("turnover/forecasts"), KEYS)
    quantiles = pd.DataFrame(live["quantiles"].tolist()).rename(columns=LEVELS)
    pd.testing.assert_frame_equal(quantiles, made[[*LEVELS.values()]], check_exact=True)
    (record,) = shop.audited(answer["request_id"])
    assert record["input"]["quantiles"] is True
    assert [row for rows in record["output"] for row in rows] == answer["predictions"]
    plain = shop.predict(*series_of(shop))
    pd.testing.assert_frame_equal(by_key(plain, KEYS), live.drop(columns="quantiles"), check_exact=True)


def test_quantiles_of_a_new_store_rise_around_its_forecast(shop: Shop) -> None:
    answer = shop.post("/v1/turnover/predict", {"series": [NEW], "quantiles": True}).json()
    for row in answer["predictions"]:
        values = [*row["quantiles"].values()]
        assert values == sorted(values)
        assert row["quantiles"]["0.5"] == row["forecast"] < row["quantiles"]["0.7"]


# --- live --------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def deployed(shop: Shop) -> pd.DataFrame:
    """Predictions of every series by the champion as MLflow loads it."""
    mlflow.set_tracking_uri(f"sqlite:///{shop.project.folder}/mlflow.db")
    model = mlflow.pyfunc.load_model("models:/sales_forecast.turnover@champion")
    return pd.DataFrame(model.predict(pd.DataFrame(series_of(shop))))


def test_live_predictions_are_those_of_the_registered_model(shop: Shop, deployed: pd.DataFrame) -> None:
    found = shop.predict(*series_of(shop))
    assert len(found) == len(deployed) == 8 * len(series_of(shop))
    for column in ("store", "department"):
        assert found[column].tolist() == deployed[column].astype(str).tolist()
    assert found["week"].tolist() == deployed["week"].dt.strftime("%Y-%m-%d").tolist()
    np.testing.assert_array_equal(found[["horizon", *WITH_INTERVALS]], deployed[["horizon", *WITH_INTERVALS]])
    assert found["cold_start"].tolist() == deployed["cold_start"].tolist()
    assert set(found["arm"]) == {"champion"}
    assert set(found["model_version"]) == {"1"}


def test_live_and_stored_predictions_are_the_same(shop: Shop) -> None:
    columns = [*KEYS, "horizon", *WITH_INTERVALS]
    live = by_key(shop.predict(*series_of(shop)), KEYS)
    made = by_key(shop.output("turnover/forecasts"), KEYS)
    pd.testing.assert_frame_equal(live[columns], made[columns], check_exact=True)


def test_predictions_come_in_the_order_of_the_request_whether_labels_are_numbers_or_text(shop: Shop) -> None:
    series = series_of(shop)[:5]
    as_text = [{name: str(label) for name, label in one.items()} for one in reversed(series)]
    forwards, backwards = shop.predict(*series), shop.predict(*as_text)
    assert backwards["store"].drop_duplicates().tolist() == [
        one["store"] for one in {each["store"]: each for each in as_text}.values()
    ]
    pd.testing.assert_frame_equal(by_key(forwards, KEYS), by_key(backwards, KEYS), check_exact=True)


def test_live_budgets_are_those_of_the_registered_model(shop: Shop) -> None:
    mlflow.set_tracking_uri(f"sqlite:///{shop.project.folder}/mlflow.db")
    model = mlflow.pyfunc.load_model("models:/sales_forecast.marketing@champion")
    curve = shop.output("marketing/budget_curve")
    answer = shop.post("/v1/marketing/predict", {"budgets": curve["tv"].tolist()}).json()
    found = pd.DataFrame(answer["predictions"])
    assert found["sales"].tolist() == model.predict(curve[["tv"]])["sales"].tolist()
    np.testing.assert_array_equal(
        found[["tv", "sales", "sales_low", "sales_high"]], curve[["tv", "sales", "sales_low", "sales_high"]]
    )
    assert (answer["model"], answer["model_version"]) == ("sales_forecast.marketing", "1")
    assert found["warning"].isna().all()


def test_a_budget_that_was_never_tried_is_answered_with_a_warning(shop: Shop) -> None:
    answer = shop.post("/v1/marketing/predict", {"budgets": [0.0, 1e6]}).json()
    warned = [one["warning"] for one in answer["predictions"]]
    assert len(warned) == 2
    assert all("was trained on budgets between" in warning for warning in warned)


# --- the earlier system's calls ----------------------------------------------------------------------


def test_the_earlier_systems_calls_have_the_same_figures(shop: Shop, deployed: pd.DataFrame) -> None:
    for (store, department), rows in list(deployed.groupby(["store", "department"]))[:4]:
        body = {"but_num_business_unit": int(store), "dpt_num_department": int(department)}
        weeks = rows["week"].dt.strftime("%Y-%m-%d")
        eight = shop.post("/predict_8_weeks/", body)
        assert eight.json() == {"predictions": dict(zip(weeks, rows["forecast"], strict=True))}
        one = shop.post(
            "/predict/", body | {"day_id": weeks.iloc[2], "but_postcode": 59000, "more": "ignored"}
        )
        assert one.json() == {"prediction": rows["forecast"].iloc[2]}


# --- the service itself ------------------------------------------------------------------------------


def test_models_are_listed_with_aliases_metrics_and_history(shop: Shop) -> None:
    answer = shop.get("/v1/models").json()
    assert {(each["name"], each["version"], *each["aliases"]) for each in answer["versions"]} == {
        ("sales_forecast.turnover", "1", "champion"),
        ("sales_forecast.marketing", "1", "champion"),
    }
    (turnover,) = (each for each in answer["versions"] if each["name"].endswith("turnover"))
    assert turnover["metrics"]
    assert all(0 < metrics["wape"] < 1 for metrics in turnover["metrics"].values())
    assert {(each["name"], each["action"], each["version"]) for each in answer["champion_changes"]} == {
        ("sales_forecast.turnover", "promote", "1"),
        ("sales_forecast.marketing", "promote", "1"),
    }
    assert answer["split"] == {"champion": 1.0, "challenger": 0.0}


def test_an_answer_can_be_looked_up_by_its_request_id(shop: Shop) -> None:
    series = {"store": "105", "department": "117"}
    answer = shop.post("/v1/turnover/predict", {"series": [series]})
    body = answer.json()
    assert answer.headers["X-Request-ID"] == body["request_id"]
    (record,) = shop.get(f"/v1/audit/{body['request_id']}").json()["answers"]
    assert record["input"] == {"series": [series]}
    assert record["output"] == [body["predictions"]]
    assert (record["arm"], record["model_version"]) == ("champion", "1")
    assert record["endpoint"] == "/v1/turnover/predict"
    assert record["key_id"] == shop.key.split("_")[1]
    assert record["other_output"] is None
    assert record["latency_ms"] > 0


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/turnover/forecasts", None),
        ("/v1/turnover/forecasts/levels/total", None),
        ("/v1/marketing/curve", None),
        ("/v1/marketing/predict", {"budgets": [10]}),
        ("/predict_8_weeks/", {"but_num_business_unit": 105, "dpt_num_department": 117}),
    ],
)
def test_every_response_is_in_the_audit_log(shop: Shop, path: str, body: Any) -> None:
    answer = shop.get(path) if body is None else shop.post(path, body)
    assert answer.status_code == 200, answer.text
    (record,) = shop.audited(answer.headers["X-Request-ID"])
    assert record["endpoint"].split("{")[0] in path
    assert record["output"]


def test_health_and_readiness_need_no_key(shop: Shop) -> None:
    health = shop.client.get("/health").json()
    assert health["status"] == "ok"
    ready = shop.client.get("/ready")
    assert ready.status_code == 200
    assert ready.json()["status"] == "green", ready.text
    assert set(ready.json()["checks"]) == {
        *(f"{domain} {what}" for domain in ("turnover", "marketing") for what in ("champion", "forecasts")),
        "database",
    }


def test_prometheus_reads_latency_version_and_age(shop: Shop) -> None:
    shop.get("/v1/turnover/forecasts", store="105")
    numbers = shop.client.get("/metrics").text
    route = 'method="GET",route="/v1/turnover/forecasts",status="200"'
    assert f"sales_forecast_request_seconds_count{{{route}}}" in numbers
    assert 'sales_forecast_serving_version{arm="champion",model="sales_forecast.turnover"} 1.0' in numbers
    assert 'sales_forecast_forecast_age_seconds{domain="turnover"}' in numbers
    assert "sales_forecast_ready 1.0" in numbers


def test_the_documentation_says_what_each_route_does(shop: Shop) -> None:
    paths = shop.client.get("/openapi.json").json()["paths"]
    summaries = {
        path: operation["summary"] for path, methods in paths.items() for operation in methods.values()
    }
    assert summaries["/health"] == "Check whether the process runs"
    assert len(summaries) == 32
    assert all(
        summary.split()[0] in ("Read", "Predict", "Check", "Submit", "Delete", "Withdraw", "Accept")
        for summary in summaries.values()
    )
    assert all(len(summary.split()) > 3 for summary in summaries.values()), summaries


@pytest.mark.parametrize("page", ["/docs", "/redoc"])
def test_the_documentation_needs_no_internet(shop: Shop, page: str) -> None:
    text = shop.client.get(page).text
    loaded = [part.split('"')[1] for word in ("src=", "href=") for part in text.split(word)[1:]]
    assert loaded
    for address in loaded:
        assert address.startswith("/"), address
        assert shop.client.get(address).status_code == 200
    assert "https://" not in text


# --- new stores --------------------------------------------------------------------------------------

NEW = {"store": 900001, "department": 117, "place": {}}


def weeks_before(shop: Shop, weeks: int, turnover: float) -> list[dict[str, Any]]:
    """The last weeks that the model knows, each with the same turnover."""
    first = shop.output("turnover/forecasts").query("horizon == 1")["week"].iloc[0]
    return [
        {"week": f"{first - timedelta(weeks=back):%Y-%m-%d}", "turnover": turnover}
        for back in range(weeks, 0, -1)
    ]


def test_a_new_store_is_forecast_as_its_peers_are_and_says_so(shop: Shop) -> None:
    found = shop.predict(NEW)
    assert found["cold_start"].all()
    assert len(found) == 8
    assert (found["forecast"] > 0).all()
    where = {"postcode": "59000", "latitude": 50.6, "longitude": 3.1, "region": 10, "zone": 1}
    assert len(shop.predict(NEW | {"place": where})) == 8


def test_five_weeks_of_turnover_are_enough_history(shop: Shop) -> None:
    young = shop.predict(NEW | {"recent_weeks": weeks_before(shop, 4, 500.0)})
    grown = shop.predict(NEW | {"recent_weeks": weeks_before(shop, 5, 500.0)})
    assert young["cold_start"].all()
    assert not grown["cold_start"].any()


def test_a_store_that_sells_more_is_forecast_to_sell_more(shop: Shop) -> None:
    little, much = (
        shop.predict(NEW | {"recent_weeks": weeks_before(shop, 12, turnover)}) for turnover in (100.0, 1000.0)
    )
    assert much["forecast"].sum() > 3 * little["forecast"].sum()


def test_recent_weeks_of_a_known_store_change_its_forecast_and_no_others(shop: Shop) -> None:
    known, *others = series_of(shop)[:4]
    before = shop.predict(known, *others)
    changed = known | {"recent_weeks": weeks_before(shop, 8, 5000.0)}
    after = shop.predict(changed, *others, NEW)
    assert (after["forecast"][:8] > before["forecast"][:8]).all()
    pd.testing.assert_frame_equal(after[8:32], before[8:], check_exact=True)
    assert after["store"][32:].eq("900001").all()
    pd.testing.assert_frame_equal(shop.predict(known, *others), before, check_exact=True)
