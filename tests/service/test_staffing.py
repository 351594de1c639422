"""Hours to plan follow from the published quantiles and the published rules, wherever they are asked for."""

import time
from datetime import UTC, datetime

import pandas as pd
import pytest

from publications import forecasts, publication, sums
from sales_forecast.forecasting.intervals.conformal import QUANTILES
from sales_forecast.planning.staffing import RULE_COLUMNS
from sales_forecast.service.cache import NEWEST_SECONDS
from sales_forecast.storage import schema
from sales_forecast.storage.database import writing
from sales_forecast.storage.publications import publish
from services import Shop

pytestmark = pytest.mark.xdist_group("service")

DATABASES = ["sqlite", "postgresql"]

STAFFING = "/v1/turnover/staffing"


@pytest.fixture(autouse=True)
def nothing_planned(shop: Shop) -> None:
    """Generated requests of other tests may have left overrides, which hours would follow."""
    with writing(shop.engine) as connection:
        connection.execute(schema.overrides.delete())


def test_the_service_says_the_hours_that_the_run_has_planned(shop: Shop) -> None:
    answer = shop.get(STAFFING, limit=10_000)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    found = pd.DataFrame(body["staffing"])
    made = shop.output("turnover/staffing_plan").astype({"store": str, "department": str})
    assert made["override"].isna().all()
    made = made.assign(week=made["week"].dt.strftime("%Y-%m-%d"), override=None)
    keys = ["store", "department", "week"]
    pd.testing.assert_frame_equal(
        found.sort_values(keys, ignore_index=True),
        made.sort_values(keys, ignore_index=True),
        check_exact=True,
    )
    assert body["total"] == len(made)
    rules = shop.output("turnover/staffing_rules").astype({"department": str}).sort_values("department")
    assert body["rules"] == rules.to_dict("records")
    assert list(body["rules"][0]) == RULE_COLUMNS


def test_hours_are_filtered_sorted_and_paged(shop: Shop) -> None:
    asked = {"store": "105", "department": "117", "horizon": [1, 2, 3], "sort": "-week", "limit": 2}
    body = shop.get(STAFFING, **asked).json()
    assert (body["total"], body["next_offset"]) == (3, 2)
    assert [row["horizon"] for row in body["staffing"]] == [3, 2]
    gone = shop.get(STAFFING, store="77")
    assert (gone.status_code, "no forecast is stored for store '77'" in gone.text) == (404, True)
    assert shop.get(STAFFING, sort="hours").status_code == 422


def test_other_rules_make_other_hours_and_another_tag(shop: Shop) -> None:
    asked = {"store": "105", "department": "117"}
    first = shop.get(STAFFING, **asked)
    table = schema.staffing_rules
    with writing(shop.engine) as connection:
        connection.execute(table.update().values(productivity=table.c.productivity / 2))
    try:
        time.sleep(NEWEST_SECONDS + 0.1)
        second = shop.get(STAFFING, **asked)
        assert second.headers["ETag"] != first.headers["ETag"]
        both = zip(first.json()["staffing"], second.json()["staffing"], strict=True)
        assert all(new["variable_hours"] == 2 * old["variable_hours"] for old, new in both)
    finally:
        with writing(shop.engine) as connection:
            connection.execute(table.update().values(productivity=table.c.productivity * 2))
        time.sleep(NEWEST_SECONDS + 0.1)
    again = shop.client.get(
        STAFFING, params=asked, headers=shop.bearer | {"If-None-Match": first.headers["ETag"]}
    )
    assert again.status_code == 304


def test_without_overrides_the_tag_is_the_same_whether_or_not_the_plan_is_kept(shop: Shop) -> None:
    service = shop.app.state.service  # type: ignore[union-attr]
    service.published._plans.clear()
    tags = [shop.get(STAFFING).headers["ETag"]]
    assert shop.get("/v1/turnover/plan", limit=1).status_code == 200
    assert len(service.published._plans) == 1
    tags.append(shop.get(STAFFING).headers["ETag"])
    assert tags[0] == tags[1]


def test_earlier_publications_without_quantiles_or_rules_say_so(shop: Shop) -> None:
    without = forecasts().assign(**dict.fromkeys(QUANTILES, None))
    unknown = forecasts().assign(department="closed long ago")
    for day, rows, says in (
        (6, without, "is from before forecasts had quantiles"),
        (7, unknown, "department 'closed long ago' is not in the newest publication"),
    ):
        tables = {"forecasts": rows, "level_forecasts": sums()}
        then = datetime(2017, 9, day, 6, tzinfo=UTC)
        publish(shop.engine, publication(tables=tables, weekly_turnover=None), then)
        answer = shop.get(STAFFING, as_of=f"2017-09-{day:02d}")
        assert (answer.status_code, says in answer.text) == (404, True), answer.text
