"""The probe of a release: it says yes to the real service, and no, with a reason, to one that answers wrongly."""

import copy
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deploy import smoke
from projects import REPOSITORY
from services import Shop

pytestmark = pytest.mark.xdist_group("service")


def run(address: str, key: str, *options: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-S", str(REPOSITORY / "deploy/smoke.py"), address, *options],
        env={smoke.KEY: key},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    return done.returncode, done.stdout


def test_the_real_service_answers_what_it_answered_before(shop: Shop, address: str, tmp_path: Path) -> None:
    kept = tmp_path / "before.json"
    code, said = run(address, shop.key, "--store", "105", "--department", "117", "--write", str(kept))
    assert code == 0, said
    assert "8 weeks of store 105, department 117 and 2 budgets are plausible" in said
    code, said = run(address, shop.key, "--expect", str(kept))
    assert (code, said.count("as expected: forecasts and sales")) == (0, 1), said
    expected = json.loads(kept.read_text())
    expected["sales"]["100"] *= 1.01
    kept.write_text(json.dumps(expected))
    code, said = run(address, shop.key, "--expect", str(kept))
    assert code == 1
    assert said.startswith(f"wrong: {address}: sales, 100: ")
    assert run(address, shop.key, "--expect", str(kept), "--tolerance", "0.02")[0] == 0
    expected |= {"publication": 0, "marketing_version": "0"}
    kept.write_text(json.dumps(expected))
    code, said = run(address, shop.key, "--expect", str(kept))
    assert (code, said.count("nothing, all of it is newer")) == (0, 1), said


def test_a_wrong_key_and_an_unknown_series_are_one_sentence_each(shop: Shop, address: str) -> None:
    for key, options, says in (
        ("wrong", (), "answers 401"),
        ("", (), "SALES_FORECAST_KEY holds no API key"),
        (shop.key, ("--store", "105", "--department", "999"), "answers 404"),
    ):
        code, said = run(address, key, *options)
        assert (code, said.count("\n")) == (1, 1), said
        assert says in said


def test_a_service_that_is_not_there_is_waited_for_and_given_up() -> None:
    code, said = run("http://127.0.0.1:9", "key", "--wait", "0.1")
    assert code == 1
    assert "it is not ready after 0.1 s: /health cannot be reached" in said


ROW = {"store": "1", "department": "2", "week": "2020-01-04", "horizon": 1}
ANSWERS: dict[str, Any] = {
    "/v1/turnover/forecasts": {
        "publication": 1,
        "forecasts": [ROW | {"lo_95": 1.0, "lo_80": 2.0, "forecast": 3.0, "hi_80": 4.0, "hi_95": 5.0}],
    },
    "/v1/marketing/predict": {
        "model_version": "1",
        "predictions": [
            {"tv": 100.0, "sales": 10.0, "sales_low": 8.0, "sales_high": 12.0},
            {"tv": 500.0, "sales": 20.0, "sales_low": 18.0, "sales_high": 22.0},
        ],
    },
}


def answering(change: Callable[[dict[str, Any], list[dict[str, Any]]], None]) -> smoke.Ask:
    answers = copy.deepcopy(ANSWERS)
    change(answers["/v1/turnover/forecasts"]["forecasts"][0], answers["/v1/marketing/predict"]["predictions"])

    def ask(path: str, body: object = None) -> dict[str, Any]:
        found: dict[str, Any] = answers[path.partition("?")[0]]
        return found

    return ask


def nothing(row: dict[str, Any], budgets: list[dict[str, Any]]) -> None:
    pass


def narrow(row: dict[str, Any], budgets: list[dict[str, Any]]) -> None:
    row["hi_80"] = 2.5


def negative(row: dict[str, Any], budgets: list[dict[str, Any]]) -> None:
    row |= dict.fromkeys(("lo_95", "lo_80", "forecast"), -1.0)


def missing(row: dict[str, Any], budgets: list[dict[str, Any]]) -> None:
    row["forecast"] = None


def falling(row: dict[str, Any], budgets: list[dict[str, Any]]) -> None:
    budgets[1] |= {"sales": 9.0, "sales_low": 8.0}


def upside_down(row: dict[str, Any], budgets: list[dict[str, Any]]) -> None:
    budgets[0]["sales_low"] = 11.0


def another_budget(row: dict[str, Any], budgets: list[dict[str, Any]]) -> None:
    budgets[0]["tv"] = 101.0


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (narrow, "the range of store 1, department 2, 2020-01-04 is not in order"),
        (negative, "is not in order: lo_95 -1.00"),
        (missing, "the forecast of store 1, department 2, 2020-01-04 is no number"),
        (falling, "the budget 500 sells 9.00, less than 100, which sells 10.00"),
        (upside_down, "the range of the budget 100 is not in order"),
        (another_budget, "asked for the budgets [100, 500], it predicts [101.0, 500.0]"),
    ],
)
def test_answers_that_cannot_be_right_are_refused(
    change: Callable[[dict[str, Any], list[dict[str, Any]]], None], says: str
) -> None:
    def probe(ask: smoke.Ask) -> None:
        smoke.stored_forecasts(ask, "1", "2")
        smoke.predicted_sales(ask, [100, 500], 0.001)

    probe(answering(nothing))
    with pytest.raises(smoke.WrongError) as wrong:
        probe(answering(change))
    assert says in str(wrong.value)
