"""Overrides over HTTP: made, listed, withdrawn, and never in another planner's stores; on both databases."""

import io
import itertools
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from math import ceil
from typing import Any

import httpx
import pandas as pd
import pytest
from sqlalchemy import func, insert, select, update
from sqlalchemy.exc import OperationalError

from projects import Project
from sales_forecast.service import plan_costs
from sales_forecast.storage import overrides, schema
from sales_forecast.storage.audit_chain import AuditChain, Signer
from sales_forecast.storage.audit_verify import verify
from sales_forecast.storage.database import short_waits, writing
from sales_forecast.storage.keys import Territory, create_key
from sales_forecast.storage.override_limits import OverrideSettings
from sales_forecast.storage.plan import propose_override
from services import Shop, opened, wait_until

pytestmark = pytest.mark.xdist_group("service")

OVERRIDES = "/v1/turnover/overrides"
PLAN = "/v1/turnover/plan"
STAFFING = "/v1/turnover/staffing"
EXCEPTIONS = "/v1/turnover/exceptions"


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def shop(
    request: pytest.FixtureRequest, shop_project: Project, new_database: Callable[[str], str]
) -> Iterator[Shop]:
    """A service with a database of its own, which these tests change."""
    with opened(shop_project, new_database(request.param)) as found:
        yield found


@pytest.fixture(autouse=True)
def no_overrides(shop: Shop) -> None:
    """Every test sees its own overrides only."""
    with writing(shop.engine) as connection:
        connection.execute(schema.overrides.delete())
        connection.execute(schema.exception_answers.delete())


@pytest.fixture(scope="module")
def weeks(shop: Shop) -> list[str]:
    rows = shop.get("/v1/turnover/forecasts", store="105", department="117").json()["forecasts"]
    return [row["week"] for row in rows]


@pytest.fixture(scope="module")
def regions(shop: Shop) -> dict[str, str]:
    """Store -> region, of those that are forecast."""
    forecast = {row["store"] for row in shop.get("/v1/turnover/forecasts", limit=10_000).json()["forecasts"]}
    with shop.engine.connect() as connection:
        found = connection.execute(select(schema.stores.c.store, schema.stores.c.region)).all()
    return {store: region for store, region in found if store in forecast}


def key(shop: Shop, scopes: Any = ("read", "plan"), **territory: list[str]) -> dict[str, str]:
    """Headers of a planner with a territory."""
    limits = {name: frozenset(names) for name, names in territory.items()}
    with writing(shop.engine) as connection:
        made = create_key(connection, "Ann", list(scopes), datetime.now(UTC), None, Territory(**limits))
    return {"Authorization": f"Bearer {made}"}


def body(weeks: list[str], **changes: Any) -> dict[str, Any]:
    given = {"week_from": weeks[2], "week_to": weeks[2], "kind": "percent", "value": 20, "reason": "event"}
    return given | changes


def make(shop: Shop, content: Any, headers: dict[str, str] | None = None, **query: Any) -> httpx.Response:
    return shop.client.post(OVERRIDES, json=content, headers=headers or shop.bearer, params=query)


def stored(shop: Shop) -> int:
    with shop.engine.connect() as connection:
        return connection.execute(select(func.count()).select_from(schema.overrides)).scalar_one()


def plan(shop: Shop, **query: Any) -> list[dict[str, Any]]:
    answer = shop.get(PLAN, limit=10_000, **query)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["plan"])


# --- making them ---------------------------------------------------------------------------------------


def test_an_override_is_stored_and_stands_beside_the_forecast(shop: Shop, weeks: list[str]) -> None:
    answer = make(shop, body(weeks, store=105, department="117", note="half marathon"))
    assert answer.status_code == 201, answer.text
    found = answer.json()
    record = found["override"]
    assert (record["store"], record["department"], record["value"], record["reason"]) == (
        "105",
        "117",
        20.0,
        "event",
    )
    assert (record["made_by"], record["withdrawn_at"]) == ("a planner", None)
    (week,) = found["weeks"]
    assert (found["series"], found["stores"], week["week"]) == (1, 1, weeks[2])
    assert week["planned"] == pytest.approx(1.2 * week["forecast"])
    rows = plan(shop, store="105", department="117")
    changed = [row for row in rows if row["override"] is not None]
    assert [(row["week"], row["override"], row["reason"]) for row in changed] == [
        (weeks[2], record["id"], "event")
    ]
    assert changed[0]["forecast"] == week["forecast"]
    assert changed[0]["planned_hi_95"] == pytest.approx(1.2 * changed[0]["hi_95"])
    assert all(row["planned"] == row["forecast"] for row in rows if row["override"] is None)


def test_a_dry_run_says_the_same_and_stores_nothing(shop: Shop, weeks: list[str]) -> None:
    content = body(weeks, department="117", kind="number", value=1, week_to=weeks[4])
    tried = make(shop, content, dry_run="true")
    assert (tried.status_code, tried.json()["override"], stored(shop)) == (200, None, 0)
    made = make(shop, content)
    assert {**made.json(), "override": None} == tried.json()
    assert [one["kind"] for one in tried.json()["warnings"]] == ["large"]
    assert [row["planned"] for row in tried.json()["weeks"]] == pytest.approx([1.0] * 3)


def test_series_of_a_number_add_up_to_it_at_every_level(
    shop: Shop, weeks: list[str], regions: dict[str, str]
) -> None:
    for scope in ({}, {"region": regions["105"]}, {"department": "117"}, {"store": "105"}):
        made = make(shop, body(weeks, kind="number", value=123_456.5, **scope)).json()["override"]["id"]
        changed = [row["planned"] for row in plan(shop) if row["override"] == made]
        assert sum(changed) == pytest.approx(123_456.5)


def test_an_answer_and_its_request_are_in_the_audit_log(shop: Shop, weeks: list[str]) -> None:
    answer = make(shop, body(weeks, store="105"))
    (record,) = shop.audited(answer.headers["X-Request-ID"])
    assert (record["endpoint"], record["input"]["store"], record["input"]["dry_run"]) == (
        OVERRIDES,
        "105",
        False,
    )
    assert record["output"] == answer.json()


def test_the_same_request_sent_again_makes_one_override(shop: Shop, weeks: list[str]) -> None:
    headers = shop.bearer | {"Idempotency-Key": "monday-7"}
    content = body(weeks, store="105")
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: make(shop, content, headers), range(4)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.text for answer in answers}) == 1
    assert stored(shop) == 1
    other = make(shop, content | {"value": 21}, headers)
    assert (other.status_code, other.json()["errors"][0]["field"]) == (422, "header.idempotency-key")
    assert make(shop, content, key(shop) | {"Idempotency-Key": "monday-7"}).status_code == 201


def test_an_override_over_the_whole_chain_warns_of_those_it_overlaps(shop: Shop, weeks: list[str]) -> None:
    first = make(shop, body(weeks, store="105")).json()["override"]["id"]
    found = {one["kind"]: one for one in make(shop, body(weeks)).json()["warnings"]}
    warning = found["overlapping"]
    assert f"override {first} is for the same weeks" in warning["detail"]


@pytest.mark.parametrize(
    ("change", "status", "field"),
    [
        ({"reason": None}, 422, "body.reason"),
        ({"reason": "because"}, 422, "body.reason"),
        ({"reason": "other"}, 422, "body.note"),
        ({"note": "a\x00b"}, 422, "body.note"),
        ({"value": "20"}, 422, "body.value"),
        ({"kind": "number", "value": -1}, 422, "body.value"),
        ({"value": 1001}, 422, "body.value"),
        ({"week_from": "2016-01-02", "week_to": "2016-01-02"}, 409, "body.week_from"),
        ({"week_to": "2099-01-03"}, 409, "body.week_to"),
        ({"expires": "2017-01-01"}, 409, "body.expires"),
        ({"store": "999"}, 404, "body.store"),
        ({"store": "105\x00"}, 404, "body.store"),
        ({"department": "=1+1"}, 404, "body.department"),
        ({"region": "' or '1'='1"}, 404, "body.region"),
        ({"storee": "105"}, 422, "body.storee"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_stored(
    shop: Shop, weeks: list[str], change: dict[str, Any], status: int, field: str
) -> None:
    answer = make(shop, {name: value for name, value in body(weeks, **change).items() if value is not None})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (status, field), answer.text
    assert stored(shop) == 0


# --- another planner's stores --------------------------------------------------------------------------


def test_a_key_without_the_scope_plan_may_change_nothing(shop: Shop, weeks: list[str]) -> None:
    reader = key(shop, ["read"])
    made = make(shop, body(weeks, store="105")).json()["override"]["id"]
    assert make(shop, body(weeks, store="105"), reader).status_code == 403
    assert make(shop, body(weeks, store="105"), reader, dry_run="true").status_code == 403
    assert shop.client.delete(f"{OVERRIDES}/{made}", params={"why": "x"}, headers=reader).status_code == 403
    assert shop.client.get(PLAN, headers=reader).status_code == 200
    assert shop.client.get(OVERRIDES, headers=reader).json()["total"] == 1


@pytest.mark.parametrize("scope", [{}, {"department": "117"}, {"region": None}, {"store": None}])
@pytest.mark.parametrize("dry_run", ["false", "true"])
def test_nobody_reaches_into_another_planners_stores(
    shop: Shop, weeks: list[str], regions: dict[str, str], scope: dict[str, Any], dry_run: str
) -> None:
    other = next(store for store, region in regions.items() if region == regions["105"] and store != "105")
    own, foreign = key(shop, stores=["105"]), {"store": other, "region": regions["105"]}
    content = body(weeks, **{name: foreign.get(name, value) for name, value in scope.items()})
    answer = make(shop, content, own, dry_run=dry_run)
    assert answer.status_code == 403
    assert "not yours to plan, such as store " in answer.json()["detail"]
    assert stored(shop) == 0
    assert make(shop, body(weeks, store="105"), own, dry_run=dry_run).status_code in (200, 201)


def test_a_region_of_ones_own_is_planned_and_others_are_counted(
    shop: Shop, weeks: list[str], regions: dict[str, str]
) -> None:
    own = key(shop, regions=[regions["105"]])
    inside = sum(region == regions["105"] for region in regions.values())
    answer = make(shop, body(weeks, region=regions["105"]), own)
    assert (answer.status_code, answer.json()["stores"]) == (201, inside)
    outside = make(shop, body(weeks), own)
    assert outside.status_code == 403
    assert (
        f"{len(regions) - inside} of the {len(regions)} stores of the whole chain" in outside.json()["detail"]
    )


def test_a_territory_of_odd_labels_opens_no_store(shop: Shop, weeks: list[str]) -> None:
    odd = ["%", "10_", "105 ", "105\x00", "*", "", "\uff11\uff10\uff15"]
    own = key(shop, stores=odd, regions=["", "%", "None", "nan", "null"])
    assert make(shop, body(weeks, store="105"), own).status_code == 403
    for label in odd:
        assert make(shop, body(weeks, store=label), own).status_code in (404, 422), label


def test_a_store_without_a_known_region_is_in_no_region(
    shop: Shop, weeks: list[str], regions: dict[str, str]
) -> None:
    own = key(shop, regions=[regions["105"]])
    with writing(shop.engine) as connection:
        connection.execute(update(schema.stores).where(schema.stores.c.store == "105").values(region=None))
    try:
        assert make(shop, body(weeks, store="105"), own).status_code == 403
        assert make(shop, body(weeks, region=regions["105"]), own).status_code == 201
        assert {row["override"] for row in plan(shop, store="105")} == {None}
    finally:
        with writing(shop.engine) as connection:
            back = update(schema.stores).where(schema.stores.c.store == "105").values(region=regions["105"])
            connection.execute(back)
    # the region has the store again, which the planner did not touch: it counts for the others only
    assert {row["override"] for row in plan(shop, store="105")} == {None}


def test_an_override_is_withdrawn_once_by_those_who_plan_its_stores(shop: Shop, weeks: list[str]) -> None:
    own, other = key(shop, stores=["105"]), key(shop, stores=["101"])
    made = make(shop, body(weeks, store="105"), own).json()["override"]["id"]

    def withdraw(number: int, headers: dict[str, str], **query: str) -> httpx.Response:
        return shop.client.delete(f"{OVERRIDES}/{number}", params=query, headers=headers)

    assert withdraw(made, other, why="mine!").status_code == 403
    for query in ({}, {"why": ""}, {"why": "  "}, {"why": "a\x00"}):
        assert withdraw(made, own, **query).status_code == 422
    answer = withdraw(made, own, why="rained off")
    assert answer.status_code == 200
    assert answer.json()["withdrawn_why"] == "rained off"
    assert answer.json()["withdrawn_by"].startswith("Ann (")
    again = withdraw(made, own, why="once more")
    assert (again.status_code, "rained off" in again.json()["detail"]) == (409, True)
    assert withdraw(made + 1000, own, why="x").status_code == 404
    assert {row["override"] for row in plan(shop, store="105")} == {None}
    (record,) = shop.audited(answer.headers["X-Request-ID"])
    assert record["input"] == {"number": made, "why": "rained off"}
    bigger = make(shop, body(weeks)).json()["override"]["id"]
    assert withdraw(bigger, own, why="mine, too").status_code == 403


# --- reading them --------------------------------------------------------------------------------------


def test_overrides_are_filtered_and_paged_newest_first(shop: Shop, weeks: list[str]) -> None:
    numbers = [
        make(shop, body(weeks, store=store)).json()["override"]["id"] for store in ("105", "101", "105")
    ]
    numbers.append(make(shop, body(weeks, department="117", reason="weather")).json()["override"]["id"])
    shop.client.delete(f"{OVERRIDES}/{numbers[0]}", params={"why": "wrong"}, headers=shop.bearer)

    def listed(**query: Any) -> list[int]:
        answer = shop.get(OVERRIDES, **query)
        assert answer.status_code == 200, answer.text
        return [row["id"] for row in answer.json()["overrides"]]

    assert listed() == numbers[::-1]
    assert listed(store="105") == [numbers[2], numbers[0]]
    assert listed(active="true") == numbers[:0:-1]
    assert listed(active="false") == [numbers[0]]
    assert listed(reason=["weather", "other"]) == [numbers[3]]
    assert listed(limit=2, offset=1) == numbers[2:0:-1]
    assert listed(store="124") == []
    unknown = shop.get(OVERRIDES, region="nowhere\x00")
    assert (unknown.status_code, unknown.json()["errors"][0]["field"]) == (404, "query.region")
    assert shop.get(OVERRIDES, limit=2).json()["next_offset"] == 2


def test_lists_are_offered_as_tables(shop: Shop, weeks: list[str]) -> None:
    make(shop, body(weeks, store="105", note="=HYPERLINK(1)"))
    for path in (OVERRIDES, PLAN, f"{OVERRIDES}/value", EXCEPTIONS):
        answer = shop.client.get(path, headers=shop.bearer | {"Accept": "text/csv"})
        assert answer.status_code == 200, (path, answer.text)
        arrow = shop.client.get(path, headers=shop.bearer | {"Accept": "application/vnd.apache.parquet"})
        assert list(pd.read_parquet(io.BytesIO(arrow.content)).columns) == list(
            pd.read_csv(io.StringIO(answer.text))
        )
    table = pd.read_csv(
        io.StringIO(shop.client.get(OVERRIDES, headers=shop.bearer | {"Accept": "text/csv"}).text)
    )
    assert table["note"].tolist() == ["'=HYPERLINK(1)"]


def test_the_plan_is_filtered_sorted_and_paged(shop: Shop, weeks: list[str]) -> None:
    made = make(shop, body(weeks, store="105", week_to=weeks[3])).json()["override"]["id"]
    rows = plan(shop, overridden="true")
    assert {row["override"] for row in rows} == {made}
    assert {row["week"] for row in rows} == set(weeks[2:4])
    largest = plan(shop, sort="-planned", horizon=1)
    assert [row["planned"] for row in largest] == sorted((row["planned"] for row in largest), reverse=True)
    whole = plan(shop, store=["105", "101"], week_from=weeks[1], week_to=weeks[2])
    assert {row["week"] for row in whole} == set(weeks[1:3])
    pages = [
        shop.get(PLAN, store=["105", "101"], week_from=weeks[1], week_to=weeks[2], limit=3, offset=at)
        for at in (0, 3)
    ]
    assert [row for page in pages for row in page.json()["plan"]] == whole[:6]
    missing = shop.get(PLAN, store="999")
    assert (missing.status_code, missing.json()["errors"][0]["field"]) == (404, "query.store")
    assert shop.get(PLAN, store="105\x00").status_code == 404


def test_the_plan_and_the_forecasts_are_the_same_numbers(shop: Shop) -> None:
    forecasts = shop.get("/v1/turnover/forecasts", limit=10_000).json()["forecasts"]
    keys = ("store", "department", "week", "horizon", "forecast", "lo_80", "hi_80", "lo_95", "hi_95")
    wanted = {tuple(row[name] for name in keys) for row in forecasts}
    assert {tuple(row[name] for name in keys) for row in plan(shop)} == wanted


# --- hours ---------------------------------------------------------------------------------------------


def staffed(shop: Shop, **query: Any) -> tuple[str, dict[str, dict[str, Any]]]:
    """Entity tag, and hours by week of department 117 in store 105."""
    answer = shop.get(STAFFING, **({"store": "105", "department": "117"} | query))
    assert answer.status_code == 200, answer.text
    return answer.headers["ETag"], {row["week"]: row for row in answer.json()["staffing"]}


@pytest.mark.parametrize("scope", ["store", "department", "region", None])
def test_hours_follow_the_planners_number_and_say_what_the_model_had(
    shop: Shop, weeks: list[str], regions: dict[str, str], scope: str | None
) -> None:
    labels = {"store": "105", "department": "117", "region": regions["105"]}
    _, before = staffed(shop)
    content = body(weeks, value=300) | ({} if scope is None else {scope: labels[scope]})
    made = make(shop, content).json()["override"]["id"]
    _, after = staffed(shop)
    (planned,) = plan(shop, store="105", department="117", week_from=weeks[2], week_to=weeks[2])
    for week, row in after.items():
        model = before[week]
        assert (row["model_hours"], row["model_turnover"]) == (model["hours"], model["turnover"])
        if week == weeks[2]:
            assert row["override"] == made
            assert row["planned"] == planned["planned"]
            assert row["turnover"] == pytest.approx(4 * model["turnover"])
            assert row["variable_hours"] == pytest.approx(4 * model["variable_hours"])
            assert row["hours"] >= model["hours"]
        else:
            assert row == model
            assert row["override"] is None


def test_the_tag_of_hours_changes_whenever_an_override_comes_or_goes(shop: Shop, weeks: list[str]) -> None:
    none, _ = staffed(shop)
    first = make(shop, body(weeks, store="105")).json()["override"]["id"]
    one, _ = staffed(shop)
    make(shop, body(weeks, store="105", value=30))
    newer, rows = staffed(shop)
    assert len({none, one, newer}) == 3
    kept = shop.client.get(
        STAFFING,
        params={"store": "105", "department": "117"},
        headers=shop.bearer | {"If-None-Match": newer},
    )
    assert kept.status_code == 304
    listed = shop.get(OVERRIDES).json()["overrides"]
    for override in listed:
        answer = shop.client.delete(
            f"{OVERRIDES}/{override['id']}", params={"why": "wrong"}, headers=shop.bearer
        )
        assert answer.status_code == 200
    again, plain = staffed(shop)
    assert (again, first in {row["override"] for row in plain.values()}) == (none, False)
    assert rows[weeks[2]]["override"] not in (None, first)


def test_hours_of_an_earlier_moment_are_by_the_overrides_of_then(shop: Shop, weeks: list[str]) -> None:
    before = datetime.now(UTC).isoformat()
    make(shop, body(weeks, store="105"))
    assert {row["override"] for row in staffed(shop, as_of=before)[1].values()} == {None}
    assert {row["override"] for row in staffed(shop)[1].values()} != {None}


def test_an_override_that_has_expired_changes_no_hours(shop: Shop, weeks: list[str]) -> None:
    tag, before = staffed(shop)
    made = make(shop, body(weeks, store="105", expires=weeks[3])).json()["override"]["id"]
    assert staffed(shop)[1] != before
    with writing(shop.engine) as connection:
        gone = update(schema.overrides).where(schema.overrides.c.id == made)
        connection.execute(gone.values(expires=date.fromisoformat(weeks[0])))
    assert staffed(shop) == (tag, before)


def test_hours_as_a_table_say_which_override_they_follow(shop: Shop, weeks: list[str]) -> None:
    made = make(shop, body(weeks, store="105", department="117")).json()["override"]["id"]
    headers = shop.bearer | {"Accept": "text/csv"}
    answer = shop.client.get(STAFFING, params={"store": "105", "department": "117"}, headers=headers)
    table = pd.read_csv(io.StringIO(answer.text))
    assert table["override"].dropna().tolist() == [made]
    assert table.loc[table["override"].isna(), "hours"].equals(
        table.loc[table["override"].isna(), "model_hours"]
    )


def test_hours_by_a_new_plan_cost_what_a_plan_costs_and_then_a_request(shop: Shop, weeks: list[str]) -> None:
    make(shop, body(weeks, store="105"))
    reader, left = key(shop, ["read"]), [60_000]
    for _ in range(2):
        answer = shop.client.get(STAFFING, params={"store": "105"}, headers=reader)
        left.append(int(answer.headers["RateLimit"].split("r=")[1].split(";")[0]))
    assert [before - after for before, after in itertools.pairwise(left)] == [10, 1]


def test_the_value_of_overrides_is_empty_until_weeks_have_come(shop: Shop, weeks: list[str]) -> None:
    make(shop, body(weeks))
    assert shop.get(f"{OVERRIDES}/value").json()["value"] == []


# --- exceptions ----------------------------------------------------------------------------------------


@pytest.fixture
def first(shop: Shop) -> dict[str, Any]:
    """The most urgent exception."""
    found: dict[str, Any] = shop.get(EXCEPTIONS).json()["exceptions"][0]
    assert found["place"] == 1
    return found


def respond(
    shop: Shop, one: dict[str, Any], action: str, headers: dict[str, str] | None = None, **details: Any
) -> httpx.Response:
    content = {"store": one["store"], "department": one["department"], "action": action} | details
    return shop.client.post(f"{EXCEPTIONS}/answers", json=content, headers=headers or shop.bearer)


def test_an_exception_is_assigned_then_corrected(shop: Shop, weeks: list[str], first: dict[str, Any]) -> None:
    assert first["answer"] is None
    assigned = respond(shop, first, "assign", assigned_to="Bo", note="please look")
    assert assigned.status_code == 201, assigned.text
    assert (assigned.json()["assigned_to"], assigned.json()["answered_by"]) == ("Bo", "a planner")
    made = make(shop, body(weeks, store=first["store"], department=first["department"])).json()["override"][
        "id"
    ]
    answer = respond(shop, first, "correct", override=made)
    assert (answer.json()["answer"], answer.json()["override"], answer.json()["assigned_to"]) == (
        "correct",
        made,
        None,
    )
    found = shop.get(EXCEPTIONS).json()["exceptions"]
    assert found[0] == answer.json()
    assert [row["place"] for row in shop.get(EXCEPTIONS, answered="true").json()["exceptions"]] == [1]
    assert len(shop.get(EXCEPTIONS, answered="false").json()["exceptions"]) == len(found) - 1
    (record,) = shop.audited(answer.headers["X-Request-ID"])
    assert record["input"]["override"] == made


def test_an_answer_is_taken_back_and_stays_on_record(shop: Shop, first: dict[str, Any]) -> None:
    respond(shop, first, "accept", note="fine")
    answer = respond(shop, first, "reopen")
    assert (answer.status_code, answer.json()["answer"], answer.json()["note"]) == (201, None, None)
    assert shop.get(EXCEPTIONS, answered="true").json()["exceptions"] == []
    with shop.engine.connect() as connection:
        actions = connection.execute(select(schema.exception_answers.c.action)).scalars().all()
    assert sorted(actions) == ["accept", "reopen"]
    assert respond(shop, first, "reopen", override=1).status_code == 422


def test_answers_that_do_not_fit_are_refused(shop: Shop, weeks: list[str], first: dict[str, Any]) -> None:
    other = make(shop, body(weeks, store="105", department="88")).json()["override"]["id"]
    withdrawn = make(shop, body(weeks)).json()["override"]["id"]
    shop.client.delete(f"{OVERRIDES}/{withdrawn}", params={"why": "x"}, headers=shop.bearer)
    for action, details, status in (
        ("accept", {"override": withdrawn}, 422),
        ("correct", {}, 422),
        ("assign", {}, 422),
        ("assign", {"assigned_to": "  "}, 422),
        ("correct", {"override": 10**6}, 404),
        ("correct", {"override": 2**40}, 422),
        ("correct", {"override": withdrawn}, 409),
        ("correct", {"override": other}, 409),
        ("accept", {"note": "\x00"}, 422),
        ("accept", {"store": "999"}, 404),
        ("accept", {"store": f"{first['store']}\x00"}, 404),
        ("ignore", {}, 422),
    ):
        assert respond(shop, first, action, **details).status_code == status, (action, details)
    assert shop.get(EXCEPTIONS, answered="true").json()["exceptions"] == []


def test_only_those_who_plan_a_store_answer_its_exceptions(shop: Shop, first: dict[str, Any]) -> None:
    assert respond(shop, first, "accept", key(shop, stores=["none"])).status_code == 403
    assert respond(shop, first, "accept", key(shop, ["read"])).status_code == 403
    assert respond(shop, first, "accept", key(shop, stores=[first["store"]])).status_code == 201


# --- what they cost ------------------------------------------------------------------------------------

ASKED = ["POST", "try", PLAN, OVERRIDES, f"{OVERRIDES}/value", EXCEPTIONS]


def ask(shop: Shop, what: str, weeks: list[str], headers: dict[str, str], **query: Any) -> httpx.Response:
    if what in ("POST", "try"):
        answer = make(shop, body(weeks, store="105"), headers, dry_run=what == "try")
    else:
        answer = shop.client.get(what, headers=headers, params=query)
    assert answer.is_success, answer.text
    return answer


@pytest.mark.parametrize("what", ASKED)
def test_planning_computes_where_long_computations_wait_for_each_other(
    shop: Shop, weeks: list[str], monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    assert shop.app is not None
    computations, asked = shop.app.state.service.computations, []
    run = computations.run

    async def note(key_id: str, function: Any, *arguments: Any) -> Any:
        asked.append(key_id)
        return await run(key_id, function, *arguments)

    monkeypatch.setattr(computations, "run", note)
    ask(shop, what, weeks, shop.bearer, limit=1)
    assert asked == [shop.key.split("_")[1]]


def spent(calls: list[Callable[[], httpx.Response]]) -> list[int]:
    """Units that each call has cost, the first ones of a key."""
    left = [60_000, *(int(call().headers["RateLimit"].split("r=")[1].split(";")[0]) for call in calls)]
    return [before - after for before, after in itertools.pairwise(left)]


@pytest.mark.parametrize("what", ASKED)
def test_planning_costs_by_what_it_computes(
    shop: Shop, weeks: list[str], monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    make(shop, body(weeks))
    long_ago, digests = date(2017, 1, 1), schema.turnover_digests
    with writing(shop.engine) as connection:
        connection.execute(update(schema.overrides).values(week_from=long_ago))
        since = select(func.count()).select_from(digests).where(digests.c.week >= long_ago)
        known_weeks = connection.execute(since).scalar_one()
    rows = plan(shop)
    series = len({(row["store"], row["department"]) for row in rows})
    headers, few = key(shop), key(shop)
    usual = max(10, ceil(known_weeks * series / plan_costs.WEEKS_OF_A_UNIT)) if "value" in what else 10
    assert spent([lambda: ask(shop, what, weeks, few)]) == [usual]
    for name, count in (("FORECASTS_OF_A_UNIT", 7), ("OVERRIDES_OF_A_UNIT", 0.01), ("WEEKS_OF_A_UNIT", 3)):
        monkeypatch.setattr(f"sales_forecast.service.plan_costs.{name}", count)
    with shop.engine.connect() as connection:
        query = select(func.count()).select_from(schema.overrides)
        active = connection.execute(query).scalar_one()  # asking once may have made another one
    of_plan, of_value = ceil(len(rows) / 7 + 100 * active), ceil(known_weeks * series / 3)
    assert min(of_plan, of_value) > 10
    costs = {OVERRIDES: 10, EXCEPTIONS: 10, f"{OVERRIDES}/value": of_value}
    assert spent([lambda: ask(shop, what, weeks, headers)]) == [costs.get(what, of_plan)]


def test_a_publication_that_must_be_read_first_costs_more(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert shop.app is not None
    monkeypatch.setattr("sales_forecast.service.plan_costs.FORECASTS_READ_OF_A_UNIT", 2)
    forecasts, headers = len(plan(shop)), key(shop)

    def call() -> httpx.Response:
        return shop.client.get(PLAN, headers=headers, params={"limit": 1})

    shop.app.state.service.published._kept.clear()
    assert spent([call, call]) == [ceil(forecasts / 2), 10]


# --- how many there may be -----------------------------------------------------------------------------


@pytest.fixture
def two_at_most(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Shop:
    assert shop.app is not None
    service = shop.app.state.service
    settings = service.settings.model_copy(update={"overrides": OverrideSettings(max_active_per_key=2)})
    monkeypatch.setattr(service, "settings", settings)
    return shop


def test_a_key_has_so_many_overrides_that_count_and_no_more(two_at_most: Shop, weeks: list[str]) -> None:
    shop, own = two_at_most, key(two_at_most)
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: make(shop, body(weeks, store="105"), own), range(4)))
    assert sorted(answer.status_code for answer in answers) == [201, 201, 409, 409]
    assert stored(shop) == 2
    refused = next(answer for answer in answers if answer.status_code == 409).json()["detail"]
    assert refused.startswith("2 overrides of this key count already, and with 1 more there would be more")
    assert "overrides.max_active_per_key in service.yml): withdraw some" in refused
    assert make(shop, body(weeks, store="105"), own, dry_run="true").status_code == 200
    assert make(shop, body(weeks, store="105"), key(shop)).status_code == 201  # another key
    number = next(answer for answer in answers if answer.status_code == 201).json()["override"]["id"]
    shop.client.delete(f"{OVERRIDES}/{number}", params={"why": "x"}, headers=own)
    assert make(shop, body(weeks, store="105"), own).status_code == 201
    with writing(shop.engine) as connection:
        connection.execute(update(schema.overrides).values(expires=date(2017, 1, 1)))
    assert make(shop, body(weeks, store="105"), own).status_code == 201


def test_two_processes_share_what_a_key_may_make(
    two_at_most: Shop, weeks: list[str], shop_project: Project
) -> None:
    shop, own = two_at_most, key(two_at_most)
    url = shop.engine.url.render_as_string(hide_password=False)
    with (
        opened(shop_project, url, overrides={"max_active_per_key": 2}) as other,
        ThreadPoolExecutor(4) as pool,
    ):
        named = [own | {"Idempotency-Key": name} for name in ("a", "a", "b", "b", "c", "c", "d", "d")]
        calls = zip(named, itertools.cycle((shop, other)), strict=False)
        answers = list(pool.map(lambda call: make(call[1], body(weeks, store="105"), call[0]), calls))
    assert sorted(answer.status_code for answer in answers) == [201] * 4 + [409] * 4
    made = {answer.json()["override"]["id"] for answer in answers if answer.status_code == 201}
    assert made == set(numbers(shop))


def test_a_request_that_is_sent_again_is_answered_though_no_further_override_may_be_made(
    two_at_most: Shop, weeks: list[str]
) -> None:
    shop, own = two_at_most, key(two_at_most) | {"Idempotency-Key": "first"}
    first = make(shop, body(weeks, store="105"), own)
    assert make(shop, body(weeks, store="105"), own | {"Idempotency-Key": "second"}).status_code == 201
    assert make(shop, body(weeks, store="105"), own | {"Idempotency-Key": "third"}).status_code == 409
    assert make(shop, body(weeks, store="105"), own).json() == first.json()


# --- computed before it is stored ----------------------------------------------------------------------


def meanwhile(monkeypatch: pytest.MonkeyPatch, do: Callable[[], None]) -> None:
    """Do something while a proposal is computed."""

    def slowly(*arguments: Any) -> Any:
        proposal = propose_override(*arguments)
        do()
        return proposal

    monkeypatch.setattr("sales_forecast.service.planning.propose_override", slowly)


def test_others_can_write_while_a_proposal_is_computed(
    shop: Shop, weeks: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def write() -> None:
        with short_waits(shop.engine) as connection:
            connection.execute(update(schema.api_keys).values(name=schema.api_keys.c.name))

    meanwhile(monkeypatch, write)
    assert make(shop, body(weeks, store="105")).status_code == 201


def test_an_override_of_a_publication_that_is_replaced_meanwhile_is_not_stored(
    shop: Shop, weeks: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    newest = shop.get("/v1/turnover/forecasts", limit=1).json()["publication"]
    gone = {"run": newest, "at": datetime.now(UTC), "who": "me", "why": "wrong"}

    def withdraw() -> None:
        with writing(shop.engine) as connection:
            connection.execute(insert(schema.withdrawals), gone)

    meanwhile(monkeypatch, withdraw)
    try:
        answer = make(shop, body(weeks, store="105"))
    finally:
        with writing(shop.engine) as connection:
            connection.execute(schema.withdrawals.delete())
    assert (answer.status_code, stored(shop)) == (409, 0)
    assert f"publication {newest} is not the newest any more" in answer.json()["detail"]
    assert answer.headers["Retry-After"] == "1"


# --- on record, or not made ----------------------------------------------------------------------------


def on_record(shop: Shop) -> list[int]:
    """Numbers of the overrides that the audit log says were made."""
    with shop.engine.connect() as connection:
        log = schema.audit_log
        found = connection.execute(select(log.c.output).where(log.c.endpoint == OVERRIDES)).scalars().all()
    return [one["override"]["id"] for one in found if one.get("override")]


def numbers(shop: Shop) -> list[int]:
    with shop.engine.connect() as connection:
        return list(connection.execute(select(schema.overrides.c.id)).scalars())


@pytest.mark.parametrize("what", ["make", "withdraw", "answer"])
def test_a_change_whose_record_cannot_be_written_is_not_made(
    shop: Shop, weeks: list[str], first: dict[str, Any], monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    number = make(shop, body(weeks, store="105")).json()["override"]["id"]

    def fail(*_: Any) -> None:
        raise OperationalError("insert", {}, Exception("no space left"))

    monkeypatch.setattr(AuditChain, "append", fail)
    if what == "make":
        answer = make(shop, body(weeks, store="105"))
    elif what == "withdraw":
        answer = shop.client.delete(f"{OVERRIDES}/{number}", params={"why": "x"}, headers=shop.bearer)
    else:
        answer = respond(shop, first, "accept")
    assert (answer.status_code, stored(shop)) == (503, 1)
    with shop.engine.connect() as connection:
        assert connection.execute(select(schema.overrides.c.withdrawn_at)).scalar_one() is None
        assert connection.execute(select(func.count()).select_from(schema.exception_answers)).scalar() == 0


def test_a_request_that_is_given_up_leaves_an_override_with_its_record_or_none(
    shop_project: Project, new_database: Callable[[str], str], weeks: list[str]
) -> None:
    with opened(shop_project, new_database("sqlite"), max_seconds=1.5) as hasty:
        assert hasty.app is not None
        add = overrides.add
        make(hasty, body(weeks, store="105"), dry_run="true")  # reads the publication
        with pytest.MonkeyPatch.context() as patch:

            def slowly(*arguments: Any, **options: Any) -> Any:
                time.sleep(2.5)
                return add(*arguments, **options)

            patch.setattr(overrides, "add", slowly)
            answer = make(hasty, body(weeks, store="105"), hasty.bearer | {"Idempotency-Key": "once"})
            assert answer.status_code == 503
            wait_until(lambda: stored(hasty) == 1, 10)
        wait_until(lambda: on_record(hasty) == numbers(hasty), 2)
        again = make(hasty, body(weeks, store="105"), hasty.bearer | {"Idempotency-Key": "once"})
        assert (again.status_code, [again.json()["override"]["id"]]) == (201, numbers(hasty))
        assert verify(hasty.engine, [Signer()]).count == 0


KILLED = """
import os, signal, sys
from datetime import UTC, date, datetime
from sales_forecast.planning.overrides import Correction, Scope
from sales_forecast.service.audit import RecordedChanges
from sales_forecast.service.quota import AuditQuota
from sales_forecast.storage import audit, overrides
from sales_forecast.storage.audit_settings import AuditSettings
from sales_forecast.storage.database import open_database

engine, settings = open_database(sys.argv[1]), AuditSettings(keep_days=1)
changes = RecordedChanges(engine, settings, AuditQuota(engine, settings))
asked = Correction(Scope(), date(2017, 10, 7), date(2017, 10, 7), "percent", 20.0, "event")
with changes.begin() as (connection, records):
    made = overrides.add(connection, asked, frozenset("1"), retailer="default", publication=1, who=("k", "Ann"),
                         now=datetime.now(UTC))
    records.append(audit.event("answer", "/v1/turnover/overrides", {}, {"override": {"id": made.id}}))
    if sys.argv[2] == "before":
        append = changes._chain.append
        def die(*arguments):
            append(*arguments)
            os.kill(os.getpid(), signal.SIGKILL)
        changes._chain.append = die
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize(("when", "made"), [("before", 0), ("after", 1)])
def test_a_kill_leaves_an_override_with_its_record_or_none(shop: Shop, when: str, made: int) -> None:
    known = on_record(shop)
    url = shop.engine.url.render_as_string(hide_password=False)
    done = subprocess.run([sys.executable, "-c", KILLED, url, when], capture_output=True, check=False)
    assert done.returncode == -9, done.stderr.decode()
    assert sorted(on_record(shop)) == sorted([*known, *numbers(shop)])
    assert len(numbers(shop)) == made


# --- sent again ----------------------------------------------------------------------------------------


def change_key(shop: Shop, headers: dict[str, str], **columns: Any) -> None:
    keys, key_id = schema.api_keys, headers["Authorization"].split("_")[1]
    with writing(shop.engine) as connection:
        connection.execute(update(keys).where(keys.c.id == key_id).values(columns))
    assert shop.app is not None
    shop.app.state.service.authenticator._find.cache_clear()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"stores": ["101"]}, "1 of the 1 stores of store 105 are not yours to plan"),
        ({"stores": None, "regions": ["none"]}, "are not yours to plan"),
        ({"scopes": ["read"]}, "this key is for read; one for plan is needed"),
    ],
)
def test_a_request_sent_again_does_not_tell_what_the_key_may_no_longer_plan(
    shop: Shop, weeks: list[str], change: dict[str, Any], says: str
) -> None:
    own = key(shop, stores=["105"]) | {"Idempotency-Key": "before"}
    content = body(weeks, store="105")
    first = make(shop, content, own)
    assert make(shop, content, own).json() == first.json()
    change_key(shop, own, **change)
    again = make(shop, content, own)
    assert (again.status_code, says in again.json()["detail"]) == (403, True), again.text
    change_key(shop, own, scopes=["read", "plan"], stores=["105"], regions=None)
    assert make(shop, content, own).json() == first.json()


def test_the_same_name_of_a_request_to_the_service_of_another_retailer_is_refused(
    shop: Shop, weeks: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert shop.app is not None
    own = shop.bearer | {"Idempotency-Key": "for one retailer"}
    assert make(shop, body(weeks, store="105"), own).status_code == 201
    monkeypatch.setattr(shop.app.state.service, "retailer", "harbour")
    other = make(shop, body(weeks, store="105"), own)
    assert (other.status_code, "for another retailer" in other.json()["detail"]) == (422, True)


def test_a_request_sent_again_after_its_publication_was_cleared_away_is_refused(
    shop: Shop, weeks: list[str]
) -> None:
    own, content = shop.bearer | {"Idempotency-Key": "long ago"}, body(weeks, store="105")
    made = make(shop, content, own).json()["override"]["id"]
    runs = schema.forecast_runs
    with writing(shop.engine) as connection:
        old = dict(
            connection.execute(select(runs).where(runs.c.domain == "turnover")).mappings().first() or {}
        )
        old |= {
            "id": 99,
            "made_at": datetime(2017, 1, 1, tzinfo=UTC),
            "numbers_removed_at": datetime.now(UTC),
        }
        connection.execute(insert(runs), old)
        connection.execute(update(schema.overrides).values(publication=99))
    try:
        again = make(shop, content, own)
    finally:
        with writing(shop.engine) as connection:
            connection.execute(runs.delete().where(runs.c.id == 99))
    assert again.status_code == 409
    assert f"override {made} was made for publication 99, whose numbers are removed" in again.json()["detail"]


def test_two_different_requests_of_one_name_at_the_same_time_make_one_override(
    shop: Shop, weeks: list[str]
) -> None:
    own = shop.bearer | {"Idempotency-Key": "race"}
    contents = [body(weeks, store="105", value=value) for value in (20, 21, 20, 21)]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda content: make(shop, content, own), contents))
    assert sorted(answer.status_code for answer in answers) == [201, 201, 422, 422]
    assert stored(shop) == 1
