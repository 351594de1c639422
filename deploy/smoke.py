"""Asks a deployed service for what is known; ends with 1 and one sentence if an answer is wrong.

Only the standard library is needed: ``SALES_FORECAST_KEY=... python deploy/smoke.py http://127.0.0.1:8000``.
The key needs the scopes ``read`` and ``predict``.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

KEY = "SALES_FORECAST_KEY"
ORDER = ("lo_95", "lo_80", "forecast", "hi_80", "hi_95")
SECONDS = 15
"""After which a request is given up."""

Ask = Callable[..., dict[str, Any]]
"""Path, and the body of a POST -> the answer."""


class WrongError(Exception):
    """What is wrong, in one sentence."""


class RefusedError(WrongError):
    """The key is refused, which waiting does not change."""


def asking(address: str, key: str) -> Ask:
    """Return what sends requests to a service.

    Args:
        address: Such as ``http://127.0.0.1:8000``.
        key: API key.
    """

    def ask(path: str, body: object = None) -> dict[str, Any]:
        content = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        try:
            with urlopen(
                Request(f"{address.rstrip('/')}{path}", content, headers), timeout=SECONDS
            ) as answer:
                found: dict[str, Any] = json.load(answer)
                return found
        except HTTPError as error:
            said = error.read(2000).decode(errors="replace")
            kind = RefusedError if error.code in (401, 403) else WrongError
            raise kind(f"{path} answers {error.code}: {said}") from error
        except (URLError, TimeoutError, ConnectionError) as error:
            raise WrongError(f"{path} cannot be reached: {error}") from error
        except ValueError as error:
            raise WrongError(f"{path} does not answer with JSON: {error}") from error

    return ask


def wait_until_ready(ask: Ask, seconds: float) -> str:
    """Wait until the service can answer; return how it is, ``green`` or ``yellow``."""
    end = time.monotonic() + seconds
    while True:
        try:
            ask("/health")
            return str(ask("/ready")["status"])
        except RefusedError:
            raise
        except WrongError as error:
            if time.monotonic() > end:
                raise WrongError(f"it is not ready after {seconds:g} s: {error}") from error
            time.sleep(0.5)


def stored_forecasts(ask: Ask, store: str | None, department: str | None) -> dict[str, Any]:
    """Read the stored forecasts of one series, and check that they can be forecasts.

    Args:
        ask: Sends requests.
        store: Store of the series; None for the first one that the service knows.
        department: Department of the series.
    """
    if store is None or department is None:
        first = ask("/v1/turnover/forecasts?limit=1")["forecasts"]
        if not first:
            raise WrongError("no forecast is stored: run kedro run first")
        store, department = first[0]["store"], first[0]["department"]
    query = urlencode({"store": store, "department": department, "limit": 60})
    answer = ask(f"/v1/turnover/forecasts?{query}")
    series, rows = f"store {store}, department {department}", answer["forecasts"]
    if not rows:
        raise WrongError(f"no forecast of {series} is stored")
    for row in rows:
        numbers = [row[name] for name in ORDER]
        if not all(isinstance(number, int | float) and math.isfinite(number) for number in numbers):
            raise WrongError(f"the forecast of {series}, {row['week']} is no number: {numbers}")
        if numbers != sorted(numbers) or row["forecast"] < 0:
            shown = ", ".join(f"{name} {row[name]:.2f}" for name in ORDER)
            raise WrongError(f"the range of {series}, {row['week']} is not in order: {shown}")
    if [row["horizon"] for row in rows] != sorted({row["horizon"] for row in rows}):
        raise WrongError(f"the weeks of {series} are not each there once")
    return {
        "store": store,
        "department": department,
        "publication": answer["publication"],
        "forecasts": {row["week"]: row["forecast"] for row in rows},
    }


def predicted_sales(ask: Ask, budgets: list[float], tolerance: float) -> dict[str, Any]:
    """Predict the sales of some budgets, and check that they can be sales.

    Args:
        ask: Sends requests.
        budgets: TV budgets.
        tolerance: Share by which a larger budget may sell less.
    """
    budgets = sorted(budgets)
    answer = ask("/v1/marketing/predict", {"budgets": budgets})
    rows = answer["predictions"]
    if [row["tv"] for row in rows] != budgets:
        raise WrongError(f"asked for the budgets {budgets}, it predicts {[row['tv'] for row in rows]}")
    for row in rows:
        if not 0 <= row["sales_low"] <= row["sales"] <= row["sales_high"] < math.inf:
            raise WrongError(
                f"the range of the budget {row['tv']:g} is not in order: {row['sales_low']:.2f}, "
                f"{row['sales']:.2f}, {row['sales_high']:.2f}"
            )
    for smaller, larger in pairwise(rows):
        if larger["sales"] < smaller["sales"] * (1 - tolerance):
            raise WrongError(
                f"the budget {larger['tv']:g} sells {larger['sales']:.2f}, less than {smaller['tv']:g}, "
                f"which sells {smaller['sales']:.2f}"
            )
    return {
        "marketing_version": answer["model_version"],
        "sales": {f"{row['tv']:g}": row["sales"] for row in rows},
    }


def compare(found: dict[str, Any], expected: dict[str, Any], tolerance: float) -> list[str]:
    """Compare with what the service answered before; return what has been compared.

    Numbers of another publication or another version are other numbers, and are not compared.
    """
    compared = []
    for numbers, of in (("forecasts", "publication"), ("sales", "marketing_version")):
        if found[of] != expected[of]:
            continue
        compared.append(numbers)
        for name, value in expected[numbers].items():
            got = found[numbers].get(name)
            if got is None or not math.isclose(got, value, rel_tol=tolerance, abs_tol=1e-9):
                raise WrongError(
                    f"{numbers}, {name}: {got}, where {value} is expected ({of} {found[of]}, "
                    f"within {tolerance:g})"
                )
    return compared


def probe(ask: Ask, given: argparse.Namespace) -> str:
    """Ask for everything; return what was found in one sentence."""
    expected = json.loads(given.expect.read_text()) if given.expect else {}
    ready = wait_until_ready(ask, given.wait)
    version = ask("/health")["version"]
    store, department = given.store or expected.get("store"), given.department or expected.get("department")
    found = stored_forecasts(ask, store, department)
    found |= predicted_sales(ask, given.budgets, given.tolerance)
    compared = compare(found, expected, given.tolerance) if expected else []
    if given.write:
        given.write.write_text(json.dumps(found, indent=1) + "\n")
    said = f"version {version} is {ready}; {len(found['forecasts'])} weeks of store {found['store']}, "
    said += f"department {found['department']} and {len(found['sales'])} budgets are plausible"
    if expected:
        said += f"; as expected: {' and '.join(compared) or 'nothing, all of it is newer'}"
    return said


def main(arguments: list[str] | None = None) -> int:
    """Run the probe; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("address", help="such as http://127.0.0.1:8000")
    parser.add_argument("--store", help="a known series; the first one that is stored, if there is none")
    parser.add_argument("--department")
    parser.add_argument("--budgets", type=float, nargs="+", default=[100, 500])
    parser.add_argument("--wait", type=float, default=120, help="seconds until it must be ready")
    parser.add_argument("--tolerance", type=float, default=0.001, help="relative difference that is none")
    parser.add_argument("--expect", type=Path, help="what it must answer, a file of --write")
    parser.add_argument("--write", type=Path, help="keep the answers, for --expect")
    given = parser.parse_args(arguments)
    if not (key := os.environ.get(KEY)):
        print(f"wrong: {KEY} holds no API key")
        return 1
    try:
        print(f"ok: {given.address}: {probe(asking(given.address, key), given)}")
    except WrongError as error:
        print(f"wrong: {given.address}: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
