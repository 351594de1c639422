"""Scenarios over HTTP: answered, saved, compared, deleted, and refused with the remedy."""

import itertools
from threading import current_thread
from typing import Any
from uuid import uuid4

import httpx
import pytest

from promoted import HORIZON, promoted_chain
from sales_forecast.service.arms import TurnoverArm
from sales_forecast.service.routes import scenarios as routes
from services import Shop, new_key

pytestmark = pytest.mark.xdist_group("service")

DATABASES = ["sqlite", "postgresql"]

SCENARIOS = "/v1/turnover/scenarios"
PROMOTE = {"changes": [{"covariate": "promotion", "how": "set", "amount": 1.0}]}
NAMED = PROMOTE | {"save_as": "Everything promoted"}


@pytest.fixture(scope="module")
def arm() -> TurnoverArm:
    chain = promoted_chain(1, stores=6)
    return TurnoverArm("champion", "sales_forecast.turnover", "7", chain.package, chain.forecaster)


@pytest.fixture
def promoted(shop: Shop, arm: TurnoverArm, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """The service with a champion that knows promotions, and a planner who has saved nothing yet."""
    assert shop.app is not None
    monkeypatch.setattr(shop.app.state.service, "turnover_champion", lambda: arm)
    return Shop(shop.project, shop.engine, shop.client, new_key(shop.engine), shop.app)


def ask(shop: Shop, **changes: Any) -> dict[str, Any]:
    answer = shop.post(SCENARIOS, PROMOTE | changes)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def total(answer: dict[str, Any]) -> dict[str, Any]:
    (found,) = [group for group in answer["groups"] if group["level"] == "total"]
    return dict(found)


def delete(shop: Shop, scenario: str, key: str | None = None) -> httpx.Response:
    headers = {"Authorization": f"Bearer {key}"} if key else shop.bearer
    return shop.client.delete(f"{SCENARIOS}/{scenario}", headers=headers)


def test_a_promotion_everywhere_brings_more_with_an_interval(promoted: Shop) -> None:
    answer = ask(promoted)
    found = total(answer)
    assert found["scenario"] == pytest.approx(found["baseline"] + found["difference"])
    assert 0 < found["lo_80"] < found["expected_difference"] < found["hi_80"]
    assert answer["model_version"] == "7"
    assert answer["id"] is None
    assert "of what the model predicted" in answer["notes"][0]
    weeks = [group["week"] for group in answer["groups"] if group["level"] == "week"]
    assert len(weeks) == HORIZON
    assert {group["store"] for group in answer["groups"] if group["level"] == "store"} == set("012345")


def test_answers_are_on_record_and_cost_units(promoted: Shop) -> None:
    answer = promoted.post(SCENARIOS, PROMOTE)
    (record,) = promoted.audited(answer.json()["request_id"])
    assert record["input"] == PROMOTE
    assert record["output"]["groups"] == answer.json()["groups"]
    after_a_page = promoted.get(SCENARIOS)
    before, after = (
        int(found.headers["RateLimit"].split("r=")[1].split(";")[0]) for found in (answer, after_a_page)
    )
    assert before - after == 1
    limit = int(answer.headers["RateLimit-Policy"].split("q=")[1].split(";")[0])
    assert limit - before == routes.UNITS_OF_OWN_DATA + routes.UNITS_OF_A_CHANGE


def test_a_saved_scenario_is_read_as_it_was_answered(promoted: Shop) -> None:
    answer = ask(promoted, save_as="Everything promoted")
    saved = promoted.get(f"{SCENARIOS}/{answer['id']}").json()
    assert saved["name"] == "Everything promoted"
    assert saved["made_by"] == "a planner"
    assert saved["publication"] is not None
    assert saved["request"]["changes"] == PROMOTE["changes"]
    assert saved["answer"]["groups"] == answer["groups"]
    assert "key_id" not in saved


def test_saved_scenarios_are_listed_in_pages_newest_first(promoted: Shop) -> None:
    ids = [ask(promoted, save_as=f"number {number}")["id"] for number in range(3)]
    first = promoted.get(SCENARIOS, limit=2).json()
    second = promoted.get(SCENARIOS, limit=2, offset=first["next_offset"]).json()
    assert [one["id"] for one in first["scenarios"]] == ids[:0:-1]
    assert second["scenarios"][0]["id"] == ids[0]


def test_scenarios_are_compared_group_by_group(promoted: Shop) -> None:
    one = ask(promoted, save_as="one store", stores=["2"])
    every = ask(promoted, save_as="all stores")
    found = promoted.get(f"{SCENARIOS}/compare", id=[one["id"], every["id"]]).json()
    assert [scenario["name"] for scenario in found["scenarios"]] == ["one store", "all stores"]
    assert found["same_basis"]
    groups = {(group["level"], group["store"]): group["scenarios"] for group in found["groups"]}
    assert groups["store", "5"][0] is None
    assert groups["store", "5"][1]["difference"] > 0
    assert groups["total", None] == [total(one), total(every)]
    assert promoted.get(f"{SCENARIOS}/compare", id=[one["id"]]).status_code == 422


def test_what_is_read_compared_and_deleted_is_on_record_and_computed_apart(
    promoted: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids, threads, compare = [ask(promoted, save_as=name)["id"] for name in "ab"], [], routes.compare

    def compared(found: Any) -> Any:
        threads.append(current_thread().name)
        return compare(found)

    monkeypatch.setattr(routes, "compare", compared)
    answers = [
        promoted.client.get(SCENARIOS, headers=promoted.bearer),
        promoted.client.get(f"{SCENARIOS}/compare", params={"id": ids}, headers=promoted.bearer),
        promoted.client.get(f"{SCENARIOS}/{ids[0]}", headers=promoted.bearer),
        delete(promoted, ids[0]),
    ]
    assert threads[0].startswith("computation")
    units = [int(answer.headers["RateLimit"].split("r=")[1].split(";")[0]) for answer in answers]
    assert [before - after for before, after in itertools.pairwise(units)] == [10, 10, 1]
    records = [promoted.audited(answer.headers["X-Request-ID"])[0] for answer in answers]
    assert [record["kind"] for record in records] == ["answer"] * 3 + ["scenario"]
    assert set(ids) <= set(records[0]["output"]["scenarios"])
    assert records[1]["output"] == {"scenarios": ids}
    assert records[2]["output"] == {"scenarios": ids[:1]}
    assert records[3]["input"] == {"action": "delete", "scenario": ids[0]}


def test_only_who_saved_a_scenario_or_an_admin_deletes_it(promoted: Shop) -> None:
    saved = ask(promoted, save_as="mine")["id"]
    other = new_key(promoted.engine, ["read", "predict", "plan"])
    refused = delete(promoted, saved, other)
    assert refused.status_code == 403
    assert "saved by a planner" in refused.json()["detail"]
    assert delete(promoted, saved, new_key(promoted.engine, ["read", "admin"])).status_code == 204
    assert promoted.get(f"{SCENARIOS}/{saved}").status_code == 404
    assert delete(promoted, ask(promoted, save_as="mine too")["id"]).status_code == 204


def test_who_may_not_plan_may_ask_but_not_save(promoted: Shop) -> None:
    asking = Shop(promoted.project, promoted.engine, promoted.client, new_key(promoted.engine, ["predict"]))
    assert asking.post(SCENARIOS, PROMOTE).status_code == 200
    refused = asking.post(SCENARIOS, NAMED)
    assert refused.status_code == 403
    assert "one for plan is needed" in refused.json()["detail"]
    assert asking.get(SCENARIOS).status_code == 403


@pytest.mark.parametrize(
    ("changes", "status", "says"),
    [
        ({"changes": []}, 422, "at least 1 item"),
        ({"changes": PROMOTE["changes"] * 2}, 409, "'promotion' is changed 2 times"),
        ({"save_as": "\x00"}, 422, "pattern"),
        ({"stores": ["99"]}, 409, "1 store(s) are not forecast, e.g. '99'"),
        ({"weeks": ["2031-01-04"]}, 409, "none of the weeks ahead"),
        (
            {"changes": [{"covariate": "price", "how": "add", "amount": 1.0}]},
            409,
            "those it has: flyer, promotion",
        ),
    ],
)
def test_what_cannot_be_answered_says_why(
    promoted: Shop, changes: dict[str, Any], status: int, says: str
) -> None:
    answer = promoted.post(SCENARIOS, PROMOTE | changes)
    assert answer.status_code == status, answer.text
    assert says in answer.json()["detail"]


def test_a_model_without_future_covariates_says_what_to_configure(shop: Shop) -> None:
    answer = shop.post(SCENARIOS, PROMOTE)
    assert answer.status_code == 409
    assert "turnover.covariate_tables" in answer.json()["detail"]


def test_a_scenario_that_nobody_saved_is_not_found(promoted: Shop) -> None:
    assert promoted.get(f"{SCENARIOS}/{uuid4()}").status_code == 404
    assert promoted.get(f"{SCENARIOS}/1").status_code == 404


def test_a_key_saves_so_many_scenarios_and_no_more(promoted: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes, "MAX_SAVED", 1)
    ask(promoted, save_as="the first")
    monkeypatch.delattr(routes, "answer_scenario")  # it is refused before it is computed
    refused = promoted.post(SCENARIOS, NAMED)
    assert refused.status_code == 409
    assert "has saved 1 scenarios; delete" in refused.json()["detail"]
